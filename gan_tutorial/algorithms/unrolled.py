"""Looking ahead (Metz et al. 2017): what would D be after k more updates, as a function of what G does now?

Each update is written out so that a gradient passes through it, the optimiser's arithmetic included. Nothing here
changes a network or an optimiser: weights come in as tensors and go out as other tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

Weights = dict[str, Tensor]
Rule = Callable[[Weights, Weights], Weights]  # weights, gradients -> the weights after an update


class Descent:
    """Gradient descent: w - lr g."""

    def __init__(self, lr: float) -> None:
        self.lr = lr

    def __call__(self, weights: Weights, gradients: Weights) -> Weights:
        return {name: weight - self.lr * gradients[name] for name, weight in weights.items()}


class Adam:
    """Adam (Kingma and Ba 2015, algorithm 1) from given moments on, as `torch.optim.Adam` would go on.

    Args:
        lr, beta1, beta2: as in the paper; eps is 1e-8.
        states: a weight's `exp_avg`, `exp_avg_sq` and `step` by name, as torch's Adam keeps them; a weight without
            them begins anew. They are not changed.
    """

    eps = 1e-8

    def __init__(self, lr: float, beta1: float, beta2: float, states: Mapping[str, Mapping[str, Any]]) -> None:
        self.lr, self.beta1, self.beta2 = lr, beta1, beta2
        # float64: 1 - beta^step loses digits in the first steps.
        self._states: dict[str, tuple[Tensor, Tensor, Any]] = {
            name: (s["exp_avg"], s["exp_avg_sq"], s["step"].double()) for name, s in states.items() if s
        }

    def __call__(self, weights: Weights, gradients: Weights) -> Weights:
        moved: Weights = {}
        for name, weight in weights.items():
            g = gradients[name]
            zero = torch.zeros_like(weight)
            mean, square, step = self._states.get(name, (zero, zero, 0))
            step = step + 1
            mean = self.beta1 * mean + (1 - self.beta1) * g
            square = self.beta2 * square + (1 - self.beta2) * g * g
            self._states[name] = mean, square, step
            # The root's slope is infinite at 0, where a dead unit's gradient is: there it counts as flat.
            root = (square / (1 - self.beta2**step)).clamp(min=1e-30).sqrt()
            moved[name] = weight - self.lr * (mean / (1 - self.beta1**step)) / (root + self.eps)
        return moved


def look_ahead(weights: Weights, loss: Callable[[Weights, int], Tensor], rule: Rule, steps: int) -> Weights:
    """The weights after `steps` updates by `rule` that lower `loss` (Metz et al. 2017, equation 5).

    Args:
        weights: tensors by name that require gradients.
        loss: (weights, number of the update from 0 on) -> a scalar with a graph back to the weights.
        rule: :class:`Descent`, an :class:`Adam`, or another.

    Returns weights with a graph back to all that `loss` depended on, through every update.
    """
    for number in range(steps):
        gradients = torch.autograd.grad(
            loss(weights, number), list(weights.values()), create_graph=True, allow_unused=True, materialize_grads=True
        )
        weights = rule(weights, dict(zip(weights, gradients, strict=True)))
    return weights
