"""Chapter 1: a mixture's density, sampling from it, and the error of an accuracy."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from gan_tutorial.exercises import called

WEIGHT, LEFT, RIGHT, WIDTH = 0.3, -2.0, 1.0, 0.5


def exercise_1(density: Callable[..., Any]) -> str | None:
    """The density of a mixture of two Gaussians at places x, (N,)."""
    x = torch.linspace(-6, 6, 241)
    found = torch.as_tensor(called(density, x, WEIGHT, LEFT, RIGHT, WIDTH), dtype=torch.float32)
    if found.shape != x.shape:
        return f"one number for each of the {len(x)} places is needed, not the shape {tuple(found.shape)}"
    right = _mixture(x, WEIGHT)
    if torch.allclose(found, right, atol=1e-4):
        return None
    if torch.allclose(found, _mixture(x, 1 - WEIGHT), atol=1e-4):
        return "the weights are exchanged: `weight` belongs to `left`"
    if float(found.min()) < -1e-4:
        return "a density is never negative: you seem to have returned its logarithm"
    area = float(torch.trapezoid(found, x))
    if abs(area - 1) > 0.01:
        return (
            f"the area under a density is 1, under yours {area:.2f}: look at the weights and at 1 / (width sqrt(2 pi))"
        )
    return "the area is 1, but the curve is not that of the mixture: look at the exponent, -((x - mean) / width)^2 / 2"


def exercise_2(sample: Callable[..., Any]) -> str | None:
    """n samples (n,) of that mixture."""
    n = 20_000
    found = torch.as_tensor(called(sample, n, WEIGHT, LEFT, RIGHT, WIDTH), dtype=torch.float32)
    if tuple(found.shape) != (n,):
        return f"{n} numbers were asked for, yours have the shape {tuple(found.shape)}"
    middle = (LEFT + RIGHT) / 2
    share = float((found < middle).float().mean())
    if abs(share - (1 - WEIGHT)) < 0.03:
        return "the weights are exchanged: a sample comes from `left` with probability `weight`"
    near_mean = float(((found - (WEIGHT * LEFT + (1 - WEIGHT) * RIGHT)).abs() < WIDTH).float().mean())
    if near_mean > 0.5:
        return "you have averaged the two bumps; each sample comes from one of them, chosen at random"
    if abs(share - WEIGHT) > 0.02:
        return f"{share:.2f} of your samples are in the left bump, not {WEIGHT}: choose a bump anew for every sample"
    spread = float(found[found > middle].std())
    if abs(spread - WIDTH) > 0.05:
        return (
            f"a bump's standard deviation is {WIDTH}, that of your right one is {spread:.2f}: scale the noise by width"
        )
    centres = float(found[found < middle].mean()), float(found[found > middle].mean())
    if max(abs(centres[0] - LEFT), abs(centres[1] - RIGHT)) > 0.05:
        return f"the bumps' centres are {LEFT} and {RIGHT}, yours {centres[0]:.2f} and {centres[1]:.2f}"
    return None


def exercise_3(answer: float) -> str | None:
    """The standard error of the accuracy of a coin toss over 400 test samples."""
    if abs(answer - 0.025) < 1e-4:
        return None
    if abs(answer - 0.25 / 400) < 1e-6:
        return "that is the variance: take its square root"
    if abs(answer - 0.05) < 1e-4:
        return "1 / sqrt(n) is twice too much: one toss has the standard deviation 1/2, not 1"
    if abs(answer - 2.5) < 1e-3:
        return "that is in per cent: give a share, between 0 and 1"
    if abs(answer - 0.5) < 1e-4:
        return "that is the standard deviation of one toss; the mean of n tosses has less"
    return (
        "the variance of one toss is 1/4, that of the mean of n tosses 1/(4 n); which root is asked for, with n = 400?"
    )


def _mixture(x: torch.Tensor, weight: float) -> torch.Tensor:
    bumps = [torch.exp(-(((x - mean) / WIDTH) ** 2) / 2) / (WIDTH * math.sqrt(2 * math.pi)) for mean in (LEFT, RIGHT)]
    return weight * bumps[0] + (1 - weight) * bumps[1]
