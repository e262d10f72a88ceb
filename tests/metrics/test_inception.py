import functools
import hashlib
import http.server
import math
import re
import threading

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from gan_tutorial.errors import InputError
from gan_tutorial.metrics import Statistics, frechet_distance, inception
from gan_tutorial.metrics.inception import clean_resize, inception_network, inception_statistics, prepared

# Features of pytorch-fid 0.3.0 (its network for the FID, torchvision 0.28.0, torch 2.13.0) with the weights of `drawn`,
# for the two images of `pictures`. Ours were equal to all bits there. Some of these numbers change by 2 % with a wrong
# epsilon or an average that counts what lies outside, and by 65 % with an average in the last block.
PLACES = [0, 269, 523, 773, 1039, 1296, 1856, 1970]
PEERS = [
    [3.28338, 7.53135, 2.37481, 5.99579, 4.77442, 1.89137, 1.20413, 9.62249],
    [1.19209, 4.43227, 1.25906, 2.49165, 2.49449, 1.12245, 0.81221, 4.15854],
]


def drawn(state):
    """Weights for a state dict, the same whatever the order of its names."""
    generator, found = torch.Generator().manual_seed(0), {}
    for key in sorted(state):
        shape = state[key].shape
        if key.endswith("num_batches_tracked"):
            continue
        if key.endswith(("conv.weight", "fc.weight")):
            found[key] = torch.randn(shape, generator=generator) * (2 / shape[1:].numel()) ** 0.5
        elif key.endswith(("bn.weight", "running_var")):
            found[key] = torch.rand(shape, generator=generator) + 0.5
        else:
            found[key] = torch.randn(shape, generator=generator) * 0.1
    return found


def pictures():
    """Noise, and a smooth one."""
    generator = torch.Generator().manual_seed(1)
    noise = torch.rand(1, 3, 299, 299, generator=generator) * 2 - 1
    coarse = torch.rand(1, 3, 9, 9, generator=generator) * 2 - 1
    return torch.cat([noise, F.interpolate(coarse, (299, 299), mode="bilinear")])


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """The whole network, with the weights of a file in the format of the published one."""
    path = tmp_path_factory.mktemp("weights") / "random.pth"
    network = inception.InceptionV3()
    network.load_state_dict(drawn(network.state_dict()), strict=False)
    torch.save(network.state_dict(), path, _use_new_zipfile_serialization=False)
    before = torch.get_rng_state()
    found = inception_network(path)
    assert torch.equal(torch.get_rng_state(), before)
    path.unlink()
    return found


class Small(inception.InceptionV3):
    """In the place of the network where only its file matters, or how many images it is given."""

    num_features = 16

    def __init__(self):
        nn.Module.__init__(self)
        self.sha256 = None
        self.first = inception.Convolution(3, 16, 3)
        self.eval().requires_grad_(False)
        self.seen = []

    def forward(self, x):
        self.seen.append(len(x))
        return self.first.conv(x.expand(-1, 3, -1, -1)).mean((2, 3))


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(inception, "InceptionV3", Small)
    return Small()


# -- the network --------------------------------------------------------------------------------------------------
def test_features_are_those_of_pytorch_fid(network):
    features = network(pictures())
    assert features.shape == (2, inception.InceptionV3.num_features) == (2, 2048)
    torch.testing.assert_close(features[:, PLACES], torch.tensor(PEERS), rtol=1e-4, atol=0)


def test_tensors_have_the_names_of_the_published_file(network):
    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    assert len(shapes) == 566
    assert sum(parameter.numel() for parameter in network.parameters()) == 23_850_960
    some = {
        "Conv2d_1a_3x3.conv.weight": (32, 3, 3, 3),
        "Conv2d_4a_3x3.bn.running_mean": (192,),
        "Mixed_5b.branch1x1.conv.weight": (64, 192, 1, 1),
        "Mixed_5d.branch5x5_2.conv.weight": (64, 48, 5, 5),
        "Mixed_6a.branch3x3.bn.bias": (384,),
        "Mixed_6b.branch7x7dbl_5.conv.weight": (192, 128, 1, 7),
        "Mixed_6e.branch_pool.conv.weight": (192, 768, 1, 1),
        "Mixed_7a.branch7x7x3_3.conv.weight": (192, 192, 7, 1),
        "Mixed_7c.branch3x3dbl_3b.conv.weight": (384, 384, 3, 1),
        "fc.weight": (1008, 2048),
    }
    assert some.items() <= shapes.items()


def test_small_grey_images_are_seen_one_that_is_not_finite_harms_no_other_and_no_gradient_is_kept(network):
    x = torch.zeros(2, 1, 28, 28).requires_grad_()
    with torch.no_grad():
        x[0, 0, 3, 3] = math.nan
    features = network(x)
    assert features[0].isnan().any()
    assert features[1].isfinite().all()
    assert not features.requires_grad
    found = Statistics.of(features)
    assert math.isnan(found.distance(found))


def test_it_stays_in_eval_mode(small):
    assert not small.train().first.training


# -- what it sees -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("shape", [(2, 3, 32, 32), (1, 1, 28, 28), (1, 3, 16, 40), (1, 3, 700, 411), (1, 1, 299, 299)])
def test_resizing_is_pillows(shape):
    x = torch.randint(0, 256, shape).float()
    found = clean_resize(x)
    assert found.shape == (*shape[:2], 299, 299)
    for ours, channel in zip(found.flatten(0, 1), x.flatten(0, 1), strict=True):
        expected = Image.fromarray(channel.numpy()).resize((299, 299), Image.Resampling.BICUBIC)
        # Measured: 0.004 of 255 levels at the most.
        np.testing.assert_allclose(ours.numpy(), np.array(expected), atol=0.02, rtol=0)


def test_large_images_have_no_aliases():
    """Stripes finer than the small image can hold become grey; without the prefilter they would be stripes again."""
    x = torch.tensor([0.0, 255.0]).repeat(1, 1, 299, 595)
    assert (clean_resize(x)[..., 5:-5] - 127.5).abs().max() < 1
    assert (F.interpolate(x, (299, 299), mode="bicubic") - 127.5).abs().max() > 20


def test_images_are_those_of_a_file():
    grey = torch.rand(2, 1, 20, 24) * 2 - 1
    seen = prepared(grey)
    assert seen.shape == (2, 3, 299, 299)
    assert torch.equal(seen, prepared(grey.expand(-1, 3, -1, -1)))
    levels = ((grey + 1) * 127.5).round()
    assert torch.equal(seen, prepared(levels / 127.5 - 1))
    assert -1 <= seen.min() < -0.9  # it would overshoot
    assert 0.9 < seen.max() <= 127 / 128
    plain = prepared(torch.tensor([-1.0, 0.0, 1.0]).view(3, 1, 1, 1)).mean((1, 2, 3))
    assert plain.tolist() == pytest.approx([-1, 0, 127 / 128], abs=1e-6)
    assert prepared(grey.double()).dtype == torch.float32


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.zeros(3, 8, 8), "x: (3, 8, 8) is not allowed; expected images (N, 3 or 1, H, W)"),
        (torch.zeros(2, 4, 8, 8), "x: (2, 4, 8, 8) is not allowed"),
        (torch.zeros(0, 3, 8, 8), "x: (0, 3, 8, 8) is not allowed"),
        (torch.zeros(2, 3, 0, 8), "x: (2, 3, 0, 8) is not allowed"),
        (torch.zeros(2, 3, 8, 8, dtype=torch.uint8), "x: torch.uint8 is not allowed; expected floats in [-1, 1]"),
        (torch.full((1, 1, 8, 8), 1.5), "x: [1.5] is not allowed; expected values in [-1, 1]"),
        (torch.full((1, 1, 8, 8), -math.inf), "x: [-inf] is not allowed"),
    ],
)
def test_what_is_no_image_is_refused_in_one_line(x, message):
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        prepared(x)
    assert "\n" not in str(caught.value)


# -- statistics ---------------------------------------------------------------------------------------------------
def test_statistics_are_gathered_in_small_parts(small):
    x = torch.rand(2300, 1, 3, 3) * 2 - 1
    found = inception_statistics(small, iter(x.split(700)))
    assert max(small.seen) == 32
    assert sum(small.seen) == 2300
    whole = Statistics.of(small(x))
    assert found.n == 2300
    torch.testing.assert_close(found.mean, whole.mean, rtol=0, atol=1e-6)
    torch.testing.assert_close(found.covariance, whole.covariance, rtol=1e-5, atol=1e-8)


def test_fewer_images_than_features_have_a_distance(small):
    """That of the few dimensions in which they lie, though the covariances are singular."""
    sets = torch.rand(6, 3, 5, 5) * 2 - 1, torch.rand(4, 3, 5, 5) * 2 - 1
    features = [small(x).double() for x in sets]
    basis = torch.linalg.qr(torch.cat(features).T).Q
    assert basis.shape == (16, 10)
    a, b = (Statistics.of(f @ basis) for f in features)
    expected = frechet_distance(a.mean, a.covariance, b.mean, b.covariance)
    real, fake = (inception_statistics(small, [x]) for x in sets)
    assert fake.distance(real) == pytest.approx(expected, rel=1e-5)
    assert real.distance(real) == pytest.approx(0, abs=1e-9)


def test_a_single_image_and_none_are_refused(small):
    one = inception_statistics(small, [torch.zeros(1, 1, 4, 4)])
    with pytest.raises(InputError, match="n: 1 is not allowed; expected at least two samples for a covariance"):
        one.distance(one)
    with pytest.raises(InputError, match="batches: there are no images; expected at least one"):
        inception_statistics(small, [])


# -- files --------------------------------------------------------------------------------------------------------
def save(state, path):
    (safetensors.torch.save_file if path.suffix == ".safetensors" else torch.save)(state, path)
    return path


@pytest.mark.parametrize("name", ["w.pth", "w.pt", "w.safetensors"])
@pytest.mark.parametrize("counts", [True, False])
def test_weights_come_from_files(small, tmp_path, monkeypatch, name, counts):
    state = {key: value for key, value in small.state_dict().items() if counts or "num_batches" not in key}
    path = save(state, tmp_path / name)
    found = inception_network(str(path))
    assert all(torch.equal(value, found.state_dict()[key]) for key, value in state.items())
    assert (found.sha256, found.published) == (hashlib.sha256(path.read_bytes()).hexdigest(), False)
    monkeypatch.setattr(inception, "SHA256", found.sha256)
    assert found.published


def without(state, key):
    return {k: v for k, v in state.items() if k != key}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: without(s, "first.bn.bias"), "lacks 1 of 5 tensors, such as 'first.bn.bias'"),
        (lambda s: {**s, "first.bn.bias": torch.zeros(3)}, "has (3,) for 'first.bn.bias', not (16,)"),
        (lambda s: {**s, "AuxLogits.fc.bias": torch.zeros(3)}, "has 1 tensors too many, such as 'AuxLogits.fc.bias'"),
        (lambda s: {"state_dict": s}, "where tensors by name are expected"),
        (lambda s: functools.partial(print), "w.pth' "),
    ],
)
def test_other_files_are_refused_in_one_line(small, tmp_path, change, message):
    path = save(change(small.state_dict()), tmp_path / "w.pth")
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        inception_network(path)
    assert "\n" not in str(caught.value)
    assert "w.pth" in str(caught.value)


def test_the_network_of_another_number_of_classes_is_refused(network, tmp_path):
    """The one of torchvision has the same names, and gives numbers that compare with nothing."""
    state = {key: torch.zeros(()) for key in network.state_dict()}
    expected = "lacks 2 of 472 tensors, such as 'fc.weight'"
    path = save({key: value for key, value in state.items() if not key.startswith("fc.")}, tmp_path / "w.pth")
    with pytest.raises(InputError, match=expected):
        inception_network(path)


def test_a_missing_file_is_told_in_one_line(tmp_path):
    with pytest.raises(InputError, match="can't be read") as caught:
        inception_network(tmp_path / "none.pth")
    assert "\n" not in str(caught.value)


# -- download -----------------------------------------------------------------------------------------------------
@pytest.fixture
def server(tmp_path, monkeypatch):
    """A folder on a loopback address, in the place of the first mirror; the second is not there."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(folder))

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("GAN_TUTORIAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    address = f"http://127.0.0.1:{server.server_address[1]}/{inception.FILE}"
    monkeypatch.setattr(inception, "MIRRORS", ("http://127.0.0.1:9/", address))
    yield folder / inception.FILE
    server.shutdown()
    thread.join()
    server.server_close()


def test_weights_are_downloaded_once(small, server, monkeypatch):
    save(small.state_dict(), server)
    sha256 = hashlib.sha256(server.read_bytes()).hexdigest()
    monkeypatch.setattr(inception, "SHA256", sha256)
    found = inception_network("download")
    assert (found.sha256, found.published) == (sha256, True)
    server.unlink()
    assert inception_network("download").published


def test_another_file_is_not_taken(small, server):
    save(small.state_dict(), server)
    with pytest.raises(InputError, match=r"127\.0\.0\.1: it sent another file, the SHA-256 differs") as caught:
        inception_network("download")
    assert "\n" not in str(caught.value)


def test_without_a_network_one_line_says_what_to_do(server, monkeypatch):
    monkeypatch.setattr(inception, "MIRRORS", ("http://127.0.0.1:9/",))
    message = (
        f"inception: {inception.FILE} can't be downloaded (127.0.0.1: no connection, ConnectionError); try again "
        "later, what has arrived is kept, or fetch it where there is a network and give its path"
    )
    with pytest.raises(InputError) as caught:
        inception_network("download")
    assert str(caught.value) == message


def test_the_checksum_is_that_of_the_published_name():
    assert re.fullmatch("[0-9a-f]{64}", inception.SHA256)
    assert inception.SHA256[:8] in inception.FILE
    assert all(url.startswith("https://") and inception.SHA256[:8] in url for url in inception.MIRRORS)
