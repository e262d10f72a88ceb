"""Sounds as pictures and back: what makes an image GAN a sound GAN (SpecGAN in Donahue et al. 2019, section 4).

A picture of side S belongs to a sound of S x S samples: S moments, S samples apart, and for each the loudness of S
frequencies in decibels. Time runs to the right, frequency upwards. The phases are thrown away: a sound is found for a
picture by Griffin and Lim's iteration, and what it loses is the price of the detour.

The paper standardises each frequency by the mean and spread of its data set, and cuts at 3 spreads. Here black and
white stand for fixed levels, so that a picture can be made, read and heard without knowing any data set.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from gan_tutorial.errors import require, require_integer

SIDES = (16, 32, 64, 128)  # those that models.dcgan makes, except 8: a sound of 64 samples says nothing
QUIET, LOUD = -80.0, 6.0  # decibels at -1 and 1; 0 dB is a sine of amplitude 1, and no sound in [-1, 1] exceeds 6 dB


def to_picture(x: Tensor) -> Tensor:
    """Sounds (N, 1, S x S) in [-1, 1] -> pictures (N, 1, S, S) in [-1, 1], S one of 16, 32, 64, 128.

    Each column is the Fourier transform of 2 S samples under a Hann window, centred on one of the S moments; the last
    of its S + 1 frequencies, half the sample rate, is left out. Louder than 6 dB or quieter than -80 dB is cut off.
    Differentiable. Raises InputError for another shape.
    """
    side = math.isqrt(x.shape[-1])
    fits = x.dim() == 3 and x.shape[1] == 1 and side**2 == x.shape[-1] and side in SIDES
    require(fits, "x", tuple(x.shape), f"sounds (N, 1, S x S) with S in {SIDES}")
    power = _spectrum(x[:, 0], side)[:, :side, :side].abs().square()
    # Below the quietest level the logarithm's slope would have no bound.
    level = 10 * power.clamp(min=10 ** (QUIET / 10) * side**2 / 4).div(side**2 / 4).log10()
    return ((level - QUIET) / (LOUD - QUIET) * 2 - 1).clamp(-1, 1).flip(1)[:, None]


def to_sound(picture: Tensor, iterations: int = 32, generator: torch.Generator | None = None) -> Tensor:
    """Pictures (N, 1, S, S) in [-1, 1], S one of 16, 32, 64, 128 -> sounds (N, 1, S x S) in [-1, 1].

    Griffin and Lim (1984), section III: begin with random phases, make the sound, take its phases and the picture's
    magnitudes, and so on; the spectrum's squared error never grows. A sound is as right as its negative.

    Args:
        iterations: how often (0-1000); the paper's 16 leave a little more error than 32.
        generator: of the first phases, on the picture's device; default: torch's global one.

    Raises InputError for another shape, or a number of iterations out of range.
    """
    side = picture.shape[-1]
    fits = picture.dim() == 4 and picture.shape[1:] == (1, side, side) and side in SIDES
    require(fits, "picture", tuple(picture.shape), f"pictures (N, 1, S, S) with S in {SIDES}")
    require_integer("iterations", iterations, 0, 1000)
    level = (picture[:, 0].float().flip(1).clamp(-1, 1) + 1) / 2 * (LOUD - QUIET) + QUIET
    # Black is silence. The frequency and the moment that the picture lacks are silent too.
    magnitude = torch.where(level > QUIET, 10 ** (level / 20) * side / 2, 0.0)
    magnitude = F.pad(magnitude, (0, 1, 0, 1))
    turns = torch.rand(magnitude.shape, generator=generator, device=magnitude.device)
    sound = _sound(torch.polar(magnitude, 2 * math.pi * turns), side)
    for _ in range(iterations):
        sound = _sound(torch.polar(magnitude, _spectrum(sound, side).angle()), side)
    return sound.clamp(-1, 1)[:, None]


def convergence(x: Tensor, y: Tensor) -> Tensor:
    """How far the magnitudes of sounds `y` are from those of `x`, both (N, 1, S x S): the norm of their difference over
    the norm of x's (the "spectral convergence"), (N,). 0 for equal sounds, or one the other's negative; 1 for a silent
    `y`; NaN for a silent `x`."""
    side = math.isqrt(x.shape[-1])
    real, made = (_spectrum(of[:, 0], side).abs() for of in (x, y))
    return (real - made).flatten(1).norm(dim=1) / real.flatten(1).norm(dim=1)


def _spectrum(x: Tensor, side: int) -> Tensor:
    """(N, S x S) -> complex (N, S + 1 frequencies, S + 1 moments). A sine of amplitude 1 has magnitude S / 2."""
    window = torch.hann_window(2 * side, device=x.device)
    return torch.stft(x, 2 * side, side, window=window, pad_mode="constant", return_complex=True)


def _sound(spectrum: Tensor, side: int) -> Tensor:
    """The sound whose spectrum is nearest, in squared error, to one that may be no sound's (their equation 6)."""
    window = torch.hann_window(2 * side, device=spectrum.device)
    return torch.istft(spectrum, 2 * side, side, window=window, length=side**2)
