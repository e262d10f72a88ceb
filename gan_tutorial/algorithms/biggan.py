"""BigGAN's update rule: the GAN's, with orthogonal regularisation of the generator (Brock et al. 2019)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gan_tutorial.algorithms.gan import GAN, GANSettings
from gan_tutorial.errors import require_number
from gan_tutorial.models.biggan import orthogonal_penalty


@dataclass(frozen=True)
class BigGANSettings(GANSettings):
    """Those of :class:`GANSettings`, with the paper's loss, and:

    Attributes:
        orthogonal: weight of the orthogonal regularisation of G (>= 0; the paper's is 1e-4).
    """

    loss: str = "hinge"
    orthogonal: float = 1e-4

    def __post_init__(self) -> None:
        super().__post_init__()
        require_number("orthogonal", self.orthogonal, 0)


class BigGAN(GAN):
    """A GAN whose generator is kept amenable to truncation: rows of its weights stay nearly orthogonal."""

    Settings = BigGANSettings
    settings: BigGANSettings

    def generator_penalty(self, labels: Tensor | None) -> Tensor | None:
        """The weighted penalty of the paper's equation 3, in every update."""
        weight = self.settings.orthogonal
        return weight * orthogonal_penalty(self.generator) if weight else None
