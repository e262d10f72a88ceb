import math

import pytest
import torch

from gan_tutorial import data
from gan_tutorial.errors import InputError
from gan_tutorial.metrics import Manifold, nearest, precision_recall, real_against_real


def by_hand(real, fake, k):
    """Equations 1 and 2, sample by sample."""

    def covered(points, support):
        count = 0
        for point in points:
            for i, centre in enumerate(support):
                others = sorted(math.dist(centre, other) for j, other in enumerate(support) if j != i)
                if math.dist(point, centre) <= others[k - 1]:
                    count += 1
                    break
        return count / len(points)

    return covered(fake, real), covered(real, fake)


@pytest.mark.parametrize(("n", "m", "dims", "k"), [(40, 40, 2, 3), (30, 50, 2, 1), (50, 25, 5, 5), (4, 4, 1, 3)])
def test_matches_the_definition(n, m, dims, k):
    real, fake = torch.randn(n, dims), 1.3 * torch.randn(m, dims) + 0.5
    expected = by_hand(real.tolist(), fake.tolist(), k)
    assert precision_recall(real, fake, k) == pytest.approx(expected)
    assert 0 < expected[0] <= 1


def test_repeated_samples_have_balls_of_no_size():
    """Four times one point: its third neighbour is itself, and only that very point is reached."""
    real = torch.tensor([[1.0, 1.0]] * 4 + [[5.0, 5.0]] * 4)
    fake = torch.tensor([[1.0, 1.0], [1.001, 1.0], [5.0, 5.0], [3.0, 3.0]])
    assert precision_recall(real, fake).precision == 0.5


def test_far_from_the_origin_nothing_is_lost():
    real, fake = torch.randn(60, 2), torch.randn(60, 2)
    real, fake = (real * 64).round() / 64, (fake * 64).round() / 64  # a shift by 512 is then exact
    assert precision_recall(real + 512, fake + 512) == precision_recall(real, fake)


def test_a_manifold_can_be_used_again():
    manifold, real = Manifold(torch.zeros(5, 2).uniform_(), k=2), torch.zeros(5, 2)
    assert manifold.precision_recall(real) == precision_recall(manifold.real, real, 2)
    assert manifold.precision_recall(manifold.real) == (1.0, 1.0)


def test_a_collapse_keeps_precision_and_spreading_keeps_recall():
    ring, generator = data.load("ring-8"), torch.Generator().manual_seed(0)
    real = Manifold(ring.sample(512, generator).x)
    sample = ring.sample(4096, generator)
    collapsed = real.precision_recall(sample.x[sample.labels == 0][:400])
    spread = real.precision_recall(ring.extent * (2 * torch.rand(512, 2, generator=generator) - 1))
    assert collapsed.precision > 0.9
    assert collapsed.recall == pytest.approx(1 / 8, abs=0.05)
    assert spread.precision < 0.1
    assert spread.recall > 0.9


def test_the_ceiling_is_the_documented_one():
    assert real_against_real(precision_recall, data.load("ring-8"), 512) == pytest.approx((0.96, 0.96), abs=0.02)
    assert real_against_real(precision_recall, data.load("grid-25"), 512) == pytest.approx((0.94, 0.94), abs=0.02)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_near_nothing(value):
    real = torch.randn(64, 2)
    fake = torch.randn(64, 2)
    whole = precision_recall(real, fake)
    bad = torch.cat([fake, torch.full((64, 2), value)])
    assert precision_recall(real, bad) == (whole.precision / 2, whole.recall)
    assert precision_recall(real, torch.full((64, 2), value)) == (0.0, 0.0)
    bad[3:64, 1] = value  # too few are left for balls
    assert precision_recall(real, bad).recall == 0.0


def test_nearest_by_hand():
    real = torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]])
    indices, distances = nearest(torch.tensor([[0.0, 0.0], [3.0, 3.0], [math.nan, 0.0]]), real, 2)
    assert indices[:2].tolist() == [[0, 2], [1, 2]]
    assert indices.dtype == torch.int64
    assert distances[:2].tolist() == [[0.0, 1.0], [1.0, pytest.approx(math.sqrt(13))]]
    assert distances[2].isnan().all()


def test_nearest_finds_images_themselves():
    digits = data.load("digits8", split="test")[:].x
    indices, distances = nearest(digits[10:14], digits, 1)
    assert indices.flatten().tolist() == [10, 11, 12, 13]
    assert not distances.any()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: precision_recall(torch.zeros(3, 2), torch.zeros(9, 2)), "real: "),
        (lambda: precision_recall(torch.zeros(9, 2), torch.zeros(3, 2)), "fake: "),
        (lambda: precision_recall(torch.zeros(9, 2), torch.zeros(9, 3)), "as many columns"),
        (lambda: precision_recall(torch.zeros(9), torch.zeros(9, 2)), "real: "),
        (lambda: precision_recall(torch.full((9, 2), math.nan), torch.zeros(9, 2)), "finite values only"),
        (lambda: precision_recall(torch.zeros(9, 2), torch.zeros(9, 2), 0), "k: 0"),
        (lambda: nearest(torch.zeros(2, 2), torch.zeros(3, 2), 4), "k: 4"),
        (lambda: nearest(torch.zeros(2, 3), torch.zeros(3, 2)), "queries, real"),
        (lambda: nearest(torch.zeros(2), torch.zeros(2)), "queries, real"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()
