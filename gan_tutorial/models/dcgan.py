"""DCGAN (Radford et al. 2016): strided convolutions down, transposed convolutions up, BatchNorm between, no pooling.

From 4x4 on, each generator block doubles the side and halves the channels; the discriminator is its mirror image.
At 64 px and width 64 these are the networks of the paper's figure 1 and of the PyTorch example.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from gan_tutorial.errors import require, require_integer
from gan_tutorial.models.labels import one_hot
from gan_tutorial.models.packing import MAX_PACK, Packed
from gan_tutorial.models.stylegan2 import MinibatchStd

SIZES = (8, 16, 32, 64, 128)
NORMS = ("batch", "instance", "spectral", "none")


def _widths(size: int, width: int) -> list[int]:
    """Channels at 4x4, 8x8, ... up to half the full side: at most 8 x width, `width` at the last."""
    blocks = int(math.log2(size)) - 2
    return [width * min(8, 2**i) for i in reversed(range(blocks))]


class Generator(nn.Module):
    """z (N, z_dim), and labels where there are classes -> images (N, C, S, S) in [-1, 1].

    Args:
        sample_shape: (C, S, S) with S one of 8, 16, 32, 64, 128.
        z_dim: latent dimensions.
        width: channels before the last layer ("ngf").
        num_classes: classes, or 0. The class, one-hot, is appended to z (Mirza and Osindero 2014).
    """

    def __init__(
        self, sample_shape: tuple[int, int, int], z_dim: int = 100, width: int = 64, num_classes: int = 0
    ) -> None:
        super().__init__()
        channels, size, _ = sample_shape
        widths = _widths(size, width)
        self.sample_shape, self.z_dim, self.num_classes = tuple(sample_shape), z_dim, num_classes
        # A transposed 4x4 convolution of a 1x1 input is a linear map to 4x4 pixels; written as one it runs faster.
        self.first = nn.Linear(z_dim + num_classes, 4 * 4 * widths[0], bias=False)
        self.first_norm = nn.BatchNorm2d(widths[0])
        self.blocks = nn.Sequential()
        for before, after in pairwise(widths):
            self.blocks.append(nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False))
            self.blocks.append(nn.BatchNorm2d(after))
            self.blocks.append(nn.ReLU(inplace=True))
        self.to_image = nn.ConvTranspose2d(widths[-1], channels, 4, 2, 1, bias=False)
        self.apply(_initialise)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        if self.num_classes:
            z = torch.cat([z, one_hot(labels, self.num_classes)], 1)
        x = self.first(z).view(len(z), 4, 4, -1).permute(0, 3, 1, 2)
        x = self.blocks(self.first_norm(x).relu_())
        return self.to_image(x).tanh()


class Discriminator(nn.Module):
    """Images (N, C, S, S) in [-1, 1], and labels where there are classes -> logits (N,).

    Args:
        sample_shape: (C, S, S) with S one of 8, 16, 32, 64, 128.
        width: channels after the first layer ("ndf").
        norm: "batch" as in the paper; "instance" or "none" where a gradient penalty needs one logit to depend on one
            image alone; "spectral" divides each weight by its largest singular value (Miyato et al. 2018).
        num_classes: classes, or 0. Each becomes a channel beside the colours, all 1 for the image's class, else 0.
        group: samples whose spread is one more channel before the last layer (minibatch standard deviation, Karras et
            al. 2018, section 3); 0 leaves it out.

    Attributes:
        mixes_samples: whether `group` makes a sample's logit depend on others of its batch, as BatchNorm does too.
    """

    def __init__(
        self,
        sample_shape: tuple[int, int, int],
        width: int = 64,
        norm: str = "batch",
        num_classes: int = 0,
        group: int = 0,
    ) -> None:
        super().__init__()
        channels, size, _ = sample_shape
        self.num_classes, self.mixes_samples = num_classes, group > 1
        widths = _widths(size, width)[::-1]
        self.blocks = nn.Sequential(
            nn.Conv2d(channels + num_classes, widths[0], 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True)
        )
        for before, after in pairwise(widths):
            self.blocks.append(nn.Conv2d(before, after, 4, 2, 1, bias=norm in ("spectral", "none")))
            if norm == "batch":
                self.blocks.append(nn.BatchNorm2d(after))
            elif norm == "instance":
                self.blocks.append(nn.InstanceNorm2d(after, affine=True))
            self.blocks.append(nn.LeakyReLU(0.2, inplace=True))
        self.spread = MinibatchStd(group) if group else nn.Identity()
        self.last = nn.Conv2d(widths[-1] + (group > 0), 1, 4, 1, 0, bias=False)
        self.apply(_initialise)
        if norm == "spectral":
            for module in self.modules():
                if isinstance(module, nn.Conv2d):
                    spectral_norm(module)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        if self.num_classes:
            planes = one_hot(labels, self.num_classes)[:, :, None, None]
            x = torch.cat([x, planes.expand(-1, -1, *x.shape[2:])], 1)
        return self.last(self.spread(self.blocks(x))).flatten()


@torch.no_grad()
def _initialise(module: nn.Module) -> None:
    """Weights ~ N(0, 0.02), norms' gains ~ N(1, 0.02), as the paper's section 4 asks."""
    if isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, (nn.BatchNorm2d, nn.InstanceNorm2d)):
        nn.init.normal_(module.weight, 1.0, 0.02)


def build(
    sample_shape: tuple[int, ...],
    *,
    num_classes: int = 0,
    z_dim: int = 100,
    g_width: int = 64,
    d_width: int = 64,
    norm: str = "batch",
    group: int = 0,
    pack: int = 1,
) -> dict[str, nn.Module]:
    """Both networks. `g_width`, `d_width`: channels next to the image (4-512); `norm`, `group` (0-64): see the
    discriminator; `pack` (1-16): images that it judges at once, see :class:`gan_tutorial.models.packing.Packed`."""
    require(
        len(sample_shape) == 3 and sample_shape[1] == sample_shape[2] and sample_shape[1] in SIZES,
        "sample_shape",
        tuple(sample_shape),
        f"(channels, S, S) with S in {SIZES}",
    )
    require_integer("z_dim", z_dim, 1, 4096)
    require_integer("g_width", g_width, 4, 512)
    require_integer("d_width", d_width, 4, 512)
    require(norm in NORMS, "norm", norm, f"one of {NORMS}")
    require_integer("group", group, 0, 64)
    require_integer("pack", pack, 1, MAX_PACK)
    channels, size, _ = sample_shape
    generator = Generator((channels, size, size), z_dim, g_width, num_classes)
    discriminator = Discriminator((channels * pack, size, size), d_width, norm, num_classes * pack, group)
    return {
        "generator": generator,
        "discriminator": discriminator if pack == 1 else Packed(discriminator, pack, num_classes),
    }
