"""Sounds: log-mel spectrograms, a distance of them, their nearest neighbours, and a classifier that knows six drums.

Waveforms are (N, 1, L) in [-1, 1] and come with their rate in samples a second. All levels are in decibels (dB) below a
sine that swings from -1 to 1.
"""

from __future__ import annotations

import functools
import json
import math
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn

from gan_tutorial.errors import require, require_integer, require_number
from gan_tutorial.metrics.frechet import Statistics
from gan_tutorial.metrics.manifold import nearest

FLOOR = -60.0  # dB: what is softer counts as silence
MELS = 64
WINDOW = 0.032  # seconds, before it is rounded to a power of two of samples
FIELDS = (16, 8)  # bands x times that a spectrogram is averaged over for `spectral_features`
ROWS = 128  # clips whose spectra are in memory at once
# The classifier: what it hears up to (Hz) at any rate, and its size.
TOP, WIDTHS, FEATURES = 8000.0, (16, 24, 32), 64


def log_mel(x: Tensor, rate: int, *, mels: int = MELS, hop: int | None = None, top: float | None = None) -> Tensor:
    """Spectrograms as the ear has them: waveforms (N, 1, L) -> float32 (N, mels, L // hop), dB from -60 to about 0.

    1. Power: 4 |STFT|^2 / (n sum(w^2)), whose sum over the n / 2 + 1 bins is 1 for a sine of amplitude 1. The Hann
       window w lasts about 32 ms (512 samples at 16 kHz: the nearest power of two) and is padded with as many zeros to
       n samples, so that the lowest bands hold a bin too. Column t is centred at sample t x hop; beyond its ends a clip
       is silent.
    2. Bands: triangles of height 1 whose corners are evenly spaced on the mel scale, m = 2595 log10(1 + f / 700), from
       0 to `top` Hz. Each band's power is the sum of the powers times its triangle.
    3. 10 log10 of it, and what is below -60 dB is -60 dB: in music, hiss that soft goes unheard.

    Args:
        rate: samples a second, 4,000 to 384,000.
        mels: number of bands, 8 to 64: with more, some would hold nothing.
        hop: samples from column to column; default: half a window.
        top: Hz; default: half of `rate`. Bands above half of `rate` hold silence.

    NaN in a clip gives NaN there. Raises InputError for another shape or a value outside.
    """
    _check(x, "x")
    require_integer("rate", rate, 4000, 384_000)
    require_integer("mels", mels, 8, MELS)
    window = window_length(rate)
    hop = window // 2 if hop is None else hop
    require_integer("hop", hop, 1, window)
    require(x.shape[2] >= window, "x", tuple(x.shape), f"at least one window of samples, {window} at {rate} Hz")
    top = rate / 2 if top is None else top
    require_number("top", top, 1000, 192_000)
    hann = torch.hann_window(window, device=x.device)
    filters = mel_filters(rate, mels, float(top)).to(x.device) * (2 / (window * hann.square().sum()))
    found = []
    for rows in x.detach().float()[:, 0].split(ROWS):
        spectrum = torch.stft(rows, 2 * window, hop, window, hann, pad_mode="constant", return_complex=True)
        power = torch.view_as_real(spectrum[:, :, : x.shape[2] // hop]).square().sum(-1)
        found.append(10 * (filters @ power).clamp(min=10 ** (FLOOR / 10)).log10())
    return torch.cat(found)


def window_length(rate: int) -> int:
    """Samples in the window of `log_mel`: the power of two next to 32 ms."""
    return 2 ** round(math.log2(WINDOW * rate))


@functools.lru_cache(16)
def mel_filters(rate: int, mels: int, top: float) -> Tensor:
    """The triangles of `log_mel`, float32 (mels, window + 1)."""
    corners = 700 * (
        10 ** (torch.linspace(0, 2595 * math.log10(1 + top / 700), mels + 2, dtype=torch.float64) / 2595) - 1
    )
    bins = torch.arange(window_length(rate) + 1, dtype=torch.float64) * rate / (2 * window_length(rate))
    up = (bins - corners[:-2, None]) / (corners[1:-1] - corners[:-2])[:, None]
    down = (corners[2:, None] - bins) / (corners[2:] - corners[1:-1])[:, None]
    return torch.minimum(up, down).clamp(min=0).float()


def spectral_features(x: Tensor, rate: int) -> Tensor:
    """What `spectral_distance` compares: waveforms (N, 1, L) -> float32 (N, 128), dB, the means of the log-mel
    spectrogram over 16 bands x 8 stretches of time."""
    return nn.functional.adaptive_avg_pool2d(log_mel(x, rate), FIELDS).flatten(1)


def spectral_distance(samples: Tensor | Statistics, real: Tensor | Statistics, rate: int) -> float:
    """How far apart two sets of sounds are, in dB: the root of a 128th of the Fréchet distance between their
    `spectral_features`.

    If all sounds of a set were alike, it would be the root mean square of the difference of the two log-mel
    spectrograms; the Fréchet distance also sees that a set has less variety, or that levels vary together otherwise.

    It is not 0 for a perfect generator and depends on the number of sounds, so compare with the floor, real against
    real: `real_against_real(lambda real, fake: [spectral_distance(fake, real, rate)], drums, 256)`. For scale, with 256
    drums of 16,384 samples against as many: other real ones have 0.6 dB, half as loud ones 2.0, those without a hat
    1.6, a single class 6 to 8, silence 7, white noise 36. Shorter clips have a higher floor: 1.0 dB for 4,096 samples
    at 8 kHz, 1.3 for 1,024 at 4 kHz.

    Args:
        samples: waveforms (N, 1, L), N >= 2, or `Statistics.of(spectral_features(...))` of them.
        real: the same of real sounds.
        rate: of both.

    Returns NaN if a sample holds NaN. Raises InputError for other shapes.
    """
    lengths = {tuple(x.shape[1:]) for x in (samples, real) if isinstance(x, Tensor)}
    found, known = (_statistics(x, rate, name) for x, name in ((samples, "samples"), (real, "real")))
    require(len(lengths) < 2, "samples, real", sorted(lengths), "sounds of one length")
    return math.sqrt(found.distance(known) / len(found.mean))


def _statistics(x: Tensor | Statistics, rate: int, name: str) -> Statistics:
    if isinstance(x, Statistics):
        return x
    _check(x, name)
    return Statistics.of(spectral_features(x, rate))


def nearest_sounds(samples: Tensor, real: Tensor, rate: int, k: int = 1) -> tuple[Tensor, Tensor]:
    """For each of the samples (Q, 1, L), the `k` real sounds (N, 1, L) whose log-mel spectrograms are most like its
    own: a sound that was learned by heart has a neighbour nearer than real sounds have among each other.

    Returns indices into `real`, int64 (Q, k), nearest first, and distances, float32 (Q, k), the root mean square
    difference in dB, NaN for a sample that holds NaN. Levels and starting points count: shift neither.

    Raises InputError for other shapes and for k above N.
    """
    heard, known = (log_mel(x, rate).flatten(1) for x in (samples, real))
    found, distances = nearest(heard, known, k)
    return found, distances / math.sqrt(heard.shape[1])


# -- the classifier of drums ------------------------------------------------------------------------------------------
class Network(nn.Module):
    """Log-mel spectrograms (N, 64, T), T >= 8, in dB up to 8,000 Hz -> features (N, 64), and logits (N, classes).

    Three convolutions halve bands and times; then time is taken out by its mean and its maximum.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential()
        for before, after in zip((1, *WIDTHS[:-1]), WIDTHS, strict=True):
            self.convolutions.append(nn.Conv2d(before, after, 3, 2, 1))
            self.convolutions.append(nn.ReLU())
        self.embedding = nn.Linear(2 * WIDTHS[-1] * MELS // 8, FEATURES)
        self.head = nn.Linear(FEATURES, classes)

    def features(self, spectra: Tensor) -> Tensor:
        seen = self.convolutions(spectra.unsqueeze(1) / -FLOOR * 2 + 1).flatten(1, 2)  # -60..0 dB -> -1..1
        return self.embedding(torch.cat([seen.mean(2), seen.amax(2)], 1))

    def classify(self, features: Tensor) -> Tensor:
        return self.head(features.relu())


class DrumClassifier:
    """What :func:`drum_classifier` returns. Waveforms are (N, 1, L) in [-1, 1], on any device, of 4,000 samples a
    second or more, and last 0.13 s or more.

    Attributes:
        class_names: what its answers mean.
        accuracy: "LENGTH@RATE" -> the share of right answers on the held-out clips of `data.load("drums")`.
    """

    def __init__(self, network: Network, about: dict[str, Any]) -> None:
        self.class_names: tuple[str, ...] = tuple(about["class_names"])
        self.accuracy: dict[str, float] = about["accuracy"]
        self._network = network.eval().requires_grad_(False)

    def __repr__(self) -> str:
        return f"<DrumClassifier: {len(self.class_names)} classes, accuracy {min(self.accuracy.values()):.1%} or more>"

    @torch.no_grad()
    def features(self, x: Tensor, rate: int) -> Tensor:
        """Features (N, 64) of waveforms. Raises InputError for another shape or a lower rate."""
        require_integer("rate", rate, 4000, 384_000)
        least = 8 * window_length(rate) // 2
        _check(x, "x")
        require(x.shape[2] >= least, "x", tuple(x.shape), f"at least {least} samples at {rate} Hz")
        return self._network.to(x.device).features(log_mel(x, rate, top=TOP))

    @torch.no_grad()
    def probabilities(self, features: Tensor) -> Tensor:
        """p(class | sound), (N, K), of features (N, 64); NaN for those that are not finite."""
        logits = self._network.to(features.device).classify(features)
        return logits.softmax(1).masked_fill(~torch.isfinite(features).all(1, keepdim=True), math.nan)

    def classify(self, features: Tensor) -> Tensor:
        """The class, int64 (N,), of features (N, 64); -1 for those that hold NaN or infinity: they are of no class."""
        answer = self.probabilities(features)
        return answer.argmax(1).masked_fill(torch.isnan(answer).any(1), -1)

    def predict(self, x: Tensor, rate: int) -> Tensor:
        """The class, int64 (N,), of each waveform; -1 for one that holds NaN."""
        return self.classify(self.features(x, rate))

    def shares(self, features: Tensor) -> Tensor:
        """The share (K,) of features (N, 64) in each class; they sum to 1 unless some are of no class."""
        found = self.classify(features)
        return torch.bincount(found[found >= 0], minlength=len(self.class_names)) / len(found)


@functools.cache
def drum_classifier() -> DrumClassifier:
    """The judge of drums: a small network on log-mel spectrograms, trained on clips of other seeds, at three rates, a
    little louder, softer, later and noisier than they are. `tools/make_sound_judge.py` made its weights; they are read
    from the package once.
    """
    with safe_open(judge_file(), "pt") as file:
        about = json.loads(file.metadata()["about"])
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (it is no dict)
    network = Network(len(about["class_names"]))
    network.load_state_dict(tensors)  # float16 in the file, float32 here
    return DrumClassifier(network, about)


def judge_file() -> Path:
    """Where the weights of the drum classifier lie."""
    return Path(__file__).with_name("drums.safetensors")


def _check(x: Tensor, name: str) -> None:
    shape = tuple(x.shape)
    require(len(shape) == 3 and shape[1] == 1 and len(x) > 0, name, shape, "waveforms (N, 1, L) with N >= 1")
