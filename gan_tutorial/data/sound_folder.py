"""Any folder of recordings, WAV or FLAC, as clips of one length and one sample rate."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from gan_tutorial.data.dataset import Dataset
from gan_tutorial.data.folder import is_test, listed
from gan_tutorial.errors import InputError, require, require_integer

SUFFIXES = (".wav", ".flac")
FORMATS = ("WAV", "WAVEX", "RF64", "FLAC")  # what the content of such a file may be
IN_MEMORY = 4 * 1024**3  # bytes of clips
MOST = 30_000_000  # values in one file, all channels together: ten minutes of mono at 48 kHz
SILENT = 1e-3  # a clip whose peak is lower, -60 dB, holds nothing that a generator should learn
FULL, CLIPPED = 0.99, 1e-3  # a recording is clipped if a thousandth of it are runs of three equal values that high
KEPT = 0.999  # the share of the loudest stretch's energy that the chosen one holds
EDGE = 0.002  # seconds over which a cut end fades: a step would be heard as a click
PEAK = 0.95


def sounds(
    path: str,
    split: str,
    *,
    length: int = 16_384,
    rate: int = 16_000,
    normalise: bool = True,
    skip_unreadable: bool = False,
) -> Dataset:
    """The WAV and FLAC files in the folder `path` and below: one clip a file, float32 (N, 1, length) in [-1, 1].

    What becomes of a file: its channels are averaged, its mean (DC offset) is taken off, and it is brought to `rate` by
    a polyphase filter. Of a longer one the loudest stretch is kept, from the latest sample on that still leaves 99.9 %
    of the most energy that a stretch can have: a hit stands at the clip's beginning. A shorter one is followed by
    silence. Cut ends fade over 2 ms. Integer files have full scale 1; floating-point ones may exceed it and are turned
    down.

    If the folder itself holds only sub-folders with sounds, two or more, their names are the labels. Hidden files,
    hidden folders and linked folders are left out.

    split: a file's place depends on nothing but its path below the folder: one in ten is in "test".
    length: samples in a clip, 256 to 1,048,576.
    rate: samples a second, 4,000 to 192,000.
    normalise: bring each clip's peak to 0.95; else only those above 1 are turned down, to 1.
    skip_unreadable: leave out what can't be used, with one warning, instead of raising InputError.

    A file can't be used if it is broken, holds NaN or infinity, is longer than 30,000,000 values, or silent: after all
    of the above its peak would be below 0.001. A WAV file that ends too early is used as far as it goes. Recordings
    that were clipped (over a thousandth of the samples lie in flat tops at full scale; not asked of files with 8 bits)
    are used too: nothing brings back what was cut off. One warning tells how many these are.

    Raises InputError for a missing or empty folder, a split without a sound, a file that can't be used, more than 4 GiB
    of clips, and where the package soundfile is missing.
    """
    require_integer("length", length, 256, 2**20)
    require_integer("rate", rate, 4000, 192_000)
    for name, value in (("normalise", normalise), ("skip_unreadable", skip_unreadable)):
        require(isinstance(value, bool), name, value, "True or False")
    require(bool(path), "audio", path, "a path, as in 'audio:recordings'")
    try:
        import soundfile  # noqa: F401
    except (ImportError, OSError) as error:  # OSError: the package is there, the library that it wraps is not
        raise InputError(
            "audio: sound files need the package soundfile; install it: pip install 'gan-tutorial[sound]'"
        ) from error
    root = Path(path).expanduser()
    files = listed("audio", root, SUFFIXES, "sounds")
    groups = sorted({file.split("/")[0] for file in files})
    label_names = tuple(groups) if len(groups) > 1 and all("/" in file for file in files) else ()
    chosen = [file for file in files if split == "all" or is_test(file) == (split == "test")]
    if not chosen:
        raise InputError(f"audio: none of the {len(files)} sounds in {path!r} is in the split {split!r}; use 'all'")
    most = IN_MEMORY // (4 * length)
    require(len(chosen) <= most, "length", length, f"less: {len(chosen)} clips must fit into {IN_MEMORY:,} bytes")
    data = np.empty((len(chosen), 1, length), np.float32)
    used: list[str] = []
    broken: list[str] = []
    clipped: list[str] = []
    with closing(_all_of(root, chosen, length, rate, normalise)) as every:
        for file, found in zip(chosen, every, strict=True):
            if isinstance(found, str):
                if not skip_unreadable:
                    raise InputError(found)
                broken.append(file)
                continue
            data[len(used), 0] = found.samples
            used.append(file)
            if found.clipped:
                clipped.append(file)
    if broken:
        left_out = f"{len(broken)} of {len(chosen)} sounds that can't be used, the first is {broken[0]!r}"
        if not used:
            raise InputError(f"audio: nothing but {left_out}")
        warnings.warn(f"audio: left out {left_out}", stacklevel=3)  # names the line that called load
    if clipped:
        warnings.warn(
            f"audio: {len(clipped)} of {len(used)} recordings are clipped, the first is {clipped[0]!r}", stacklevel=3
        )
    labels = torch.tensor([groups.index(file.split("/")[0]) for file in used]) if label_names else None
    return Dataset(
        f"audio:{root.resolve().name}",
        torch.from_numpy(data[: len(used)]),
        labels,
        split=split,
        label_names=label_names,
        sample_rate=rate,
    )


class Clip(NamedTuple):
    """samples: float32 (length,) in [-1, 1]. clipped: whether the recording has flat tops."""

    samples: np.ndarray
    clipped: bool


def read(file: Path, length: int, rate: int, normalise: bool) -> Clip | str:
    """One file as a clip, or the line that says why it can't be used."""
    import soundfile

    try:
        with soundfile.SoundFile(file) as sound:
            if sound.format not in FORMATS:
                return _refusal(file, f"its content is {sound.format}, not WAV or FLAC")
            values = sound.frames * sound.channels
            if values > MOST:
                return _refusal(file, f"{values:,} values are more than {MOST:,}: cut it into shorter files")
            if not 1000 <= sound.samplerate <= 768_000:
                return _refusal(file, f"its sample rate is {sound.samplerate} Hz")
            original, raw = sound.samplerate, sound.read(dtype="float32", always_2d=True)
            coarse = sound.subtype in ("PCM_U8", "PCM_S8")  # so coarse that any loud tone has flat tops
            if len(raw) < sound.frames:
                return _refusal(file, f"{len(raw):,} of {sound.frames:,} samples are there")
    except Exception as error:  # a decoder may raise anything on a broken or hostile file
        return _refusal(file, f"{type(error).__name__}: {' '.join(str(error).split())}")
    if not len(raw):
        return _refusal(file, "it holds no samples")
    bad = int((~np.isfinite(raw)).sum())
    if bad:
        return _refusal(file, f"{bad:,} values are NaN or infinite")
    x = _fitted(raw, original, length, rate)
    peak = np.abs(x).max()
    if peak < SILENT:
        return _refusal(file, f"it is silent: its peak is {peak:.2g}")
    samples = np.zeros(length, np.float32)
    samples[: len(x)] = x * (PEAK / peak if normalise else 1 / max(peak, 1))
    return Clip(samples.clip(-1, 1), not coarse and _has_flat_tops(raw))


def _fitted(raw: np.ndarray, original: int, length: int, rate: int) -> np.ndarray:
    """Samples (T, channels) at the rate `original` as float64 (up to length,) at `rate`."""
    from scipy.signal import resample_poly

    x = raw.mean(1, dtype=np.float64)
    x -= x.mean()
    if original != rate:
        common = math.gcd(original, rate)
        x = resample_poly(x, rate // common, original // common)
    start = _loudest(x, length)
    x, cut = x[start : start + length], (start > 0, start + length < len(x))
    edge = min(round(EDGE * rate), len(x) // 4)
    ramp = np.sin(np.linspace(0, np.pi / 2, edge, endpoint=False)) ** 2
    if cut[0]:
        x[:edge] *= ramp
    if cut[1] or len(x) < length:
        x[len(x) - edge :] *= ramp[::-1]
    return x


def _loudest(x: np.ndarray, length: int) -> int:
    """Where the stretch begins that is kept of x."""
    if len(x) <= length:
        return 0
    total = np.concatenate([[0], np.cumsum(x**2)])
    energy = total[length:] - total[:-length]
    return int(np.flatnonzero(energy >= KEPT * energy.max())[-1])


def _has_flat_tops(raw: np.ndarray) -> bool:
    """Whether a thousandth of the samples, in any channel, are at full scale and equal to the two before."""
    flat = (np.abs(raw[1:]) >= FULL) & (raw[1:] == raw[:-1])
    return bool((flat[1:] & flat[:-1]).sum(0).max(initial=0) > CLIPPED * len(raw))


def _refusal(file: Path, reason: str) -> str:
    return (
        f"audio: can't use the sound {str(file)!r} ({reason}); "
        "mend or remove it, or go on without it: skip_unreadable=True"
    )


def _all_of(root: Path, files: list[str], length: int, rate: int, normalise: bool) -> Generator[Clip | str]:
    """Every sound in order, decoded by threads (the decoder and the resampler let others run)."""
    from tqdm import tqdm

    pool = ThreadPoolExecutor(min(4, os.cpu_count() or 1))  # a long file takes up to a gigabyte while it is resampled
    every = pool.map(lambda file: read(root / file, length, rate, normalise), files)
    try:
        yield from tqdm(every, "reading", len(files), unit="sounds", disable=len(files) < 500)
    finally:
        pool.shutdown(cancel_futures=True)
