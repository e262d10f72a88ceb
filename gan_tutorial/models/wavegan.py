"""WaveGAN (Donahue et al. 2019): the DCGAN for sound. One dimension instead of two, longer filters, longer strides.

Where a picture's 4x4 filter doubles the side, a filter of 25 samples makes the sound 4 times as long: both grow 4 times
as many values, and 25 samples are long enough to hold a slow wave's bend. The paper's tables at 16,384 samples, with
d = 64 channels next to the sound (weights, beside biases):

=====================  ===========  ==========  ======================  ===========  ==========
generator              output       weights     discriminator           output       weights
=====================  ===========  ==========  ======================  ===========  ==========
dense, ReLU            16 x 16d      1,638,400  convolution, shuffle    4,096 x d         1,600
transposed, ReLU       64 x 8d      13,107,200  convolution, shuffle    1,024 x 2d      204,800
transposed, ReLU       256 x 4d      3,276,800  convolution, shuffle    256 x 4d        819,200
transposed, ReLU       1,024 x 2d      819,200  convolution, shuffle    64 x 8d       3,276,800
transposed, ReLU       4,096 x d       204,800  convolution             16 x 16d     13,107,200
transposed, tanh       16,384 x 1        1,600  dense                   1                16,384
=====================  ===========  ==========  ======================  ===========  ==========

Every convolution of the discriminator is followed by a leaky ReLU of slope 0.2. Neither network has BatchNorm, which
would not go with the gradient penalty that the paper trains with.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gan_tutorial.errors import require, require_integer
from gan_tutorial.models.labels import one_hot

SHORTEST, LONGEST = 256, 65_536  # samples of a sound
FIRST = 16  # the shortest sound that the dense layer makes, and the reason why a length may not fit
UPSAMPLINGS = ("transposed", "nearest")


class Plan(NamedTuple):
    """How a sound grows: `first` samples, then as many times `stride` as there are `multiples` of the width."""

    first: int
    multiples: tuple[int, ...]  # channels in widths, from the dense layer's to those next to the sound


def plan(length: int, stride: int) -> Plan:
    """The layers for `length` samples: the fewest samples to begin with, but at least 16, and twice the channels at
    each step away from the sound, up to 32 x (the paper needs 16 x). Raises InputError if no number of strides fits."""
    blocks, step = 1, stride
    while length >= FIRST * step * stride:
        blocks, step = blocks + 1, step * stride
    below = max(length // step, FIRST) * step
    require(
        length % step == 0,
        "sample_shape",
        f"{length} samples",
        f"a multiple of {step}, since {blocks} layers of stride {stride} make it; {below} or {below + step} would do",
    )
    return Plan(length // step, tuple(2 ** min(5, i) for i in reversed(range(blocks))))


def shuffle_phase(x: Tensor, n: int) -> Tensor:
    """Phase shuffle (the paper's section 3.3): each sound's channels (N, C, L) shift together by -n to n samples, all
    shifts equally likely.

    What leaves at one end is lost, what is missing at the other is the sound's reflection there (without repeating the
    last sample), so 0 <= n < L. The shifts come from torch's global generator, one a sound.
    """
    if n == 0:
        return x
    last = x.shape[2] - 1
    shift = torch.randint(-n, n + 1, (len(x), 1), device=x.device)
    where = (torch.arange(last + 1, device=x.device) - shift).abs()  # -1 -> 1
    where = last - (last - where).abs()  # last + 1 -> last - 1
    return x.gather(2, where[:, None].expand(-1, x.shape[1], -1))


class Generator(nn.Module):
    """z (N, z_dim), and labels where there are classes -> sounds (N, C, L) in [-1, 1].

    Args:
        sample_shape: (C, L), C being 1 for mono.
        z_dim: latent dimensions.
        width: channels before the last layer (the paper's d).
        num_classes: classes, or 0. The class, one-hot, is appended to z.
        kernel: samples of a filter.
        stride: how many times longer a layer makes the sound.
        upsampling: "transposed" convolutions as in the paper, or "nearest": each sample `stride` times, then a
            convolution. The latter has no stride that could leave its rhythm in the sound, and costs `stride` times
            the multiplications (Odena et al. 2016).
    """

    def __init__(
        self,
        sample_shape: tuple[int, int],
        z_dim: int = 100,
        width: int = 64,
        num_classes: int = 0,
        kernel: int = 25,
        stride: int = 4,
        upsampling: str = "transposed",
    ) -> None:
        super().__init__()
        channels, length = sample_shape
        self.sample_shape, self.z_dim, self.num_classes = tuple(sample_shape), z_dim, num_classes
        self.start, multiples = plan(length, stride)
        widths = [width * m for m in multiples]
        self.first = nn.Linear(z_dim + num_classes, self.start * widths[0])
        self.blocks = nn.Sequential()
        for before, after in pairwise([*widths, channels]):
            self.blocks.append(nn.ReLU(inplace=True))
            if upsampling == "nearest":
                self.blocks.append(nn.Upsample(scale_factor=stride))
                self.blocks.append(nn.Conv1d(before, after, kernel, padding="same"))
            else:
                extra = (kernel - stride) % 2  # so that the output is exactly `stride` times as long
                padding = (kernel - stride + extra) // 2
                self.blocks.append(nn.ConvTranspose1d(before, after, kernel, stride, padding, extra))
        self.apply(_initialise)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        if self.num_classes:
            z = torch.cat([z, one_hot(labels, self.num_classes)], 1)
        return self.blocks(self.first(z).view(len(z), -1, self.start)).tanh()


class Discriminator(nn.Module):
    """Sounds (N, C, L) in [-1, 1], and labels where there are classes -> logits (N,).

    At the paper's size a feature of the last convolution sees 8,185 samples, half of the sound: half a second.

    Args:
        sample_shape: (C, L), C being 1 for mono.
        width: channels after the first layer (the paper's d).
        num_classes: classes, or 0. Each adds a bias of its own to the first convolution, as a channel beside the sound
            would that is 1 for the sound's class, else 0; yet it costs nothing.
        kernel: samples of a filter.
        stride: how many times shorter a layer makes the sound.
        phase_shuffle: the n of :func:`shuffle_phase`, after every convolution but the last; 0 for none. Transposed
            convolutions leave a hum of fixed phase in G's sounds. Without the shuffle D can tell fakes by it alone.
            As dropout does, it rests in eval mode, where a sound has one logit.
    """

    def __init__(
        self,
        sample_shape: tuple[int, int],
        width: int = 64,
        num_classes: int = 0,
        kernel: int = 25,
        stride: int = 4,
        phase_shuffle: int = 2,
    ) -> None:
        super().__init__()
        channels, length = sample_shape
        self.num_classes, self.phase_shuffle = num_classes, phase_shuffle
        start, multiples = plan(length, stride)
        widths = [width * m for m in multiples[::-1]]
        padding = (kernel - stride + 1) // 2
        self.convolutions = nn.ModuleList(
            nn.Conv1d(before, after, kernel, stride, padding) for before, after in pairwise([channels, *widths])
        )
        self.of_class = nn.Linear(num_classes, widths[0], bias=False) if num_classes else None
        self.activation = nn.LeakyReLU(0.2)
        self.last = nn.Linear(start * widths[-1], 1)
        self.apply(_initialise)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        for i, convolution in enumerate(self.convolutions):
            if self.training and i > 0:
                x = shuffle_phase(x, self.phase_shuffle)
            x = convolution(x)
            if i == 0 and self.of_class is not None:
                x = x + self.of_class(one_hot(labels, self.num_classes))[:, :, None]
            x = self.activation(x)
        return self.last(x.flatten(1)).flatten()


@torch.no_grad()
def _initialise(module: nn.Module) -> None:
    """Weights as Glorot and Bengio (2010) draw them, uniformly, and no bias: what the paper's authors began with."""
    if isinstance(module, (nn.Linear, nn.Conv1d, nn.ConvTranspose1d)):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def build(
    sample_shape: tuple[int, ...],
    *,
    num_classes: int = 0,
    z_dim: int = 100,
    g_width: int = 64,
    d_width: int = 64,
    kernel: int = 25,
    stride: int = 4,
    phase_shuffle: int = 2,
    upsampling: str = "transposed",
) -> dict[str, nn.Module]:
    """Both networks for `sample_shape` (C, L): 1 channel or more, and 256 to 65,536 samples, a multiple of the strides'
    product (see :func:`plan`), such as 1,024, 2,048, 4,096, 8,192, 16,384 and 65,536 for the stride 4.

    `g_width`, `d_width`: channels next to the sound (4-512); `stride`: 2-8; `kernel`: from `stride` to 63 samples;
    `phase_shuffle`: 0-16; `upsampling`: see the generator. Raises InputError for anything else.
    """
    fits = len(sample_shape) == 2 and SHORTEST <= sample_shape[1] <= LONGEST
    require(fits, "sample_shape", tuple(sample_shape), f"(channels, samples) with {SHORTEST} to {LONGEST} samples")
    require_integer("z_dim", z_dim, 1, 4096)
    require_integer("g_width", g_width, 4, 512)
    require_integer("d_width", d_width, 4, 512)
    require_integer("stride", stride, 2, 8)
    require_integer("kernel", kernel, stride, 63)
    require_integer("phase_shuffle", phase_shuffle, 0, 16)
    require(upsampling in UPSAMPLINGS, "upsampling", upsampling, f"one of {UPSAMPLINGS}")
    shape = (sample_shape[0], sample_shape[1])
    return {
        "generator": Generator(shape, z_dim, g_width, num_classes, kernel, stride, upsampling),
        "discriminator": Discriminator(shape, d_width, num_classes, kernel, stride, phase_shuffle),
    }
