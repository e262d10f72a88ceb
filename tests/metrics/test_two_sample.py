import math

import pytest
import torch
from scipy import stats

from gan_tutorial.errors import InputError
from gan_tutorial.metrics.two_sample import two_sample_test


def draw(n, d, seed, shift=0.0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed)) + shift


def test_a_shift_is_seen_as_well_as_the_best_rule_sees_it():
    """Two unit Gaussians `shift` apart are told by the sign along the line between them: accuracy Phi(shift / 2)."""
    found = two_sample_test(draw(2000, 4, 0), draw(2000, 4, 1, 0.5))
    best = stats.norm.cdf(0.5 * 4**0.5 / 2)
    assert found.accuracy == pytest.approx(best, abs=0.025)  # five standard errors
    assert found.p_value < 1e-30


def test_neighbours_see_spread_that_a_line_does_not():
    real, fake = draw(400, 2, 0), 0.3 * draw(400, 2, 1)
    assert two_sample_test(real, fake, classifier="neighbour").accuracy > 0.6
    assert two_sample_test(real, fake).accuracy < 0.58


def test_one_distribution_is_seldom_told_apart():
    for kind in ("logistic", "neighbour"):
        found = [two_sample_test(draw(60, 3, 2 * s), draw(60, 3, 2 * s + 1), classifier=kind) for s in range(40)]
        assert sum(x.accuracy for x in found) / 40 == pytest.approx(0.5, abs=0.04)
        assert sum(x.p_value < 0.01 for x in found) <= 4


def test_the_p_value_is_the_binomial_one():
    found = two_sample_test(draw(50, 3, 0), draw(70, 3, 1, 0.3))
    right = round(found.accuracy * 100)  # the 20 that are too many are left out
    assert found.p_value == pytest.approx(sum(math.comb(100, i) for i in range(right, 101)) / 2**100)


def test_the_seed_decides():
    real, fake = draw(50, 3, 0), draw(70, 3, 1, 0.3)
    assert two_sample_test(real, fake, seed=3) == two_sample_test(real, fake, seed=3)
    assert len({two_sample_test(real, fake, seed=s).accuracy for s in range(6)}) > 1


def test_copies_confuse_the_nearest_neighbour():
    real = draw(100, 4, 0)
    assert two_sample_test(real, real, classifier="neighbour", folds=10).accuracy < 0.2


def test_identical_samples_fewer_samples_than_features_and_nan():
    same = torch.ones(20, 3)
    assert two_sample_test(same, same).accuracy == pytest.approx(0.5, abs=0.5)
    assert two_sample_test(same, same + 1) == (1.0, pytest.approx(2**-40))
    assert two_sample_test(draw(10, 64, 0), draw(10, 64, 1)).p_value > 1e-3
    assert all(math.isnan(value) for value in two_sample_test(same, same * math.nan))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: two_sample_test(x[:1], x), r"real: \(1, 2\)"),
        (lambda x: two_sample_test(x, x[:, :1]), "as many columns as the real ones, 2"),
        (lambda x: two_sample_test(x, x, folds=10), "folds: 10"),
        (lambda x: two_sample_test(x, x, folds=1), "folds: 1"),
        (lambda x: two_sample_test(x, x, classifier="tree"), "classifier: 'tree'"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message) as error:
        call(torch.randn(9, 2))
    assert "\n" not in str(error.value)
