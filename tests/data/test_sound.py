"""Synthesised sounds: what each is made of can be measured in it."""

import numpy as np
import pytest
import torch

from gan_tutorial.data import load, sound
from gan_tutorial.data.sound import Clips, drums, tones
from gan_tutorial.errors import InputError

RATE = 16_000
KINDS = ("kick", "snare", "hat", "tom", "clap", "cowbell")


@pytest.fixture(scope="module")
def hits() -> dict[str, np.ndarray]:
    """Class -> sixteen clips (16, 16384)."""
    dataset = drums("train", per_class=16)
    return dict(zip(dataset.label_names, dataset.data[:, 0].numpy().reshape(6, 16, -1), strict=True))


@pytest.fixture(scope="module")
def notes() -> dict[str, np.ndarray]:
    dataset = tones("train", per_class=16)
    return dict(zip(dataset.label_names, dataset.data[:, 0].numpy().reshape(3, 16, -1), strict=True))


def power(x: np.ndarray, start: float = 0, seconds: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies in Hz and the power spectrum (N, F) of a stretch under a Hann window, four times padded; without
    `seconds` of the whole clip, which needs no window."""
    first = round(start * RATE)
    if seconds is not None:
        x = x[:, first : first + round(seconds * RATE)]
        x = x * np.hanning(x.shape[1])
    length = 4 * x.shape[1]
    return np.fft.rfftfreq(length, 1 / RATE), np.abs(np.fft.rfft(x, length)) ** 2


def strongest(x: np.ndarray, start: float, seconds: float) -> np.ndarray:
    """The frequency (N,) with the most power."""
    frequencies, found = power(x, start, seconds)
    return frequencies[found.argmax(1)]


def centre(x: np.ndarray, start: float = 0, seconds: float | None = None) -> np.ndarray:
    """The power's mean frequency (N,)."""
    frequencies, found = power(x, start, seconds)
    return found @ frequencies / found.sum(1)


def lasting(x: np.ndarray) -> np.ndarray:
    """Seconds (N,) that hold 99 % of the energy."""
    total = np.cumsum(x**2, 1)
    return (total < 0.99 * total[:, -1:]).sum(1) / RATE


# -- every clip -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("make", [drums, tones])
@pytest.mark.parametrize(("length", "rate"), [(16_384, 16_000), (4096, 8000), (1024, 4000), (8192, None), (1500, None)])
def test_every_clip_is_clean(make, length, rate):
    dataset = make("train", length=length, rate=rate, per_class=20)
    x = dataset.data
    assert (x.dtype, tuple(x.shape[1:])) == (torch.float32, (1, length))
    assert dataset.sample_rate == (rate or {8192: 16_000, 1500: 4000}[length])
    peaks = x.abs().amax((1, 2))
    assert (peaks >= 0.4999).all()
    assert (peaks <= 0.9501).all()
    assert peaks.max() - peaks.min() > 0.3
    assert x.double().mean(2).abs().max() < 1e-6  # no constant part
    assert x[:, 0, 0].abs().max() < 1e-6
    assert x[:, 0, -1].abs().max() < 1e-4
    assert len(torch.unique(x[:, 0], dim=0)) == len(x)


def test_what_a_data_set_says_of_itself():
    train, test, everything = (drums(split, length=1024, per_class=6) for split in ("train", "test", "all"))
    assert (train.name, train.split, train.label_names) == ("drums", "train", KINDS)
    assert [len(d) for d in (train, test, everything)] == [36, 12, 48]
    assert torch.bincount(everything.labels).tolist() == [8] * 6
    assert tones("test", length=1024, per_class=1).label_names == ("rising", "falling", "string")
    assert train.is_sound
    assert torch.equal(load("drums", length=1024, per_class=6).data, train.data)
    assert load("tones", split="test", length=1024, per_class=9).data.shape == (9, 1, 1024)


def test_a_clip_depends_on_its_seed_class_and_number_alone():
    few, many = (drums("train", length=2048, per_class=n) for n in (3, 40))
    everything = drums("all", length=2048, per_class=3)
    test = drums("test", length=2048, per_class=3)
    for c in range(6):
        mine = few.data[few.labels == c]
        assert torch.equal(mine, many.data[many.labels == c][:3])
        assert torch.equal(everything.data[everything.labels == c], torch.cat([mine, test.data[test.labels == c]]))
    other = drums("train", length=2048, per_class=3, seed=1)
    both = torch.cat([few.data, test.data, other.data])
    assert len(torch.unique(both[:, 0], dim=0)) == len(both)  # splits and seeds share no clip
    torch.manual_seed(5)
    np.random.seed(5)
    assert torch.equal(drums("train", length=2048, per_class=3).data, few.data)


def test_short_clips_are_whole_hits_too():
    for length, rate in ((4096, 8000), (1024, 4000)):
        x = drums("train", length=length, rate=rate, per_class=30).data[:, 0].square()
        assert (x[:, : length // 2].sum(1) > 0.85 * x.sum(1)).all()  # it fades within the clip
        assert (x[:, : length // 2].sum(1) > 0.98 * x.sum(1)).double().mean() > 0.7


# -- drums ------------------------------------------------------------------------------------------------------------
def test_a_kick_falls_in_pitch(hits):
    early, late = strongest(hits["kick"], 0, 0.03), strongest(hits["kick"], 0.15, 0.2)
    assert ((late > 36) & (late < 72)).all()  # 40 to 65 Hz
    assert (early > 1.3 * late).all()


def test_a_tom_is_above_a_kick_and_falls_less(hits):
    early, late = strongest(hits["tom"], 0, 0.05), strongest(hits["tom"], 0.15, 0.2)
    assert ((late > 80) & (late < 225)).all()
    assert (early < 1.6 * late).all()
    assert (early >= 0.98 * late).all()


def test_a_hat_is_short_and_high(hits):
    assert (centre(hits["hat"]) > 5000).all()
    assert (lasting(hits["hat"]) < 0.2).all()
    for other in set(KINDS) - {"hat"}:
        assert centre(hits[other]).max() < centre(hits["hat"]).min(), other
        assert np.median(lasting(hits[other])) > np.median(lasting(hits["hat"])), other


def test_a_snare_has_a_skin_and_wires(hits):
    frequencies, found = power(hits["snare"])
    share = found[:, frequencies < 450].sum(1) / found.sum(1)
    assert ((share > 0.02) & (share < 0.8)).all()  # of 200 clips: 0.03 to 0.65
    wires = found[:, frequencies > 1000].sum(1) / found.sum(1)
    assert (wires > 0.1).all()
    skin = frequencies[(found * (frequencies < 270)).argmax(1)]
    assert np.median(np.abs(skin - 200)) < 40  # 160 to 240 Hz


def test_a_clap_is_several_bursts(hits):
    """The envelope's spectrum has a peak at the bursts' rate, 70 to 125 a second, which that of a snare has not."""

    def ripple(x):
        envelope = (x[:, : RATE // 25] ** 2).reshape(len(x), -1, 16).mean(2)  # 1 ms steps, 40 ms
        envelope = envelope / envelope.sum(1, keepdims=True)
        turns = np.arange(60, 130)[:, None] * np.arange(envelope.shape[1]) / 1000
        return np.abs(envelope @ np.exp(2j * np.pi * turns).T).max(1)

    assert np.median(ripple(hits["clap"])) > 2 * np.median(ripple(hits["snare"]))
    where = (np.abs(hits["clap"]).argmax(1)) / RATE
    assert where.max() > 0.01  # the first burst need not be the loudest


def test_a_cowbell_is_two_tones_about_a_fifth_apart(hits):
    frequencies, found = power(hits["cowbell"], 0.02, 0.2)
    low = np.where((frequencies > 460) & (frequencies < 660), found, 0).argmax(1)
    high = np.where((frequencies > 680) & (frequencies < 1000), found, 0).argmax(1)
    ratio = frequencies[high] / frequencies[low]
    assert (np.abs(ratio - 1.485) < 0.05).all()
    between = found[(frequencies > 100) & (frequencies < 400)[None].repeat(16, 0)]
    assert between.max() < 0.01 * found.max()  # and there is nothing below


# -- tones ------------------------------------------------------------------------------------------------------------
def test_chirps_rise_or_fall(notes):
    for name, sign in (("rising", 1), ("falling", -1)):
        first, last = strongest(notes[name], 0.1, 0.1), strongest(notes[name], 0.35, 0.1)
        assert (sign * (last - first) > 15).all(), name


def test_a_string_has_the_pitch_of_its_delay_and_fades():
    clips = Clips([(0, 2, 0, i) for i in range(12)], 16_384, RATE)
    x = sound.string(clips)
    again = Clips([(0, 2, 0, i) for i in range(12)], 16_384, RATE)
    delay = np.round(RATE / again.octaves(82, 330) - 0.5).ravel()
    frequencies, found = power(x, 0.1, 0.5)
    for row in range(12):
        pitch = RATE / (delay[row] + 0.5)
        overtones = sum(found[row, np.abs(frequencies - k * pitch) < 12].sum() for k in range(1, 30))
        assert overtones > 0.97 * found[row].sum()
    energy = (x**2).reshape(12, 4, -1).sum(2)
    assert (np.diff(energy, axis=1) < 0).all()


def test_the_recursion_of_a_string():
    clips = Clips([(7, 2, 0, 0)], 2048, 8000)
    x = sound.string(clips)[0]
    again = Clips([(7, 2, 0, 0)], 2048, 8000)
    period = round(float(again.rate / again.octaves(82, 330)[0, 0] - 0.5))
    loss = again.draw(0.985, 1)[0, 0]
    n = np.arange(period + 1, 2048)
    assert np.allclose(x[n], loss * (x[n - period] + x[n - period - 1]) / 2, atol=1e-5)


# -- what they are built of -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("kind", "expected"),
    [  # gain at a quarter of the corner, at the corner and at four times it, Q = 2
        ("low", (abs(1 / (1 + 0.125j - 0.0625)), 2, abs(1 / (1 + 2j - 16)))),
        ("high", (abs(0.0625 / (1 + 0.125j - 0.0625)), 2, abs(16 / (1 + 2j - 16)))),
        ("band", (abs(0.125j / (1 + 0.125j - 0.0625)), 1, abs(2j / (1 + 2j - 16)))),
    ],
)
def test_filters_have_the_textbook_gain(kind, expected):
    clips = Clips([(0,)], 1600, RATE)
    for frequency, gain in zip((200, 800, 3200), expected, strict=True):
        x = np.sin(2 * np.pi * frequency * clips.t)[None].astype(np.float32)
        found = clips.filtered(x, kind, np.array([[800.0]]), 2.0)
        assert np.std(found) / np.std(x) == pytest.approx(gain, rel=1e-3)


def test_corners_above_what_the_rate_allows_are_moved():
    clips = Clips([(0,)], 2000, 4000)
    x = clips.noise
    assert np.array_equal(
        clips.filtered(x, "high", np.array([[5000.0]]), 1), clips.filtered(x, "high", np.array([[1600.0]]), 1)
    )


def test_a_falling_pitch_is_the_integral_of_its_frequency():
    clips = Clips([(0,)], 4000, RATE)
    turns = clips.falling(np.array([[50.0]]), np.array([[4.0]]), np.array([[0.02]]))[0]
    frequency = np.gradient(turns, clips.t)
    assert np.allclose(frequency[1:-1], 50 * (1 + 3 * np.exp(-clips.t[1:-1] / 0.02)), rtol=1e-4)


def test_squares_keep_to_what_the_rate_can_hold():
    t = np.arange(1600) / RATE
    spectrum = np.abs(np.fft.rfft(sound.square(1000 * t[None], np.array([[8.0]]))[0])) / 800
    assert spectrum[100] == pytest.approx(1, abs=1e-3)
    assert spectrum[[300, 500, 700]] == pytest.approx([1 / 3, 1 / 5, 1 / 7], abs=1e-3)
    assert np.delete(spectrum, [100, 300, 500, 700]).max() < 1e-3  # the ninth would be above 8 kHz


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [
        ("length", 1000, ">= 1024 and <= 16384"),
        ("length", 2048.0, "an integer"),
        ("rate", 2000, ">= 4000 and <= 48000"),
        ("per_class", 0, ">= 1 and <= 10000"),
        ("seed", -1, ">= 0"),
    ],
)
@pytest.mark.parametrize("make", [drums, tones])
def test_wrong_options(make, option, value, allowed):
    with pytest.raises(InputError, match=f"^{option}: .*{allowed}") as caught:
        make("train", **{option: value})
    assert "\n" not in str(caught.value)
