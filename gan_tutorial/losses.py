"""What the generator and the discriminator want, as functions of logits.

Every discriminator here returns a *logit*: any real number, positive for "real". Each loss is a pair of plain functions
of logits, averaged over the batch. Both are minimised.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
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
        source: where it was published.
    """

    name: str
    discriminator: LogitLoss
    generator: LogitLoss
    paired: bool
    source: str


# With p = sigmoid(logit): -log p = softplus(-logit) and -log(1 - p) = softplus(logit). Both stay exact at any logit.
def _cross_entropy(real: Tensor, fake: Tensor) -> Tensor:
    return softplus(-real).mean() + softplus(fake).mean()


def _least_squares(real: Tensor, fake: Tensor) -> Tensor:
    return 0.5 * ((real - 1).square().mean() + fake.square().mean())


LOSSES: dict[str, Loss] = {
    loss.name: loss
    for loss in (
        Loss(
            "minimax", _cross_entropy, lambda real, fake: -softplus(fake).mean(), False, "Goodfellow et al. 2014, eq. 1"
        ),
        Loss(
            "non-saturating",
            _cross_entropy,
            lambda real, fake: softplus(-fake).mean(),
            False,
            "Goodfellow et al. 2014, section 3",
        ),
        Loss(
            "least-squares",
            _least_squares,
            lambda real, fake: 0.5 * (fake - 1).square().mean(),
            False,
            "Mao et al. 2017, eq. 2 with a=0, b=c=1",
        ),
        Loss(
            "wasserstein",
            lambda real, fake: fake.mean() - real.mean(),
            lambda real, fake: -fake.mean(),
            False,
            "Arjovsky et al. 2017, algorithm 1",
        ),
        Loss(
            "hinge",
            lambda real, fake: relu(1 - real).mean() + relu(1 + fake).mean(),
            lambda real, fake: -fake.mean(),
            False,
            "Lim and Ye 2017; Miyato et al. 2018, eqs. 16-17",
        ),
        Loss(
            "relativistic",
            lambda real, fake: softplus(fake - real).mean(),
            lambda real, fake: softplus(real - fake).mean(),
            True,
            "Jolicoeur-Martineau 2018, eq. 8; Huang et al. 2024 (RpGAN)",
        ),
    )
}


def get(name: str) -> Loss:
    """The loss called `name`; raises :class:`~gan_tutorial.errors.InputError` that suggests the nearest name."""
    if name not in LOSSES:
        raise unknown("loss", name, LOSSES)
    return LOSSES[name]
