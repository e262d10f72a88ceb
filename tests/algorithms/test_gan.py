import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import softplus

from gan_tutorial import losses, models
from gan_tutorial.algorithms import GAN, GANSettings
from gan_tutorial.data import Batch
from gan_tutorial.errors import InputError


def networks(seed=0, **options):
    torch.manual_seed(seed)
    return models.build("mlp", (2,), **{"g_width": 16, "d_width": 16, **options})


def batches(n=8, seed=1):
    rng = torch.Generator().manual_seed(seed)
    return lambda: Batch(torch.randn(n, 2, generator=rng) + 2, None)


def weights(nets):
    return torch.cat([p.detach().flatten() for net in nets.values() for p in net.parameters()])


def by_hand(nets, draw, steps, seed, lr=1e-3):
    """The update rule as a textbook writes it: two passes of D, no trick."""
    G, D = nets["generator"], nets["discriminator"]
    opt_g = torch.optim.Adam(G.parameters(), lr, (0.5, 0.999))
    opt_d = torch.optim.Adam(D.parameters(), lr, (0.5, 0.999))
    rng = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        real = draw().x
        fake = G(torch.randn(len(real), G.z_dim, generator=rng))
        d_loss = softplus(-D(real)).mean() + softplus(D(fake.detach())).mean()
        opt_d.zero_grad()
        d_loss.backward()
        opt_d.step()
        g_loss = softplus(-D(fake)).mean()
        opt_g.zero_grad()
        g_loss.backward()
        opt_g.step()
    return d_loss.item(), g_loss.item()


def test_equals_the_rule_written_by_hand():
    ours, theirs = networks(), networks()
    gan = GAN(ours, GANSettings(lr_g=1e-3, lr_d=1e-3), seed=5)
    draw = batches()
    for _ in range(20):
        metrics = gan.step(draw)
    d_loss, g_loss = by_hand(theirs, batches(), 20, seed=5)
    assert metrics["d_loss"].item() == pytest.approx(d_loss, abs=1e-5)
    assert metrics["g_loss"].item() == pytest.approx(g_loss, abs=1e-5)
    torch.testing.assert_close(weights(ours), weights(theirs), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", sorted(losses.LOSSES))
def test_each_update_moves_only_its_own_network(name):
    nets = networks()
    gan = GAN(nets, GANSettings(loss=name))
    before = copy.deepcopy(nets)
    gan.step_discriminator(batches()())
    assert torch.equal(weights({"g": nets["generator"]}), weights({"g": before["generator"]}))
    assert not torch.equal(weights({"d": nets["discriminator"]}), weights({"d": before["discriminator"]}))
    before = copy.deepcopy(nets)
    gan.step_generator(batches()())
    assert not torch.equal(weights({"g": nets["generator"]}), weights({"g": before["generator"]}))
    assert torch.equal(weights({"d": nets["discriminator"]}), weights({"d": before["discriminator"]}))


def test_generator_step_leaves_no_gradient_in_the_discriminator():
    nets = networks()
    gan = GAN(nets)
    gan.step_generator(batches()())
    assert all(p.grad is None for p in nets["discriminator"].parameters())
    assert all(p.requires_grad for p in nets["discriminator"].parameters())


def test_a_frozen_layer_stays_frozen():
    nets = networks()
    first = nets["discriminator"].layers[0].weight.requires_grad_(False)
    before = first.clone()
    gan = GAN(nets)
    for _ in range(3):
        gan.step(batches())
    assert torch.equal(first, before)
    assert not first.requires_grad


@pytest.mark.parametrize(("n_critic", "g_steps"), [(1, 1), (3, 1), (1, 4), (0, 2), (2, 0)])
def test_counts_of_updates_and_batches(n_critic, g_steps):
    nets = networks()
    gan = GAN(nets, GANSettings(n_critic=n_critic, g_steps=g_steps))
    drawn, draw = [], batches()
    metrics = gan.step(lambda: drawn.append(draw()) or drawn[-1])
    assert len(drawn) == max(n_critic, 1)
    done = {
        role: {int(state["step"]) for state in optimizer.state.values()} for role, optimizer in gan.optimizers.items()
    }
    assert done["discriminator"] == ({n_critic} if n_critic else set())
    assert done["generator"] == ({g_steps} if g_steps else set())
    assert ("d_loss" in metrics, "g_loss" in metrics) == (n_critic > 0, g_steps > 0)


def test_every_update_sees_new_noise():
    nets, seen = networks(), []
    nets["generator"].register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    gan = GAN(nets, GANSettings(n_critic=2, g_steps=3))
    gan.step(batches())
    # Two batches of fakes for D, the second of which serves G's first update; then two more.
    assert len(seen) == 4
    assert len({z.sum().item() for z in seen}) == 4


def test_settings_change_between_steps_and_adam_keeps_its_moments():
    nets = networks()
    gan = GAN(nets)
    gan.step(batches())
    p = next(nets["generator"].parameters())
    moment = gan.optimizers["generator"].state[p]["exp_avg"].clone()
    gan.configure(lr_g=5e-3, beta1=0.9, loss="hinge", n_critic=2)
    assert gan.settings.lr_g == 5e-3
    assert gan.optimizers["generator"].param_groups[0]["lr"] == 5e-3
    assert gan.optimizers["discriminator"].param_groups[0]["betas"] == (0.9, 0.999)
    assert torch.equal(gan.optimizers["generator"].state[p]["exp_avg"], moment)
    before = p.detach().clone()
    gan.step(batches())
    assert (p - before).abs().max() > 5e-4  # Adam moves by about its learning rate


def test_a_wrong_setting_changes_nothing():
    gan = GAN(networks())
    before = gan.settings
    for changes in ({"lr_g": 1e-2, "beta1": 1.0}, {"lr": 1e-2}, {"loss": "hinges"}, {"n_critic": 0, "g_steps": 0}):
        with pytest.raises(InputError):
            gan.configure(**changes)
        assert gan.settings == before
        assert gan.optimizers["generator"].param_groups[0]["lr"] == before.lr_g


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("loss", "hing"),
        ("lr_g", -1e-3),
        ("lr_d", float("nan")),
        ("lr_d", "fast"),
        ("beta1", 1.0),
        ("beta2", -0.1),
        ("n_critic", -1),
        ("g_steps", 1.5),
        ("r1", -1),
        ("penalty_every", 0),
    ],
)
def test_bad_settings_name_parameter_and_value(setting, value):
    with pytest.raises(InputError, match=rf"{setting}: {value!r} is not") as error:
        GANSettings(**{setting: value})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["gradient_penalty", "zero_gradient_penalty", "r1", "r2"])
def test_lazy_penalty_comes_every_k_steps_and_weighs_k_times(name):
    def penalties_seen(every):
        gan = GAN(networks(), GANSettings(lr_d=0.0, lr_g=0.0, penalty_every=every, **{name: 2.0}), seed=3)
        rng = torch.Generator().manual_seed(9)
        batch = Batch(torch.randn(8, 2, generator=rng), None)
        return [gan.step(lambda: batch).get("penalty") for _ in range(6)]

    every_step, lazy = penalties_seen(1), penalties_seen(3)
    assert [p is not None for p in lazy] == [True, False, False, True, False, False]
    assert all(p is not None for p in every_step)
    # Same weights, same first noise: the lazy one is exactly three times as large.
    torch.testing.assert_close(lazy[0], 3 * every_step[0])


def test_penalty_is_part_of_what_d_minimises_and_not_of_d_loss():
    with_penalty, without = (GAN(networks(), GANSettings(r1=r1), seed=3) for r1 in (50.0, 0.0))
    a, b = with_penalty.step(batches()), without.step(batches())
    torch.testing.assert_close(a["d_loss"], b["d_loss"])
    assert not torch.equal(weights(with_penalty.networks), weights(without.networks))


def test_joint_pass_equals_two_passes():
    ours, twin = networks(), networks()
    joint, separate = GAN(ours, seed=2), GAN(twin, seed=2)
    assert joint.joint
    separate.joint = False
    draws = batches(), batches()
    for _ in range(10):
        joint.step(draws[0])
        separate.step(draws[1])
    torch.testing.assert_close(weights(ours), weights(twin), rtol=0, atol=1e-5)


def test_batch_norm_in_the_discriminator_forbids_the_joint_pass():
    assert not GAN(models.build("dcgan", (1, 16, 16), g_width=8, d_width=8)).joint
    nets = networks()
    nets["discriminator"] = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 1))
    assert not GAN(nets).joint


def test_processes_share_the_noise_of_one_batch():
    whole = GAN(networks(), seed=7)
    z = whole._mine(whole.latents(8, whole.rng))
    parts = [GAN(networks(), seed=7, rank=rank, world=2) for rank in (0, 1)]
    halves = [gan._mine(gan.latents(8, gan.rng)) for gan in parts]
    assert torch.equal(torch.cat(halves), z)


@pytest.mark.parametrize("noise", ["normal", "uniform"])
def test_noise_has_the_named_distribution(noise):
    gan = GAN(networks(), noise=noise)
    z = gan.latents(50_000, gan.rng)
    # Standard errors at n = 100,000 numbers: mean < 0.0032, standard deviation < 0.0023.
    assert z.mean().item() == pytest.approx(0, abs=0.015)
    assert z.std().item() == pytest.approx(1 if noise == "normal" else 3**-0.5, abs=0.012)
    assert (z.abs().max() <= 1) == (noise == "uniform")


def test_same_seed_same_run_bitwise_and_state_continues_it():
    def run(steps, gan, draw):
        for _ in range(steps):
            gan.step(draw)

    settings = GANSettings(gradient_penalty=1.0, n_critic=2)
    a, b = GAN(networks(), settings, seed=4), GAN(networks(), settings, seed=4)
    run(6, a, batches())
    run(6, b, batches())
    assert torch.equal(weights(a.networks), weights(b.networks))
    state = a.state_dict()
    expected = a.latents(3, a.rng)
    b.load_state_dict(state)
    assert torch.equal(b.latents(3, b.rng), expected)
    assert b.discriminator_steps == 12


def test_mismatched_networks_are_named():
    nets = networks()
    with pytest.raises(InputError, match=r"generator: its samples have shape \(8, 2\), the data's batch \(8, 3\)"):
        GAN(nets).step(lambda: Batch(torch.randn(8, 3), None))
    nets["discriminator"] = nn.Linear(2, 2)
    with pytest.raises(InputError, match=r"discriminator: it gave logits of shape \(16, 2\) for 16 samples"):
        GAN(nets).step(batches())
    with pytest.raises(InputError, match="noise: 'gaussian' is not allowed"):
        GAN(networks(), noise="gaussian")


def test_bf16_forward_passes_give_float32_metrics():
    gan = GAN(networks(), GANSettings(r1=1.0), autocast=lambda: torch.autocast("cpu", torch.bfloat16))
    metrics = gan.step(batches())
    assert {m.dtype for m in metrics.values()} == {torch.float32}
    assert {p.dtype for p in gan.generator.parameters()} == {torch.float32}
    exact = GAN(networks(), GANSettings(r1=1.0)).step(batches())
    assert metrics["d_loss"].item() == pytest.approx(exact["d_loss"].item(), rel=0.02)  # bfloat16 has 8 bits
    assert metrics["d_loss"].item() != exact["d_loss"].item()
