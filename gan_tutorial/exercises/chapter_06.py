"""What a right answer to an exercise of chapter 6, DCGAN, must do."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gan_tutorial.exercises import called


def exercise_1(output_side: Callable[[int, int], int]) -> str | None:
    """The side after transposed convolutions with kernel 5, stride 2 and padding 1."""
    if (found := called(output_side, 4, 1)) != 9:
        hints = {
            11: "; padding takes numbers away at both ends of a transposed convolution",
            10: "; padding takes away 1 at each end, so 2 in all",
            13: "; padding takes numbers away here, it does not add them",
            8: "; exact doubling needs kernel 4, here it is 5",
            1: "; that is the size after an ordinary convolution",
        }
        return f"one layer leads from 4 to 9, not to {found}{hints.get(found, '')}"
    for side, layers, right in ((4, 0, 4), (4, 2, 19), (1, 3, 15), (7, 2, 31)):
        if (found := called(output_side, side, layers)) != right:
            return f"{layers} layers lead from {side} to {right}, not to {found}; feed each side to the next layer"
    return None


def exercise_2(middle: Callable[[Tensor, Tensor], Tensor]) -> str | None:
    """The latent in the middle direction, of the mean length."""
    draw = torch.Generator().manual_seed(6)
    for scale in (1.0, 2.0):
        a, b = torch.randn(64, generator=draw), scale * torch.randn(64, generator=draw)
        found = called(middle, a, b)
        if tuple(found.shape) != (64,):
            return f"the answer has shape {tuple(found.shape)}, not (64,)"
        if abs(torch.cosine_similarity(found, a + b, dim=0).item() - 1) > 1e-4:
            return "it does not have the direction of a + b"
        length, wanted = found.norm().item(), ((a.norm() + b.norm()) / 2).item()
        if abs(length - 1) < 1e-3:
            return "the direction is right, but the length is 1: multiply by the mean length"
        if abs(length - ((a + b) / 2).norm().item()) < 1e-3:
            return "that is the straight midpoint, which is too short: divide a + b by its own length first"
        if abs(length - wanted) > 1e-3:
            return f"the direction is right, but the length is {length:.2f} and should be {wanted:.2f}"
    return None


def exercise_3(parameters: int) -> str | None:
    """How many parameters a transposed convolution and a batch normalisation have."""
    hints = {
        131072: "the batch normalisation has trained parameters too: a gain and a shift for each channel",
        131136: "each of the 64 channels has a gain and a shift, so two parameters",
        131264: "there is no bias here: batch normalisation's shift does its work",
        131328: "running means and variances are kept, not trained; and count gain and shift once per output channel",
        32896: "the window has 4 x 4 weights, not 4",
        2176: "each pair of an input and an output channel has a window of its own",
    }
    if parameters == 131200:
        return None
    return hints.get(parameters, "count 4 x 4 weights for each pair of channels, and two more for each output channel")
