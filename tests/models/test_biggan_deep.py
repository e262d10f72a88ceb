"""BigGAN-deep's generator as a network; tests/zoo/test_import_biggan.py compares its images with the release's."""

import math

import pytest
import torch

from gan_tutorial.errors import InputError
from gan_tutorial.models.biggan_deep import CHANNELS, Attention, Block, Generator, find_bins


def lively(*args, **options):
    """A small network with random statistics, and attention that does something."""
    network = Generator(*args, **{"width": 4, "z_dim": 6, "embedding_dim": 5, "num_classes": 3} | options)
    for name, tensor in network.state_dict().items():
        if name.endswith("running_means"):
            tensor.normal_(0, 0.3)
        elif name.endswith("running_vars"):
            tensor.uniform_(0.3, 2)
        elif name.endswith("gamma"):
            tensor.fill_(0.7)
    return network.requires_grad_(False)


@pytest.mark.parametrize("resolution", CHANNELS)
def test_shapes(resolution):
    network = lively(resolution)
    assert network.sample_shape == (3, resolution, resolution)
    assert (network.z_dim, network.num_classes) == (6, 3)
    images = network(torch.randn(1, 6), torch.tensor([2]))
    assert images.shape == (1, 3, resolution, resolution)
    assert images.abs().max() <= 1


def test_released_size():
    """As many weights as a count by hand gives for the layers of the release at 128 px."""
    with torch.device("meta"):
        network = Generator()
    c, dim, total = 128, 256, 1000 * 128 + 256 * 16 * 16 * 128 + 16 * 16 * 128
    for i, (before, after) in enumerate([(16, 16)] * 3 + [(16, 8), (8, 8), (8, 4), (4, 4), (4, 2), (2, 2), (2, 1)]):
        before, after, narrow = before * c, after * c, before * c // 4
        total += 2 * dim * (before + 3 * narrow)  # gains and biases of four norms
        total += before * narrow + 2 * 9 * narrow**2 + narrow * after + 3 * narrow + after
        if i == 8:
            total += 2 * before * before // 8 + 2 * before * before // 2 + 1
    total += 2 * c + 9 * c * c + c
    assert sum(p.numel() for p in network.parameters()) == total
    assert [i for i, layer in enumerate(network.layers) if isinstance(layer, Attention)] == [8]
    assert [layer.up for layer in network.layers if isinstance(layer, Block)] == [False, True] * 5


def test_indices_and_rows_are_the_same_and_rows_mix():
    network, z = lively(), torch.randn(3, 6)
    rows = torch.eye(3)
    torch.testing.assert_close(network(z, torch.arange(3)), network(z, rows))
    mixture = torch.tensor([[0.25, 0.75, 0.0]])
    with torch.no_grad():  # a class whose embedding is that mixture
        images = network(z[:1], mixture)
        network.embeddings.weight[:, 2] = network.embeddings.weight @ mixture[0]
    torch.testing.assert_close(images, network(z[:1], torch.tensor([2])))
    assert (images - network(z[:1], torch.tensor([0]))).abs().max() > 1e-3


def test_no_image_depends_on_the_others():
    network, z, labels = lively(), torch.randn(3, 6), torch.arange(3)
    torch.testing.assert_close(network(z, labels)[1:2], network(z[1:2], labels[1:2]), rtol=0, atol=1e-5)


def test_truncation_picks_the_statistics():
    """At 0.36 row 18 of 51 counts and no other; between two rows, both."""
    network, z, labels = lively(), torch.randn(1, 6), torch.tensor([1])
    images = {t: network(z, labels, t) for t in (0.36, 0.365)}
    assert (images[0.36] - images[0.365]).abs().max() > 1e-3
    means = network.bn.running_means
    means[17] += 10
    means[20] += 10
    torch.testing.assert_close(network(z, labels, 0.36), images[0.36], rtol=0, atol=1e-5)
    torch.testing.assert_close(network(z, labels, 0.365), images[0.365], rtol=0, atol=1e-5)
    means[19] += 10
    assert (network(z, labels, 0.365) - images[0.365]).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("truncation", "right", "released"),
    [
        (0.3, (15, 16, 0.0), (15, 15, 0.0)),
        (0.4, (20, 21, 0.0), (20, 20, 0.0)),
        (1.0, (49, 50, 1.0), (50, 50, 0.0)),
        (0.0, (0, 1, 0.0), (0, 0, 0.0)),
        (0.605, (30, 31, 0.25), (30, 31, 0.75)),
        (0.58, (28, 29, 1.0), (28, 29, 0.0)),  # 0.58 / 0.02 = 28.999999999999996
        (0.14, (7, 8, 0.0), (7, 8, 1.0)),  # 0.14 / 0.02 = 7.000000000000001
    ],
)
def test_rows_and_shares(truncation, right, released):
    assert find_bins(truncation, 51) == pytest.approx(right, abs=1e-9)
    assert find_bins(truncation, 51, exact_release=True) == pytest.approx(released, abs=1e-9)


def test_both_ways_agree_where_the_documentation_says_so():
    different = []
    for k in range(51):
        means = [low + (high - low) * share for low, high, share in (find_bins(k / 50, 51, e) for e in (False, True))]
        if not math.isclose(*means, abs_tol=1e-9):
            different.append(k / 50)
    assert different == [0.14, 0.28, 0.56, 0.58, 0.94]


def test_maps_are_distributions_and_are_used():
    layer = Attention(16)
    x = torch.randn(2, 16, 6, 6)
    maps = layer.maps(x)
    assert maps.shape == (2, 36, 9)
    torch.testing.assert_close(maps.sum(2), torch.ones(2, 36))
    assert torch.equal(layer(x), x)  # gamma is 0 at first
    layer.gamma.data.fill_(1.0)
    assert not torch.equal(layer(x), x)


def small(**options):
    return Generator(**{"width": 4, "z_dim": 6, "embedding_dim": 5, "num_classes": 3} | options)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: small(resolution=64), r"resolution: 64 is not allowed; expected one of \(128, 256, 512\)"),
        (lambda: small(width=2), "width: 2 is not allowed; expected an integer >= 3"),
        (lambda: small(width=3), r"width: 3 is not allowed; expected at least 8 channels at attention \(8\)"),
        (lambda: small(resolution=512, width=3, attention=0), "width: 3 is not allowed; expected an integer >= 4"),
        (lambda: small(attention=10), "attention: 10 is not allowed; expected an integer >= 0 and <= 9"),
        (lambda: small(z_dim=0), "z_dim: 0 is not allowed"),
        (lambda: small(embedding_dim=0), "embedding_dim: 0 is not allowed"),
        (lambda: small(num_classes=0), "num_classes: 0 is not allowed"),
        (lambda: small(bins=1), "bins: 1 is not allowed"),
        (lambda: small()(torch.zeros(1, 7), torch.tensor([0])), r"z: \(1, 7\) is not allowed; expected shape \(N, 6\)"),
        (lambda: small()(torch.zeros(1, 6), torch.tensor([3])), "labels: '3 to 3' is not allowed"),
        (lambda: small()(torch.zeros(1, 6), torch.tensor([0, 1])), "labels: '2 labels' is not allowed"),
        (lambda: small()(torch.zeros(1, 6), torch.tensor([0]), 1.5), "truncation: 1.5 is not allowed"),
        (lambda: small()(torch.zeros(1, 6), torch.tensor([0]), -0.1), "truncation: -0.1 is not allowed"),
    ],
)
def test_bad_input_is_one_clear_line(call, message):
    with pytest.raises(InputError, match=message) as error:
        call()
    assert "\n" not in str(error.value)
