"""What a right answer to an exercise of chapter 13, evaluation, must do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from gan_tutorial.exercises import called
from gan_tutorial.metrics import density_coverage

FAULTS = {"a": "dropped", "b": "copied", "c": "rubbish", "d": "blurred", "e": "repeated"}


def exercise_1(frechet_1d: Callable[[float, float, float, float], Any]) -> str | None:
    """The Fréchet distance of Gaussians on a line, with all that has to be a root or a square."""
    a, s, b, t = 1.0, 2.0, 4.0, 7.0
    found = float(called(frechet_1d, a, s, b, t))
    apart, widths = (a - b) ** 2, (s - t) ** 2
    wrong = {
        (apart + widths) ** 0.5: "that is its root; what is called the Fréchet distance is the square",
        apart: "the spreads have had no effect",
        widths: "the means have had no effect",
        abs(a - b) + abs(s - t): "differences go in squared",
        abs(a - b) + widths: "the difference of the means goes in squared",
        apart + abs(s - t): "the difference of the standard deviations goes in squared",
        apart + s**2 + t**2: "the last part is missing: - 2 (variance_a variance_b)^(1/2)",
        apart + s + t - 2 * (s * t) ** 0.5: "the formula wants variances; you are given standard deviations",
        apart + (s**2 - t**2) ** 2: "that compares variances; take the standard deviations",
        apart + s**2 + t**2 - 2 * s**2 * t**2: "of the product of the variances, take the root",
    }
    for value, hint in wrong.items():
        if _near(found, value):
            return hint
    for a, s, b, t in ((1.0, 2.0, 4.0, 7.0), (0.0, 1.0, 0.0, 1.0), (-3.0, 0.5, 2.0, 0.0), (5.0, 3.0, 5.0, 1.0)):
        found, right = float(called(frechet_1d, a, s, b, t)), (a - b) ** 2 + (s - t) ** 2
        if not _near(found, right):
            return f"for means {a:g} and {b:g} and deviations {s:g} and {t:g} it is {right:g}, not {found:.4g}"
    return None


def exercise_2(of: Callable[[Tensor, Tensor, int], Any]) -> str | None:
    """Density and coverage (Naeem et al. 2020, equations 3 and 4) from distances."""
    draw = torch.Generator().manual_seed(13)
    real, fake = torch.randn(40, 3, generator=draw), 0.7 * torch.randn(25, 3, generator=draw)
    to_fakes, among_real = torch.cdist(real, fake), torch.cdist(real, real).fill_diagonal_(0)
    for k in (3, 5):
        right = density_coverage(real, fake, k)
        answer = called(of, to_fakes.clone(), among_real.clone(), k)
        if not isinstance(answer, (tuple, list)) or len(answer) != 2:
            return "return two numbers, density and coverage"
        found = [float(value) for value in answer]
        if _near(found[0], right.density) and _near(found[1], right.coverage):
            continue
        if _near(found[0], right.coverage) and _near(found[1], right.density):
            return "density comes first, then coverage"
        ranked = among_real.sort(1).values
        inside, near = to_fakes < ranked[:, k, None], to_fakes < ranked[:, k - 1, None]
        around = torch.cdist(fake, fake).fill_diagonal_(0).sort(1).values[:, k]
        if _near(found[0], near.sum(0).float().mean() / k) or _near(found[1], near.any(1).float().mean()):
            return "each real sample is its own nearest, at distance 0; the k-th fellow comes after it"
        density_hints = (
            (inside.sum(0).float().mean(), "the density is not divided by k"),
            (inside.float().mean(), "the density is a mean over fakes of the number of balls, a sum over real samples"),
            (inside.float().mean() / k, "the density sums over the real samples; you take their mean"),
            (inside.any(0).float().mean(), "that is precision; the density counts in how many balls a fake is"),
            (
                inside.sum(1).float().mean() / k,
                "the density is a mean over fakes; yours is one over real samples",
            ),
        )
        for value, hint in density_hints:
            if _near(found[0], value):
                return hint
        coverage_hints = (
            (inside.any(0).float().mean(), "that is precision; coverage is a share of the real samples"),
            ((to_fakes < around).any(1).float().mean(), "that is recall; coverage uses the real samples' balls"),
            (inside.sum(1).float().mean(), "coverage asks whether a ball holds a fake, not how many"),
            (inside.sum(1).float().mean() / k, "coverage asks whether a ball holds a fake, not how many"),
        )
        for value, hint in coverage_hints:
            if _near(found[1], value):
                return hint
        for name, number, wanted in zip(("density", "coverage"), found, right, strict=True):
            if not _near(number, wanted):
                return f"with k = {k} the {name} is {wanted:.3f}, not {number:.3f}"
    return None


def exercise_3(without_end: Callable[[list[int], list[float]], Any]) -> str | None:
    """The value at 1/N = 0 of the least-squares line through FIDs (Chong and Forsyth 2020)."""
    sizes, values = [200, 400, 1000, 4000], [7.1, 4.8, 2.9, 2.4]
    found, right = float(called(without_end, [*sizes], [*values])), _at_zero([1 / n for n in sizes], values)
    wrong = {
        values[-1]: "that is the value with the most samples; the line goes on from there to 1/N = 0",
        sum(values) / 4: "that is the mean of the values; fit a line",
        _at_zero([float(n) for n in sizes], values): "the line is one in N; fit it in 1/N",
        _at_zero([n**-0.5 for n in sizes], values): "the line is one in the root of 1/N; fit it in 1/N itself",
        _slope([1 / n for n in sizes], values): "that is the slope; return the value at 1/N = 0",
        _through(sizes[-2:], values[-2:]): "the line goes through two points; fit it to all of them",
        _through([sizes[0], sizes[-1]], [values[0], values[-1]]): "the line goes through two points; fit it to all",
        sum(v * n for n, v in zip(sizes, values, strict=True)) / sum(sizes): "that is a mean of the values; fit a line",
    }
    for value, hint in wrong.items():
        if _near(found, value):
            return hint
    if not _near(found, right, 1e-3):
        return f"for sizes {sizes} and values {values} it is {right:.3f}, not {found:.3f}"
    sizes, values = [100, 300, 500], [3.0 + 200 / n for n in (100, 300, 500)]
    found = float(called(without_end, [*sizes], [*values]))
    return None if _near(found, 3.0, 1e-3) else f"for values that are 3 + 200 / N it is 3, not {found:.3f}"


def exercise_4(diagnosis: Mapping[str, str]) -> str | None:
    """What is wrong with five generators, from their numbers."""
    if sorted(diagnosis) != sorted(FAULTS):
        return "give a word for each of the letters a, b, c, d, e"
    words = {letter: str(word).strip().lower() for letter, word in diagnosis.items()}
    for letter, word in words.items():
        if word not in FAULTS.values():
            return f"{letter}: {word!r} is none of the words: {', '.join(sorted(FAULTS.values()))}"
    hints = {
        "a": "its samples are as precise as real ones and no copies, the score is half, and recall is low",
        "b": "it is better than the floor in all but one; which one?",
        "c": "recall is where it should be; precision is not",
        "d": "precision is above the floor, and the score is nearly there, but recall falls",
        "e": "no real sample has a fake near it, and its score is the highest there is; section 13.3 had such a one",
    }
    for letter in FAULTS:
        if words[letter] != FAULTS[letter]:
            return f"{letter}: look again; {hints[letter]}"
    return None


def _near(a: Any, b: Any, tolerance: float = 1e-4) -> bool:
    return abs(float(a) - float(b)) <= tolerance * (1 + abs(float(b)))


def _slope(x: Sequence[float], y: Sequence[float]) -> float:
    mean = sum(x) / len(x)
    return sum((u - mean) * v for u, v in zip(x, y, strict=True)) / sum((u - mean) ** 2 for u in x)


def _at_zero(x: Sequence[float], y: Sequence[float]) -> float:
    return sum(y) / len(y) - _slope(x, y) * sum(x) / len(x)


def _through(sizes: Sequence[int], values: Sequence[float]) -> float:
    """The value at 1/N = 0 of the line through two points."""
    return _at_zero([1 / n for n in sizes], values)
