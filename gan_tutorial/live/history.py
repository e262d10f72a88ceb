"""Time travel: the moments of a run that are kept, so that a reader can go back, look, and go on from there."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from gan_tutorial.errors import require_integer
from gan_tutorial.training.trainer import Snapshot


@dataclass(frozen=True)
class Moment:
    """A run at one step: the trainer's snapshot and whatever the session keeps beside it."""

    snapshot: Snapshot
    beside: Any

    @property
    def step(self) -> int:
        return self.snapshot.step

    @cached_property
    def nbytes(self) -> int:
        return self.snapshot.nbytes


@dataclass
class History:
    """Moments in the order of their steps, within a memory budget.

    Over the budget, moments are dropped so that the gaps between those left grow with their age: recent ones lie close
    together, old ones far apart, and the first and the last always stay.

    Attributes:
        budget: bytes that the snapshots' tensors may take together (the first and the last stay in any case).
        position: index of the moment that the run is at; -1 before the first.
        most: moments at most, >= 2: a slider can't tell more apart.
    """

    budget: int = 64 * 2**20
    position: int = -1
    most: int = 400
    _moments: list[Moment] = field(default_factory=list)

    def __post_init__(self) -> None:
        require_integer("budget", self.budget, 0)
        require_integer("most", self.most, 2)

    def __len__(self) -> int:
        return len(self._moments)

    def __getitem__(self, index: int) -> Moment:
        return self._moments[index]

    @property
    def steps(self) -> list[int]:
        """The steps of the kept moments."""
        return [m.step for m in self._moments]

    @property
    def nbytes(self) -> int:
        """What the snapshots' tensors take."""
        return sum(m.nbytes for m in self._moments)

    def branch(self) -> None:
        """The run goes on from `position`: what came after it is no longer its future."""
        del self._moments[self.position + 1 :]

    def replace(self, moment: Moment) -> None:
        """Keep this instead of the moment at `position`, of the same step."""
        self._moments[self.position] = moment

    def add(self, moment: Moment) -> None:
        """Keep the run's newest moment; one of the same step is replaced."""
        self.branch()
        if self._moments and self._moments[-1].step == moment.step:
            self._moments.pop()
        self._moments.append(moment)
        while len(self._moments) > 2 and (self.nbytes > self.budget or len(self) > self.most):
            del self._moments[least_missed(self.steps)]
        self.position = len(self._moments) - 1


def least_missed(steps: list[int]) -> int:
    """The index of the inner step (of three or more, ascending) whose going leaves the smallest gap for its age."""
    gaps = {i: (steps[i + 1] - steps[i - 1]) / (steps[-1] - steps[i]) for i in range(1, len(steps) - 1)}
    return min(gaps, key=lambda i: gaps[i])


def thinned(steps: list[int], most: int) -> list[int]:
    """At most `most` (two at least) of the steps, their gaps growing with their age; the first and the last stay."""
    kept = list(steps)
    while len(kept) > max(2, most):
        del kept[least_missed(kept)]
    return kept
