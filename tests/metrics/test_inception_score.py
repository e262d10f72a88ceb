import math

import pytest
import torch

from gan_tutorial.errors import InputError
from gan_tutorial.metrics.confidence import bootstrap
from gan_tutorial.metrics.inception_score import inception_score


def test_scores_that_are_known():
    sure = torch.eye(6).repeat(5, 1)
    assert inception_score(sure) == pytest.approx(6)
    assert inception_score(sure[[0, 1, 6, 7]]) == pytest.approx(2)
    assert inception_score(sure[::6]) == pytest.approx(1)
    assert inception_score(torch.full((9, 6), 1 / 6)) == pytest.approx(1)
    p = torch.tensor([[0.7, 0.3], [0.2, 0.8]])
    q = [0.45, 0.55]
    kl = sum(a * math.log(a / b) for row in p.tolist() for a, b in zip(row, q, strict=True)) / 2
    assert inception_score(p) == pytest.approx(math.exp(kl), rel=1e-6)
    assert math.isnan(inception_score(torch.tensor([[0.5, 0.5], [math.nan, 1]])))


def test_splits_are_parts_in_order():
    p = torch.randn(50, 4, generator=torch.Generator().manual_seed(0)).mul(3).softmax(1)
    assert inception_score(p, 5) == pytest.approx(sum(inception_score(part) for part in p.split(10)) / 5)
    sorted_by_class = torch.eye(3).repeat_interleave(4, 0)
    assert inception_score(sorted_by_class, 3) == pytest.approx(1)


def test_an_interval_is_drawn_about_it():
    p = torch.randn(200, 4, generator=torch.Generator().manual_seed(0)).mul(3).softmax(1)
    found = bootstrap(inception_score, p, n=50)
    assert found.value == inception_score(p)
    assert 0 < found.high - found.low < 0.5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: inception_score(torch.full((3, 2), 0.5), 4), "splits: 4"),
        (lambda: inception_score(torch.zeros(3)), "probabilities: "),
        (lambda: inception_score(torch.zeros(3, 2)), "rows that sum to 1"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message) as error:
        call()
    assert "\n" not in str(error.value)
