import pytest
import torch
from torch import nn

from gan_tutorial import models
from gan_tutorial.errors import InputError
from gan_tutorial.models import dcgan

# Text, sound and translations have tests of their own.
IMAGES = sorted(set(models.MODELS) - {"seqgan", "wavegan", "cyclegan", "pix2pix"})


@pytest.mark.parametrize("shape", [(2,), (1, 8, 8), (3,)])
def test_mlp_shapes_and_size(shape):
    nets = models.build("mlp", shape, z_dim=3, g_width=16, g_depth=1, d_width=8, d_depth=2)
    samples = nets["generator"](torch.randn(5, 3))
    assert samples.shape == (5, *shape)
    assert nets["discriminator"](samples).shape == (5,)
    size = torch.Size(shape).numel()
    assert sum(p.numel() for p in nets["generator"].parameters()) == 3 * 16 + 16 + 16 * size + size
    assert sum(p.numel() for p in nets["discriminator"].parameters()) == (size * 8 + 8) + (8 * 8 + 8) + (8 + 1)


def test_mlp_without_hidden_layers_is_linear():
    nets = models.build("mlp", (2,), g_depth=0, d_depth=0)
    assert len([m for m in nets["generator"].modules() if isinstance(m, nn.Linear)]) == 1
    a, b = torch.randn(2, 4, 2)
    net = nets["discriminator"]
    torch.testing.assert_close(net(a) + net(b), net(a + b) + net(torch.zeros(4, 2)))


@pytest.mark.parametrize("size", dcgan.SIZES)
@pytest.mark.parametrize("channels", [1, 3])
def test_dcgan_shapes_and_range(size, channels):
    nets = models.build("dcgan", (channels, size, size), z_dim=7, g_width=8, d_width=8)
    images = nets["generator"](torch.randn(2, 7))
    assert images.shape == (2, channels, size, size)
    assert images.abs().max() <= 1
    assert nets["discriminator"](images).shape == (2,)


def test_dcgan_64_has_the_papers_widths():
    nets = models.build("dcgan", (3, 64, 64), z_dim=100)
    up = [m for m in nets["generator"].modules() if isinstance(m, nn.ConvTranspose2d)]
    assert [(m.in_channels, m.out_channels) for m in up] == [(512, 256), (256, 128), (128, 64), (64, 3)]
    down = [m for m in nets["discriminator"].modules() if isinstance(m, nn.Conv2d)]
    assert [(m.in_channels, m.out_channels) for m in down] == [(3, 64), (64, 128), (128, 256), (256, 512), (512, 1)]
    # The PyTorch example's generator and discriminator at 64 px, ngf = ndf = 64, nz = 100.
    assert sum(p.numel() for p in nets["generator"].parameters()) == 3_576_704
    assert sum(p.numel() for p in nets["discriminator"].parameters()) == 2_765_568


def test_dcgan_first_layer_equals_a_transposed_convolution():
    generator = models.build("dcgan", (1, 16, 16), z_dim=5, g_width=4)["generator"]
    conv = nn.ConvTranspose2d(5, generator.first_norm.num_features, 4, 1, 0, bias=False)
    with torch.no_grad():
        conv.weight.copy_(generator.first.weight.view(4, 4, -1, 5).permute(3, 2, 0, 1))
    z = torch.randn(3, 5)
    ours = generator.first(z).view(3, 4, 4, -1).permute(0, 3, 1, 2)
    torch.testing.assert_close(ours, conv(z[:, :, None, None]))


@pytest.mark.parametrize("norm", dcgan.NORMS)
def test_only_batch_norm_mixes_samples(norm):
    net = models.build("dcgan", (1, 16, 16), d_width=8, norm=norm)["discriminator"]
    images = torch.randn(6, 1, 16, 16)
    with torch.no_grad():
        net.train()
        net(images)  # spectral norm: the same power iteration count for both calls below
        net.eval() if norm == "spectral" else net.train()
        together, alone = net(images)[:2], net(images[:2])
    assert torch.allclose(together, alone, atol=1e-5) == (norm != "batch")


def test_spectral_norm_bounds_every_weight():
    net = models.build("dcgan", (1, 32, 32), d_width=16, norm="spectral")["discriminator"]
    with torch.no_grad():
        for _ in range(50):
            net(torch.randn(2, 1, 32, 32))
    for m in net.modules():
        if isinstance(m, nn.Conv2d):
            largest = torch.linalg.svdvals(m.weight.detach().flatten(1))[0].item()
            assert largest == pytest.approx(1, abs=0.02)  # power iteration: converges from below and above


def test_initial_weights_are_the_papers():
    nets = models.build("dcgan", (3, 64, 64))
    for net in nets.values():
        for m in net.modules():
            if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)) and m.weight.numel() > 10_000:
                # The standard error of a standard deviation of n draws is 0.02 / sqrt(2 n) < 0.00015.
                assert m.weight.std().item() == pytest.approx(0.02, abs=6e-4)
            if isinstance(m, nn.BatchNorm2d):
                assert m.weight.mean().item() == pytest.approx(1, abs=0.02)


# -- classes -----------------------------------------------------------------------------------------------------------
SMALL = {
    "mlp": {"g_width": 8, "d_width": 8},
    "stylegan2": {"channel_base": 64, "channel_max": 4, "z_dim": 8, "w_dim": 8},
}


def small(name, num_classes):
    options = {"z_dim": 30, **SMALL.get(name, {"g_width": 8, "d_width": 8})}
    nets = models.build(name, (3, 16, 16), num_classes, **options)
    return nets["generator"].eval(), nets["discriminator"].eval()


@pytest.mark.parametrize("num_classes", [0, 3])
@pytest.mark.parametrize("name", IMAGES)
def test_what_every_model_promises(name, num_classes):
    G, D = small(name, num_classes)
    assert (G.sample_shape, G.num_classes, D.num_classes) == ((3, 16, 16), num_classes, num_classes)
    labels = [torch.tensor([0, 1, 2, 2])] if num_classes else []
    with torch.no_grad():
        samples = G(torch.randn(4, G.z_dim), *labels)
        logits = D(samples, *labels)
    assert samples.shape == (4, 3, 16, 16)
    assert logits.dtype == samples.dtype == torch.float32
    assert logits.numel() == 4
    assert "num_classes" not in models.options(name)  # it is the data's, not the recipe's


@pytest.mark.parametrize("name", IMAGES)
def test_every_model_tells_classes_apart_and_takes_rows(name):
    G, D = small(name, 3)
    torch.manual_seed(1)
    with torch.no_grad():
        for net in (G, D):  # some begin with layers that do nothing
            for p in net.parameters():
                p.add_(torch.randn_like(p), alpha=0.3)
    labels, rows = torch.arange(3), torch.eye(3)

    def seeded(net, *args):
        torch.manual_seed(5)
        return net(*args)

    with torch.no_grad():
        z, x = torch.randn(1, G.z_dim).expand(3, -1), torch.randn(1, 3, 16, 16).expand(3, -1, -1, -1)
        samples, logits = seeded(G, z, labels), D(x, labels).flatten()
        torch.testing.assert_close(seeded(G, z, rows), samples)
        torch.testing.assert_close(D(x, rows).flatten(), logits)
        mixed = D(x[:1], torch.full((1, 3), 1 / 3)).item()
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert (samples[i] - samples[j]).abs().max() > 1e-3
        assert (logits[i] - logits[j]).abs() > 1e-3
    assert mixed not in logits.tolist()


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("labels", [None, torch.tensor([0, 3]), torch.eye(2)])
def test_a_label_that_is_missing_or_wrong_is_one_clear_line(name, labels):
    G, D = small(name, 3)
    for net, x in ((G, torch.randn(2, G.z_dim)), (D, torch.randn(2, 3, 16, 16))):
        with pytest.raises(InputError, match=r"^labels: ") as error:
            net(x, labels)
        assert "\n" not in str(error.value)


def test_a_class_costs_the_mlp_and_the_dcgan_one_input_each():
    def inputs(name, shape, num_classes):
        nets = models.build(name, shape, num_classes, z_dim=5, g_width=8, d_width=8)
        return [next(net.parameters()).shape[1] for net in nets.values()]

    assert inputs("mlp", (2,), 0) == [5, 2]
    assert inputs("mlp", (2,), 3) == [8, 5]
    assert inputs("dcgan", (1, 16, 16), 0) == [5, 1]
    assert inputs("dcgan", (1, 16, 16), 3) == [8, 4]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: models.build("dcgn", (1, 8, 8)), "model: 'dcgn' is not known; did you mean 'dcgan'"),
        (lambda: models.build("dcgan", (1, 28, 28)), r"sample_shape: \(1, 28, 28\) is not allowed"),
        (lambda: models.build("dcgan", (2,)), r"sample_shape: \(2,\) is not allowed"),
        (lambda: models.build("dcgan", (1, 32, 32), norm="layer"), "norm: 'layer' is not allowed"),
        (lambda: models.build("dcgan", (1, 32, 32), g_width=2), "g_width: 2 is not allowed; expected an integer >= 4"),
        (lambda: models.build("mlp", (2,), g_wdth=3), "option of model 'mlp': 'g_wdth' is not known; did you mean"),
        (lambda: models.build("mlp", (2,), d_depth=-1), "d_depth: -1 is not allowed"),
        (lambda: models.build("mlp", (2,), z_dim=True), "z_dim: True is not allowed"),
    ],
)
def test_bad_input_is_one_clear_line(call, message):
    with pytest.raises(InputError, match=message) as error:
        call()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("name", "vocabulary"), [("mlp", 9), ("wavegan", 9), ("seqgan", 0)])
def test_texts_need_a_model_that_writes(name, vocabulary):
    with pytest.raises(InputError, match=rf"^model: '{name}' is not allowed; expected ") as error:
        models.build(name, (20,), vocabulary=vocabulary)
    assert "\n" not in str(error.value)
