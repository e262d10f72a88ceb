import math

import numpy as np
import pytest
import torch
from sklearn.metrics import pairwise_distances
from torch.utils._python_dispatch import TorchDispatchMode

from gan_tutorial import data
from gan_tutorial.errors import InputError
from gan_tutorial.metrics import manifold, real_against_real
from gan_tutorial.metrics.manifold import Manifold, density_coverage, nearest, nearest_others, precision_recall


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


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


def reference(real, fake, k):
    """Precision, recall, density and coverage as the package prdc computes them: all distances, strictly less."""
    within = [np.sort(pairwise_distances(x, metric="euclidean"), 1)[:, k] for x in (real, fake)]
    between = pairwise_distances(real, fake, metric="euclidean")
    in_real = between < within[0][:, None]
    precision, recall = in_real.any(0).mean(), (between < within[1]).any(1).mean()
    return precision, recall, in_real.sum(0).mean() / k, (between.min(1) < within[0]).mean()


@pytest.fixture(params=["as it is", "coarse"])
def precisions(request, monkeypatch):
    """Also with bounds in bfloat16, whatever the width and the CPU."""
    if request.param == "coarse":
        usual = manifold._precisions
        monkeypatch.setattr(
            manifold, "_precisions", lambda x: (torch.bfloat16, *(p for p in usual(x) if p != torch.bfloat16))
        )


def test_coarse_bounds_are_for_wide_features_where_a_cpu_has_a_unit_for_them(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True, raising=False)
    assert manifold._precisions(torch.zeros(1, 512)) == (torch.bfloat16, torch.float32, torch.float64)
    assert manifold._precisions(torch.zeros(1, 511)) == (torch.float32, torch.float64)
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported")
    assert manifold._precisions(torch.zeros(1, 512)) == (torch.float32, torch.float64)


@pytest.mark.parametrize("shift", [0.0, 5.0])
@pytest.mark.parametrize(
    ("make", "how", "width"),
    [(manifold._Bounds, torch.float32, 1e-3), (manifold._Coarse, False, 0.06), (manifold._Coarse, True, 0.03)],
)
def test_squared_distances_lie_between_the_bounds(make, how, width, shift):
    """Close, correlated, and far apart; what the errors are made of comes out at its largest where all signs agree."""
    x = torch.cat([torch.randn(60, 700), torch.rand(60, 700) + shift, 1 + torch.rand(20, 700) * 2**-9])
    y = torch.cat([x[::2] + 1e-3 * torch.randn(70, 700), 100 * torch.randn(10, 700), torch.full((5, 700), 1 + 2**-8)])
    bounds = make(x, y, how)
    low = bounds.lower(slice(0, len(x)), slice(0, len(y))).double()
    i, j = torch.cartesian_prod(torch.arange(len(x)), torch.arange(len(y))).T
    exact = torch.cdist(x.double(), y.double(), compute_mode="donot_use_mm_for_euclid_dist").square() / bounds.scale**2
    high = bounds.upper(low.flatten(), i, j).view_as(low)
    assert bool((low <= exact).all())
    assert bool((exact <= high).all())
    largest = (x.double().square().sum(1).max() + y.double().square().sum(1).max()) / bounds.scale**2
    assert (high - low).max() < width * largest


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("n", "m", "dims", "k"), [(1500, 1300, 64, 5), (1100, 1500, 2, 3), (300, 200, 600, 1)])
def test_equals_prdc_exactly(n, m, dims, k, dtype, precisions):
    real, fake = torch.randn(n, dims, dtype=dtype), 1.02 * torch.randn(m, dims, dtype=dtype) + 0.02
    precision, recall, density, coverage = reference(real.numpy(), fake.numpy(), k)
    both, spread = Manifold(real, k).measure(fake)
    assert both == (precision, recall)
    assert spread.density == pytest.approx(density, rel=1e-12)
    assert round(spread.density * k * m) == round(density * k * m)
    assert spread.coverage == coverage
    assert precision_recall(real, fake, k) == both
    assert density_coverage(real, fake, k) == spread


def differences(real, fake, k):
    """The same from differences in float64, and with a ball's own centre inside."""
    unit = 2.0 ** math.frexp(max(real.abs().max().item(), fake.abs().max().item()))[1]
    x, y = real.double() / unit, fake.double() / unit
    own = [(z[:, None] - z).square().sum(2).sort(1).values[:, k] for z in (x, y)]
    between = (x[:, None] - y).square().sum(2)
    edge = [r.to(real.dtype).sqrt() for r in own]
    in_real = (between.to(real.dtype).sqrt() < edge[0][:, None]) | (between == 0)
    in_fake = (between.to(real.dtype).sqrt() < edge[1]) | (between == 0)
    means = [found.double().mean().item() for found in (in_real.any(0), in_fake.any(1), in_real.any(1))]
    return [*means[:2], in_real.sum().item() / (k * len(y)), means[2]]


def close_clusters(noise, dims):
    centres = torch.randn(4, dims)
    return tuple(centres[torch.randint(4, (150,))] + noise * torch.randn(150, dims) for _ in range(2))


@pytest.mark.parametrize("matmul", ["highest", "medium"])
@pytest.mark.parametrize(
    "sets",
    [
        lambda: close_clusters(1e-2, 64),
        lambda: close_clusters(1e-5, 64),  # too close for products in float32
        lambda: tuple(x.double() for x in close_clusters(1e-5, 8)),
        lambda: tuple(1 + 1e-9 * torch.randn(2, 100, 3, dtype=torch.float64)),  # and for those in float64
        lambda: tuple(torch.randn(2, 150, 8) + 1e4),
        lambda: tuple(torch.randn(2, 150, 8) * 1e-25),
        lambda: tuple(torch.randn(2, 150, 8) * 1e25),
        lambda: tuple(torch.randint(3, (2, 150, 3)).float()),  # copies and ties
        lambda: (torch.randn(150, 8), torch.zeros(150, 8)),
        lambda: (torch.zeros(150, 8), torch.randn(150, 8)),
        lambda: (torch.ones(150, 8), torch.ones(150, 8)),
    ],
)
def test_no_distance_is_lost_in_a_bound(sets, matmul, precisions, monkeypatch):
    monkeypatch.setattr(manifold, "BLOCK", 64)
    real, fake = sets()
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(matmul)
    try:
        both, spread = Manifold(real, 3).measure(fake)
        found = nearest(fake, real, 3)[1]
    finally:
        torch.set_float32_matmul_precision(before)
    assert [*both, *spread] == pytest.approx(differences(real, fake, 3), abs=1e-12)
    exact = (fake.float().double()[:, None] - real.float().double()).square().sum(2).sort(1).values[:, :3].sqrt()
    torch.testing.assert_close(found, exact.float(), rtol=1e-6, atol=0)


def test_a_perfect_generator_has_the_density_and_coverage_of_the_paper():
    n, k = 400, 5
    runs = [density_coverage(torch.randn(n, 6), torch.randn(n, 6), k) for _ in range(20)]
    expected = 1 - math.prod((n - i) / (2 * n - i) for i in range(1, k + 1))  # equation 9
    assert expected == pytest.approx(1 - 2**-k, abs=2e-3)
    assert sum(run.coverage for run in runs) / 20 == pytest.approx(expected, abs=0.01)
    assert sum(run.density for run in runs) / 20 == pytest.approx(1, abs=0.05)


def test_density_and_coverage_know_copies_collapse_and_outliers():
    real = torch.randn(200, 4)
    assert density_coverage(real, real) == (1.0, 1.0)
    assert density_coverage(real, real[:1].expand(200, 4)).coverage < 0.1
    assert density_coverage(real, real + 1000) == (0.0, 0.0)
    far = torch.cat([real, torch.full((1, 4), 50.0)])  # one outlier's ball is wide: recall's weakness, not coverage's
    spread = Manifold(real).measure(far[-50:])
    assert spread[1].coverage < 0.7
    assert density_coverage(real, torch.full((9, 4), math.nan)) == (0.0, 0.0)
    assert density_coverage(real, real[:1], k=3).density <= 200 / 3  # a single fake is enough


def test_identical_samples_have_the_documented_values():
    same = torch.ones(20, 3)
    assert Manifold(same).measure(same) == ((1.0, 1.0), (20 / 3, 1.0))
    assert Manifold(same).measure(same + 1) == ((0.0, 0.0), (0.0, 0.0))


def test_memory_is_bounded_by_blocks(monkeypatch):
    monkeypatch.setattr(manifold, "BLOCK", 128)
    monkeypatch.setattr(manifold, "EXACT", 4096)
    largest = [0]

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            largest[0] = max(largest[0], out.numel() if isinstance(out, torch.Tensor) else 0)
            return out

    real, fake = torch.randn(2, 1000, 6)
    with Watch():
        Manifold(real).measure(fake)
        nearest(fake, real, 3)
    assert 0 < largest[0] < 1000 * 20  # (D + 2) numbers a sample, or what is kept of it; all distances would be 1000^2


def test_nearest_others_leaves_the_sample_itself_out():
    x = torch.tensor([[0.0], [1.0], [3.0], [3.0]])
    assert nearest_others(x, 2).tolist() == [[1.0, 3.0], [1.0, 2.0], [0.0, 2.0], [0.0, 2.0]]
    with pytest.raises(InputError, match=r"x: \(4, 1\) .*k = 4"):
        nearest_others(x, 4)
    with pytest.raises(InputError, match="finite values only"):
        nearest_others(x / 0)


def test_nearest_puts_what_is_not_finite_last():
    real = torch.tensor([[math.inf], [1.0], [1.0], [math.nan], [1.0], [0.0]])
    indices, distances = nearest(torch.tensor([[1.0]]), real, 5)
    assert sorted(indices[0, :3].tolist()) == [1, 2, 4]
    assert indices[0, 3:].tolist() == [5, 0]
    assert distances[0, :4].tolist() == [0, 0, 0, 1]
    assert distances[0, 4].isnan()
    assert nearest(torch.full((2, 1), math.nan), real, 2)[1].isnan().all()
    assert nearest(torch.ones(2, 1), torch.full((3, 1), math.nan), 2)[1].isnan().all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: precision_recall(torch.zeros(3, 2), torch.zeros(9, 2)), "real: "),
        (lambda: precision_recall(torch.zeros(9, 2), torch.zeros(3, 2)), "fake: "),
        (lambda: precision_recall(torch.zeros(9, 2), torch.zeros(9, 3)), "as many columns"),
        (lambda: precision_recall(torch.zeros(9), torch.zeros(9, 2)), "real: "),
        (lambda: precision_recall(torch.full((9, 2), math.nan), torch.zeros(9, 2)), "finite values only"),
        (lambda: precision_recall(torch.zeros(9, 2), torch.zeros(9, 2), 0), "k: 0"),
        (lambda: density_coverage(torch.zeros(5, 2), torch.zeros(9, 2)), r"real: \(5, 2\) .*N >= 6 \(k \+ 1, k = 5\)"),
        (lambda: density_coverage(torch.zeros(9, 2), torch.zeros(0, 2)), "fake: "),
        (lambda: density_coverage(torch.zeros(9, 0), torch.zeros(9, 0)), "real: "),
        (lambda: nearest(torch.zeros(2, 2), torch.zeros(3, 2), 4), "k: 4"),
        (lambda: nearest(torch.zeros(2, 3), torch.zeros(3, 2)), "queries, real"),
        (lambda: nearest(torch.zeros(2), torch.zeros(2)), "queries, real"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message) as error:
        call()
    assert "\n" not in str(error.value)
