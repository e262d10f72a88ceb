"""Augmentations that a gradient passes through: what D sees of real and of fake images, so that few real ones suffice.

D sees every image augmented, real and fake alike, also in G's update. What D learns of the augmented images tells G
about the plain ones, as long as the augmented distribution determines the plain one: it does if an image is often
enough left as it is (Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data", section 3).

All of it can be differentiated twice in the images, which a penalty on D's gradient needs. Randomness is torch's global
generator on the images' device. Nothing here waits for the device.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from gan_tutorial.errors import CheckpointError, require, require_integer, require_number, unknown

KINDS = ("none", "diffaugment", "ada")
GROUPS = ("blit", "geometric", "color", "filter", "corrupt")

# Daubechies' least asymmetric wavelets with 6 and with 2 vanishing moments (Ten Lectures on Wavelets, 1992, chapter 6).
# Shifted by 2, 4, ... such a low-pass filter is orthogonal to itself: doubling the side with it and halving the side
# with its mirror image is the identity.
SYM6 = (
    0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633, 0.4910559419267466,
    0.787641141030194, 0.3379294217276218, -0.07263752278646252, -0.021060292512300564, 0.04472490177066578,
    0.0017677118642428036, -0.007800708325034148,
)  # fmt: skip
SYM2 = tuple((1 + a + b * math.sqrt(3)) / (4 * math.sqrt(2)) for a, b in ((0, 1), (2, 1), (2, -1), (0, -1)))
TAPS = len(SYM6)
CENTRE = sum(n * tap for n, tap in enumerate(SYM6)) / sum(SYM6)  # where the filter's weight lies, in its own samples
MARGIN = 2  # samples kept around what the identity needs, so that rounding never falls off the edge


# -- DiffAugment -----------------------------------------------------------------------------------------------------
def diffaugment(x: Tensor, policy: Sequence[str] = ("color", "translation", "cutout")) -> Tensor:
    """Every image changed at random, each on its own, always (Zhao et al. 2020, section 4).

    Args:
        x: images (N, C, S, S) in [-1, 1], C = 1 or 3.
        policy: what to do, in this order. "color": brightness +-0.5, distance from grey x 0 to 2, contrast x 0.5 to
            1.5; "translation": by up to S/8 pixels each way, zeros come in; "cutout": a square of side S/2 around a
            random pixel becomes zero.

    Returns images of the same shape and dtype. Raises InputError for another shape and an unknown name.
    """
    _check(x)
    for name in policy:
        if name not in _POLICY:
            raise unknown("policy", name, _POLICY)
    with torch.autocast(x.device.type, enabled=False):
        y = _working(x)
        for name in policy:
            y = _POLICY[name](y)
    return y.to(x.dtype)


def _jitter(x: Tensor) -> Tensor:
    brightness, saturation, contrast = torch.rand(3, len(x), 1, 1, 1, device=x.device, dtype=x.dtype)
    x = x + (brightness - 0.5)
    grey = x.mean(1, keepdim=True)
    x = (x - grey) * (2 * saturation) + grey
    mean = x.mean((1, 2, 3), keepdim=True)
    return (x - mean) * (contrast + 0.5) + mean


def _translate(x: Tensor) -> Tensor:
    size = x.shape[-1]
    most = int(size / 8 + 0.5)
    shift = torch.randint(-most, most + 1, (2, len(x), 1), device=x.device)
    rows, columns = torch.arange(size, device=x.device) - shift
    inside = [(index >= 0) & (index < size) for index in (rows, columns)]
    x = _take(x, rows.clamp(0, size - 1)[:, :, None], columns.clamp(0, size - 1)[:, None, :])
    return x * (inside[0][:, None, :, None] & inside[1][:, None, None, :])


def _cutout(x: Tensor) -> Tensor:
    size = x.shape[-1]
    side = int(size / 2 + 0.5)
    first = torch.randint(0, size + 1 - side % 2, (2, len(x), 1), device=x.device) - side // 2
    from_first = torch.arange(size, device=x.device) - first
    rows, columns = (from_first >= 0) & (from_first < side)
    return x * ~(rows[:, None, :, None] & columns[:, None, None, :])


_POLICY: dict[str, Callable[[Tensor], Tensor]] = {"color": _jitter, "translation": _translate, "cutout": _cutout}


# -- ADA -------------------------------------------------------------------------------------------------------------
class ADA:
    """The augmentation pipeline of StyleGAN2-ADA (Karras et al. 2020, appendix B): `ada(x, p)`.

    Every transformation happens to every image with probability p, independently. An image that a group leaves alone
    passes it bit for bit, so at p = 0 the result equals the input.

    - "blit": x-flip, rotation by a multiple of 90 degrees, translation by whole pixels, up to S/8 each way.
    - "geometric": isotropic scaling by 2^N(0, 0.2), rotation by any angle, scaling by 2^N(0, 0.2) along one axis and
      its inverse along the other, rotation again, translation by N(0, S/8) pixels each way. At least one of the two
      rotations happens with probability p.
    - "color": brightness + N(0, 0.2), contrast x 2^N(0, 0.5), luma flip, hue by any angle, saturation x 2^N(0, 1). Hue
      and saturation do nothing to a grey image.
    - "filter": each of four octaves of frequencies amplified by 2^N(0, 1), at constant expected power.
    - "corrupt": Gaussian noise of standard deviation |N(0, 0.1)|, a square of side S/2 around a random point set to 0.

    Blits and geometric transformations are one map of coordinates; outside, the image goes on as its reflection. Whole
    pixels are taken as they are. For the rest the image is doubled in size with a wavelet's low-pass filter, sampled
    bilinearly, and halved, which leaves little aliasing.

    Args:
        groups: which of :data:`GROUPS`; they act in the order given there. The default is the paper's "bgc".

    `ada(x, p)` takes images (N, C, S, S) in [-1, 1], C = 1 or 3, and p in [0, 1], a float or a 0-dim tensor whose value
    is not checked. It returns images of the same shape and dtype, not clipped.

    Raises InputError for an unknown group, another shape, and another p.
    """

    def __init__(self, groups: Sequence[str] = ("blit", "geometric", "color")) -> None:
        for name in groups:
            if name not in GROUPS:
                raise unknown("groups", name, GROUPS)
        self.groups = frozenset(groups)

    def __call__(self, x: Tensor, p: float | Tensor) -> Tensor:
        _check(x)
        if isinstance(p, Tensor):
            require(p.dim() == 0, "p", tuple(p.shape), "a number from 0 to 1, or a tensor without dimensions")
        else:
            require_number("p", p, 0, 1)
        with torch.autocast(x.device.type, enabled=False):
            y = _working(x)
            chance = p.to(y) if isinstance(p, Tensor) else torch.full((), p, dtype=y.dtype, device=y.device)
            draw = _Draw(len(y), chance.detach(), y.dtype, y.device)
            if self.groups & {"blit", "geometric"}:
                y = self._move(y, draw)
            if "color" in self.groups:
                y = _recolour(y, _colour_matrix(draw))
            if "filter" in self.groups:
                y = _amplify(y, draw.sometimes(draw.normal(4).exp2(), 1))
            if "corrupt" in self.groups:
                y = _corrupt(y, draw)
        return y.to(x.dtype)

    def _move(self, x: Tensor, draw: _Draw) -> Tensor:
        eye, size = torch.eye(3, dtype=x.dtype, device=x.device), x.shape[-1]
        moved, source = x, eye.expand(len(x), 3, 3)
        if "blit" in self.groups:
            source = _blit_map(draw, size)
            moved = _whole_pixels(x, source)
        if "geometric" in self.groups:
            geometric = _geometric_map(draw, size)
            moved = _where(geometric != eye, _resample(x, source @ geometric), moved)
        return moved


@dataclass(frozen=True)
class _Draw:
    """Random numbers for n images, each of whose transformations happens with probability `p` (0-dim)."""

    n: int
    p: Tensor
    dtype: torch.dtype
    device: torch.device

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(self.n, *shape, dtype=self.dtype, device=self.device) * (high - low) + low

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(self.n, *shape, dtype=self.dtype, device=self.device)

    def integer(self, high: int) -> Tensor:
        """0, ..., high - 1."""
        return torch.randint(high, (self.n,), device=self.device).to(self.dtype)

    def sometimes(self, value: Tensor, otherwise: float, p: Tensor | None = None) -> Tensor:
        """`value` (N,) or (N, K), each of its K with probability p, else `otherwise`."""
        happens = torch.rand(value.shape, dtype=self.dtype, device=self.device) < (self.p if p is None else p)
        return torch.where(happens, value, otherwise)


# Where each pixel comes from: a matrix (N, 3, 3) that takes the coordinates (x, y, 1) of an output pixel, counted from
# the image's middle, x to the right and y down, to those of its source.
def _blit_map(draw: _Draw, size: int) -> Tensor:
    """x-flip, 90 degree rotations and translation by whole pixels: source coordinates (N, 3, 3)."""
    flip = 1 - 2 * draw.sometimes(draw.integer(2), 0)
    turn = _rotation(draw.sometimes(draw.integer(4), 0) * (math.pi / 2)).round()
    shift = (draw.uniform(-1 / 8, 1 / 8, 2) * size).round()
    happens = draw.sometimes(torch.ones_like(flip), 0)
    mirror = torch.stack([flip, torch.ones_like(flip)], 1)
    # A square turned or mirrored is the same square, and the shift as likely as its mirror image: their order is free.
    return _homogeneous(mirror[:, :, None] * turn, happens[:, None] * shift)


def _geometric_map(draw: _Draw, size: int) -> Tensor:
    """Scalings, rotations and a translation by parts of a pixel: source coordinates (N, 3, 3)."""
    once = 1 - (1 - draw.p).sqrt()  # two rotations with this probability each: at least one with probability p
    zoom = draw.sometimes((0.2 * draw.normal()).exp2(), 1)
    before = _rotation(draw.sometimes(draw.uniform(-math.pi, math.pi), 0, once))
    stretch = draw.sometimes((0.2 * draw.normal()).exp2(), 1)
    after = _rotation(draw.sometimes(draw.uniform(-math.pi, math.pi), 0, once))
    happens = draw.sometimes(torch.ones_like(zoom), 0)
    shift = happens[:, None] * draw.normal(2) * (size / 8)
    # The image is zoomed, turned, stretched, turned, shifted; its source is found by undoing this, last step first.
    undo = before @ (torch.stack([1 / stretch, stretch], 1)[:, :, None] * after) / zoom[:, None, None]
    return _homogeneous(undo, -(undo @ shift[:, :, None]).squeeze(2))


def _colour_matrix(draw: _Draw) -> Tensor:
    """Brightness, contrast, luma flip, hue and saturation: (N, 4, 4), applied to (red, green, blue, 1)."""
    eye = torch.eye(3, dtype=draw.dtype, device=draw.device)
    grey = torch.full_like(eye, 1 / 3)  # projects a colour onto the axis from black to white
    brightness = draw.sometimes(0.2 * draw.normal(), 0)
    contrast = draw.sometimes((0.5 * draw.normal()).exp2(), 1)[:, None, None]
    flip = draw.sometimes(draw.integer(2), 0)[:, None, None]
    hue = draw.sometimes(draw.uniform(-math.pi, math.pi), 0)[:, None, None]
    saturation = draw.sometimes(draw.normal().exp2(), 1)[:, None, None]
    # Rodrigues' formula: a turn by `hue` around the grey axis; `cross` is the cross product with that axis.
    cross = (eye.roll(-1, 0) - eye.roll(1, 0)).T / math.sqrt(3)
    turn = hue.cos() * eye + hue.sin() * cross + (1 - hue.cos()) * grey
    linear = (saturation * eye + (1 - saturation) * grey) @ turn @ (eye - 2 * flip * grey) * contrast
    return _homogeneous(linear, linear.sum(2) * brightness[:, None])


def _recolour(x: Tensor, matrix: Tensor) -> Tensor:
    """Colours through `matrix` (N, 4, 4). A grey image stays grey: its three equal channels are stored as one."""
    linear, shift = matrix[:, :3, :3], matrix[:, :3, 3:]
    if x.shape[1] == 1:
        linear, shift = linear.sum(2, keepdim=True).mean(1, keepdim=True), shift.mean(1, keepdim=True)
    y = (_Product.apply(linear, x.flatten(2)) + shift).view(x.shape)
    return _where(matrix != torch.eye(4, dtype=x.dtype, device=x.device), y, x)


# The share of the power in each octave, from the lowest, of images whose spectrum falls as natural images' does.
POWER = (10 / 13, 1 / 13, 1 / 13, 1 / 13)


def _amplify(x: Tensor, strength: Tensor) -> Tensor:
    """The octaves of x times `strength` (N, 4), lowest first, along each axis, at constant expected power."""
    growth = torch.stack([1 + share * (s.square() - 1) for share, s in zip(POWER, strength.unbind(1), strict=True)], 1)
    gains = strength / growth.prod(1, keepdim=True).sqrt()
    matrix = torch.einsum("nb,bij->nij", gains, _octaves(x.shape[-1], x.dtype, x.device))
    return _where(strength != 1, _along_both(matrix[:, None], x), x)


def _corrupt(x: Tensor, draw: _Draw) -> Tensor:
    sigma = draw.sometimes(0.1 * draw.normal().abs(), 0)
    x = x + sigma[:, None, None, None] * draw.normal(*x.shape[1:])
    middle, reach = draw.uniform(0, 1, 2, 1), draw.sometimes(torch.full_like(sigma, 0.25), 0)
    size = x.shape[-1]
    pixels = (torch.arange(size, dtype=x.dtype, device=x.device) + 0.5) / size
    rows, columns = ((pixels - middle).abs() < reach[:, None, None]).unbind(1)
    return x * ~(rows[:, None, :, None] & columns[:, None, None, :])


def _rotation(angle: Tensor) -> Tensor:
    """(N,) radians -> (N, 2, 2)."""
    return torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).view(-1, 2, 2)


def _homogeneous(linear: Tensor, shift: Tensor) -> Tensor:
    """(N, D, D) and (N, D) -> (N, D + 1, D + 1)."""
    n, d = shift.shape
    last = F.pad(shift.new_zeros(n, 1, d), (0, 1), value=1.0)
    return torch.cat([torch.cat([linear, shift[:, :, None]], 2), last], 1)


def _where(changed: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """y (N, C, S, S) for the images for which anything in `changed` (N, ...) is true, else x."""
    return torch.where(changed.flatten(1).any(1)[:, None, None, None], y, x)


# -- resampling ------------------------------------------------------------------------------------------------------
def _take(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Pixels of x (N, C, S, S) at integer `rows` and `columns`, which broadcast to (N, S, S)."""
    index = (rows * x.shape[-1] + columns).flatten(1)
    return x.flatten(2).gather(2, index[:, None, :].expand(-1, x.shape[1], -1)).view(x.shape)


def _fold(position: Tensor, size: int) -> Tensor:
    """Positions on a line of pixels 0, ..., size - 1 that goes on as its reflection -> positions among the pixels."""
    last = size - 1
    return last - (position.remainder(2 * last) - last).abs()


def _sources(source: Tensor, at: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Columns and rows (N, K, K), in pixels from the first, from which output pixels in columns and rows `at` come."""
    middle = (size - 1) / 2
    x, y = (at - middle)[None, None, :], (at - middle)[None, :, None]
    columns, rows = (m[:, 0] * x + m[:, 1] * y + m[:, 2] for m in source[:, :2, :, None, None].unbind(1))
    return columns + middle, rows + middle


def _whole_pixels(x: Tensor, source: Tensor) -> Tensor:
    """x as seen through a map (N, 3, 3) that takes pixels to pixels."""
    size = x.shape[-1]
    found = _sources(source, torch.arange(size, dtype=x.dtype, device=x.device), size)
    columns, rows = (_fold(position.round().long(), size) for position in found)
    return _take(x, rows, columns)


def _resample(x: Tensor, source: Tensor) -> Tensor:
    """x as seen through any affine map (N, 3, 3), band-limited."""
    size = x.shape[-1]
    double, halve = _doubling(size, x.dtype, x.device)
    # Sample k of the doubled image lies at pixel (k - CENTRE) / 2. Halving needs samples 0, ..., 2 size + 9.
    count = halve.shape[1]
    at = (torch.arange(count, dtype=x.dtype, device=x.device) - CENTRE) / 2
    low, high = (-MARGIN - CENTRE) / 2, (count - 1 + MARGIN - CENTRE) / 2
    grid = []
    for position in _sources(source, at, size):
        # The doubled image holds a little of the reflection itself, exactly; farther out, positions are folded back.
        inside = torch.where((position >= low) & (position <= high), position, _fold(position, size))
        grid.append((inside - low) / (high - low) * 2 - 1)
    return _along_both(halve, _Sample.apply(_along_both(double, x), torch.stack(grid, 3)))


def _along_both(matrix: Tensor, x: Tensor) -> Tensor:
    """x (N, C, S, S) -> (N, C, K, K): `matrix` (..., K, S) along the rows and along the columns."""
    return _Product.apply(matrix, _Product.apply(matrix, x).mT).mT


@lru_cache(maxsize=32)
@torch.inference_mode(False)  # what is kept must serve training, whoever asks first
@torch.no_grad()
def _doubling(size: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """The matrices (2 size + 10 + 2 MARGIN, size) and (size, 2 size + 10) that double and halve a line of pixels."""
    count = 2 * size + TAPS - 2
    double = _reflecting(SYM6, torch.arange(-MARGIN, count + MARGIN), size, step=2).mul(math.sqrt(2))
    n = torch.arange(count) - 2 * torch.arange(size)[:, None]
    halve = _taps(SYM6, n).div(math.sqrt(2))
    return double.to(device, dtype), halve.to(device, dtype)


@lru_cache(maxsize=32)
@torch.inference_mode(False)
@torch.no_grad()
def _octaves(size: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Four zero-phase filters as matrices (4, size, size), lowest octave first; they add up to the identity.

    With L half the sym2 low-pass filter's autocorrelation and H(z) = L(-z) = 1 - L(z): L(z) L(z^2) L(z^4), then
    L(z) L(z^2) H(z^4), L(z) H(z^2), H(z). Each passes half of what lies below the one after it.
    """
    tap = torch.tensor(SYM2, dtype=torch.float64)
    low = F.conv1d(tap.view(1, 1, -1), tap.view(1, 1, -1), padding=3).flatten() / 2
    high = -low
    high[3] += 1
    bands, below = [], torch.ones(1, dtype=torch.float64)
    for octave in range(3):
        bands.append(_convolved(below, _spread(high, 2**octave)))
        below = _convolved(below, _spread(low, 2**octave))
    bands.append(below)
    rows = torch.arange(size)
    matrices = [_reflecting(band.tolist(), rows + len(band) // 2, size, step=1) for band in reversed(bands)]
    return torch.stack(matrices).to(device, dtype)


def _convolved(a: Tensor, b: Tensor) -> Tensor:
    return F.conv1d(a.view(1, 1, -1), b.flip(0).view(1, 1, -1), padding=len(b) - 1).flatten()


def _spread(taps: Tensor, step: int) -> Tensor:
    """A filter in z -> the same filter in z^step."""
    spread = taps.new_zeros((len(taps) - 1) * step + 1)
    spread[::step] = taps
    return spread


def _taps(taps: Sequence[float], n: Tensor) -> Tensor:
    """taps[n] where there is such a tap, else 0."""
    inside = (n >= 0) & (n < len(taps))
    return torch.tensor(taps, dtype=torch.float64)[n.clamp(0, len(taps) - 1)] * inside


def _reflecting(taps: Sequence[float], rows: Tensor, size: int, step: int) -> Tensor:
    """y[row] = sum over j of taps[row - step j] x[j] as a matrix (rows, size), where x goes on as its reflection."""
    reach = len(taps) // step + 2
    pixels = torch.arange(-reach, size + reach)
    weights = _taps(taps, rows[:, None] - step * pixels)
    return weights.new_zeros(len(rows), size).index_add(1, _fold(pixels, size), weights)


class _Product(torch.autograd.Function):
    """matrix @ x, differentiated in x alone, in x's precision even where a penalty differentiates under autocast."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, x: Tensor) -> Tensor:
        ctx.save_for_backward(matrix)
        with torch.autocast(x.device.type, enabled=False):
            return matrix @ x

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor]:
        (matrix,) = ctx.saved_tensors
        return None, _Product.apply(matrix.mT, gradient)


class _Sample(torch.autograd.Function):
    """Bilinear samples of x (N, C, L, L) at `grid` (N, K, K, 2), from -1 to 1.

    torch's own has no second derivative. Sampling is linear in x: its derivative is the adjoint, whose derivative is
    sampling again. No gradient reaches the grid.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, grid: Tensor) -> Tensor:
        ctx.save_for_backward(grid)
        ctx.shape = x.shape
        return _bilinear(x, grid)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _Adjoint.apply(gradient, *ctx.saved_tensors, ctx.shape), None


class _Adjoint(torch.autograd.Function):
    """Each sample's value given back to the four pixels it was taken from, by their weights."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, grid: Tensor, shape: torch.Size) -> Tensor:
        ctx.save_for_backward(grid)
        with torch.enable_grad():
            x = y.new_zeros(shape).requires_grad_()
            (back,) = torch.autograd.grad(_bilinear(x, grid), x, y)
        return back

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return _Sample.apply(gradient, *ctx.saved_tensors), None, None


def _bilinear(x: Tensor, grid: Tensor) -> Tensor:
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=True)


def _check(x: Tensor) -> None:
    square = x.dim() == 4 and x.shape[1] in (1, 3) and x.shape[2] == x.shape[3] >= 2
    require(square, "x", tuple(x.shape), "images (N, C, S, S) with C = 1 or 3 and S >= 2")
    require(x.is_floating_point(), "x", x.dtype, "floating-point images; convert them with x.float() / 127.5 - 1")


def _working(x: Tensor) -> Tensor:
    """Half precision is too coarse for coordinates and filters."""
    return x if x.dtype == torch.float64 else x.float()


# -- what a GAN holds ------------------------------------------------------------------------------------------------
class Augmentation:
    """What D's images go through, and ADA's controller of its probability.

    The controller watches r = E[sign(D(x))] over augmented real images: near 0 while D can't tell, towards 1 when D
    overfits. Every 4 observations p moves up if r is above `target`, else down, fast enough to go from 0 to 1 in
    `images` images (Karras et al. 2020, section 3.1).

    Args:
        kind: "none" returns images as they are; "diffaugment" is :func:`diffaugment`; "ada" is :class:`ADA`.
        target: the r that is aimed at, from -1 to 1 (the paper's is 0.6).
        images: real images in which p can go from 0 to 1 (>= 1; the paper's 500,000).
        p: ADA's probability at the start, from 0 to 1.
        device: where the images are.

    Attributes:
        p: the probability, a 0-dim float32 tensor on the device. It stays as it is unless `kind` is "ada".

    Raises InputError for an unknown kind and for numbers out of range.
    """

    def __init__(
        self,
        kind: str,
        *,
        target: float = 0.6,
        images: int = 500_000,
        p: float = 0.0,
        device: torch.device | str = "cpu",
    ) -> None:
        if kind not in KINDS:
            raise unknown("augment", kind, KINDS)
        require_number("augment_target", target, -1, 1)
        require_integer("images", images, 1)
        require_number("p", p, 0, 1)
        self.kind, self.target, self.images = kind, target, images
        self.p = torch.full((), p, dtype=torch.float32, device=device)
        self._signs = torch.zeros_like(self.p)  # of the logits since p last moved, added up
        self._logits = self._seen = self._calls = 0
        self._ada = ADA()

    def __call__(self, x: Tensor) -> Tensor:
        """Images (N, C, S, S) in [-1, 1] -> the same, augmented; differentiable twice."""
        if self.kind == "none":
            return x
        return diffaugment(x) if self.kind == "diffaugment" else self._ada(x, self.p)

    @torch.no_grad()
    def observe(self, real_logits: Tensor, n: int) -> None:
        """After an update of D: its logits of augmented real images, any shape, and how many real images it saw.

        Several processes keep one p if each is given the same: the logits of all of them, and the size of the whole
        batch. Only "ada" listens.
        """
        if self.kind != "ada":
            return
        self._signs = self._signs + real_logits.detach().float().sign().sum()
        self._logits, self._seen, self._calls = self._logits + real_logits.numel(), self._seen + n, self._calls + 1
        if self._calls == 4:
            direction = (self._signs / max(self._logits, 1) - self.target).sign()
            self.p = (self.p + direction * (self._seen / self.images)).clamp(0, 1)
            self._signs = torch.zeros_like(self._signs)
            self._logits = self._seen = self._calls = 0

    def state_dict(self) -> dict[str, Tensor | int]:
        """All that moves, flat: a resumed run goes on bit for bit."""
        return {
            "p": self.p,
            "signs": self._signs,
            "logits": self._logits,
            "seen": self._seen,
            "calls": self._calls,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a `state_dict`. Raises CheckpointError if entries are missing or unknown; nothing changes then."""
        if state.keys() != self.state_dict().keys():
            raise CheckpointError(
                f"augmentation: the state holds {', '.join(sorted(state)) or 'nothing'}; "
                f"expected {', '.join(sorted(self.state_dict()))}: resume from a checkpoint of this version"
            )
        p, signs = (torch.as_tensor(state[name]).to(self.p, copy=True) for name in ("p", "signs"))
        self.p, self._signs = p, signs
        self._logits, self._seen, self._calls = (int(state[name]) for name in ("logits", "seen", "calls"))
