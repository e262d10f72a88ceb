"""Distances between samples: improved precision and recall, and the nearest real neighbours."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gan_tutorial.errors import require, require_integer


class PrecisionRecall(NamedTuple):
    """Shares from 0 to 1. precision: fakes that look real. recall: real samples that the fakes reach."""

    precision: float
    recall: float


class Manifold:
    """Real samples, kept to compare many sets of fakes with them (Kynkäänniemi et al. 2019, equations 1 and 2).

    Around each sample lies a ball that just reaches its `k`-th nearest neighbour among the others; the union of the
    balls stands for the distribution's support.

    Args:
        real: (N, D) points or features, finite, N > k.
        k: the paper's 3, or another integer >= 1.

    Raises InputError for other shapes and ranges.
    """

    def __init__(self, real: Tensor, k: int = 3) -> None:
        require_integer("k", k, 1)
        self.real, self.k = _vectors("real", real, k + 1), k
        require(bool(torch.isfinite(self.real).all()), "real", "NaN or infinity", "finite values only")
        self._radii = _radii(self.real, k)

    def precision_recall(self, fake: Tensor) -> PrecisionRecall:
        """Precision: the share of fakes (M, D), M > k, in a real sample's ball; recall: the share of real samples in a
        fake's ball. A fake that is not finite is near nothing and has no ball.

        A perfect generator does not reach 1: 512 real points against 512 have 0.96 of both on ring-8, 0.94 on grid-25.
        """
        fake = _vectors("fake", fake, self.k + 1)
        width = self.real.shape[1]
        require(fake.shape[1] == width, "fake", tuple(fake.shape), f"as many columns as the real ones, {width}")
        finite = fake[torch.isfinite(fake).all(1)]
        distances = _distances(self.real, finite)
        precise = (distances <= self._radii[:, None]).any(0).sum().item() / len(fake)
        if len(finite) <= self.k:
            return PrecisionRecall(precise, 0.0)
        return PrecisionRecall(precise, (distances <= _radii(finite, self.k)).any(1).float().mean().item())


def precision_recall(real: Tensor, fake: Tensor, k: int = 3) -> PrecisionRecall:
    """Improved precision and recall of fakes (M, D) against real samples (N, D): `Manifold` without keeping it."""
    return Manifold(real, k).precision_recall(fake)


def nearest(queries: Tensor, real: Tensor, k: int = 1) -> tuple[Tensor, Tensor]:
    """The `k` nearest of the `real` samples to each query, by Euclidean distance.

    Args:
        queries: (Q, ...), points, features or images; all but the first dimension are as those of `real`.
        real: (N, ...), N >= k.
        k: an integer >= 1.

    Returns:
        indices into `real`, int64 (Q, k), nearest first; distances, float32 (Q, k), NaN for a query that is NaN.

    Raises InputError for other shapes and ranges.
    """
    require_integer("k", k, 1, len(real))
    shapes = tuple(queries.shape), tuple(real.shape)
    require(shapes[0][1:] == shapes[1][1:] and len(shapes[0]) > 1, "queries, real", shapes, "(Q, ...), (N, ...) alike")
    found = _distances(queries.flatten(1).float(), real.flatten(1).float()).topk(k, 1, largest=False)
    return found.indices, found.values


def _vectors(name: str, x: Tensor, least: int) -> Tensor:
    require(x.dim() == 2 and len(x) >= least, name, tuple(x.shape), f"(N, D) with N >= {least} (k + 1)")
    return x.detach().float()


def _distances(x: Tensor, y: Tensor) -> Tensor:
    # By matrix products it would be faster for many columns, but wrong for points that nearly coincide.
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")


def _radii(x: Tensor, k: int) -> Tensor:
    """Distance (N,) to the k-th nearest other sample: a sample's own distance, 0, comes first."""
    return _distances(x, x).topk(k + 1, 1, largest=False, sorted=False).values.amax(1)
