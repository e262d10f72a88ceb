"""Smooth up- and downsampling by two: every pixel is weighted with its neighbours by [1, 3, 3, 1], in each direction.

Plain strided layers fold high frequencies into low ones (aliasing); the filter takes them out first (Zhang 2019; Karras
et al. 2020, appendix B). One depthwise convolution each: nothing to compile, and differentiable as often as needed.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor
from torch.nn import functional as F


def kernel(like: Tensor) -> Tensor:
    """The 4 x 4 filter, sum 1, in `like`'s type and on its device, once for each of its channels: (C, 1, 4, 4)."""
    return _square(like.dtype, like.device).expand(like.shape[1], 1, 4, 4)


@functools.cache
def _square(dtype: torch.dtype, device: torch.device) -> Tensor:
    """Made on the device, and once: a copy from the host would make it wait for all that was asked of it before."""
    with torch.inference_mode(False):
        place = torch.arange(4, device=device)
        line = (place * (3 - place) + 1).to(dtype) / 8  # 1, 3, 3, 1
        return torch.outer(line, line)


def smooth(x: Tensor, padding: int) -> Tensor:
    """x (N, C, H, W), `padding` zeros around it, filtered: (N, C, H + 2 padding - 3, W + 2 padding - 3)."""
    return F.conv2d(x, kernel(x), padding=padding, groups=x.shape[1])


def double(x: Tensor) -> Tensor:
    """x (N, C, H, W) -> (N, C, 2H, 2W); an even picture stays as bright as it was, but for its border."""
    return F.conv_transpose2d(x, kernel(x) * 4, stride=2, padding=1, groups=x.shape[1])


def halve(x: Tensor) -> Tensor:
    """x (N, C, H, W) -> (N, C, H/2, W/2), H and W even."""
    return F.conv2d(x, kernel(x), stride=2, padding=1, groups=x.shape[1])
