"""The kernel Inception distance's formula on any features: how far apart are two sets, seen by a polynomial kernel?"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from gan_tutorial.errors import require, require_integer

BLOCK = 1024  # samples a side of the kernel that are in memory at once


class KID(NamedTuple):
    """mean: of the squared distance over the subsets; below 0 at times, since it is unbiased. std: how much the subsets
    differ (n - 1). It falls with their size, not with their number, so it is no standard error of the mean."""

    mean: float
    std: float


def kid(
    real: Tensor, fake: Tensor, *, degree: int = 3, subsets: int = 100, size: int | None = None, seed: int = 0
) -> KID:
    """The mean of `polynomial_mmd` over `subsets` pairs of random subsets (Binkowski et al. 2018, section 4).

    A subset holds no sample twice. Unlike the Fréchet distance it has no bias: a perfect generator gets 0 on average,
    with any number of samples. With subsets as large as the sets all of them are the same, and `std` is 0.

    Args:
        real: (N, D) features, N >= 2.
        fake: (M, D) features, M >= 2.
        degree: of the polynomial; the paper's 3.
        subsets: 1 or more; with a single one, `std` is 0.
        size: samples in each subset, 2 or more; None is 1,000, or as many as there are.

    Returns NaN for both if any feature is not finite. Raises InputError for other shapes and ranges.
    """
    x, y = _pair(real, fake)
    require_integer("degree", degree, 1)
    require_integer("subsets", subsets, 1)
    most = min(len(x), len(y))
    size = min(1000, most) if size is None else size
    require_integer("size", size, 2, most)
    rng = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(subsets):
        rows = [torch.randperm(len(points), generator=rng)[:size].to(points.device) for points in (x, y)]
        found.append(_mmd(x[rows[0]], y[rows[1]], degree))
    values = torch.tensor(found, dtype=torch.float64)
    spread = values.std().item() if subsets > 1 else 0.0 * found[0]
    return KID(values.mean().item(), spread)


def polynomial_mmd(real: Tensor, fake: Tensor, degree: int = 3) -> float:
    """The squared maximum mean discrepancy of features (N, D) and (M, D) under k(x, y) = (x.y / D + 1)^degree, unbiased
    (Gretton et al. 2012, equation 3).

    It is the mean of k over pairs of real samples, plus that over pairs of fakes, less twice that over mixed pairs; no
    sample is paired with itself. Computed in float64; of the N x M kernel only a block is in memory. Returns NaN if a
    feature is not finite. Raises InputError for other shapes and for fewer than two samples of a kind.
    """
    require_integer("degree", degree, 1)
    return _mmd(*_pair(real, fake), degree)


def _pair(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    for name, x in (("real", real), ("fake", fake)):
        require(x.dim() == 2 and len(x) > 1 and x.shape[1] > 0, name, tuple(x.shape), "(N, D) with N >= 2")
    width = real.shape[1]
    require(fake.shape[1] == width, "fake", tuple(fake.shape), f"as many columns as the real ones, {width}")
    return real.detach(), fake.detach().to(real.device)


def _mmd(x: Tensor, y: Tensor, degree: int) -> float:
    if not (torch.isfinite(x).all() and torch.isfinite(y).all()):
        return math.nan
    within = sum(_sum(z, z, degree, own=False) / (len(z) * (len(z) - 1)) for z in (x, y))
    return within - 2 * _sum(x, y, degree) / (len(x) * len(y))


def _sum(x: Tensor, y: Tensor, degree: int, own: bool = True) -> float:
    """The sum of k(x_i, y_j) over all pairs; without `own`, over those of i != j."""
    total = torch.zeros((), dtype=torch.float64, device=x.device)
    for start in range(0, len(x), BLOCK):
        rows = x[start : start + BLOCK].double()
        for other in range(0, len(y), BLOCK):
            kernel = (rows @ y[other : other + BLOCK].double().T / x.shape[1] + 1) ** degree
            total += kernel.sum()
            if not own and other == start:
                total -= kernel.diagonal().sum()
    return total.item()
