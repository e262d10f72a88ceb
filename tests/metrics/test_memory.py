import math

import pytest
import torch
from scipy import stats

from gan_tutorial.errors import InputError
from gan_tutorial.metrics.memory import authenticity, memorisation


def draw(n, d, seed):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def test_memorisation_by_hand():
    real = torch.tensor([[0.0], [10.0]])
    fake = torch.tensor([[0.1], [10.0], [7.0]])  # 0.1, 0, 3 away
    held_out = torch.tensor([[1.0], [8.0], [7.0]])  # 1, 2, 3 away
    found = memorisation(real, fake, held_out)
    assert found.nearer == pytest.approx((3 + 3 + 0.5) / 9)
    assert found.p_value == pytest.approx(stats.mannwhitneyu([0.1, 0, 3], [1, 2, 3], alternative="less").pvalue)


def test_copies_raise_memorisation_and_blur_lowers_it():
    real, held_out, fresh = draw(400, 4, 0), draw(300, 4, 1), draw(300, 4, 2)
    fair = memorisation(real, fresh, held_out)
    assert fair.nearer == pytest.approx(0.5, abs=0.1)
    assert fair.p_value > 1e-3
    copies = memorisation(real, real[:300] + 0.01 * fresh, held_out)
    assert copies.nearer > 0.95
    assert copies.p_value < 1e-20
    assert memorisation(real, 2 * fresh, held_out).nearer < 0.3
    assert memorisation(real, torch.full((9, 4), math.nan), held_out).nearer == 0


def test_authenticity_by_hand():
    real = torch.tensor([[0.0], [1.0], [5.0]])  # nearest fellows at 1, 1, 4
    fake = torch.tensor([[-0.9], [-1.1], [5.0], [8.0], [9.5], [math.nan]])
    assert authenticity(real, fake) == pytest.approx(3 / 6)  # -1.1, 9.5 and what is not finite


@pytest.mark.parametrize(("d", "mutual"), [(1, 2 / 3), (2, 6 * math.pi / (8 * math.pi + 3 * math.sqrt(3)))])
def test_a_perfect_generator_has_the_share_of_points_that_are_not_each_other_s_nearest(d, mutual):
    """A fresh point is a copy if it and its nearest are each other's: with that chance two neighbours are (Pickard)."""
    found = [authenticity(draw(1000, d, 2 * s), draw(2000, d, 2 * s + 1)) for s in range(10)]
    assert sum(found) / 10 == pytest.approx(1 - mutual, abs=0.015)


def test_copies_are_not_authentic_even_of_what_is_there_twice():
    real = draw(50, 3, 0)
    assert authenticity(real, real) == 0
    assert authenticity(real.repeat(2, 1), real) == 0
    assert authenticity(real, real + 100) == 1
    assert authenticity(torch.ones(9, 3), torch.ones(4, 3)) == 0  # identical samples


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: authenticity(x[:1], x), r"\(1, 2\)"),
        (lambda x: authenticity(x, x[:, :1]), "fake: .*as many columns as the real ones, 2"),
        (lambda x: authenticity(x * math.nan, x), "finite values only"),
        (lambda x: authenticity(x[:, 0], x), "real: "),
        (lambda x: memorisation(x, x, x[:0]), "held_out: "),
        (lambda x: memorisation(x, x[:0], x), "fake: "),
        (lambda x: memorisation(x, x, x * math.inf), "held_out: .*finite values only"),
        (lambda x: memorisation(x, x, x[:, :1]), "held_out: .*as many columns"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message) as error:
        call(torch.ones(9, 2))
    assert "\n" not in str(error.value)
