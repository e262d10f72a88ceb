from itertools import pairwise

import pytest
import torch
from torch import nn

from gan_tutorial import models
from gan_tutorial.errors import InputError
from gan_tutorial.models import mlp
from gan_tutorial.models.packing import Packed, packed_shape


class Recorder(nn.Module):
    """An inner D that keeps what it was given."""

    def forward(self, *given):
        self.given = given
        return given[0].flatten(1).sum(1)


def test_inner_sees_m_samples_that_follow_each_other():
    inner = Recorder()
    x = torch.arange(12.0).view(6, 2)
    assert torch.equal(Packed(inner, 3)(x), torch.tensor([15.0, 51.0]))
    (seen,) = inner.given
    assert torch.equal(seen, torch.tensor([[0.0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]]))
    images = torch.randn(4, 3, 5, 5).to(memory_format=torch.channels_last)
    Packed(inner, 2)(images)
    (seen,) = inner.given
    assert seen.shape == (2, 6, 5, 5)
    assert torch.equal(seen[1, :3], images[2])
    assert torch.equal(seen[1, 3:], images[3])


@pytest.mark.parametrize("rows", [False, True])
def test_inner_sees_the_labels_of_all_m(rows):
    inner = Recorder()
    labels = torch.tensor([0, 2, 1, 1])
    Packed(inner, 2, num_classes=3)(torch.zeros(4, 2), nn.functional.one_hot(labels, 3).float() if rows else labels)
    assert torch.equal(inner.given[1], torch.tensor([[1.0, 0, 0, 0, 0, 1], [0, 1, 0, 0, 1, 0]]))


@pytest.mark.parametrize(("name", "shape"), [("mlp", (2,)), ("mlp", (1, 8, 8)), ("dcgan", (3, 16, 16))])
@pytest.mark.parametrize("num_classes", [0, 3])
def test_models_are_packed_by_an_option(name, shape, num_classes):
    torch.manual_seed(0)
    D = models.build(name, shape, num_classes, g_width=8, d_width=8, pack=2)["discriminator"]
    labels = [torch.tensor([0, 1, 2, 2])] if num_classes else []
    x = torch.randn(4, *shape)
    logits = D(x, *labels)
    assert logits.shape == (2,)
    assert (D.pack, D.num_classes) == (2, num_classes)
    other = x.clone()
    other[1] += 1  # the second sample of the first pack
    assert (D(other, *labels) - logits)[0].abs() > 1e-6
    if name == "mlp":  # no BatchNorm
        torch.testing.assert_close(D(other, *labels)[1], logits[1])
    plain = models.build(name, shape, num_classes, g_width=8, d_width=8)["discriminator"]
    assert not hasattr(plain, "pack")
    assert packed_shape(shape, 3) == (3 * shape[0], *shape[1:])


def test_batches_that_are_no_multiple_are_refused():
    with pytest.raises(InputError, match=r"^x: 5 samples can't be packed by 2; give it a multiple of 2$"):
        Packed(Recorder(), 2)(torch.zeros(5, 2))
    for pack in (0, 17, 1.5):
        for name, shape in (("mlp", (2,)), ("dcgan", (1, 8, 8))):
            with pytest.raises(InputError, match=rf"^pack: {pack} is not allowed; expected an integer >= 1 and <= 16$"):
                models.build(name, shape, pack=pack)


# -- the spread of a batch ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("name", "shape"), [("mlp", (2,)), ("dcgan", (1, 16, 16))])
def test_spread_of_a_group_reaches_the_last_layer(name, shape):
    torch.manual_seed(0)
    options = {"norm": "none"} if name == "dcgan" else {}
    D = models.build(name, shape, d_width=8, group=4, **options)["discriminator"]
    assert D.mixes_samples
    seen = {}
    last = D.layers[-1][1] if name == "mlp" else D.last
    last.register_forward_pre_hook(lambda _, args: seen.update(x=args[0]))
    x = torch.randn(4, *shape)
    D(x)
    y = seen["x"]
    features, spread = y[:, :-1], y[:, -1]
    expected = (features.var(0, unbiased=False) + 1e-8).sqrt().mean()  # Karras et al. 2018, section 3
    torch.testing.assert_close(spread, expected.expand_as(spread))
    D(x[:1].expand_as(x))  # a G that repeats itself
    assert seen["x"][:, -1].max() < 2e-4 < spread.min()


@pytest.mark.parametrize("name", ["mlp", "dcgan"])
def test_spread_is_off_unless_asked_for(name):
    shape = (2,) if name == "mlp" else (1, 8, 8)
    D = models.build(name, shape, d_width=8)["discriminator"]
    assert not D.mixes_samples
    assert not models.build(name, shape, d_width=8, group=1)["discriminator"].mixes_samples
    for group in (-1, 65):
        with pytest.raises(InputError, match=rf"^group: {group} is not allowed; expected an integer >= 0 and <= 64$"):
            models.build(name, shape, group=group)


# -- the MLP's other options -------------------------------------------------------------------------------------------
def test_mlp_without_options_is_what_it_was():
    torch.manual_seed(3)
    plain = models.build("mlp", (2,), g_width=8, d_width=6)
    torch.manual_seed(3)
    for role, sizes in (("generator", [2, 8, 8, 2]), ("discriminator", [2, 6, 6, 1])):
        layers = []
        for wide, narrow in pairwise(sizes):
            layers += [nn.Linear(wide, narrow), nn.ReLU()]
        twin = nn.Sequential(*layers[:-1])
        assert list(plain[role].state_dict()) == [f"layers.{name}" for name in twin.state_dict()]
        for mine, theirs in zip(plain[role].parameters(), twin.parameters(), strict=True):
            assert torch.equal(mine, theirs)


def test_maxout_is_the_largest_of_linear_functions():
    torch.manual_seed(0)
    layer, x = mlp.Maxout(3, 4, 5), torch.randn(6, 3)
    weight, bias = layer.linear.weight.view(5, 4, 3), layer.linear.bias.view(5, 4)
    expected = torch.stack([x @ w.t() + b for w, b in zip(weight, bias, strict=True)]).max(0).values
    torch.testing.assert_close(layer(x), expected)


def test_the_networks_of_the_published_table():
    """PacGAN's synthetic data: 4 x 400 with BatchNorm and ReLU; 3 x maxout(200, 5 pieces)."""
    torch.manual_seed(0)
    options = {"g_width": 400, "g_depth": 4, "g_norm": "batch", "d_width": 200, "d_depth": 3, "d_pieces": 5}
    nets = models.build("mlp", (2,), **options, init_std=0.02, pack=2)
    kinds = [type(m).__name__ for m in nets["generator"].layers]
    assert kinds == ["Linear", "BatchNorm1d", "ReLU"] * 4 + ["Linear"]
    sizes = {role: sum(p.numel() for p in net.parameters()) for role, net in nets.items()}
    assert sizes["generator"] == 2 * 400 + 3 * 400**2 + 4 * 2 * 400 + 400 * 2 + 2
    assert sizes["discriminator"] == (4 * 1000 + 1000) + 2 * (200 * 1000 + 1000) + 201
    for net in nets.values():
        for m in net.modules():
            if isinstance(m, nn.Linear):
                if m.weight.numel() > 10_000:
                    assert m.weight.std().item() == pytest.approx(0.02, abs=6e-4)
                assert m.bias is None or not m.bias.any()


def test_spectral_norm_bounds_every_weight_of_the_mlp():
    torch.manual_seed(0)
    D = models.build("mlp", (2,), d_width=32, d_norm="spectral", group=4, d_pieces=2)["discriminator"]
    with torch.no_grad():
        for _ in range(100):
            D(torch.randn(4, 2))
    linear = [m for m in D.modules() if isinstance(m, nn.Linear)]
    assert len(linear) == 3
    for m in linear:
        assert torch.linalg.svdvals(m.weight.detach())[0].item() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("g_norm", "spectral", r"one of \('none', 'batch'\)"),
        ("d_norm", "batch", r"one of \('none', 'spectral'\)"),
        ("d_pieces", 0, "an integer >= 1 and <= 16"),
        ("init_std", -0.1, "a finite number >= 0"),
    ],
)
def test_wrong_options_are_one_line(option, value, expected):
    with pytest.raises(InputError, match=rf"^{option}: {value!r} is not allowed; expected {expected}$"):
        models.build("mlp", (2,), **{option: value})
