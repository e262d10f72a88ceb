"""Handwritten digits that need no download: scikit-learn's 8 x 8 ones and 5,000 of MNIST's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from gan_tutorial.data.dataset import Dataset, stratified
from gan_tutorial.errors import require, require_integer

DIGITS = tuple("0123456789")
NUMBERS = tuple(f"{number:03}" for number in range(1000))


def digits8(split: str) -> Dataset:
    """1,797 digits, 1 x 8 x 8; one in five is in the test split. Source: scikit-learn's `load_digits` (the test set of
    the UCI "Optical Recognition of Handwritten Digits"), whose values 0..16 are spread over 0..255."""
    from sklearn.datasets import load_digits

    found = load_digits()
    images = np.round(found.images * (255 / 16)).astype(np.uint8)
    return labelled_images("digits8", split, images[:, None], found.target, DIGITS, stratified(found.target, 5, split))


def mnist(split: str, *, size: int = 28) -> Dataset:
    """5,000 digits of MNIST (LeCun, Cortes and Burges), 1 x 28 x 28: 400 of each class to train, 100 to test.

    `size=32` puts a black border of 2 around them. LICENSES.md beside this file tells where they come from.
    """
    with np.load(Path(__file__).with_name("mnist_5k.npz"), allow_pickle=False) as packed:
        images, labels = packed["images"], packed["labels"]
    return labelled_images("mnist", split, bordered(images, size), labels, DIGITS, stratified(labels, 5, split))


def stacked_mnist(split: str, *, size: int = 28, samples: int = 25_600, seed: int = 0) -> Dataset:
    """Three digits of `mnist` one over the other, in red, green and blue: 3 x 28 x 28, with 1,000 classes "000" to
    "999", the digits in this order. A data set whose modes can be counted (Metz et al. 2017, section 3.3.1).

    Each digit is drawn at random, those of "train" from mnist's 4,000 to train, those of "test" from the other 1,000.

    size: 28, or 32 with a black border of 2.
    samples: of "train", 4 to 200,000; "test" has a quarter of that, "all" both.
    seed: of the draw, an integer >= 0.

    Raises InputError for a value outside.
    """
    require_integer("samples", samples, 4, 200_000)
    require_integer("seed", seed, 0, 2**31 - 1)
    parts = {"train": ["train"], "test": ["test"], "all": ["train", "test"]}[split]
    images, labels = [], []
    for part in parts:
        digits, n = mnist(part, size=size), samples if part == "train" else samples // 4
        rng = np.random.default_rng([seed, int(part == "test")])
        chosen = torch.from_numpy(rng.integers(0, len(digits), (n, 3)))
        images.append(digits.data[:, 0][chosen].contiguous())
        labels.append(digits.labels[chosen] @ torch.tensor([100, 10, 1]))  # type: ignore[index]
    return Dataset("stacked-mnist", torch.cat(images), torch.cat(labels), split=split, label_names=NUMBERS)


def bordered(images: np.ndarray, size: int) -> np.ndarray:
    """uint8 (N, 28, 28) -> (N, 1, size, size), zeros around. Raises InputError unless `size` is 28 or 32."""
    require(size in (28, 32), "size", size, "28, or 32 (a black border of 2)")
    border = (size - 28) // 2
    return np.pad(images, ((0, 0), (border, border), (border, border)))[:, None]


def labelled_images(
    name: str, split: str, images: np.ndarray, labels: np.ndarray, label_names: tuple[str, ...], chosen: np.ndarray
) -> Dataset:
    """The data set of the `chosen` ones among uint8 images (N, C, H, W) with labels (N,)."""
    data, target = torch.from_numpy(images[chosen]), torch.from_numpy(labels[chosen].astype(np.int64))
    return Dataset(name, data, target, split=split, label_names=label_names)
