"""WaveGAN live: eight clips to see and to hear beside real ones, and how far from real sounds they are."""

from __future__ import annotations

import base64
import html
import io
from collections import Counter
from typing import Any

import ipywidgets as widgets
import torch
from PIL import Image
from torch import Tensor

from gan_tutorial import plots
from gan_tutorial.errors import require
from gan_tutorial.live.session import computing
from gan_tutorial.live.training_panel import TrainingPanel
from gan_tutorial.live.words import SOUND_LAB
from gan_tutorial.metrics.audio import spectral_distance, spectral_features
from gan_tutorial.metrics.frechet import Statistics
from gan_tutorial.training import Recipe, Trainer

CLIPS = 8  # shown
MEASURED = 128  # sounds that the spectral distance is measured with, if there are twice as many real ones
DISTANCE = "spectral_distance"

_STRIP = """<h4>{title}</h4><div class="sound-window" tabindex="0"><div class="sound-strip">
<img alt="{alt}" src="data:image/png;base64,{png}"><div class="sound-players">{players}</div></div></div>"""
_PLAYER = """<div><audio controls preload="metadata" aria-label="{label}" src="data:audio/wav;base64,{wav}"></audio>
<div>{name}</div></div>"""


class SoundLab(TrainingPanel):
    """Trains a GAN of sounds live in the notebook: `display(lab)` shows it, `lab.run(steps)` trains without a reader.

    Eight clips are made of the same latents all the time, so that one sees and hears the same clip change; below stand
    eight real ones. Beside the losses there is the spectral distance to real sounds, and its floor: what other real
    sounds have. Running a cell again closes the labs that it made before.

    Args:
        recipe: a :class:`~gan_tutorial.training.Recipe` on sounds, or the name of one.
        seed: an integer >= 0; the same seed gives the same networks.
        device: "cpu", "auto", "cuda", "mps".
        threads: CPU threads of the training, >= 1; the rest of the process keeps its own number.
        dataset: trains on this instead of the recipe's data.
        language: of the words in the page: "en" or "zh".
        changes: of the recipe, see :func:`gan_tutorial.training.recipe`: `batch_size=16`, `model__g_width=8`.

    Attributes:
        trainer: the trainer behind the lab; a reset makes a new one.
        real: the real clips that are shown, (8, 1, L).
        floor: the spectral distance between two sets of real sounds, in dB.

    Raises :class:`~gan_tutorial.errors.InputError` for anything of the above that can't be.
    """

    kind = "sound-lab"
    seldom_s, share = 4.0, 0.2  # a clip that is being played ends when a new one comes
    style = """
.gan-sound-lab .sound-window { overflow-x: auto; }
.gan-sound-lab .sound-strip { min-width: 720px; }
.gan-sound-lab .sound-strip img { display: block; width: 100%; height: auto; background: white; }
.gan-sound-lab .sound-players { display: flex; }
.gan-sound-lab .sound-players > div { flex: 1 1 0; min-width: 0; text-align: center; padding: 2px; }
.gan-sound-lab audio { width: 100%; height: 32px; }
"""

    def __init__(
        self,
        recipe: Recipe | str = "wavegan-drums-small",
        seed: int = 0,
        *,
        device: str = "cpu",
        threads: int = 1,
        dataset: Any = None,
        language: str = "en",
        **changes: Any,
    ) -> None:
        super().__init__(
            recipe,
            seed=seed,
            device=device,
            threads=threads,
            dataset=dataset,
            language=language,
            catalogue=SOUND_LAB,
            changes=changes,
        )
        dataset = self.dataset
        self.rate: int = dataset.sample_rate
        batch = dataset[_in_turn(dataset.labels, len(dataset))]
        self.real = batch.x.cpu()
        names = dataset.label_names
        self._real_names = [] if batch.labels is None else [names[k] for k in batch.labels.tolist()]
        self._names = [names[i % len(names)] for i in range(CLIPS)] if self.trainer.algorithm.num_classes else []
        with computing(self.threads):
            self._reference, self.floor = self._references()
        self._measured: tuple[Trainer, int] | None = None
        self._real_png = self._png(self.real)
        self.clips, self.real_clips = (self._make(widgets.HTML, f"sound-{name}") for name in ("clips", "real-clips"))
        self.real_clips.value = self._strip("real", self.real, self._real_png, self._real_names)
        self._assemble([self.clips, self.real_clips])

    def _check(self, trainer: Trainer) -> None:
        sounds: Any = trainer.dataset
        fits = getattr(sounds, "is_sound", False) and len(sounds) >= CLIPS
        require(fits, "recipe", self.recipe.name, f"one on {CLIPS} sounds or more, such as 'wavegan-drums-small'")

    def _references(self) -> tuple[Statistics, float]:
        """What the clips are measured against, and what other real sounds have."""
        dataset = self.dataset
        n = min(MEASURED, len(dataset) // 2)
        real, others = dataset.sample(2 * n, torch.Generator().manual_seed(0)).x.cpu().split(n)
        reference = Statistics.of(spectral_features(real, self.rate))
        return reference, spectral_distance(others, reference, self.rate)

    # -- what there is to know ----------------------------------------------------------------------------------------
    def samples(self) -> Tensor:
        """The clips that are shown, float32 (8, 1, L) in [-1, 1], on the CPU; one of each class in turn, if the
        generator has classes."""
        with self.lock, computing(self.threads):
            return self.trainer.sample(CLIPS).float().cpu()

    @property
    def distance(self) -> float:
        """The spectral distance to real sounds in dB when it was last measured; see
        :func:`gan_tutorial.metrics.audio.spectral_distance`."""
        return self.curves[DISTANCE].last

    def _measure(self) -> None:
        now = self.trainer, self.trainer.step
        if now == self._measured:
            return
        self._measured = now
        n = min(MEASURED, len(self.dataset) // 2)
        sounds = self.trainer.sample(n, seed=1).float().cpu()
        self._add(DISTANCE, self.trainer.step, spectral_distance(sounds, self._reference, self.rate))

    # -- the page -----------------------------------------------------------------------------------------------------
    def _numbers(self) -> dict[str, str]:
        told = {self.words["step_name"]: f"{self.trainer.step:,}"}
        told |= {
            self.words["metrics"][n]: f"{self.curves[n].last:.3f}" for n in ("d_loss", "g_loss") if n in self.curves
        }
        if DISTANCE in self.curves:
            value = self.words["distance_value"].format(distance=self.distance, floor=self.floor)
            told[self.words["metrics"][DISTANCE]] = value
        return told

    def _look(self) -> None:
        sounds = self.samples()
        self.clips.value = self._strip("fake", sounds, self._png(sounds), self._names)

    def _png(self, sounds: Tensor) -> bytes:
        figure = plots.spectrograms(sounds, self.rate, columns=CLIPS)
        # The axes fill their columns, so that the players stand right below them; it is also much faster.
        figure.set_layout_engine(None)
        figure.subplots_adjust(0, 0, 1, 1, wspace=0.06, hspace=0.02)
        return plots.png(figure)

    def _strip(self, kind: str, sounds: Tensor, png: bytes, names: list[str]) -> str:
        """Clips as a picture, with a player for each below it."""
        players = []
        for i, sound in enumerate(sounds):
            label = self.words[f"label_{kind}"].format(n=i + 1)
            name = html.escape(names[i] if names else str(i + 1))
            wav = base64.b64encode(plots.wav(sound, self.rate)).decode()
            label = html.escape(f"{label}: {names[i]}" if names else label)
            players.append(_PLAYER.format(label=label, name=name, wav=wav))
        return _STRIP.format(
            title=self.words[f"title_{kind}"],
            alt=html.escape(self.words[f"alt_{kind}"].format(n=len(sounds))),
            png=base64.b64encode(png).decode(),
            players="".join(players),
        )

    # -- where there is no kernel -------------------------------------------------------------------------------------
    def alt(self) -> str:
        return self.words["alt"].format(n=CLIPS, step=self.trainer.step)

    def picture(self) -> bytes:
        """The clips, and the real ones below them."""
        above, below = (
            Image.open(io.BytesIO(png)).convert("RGB") for png in (self._png(self.samples()), self._real_png)
        )
        sheet = Image.new("RGB", (above.width, above.height + 12 + below.height), "white")
        sheet.paste(above, (0, 0))
        sheet.paste(below, (0, above.height + 12))
        return plots.png(sheet)


def _in_turn(labels: Tensor | None, n: int) -> list[int]:
    """Which real clips are shown: one of each class in turn; without classes, evenly spread."""
    if labels is None:
        return [i * n // CLIPS for i in range(CLIPS)]
    before, ranked = Counter[int](), []
    for i, label in enumerate(labels.tolist()):
        ranked.append((before[label], label, i))
        before[label] += 1
    return [i for *_, i in sorted(ranked)[:CLIPS]]
