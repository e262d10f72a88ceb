"""The update rules, one a file. Each takes batches and returns its metrics; it never prints, plots, logs or saves."""

from gan_tutorial.algorithms.gan import GAN, GANSettings

ALGORITHMS = {"gan": GAN}

__all__ = ["ALGORITHMS", "GAN", "GANSettings"]
