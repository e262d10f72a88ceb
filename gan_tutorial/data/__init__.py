"""What is real: toy densities, digits, avatars, emoji, poems, words, your own files. `load(name)` gives any of them.

A finite set is a :class:`Dataset`, a toy an infinite :class:`Density`; both have `sample` and `stream`. Nothing heavy
is imported before it is needed.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

from gan_tutorial.data import avatars, digits, download, emoji, folder, oracle, pairs, sound, sound_folder, text, toy
from gan_tutorial.data.dataset import SPLITS, Batch, Dataset, Stream
from gan_tutorial.data.toy import Density, from_points
from gan_tutorial.errors import InputError, unknown

__all__ = ["Batch", "Dataset", "Density", "Description", "Stream", "describe", "from_points", "load", "names"]

# What a name can begin with that goes on with a path, and the data set that it stands for.
PATHS = {
    "folder:": "folder:PATH",
    "text:": "text:PATH",
    "audio:": "audio:PATH",
    "pairs:folder:": "pairs:folder:A:B",
}


class Description(NamedTuple):
    """What a data set is, known without loading it; `str()` gives one line."""

    name: str
    kind: str  # "points", "images", "text", "sound" or "pairs" (of images)
    summary: str
    samples: int | None  # all splits and sides together; None: without end (points), or told only by the files
    shape: tuple[int, ...]  # of one sample, with the default options; () if only the file tells
    classes: int | None  # 0 if unlabelled; None: told only by the files
    download: bool  # whether the first use needs a network

    def __str__(self) -> str:
        return f"{self.name}: {self.summary}" + (" (downloaded at first use)" if self.download else "")


_LOADERS: dict[str, Callable[..., Dataset | Density]] = {
    "ring-8": toy.ring_8,
    "grid-25": toy.grid_25,
    "line": toy.line,
    "disjoint": toy.disjoint,
    "two-moons": toy.two_moons,
    "spiral": toy.spiral,
    "swiss-roll": toy.swiss_roll,
    "pinwheel": toy.pinwheel,
    "digits8": digits.digits8,
    "mnist": digits.mnist,
    "stacked-mnist": digits.stacked_mnist,
    "avatars": avatars.avatars,
    "emoji": emoji.emoji,
    "poems": text.poems,
    "words": text.words,
    "oracle": oracle.oracle,
    "drums": sound.drums,
    "tones": sound.tones,
    "pairs:digits": pairs.digits,
    "pairs:glasses": pairs.glasses,
    "pairs:edges": pairs.edges,
    "folder:PATH": folder.images,
    "text:PATH": text.lines,
    "audio:PATH": sound_folder.sounds,
    "pairs:folder:A:B": pairs.folders,
    "mnist-full": download.mnist_full,
    "fashion-mnist": download.fashion_mnist,
    "cifar10": download.cifar10,
}

_DESCRIPTIONS = {
    found.name: found
    for found in (
        Description("ring-8", "points", "eight Gaussians on a circle", None, (2,), 8, False),
        Description("grid-25", "points", "twenty-five Gaussians on a grid", None, (2,), 25, False),
        Description("line", "points", "a straight line", None, (2,), 0, False),
        Description("disjoint", "points", "two clusters far apart", None, (2,), 2, False),
        Description("two-moons", "points", "two interleaved half circles", None, (2,), 0, False),
        Description("spiral", "points", "a spiral of two arms", None, (2,), 0, False),
        Description("swiss-roll", "points", "a Swiss roll seen from its end", None, (2,), 0, False),
        Description("pinwheel", "points", "five curved blades", None, (2,), 0, False),
        Description("digits8", "images", "scikit-learn's small digits", 1_797, (1, 8, 8), 10, False),
        Description("mnist", "images", "5,000 of MNIST's digits", 5_000, (1, 28, 28), 10, False),
        Description("stacked-mnist", "images", "MNIST's digits, three in a picture", 32_000, (3, 28, 28), 1000, False),
        Description("avatars", "images", "pixel-art faces with attributes", 12_000, (3, 16, 16), 4, False),
        Description("emoji", "images", "Noto's emoji in nine groups", 1_852, (3, 64, 64), 9, False),
        Description("poems", "text", "Chinese quatrains, a character a token", 10_574, (20,), 0, False),
        Description("words", "text", "English words, a letter a token", 59_725, (12,), 0, False),
        Description("oracle", "text", "what an LSTM with random weights writes", None, (20,), 0, False),
        Description("drums", "sound", "six kinds of drum, made of formulas", 3_000, (1, 16_384), 6, False),
        Description("tones", "sound", "chirps and plucked strings", 1_500, (1, 16_384), 3, False),
        Description("pairs:digits", "pairs", "handwritten and printed digits", 10_000, (1, 32, 32), 10, False),
        Description("pairs:glasses", "pairs", "avatars without and with glasses", 12_000, (3, 16, 16), 11, False),
        Description("pairs:edges", "pairs", "avatars' outlines, each with its avatar", 24_000, (3, 32, 32), 4, False),
        Description("folder:PATH", "images", "your own pictures", None, (3, 64, 64), None, False),
        Description("text:PATH", "text", "the lines of your own text file", None, (), 0, False),
        Description("audio:PATH", "sound", "your own WAV and FLAC files", None, (1, 16_384), None, False),
        Description("pairs:folder:A:B", "pairs", "your own pictures, two folders", None, (3, 64, 64), None, False),
        Description("mnist-full", "images", "all of MNIST's digits", 70_000, (1, 28, 28), 10, True),
        Description("fashion-mnist", "images", "photographs of clothes", 70_000, (1, 28, 28), 10, True),
        Description("cifar10", "images", "small photographs of ten things", 60_000, (3, 32, 32), 10, True),
    )
}


def names() -> tuple[str, ...]:
    """Every name that `load` knows; PATH, A and B in some stand for your own."""
    return tuple(_LOADERS)


def describe(name: str) -> Description:
    """What `name` is. Loads and downloads nothing. Raises InputError for an unknown name."""
    return _DESCRIPTIONS[_key(name)]


def load(name: str, split: str = "train", **options: Any) -> Dataset | Density:
    """The data set `name` (see `names()`), its `split` "train", "test" or "all".

    Splits are fixed, and stratified by label (a folder's: by file name). A toy is infinite and the same in every split.
    The options depend on the data set: `load("ring-8", std=0.1)`, `load("mnist", size=32)`,
    `load("avatars", label="hair")`, `load("emoji", size=32)`, `load("drums", length=4096)`,
    `load("folder:photos", size=128)`, `load("text:names.txt", unit="words")`, `load("audio:recordings", rate=16000)`,
    `load("pairs:folder:photos:paintings", size=64)`.
    Raises InputError for an unknown name, split or option, and for a value that an option can't take.
    """
    key = _key(name)
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    loader = _LOADERS[key]
    allowed = [p.name for p in inspect.signature(loader).parameters.values() if p.kind is p.KEYWORD_ONLY]
    for option in options:
        if option not in allowed:
            raise InputError(f"{key}: the option {option!r} is not known; allowed: {', '.join(allowed) or 'none'}")
    if key in PATHS.values():
        start = next(start for start, of in PATHS.items() if of == key)
        return loader(name.removeprefix(start), split, **options)
    return loader(**options) if key in _TOYS else loader(split, **options)


_TOYS = frozenset(name for name, found in _DESCRIPTIONS.items() if found.kind == "points")


def _key(name: str) -> str:
    own = next((key for start, key in PATHS.items() if isinstance(name, str) and name.startswith(start)), None)
    if own is not None:
        return own
    if name not in _LOADERS:
        raise unknown("data", name, _LOADERS)
    return name
