"""StyleGAN2's update rule: what it adds to the GAN's."""

import copy
import math

import pytest
import torch
from torch import nn

from gan_tutorial import models
from gan_tutorial.algorithms import GAN, GANSettings, StyleGAN2, StyleGAN2Settings
from gan_tutorial.data import Batch
from gan_tutorial.errors import InputError

ROLES = ("generator", "discriminator")


def networks(classes=0, seed=0, noise=0.0):
    torch.manual_seed(seed)
    options = {"z_dim": 4, "w_dim": 5, "channel_base": 64, "channel_max": 4, "mapping_layers": 2, "group": 2}
    nets = models.build("stylegan2", (3, 16, 16), classes, **options)
    with torch.no_grad():
        for name, p in nets["generator"].named_parameters():
            if name.endswith("noise_strength"):
                p.fill_(noise)
    return nets


def made(settings=None, classes=0, noise=0.0, **options):
    settings = StyleGAN2Settings(**settings) if isinstance(settings, dict) else settings
    return StyleGAN2(networks(classes, noise=noise), settings, **{"seed": 3, **options})


def batches(n=6, classes=0, seed=1):
    rng = torch.Generator().manual_seed(seed)

    def draw():
        labels = torch.randint(classes, (n,), generator=rng) if classes else None
        return Batch(torch.rand(n, 3, 16, 16, generator=rng) * 2 - 1, labels)

    return draw


def weights(nets, *roles):
    return torch.cat([p.detach().flatten() for role in roles or ROLES for p in nets[role].parameters()])


class Curved(nn.Module):
    """A generator without noise, of two styles with two numbers each, whose Jacobian is quickly found."""

    def __init__(self):
        super().__init__()
        self.z_dim, self.num_ws = 3, 2
        self.a, self.b = nn.Linear(3, 2), nn.Linear(4, 3 * 4 * 5)

    def mapping(self, z, labels=None):
        return self.a(z)[:, None].expand(-1, 2, -1)

    def synthesis(self, ws):
        return self.b(ws.flatten(1)).sin().view(-1, 3, 4, 5)

    def forward(self, z):
        return self.synthesis(self.mapping(z))


def curved(**settings):
    torch.manual_seed(7)
    nets = {"generator": Curved(), "discriminator": nn.Sequential(nn.Flatten(), nn.Linear(60, 1))}
    return StyleGAN2(nets, StyleGAN2Settings(**settings), seed=2)


# -- settings ----------------------------------------------------------------------------------------------------------
def test_the_defaults_are_the_papers():
    s = StyleGAN2Settings()
    assert (s.style_mixing, s.path_length, s.path_length_every) == (0.9, 2.0, 4)
    assert StyleGAN2(networks()).settings == s


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("style_mixing", 1.1),
        ("style_mixing", -0.1),
        ("style_mixing", "often"),
        ("path_length", -1),
        ("path_length", math.inf),
        ("path_length_every", 0),
        ("path_length_every", 2.0),
        ("path_length_every", 1001),
        ("lr_g", -1),
    ],
)
def test_bad_settings_name_parameter_and_value(setting, value):
    with pytest.raises(InputError, match=rf"^{setting}: {value!r} is not allowed") as error:
        StyleGAN2Settings(**{setting: value})
    assert "\n" not in str(error.value)
    gan = made()
    with pytest.raises(InputError, match=rf"^{setting}: {value!r} is not allowed"):
        gan.configure(**{setting: value})
    assert gan.settings == StyleGAN2Settings()


def test_its_settings_change_between_steps_and_a_plain_gan_has_none_of_them():
    gan = made()
    gan.configure(style_mixing=0.0, path_length=0.0, lr_g=1e-3)
    assert gan.settings == StyleGAN2Settings(style_mixing=0.0, path_length=0.0, lr_g=1e-3)
    assert "g_penalty" not in gan.step(batches())
    with pytest.raises(InputError, match=r"^setting: 'style_mixing' is not known"):
        GAN(networks()).configure(style_mixing=0.5)


# -- style mixing ------------------------------------------------------------------------------------------------------
def crossings(gan, n, classes=0):
    """Where each sample's styles change from one latent's to another's: (n,), 0 where they do not."""
    labels = torch.arange(n) % classes if classes else None
    with torch.no_grad():
        rng = torch.Generator()
        rng.set_state(gan.rng.get_state())
        first, other = (gan.generator.mapping(gan.latents(n, rng), labels) for _ in range(2))
        ws = gan.styles(n, labels)
    of_first, of_other = (ws == first).all(2), (ws == other).all(2)
    assert (of_first ^ of_other).all()  # each style is one latent's whole
    assert (of_other.int().diff(dim=1) >= 0).all()  # and from the crossing on the other's
    return torch.where(of_other.any(1), of_other.int().argmax(1), 0), of_first


def test_without_mixing_every_layer_has_the_same_style():
    gan = made({"style_mixing": 0.0})
    expected = gan.generator.mapping(gan.latents(5, torch.Generator().manual_seed(3)))
    assert torch.equal(gan.styles(5, None), expected)
    assert torch.equal(expected, expected[:, :1].expand_as(expected))


@pytest.mark.parametrize("classes", [0, 3])
def test_with_mixing_every_sample_crosses_somewhere(classes):
    found, of_first = crossings(made({"style_mixing": 1.0}, classes), 1200, classes)
    assert of_first[:, 0].all()
    counts = found.bincount(minlength=6)
    assert counts[0] == 0
    # Uniform over layers 1 to 5: 240 each, with a standard deviation of 14.
    assert counts[1:].min() > 240 - 4 * 14
    assert counts[1:].max() < 240 + 4 * 14


@pytest.mark.parametrize("probability", [0.9, 0.2])
def test_mixing_has_the_given_probability(probability):
    found, _ = crossings(made({"style_mixing": probability}), 2000)
    error = math.sqrt(probability * (1 - probability) / 2000)
    assert (found > 0).float().mean().item() == pytest.approx(probability, abs=4 * error)


@pytest.mark.parametrize("mixing", [0.0, 1.0])
def test_processes_share_the_styles_of_one_batch(mixing):
    with torch.no_grad():
        whole = made({"style_mixing": mixing}).styles(8, None)
        halves = [made({"style_mixing": mixing}, rank=rank, world=2).styles(4, None) for rank in (0, 1)]
    torch.testing.assert_close(torch.cat(halves), whole, rtol=0, atol=1e-6)


def test_fakes_are_made_of_mixed_styles():
    gan, twin = made({"style_mixing": 1.0}), made({"style_mixing": 1.0})
    with torch.no_grad():
        assert torch.equal(gan.generate(4), twin.generator.synthesis(twin.styles(4, None)))
    assert gan.generate(4, grad=True).requires_grad


# -- path length -------------------------------------------------------------------------------------------------------
def test_the_penalty_is_the_papers():
    gan = curved(style_mixing=1.0)
    mean = torch.zeros(())
    for seed in range(4):
        rng = torch.Generator()
        rng.set_state(gan.rng.get_state())
        twin = curved(style_mixing=1.0)
        twin.rng = rng
        ws = twin.styles(5, None).detach()
        torch.manual_seed(seed)
        found = gan.path_length_penalty(n=5)
        torch.manual_seed(seed)
        y = torch.randn(5, 3, 4, 5) / math.sqrt(4 * 5)
        lengths = []
        for w, direction in zip(ws, y, strict=True):
            jacobian = torch.autograd.functional.jacobian(lambda w: gan.generator.synthesis(w[None])[0], w)
            along = torch.einsum("chwld,chw->ld", jacobian, direction)  # J^T y: two layers of two numbers
            lengths.append(along.square().sum(1).mean().sqrt())
        lengths = torch.stack(lengths)
        mean = 0.99 * mean + 0.01 * lengths.mean()
        torch.testing.assert_close(gan.path_mean, mean)
        torch.testing.assert_close(found, (lengths - mean).square().mean())
    assert not gan.path_mean.requires_grad


def test_the_penalty_comes_every_k_updates_of_g_and_weighs_k_times():
    def seen(steps, **settings):
        gan, batch = made({"lr_g": 0.0, "lr_d": 0.0, **settings}), batches()()
        torch.manual_seed(0)
        return [gan.step(lambda: batch).get("g_penalty") for _ in range(steps)]

    lazy = seen(4, path_length_every=3)
    assert [p is not None for p in lazy] == [True, False, False, True]
    twice = seen(5, path_length_every=3, g_steps=2)
    assert [p is not None for p in twice] == [True, True, False, True, True]  # updates 0, 3, 6 and 9 of ten
    # Same weights, same first noise: only the factor differs.
    (each,), (heavy,) = seen(1, path_length_every=1), seen(1, path_length_every=1, path_length=10.0)
    torch.testing.assert_close(lazy[0], 3 * each)
    torch.testing.assert_close(heavy, 5 * each)


def test_the_penalty_is_part_of_what_g_minimises_and_not_of_g_loss():
    with_penalty, without = (made({"path_length": weight}) for weight in (50.0, 0.0))
    a, b = with_penalty.step(batches()), without.step(batches())
    torch.testing.assert_close(a["g_loss"], b["g_loss"])
    assert a["g_penalty"] > 0
    assert "g_penalty" not in b
    assert torch.equal(weights(with_penalty.networks, "discriminator"), weights(without.networks, "discriminator"))
    assert not torch.equal(weights(with_penalty.networks, "generator"), weights(without.networks, "generator"))


def test_each_update_moves_only_its_own_network():
    gan = made({"r1": 1.0})
    before = copy.deepcopy(gan.networks)
    gan.step_discriminator(batches()())
    assert torch.equal(weights(gan.networks, "generator"), weights(before, "generator"))
    assert not torch.equal(weights(gan.networks, "discriminator"), weights(before, "discriminator"))
    before = copy.deepcopy(gan.networks)
    for p in gan.discriminator.parameters():
        p.grad = None
    assert "g_penalty" in gan.step_generator(batches()())
    assert not torch.equal(weights(gan.networks, "generator"), weights(before, "generator"))
    assert torch.equal(weights(gan.networks, "discriminator"), weights(before, "discriminator"))
    assert all(p.grad is None and p.requires_grad for p in gan.discriminator.parameters())


@pytest.mark.parametrize(("n", "half"), [(6, 3), (7, 3), (1, 1)])
@pytest.mark.parametrize("classes", [0, 3])
def test_the_penalty_looks_at_half_of_the_batch(n, half, classes):
    gan, batch = made({"style_mixing": 0.0}, classes), batches(n, classes)()
    seen = []
    gan.generator.mapping.register_forward_pre_hook(lambda _, args: seen.append(args))
    gan.step(lambda: batch)
    (z, labels), (of_penalty, its_labels) = seen
    assert (len(z), len(of_penalty)) == (n, half)
    if classes:
        assert torch.equal(labels, batch.labels)
        assert torch.equal(its_labels, batch.labels[:half])
    else:
        assert labels is its_labels is None


# -- the whole ---------------------------------------------------------------------------------------------------------
def test_its_discriminator_is_never_judged_jointly():
    assert not made().joint
    nets = networks()
    nets["discriminator"] = models.build("stylegan2", (3, 16, 16), channel_base=64, channel_max=4, group=1)[
        "discriminator"
    ]
    assert StyleGAN2(nets).joint


def test_without_its_additions_it_is_a_gan():
    plain = {"style_mixing": 0.0, "path_length": 0.0, "r1": 0.5, "lr_g": 1e-3}
    ours = made(plain)
    theirs = GAN(networks(), GANSettings(r1=0.5, lr_g=1e-3), seed=3)
    draws = batches(), batches()
    torch.manual_seed(1)
    for _ in range(3):
        ours.step(draws[0])
    torch.manual_seed(1)
    for _ in range(3):
        theirs.step(draws[1])
    assert torch.equal(weights(ours.networks), weights(theirs.networks))


def test_the_average_style_follows_g():
    gan = made()
    w_avg = gan.generator.mapping.w_avg
    gan.step(batches())
    first = w_avg.clone()
    assert first.any()
    gan.step_discriminator(batches()())
    assert torch.equal(w_avg, first)  # fakes for D alone are made without a gradient
    gan.step(batches())
    assert not torch.equal(w_avg, first)


def test_state_continues_bitwise():
    settings = {"r1": 1.0, "penalty_every": 2, "path_length_every": 3, "lr_g": 1e-3}
    a, b = made(settings, classes=3, noise=0.3), made(settings, classes=3, noise=0.3)
    draw = batches(classes=3)
    torch.manual_seed(5)
    for _ in range(4):
        a.step(draw)
    state = {k: v.clone() if isinstance(v, torch.Tensor) else v for k, v in a.state_dict().items()}
    assert state["generator_steps"] == 4
    assert state["path_mean"] > 0
    for role in ROLES:
        b.networks[role].load_state_dict(a.networks[role].state_dict())
        b.optimizers[role].load_state_dict(copy.deepcopy(a.optimizers[role].state_dict()))
    b.load_state_dict(state)
    batch, layers = draw(), torch.get_rng_state()
    for gan in (a, b):
        torch.set_rng_state(layers)
        for _ in range(4):
            metrics = gan.step(lambda: batch)
    assert torch.equal(weights(a.networks), weights(b.networks))
    assert torch.equal(a.path_mean, b.path_mean)
    assert "g_loss" in metrics
    assert state["path_mean"] != a.path_mean  # what was kept stayed as it was


def test_bf16_gives_float32_metrics_and_finite_weights():
    settings = {"r1": 1.0}
    gan = made(settings, noise=0.1, autocast=lambda: torch.autocast("cpu", torch.bfloat16))
    for _ in range(3):
        metrics = gan.step(batches())
        assert {m.dtype for m in metrics.values()} == {torch.float32}
        assert all(m.isfinite() for m in metrics.values())
    assert weights(gan.networks).isfinite().all()


@pytest.mark.parametrize("classes", [0, 3])
def test_training_lowers_d_loss_and_stays_finite(classes):
    """D learns to tell noise from grey pictures while G stands still: the whole chain of gradients works."""
    gan = made({"lr_d": 2e-3, "lr_g": 0.0, "r1": 0.1, "penalty_every": 4}, classes)
    draw = batches(classes=classes)
    values = [gan.step(draw)["d_loss"].item() for _ in range(25)]
    assert all(map(math.isfinite, values))
    assert sum(values[-5:]) < sum(values[:5])


def test_samples_have_the_constant_noise():
    gan, z = made(noise=0.5), torch.randn(3, 4)
    sampled = gan.sample(gan.networks, 3, torch.Generator(), z=z)
    assert torch.equal(sampled, gan.generator(z, noise="const"))
    assert not torch.equal(sampled, gan.generator(z))


def test_a_generator_without_styles_is_one_clear_line():
    with pytest.raises(InputError, match=r"^generator: 'Generator' is not allowed; expected a mapping and ") as error:
        StyleGAN2(models.build("mlp", (2,)))
    assert "\n" not in str(error.value)


def test_processes_agree_on_the_average_path_length():
    alone, together = curved(style_mixing=0.0), curved(style_mixing=0.0)
    told = []
    together.gather = lambda lengths: told.append(lengths) or torch.cat([lengths, torch.full((5,), 100.0)])
    for gan in (alone, together):
        torch.manual_seed(0)
        gan.path_length_penalty(n=5)
    assert told[0].shape == (5,)
    assert not told[0].requires_grad
    torch.testing.assert_close(alone.path_mean, 0.01 * told[0].mean())
    torch.testing.assert_close(together.path_mean, 0.01 * (told[0].mean() + 100) / 2)
