"""What a right answer to an exercise of chapter 2, the game, must do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gan_tutorial.exercises import called

PAYOFF = torch.tensor([[3.0, -1.0], [-2.0, 1.0]], dtype=torch.float64)  # what D gains: D's choices down, G's across


def exercise_1(p: float, q: float) -> str | None:
    """The equilibrium of the inspector's second game: p for D, q for G."""
    if not (0 <= p <= 1 and 0 <= q <= 1):
        return f"p and q are probabilities, from 0 to 1; you gave {p} and {q}"
    if abs(p - 2 / 7) < 5e-3 and abs(q - 3 / 7) < 5e-3:
        return "these are the right two numbers, the wrong way round: p is D's and makes G indifferent"
    for_d, for_g = _could_gain(p, q)
    if for_d > 0.03:
        return f"D could still gain {for_d:.2f}: choose q so that D's two choices earn it the same"
    if for_g > 0.03:
        return f"G could still gain {for_g:.2f}: choose p so that G's two choices cost it the same"
    return None


def _could_gain(p: float, q: float) -> tuple[float, float]:
    d, g = (torch.tensor([share, 1 - share], dtype=torch.float64) for share in (p, q))
    now = d @ PAYOFF @ g
    return ((PAYOFF @ g).max() - now).item(), (now - (d @ PAYOFF).min()).item()


def exercise_2(conserved: Callable[[float, float, float], float]) -> str | None:
    """A quantity that alternating steps of x * y conserve when y moves first."""
    starts = [(1.0, 0.0), (0.6, 0.8), (-1.5, 0.4)]
    first = [float(called(conserved, x, y, 0.5)) for x, y in starts]
    if max(first) - min(first) < 1e-9:
        return "a number that is the same everywhere is conserved by anything; yours has to depend on x and y"
    for step_size in (0.5, 0.8):
        for x, y in starts:
            if not _kept(conserved, x, y, step_size, y_first=True):
                if all(_kept(conserved, *start, 0.5, y_first=False) for start in starts):
                    return "that is conserved if x moves first; here y does: look at the sign of the mixed term"
                if all(abs(value - (x * x + y * y)) < 1e-9 for value, (x, y) in zip(first, starts, strict=True)):
                    return "the squared radius is not conserved; a mixed term with x * y is missing"
                return f"from ({x}, {y}), a step of size {step_size} changes it; check the factor of the mixed term"
    return None


def _kept(
    conserved: Callable[[float, float, float], float], x: float, y: float, step_size: float, y_first: bool
) -> bool:
    """Whether two steps leave it as it is."""
    before = float(called(conserved, x, y, step_size))
    for _ in range(2):
        if y_first:
            y = y + step_size * x
            x = x - step_size * y
        else:
            x = x - step_size * y
            y = y + step_size * x
    return abs(float(called(conserved, x, y, step_size)) - before) < 1e-6 * max(1, abs(before))


def exercise_3(step_size: float) -> str | None:
    """The step size with which extragradient steps shrink the radius fastest."""
    if abs(step_size - 0.5) < 1e-6:
        return "0.5 is the best eta squared; eta itself is its root"
    factor = (1 - step_size**2 + step_size**4) ** 0.5
    if factor > 1 - 1e-9:
        return f"with {step_size} the radius does not shrink at all: a step multiplies it by {factor:.2f}"
    if abs(step_size - 0.5**0.5) > 0.01:
        better = "larger" if step_size < 0.5**0.5 else "smaller"
        return f"a step multiplies the radius by {factor:.3f}; a {better} one does better"
    return None


def exercise_4(best_answer: Callable[[Tensor], Any]) -> str | None:
    """The distribution with which G loses least against a fixed D."""
    for answers, best in (([0.2, 0.9, 0.4], 1), ([0.7, 0.1, 0.6, 0.3], 0)):
        D = torch.tensor(answers)
        q = torch.as_tensor(called(best_answer, D)).float()
        if q.shape != D.shape:
            return f"q has shape {tuple(q.shape)}; it needs one probability for each of the {len(D)} values"
        if (q < 0).any() or abs(q.sum().item() - 1) > 1e-4:
            return "q is a distribution: no entry below 0, and a sum of 1"
        if q[best] < 1 - 1e-4:
            if q[D.argmin()] > 0.99:
                return "that is the value that D finds least real; G wants the one that D finds most real"
            return f"against D = {answers}, G loses less with all its mass on one value"
    return None
