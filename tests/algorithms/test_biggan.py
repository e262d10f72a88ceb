"""BigGAN's update rule: the GAN's, and a generator whose filters are kept apart."""

import math

import pytest
import torch

from gan_tutorial import models
from gan_tutorial.algorithms import GAN, BigGAN, BigGANSettings, GANSettings
from gan_tutorial.data import Batch
from gan_tutorial.errors import InputError
from gan_tutorial.models.biggan import orthogonal_penalty

ROLES = ("generator", "discriminator")


def networks(classes=3, orthogonal=False):
    torch.manual_seed(0)
    # Orthogonal weights have nothing to be penalised.
    options = {"z_dim": 12, "g_width": 4, "d_width": 4, "shared_dim": 4, "orthogonal": orthogonal}
    return models.build("biggan", (3, 16, 16), classes, **options)


def batches(classes=3, n=4):
    rng = torch.Generator().manual_seed(1)

    def draw():
        labels = torch.randint(classes, (n,), generator=rng) if classes else None
        return Batch(torch.rand(n, 3, 16, 16, generator=rng) * 2 - 1, labels)

    return draw


def weights(nets, role):
    return torch.cat([p.detach().flatten() for p in nets[role].parameters()])


def test_the_defaults_are_the_papers():
    assert BigGANSettings() == BigGANSettings(loss="hinge", orthogonal=1e-4)
    assert BigGAN(networks()).settings == BigGANSettings()


@pytest.mark.parametrize("classes", [0, 3])
def test_the_penalty_is_weighted_and_comes_in_every_update_of_g(classes):
    gan = BigGAN(networks(classes), BigGANSettings(orthogonal=0.03, lr_g=1e-3, g_steps=1, n_critic=2))
    draw = batches(classes)
    for _ in range(3):
        expected = 0.03 * orthogonal_penalty(gan.generator).detach()
        metrics = gan.step(draw)
        assert expected > 0
        torch.testing.assert_close(metrics["g_penalty"], expected)
    gan.configure(orthogonal=0)
    assert "g_penalty" not in gan.step(draw)


def test_it_is_part_of_what_g_minimises_and_not_of_g_loss():
    plain = {"optimizer": "sgd", "lr_g": 0.1, "lr_d": 0.1}
    ours = BigGAN(networks(), BigGANSettings(orthogonal=0.5, **plain), seed=2)
    theirs = GAN(networks(), GANSettings(loss="hinge", **plain), seed=2)
    parameters = list(ours.generator.parameters())
    pull = torch.autograd.grad(0.5 * orthogonal_penalty(ours.generator), parameters, allow_unused=True)
    a, b = ours.step(batches()), theirs.step(batches())
    torch.testing.assert_close(a["g_loss"], b["g_loss"])
    torch.testing.assert_close(a["d_loss"], b["d_loss"])
    assert torch.equal(weights(ours.networks, "discriminator"), weights(theirs.networks, "discriminator"))
    moved = 0
    for mine, other, gradient in zip(parameters, theirs.generator.parameters(), pull, strict=True):
        expected = other.detach() if gradient is None else other.detach() - 0.1 * gradient
        moved += gradient is not None and bool(gradient.any())
        torch.testing.assert_close(mine.detach(), expected, rtol=0, atol=1e-5)
    assert moved > 5


def test_alone_it_makes_filters_orthogonal():
    gan = BigGAN(networks())
    optimizer = torch.optim.SGD(gan.generator.parameters(), 0.1)
    before = orthogonal_penalty(gan.generator).item()
    gan.configure(orthogonal=1.0)
    for _ in range(30):
        optimizer.zero_grad()
        gan.generator_penalty(None).backward()
        optimizer.step()
    assert orthogonal_penalty(gan.generator).item() < 0.5 * before


@pytest.mark.parametrize("value", [-1e-4, math.nan, "much", True])
def test_bad_settings_name_parameter_and_value(value):
    with pytest.raises(InputError, match=rf"^orthogonal: {value!r} is not allowed") as error:
        BigGANSettings(orthogonal=value)
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match=r"^loss: 'hing' is not known"):
        BigGANSettings(loss="hing")
