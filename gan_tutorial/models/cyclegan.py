"""CycleGAN's networks (Zhu et al. 2017, appendix 7.2), sized to small pictures: a ResNet that translates, a PatchGAN.

There are two of each, one a direction: "ab" makes B of A, and "ba" A of B. Two generators are one network here,
:class:`Translators`, and two discriminators are one, :class:`Judges`; so a trainer, a checkpoint and the zoo find what
they find everywhere, a generator and a discriminator.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from gan_tutorial.errors import require, require_integer, unknown
from gan_tutorial.models.labels import one_hot

DIRECTIONS = ("ab", "ba")
SIZES = (16, 32, 64, 128, 256)


def norm(channels: int) -> nn.Module:
    """Instance normalisation: each channel of each picture gets mean 0 and variance 1.

    Written as group normalisation with a channel a group, which is the same and, on a CPU, saves copies of what lies
    channels last in memory: a fifth of a step.
    """
    return nn.GroupNorm(channels, channels, affine=False)


class Block(nn.Module):
    """x (N, C, H, W) -> x + f(x), f being two 3 x 3 convolutions; borders are mirrored."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.change = nn.Sequential(
            nn.Conv2d(channels, channels, 3, 1, 1, padding_mode="reflect", bias=False),
            norm(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, 1, 1, padding_mode="reflect", bias=False),
            norm(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.change(x)


class Generator(nn.Module):
    """Pictures (N, C, S, S) in [-1, 1] -> pictures of the same shape in [-1, 1].

    Strided convolutions halve the picture `halvings` times, `blocks` residual blocks change it there, and it is doubled
    as often: by repeating pixels before a convolution, since a transposed one leaves a chequered pattern (Odena et al.
    2016).

    Args:
        channels: C.
        width: channels after the first layer; each halving doubles them.
        blocks: residual blocks.
        halvings: how often the side is halved. The paper's is 2, at 128 px and more.
        residual: whether G only says what changes: what the last layer gives is added to the picture, before tanh. The
            paper's G paints it anew; but normalisation takes out how light a channel is, and a face of a few flat
            colours is hard to paint from what is left.
    """

    def __init__(
        self, channels: int, width: int = 64, blocks: int = 6, halvings: int = 2, residual: bool = True
    ) -> None:
        super().__init__()
        self.residual = residual
        layers: list[nn.Module] = [
            nn.Conv2d(channels, width, 7, 1, 3, padding_mode="reflect", bias=False),
            norm(width),
            nn.ReLU(inplace=True),
        ]
        for _ in range(halvings):
            layers += [nn.Conv2d(width, 2 * width, 3, 2, 1, bias=False), norm(2 * width), nn.ReLU(inplace=True)]
            width *= 2
        layers += [Block(width) for _ in range(blocks)]
        for _ in range(halvings):
            layers.append(nn.Upsample(scale_factor=2, mode="nearest"))
            layers += [nn.Conv2d(width, width // 2, 3, 1, 1, bias=False), norm(width // 2), nn.ReLU(inplace=True)]
            width //= 2
        layers.append(nn.Conv2d(width, channels, 7, 1, 3, padding_mode="reflect"))
        self.layers = nn.Sequential(*layers)
        self.apply(initialise)

    def forward(self, x: Tensor) -> Tensor:
        painted = self.layers(x)
        if self.residual:  # tanh is flat near black and white: from nine tenths of the way there, change is still easy
            painted = painted + (0.9 * x.clamp(-1, 1)).atanh()
        return painted.tanh()


class PatchGAN(nn.Module):
    """Pictures (N, C, S, S) in [-1, 1] -> logits (N, 1, S / 2^depth, S / 2^depth), one for each patch.

    `depth` strided 4 x 4 convolutions, then two 3 x 3 ones, so that the logits lie over the picture as a grid. (Isola
    et al. 2017 have 4 x 4 there; with a depth of 3, their patch is 70 pixels wide and this one 54.)

    Args:
        channels: C.
        width: channels after the first layer; each of the next doubles them, up to 8 x width.
        depth: how many convolutions are strided; see :func:`patch`.

    Attributes:
        patch: the side of what one logit sees, in pixels.
    """

    def __init__(self, channels: int, width: int = 64, depth: int = 3) -> None:
        super().__init__()
        self.patch = patch(depth)
        widths = [width * min(8, 2**i) for i in range(depth + 1)]
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
        for i in range(1, depth + 1):
            kernel, stride = (4, 2) if i < depth else (3, 1)
            layers.append(nn.Conv2d(widths[i - 1], widths[i], kernel, stride, 1, bias=False))
            layers += [norm(widths[i]), nn.LeakyReLU(0.2, inplace=True)]
        layers.append(nn.Conv2d(widths[-1], 1, 3, 1, 1))
        self.layers = nn.Sequential(*layers)
        self.apply(initialise)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def patch(depth: int) -> int:
    """The side of what a PatchGAN's logit sees, in pixels: 12, 26, 54, 110 for a depth of 1 to 4."""
    seen = 5  # the two last layers
    for _ in range(depth):
        seen = 2 * (seen - 1) + 4
    return seen


def depth_for(size: int) -> int:
    """The largest depth whose patch fits into a picture of `size` pixels: 1 at 16 px, 2 at 32, 3 at 64; at least 1."""
    return next((depth for depth in (4, 3, 2) if patch(depth) <= size), 1)


class Translators(nn.Module):
    """Both generators: `forward(x, "ab")` makes B of A, `forward(x, "ba")` A of B; (N, C, S, S) in [-1, 1].

    It has no latents and no classes: `z_dim` and `num_classes` are 0.
    """

    directions = DIRECTIONS
    z_dim = 0
    num_classes = 0

    def __init__(
        self, sample_shape: tuple[int, int, int], width: int, blocks: int, halvings: int, residual: bool
    ) -> None:
        super().__init__()
        self.sample_shape = tuple(sample_shape)
        self.ab, self.ba = (Generator(sample_shape[0], width, blocks, halvings, residual) for _ in DIRECTIONS)

    def forward(self, x: Tensor, direction: str = "ab") -> Tensor:
        """Raises InputError for an unknown direction."""
        check_direction(direction, self.directions)
        return self.ab(x) if direction == "ab" else self.ba(x)


class Judges(nn.Module):
    """Both discriminators: `forward(x, "a")` tells pictures of A from translations into A, "b" those of B.

    With `num_classes`, a picture comes with so many channels more, see :func:`marked`: what it is to show.
    """

    def __init__(self, channels: int, width: int, depth: int, num_classes: int = 0) -> None:
        super().__init__()
        self.patch, self.num_classes = patch(depth), num_classes
        self.a, self.b = (PatchGAN(channels + num_classes, width, depth) for _ in DIRECTIONS)

    def forward(self, x: Tensor, domain: str = "b") -> Tensor:
        """Raises InputError for an unknown domain."""
        if domain not in ("a", "b"):
            raise unknown("domain", domain, ("a", "b"))
        return self.a(x) if domain == "a" else self.b(x)


def marked(x: Tensor, labels: Tensor | None, num_classes: int) -> Tensor:
    """Pictures (N, C, S, S) with a channel for each class, all 1 for the picture's own and else 0: (N, C + K, S, S).
    Without classes, the pictures themselves."""
    if not num_classes:
        return x
    planes = one_hot(labels, num_classes)[:, :, None, None]
    return torch.cat([x, planes.expand(-1, -1, *x.shape[2:])], 1)


def check_direction(direction: str, known: tuple[str, ...]) -> None:
    """Raises InputError unless `direction` is among those `known`."""
    if direction not in known:
        raise unknown("direction", direction, known)


@torch.no_grad()
def initialise(module: nn.Module) -> None:
    """Weights ~ N(0, 0.02), biases 0, as in the paper."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def check_shape(sample_shape: tuple[int, ...], depth: int | None) -> tuple[int, int, int]:
    """Channels, side, and the depth of the discriminator; raises InputError for what can't be translated."""
    wanted = f"pictures (channels, S, S) with S in {SIZES}"
    fits = len(sample_shape) == 3 and sample_shape[1] == sample_shape[2]
    require(fits, "sample_shape", tuple(sample_shape), wanted)
    channels, size, _ = sample_shape
    if depth is None:
        depth = depth_for(size)
    require_integer("depth", depth, 1, 4)
    wide = patch(depth)
    require(size >= wide, "size", size, f"at least {wide} px, the patch that D looks at with depth={depth}")
    require(size in SIZES, "sample_shape", tuple(sample_shape), wanted)
    return channels, size, depth


def build(
    sample_shape: tuple[int, ...],
    *,
    num_classes: int = 0,
    g_width: int = 64,
    d_width: int = 64,
    blocks: int = 6,
    residual: bool = True,
    depth: int | None = None,
) -> dict[str, nn.Module]:
    """All four networks in two. `g_width`, `d_width`: channels next to the picture (4-256); `blocks` (1-16): residual
    blocks; `residual`: whether G adds to the picture, see :class:`Generator`; `depth` (1-4): of the discriminators,
    default: as the picture allows, see :func:`depth_for`.

    Below 64 px a picture is halved once, else twice. Raises InputError for an option out of range, and for pictures
    smaller than the patch.
    """
    require(num_classes == 0 or num_classes > 1, "num_classes", num_classes, "0 for no classes, or at least 2")
    channels, size, depth = check_shape(sample_shape, depth)
    require_integer("g_width", g_width, 4, 256)
    require_integer("d_width", d_width, 4, 256)
    require_integer("blocks", blocks, 1, 16)
    require(isinstance(residual, bool), "residual", residual, "true or false")
    halvings = 1 if math.log2(size) < 6 else 2
    return {
        "generator": Translators((channels, size, size), g_width, blocks, halvings, residual),
        "discriminator": Judges(channels, d_width, depth, num_classes),
    }
