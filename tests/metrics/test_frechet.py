import math

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from gan_tutorial.errors import InputError
from gan_tutorial.metrics import Statistics, frechet_distance


def spd(d, generator, rank=None):
    root = torch.randn(d, rank or d, generator=generator, dtype=torch.float64)
    return root @ root.T / d


def test_one_dimension():
    """(m1 - m2)^2 + (s1 - s2)^2 for standard deviations s."""
    found = frechet_distance(
        torch.tensor([1.0]),
        torch.tensor([[4.0]]),
        torch.tensor([-2.0]),
        torch.tensor([[0.25]]),
    )
    assert found == pytest.approx(9 + 1.5**2)


def test_commuting_covariances():
    """In a shared eigenbasis the distance is that of the standard deviations."""
    basis = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64)).Q
    a, b = torch.rand(2, 6, dtype=torch.float64)
    sigmas = [basis @ torch.diag(values) @ basis.T for values in (a, b)]
    mu = torch.zeros(6)
    assert frechet_distance(mu, sigmas[0], mu, sigmas[1]) == pytest.approx((a.sqrt() - b.sqrt()).square().sum().item())


@pytest.mark.parametrize("rank", [None, 3])
def test_against_scipys_matrix_root(rank):
    generator = torch.Generator().manual_seed(0)
    a, b = spd(8, generator), spd(8, generator, rank)
    mu1, mu2 = torch.randn(2, 8, generator=generator, dtype=torch.float64)
    root = sqrtm(a.numpy() @ b.numpy()).real
    expected = (mu1 - mu2).square().sum().item() + (a + b).trace().item() - 2 * root.trace()
    assert frechet_distance(mu1, a, mu2, b) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(mu2, b, mu1, a) == pytest.approx(expected, rel=1e-6)


def test_equal_gaussians_have_no_distance():
    generator = torch.Generator().manual_seed(0)
    for sigma in (spd(64, generator), spd(64, generator, 5), torch.zeros(64, 64)):
        assert 0 <= frechet_distance(torch.ones(64), sigma, torch.ones(64), sigma) < 1e-10


@pytest.mark.parametrize("least", [1e-3, 1e-8, 1e-15])
@pytest.mark.parametrize("step", [0.5, 1e-3, 1e-6])
def test_small_eigenvalues_and_small_distances_keep_six_digits(least, step):
    """Fast where it may be, exact where it must be. Closed form: in a shared eigenbasis, as above."""
    generator = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(64, 64, generator=generator, dtype=torch.float64)).Q
    deviation = torch.logspace(0, math.log10(least) / 2, 64, dtype=torch.float64)
    sigmas = [basis @ torch.diag(s.square()) @ basis.T for s in (deviation, deviation * (1 + step))]
    mu = torch.zeros(64, dtype=torch.float64)
    expected = (step * deviation).square().sum().item()
    # Covariances themselves are rounded: by 1e-16 of the largest variance each.
    assert frechet_distance(mu, sigmas[0], mu + step, sigmas[1]) == pytest.approx(
        expected + 64 * step**2, rel=1e-6, abs=1e-13
    )


def test_the_published_implementations_formula_on_features():
    """Means, unbiased covariances, the real part of the root of their product (pytorch-fid, torch-fidelity)."""
    generator = torch.Generator().manual_seed(0)
    real, fake = (
        torch.randn(300, 16, generator=generator),
        1.2 * torch.randn(200, 16, generator=generator) + 0.1,
    )
    (mu1, sigma1), (mu2, sigma2) = (
        (x.mean(0), np.cov(x, rowvar=False)) for x in (real.double().numpy(), fake.double().numpy())
    )
    root = sqrtm(sigma1 @ sigma2).real
    expected = (mu1 - mu2) @ (mu1 - mu2) + np.trace(sigma1) + np.trace(sigma2) - 2 * np.trace(root)
    assert Statistics.of(real).distance(Statistics.of(fake)) == pytest.approx(expected, rel=1e-9)


def test_not_finite_is_nan():
    mu, sigma = torch.zeros(3), torch.eye(3)
    assert math.isnan(frechet_distance(torch.full((3,), math.nan), sigma, mu, sigma))
    assert math.isnan(frechet_distance(mu, sigma, mu, sigma * math.inf))


def test_statistics_are_the_same_in_batches():
    x = torch.randn(100, 5, generator=torch.Generator().manual_seed(0)) + 1000
    whole = Statistics.of(x)
    parts = Statistics.of(x[:1])
    for batch in x[1:].split(17):
        parts = parts + Statistics.of(batch)
    assert parts.n == whole.n == 100
    assert torch.allclose(parts.mean, x.double().mean(0), rtol=1e-12)
    for found in (whole.covariance, parts.covariance):
        assert torch.allclose(found, torch.cov(x.double().T), rtol=1e-9, atol=1e-12)
    assert whole.distance(parts) < 1e-9


def test_bad_input():
    mu, sigma = torch.zeros(3), torch.eye(3)
    with pytest.raises(InputError, match="mu1, sigma1"):
        frechet_distance(mu, sigma, mu, torch.eye(2))
    with pytest.raises(InputError, match="features"):
        Statistics.of(torch.zeros(3))
    with pytest.raises(InputError, match="at least two samples"):
        Statistics.of(torch.zeros(1, 3)).distance(Statistics.of(torch.zeros(2, 3)))
