import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import softplus

from gan_tutorial import models
from gan_tutorial.algorithms import GAN, GANSettings
from gan_tutorial.algorithms.unrolled import Adam, Descent, look_ahead
from gan_tutorial.data import Batch
from gan_tutorial.errors import InputError


def toy(z):
    """D's loss in D's weights, and G's loss in them: both depend on G's single number z too."""

    def d_loss(w, _):
        return softplus(-(w["a"] * 0.7 + w["b"])).sum() + softplus(w["a"] * z + w["b"] * z**2).sum()

    def g_loss(w):
        return softplus(-(w["a"] * z + w["b"] * z**2)).sum()

    return d_loss, g_loss


def start():
    return {
        "a": torch.tensor([0.3, -0.2], dtype=torch.float64, requires_grad=True),
        "b": torch.tensor([0.1, 0.4], dtype=torch.float64, requires_grad=True),
    }


def rules():
    state = {
        name: {
            "exp_avg": torch.tensor([0.05, -0.1], dtype=torch.float64),
            "exp_avg_sq": torch.tensor([0.01, 0.02], dtype=torch.float64),
            "step": torch.tensor(7.0),
        }
        for name in ("a", "b")
    }
    return {
        "descent": lambda: Descent(0.3),
        "adam": lambda: Adam(0.05, 0.5, 0.999, state),
        "new adam": lambda: Adam(0.05, 0.5, 0.999, {}),
    }


@pytest.mark.parametrize("steps", [0, 1, 5])
@pytest.mark.parametrize("name", ["descent", "adam", "new adam"])
def test_gradient_through_the_updates_equals_finite_differences(name, steps):
    def value(z):
        d_loss, g_loss = toy(z)
        return g_loss(look_ahead(start(), d_loss, rules()[name](), steps))

    z = torch.tensor(0.9, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(value(z), z)
    h = 1e-6
    expected = (value(z.detach() + h) - value(z.detach() - h)).item() / (2 * h)
    assert slope.item() == pytest.approx(expected, rel=1e-6)
    if steps > (name == "new adam"):  # whose first move is lr x sign(g): it hardly depends on G
        # And it is not what G sees if D's answer is left out.
        d_loss, g_loss = toy(z)
        fixed = {k: w.detach() for k, w in look_ahead(start(), d_loss, rules()[name](), steps).items()}
        (without,) = torch.autograd.grad(g_loss(fixed), z)
        assert abs(slope.item() - without.item()) > 1e-3


def test_adam_goes_on_as_torchs_does():
    torch.manual_seed(0)
    net = nn.Linear(3, 2)
    optimizer = torch.optim.Adam(net.parameters(), 0.01, (0.8, 0.99))
    x = torch.randn(6, 3)

    def loss(w, _=0):
        return (x @ w["weight"].t() + w["bias"]).square().mean()

    for _ in range(3):
        optimizer.zero_grad()
        loss(dict(net.named_parameters())).backward()
        optimizer.step()
    states = {name: copy.deepcopy(optimizer.state[p]) for name, p in net.named_parameters()}
    ahead = look_ahead(dict(net.named_parameters()), loss, Adam(0.01, 0.8, 0.99, states), 4)
    for _ in range(4):
        optimizer.zero_grad()
        loss(dict(net.named_parameters())).backward()
        optimizer.step()
    for name, p in net.named_parameters():
        torch.testing.assert_close(ahead[name].detach(), p.detach(), rtol=0, atol=1e-6)
    assert states["weight"]["step"].item() == 3  # what was given is as it was


def test_a_dead_unit_gives_no_nan():
    def d_loss(w, _):
        return torch.relu(w["a"] - 1).sum() + (w["b"] * z).sum()

    z = torch.tensor(2.0, requires_grad=True)
    w = {"a": torch.zeros(2, requires_grad=True), "b": torch.ones(2, requires_grad=True)}
    ahead = look_ahead(w, d_loss, Adam(0.1, 0.5, 0.999, {}), 3)
    (slope,) = torch.autograd.grad(sum(v.sum() for v in ahead.values()), z)
    assert slope.isfinite()
    assert torch.equal(ahead["a"], torch.zeros(2))


# -- in the GAN ------------------------------------------------------------------------------------------------------
def networks(seed=0, **options):
    torch.manual_seed(seed)
    return models.build("mlp", (2,), **{"g_width": 8, "d_width": 8, "d_depth": 1, **options})


def batch(n=8, seed=1):
    return Batch(torch.randn(n, 2, generator=torch.Generator().manual_seed(seed)) + 1, None)


def written_out(nets, real, fake, lr, steps):
    """G's loss after `steps` descents of a copy of D, layer by layer."""
    d = nets["discriminator"].layers
    w = [p.detach().clone().requires_grad_() for m in (d[0], d[2]) for p in (m.weight, m.bias)]

    def logits(x, w):
        return (torch.relu(x @ w[0].t() + w[1]) @ w[2].t() + w[3]).squeeze(1)

    for _ in range(steps):
        loss = softplus(-logits(real, w)).mean() + softplus(logits(fake, w)).mean()
        w = [p - lr * g for p, g in zip(w, torch.autograd.grad(loss, w, create_graph=True), strict=True)]
    return softplus(-logits(fake, w)).mean()


def test_g_learns_from_the_d_that_would_be():
    settings = GANSettings(optimizer="sgd", lr_g=0.0, lr_d=0.5, unroll=3)
    nets = networks()
    gan, given = GAN(nets, settings, seed=2), batch()
    before = copy.deepcopy(nets["discriminator"].state_dict())
    z = torch.randn(8, 2)
    metrics = gan.step_generator(given, nets["generator"](z))
    found = [p.grad.clone() for p in nets["generator"].parameters()]
    loss = written_out(nets, given.x, nets["generator"](z), 0.5, 3)
    expected = torch.autograd.grad(loss, list(nets["generator"].parameters()))
    assert metrics["g_loss"].item() == pytest.approx(loss.item(), abs=1e-6)
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-7)
    for name, value in nets["discriminator"].state_dict().items():
        assert torch.equal(value, before[name])  # D itself stays
    assert all(p.requires_grad and p.grad is None for p in nets["discriminator"].parameters())


def test_zero_updates_ahead_is_the_plain_rule():
    def trained(**settings):
        nets = networks()
        gan = GAN(nets, GANSettings(**settings), seed=2)
        for i in range(3):
            gan.step(lambda i=i: batch(seed=i))
        return torch.cat([p.detach().flatten() for net in nets.values() for p in net.parameters()])

    assert torch.equal(trained(), trained(unroll=0))
    assert not torch.equal(trained(), trained(unroll=1))


def test_penalties_and_their_rhythm_are_part_of_what_would_be():
    """With an R1 that dominates, D after the look-ahead is flatter; a penalty that is not due is left out."""

    def spread(**settings):
        nets = networks()
        gan = GAN(nets, GANSettings(optimizer="sgd", lr_d=0.05, lr_g=0.0, unroll=5, **settings), seed=2)
        gan.discriminator_steps = 1
        gan.step_generator(batch())
        return gan.seen["fake"].std().item()

    none, every, rare = spread(), spread(r1=50.0), spread(r1=50.0, penalty_every=1000)
    assert every < 0.8 * none
    assert rare == pytest.approx(none, rel=1e-6)


@pytest.mark.parametrize("norm", ["batch", "spectral", "instance"])
def test_normalised_discriminators_keep_their_buffers(norm):
    torch.manual_seed(0)
    nets = models.build("dcgan", (1, 16, 16), z_dim=4, g_width=4, d_width=4, norm=norm)
    gan = GAN(nets, GANSettings(unroll=2))
    real = Batch(torch.randn(4, 1, 16, 16), None)
    gan.step_discriminator(real)
    before = {name: b.clone() for name, b in nets["discriminator"].named_buffers()}
    metrics = gan.step_generator(real)
    assert all(m.isfinite() for m in metrics.values())
    for name, buffer in nets["discriminator"].named_buffers():
        assert torch.equal(buffer, before[name]), name
    gan.configure(unroll=0)
    gan.step_generator(real)
    after = dict(nets["discriminator"].named_buffers())
    assert bool(before) == any(not torch.equal(after[name], value) for name, value in before.items())


def test_labels_and_several_samples_at_once():
    nets = networks(num_classes=3, pack=2)
    gan = GAN(nets, GANSettings(unroll=2, r1=1.0, r2=1.0, loss="relativistic"))
    given = Batch(batch().x, torch.randint(3, (8,)))
    metrics = gan.step(lambda: given)
    assert all(m.isfinite() for m in metrics.values())


def test_it_can_be_switched_between_steps_and_resumed():
    nets = networks()
    gan = GAN(nets, seed=3)
    gan.step(batch)
    gan.configure(unroll=2)
    gan.step(batch)
    twin_nets = copy.deepcopy(nets)
    twin = GAN(twin_nets, gan.settings, seed=9)
    for role, optimizer in gan.optimizers.items():
        twin.optimizers[role].load_state_dict(copy.deepcopy(optimizer.state_dict()))
    twin.load_state_dict(gan.state_dict())
    gan.step(batch)
    twin.step(batch)
    for role, net in nets.items():
        for p, q in zip(net.parameters(), twin_nets[role].parameters(), strict=True):
            assert torch.equal(p, q)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"unroll": -1}, r"^unroll: -1 is not allowed; expected an integer >= 0 and <= 20$"),
        ({"unroll": 2.0}, r"^unroll: 2.0 is not allowed"),
        ({"unroll": 2, "dynamics": "optimistic"}, r"^unroll: 2 is not allowed; expected 0, since dynamics is 'opt"),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(InputError, match=message) as error:
        GANSettings(**settings)
    assert "\n" not in str(error.value)


def test_several_processes_are_refused_and_nothing_changes():
    gan = GAN(networks(), world=2)
    with pytest.raises(InputError, match=r"^unroll: 1 is not allowed; expected 0, since there are 2 processes$"):
        gan.configure(unroll=1, lr_g=0.5)
    assert gan.settings == GANSettings()
