"""What should not matter to D: a picture that is moved a little is as real as it was (Zhang et al. 2020)."""

from __future__ import annotations

import torch
from torch import Tensor

SHIFT = 8  # a picture is moved by up to its side / SHIFT


def shifted(x: Tensor, rows: Tensor, columns: Tensor, mirrored: Tensor | None = None) -> Tensor:
    """Every image moved by whole pixels; what comes in is the edge's pixel again.

    Args:
        x: images (N, C, H, W).
        rows, columns: how far down and to the right, int64 (N,), fewer than the image has.
        mirrored: bool (N,), which images are mirrored left to right first; None for no image.
    """
    n, channels, height, width = x.shape
    row = (torch.arange(height, device=x.device) - rows[:, None]).clamp(0, height - 1)
    column = (torch.arange(width, device=x.device) - columns[:, None]).clamp(0, width - 1)
    if mirrored is not None:
        column = torch.where(mirrored[:, None], width - 1 - column, column)
    index = (row[:, :, None] * width + column[:, None, :]).flatten(1)
    return x.flatten(2).gather(2, index[:, None].expand(-1, channels, -1)).view(n, channels, height, width)


def disagreement(logits: Tensor, moved: Tensor) -> Tensor:
    """E (D(x) - D(T(x)))^2 of the logits (N,) of samples and of the changed samples (Zhang et al. 2020, equation 2)."""
    return (logits - moved).square().mean()
