"""What a right answer to an exercise of chapter 3, the losses, must do."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus

from gan_tutorial.exercises import called

TOLERANCE = 1e-3


def exercise_1(two_losses: Callable[[Tensor, Tensor], Any]) -> str | None:
    """(L_D, non-saturating L_G) from D's probabilities."""
    real, fake = torch.tensor([0.9, 0.6, 0.7]), torch.tensor([0.2, 0.7])
    pair = called(two_losses, real, fake)
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        return "return two values, L_D and L_G"
    if any(torch.as_tensor(value).numel() != 1 for value in pair):
        return "each loss is one number: take the mean over the batch"
    d, g = (float(value) for value in pair)
    price_real, price_fake, price_g = -real.log(), -(1 - fake).log(), -fake.log()
    right = float(price_real.mean() + price_fake.mean())
    if not _near(d, right):
        for wrong, why in (
            (-right, "L_D has the wrong sign: logs of probabilities are negative, the loss is not"),
            (float(price_real.sum() + price_fake.sum()), "L_D: take the mean over each batch, not the sum"),
            (right / math.log(2), "L_D: use the natural logarithm, not the one to base 2"),
            (right / math.log(10), "L_D: use the natural logarithm, not the one to base 10"),
            (right / 2, "L_D is the sum of its two means; you halved it"),
            (float(torch.cat([price_real, price_fake]).mean()), "L_D: a mean for the real ones plus one for the fakes"),
            (float(price_real.mean() + price_g.mean()), "L_D: for fakes, D pays -log(1 - D), not -log D"),
            (float(-real.mean() - (1 - fake).mean()), "L_D: the logarithms are missing"),
        ):
            if _near(d, wrong):
                return why
        return f"L_D should be {right:.3f} for real 0.9, 0.6, 0.7 and fake 0.2, 0.7; yours is {d:.3f}"
    right = float(price_g.mean())
    if not _near(g, right):
        for wrong, why in (
            (-right, "L_G has the wrong sign"),
            (float(price_g.sum()), "L_G: take the mean over the batch, not the sum"),
            (float(-price_fake.mean()), "L_G: that is the minimax loss, log(1 - D); here it is -log D"),
            (float(price_fake.mean()), "L_G: G pays -log D for its fakes; -log(1 - D) is D's price"),
        ):
            if _near(g, wrong):
                return why
        return f"L_G should be {right:.3f} for fakes 0.2, 0.7; yours is {g:.3f}"
    return None


def exercise_2(d_loss: Callable[[Tensor, Tensor], Any]) -> str | None:
    """L_D from logits, finite at any of them."""
    real, fake = torch.tensor([2.0, -1.0, 0.5]), torch.tensor([-3.0, 1.0])
    value = torch.as_tensor(called(d_loss, real, fake))
    if value.numel() != 1:
        return "the loss is one number: take the mean over each batch"
    right = float(softplus(-real).mean() + softplus(fake).mean())
    if not _near(float(value), right):
        for wrong, why in (
            (float(softplus(real).mean() + softplus(-fake).mean()), "the signs are swapped: a high real logit is good"),
            (float(softplus(real).mean() + softplus(fake).mean()), "the real half: -log sigmoid(r) is softplus(-r)"),
            (
                float(softplus(-real).mean() + softplus(-fake).mean()),
                "the fake half: -log(1 - sigmoid(l)) is softplus(l)",
            ),
            (-right, "the sign: a loss of D is positive"),
            (float(softplus(-real).sum() + softplus(fake).sum()), "take the mean over each batch, not the sum"),
        ):
            if _near(float(value), wrong):
                return why
        return f"for real logits 2, -1, 0.5 and fake ones -3, 1 it should be {right:.3f}; yours is {float(value):.3f}"
    for size in (40.0, 200.0):
        extreme = torch.tensor([-size])
        if not _near(float(called(d_loss, extreme, -extreme)), 2 * size):
            return f"right for small logits, but not at ±{size:.0f}: probabilities are rounded there; use softplus"
    return None


def exercise_3(ratio: Callable[[float], Any]) -> str | None:
    """Pull of the non-saturating loss over that of the minimax loss."""
    for logit in (-5.0, -1.0, 0.0, 2.0):
        value, right = float(called(ratio, logit)), math.exp(-logit)
        if abs(value - right) > TOLERANCE * right:
            if abs(value * right - 1) < TOLERANCE:
                return "upside down: non-saturating over minimax, which is large where the logit is low"
            if abs(value + right) < TOLERANCE * right:
                return "the right size with the wrong sign: both slopes are negative, so their ratio is positive"
            if abs(value - (right - 1) / (right + 1)) < TOLERANCE:
                return "that is the difference of the two pulls; divide them"
            if abs(value + logit) < TOLERANCE:
                return "that is the logarithm of the ratio"
            return (
                f"at logit {logit:.0f} the pulls are {right / (1 + right):.4f} and {1 / (1 + right):.4f}; divide them"
            )
    return None


def exercise_4(hinge_slope: Callable[[Tensor], Any]) -> str | None:
    """The derivative of max(0, 1 - r)."""
    logits = torch.tensor([-3.0, -0.5, 0.5, 0.9, 1.1, 4.0])
    slope = torch.as_tensor(called(hinge_slope, logits)).float()
    if slope.shape != logits.shape:
        return f"give one slope for each of the {len(logits)} logits; yours has shape {tuple(slope.shape)}"
    right = -(logits < 1).float()
    if torch.allclose(slope, right):
        return None
    if torch.allclose(slope, -right):
        return "the sign: the loss falls as the real logit rises"
    if torch.allclose(slope, -torch.ones(len(logits))):
        return "above 1 the loss is flat: its slope there is 0"
    if torch.allclose(slope, -(logits < 0).float()):
        return "the margin is at 1, not at 0: a real logit of 0.5 still costs 0.5"
    if torch.allclose(slope, (1 - logits).clamp(min=0)):
        return "that is the loss; its derivative is asked for"
    return f"at the logits {logits.tolist()} it should be 0 or -1; yours is {slope.tolist()}"


def _near(value: float, right: float) -> bool:
    return abs(value - right) < TOLERANCE
