"""Folders of recordings: what is read, how it becomes a clip, and what is refused."""

import re
import struct
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from gan_tutorial.data import load, sound_folder
from gan_tutorial.errors import InputError

RATE, LENGTH = 8000, 4000


def tone(frequency: float = 440, seconds: float = 0.5, rate: int = RATE, peak: float = 0.5) -> np.ndarray:
    return peak * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)


def save(path: Path, samples: np.ndarray | None = None, rate: int = RATE, subtype: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, tone(rate=rate) if samples is None else samples, rate, subtype=subtype)
    return path


def only(folder: Path, **options) -> np.ndarray:
    """The one clip in `folder`, (length,)."""
    dataset = load(f"audio:{folder}", split="all", **{"length": LENGTH, "rate": RATE, "normalise": False, **options})
    assert len(dataset) == 1
    assert dataset.data.dtype == torch.float32
    assert dataset.data.abs().max() <= 1
    return dataset.data[0, 0].numpy()


def refused(folder: Path, message: str, **options) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load(f"audio:{folder}", split="all", **{"length": LENGTH, "rate": RATE, **options})
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("audio: ")


# -- what becomes of a file -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("ending", "subtype", "step"),
    [
        ("wav", "PCM_U8", 2**-7),
        ("wav", "PCM_16", 2**-15),
        ("wav", "PCM_24", 2**-23),
        ("wav", "PCM_32", 2**-23),
        ("wav", "FLOAT", 2**-23),
        ("wav", "DOUBLE", 2**-23),
        ("WAV", "ULAW", 2**-5),
        ("flac", "PCM_16", 2**-15),
        ("FLAC", "PCM_24", 2**-23),
    ],
)
def test_every_kind_of_file(tmp_path, ending, subtype, step):
    save(tmp_path / f"a.{ending}", subtype=subtype)
    found = only(tmp_path)
    assert np.abs(found - tone()).max() < 1.5 * step


def test_channels_are_averaged(tmp_path):
    left, right = tone(300), tone(700, peak=0.2)
    save(tmp_path / "a.wav", np.stack([left, right], 1), subtype="FLOAT")
    assert np.allclose(only(tmp_path), (left + right) / 2, atol=1e-5)
    (tmp_path / "a.wav").unlink()
    save(tmp_path / "a.flac", np.stack([left, right, left, right, left], 1), subtype="PCM_24")
    assert np.allclose(only(tmp_path), (3 * left + 2 * right) / 5, atol=1e-5)


def test_an_offset_is_taken_off(tmp_path):
    save(tmp_path / "a.wav", tone(400) + 0.3, subtype="FLOAT")
    assert np.allclose(only(tmp_path), tone(400), atol=1e-5)


@pytest.mark.parametrize("original", [4000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000])
def test_other_rates_are_resampled(tmp_path, original):
    save(tmp_path / "a.wav", tone(440, 0.6, original), original, subtype="FLOAT")
    found, expected = only(tmp_path), tone(440, 0.6)
    start = np.correlate(expected, found[:2000], "valid").argmax()
    assert np.abs(found[100:-100] - expected[start + 100 : start + LENGTH - 100]).max() < 0.01


def test_what_a_lower_rate_can_not_hold_is_filtered_out(tmp_path):
    save(tmp_path / "a.wav", tone(440, 0.5, 44_100) + tone(7000, 0.5, 44_100, 0.4), 44_100, subtype="FLOAT")
    spectrum = np.abs(np.fft.rfft(only(tmp_path)[200:-200] * np.hanning(LENGTH - 400)))
    assert spectrum[880:940].max() < 0.01 * spectrum.max()  # 7 kHz would come back as 1 kHz: bins of 2.2 Hz
    assert spectrum[440:470].max() < 0.01 * spectrum.max()


def test_mixed_rates_in_one_folder(tmp_path):
    for original in (8000, 16_000, 44_100):
        save(tmp_path / f"{original}.wav", tone(440, 0.5, original), original)
    dataset = load(f"audio:{tmp_path}", split="all", length=LENGTH, rate=RATE)
    assert (dataset.sample_rate, tuple(dataset.data.shape)) == (RATE, (3, 1, LENGTH))
    peaks = dataset.data.square().mean((1, 2))
    assert peaks.max() - peaks.min() < 0.01 * peaks.max()


def test_a_shorter_file_is_followed_by_silence_without_a_step(tmp_path):
    save(tmp_path / "a.wav", tone(445, 0.1) + 0.2, subtype="FLOAT")
    found = only(tmp_path)
    assert np.abs(found[:700] - tone(445, 0.1)[:700]).max() < 0.03  # a tenth of a second is 44.5 turns: a little offset
    assert (found[800:] == 0).all()
    assert abs(found[799]) < 0.01
    assert np.abs(np.diff(found)).max() < 0.2


def test_of_a_longer_file_the_hit_is_found_and_stands_at_the_beginning(tmp_path):
    hit = tone(500, 1) * np.exp(-np.arange(RATE) / (0.05 * RATE))
    noise = 1e-3 * np.random.default_rng(0).standard_normal(4 * RATE)
    noise[19_000:27_000] += hit
    noise[3000:3400] += 0.2  # something softer before it
    save(tmp_path / "a.wav", noise, subtype="FLOAT")
    found = only(tmp_path)
    differences = [np.abs(found[20:2000] - hit[lost + 20 : lost + 2000]).max() for lost in range(8)]
    assert min(differences) < 0.01  # at most a millisecond of it is lost


def test_of_a_steady_sound_a_stretch_is_cut_whose_ends_fade(tmp_path):
    save(tmp_path / "a.wav", np.concatenate([tone(440, 2, peak=0.1), tone(440, 0.5), tone(440, 2, peak=0.1)]))
    found = only(tmp_path)
    assert found.std() == pytest.approx(0.5 / 2**0.5, rel=0.02)
    assert abs(found[0]) < 1e-3
    assert abs(found[-1]) < 1e-2


def test_levels(tmp_path):
    save(tmp_path / "a.wav", tone(peak=0.01), subtype="FLOAT")
    assert np.abs(only(tmp_path)).max() == pytest.approx(0.01, rel=0.01)
    assert np.abs(only(tmp_path, normalise=True)).max() == pytest.approx(0.95, abs=1e-6)


def test_floating_point_above_full_scale_is_turned_down_not_clipped(tmp_path):
    save(tmp_path / "a.wav", tone(peak=7), subtype="FLOAT")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = only(tmp_path)
    assert np.allclose(found, tone(peak=1), atol=1e-3)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_a_clipped_recording_is_used_with_one_warning(tmp_path, subtype):
    save(tmp_path / "fine.wav", tone(peak=0.999), subtype=subtype)
    for name in ("bad", "worse"):
        save(tmp_path / f"{name}.wav", tone(peak=1.5).clip(-1, 1), subtype=subtype)
    with pytest.warns(UserWarning, match=r"2 of 3 recordings are clipped, the first is 'bad\.wav'$") as warned:
        dataset = load(f"audio:{tmp_path}", split="all", length=LENGTH, rate=RATE)
    assert (len(warned), len(dataset)) == (1, 3)
    assert warned[0].filename == __file__


def test_a_loud_tone_in_eight_bits_is_not_taken_for_clipped(tmp_path):
    save(tmp_path / "a.wav", tone(50, peak=0.999), subtype="PCM_U8")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        only(tmp_path)


# -- the folder -------------------------------------------------------------------------------------------------------
def test_sub_folders_are_labels_only_if_all_sounds_are_in_them(tmp_path):
    for name in ("kick/a.wav", "kick/deep/b.flac", "hat/c.wav"):
        save(tmp_path / name)
    dataset = load(f"audio:{tmp_path}", split="all", length=LENGTH, rate=RATE)
    assert (dataset.name, dataset.label_names) == (f"audio:{tmp_path.name}", ("hat", "kick"))
    assert torch.bincount(dataset.labels).tolist() == [1, 2]
    assert dataset.is_sound
    save(tmp_path / "loose.wav")
    loose = load(f"audio:{tmp_path}", split="all", length=LENGTH, rate=RATE)
    assert (len(loose), loose.labels) == (4, None)


def test_hidden_and_other_files_are_left_out(tmp_path):
    save(tmp_path / "a.wav")
    for name in (".hidden.wav", ".cache/b.wav", "__MACOSX/c.wav"):
        save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no sound")
    only(tmp_path)


def test_splits_are_stable(tmp_path):
    for k in range(60):
        save(tmp_path / f"{k:02}.wav", tone(peak=0.1 + 0.01 * k)[:400])

    def members(split):
        dataset = load(f"audio:{tmp_path}", split=split, length=256, rate=RATE, normalise=False)
        return {round(100 * peak) for peak in dataset.data.amax((1, 2)).tolist()}

    train, test = members("train"), members("test")
    assert train.isdisjoint(test)
    assert len(train | test) == 60
    assert 1 <= len(test) < 20  # a tenth, by hash of the name
    save(tmp_path / "another.wav", tone(peak=0.9)[:400])
    assert test <= members("test")


def test_a_split_without_a_sound_is_refused(tmp_path):
    save(tmp_path / "a.wav")
    lengths = []
    for split in ("train", "test"):
        try:
            lengths.append(len(load(f"audio:{tmp_path}", split=split, length=LENGTH)))
        except InputError as error:
            lengths.append(str(error))
    (message,) = (found for found in lengths if found != 1)  # one split has it
    assert re.search(r"none of the 1 sounds in .* is in the split '(train|test)'; use 'all'$", message)


# -- what can't be used -----------------------------------------------------------------------------------------------
def broken(path: Path, kind: str) -> None:
    """A file that can't be used."""
    path.parent.mkdir(parents=True, exist_ok=True)
    long = np.random.default_rng(0).uniform(-0.5, 0.5, 20_000)
    if kind == "text":
        path.write_text("this is not a sound")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "header":
        path.write_bytes(save(path).read_bytes()[:30])
    elif kind == "none":
        save(path, np.zeros(0))
    elif kind == "silent":
        save(path, np.zeros(3000))
    elif kind == "offset":  # silent, once its offset is taken off
        save(path, np.full(3000, 0.25))
    elif kind == "opposite":  # two channels that cancel each other
        save(path, np.stack([tone(), -tone()], 1))
    elif kind == "nan":
        long[[5, 700]] = np.nan, np.inf
        save(path, long, subtype="FLOAT")
    elif kind == "flac":  # half of it
        whole = save(path.with_suffix(".flac"), long).read_bytes()
        path.with_suffix(".flac").unlink()
        path.write_bytes(whole[: len(whole) // 2])
    elif kind == "ogg":
        soundfile.write(path, long, RATE, format="OGG")
    elif kind == "rate":
        save(path, rate=10)
    elif kind == "bomb":  # a FLAC header that promises 2^36 - 1 samples
        data = bytearray(save(path.with_suffix(".flac"), long).read_bytes())
        path.with_suffix(".flac").unlink()
        data[21] |= 0x0F
        data[22:26] = b"\xff" * 4
        path.write_bytes(data)
    else:
        raise AssertionError(kind)


KINDS = {
    "text": "Error: ",
    "empty": "Error: ",
    "header": r"Error: |it holds no samples",
    "none": "it holds no samples",
    "silent": "it is silent: its peak is 0",
    "offset": "it is silent",
    "opposite": "it is silent",
    "nan": "2 values are NaN or infinite",
    "flac": r"Error: |of 20,000 samples are there",
    "ogg": "its content is OGG, not WAV or FLAC",
    "rate": "its sample rate is 10 Hz",
    "bomb": "cut it into shorter files",
}


@pytest.mark.parametrize("kind", KINDS)
def test_an_unusable_file_is_named(tmp_path, kind):
    save(tmp_path / "a.wav")
    broken(tmp_path / "deep" / "bad.wav", kind)
    reason = rf"can't use the sound '.*bad\.wav' \(.*({KINDS[kind]}).*\); mend or .*skip_unreadable=True$"
    refused(tmp_path, reason)


def test_unusable_files_can_be_skipped_with_one_warning(tmp_path):
    for name in ("a/1.wav", "a/2.wav", "b/1.wav"):
        save(tmp_path / name)
    for kind in KINDS:
        broken(tmp_path / "a" / f"0{kind}.wav", kind)
    with pytest.warns(UserWarning, match=r"left out 12 of 15 sounds .* first is 'a/0bomb\.wav'$") as warned:
        dataset = load(f"audio:{tmp_path}", split="all", length=LENGTH, rate=RATE, skip_unreadable=True)
    assert len(warned) == 1
    assert warned[0].filename == __file__  # it points at the caller's line
    assert dataset.labels.tolist() == [0, 0, 1]
    assert np.allclose(dataset.data[:, 0].numpy(), 1.9 * tone(), atol=1e-3)


def test_nothing_but_unusable_files(tmp_path):
    broken(tmp_path / "bad.wav", "text")
    refused(tmp_path, "nothing but 1 of 1 sounds that can't be used", skip_unreadable=True)


def test_a_wav_file_that_ends_too_early_is_used_as_far_as_it_goes(tmp_path):
    path = save(tmp_path / "a.wav")
    path.write_bytes(path.read_bytes()[: 44 + 2 * 2000])
    assert np.abs(only(tmp_path)[:1900] - tone()[:1900]).max() < 0.01


def test_a_file_that_is_too_long_is_refused_before_it_is_read(tmp_path, monkeypatch):
    save(tmp_path / "a.wav", np.zeros((3000, 2)))
    monkeypatch.setattr(sound_folder, "MOST", 5999)
    refused(tmp_path, "6,000 values are more than 5,999: cut it into shorter files")


def test_more_than_fits_into_memory(tmp_path, monkeypatch):
    for k in range(3):
        save(tmp_path / f"{k}.wav")
    monkeypatch.setattr(sound_folder, "IN_MEMORY", 3 * 4 * LENGTH - 1)
    with pytest.raises(InputError, match=f"^length: {LENGTH} is not allowed; expected less: 3 clips must fit"):
        load(f"audio:{tmp_path}", split="all", length=LENGTH)


def test_a_header_with_a_line_break_in_its_complaint_stays_one_line(tmp_path):
    body = (
        b"fmt " + struct.pack("<IHHIIHH", 16, 0x4141, 1, RATE, RATE, 1, 8) + b"data" + struct.pack("<I", 4) + b"\0" * 4
    )
    (tmp_path / "a\nb.wav").write_bytes(b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body)
    refused(tmp_path, r"can't use the sound '.*a\\nb\.wav'")


def test_wrong_folders(tmp_path):
    save(tmp_path / "a.wav")
    (tmp_path / "empty").mkdir()
    for path, message in [
        (tmp_path / "missing", "missing' does not exist"),
        (tmp_path / "a.wav", r"a\.wav' is a file; give the folder that holds it"),
        (tmp_path / "empty", r"holds no sounds \(wav, flac\)"),
    ]:
        refused(path, message)
    with pytest.raises(InputError, match="a path, as in 'audio:recordings'"):
        load("audio:")


@pytest.mark.parametrize(
    ("option", "value"),
    [("length", 100), ("length", 4000.0), ("rate", 10), ("normalise", 1), ("skip_unreadable", "yes")],
)
def test_wrong_options(tmp_path, option, value):
    save(tmp_path / "a.wav")
    with pytest.raises(InputError, match=f"^{option}: "):
        load(f"audio:{tmp_path}", split="all", **{option: value})


def test_without_the_package_it_says_what_to_install(tmp_path, monkeypatch):
    save(tmp_path / "a.wav")
    monkeypatch.setitem(sys.modules, "soundfile", None)
    refused(tmp_path, r"pip install 'gan-tutorial\[sound\]'$")
