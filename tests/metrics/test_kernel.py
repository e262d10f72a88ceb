import math

import numpy as np
import pytest
import torch

from gan_tutorial.errors import InputError
from gan_tutorial.metrics import kernel
from gan_tutorial.metrics.kernel import kid, polynomial_mmd


def by_hand(x, y, degree):
    """The formula of the published implementations: sums over the kernel without its diagonal."""
    d = x.shape[1]
    xx, yy, xy = ((a @ b.T / d + 1) ** degree for a, b in ((x, x), (y, y), (x, y)))
    m, n = len(x), len(y)
    within = (xx.sum() - np.trace(xx)) / (m * (m - 1)) + (yy.sum() - np.trace(yy)) / (n * (n - 1))
    return within - 2 * xy.mean()


@pytest.mark.parametrize("degree", [1, 3])
def test_matches_the_formula_in_blocks_too(degree, monkeypatch):
    rng = torch.Generator().manual_seed(0)
    x, y = torch.randn(50, 6, generator=rng), torch.randn(37, 6, generator=rng) + 0.5
    expected = by_hand(x.double().numpy(), y.double().numpy(), degree)
    assert polynomial_mmd(x, y, degree) == pytest.approx(expected, rel=1e-10)
    monkeypatch.setattr(kernel, "BLOCK", 16)
    assert polynomial_mmd(x, y, degree) == pytest.approx(expected, rel=1e-10)


def test_subsets_hold_no_sample_twice_and_all_of_them_give_the_whole():
    rng = torch.Generator().manual_seed(0)
    x, y = torch.randn(40, 6, generator=rng), torch.randn(40, 6, generator=rng) + 1
    whole = kid(x, y, subsets=3)
    assert whole.mean == pytest.approx(by_hand(x.double().numpy(), y.double().numpy(), 3), rel=1e-10)
    assert whole.std == pytest.approx(0, abs=1e-12)
    parts = kid(x, y, subsets=200, size=10)
    assert parts.mean == pytest.approx(whole.mean, abs=5 * parts.std / 200**0.5)
    assert parts.std > 0.1
    assert kid(x, y, subsets=5, size=10) == kid(x, y, subsets=5, size=10)
    assert kid(x, y, subsets=5, size=10) != kid(x, y, subsets=5, size=10, seed=1)
    assert kid(x, y, subsets=1, size=10).std == 0


def test_a_closed_form_of_gaussians():
    """With degree 1 the discrepancy is |m - n|^2 / d, the distance of the means."""
    rng = torch.Generator().manual_seed(0)
    found = [
        polynomial_mmd(torch.randn(200, 4, generator=rng), torch.randn(200, 4, generator=rng) + 1, 1) for _ in range(50)
    ]
    assert sum(found) / 50 == pytest.approx(1, abs=0.03)


def test_a_perfect_generator_gets_zero_whatever_the_number_of_samples():
    rng = torch.Generator().manual_seed(0)
    for n in (10, 100):
        found = torch.tensor([polynomial_mmd(*torch.randn(2, n, 8, generator=rng)) for _ in range(200)])
        assert abs(found.mean()) < 4 * found.std() / 200**0.5
        assert (found < 0).any()


def test_fewer_samples_than_features_identical_samples_and_nan():
    rng = torch.Generator().manual_seed(0)
    assert kid(*torch.randn(2, 4, 64, generator=rng)).mean < 1
    same = torch.ones(9, 3)
    assert kid(same, same).mean == pytest.approx(0, abs=1e-12)
    bad = torch.ones(9, 3)
    bad[2, 1] = math.nan
    assert all(math.isnan(value) for value in kid(same, bad))
    assert all(math.isnan(value) for value in kid(bad * math.inf, same, subsets=1))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: kid(x[:1], x), r"real: \(1, 2\)"),
        (lambda x: kid(x, x[:1]), r"fake: \(1, 2\)"),
        (lambda x: kid(x, x[:, :1]), "as many columns as the real ones, 2"),
        (lambda x: kid(x[:, 0], x), "real: "),
        (lambda x: kid(x, x, size=10), "size: 10"),
        (lambda x: kid(x, x, size=1), "size: 1"),
        (lambda x: kid(x, x, subsets=0), "subsets: 0"),
        (lambda x: kid(x, x, degree=0), "degree: 0"),
        (lambda x: polynomial_mmd(x, x, 1.5), "degree: 1.5"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message) as error:
        call(torch.randn(9, 2))
    assert "\n" not in str(error.value)
