"""How far would a metric move with other samples? Intervals by drawing rows again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, overload

import torch
from torch import Tensor

from gan_tutorial.errors import require, require_integer, require_number


class Interval(NamedTuple):
    """value: of the metric on all samples. low, high: where it lies, with other samples of the same number, as often as
    `level` says."""

    value: float
    low: float
    high: float


@overload
def bootstrap(
    metric: Callable[..., float],
    *arrays: Tensor,
    n: int = ...,
    level: float = ...,
    seed: int = ...,
    halves: bool = ...,
) -> Interval: ...
@overload
def bootstrap(
    metric: Callable[..., Sequence[float]],
    *arrays: Tensor,
    n: int = ...,
    level: float = ...,
    seed: int = ...,
    halves: bool = ...,
) -> tuple[Interval, ...]: ...
def bootstrap(
    metric: Callable[..., float | Sequence[float]],
    *arrays: Tensor,
    n: int = 200,
    level: float = 0.95,
    seed: int = 0,
    halves: bool = False,
) -> Interval | tuple[Interval, ...]:
    """`metric(*arrays)` with an interval: how the metric spreads, about its own mean, as rows are drawn again.

    The rows of each array are drawn on their own, with replacement, as many as there are (Efron 1979). An array that
    must keep its pairs, such as images and their labels, goes in as one array of row numbers.

    A set drawn with replacement holds copies: a third of the samples are missing, others come twice. A metric that asks
    for nearest neighbours finds the copies at distance 0, and its values are off. For precision, recall, density and
    coverage take `halves`: subsets of half of the rows, none twice. Their spread has the size that whole sets have: the
    mean of half of a finite set varies by 1 / (N / 2) - 1 / N = 1 / N, in units of a sample's variance.

    Measured on 100 pairs of sets of 256 points in 8 dimensions, the intervals were so many times as wide as the spread
    of the metric asks for (whole rows, halves): Fréchet distance 1.0, 1.1; MMD 1.0, 1.0; precision 1.2, 1.1; recall
    1.8, 1.3; density 1.1, 1.1; coverage 1.3, 1.2; authenticity 1.1, 1.3. An interval too wide is a careful one; none
    of these 95 % intervals held the mean over all pairs less often than 93 times of 100.

    Values of sets drawn again are biased, too, by copies or by fewer rows. So only their spread is taken, and it is put
    about the value of all samples. An interval may reach beyond what the metric can be. It says nothing of the bias
    that the metric has with this number of samples; for that see `real_against_real`.

    Args:
        metric: takes as many tensors as are given, returns a number, or a sequence of numbers.
        arrays: of one or more rows, with `halves` of four or more.
        n: sets to draw, 20 or more.
        level: 0.5 to 0.999.
        halves: draw halves without replacement.

    Returns an Interval, or one for each number that `metric` returns; NaN where the metric is NaN once. What `metric`
    raises is raised, and so is InputError for a value out of range.
    """
    require_integer("n", n, 20)
    require_number("level", level, 0.5, 0.999)
    require(len(arrays) > 0, "arrays", "none", "one tensor or more")
    for array in arrays:
        shape, least = tuple(array.shape), 4 if halves else 1
        require(len(shape) > 0 and shape[0] >= least, "arrays", shape, f"{least} or more rows in each")
    found = metric(*arrays)
    alone = not isinstance(found, Sequence)
    rng = torch.Generator().manual_seed(seed)
    draws = []
    for _ in range(n):
        rows = [_draw(len(array), halves, rng).to(array.device) for array in arrays]
        drawn = metric(*(array[row] for array, row in zip(arrays, rows, strict=True)))
        draws.append(_numbers(drawn))
    values = torch.tensor(_numbers(found), dtype=torch.float64)
    spread = torch.tensor(draws, dtype=torch.float64)
    spread = spread - spread.mean(0)
    ends = spread.quantile(torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64), 0)
    low, high = values + ends
    intervals = tuple(Interval(*row) for row in torch.stack([values, low, high], 1).tolist())
    return intervals[0] if alone else intervals


def _draw(count: int, halves: bool, rng: torch.Generator) -> Tensor:
    if halves:
        return torch.randperm(count, generator=rng)[: count // 2]
    return torch.randint(count, (count,), generator=rng)


def _numbers(found: float | Sequence[float]) -> list[float]:
    return [float(value) for value in found] if isinstance(found, Sequence) else [float(found)]
