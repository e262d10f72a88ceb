"""What a right answer to an exercise of chapter 8, StyleGAN, must do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gan_tutorial.exercises import called


def exercise_1(demodulated: Callable[[Tensor, Tensor], Tensor]) -> str | None:
    """Each sample's own weights, modulated and demodulated (Karras et al. 2020, equations 1 and 3)."""
    draw = torch.Generator().manual_seed(8)
    weight, styles = torch.randn(4, 5, 3, 3, generator=draw), 1 + torch.randn(2, 5, generator=draw)
    modulated = weight[None] * styles[:, None, :, None, None]

    def over(w: Tensor, *axes: int) -> Tensor:
        return w / w.square().sum(axes, keepdim=True).sqrt()

    found = called(demodulated, weight.clone(), styles.clone())
    if (shape := tuple(found.shape)) != (2, 4, 5, 3, 3):
        return f"for weights (4, 5, 3, 3) and styles (2, 5) the answer has shape {shape}, not (2, 4, 5, 3, 3)"
    if _close(found, over(modulated, 2, 3, 4)):
        return None
    wrong = (
        (modulated, "these weights are modulated; now divide them by their lengths"),
        (
            over(weight, 1, 2, 3).expand_as(modulated),
            "the styles have had no effect: multiply the weights by them first",
        ),
        (
            over(weight, 1, 2, 3) * styles[:, None, :, None, None],
            "the lengths are those of the plain weights; take them after the styles have been multiplied in",
        ),
        (over(modulated, 2), "each place of the window has a length of its own; sum over the 3 x 3 places too"),
        (over(modulated, 3, 4), "each input channel has a length of its own; sum over the input channels too"),
        (over(modulated, 1, 2, 3, 4), "all output channels share one length; each has its own"),
        (over(modulated, 1, 3, 4), "the sum runs over the output channels; let it run over the input channels"),
        (over(modulated, 2, 3, 4).square() * modulated.sign(), "the root of the sum of squares is missing"),
        (modulated / modulated.square().sum((2, 3, 4), keepdim=True), "the sum of squares is there, not its root"),
        (
            modulated / modulated.std((2, 3, 4), keepdim=True),
            "divide by the root of the sum of squares, not by a deviation",
        ),
    )
    for values, hint in wrong:
        if _close(found, values):
            return hint
    lengths = found.square().sum((2, 3, 4)).sqrt()
    if not _close(lengths, torch.ones(2, 4)):
        return f"the first output channel's weights have length {lengths[0, 0]:.2f}; all lengths should be 1"
    return "all lengths are 1, but the styles do not stand at the input channels they belong to"


def exercise_2(truncated: Callable[[Tensor, Tensor, float, int], Tensor]) -> str | None:
    """Truncation of the first layers' styles."""
    draw = torch.Generator().manual_seed(8)
    w, average = torch.randn(3, 8, 5, generator=draw), torch.randn(5, generator=draw)
    for psi, cutoff in ((0.7, 3), (0.7, 8), (0.0, 2), (1.0, 4), (0.5, 0)):
        given = w.clone()
        found, pulled = called(truncated, given, average.clone(), psi, cutoff), average + psi * (w - average)
        case = f"with psi = {psi} and cutoff = {cutoff}"
        if not torch.equal(given, w):
            return "the w that was given has changed; make a new one (clone)"
        if found.shape != w.shape:
            return f"{case} the answer has shape {tuple(found.shape)}, not {tuple(w.shape)}"
        if _close(found, torch.cat([pulled[:, :cutoff], w[:, cutoff:]], 1)):
            continue
        opposite = w + psi * (average - w)
        wrong = (
            (pulled, "all layers are pulled; those from cutoff on should stay as they are"),
            (torch.cat([w[:, :cutoff], pulled[:, cutoff:]], 1), "the last layers are pulled, not the first"),
            (
                torch.cat([pulled[:cutoff], w[cutoff:]]),
                "cutoff counts layers, the second axis; the first counts samples",
            ),
            (
                torch.cat([opposite[:, :cutoff], w[:, cutoff:]], 1),
                "psi is turned round: psi = 1 should change nothing, and psi = 0 give w_avg",
            ),
            (
                torch.cat([psi * w[:, :cutoff], w[:, cutoff:]], 1),
                "the styles are pulled towards 0; pull them towards w_avg",
            ),
        )
        for values, hint in wrong:
            if _close(found, values):
                return hint
        return f"{case} the answer is not w_avg + psi (w - w_avg) in the first layers and w in the others"
    return None


def exercise_3(with_spread: Callable[[Tensor], Tensor]) -> str | None:
    """The minibatch standard deviation of one group, as one more channel (Karras et al. 2018, section 3)."""
    x = (
        torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(8))
        * torch.tensor([1.0, 2.0, 3.0])[:, None, None]
    )
    found = called(with_spread, x.clone())
    if (shape := tuple(found.shape)) != (4, 4, 5, 5):
        return f"for x of shape (4, 3, 5, 5) the answer has shape {shape}, not (4, 4, 5, 5)"
    if not _close(found[:, :3], x):
        return "the first channels should be those of x"
    extra = found[:, 3]
    if not _close(extra, extra[0, 0, 0].expand_as(extra)):
        return "the new channel should be one number everywhere: take the mean over features and pixels too"
    of_features = x.std(0, unbiased=False)
    if _close(extra[0, 0, 0], of_features.mean(), 1e-3):
        return None
    wrong = (
        (x.std(0).mean(), "torch's std divides by N - 1; here it is N (unbiased=False)"),
        (of_features.square().mean(), "that is the mean of the variances; take the root before the mean"),
        (of_features.square().mean().sqrt(), "take the root before the mean over features and pixels, not after it"),
        (x.std(unbiased=False), "that is the spread of all numbers; take it over the group alone, then the mean"),
        (x.std(), "that is the spread of all numbers; take it over the group alone, then the mean"),
        (x.mean((1, 2, 3)).std(unbiased=False), "the mean comes after the standard deviation, not before it"),
        (x.std((1, 2, 3)).mean(), "that is the spread inside each sample; take it over the group, the first axis"),
    )
    for value, hint in wrong:
        if _close(extra[0, 0, 0], value, 1e-3):
            return hint
    return f"the number in the new channel should be {of_features.mean():.3f}, not {extra[0, 0, 0]:.3f}"


def exercise_4(before: Callable[[float, float], Any]) -> str | None:
    """The share of left partings before pictures were mirrored with probability p / 2."""
    share, p = 0.3, 0.8
    found = float(called(before, (1 - p) * share + p / 2, p))
    wrong = {
        (1 - p) * ((1 - p) * share + p / 2) + p / 2: "that mirrors once more; solve for the share before",
        ((1 - p) * share + p / 2 - p)
        / (1 - 2 * p): "not every picture with a coin is mirrored: half of the coins show tails",
        ((1 - p) * share + p / 2) / (1 - p): "a part of the left partings was on the right before; take away p / 2",
        ((1 - p) * share + p / 2 - p)
        / (1 - p): "of the pictures with a coin, only half end up on the left; take away p / 2",
    }
    for value, hint in wrong.items():
        if abs(found - value) < 1e-6:
            return hint
    for share, p in ((0.3, 0.8), (0.3, 0.0), (0.9, 0.5), (0.5, 0.2), (0.0, 0.4)):
        seen = (1 - p) * share + p / 2
        found = float(called(before, seen, p))
        if abs(found - share) > 1e-6:
            return f"for seen = {seen:.2f} and p = {p} the share before is {share}, not {found:.3g}"
    return None


def _close(a: Tensor, b: Tensor, tolerance: float = 1e-4) -> bool:
    return torch.allclose(a.float(), b.float(), atol=tolerance, rtol=tolerance)
