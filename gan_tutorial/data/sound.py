"""Sounds made of formulas: six kinds of drum, and tones. Nothing is recorded, so any number of them can be had.

Each clip has a random generator of its own, which draws first the clip's parameters and then its noise. A range such as
40..65 below is drawn from uniformly. `t` is the time in seconds, e(T) = exp(-t / T), and filters are the usual analog
ones of second order, with s = i f / corner:

    low-pass 1 / (1 + s/Q + s^2), band-pass (s/Q) / (1 + s/Q + s^2), high-pass s^2 / (1 + s/Q + s^2)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch

from gan_tutorial.data.dataset import Dataset
from gan_tutorial.errors import require_integer

PARTS = {"train": (0,), "test": (1,), "all": (0, 1)}
BLOCK = 32  # clips made at once: enough to be vectorised, few enough to stay in the processor's cache
PARAMETERS = 20  # numbers drawn for a clip, more than any kind needs
HIGHEST = 0.4  # no filter's corner is above this share of the sample rate
SETTLED = 0.5  # seconds that the longest hits need to fade; in shorter clips all fades are faster, in proportion
MEMBRANE = 1.593  # the second mode of a round membrane over its first: zeros of the Bessel functions J1 and J0
METAL = (205.3, 304.4, 369.6, 522.7, 540.0, 800.0)  # Hz: six oscillators, no two in a simple ratio


def drums(split: str, *, length: int = 16_384, rate: int | None = None, per_class: int = 400, seed: int = 0) -> Dataset:
    """Drum hits in six classes, float32 (N, 1, length) in [-1, 1], made anew at each call.

    - kick: a sine whose pitch falls from 3..6 times 40..65 Hz down to it, and a click of noise;
    - snare: two sines of a membrane, and high-passed noise for its wires;
    - hat: six square waves in no harmony and white noise, high-passed, short;
    - tom: two sines of a membrane an octave or two above the kick, whose pitch falls a little;
    - clap: three to five bursts of band-passed noise, 8..14 ms apart, and the room's answer;
    - cowbell: two square waves about a fifth apart, band-passed.

    The functions below give each formula in full. Every clip starts with its hit and ends in silence; it has no
    constant part, and a peak of 0.5..0.95.

    split: "train" has `per_class` clips a class, "test" a quarter of that, "all" both.
    length: samples in a clip, 1,024 to 16,384.
    rate: samples a second, 4,000 to 48,000. By default 16,000 from 8,192 samples on, 8,000 from 2,048 on, else 4,000,
        so that a clip lasts 0.25 to 1.02 s. Filters whose corner would lie above 0.4 x rate are moved there.
    per_class: 1 to 10,000.
    seed: an integer >= 0. Clip i of class c depends on (seed, c, i), the split, length and rate, and on nothing else.

    Raises InputError for a value outside.
    """
    return _dataset("drums", _DRUMS, split, length, rate, per_class, seed)


def tones(split: str, *, length: int = 16_384, rate: int | None = None, per_class: int = 400, seed: int = 0) -> Dataset:
    """Simpler than drums: chirps that rise or fall by one to two and a half octaves, and plucked strings. Arguments and
    the result are those of `drums`; the classes are rising, falling and string."""
    return _dataset("tones", _TONES, split, length, rate, per_class, seed)


class Clips:
    """Parameters and noise for `n` clips, one generator a clip, and what all kinds of sound are built of.

    t: float64 (length,), seconds. noise: float32 (n, length), white, Gaussian. All sounds are float32 (n, length), all
    parameters float64 (n, 1).
    """

    def __init__(self, seeds: Sequence[Sequence[int]], length: int, rate: int) -> None:
        self.rate, self.t = rate, np.arange(length) / rate
        self.noise = np.empty((len(seeds), length), np.float32)
        self._drawn = np.empty((len(seeds), PARAMETERS))
        for row, entropy in enumerate(seeds):
            generator = np.random.Generator(np.random.SFC64(np.random.SeedSequence(entropy)))
            self._drawn[row] = generator.random(PARAMETERS)
            generator.standard_normal(out=self.noise[row], dtype=np.float32)
        self._column = 0
        self._squeeze = min(1.0, length / rate / SETTLED)
        self._frequencies = np.fft.rfftfreq(length, 1 / rate).astype(np.float32)

    def draw(self, low: float, high: float) -> np.ndarray:
        """The next parameter (n, 1), uniform in low..high."""
        self._column += 1
        return low + (high - low) * self._drawn[:, self._column - 1 : self._column]

    def octaves(self, low: float, high: float) -> np.ndarray:
        """The next parameter (n, 1), in low..high, its logarithm uniform: as pitches are heard."""
        return np.exp(self.draw(math.log(low), math.log(high)))

    def fade(self, seconds: np.ndarray | float, start: np.ndarray | float = 0.0) -> np.ndarray:
        """exp(-(t - start) / seconds) from `start` on, 0 before."""
        since = (self.t - start).astype(np.float32)
        rate = (-1 / (np.asarray(seconds) * self._squeeze)).astype(np.float32)
        return np.exp(np.maximum(since, 0) * rate) * (since >= 0)

    def falling(self, end: np.ndarray, ratio: np.ndarray, seconds: np.ndarray) -> np.ndarray:
        """Turns of an oscillator whose frequency falls from ratio x end to end: the integral over time of
        end (1 + (ratio - 1) exp(-t / seconds))."""
        return end * (self.t + (ratio - 1) * seconds * (1 - np.exp(-self.t / seconds)))

    def filtered(
        self, x: np.ndarray, kind: str, corner: np.ndarray, q: np.ndarray | float, times: int = 1
    ) -> np.ndarray:
        """x through a filter of second order, `times` over. The clip is taken for one period of an endless sound."""
        s = 1j * (self._frequencies / np.minimum(corner, HIGHEST * self.rate).astype(np.float32))
        over = {"low": np.float32(1), "band": s / np.float32(q), "high": s * s}[kind]
        response = over / (1 + s / np.asarray(q, np.float32) + s * s)
        return np.fft.irfft(np.fft.rfft(x) * response**times, x.shape[1]).astype(np.float32)


def sine(turns: np.ndarray) -> np.ndarray:
    """sin(2 pi turns), float32."""
    return np.sin(np.float32(2 * np.pi) * _within(turns))


def _within(turns: np.ndarray) -> np.ndarray:
    """Where in its turn each is, 0..1: float32 is exact enough for this, but not for thousands of turns."""
    return (turns - np.floor(turns)).astype(np.float32)


def square(turns: np.ndarray, below: np.ndarray, harmonics: Sequence[int] = (1, 3, 5, 7, 9)) -> np.ndarray:
    """The sum of sin(2 pi k turns) / k over odd k, the beginning of a square wave. `below` (n, 1) is the highest k
    allowed: overtones above half the sample rate would come back as other tones."""
    angle, wave = np.float32(2 * np.pi) * _within(turns), np.zeros(turns.shape, np.float32)
    for k in harmonics:
        wave += np.where(k <= below, 1 / k, 0).astype(np.float32) * np.sin(np.float32(k) * angle)
    return wave


# -- drums ------------------------------------------------------------------------------------------------------------
def kick(clips: Clips) -> np.ndarray:
    """tanh(D (e(0.09..0.2) sin(2 pi phase) + C e(0.0015) noise)): phase is the integral of a frequency that falls to
    40..65 Hz from 3..6 times that, with time constant 0.012..0.04 s; drive D = 1..2.5, click C = 0.05..0.3."""
    phase = clips.falling(clips.draw(40, 65), clips.draw(3, 6), clips.draw(0.012, 0.04))
    body, drive, click = clips.fade(clips.draw(0.09, 0.2)), clips.draw(1, 2.5), clips.draw(0.05, 0.3)
    hit = body * sine(phase) + click.astype(np.float32) * clips.fade(0.0015) * clips.noise
    return np.tanh(drive.astype(np.float32) * hit)


def snare(clips: Clips) -> np.ndarray:
    """(1 - W) e(0.03..0.07) (sin(2 pi f t) + sin(2 pi 1.593 f t)) / 2 + W e(0.05..0.13) wires: f = 160..240 Hz, wires =
    0.6 noise high-passed at 1,200..2,500 Hz, Q = 0.7, and W = 0.4..0.75."""
    pitch, skin, wires = clips.draw(160, 240), clips.draw(0.03, 0.07), clips.draw(0.05, 0.13)
    share = clips.draw(0.4, 0.75).astype(np.float32)
    body = 0.5 * (sine(pitch * clips.t) + sine(MEMBRANE * pitch * clips.t)) * clips.fade(skin)
    rattle = clips.filtered(np.float32(0.6) * clips.noise, "high", clips.draw(1200, 2500), 0.7) * clips.fade(wires)
    return (1 - share) * body + share * rattle


def hat(clips: Clips) -> np.ndarray:
    """e(0.015..0.06) x high-passed twice at 5,000..6,400 Hz (metal + N noise): metal is the sum of the signs of six
    sines of 205.3, 304.4, 369.6, 522.7, 540 and 800 Hz, all times 0.8..1.25; N = 0.5..2.

    What of the squares lies above half the sample rate comes back as still other tones; a cymbal has room for them.
    """
    pitch, start = clips.draw(0.8, 1.25), clips.draw(0, 1)
    mixed = clips.draw(0.5, 2).astype(np.float32) * clips.noise
    for k, frequency in enumerate(METAL):
        mixed += np.copysign(np.float32(1), np.float32(0.5) - _within(frequency * pitch * clips.t + k * start))
    return clips.filtered(mixed, "high", clips.draw(5000, 6400), 0.8, times=2) * clips.fade(clips.draw(0.015, 0.06))


def tom(clips: Clips) -> np.ndarray:
    """e(T) sin(2 pi phase) + M e(T / 2) sin(2 pi 1.593 phase) + S e(0.004) noise low-passed at 2,500 Hz: phase is the
    integral of a frequency that falls to 85..200 Hz from 1.2..1.6 times that, with time constant 0.03..0.08 s; T =
    0.08..0.18 s, M = 0.1..0.4, S = 0.05..0.25."""
    phase = clips.falling(clips.octaves(85, 200), clips.draw(1.2, 1.6), clips.draw(0.03, 0.08))
    seconds, mode = clips.draw(0.08, 0.18), clips.draw(0.1, 0.4).astype(np.float32)
    stick = clips.draw(0.05, 0.25).astype(np.float32) * clips.fade(0.004)
    soft = clips.filtered(clips.noise, "low", np.full_like(seconds, 2500), 0.7)
    body = clips.fade(seconds) * sine(phase) + mode * clips.fade(seconds / 2) * sine(MEMBRANE * phase)
    return body + stick * soft


def clap(clips: Clips) -> np.ndarray:
    """Noise band-passed at 900..1,700 Hz, Q = 1..2, times the sum over K = 3..5 bursts of exp(-(t - k G) / T) from t =
    k G on: the gap G = 8..14 ms, T = 3..6 ms, and 0.6 of the room, 40..100 ms, begin with the last burst."""
    gap, seconds, count = clips.draw(0.008, 0.014), clips.draw(0.003, 0.006), np.floor(clips.draw(3, 6))
    hands = sum(np.where(k < count, clips.fade(seconds, k * gap), np.float32(0)) for k in range(5))
    room = np.float32(0.6) * clips.fade(clips.draw(0.04, 0.1), (count - 1) * gap)
    return clips.filtered(clips.noise, "band", clips.draw(900, 1700), clips.draw(1, 2)) * (hands + room)


def cowbell(clips: Clips) -> np.ndarray:
    """(0.5 e(0.012) + 0.5 e(0.06..0.18)) x two square waves of f = 480..640 Hz and 1.45..1.52 f (to their ninth
    harmonic), band-passed at 1,800..3,000 Hz, Q = 0.7..1.5, after a fifth of them went past the filter."""
    pitch = clips.draw(480, 640)
    waves = np.zeros_like(clips.noise)
    for frequency in (pitch, pitch * clips.draw(1.45, 1.52)):
        waves += square(frequency * clips.t + clips.draw(0, 1), 0.5 * clips.rate / frequency)
    ringing = clips.filtered(waves, "band", clips.draw(1800, 3000), clips.draw(0.7, 1.5)) + np.float32(0.2) * waves
    return ringing * np.float32(0.5) * (clips.fade(0.012) + clips.fade(clips.draw(0.06, 0.18)))


# -- tones ------------------------------------------------------------------------------------------------------------
def rising(clips: Clips) -> np.ndarray:
    """A chirp: sin(2 pi phase) whose frequency doubles at an even pace from 110..330 Hz to 2..5.5 times that, under
    half a period of a squared sine that lasts 0.5..0.95 of the clip."""
    low, ratio = clips.octaves(110, 330), clips.octaves(2, 5.5)
    return _chirp(clips, low, ratio)


def falling(clips: Clips) -> np.ndarray:
    """A chirp as in `rising`, from above to below."""
    low, ratio = clips.octaves(110, 330), clips.octaves(2, 5.5)
    return _chirp(clips, low * ratio, 1 / ratio)


def _chirp(clips: Clips, first: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    """The frequency is first ratio^(t / T); its integral over time is first T (ratio^(t / T) - 1) / log(ratio)."""
    seconds = clips.draw(0.5, 0.95) * clips.t[-1]
    place = np.minimum(clips.t / seconds, 1)
    phase = first * seconds * (ratio**place - 1) / np.log(ratio)
    return sine(phase) * np.sin(np.pi * place).astype(np.float32) ** 2


def string(clips: Clips) -> np.ndarray:
    """A plucked string: y[n] = G (y[n - P] + y[n - P - 1]) / 2 (Karplus and Strong 1983, equation 1), G = 0.985..1.

    The first P values are noise, low-passed by 0..0.7 of the value before: a softer or a harder plectrum. The pitch is
    rate / (P + 1/2), near 82..330 Hz. All values of one period follow from the two periods before it.
    """
    periods = np.round(clips.rate / clips.octaves(82, 330) - 0.5).astype(int).ravel()
    losses, softness = clips.draw(0.985, 1).ravel(), clips.draw(0, 0.7).ravel()
    sounds = np.empty_like(clips.noise)
    length = sounds.shape[1]
    for row, (period, loss, soft) in enumerate(zip(periods, losses, softness, strict=True)):
        noise = clips.noise[row, : period + 1]
        now = (1 - soft) * noise[1:] + soft * noise[:-1]
        now -= now.mean()  # a string does not drift away
        before, whole = now[-1], np.empty(length + period)
        for start in range(0, length, period):
            whole[start : start + period] = now
            now, before = 0.5 * loss * (now + np.concatenate([[before], now[:-1]])), now[-1]
        sounds[row] = whole[:length]
    return sounds


_Sound = Callable[[Clips], np.ndarray]
_DRUMS: tuple[_Sound, ...] = (kick, snare, hat, tom, clap, cowbell)
_TONES: tuple[_Sound, ...] = (rising, falling, string)


def default_rate(length: int) -> int:
    """Samples a second for clips of `length` samples, as `drums` says."""
    return 16_000 if length >= 8192 else 8_000 if length >= 2048 else 4_000


def _dataset(
    name: str, sounds: tuple[_Sound, ...], split: str, length: int, rate: int | None, per_class: int, seed: int
) -> Dataset:
    require_integer("length", length, 1024, 16_384)
    rate = default_rate(length) if rate is None else rate
    require_integer("rate", rate, 4000, 48_000)
    require_integer("per_class", per_class, 1, 10_000)
    require_integer("seed", seed, 0, 2**63 - 1)
    counts = [(part, per_class if part == 0 else -(-per_class // 4)) for part in PARTS[split]]
    clips = [(c, part, i) for c in range(len(sounds)) for part, count in counts for i in range(count)]
    data = np.empty((len(clips), 1, length), np.float32)
    labels = np.array([c for c, _, _ in clips])
    for c, sound in enumerate(sounds):
        for rows in np.array_split(mine := np.flatnonzero(labels == c), -(-len(mine) // BLOCK)):
            block = Clips([(seed, *clips[row]) for row in rows], length, rate)
            data[rows, 0] = _finished(sound(block), block)
    label_names = [sound.__name__ for sound in sounds]
    return Dataset(
        name, torch.from_numpy(data), torch.from_numpy(labels), split=split, label_names=label_names, sample_rate=rate
    )


def _finished(x: np.ndarray, clips: Clips) -> np.ndarray:
    """Faded at both ends, without a constant part, and with a peak of 0.5..0.95."""
    length = x.shape[1]
    window = np.ones(length, np.float32)
    start, end = max(2, clips.rate // 4000), length // 16
    window[:start] = np.sin(np.linspace(0, np.pi / 2, start, endpoint=False)) ** 2
    window[-end:] = np.cos(np.linspace(0, np.pi / 2, end)) ** 2
    x = x * window
    # What is taken off fades as the hit does: the silence after it stays silent.
    hump = window * np.exp(-8 * clips.t / clips.t[-1]).astype(np.float32)
    x -= (x.sum(1, keepdims=True, dtype=np.float64) / hump.sum(dtype=np.float64)).astype(np.float32) * hump
    level = (clips.draw(0.5, 0.95) / np.abs(x).max(1, keepdims=True)).astype(np.float32)
    return x * level
