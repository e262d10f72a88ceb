"""Which modes do samples reach, and how evenly? Modes are centres of a known density, or classes that a judge sees."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gan_tutorial.errors import require, require_integer, require_number


def mode_coverage(samples: Tensor, modes: Tensor, std: float) -> tuple[int, float]:
    """How many modes the samples reach, and the share of samples near any mode (Srivastava et al. 2017, section 5.1).

    A sample is near a mode within 3 x `std` of its centre: for an isotropic Gaussian in the plane that holds for
    1 - exp(-4.5) = 98.9 % of real samples. A mode counts as reached if at least one sample is near it.

    Args:
        samples: (N, 2); NaN counts as near nothing.
        modes: centres (K, 2).
        std: standard deviation of one mode, in the data's units, > 0.

    Returns:
        modes reached (0 to K), share of samples near any mode (0 to 1).
    """
    counts = mode_counts(samples, modes, std)
    return int((counts > 0).sum()), (counts.sum().float() / len(samples)).item()


def mode_counts(samples: Tensor, modes: Tensor, std: float) -> Tensor:
    """How many samples are near each mode, and nearer to it than to another: int64 (K,). See `mode_coverage`."""
    shapes = tuple(samples.shape), tuple(modes.shape)
    require(
        samples.dim() == modes.dim() == 2 and samples.shape[1] == modes.shape[1], "samples, modes", shapes, "(N, d)"
    )
    require(len(samples) > 0, "samples", shapes[0], "at least one sample")
    require_number("std", std, 1e-12)
    distance, mode = torch.cdist(samples.float(), modes.to(samples.device).float()).min(1)
    return torch.bincount(mode[distance <= 3 * std], minlength=len(modes))


def class_counts(classes: Tensor, k: int) -> Tensor:
    """How many samples are of each of `k` classes: int64 (N,) -> int64 (k,). Those below 0 are of none, as a classifier
    says of what is not finite. Raises InputError for another type or shape and for a class of k or above."""
    require_integer("k", k, 1)
    given = f"{classes.dtype} {tuple(classes.shape)}"
    require(classes.dtype == torch.int64 and classes.dim() == 1 and len(classes) > 0, "classes", given, "int64 (N,)")
    highest = int(classes.max())
    require(highest < k, "classes", highest, f"classes below {k}, the number of them")
    return torch.bincount(classes[classes >= 0], minlength=k)


def stacked_classes(digits: Tensor) -> Tensor:
    """The class of a stack of digits, one a channel, int64 (N, C) -> (N,): 100 a + 10 b + c for the three of
    Stacked-MNIST (Metz et al. 2017, section 3.3.1). -1 if a digit is below 0. Raises InputError for other input."""
    given = f"{digits.dtype} {tuple(digits.shape)}"
    require(digits.dtype == torch.int64 and digits.dim() == 2 and digits.numel() > 0, "digits", given, "int64 (N, C)")
    highest = int(digits.max())
    require(highest < 10, "digits", highest, "digits up to 9")
    places = 10 ** torch.arange(digits.shape[1] - 1, -1, -1, device=digits.device)
    return (digits * places).sum(1).masked_fill((digits < 0).any(1), -1)


def mode_kl(counts: Tensor, real: Tensor | None = None) -> float:
    """KL(fake || real) of the shares of the modes, in nats (Metz et al. 2017, section 3.3.1). 0 if they are the same;
    ln K if only one of K equal modes is left.

    This way round a mode that fakes miss costs a finite amount. Samples make it larger than it is: for a perfect
    generator, N samples over K equal modes have about (K - 1) / (2 N) on average.

    Args:
        counts: of fakes, (K,), >= 0, from `mode_counts` or `class_counts`; what is near no mode is left out.
        real: counts or shares of real samples, (K,), >= 0; None if all modes are equal.

    Returns infinity if a mode has fakes and no real samples, and NaN if no fake is in any mode. Raises InputError for
    other shapes and values.
    """
    real = torch.ones_like(counts) if real is None else real
    for name, values in (("counts", counts), ("real", real)):
        shape = tuple(values.shape)
        require(len(shape) == 1 and shape[0] > 0 and shape == tuple(counts.shape), name, shape, "(K,), both alike")
        least = values.double().min().item()
        require(least >= 0 and math.isfinite(values.double().sum().item()), name, least, "finite numbers >= 0")
    require(bool(real.sum() > 0), "real", "only zeros", "at least one real sample")
    p, q = counts.double(), real.double().to(counts.device)
    p, q = p / p.sum(), q / q.sum()
    return (torch.xlogy(p, p) - torch.xlogy(p, q)).sum().item()
