"""What a metric says of a perfect generator: finite samples of one distribution differ too."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from gan_tutorial.data import Dataset, Density
from gan_tutorial.errors import require_integer


def real_against_real(
    metric: Callable[[Tensor, Tensor], Sequence[float]],
    dataset: Dataset | Density,
    n: int,
    *,
    draws: int = 8,
    seed: int = 0,
) -> tuple[float, ...]:
    """The mean over `draws` of `metric(real, fake)` where both are `n` samples of `dataset`; none is in both.

    `metric` returns one or more numbers, and so does this, in the same order. A generator that does as well can't be
    told from the data by this metric with `n` samples:

    >>> real_against_real(lambda real, fake: histogram_divergences(real, fake, ring.extent), ring, 1024)

    Raises InputError if a finite data set has fewer than 2 x `n` samples.
    """
    require_integer("n", n, 1)
    require_integer("draws", draws, 1)
    generator = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(draws):
        real, fake = dataset.sample(2 * n, generator).x.split(n)
        found.append(list(metric(real, fake)))
    return tuple(torch.tensor(found, dtype=torch.float64).mean(0).tolist())
