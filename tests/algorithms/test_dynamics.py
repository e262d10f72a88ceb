import copy
import math

import pytest
import torch
from torch import nn

from gan_tutorial import models
from gan_tutorial.algorithms import GAN, GANSettings
from gan_tutorial.algorithms.dynamics import DYNAMICS, Optimism
from gan_tutorial.data import Batch
from gan_tutorial.errors import InputError

ETA = 0.1


class Point(nn.Module):
    """G of the bilinear game: whatever the noise, the sample is its only weight."""

    z_dim = 1

    def __init__(self):
        super().__init__()
        self.g = nn.Parameter(torch.tensor([0.6]))

    def forward(self, z):
        return self.g.expand(len(z), 1)


class Slope(nn.Module):
    """D of the bilinear game: d x."""

    def __init__(self):
        super().__init__()
        self.d = nn.Parameter(torch.tensor([0.8]))

    def forward(self, x):
        return x * self.d


def bilinear(dynamics, optimizer="sgd"):
    """min over d of g d, max over g: Wasserstein's losses with all real samples at 0."""
    nets = {"generator": Point(), "discriminator": Slope()}
    settings = GANSettings(loss="wasserstein", optimizer=optimizer, lr_g=ETA, lr_d=ETA, dynamics=dynamics)
    gan = GAN(nets, settings)

    def step():
        gan.step(lambda: Batch(torch.zeros(2, 1), None))
        return nets["generator"].g.item(), nets["discriminator"].d.item()

    return step


def field(g, d):
    """Where plain steps go, from (g, d)."""
    return d, -g


def test_simultaneous_steps_spiral_outwards_by_the_known_factor():
    step, before = bilinear("simultaneous"), 1.0
    for _ in range(20):
        radius = math.hypot(*step())
        assert radius / before == pytest.approx(math.sqrt(1 + ETA**2), rel=1e-5)
        before = radius


def test_extragradient_is_its_formula_and_converges():
    step, (g, d) = bilinear("extragradient"), (0.6, 0.8)
    for _ in range(200):
        dg, dd = field(g, d)
        there = g + ETA * dg, d + ETA * dd
        dg, dd = field(*there)
        g, d = g + ETA * dg, d + ETA * dd
        found = step()
        assert found == pytest.approx((g, d), abs=1e-6)
    # |1 - eta^2 + i eta| to the power of 200
    assert math.hypot(*found) == pytest.approx((1 - ETA**2 + ETA**4) ** 100, rel=1e-3)
    assert math.hypot(*found) < 0.4


def test_optimistic_steps_are_their_formula_and_converge():
    step, (g, d), last = bilinear("optimistic"), (0.6, 0.8), None
    for _ in range(400):  # D first, then G, who sees where D went
        dd = -g
        d += ETA * (2 * dd - (last[1] if last else dd))
        dg = d
        g += ETA * (2 * dg - (last[0] if last else dg))
        last = dg, dd
        found = step()
        assert found == pytest.approx((g, d), abs=1e-5)
    assert math.hypot(*found) < 0.2


def test_steps_by_turns_neither_leave_nor_arrive():
    step = bilinear("alternating")
    radii = [math.hypot(*step()) for _ in range(400)]
    assert max(radii) < 1.1
    assert min(radii) > 0.9


def test_adam_with_optimism_is_daskalakis_rule():
    torch.manual_seed(0)
    p = nn.Parameter(torch.randn(5))
    optimizer, optimism, twin = torch.optim.Adam([p], 0.01, (0.5, 0.9)), Optimism(), p.detach().clone()
    mean, square, before = torch.zeros(5), torch.zeros(5), None
    for t in range(1, 8):
        p.grad = torch.sin(3 * p.detach()) + t
        mean, square = 0.5 * mean + 0.5 * p.grad, 0.9 * square + 0.1 * p.grad**2
        direction = (mean / (1 - 0.5**t)) / ((square / (1 - 0.9**t)).sqrt() + 1e-8)
        before = direction if before is None else before
        twin = twin - 2 * 0.01 * direction + 0.01 * before
        before = direction
        optimism.step(optimizer)
        torch.testing.assert_close(p.detach(), twin, rtol=0, atol=1e-5)


# -- networks --------------------------------------------------------------------------------------------------------
def networks(seed=0, **options):
    torch.manual_seed(seed)
    return models.build("mlp", (2,), **{"g_width": 8, "d_width": 8, **options})


def batches(n=8, seed=1):
    rng = torch.Generator().manual_seed(seed)
    return lambda: Batch(torch.randn(n, 2, generator=rng) + 2, None)


def weights(nets):
    return torch.cat([p.detach().flatten() for net in nets.values() for p in net.parameters()])


def test_simultaneous_gradients_are_taken_at_the_same_weights():
    nets, twins = networks(), networks()
    gan = GAN(nets, GANSettings(dynamics="simultaneous", optimizer="sgd", lr_g=0.1, lr_d=0.1), seed=4)
    draw = batches()
    given = draw()
    gan.step(lambda: given)
    G, D = twins["generator"], twins["discriminator"]
    fake = G(torch.randn(8, 2, generator=torch.Generator().manual_seed(4)))
    soft = nn.functional.softplus
    d_loss = soft(-D(given.x)).mean() + soft(D(fake)).mean()
    g_loss = soft(-D(fake)).mean()
    for net, loss in ((D, d_loss), (G, g_loss)):
        parameters = list(net.parameters())
        for p, g in zip(parameters, torch.autograd.grad(loss, parameters, retain_graph=True), strict=True):
            p.data = p.data - 0.1 * g
    torch.testing.assert_close(weights(nets), weights(twins), rtol=0, atol=1e-6)


def test_extragradient_draws_two_batches_and_its_two_looks_are_one_step():
    nets = networks()
    drawn, draw = [], batches()
    gan = GAN(nets, GANSettings(dynamics="extragradient", r1=1.0, penalty_every=2))
    due = ["penalty" in gan.step(lambda: drawn.append(draw()) or drawn[-1]) for _ in range(4)]
    assert len(drawn) == 8
    assert due == [True, False, True, False]  # both looks of a step have the penalty, or none
    assert gan.discriminator_steps == 4
    assert {int(s["step"]) for s in gan.optimizers["generator"].state.values()} == {8}  # Adam's moments see both


def test_adams_extragradient_equals_the_rule_written_by_hand():
    """Gidel et al. 2019, algorithm 4: both moves by Adam, the second from where the first began."""
    nets, twins = networks(), networks()
    gan = GAN(nets, GANSettings(dynamics="extragradient", lr_g=1e-2, lr_d=1e-2), seed=4)
    G, D = twins["generator"], twins["discriminator"]
    optimizers = [torch.optim.Adam(net.parameters(), 1e-2, (0.5, 0.999)) for net in (G, D)]
    draws, rng, soft = (batches(), batches()), torch.Generator().manual_seed(4), nn.functional.softplus
    for _ in range(3):
        gan.step(draws[0])
        start = copy.deepcopy([net.state_dict() for net in (G, D)])
        for second in (False, True):
            x = draws[1]().x
            fake = G(torch.randn(8, 2, generator=rng))
            d_loss, g_loss = soft(-D(x)).mean() + soft(D(fake)).mean(), soft(-D(fake)).mean()
            for net, loss in ((G, g_loss), (D, d_loss)):
                parameters = list(net.parameters())
                gradients = torch.autograd.grad(loss, parameters, retain_graph=True)
                for p, g in zip(parameters, gradients, strict=True):
                    p.grad = g
            if second:
                for net, state in zip((G, D), start, strict=True):
                    net.load_state_dict(state)
            for optimizer in optimizers:
                optimizer.step()
    torch.testing.assert_close(weights(nets), weights(twins), rtol=0, atol=1e-5)


def test_the_default_is_alternating_and_unchanged():
    def trained(**settings):
        gan, draw = GAN(networks(), GANSettings(**settings), seed=2), batches()
        for _ in range(3):
            gan.step(draw)
        return weights(gan.networks)

    assert torch.equal(trained(), trained(dynamics="alternating"))
    others = [trained(dynamics=name) for name in DYNAMICS if name != "alternating"]
    assert all(not torch.equal(trained(), other) for other in others)


@pytest.mark.parametrize("loss", ["hinge", "relativistic"])
@pytest.mark.parametrize("dynamics", DYNAMICS)
def test_with_labels_penalties_and_no_gradient_left_in_a_frozen_layer(dynamics, loss):
    nets = networks(num_classes=3)
    frozen = nets["discriminator"].layers[0].weight.requires_grad_(False)
    before = frozen.clone()
    gan, draw = GAN(nets, GANSettings(dynamics=dynamics, loss=loss, r1=1.0, gradient_penalty=1.0)), batches()
    for _ in range(3):
        metrics = gan.step(lambda: Batch(draw().x, torch.randint(3, (8,))))
    assert all(m.isfinite() for m in metrics.values())
    assert torch.equal(frozen, before)
    assert all(p.requires_grad for p in nets["discriminator"].parameters() if p is not frozen)


@pytest.mark.parametrize("dynamics", DYNAMICS)
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_state_continues_bitwise(dynamics, optimizer):
    settings = GANSettings(dynamics=dynamics, optimizer=optimizer, lr_g=0.01, lr_d=0.01)
    gan, draw = GAN(networks(), settings, seed=2), batches()
    for _ in range(3):
        gan.step(draw)
    nets = copy.deepcopy(gan.networks)
    twin = GAN(nets, settings, seed=7)
    for role, own in gan.optimizers.items():
        twin.optimizers[role].load_state_dict(copy.deepcopy(own.state_dict()))
    state = {k: v.clone() if isinstance(v, torch.Tensor) else v for k, v in gan.state_dict().items()}
    twin.load_state_dict(state)
    rng = draw()
    for _ in range(2):
        gan.step(lambda: rng)
        twin.step(lambda: rng)
    assert torch.equal(weights(gan.networks), weights(nets))
    assert (dynamics == "optimistic") == any(key.startswith("move.") for key in state)


def test_the_last_move_is_forgotten_when_another_rule_takes_over():
    gan, draw = GAN(networks(), GANSettings(dynamics="optimistic")), batches()
    gan.step(draw)
    assert any(key.startswith("move.") for key in gan.state_dict())
    gan.configure(dynamics="alternating")
    assert set(gan.state_dict()) == {"rng", "discriminator_steps"}


@pytest.mark.parametrize("dynamics", ["simultaneous", "extragradient"])
def test_a_network_updated_alone_takes_a_plain_step(dynamics):
    one, other = (GAN(networks(), GANSettings(dynamics=name), seed=2) for name in (dynamics, "alternating"))
    for gan in (one, other):
        draw = batches()
        gan.step_discriminator(draw())
        gan.step_generator(draw())
    assert torch.equal(weights(one.networks), weights(other.networks))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dynamics": "extra"}, r"^dynamics: 'extra' is not known; did you mean 'extragradient'"),
        ({"dynamics": "simultaneous", "n_critic": 2}, r"^n_critic: 2 is not allowed; expected 1, since dynamics is 's"),
        ({"dynamics": "extragradient", "g_steps": 0}, r"^g_steps: 0 is not allowed; expected 1, since dynamics is 'e"),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(InputError, match=message) as error:
        GANSettings(**settings)
    assert "\n" not in str(error.value)
