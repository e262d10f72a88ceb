import math

import numpy as np
import pytest
import torch

from gan_tutorial import data
from gan_tutorial.errors import InputError
from gan_tutorial.metrics import histogram_divergences, real_against_real


def by_hand(real, fake, extent, cells):
    """The definition, with numpy's histogram of the points inside."""
    edges = np.linspace(-extent, extent, cells + 1)
    counts = []
    for points in (real.double().numpy(), fake.double().numpy()):
        inside = np.histogram2d(*points.T, bins=(edges, edges))[0].ravel()
        counts.append(np.append(inside, len(points) - inside.sum()))
    p, q = ((count + 0.5) / (count + 0.5).sum() for count in counts)
    kl = float((p * np.log(p / q)).sum())
    p, q = (count / count.sum() for count in counts)
    middle = (p + q) / 2
    js = sum(0.5 * float((a[a > 0] * np.log(a[a > 0] / middle[a > 0])).sum()) for a in (p, q))
    return kl, js


@pytest.mark.parametrize("cells", [1, 7, 20])
def test_matches_the_definition(cells):
    real, fake = torch.randn(300, 2), 1.5 * torch.randn(500, 2) + 0.3  # many lie outside
    found = histogram_divergences(real, fake, 1.7, cells)
    assert found == pytest.approx(by_hand(real, fake, 1.7, cells), rel=1e-12)
    assert found.kl > 0 < found.js


def test_one_cloud_against_itself_is_zero():
    real = torch.randn(300, 2)
    assert histogram_divergences(real, real.flip(0), 2.0) == (0.0, 0.0)


def test_closed_form_of_two_cells():
    """Three points in four inside and the last outside, against the reverse: Bernoulli distributions."""
    real = torch.tensor([[0.0, 0.0]] * 3 + [[9.0, 0.0]])
    fake = torch.tensor([[0.0, 0.0]] + [[9.0, 0.0]] * 3)
    kl, js = histogram_divergences(real, fake, 1.0, cells=1)
    p = 3.5 / 5  # half a point more in each of two cells
    assert kl == pytest.approx((2 * p - 1) * math.log(p / (1 - p)))
    assert js == pytest.approx(math.log(2) + 0.75 * math.log(0.75) + 0.25 * math.log(0.25))


@pytest.mark.parametrize("away", [7.0, -1e30, math.inf, math.nan])
def test_points_outside_count_as_outside(away):
    """A generator that fled shares nothing with a cloud in the centre, however it fled."""
    real = 0.01 * torch.randn(256, 2)
    assert histogram_divergences(real, torch.full((256, 2), away), 1.0).js == pytest.approx(math.log(2))
    beside = torch.stack([torch.zeros(256), torch.full((256,), away)], 1)  # one coordinate is enough
    assert histogram_divergences(real, beside, 1.0).js == pytest.approx(math.log(2))


def test_the_border_is_inside():
    corner, near = torch.full((10, 2), 2.0), torch.full((10, 2), 1.99)
    assert histogram_divergences(corner, near, 2.0) == (0.0, 0.0)
    assert histogram_divergences(-corner, -near, 2.0) == (0.0, 0.0)


def test_float32_rounding_at_a_cells_edge_stays_in_the_grid():
    extent = 2.42
    x = torch.nextafter(torch.tensor(extent), torch.tensor(0.0))
    points = torch.stack([torch.full((5,), x.item()), torch.linspace(-x.item(), x.item(), 5)], 1)
    kl, js = histogram_divergences(points, points, extent, cells=1000)
    assert (kl, js) == (0.0, 0.0)


def test_more_cost_for_worse_generators():
    ring, generator = data.load("ring-8"), torch.Generator().manual_seed(0)
    real, other = ring.sample(1024, generator).x, ring.sample(1024, generator).x
    many = ring.sample(4096, generator)
    fakes = [
        other,
        other + 0.1 * torch.randn(1024, 2, generator=generator),
        many.x[many.labels != 3][:1024],
        many.x[many.labels < 4][:1024],
        many.x[many.labels == 0].repeat(3, 1)[:1024],
    ]
    found = [histogram_divergences(real, fake, ring.extent) for fake in fakes]
    kl = [divergence.kl for divergence in found]
    assert kl == sorted(kl)
    assert all(divergence.js > 3 * found[0].js for divergence in found[1:])
    assert found[-1].js < math.log(2)


@pytest.mark.parametrize(
    ("name", "kl", "js"),
    [("ring-8", 0.03, 0.008), ("grid-25", 0.03, 0.010), ("two-moons", 0.05, 0.019), ("spiral", 0.08, 0.029)],
)
def test_floors_are_the_documented_ones(name, kl, js):
    density = data.load(name)

    def metric(real, fake):
        return histogram_divergences(real, fake, density.extent)

    floor = real_against_real(metric, density, 1024)
    assert floor == pytest.approx((kl, js), rel=0.25)
    assert real_against_real(metric, density, 2048) == pytest.approx([value / 2 for value in floor], rel=0.35)
    assert floor == real_against_real(metric, density, 1024)
    assert floor != real_against_real(metric, density, 1024, seed=1)


def test_real_against_real_shares_no_sample():
    digits = data.load("digits8", split="test")
    found = real_against_real(lambda x, y: [torch.cdist(x.flatten(1), y.flatten(1)).min().item()], digits, 179)
    assert found[0] > 0
    with pytest.raises(InputError, match="n: 360"):
        real_against_real(lambda x, y: [0.0], digits, 180)


@pytest.mark.parametrize(
    ("real", "fake", "extent", "cells", "message"),
    [
        (torch.zeros(3, 3), torch.zeros(3, 2), 1.0, 20, "real: "),
        (torch.zeros(3, 2), torch.zeros(3), 1.0, 20, "fake: "),
        (torch.zeros(3, 2), torch.zeros(0, 2), 1.0, 20, "fake: "),
        (torch.zeros(3, 2), torch.zeros(3, 2), 0.0, 20, "extent: 0.0"),
        (torch.zeros(3, 2), torch.zeros(3, 2), 1.0, 0, "cells: 0"),
    ],
)
def test_bad_input(real, fake, extent, cells, message):
    with pytest.raises(InputError, match=message):
        histogram_divergences(real, fake, extent, cells)
