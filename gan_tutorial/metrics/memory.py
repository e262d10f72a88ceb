"""Has a generator learned samples by heart? Distances to the nearest training samples, beside those of real ones."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gan_tutorial.errors import require
from gan_tutorial.metrics.manifold import nearest, nearest_others


class Memorisation(NamedTuple):
    """nearer: of all pairs of a fake and a held-out sample, the share in which the fake is nearer to the training set,
    equals counted half. 0.5 for a perfect generator; towards 1 the more it copies; below 0.5 if fakes are farther from
    the data than data is. p_value: how often a generator that draws like the data comes as near, or nearer."""

    nearer: float
    p_value: float


def memorisation(real: Tensor, fake: Tensor, held_out: Tensor) -> Memorisation:
    """Are fakes (M, D) nearer to the training samples `real` (N, D) than new real samples are, `held_out` (K, D)?

    The distances from either to the nearest training sample are compared by rank, in a one-sided Mann-Whitney test
    (Meehan et al. 2020, section 3.1). A few copies among many fakes move the ranks little; look at the nearest pairs
    themselves, too. A fake that is not finite is infinitely far.

    Raises InputError for other shapes, and for training or held-out samples that are not finite.
    """
    from scipy import stats  # takes a second to import, and most who use this package never need it

    _check(real=real, fake=fake, held_out=held_out)
    for name, x in (("real", real), ("held_out", held_out)):
        require(bool(torch.isfinite(x).all()), name, "NaN or infinity", "finite values only")
    near, usual = (nearest(x, real)[1][:, 0].nan_to_num(nan=torch.inf).cpu().numpy() for x in (fake, held_out))
    found = stats.mannwhitneyu(near, usual, alternative="less")
    return Memorisation(1 - float(found.statistic) / (len(near) * len(usual)), float(found.pvalue))


def authenticity(real: Tensor, fake: Tensor) -> float:
    """The share of fakes (M, D) that are not as good as copies of a training sample (Alaa et al. 2022, section 3.3).

    A fake counts as a copy if it is nearer to its nearest training sample than that one's nearest fellow is, or equal
    to it. Fakes that are not finite copy nothing.

    Independent draws are often each other's nearest, too, so a perfect generator does not reach 1: it has 1/3 on a line
    and 0.38 in the plane, whatever the density. In many dimensions there is no one value: 0.58 for 2,000 points of a
    Gaussian in 8, 0.82 in 64. So compare with real against real: less says that fakes are copies, more that they stay
    away from the data.

    Args:
        real: the training samples, (N, D), N >= 2, finite.

    Raises InputError for other shapes and ranges.
    """
    _check(real=real, fake=fake)
    own = nearest_others(real.float())[:, 0]
    which, distance = (found[:, 0] for found in nearest(fake, real))
    copied = (distance < own[which]) | (distance == 0)  # false for NaN
    return 1 - copied.double().mean().item()


def _check(**sets: Tensor) -> None:
    width = None
    for name, x in sets.items():
        require(x.dim() == 2 and len(x) > 0 and x.shape[1] > 0, name, tuple(x.shape), "(N, D) with N >= 1")
        width = x.shape[1] if width is None else width
        require(x.shape[1] == width, name, tuple(x.shape), f"as many columns as the real ones, {width}")
