"""Can a classifier tell fakes from real samples? A test with a p-value."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from gan_tutorial.errors import require, require_integer, unknown
from gan_tutorial.metrics.manifold import nearest


class TwoSample(NamedTuple):
    """accuracy: the share of held-out samples that are told right, 0.5 for a perfect generator. p_value: how often a
    coin would do as well or better."""

    accuracy: float
    p_value: float


def two_sample_test(
    real: Tensor, fake: Tensor, *, classifier: str = "logistic", folds: int = 5, seed: int = 0
) -> TwoSample:
    """The classifier two-sample test (Lopez-Paz and Oquab 2017): a fresh classifier learns real from fake on all folds
    but one and answers for that one, in turns.

    If there are more samples of a kind, a random part of them is left out, so that guessing gets 0.5. Accuracy tells
    how far apart the two are; the p-value only whether they are: with enough samples any generator is found out.

    The p-value is that of a binomial test, as if each answer were a toss of its own. Over folds they are not quite, and
    it is too small: of 400 pairs of sets of one distribution (200 points each, 8 dimensions), 38 had p < 0.05 with
    "logistic" and 34 with "neighbour", where 20 are due. So ask for 0.01, or compare accuracies with real against real.

    Args:
        real: (N, D) features.
        fake: (M, D) features.
        classifier: "logistic", a logistic regression, sees shifts; "neighbour" asks which kind the nearest sample is of
            (1-NN): it also sees spread, gaps and copies. Copies of the training set have accuracies far below 0.5.
        folds: 2 or more, at most N and M.
        seed: of the folds.

    Returns NaN for both if any feature is not finite. Raises InputError for other shapes and ranges.
    """
    from scipy import stats  # takes a second to import, and most who use this package never need it

    if classifier not in ("logistic", "neighbour"):
        raise unknown("classifier", classifier, ("logistic", "neighbour"))
    for name, x in (("real", real), ("fake", fake)):
        require(x.dim() == 2 and len(x) > 1 and x.shape[1] > 0, name, tuple(x.shape), "(N, D) with N >= 2")
    width = real.shape[1]
    require(fake.shape[1] == width, "fake", tuple(fake.shape), f"as many columns as the real ones, {width}")
    n = min(len(real), len(fake))
    require_integer("folds", folds, 2, n)
    rng = torch.Generator().manual_seed(seed)
    chosen = [x.detach().cpu().double()[torch.randperm(len(x), generator=rng)[:n]] for x in (real, fake)]
    x, kind = torch.cat(chosen), torch.arange(2).repeat_interleave(n)
    if not torch.isfinite(x).all():
        return TwoSample(math.nan, math.nan)
    fold = (torch.arange(n) % folds).repeat(2)  # as many of each kind in every fold
    right = 0
    for held_out in range(folds):
        test = fold == held_out
        answer = (_logistic if classifier == "logistic" else _neighbour)(x[~test], kind[~test], x[test])
        right += int((answer == kind[test]).sum())
    return TwoSample(right / (2 * n), float(stats.binomtest(right, 2 * n, alternative="greater").pvalue))


def _logistic(x: Tensor, kind: Tensor, test: Tensor) -> Tensor:
    from sklearn.linear_model import LogisticRegression

    mean, std = x.mean(0), x.std(0)
    std = torch.where(std > 0, std, 1.0)
    fitted = LogisticRegression(max_iter=1000).fit(((x - mean) / std).numpy(), kind.numpy())
    return torch.from_numpy(fitted.predict(((test - mean) / std).numpy()))


def _neighbour(x: Tensor, kind: Tensor, test: Tensor) -> Tensor:
    return kind[nearest(test, x)[0][:, 0]]
