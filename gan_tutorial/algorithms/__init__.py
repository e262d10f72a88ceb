"""The update rules, one a file. Each takes batches and returns its metrics; it never prints, plots, logs or saves."""

from typing import Any

from gan_tutorial.algorithms.biggan import BigGAN, BigGANSettings
from gan_tutorial.algorithms.cyclegan import CycleGAN, CycleGANSettings
from gan_tutorial.algorithms.gan import GAN, GANSettings
from gan_tutorial.algorithms.pix2pix import Pix2Pix, Pix2PixSettings
from gan_tutorial.algorithms.seqgan import SeqGAN, SeqGANSettings
from gan_tutorial.algorithms.stylegan2 import StyleGAN2, StyleGAN2Settings

ALGORITHMS: dict[str, type[Any]] = {
    "gan": GAN,
    "stylegan2": StyleGAN2,
    "biggan": BigGAN,
    "seqgan": SeqGAN,
    "cyclegan": CycleGAN,
    "pix2pix": Pix2Pix,
}

__all__ = [
    "ALGORITHMS",
    "GAN",
    "BigGAN",
    "BigGANSettings",
    "CycleGAN",
    "CycleGANSettings",
    "GANSettings",
    "Pix2Pix",
    "Pix2PixSettings",
    "SeqGAN",
    "SeqGANSettings",
    "StyleGAN2",
    "StyleGAN2Settings",
]
