"""What a right answer to an exercise of chapter 9, style transfer, must do."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from gan_tutorial.exercises import called

Translate = Callable[[Tensor], Tensor]


def exercise_1(gram: Callable[[Tensor], Tensor]) -> str | None:
    """Gram matrices as means over the places (Gatys et al. 2016, equation 3, divided by the number of places)."""
    f = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(9)) + torch.tensor([0.0, 1, 2])[:, None, None]
    flat = f.flatten(2)
    right = flat @ flat.transpose(1, 2) / 20
    found = called(gram, f.clone())
    if (shape := tuple(found.shape)) != (2, 3, 3):
        return f"for features of shape (2, 3, 4, 5) the answer has shape {shape}, not (2, 3, 3)"
    if _close(found, right):
        return None
    centred = flat - flat.mean(2, keepdim=True)
    wrong = (
        (20 * right, "that is the sum over the places; divide by their number"),
        (right / 3, "divide by the number of places alone, not by the channels too"),
        (20 / 3 * right, "the sum is divided by the number of channels; divide by that of the places"),
        (5 * right, "the places are height times width; you have divided by the height alone"),
        (4 * right, "the places are height times width; you have divided by the width alone"),
        (centred @ centred.transpose(1, 2) / 20, "the means were taken off: that is a covariance, not a Gram matrix"),
        (right.mean(0).expand_as(right), "the pictures are mixed; each has a matrix of its own"),
    )
    for values, hint in wrong:
        if _close(found, values):
            return hint
    return f"the first entry should be {right[0, 0, 0]:.3f}, not {found[0, 0, 0]:.3f}"


def exercise_2(cycle_error: Callable[[Translate, Translate, Tensor, Tensor], Tensor]) -> str | None:
    """The mean distance of a pixel after the way there and back, over both domains (Zhu et al. 2017, equation 2)."""
    draw = torch.Generator().manual_seed(9)
    a, b = torch.rand(4, 1, 3, 3, generator=draw), torch.rand(2, 1, 3, 3, generator=draw)

    def there(x: Tensor) -> Tensor:
        return x.square() + 0.1

    def back(x: Tensor) -> Tensor:
        return 0.5 * x - 0.7

    of_a, of_b = back(there(a)) - a, there(back(b)) - b
    right = (of_a.abs().mean() + of_b.abs().mean()) / 2
    found = torch.as_tensor(called(cycle_error, there, back, a.clone(), b.clone()))
    if found.dim():
        return f"the answer has shape {tuple(found.shape)}; it should be one number"
    if _close(found, right):
        return None
    wrong = (
        (2 * right, "that is the sum over both heaps; take their mean"),
        (of_a.abs().mean(), "only A goes there and back; let B go back and there as well"),
        (of_b.abs().mean(), "only B goes back and there; let A go there and back as well"),
        ((of_a.square().mean() + of_b.square().mean()) / 2, "the distances are squared; take their absolute values"),
        (
            ((there(a) - a).abs().mean() + (back(b) - b).abs().mean()) / 2,
            "that is how far a translation is from its picture; translate it back before you compare",
        ),
        (
            ((there(back(a)) - a).abs().mean() + (back(there(b)) - b).abs().mean()) / 2,
            "the ways are exchanged: pictures of A go there first, and those of B back first",
        ),
        (
            torch.cat([of_a, of_b]).abs().mean(),
            "the larger heap counts more; take the mean of each heap before that of both",
        ),
        ((of_a.mean() + of_b.mean()) / 2, "errors of both signs cancel; take the absolute value of each pixel"),
    )
    for value, hint in wrong:
        if _close(found, value):
            return hint
    return f"for our test it should be {right:.3f}, not {found:.3f}"


def exercise_3(patch: Callable[[Sequence[tuple[int, int]]], int]) -> str | None:
    """How many pixels of a side one output sees."""
    cases: tuple[tuple[list[tuple[int, int]], int], ...] = (
        ([(3, 1)], 3),
        ([(4, 2)], 4),
        ([(3, 1), (3, 1)], 5),
        ([(4, 2), (3, 2)], 8),
        ([(4, 2), (3, 1), (3, 1)], 12),
        ([(3, 1), (4, 2)], 6),
        ([(4, 2), (4, 2), (4, 2), (3, 1), (3, 1)], 54),
        ([(4, 2), (4, 2), (4, 2), (4, 1), (4, 1)], 70),
    )
    for layers, right in cases:
        found = called(patch, list(layers))
        if found == right:
            continue
        of = ", ".join(f"{kernel} x {kernel} with stride {stride}" for kernel, stride in layers)
        wrong = {
            _seen(layers): "you began with the first layer; begin with the last",
            sum(kernel for kernel, _ in layers): "kernels do not add up: neighbouring windows overlap",
            1 + sum(kernel - 1 for kernel, _ in layers): "the strides have had no effect",
            _multiplied(layers): "multiply what lies between the first and the last place, seen - 1, by the stride",
        }
        hint = wrong.get(found, f"one output sees {right}")
        return f"for {of} the answer is {found}: {hint}"
    return None


def _seen(layers: Sequence[tuple[int, int]]) -> int:
    """The recurrence, from the first layer on: wrong unless the order does not matter."""
    seen = 1
    for kernel, stride in layers:
        seen = (seen - 1) * stride + kernel
    return seen


def _multiplied(layers: Sequence[tuple[int, int]]) -> int:
    seen = 1
    for kernel, stride in reversed(layers):
        seen = seen * stride + kernel - 1
    return seen


def exercise_4(back: Callable[[list[int]], Sequence[int]]) -> str | None:
    """The relabelling that undoes another one; none where two digits have become one."""
    same, swap = list(range(10)), [0, 1, 2, 3, 9, 5, 6, 7, 8, 4]
    turn = [(digit + 3) % 10 for digit in range(10)]
    merged = [0, 1, 2, 3, 9, 5, 6, 7, 8, 9]
    for there in (same, swap, turn, merged, [7] * 10):
        found = list(called(back, list(there)))
        if len(set(there)) < 10:
            if found:
                return f"for {there} the list should be empty: two digits became one, and F can't tell them apart"
        elif not found:
            return f"for {there} there is a way back: no two digits became the same"
        elif found == there != [there.index(digit) for digit in range(10)]:
            return f"for {there} the way back is another one: a 0 became a {there[0]}, so F has to make it a 0 again"
        elif len(found) != 10 or [found[digit] for digit in there] != same:
            return f"for {there} a 0 becomes a {there[0]}, and your F does not bring all ten digits back"
    return None


def _close(a: Tensor, b: Tensor) -> bool:
    return torch.allclose(a.float(), b.float(), atol=1e-4, rtol=1e-4)
