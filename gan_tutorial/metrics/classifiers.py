"""Small classifiers of the embedded images. Their features give a Fréchet distance, their answers a count of classes.

The field's FID uses an Inception network trained on photographs. For digits and pixel faces a network of 90,000
weights, trained on just these, is a better judge and some thousand times faster; its numbers compare with each other
for one data set, and with no published FID. `tools/make_classifiers.py` made the weights that lie beside this file.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn
from torch.nn import functional as F

from gan_tutorial import data
from gan_tutorial.data import Dataset
from gan_tutorial.errors import require, require_integer, unknown
from gan_tutorial.metrics.frechet import Statistics

FEATURES = 64
# Data set -> (channels, side) that its network sees, and the other sides that can be brought there.
INPUTS: dict[str, tuple[tuple[int, int], tuple[int, ...]]] = {
    "digits8": ((1, 8), ()),
    "mnist": ((1, 32), (28,)),
    "avatars": ((3, 16), (32, 64)),
}


class Network(nn.Module):
    """Images (N, channels, side, side) in [-1, 1], side 8, 16 or 32 -> features (N, 64), and logits (N, classes)."""

    def __init__(self, channels: int, side: int, classes: int) -> None:
        super().__init__()
        halvings = {8: 1, 16: 2, 32: 3}[side]  # down to 4 x 4
        strides = [1 if layer < 3 - halvings else 2 for layer in range(3)]
        self.convolutions = nn.Sequential()
        for before, after, stride in zip((channels, 16, 32), (16, 32, 64), strides, strict=True):
            self.convolutions.append(nn.Conv2d(before, after, 3, stride, 1))
            self.convolutions.append(nn.ReLU())
        self.embedding = nn.Linear(64 * 4 * 4, FEATURES)
        self.head = nn.Linear(FEATURES, classes)

    def features(self, x: Tensor) -> Tensor:
        return self.embedding(self.convolutions(x).flatten(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(self.features(x))

    def classify(self, features: Tensor) -> Tensor:
        return self.head(features.relu())


class Classifier:
    """What :func:`classifier` returns. Images are float32 (N, C, H, W) in [-1, 1], on any device.

    Attributes:
        name: the data set that it was trained on.
        class_names: what its answers mean.
        accuracy: share of right answers on the held-out images.
        real: the statistics of the real training images' features.
    """

    def __init__(self, network: Network, real: Statistics, about: dict[str, Any]) -> None:
        self.name: str = about["name"]
        self.class_names: tuple[str, ...] = tuple(about["class_names"])
        self.accuracy: float = about["accuracy"]
        self.real = real
        self._network = network.eval().requires_grad_(False)

    def __repr__(self) -> str:
        return f"<Classifier {self.name}: {len(self.class_names)} classes, accuracy {self.accuracy:.1%}>"

    @torch.no_grad()
    def features(self, x: Tensor) -> Tensor:
        """Features (N, 64) of images, on their device. Real ones have a variance of 1 on average over the features.

        MNIST's digits may be 28 px, which get a black border of 2, or 32 px; avatars 16, 32 or 64 px. Raises
        InputError for another shape.
        """
        shape = tuple(x.shape)
        allowed = " or ".join(map(str, _shapes(self.name)))
        require(shape[1:] in _shapes(self.name) and len(x) > 0, "x", shape, f"N >= 1 images of shape {allowed}")
        side = INPUTS[self.name][0][1]
        if shape[2] < side:
            x = F.pad(x, [(side - shape[2]) // 2] * 4, value=-1.0)
        elif shape[2] > side:
            x = F.avg_pool2d(x, shape[2] // side)  # exact where pixels are repeated, as in real avatars
        return self._network.to(x.device).features(x.float())

    @torch.no_grad()
    def classify(self, features: Tensor) -> Tensor:
        """The class, int64 (N,), of features (N, 64); -1 for those that hold NaN or infinity: they are of no class."""
        answer = self._network.to(features.device).classify(features).argmax(1)
        return answer.masked_fill(~torch.isfinite(features).all(1), -1)

    def predict(self, x: Tensor) -> Tensor:
        """The class, int64 (N,), of each image; -1 for an image that holds NaN."""
        return self.classify(self.features(x))

    def shares(self, features: Tensor) -> Tensor:
        """The share (K,) of features (N, 64) in each class; they sum to 1 unless some are of no class."""
        found = self.classify(features)
        return torch.bincount(found[found >= 0], minlength=len(self.class_names)) / len(found)


def names() -> tuple[str, ...]:
    """The data sets that have a classifier."""
    return tuple(INPUTS)


@functools.cache
def classifier(name: str) -> Classifier:
    """The classifier of the data set `name`: "mnist" and "digits8" know the ten digits, "avatars" what a face wears.

    It is read from the package once. Raises InputError for another name.
    """
    if name not in INPUTS:
        raise unknown("classifier", name, INPUTS)
    with safe_open(weights_file(name), "pt") as file:
        about = json.loads(file.metadata()["about"])
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (it is no dict)
    real = Statistics(about["n"], tensors.pop("real.mean").double(), tensors.pop("real.scatter").double())
    network = Network(*INPUTS[name][0], len(about["class_names"]))
    network.load_state_dict(tensors)  # float16 in the file, float32 here
    return Classifier(network, real, about)


def for_data(name: str, shape: tuple[int, ...]) -> Classifier | None:
    """The classifier that fits images of `shape` (C, H, W) from the data set `name`, or None if there is none."""
    return classifier(name) if name in INPUTS and tuple(shape) in _shapes(name) else None


def classifier_fid(fake_features: Tensor, real: Statistics) -> float:
    """The Fréchet distance between features (N, 64) of fakes and real `Statistics`; NaN if a feature is not finite.

    For scale, with 256 images: real digits of MNIST at 32 px have 0.8 (0 is never reached, see :func:`fid_floor`),
    those without a zero 4, blurred by 3 and 5 pixels 6 and 25, a single class 70, one image repeated 110, uniform noise
    160. Raises InputError for fewer than two fakes or another shape.
    """
    return Statistics.of(fake_features).distance(real)


def fid_floor(name: str, n: int = 256, *, draws: int = 8, seed: int = 0) -> float:
    """What `n` held-out real images get from `classifier_fid`, on average over `draws`: a perfect generator's value.

    With n = 256 it is 0.45 for digits8 (which has 359 held-out images, so that draws overlap), 0.8 for mnist and 1.1
    for avatars; with n = 64 about 3, 4 and 4: compare distances only for the same n.

    Raises InputError if there are fewer than `n` held-out images.
    """
    require_integer("draws", draws, 1)
    judge, generator = classifier(name), torch.Generator().manual_seed(seed)
    held_out = data.load(name, split="test")
    assert isinstance(held_out, Dataset)
    features = judge.features(held_out[:].x)
    require_integer("n", n, 2, len(features))
    chosen = [torch.randperm(len(features), generator=generator)[:n] for _ in range(draws)]
    return sum(classifier_fid(features[rows], judge.real) for rows in chosen) / draws


def weights_file(name: str) -> Path:
    """Where the weights of the classifier `name` lie."""
    return Path(__file__).with_name(f"{name}.safetensors")


def _shapes(name: str) -> list[tuple[int, int, int]]:
    (channels, side), others = INPUTS[name]
    return [(channels, s, s) for s in sorted((side, *others))]
