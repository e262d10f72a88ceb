"""The moving average of a generator's weights: smoother samples than any single step gives (Yazıcı et al. 2019)."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class EMA:
    """Keeps `network`, a frozen copy in eval mode whose parameters trail those of the trained one.

    Args:
        network: the trained network; it is copied.
        decay: share of the old average kept in a step, in (0, 1). Early on, after t steps, it is at most
            (1 + t) / (10 + t), so that the average forgets the random start.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self._averages: list[Tensor] = list(self.network.parameters())
        self._buffers = list(self.network.buffers())

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Move parameters towards `network`'s after its step number `step`; buffers are copied as they are."""
        decay = min(self.decay, (1 + step) / (10 + step))
        trained: list[Tensor] = list(network.parameters())
        torch._foreach_lerp_(self._averages, trained, 1 - decay)
        for mine, buffer in zip(self._buffers, network.buffers(), strict=True):
            mine.copy_(buffer)
