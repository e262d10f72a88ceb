"""What a right answer to an exercise of chapter 10, text, must do."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gan_tutorial.exercises import called


def exercise_1(score: Callable[[Tensor, int], Tensor]) -> str | None:
    """The slope of a token's log-probability along the logits: one-hot minus softmax."""
    logits = torch.tensor([1.0, -0.5, 2.0, 0.0], dtype=torch.float64)
    p = logits.softmax(0)
    for token in (2, 0):
        right = torch.eye(4, dtype=torch.float64)[token] - p
        found = called(score, logits, token)
        if tuple(found.shape) != (4,):
            return f"the answer has shape {tuple(found.shape)}, not (4,): one slope for each logit"
        if (found - right).abs().max() > 1e-6:
            if (found + right).abs().max() < 1e-6:
                return "the sign is wrong: raising the token's own logit makes it likelier"
            if (found - p[token] * right).abs().max() < 1e-6:
                return "that is the slope of p itself; of log p it is that divided by p"
            if (found - (right + p)).abs().max() < 1e-6:
                return "that is the one-hot alone: raising all logits by the same amount must change nothing"
            return "not the slope of log p; write log p as its logit minus the log of a sum, and differentiate"
    return None


def exercise_2(best_baseline: Callable[[Tensor, Tensor, Tensor], Tensor | float]) -> str | None:
    """The baseline with the least variance: the mean reward, weighted with the squared norms of the scores."""
    draw = torch.Generator().manual_seed(10)
    for _ in range(2):
        p, reward, norm2 = (torch.rand(5, generator=draw, dtype=torch.float64) + 0.1 for _ in range(3))
        p = p / p.sum()
        found = float(called(best_baseline, p, reward, norm2))
        right = ((p * reward * norm2).sum() / (p * norm2).sum()).item()
        if abs(found - right) > 1e-6:
            near = {
                "that is the mean reward, which is good, but not the best: weigh with the squared norms": p @ reward,
                "the texts come with probability p: weigh with it too": reward @ norm2 / norm2.sum(),
                "divide by the sum of the weights": p * reward @ norm2,
            }
            for hint, value in near.items():
                if abs(found - value.item()) < 1e-6:
                    return hint
            return f"{found:.3f} is not the minimum; differentiate the sum of p (r - b)² |g|² by b, and set it to 0"
    return None


def exercise_3(verdicts: Callable[[int, int, int], int]) -> str | None:
    """How many texts D reads for one update of G: n ((L - 1) R + 1)."""
    for n, length, copies in ((64, 20, 16), (10, 3, 1), (1, 2, 5)):
        right = n * ((length - 1) * copies + 1)
        found = called(verdicts, n, length, copies)
        if found != right:
            hints = {
                n * length * copies: "; after the last token nothing is left to complete: one verdict is enough",
                n * (length - 1) * copies: "; the whole text is judged too, once",
                n * (length * copies + 1): "; there are L - 1 beginnings to complete, not L",
                (length - 1) * copies + 1: "; that is for one text, and there are n",
            }
            about = f"{n} texts of {length} tokens with {copies} rollouts"
            return f"{about} are {right} verdicts, not {found}{hints.get(found, '')}"
    return None


def exercise_4(tempered: Callable[[Tensor, float], Tensor]) -> str | None:
    """Probabilities at a temperature: powers of 1 / temperature, made to sum to 1."""
    p = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    for temperature in (0.5, 2.0, 1.0):
        powers = p ** (1 / temperature)
        right = powers / powers.sum()
        found = called(tempered, p, temperature)
        if tuple(found.shape) != (3,):
            return f"the answer has shape {tuple(found.shape)}, not (3,)"
        if (found - right).abs().max() < 1e-6:
            continue
        if (found - powers).abs().max() < 1e-6:
            return "these do not sum to 1: divide by their sum"
        if (found - p**temperature / (p**temperature).sum()).abs().max() < 1e-6:
            return "the wrong way round: a low temperature has to make the likely likelier"
        if (found - (p / temperature).softmax(0)).abs().max() < 1e-6:
            return "the temperature divides logits, and log p are logits; p are not"
        return f"at temperature {temperature} the first probability is {right[0]:.3f}, not {found[0]:.3f}"
    return None
