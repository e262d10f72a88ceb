"""The lab for sound: what it trains, and what there is to see and to hear. Its buttons are those of the text lab."""

import base64
import io
import re
import wave
from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image

from gan_tutorial import plots
from gan_tutorial.data import Dataset, load
from gan_tutorial.errors import InputError
from gan_tutorial.live import SoundLab
from gan_tutorial.metrics.audio import spectral_distance
from gan_tutorial.training import Recipe, Trainer

DATA = {"length": 1024, "per_class": 4}
RECIPE = Recipe(
    "tiny", "", "drums", "wavegan", data_options=DATA, batch_size=8, steps=30,
    model_options={"z_dim": 8, "g_width": 4, "d_width": 4},
)  # fmt: skip


@pytest.fixture(scope="module")
def drums():
    return load("drums", **DATA)


@pytest.fixture
def few_pictures(monkeypatch):
    """A picture takes longer than everything else here."""
    monkeypatch.setattr(SoundLab, "_png", lambda self, sounds: b"")


def heard(widget):
    """The waveforms in a strip's players, (8, L), and their rates."""
    files = re.findall(r'src="data:audio/wav;base64,([^"]+)"', widget.value)
    sounds, rates = [], []
    for data in files:
        with wave.open(io.BytesIO(base64.b64decode(data))) as file:
            rates.append(file.getframerate())
            sounds.append(np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32767)
    return np.array(sounds), rates


def test_every_way_to_train_is_the_trainers(drums, few_pictures):
    trainer = Trainer(RECIPE, device="cpu", dataset=drums)
    for _ in trainer.run(4):
        pass
    headless, by_hand, playing = (SoundLab(RECIPE, dataset=drums) for _ in range(3))
    headless.run(4)
    for _ in range(4):
        by_hand.buttons["step"].click()
    playing.play()
    while playing.trainer.step < 4:
        playing.tick(0)
    playing.pause()
    for lab in (headless, by_hand, playing):
        assert lab.trainer.step == 4
        assert torch.equal(lab.samples(), trainer.sample(8))


def test_the_clips_are_seen_and_heard_beside_real_ones(drums):
    lab = SoundLab(RECIPE, dataset=drums)
    lab.run(2)
    assert lab.rate == 4000
    for widget, sounds, kind in ((lab.clips, lab.samples(), "Clip"), (lab.real_clips, lab.real, "Real clip")):
        played, rates = heard(widget)
        assert rates == [4000] * 8
        assert np.abs(played - sounds[:, 0].numpy()).max() < 1e-4
        labels = re.findall(r'<audio controls preload="metadata" aria-label="([^"]+)"', widget.value)
        assert all(label.startswith(f"{kind} {i + 1}") for i, label in enumerate(labels))
        assert len(labels) == 8
        alt, png = re.findall(r'<img alt="([^"]+)" src="data:image/png;base64,([^"]+)"', widget.value)[0]
        assert "Waveforms and spectrograms of 8" in alt
        with Image.open(io.BytesIO(base64.b64decode(png))) as picture:
            assert picture.width == 1280
            assert len(set(picture.convert("L").get_flattened_data())) > 20
    before = heard(lab.clips)[0]
    lab.step()
    assert np.abs(heard(lab.clips)[0] - before).max() > 1e-4


def test_the_real_clips_are_of_each_class_in_turn(drums, few_pictures):
    lab = SoundLab(RECIPE, dataset=drums)
    names = re.findall(r"<div>([a-z]+)</div>", lab.real_clips.value)
    assert names == [drums.label_names[i % 6] for i in range(8)]
    for i, sound in enumerate(lab.real):
        where = (drums.data == sound).all(2).all(1).nonzero().flatten()
        assert drums.labels[where].tolist() == [i % 6]
    assert len({sound.numpy().tobytes() for sound in lab.real}) == 8
    assert re.findall(r"<div>(\d)</div>", lab.clips.value) == [*"12345678"]  # this generator has no classes
    conditional = SoundLab(RECIPE, dataset=drums, conditional=True)
    assert re.findall(r"<div>([a-z]+)</div>", conditional.clips.value) == names
    assert 'aria-label="Clip 2 of G: snare"' in conditional.clips.value
    plain = Dataset("plain", drums.data, sample_rate=4000)
    assert len({sound.numpy().tobytes() for sound in SoundLab(RECIPE, dataset=plain).real}) == 8


def test_the_distance_is_measured_as_the_run_goes_on(drums, few_pictures, monkeypatch):
    monkeypatch.setattr("gan_tutorial.live.training_panel._EVERY", 2)
    lab = SoundLab(RECIPE, dataset=drums)
    lab.run(5)
    points = lab.curves["spectral_distance"].array()
    assert points[:, 0].tolist() == [0, 2, 4, 5]
    real, others = drums.sample(24, torch.Generator().manual_seed(0)).x.split(12)
    assert lab.distance == pytest.approx(spectral_distance(lab.trainer.sample(12, seed=1), real, 4000))
    assert lab.floor == pytest.approx(spectral_distance(others, real, 4000))
    assert 0 < lab.floor < lab.distance
    told = re.sub("<[^>]*>", "", lab.numbers.value)
    assert f"spectral distance {lab.distance:.1f} dB (between real sounds: {lab.floor:.1f} dB)" in told
    assert re.search(r"step 5D loss \d\.\d{3}G loss \d\.\d{3}", told)
    assert 'aria-label="Spectral distance in dB from step 0 to 5: between' in lab.chart.value
    lab.reset()
    assert lab.curves["spectral_distance"].array()[:, 0].tolist() == [0]


def test_while_it_plays_clips_change_seldom(drums, few_pictures, monkeypatch):
    lab = SoundLab(RECIPE, dataset=drums)
    counts = Counter()
    monkeypatch.setattr(lab, "_look", lambda: counts.update(["look"]))
    monkeypatch.setattr(lab, "seldom_s", 1e6)
    lab.play()
    for _ in range(4):
        lab.tick(0)
        counts.update(["tick"])
    assert counts == {"tick": 4, "look": 1}
    assert 'data-step="4"' in lab.numbers.value
    lab.pause()
    assert counts["look"] == 2


def test_a_notebook_keeps_a_picture_and_a_text_that_every_run_repeats(drums):
    lab = SoundLab(RECIPE, dataset=drums)
    lab.run(1)
    bundle, about = lab._repr_mimebundle_()
    assert bundle["text/plain"] == "<SoundLab tiny at step 1>"
    with Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))) as picture, \
            Image.open(io.BytesIO(plots.png(plots.spectrograms(lab.real, 4000, columns=8)))) as one:  # fmt: skip
        assert picture.width == one.width
        assert picture.height == 2 * one.height + 12
    assert about["image/png"]["alt"] == (
        "Waveforms and spectrograms of 8 clips that G makes at step 1, and below them of 8 real ones."
    )
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == lab.box.model_id
    lab.close()
    assert "application/vnd.jupyter.widget-view+json" not in lab._repr_mimebundle_()[0]
    lab.run(1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SoundLab("ring-mlp"), "recipe: 'ring-mlp' is not allowed; expected one on 8 sounds or more"),
        (lambda: SoundLab(RECIPE, language="xx"), "language: 'xx' is not known"),
        (lambda: SoundLab(RECIPE, data__per_class=0), "per_class: 0 is not allowed"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(InputError, match=re.escape(message)) as refused:
        make()
    assert "\n" not in str(refused.value)


def test_names_are_escaped_and_the_page_speaks_chinese(drums, few_pictures):
    names = ["<b>kick", *drums.label_names[1:]]
    odd = Dataset("odd", drums.data, drums.labels, label_names=names, sample_rate=4000)
    lab = SoundLab(RECIPE, dataset=odd, language="zh", conditional=True)
    assert "<b>" not in lab.clips.value + lab.real_clips.value
    assert "&lt;b&gt;kick" in lab.clips.value
    assert "真实片段 1" in lab.real_clips.value
    assert lab.alt().startswith("第 0 步")
