"""Texts as rows of tokens: Chinese quatrains, English words, and your own text file, one sample a line."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from gan_tutorial.data.dataset import Dataset, stratified
from gan_tutorial.errors import InputError, require, require_integer, unknown

UNITS = ("characters", "words")
LARGEST = 2**28  # bytes of a text file, and tokens of what is made of it
LETTERS = "abcdefghijklmnopqrstuvwxyz"

TONES = "\u0300\u0301\u0304\u030c"  # the accents that mark tones: à á ā ǎ. The two dots of ü are no tone
SYLLABLE = re.compile("([bcdfghjklmnpqrstwxyz]*)([aeiouü]+(?:ng|n|r)?)")
# The thirteen rhymes of Northern opera (十三轍): finals that sound alike, whatever glides into them. They are spelled
# as in pinyin: "yan" is y and an, though said ian. What stands after j, q, x or y as u is ü.
RHYMES = {
    final: name
    for name, finals in {
        "a": "a ia ua",
        "o": "o e uo",
        "ie": "ie üe",
        "u": "u",
        "i": "i ü er",
        "ai": "ai uai",
        "ei": "ei ui",
        "ao": "ao iao",
        "ou": "ou iu",
        "an": "an ian uan üan",
        "en": "en in un ün",
        "ang": "ang iang uang",
        "eng": "eng ing ong iong",
    }.items()
    for final in finals.split()
}


def poems(split: str) -> Dataset:
    """10,574 Chinese quatrains of 4 lines of 5 characters, without punctuation: int64 (N, 20), every place filled.
    9,517 to train, 1,057 to test; poems that share a line are on the same side.

    The vocabulary is the blank and the 2,997 characters in use (traditional script), the most frequent first.

    Source: the Complete Tang Poems and the Complete Song Poems; LICENSES.md beside this file tells the package. Left
    out: poems with a rarer character, and those that differ from another in five places or fewer. Variants of a
    character are merged.
    """
    with np.load(Path(__file__).with_name("poems.npz"), allow_pickle=False) as packed:
        tokens, test = packed["tokens"].astype(np.int64), packed["test"]
        vocabulary = [str(character) for character in packed["vocabulary"]]
    chosen = {"train": ~test, "test": test, "all": slice(None)}[split]
    return Dataset("poems", torch.from_numpy(tokens[chosen]), split=split, vocabulary=vocabulary)


def readings() -> dict[str, str]:
    """How each character of `poems` is read today: pinyin with its tone, as "chūn" for 春. Of a character that is read
    in several ways, the most common one. Source: the package pypinyin."""
    with np.load(Path(__file__).with_name("poems.npz"), allow_pickle=False) as packed:
        pairs = zip(packed["vocabulary"][1:], packed["readings"][1:], strict=True)
        return {str(character): str(reading) for character, reading in pairs}


def rhymes(poem: str) -> bool:
    """Whether lines 2 and 4 of a quatrain of `poems` rhyme: whether its characters 10 and 20 belong, tone ignored, to
    the same of the thirteen rhymes of Northern opera (an, ian, uan and üan are one). False for a text that isn't 20
    characters long.

    Modern readings only approximate the rhymes of the time: 斜 and 花 no longer rhyme. True of 82 % of the poems, and
    of 10.5 % (+- 0.2 over five shuffles) once their last characters were shuffled among them.

    Raises InputError for a character that `poems` does not have.
    """
    if len(poem) != 20:
        return False
    known = _rhyme_of()
    for character in (poem[9], poem[19]):
        if character not in known:
            raise InputError(f"poem: the reading of {character!r} is not known; use the characters of the data 'poems'")
    return known[poem[9]] == known[poem[19]]


@functools.cache
def _rhyme_of() -> dict[str, str]:
    return {character: _rhyme(reading) for character, reading in readings().items()}


def _rhyme(reading: str) -> str:
    """Which of the thirteen rhymes a syllable in pinyin has: "chūn" -> "en"."""
    bare = "".join(mark for mark in unicodedata.normalize("NFD", reading) if mark not in TONES)
    parts = SYLLABLE.fullmatch(unicodedata.normalize("NFC", bare))
    if parts is None:
        raise ValueError(f"{reading!r} is not a syllable in pinyin")
    initial, final = parts.groups()
    if initial and initial in "jqxy" and final[0] == "u":
        final = "ü" + final[1:]
    return "ie" if (initial, final) == ("y", "e") else RHYMES[final]


def words(split: str) -> Dataset:
    """59,725 English words of 3 to 12 letters, a letter a token: int64 (N, 12), filled with blanks. One in ten of each
    length is in "test".

    The vocabulary is the blank and a to z. Without names, possessives, accents, and without what may be rude in some
    sense, which cost a few innocent words. Inflected forms count: "walk" and "walked" may be on different sides.

    Source: SCOWL's American English; LICENSES.md beside this file tells the package.
    """
    with np.load(Path(__file__).with_name("words.npz"), allow_pickle=False) as packed:
        tokens = packed["tokens"].astype(np.int64)
    chosen = stratified((tokens > 0).sum(axis=1), 10, split)
    return Dataset("words", torch.from_numpy(tokens[chosen]), split=split, vocabulary=("", *LETTERS))


def lines(
    path: str,
    split: str,
    *,
    unit: Literal["characters", "words"] = "characters",
    length: int | None = None,
    vocabulary: int | None = None,
) -> Dataset:
    """The lines of the text file `path` (UTF-8), a sample a line: int64 (N, length), filled with blanks. Spaces around
    a line don't count, nor do empty lines.

    unit: what a token is. "words" are what stands between spaces.
    length: how many tokens a sample has, the longest line's unless given.
    vocabulary: keep the lines that consist of the `vocabulary` most frequent tokens, and drop the others; None keeps
    all. The data set's vocabulary is the blank and the tokens of the whole file that were kept, the most frequent
    first.
    split: one in ten of the different lines is in "test", always the same ones; a line's repetitions go where it does.

    Raises InputError for a file that is missing, not UTF-8, above 256 MiB, or has fewer than two different lines to
    keep; for a line longer than `length`; for a split without a line.
    """
    if unit not in UNITS:
        raise unknown("unit", unit, UNITS)
    if length is not None:
        require_integer("length", length, 1)
    if vocabulary is not None:
        require_integer("vocabulary", vocabulary, 1)
    texts = _read(path)
    rows = {number: text.split() if unit == "words" else [*text] for number, text in texts.items()}
    counts = Counter(token for row in rows.values() for token in row)
    known = {token for token, _ in counts.most_common(vocabulary)}
    rows = {number: row for number, row in rows.items() if known.issuperset(row)}
    different = len(set(map(tuple, rows.values())))
    if different < 2:
        of = f"of the {len(texts)} lines of {path!r}, {len(rows)} have"
        cure = f"raise vocabulary (the file has {len(counts)} different {unit})"
        if len(rows) == len(texts):
            of, cure = f"{path!r} has", "give it one sample a line"
        else:
            of += f" none but the {vocabulary} most frequent {unit}, that is,"
        raise InputError(f"text: {of} {different} different line{'s' * (different != 1)}; two are needed: {cure}")
    longest = max(rows, key=lambda number: len(rows[number]))
    if length is not None and len(rows[longest]) > length:
        longer = f"line {longest} of {path!r} has {len(rows[longest])} {unit}, the length is {length}"
        raise InputError(f"text: {longer}; raise length to {len(rows[longest])}, or break the line")
    length = length or len(rows[longest])
    if len(rows) * length > LARGEST:
        longer = f"{path!r} would be {len(rows)} lines x {length} {unit}, above {LARGEST}"
        raise InputError(f"text: {longer}; break its long lines, such as line {longest}")
    return _chosen(f"text:{Path(path).expanduser().resolve().name}", list(rows.values()), split, unit, length)


def _read(path: str) -> dict[int, str]:
    """The lines that aren't empty, by their numbers in the file, which start at 1."""
    require(bool(path), "text", path, "a path, as in 'text:names.txt'")
    file = Path(path).expanduser()
    try:
        if file.is_dir():
            raise InputError(f"text: {path!r} is a folder; give a text file, one sample a line")
        if not file.is_file():
            raise InputError(f"text: there is no file {path!r}; give the path of a text file, one sample a line")
        size = file.stat().st_size
        require(size <= LARGEST, "text", path, f"at most {LARGEST} bytes (it has {size}); split the file")
        content = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"text: {path!r} is not UTF-8 (byte {error.start}); save it as UTF-8") from None
    except OSError as error:
        raise InputError(f"text: {path!r} can't be read ({error.strerror}); give another file") from None
    stripped = {number: line.strip() for number, line in enumerate(content.split("\n"), 1)}
    found = {number: line for number, line in stripped.items() if line}
    if not found:
        raise InputError(f"text: {path!r} is empty; give it one sample a line")
    return found


def _chosen(name: str, rows: list[list[str]], split: str, unit: str, length: int) -> Dataset:
    counts = Counter(token for row in rows for token in row)
    vocabulary = ("", *(token for token, _ in counts.most_common()))
    token_of = {token: k for k, token in enumerate(vocabulary)}
    different = {row: k for k, row in enumerate(dict.fromkeys(map(tuple, rows)))}
    chosen = set(stratified(np.zeros(len(different), np.int64), 10, split).tolist())
    kept = [row for row in rows if different[tuple(row)] in chosen]
    if not kept:
        raise InputError(f"text: none of the {len(different)} different lines is in the split {split!r}; use 'all'")
    tokens = np.zeros((len(kept), length), np.int64)
    for places, row in zip(tokens, kept, strict=True):
        places[: len(row)] = [token_of[token] for token in row]
    joiner = " " if unit == "words" else ""
    return Dataset(name, torch.from_numpy(tokens), split=split, vocabulary=vocabulary, joiner=joiner)
