import itertools
import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_tutorial import penalties
from gan_tutorial.errors import InputError
from gan_tutorial.models import r3gan
from gan_tutorial.models.resample import double

SMALL = {"z_dim": 7, "g_width": 8, "d_width": 8, "group_size": 8, "blocks": 1}


def count(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def alive(net: nn.Module) -> nn.Module:
    """The net with branches that do something, as after some training."""
    with torch.no_grad():
        for block in (m for m in net.modules() if isinstance(m, r3gan.Block)):
            nn.init.normal_(block.narrow.weight, 0.0, 1 / math.sqrt(block.narrow.in_channels))
    return net


@pytest.mark.parametrize("num_classes", [0, 3])
@pytest.mark.parametrize("size", r3gan.SIZES)
def test_shapes(size, num_classes):
    nets = r3gan.build((3, size, size), num_classes=num_classes, **SMALL)
    generator, discriminator = nets["generator"], nets["discriminator"]
    labels = (torch.tensor([2, 0]),) if num_classes else ()
    images = generator(torch.randn(2, 7), *labels)
    assert images.shape == (2, 3, size, size)
    assert discriminator(images, *labels).shape == (2,)
    assert (generator.z_dim, generator.sample_shape, generator.num_classes) == (7, (3, size, size), num_classes)
    assert generator.basis.shape == (min(8, size // 4) * 8, 4, 4)
    assert generator.to_image.in_channels == discriminator.from_image.out_channels == 8


def test_one_channel_and_unequal_widths():
    nets = r3gan.build((1, 16, 16), g_width=8, d_width=16)
    assert nets["discriminator"](nets["generator"](torch.randn(2, 64))).shape == (2,)


@pytest.mark.parametrize(("blocks", "expansion", "group_size"), [(1, 2, 8), (2, 3, 4)])
def test_number_of_parameters_is_that_of_the_parts(blocks, expansion, group_size):
    def block(c):
        wide = expansion * c
        return c * wide + wide + wide * group_size * 9 + wide + wide * c

    stages = blocks * sum(block(c) for c in (32, 16, 8)) + 32 * 16 + 16 * 8
    options = {"blocks": blocks, "expansion": expansion, "group_size": group_size, "g_width": 8, "d_width": 8}
    nets = r3gan.build((3, 16, 16), z_dim=5, **options)
    assert count(nets["generator"]) == 5 * 32 + 32 * 16 + stages + 8 * 3
    assert count(nets["discriminator"]) == 3 * 8 + stages + 32 * 16 + 32
    nets = r3gan.build((3, 16, 16), num_classes=4, z_dim=5, **options)
    assert count(nets["generator"]) == 4 * 5 + 10 * 32 + 32 * 16 + stages + 8 * 3
    assert count(nets["discriminator"]) == 3 * 8 + stages + 32 * 16 + 32 * 32 + 4 * 32


def test_the_papers_size_for_cifar_10():
    # Two blocks at each of four resolutions, 768 channels, groups of 16.
    block = r3gan.Block(768, 2, 16, 8)
    assert count(block) == 768 * 1536 + 1536 * 16 * 9 + 1536 * 768 + 2 * 1536
    assert block.mix.groups == 96


def test_blocks_are_identities_at_first_and_not_later():
    torch.manual_seed(0)
    block = r3gan.Block(8, 2, 4, 6)
    x = torch.randn(2, 8, 5, 5)
    assert torch.equal(block(x), x)
    assert not torch.equal(alive(block)(x), x)
    for net in r3gan.build((3, 16, 16), **SMALL).values():
        blocks = [m for m in net.modules() if isinstance(m, r3gan.Block)]
        assert len(blocks) == 3
        assert all(torch.equal(b.narrow.weight, torch.zeros_like(b.narrow.weight)) for b in blocks)


@pytest.mark.parametrize("depth", [1, 6, 14])
def test_all_branches_together_add_the_variance_of_one(depth):
    torch.manual_seed(depth)
    block = r3gan.Block(64, 2, 16, depth)
    x = torch.randn(8, 64, 10, 10)
    with torch.no_grad():
        y = F.leaky_relu(block.widen(x), 0.2)
        y = F.leaky_relu(block.mix(y), 0.2)[..., 1:-1, 1:-1]  # without the pixels that zeros surround
    # Over 20 seeds, 1.00 +- 0.07.
    assert depth * y.square().mean().item() == pytest.approx(1, abs=0.3)


@pytest.mark.parametrize("trained", [False, True])
def test_variance_of_constant_fields_through_the_depth(trained):
    """Resampling leaves constant fields alone, so what is left is the scale of the weights."""
    torch.manual_seed(0)
    nets = r3gan.build((3, 32, 32), g_width=32, d_width=32, group_size=8)
    generator, discriminator = nets["generator"], nets["discriminator"]
    squares: list[float] = []

    def note(module: nn.Module, args: tuple[Tensor], out: Tensor) -> None:
        squares.append(out[..., out.shape[2] // 2, out.shape[3] // 2].square().mean().item())

    with torch.no_grad():
        if trained:
            alive(generator), alive(discriminator)
        generator.basis.copy_(torch.randn(256, 1, 1).expand(-1, 4, 4))
        for stages in (generator.stages, discriminator.stages):
            for module in stages:
                module.register_forward_hook(note)
        generator(torch.randn(64, 64))
        discriminator(torch.randn(64, 3, 1, 1).expand(-1, 3, 32, 32))
    assert len(squares) == 2 * (8 + 3)
    # At first 1: between 0.70 and 1.50 over ten seeds. With every branch switched on, (1 + 1/8)^8 = 2.6 in the end:
    # between 0.88 and 3.3. Branches without the depth in their gain would make it 2^8.
    assert min(squares) > 0.5
    assert max(squares) < (6 if trained else 2)


def test_variance_of_the_logits_and_of_the_images_at_first():
    torch.manual_seed(0)
    nets = [r3gan.build((3, 16, 16), g_width=16, d_width=16) for _ in range(20)]
    with torch.no_grad():
        images = torch.stack([n["generator"](torch.randn(32, 64)) for n in nets])
        logits = torch.stack([n["discriminator"](torch.randn(32, 3, 1, 1).expand(-1, 3, 16, 16)) for n in nets])
    # Smoothed twice, independent pixels of variance 1 keep 0.29 of it. The spread over seeds was 0.02 and 0.25.
    expected = double(double(torch.randn(20_000, 1, 4, 4))).var().item()
    assert images.square().mean().item() == pytest.approx(expected, abs=0.08)
    assert 0.25 < logits.square().mean().item() < 2.5


@pytest.mark.parametrize("up", [False, True])
def test_resampling_keeps_constants_and_changes_only_what_it_must(up):
    constant = torch.tensor([[-1.5, 0.25]])[:, :, None, None].expand(1, 2, 8, 8)
    same = r3gan.Resample(2, 2, up)
    out = same(constant)
    side = 16 if up else 4
    assert out.shape == (1, 2, side, side)
    inside = out[..., 1:-1, 1:-1]
    torch.testing.assert_close(inside, constant[:, :, :1, :1].expand_as(inside))
    assert not list(same.parameters())
    assert [tuple(p.shape) for p in r3gan.Resample(2, 5, up).parameters()] == [(5, 2, 1, 1)]


@pytest.mark.parametrize("num_classes", [0, 3])
def test_penalties_reach_every_weight(num_classes):
    torch.manual_seed(0)
    net = alive(r3gan.build((3, 16, 16), num_classes=num_classes, **SMALL)["discriminator"])
    labels = (torch.tensor([0, 1, 2]),) if num_classes else ()
    penalty = penalties.r1(lambda x: net(x, *labels), torch.randn(3, 3, 16, 16))
    penalty.backward()
    for name, p in net.named_parameters():
        # Biases only shift the kinks of the leaky ReLUs: the slope does not change with them.
        if not name.endswith("bias"):
            assert p.grad is not None, name
            assert p.grad.abs().max() > 0, name


def test_second_derivative_is_right():
    torch.manual_seed(0)
    net = alive(r3gan.build((1, 8, 8), g_width=4, d_width=4, group_size=4, blocks=1)["discriminator"]).double()
    x = torch.randn(2, 1, 8, 8, dtype=torch.float64)
    weight = net.stages[0].mix.weight
    penalties.r1(net, x).backward()
    analytic = weight.grad.flatten()[5].item()
    with torch.no_grad():
        values = []
        for shift in (1e-6, -2e-6):
            weight.view(-1)[5] += shift
            values.append(penalties.r1(net, x).item())
    assert analytic == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-4)


def test_labels_matter_and_mix():
    torch.manual_seed(0)
    nets = r3gan.build((3, 16, 16), num_classes=3, **SMALL)
    z, x = torch.randn(1, 7).expand(3, -1), torch.randn(1, 3, 16, 16).expand(3, -1, -1, -1)
    classes = torch.arange(3)
    with torch.no_grad():
        for net, given in ((nets["generator"], z), (nets["discriminator"], x)):
            out = net(given, classes)
            torch.testing.assert_close(net(given, torch.eye(3)), out)
            for a, b in itertools.combinations(out, 2):
                assert not torch.allclose(a, b)
        # A projection is linear in the class: half of one class and half of another give the mean of both logits.
        logits = nets["discriminator"](x, classes)
        half = nets["discriminator"](x[:1], torch.tensor([[0.5, 0.5, 0.0]]))
    torch.testing.assert_close(half[0], logits[:2].mean())


def test_samples_of_a_batch_are_independent_and_nothing_is_drawn():
    torch.manual_seed(0)
    nets = r3gan.build((3, 16, 16), **SMALL)
    generator, discriminator = alive(nets["generator"]), alive(nets["discriminator"])
    z = torch.randn(4, 7)
    with torch.no_grad():
        images = generator(z)
        torch.testing.assert_close(generator(z[:2]), images[:2])
        torch.testing.assert_close(discriminator(images[:2]), discriminator(images)[:2])
    assert not any(isinstance(m, nn.modules.batchnorm._NormBase) for net in nets.values() for m in net.modules())
    assert not any(dict(net.named_buffers()) for net in nets.values())


def test_a_few_steps_bring_the_fakes_nearer():
    """Real images are of one colour: G soon makes that colour, with the loss and the penalties of the paper."""
    from gan_tutorial.algorithms import GAN, GANSettings
    from gan_tutorial.data import Batch

    torch.manual_seed(0)
    nets = r3gan.build((3, 8, 8), z_dim=4, g_width=8, d_width=8, group_size=8, blocks=1)
    settings = GANSettings(loss="relativistic", lr_g=5e-3, lr_d=5e-3, beta1=0.0, beta2=0.9, r1=0.1, r2=0.1)
    gan = GAN(nets, settings)
    colour = torch.tensor([0.8, -0.6, 0.2])[:, None, None]

    def distance() -> float:
        with torch.no_grad():
            return (nets["generator"](torch.randn(64, 4)) - colour).square().mean().item()

    before = distance()
    for _ in range(60):
        gan.step(lambda: Batch((colour + 0.05 * torch.randn(8, 1, 1, 1)).expand(8, 3, 8, 8), None))
    assert distance() < 0.25 * before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sample_shape": (3, 28, 28)}, r"sample_shape: \(3, 28, 28\) is not allowed; expected \(channels, S, S\)"),
        ({"sample_shape": (2,)}, r"sample_shape: \(2,\) is not allowed"),
        ({"sample_shape": (3, 16, 32)}, r"sample_shape: \(3, 16, 32\) is not allowed"),
        ({"num_classes": 1}, "num_classes: 1 is not allowed; expected 0 for unconditional networks, or at least 2"),
        ({"num_classes": -1}, "num_classes: -1 is not allowed; expected an integer >= 0"),
        ({"z_dim": 0}, "z_dim: 0 is not allowed; expected an integer >= 1"),
        ({"blocks": 0}, "blocks: 0 is not allowed; expected an integer >= 1 and <= 16"),
        ({"expansion": 9}, "expansion: 9 is not allowed; expected an integer >= 1 and <= 8"),
        ({"group_size": True}, "group_size: True is not allowed"),
        ({"g_width": 2}, "g_width: 2 is not allowed; expected an integer >= 4"),
        ({"g_width": 12}, "g_width: 12 is not allowed; expected a width with expansion x g_width = 24 divisible by"),
        ({"d_width": 20}, "d_width: 20 is not allowed; expected a width with expansion x d_width = 40 divisible by"),
    ],
)
def test_wrong_options_are_one_line(options, message):
    with pytest.raises(InputError, match=message) as error:
        r3gan.build(**{"sample_shape": (3, 16, 16), **options})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("num_classes", "labels", "message"),
    [
        (3, None, "labels: None is not allowed; expected the classes of the samples"),
        (0, torch.tensor([0, 0]), "labels: 'given' is not allowed; expected None, for an unconditional net"),
        (3, torch.tensor([0, 3]), "labels: '0 to 3' is not allowed; expected indices from 0 to 2"),
        (3, torch.zeros(2, 4), r"labels: 'torch.float32 \(2, 4\)' is not allowed; expected class indices"),
    ],
)
def test_wrong_labels_are_one_line(num_classes, labels, message):
    nets = r3gan.build((3, 16, 16), num_classes=num_classes, **SMALL)
    for call in (
        lambda: nets["generator"](torch.randn(2, 7), labels),
        lambda: nets["discriminator"](torch.randn(2, 3, 16, 16), labels),
    ):
        with pytest.raises(InputError, match=message) as error:
            call()
        assert "\n" not in str(error.value)
