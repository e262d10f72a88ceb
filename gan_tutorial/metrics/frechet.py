"""The Fréchet distance between two sets of features, each described by its mean and covariance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gan_tutorial.errors import require


@dataclass(frozen=True, eq=False)
class Statistics:
    """Mean and spread of features, float64. The sum of two is that of both sets together (Chan et al. 1979), so they
    can be gathered batch by batch: `total = total + Statistics.of(features)`.

    Attributes:
        n: number of samples.
        mean: (D,).
        scatter: (D, D), the sum over the samples of (x - mean)(x - mean)^T.
    """

    n: int
    mean: Tensor
    scatter: Tensor

    @classmethod
    def of(cls, features: Tensor) -> Statistics:
        """Those of features (N, D), N >= 1. Raises InputError for another shape."""
        shape = tuple(features.shape)
        require(len(shape) == 2 and shape[0] > 0, "features", shape, "(N, D) with N >= 1")
        x = features.detach().double()
        mean = x.mean(0)
        return cls(len(x), mean, (x - mean).T @ (x - mean))

    @property
    def covariance(self) -> Tensor:
        """(D, D), unbiased. Raises InputError for a single sample."""
        require(self.n > 1, "n", self.n, "at least two samples for a covariance")
        return self.scatter / (self.n - 1)

    def __add__(self, other: Statistics) -> Statistics:
        n, step = self.n + other.n, other.mean - self.mean
        scatter = self.scatter + other.scatter + torch.outer(step, step) * (self.n * other.n / n)
        return Statistics(n, self.mean + step * (other.n / n), scatter)

    def distance(self, other: Statistics) -> float:
        """The Fréchet distance between the Gaussians of both, see :func:`frechet_distance`."""
        return frechet_distance(self.mean, self.covariance, other.mean, other.covariance)


def frechet_distance(mu1: Tensor, sigma1: Tensor, mu2: Tensor, sigma2: Tensor) -> float:
    """|mu1 - mu2|^2 + tr(sigma1 + sigma2 - 2 (sigma1 sigma2)^(1/2)) of two Gaussians (Heusel et al. 2017, equation 6).

    This is the square of a distance, in the squared units of the features. Computed in float64; singular covariances
    are fine. With sigma1 = R1 R1^T and sigma2 = R2 R2^T, the trace of the root is the sum of the singular values of
    R1^T R2, which are the roots of the eigenvalues of R1^T sigma2 R1. Eigenvalues are several times as fast, but roots
    of small ones lose digits: they are taken where that costs less than 2e-7 of the result, singular values else.

    Args:
        mu1, mu2: means (D,).
        sigma1, sigma2: covariances (D, D), symmetric and positive semi-definite.

    Returns:
        a number >= 0, or NaN if any input is not finite.

    Raises InputError for other shapes.
    """
    shapes = [tuple(x.shape) for x in (mu1, sigma1, mu2, sigma2)]
    d = mu1.numel()
    require(
        shapes == [(d,), (d, d)] * 2,
        "mu1, sigma1, mu2, sigma2",
        shapes,
        "(D,), (D, D), (D,), (D, D)",
    )
    means, covariances = (
        torch.stack([mu1, mu2]).double(),
        torch.stack([sigma1, sigma2]).double(),
    )
    if not (torch.isfinite(means).all() and torch.isfinite(covariances).all()):
        return math.nan
    apart = (means[0] - means[1]).square().sum() + covariances.diagonal(dim1=1, dim2=2).sum()
    root, failed = torch.linalg.cholesky_ex(covariances[0])
    if not failed:
        values = torch.linalg.eigvalsh(root.T @ covariances[1] @ root)
        roots = values.clamp(min=torch.finfo(torch.float64).tiny).sqrt()
        distance = apart - 2 * roots.sum()
        # Each eigenvalue is off by a few eps of the largest, and so its root by that over twice the root.
        if (16 * torch.finfo(torch.float64).eps * values[-1] / roots).sum() < 2e-7 * distance:
            return distance.item()
    values, vectors = torch.linalg.eigh(covariances)
    root1, root2 = vectors * values.clamp(min=0).sqrt().unsqueeze(1)  # sigma = root root^T
    return max((apart - 2 * torch.linalg.svdvals(root1.T @ root2).sum()).item(), 0.0)
