"""Google's Noto emoji: few pictures, in nine groups that have little in common. Hard for a GAN, and good to look at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from gan_tutorial.data.dataset import Dataset, stratified
from gan_tutorial.errors import require, unknown

SIZES = (32, 64)


def emoji(split: str, *, label: str = "group", size: int = 64) -> Dataset:
    """1,852 different emoji on white, 3 x 64 x 64: 1,544 to train, 308 to test, the same ones whatever the options.

    `label` names the attribute that becomes `labels`: "group" (Unicode's nine: smileys, people, animals, food, travel,
    activities, objects, symbols, flags), "subgroup" (about 100 of very different sizes, such as face-smiling) or
    "name" (each emoji's own, such as "grinning face"). All three are in `attributes`. `size=32` averages 2 x 2 pixels.

    Source: Noto Color Emoji; LICENSES.md beside this file tells the version and the licences. Without skin tones, and
    without a few that are rude.
    """
    require(size in SIZES, "size", size, "32 or 64")
    with np.load(Path(__file__).with_name("emoji.npz"), allow_pickle=False) as packed:
        attributes = [str(name) for name in packed["attributes"]]
        if label not in attributes:
            raise unknown("label", label, attributes)
        values = {name: tuple(str(value) for value in packed[f"values_{name}"]) for name in attributes}
        columns = dict(zip(attributes, packed["labels"].astype(np.int64).T, strict=True))
        images = packed["images"]
    chosen = stratified(columns["group"], 6, split)
    images = images[chosen]
    if size == 32:
        squares = images.reshape(-1, 32, 2, 32, 2, 3).sum(axis=(2, 4), dtype=np.uint16)
        images = ((squares + 2) // 4).astype(np.uint8)
    of_split = {name: torch.from_numpy(column[chosen]) for name, column in columns.items()}
    return Dataset(
        "emoji",
        torch.from_numpy(images).permute(0, 3, 1, 2),
        of_split[label],
        split=split,
        label_names=values[label],
        attributes=of_split,
        attribute_names=values,
    )
