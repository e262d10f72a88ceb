import json
import math

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch.nn import functional as F

from gan_tutorial.data.sound import drums, tones
from gan_tutorial.errors import InputError
from gan_tutorial.metrics.audio import (
    FLOOR,
    drum_classifier,
    judge_file,
    log_mel,
    mel_filters,
    nearest_sounds,
    spectral_distance,
    spectral_features,
    window_length,
)
from gan_tutorial.metrics.floor import real_against_real
from gan_tutorial.metrics.frechet import Statistics
from gan_tutorial.metrics.inception_score import inception_score

RATE = 4000
SMALL = {"length": 1024, "rate": RATE}


def tone(frequency: float, rate: int = 16_000, length: int = 8192, peak: float = 1) -> torch.Tensor:
    return (peak * torch.sin(2 * math.pi * frequency * torch.arange(length, dtype=torch.float64) / rate)).float()[
        None, None
    ]


@pytest.fixture(scope="module")
def clips():
    return drums("train", per_class=100, **SMALL)


@pytest.fixture(scope="module")
def halves(clips):
    """Twice 256 real clips in random order, and the labels of the first."""
    order = torch.randperm(len(clips), generator=torch.Generator().manual_seed(0))[:512]
    first, second = clips.data[order].split(256)
    return first, second, clips.labels[order[:256]]


# -- log-mel ----------------------------------------------------------------------------------------------------------
def test_a_spectrogram_is_what_the_formula_says():
    """Column by column and bin by bin, in float64, without any fast transform."""
    rate, hop, window = 4000, 64, 128
    x = torch.randn(2, 1, 600, generator=torch.Generator().manual_seed(0)) * 0.1
    found = log_mel(x, rate)
    assert (tuple(found.shape), found.dtype) == ((2, 64, 9), torch.float32)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    mel = np.linspace(0, 2595 * np.log10(1 + 2000 / 700), 66)
    corners = 700 * (10 ** (mel / 2595) - 1)
    frequencies = np.arange(window + 1) * rate / (2 * window)
    for clip, column in ((0, 0), (0, 4), (1, 8)):
        padded = np.pad(x[clip, 0].double().numpy(), window)
        part = padded[window + column * hop - window // 2 :][:window] * hann
        waves = np.exp(-2j * np.pi * np.outer(frequencies / rate, np.arange(window)))
        power = np.abs(waves @ part) ** 2 * 4 / (2 * window * (hann**2).sum())
        for band in (0, 1, 20, 63):
            low, middle, high = corners[band : band + 3]
            weights = np.interp(frequencies, [low, middle, high], [0, 1, 0])
            expected = max(10 * np.log10(weights @ power + 1e-30), -60)
            assert found[clip, band, column].item() == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("rate", [4000, 8000, 16_000, 22_050, 44_100])
def test_a_sine_stands_in_its_band_at_its_level(rate):
    corners = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + rate / 2 / 700), 66) / 2595) - 1)
    for band in (10, 30, 55):
        loud, soft = (log_mel(tone(corners[band + 1], rate, peak=peak), rate)[0, :, 5:-5] for peak in (1, 0.1))
        assert (loud.argmax(0) == band).all()
        assert -5 < loud[band].mean() < 0  # some of it lies in the bands beside it, more where bands are narrow
        assert (loud - soft)[band].mean().item() == pytest.approx(20, abs=1e-3)


def test_silence_is_the_floor_and_nan_stays():
    x = torch.zeros(2, 1, 2048)
    x[1, 0, 1000] = math.nan
    found = log_mel(x, 8000)
    assert (found[0] == FLOOR).all()
    assert torch.isnan(found[1]).any()
    assert (found[1, :, :4] == FLOOR).all()


@pytest.mark.parametrize("rate", [4000, 8000, 11_025, 16_000, 44_100, 48_000])
def test_no_band_is_empty(rate):
    for mels in (8, 40, 64):
        filters = mel_filters(rate, mels, rate / 2)
        assert filters.shape == (mels, window_length(rate) + 1)
        assert (filters.sum(1) > 0.2).all()
        assert filters.max() <= 1
        inner = filters.sum(0)[filters[0].argmax() + 1 : filters[-1].argmax()]
        assert torch.allclose(inner, torch.ones_like(inner), atol=1e-5)  # together they are flat


def test_shapes_and_what_lies_above_half_the_rate():
    x = drums("train", per_class=1).data
    assert log_mel(x, 16_000).shape == (6, 64, 64)
    assert log_mel(x, 16_000, mels=40, hop=128).shape == (6, 40, 128)
    short = drums("train", per_class=1, **SMALL).data
    found = log_mel(short, RATE, top=8000)
    assert found.shape == (6, 64, 16)
    assert (found[:, 40:] == FLOOR).all()  # 2 kHz of 8: mel 1521 of 2840


def test_many_clips_are_as_one(clips):
    found = log_mel(clips.data[:150], RATE)  # more than fit into one block
    for row in (0, 127, 128, 149):
        assert torch.allclose(found[row], log_mel(clips.data[row : row + 1], RATE)[0], atol=1e-3)


# -- the distance -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("length", "rate", "floor"), [(16_384, 16_000, 0.92), (4096, 8000, 1.4), (1024, 4000, 1.85)]
)  # of 128 clips; over seeds 0.88 to 0.96, 1.12 to 1.72, 1.67 to 1.98
def test_the_floor_of_the_distance(length, rate, floor):
    real = drums("train", length=length, rate=rate, per_class=45)
    (found,) = real_against_real(
        lambda a, b: [spectral_distance(b, a, rate)], real, 128, draws=1 if length > 5000 else 3
    )
    assert found == pytest.approx(floor, rel=0.3)


def test_worse_sounds_are_further_away(halves):
    first, second, labels = halves
    generator = torch.Generator().manual_seed(1)

    def distance(x):
        return spectral_distance(x, second, RATE)

    floor = distance(first)
    hiss = [distance(first + level * torch.randn(first.shape, generator=generator)) for level in (0.003, 0.03, 0.3)]
    assert floor < hiss[0] < hiss[1] < hiss[2]
    assert hiss[2] > 10 * floor
    assert distance(first / 2) > 2 * floor
    assert distance(first.flip(2)) > 5 * floor  # backwards
    assert distance(first[labels != 2]) > 2 * floor  # no hat
    for c in range(6):
        assert distance(first[labels == c]) > 5 * floor
    assert distance(first[:1].expand_as(first)) > 8 * floor  # one clip again and again
    assert distance(torch.zeros_like(first)) > 7 * floor


def test_what_the_distance_is_where_it_is_simple():
    x = tone(440) * torch.tensor([0.5, 0.5, 0.5])[:, None, None]
    assert spectral_distance(x, x, 16_000) == pytest.approx(0, abs=1e-3)
    features = [spectral_features(y, 16_000) for y in (x, x / 2)]
    expected = (features[0] - features[1]).square().mean().sqrt().item()  # sets of equal clips have no spread
    assert spectral_distance(x / 2, x, 16_000) == pytest.approx(expected, abs=1e-3)
    assert 0 < expected < 6.03


def test_statistics_can_be_kept(halves):
    first, second, _ = halves
    kept = Statistics.of(spectral_features(second, RATE))
    assert spectral_features(second, RATE).shape == (256, 128)
    assert spectral_distance(first, kept, RATE) == pytest.approx(spectral_distance(first, second, RATE), rel=1e-9)


def test_a_sample_with_nan_has_no_distance(halves):
    x = halves[0].clone()
    x[3, 0, 100] = math.nan
    assert math.isnan(spectral_distance(x, halves[1], RATE))


# -- neighbours -------------------------------------------------------------------------------------------------------
def test_a_copy_is_found(clips):
    real = clips.data
    rows = torch.arange(5, 600, 60)
    hissing = real[rows] + 1e-4 * torch.randn(10, 1, 1024, generator=torch.Generator().manual_seed(0))
    found, distances = nearest_sounds(hissing, real, RATE, k=2)
    assert torch.equal(found[:, 0], rows)
    assert distances[:, 0].max() < 0.2
    assert distances[:, 1].min() > 0.7  # of real clips among each other: 1.1 to 5
    assert (distances[:, 1] > 8 * distances[:, 0]).all()


def test_neighbours_are_of_the_same_kind_and_in_decibels(halves, clips):
    held_out = drums("test", per_class=40, **SMALL)
    found, distances = nearest_sounds(held_out.data, clips.data, RATE)
    assert (clips.labels[found[:, 0]] == held_out.labels).double().mean() > 0.97
    expected = (log_mel(held_out.data[:1], RATE) - log_mel(clips.data[found[0]], RATE)).square().mean().sqrt()
    assert distances[0, 0].item() == pytest.approx(expected.item(), rel=1e-4)


def test_neighbours_of_nan(clips):
    x = clips.data[:3].clone()
    x[1, 0, 500] = math.nan
    distances = nearest_sounds(x, clips.data, RATE)[1].flatten()
    assert torch.isnan(distances).tolist() == [False, True, False]


# -- the classifier ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("length", "rate"), [(16_384, 16_000), (4096, 8000), (1024, 4000)])
def test_held_out_drums_are_recognised(length, rate):
    judge = drum_classifier()
    held_out = drums("test", length=length, rate=rate, per_class=80)  # twenty a class
    features = judge.features(held_out.data, rate)
    assert (features.dtype, tuple(features.shape)) == (torch.float32, (120, 64))
    right = (judge.classify(features) == held_out.labels).double().mean().item()
    assert right >= 0.98  # measured with 600: 1
    assert judge.accuracy[f"{length}@{rate}"] >= 0.99
    assert judge.class_names == held_out.label_names
    assert inception_score(judge.probabilities(features)) > 5.6


def test_it_recognises_what_a_generator_might_make():
    judge, held_out = drum_classifier(), drums("test", length=4096, rate=8000, per_class=80)
    x = held_out.data
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    changed = {
        "soft": x / 4,
        "loud": (2 * x).clamp(-1, 1),
        "late": F.pad(x, [100, 0])[:, :, :4096],
        "upside down": -x,
        "noisy": x + 0.01 * noise,
        "at another rate": None,
    }
    for what, sounds in changed.items():
        rate = 8000
        if sounds is None:  # twice as many samples, in between
            sounds, rate = F.interpolate(x, scale_factor=2, mode="linear"), 16_000
        right = (judge.predict(sounds, rate) == held_out.labels).double().mean().item()
        assert right > 0.9, what


def test_sounds_of_no_class_are_less_sure():
    judge = drum_classifier()
    strange = torch.cat([tones("test", per_class=20, length=4096, rate=8000).data, torch.zeros(5, 1, 4096)])
    probabilities = judge.probabilities(judge.features(strange, 8000))
    assert torch.allclose(probabilities.sum(1), torch.ones(len(probabilities)), atol=1e-5)
    assert inception_score(probabilities) < 5


def test_what_is_not_finite_has_no_class(clips):
    judge, x = drum_classifier(), clips.data[:4].clone()
    x[1, 0, 3] = math.nan
    features = judge.features(x, RATE)
    assert judge.classify(features).tolist() == [0, -1, 0, 0]
    assert torch.isnan(judge.probabilities(features)).all(1).tolist() == [False, True, False, False]
    assert judge.shares(features).tolist() == [0.75, 0, 0, 0, 0, 0]
    assert math.isnan(inception_score(judge.probabilities(features)))


def test_the_file_says_what_it_is():
    with safe_open(judge_file(), "pt") as file:
        about = json.loads(file.metadata()["about"])
    assert about["made_by"] == "tools/make_sound_judge.py"
    assert about["training_seed"] != 0  # that of the data
    assert judge_file().stat().st_size < 150_000
    assert "6 classes, accuracy" in repr(drum_classifier())
    assert drum_classifier() is drum_classifier()


# -- what is refused --------------------------------------------------------------------------------------------------
X = torch.zeros(3, 1, 1024)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: log_mel(X[:, 0], 4000), r"^x: \(3, 1024\) is not allowed; expected waveforms \(N, 1, L\)"),
        (lambda: log_mel(X.expand(3, 2, -1), 4000), r"^x: \(3, 2, 1024\)"),
        (lambda: log_mel(X[:0], 4000), r"^x: \(0, 1, 1024\)"),
        (lambda: log_mel(X, 100), "^rate: 100 "),
        (lambda: log_mel(X, 4000.0), r"^rate: 4000\.0 "),
        (lambda: log_mel(X, 4000, mels=65), "^mels: 65 .* <= 64"),
        (lambda: log_mel(X, 4000, hop=0), "^hop: 0 "),
        (lambda: log_mel(X, 4000, top=10), "^top: 10 "),
        (lambda: log_mel(X[:, :, :100], 4000), "^x: .* at least one window of samples, 128 at 4000 Hz"),
        (
            lambda: spectral_distance(X, X[:, :, :512], 4000),
            r"^samples, real: .*\(1, 512\), \(1, 1024\).* sounds of one length",
        ),
        (lambda: spectral_distance(X, X[:, 0], 4000), r"^real: \(3, 1024\)"),
        (lambda: spectral_distance(X[:1], X, 4000), "^n: 1 .* two samples for a covariance"),
        (lambda: nearest_sounds(X, X, 4000, k=4), "^k: 4 "),
        (lambda: inception_score(torch.ones(3)), r"^probabilities: \(3,\)"),
        (lambda: inception_score(torch.zeros(0, 3)), r"^probabilities: \(0, 3\)"),
        (lambda: inception_score(torch.ones(2, 3)), "^probabilities: .*rows that sum to 3"),
        (lambda: inception_score(torch.tensor([[1.5, -0.5]])), "^probabilities: .*p >= 0"),
        (lambda: drum_classifier().features(X, 3999), "^rate: 3999 "),
        (lambda: drum_classifier().features(X[:, :, :511], 4000), "^x: .* at least 512 samples at 4000 Hz"),
    ],
)
def test_wrong_input(call, message):
    with pytest.raises(InputError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
