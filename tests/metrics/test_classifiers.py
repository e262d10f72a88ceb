import json
import math

import pytest
import torch
from safetensors import safe_open
from torch.nn import functional as F

from gan_tutorial import data
from gan_tutorial.errors import InputError
from gan_tutorial.metrics import Statistics, classifier, classifier_fid, fid_floor, for_data
from gan_tutorial.metrics.classifiers import names, weights_file

ACCURACY = {"digits8": 0.975, "mnist": 0.97, "avatars": 0.99}  # measured: 0.983, 0.979, 0.997


def test_every_embedded_image_set_has_one():
    assert set(names()) == set(ACCURACY)
    for name in names():
        assert weights_file(name).stat().st_size < 300_000


@pytest.mark.parametrize("name", list(ACCURACY))
def test_held_out_images_are_recognised(name):
    found, held_out = classifier(name), data.load(name, split="test")
    right = (found.predict(held_out[:].x) == held_out.labels).double().mean().item()
    assert right >= ACCURACY[name]
    assert found.accuracy == pytest.approx(right, abs=0.002)
    assert found.class_names == held_out.label_names
    assert f"{found.accuracy:.1%}" in repr(found)


@pytest.mark.parametrize("name", list(ACCURACY))
def test_packed_statistics_are_those_of_the_training_images(name):
    train, found = data.load(name), classifier(name)
    features = found.features(train[:1000].x)
    assert (features.shape, features.dtype) == ((1000, 64), torch.float32)
    assert found.real.n == len(train)
    assert found.real.covariance.trace().item() == pytest.approx(64, rel=0.01)
    everything = Statistics.of(found.features(train[:].x)) if len(train) < 5000 else Statistics.of(features)
    assert everything.distance(found.real) < (1e-3 if len(train) < 5000 else 1)


def test_the_file_says_what_it_is():
    with safe_open(weights_file("mnist"), "pt") as file:
        about = json.loads(file.metadata()["about"])
    assert about["name"] == "mnist"
    assert about["made_by"] == "tools/make_classifiers.py"
    assert about["accuracy"] == classifier("mnist").accuracy


@pytest.mark.parametrize("name", list(ACCURACY))
def test_worse_images_are_further_away(name):
    found, generator = classifier(name), torch.Generator().manual_seed(0)
    held_out = data.load(name, split="test")
    real = held_out.sample(256, generator).x

    def fid(x):
        return classifier_fid(found.features(x), found.real)

    def blurred(width):
        return F.avg_pool2d(F.pad(real, [width // 2] * 4, mode="replicate"), width, 1)

    one_class = held_out[(held_out.labels == 1).nonzero().flatten()[:256]].x
    noise = 2 * torch.rand(real.shape, generator=generator) - 1
    order = [fid(real), fid(blurred(3)), fid(blurred(5)), fid(real[:1].expand_as(real))]
    assert order == sorted(order)
    assert order[1] > 4 * order[0]
    assert fid(one_class) > 8 * order[0]
    assert fid(noise) > 30 * order[0]
    assert fid(0.5 * (real + real.flip(0))) > 5 * order[0]  # two images at once


@pytest.mark.parametrize(("name", "floor"), [("digits8", 0.45), ("mnist", 0.82), ("avatars", 1.07)])
def test_floors_are_the_documented_ones(name, floor):
    assert fid_floor(name) == pytest.approx(floor, rel=0.15)
    assert fid_floor(name, 64) > 2 * fid_floor(name)
    assert fid_floor(name) == fid_floor(name)


def test_sizes_that_mean_the_same_image():
    small, large = data.load("mnist", split="test")[:8].x, data.load("mnist", split="test", size=32)[:8].x
    digits, faces = classifier("mnist"), classifier("avatars")
    assert torch.equal(digits.features(small), digits.features(large))
    wide = data.load("avatars", split="test", size=64)[:8].x
    close = faces.features(wide) - faces.features(data.load("avatars", split="test")[:8].x)
    assert close.abs().max() < 1e-4


def test_one_image_does_not_depend_on_the_others():
    x = data.load("mnist", split="test")[:8].x
    assert torch.allclose(classifier("mnist").features(x)[3:4], classifier("mnist").features(x[3:4]), atol=1e-5)


def test_for_data():
    assert for_data("mnist", (1, 32, 32)) is classifier("mnist") is for_data("mnist", (1, 28, 28))
    assert for_data("digits8", (1, 8, 8)) is classifier("digits8")
    assert for_data("avatars", (3, 16, 16)) is classifier("avatars")
    for name, shape in (("mnist", (3, 32, 32)), ("digits8", (1, 32, 32)), ("folder:x", (3, 64, 64)), ("ring-8", (2,))):
        assert for_data(name, shape) is None


def test_what_is_not_finite_has_no_class_and_no_distance():
    found = classifier("digits8")
    x = data.load("digits8", split="test")[:4].x
    sound = found.predict(x)
    x[1, 0, 3, 3] = math.nan
    features = found.features(x)
    assert found.classify(features).tolist() == [sound[0].item(), -1, sound[2].item(), sound[3].item()]
    assert found.shares(features).sum().item() == pytest.approx(0.75)
    assert math.isnan(classifier_fid(features, found.real))


def test_shares_count_the_answers():
    held_out = data.load("avatars", split="test")
    shares = classifier("avatars").shares(classifier("avatars").features(held_out[:].x))
    expected = torch.bincount(held_out.labels) / len(held_out)
    assert torch.allclose(shares, expected, atol=0.01)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: classifier("minst"), "did you mean 'mnist'"),
        (lambda: classifier("mnist").features(torch.zeros(2, 3, 32, 32)), r"expected N >= 1 images of shape \(1, 28"),
        (lambda: classifier("mnist").features(torch.zeros(0, 1, 32, 32)), "N >= 1"),
        (lambda: classifier_fid(torch.zeros(1, 64), classifier("mnist").real), "at least two"),
        (lambda: classifier_fid(torch.zeros(5, 3), classifier("mnist").real), "mu1, sigma1"),
        (lambda: fid_floor("digits8", 360), "n: 360"),
        (lambda: fid_floor("digits8", 1), "n: 1 "),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()
