"""How two networks that pull at each other move, so that they do not go round in circles.

On the game min over g, max over d of g d, gradient steps made at once leave the solution (0, 0): each multiplies the
distance by sqrt(1 + lr^2). By turns they circle around it. Extragradient and optimistic steps come closer.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

DYNAMICS = ("alternating", "simultaneous", "extragradient", "optimistic")
AT_ONCE = ("simultaneous", "extragradient")  # both networks' gradients are taken at the same weights


class Place:
    """Where parameters stood: :meth:`go_back` puts them there again, and leaves their gradients as they are."""

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        self._parameters = [p for p in parameters if p.requires_grad]
        self._values = [p.detach().clone() for p in self._parameters]

    @torch.no_grad()
    def go_back(self) -> None:
        torch._foreach_copy_(list(self._parameters), self._values)


class Optimism:
    """Steps of an optimiser that expect its next move to be like the last one: twice the new move, minus the last one
    (optimistic mirror descent and, with Adam, Daskalakis et al. 2018, algorithm 1). The first step is the plain one.

    Attributes:
        moves: each parameter's last plain move.
    """

    def __init__(self) -> None:
        self.moves: dict[Tensor, Tensor] = {}

    @torch.no_grad()
    def step(self, optimizer: Optimizer) -> None:
        """One step of `optimizer` on the gradients that are there."""
        moving = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        before = [p.clone() for p in moving]
        optimizer.step()
        moves = torch._foreach_sub(moving, before)
        last = [self.moves.get(p, move) for p, move in zip(moving, moves, strict=True)]
        torch._foreach_add_(moving, moves)
        torch._foreach_sub_(moving, last)
        self.moves.update(zip(moving, moves, strict=True))
