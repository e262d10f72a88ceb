"""Pixel-art faces with known attributes: a small, embedded stand-in for a data set of celebrities."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from gan_tutorial.data.dataset import Dataset, stratified
from gan_tutorial.errors import require, unknown

SIZES = (16, 32, 64)


def avatars(split: str, *, label: str = "wears", size: int = 16) -> Dataset:
    """12,000 different faces, 3 x 16 x 16: 10,000 to train, 2,000 to test, the same ones whatever the options.

    `label` names the attribute that becomes `labels`. The default, "wears", has four values that are easy to see:
    nothing, glasses, hat, hat and glasses. All of them are in `attributes`: the part (hair, hat, glasses, accessories,
    eyes, mouth, clothing), each part's colour (hair_color, ...; "none" where the part is absent), skin_color,
    background, hair_length (short, long), mood (sad, happy) and wears. They say what was drawn: a hat may cover hair.
    `size` 32 or 64 repeats each pixel.

    Source: DiceBear's "Pixel Art" (CC0); LICENSES.md beside this file tells the version.
    """
    require(size in SIZES, "size", size, "16, 32 or 64")
    with np.load(Path(__file__).with_name("avatars.npz"), allow_pickle=False) as packed:
        attributes = [str(name) for name in packed["attributes"]]
        if label not in attributes:
            raise unknown("label", label, attributes)
        values = {name: tuple(str(value) for value in packed[f"values_{name}"]) for name in attributes}
        columns = dict(zip(attributes, packed["labels"].astype(np.int64).T, strict=True))
        palette, pixels = packed["palette"], packed["pixels"]
    chosen = stratified(columns["wears"], 6, split)
    images = torch.from_numpy(palette[pixels[chosen]].repeat(size // 16, axis=1).repeat(size // 16, axis=2))
    of_split = {name: torch.from_numpy(column[chosen]) for name, column in columns.items()}
    return Dataset(
        "avatars",
        images.permute(0, 3, 1, 2),
        of_split[label],
        split=split,
        label_names=values[label],
        attributes=of_split,
        attribute_names=values,
    )
