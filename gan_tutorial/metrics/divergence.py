"""KL and Jensen-Shannon divergence between two clouds of points in the plane, by counting points on a grid."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gan_tutorial.errors import require, require_integer, require_number

PSEUDO_COUNT = 0.5  # the Krichevsky-Trofimov estimator: Jeffreys' prior over the cells


class Divergences(NamedTuple):
    """In nats. kl: KL(real || fake) >= 0. js: the Jensen-Shannon divergence, 0 to ln 2 = 0.693."""

    kl: float
    js: float


def histogram_divergences(real: Tensor, fake: Tensor, extent: float, cells: int = 20) -> Divergences:
    """KL(real || fake) and JS of the histograms over `cells` x `cells` equal squares that tile [-extent, extent]^2.

    One more cell holds all points outside, NaN included: points that fled count as fled. JS is that of the shares as
    they are. KL would be infinite wherever there are real points and no fake ones, so half a point is added to every
    cell of both histograms first; a missed mode then costs more, the more samples show that it is missed.

    Finite samples of one distribution differ: real points against real ones give `real_against_real`, not 0. For 1024
    points each (20 cells a side), KL and JS are 0.03 and 0.008 on ring-8, 0.03 and 0.010 on grid-25, 0.05 and 0.019 on
    two-moons, 0.08 and 0.029 on spiral; both halve when the points double. A ring-8 without one mode has 0.40 and
    0.051, a total collapse 3.1 and 0.51.

    Args:
        real: (N, 2), N >= 1.
        fake: (M, 2), M >= 1.
        extent: half the side of the square, in the data's units, > 0; a density's own is `density.extent`.
        cells: along each side, 1 to 1000.

    Raises InputError for other shapes and ranges.
    """
    for name, points in (("real", real), ("fake", fake)):
        shape = tuple(points.shape)
        require(len(shape) == 2 and shape[1] == 2 and shape[0] > 0, name, shape, "points (N, 2), N >= 1")
    require_number("extent", extent, 1e-12)
    require_integer("cells", cells, 1, 1000)
    p, q = _counts(real, extent, cells), _counts(fake, extent, cells)
    a, b = ((count + PSEUDO_COUNT) / (count + PSEUDO_COUNT).sum() for count in (p, q))
    kl = (a * (a / b).log()).sum().item()
    p, q = p / p.sum(), q / q.sum()
    js = (_entropy((p + q) / 2) - (_entropy(p) + _entropy(q)) / 2).item()
    return Divergences(max(kl, 0.0), max(js, 0.0))  # rounding may leave -1e-16


def _counts(points: Tensor, extent: float, cells: int) -> Tensor:
    """Points a cell, float64 (cells^2 + 1,); those outside are in the last."""
    inside = (points.abs() <= extent).all(1)  # false for NaN
    column, row = ((points[inside] + extent) * (cells / (2 * extent))).long().clamp_(max=cells - 1).T
    counts = torch.bincount(row * cells + column, minlength=cells**2 + 1).double()
    counts[-1] = len(points) - len(row)
    return counts


def _entropy(p: Tensor) -> Tensor:
    return torch.special.entr(p).sum()
