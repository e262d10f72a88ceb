"""Fully connected networks for points in the plane (and for anything small): the generator bends noise into shape."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from gan_tutorial.errors import require_integer
from gan_tutorial.models.labels import one_hot


def _layers(sizes: list[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for wide, narrow in pairwise(sizes):
        layers += [nn.Linear(wide, narrow), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class Generator(nn.Module):
    """z (N, z_dim), and labels where there are classes -> samples (N, *sample_shape), unbounded.

    Args:
        sample_shape: shape of one sample, (2,) for a point.
        z_dim: latent dimensions.
        width: neurons in a hidden layer.
        depth: hidden layers.
        num_classes: classes, or 0. The class, one-hot, is appended to z (Mirza and Osindero 2014).
    """

    def __init__(
        self, sample_shape: tuple[int, ...], z_dim: int = 2, width: int = 128, depth: int = 2, num_classes: int = 0
    ) -> None:
        super().__init__()
        self.sample_shape, self.z_dim, self.num_classes = tuple(sample_shape), z_dim, num_classes
        self.layers = _layers([z_dim + num_classes, *[width] * depth, math.prod(sample_shape)])

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.layers(_beside(z, labels, self.num_classes)).view(-1, *self.sample_shape)


class Discriminator(nn.Module):
    """Samples (N, *sample_shape), and labels where there are classes -> logits (N,); `width` neurons in each of `depth`
    hidden layers. The class, one-hot, is appended to the sample."""

    def __init__(self, sample_shape: tuple[int, ...], width: int = 128, depth: int = 2, num_classes: int = 0) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.layers = _layers([math.prod(sample_shape) + num_classes, *[width] * depth, 1])

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.layers(_beside(x.flatten(1), labels, self.num_classes)).squeeze(1)


def _beside(x: Tensor, labels: Tensor | None, num_classes: int) -> Tensor:
    """x (N, D), and the class beside it where there are classes: (N, D + num_classes)."""
    return torch.cat([x, one_hot(labels, num_classes)], 1) if num_classes else x


def build(
    sample_shape: tuple[int, ...],
    *,
    num_classes: int = 0,
    z_dim: int = 2,
    g_width: int = 128,
    g_depth: int = 2,
    d_width: int = 128,
    d_depth: int = 2,
) -> dict[str, nn.Module]:
    """Both networks. Widths are neurons a hidden layer (1-4096), depths are hidden layers (0-16)."""
    require_integer("z_dim", z_dim, 1, 4096)
    for name, value in (("g_width", g_width), ("d_width", d_width)):
        require_integer(name, value, 1, 4096)
    for name, value in (("g_depth", g_depth), ("d_depth", d_depth)):
        require_integer(name, value, 0, 16)
    return {
        "generator": Generator(sample_shape, z_dim, g_width, g_depth, num_classes),
        "discriminator": Discriminator(sample_shape, d_width, d_depth, num_classes),
    }
