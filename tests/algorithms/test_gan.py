import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import softplus

from gan_tutorial import data, losses, models
from gan_tutorial.algorithms import GAN, GANSettings
from gan_tutorial.augment import Augmentation
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


# -- classes -----------------------------------------------------------------------------------------------------------
def labelled(n=8, seed=1, classes=3):
    rng = torch.Generator().manual_seed(seed)
    return lambda: Batch(torch.randn(n, 2, generator=rng) + 2, torch.randint(classes, (n,), generator=rng))


def listening(nets):
    """What each network is called with, in order: (role, its arguments)."""
    calls = []
    for role, net in nets.items():
        net.register_forward_pre_hook(lambda _, args, role=role: calls.append((role, args)))
    return calls


@pytest.mark.parametrize("loss", ["non-saturating", "relativistic"])
def test_every_call_gets_the_labels_of_its_batch(loss):
    nets = networks(num_classes=3)
    calls, drawn, draw = listening(nets), [], labelled()
    gan = GAN(nets, GANSettings(loss=loss, n_critic=2, g_steps=2, r1=1.0, gradient_penalty=1.0))
    gan.step(lambda: drawn.append(draw()) or drawn[-1])
    first, second = (batch.labels for batch in drawn)
    of_g = [args[1] for role, args in calls if role == "generator"]
    # Fakes for each update of D, the second ones for G too, and new ones for G's second update.
    assert [labels.tolist() for labels in of_g] == [first.tolist(), second.tolist(), second.tolist()]
    of_d = [args[1] for role, args in calls if role == "discriminator"]
    expected = []
    for labels in (first, second):
        expected += [torch.cat([labels, labels]), labels, labels]  # real and fake together; two penalties
    expected += [second] * (4 if loss == "relativistic" else 2)  # G's updates look at fakes, a paired loss at both
    assert [labels.tolist() for labels in of_d] == [labels.tolist() for labels in expected]


def test_without_classes_labels_go_nowhere():
    nets = networks()
    calls, draw = listening(nets), labelled()
    GAN(nets, GANSettings(r1=1.0, n_critic=2, g_steps=2)).step(draw)
    assert {len(args) for _, args in calls} == {1}


def test_joint_pass_with_labels_equals_two_passes():
    ours, twin = networks(num_classes=3), networks(num_classes=3)
    joint, separate = GAN(ours, seed=2), GAN(twin, seed=2)
    assert joint.joint
    separate.joint = False
    draws = labelled(), labelled()
    for _ in range(10):
        joint.step(draws[0])
        separate.step(draws[1])
    torch.testing.assert_close(weights(ours), weights(twin), rtol=0, atol=1e-5)


def test_a_batch_without_labels_is_one_clear_line():
    gan = GAN(networks(num_classes=3))
    before = weights(gan.networks)
    for call in (gan.step, lambda draw: gan.step_discriminator(draw()), lambda draw: gan.step_generator(draw())):
        with pytest.raises(InputError, match=r"^labels: None is not allowed; expected a batch with labels") as error:
            call(batches())
        assert "\n" not in str(error.value)
    assert torch.equal(weights(gan.networks), before)


def test_samples_of_each_class_in_turn_or_of_the_classes_asked_for():
    nets = networks(num_classes=3)
    gan, calls = GAN(nets), listening(nets)

    def rng():
        return torch.Generator().manual_seed(0)

    z = gan.latents(7, rng())
    inturn = gan.sample(nets, 7, rng())
    assert calls[-1][1][1].tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert torch.equal(inturn, nets["generator"](z, torch.tensor([0, 1, 2, 0, 1, 2, 0])))
    chosen = torch.full((7,), 2)
    for labels in (chosen, torch.eye(3)[chosen]):
        assert torch.equal(gan.sample(nets, 7, rng(), labels=labels), nets["generator"](z, chosen))
    assert torch.equal(gan.sample(nets, 7, rng(), z=-z, labels=chosen), nets["generator"](-z, chosen))


def test_a_discriminator_that_says_it_mixes_samples_is_never_judged_jointly():
    nets = networks()
    nets["discriminator"].mixes_samples = True
    calls = listening(nets)
    gan = GAN(nets)
    assert not gan.joint
    gan.step(batches())
    assert [len(args[0]) for role, args in calls if role == "discriminator"] == [8, 8, 8]
    nets["discriminator"].mixes_samples = False
    assert GAN(nets).joint


def test_a_conditional_gan_learns_which_mode_a_label_means():
    torch.manual_seed(11)
    ring = data.load("ring-8")
    nets = models.build("mlp", (2,), 8, g_width=64, d_width=64)
    gan, stream = GAN(nets, GANSettings(lr_g=1e-3, lr_d=1e-3), seed=11), ring.stream(128, seed=11)
    for _ in range(500):
        gan.step(stream.__next__)
    labels = torch.arange(8).repeat_interleave(50)
    with torch.no_grad():
        samples = gan.sample(nets, 400, torch.Generator().manual_seed(0), labels=labels)
    right = torch.cdist(samples, ring.modes).argmin(1) == labels
    assert right.float().mean() > 0.9  # with seeds 0 to 4: every sample


# -- augmentation ------------------------------------------------------------------------------------------------------
class Doubling:
    """An augmentation that doubles what it is given and writes down what happened."""

    kind = "ada"

    def __init__(self):
        self.p, self.shown, self.observed = torch.tensor(0.25), [], []

    def __call__(self, x):
        self.shown.append(x)
        return 2 * x

    def observe(self, real_logits, n):
        self.observed.append((real_logits, n))
        self.p = self.p + 0.5

    def state_dict(self):
        return {"p": self.p, "calls": len(self.observed)}

    def load_state_dict(self, state):
        self.p, self.observed = state["p"], [None] * state["calls"]


class Doubled(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(2 * x)


@pytest.mark.parametrize("joint", [True, False])
@pytest.mark.parametrize("loss", ["hinge", "relativistic"])
def test_d_sees_everything_augmented(loss, joint):
    """As if doubling were D's own first layer: in its update, in every penalty, in G's update."""
    settings = GANSettings(
        loss=loss, r1=0.5, r2=0.3, gradient_penalty=1.0, zero_gradient_penalty=0.2, lr_g=1e-3, lr_d=1e-3
    )
    ours, twin = networks(), networks()
    twin["discriminator"] = Doubled(twin["discriminator"])
    augmented, inside = GAN(ours, settings, seed=2, augment=Doubling()), GAN(twin, settings, seed=2)
    draws = batches(), batches()
    for gan, draw in zip((augmented, inside), draws, strict=True):
        gan.joint = joint
        for _ in range(5):
            metrics = gan.step(draw)
        gan.last = metrics
    torch.testing.assert_close(weights(ours), weights(twin), rtol=0, atol=1e-6)
    assert augmented.last.pop("augment_p") == pytest.approx(0.25 + 5 * 0.5)
    assert augmented.last.keys() == inside.last.keys()
    for name, value in inside.last.items():
        torch.testing.assert_close(augmented.last[name], value, rtol=1e-4, atol=1e-5)


def test_samples_stay_plain():
    nets = networks()
    plain, gan = GAN(copy.deepcopy(nets), seed=4), GAN(nets, seed=4, augment=Doubling())
    assert torch.equal(plain.generate(5), gan.generate(5))
    sampled = [g.sample(g.networks, 5, torch.Generator().manual_seed(0)) for g in (plain, gan)]
    assert torch.equal(*sampled)
    assert gan.augment.shown == []


@pytest.mark.parametrize("n_critic", [1, 3])
def test_the_controller_is_told_what_d_thought_of_real_samples(n_critic):
    augment = Doubling()
    gan = GAN(networks(), GANSettings(n_critic=n_critic), augment=augment, world=2)
    metrics = gan.step(batches(8))
    assert [(logits.shape, logits.requires_grad, n) for logits, n in augment.observed] == [((8,), False, 16)] * n_critic
    torch.testing.assert_close(augment.observed[-1][0], gan.seen["real"])
    assert metrics["augment_p"] == 0.25 + 0.5 * n_critic


def test_the_controllers_of_all_processes_are_told_the_same():
    gan = GAN(networks(), augment=Doubling(), world=2, gather=lambda logits: torch.cat([logits, logits + 1]))
    gan.step(batches(8))
    ((logits, n),) = gan.augment.observed
    torch.testing.assert_close(logits, torch.cat([gan.seen["real"], gan.seen["real"] + 1]))
    assert n == 16


def test_its_state_is_part_of_the_checkpoint():
    gan, twin = (GAN(networks(), augment=Doubling()) for _ in range(2))
    for _ in range(3):
        gan.step(batches())
    state = gan.state_dict()
    assert {"augment.p", "augment.calls", "rng", "discriminator_steps"} == set(state)
    twin.load_state_dict(state)
    assert twin.augment.p == gan.augment.p == 1.75
    assert len(twin.augment.observed) == 3
    assert set(GAN(networks()).state_dict()) == {"rng", "discriminator_steps"}


def test_adaptive_augmentation_follows_d_and_goes_on_from_its_state():
    torch.manual_seed(0)
    nets = models.build("dcgan", (3, 16, 16), z_dim=4, g_width=4, d_width=4, norm="none")

    def made():
        return GAN(nets, GANSettings(lr_g=0.0, lr_d=0.0, r1=0.1), augment=Augmentation("ada", images=640))

    gan, batch = made(), Batch(torch.rand(16, 3, 16, 16), None)
    nets["discriminator"].register_forward_hook(lambda _, args, out: out + 100)  # certain that all is real
    strength = [gan.step(lambda: batch)["augment_p"].item() for _ in range(9)]
    assert strength == pytest.approx([0, 0, 0, 0.1, 0.1, 0.1, 0.1, 0.2, 0.2])  # 64 of 640 images every fourth time
    twin = made()
    twin.load_state_dict(gan.state_dict())
    for g in (gan, twin):
        torch.manual_seed(1)
        g.strength = [g.step(lambda: batch)["augment_p"].item() for _ in range(4)]
    assert gan.strength == twin.strength == pytest.approx([0.2, 0.2, 0.3, 0.3])
