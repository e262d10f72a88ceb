import itertools
import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from gan_tutorial.errors import InputError
from gan_tutorial.metrics.diversity import feature_diversity, mean_ms_ssim, ms_ssim


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def pairs_by_hand(x, groups):
    found = [
        (x[i] - x[j]).square().sum() for i, j in itertools.combinations(range(len(x)), 2) if groups[i] == groups[j]
    ]
    return (sum(found) / len(found)).item()


def test_feature_diversity_is_the_mean_over_all_pairs():
    x, groups = draw(23, 5).double() + 1, torch.arange(23) % 4 // 2 * 7
    unit = x / x.norm(dim=1, keepdim=True)
    alone = [0] * 23
    assert feature_diversity(x) == pytest.approx(pairs_by_hand(unit, alone))
    assert feature_diversity(x, unit=False) == pytest.approx(pairs_by_hand(x, alone))
    assert feature_diversity(x, groups) == pytest.approx(pairs_by_hand(unit, groups.tolist()))
    assert feature_diversity(x, torch.arange(23) // 22) == pytest.approx(pairs_by_hand(unit[:22], alone))


def test_feature_diversity_of_the_extremes():
    assert feature_diversity(torch.ones(9, 4)) == 0  # a collapse
    assert feature_diversity(torch.zeros(9, 4)) == 0
    assert feature_diversity(draw(4000, 64)) == pytest.approx(2, abs=0.01)
    classes = torch.eye(3).repeat(50, 1)  # diverse, but each class has collapsed
    assert feature_diversity(classes) > 1.3
    assert feature_diversity(classes, classes.argmax(1)) == 0
    assert feature_diversity(draw(3, 64)) > 1  # fewer samples than features
    assert math.isnan(feature_diversity(draw(9, 4) * math.nan))


def windowed(z):
    return gaussian_filter(z, 1.5, axes=(2, 3), radius=5)[:, :, 5:-5, 5:-5]


def by_hand(x, y, weights):
    """Wang et al. 2003, equation 7, with a window that stays inside."""
    a, b = (((z + 1) / 2).double().numpy() for z in (x, y))
    found = np.ones(len(a))
    for scale, weight in enumerate(weights):
        if scale:
            a, b = (z.reshape(*z.shape[:2], z.shape[2] // 2, 2, z.shape[3] // 2, 2).mean((3, 5)) for z in (a, b))
        mu, nu = windowed(a), windowed(b)
        v, w, c = windowed(a * a) - mu**2, windowed(b * b) - nu**2, windowed(a * b) - mu * nu
        value = (2 * c + 9e-4) / (v + w + 9e-4)
        if scale == len(weights) - 1:
            value = value * (2 * mu * nu + 1e-4) / (mu**2 + nu**2 + 1e-4)
        found *= np.maximum(value.mean((1, 2, 3)), 0) ** (weight / sum(weights))
    return found


@pytest.mark.parametrize(("side", "weights"), [(16, [1]), (28, [0.0448, 0.2856]), (32, [0.0448, 0.2856])])
def test_ms_ssim_matches_the_definition(side, weights):
    x = draw(4, 3, side, side).clamp(-1, 1)
    y = (x + 0.5 * draw(4, 3, side, side, seed=1)).clamp(-1, 1)
    assert ms_ssim(x, y).numpy() == pytest.approx(by_hand(x, y, weights), abs=2e-5)
    assert ms_ssim(x, x).tolist() == pytest.approx([1] * 4, abs=1e-5)
    assert ms_ssim(x, -x).max() == 0  # what is opposite counts as 0


def test_the_scales_are_those_that_the_window_fits_into():
    x = draw(1, 1, 64, 64).clamp(-1, 1)
    y = (x + 0.5 * draw(1, 1, 64, 64, seed=1)).clamp(-1, 1)
    assert ms_ssim(x, y).numpy() == pytest.approx(by_hand(x, y, [0.0448, 0.2856, 0.3001]), abs=2e-5)


def test_mean_ms_ssim_goes_over_pairs_of_different_images():
    x = draw(5, 1, 16, 16).clamp(-1, 1)
    every = [ms_ssim(x[i, None], x[j, None]).item() for i, j in itertools.combinations(range(5), 2)]
    assert mean_ms_ssim(x) == pytest.approx(sum(every) / 10, abs=1e-6)
    assert mean_ms_ssim(x, pairs=3, seed=1) == mean_ms_ssim(x, pairs=3, seed=1)
    assert {round(mean_ms_ssim(x, pairs=3, seed=s), 6) for s in range(5)} != {round(mean_ms_ssim(x), 6)}
    distinct = torch.cat([torch.ones(1, 1, 16, 16), -torch.ones(1, 1, 16, 16)])
    assert mean_ms_ssim(distinct, pairs=1) < 0.01  # never an image with itself
    assert mean_ms_ssim(x[:1].expand(9, 1, 16, 16)) == pytest.approx(1, abs=1e-5)  # a collapse
    assert math.isnan(mean_ms_ssim(torch.full((3, 1, 16, 16), math.nan)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: feature_diversity(torch.zeros(1, 3)), r"features: \(1, 3\)"),
        (lambda: feature_diversity(torch.zeros(3)), "features: "),
        (lambda: feature_diversity(torch.zeros(3, 2), torch.arange(3)), "no two samples"),
        (lambda: feature_diversity(torch.zeros(3, 2), torch.zeros(3)), "groups: 'torch.float32"),
        (lambda: feature_diversity(torch.zeros(3, 2), torch.zeros(2).long()), "groups: "),
        (lambda: mean_ms_ssim(torch.zeros(3, 1, 8, 8)), "11 pixels a side"),
        (lambda: mean_ms_ssim(torch.zeros(1, 1, 16, 16)), "two images or more"),
        (lambda: mean_ms_ssim(torch.full((3, 1, 16, 16), 255.0)), "values up to 255.*in \\[-1, 1\\]"),
        (lambda: mean_ms_ssim(torch.zeros(3, 1, 16, 16), pairs=0), "pairs: 0"),
        (lambda: ms_ssim(torch.zeros(3, 1, 16, 16), torch.zeros(3, 3, 16, 16)), "images of one shape"),
        (lambda: ms_ssim(torch.zeros(3, 16), torch.zeros(3, 16)), "images \\(N, C, H, W\\)"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message) as error:
        call()
    assert "\n" not in str(error.value)
