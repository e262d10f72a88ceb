"""Fair timing on a machine that is never quite quiet: contenders take turns in many short rounds.

Each contender lives in a process of its own, as it does for its user, and only one works at a time. In one process they
would share a heap, and with it page faults: on a CPU that moved a ratio from 1.37 to 1.22.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

Turn = Callable[[int], float]  # makes n steps, returns the seconds they took
ROOT = Path(__file__).parent.parent


class CouldNotRunError(Exception):
    """A contender that can't be measured, with the reason."""


@dataclass(frozen=True)
class Measured:
    """Seconds a step of one contender: the median of its rounds and the quartiles."""

    median: float
    low: float
    high: float
    rounds: int

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Measured:
        low, median, high = statistics.quantiles(seconds, n=4, method="inclusive")
        return cls(median, low, high, len(seconds))


@dataclass(frozen=True)
class Ratio:
    """A contender's median over the base's, with a 95 % bootstrap interval. Above 1: the base is faster."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, other: Sequence[float], base: Sequence[float], resamples: int = 2000) -> Ratio:
        """Rounds are resampled in pairs: what disturbed a round disturbed both."""
        rng, n = random.Random(0), len(base)
        draws = []
        for _ in range(resamples):
            picks = rng.choices(range(n), k=n)
            draws.append(statistics.median(other[i] for i in picks) / statistics.median(base[i] for i in picks))
        draws.sort()
        value = statistics.median(other) / statistics.median(base)
        return cls(value, draws[int(0.025 * resamples)], draws[int(0.975 * resamples)])


def take_turns(
    contenders: Mapping[str, Turn],
    *,
    rounds: int,
    round_seconds: float,
    cycles: Mapping[str, int] | None = None,
    visits: int = 1,
) -> dict[str, list[float]]:
    """Seconds a step in each round, by contender.

    In every round each contender makes as many steps as fill about `round_seconds`; the order rotates. A contender in
    `cycles` makes a multiple of so many steps. Where that takes long, `visits` above 1 splits a round into as many
    turns of each, so that what disturbs one disturbs all.
    """
    names = list(contenders)
    steps = {}
    for name, turn in contenders.items():
        cycle = (cycles or {}).get(name, 1)
        trial = max(2, cycle)
        turn(trial)
        fitting = round_seconds / max(turn(trial) / trial, 1e-6)
        steps[name] = cycle * max(1, round(fitting / cycle))
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for r in range(rounds):
        shift = r % len(names)
        spent = dict.fromkeys(names, 0.0)
        for visit in range(visits):
            for name in names[shift:] + names[:shift]:
                share = steps[name] * (visit + 1) // visits - steps[name] * visit // visits
                spent[name] += contenders[name](share) if share else 0.0
        for name in names:
            seconds[name].append(spent[name] / steps[name])
    return seconds


@dataclass(frozen=True)
class Contender:
    """What to measure: `build` is "module:function", called with `options` in an interpreter of its own.

    The function returns one step as a callable, or several by name where they must share their objects. Where steps
    differ from each other, `cycle` is how many make a whole pattern.
    """

    name: str
    build: str
    options: dict[str, Any] = field(default_factory=dict)
    python: str = sys.executable
    cycle: int = 1


class Worker:
    """A contender's process: see benchmarks/worker.py for its side."""

    def __init__(self, contender: Contender, threads: int) -> None:
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed in __exit__
        job = json.dumps({"build": contender.build, "options": contender.options, "threads": threads})
        self.process = subprocess.Popen(
            [contender.python, "-m", "benchmarks.worker", job],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )
        self.names = [name or contender.name for name in self._read()["names"]]
        self._own = contender.name

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.process.communicate(timeout=20)  # the end of its input ends it
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
        self.errors.close()

    def ask(self, **request: Any) -> dict[str, Any]:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self._read()

    def turn(self, name: str, steps: int) -> float:
        return self.ask(name="" if name == self._own else name, steps=steps)["seconds"]

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        reply = json.loads(line) if line else {"error": self._last_words()}
        if "error" in reply:
            self.__exit__()
            raise CouldNotRunError(reply["error"])
        return reply

    def _last_words(self) -> str:
        self.errors.seek(0)
        lines = self.errors.read().strip().splitlines()
        return f"its process ended: {lines[-1] if lines else 'no message'}"


def compare(
    contenders: Sequence[Contender],
    *,
    base: str | None,
    rounds: int,
    round_seconds: float,
    threads: int,
    visits: int = 1,
) -> dict[str, Any]:
    """Measure all of them in turns.

    Plain values by contender: `seconds` (:class:`Measured`), `ratio` to the `base` (:class:`Ratio`), `memory` (bytes at
    the peak), `added_memory` (of them, what was not there when torch was imported), `page_faults` (a step),
    `parameters` (by network, where a contender tells) and `could_not_run` (reasons).
    """
    with ExitStack() as stack:
        turns: dict[str, Turn] = {}
        owners: dict[str, Worker] = {}
        cycles: dict[str, int] = {}
        reasons: dict[str, str] = {}
        for contender in contenders:
            try:
                worker = stack.enter_context(Worker(contender, threads))
            except OSError:
                reasons[contender.name] = "its environment is not there; make it with: python -m benchmarks.peers"
                continue
            except CouldNotRunError as error:
                reasons[contender.name] = str(error).replace(str(ROOT), ".")
                continue
            for name in worker.names:
                turns[name], owners[name], cycles[name] = partial(worker.turn, name), worker, contender.cycle
        lengths: dict[str, Any] = {"rounds": rounds, "round_seconds": round_seconds, "cycles": cycles, "visits": visits}
        seconds = take_turns(turns, **lengths) if turns else {}
        used = {name: worker.ask(usage=True) for name, worker in owners.items()}
    return {
        "seconds": {name: asdict(Measured.of(values)) for name, values in seconds.items()},
        "ratio": {
            name: asdict(Ratio.of(values, seconds[base]))
            for name, values in seconds.items()
            if base in seconds and name != base
        },
        "base": base,
        **{
            key: {name: usage[key] for name, usage in used.items() if usage[key] is not None}
            for key in ("memory", "added_memory", "page_faults", "parameters")
        },
        "could_not_run": reasons,
    }
