"""StyleGAN2: equal to the formulas (reference_stylegan2) and the official code's numbers, and what the papers say."""

import math
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch.nn.functional import interpolate

from gan_tutorial import models, penalties
from gan_tutorial.errors import InputError
from gan_tutorial.models import stylegan2
from tests.models import reference_stylegan2 as reference

PARITY = Path(__file__).parents[1] / "zoo" / "parity"
LIMIT = 1e-4  # what the importers promise


def family(n=36):
    """Configurations of the official family: every value of every choice several times, in random company."""
    rng = random.Random(5)
    sizes = [16] * 14 + [32] * 12 + [64] * 6 + [128] * 2 + [256] * 2
    choices = {
        "resolution": sizes,
        "base": [64, 256, 1024],
        "most": [4, 7, 10],
        "colours": [1, 3, 4],
        "classes": [0, 2, 5],
        "g_architecture": stylegan2.ARCHITECTURES,
        "d_architecture": stylegan2.ARCHITECTURES,
        "mapping_layers": [2, 8],
        "d_mapping_layers": [8, 8, 2],
        "noise": ["const", "none"],
        "psi": [1.0, 0.7, 0.5],
        "cutoff": [None, 4, 1],
        "group": [4, 2, 8, 1, 4, 0],
        "latent": [6, 16],
        "style": [16, 9],
    }
    columns = {name: [values[i % len(values)] for i in range(n)] for name, values in choices.items()}
    for values in columns.values():
        rng.shuffle(values)
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def named(c):
    return "-".join(f"{k[0]}{v}" for k, v in c.items())


def networks(c, seed=0):
    """Both networks with everything random that training would move, in eval mode."""
    torch.manual_seed(seed)
    nets = models.build(
        "stylegan2",
        (c["colours"], c["resolution"], c["resolution"]),
        c["classes"],
        z_dim=c["latent"],
        w_dim=c["style"],
        channel_base=max(c["base"], c["resolution"]),
        channel_max=c["most"],
        mapping_layers=c["mapping_layers"],
        d_mapping_layers=c["d_mapping_layers"],
        architecture=c["g_architecture"],
        d_architecture=c["d_architecture"],
        group=c["group"],
    )
    with torch.no_grad():
        for net in nets.values():
            for name, p in net.named_parameters():
                if name.endswith(("bias", "noise_strength")):
                    # The mapping network's biases count a hundredth.
                    p.add_(torch.randn_like(p) * (20 if "mapping.fc" in name else 0.3))
        nets["generator"].mapping.w_avg.normal_(0, 0.5)
    return nets["generator"].eval(), nets["discriminator"].eval()


def arrays(net):
    return {name: t.detach().double().numpy() for name, t in net.state_dict().items()}


def rows(labels, classes):
    return np.eye(classes)[labels.numpy()] if classes else None


# -- the formulas ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("c", family(), ids=named)
def test_equals_the_formulas(c):
    G, D = networks(c)
    n = {16: 6, 32: 4}.get(c["resolution"], 2) if c["group"] < 8 else 8
    z, labels = torch.randn(n, c["latent"]), torch.randint(max(1, c["classes"]), (n,)) if c["classes"] else None
    given = rows(labels, c["classes"])
    told = {"psi": c["psi"], "cutoff": c["cutoff"]}
    ws, images = reference.generate(arrays(G), c, z.double().numpy(), given, noise=c["noise"], **told)
    # Patches of colour and noise: pure noise looks the same to D everywhere.
    seen = interpolate(torch.randn(n, c["colours"], 4, 4), c["resolution"]) + torch.randn(n, *G.sample_shape) / 2
    group = max(g for g in range(min(c["group"], n) + 1) if g == 0 or n % g == 0)
    logits = reference.judge(arrays(D), {**c, "group": group}, seen.double().numpy(), given)
    with torch.no_grad():
        ours = G.mapping(z, labels, **told), G(z, labels, noise=c["noise"], **told), D(seen, labels)
    assert [tuple(x.shape) for x in ours] == [ws.shape, images.shape, (n, 1)]
    for mine, theirs in zip(ours, (ws, images, logits[:, None]), strict=True):
        error, spread = np.abs(mine.double().numpy() - theirs).max(), theirs.std()
        # Measured: at most 1e-5, and 1e-4 of the spread.
        assert error < min(LIMIT, spread / 100)


def official(name):
    """The tensors of a file, our networks with its weights, and its configuration."""
    path = PARITY / f"stylegan2_{name}.safetensors"
    tensors = load_file(path)
    with safe_open(path, "pt") as file:
        c = {key: value if "architecture" in key else int(value) for key, value in file.metadata().items()}
    c |= {"d_mapping_layers": 8, "group": c["mbstd_group_size"]}
    nets = models.build(
        "stylegan2",
        (c["img_channels"], c["resolution"], c["resolution"]),
        c["c_dim"],
        z_dim=c["z_dim"],
        w_dim=c["w_dim"],
        channel_base=c["channel_base"],
        channel_max=c["channel_max"],
        mapping_layers=c["mapping_layers"],
        architecture=c["g_architecture"],
        d_architecture=c["d_architecture"],
        group=c["group"],
    )
    for role, prefix in (("generator", "G."), ("discriminator", "D.")):
        of = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        nets[role].load_state_dict({k: v for k, v in of.items() if not k.endswith("resample_filter")})
    return tensors, nets["generator"].eval(), nets["discriminator"].eval(), c


PICTURES = {
    "image_psi1_const": {"psi": 1.0, "noise": "const"},
    "image_psi0.7_const": {"psi": 0.7, "noise": "const"},
    "image_psi0.5_cutoff4_none": {"psi": 0.5, "cutoff": 4, "noise": "none"},
}


@torch.no_grad()
@pytest.mark.parametrize("name", ["16_conditional_orig", "32_skip"])
def test_equals_the_official_code(name):
    tensors, G, D, c = official(name)
    z, labels = tensors["in.z"], tensors["in.c"] if c["c_dim"] else None
    found = {"w": G.mapping(z, labels)} | {picture: G(z, labels, **told) for picture, told in PICTURES.items()}
    found["logits_of_image_psi1_const"] = D(tensors["out.image_psi1_const"], labels)
    assert {f"out.{key}" for key in found} == {key for key in tensors if key.startswith("out.")}
    for key, ours in found.items():
        torch.testing.assert_close(ours, tensors[f"out.{key}"], rtol=0, atol=LIMIT)  # measured: 5e-6


@pytest.mark.parametrize("name", ["16_conditional_orig", "32_skip"])
def test_the_formulas_equal_the_official_code(name):
    tensors, G, D, c = official(name)
    given = {key: tensors[f"in.{key}"].double().numpy() for key in "zc"}
    labels = given["c"] if c["c_dim"] else None
    for picture, told in PICTURES.items():
        ws, images = reference.generate(arrays(G), c, given["z"], labels, **told)
        assert np.abs(images - tensors[f"out.{picture}"].numpy()).max() < LIMIT
        if told["psi"] == 1:
            assert np.abs(ws - tensors["out.w"].numpy()).max() < LIMIT
    logits = reference.judge(arrays(D), c, tensors["out.image_psi1_const"].double().numpy(), labels)
    assert np.abs(logits - tensors["out.logits_of_image_psi1_const"].squeeze(1).numpy()).max() < LIMIT


# -- the parts ---------------------------------------------------------------------------------------------------------
def small(size=16, classes=0, seed=0, **options):
    torch.manual_seed(seed)
    options = {"z_dim": 8, "w_dim": 8, "channel_base": 128, "channel_max": 8, "mapping_layers": 2, **options}
    nets = models.build("stylegan2", (3, size, size), classes, **options)
    return nets["generator"], nets["discriminator"]


def noisy(G, strength=0.5):
    with torch.no_grad():
        for name, p in G.named_parameters():
            if name.endswith("noise_strength"):
                p.fill_(strength)
    return G


@pytest.mark.parametrize("up", [False, True])
def test_modulation_equals_a_weight_of_its_own_for_every_sample(up):
    x, styles = torch.randn(3, 4, 6, 6, dtype=torch.float64), torch.randn(3, 4, dtype=torch.float64)
    weight = torch.randn(5, 4, 3, 3, dtype=torch.float64)
    for demodulate in (True, False):
        found = stylegan2.modulated(x, weight, styles, up=up, demodulate=demodulate)
        for n in range(3):
            own = reference.modulated_weight(weight.numpy(), styles[n].numpy(), demodulate)
            one = x[n].numpy()
            expected = reference.convolve_up(one, own) if up else reference.correlate(one, own, 1)
            np.testing.assert_allclose(found[n].numpy(), expected, rtol=0, atol=1e-12)


def test_demodulated_features_have_a_standard_deviation_of_one():
    x, weight = torch.randn(16, 32, 34, 34), torch.randn(24, 32, 3, 3)
    styles = torch.randn(16, 32).exp() * torch.logspace(-2, 2, 16)[:, None]  # samples differ by a factor of 10,000
    inner = stylegan2.modulated(x, weight, styles)[:, :, 1:-1, 1:-1]  # zeros enter at the border
    deviations = inner.std((2, 3))
    assert deviations.mean().item() == pytest.approx(1, abs=0.01)  # over ten seeds 0.998 to 1.003
    assert deviations.min() > 0.85  # over ten seeds at least 0.92
    assert deviations.max() < 1.15  # and at most 1.09
    plain = stylegan2.modulated(x, weight, styles, demodulate=False).std((1, 2, 3))
    assert plain.max() > 1000 * plain.min()


def test_weights_are_normal_and_scaled_where_they_act():
    G, D = small(channel_base=1024, channel_max=64, w_dim=64, z_dim=64, classes=5)
    for net in (G, D):
        for name, p in net.named_parameters():
            if name.endswith("weight"):
                wanted = 100 if "mapping.fc" in name else 1
                # A standard deviation of n draws is known to 1 / sqrt(2 n); four such.
                assert p.std().item() == pytest.approx(wanted, rel=4 / math.sqrt(2 * p.numel())), name
            elif name.endswith("bias"):
                assert torch.equal(p, torch.full_like(p, "affine" in name)), name
    x, picture = torch.randn(4000, 200), torch.randn(60, 40, 12, 12)
    # Leaky ReLU with its gain: a mean square of 2 (0.5 + 0.5 0.04) = 1.04.
    layers = [
        (stylegan2.Linear(200, 100), x, 1),
        (stylegan2.Linear(200, 100, active=True), x, 1.04),
        (stylegan2.Linear(200, 100, active=True, lr_multiplier=0.01), x, 1.04),
        (stylegan2.Conv(40, 30, 3), picture, 1.04),
        (stylegan2.Conv(40, 30, 3, active=False), picture, 1),
    ]
    for layer, given, wanted in layers:
        out = layer(given)
        out = out[:, :, 1:-1, 1:-1] if out.dim() == 4 else out
        assert out.square().mean().item() == pytest.approx(wanted, abs=0.1)  # over ten seeds within 0.05


def test_a_slow_layer_learns_a_hundred_times_less():
    x, moved = torch.randn(64, 8), []
    for multiplier in (1.0, 0.01):
        torch.manual_seed(3)
        layer = stylegan2.Linear(8, 8, lr_multiplier=multiplier)
        before = layer(x)
        optimizer = torch.optim.Adam(layer.parameters(), 1e-3)
        layer(x).sum().backward()
        optimizer.step()
        moved.append((layer(x) - before).abs().mean().item())
    assert moved[1] == pytest.approx(moved[0] / 100, rel=0.02)


def test_noise_is_what_it_is_called():
    G = noisy(small()[0])
    z = torch.randn(2, 8)
    with torch.no_grad():
        for noise in ("const", "none"):
            assert torch.equal(G(z, noise=noise), G(z, noise=noise))
        assert not torch.equal(G(z), G(z))
        assert not torch.equal(G(z, noise="const"), G(z, noise="none"))
        torch.manual_seed(4)
        first = G(z)
        torch.manual_seed(4)
        assert torch.equal(G(z), first)  # from the global generator
        silent = noisy(G, 0.0)
        assert torch.equal(silent(z), silent(z, noise="none"))
        assert torch.equal(silent(z, noise="const"), silent(z, noise="none"))


def test_noise_is_one_field_a_sample_for_all_channels():
    layer = noisy(stylegan2.StyledConv(4, 3, 8, 16), 0.5)
    x, w = torch.zeros(50, 4, 16, 16), torch.randn(50, 8)
    with torch.no_grad():
        fresh, const = layer(x, w), layer(x, w, "const")
    for out in (fresh, const):
        assert torch.equal(out, out[:, :1].expand_as(out))
    assert torch.equal(const, const[:1].expand_as(const))
    assert not torch.equal(fresh[0], fresh[1])
    linear = torch.where(fresh > 0, fresh, fresh / 0.2) / math.sqrt(2)
    assert linear.std().item() == pytest.approx(0.5, abs=0.012)  # 12,800 numbers: three standard errors


# -- styles ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("size", [16, 64, 256])
@pytest.mark.parametrize("architecture", stylegan2.ARCHITECTURES)
def test_the_number_of_styles_is_the_papers(size, architecture):
    G, _ = small(size, architecture=architecture)
    assert G.num_ws == 2 * math.log2(size) - 2
    assert G.mapping(torch.randn(2, 8)).shape == (2, G.num_ws, 8)


def test_which_layers_a_style_steers():
    G, _ = small(16)
    seen = {}
    for name, module in G.synthesis.named_modules():
        if name.endswith("affine"):
            module.register_forward_pre_hook(lambda _, args, name=name: seen.update({name[:-7]: args[0]}))
    ws = torch.randn(1, G.num_ws, 8)
    G.synthesis(ws)
    steered = [{name for name, w in seen.items() if torch.equal(w, ws[:, i])} for i in range(G.num_ws)]
    assert steered == [
        {"b4.conv1"},
        {"b4.torgb", "b8.conv0"},
        {"b8.conv1"},
        {"b8.torgb", "b16.conv0"},
        {"b16.conv1"},
        {"b16.torgb"},
    ]


def test_mixed_styles_change_only_the_layers_that_have_them():
    G, _ = small(32)
    features = {}
    for r in G.synthesis.resolutions:
        block = getattr(G.synthesis, f"b{r}")
        block.register_forward_hook(lambda _, args, out, r=r: features.update({r: out[0]}))

    def of(ws):
        G.synthesis(ws, noise="const")
        return dict(features)

    a, b = G.mapping(torch.randn(2, 8)), G.mapping(torch.randn(2, 8))
    plain = of(a)
    for crossing, same in ((1, [4]), (3, [4, 8]), (5, [4, 8, 16]), (7, [4, 8, 16, 32])):
        mixed = of(torch.cat([a[:, :crossing], b[:, crossing:]], 1))
        assert [r for r in mixed if torch.equal(mixed[r], plain[r])] == same


def test_truncation_pulls_towards_the_average():
    G, _ = small(16)
    G.mapping.w_avg.normal_()
    G.eval()
    z = torch.randn(4, 8)
    with torch.no_grad():
        w, average = G.mapping(z), G.mapping.w_avg
        torch.testing.assert_close(G.mapping(z, psi=0.3), average + 0.3 * (w - average))
        torch.testing.assert_close(G.mapping(z, psi=0.0), average.expand_as(w))
        middle = G.synthesis(average.expand(1, G.num_ws, -1), noise="const")
        torch.testing.assert_close(G(z, psi=0.0, noise="const"), middle.expand(4, -1, -1, -1))
        for cutoff in range(G.num_ws + 1):
            cut = G.mapping(z, psi=0.3, cutoff=cutoff)
            assert torch.equal(cut[:, :cutoff], G.mapping(z, psi=0.3)[:, :cutoff])
            assert torch.equal(cut[:, cutoff:], w[:, cutoff:])
        assert torch.equal(G.mapping(z, psi=1.0, cutoff=2), w)


def test_the_average_style_moves_only_while_training():
    G, _ = small(16)
    mapping, z = G.mapping, torch.randn(6, 8)
    mapping.w_avg.normal_()

    def moved(call):
        before = mapping.w_avg.clone()
        call()
        return not torch.equal(mapping.w_avg, before)

    with torch.no_grad():
        assert not moved(lambda: mapping(z))
    mapping.eval()
    assert not moved(lambda: mapping(z))
    mapping.train()
    before, w = mapping.w_avg.clone(), mapping.eval()(z)[:, 0].detach()
    assert moved(lambda: mapping.train()(z))
    torch.testing.assert_close(mapping.w_avg, 0.995 * before + 0.005 * w.mean(0))
    assert not mapping.w_avg.requires_grad
    assert "w_avg" not in dict(small(16, classes=3)[1].mapping.named_buffers())  # D keeps none


# -- the minibatch standard deviation ----------------------------------------------------------------------------------
def test_the_minibatch_standard_deviation_sees_repetition():
    layer = stylegan2.MinibatchStd(4)
    one = torch.randn(1, 5, 4, 4)
    same, different = layer(one.expand(8, -1, -1, -1)), layer(torch.randn(8, 5, 4, 4))
    assert same.shape == (8, 6, 4, 4)
    torch.testing.assert_close(same[:, 5], torch.full((8, 4, 4), 1e-4))
    assert (different[:, 5] > 0.5).all()
    assert torch.equal(same[:, :5], one.expand(8, -1, -1, -1))


@pytest.mark.parametrize(
    ("n", "group", "groups"), [(8, 4, 2), (6, 4, 2), (7, 4, 7), (3, 4, 1), (1, 4, 1), (12, 8, 2), (5, 1, 5)]
)
def test_groups_interleave_and_divide_any_batch(n, group, groups):
    x = torch.randn(n, 2, 4, 4)
    channel = stylegan2.MinibatchStd(group)(x)[:, 2]
    for i in range(n):
        members = x[i % groups :: groups]
        spread = (members.var(0, unbiased=False) + 1e-8).sqrt().mean()
        torch.testing.assert_close(channel[i], spread.expand(4, 4))


def test_whether_d_mixes_samples():
    x = torch.randn(4, 3, 16, 16)
    for group in (0, 1, 4):
        D = small(group=group)[1]
        assert D.mixes_samples == (group > 1)
        assert torch.allclose(D(x)[:2], D(x[:2]), atol=1e-5) != D.mixes_samples
    # A logit of a group of four depends on the other three.
    D, x = small(group=4)[1], x.requires_grad_()
    (gradient,) = torch.autograd.grad(D(x)[0, 0], x)
    assert (gradient.flatten(1).norm(dim=1) > 0).all()


# -- sizes -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("size", stylegan2.SIZES)
def test_every_size(size):
    G, D = small(size, channel_base=1024, channel_max=4, group=2)
    assert sum(p.numel() for net in (G, D) for p in net.parameters()) < 20_000
    if size <= 256:
        with torch.no_grad():
            images = G(torch.randn(2, 8))
            assert images.shape == (2, 3, size, size)
            assert D(images).shape == (2, 1)


def test_the_papers_size():
    """At 1024 px: about 30 and 29 million parameters (Karras et al. 2020, table 1's configuration F)."""
    with torch.device("meta"):
        nets = models.build("stylegan2", (3, 1024, 1024))
    assert stylegan2.widths(1024, 32768, 512) == {
        **dict.fromkeys((4, 8, 16, 32, 64), 512), 128: 256, 256: 128, 512: 64, 1024: 32
    }  # fmt: skip
    sizes = {role: sum(p.numel() for p in net.parameters()) for role, net in nets.items()}
    assert sizes == {"generator": 30_370_060, "discriminator": 29_012_513}


# -- second derivatives ------------------------------------------------------------------------------------------------
def slopes(value, parameters):
    """The derivative of value() along a random direction: by autograd, and as the quotient of a small difference."""
    directions = [torch.randn_like(p) for p in parameters]
    gradients = torch.autograd.grad(value(), parameters, allow_unused=True)
    by_autograd = sum((g * d).sum() for g, d in zip(gradients, directions, strict=True) if g is not None)
    at = []
    for step in (1e-6, -1e-6):
        with torch.no_grad():
            for p, d in zip(parameters, directions, strict=True):
                p.add_(d, alpha=step)
        at.append(value().detach())
        with torch.no_grad():
            for p, d in zip(parameters, directions, strict=True):
                p.sub_(d, alpha=step)
    return by_autograd.item(), ((at[0] - at[1]) / 2e-6).item()


@pytest.mark.parametrize("architecture", stylegan2.ARCHITECTURES)
def test_r1_can_be_differentiated(architecture):
    D = small(d_architecture=architecture, group=2)[1].double()
    x = torch.randn(4, 3, 16, 16, dtype=torch.float64)
    exact, measured = slopes(lambda: penalties.r1(lambda images: D(images), x), list(D.parameters()))
    assert abs(exact) > 1e-6
    assert exact == pytest.approx(measured, rel=1e-4)


@pytest.mark.parametrize("architecture", stylegan2.ARCHITECTURES)
def test_path_lengths_can_be_differentiated(architecture):
    G = noisy(small(architecture=architecture)[0]).synthesis.double()
    w = torch.randn(2, G.num_ws, 8, dtype=torch.float64).requires_grad_()
    y = torch.randn(2, 3, 16, 16, dtype=torch.float64) / 16

    def penalty():
        (gradient,) = torch.autograd.grad((G(w, noise="const") * y).sum(), w, create_graph=True)
        return (gradient.square().sum(2).mean(1).sqrt() - 0.1).square().mean()

    exact, measured = slopes(penalty, list(G.parameters()))
    assert abs(exact) > 1e-6
    assert exact == pytest.approx(measured, rel=1e-4)


@pytest.mark.parametrize("up", [False, True])
def test_modulation_can_be_differentiated_twice(up):
    given = [
        torch.randn(*shape, dtype=torch.float64).requires_grad_() for shape in ((1, 2, 3, 3), (2, 2, 3, 3), (1, 2))
    ]
    assert torch.autograd.gradgradcheck(lambda *args: stylegan2.modulated(*args, up=up), given)


# -- classes -----------------------------------------------------------------------------------------------------------
def test_a_class_changes_what_comes_out_and_rows_are_as_good_as_indices():
    G, D = small(classes=3)
    G.eval()
    z, labels = torch.randn(1, 8).expand(3, -1), torch.arange(3)
    with torch.no_grad():
        images = G(z, labels, noise="const")
        logits = D(images[:1].expand(3, -1, -1, -1), labels)
        assert len(images.unique(dim=0)) == len(logits.unique(dim=0)) == 3
        assert torch.equal(G(z, torch.eye(3), noise="const"), images)
        assert torch.equal(D(images[:1].expand(3, -1, -1, -1), torch.eye(3)), logits)
        between = G.mapping(z[:1], torch.tensor([[0.5, 0.5, 0.0]]))
    assert not any(torch.allclose(between[0], w) for w in G.mapping(z, labels))


def test_a_network_without_classes_takes_no_notice_of_labels():
    G, D = small()
    z, labels = torch.randn(2, 8), torch.tensor([0, 1])
    with torch.no_grad():
        assert torch.equal(G(z, labels, noise="none"), G(z, noise="none"))
        x = torch.randn(2, 3, 16, 16)
        assert torch.equal(D(x, labels), D(x))


def test_a_layout_of_channels_last_changes_nothing():
    G, D = small()
    z = torch.randn(2, 8)
    with torch.no_grad():
        images = G(z, noise="const")
        logits = D(images)
        G.to(memory_format=torch.channels_last)
        D.to(memory_format=torch.channels_last)
        torch.testing.assert_close(G(z, noise="const"), images, rtol=0, atol=1e-5)
        torch.testing.assert_close(D(images), logits, rtol=0, atol=1e-5)


def test_bfloat16_stays_close():
    G, D = small(classes=2)
    z, labels = torch.randn(4, 8), torch.tensor([0, 1, 0, 1])
    with torch.no_grad():
        images = G(z, labels, noise="const")
        logits = D(images, labels)
        with torch.autocast("cpu", torch.bfloat16):
            rough = G(z, labels, noise="const")
            torch.testing.assert_close(rough.float(), images, rtol=0, atol=0.1 * images.abs().max().item())
            torch.testing.assert_close(D(images, labels).float(), logits, rtol=0.1, atol=0.1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: small(20),
            r"^sample_shape: \(3, 20, 20\) is not allowed; expected \(channels, S, S\) with S in \(16,",
        ),
        (lambda: small(2048), r"^sample_shape: \(3, 2048, 2048\) is not allowed"),
        (lambda: models.build("stylegan2", (3, 32)), r"^sample_shape: \(3, 32\) is not allowed"),
        (lambda: models.build("stylegan2", (3, 32, 64)), r"^sample_shape: \(3, 32, 64\) is not allowed"),
        (lambda: small(architecture="res"), r"^architecture: 'res' is not allowed; expected one of \('orig', 'skip'"),
        (lambda: small(d_architecture=1), "^d_architecture: 1 is not allowed"),
        (lambda: small(z_dim=0), "^z_dim: 0 is not allowed; expected an integer >= 1 and <= 2048"),
        (lambda: small(w_dim=1.5), "^w_dim: 1.5 is not allowed"),
        (lambda: small(channel_base=8), "^channel_base: 8 is not allowed; expected an integer >= 64"),
        (lambda: small(channel_max=0), "^channel_max: 0 is not allowed"),
        (lambda: small(mapping_layers=0), "^mapping_layers: 0 is not allowed; expected an integer >= 1 and <= 16"),
        (lambda: small(d_mapping_layers=17), "^d_mapping_layers: 17 is not allowed"),
        (lambda: small(group=65), "^group: 65 is not allowed; expected an integer >= 0 and <= 64"),
        (lambda: small(classes=-1), "^num_classes: -1 is not allowed"),
        (lambda: small(width=3), "^option of model 'stylegan2': 'width' is not known"),
        (lambda: small()[0](torch.randn(2, 8), noise="fixed"), r"^noise: 'fixed' is not allowed; expected one of"),
        (lambda: small(classes=3)[0](torch.randn(2, 8)), r"^labels: None is not allowed; expected class indices"),
        (lambda: small(classes=3)[1](torch.randn(2, 3, 16, 16)), r"^labels: None is not allowed"),
        (lambda: small(classes=3)[0](torch.randn(2, 8), torch.tensor([0, 3])), "^labels: '0 to 3' is not allowed"),
        (lambda: small(classes=3)[1](torch.randn(2, 3, 16, 16), torch.eye(2)), r"^labels: 'torch.float32 \(2, 2\)'"),
    ],
)
def test_bad_input_is_one_clear_line(call, message):
    with pytest.raises(InputError, match=message) as error:
        call()
    assert "\n" not in str(error.value)
