"""The networks that translate pictures: CycleGAN's and pix2pix's."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from gan_tutorial import models
from gan_tutorial.errors import InputError
from gan_tutorial.models import cyclegan, pix2pix

SMALL = {"g_width": 4, "d_width": 4}


def pictures(n=2, channels=3, size=16):
    return torch.rand(n, channels, size, size) * 2 - 1


@pytest.mark.parametrize("name", ["cyclegan", "pix2pix"])
@pytest.mark.parametrize(("channels", "size", "side"), [(1, 16, 8), (3, 16, 8), (1, 32, 8), (3, 64, 8)])
def test_shapes_and_ranges(name, channels, size, side):
    nets = models.build(name, (channels, size, size), **SMALL)
    G, D, x = nets["generator"], nets["discriminator"], pictures(2, channels, size)
    assert (G.sample_shape, G.z_dim, G.num_classes, D.num_classes) == ((channels, size, size), 0, 0, 0)
    for direction in G.directions:
        made = G(x, direction)
        assert made.shape == x.shape
        assert made.dtype == torch.float32
        assert made.abs().max() <= 1
        assert not torch.equal(made, x)
    seen = [D(x, "a"), D(x, "b")] if name == "cyclegan" else [D(x, made)]
    assert all(logits.shape == (2, 1, side, side) for logits in seen)
    assert D.patch <= size


@pytest.mark.parametrize("name", ["cyclegan", "pix2pix"])
@pytest.mark.parametrize("size", [16, 32])
def test_gradients_reach_every_weight(name, size):
    nets = models.build(name, (3, size, size), **SMALL)
    G, D, x, y = nets["generator"], nets["discriminator"], pictures(2, 3, size), pictures(2, 3, size)
    if name == "cyclegan":
        (D(G(x, "ab"), "b").sum() + D(G(y, "ba"), "a").sum()).backward()
    else:
        D(x, G(x)).sum().backward()
    for role, net in nets.items():
        for weight, p in net.named_parameters():
            assert p.grad is not None, (role, weight)
            assert p.grad.abs().sum() > 0, (role, weight)


def test_the_two_directions_share_nothing():
    G = models.build("cyclegan", (1, 16, 16), **SMALL)["generator"]
    x = pictures(1, 1)
    assert not torch.equal(G(x, "ab"), G(x, "ba"))
    G(x, "ab").sum().backward()
    assert all(p.grad is not None for p in G.ab.parameters())
    assert all(p.grad is None for p in G.ba.parameters())


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_logit_sees_its_patch_and_no_more(depth):
    net = cyclegan.PatchGAN(1, 4, depth)
    for layer in net.modules():
        if isinstance(layer, nn.GroupNorm):  # its mean and variance see the whole picture
            layer.forward = lambda x: x
    for p in net.parameters():
        nn.init.uniform_(p, 0.1, 1)  # so that nothing cancels
    x = torch.rand(1, 1, 128, 128, requires_grad=True)
    logits = net(x)
    middle = logits.shape[-1] // 2
    logits[0, 0, middle, middle].backward()
    rows = x.grad[0, 0].abs().sum(1).nonzero().flatten()
    assert len(rows) == rows[-1] - rows[0] + 1 == net.patch == cyclegan.patch(depth)
    around = (rows[0] + rows[-1]) / 2
    assert abs(around - (middle + 0.5) * 2**depth + 0.5) <= 2**depth  # the logit lies over its patch


def test_the_patch_grows_with_the_picture_and_fits_into_it():
    assert [cyclegan.depth_for(size) for size in cyclegan.SIZES] == [1, 2, 3, 4, 4]
    assert all(cyclegan.patch(cyclegan.depth_for(size)) <= size for size in cyclegan.SIZES)


def test_the_norm_is_instance_normalisation():
    x = torch.randn(3, 5, 8, 8) * 3 + 1
    torch.testing.assert_close(cyclegan.norm(5)(x), F.instance_norm(x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["cyclegan", "pix2pix"])
def test_no_layer_mixes_pictures(name):
    nets = models.build(name, (3, 16, 16), **SMALL)
    G, D, x = nets["generator"].eval(), nets["discriminator"].eval(), pictures(4)
    torch.testing.assert_close(G(x)[:1], G(x[:1]), atol=1e-5, rtol=1e-4)
    seen = (D(x), D(x[:1])) if name == "cyclegan" else (D(x, x), D(x[:1], x[:1]))
    torch.testing.assert_close(seen[0][:1], seen[1], atol=1e-5, rtol=1e-4)


def test_a_residual_generator_says_what_changes():
    x = pictures()
    for residual in (True, False):
        G = models.build("cyclegan", (3, 16, 16), residual=residual, **SMALL)["generator"].ab
        nn.init.zeros_(G.layers[-1].weight)
        torch.testing.assert_close(G(x), 0.9 * x if residual else torch.zeros_like(x))
        assert G(3 * x).isfinite().all()  # a picture with noise on it may leave [-1, 1]


def test_borders_are_mirrored():
    """Of a picture of one colour, a first layer that mirrors its borders makes pictures of one colour."""
    first = models.build("cyclegan", (1, 16, 16), **SMALL)["generator"].ab.layers[0]
    made = first(torch.full((1, 1, 16, 16), 0.7))
    torch.testing.assert_close(made, made[:, :, :1, :1].expand_as(made))


def test_initial_weights_are_the_papers():
    for net in models.build("cyclegan", (3, 16, 16)).values():
        for layer in net.modules():
            if isinstance(layer, nn.Conv2d) and layer.weight.numel() > 10_000:
                # The standard error of a standard deviation of n draws is 0.02 / sqrt(2 n) < 0.00015.
                assert layer.weight.std().item() == pytest.approx(0.02, abs=6e-4)
                assert layer.bias is None or not layer.bias.any()


def test_the_unet_hands_over_what_it_saw():
    """Without the narrow middle, outlines still pass."""
    G = models.build("pix2pix", (1, 16, 16), **SMALL)["generator"].eval()
    x = pictures(1, 1)
    for p in (G.down[-1][1].weight, G.down[-1][1].bias):
        nn.init.zeros_(p)
    assert (G(x) - G(x.flip(3))).abs().max() > 1e-4


def test_dropout_is_the_only_noise_and_rests_in_eval_mode():
    for share, noisy in ((0.0, False), (0.5, True)):
        G = models.build("pix2pix", (1, 16, 16), dropout=share, **SMALL)["generator"]
        x = pictures(1, 1)
        assert torch.equal(G(x), G(x)) != noisy
        G.eval()
        assert torch.equal(G(x), G(x))


def test_the_conditional_discriminator_looks_at_both():
    D = models.build("pix2pix", (3, 16, 16), **SMALL)["discriminator"]
    x, y = pictures(2), pictures(2)
    assert not torch.equal(D(x, y), D(x.flip(0), y))
    assert not torch.equal(D(x, y), D(x, y.flip(0)))


@pytest.mark.parametrize("name", ["cyclegan", "pix2pix"])
@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((3, 8, 8), {}, r"size: 8 is not allowed; expected at least 12 px, the patch that D looks at with depth=1"),
        ((3, 16, 16), {"depth": 2}, r"size: 16 is not allowed; expected at least 26 px, the patch"),
        ((3, 20, 20), {}, r"sample_shape: \(3, 20, 20\) is not allowed; expected pictures"),
        ((3, 32, 16), {}, r"sample_shape: \(3, 32, 16\) is not allowed"),
        ((2,), {}, r"sample_shape: \(2,\) is not allowed"),
        ((3, 16, 16), {"num_classes": 1}, "num_classes: 1 is not allowed; expected 0"),
        ((3, 16, 16), {"g_width": 2}, "g_width: 2 is not allowed"),
        ((3, 16, 16), {"d_width": 512}, "d_width: 512 is not allowed"),
        ((3, 16, 16), {"depth": 0}, "depth: 0 is not allowed"),
    ],
)
def test_what_can_not_be_built_is_one_clear_line(name, shape, options, message):
    with pytest.raises(InputError, match=message) as error:
        models.build(name, shape, **options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cyclegan.build((1, 16, 16), blocks=0), "blocks: 0 is not allowed"),
        (lambda: cyclegan.build((1, 16, 16), residual=1), "residual: 1 is not allowed; expected true or false"),
        (lambda: pix2pix.build((1, 16, 16), dropout=1.0), "dropout: 1.0 is not allowed"),
        (
            lambda: cyclegan.build((1, 16, 16), **SMALL)["generator"](pictures(1, 1), "aa"),
            "direction: 'aa' is not known; .* ab, ba",
        ),
        (
            lambda: pix2pix.build((1, 16, 16), **SMALL)["generator"](pictures(1, 1), "ba"),
            "direction: 'ba' is not known; .* ab",
        ),
        (
            lambda: cyclegan.build((1, 16, 16), **SMALL)["discriminator"](pictures(1, 1), "ab"),
            "domain: 'ab' is not known",
        ),
    ],
)
def test_wrong_options_and_directions_are_one_clear_line(call, message):
    with pytest.raises(InputError, match=message) as error:
        call()
    assert "\n" not in str(error.value)


def test_a_discriminator_with_classes_sees_what_a_picture_is_to_show():
    x, labels = pictures(3, 1), torch.tensor([2, 0, 1])
    marked = cyclegan.marked(x, labels, 3)
    assert marked.shape == (3, 4, 16, 16)
    assert torch.equal(marked[:, :1], x)
    assert torch.equal(marked[:, 1:].mean((2, 3)), torch.eye(3)[labels])
    assert cyclegan.marked(x, None, 0) is x
    networks = cyclegan.build((1, 16, 16), num_classes=3, **SMALL)
    assert (networks["generator"].num_classes, networks["discriminator"].num_classes) == (0, 3)
    other = cyclegan.marked(x, labels.flip(0), 3)
    assert not torch.equal(networks["discriminator"](marked, "a"), networks["discriminator"](other, "a"))
    with pytest.raises(InputError, match="labels"):
        cyclegan.marked(x, None, 3)
