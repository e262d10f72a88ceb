"""Small classifiers of the embedded images. Their features give a Fréchet distance, their answers a count of classes.

The field's FID uses an Inception network trained on photographs. For digits, pixel faces and emoji a network of 90,000
or 220,000 weights, trained on just these, is a better judge and some thousand times faster; its numbers compare with
each other for one data set, and with no published FID. `tools/make_classifiers.py` made the weights that lie beside
this file.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
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
    "mnist": ((1, 32), (16, 28)),
    "printed": ((1, 32), (16,)),
    "avatars": ((3, 16), (32, 64)),
    "emoji": ((3, 32), (64,)),
}
PRINTED = "pairs:digits"  # its printed side has a classifier too
WIDTH = {"digits8": 16, "mnist": 16, "printed": 16, "avatars": 16, "emoji": 32}
READER = "reader."  # what the names of a Reader's tensors begin with, in the file


class Network(nn.Module):
    """Images (N, channels, side, side) in [-1, 1], side 8, 16 or 32 -> features (N, 64), and logits (N, classes).

    `width` is the number of channels after the first convolution; the two others double it.
    """

    def __init__(self, channels: int, side: int, classes: int, width: int = 16) -> None:
        super().__init__()
        halvings = {8: 1, 16: 2, 32: 3}[side]  # down to 4 x 4
        strides = [1 if layer < 3 - halvings else 2 for layer in range(3)]
        self.convolutions = nn.Sequential()
        widths = (width, 2 * width, 4 * width)
        for before, after, stride in zip((channels, *widths[:2]), widths, strides, strict=True):
            self.convolutions.append(nn.Conv2d(before, after, 3, stride, 1))
            self.convolutions.append(nn.ReLU())
        self.embedding = nn.Linear(4 * width * 4 * 4, FEATURES)
        self.head = nn.Linear(FEATURES, classes)

    def features(self, x: Tensor) -> Tensor:
        return self.embedding(self.convolutions(x).flatten(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(self.features(x))

    def classify(self, features: Tensor) -> Tensor:
        return self.head(features.relu())


class Reader(nn.Module):
    """Pixel art (N, 3, 16, 16) in [-1, 1] -> logits (N, sum of `sizes`), those of one attribute after the other.

    In such pictures a part is the same pixels in the same places, in one colour or another. So it is enough to turn
    the colour of each pixel into 7 numbers, the same way everywhere, and to weigh these by their place.
    """

    def __init__(self, sizes: Iterable[int]) -> None:
        super().__init__()
        hidden = (nn.Conv2d(3, 48, 1), nn.ReLU(), nn.Conv2d(48, 48, 1), nn.ReLU())
        self.code = nn.Sequential(*hidden, nn.Conv2d(48, 7, 1))
        self.head = nn.Linear(7 * 16 * 16, sum(sizes))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.code(x).flatten(1))


class Classifier:
    """What :func:`classifier` returns. Images are float32 (N, C, H, W) in [-1, 1], on any device.

    Attributes:
        name: the data set that it was trained on.
        class_names: what its answers mean.
        accuracy: share of right answers on the held-out images.
        real: the statistics of the real training images' features.
        attribute_names: attribute -> what its values mean; empty unless the data set's pictures have attributes that
            can be read off them, as those of avatars.
        attribute_accuracy: attribute -> share of right answers on the held-out images. Where it is far from 1 the
            picture does not tell: a hat covers hair, hair covers earrings, and of the clothes two look the same.
    """

    def __init__(self, network: Network, reader: Reader | None, real: Statistics, about: dict[str, Any]) -> None:
        self.name: str = about["name"]
        self.class_names: tuple[str, ...] = tuple(about["class_names"])
        self.accuracy: float = about["accuracy"]
        self.real = real
        self.attribute_names = {key: tuple(values) for key, values in about.get("attribute_names", {}).items()}
        self.attribute_accuracy: dict[str, float] = about.get("attribute_accuracy", {})
        self._network = network.eval().requires_grad_(False)
        self._reader = None if reader is None else reader.eval().requires_grad_(False)

    def __repr__(self) -> str:
        return f"<Classifier {self.name}: {len(self.class_names)} classes, accuracy {self.accuracy:.1%}>"

    @torch.no_grad()
    def features(self, x: Tensor) -> Tensor:
        """Features (N, 64) of images, on their device. Real ones have a variance of 1 on average over the features.

        MNIST's digits may be 28 px, which get a black border of 2, or 32 px; avatars 16, 32 or 64 px, emoji 32 or 64.
        Written and printed digits of 16 px are enlarged: of those held out as many are read right, but for 0.6 %, and
        their `classifier_fid` is 2.4 instead of 0.2. Raises InputError for another shape.
        """
        return self._network.to(x.device).features(self._seen(x))

    @torch.no_grad()
    def probabilities(self, features: Tensor) -> Tensor:
        """p(class | image), (N, K), of features (N, 64); NaN for those that are not finite."""
        logits = self._network.to(features.device).classify(features)
        return logits.softmax(1).masked_fill(~torch.isfinite(features).all(1, keepdim=True), math.nan)

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

    @torch.no_grad()
    def attribute_logits(self, x: Tensor) -> dict[str, Tensor]:
        """Attribute -> logits (N, K) over its values, for images as in `features`; no attributes, no entries.

        A network of its own reads them off the pixels: 64 features can't tell all of that.
        """
        seen = self._seen(x)
        if self._reader is None:
            return {}
        sizes = [len(values) for values in self.attribute_names.values()]
        return dict(zip(self.attribute_names, self._reader.to(x.device)(seen).split(sizes, 1), strict=True))

    def attributes(self, x: Tensor) -> dict[str, Tensor]:
        """Attribute -> the value, int64 (N,), that each image has; -1 for an image that holds NaN or infinity."""
        answers = self.attribute_logits(x)
        return {k: v.argmax(1).masked_fill(~torch.isfinite(v).all(1), -1) for k, v in answers.items()}

    def _seen(self, x: Tensor) -> Tensor:
        """Images as the network sees them."""
        shape = tuple(x.shape)
        allowed = " or ".join(map(str, _shapes(self.name)))
        require(shape[1:] in _shapes(self.name) and len(x) > 0, "x", shape, f"N >= 1 images of shape {allowed}")
        side = INPUTS[self.name][0][1]
        if 2 * shape[2] == side:
            x = F.interpolate(x, scale_factor=2, mode="bicubic").clamp(-1, 1)
        elif shape[2] < side:
            x = F.pad(x, [(side - shape[2]) // 2] * 4, value=-1.0)
        elif shape[2] > side:
            x = F.avg_pool2d(x, shape[2] // side)  # exact where pixels are repeated, as in real avatars
        return x.float()


def names() -> tuple[str, ...]:
    """The data sets that have a classifier."""
    return tuple(INPUTS)


@functools.cache
def classifier(name: str) -> Classifier:
    """The classifier of the data set `name`: "mnist" and "digits8" know the ten digits, "printed" those of the
    "pairs:digits", "avatars" what a face wears and all its attributes, "emoji" the group.

    It is read from the package once. Raises InputError for another name.
    """
    if name not in INPUTS:
        raise unknown("classifier", name, INPUTS)
    with safe_open(weights_file(name), "pt") as file:
        about = json.loads(file.metadata()["about"])
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (it is no dict)
    real = Statistics(about["n"], tensors.pop("real.mean").double(), tensors.pop("real.scatter").double())
    reading = {key.removeprefix(READER): tensors.pop(key) for key in list(tensors) if key.startswith(READER)}
    network = Network(*INPUTS[name][0], len(about["class_names"]), WIDTH[name])
    network.load_state_dict(tensors)  # float16 in the file, float32 here
    reader = Reader(map(len, about["attribute_names"].values())) if reading else None
    if reader is not None:
        reader.load_state_dict(reading)
    return Classifier(network, reader, real, about)


def images(name: str, split: str = "train", **options: Any) -> Dataset:
    """The images that the classifier `name` is made for: a data set, or its side B. `options` are the data set's."""
    of: Any = data.load(PRINTED if name == "printed" else name, split, **options)
    return of.b if name == "printed" else of


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

    With n = 256 it is 0.45 for digits8 (which has 359 held-out images, so that draws overlap), 0.8 for mnist, 1.1 for
    avatars and 0.5 for emoji (308 held-out ones); with n = 64 about 3, 4, 4 and 3: compare distances only for the same
    n.

    Raises InputError if there are fewer than `n` held-out images.
    """
    require_integer("draws", draws, 1)
    judge, generator = classifier(name), torch.Generator().manual_seed(seed)
    features = judge.features(images(name, "test")[:].x)
    require_integer("n", n, 2, len(features))
    chosen = [torch.randperm(len(features), generator=generator)[:n] for _ in range(draws)]
    return sum(classifier_fid(features[rows], judge.real) for rows in chosen) / draws


def attribute_coverage(
    found: Mapping[str, Tensor], names: Mapping[str, Sequence[str]], least: int = 1
) -> dict[str, float]:
    """Attribute -> the share of its values that at least `least` samples have: 1 if a generator has left out none.

    `found` holds a value for each sample, int64 (N,), and `names` what the values mean, as in
    `attribute_coverage(judge.attributes(x), judge.attribute_names)`; a data set's own columns will do as well. Values
    below 0 count for nothing. A rare mistake of the classifier can make a value seem present: with thousands of samples
    ask for a few of each.

    Raises InputError for an attribute without names and for `least` below 1.
    """
    require_integer("least", least, 1)
    for key in found:
        if key not in names:
            raise unknown("found", key, names)
    counts = {key: torch.bincount(column[column >= 0], minlength=len(names[key])) for key, column in found.items()}
    return {key: (count >= least).double().mean().item() for key, count in counts.items()}


def weights_file(name: str) -> Path:
    """Where the weights of the classifier `name` lie."""
    return Path(__file__).with_name(f"{name}.safetensors")


def _shapes(name: str) -> list[tuple[int, int, int]]:
    (channels, side), others = INPUTS[name]
    return [(channels, s, s) for s in sorted((side, *others))]
