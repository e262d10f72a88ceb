"""BigGAN-deep's generator (Brock et al. 2019, appendix B) in the layout of its 2019 PyTorch release.

The release holds weights for ImageNet's 1,000 classes at 128, 256 and 512 px, and no discriminator: this network is for
sampling. :func:`gan_tutorial.zoo.import_biggan.import_biggan` fills it with the released weights.

Compared with BigGAN: blocks of four convolutions that are narrow inside, skips that drop channels instead of mixing
them, and the whole latent, beside the class, in every BatchNorm.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_tutorial.errors import require, require_integer, require_number
from gan_tutorial.models.labels import one_hot

# Channels before the first block and after each, in widths (tables 7 to 9). Every second block doubles the side.
CHANNELS = {
    128: (16, 16, 16, 16, 8, 8, 4, 4, 2, 2, 1),
    256: (16, 16, 16, 16, 8, 8, 8, 8, 4, 4, 2, 2, 1),
    512: (16, 16, 16, 16, 8, 8, 8, 8, 4, 4, 2, 2, 1, 1, 1),
}
EPS = 1e-4  # added to every variance

# Which two rows of stored statistics to mix, and the second one's share.
Bins = tuple[int, int, float]


def find_bins(truncation: float, bins: int, exact_release: bool = False) -> Bins:
    """(low, high, share): a BatchNorm's statistics at `truncation` are (1 - share) row `low` + share row `high`.

    Row k of `bins` was measured at truncation k / (bins - 1). With `exact_release` the rows and shares are those that
    the release's code finds: see :class:`Generator`.
    """
    if exact_release:
        part, whole = math.modf(truncation / (1.0 / (bins - 1)))
        low = int(whole)
        return (low, low + 1, 1.0 - part) if part else (low, low, 0.0)
    position = truncation * (bins - 1)
    low = min(int(position), bins - 2)
    return low, low + 1, position - low


class BatchNorm(nn.Module):
    """BatchNorm with statistics for every truncation: x (N, C, H, W) and a condition (N, dim) -> (N, C, H, W).

    The gain is 1 + `scale`, the bias `offset`, both linear in the condition.
    """

    def __init__(self, channels: int, dim: int, bins: int) -> None:
        super().__init__()
        self.register_buffer("running_means", torch.zeros(bins, channels))
        self.register_buffer("running_vars", torch.ones(bins, channels))
        self.scale = nn.Linear(dim, channels, bias=False)
        self.offset = nn.Linear(dim, channels, bias=False)

    def forward(self, x: Tensor, condition: Tensor, bins: Bins) -> Tensor:
        mean, variance = _statistics(self, bins)
        gain, bias = 1 + self.scale(condition), self.offset(condition)
        # Folding gain and variance would be faster and round differently; random weights can make that visible.
        x = (x - mean[:, None, None]) / (variance + EPS).sqrt()[:, None, None]
        return x * gain[:, :, None, None] + bias[:, :, None, None]


class LastBatchNorm(nn.Module):
    """The same with a gain and a bias that depend on nothing: x (N, C, H, W) -> (N, C, H, W)."""

    def __init__(self, channels: int, bins: int) -> None:
        super().__init__()
        self.register_buffer("running_means", torch.zeros(bins, channels))
        self.register_buffer("running_vars", torch.ones(bins, channels))
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, bins: Bins) -> Tensor:
        mean, variance = _statistics(self, bins)
        return F.batch_norm(x, mean, variance, self.weight, self.bias, eps=EPS)


def _statistics(norm: nn.Module, bins: Bins) -> tuple[Tensor, Tensor]:
    """Mean and variance (C,) of a norm's channels."""
    low, high, share = bins
    means: Tensor = norm.running_means  # type: ignore[assignment]
    variances: Tensor = norm.running_vars  # type: ignore[assignment]
    mean, variance = (table[low] * (1 - share) + table[high] * share for table in (means, variances))
    return mean, variance


class Block(nn.Module):
    """x (N, before, S, S), condition (N, dim) -> (N, after, S, S), or (N, after, 2S, 2S) with `up` (figure 16b).

    The four convolutions work on a quarter of the channels. The skip has no weights: it keeps the first `after`.
    """

    def __init__(self, before: int, after: int, up: bool, dim: int, bins: int) -> None:
        super().__init__()
        narrow = before // 4
        self.after, self.up = after, up
        self.bn_0, self.conv_0 = BatchNorm(before, dim, bins), nn.Conv2d(before, narrow, 1)
        self.bn_1, self.conv_1 = BatchNorm(narrow, dim, bins), nn.Conv2d(narrow, narrow, 3, padding=1)
        self.bn_2, self.conv_2 = BatchNorm(narrow, dim, bins), nn.Conv2d(narrow, narrow, 3, padding=1)
        self.bn_3, self.conv_3 = BatchNorm(narrow, dim, bins), nn.Conv2d(narrow, after, 1)

    def forward(self, x: Tensor, condition: Tensor, bins: Bins) -> Tensor:
        h = self.conv_0(self.bn_0(x, condition, bins).relu())
        h = self.bn_1(h, condition, bins).relu()
        x = x[:, : self.after]
        if self.up:
            h, x = F.interpolate(h, scale_factor=2.0), F.interpolate(x, scale_factor=2.0)
        h = self.conv_2(self.bn_2(self.conv_1(h), condition, bins).relu())
        return x + self.conv_3(self.bn_3(h, condition, bins).relu())


class Attention(nn.Module):
    """Self-attention with keys and values pooled 2x2 (Zhang et al. 2019): x (N, C, S, S) -> the same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.snconv1x1_theta = nn.Conv2d(channels, channels // 8, 1, bias=False)
        self.snconv1x1_phi = nn.Conv2d(channels, channels // 8, 1, bias=False)
        self.snconv1x1_g = nn.Conv2d(channels, channels // 2, 1, bias=False)
        self.snconv1x1_o_conv = nn.Conv2d(channels // 2, channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(1))

    def maps(self, x: Tensor) -> Tensor:
        """Where each place looks: (N, S * S, S * S / 4); every row is >= 0 and its sum 1."""
        queries = self.snconv1x1_theta(x).flatten(2)
        keys = F.max_pool2d(self.snconv1x1_phi(x), 2).flatten(2)
        return (queries.transpose(1, 2) @ keys).softmax(2)

    def forward(self, x: Tensor) -> Tensor:
        values = F.max_pool2d(self.snconv1x1_g(x), 2).flatten(2)
        read = values @ self.maps(x).to(values.dtype).transpose(1, 2)
        return x + self.gamma * self.snconv1x1_o_conv(read.unflatten(2, x.shape[2:]))


class Generator(nn.Module):
    """z (N, z_dim), labels, truncation -> images (N, 3, S, S) in [-1, 1].

    Labels are class indices (N,) or rows (N, num_classes), which may mix classes. `truncation`, 0 to 1, doesn't change
    z: give latents that are truncated already. What the release was made for is normal values cut at +-2, times the
    truncation, which is `truncation * biggan.truncated(n, G.z_dim, 2.0, rng)`. `truncation` picks the statistics that
    BatchNorm was measured with at that setting: 51 rows for 0, 0.02, ..., 1. Between two rows they are interpolated.

    The release's own code interpolates with the two shares swapped: halfway, at 0.61, that is right, but 0.605 takes
    most from the row that is farther away. Rounding adds to it: 0.58 / 0.02 is 28.999999999999996, and the swap turns
    that into row 28. With `exact_release=True` a call returns what the release returns. At the truncations of the 51
    rows both agree, but for 0.14, 0.28, 0.56, 0.58 and 0.94.

    Names and shapes of parameters are the release's, without its prefix "generator." and with spectral norm divided out
    (it is constant in a trained network).

    Args:
        resolution: S, one of 128, 256, 512.
        width: unit of the channels; the released networks have 128.
        z_dim: latent dimensions; released: 128.
        embedding_dim: size of a class's embedding; released: 128.
        num_classes: released: 1,000.
        attention: the block before which self-attention stands, counted from 0; None for none. Released: 8 (64 px).
        bins: rows of BatchNorm statistics; released: 51.

    Raises :class:`~gan_tutorial.errors.InputError` for an option out of range, and in a call if z, the labels or the
    truncation don't fit.
    """

    def __init__(
        self,
        resolution: int = 128,
        *,
        width: int = 128,
        z_dim: int = 128,
        embedding_dim: int = 128,
        num_classes: int = 1000,
        attention: int | None = 8,
        bins: int = 51,
    ) -> None:
        super().__init__()
        require(resolution in CHANNELS, "resolution", resolution, f"one of {tuple(CHANNELS)}")
        channels = [width * multiple for multiple in CHANNELS[resolution]]
        blocks = len(channels) - 1
        require_integer("width", width, 4 if resolution == 512 else 3, 1024)  # a quarter of the last block's channels
        for name, value in (("z_dim", z_dim), ("embedding_dim", embedding_dim)):
            require_integer(name, value, 1, 4096)
        require_integer("num_classes", num_classes, 1, 1_000_000)
        require_integer("bins", bins, 2, 1001)
        if attention is not None:
            require_integer("attention", attention, 0, blocks - 1)
            # An eighth of the channels must be at least one.
            require(channels[attention] >= 8, "width", width, f"at least 8 channels at attention ({attention})")
        self.resolution, self.z_dim, self.num_classes, self.bins = resolution, z_dim, num_classes, bins
        self.sample_shape = (3, resolution, resolution)
        dim = z_dim + embedding_dim
        self.embeddings = nn.Linear(num_classes, embedding_dim, bias=False)
        self.gen_z = nn.Linear(dim, 4 * 4 * channels[0])
        self.layers = nn.ModuleList(
            Block(channels[i], channels[i + 1], i % 2 == 1, dim, bins) for i in range(len(channels) - 1)
        )
        if attention is not None:
            self.layers.insert(attention, Attention(channels[attention]))
        self.bn = LastBatchNorm(width, bins)
        self.conv_to_rgb = nn.Conv2d(width, width, 3, padding=1)  # only its first three outputs are used

    def forward(self, z: Tensor, labels: Tensor, truncation: float = 1.0, *, exact_release: bool = False) -> Tensor:
        require(z.dim() == 2 and z.shape[1] == self.z_dim, "z", tuple(z.shape), f"shape (N, {self.z_dim})")
        require_number("truncation", truncation, 0, 1)
        rows = one_hot(labels, self.num_classes)
        require(len(rows) == len(z), "labels", f"{len(rows)} labels", f"one for each of {len(z)} latents")
        bins = find_bins(truncation, self.bins, exact_release)
        condition = torch.cat([z, self.embeddings(rows)], 1)
        # The first layer's outputs are in the order 4 x 4 x channels.
        x = self.gen_z(condition).view(len(z), 4, 4, -1).permute(0, 3, 1, 2).contiguous()
        for layer in self.layers:
            x = layer(x) if isinstance(layer, Attention) else layer(x, condition, bins)
        x = self.bn(x, bins).relu()
        return F.conv2d(x, self.conv_to_rgb.weight[:3], self.conv_to_rgb.bias[:3], padding=1).tanh()  # type: ignore
