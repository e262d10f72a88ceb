"""Fully connected networks for points in the plane (and for anything small): the generator bends noise into shape."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from gan_tutorial.errors import require, require_integer, require_number
from gan_tutorial.models.labels import one_hot
from gan_tutorial.models.packing import MAX_PACK, Packed, packed_shape
from gan_tutorial.models.stylegan2 import MinibatchStd

G_NORMS = ("none", "batch")
D_NORMS = ("none", "spectral")


def _layers(sizes: list[int], norm: str = "none", pieces: int = 1) -> nn.Sequential:
    layers: list[nn.Module] = []
    for wide, narrow in pairwise(sizes[:-1]):
        # BatchNorm takes the mean away, and a bias with it.
        layers.append(Maxout(wide, narrow, pieces) if pieces > 1 else nn.Linear(wide, narrow, bias=norm != "batch"))
        if norm == "batch":
            layers.append(nn.BatchNorm1d(narrow))
        if pieces == 1:
            layers.append(nn.ReLU())
    return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))


class Maxout(nn.Module):
    """x (N, inputs) -> (N, outputs): each output is the largest of `pieces` linear functions of x (Goodfellow et al.
    2013, "Maxout networks")."""

    def __init__(self, inputs: int, outputs: int, pieces: int) -> None:
        super().__init__()
        self.pieces, self.linear = pieces, nn.Linear(inputs, outputs * pieces)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x).unflatten(1, (self.pieces, -1)).amax(1)


class Generator(nn.Module):
    """z (N, z_dim), and labels where there are classes -> samples (N, *sample_shape), unbounded.

    Args:
        sample_shape: shape of one sample, (2,) for a point.
        z_dim: latent dimensions.
        width: neurons in a hidden layer.
        depth: hidden layers.
        num_classes: classes, or 0. The class, one-hot, is appended to z (Mirza and Osindero 2014).
        norm: "none", or "batch" for BatchNorm before each ReLU.
    """

    def __init__(
        self,
        sample_shape: tuple[int, ...],
        z_dim: int = 2,
        width: int = 128,
        depth: int = 2,
        num_classes: int = 0,
        norm: str = "none",
    ) -> None:
        super().__init__()
        self.sample_shape, self.z_dim, self.num_classes = tuple(sample_shape), z_dim, num_classes
        self.layers = _layers([z_dim + num_classes, *[width] * depth, math.prod(sample_shape)], norm)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.layers(_beside(z, labels, self.num_classes)).view(-1, *self.sample_shape)


class Discriminator(nn.Module):
    """Samples (N, *sample_shape), and labels where there are classes -> logits (N,); `width` neurons in each of `depth`
    hidden layers. The class, one-hot, is appended to the sample.

    Args:
        norm: "none", or "spectral": each weight is divided by its largest singular value (Miyato et al. 2018).
        pieces: 1 for ReLU; more for maxout, the largest of so many linear functions.
        group: samples whose spread is one more input of the last layer (minibatch standard deviation, Karras et al.
            2018, section 3); 0 leaves it out.

    Attributes:
        mixes_samples: whether `group` makes a sample's logit depend on others of its batch.
    """

    def __init__(
        self,
        sample_shape: tuple[int, ...],
        width: int = 128,
        depth: int = 2,
        num_classes: int = 0,
        norm: str = "none",
        pieces: int = 1,
        group: int = 0,
    ) -> None:
        super().__init__()
        self.num_classes, self.mixes_samples = num_classes, group > 1
        self.layers = _layers([math.prod(sample_shape) + num_classes, *[width] * depth, 1], pieces=pieces)
        if group:
            last = self.layers[-1]
            assert isinstance(last, nn.Linear)
            self.layers[-1] = nn.Sequential(_Spread(group), nn.Linear(last.in_features + 1, 1))
        if norm == "spectral":
            for module in list(self.modules()):
                if isinstance(module, nn.Linear):
                    spectral_norm(module)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.layers(_beside(x.flatten(1), labels, self.num_classes)).squeeze(1)


class _Spread(MinibatchStd):
    """The same for features (N, F) -> (N, F + 1)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x[:, :, None, None]).flatten(1)


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
    g_norm: str = "none",
    d_norm: str = "none",
    d_pieces: int = 1,
    group: int = 0,
    pack: int = 1,
    init_std: float = 0.0,
) -> dict[str, nn.Module]:
    """Both networks. Widths are neurons a hidden layer (1-4096), depths are hidden layers (0-16).

    `g_norm` is the generator's `norm`; `d_norm`, `d_pieces` (1-16) and `group` (0-64) are the discriminator's. `pack`
    (1-16): samples that the discriminator judges at once, see :class:`gan_tutorial.models.packing.Packed`. `init_std`:
    weights ~ N(0, init_std) and biases 0 instead of torch's default, if it is above 0.
    """
    require_integer("z_dim", z_dim, 1, 4096)
    for name, value in (("g_width", g_width), ("d_width", d_width)):
        require_integer(name, value, 1, 4096)
    for name, value in (("g_depth", g_depth), ("d_depth", d_depth)):
        require_integer(name, value, 0, 16)
    require(g_norm in G_NORMS, "g_norm", g_norm, f"one of {G_NORMS}")
    require(d_norm in D_NORMS, "d_norm", d_norm, f"one of {D_NORMS}")
    require_integer("d_pieces", d_pieces, 1, 16)
    require_integer("group", group, 0, 64)
    require_integer("pack", pack, 1, MAX_PACK)
    require_number("init_std", init_std, 0)
    shape, classes = packed_shape(sample_shape, pack), num_classes * pack
    generator = Generator(sample_shape, z_dim, g_width, g_depth, num_classes, g_norm)
    discriminator = Discriminator(shape, d_width, d_depth, classes, d_norm, d_pieces, group)
    networks: dict[str, nn.Module] = {
        "generator": generator,
        "discriminator": discriminator if pack == 1 else Packed(discriminator, pack, num_classes),
    }
    if init_std:
        for network in networks.values():
            _initialise(network, init_std)
    return networks


@torch.no_grad()
def _initialise(network: nn.Module, std: float) -> None:
    for module in network.modules():
        if isinstance(module, nn.Linear):
            module.weight = nn.init.normal_(module.weight, 0.0, std)
            if module.bias is not None:
                module.bias.zero_()
