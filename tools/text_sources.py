"""Packs the texts: Chinese quatrains with the reading of each character, and English words."""

from __future__ import annotations

import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

# npm's: package -> version, and the SHA-256 of its file.
NPM = {
    "chinese-poetry": ("2.0.1", "25b549e46919c3a0569db6b68ddc96956b04a484ea4518ad2bbd4f137e307e86"),
    "cuss": ("2.2.0", "66b19c6086d3fb3eac3769daf97dd695290ecc24b0fddbc30688418c629b776f"),
}
PYPINYIN = ("0.55.0", "d53b1e8ad2cdb815fb2cb604ed3123372f5a28c6f447571244aca36fc62a286f")
WAMERICAN = ("2020.12.07-2", "c8f8e2b2ad0d37bfdd41f0e40f1e4c8e5f907467d768a1d3698b164e9617f0b4")

CHARACTERS = 3_000  # the most frequent ones of all the quatrains; a poem with another is left out
TABLE = re.compile(r"package/dist/quantangshi/poet\.(tang|song)\.(\d+)\.json")
QUATRAIN = re.compile("(.{5})，(.{5})。(.{5})，(.{5})。")
CHINESE = re.compile("[\u4e00-\u9fff]{20}")
SAME = 15  # two poems that agree in so many of their 20 places are one, handed down in two ways
# The source writes these both ways, and means the same: the first becomes the second. Pairs that differ in meaning, as
# 里 (a mile) and 裏 (inside), have stayed.
WRITTEN = "黄却峯烟凉带卧脚遥摇荆迹携来挂牀羣强瑶别笋栖巖决况虬潜横静厨葱虚脉醖藴苧韵衮"
MEANT = "黃卻峰煙涼帶臥腳遙搖荊跡攜來掛床群強瑤別筍棲岩決況虯潛橫靜廚蔥虛脈醞蘊薴韻袞"

LETTERS = range(3, 13)
# This is for classrooms. `cuss` rates how surely a word is rude; from 1, "in the middle", it's out, and so is what
# these endings make of it. So some innocent words go, as "beanbag".
ENDINGS = ("s", "es", "d", "ed", "er", "ers", "ing", "ings", "y", "ier", "iest", "ily", "ist", "ists", "ish")
# What it doesn't rate: anywhere in a word, and as a word.
ROOTS = re.compile("bastard|bitch|boob|cunt|fag(?:g|s)|fuck|masturb|nigg|nazi|piss|porn|prostitut|shit|slut|whor[ei]")
ALSO = re.compile(
    "bimbos?|bollocks|bums?|cretins?|crippled?s?|dago(?:e?s)?|dark(?:y|ies?)|douche[ds]?|fanny|hos|kikes?|lesbo|midgets?|"
    "mongol(?:ism|oids?)|negro(?:es)?|nudes?|paki|pee(?:d|s|ing)|pickaninny|scumbags?|spastics?|spics?|tits|"
    "wank(?:s|ed|ing|ers?)?|wogs?|wops?"
)


def make_poems(folder: Path) -> None:
    """poems.npz: tokens uint16 (N, 20), vocabulary (V,) of which the first is "", readings (V,) of the same, and
    test bool (N,), true for the poems of the test split."""
    with tempfile.TemporaryDirectory() as temporary:
        poems = quatrains(npm("chinese-poetry", Path(temporary)))
        with zipfile.ZipFile(pypi("pypinyin", *PYPINYIN, Path(temporary))) as wheel:
            known = json.loads(wheel.read("pypinyin/pinyin_dict.json"))
    counts = Counter("".join(poems)).most_common()
    frequent = {character for character, _ in counts[:CHARACTERS]}
    poems = without_doubles([poem for poem in poems if frequent.issuperset(poem)])
    counts = Counter("".join(poems)).most_common()
    vocabulary = ["", *(character for character, _ in sorted(counts, key=lambda pair: (-pair[1], pair[0])))]
    token = {character: k for k, character in enumerate(vocabulary)}
    arrays = {
        "tokens": np.array([[token[character] for character in poem] for poem in poems], np.uint16),
        "vocabulary": np.array(vocabulary),
        "readings": np.array(["", *(known[str(ord(character))].split(",")[0] for character in vocabulary[1:])]),
        "test": tested(related(poems)),
    }
    pack(folder / "poems.npz", arrays)


def quatrains(archive: Path) -> list[str]:
    """The distinct poems of four lines of five characters, 20 characters each, in the order of the source: Tang, then
    Song. Those with a gap, a remark or other punctuation are left out."""
    tables: dict[tuple[bool, int], list[dict]] = {}
    with tarfile.open(archive) as members:
        for member in members:
            name, file = TABLE.fullmatch(member.name), members.extractfile(member)
            if name and file:
                tables[name[1] == "song", int(name[2])] = json.load(file)
    merged = str.maketrans(WRITTEN, MEANT)
    poems: dict[str, None] = {}
    for place in sorted(tables):
        for entry in tables[place]:
            lines = QUATRAIN.fullmatch("".join(entry["paragraphs"]))
            if lines and CHINESE.fullmatch("".join(lines.groups())):
                poems.setdefault("".join(lines.groups()).translate(merged))
    return list(poems)


def without_doubles(poems: list[str]) -> list[str]:
    """The first of each that were handed down in several ways."""
    codes = np.array([[ord(character) for character in poem] for poem in poems])
    kept = np.ones(len(poems), bool)
    for k, code in enumerate(codes):
        if kept[k]:
            kept[k + 1 :] &= (codes[k + 1 :] == code).sum(axis=1) < SAME
    return [poem for poem, keep in zip(poems, kept, strict=True) if keep]


def related(poems: list[str]) -> list[int]:
    """For each poem the place of the first that it's related to: they share a line, or relatives do."""
    leader = list(range(len(poems)))

    def first(k: int) -> int:
        while leader[k] != k:
            k = leader[k]
        return k

    seen: dict[str, int] = {}
    for k, poem in enumerate(poems):
        for start in range(0, 20, 5):
            here, there = first(k), first(seen.setdefault(poem[start : start + 5], k))
            leader[max(here, there)] = min(here, there)
    return [first(k) for k in range(len(poems))]


def tested(leaders: list[int]) -> np.ndarray:
    """bool (N,): one poem in ten is in the test split, evenly over the source, and relatives stay together."""
    sizes = Counter(leaders)
    chosen: set[int] = set()
    passed = taken = 0
    for leader in sorted(sizes):
        passed += sizes[leader]
        if taken + sizes[leader] <= passed / 10:
            chosen.add(leader)
            taken += sizes[leader]
    return np.array([leader in chosen for leader in leaders])


def make_words(folder: Path) -> None:
    """words.npz: tokens uint8 (N, 12), 0 for the blank and 1 to 26 for a to z, in alphabetical order."""
    with tempfile.TemporaryDirectory() as temporary:
        with tarfile.open(npm("cuss", Path(temporary))) as files:
            files.extractall(temporary, filter="data")
        script = "import {cuss} from './package/index.js'; console.log(JSON.stringify(cuss))"
        node = ["node", "--input-type=module", "--eval", script]
        rated = json.loads(subprocess.run(node, check=True, stdout=subprocess.PIPE, cwd=temporary).stdout)
        debian("wamerican", *WAMERICAN, Path(temporary))
        listed = Path(temporary, "usr", "share", "dict", "american-english").read_text(encoding="utf-8").split()
    plain = re.compile(f"[a-z]{{{LETTERS.start},{LETTERS.stop - 1}}}")
    rude = {word for word, surely in rated.items() if surely >= 1}
    words = sorted(word for word in set(listed) if plain.fullmatch(word) and not is_rude(word, rude))
    tokens = np.zeros((len(words), LETTERS.stop - 1), np.uint8)
    for row, word in zip(tokens, words, strict=True):
        row[: len(word)] = np.frombuffer(word.encode(), np.uint8) - ord("a") + 1
    pack(folder / "words.npz", {"tokens": tokens})


def is_rude(word: str, rude: set[str]) -> bool:
    """Whether `word` is in `rude` or in our own lists, or made by an ending from one in `rude` of four letters or more:
    drugs, drugged, and slaving, where an e went."""
    stems = {word}
    for ending in ENDINGS:
        stem = word.removesuffix(ending)
        if len(stem) > 3 and stem != word:
            stems.add(stem)
            if ending[0] in "ei":
                stems.add(stem[:-1] if len(stem) > 4 and stem[-1] == stem[-2] else stem + "e" * (ending[0] == "i"))
    return bool(ROOTS.search(word) or ALSO.fullmatch(word)) or not stems.isdisjoint(rude)


def npm(package: str, folder: Path) -> Path:
    """The package's archive, fetched into `folder`."""
    version, checksum = NPM[package]
    command = ["npm", "pack", "--silent", "--pack-destination", str(folder), f"{package}@{version}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return checked(folder.glob(f"{package}-*.tgz"), checksum)


def pypi(package: str, version: str, checksum: str, folder: Path) -> Path:
    """The package's wheel, fetched into `folder`."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
    subprocess.run([*pip, f"{package}=={version}"], check=True, stderr=subprocess.DEVNULL)
    return checked(folder.glob(f"{package}-*.whl"), checksum)


def debian(package: str, version: str, checksum: str, folder: Path) -> None:
    """Fetches the package and unpacks it into `folder`."""
    subprocess.run(["apt-get", "download", "--quiet", f"{package}={version}"], check=True, cwd=folder)
    file = checked(folder.glob(f"{package}_*.deb"), checksum)
    subprocess.run(["dpkg-deb", "--extract", str(file), str(folder)], check=True)


def checked(found: Iterable[Path], checksum: str) -> Path:
    (file,) = found
    if hashlib.sha256(file.read_bytes()).hexdigest() != checksum:
        raise SystemExit(f"{file.name} is not the file that it was")
    return file


def pack(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """An .npz compressed by LZMA, the same bytes each time."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            written = io.BytesIO()
            np.lib.format.write_array(written, np.ascontiguousarray(array), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), written.getvalue(), zipfile.ZIP_LZMA)


ORIGINS = {
    "poems.npz": (
        "10,574 Chinese quatrains of the Tang and Song dynasties, 4 x 5 characters, variants of a character merged, "
        "without the rarer characters; and how each of the 2,997 characters is read today",
        f"npm package chinese-poetry {NPM['chinese-poetry'][0]}, `dist/quantangshi` (the poems); PyPI package pypinyin "
        f"{PYPINYIN[0]}, `pypinyin/pinyin_dict.json` (the readings)",
        "poems: public domain by their age, the collection MIT, copyright 2016 JackeyGao; readings: MIT, copyright "
        "2016 mozillazg, 闲耘; see below",
    ),
    "words.npz": (
        "59,725 English words of 3 to 12 letters, without names and rude ones (`tools/text_sources.py`)",
        f"Debian package wamerican {WAMERICAN[0]}, from SCOWL; npm package cuss {NPM['cuss'][0]} says what is rude",
        "SCOWL: copyright 2000-2011 Kevin Atkinson, and others, see below; the package cuss, not included: MIT",
    ),
}
NOTICES = """
## The MIT licence of the poems' collection and of the readings

Copyright (c) 2016 JackeyGao (chinese-poetry). Copyright (c) 2016 mozillazg, 闲耘 (pypinyin).

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.

## English words: SCOWL

A selection by us from the American English list of up to SCOWL's level 50.

Copyright 2000-2011 by Kevin Atkinson. Permission to use, copy, modify, distribute and sell these word lists, the
associated scripts, the output created from the scripts, and its documentation for any purpose is hereby granted without
fee, provided that the above copyright notice appears in all copies and that both that copyright notice and this
permission notice appear in supporting documentation. Kevin Atkinson makes no representations about the suitability of
this array for any purpose. It is provided "as is" without express or implied warranty.

The sources of those levels are in the public domain (12Dicts by Alan Beale, Moby by Grady Ward, the list with
frequencies by Brian Kelk, the Jargon File), but for two: the database of inflections was made with WordNet 1.6, and the
choice between American and British spelling with VARCON, which comes from Ispell.

WordNet 1.6 Copyright 1997 by Princeton University. All rights reserved. This software and database is being provided to
you, the LICENSEE, by Princeton University under the following license. By obtaining, using and/or copying this software
and database, you agree that you have read, understood, and will comply with these terms and conditions: Permission to
use, copy, modify and distribute this software and database and its documentation for any purpose and without fee or
royalty is hereby granted, provided that you agree to comply with the following copyright notice and statements,
including the disclaimer, and that the same appear on ALL copies of the software, database and documentation, including
modifications that you make for internal use or for distribution. THIS SOFTWARE AND DATABASE IS PROVIDED "AS IS" AND
PRINCETON UNIVERSITY MAKES NO REPRESENTATIONS OR WARRANTIES, EXPRESS OR IMPLIED. BY WAY OF EXAMPLE, BUT NOT LIMITATION,
PRINCETON UNIVERSITY MAKES NO REPRESENTATIONS OR WARRANTIES OF MERCHANTABILITY OR FITNESS FOR ANY PARTICULAR PURPOSE OR
THAT THE USE OF THE LICENSED SOFTWARE, DATABASE OR DOCUMENTATION WILL NOT INFRINGE ANY THIRD PARTY PATENTS, COPYRIGHTS,
TRADEMARKS OR OTHER RIGHTS. The name of Princeton University or Princeton may not be used in advertising or publicity
pertaining to distribution of the software and/or database. Title to copyright in this software, database and any
associated documentation shall at all times remain with Princeton University and LICENSEE agrees to preserve same.

Ispell: Copyright 1993, Geoff Kuenning, Granada Hills, CA. All rights reserved. Redistribution and use in source and
binary forms, with or without modification, are permitted provided that the following conditions are met: 1.
Redistributions of source code must retain the above copyright notice, this list of conditions and the following
disclaimer. 2. Redistributions in binary form must reproduce the above copyright notice, this list of conditions and the
following disclaimer in the documentation and/or other materials provided with the distribution. 3. All modifications to
the source code must be clearly marked as such. Binary redistributions based on modified source code must be clearly
marked as modified versions in the documentation and/or other materials provided with the distribution. 5. The name of
Geoff Kuenning may not be used to endorse or promote products derived from this software without specific prior written
permission. THIS SOFTWARE IS PROVIDED BY GEOFF KUENNING AND CONTRIBUTORS "AS IS" AND ANY EXPRESS OR IMPLIED WARRANTIES,
INCLUDING, BUT NOT LIMITED TO, THE IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE
DISCLAIMED. IN NO EVENT SHALL GEOFF KUENNING OR CONTRIBUTORS BE LIABLE FOR ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL,
EXEMPLARY, OR CONSEQUENTIAL DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR SERVICES; LOSS OF
USE, DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER CAUSED AND ON ANY THEORY OF LIABILITY, WHETHER IN CONTRACT,
STRICT LIABILITY, OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE OF THIS SOFTWARE, EVEN
IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.
"""
