"""The inception score of any classifier's answers."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gan_tutorial.errors import require, require_integer


def inception_score(probabilities: Tensor, splits: int = 1) -> float:
    """exp of the mean over samples of KL(p(y | x) || p(y)) (Salimans et al. 2016, section 4), from 1 to K.

    High if each sample is surely of one class and all classes are there. It compares with no real data: K equal
    samples, one a class, get K. Few samples make it smaller or larger than it is with many: compare equal numbers. An
    interval is `bootstrap(inception_score, probabilities)`.

    Args:
        probabilities: p(y | x), (N, K), rows that sum to 1. p(y) is their mean.
        splits: the mean of the scores of so many equal parts, in the order given: the paper has 10 of 5,000 samples
            each. 1 to N.

    Returns NaN if any probability is NaN. Raises InputError for another shape, for values below 0 and other sums.
    """
    p = probabilities.detach().double()
    shape = tuple(p.shape)
    require(len(shape) == 2 and min(shape) > 0, "probabilities", shape, "(N, K) with N >= 1")
    require_integer("splits", splits, 1, len(p))
    if torch.isnan(p).any():
        return math.nan
    sums = p.sum(1)
    right = bool((p >= 0).all() and (sums - 1).abs().max() < 1e-3)
    require(
        right, "probabilities", f"rows that sum to {sums.min():.4g}..{sums.max():.4g}", "p >= 0, rows that sum to 1"
    )
    scores = [(torch.xlogy(q, q) - torch.xlogy(q, q.mean(0))).sum(1).mean().exp() for q in p.tensor_split(splits)]
    return torch.stack(scores).mean().item()
