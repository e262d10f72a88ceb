"""R3GAN (Huang et al. 2024, Config E): what is left of a StyleGAN2 when a well-behaved loss makes its tricks needless.

Both networks are plain residual networks, mirror images of each other. A stage works at one resolution; between two
stages, smooth resampling halves or doubles the side, and a 1x1 convolution changes the channels. There is no
normalisation anywhere: a careful start keeps the variances in hand instead (Zhang et al. 2019, "Fixup"). The loss is
the relativistic one with R1 and R2, of equal weight; see the settings `loss`, `r1` and `r2`.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_tutorial.errors import require, require_integer
from gan_tutorial.models.labels import one_hot
from gan_tutorial.models.resample import double, halve

SIZES = (8, 16, 32, 64, 128, 256)
SLOPE = 0.2  # of the leaky ReLUs below 0
GAIN = math.sqrt(2 / (1 + SLOPE**2))  # what keeps the mean square through a leaky ReLU (He et al. 2015, section 2.2)

L = TypeVar("L", nn.Conv2d, nn.Linear)


def _widths(size: int, width: int) -> list[int]:
    """Channels at 4x4, 8x8, ... up to the full side: `width` at the last, doubling downwards to at most 8 x width."""
    return [width * min(8, size // side) for side in (2**k for k in range(2, int(math.log2(size)) + 1))]


@torch.no_grad()
def _scaled(layer: L, gain: float = 1.0) -> L:
    """Weights ~ N(0, gain^2 / fan-in): for gain 1, the output has the mean square of the input (He et al. 2015)."""
    nn.init.normal_(layer.weight, 0.0, gain / math.sqrt(layer.weight[0].numel()))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class Block(nn.Module):
    """x + branch(x), (N, C, H, W) -> the same shape: 1x1 to more channels, grouped 3x3, 1x1 back.

    The 3x3 convolution mixes only the channels of one group: that makes it cheap, so that it can be wide. The biases
    are those of the activations. The branch starts as zero.

    Args:
        channels: C.
        expansion: the branch is `expansion` x C channels wide.
        group_size: channels in a group of the 3x3 convolution.
        depth: how many blocks the whole network has.
    """

    def __init__(self, channels: int, expansion: int, group_size: int, depth: int) -> None:
        super().__init__()
        wide = expansion * channels
        # With depth^(-1/4) in each of the first two layers, the variances that all blocks add sum to that of one.
        gain = GAIN * depth**-0.25
        self.widen = _scaled(nn.Conv2d(channels, wide, 1), gain)
        self.mix = _scaled(nn.Conv2d(wide, wide, 3, padding=1, groups=wide // group_size), gain)
        self.narrow = _scaled(nn.Conv2d(wide, channels, 1, bias=False), 0.0)

    def forward(self, x: Tensor) -> Tensor:
        y = F.leaky_relu(self.widen(x), SLOPE, inplace=True)
        y = F.leaky_relu(self.mix(y), SLOPE, inplace=True)
        return x + self.narrow(y)


class Resample(nn.Module):
    """To twice or half the side, and from `before` to `after` channels: the 1x1 convolution works at the low side."""

    def __init__(self, before: int, after: int, up: bool) -> None:
        super().__init__()
        self.up = up
        self.change = nn.Identity() if before == after else _scaled(nn.Conv2d(before, after, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return double(self.change(x)) if self.up else self.change(halve(x))


class Generator(nn.Module):
    """z (N, z_dim) -> images (N, C, S, S), unbounded; data lies in [-1, 1].

    Conditional, it takes labels too, class indices (N,) or rows (N, num_classes): z and an embedding of the class, of
    z's size, go in side by side. Raises InputError for labels that are missing, or that it has no use for.

    Args:
        sample_shape: (C, S, S) with S a power of two from 8 to 256.
        z_dim: latent dimensions.
        width: channels at the full side.
        blocks: residual blocks at each resolution.
        group_size: channels in a group of the 3x3 convolutions.
        expansion: how much wider the blocks' branches are than their ends.
        num_classes: K, or 0 for an unconditional generator.
    """

    def __init__(
        self,
        sample_shape: tuple[int, int, int],
        z_dim: int = 64,
        width: int = 32,
        blocks: int = 2,
        group_size: int = 16,
        expansion: int = 2,
        num_classes: int = 0,
    ) -> None:
        super().__init__()
        channels, size, _ = sample_shape
        widths = _widths(size, width)
        self.sample_shape, self.z_dim, self.num_classes = tuple(sample_shape), z_dim, num_classes
        # A one-hot row picks one of these vectors: at unit variance it weighs as much as z does.
        self.embed = nn.Parameter(torch.randn(num_classes, z_dim)) if num_classes else None
        # z only says how much of each of these 4x4 patterns there is, one pattern a channel.
        self.basis = nn.Parameter(torch.randn(widths[0], 4, 4))
        self.amounts = _scaled(nn.Linear(z_dim * (2 if num_classes else 1), widths[0], bias=False))
        self.stages = nn.Sequential()
        for before, after in pairwise([widths[0], *widths]):
            if len(self.stages):
                self.stages.append(Resample(before, after, up=True))
            for _ in range(blocks):
                self.stages.append(Block(after, expansion, group_size, blocks * len(widths)))
        self.to_image = _scaled(nn.Conv2d(widths[-1], channels, 1, bias=False))

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        _check(labels, self.num_classes)
        if self.embed is not None and labels is not None:
            z = torch.cat([z, one_hot(labels, self.num_classes) @ self.embed], 1)
        x = self.amounts(z)[:, :, None, None] * self.basis
        return self.to_image(self.stages(x))


class Discriminator(nn.Module):
    """Images (N, C, S, S) -> logits (N,).

    Conditional, it takes labels too, as the generator does: the logit is the image's features times an embedding of
    the class, a projection (Miyato and Koyama 2018, without their unconditional term).

    Args:
        sample_shape, width, blocks, group_size, expansion, num_classes: as the generator's.
    """

    def __init__(
        self,
        sample_shape: tuple[int, int, int],
        width: int = 32,
        blocks: int = 2,
        group_size: int = 16,
        expansion: int = 2,
        num_classes: int = 0,
    ) -> None:
        super().__init__()
        channels, size, _ = sample_shape
        widths = _widths(size, width)[::-1]
        self.num_classes = num_classes
        self.from_image = _scaled(nn.Conv2d(channels, widths[0], 1, bias=False))
        self.stages = nn.Sequential()
        for before, after in pairwise([widths[0], *widths]):
            if len(self.stages):
                self.stages.append(Resample(before, after, up=False))
            for _ in range(blocks):
                self.stages.append(Block(after, expansion, group_size, blocks * len(widths)))
        # The mirror of the generator's basis: how much of one 4x4 pattern there is in each channel.
        last = widths[-1]
        self.basis = _scaled(nn.Conv2d(last, last, 4, groups=last, bias=False))
        self.features = _scaled(nn.Linear(last, last if num_classes else 1, bias=False))
        self.embed = nn.Parameter(torch.randn(num_classes, last) / math.sqrt(last)) if num_classes else None

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        _check(labels, self.num_classes)
        y = self.features(self.basis(self.stages(self.from_image(x))).flatten(1))
        if self.embed is not None and labels is not None:
            y = y * (one_hot(labels, self.num_classes) @ self.embed)
        return y.sum(1)


def _check(labels: Tensor | None, num_classes: int) -> None:
    if num_classes:
        require(labels is not None, "labels", labels, f"the classes of the samples, for a net of {num_classes} classes")
    else:
        require(labels is None, "labels", "given", "None, for an unconditional net; build it with num_classes")


def build(
    sample_shape: tuple[int, ...],
    *,
    num_classes: int = 0,
    z_dim: int = 64,
    g_width: int = 32,
    d_width: int = 32,
    blocks: int = 2,
    group_size: int = 16,
    expansion: int = 2,
) -> dict[str, nn.Module]:
    """Both networks.

    Args:
        sample_shape: (C, S, S) with S a power of two from 8 to 256.
        num_classes: 0 for unconditional networks, or the number of classes (2-10000).
        z_dim: latent dimensions (1-4096).
        g_width, d_width: channels at the full side (4-1024); they double at each halving of the side, up to eightfold.
        blocks: residual blocks at each resolution (1-16; the paper's 2).
        group_size: channels in a group of the 3x3 convolutions (1-1024; the paper's is 16 for CIFAR-10); it must divide
            `expansion` times either width.
        expansion: how much wider the blocks' branches are than their ends (1-8; the paper's 2).

    Raises InputError for anything outside.
    """
    require(
        len(sample_shape) == 3 and sample_shape[1] == sample_shape[2] and sample_shape[1] in SIZES,
        "sample_shape",
        tuple(sample_shape),
        f"(channels, S, S) with S in {SIZES}",
    )
    require_integer("num_classes", num_classes, 0, 10_000)
    require(num_classes != 1, "num_classes", num_classes, "0 for unconditional networks, or at least 2")
    require_integer("z_dim", z_dim, 1, 4096)
    require_integer("blocks", blocks, 1, 16)
    require_integer("group_size", group_size, 1, 1024)
    require_integer("expansion", expansion, 1, 8)
    for name, width in (("g_width", g_width), ("d_width", d_width)):
        require_integer(name, width, 4, 1024)
        wide = expansion * width
        allowed = f"a width with expansion x {name} = {wide} divisible by group_size {group_size}"
        require(wide % group_size == 0, name, width, allowed)
    shape = (sample_shape[0], sample_shape[1], sample_shape[2])
    return {
        "generator": Generator(shape, z_dim, g_width, blocks, group_size, expansion, num_classes),
        "discriminator": Discriminator(shape, d_width, blocks, group_size, expansion, num_classes),
    }
