import math

import pytest
import torch

from gan_tutorial import data
from gan_tutorial.errors import InputError
from gan_tutorial.metrics.modes import class_counts, mode_counts, mode_coverage, mode_kl, stacked_classes

MODES = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])


def test_counts_by_hand():
    samples = torch.tensor([[0.1, 0.0], [0.0, 0.29], [4.0, 0.31], [2.0, 2.0]])
    assert mode_coverage(samples, MODES, 0.1) == (1, 0.5)
    samples[2, 1] = 0.29
    assert mode_coverage(samples, MODES, 0.1) == (2, 0.75)


def test_real_samples_reach_all_modes_and_the_closed_form_share():
    ring = data.load("ring-8")
    reached, share = mode_coverage(ring.sample(20_000, torch.Generator().manual_seed(0)).x, ring.modes, ring.std)
    assert reached == 8
    assert share == pytest.approx(1 - math.exp(-4.5), abs=0.004)  # five standard errors


def test_nan_is_near_nothing():
    assert mode_coverage(torch.full((3, 2), math.nan), MODES, 0.1) == (0, 0.0)


@pytest.mark.parametrize(
    ("samples", "std", "message"),
    [
        (torch.zeros(3, 3), 0.1, "samples, modes"),
        (torch.zeros(3), 0.1, "samples, modes"),
        (torch.zeros(0, 2), 0.1, "at least one sample"),
        (torch.zeros(3, 2), 0.0, "std: 0.0 is not allowed"),
    ],
)
def test_bad_input(samples, std, message):
    with pytest.raises(InputError, match=message):
        mode_coverage(samples, MODES, std)


def test_counts_of_modes_and_classes():
    samples = torch.tensor([[0.1, 0.0], [0.0, 0.1], [4.0, 0.1], [2.0, 2.0], [math.nan, 0.0]])
    assert mode_counts(samples, MODES, 0.1).tolist() == [2, 1, 0]
    assert class_counts(torch.tensor([2, 0, 2, -1]), 4).tolist() == [1, 0, 2, 0]
    assert class_counts(torch.tensor([-1]), 2).tolist() == [0, 0]
    assert stacked_classes(torch.tensor([[0, 0, 7], [9, 8, 1], [1, -1, 1]])).tolist() == [7, 981, -1]


def test_kl_by_hand():
    p, q = [0.5, 0.25, 0.25], [0.25, 0.5, 0.25]
    expected = sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
    assert mode_kl(torch.tensor([4, 2, 2]), torch.tensor([100, 200, 100])) == pytest.approx(expected)
    assert mode_kl(torch.tensor([4, 2, 2]), torch.tensor(q)) == pytest.approx(expected)
    assert mode_kl(torch.tensor([5, 5, 5])) == 0
    assert mode_kl(torch.tensor([9, 0, 0])) == pytest.approx(math.log(3))  # one class
    assert mode_kl(torch.tensor([1, 1]), torch.tensor([1, 0])) == math.inf
    assert math.isnan(mode_kl(torch.zeros(3).long()))  # all are near no mode


def test_kl_of_a_perfect_generator_is_the_documented_one():
    rng = torch.Generator().manual_seed(0)
    found = [mode_kl(class_counts(torch.randint(20, (2000,), generator=rng), 20)) for _ in range(200)]
    assert sum(found) / 200 == pytest.approx(19 / 4000, rel=0.1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: class_counts(torch.tensor([3]), 3), "classes: 3 .*below 3"),
        (lambda: class_counts(torch.tensor([1.0]), 3), "classes: 'torch.float32"),
        (lambda: class_counts(torch.zeros(0).long(), 3), "classes: "),
        (lambda: class_counts(torch.tensor([1]), 0), "k: 0"),
        (lambda: stacked_classes(torch.tensor([[10, 1, 1]])), "digits: 10"),
        (lambda: stacked_classes(torch.tensor([1, 1])), "digits: "),
        (lambda: mode_kl(torch.ones(2, 2)), r"counts: \(2, 2\)"),
        (lambda: mode_kl(torch.ones(2), torch.ones(3)), r"real: \(3,\)"),
        (lambda: mode_kl(torch.tensor([-1.0, 2.0])), "counts: -1.0"),
        (lambda: mode_kl(torch.tensor([math.nan, 2.0])), "counts: nan"),
        (lambda: mode_kl(torch.ones(2), torch.zeros(2)), "real: 'only zeros'"),
    ],
)
def test_bad_counts(call, message):
    with pytest.raises(InputError, match=message) as error:
        call()
    assert "\n" not in str(error.value)
