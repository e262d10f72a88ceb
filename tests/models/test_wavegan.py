from itertools import pairwise

import pytest
import torch
from torch import nn

from gan_tutorial.errors import InputError
from gan_tutorial.models import wavegan

SMALL = {"z_dim": 6, "g_width": 4, "d_width": 4}


def parameters(net):
    return sum(p.numel() for p in net.parameters())


@pytest.mark.parametrize("length", [256, 1024, 2048, 4096, 5120, 8192, 16_384, 65_536])
@pytest.mark.parametrize("num_classes", [0, 3])
def test_shapes_and_range(length, num_classes):
    nets = wavegan.build((1, length), num_classes=num_classes, **SMALL)
    G, D = nets["generator"], nets["discriminator"]
    assert (G.sample_shape, G.z_dim, G.num_classes, D.num_classes) == ((1, length), 6, num_classes, num_classes)
    labels = [torch.tensor([0, num_classes - 1])] if num_classes else []
    with torch.no_grad():
        sounds = G(torch.randn(2, 6), *labels)
        logits = D(sounds, *labels)
    assert sounds.shape == (2, 1, length)
    assert sounds.abs().max() <= 1
    assert logits.shape == (2,)
    assert logits.dtype == sounds.dtype == torch.float32


@pytest.mark.parametrize(
    "options",
    [
        {"upsampling": "nearest"},
        {"kernel": 24},
        {"kernel": 4},
        {"kernel": 9, "stride": 2},
        {"kernel": 8, "stride": 8},
        {"kernel": 25, "stride": 5},
    ],
)
def test_every_kernel_and_stride_keeps_the_length(options):
    length = 16 * options.get("stride", 4) ** 2 * 4
    nets = wavegan.build((2, length), **SMALL, **options)
    sounds = nets["generator"](torch.randn(3, 6))
    assert sounds.shape == (3, 2, length)
    assert nets["discriminator"](sounds).shape == (3,)


# The paper's tables 3 and 4: rows of (kernel, from, to) at d = 64, one channel.
UP = [(25, 1024, 512), (25, 512, 256), (25, 256, 128), (25, 128, 64), (25, 64, 1)]
DOWN = [(25, 1, 64), (25, 64, 128), (25, 128, 256), (25, 256, 512), (25, 512, 1024)]


def test_at_16384_it_has_the_papers_layers_and_size():
    with torch.device("meta"):
        nets = wavegan.build((1, 16_384))
    G, D = nets["generator"], nets["discriminator"]
    up = [m for m in G.modules() if isinstance(m, nn.ConvTranspose1d)]
    assert [(*m.kernel_size, m.in_channels, m.out_channels) for m in up] == UP
    assert (G.first.in_features, G.first.out_features) == (100, 16 * 1024)
    down = [m for m in D.modules() if isinstance(m, nn.Conv1d)]
    assert [(*m.kernel_size, m.in_channels, m.out_channels) for m in down] == DOWN
    assert (D.last.in_features, D.last.out_features) == (16 * 1024, 1)
    assert all(m.stride == (4,) for m in up + down)
    assert parameters(G) == 100 * 16_384 + 16_384 + sum(k * a * b + b for k, a, b in UP) == 19_065_345
    assert parameters(D) == sum(k * a * b + b for k, a, b in DOWN) + 16_384 + 1 == 17_427_969
    assert not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for net in nets.values() for m in net.modules())


@pytest.mark.parametrize(
    ("length", "first", "blocks"), [(1024, 16, 3), (2048, 32, 3), (16_384, 16, 5), (65_536, 16, 6)]
)
def test_the_plan_begins_as_short_as_it_can(length, first, blocks):
    plan = wavegan.plan(length, 4)
    assert plan.first == first
    assert first * 4**blocks == length
    assert plan.multiples[-1] == 1
    assert all(a == 2 * b for a, b in pairwise(plan.multiples))
    assert wavegan.plan(65_536, 2).multiples == (32,) * 7 + (16, 8, 4, 2, 1)  # where the doubling ends


def test_a_feature_sees_as_many_samples_as_it_says():
    """24 samples beside the first, times the strides before: 1 + 24 (1 + 4 + 16 + 64 + 256) = 8,185."""
    D = wavegan.build((1, 16_384), d_width=4)["discriminator"].eval()
    x = torch.randn(1, 1, 16_384, requires_grad=True)
    h = x
    for convolution in D.convolutions:
        h = D.activation(convolution(h))
    (gradient,) = torch.autograd.grad(h[0, :, 8].sum(), x)  # one of the 16, in the middle
    (seen,) = gradient[0, 0].nonzero(as_tuple=True)
    assert int(seen[-1] - seen[0]) + 1 == len(seen) == 8185


def test_a_step_of_the_latent_reaches_all_of_the_sound_and_the_layers_reach_evenly():
    G = wavegan.build((1, 1024), z_dim=3, g_width=4)["generator"]
    with torch.no_grad():
        moved = (G(torch.ones(1, 3)) != G(torch.zeros(1, 3))).float().mean()
        assert moved > 0.99
        # One transposed convolution: every output sample gets 6 or 7 of the 25 weights (25 = 6 x 4 + 1).
        layer = G.blocks[-1]
        nn.init.ones_(layer.weight)
        taps = layer(torch.ones(1, layer.in_channels, 64))[0, 0] / layer.in_channels
    assert sorted(set(taps[16:-16].round().tolist())) == [6, 7]


def test_weights_begin_as_glorot_and_bengio_drew_them():
    D = wavegan.build((1, 4096))["discriminator"]
    for m in D.convolutions:
        bound = (6 / (25 * (m.in_channels + m.out_channels))) ** 0.5
        assert m.weight.abs().max() <= bound
        # The standard error of a uniform standard deviation of n draws is about 0.45 / sqrt(n) of it: 0.011 for 1,600.
        assert m.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)
        assert not m.bias.any()


# -- phase shuffle -----------------------------------------------------------------------------------------------------
def shuffled_by(x, shift):
    """One sound (C, L) shifted, in plain words: pad by reflection, cut elsewhere."""
    padded = nn.functional.pad(x[None], (abs(shift), abs(shift)), mode="reflect")[0]
    start = abs(shift) - shift
    return padded[:, start : start + x.shape[1]]


@pytest.mark.parametrize("n", [1, 2, 7, 15])
def test_phase_shuffle_is_a_plain_loop_over_the_sounds(n):
    x = torch.randn(40, 3, 16, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(n)
    shuffled = wavegan.shuffle_phase(x, n)
    torch.manual_seed(n)
    shifts = torch.randint(-n, n + 1, (40, 1)).flatten().tolist()
    assert len(set(shifts)) > 1
    assert torch.equal(shuffled, torch.stack([shuffled_by(of, shift) for of, shift in zip(x, shifts, strict=True)]))


def test_phase_shuffle_reflects_without_repeating_the_edge():
    x = torch.arange(6.0).view(1, 1, 6).expand(200, -1, -1)
    torch.manual_seed(0)
    seen = {tuple(row.tolist()) for row in wavegan.shuffle_phase(x, 2)[:, 0]}
    assert seen == {
        (2, 1, 0, 1, 2, 3),
        (1, 0, 1, 2, 3, 4),
        (0, 1, 2, 3, 4, 5),
        (1, 2, 3, 4, 5, 4),
        (2, 3, 4, 5, 4, 3),
    }


def test_every_shift_is_as_likely_as_another():
    n, draws = 3, 14_000
    x = torch.arange(32.0).expand(draws, 1, 32)
    torch.manual_seed(1)
    shifts = (16 - wavegan.shuffle_phase(x, n)[:, 0, 16]).long()  # where sample 16 came from
    counts = torch.bincount(shifts + n, minlength=2 * n + 1).double()
    assert len(counts) == 7
    chi2 = float(((counts - draws / 7) ** 2 / (draws / 7)).sum())
    assert chi2 < 22.5  # 6 degrees of freedom: exceeded by one seed in a thousand


def test_its_gradient_counts_how_often_a_sample_was_used():
    torch.manual_seed(0)
    x = torch.randn(4, 1, 8, dtype=torch.float64, requires_grad=True)

    def shuffled(x):
        torch.manual_seed(3)
        return wavegan.shuffle_phase(x, 2)

    assert torch.autograd.gradcheck(shuffled, x)
    assert torch.autograd.gradgradcheck(lambda x: shuffled(x).square(), x)
    (gradient,) = torch.autograd.grad(shuffled(x).sum(), x)
    assert gradient.sum() == x.numel()
    assert set(gradient.unique().tolist()) <= {0.0, 1.0, 2.0}


def test_phase_shuffle_rests_in_eval_mode_and_with_n_0():
    x = torch.randn(4, 1, 1024)
    D = wavegan.build((1, 1024), d_width=4)["discriminator"]
    assert not torch.equal(D(x), D(x))
    D.eval()
    assert torch.equal(D(x), D(x))
    without = wavegan.build((1, 1024), d_width=4, phase_shuffle=0)["discriminator"]
    without.load_state_dict(D.state_dict())
    assert torch.equal(without(x), D(x))
    assert wavegan.shuffle_phase(x, 0) is x


# -- training ----------------------------------------------------------------------------------------------------------
def test_it_differentiates_twice():
    D = wavegan.build((1, 256), kernel=5, **SMALL)["discriminator"].double()
    x = torch.randn(2, 1, 256, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()

    def penalty():
        torch.manual_seed(5)
        (gradient,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
        return gradient.square().sum()

    weight = D.convolutions[1].weight
    (slope,) = torch.autograd.grad(penalty(), weight)
    direction = torch.randn_like(weight)
    step = 1e-6
    with torch.no_grad():
        weight.add_(step * direction)
    above = penalty().item()
    with torch.no_grad():
        weight.sub_(2 * step * direction)
    below = penalty().item()
    assert (above - below) / (2 * step) == pytest.approx((slope * direction).sum().item(), rel=1e-4)


def test_one_logit_depends_on_one_sound_alone():
    D = wavegan.build((1, 1024), d_width=4)["discriminator"].eval()
    x = torch.randn(5, 1, 1024)
    with torch.no_grad():
        torch.testing.assert_close(D(x)[:2], D(x[:2]), atol=1e-6, rtol=1e-5)


def test_a_class_is_a_bias_of_the_first_convolution():
    """A channel that is 1 for its class gives the same, but for the samples next to the ends, where it is padded."""
    D = wavegan.build((1, 1024), num_classes=3, d_width=4)["discriminator"]
    first, x = D.convolutions[0], torch.randn(2, 1, 1024)
    weight = torch.randn(4, 3, 25) / 25
    with torch.no_grad():
        D.of_class.weight.copy_(weight.sum(2))
        planes = torch.eye(3)[[2, 0]][:, :, None].expand(-1, -1, 1024)
        channels = nn.functional.conv1d(
            torch.cat([x, planes], 1), torch.cat([first.weight, weight], 1), first.bias, 4, first.padding[0]
        )
        ours = first(x) + D.of_class(torch.eye(3)[[2, 0]])[:, :, None]
    torch.testing.assert_close(ours[..., 3:-4], channels[..., 3:-4], atol=1e-5, rtol=1e-4)


def test_both_take_class_indices_and_rows():
    nets = wavegan.build((1, 1024), num_classes=3, **SMALL)
    G, D = nets["generator"], nets["discriminator"].eval()
    z, x = torch.randn(1, 6).expand(3, -1), torch.randn(1, 1, 1024).expand(3, -1, -1)
    with torch.no_grad():
        sounds, logits = G(z, torch.arange(3)), D(x, torch.arange(3))
        torch.testing.assert_close(G(z, torch.eye(3)), sounds)
        torch.testing.assert_close(D(x, torch.eye(3)), logits)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert not torch.equal(sounds[i], sounds[j])
        assert logits[i] != logits[j]


@pytest.mark.parametrize("labels", [None, torch.tensor([0, 3]), torch.eye(2)])
def test_a_label_that_is_missing_or_wrong_is_one_clear_line(labels):
    nets = wavegan.build((1, 1024), num_classes=3, **SMALL)
    for net, x in ((nets["generator"], torch.randn(2, 6)), (nets["discriminator"], torch.randn(2, 1, 1024))):
        with pytest.raises(InputError, match=r"^labels: ") as error:
            net(x, labels)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: wavegan.build((1, 16, 16)), r"sample_shape: \(1, 16, 16\) is not allowed"),
        (lambda: wavegan.build((2,)), r"sample_shape: \(2,\) is not allowed"),
        (lambda: wavegan.build((1, 255)), r"sample_shape: \(1, 255\) .* with 256 to 65536 samples"),
        (lambda: wavegan.build((1, 65_537)), r"sample_shape: \(1, 65537\) is not allowed"),
        (
            lambda: wavegan.build((1, 16_000)),
            r"sample_shape: '16000 samples' is not allowed; expected a multiple of 256, .* 15872 or 16128 would do",
        ),
        (lambda: wavegan.build((1, 1024), stride=1), "stride: 1 is not allowed; expected an integer >= 2 and <= 8"),
        (lambda: wavegan.build((1, 1024), kernel=3), "kernel: 3 is not allowed; expected an integer >= 4"),
        (lambda: wavegan.build((1, 1024), kernel=25.0), "kernel: 25.0 is not allowed"),
        (lambda: wavegan.build((1, 1024), phase_shuffle=-1), "phase_shuffle: -1 is not allowed"),
        (lambda: wavegan.build((1, 1024), phase_shuffle=17), "phase_shuffle: 17 is not allowed"),
        (lambda: wavegan.build((1, 1024), z_dim=0), "z_dim: 0 is not allowed"),
        (lambda: wavegan.build((1, 1024), g_width=3), "g_width: 3 is not allowed"),
        (lambda: wavegan.build((1, 1024), d_width=True), "d_width: True is not allowed"),
        (lambda: wavegan.build((1, 1024), upsampling="cubic"), "upsampling: 'cubic' is not allowed; expected one of"),
    ],
)
def test_bad_input_is_one_clear_line(call, message):
    with pytest.raises(InputError, match=message) as error:
        call()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("length", range(1000, 1100, 7))
@pytest.mark.parametrize("stride", [2, 3, 4, 8])
def test_the_lengths_that_an_error_proposes_are_allowed(length, stride):
    try:
        wavegan.plan(length, stride)
    except InputError as error:
        below, above = (int(word) for word in str(error).split("it; ")[1].split(" would")[0].split(" or "))
        assert below < length < above
        for proposed in (below, above):
            wavegan.plan(proposed, stride)
