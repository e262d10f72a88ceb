"""How long until samples are good? CPU time to a stated quality, with our settings and with the plain example's."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gan_tutorial.algorithms import GANSettings
from gan_tutorial.errors import require_integer, unknown
from gan_tutorial.experiments import results
from gan_tutorial.experiments.page import Page
from gan_tutorial.metrics import classifier, classifier_fid
from gan_tutorial.training import Recipe, Trainer, recipe

FOLDER = Path("runs/time-to-quality")
SEARCH_FOLDER = Path("runs/time-to-quality-search")
OURS = {"mnist": "dcgan-mnist", "avatars": "dcgan-avatars"}
TARGET = {"mnist": 3.0, "avatars": 12.0}  # classifier-FID of JUDGED samples
JUDGED, EVERY = 2000, 50
LEAST = 0.01  # of the samples; a class with fewer is not there
PATIENCE = 1800.0  # CPU seconds after which a run is given up
TRIALS, TRIAL_PATIENCE = 23, 40.0  # of the search
# What the search draws from. `width` is that of both networks; the recipe's are 32 and 64, and no larger is tried.
RANGES: dict[str, tuple[Any, ...]] = {
    "lr_g": (3e-4, 5e-4, 1e-3, 2e-3, 3e-3),
    "lr_d": (2e-4, 3e-4, 5e-4, 1e-3, 2e-3),
    "beta1": (0.0, 0.5),
    "beta2": (0.9, 0.99, 0.999),
    "batch_size": (16, 32, 64),
    "ema": (0.95, 0.98, 0.99, 0.995),
    "loss": ("non-saturating", "hinge", "least-squares", "relativistic"),
    "model.width": (16, 24, 32),
    "model.norm": ("batch", "spectral", "none"),
    "model.z_dim": (32, 64, 100),
}


@dataclass(frozen=True)
class Result:
    """What was seen on the way: updates, CPU seconds of training, classifier-FID and the rarest class's share."""

    looks: list[tuple[int, float, float, float]]

    def reached(self, target: float) -> float | None:
        """CPU seconds until the classifier-FID was at most `target` with every class there; None if it never was."""
        for _, seconds, distance, rarest in self.looks:
            if distance <= target and rarest >= LEAST:
                return seconds
        return None


def example(task: str) -> Recipe:
    """The settings of PyTorch's DCGAN example: width 64, a latent of 100, Adam at 2e-4 and beta1 0.5, no average."""
    return replace(
        recipe(OURS[task]),
        name=f"example-{task}",
        model_options={"z_dim": 100, "g_width": 64, "d_width": 64},
        settings=GANSettings(lr_g=2e-4, lr_d=2e-4, beta1=0.5),
        batch_size=64,
        ema=0.0,
    )


def train(r: Recipe, seed: int, target: float, patience: float, folder: Path | None = None) -> Result:
    """Train until the target is reached or patience ends, one thread; looking takes no time. What is in `folder` is not
    done again."""
    place = folder and folder / r.name / f"seed-{seed}"
    known = results.kept(place, r, [seed])
    if known:
        return Result([tuple(look) for look in known["looks"]])
    trainer = Trainer(r, device="cpu", seed=seed)
    found, spent, steps = Result([]), 0.0, trainer.run(10**9)
    while spent < patience and found.reached(target) is None:
        begun = time.process_time()
        for _ in range(EVERY):
            next(steps)
        spent += time.process_time() - begun
        found.looks.append((trainer.step, round(spent, 2), *look(trainer)))
    results.keep(place, r, [seed], asdict(found))
    return found


@contextmanager
def one_thread() -> Iterator[None]:
    """On one thread inside, and as before afterwards."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def look(trainer: Trainer) -> tuple[float, float]:
    """The classifier-FID of samples, and the share of the rarest class."""
    judge = classifier(trainer.dataset.name)
    features = torch.cat([judge.features(trainer.sample(500, seed=part)) for part in range(JUDGED // 500)])
    distance = classifier_fid(features, judge.real)
    return round(distance, 3), judge.shares(features).min().item() if judge.class_names else 1.0


def run(seeds: list[int], folder: Path = FOLDER) -> Page:
    """Both tasks with both settings. What was done is kept in `folder`; started again, it goes on from there."""
    with one_thread():
        found = {
            task: {
                r.name: [train(r, seed, TARGET[task], PATIENCE, folder) for seed in seeds]
                for r in (example(task), recipe(OURS[task]))
            }
            for task in OURS
        }
    return Page(
        "time-to-quality",
        "Time to quality",
        f"CPU seconds of training, on one thread, until {JUDGED} samples have a classifier-FID of at most "
        + " and ".join(f"{TARGET[task]:g} ({task})" for task in OURS)
        + f"; of digits, every class must have {LEAST:.0%} of the samples. The samples are looked at every {EVERY} "
        "updates, which does not count. Both settings run in this package's training loop, on the same data: those of "
        "PyTorch's DCGAN example (width 64, a latent of 100, Adam at 2e-4 with beta1 0.5, batches of 64, no moving "
        "average) and the recipe's, whose networks are no larger. The avatars' recipe was trial 12 of 23 that were "
        "drawn at random, see the experiment time-to-quality-search: not the first to get there, but the one "
        "with the lowest classifier-FID when it did. That of the digits was there before the search.",
        ("data", "settings", "seed", "updates", "CPU seconds", "classifier-FID then"),
        [row(task, name, seed, one) for task, of in found.items() for name, every in of.items()
         for seed, one in zip(seeds, every, strict=True)],
        finding(found),
        machine=results.machines(folder),
        seconds=sum(one.looks[-1][1] for of in found.values() for every in of.values() for one in every),
    )  # fmt: skip


def row(task: str, name: str, seed: int, one: Result) -> tuple[object, ...]:
    """A line of the table."""
    step, seconds, distance, _ = one.looks[-1]
    reached = one.reached(TARGET[task])
    return (task, name, seed, step, f"{seconds:.0f}" + ("" if reached else ", given up"), f"{distance:.2f}")


def finding(found: Mapping[str, Mapping[str, list[Result]]]) -> str:
    """The medians and their ratio."""
    lines = []
    for task, of in found.items():
        plain, ours = (
            statistics.median(one.reached(TARGET[task]) or float("inf") for one in every) for every in of.values()
        )
        lines.append(
            f"- {task}: median {ours:.0f} CPU seconds against {plain:.0f} with the example's settings: "
            f"{ours / plain:.2f} of the time."
        )
    return "\n".join(lines)


# -- the search ------------------------------------------------------------------------------------------------------
def drawn(task: str, trial: int) -> Recipe:
    """The settings of a trial, an integer >= 1, drawn from RANGES; all else is the recipe's."""
    if task not in OURS:
        raise unknown("task", task, OURS)
    require_integer("trial", trial, 1)
    rng = np.random.default_rng([trial, list(OURS).index(task)])
    changes = {name: of[rng.integers(len(of))] for name, of in RANGES.items()}
    width = changes.pop("model.width") * (1 if task == "mnist" else 2)
    r = recipe(OURS[task]).with_changes({**changes, "model.g_width": width, "model.d_width": width})
    return replace(r, name=f"{task}-trial-{trial}", steps=1)  # it ends when `train` has seen enough


def search(task: str, seed: int, folder: Path | None = None) -> list[tuple[float, int, Result]]:
    """CPU seconds to the target (infinite if not within TRIAL_PATIENCE), number and looks of each trial, the fastest
    first."""
    done = [(k, train(drawn(task, k), seed, TARGET[task], TRIAL_PATIENCE, folder)) for k in range(1, TRIALS + 1)]
    timed = [(one.reached(TARGET[task]) or float("inf"), k, one) for k, one in done]
    return sorted((seconds if seconds <= TRIAL_PATIENCE else float("inf"), k, one) for seconds, k, one in timed)


def run_search(seeds: list[int], folder: Path = SEARCH_FOLDER) -> Page:
    """Every trial of both tasks, with every seed. What was done is kept in `folder`, as that of `run`."""
    with one_thread():
        found = [(task, seed, trial) for task in OURS for seed in seeds for trial in search(task, seed, folder)]
    return Page(
        "time-to-quality-search",
        "A search for fast settings",
        f"{TRIALS} trials for each of the two data sets, their settings drawn at random: "
        + "; ".join(f"{name.removeprefix('model.')} of {', '.join(map(str, of))}" for name, of in RANGES.items())
        + ". The width is that of both networks, next to the image; for avatars it is twice the number drawn. All else "
        "is the recipe's. CPU seconds on one thread as in the experiment time-to-quality, until the classifier-FID is "
        + " and ".join(f"{TARGET[task]:g} ({task})" for task in OURS)
        + f"; a trial is given up after {TRIAL_PATIENCE:g}. The fastest stand first, with the number of the trial, "
        "which is the seed of its settings.",
        ("data", "seed", "trial", *(name.removeprefix("model.") for name in RANGES), "CPU seconds", "classifier-FID"),
        [trial_row(*one) for one in found],
        searched(found),
        machine=results.machines(folder),
        seconds=sum(one.looks[-1][1] for *_, (_, _, one) in found),
    )


Trial = tuple[float, int, Result]


def trial_row(task: str, seed: int, trial: Trial) -> tuple[object, ...]:
    """A line of the table: settings, and what they led to."""
    seconds, k, one = trial
    r = drawn(task, k)
    values = {**vars(r.settings), **vars(r), "model.width": r.model_options["g_width"]}
    values |= {f"model.{name}": r.model_options[name] for name in ("norm", "z_dim")}
    took = "given up" if seconds == float("inf") else f"{seconds:.0f}"
    return (task, seed, k, *(values[name] for name in RANGES), took, f"{one.looks[-1][2]:.1f}")


def searched(found: list[tuple[str, int, Trial]]) -> str:
    """How many got there, and the fastest."""
    lines = []
    for task in OURS:
        times = [(trial[0], trial[1]) for of, _, trial in found if of == task]
        there = [one for one in times if one[0] < float("inf")]
        best = f"; the fastest is trial {min(there)[1]} with {min(there)[0]:.0f} CPU seconds" if there else ""
        lines.append(f"- {task}: {len(there)} of {len(times)} reach the target{best}.")
    return "\n".join(lines)
