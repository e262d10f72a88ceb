"""pix2pix's networks (Isola et al. 2017, appendix 6.1), sized to small pictures: a U-Net and a conditional PatchGAN."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from gan_tutorial.errors import require, require_integer, require_number
from gan_tutorial.models.cyclegan import PatchGAN, check_direction, check_shape, initialise


class UNet(nn.Module):
    """Pictures (N, C, S, S) in [-1, 1] -> pictures of the same shape in [-1, 1].

    Halved down to 2 x 2 and doubled again; what each halving saw is handed over to the doubling of the same size, so
    that outlines need not pass through the narrow middle.

    Args:
        sample_shape: (C, S, S), S a power of two from 8 on.
        width: channels after the first layer; each halving doubles them, up to 8 x width.
        dropout: share of values dropped in the two innermost doublings, in [0, 1): all the noise that the paper has. It
            rests in eval mode.
    """

    directions = ("ab",)
    z_dim = 0
    num_classes = 0

    def __init__(self, sample_shape: tuple[int, int, int], width: int = 64, dropout: float = 0.5) -> None:
        super().__init__()
        channels, size, _ = sample_shape
        self.sample_shape = tuple(sample_shape)
        steps = int(math.log2(size)) - 1
        widths = [channels, *(width * min(8, 2**i) for i in range(steps))]
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        layers: list[nn.Module]
        for i in range(steps):
            # As in the paper, neither the first layer nor the innermost is normalised.
            plain = i in (0, steps - 1)
            layers = [] if i == 0 else [nn.LeakyReLU(0.2)]
            layers.append(nn.Conv2d(widths[i], widths[i + 1], 4, 2, 1, bias=plain))
            self.down.append(nn.Sequential(*layers, *([] if plain else [nn.BatchNorm2d(widths[i + 1])])))
        for i in reversed(range(1, steps)):
            given = widths[i + 1] * (1 if i == steps - 1 else 2)
            layers = [nn.ReLU(), nn.Upsample(scale_factor=2), nn.Conv2d(given, widths[i], 3, 1, 1, bias=False)]
            layers.append(nn.BatchNorm2d(widths[i]))
            if dropout and i >= steps - 2:
                layers.append(nn.Dropout(dropout))
            self.up.append(nn.Sequential(*layers))
        self.last = nn.Sequential(nn.ReLU(), nn.Upsample(scale_factor=2), nn.Conv2d(2 * widths[1], channels, 3, 1, 1))
        self.apply(initialise)

    def forward(self, x: Tensor, direction: str = "ab") -> Tensor:
        """Raises InputError for another direction than "ab"."""
        check_direction(direction, self.directions)
        kept = []
        for halve in self.down:
            x = halve(x)
            kept.append(x)
        kept.pop()
        for double in self.up:
            x = torch.cat([double(x), kept.pop()], 1)
        return self.last(x).tanh()


class ConditionalPatchGAN(nn.Module):
    """Pictures of A and of B, (N, C, S, S) each -> logits (N, 1, S / 2^depth, S / 2^depth): whether B belongs to A, for
    each patch. See :class:`gan_tutorial.models.cyclegan.PatchGAN`."""

    num_classes = 0

    def __init__(self, channels: int, width: int = 64, depth: int = 3) -> None:
        super().__init__()
        self.both = PatchGAN(2 * channels, width, depth)
        self.patch = self.both.patch

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.both(torch.cat([x, y], 1))


def build(
    sample_shape: tuple[int, ...],
    *,
    num_classes: int = 0,
    g_width: int = 64,
    d_width: int = 64,
    dropout: float = 0.5,
    depth: int | None = None,
) -> dict[str, nn.Module]:
    """Both networks. `g_width`, `d_width`: channels next to the picture (4-256); `dropout`: see :class:`UNet`; `depth`
    (1-4): of the discriminator, default: as the picture allows, see :func:`gan_tutorial.models.cyclegan.depth_for`.

    Raises InputError for an option out of range, and for pictures smaller than the patch.
    """
    require(num_classes == 0, "num_classes", num_classes, "0, since pairs need no classes")
    channels, size, depth = check_shape(sample_shape, depth)
    require_integer("g_width", g_width, 4, 256)
    require_integer("d_width", d_width, 4, 256)
    require_number("dropout", dropout, 0, 1, open_high=True)
    return {
        "generator": UNet((channels, size, size), g_width, dropout),
        "discriminator": ConditionalPatchGAN(channels, d_width, depth),
    }
