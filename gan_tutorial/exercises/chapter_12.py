"""What a right answer to an exercise of chapter 12, data augmentation, must do."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from gan_tutorial.exercises import called


def exercise_1(paired: Callable[[Tensor, Tensor], tuple[float, float]]) -> str | None:
    """The mean difference of paired accuracies, and its standard error."""
    a, b = torch.tensor([0.9, 0.7, 0.5, 0.8]), torch.tensor([0.8, 0.7, 0.3, 0.7])
    found, error = (float(v) for v in called(paired, a, b))
    if abs(found - 0.1) > 1e-4:
        hint = "; that is b - a" if abs(found + 0.1) < 1e-4 else ""
        return f"the mean difference of the example is 0.1, not {found:.3g}{hint}"
    differences = a - b
    hints = {
        differences.std().item(): "that is the spread of one difference; the mean of n is surer by the root of n",
        differences.std(correction=0).item() / 2: "the spread is estimated from n values: divide by n - 1, not n",
        (a.var() / 4 + b.var() / 4).sqrt().item(): "that forgets the pairs: take the spread of the differences",
        differences.var().item() / 4: "that is the square of it",
    }
    right = differences.std().item() / 2
    if abs(error - right) > 1e-4:
        told = next((hint for value, hint in hints.items() if abs(error - value) < 1e-4), "see the formula")
        return f"the standard error of the example is {right:.3g}, not {error:.3g}; {told}"
    more = torch.linspace(0, 1, 9)
    if abs(float(called(paired, more, more.square())[1]) - (more - more.square()).std().item() / 3) > 1e-4:
        return "right for four seeds, but not for nine: divide by the root of the number of seeds"
    return None


def exercise_2(surest: Callable[[Tensor, Tensor, float], Tensor]) -> str | None:
    """Which pictures a filter keeps: of each class the share that the classifier is surest of."""
    p = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.7, 0.3], [0.5, 0.5], [0.1, 0.9], [0.8, 0.2], [0.3, 0.7]])
    labels = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])
    kept = sorted(int(k) for k in called(surest, p, labels, 0.5))
    if kept != [0, 3, 5, 7]:
        by_rows: dict[tuple[int, ...], str] = {
            (0, 2, 5, 6): "; ask how sure it is of the label that was ordered, not of any",
            (0, 3, 6, 7): "; sort by the label's own column of p",
            (0, 3, 4, 5): "; sort by the label's own column of p",
            (1, 2, 4, 6): "; that are those of which it is least sure",
            (0, 3, 4, 6): "; the label's own column of p is p[k, labels[k]]",
        }
        whole = "" if len(kept) == 4 else f"; half of four and half of four are four rows, not {len(kept)}"
        return f"the example keeps the rows [0, 3, 5, 7], not {kept}{by_rows.get(tuple(kept), whole)}"
    skew = torch.tensor([[0.9, 0.1]] * 3 + [[0.8, 0.2]] * 3 + [[0.6, 0.4]] * 4)
    labels = torch.tensor([0] * 6 + [1] * 4)
    kept = sorted(int(k) for k in called(surest, skew, labels, 0.5))
    if [int(labels[k]) for k in kept].count(1) != 2:
        return "of a class that the classifier is never sure of, half must stay as well: sort each class on its own"
    return None if kept[:3] == [0, 1, 2] else f"of class 0 keep the rows [0, 1, 2], not {kept[:3]}"


def exercise_3(by_chance: float) -> str | None:
    """How many of 60 exact 95 % intervals lie wholly above zero if there is no difference."""
    hints: dict[float, str] = {
        3: "that many miss zero; half of these lie below it",
        57: "that many hold zero",
        2: "an average need not be whole",
        0: "a 95 % interval misses the truth in 5 % of the cases",
        1: "an average need not be whole",
        30: "most of the intervals hold zero",
    }
    if abs(float(by_chance) - 1.5) < 1e-9:
        return None
    return hints.get(float(by_chance), "5 % of the intervals miss zero, and half of these lie above it")


def exercise_4(edge: Callable[[Sequence[float], Sequence[float], float], float]) -> str | None:
    """Members that an attacker names at a distance, minus the strangers accused at it, in shares."""
    near, far = torch.tensor([1.0, 2.0, 3.0, 6.0]), torch.tensor([2.0, 4.0, 5.0, 6.0, 7.0])
    found = float(called(edge, near, far, 3.5))
    if abs(found - 0.55) > 1e-4:
        hints = {
            0.75: "; that is the share of members found; take off the share of strangers accused",
            -0.55: "; that is the strangers' share minus the members'",
            2.0: "; take shares of each group, not counts",
            7 / 9: "; that is the share of right answers; take two shares, one for each group",
        }
        told = next((hint for value, hint in hints.items() if abs(found - value) < 1e-3), "")
        return f"the example gives 3/4 - 1/5 = 0.55, not {found:.3g}{told}"
    if abs(float(called(edge, near, far, 0.5))) > 1e-6:
        return "at a distance that nothing is below, nobody is accused, and the answer is 0"
    if abs(float(called(edge, far, near, 3.5)) + 0.55) > 1e-4:
        return "it may be negative: then strangers are nearer than members"
    return None
