"""The densities against their closed forms; tolerances are five standard errors of the sample."""

import math
import re

import numpy as np
import pytest
import torch

from gan_tutorial.data import Density, from_points, load
from gan_tutorial.errors import InputError

NAMES = ("ring-8", "grid-25", "line", "disjoint", "two-moons", "spiral", "swiss-roll", "pinwheel")
N = 40_000


def points(density: Density, seed: int = 0) -> torch.Tensor:
    return density.sample(N, torch.Generator().manual_seed(seed)).x.double()


def assert_mean(values: torch.Tensor, expected: float) -> None:
    """The mean of `values` (n,) is `expected`, up to five standard errors."""
    error = float(values.std()) / math.sqrt(len(values))
    assert abs(float(values.mean()) - expected) < 5 * error
    assert error < 0.05 * max(1.0, abs(expected))  # else the test would say nothing


@pytest.mark.parametrize("name", NAMES)
def test_face_and_extent(name):
    density = load(name)
    assert density.name == name
    assert density.sample_shape == (2,)
    assert not density.is_image
    batch = density.sample(N, torch.Generator().manual_seed(0))
    assert batch.x.dtype == torch.float32
    assert batch.x.shape == (N, 2)
    assert (batch.x.abs().amax(1) <= density.extent).double().mean() > 0.999
    assert batch.x.abs().max() > 0.6 * density.extent  # and the plot is not mostly empty
    if density.modes is None:
        assert batch.labels is None
        assert (density.std, density.num_classes) == (None, 0)
    else:
        assert batch.labels.dtype == torch.int64
        assert density.num_classes == len(density.modes) == len(density.label_names)
        counts = torch.bincount(batch.labels, minlength=density.num_classes).double()
        expected = N / density.num_classes
        assert ((counts - expected) ** 2 / expected).sum() < 2 * density.num_classes + 20  # chi-squared
        assert_mean((batch.x - density.modes[batch.labels]).double().flatten(), 0)
        squares = ((batch.x - density.modes[batch.labels]).double() / density.std).square().flatten()
        assert_mean(squares, 1)


@pytest.mark.parametrize("name", NAMES)
def test_exactly_seeded(name):
    density = load(name)
    assert torch.equal(points(density, 3), points(density, 3))
    assert not torch.equal(points(density, 3), points(density, 4))


def test_where_the_modes_are():
    ring, grid, two = load("ring-8", radius=3.0), load("grid-25", std=0.1), load("disjoint", distance=5.0)
    assert torch.allclose(ring.modes.norm(dim=1), torch.full((8,), 3.0))
    gaps = (ring.modes - ring.modes.roll(1, 0)).norm(dim=1)
    assert torch.allclose(gaps, torch.full((8,), 2 * 3.0 * math.sin(math.pi / 8)))
    assert {tuple(mode) for mode in grid.modes.tolist()} == {
        (x, y) for x in (-4, -2, 0, 2, 4) for y in (-4, -2, 0, 2, 4)
    }
    assert grid.std == 0.1
    assert math.isclose(float((two.modes[1] - two.modes[0]).norm()), 5.0, rel_tol=1e-6)


def test_line():
    x = points(load("line", length=3.0, std=0.1))
    along, across = (x[:, 0] + x[:, 1]) / math.sqrt(2), (x[:, 0] - x[:, 1]) / math.sqrt(2)
    assert_mean(along, 0)
    assert_mean(across, 0)
    assert_mean(along.square(), 3.0**2 / 12 + 0.1**2)
    assert_mean(across.square(), 0.1**2)
    assert_mean(along.pow(4), 3.0**4 / 80 + 6 * 3.0**2 / 12 * 0.1**2 + 3 * 0.1**4)  # uniform, not Gaussian


def test_two_moons():
    x = points(load("two-moons", radius=2.0, std=0.1))
    assert_mean(x[:, 0], 0)
    assert_mean(x[:, 1], 0)
    assert_mean(x[:, 0].square(), 4 * (1 / 2 + 1 / 4) + 0.01)
    assert_mean(x[:, 1].square(), 4 * (1 / 2 + 1 / 16 - 1 / math.pi) + 0.01)
    upper, lower = torch.tensor([-1.0, -0.5]), torch.tensor([1.0, 0.5])
    nearest = torch.stack([(x - centre).norm(dim=1) for centre in (upper, lower)]).sub(2.0).abs().amin(0)
    assert (nearest < 0.5).all()  # five standard deviations off a circle


def test_spiral():
    std = 0.005
    x = points(load("spiral", radius=3.0, turns=1.5, std=std))
    radius = x.norm(dim=1)
    assert_mean(x[:, 0], 0)
    assert_mean(x[:, 1], 0)
    assert_mean(radius.square(), 3.0**2 / 2 + 2 * std**2)
    far = radius > 0.5
    turned = torch.atan2(x[:, 1], x[:, 0]) - 2 * math.pi * 1.5 * radius / 3.0
    off = (turned / math.pi - (turned / math.pi).round()).abs() * math.pi * radius
    assert (off[far] < 5 * std * (1 + 3 * math.pi)).all()  # along one of the two arms, half a turn apart
    assert 0.45 < ((turned / math.pi).round().remainder(2) == 0)[far].double().mean() < 0.55


def test_swiss_roll():
    x = points(load("swiss-roll", radius=2.0, std=0.02))
    radius = x.norm(dim=1)
    low, high = 2 / 3, 2.0
    assert_mean(radius.square(), (high**3 - low**3) / (3 * (high - low)) + 2 * 0.02**2)
    turned = torch.atan2(x[:, 1], x[:, 0]) - 4.5 * math.pi * radius / 2.0
    off = (turned / (2 * math.pi) - (turned / (2 * math.pi)).round()).abs() * 2 * math.pi * radius
    assert (off < 0.02 * 5 * (1 + 4.5 * math.pi)).all()
    assert_mean((radius - low) / (high - low), 0.5)


@pytest.mark.parametrize("arms", [3, 5])
def test_pinwheel(arms):
    x = points(load("pinwheel", arms=arms, radius=2.0, radial_std=0.2, tangential_std=0.1, rate=0.5))
    assert_mean(x[:, 0], 0)
    assert_mean(x[:, 1], 0)
    assert_mean(x.square().sum(1), 2.0**2 * (1 + 0.2**2 + 0.1**2))
    angle = torch.atan2(x[:, 1], x[:, 0]) - 0.5 * torch.exp(x.norm(dim=1) / 2.0)
    assert abs(torch.exp(1j * arms * angle).mean()) > 0.5  # `arms` blades, once the shear is undone
    assert abs(torch.exp(1j * (arms + 1) * angle).mean()) < 0.05


def test_a_drawing():
    corners = [[0, 0], [1, 0], [0, 3]]
    density = from_points(corners, jitter=0.1)
    x = points(density)
    distances = torch.cdist(x, torch.tensor(corners, dtype=torch.float64))
    nearest, which = distances.min(1)
    assert_mean(nearest.square(), 2 * 0.1**2)
    assert torch.bincount(which).tolist() == pytest.approx([N / 3] * 3, abs=5 * math.sqrt(N * 2 / 9))
    assert density.extent >= 3
    assert (density.modes, density.name) == (None, "drawing")
    exact = from_points(np.array(corners, dtype=float), jitter=0).sample(50, torch.Generator().manual_seed(0)).x
    assert {tuple(point) for point in exact.tolist()} == {(0, 0), (1, 0), (0, 3)}
    assert from_points([[0, 0]], jitter=0).extent > 0


@pytest.mark.parametrize(
    ("array", "message"),
    [
        ([[0, 1, 2]], "array: 'shape (1, 3)' is not allowed; expected shape (N, 2), N >= 1"),
        ([], "shape (0,)"),
        (np.zeros((0, 2)), "shape (0, 2)"),
        ([[0, float("nan")], [1, 1]], "1 points that are NaN or infinite"),
        ([[0, float("inf")], [float("-inf"), 1]], "2 points that are NaN or infinite"),
        ([["a", "b"]], "array: expected numbers of shape (N, 2)"),
        ([[1, 2], [3]], "array: expected numbers of shape (N, 2)"),
    ],
)
def test_wrong_drawings(array, message):
    with pytest.raises(InputError, match=re.escape(message)):
        from_points(array)


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        ("ring-8", "std", 0),
        ("ring-8", "std", -0.1),
        ("ring-8", "radius", math.nan),
        ("grid-25", "std", "0.1"),
        ("line", "length", math.inf),
        ("pinwheel", "arms", 0),
        ("pinwheel", "arms", 2.5),
        ("pinwheel", "rate", -1.0),
        ("disjoint", "distance", True),
    ],
)
def test_wrong_options(name, option, value):
    with pytest.raises(InputError, match=f"^{option}: "):
        load(name, **{option: value})


def test_n_must_be_positive():
    with pytest.raises(InputError, match="n: 0 is not allowed"):
        load("ring-8").sample(0)


@pytest.mark.parametrize("name", ["ring-8", "two-moons"])
def test_streams(name):
    density = load(name)
    whole, first, second = (
        density.stream(8, seed=2, rank=rank, world=world) for rank, world in [(0, 1), (0, 2), (1, 2)]
    )
    for _ in range(5):
        expected, parts = next(whole), (next(first), next(second))
        assert torch.equal(torch.cat([part.x for part in parts]), expected.x)
        if density.modes is not None:
            assert torch.equal(torch.cat([part.labels for part in parts]), expected.labels)
    state = whole.state_dict()
    ahead = [next(whole).x for _ in range(3)]
    resumed = density.stream(8, seed=99)
    resumed.load_state_dict(state)
    assert all(torch.equal(next(resumed).x, x) for x in ahead)
    assert not torch.equal(next(density.stream(8, seed=3)).x, next(density.stream(8, seed=2)).x)


def test_streams_refuse():
    density = load("ring-8")
    with pytest.raises(InputError, match="multiple of the 2 processes"):
        density.stream(7, world=2)
    for state in ({}, {"position": 3}, {"generator": torch.zeros(3)}, {"generator": 3}):
        with pytest.raises(InputError, match="generator"):
            density.stream(8).load_state_dict(state)
