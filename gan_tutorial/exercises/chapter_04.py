"""Chapter 4, the mathematics: the optimal discriminator, the Jensen-Shannon divergence, Wasserstein-1."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from gan_tutorial.exercises import called


def exercise_1(optimal_d: Callable[..., Any]) -> str | None:
    """`optimal_d(p, q)` -> p / (p + q) for densities as tensors (N,)."""
    p, q = torch.tensor([0.3, 0.2, 0.0]), torch.tensor([0.1, 0.2, 0.4])
    value = torch.as_tensor(called(optimal_d, p, q)).float()
    if value.shape != p.shape:
        return f"three places need three values, not shape {tuple(value.shape)}: no sum or mean here"
    right = p / (p + q)
    if _near(value, right):
        return None
    if _near(value, 1 - right):
        return "this is the probability of fake: which of the two densities goes on top?"
    if _near(value[:2], (p / q)[:2]):
        return "p / q are the odds: D is a probability, so divide by all there is at x"
    if _near(value[:2], (p / q).log()[:2]):
        return "log(p / q) is the logit of the answer: D itself is its sigmoid"
    if _near(value, p / (p + q) * 2) or _near(value, p / 2 / (p + q)):
        return "a factor of 2 is off: where p = q, D has to be 1/2"
    if bool(((value == 0) | (value == 1)).all()):
        return "D does not decide, it weighs: where p = q it says 1/2, not yes or no"
    return f"at p = 0.3 and q = 0.1 it should be 0.75, not {value[0].item():.3g}"


def exercise_2(jsd_bernoulli: Callable[..., Any]) -> str | None:
    """`jsd_bernoulli(a, b)` -> JSD in nats of two coins that show 1 with probability a and b."""
    value = float(called(jsd_bernoulli, 0.2, 0.7))
    right = _js(0.2, 0.7)
    if not _close(value, right):
        one = _only_ones(0.2, 0.7)
        for other, hint in (
            (right / math.log(2), "this is in bits: use the natural logarithm, as the losses do"),
            (2 * right, "twice too much: JSD is the mean of the two KLs, so each counts one half"),
            (right / 2, "half of it: is there one factor 1/2 too many?"),
            (-right, "the sign: a divergence is never negative"),
            (one, "only the outcome 1 was counted: a coin has the outcome 0 too, with probability 1 - a"),
            (2 * one, "only the outcome 1 was counted, and the factor 1/2 is missing"),
            (_kl(0.2, 0.7), "this is KL(a, b): compare both coins with the middle one, m = (a + b) / 2"),
            (_kl(0.7, 0.2), "this is KL(b, a): compare both coins with the middle one, m = (a + b) / 2"),
            (
                (_kl(0.2, 0.7) + _kl(0.7, 0.2)) / 2,
                "compare both coins with the middle m = (a + b) / 2, not one another",
            ),
            (_kl(0.2, 0.45), "only one half: the other coin is compared with the middle too"),
            (_kl(0.45, 0.2) / 2 + _kl(0.45, 0.7) / 2, "the order: KL(a, m) and KL(b, m), not KL(m, a)"),
        ):
            if _close(value, other):
                return hint
        return f"for 0.2 and 0.7 it should be {right:.4f}, not {value:.4g}"
    try:
        edge = float(called(jsd_bernoulli, 0.0, 1.0))
    except (ValueError, ZeroDivisionError):
        return "right in the middle, but it fails for 0 and 1: 0 log 0 counts as 0"
    if not _close(edge, math.log(2)):
        return f"right in the middle, but for 0 and 1 it should be log 2, not {edge:.4g}: 0 log 0 counts as 0"
    return None


def exercise_3(w1: Callable[..., Any]) -> str | None:
    """`w1(a, b)` -> Wasserstein-1 between two samples, tensors (N,) of equal length."""
    a, b = torch.tensor([3.0, 0.0, 1.0, 6.0]), torch.tensor([1.0, 4.0, -2.0, 9.0])
    value = float(called(w1, a.clone(), b.clone()))
    gaps = (a.sort().values - b.sort().values).abs()
    for other, hint in (
        (gaps.mean(), None),
        ((a - b).abs().mean(), "the samples are paired as they came: the cheapest plan pairs them in order, so sort"),
        (gaps.sum(), "this is the sum: each of the N points weighs 1/N, so take the mean"),
        ((a - b).abs().sum(), "sort both samples first, and take the mean instead of the sum"),
        ((a.mean() - b.mean()).abs(), "the absolute value comes before the mean: moves must not cancel"),
        (gaps.square().mean(), "W1 counts the distance, not its square"),
        (gaps.square().mean().sqrt(), "this is W2, the root of the mean square: W1 is the mean distance"),
    ):
        if _close(value, float(other)):
            return hint
    return f"for {a.tolist()} and {b.tolist()} it should be {gaps.mean():.3g}, not {value:.4g}"


def exercise_4(jsd: Any) -> str | None:
    """The JSD that an optimal D's loss of 1.0 stands for: (2 log 2 - 1) / 2."""
    value = float(jsd)
    for other, hint in (
        (math.log(2) - 0.5, None),
        (2 * math.log(2) - 1, "this is 2 JSD: divide by 2"),
        (0.5 - math.log(2), "the sign: the loss lies below 2 log 2 by 2 JSD"),
        (1 - 2 * math.log(2), "the sign, and then a factor 2: the loss lies below 2 log 2 by 2 JSD"),
        (0.5, "2 log 2 is 2 only in bits: with natural logarithms it is 1.386"),
        (math.log10(2) - 0.5, "the logarithm is the natural one, not that of base 10"),
        (math.log(2) - 1, "the whole difference is halved, 2 log 2 as well as the loss"),
    ):
        if abs(value - other) < 0.002:
            return hint
    return f"solve loss = 2 log 2 - 2 JSD for JSD; {value:.3g} is not it"


def _kl(a: float, b: float) -> float:
    return sum(p * math.log(p / q) for p, q in ((a, b), (1 - a, 1 - b)) if p)


def _js(a: float, b: float) -> float:
    return (_kl(a, (a + b) / 2) + _kl(b, (a + b) / 2)) / 2


def _only_ones(a: float, b: float) -> float:
    m = (a + b) / 2
    return (a * math.log(a / m) + b * math.log(b / m)) / 2


def _near(value: torch.Tensor, expected: torch.Tensor) -> bool:
    return torch.allclose(value, expected, atol=1e-3)


def _close(value: float, expected: float) -> bool:
    return abs(value - expected) < 1e-3
