"""Chapter 0: an exercise that shows the three answers of a check, and two about the ring."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from gan_tutorial.exercises import called

RADIUS = 2.0  # of data.load("ring-8")


def exercise_1(answer: float) -> str | None:
    """How many networks a GAN has."""
    if answer == 1:
        return "one network makes samples, but who judges them?"
    return None if answer == 2 else f"{answer} is not it: count the generator, and whoever judges its samples"


def exercise_2(centres: Callable[[], Any]) -> str | None:
    """The eight centres of the ring, (8, 2), in any order."""
    found = torch.as_tensor(called(centres), dtype=torch.float32)
    if tuple(found.shape) != (8, 2):
        return f"eight points with two coordinates each have the shape (8, 2), not {tuple(found.shape)}"
    radii = found.norm(dim=1)
    if not torch.allclose(radii, torch.full((8,), RADIUS), atol=1e-3):
        if torch.allclose(radii, torch.ones(8), atol=1e-3):
            return "your circle has radius 1, the ring has radius 2"
        return f"every centre lies at a distance of 2 from the middle, one of yours at {_farthest_off(radii):.2f}"
    angles = 2 * math.pi * torch.arange(8) / 8
    distance = torch.cdist(found, RADIUS * torch.stack([angles.cos(), angles.sin()], 1))
    if float(distance.min(1).values.max()) > 1e-2:
        return "the distance from the middle is right, the angles are not: are they in radians, 2 pi / 8 apart, from 0?"
    if len(distance.argmin(1).unique()) < 8:
        return "some of your centres are the same point: eight different angles are needed"
    return None


def exercise_3(answer: float) -> str | None:
    """How many real samples D has been shown after 1,500 steps with a batch of 256."""
    typical = {
        1500: "that is the number of steps; each of them uses a whole batch",
        256: "that is one batch; there are 1,500 of them",
        768_000: "you have counted the fakes too, the question is about real samples",
    }
    if answer in typical:
        return typical[int(answer)]
    return None if answer == 384_000 else "multiply the number of steps by the number of real samples in a batch"


def _farthest_off(radii: torch.Tensor) -> float:
    return float(radii[(radii - RADIUS).abs().argmax()])
