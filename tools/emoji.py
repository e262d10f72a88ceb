"""Draws the emoji that Unicode lists, at 64 x 64 on white: the bitmaps of Noto Color Emoji, halved.

The font's bitmaps are 136 x 128, with nothing in the outer 4 columns at each side. What is left has twice our side, so
that a pixel of ours is the mean of four of theirs and nothing is interpolated.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SIZE = 64
STRIKE = (136, 128)  # the font's only bitmaps, which it calls size 109
MARGIN = (STRIKE[0] - 2 * SIZE) // 2
SKIN_TONES = range(0x1F3FB, 0x1F400)
LINE = re.compile(r"([0-9A-F ]+?) *; fully-qualified +# \S+ E\d+\.\d+ (.+)")

# This is for classrooms. Vegetables and gestures that are rude to some people, or in some countries, have stayed.
RUDE = {
    "middle finger": "an insult, anywhere",
    "face with symbols on mouth": "swears",
    "pile of poo": "excrement",
    "biting lip": "suggestive",
    "love hotel": "sells rooms by the hour",
    "people with bunny ears": "after the waitresses of a magazine for men",
    "men with bunny ears": "the same",
    "women with bunny ears": "the same",
    "no one under eighteen": "the sign at the door to what is for adults",
}
# These territories fly the flag of a state: the picture is there already, and keeps the state's name.
SAME_FLAG = {
    "flag: Bouvet Island": "Norway",
    "flag: Ceuta & Melilla": "Spain",
    "flag: Clipperton Island": "France",
    "flag: Diego Garcia": "British Indian Ocean Territory",
    "flag: Heard & McDonald Islands": "Australia",
    "flag: St. Martin": "France",
    "flag: Svalbard & Jan Mayen": "Norway",
    "flag: U.S. Outlying Islands": "United States",
}
LEFT_OUT = {*RUDE, *SAME_FLAG}


class Emoji(NamedTuple):
    text: str  # one or more code points
    group: str  # one of Unicode's nine
    subgroup: str
    name: str


def listed(table: str) -> list[Emoji]:
    """The emoji in Unicode's `emoji-test.txt`, in its order, without other skin tones than the plain one, and without
    those that are left out. Raises ValueError if one of these isn't there: then the list above needs a look."""
    found, group, subgroup = [], "", ""
    for line in table.splitlines():
        if line.startswith("# group:"):
            group = line.split(":", 1)[1].strip()
        elif line.startswith("# subgroup:"):
            subgroup = line.split(":", 1)[1].strip()
        elif match := LINE.fullmatch(line):
            points = [int(point, 16) for point in match[1].split()]
            if not any(point in SKIN_TONES for point in points):
                found.append(Emoji("".join(map(chr, points)), group, subgroup, match[2]))
    if missing := LEFT_OUT - {emoji.name for emoji in found}:
        raise ValueError(f"emoji-test.txt does not list: {', '.join(sorted(missing))}")
    return [emoji for emoji in found if emoji.name not in LEFT_OUT]


def draw(emoji: list[Emoji], font: Path) -> np.ndarray:
    """uint8 (N, 64, 64, 3). Raises ValueError for one that the font does not draw as a single picture."""
    # Raqm joins what is made of several code points, as flags are.
    face = ImageFont.truetype(str(font), 109, layout_engine=ImageFont.Layout.RAQM)
    sheet = np.empty((len(emoji), *reversed(STRIKE), 3), np.uint8)
    for one, place in zip(emoji, sheet, strict=True):
        if face.getbbox(one.text) != (0, 0, *STRIKE):
            raise ValueError(f"{one.name}: drawn as {face.getbbox(one.text)}, not as one picture")
        picture = Image.new("RGB", STRIKE, "white")
        ImageDraw.Draw(picture).text((0, 0), one.text, font=face, embedded_color=True)
        place[:] = np.asarray(picture)
    outside = np.concatenate([sheet[:, :, :MARGIN], sheet[:, :, -MARGIN:]], axis=2)
    if not (outside == 255).all():
        raise ValueError("the font draws outside of the middle 128 columns")
    return halved(sheet[:, :, MARGIN:-MARGIN])


def halved(images: np.ndarray) -> np.ndarray:
    """uint8 (N, H, W, 3) -> uint8 (N, H/2, W/2, 3): means of 2 x 2 pixels, rounded."""
    n, height, width, channels = images.shape
    squares = images.reshape(n, height // 2, 2, width // 2, 2, channels)
    return ((squares.sum(axis=(2, 4), dtype=np.uint16) + 2) // 4).astype(np.uint8)
