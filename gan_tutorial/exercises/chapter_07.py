"""What a right answer to an exercise of chapter 7, conditional GANs and BigGAN, must do."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from gan_tutorial.exercises import called


def exercise_1(logits: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]) -> str | None:
    """A projection discriminator's last step: features (N, C), labels (N,), w (C,), b (), V (K, C) -> logits (N,)."""
    draw = torch.Generator().manual_seed(71)
    h, w, b, V = (torch.randn(shape, generator=draw) for shape in ((5, 6), (6,), (), (3, 6)))
    labels = torch.tensor([2, 0, 1, 2, 2])
    found = called(logits, h, labels, w, b, V)
    if tuple(found.shape) != (5,):
        hint = "; take each sample's own product, not that of every pair" if tuple(found.shape) == (5, 5) else ""
        return f"5 samples have 5 logits, shape (5,), not {tuple(found.shape)}{hint}"
    psi, of_class = h @ w + b, (V[labels] * h).sum(1)
    for wrong, hint in (
        (of_class, "the part that does not know the label, <w, h> + b, is missing"),
        (psi, "nothing in it depends on the label: add the product of the label's row of V with h"),
        (psi - b + of_class, "b is missing"),
        (
            psi + (h @ V.T).sum(1),
            "it adds the products with all classes; take only the row of V of the sample's label",
        ),
        (psi + (h @ V.T).amax(1), "it takes the class that fits best; take the class that the sample is said to have"),
        (of_class + psi.mean(), "the mean mixes samples; each has a psi of its own"),
    ):
        if torch.allclose(found, wrong, atol=1e-5):
            return hint
    if not torch.allclose(found, psi + of_class, atol=1e-5):
        return "the numbers are not <w, h> + b + <row of V of the label, h>"
    return None


def exercise_2(conditional_norm: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]) -> str | None:
    """Conditional batch normalisation from tables of gains and biases (K, C), eps 1e-5, in training."""
    draw = torch.Generator().manual_seed(72)
    x = torch.randn(6, 3, 2, 2, generator=draw) * torch.tensor([1.0, 2.0, 0.5]).view(1, 3, 1, 1) + 0.7
    gains, biases = (torch.randn(4, 3, generator=draw) for _ in range(2))
    labels = torch.tensor([3, 0, 0, 1, 3, 2])
    found = called(conditional_norm, x, labels, gains, biases)
    if found.shape != x.shape:
        return f"the shape is {tuple(found.shape)}; it should stay {tuple(x.shape)}"
    gain, bias = gains[labels][:, :, None, None], biases[labels][:, :, None, None]

    def norm(dims: tuple[int, ...], unbiased: bool = False) -> Tensor:
        mean = x.mean(dims, keepdim=True)
        return (x - mean) / (x.var(dims, keepdim=True, unbiased=unbiased) + 1e-5).sqrt()

    right = norm((0, 2, 3))
    by_class = torch.cat([F.batch_norm(x[i : i + 1], None, None, training=True) for i in range(6)])
    for wrong, hint in (
        (right, "the numbers are normalised, but nothing depends on the class yet"),
        (x * gain + bias, "gain and bias are right, but x is not normalised"),
        (right * gain, "the biases are missing"),
        (right + bias, "the gains are missing"),
        (right * (1 + gain) + bias, "the table holds the gains themselves: multiply by them, not by 1 + gain"),
        (by_class * gain + bias, "each sample is normalised alone; take mean and variance over the whole batch"),
        (norm((0,)) * gain + bias, "take mean and variance over the pixels too: over dimensions 0, 2 and 3"),
        (norm((0, 1, 2, 3)) * gain + bias, "each channel has a mean and a variance of its own"),
        (norm((0, 2, 3), True) * gain + bias, "divide the sum of squares by their number, not by one less"),
    ):
        if torch.allclose(found, wrong, atol=1e-4):
            return hint
    if not torch.allclose(found, right * gain + bias, atol=1e-4):
        return "the numbers are off: normalise over dimensions 0, 2 and 3, then use the row of each sample's label"
    return None


def exercise_3(draw: Callable[[int, float, torch.Generator], Tensor]) -> str | None:
    """n numbers from the normal law cut at +-threshold, by drawing again."""
    n = 4000
    for threshold in (0.5, 1.5):
        rng = torch.Generator().manual_seed(73)
        found = called(draw, n, threshold, rng)
        if tuple(found.shape) != (n,):
            few = "; draw again instead of leaving out" if found.dim() == 1 and len(found) < n else ""
            return f"{n} numbers were asked for, and shape {tuple(found.shape)} came{few}"
        if found.abs().max() > threshold:
            return f"with threshold {threshold:g} the largest is {found.abs().max():.2f}: some lie outside"
        at_edge = (found.abs() > threshold * (1 - 1e-6)).float().mean().item()
        if at_edge > 0.01:
            return f"{at_edge:.0%} lie exactly on the edge: that is clipping; draw those again that lie outside"
        if found.min() >= 0:
            return "all are positive; cut at -threshold as well, and keep the signs"
        if _ks(found, _truncated(threshold)) > 0.045:  # with the right law, one in 10^6
            if _ks(found, _even(threshold)) < 0.045:
                return "they are spread evenly; inside the threshold, numbers near 0 are still the likelier ones"
            return f"with threshold {threshold:g} they do not follow the normal law inside: do not rescale or wrap them"
    again = [called(draw, 50, 1.0, torch.Generator().manual_seed(7)) for _ in range(2)]
    if not torch.equal(*again):
        return "the same rng gave different numbers: pass generator=rng to torch.randn"
    return None


def exercise_4(stretch: Callable[[Tensor, int], float]) -> str | None:
    """The largest factor by which a convolution with padding 1 stretches pictures of a side."""
    draw = torch.Generator().manual_seed(74)
    for shape in ((2, 3, 3, 3), (4, 2, 3, 3)):
        kernel = torch.randn(shape, generator=draw) + 0.3
        for side in (5, 8):
            found = float(called(stretch, kernel, side))
            right = _stretch(kernel, side)
            as_matrix = torch.linalg.matrix_norm(kernel.flatten(1), 2).item()
            for wrong, hint in (
                (
                    as_matrix,
                    "that is the largest singular value of the kernel as a matrix; apply the convolution",
                ),
                (right**2, "that is its square: v shrinks and grows twice in a round, so take a root"),
                (kernel.norm().item(), "that is the length of the kernel, not what it does to a picture"),
            ):
                if abs(found / wrong - 1) < 1e-3:
                    return hint
            if found > right * 1.005:
                return f"no picture of side {side} is stretched by {found:.3f}; the most is {right:.3f}"
            if found < right * 0.995:
                return f"{found:.3f} is too little, the most is {right:.3f}: more rounds, or the wrong way back"
    return None


def _stretch(kernel: Tensor, side: int) -> float:
    """By the whole matrix: what the convolution makes of every picture with a single 1."""
    unit = torch.eye(kernel.shape[1] * side * side).unflatten(1, (kernel.shape[1], side, side))
    return torch.linalg.matrix_norm(F.conv2d(unit, kernel, padding=1).flatten(1), 2).item()


def _truncated(threshold: float) -> Callable[[Tensor], Tensor]:
    """The distribution function of the normal law cut at +-threshold."""
    inside = math.erf(threshold / math.sqrt(2))
    return lambda x: 0.5 + torch.erf(x / math.sqrt(2)) / (2 * inside)


def _even(threshold: float) -> Callable[[Tensor], Tensor]:
    """That of numbers spread evenly from -threshold to threshold."""
    return lambda x: (x + threshold) / (2 * threshold)


def _ks(x: Tensor, cdf: Callable[[Tensor], Tensor]) -> float:
    """The largest difference between the share of numbers up to a value, and what the law says."""
    ordered = cdf(x.sort().values)
    steps = torch.arange(len(x) + 1) / len(x)
    return max((steps[1:] - ordered).max().item(), (ordered - steps[:-1]).max().item())
