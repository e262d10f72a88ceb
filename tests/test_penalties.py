import pytest
import torch
from torch import nn

from gan_tutorial import penalties

W = torch.tensor([3.0, 4.0], dtype=torch.float64)  # |W| = 5


def linear(x):
    return x @ W


def bowl(x):  # D(x) = |x|^2 / 2, so grad D(x) = x
    return 0.5 * x.flatten(1).square().sum(1)


@pytest.fixture
def real():
    return torch.randn(16, 2, dtype=torch.float64)


@pytest.fixture
def fake():
    return torch.randn(16, 2, dtype=torch.float64) + 3


def test_closed_forms_of_a_linear_discriminator(real, fake):
    for value, expected in (
        (penalties.gradient_penalty(linear, real, fake), (5 - 1) ** 2),
        (penalties.zero_gradient_penalty(linear, real, fake), 25),
        (penalties.r1(linear, real), 12.5),
        (penalties.r2(linear, fake), 12.5),
    ):
        assert value.item() == pytest.approx(expected, rel=1e-9)


def test_where_each_penalty_looks(real, fake):
    mix = torch.rand(16, dtype=torch.float64)
    between = real + mix[:, None] * (fake - real)
    norms = between.norm(dim=1)
    # The constant under the root moves a norm by less than 1e-12 / (2 |grad|).
    torch.testing.assert_close(
        penalties.gradient_penalty(bowl, real, fake, mix), (norms - 1).square().mean(), rtol=1e-9, atol=1e-9
    )
    torch.testing.assert_close(penalties.zero_gradient_penalty(bowl, real, fake, mix), norms.square().mean())
    torch.testing.assert_close(penalties.r1(bowl, real), real.square().sum(1).mean() / 2)
    torch.testing.assert_close(penalties.r2(bowl, fake), fake.square().sum(1).mean() / 2)


def test_random_mixing_stays_on_the_segment(real, fake):
    x = penalties.between(real, fake)
    t = ((x - real) / (fake - real)).T
    torch.testing.assert_close(t[0], t[1])
    assert ((t >= 0) & (t <= 1)).all()
    assert len(t[0].unique()) == 16


def test_gradient_reaches_the_weights_and_equals_finite_differences(real, fake):
    net = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1)).double()
    weight = net[0].weight
    for value in (
        lambda: penalties.r1(net, real),
        lambda: penalties.gradient_penalty(net, real, fake, torch.full((16,), 0.3, dtype=torch.float64)),
    ):
        (gradient,) = torch.autograd.grad(value(), weight)
        step = 1e-6
        with torch.no_grad():
            weight[0, 0] += step
        up = value().item()
        with torch.no_grad():
            weight[0, 0] -= 2 * step
        down = value().item()
        with torch.no_grad():
            weight[0, 0] += step
        assert gradient[0, 0].item() == pytest.approx((up - down) / (2 * step), rel=1e-5)


def test_a_dead_discriminator_gives_a_finite_gradient(real, fake):
    net = nn.Linear(2, 1).double()
    nn.init.zeros_(net.weight)
    penalties.gradient_penalty(net, real, fake).backward()
    assert net.weight.grad.isfinite().all()


def test_works_under_no_grad_and_leaves_the_input_alone(real):
    with torch.no_grad():
        assert penalties.r1(linear, real).item() == pytest.approx(12.5)
    assert not real.requires_grad
