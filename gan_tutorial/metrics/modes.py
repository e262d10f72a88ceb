"""Mode coverage of points in the plane, where the centres of the real distribution are known."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_tutorial.errors import require, require_number


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
    shapes = tuple(samples.shape), tuple(modes.shape)
    require(
        samples.dim() == modes.dim() == 2 and samples.shape[1] == modes.shape[1], "samples, modes", shapes, "(N, d)"
    )
    require(len(samples) > 0, "samples", shapes[0], "at least one sample")
    require_number("std", std, 1e-12)
    distance, mode = torch.cdist(samples.float(), modes.to(samples.device).float()).min(1)
    near = distance <= 3 * std
    return len(mode[near].unique()), near.float().mean().item()
