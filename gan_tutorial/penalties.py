"""What keeps the discriminator honest: penalties on the gradient of its logit with respect to its input.

Each takes a discriminator (samples (N, ...) -> logits, one a sample) and returns a scalar to be weighted and added to
its loss. A penalty looks at one sample's gradient at a time, so it does not go with BatchNorm in the discriminator,
where every logit depends on the whole batch.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Discriminator = Callable[[Tensor], Tensor]

# What each penalty makes of a sample's squared gradient norm. The root's slope is infinite at 0: the tiny constant
# keeps a dead critic from turning into NaN.
OF_SQUARED_NORM: dict[str, Callable[[Tensor], Tensor]] = {
    "gradient_penalty": lambda norm: ((norm + 1e-12).sqrt() - 1).square(),
    "zero_gradient_penalty": lambda norm: norm,
    "r1": lambda norm: 0.5 * norm,
    "r2": lambda norm: 0.5 * norm,
}


def squared_gradient_norms(discriminator: Discriminator, x: Tensor) -> Tensor:
    """|grad_x D(x)|^2 of every sample: x (N, ...) -> (N,), differentiable in D's parameters."""
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(discriminator(x).sum(), x, create_graph=True)
    return gradient.flatten(1).square().sum(1)


def between(real: Tensor, fake: Tensor, mix: Tensor | None = None) -> Tensor:
    """A random point on the segment between each real and fake sample; `mix` (N,) in [0, 1] fixes where."""
    if mix is None:
        mix = torch.rand(len(real), device=real.device)
    return torch.lerp(real, fake, mix.view(-1, *[1] * (real.dim() - 1)).to(real.dtype))


def gradient_penalty(discriminator: Discriminator, real: Tensor, fake: Tensor, mix: Tensor | None = None) -> Tensor:
    """E (|grad D| - 1)^2 between real and fake samples (Gulrajani et al. 2017, eq. 3; their weight is 10)."""
    return _mean("gradient_penalty", discriminator, between(real, fake, mix))


def zero_gradient_penalty(
    discriminator: Discriminator, real: Tensor, fake: Tensor, mix: Tensor | None = None
) -> Tensor:
    """E |grad D|^2 between real and fake samples (Thanh-Tung et al. 2019, eq. 12)."""
    return _mean("zero_gradient_penalty", discriminator, between(real, fake, mix))


def r1(discriminator: Discriminator, real: Tensor) -> Tensor:
    """1/2 E |grad D(x)|^2 on real samples (Mescheder et al. 2018, eq. 9; the weight is their gamma)."""
    return _mean("r1", discriminator, real)


def r2(discriminator: Discriminator, fake: Tensor) -> Tensor:
    """1/2 E |grad D(x)|^2 on fake samples (Mescheder et al. 2018, eq. 10)."""
    return _mean("r2", discriminator, fake)


def _mean(name: str, discriminator: Discriminator, x: Tensor) -> Tensor:
    return OF_SQUARED_NORM[name](squared_gradient_norms(discriminator, x)).mean()
