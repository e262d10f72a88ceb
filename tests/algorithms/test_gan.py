import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import softplus

from gan_tutorial import losses, models
from gan_tutorial.algorithms import GAN, GANSettings
from gan_tutorial.data import Batch
from gan_tutorial.errors import InputError

ROLES = ("generator", "discriminator")


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


@pytest.mark.parametrize("shape", [(2,), (1, 8, 8)], ids=["mlp", "dcgan"])
def test_sgd_moves_every_weight_against_its_gradient(shape):
    torch.manual_seed(0)
    nets = models.build("mlp" if shape == (2,) else "dcgan", shape, g_width=8, d_width=8)
    for net in nets.values():
        net.to(memory_format=torch.channels_last if len(shape) == 3 else torch.preserve_format)
    gan = GAN(nets, GANSettings(optimizer="sgd", lr_g=0.3, lr_d=0.2, beta1=0.9))
    rates, batch = {"generator": 0.3, "discriminator": 0.2}, Batch(torch.randn(8, *shape), None)
    for step, role in [(gan.step_discriminator, "discriminator"), (gan.step_generator, "generator")] * 2:
        before = [p.detach().clone() for p in nets[role].parameters()]
        step(batch)
        for old, p in zip(before, nets[role].parameters(), strict=True):
            assert p.grad.any()
            torch.testing.assert_close(p.detach(), old - rates[role] * p.grad, rtol=0, atol=1e-7)
    assert not any(gan.optimizers[role].state or gan.sgd[role].state for role in ROLES)


def test_adam_rests_while_sgd_steps_and_goes_on_with_its_moments():
    nets = networks()
    gan, draw = GAN(nets, GANSettings(lr_g=1e-3, lr_d=1e-3)), batches()

    def moments():
        states = [gan.optimizers[role].state[p] for role in ROLES for p in nets[role].parameters()]
        return [value.clone() for state in states for value in state.values()]

    for _ in range(3):
        gan.step(draw)
    left, before = moments(), weights(nets)
    gan.configure(optimizer="sgd", lr_g=0.1)
    for _ in range(2):
        gan.step(draw)
    assert not torch.equal(weights(nets), before)
    assert all(map(torch.equal, moments(), left))
    gan.configure(optimizer="adam", lr_g=1e-3)
    first = next(nets["generator"].parameters())
    mean, old = gan.optimizers["generator"].state[first]["exp_avg"].clone(), first.detach().clone()
    gan.step(draw)
    state = gan.optimizers["generator"].state[first]
    assert state["step"].item() == 4
    torch.testing.assert_close(state["exp_avg"], 0.5 * mean + 0.5 * first.grad)
    # Kingma and Ba 2015, algorithm 1, in its fourth step.
    move = (state["exp_avg"] / (1 - 0.5**4)) / ((state["exp_avg_sq"] / (1 - 0.999**4)).sqrt() + 1e-8)
    torch.testing.assert_close(first.detach(), old - 1e-3 * move)


def test_a_wrong_setting_changes_nothing():
    gan = GAN(networks())
    before = gan.settings
    wrong = ({"lr_g": 1e-2, "beta1": 1.0}, {"lr": 1e-2}, {"loss": "hinges"}, {"lr_g": 1e-2, "optimizer": "sdg"})
    for changes in (*wrong, {"n_critic": 0, "g_steps": 0}):
        with pytest.raises(InputError):
            gan.configure(**changes)
        assert gan.settings == before
        assert gan.optimizers["generator"].param_groups[0]["lr"] == before.lr_g


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("loss", "hing"),
        ("optimizer", "rmsprop"),
        ("optimizer", None),
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


@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize("name", sorted(losses.LOSSES))
def test_seen_are_the_logits_of_the_last_update(name, separate):
    nets = networks()
    gan, draw = GAN(nets, GANSettings(loss=name, lr_d=0.1, lr_g=0.1), seed=6), batches()
    gan.joint = not separate
    assert gan.seen == {}
    batch, fake = draw(), gan.generate(8, grad=True)
    expected = {"real": nets["discriminator"](batch.x), "fake": nets["discriminator"](fake)}
    metrics = gan.step_discriminator(batch, fake)
    assert gan.seen.keys() == {"real", "fake"}
    for of, logits in gan.seen.items():
        assert (logits.shape, logits.requires_grad) == ((8,), False)
        torch.testing.assert_close(logits, expected[of].view(-1).detach())
        torch.testing.assert_close(logits.mean(), metrics[f"{of}_logit"])
    by_d = gan.seen
    kept = {of: logits.clone() for of, logits in by_d.items()}
    expected = {"real": nets["discriminator"](batch.x), "fake": nets["discriminator"](fake)}
    metrics = gan.step_generator(batch, fake)
    assert gan.seen.keys() == {"real", "fake"}
    assert not any(logits.requires_grad for logits in gan.seen.values())
    torch.testing.assert_close(gan.seen["fake"], expected["fake"].view(-1).detach())
    real = expected["real"].view(-1).detach() if losses.get(name).paired else kept["real"]
    torch.testing.assert_close(gan.seen["real"], real)
    torch.testing.assert_close(losses.get(name).generator(real, gan.seen["fake"]), metrics["g_loss"])
    assert all(torch.equal(by_d[of], kept[of]) for of in kept)  # who kept the older ones still has them


def test_seen_begins_anew_with_another_state():
    gan = GAN(networks())
    gan.step_generator(batches()())
    assert gan.seen.keys() == {"fake"}
    gan.load_state_dict(gan.state_dict())
    assert gan.seen == {}


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
