"""What the generator and the discriminator want, as functions of logits.

Every discriminator here returns a *logit*: any real number, positive for "real". Each loss is a pair of plain functions
of logits, averaged over the batch. Both are minimised.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import vmap
from torch.nn.functional import relu, softplus

from gan_tutorial.errors import unknown

LogitLoss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Loss:
    """A GAN objective.

    Attributes:
        name: the key in :data:`LOSSES`.
        discriminator: (real logits (N,), fake logits (N,)) -> scalar that D minimises.
        generator: (real logits (N,), fake logits (N,)) -> scalar that G minimises.
        paired: whether G's loss looks at the real logits too.
        belief: (logits of any shape, middle) -> how real they look to D, from 0 to 1. `middle` (0-dim) lies halfway
            between the mean real and the mean fake logit.
        probability: whether `belief` is D's probability of "real".
        source: where it was published.
    """

    name: str
    discriminator: LogitLoss
    generator: LogitLoss
    paired: bool
    belief: Callable[[Tensor, Tensor], Tensor]
    probability: bool
    source: str


# With p = sigmoid(logit): -log p = softplus(-logit) and -log(1 - p) = softplus(logit). Both stay exact at any logit.
def _cross_entropy(real: Tensor, fake: Tensor) -> Tensor:
    return softplus(-real).mean() + softplus(fake).mean()


def _least_squares(real: Tensor, fake: Tensor) -> Tensor:
    return 0.5 * ((real - 1).square().mean() + fake.square().mean())


# How real logits look. Cross-entropy makes a logit the log-odds of "real"; least squares pulls it towards 0 and 1. A
# critic's and a relativistic D's logits mean something only against each other: they are taken from the middle between
# those of real and of fake samples, a critic's in units of their spread.
def _sigmoid(logits: Tensor, middle: Tensor) -> Tensor:
    return logits.sigmoid()


def _clamped(logits: Tensor, middle: Tensor) -> Tensor:
    return logits.clamp(0, 1)


def _centred(logits: Tensor, middle: Tensor) -> Tensor:
    return (logits - middle).sigmoid()


def _relative(logits: Tensor, middle: Tensor) -> Tensor:
    centred = logits - middle
    return (2 * centred / centred.abs().mean().clamp(min=1e-8)).sigmoid()


LOSSES: dict[str, Loss] = {
    loss.name: loss
    for loss in (
        Loss(
            "minimax",
            discriminator=_cross_entropy,
            generator=lambda real, fake: -softplus(fake).mean(),
            paired=False,
            belief=_sigmoid,
            probability=True,
            source="Goodfellow et al. 2014, eq. 1",
        ),
        Loss(
            "non-saturating",
            discriminator=_cross_entropy,
            generator=lambda real, fake: softplus(-fake).mean(),
            paired=False,
            belief=_sigmoid,
            probability=True,
            source="Goodfellow et al. 2014, section 3",
        ),
        Loss(
            "least-squares",
            discriminator=_least_squares,
            generator=lambda real, fake: 0.5 * (fake - 1).square().mean(),
            paired=False,
            belief=_clamped,
            probability=True,
            source="Mao et al. 2017, eq. 2 with a=0, b=c=1",
        ),
        Loss(
            "wasserstein",
            discriminator=lambda real, fake: fake.mean() - real.mean(),
            generator=lambda real, fake: -fake.mean(),
            paired=False,
            belief=_relative,
            probability=False,
            source="Arjovsky et al. 2017, algorithm 1",
        ),
        Loss(
            "hinge",
            discriminator=lambda real, fake: relu(1 - real).mean() + relu(1 + fake).mean(),
            generator=lambda real, fake: -fake.mean(),
            paired=False,
            belief=_sigmoid,
            probability=False,
            source="Lim and Ye 2017; Miyato et al. 2018, eqs. 16-17",
        ),
        Loss(
            "relativistic",
            discriminator=lambda real, fake: softplus(fake - real).mean(),
            generator=lambda real, fake: softplus(real - fake).mean(),
            paired=True,
            belief=_centred,
            probability=False,
            source="Jolicoeur-Martineau 2018, eq. 8; Huang et al. 2024 (RpGAN)",
        ),
    )
}


def get(name: str) -> Loss:
    """The loss called `name`; raises :class:`~gan_tutorial.errors.InputError` that suggests the nearest name."""
    if name not in LOSSES:
        raise unknown("loss", name, LOSSES)
    return LOSSES[name]


@torch.enable_grad()
def per_sample(name: str, logits: Tensor, middle_real: Tensor) -> tuple[Tensor, Tensor]:
    """G's loss from a single sample and its derivative, both (N,), at each of `logits` (N,) that D may give the sample.

    A batch's loss is the mean of its samples' losses. A paired loss compares with the real logit `middle_real` (0-dim).
    Raises :class:`~gan_tutorial.errors.InputError` for an unknown `name`.
    """
    generator, real, fake = get(name).generator, middle_real.detach().view(1), logits.detach().requires_grad_()
    loss = vmap(lambda logit: generator(real, logit.view(1)))(fake)
    (slope,) = torch.autograd.grad(loss.sum(), fake)
    return loss.detach(), slope
