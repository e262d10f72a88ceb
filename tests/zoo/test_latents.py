"""Directions, projection, mixing and ways through latent space, against generators whose answer is known."""

import math
import re

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from gan_tutorial import models
from gan_tutorial.errors import InputError
from gan_tutorial.models import biggan
from gan_tutorial.zoo import latents


class Styled(nn.Module):
    """z (N, 6) -> w = z A, the same for 3 layers; the image is a linear map of w. Has the attributes of a StyleGAN2."""

    z_dim, w_dim, num_ws, sample_shape = 6, 6, 3, (1, 4, 4)

    def __init__(self, num_classes=0):
        super().__init__()
        self.num_classes, rng = num_classes, torch.Generator().manual_seed(0)
        self.axes = nn.Parameter(torch.linalg.qr(torch.randn(6, 6, generator=rng))[0])
        self.scales = nn.Parameter(torch.tensor([3.0, 2.0, 1.0, 0.5, 0.2, 0.1]))
        self.pixels = nn.Parameter(torch.randn(6, 16, generator=rng) / 4)
        self.dropout = nn.Dropout(0.5)  # shows when eval mode is forgotten

    def mapping(self, z, labels=None, psi=1.0):
        w = self.dropout(z * self.scales) @ self.axes.T + 1.0
        if labels is not None:
            w = w + 100.0 * labels[:, None]
        return (psi * w)[:, None].expand(-1, 3, -1)

    def synthesis(self, w, noise="random"):
        assert noise == "const"
        return (w.mean(1) @ self.pixels).view(-1, 1, 4, 4)


class Linear(nn.Module):
    """z (N, 5) -> images of 4 pixels: the k-th column of `axes`, turned into z, moves one pixel by `scales[k]`."""

    z_dim, sample_shape, num_classes = 5, (1, 2, 2), 0

    def __init__(self, num_classes=0):
        super().__init__()
        self.num_classes, rng = num_classes, torch.Generator().manual_seed(1)
        self.axes = nn.Parameter(torch.linalg.qr(torch.randn(5, 5, generator=rng))[0])
        self.scales = nn.Parameter(torch.tensor([4.0, 2.0, 1.0, 0.5]))

    def forward(self, z, labels=None):
        x = (z @ self.axes)[:, :4] * self.scales
        x = x if labels is None else x + 50.0 * labels[:, None]
        return x.view(-1, 1, 2, 2)


# -- principal directions -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("classes", [0, 2])
def test_the_principal_directions_of_w_are_its_axes(classes):
    network = Styled(classes).train()
    found = latents.principal_directions(network, n=4000, k=3)
    assert found.space == "w"
    assert found.mean.shape == (6,)
    assert found.directions.shape == (3, 6)
    alike = (found.directions * network.axes.T[:3]).sum(1).abs()
    assert (alike > 0.99).all()
    torch.testing.assert_close(found.spreads, network.scales[:3].detach(), rtol=0.05, atol=0)
    torch.testing.assert_close(found.directions.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(found.steps.norm(dim=1), found.spreads)
    assert network.training
    assert network.dropout.training


@pytest.mark.parametrize("classes", [0, 2])
def test_the_principal_directions_of_z_are_those_of_the_images(classes):
    network = Linear(classes)
    found = latents.principal_directions(network, n=4000, k=4)
    assert found.space == "z"
    alike = (found.directions * network.axes.T[:4]).sum(1).abs()
    assert (alike > 0.98).all()
    torch.testing.assert_close(found.spreads, torch.ones(4), rtol=0.05, atol=0)


def test_a_class_can_be_named_and_the_same_seed_finds_the_same():
    network = Styled(2)
    first, again, other = (latents.principal_directions(network, n=200, k=2, seed=s, label=1) for s in (0, 0, 1))
    assert torch.equal(first.directions, again.directions)
    assert not torch.equal(first.directions, other.directions)
    assert (first.mean > 90).all()
    for row in first.directions:
        assert row[row.abs().argmax()] > 0


@pytest.mark.parametrize("name", ["mlp", "dcgan", "biggan", "stylegan2", "r3gan"])
@pytest.mark.parametrize("classes", [0, 3])
def test_every_architecture_has_directions_that_move_its_images(name, classes):
    small = {
        "biggan": {"g_width": 4, "d_width": 4},
        "stylegan2": {"z_dim": 16, "w_dim": 16, "channel_base": 256, "channel_max": 16},
        "r3gan": {"g_width": 8, "d_width": 8, "group_size": 8},
        "dcgan": {"g_width": 8, "d_width": 8},
        "mlp": {"z_dim": 8},
    }[name]
    network = models.build(name, (3, 16, 16), num_classes=classes, **small)["generator"]
    found = latents.principal_directions(network, n=60, k=2)
    dim = network.w_dim if latents.has_styles(network) else network.z_dim
    assert found.directions.shape == (2, dim)
    assert bool(torch.isfinite(found.directions).all())
    assert (found.spreads > 0).all()
    assert network.training


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"k": 0}, "k: 0 is not allowed; expected an integer >= 1"),
        ({"k": 5}, "k: 5 is not allowed; expected an integer from 1 to 4"),
        ({"k": 3, "n": 3}, "n: 3 is not allowed; expected an integer >= 4"),
        ({"label": 1, "k": 2}, "label: 1 is not allowed; expected None"),
    ],
)
def test_directions_that_cannot_be_are_refused(wrong, message):
    with pytest.raises(InputError, match=re.escape(message)) as refused:
        latents.principal_directions(Linear(), **{"n": 50} | wrong)
    assert "\n" not in str(refused.value)
    with pytest.raises(InputError, match="label: 2 is not allowed; expected an integer >= 0 and <= 1"):
        latents.principal_directions(Linear(2), n=50, k=2, label=2)


# -- attributes -----------------------------------------------------------------------------------------------------
def labelled(n=600, shares=0.5, flipped=0.0, seed=0):
    """Latents (n, 8) and whether they lie on the far side of a plane; a share of the answers is flipped."""
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 8, generator=rng) * 0.01 + 3.0
    normal = F.normalize(torch.randn(8, generator=rng), dim=0)
    height = (x - 3.0) @ normal
    values = height > height.quantile(1 - shares)
    return x, values ^ (torch.rand(n, generator=rng) < flipped), normal


def test_an_attributes_direction_crosses_the_plane_from_0_to_1():
    x, values, normal = labelled()
    found = latents.attribute_direction(x, values)
    assert found.direction @ normal > 0.97
    torch.testing.assert_close(found.direction.norm(), torch.tensor(1.0))
    assert found.spread == pytest.approx(0.01, rel=0.1)
    torch.testing.assert_close(found.step.norm().item(), found.spread)
    assert found.accuracy > 0.9  # 0.947: the penalty moves the plane a little
    turned = latents.attribute_direction(x, (~values).int())
    assert turned.direction @ normal < -0.97


def test_accuracy_is_told_of_latents_that_were_held_out():
    assert latents.attribute_direction(*labelled(shares=0.05)[:2]).accuracy > 0.85  # a rare attribute counts as much
    x, values, _ = labelled(n=80, flipped=0.5)
    wide = torch.cat([x, torch.randn(80, 200) * 0.01], 1)  # enough to learn 60 answers by heart
    accuracies = [latents.attribute_direction(wide, values, seed=seed).accuracy for seed in range(8)]
    assert sum(accuracies) / 8 < 0.65


@pytest.mark.parametrize(
    ("x", "values", "message"),
    [
        (torch.zeros(20, 3, 4), torch.zeros(20), "latents: (20, 3, 4) is not allowed; expected (N, D)"),
        (torch.full((20, 3), math.nan), torch.zeros(20), "latents: 'NaN or infinity' is not allowed"),
        (torch.zeros(20, 3), torch.zeros(19), "values: (19,) is not allowed; expected one value a latent, (20,)"),
        (torch.zeros(20, 3), torch.arange(20), "values: [0, 1, 2, 3, 4] is not allowed; expected only 0 and 1"),
        (
            torch.zeros(20, 3),
            torch.arange(20) > 14,
            "values: '15 zeros and 5 ones' is not allowed; expected at least 8",
        ),
    ],
)
def test_attributes_that_cannot_be_are_refused(x, values, message):
    with pytest.raises(InputError, match=re.escape(message)):
        latents.attribute_direction(x, values)


# -- projection -----------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def stylegan2():
    torch.manual_seed(0)
    options = {"z_dim": 16, "w_dim": 16, "channel_base": 256, "channel_max": 16, "mapping_layers": 2}
    return models.build("stylegan2", (3, 16, 16), **options)["generator"]


def test_an_image_of_the_generators_own_is_found_again(stylegan2):
    with torch.no_grad():
        w = stylegan2.mapping(torch.randn(1, 16, generator=torch.Generator().manual_seed(5)))
        target = stylegan2.synthesis(w, noise="const")
    seen = []
    found = latents.project(stylegan2, target, steps=120, callback=lambda *args: seen.append(args))
    assert found.w.shape == (1, stylegan2.num_ws, 16)
    assert bool((found.w == found.w[:, :1]).all())
    assert len(found.losses) == 120
    assert F.mse_loss(found.image, target) < 0.05 * target.var()
    assert found.losses[-1] < 0.1 * found.losses[0]
    with torch.no_grad():
        assert torch.equal(found.image, stylegan2.synthesis(found.w, noise="const"))
    assert [step for step, _, _ in seen] == list(range(120))
    assert [loss for _, loss, _ in seen] == found.losses
    assert seen[0][2].shape == target.shape


def test_a_style_for_each_layer_comes_closer_to_a_foreign_image(stylegan2):
    rng = torch.Generator().manual_seed(1)
    target = F.interpolate(torch.rand(1, 3, 4, 4, generator=rng) * 2 - 1, scale_factor=4)
    found = [latents.project(stylegan2, target, steps=80, plus=plus) for plus in (False, True)]
    errors = [F.mse_loss(it.image, target).item() for it in found]
    assert errors[1] < errors[0]
    assert not bool((found[1].w == found[1].w[:, :1]).all())


def test_a_projection_is_repeatable_and_leaves_no_trace(stylegan2):
    target, before = torch.zeros(1, 3, 16, 16), torch.random.get_rng_state()
    first, again, other = (latents.project(stylegan2, target, steps=5, seed=s) for s in (0, 0, 1))
    assert torch.equal(first.w, again.w)
    assert first.losses == again.losses
    assert not torch.equal(first.w, other.w)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(p.grad is None and p.requires_grad for p in stylegan2.parameters())
    assert stylegan2.training
    assert not first.w.requires_grad
    with torch.no_grad():
        assert torch.equal(latents.project(stylegan2, target, steps=5).w, first.w)


def test_features_steer_a_projection(stylegan2):
    target = torch.zeros(1, 3, 16, 16)
    plain = latents.project(stylegan2, target, steps=3)
    steered = latents.project(stylegan2, target, steps=3, features=lambda x: 10 * x.mean((2, 3)))
    assert steered.losses[0] > plain.losses[0]
    assert not torch.equal(steered.w, plain.w)
    with pytest.raises(InputError, match="features: they have no gradient"):
        latents.project(stylegan2, target, steps=3, features=torch.no_grad()(lambda x: x.mean((2, 3))))


def test_a_projection_keeps_to_its_class():
    torch.manual_seed(0)
    options = {"z_dim": 8, "w_dim": 8, "channel_base": 128, "channel_max": 8, "mapping_layers": 1}
    network = models.build("stylegan2", (1, 16, 16), num_classes=2, **options)["generator"]
    found = [latents.project(network, torch.zeros(1, 1, 16, 16), steps=1, label=label).w for label in (0, 1, None)]
    assert not torch.allclose(found[0], found[1], atol=1e-2)
    assert not torch.allclose(found[0], found[2], atol=1e-2)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"target": torch.zeros(2, 3, 16, 16)}, "target: (2, 3, 16, 16) is not allowed; expected one image of the"),
        ({"target": torch.full((1, 3, 16, 16), math.inf)}, "target: 'NaN or infinity' is not allowed"),
        ({"steps": 0}, "steps: 0 is not allowed; expected an integer >= 1"),
        ({"rate": 0.0}, "rate: 0.0 is not allowed"),
        ({"label": 0}, "label: 0 is not allowed; expected None"),
    ],
)
def test_projections_that_cannot_be_are_refused(stylegan2, wrong, message):
    with pytest.raises(InputError, match=re.escape(message)):
        latents.project(stylegan2, **{"target": torch.zeros(1, 3, 16, 16), "steps": 2} | wrong)
    with pytest.raises(InputError, match="generator: 'Linear' is not allowed; expected a StyleGAN2"):
        latents.project(Linear(), torch.zeros(1, 1, 2, 2))


# -- mixing and ways ------------------------------------------------------------------------------------------------
def test_mixing_takes_the_first_layers_from_one_and_the_others_from_the_other(stylegan2):
    n = stylegan2.num_ws
    coarse, fine = torch.zeros(1, n, 16), torch.ones(4, n, 16)
    mixed = latents.mix(stylegan2, coarse, fine, 2)
    assert mixed.shape == (4, n, 16)
    assert mixed[0, :, 0].tolist() == [0.0] * 2 + [1.0] * (n - 2)
    assert torch.equal(latents.mix(stylegan2, fine, coarse, n), fine)
    assert torch.equal(latents.mix(stylegan2, coarse, fine, 0), fine)
    for coarse_shape, layer, message in (
        ((1, n, 15), 1, f"coarse: (1, {n}, 15) is not allowed; expected (N, {n}, 16)"),
        ((3, n, 16), 1, "coarse, fine: (3, 4) is not allowed"),
        ((1, n, 16), n + 1, f"layer: {n + 1} is not allowed; expected an integer >= 0 and <= {n}"),
    ):
        with pytest.raises(InputError, match=re.escape(message)):
            latents.mix(stylegan2, torch.zeros(coarse_shape), fine, layer)
    with pytest.raises(InputError, match="generator: 'Linear' is not allowed"):
        latents.mix(Linear(), coarse, fine, 1)


def test_a_great_circle_turns_evenly_and_keeps_typical_lengths():
    a, b = torch.tensor([2.0, 0.0]), torch.tensor([0.0, 4.0])
    way = latents.interpolate(a, b, 5)
    assert way.shape == (5, 2)
    torch.testing.assert_close(way.norm(dim=1), torch.tensor([2.0, 2.5, 3.0, 3.5, 4.0]))
    angles = torch.atan2(way[:, 1], way[:, 0])
    torch.testing.assert_close(angles, torch.linspace(0, math.pi / 2, 5))
    z = torch.randn(2, 1, 512)
    middle = latents.interpolate(z[0], z[1], 3)[1].norm() / math.sqrt(512)
    straight = latents.interpolate(z[0], z[1], 3, spherical=False)[1].norm() / math.sqrt(512)
    assert 0.9 < middle < 1.1
    assert straight < 0.8


def test_a_way_begins_and_ends_where_it_should():
    for shape, result in (((6,), (4, 6)), ((1, 6), (4, 6)), ((1, 3, 6), (4, 3, 6))):
        a, b = torch.randn(shape), torch.randn(shape)
        for spherical in (True, False):
            way = latents.interpolate(a, b, 4, spherical)
            assert way.shape == result
            torch.testing.assert_close(way[0], a.view(result[1:]))
            torch.testing.assert_close(way[-1], b.view(result[1:]))
    same = torch.randn(1, 6)
    torch.testing.assert_close(latents.interpolate(same, same, 3), same.expand(3, -1))
    assert bool(torch.isfinite(latents.interpolate(same, -same, 3)).all())
    assert bool(torch.isfinite(latents.slerp(torch.zeros(6), same[0], 0.5)).all())


@pytest.mark.parametrize(
    ("a", "b", "n", "message"),
    [
        (torch.zeros(3), torch.zeros(4), 3, "a, b: ((3,), (4,)) is not allowed; expected two latents of one shape"),
        (torch.zeros(2, 3), torch.zeros(2, 3), 3, "a, b: ((2, 3), (2, 3)) is not allowed"),
        (torch.zeros(3), torch.zeros(3), 1, "n: 1 is not allowed; expected an integer >= 2"),
    ],
)
def test_ways_that_cannot_be_are_refused(a, b, n, message):
    with pytest.raises(InputError, match=re.escape(message)):
        latents.interpolate(a, b, n)


def test_truncation_has_the_law_of_drawing_again_and_keeps_the_order():
    z = torch.randn(20_000, generator=torch.Generator().manual_seed(0))
    for threshold in (0.3, 1.0, 2.0):
        cut = latents.truncate(z, threshold)
        assert cut.abs().max() <= threshold
        drawn = biggan.truncated(1, 20_000, threshold, torch.Generator().manual_seed(1))[0]
        quantiles = torch.linspace(0.05, 0.95, 19)
        # Six pairs of seeds differed by 0.017 thresholds at most.
        torch.testing.assert_close(cut.quantile(quantiles), drawn.quantile(quantiles), rtol=0, atol=0.05 * threshold)
        assert bool((cut[z.argsort()].diff() >= 0).all())
    assert (latents.truncate(z, 4.0) - z).abs()[z.abs() < 2.5].max() < 0.01
    with pytest.raises(InputError, match="threshold: 0 is not allowed"):
        latents.truncate(z, 0)
