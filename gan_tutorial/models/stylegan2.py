"""StyleGAN2 (Karras et al. 2020) with the ADA release's variants: a latent becomes a style, styles steer each layer.

The modules bear the names of the official PyTorch release, and weights are kept as it keeps them, so that its
checkpoints load (`gan_tutorial.zoo.import_stylegan2`). Weights are N(0, 1) and scaled where they are used ("equalised
learning rate", Karras et al. 2018, section 4.1): Adam then moves all of them at the same relative speed.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_tutorial.errors import require, require_integer
from gan_tutorial.models.labels import one_hot
from gan_tutorial.models.resample import double, halve, smooth

SIZES = (16, 32, 64, 128, 256, 512, 1024)
ARCHITECTURES = ("orig", "skip", "resnet")
NOISES = ("random", "const", "none")
RESIDUAL = math.sqrt(0.5)  # the sum of two branches keeps its variance


def normalise(x: Tensor) -> Tensor:
    """Rows (N, D) scaled to a mean square of 1."""
    return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()


def activate(x: Tensor, gain: float = 1.0) -> Tensor:
    """Leaky ReLU of slope 0.2, times sqrt(2), which gives back the variance that it takes."""
    return F.leaky_relu(x, 0.2) * (math.sqrt(2) * gain)


def clamped(x: Tensor, limit: float | None, gain: float = 1.0) -> Tensor:
    """x within +- limit x gain, if there is a limit: official networks that were trained in half precision have 256."""
    return x if limit is None else x.clamp(-limit * gain, limit * gain)


class Linear(nn.Module):
    """x (N, inputs) -> (N, outputs), equalised; `lr_multiplier` slows the layer's learning down.

    Args:
        active: whether the leaky ReLU follows.
        bias: the initial bias.
    """

    def __init__(
        self, inputs: int, outputs: int, *, active: bool = False, lr_multiplier: float = 1.0, bias: float = 0.0
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / lr_multiplier)
        self.bias = nn.Parameter(torch.full([outputs], bias))
        self.active, self.gain, self.bias_gain = active, lr_multiplier / math.sqrt(inputs), lr_multiplier

    def forward(self, x: Tensor) -> Tensor:
        x = F.linear(x, self.weight * self.gain, self.bias * self.bias_gain)
        return activate(x) if self.active else x


class Conv(nn.Module):
    """x (N, inputs, H, W) -> (N, outputs, H', W'), equalised; H' = 2H with `up`, H/2 with `down`, else H.

    Args:
        active: whether the leaky ReLU follows.
        bias: whether there is one.
        up: of a 1 x 1 convolution alone.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        active: bool = True,
        bias: bool = True,
        up: bool = False,
        down: bool = False,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.active, self.up, self.down = active, up, down
        self.limit: float | None = None
        self.gain = 1 / math.sqrt(inputs * kernel**2)

    def forward(self, x: Tensor, gain: float = 1.0) -> Tensor:
        weight, kernel = self.weight * self.gain, self.weight.shape[-1]
        if not self.active:
            weight = weight * gain
        if self.down and kernel == 1:
            x = F.conv2d(halve(x), weight, self.bias)
        elif self.down:
            x = F.conv2d(smooth(x, kernel // 2 + 1), weight, self.bias, stride=2)
        else:
            x = F.conv2d(x, weight, self.bias, padding=kernel // 2)
        x = double(x) if self.up else x
        x = activate(x, gain) if self.active else x
        return clamped(x, self.limit, gain)


def modulated(x: Tensor, weight: Tensor, styles: Tensor, *, up: bool = False, demodulate: bool = True) -> Tensor:
    """The modulated convolution (Karras et al. 2020, equations 1 and 3).

    Each sample's weights are `weight` times its styles, one an input channel, divided by their norm, one an output
    channel. Scaling the input and the output instead is the same, and leaves one convolution for the whole batch.

    Args:
        x: (N, I, H, W).
        weight: (O, I, K, K).
        styles: (N, I).
        up: double the side, by a transposed convolution and a smoothing filter.
        demodulate: divide by the norm, so that inputs of variance 1 have outputs of variance 1.

    Returns:
        (N, O, H, W) or (N, O, 2H, 2W).
    """
    scaled = x * styles[:, :, None, None]
    if up:
        y = smooth(F.conv_transpose2d(scaled, weight.transpose(0, 1), stride=2), 1) * 4
    else:
        y = F.conv2d(scaled, weight, padding=weight.shape[-1] // 2)
    if not demodulate:
        return y
    norms = (styles.square() @ weight.square().sum((2, 3)).T + 1e-8).rsqrt()
    return y * norms[:, :, None, None]


class StyledConv(nn.Module):
    """x (N, inputs, H, W), w (N, w_dim) -> (N, outputs, R, R): a modulated 3 x 3 convolution, noise, leaky ReLU."""

    noise_const: Tensor

    def __init__(self, inputs: int, outputs: int, w_dim: int, resolution: int, *, up: bool = False) -> None:
        super().__init__()
        self.affine = Linear(w_dim, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.register_buffer("noise_const", torch.randn(resolution, resolution))
        self.noise_strength = nn.Parameter(torch.zeros([]))
        self.up, self.resolution = up, resolution
        self.limit: float | None = None

    def forward(self, x: Tensor, w: Tensor, noise: str = "random", gain: float = 1.0) -> Tensor:
        x = modulated(x, self.weight, self.affine(w), up=self.up)
        if noise == "random":
            fresh = torch.randn(len(x), 1, self.resolution, self.resolution, device=x.device)
            x = x + fresh * self.noise_strength
        elif noise == "const":
            x = x + self.noise_const * self.noise_strength
        x = activate(x + self.bias[:, None, None], gain)
        return clamped(x, self.limit, gain)


class ToImage(nn.Module):
    """x (N, inputs, R, R), w (N, w_dim) -> (N, channels, R, R): a modulated 1 x 1 convolution, not demodulated."""

    def __init__(self, inputs: int, channels: int, w_dim: int) -> None:
        super().__init__()
        self.affine = Linear(w_dim, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(channels, inputs, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.gain = 1 / math.sqrt(inputs)
        self.limit: float | None = None

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        x = modulated(x, self.weight, self.affine(w) * self.gain, demodulate=False) + self.bias[:, None, None]
        return clamped(x, self.limit)


class Mapping(nn.Module):
    """z (N, z_dim), and labels where there are classes -> w (N, num_ws, w_dim), the same w for every layer.

    Attributes:
        w_avg: (w_dim,), the moving average of w, updated while training: what truncation pulls towards.

    Args:
        z_dim: latent dimensions; 0 maps labels alone, as D does.
        num_ws: layers that take a style; 0 returns (N, w_dim), and keeps no average.
        layers: fully connected layers.
        num_classes: classes, or 0.
    """

    w_avg: Tensor

    def __init__(self, z_dim: int, w_dim: int, num_ws: int, layers: int = 8, num_classes: int = 0) -> None:
        super().__init__()
        self.num_ws, self.num_classes = num_ws, num_classes
        if num_classes:
            self.embed = Linear(num_classes, w_dim)
        for i in range(layers):
            inputs = z_dim + (w_dim if num_classes else 0) if i == 0 else w_dim
            self.add_module(f"fc{i}", Linear(inputs, w_dim, active=True, lr_multiplier=0.01))
        self.layers = layers
        if num_ws:
            self.register_buffer("w_avg", torch.zeros(w_dim))

    def forward(
        self, z: Tensor | None, labels: Tensor | None = None, psi: float = 1.0, cutoff: int | None = None
    ) -> Tensor:
        """`psi` in [0, 1] pulls w towards its average; only the first `cutoff` layers' with a cutoff."""
        x = normalise(z.float()) if z is not None else None
        if self.num_classes:
            of_class = normalise(self.embed(one_hot(labels, self.num_classes)))
            x = of_class if x is None else torch.cat([x, of_class], 1)
        for i in range(self.layers):
            x = getattr(self, f"fc{i}")(x)
        assert x is not None
        if not self.num_ws:
            return x
        if self.training and torch.is_grad_enabled():
            with torch.no_grad():
                self.w_avg.copy_(x.float().mean(0).lerp(self.w_avg, 0.995))
        w = x[:, None].expand(-1, self.num_ws, -1)
        return w if psi == 1 else self.truncate(w, psi, cutoff)

    def truncate(self, w: Tensor, psi: float, cutoff: int | None = None) -> Tensor:
        """w (N, num_ws, w_dim) with the first `cutoff` layers' styles (default: all) at w_avg + psi (w - w_avg)."""
        cutoff = self.num_ws if cutoff is None else cutoff
        return torch.cat([self.w_avg.lerp(w[:, :cutoff], psi), w[:, cutoff:]], 1)


class SynthesisBlock(nn.Module):
    """One resolution's layers: x at half of it (none at 4 x 4), the picture so far, and styles -> both at R x R."""

    def __init__(
        self, inputs: int, outputs: int, w_dim: int, resolution: int, channels: int, architecture: str, last: bool
    ) -> None:
        super().__init__()
        self.inputs, self.architecture = inputs, architecture
        if inputs:
            self.conv0 = StyledConv(inputs, outputs, w_dim, resolution, up=True)
        else:
            self.const = nn.Parameter(torch.randn(outputs, 4, 4))
        self.conv1 = StyledConv(outputs, outputs, w_dim, resolution)
        self.num_conv = 2 if inputs else 1
        self.to_image = last or architecture == "skip"
        if self.to_image:
            self.torgb = ToImage(outputs, channels, w_dim)
        if inputs and architecture == "resnet":
            self.skip = Conv(inputs, outputs, 1, active=False, bias=False, up=True)

    def forward(self, x: Tensor | None, image: Tensor | None, ws: Tensor, noise: str) -> tuple[Tensor, Tensor | None]:
        if x is None:
            x = self.conv1(self.const.expand(len(ws), -1, -1, -1), ws[:, 0], noise)
        elif self.architecture == "resnet":
            y = self.skip(x, gain=RESIDUAL)
            x = y + self.conv1(self.conv0(x, ws[:, 0], noise), ws[:, 1], noise, gain=RESIDUAL)
        else:
            x = self.conv1(self.conv0(x, ws[:, 0], noise), ws[:, 1], noise)
        if image is not None:
            image = double(image)
        if self.to_image:
            y = self.torgb(x, ws[:, self.num_conv])
            image = y if image is None else image + y
        assert x is not None
        return x, image


def widths(size: int, base: int, most: int) -> dict[int, int]:
    """Channels of each resolution from 4 up: `base` / resolution, at most `most`."""
    return {r: max(1, min(base // r, most)) for r in (2**i for i in range(2, size.bit_length()))}


class Synthesis(nn.Module):
    """Styles w (N, num_ws, w_dim) -> images (N, C, S, S); real images' range is [-1, 1], these may leave it.

    A block's toRGB shares its style with the next block's first convolution.
    """

    def __init__(self, image_channels: int, w_dim: int, channels: dict[int, int], architecture: str = "skip") -> None:
        super().__init__()
        self.resolutions = tuple(sorted(channels))
        self.num_ws = 0
        for r in self.resolutions:
            inputs, last = channels.get(r // 2, 0), r == self.resolutions[-1]
            block = SynthesisBlock(inputs, channels[r], w_dim, r, image_channels, architecture, last)
            self.add_module(f"b{r}", block)
            self.num_ws += block.num_conv
        self.num_ws += 1

    def forward(self, ws: Tensor, noise: str = "random") -> Tensor:
        """`noise`: "random" draws it anew, "const" is always the same, "none" is none."""
        require(noise in NOISES, "noise", noise, f"one of {NOISES}")
        x = image = None
        first = 0
        for r in self.resolutions:
            block: Any = getattr(self, f"b{r}")
            x, image = block(x, image, ws[:, first:], noise)
            first += block.num_conv
        assert image is not None
        return image


class Generator(nn.Module):
    """z (N, z_dim), and labels where there are classes -> images (N, C, S, S).

    Args:
        sample_shape: (C, S, S), S a power of two from 16 to 1024.
        z_dim, w_dim: dimensions of latents and of styles.
        channels: of each resolution from 4 up to S, see :func:`widths`.
        num_classes: classes, or 0.
        mapping_layers: fully connected layers from z to w.
        architecture: how the picture is gathered: "skip" adds up every resolution's, "resnet" and "orig" take the last.
    """

    def __init__(
        self,
        sample_shape: tuple[int, int, int],
        z_dim: int,
        w_dim: int,
        channels: dict[int, int],
        num_classes: int = 0,
        mapping_layers: int = 8,
        architecture: str = "skip",
    ) -> None:
        super().__init__()
        self.sample_shape, self.z_dim, self.w_dim, self.num_classes = tuple(sample_shape), z_dim, w_dim, num_classes
        self.synthesis = Synthesis(sample_shape[0], w_dim, channels, architecture)
        self.num_ws = self.synthesis.num_ws
        self.mapping = Mapping(z_dim, w_dim, self.num_ws, mapping_layers, num_classes)

    def forward(
        self,
        z: Tensor,
        labels: Tensor | None = None,
        psi: float = 1.0,
        cutoff: int | None = None,
        noise: str = "random",
    ) -> Tensor:
        return self.synthesis(self.mapping(z, labels, psi, cutoff), noise)


class MinibatchStd(nn.Module):
    """Adds a channel: how much the samples of a group differ. A G that repeats itself gives itself away (Karras et al.
    2018, section 3). Groups interleave; where the batch is no multiple of `group`, the largest divisor serves."""

    def __init__(self, group: int) -> None:
        super().__init__()
        self.group = group

    def forward(self, x: Tensor) -> Tensor:
        n, _, h, w = x.shape
        group = next(g for g in range(min(self.group, n), 0, -1) if n % g == 0)
        y = x.reshape(group, -1, *x.shape[1:])
        spread = ((y - y.mean(0)).square().mean(0) + 1e-8).sqrt().mean((1, 2, 3))  # (n / group,)
        return torch.cat([x, spread.repeat(group).view(n, 1, 1, 1).expand(-1, 1, h, w)], 1)


class DiscriminatorBlock(nn.Module):
    """x at R x R (none at the first), and the picture -> x at R/2."""

    def __init__(self, inputs: int, middle: int, outputs: int, channels: int, architecture: str) -> None:
        super().__init__()
        self.architecture = architecture
        self.from_image = not inputs or architecture == "skip"
        if self.from_image:
            self.fromrgb = Conv(channels, middle, 1)
        self.conv0 = Conv(middle, middle, 3)
        self.conv1 = Conv(middle, outputs, 3, down=True)
        if architecture == "resnet":
            self.skip = Conv(middle, outputs, 1, active=False, bias=False, down=True)

    def forward(self, x: Tensor | None, image: Tensor | None) -> tuple[Tensor, Tensor | None]:
        if self.from_image:
            y = self.fromrgb(image)
            x = y if x is None else x + y
            image = halve(image) if self.architecture == "skip" and image is not None else None
        assert x is not None
        if self.architecture == "resnet":
            y = self.skip(x, gain=RESIDUAL)
            return y + self.conv1(self.conv0(x), gain=RESIDUAL), image
        return self.conv1(self.conv0(x)), image


class Epilogue(nn.Module):
    """From 4 x 4 to the logit, or to as many numbers as D's class vector has: x (N, inputs, 4, 4) -> (N, outputs)."""

    def __init__(self, inputs: int, outputs: int, channels: int, architecture: str, group: int) -> None:
        super().__init__()
        if architecture == "skip":
            self.fromrgb = Conv(channels, inputs, 1)
        self.architecture = architecture
        self.spread = MinibatchStd(group) if group else nn.Identity()
        self.conv = Conv(inputs + (group > 0), inputs, 3)
        self.fc = Linear(inputs * 16, inputs, active=True)
        self.out = Linear(inputs, outputs)

    def forward(self, x: Tensor, image: Tensor | None) -> Tensor:
        if self.architecture == "skip":
            x = x + self.fromrgb(image)
        return self.out(self.fc(self.conv(self.spread(x)).flatten(1)))


class Discriminator(nn.Module):
    """Images (N, C, S, S), and labels where there are classes -> logits (N, 1).

    With classes the last layer gives a vector whose product with the class's own vector is the logit (a projection
    discriminator, Miyato and Koyama 2018).

    Args:
        sample_shape, channels, num_classes: as for the generator.
        architecture: "resnet" (the paper's choice), "skip" or "orig".
        mapping_layers: fully connected layers behind a class's vector.
        group: samples that the minibatch standard deviation compares (1-64); 0 leaves it out.

    Attributes:
        mixes_samples: whether one sample's logit depends on the others of its batch.
    """

    def __init__(
        self,
        sample_shape: tuple[int, int, int],
        channels: dict[int, int],
        num_classes: int = 0,
        architecture: str = "resnet",
        mapping_layers: int = 8,
        group: int = 4,
    ) -> None:
        super().__init__()
        image_channels, size, _ = sample_shape
        self.num_classes, self.mixes_samples = num_classes, group > 1
        self.resolutions = tuple(r for r in sorted(channels, reverse=True) if r > 4)
        for r in self.resolutions:
            inputs = channels[r] if r < size else 0
            block = DiscriminatorBlock(inputs, channels[r], channels[r // 2], image_channels, architecture)
            self.add_module(f"b{r}", block)
        if num_classes:
            self.mapping = Mapping(0, channels[4], 0, mapping_layers, num_classes)
        self.b4 = Epilogue(channels[4], channels[4] if num_classes else 1, image_channels, architecture, group)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        hidden, image = None, x
        for r in self.resolutions:
            hidden, image = getattr(self, f"b{r}")(hidden, image)
        out = self.b4(hidden, image)
        if not self.num_classes:
            return out
        return (out * self.mapping(None, labels)).sum(1, keepdim=True) / math.sqrt(out.shape[1])


def build(
    sample_shape: tuple[int, ...],
    *,
    num_classes: int = 0,
    z_dim: int = 512,
    w_dim: int = 512,
    channel_base: int = 32768,
    channel_max: int = 512,
    mapping_layers: int = 8,
    architecture: str = "skip",
    d_architecture: str = "resnet",
    d_mapping_layers: int = 8,
    group: int = 4,
) -> dict[str, nn.Module]:
    """Both networks; the options are those of :class:`Generator` and :class:`Discriminator`.

    The defaults are the paper's for 1024 px. `channel_base` (64 to 2^20) and `channel_max` (1 to 2048) set the widths.
    """
    require(
        len(sample_shape) == 3 and sample_shape[1] == sample_shape[2] and sample_shape[1] in SIZES,
        "sample_shape",
        tuple(sample_shape),
        f"(channels, S, S) with S in {SIZES}",
    )
    require_integer("num_classes", num_classes, 0)
    for name, value in (("z_dim", z_dim), ("w_dim", w_dim), ("channel_max", channel_max)):
        require_integer(name, value, 1, 2048)
    require_integer("channel_base", channel_base, 64, 2**20)
    for name, value in (("mapping_layers", mapping_layers), ("d_mapping_layers", d_mapping_layers)):
        require_integer(name, value, 1, 16)
    require_integer("group", group, 0, 64)
    for name, choice in (("architecture", architecture), ("d_architecture", d_architecture)):
        require(choice in ARCHITECTURES, name, choice, f"one of {ARCHITECTURES}")
    shape = (sample_shape[0], sample_shape[1], sample_shape[2])
    channels = widths(shape[1], channel_base, channel_max)
    return {
        "generator": Generator(shape, z_dim, w_dim, channels, num_classes, mapping_layers, architecture),
        "discriminator": Discriminator(shape, channels, num_classes, d_architecture, d_mapping_layers, group),
    }
