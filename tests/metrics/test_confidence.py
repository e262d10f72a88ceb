import math

import pytest
import torch

from gan_tutorial.errors import InputError
from gan_tutorial.metrics.confidence import Interval, bootstrap
from gan_tutorial.metrics.manifold import precision_recall


def mean(x):
    return x.mean().item()


def draw(n, d=1, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("halves", [False, True])
def test_the_interval_of_a_mean_has_its_known_width(halves):
    x = draw(400)
    found = bootstrap(mean, x, n=1000, halves=halves)
    assert found.value == mean(x)
    assert found.low < found.value < found.high
    assert found.high - found.low == pytest.approx(2 * 1.96 * x.std().item() / 20, rel=0.1)


@pytest.mark.parametrize("halves", [False, True])
def test_as_often_as_it_says_the_truth_is_inside(halves):
    found = [bootstrap(mean, draw(60, seed=s), n=100, level=0.8, halves=halves, seed=s) for s in range(200)]
    inside = sum(x.low <= 0 <= x.high for x in found) / 200
    assert inside == pytest.approx(0.8, abs=0.1)


def test_of_neighbours_halves_are_nearer_to_the_true_spread():
    sets = [draw(128, 8, s).split(64) for s in range(40)]
    truth = torch.tensor([precision_recall(*pair).recall for pair in sets]).std().item()
    widths = {}
    for halves in (False, True):
        found = [bootstrap(precision_recall, *pair, n=40, halves=halves)[1] for pair in sets[:8]]
        widths[halves] = sum(x.high - x.low for x in found) / 8 / (2 * 1.96)
    assert abs(widths[True] / truth - 1) < abs(widths[False] / truth - 1)


def test_arrays_are_drawn_on_their_own_and_by_the_seed():
    x = draw(50)

    def apart(a, b):
        return (a - b).square().mean().item()

    found = bootstrap(apart, x, x)
    assert found.value == 0
    assert found.high > found.low
    assert bootstrap(apart, x, x) == found
    assert bootstrap(apart, x, x, seed=1) != found


def test_several_numbers_have_several_intervals():
    found = bootstrap(lambda x: (mean(x), 7), draw(50))
    assert found[0] == bootstrap(mean, draw(50))
    assert found[1] == Interval(7, 7, 7)


def test_identical_samples_have_no_width_and_nan_stays_nan():
    assert bootstrap(mean, torch.ones(9, 2)) == (1, 1, 1)
    assert all(math.isnan(value) for value in bootstrap(mean, torch.tensor([[math.nan], [1.0]])))
    some = torch.ones(9, 1)
    some[0] = math.nan
    assert math.isnan(bootstrap(mean, some).low)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 5}, "n: 5"),
        ({"level": 1.0}, "level: 1.0"),
        ({"level": 95}, "level: 95"),
        ({"x": torch.ones(3, 1), "halves": True}, "4 or more rows"),
        ({"x": torch.ones(0, 1)}, "1 or more rows"),
        ({"x": torch.tensor(1.0)}, "1 or more rows"),
    ],
)
def test_bad_input(options, message):
    with pytest.raises(InputError, match=message) as error:
        bootstrap(mean, options.pop("x", torch.ones(9, 1)), **options)
    assert "\n" not in str(error.value)


def test_without_arrays_there_is_nothing_to_draw():
    with pytest.raises(InputError, match="arrays: 'none'"):
        bootstrap(lambda: 1.0)


def test_what_the_metric_raises_is_raised():
    with pytest.raises(InputError, match="real: "):
        bootstrap(precision_recall, draw(6, 2), draw(20, 2), halves=True)  # three rows are too few for k = 3
