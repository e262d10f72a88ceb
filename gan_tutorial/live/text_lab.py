"""SeqGAN live: its phases, what it writes, what D thinks of each token, and what may come next."""

from __future__ import annotations

import copy
import html
import unicodedata
from dataclasses import replace
from typing import Any

import ipywidgets as widgets
import torch
from torch import Tensor

from gan_tutorial import plots
from gan_tutorial.errors import InputError, require, require_number
from gan_tutorial.live.session import computing
from gan_tutorial.live.training_panel import TrainingPanel, describe
from gan_tutorial.live.words import TEXT_LAB
from gan_tutorial.training import Recipe, Trainer

TEXTS = 12  # shown
ROLLOUTS = 4  # texts that complete each beginning of these: few, for they are many
NEXT = 10  # tokens that are told of those that may come next
TEMPERATURES = (0.2, 2.0)
_ORANGE, _BLUE = (213, 94, 0), (0, 114, 178)  # of Okabe and Ito
# Fonts that have Chinese characters; the first that is installed draws them in the still picture.
_CHINESE: tuple[str, ...] = (
    "Noto Sans CJK SC",
    "Noto Sans CJK TC",
    "Noto Sans CJK JP",
    "Source Han Sans SC",
    "WenQuanYi Zen Hei",
)
_CHINESE += ("WenQuanYi Micro Hei", "Microsoft YaHei", "SimHei", "PingFang SC", "Hiragino Sans GB", "Arial Unicode MS")


class TextLab(TrainingPanel):
    """Trains a SeqGAN live in the notebook: `display(lab)` shows it, `lab.run(steps)` trains without a reader.

    A dozen texts are made of the same random numbers all the time, so that one sees the same text change. Behind each
    token stands D's reward of it, once D has learned. Below: the probabilities of what comes next after a beginning
    that the reader types. Running a cell again closes the labs that it made before.

    Args:
        recipe: a :class:`~gan_tutorial.training.Recipe` of SeqGAN, or the name of one.
        seed: an integer >= 0; the same seed gives the same networks.
        device: "cpu", "auto", "cuda", "mps".
        threads: CPU threads of the training, >= 1; the rest of the process keeps its own number.
        dataset: trains on this instead of the recipe's data.
        language: of the words in the page: "en" or "zh".
        changes: of the recipe, see :func:`gan_tutorial.training.recipe`: `mle_steps=200`, `model__hidden=64`.

    Attributes:
        trainer: the trainer behind the lab; a reset makes a new one.

    Raises :class:`~gan_tutorial.errors.InputError` for anything of the above that can't be.
    """

    kind = "text-lab"
    style = """
.gan-text-lab ol { margin: 0; padding: 0; columns: 2 380px; list-style-position: inside; }
.gan-text-lab .text-sample { white-space: pre-wrap; font-size: 16px; line-height: 1.7; }
.gan-text-lab .text-token { padding: 2px 0; }
.gan-text-lab .text-mean { opacity: 0.75; margin-left: 1em; font-variant-numeric: tabular-nums; }
.gan-text-lab table { border-collapse: collapse; margin: 2px 0; font-size: 13px; color: inherit; width: 100%; }
.gan-text-lab caption { text-align: left; color: inherit; padding: 2px 0; }
.gan-text-lab th, .gan-text-lab td { padding: 1px 8px 1px 0; text-align: left; font-weight: normal; white-space: pre; }
.gan-text-lab th { font-size: 15px; }
.gan-text-lab .text-space { width: 100%; }
.gan-text-lab .text-bar { height: 12px; background: #D55E00; border-radius: 2px; min-width: 1px; }
"""

    def __init__(
        self,
        recipe: Recipe | str = "seqgan-words",
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
            catalogue=TEXT_LAB,
            changes=changes,
        )
        (length,) = self.dataset.sample_shape
        self._uniforms = torch.rand(TEXTS, length, generator=torch.Generator().manual_seed(seed % 2**63))
        self._following = False
        low, high = TEMPERATURES
        self.temperature = self._make(
            widgets.FloatSlider, "text-temperature", value=1.0, min=low, max=high, step=0.05, readout_format=".2f"
        )
        describe(self.temperature, self.words["temperature"], self.words["temperature_tip"])
        self.beginning = self._make(widgets.Text, "text-beginning", placeholder=self.words["placeholder"])
        describe(self.beginning, self.words["beginning"], self.words["beginning_tip"])
        self.temperature.observe(lambda _: self._moved(self._look), "value")
        self.beginning.observe(lambda _: self._moved(self._show_next), "value")
        self.texts, self.next = (self._make(widgets.HTML, f"text-{name}") for name in ("samples", "next"))
        self._assemble([self.temperature, self.texts, self.beginning, self.next])

    def _check(self, trainer: Trainer) -> None:
        fits = getattr(trainer.dataset, "is_text", False) and hasattr(trainer.algorithm, "rewards")
        require(fits, "recipe", self.recipe.name, "one of SeqGAN on texts, such as 'seqgan-words'")

    # -- what there is to know ----------------------------------------------------------------------------------------
    @property
    def phase(self) -> str:
        """What the last step was part of, or the first will be: "mle", "d_pretraining" or "adversarial"."""
        return self._phase()[0]

    def _phase(self) -> tuple[str, int, int]:
        """The phase, how many of its steps were made, and how many it has; 0 if it has no end."""
        settings, made = self.trainer.settings, self.trainer.step
        judged = settings.reward == "discriminator"
        phases = {"mle": settings.mle_steps, "d_pretraining": settings.d_pretraining if judged else 0}
        for name, steps in phases.items():
            if steps and made <= steps:
                return name, made, steps
            made -= steps
        return "adversarial", made, max(0, self.recipe.steps - sum(phases.values()))

    def samples(self) -> list[str]:
        """The texts that are shown."""
        with self.lock, computing(self.threads):
            return self.dataset.decode(self._tokens())

    def _tokens(self) -> Tensor:
        """int64 (12, L), on the device."""
        generator: Any = self.trainer.networks["generator"]
        return generator.write(self._uniforms, self.temperature.value)

    def rewards(self) -> Tensor | None:
        """D's reward of each token of the texts that are shown, (12, L) in 0..1; None before D has learned anything.

        They are estimated from 4 completions of each beginning, always by the same random numbers.
        """
        with self.lock, computing(self.threads):
            return self._rewards(self._tokens())

    def _rewards(self, tokens: Tensor) -> Tensor | None:
        algorithm: Any = self.trainer.algorithm
        settings = algorithm.settings
        if settings.reward != "discriminator" or self.trainer.step <= settings.mle_steps:
            return None
        few = copy.copy(algorithm)  # the networks are the same, and nothing of the original is changed
        few.settings = replace(settings, rollouts=ROLLOUTS)
        return few.rewards(tokens, torch.Generator().manual_seed(0)).cpu()

    def next_tokens(self, beginning: str = "") -> dict[str, float]:
        """The probability of each token of the vocabulary after `beginning`, at the slider's temperature, the likeliest
        first; "" is the blank, the text's end.

        Raises :class:`~gan_tutorial.errors.InputError` for what the vocabulary does not hold, and for a beginning that
        leaves no room.
        """
        dataset = self.dataset
        (length,) = dataset.sample_shape
        if dataset.joiner:
            pieces = beginning.split()
            beginning = dataset.joiner.join(pieces)
        else:
            pieces = [*beginning]
        require(len(pieces) < length, "beginning", beginning, f"at most {length - 1} tokens, so that one can follow")
        tokens = dataset.encode([beginning]) if pieces else torch.zeros(1, length, dtype=torch.int64)
        with self.lock, computing(self.threads), torch.no_grad():
            logits = self.trainer.networks["generator"](tokens.to(self.trainer.device))[0, len(pieces)]
            p, order = (logits.float() / self.temperature.value).softmax(0).cpu().sort(descending=True)
        return {dataset.vocabulary[i]: value for i, value in zip(order.tolist(), p.tolist(), strict=True)}

    def set(self, *, temperature: float | None = None, beginning: str | None = None) -> None:
        """Move the slider, or type a beginning, as a hand would.

        Raises :class:`~gan_tutorial.errors.InputError` for a value that can't be; then nothing is changed.
        """
        if temperature is not None:
            require_number("temperature", temperature, *TEMPERATURES)
        if beginning is not None:
            require(isinstance(beginning, str), "beginning", beginning, "a text")
            self.next_tokens(beginning)
        self._following = True
        try:
            if temperature is not None:
                self.temperature.value = float(temperature)
            if beginning is not None:
                self.beginning.value = beginning
        finally:
            self._following = False
        with self.lock, computing(self.threads):
            self.show()

    # -- the page -----------------------------------------------------------------------------------------------------
    def _moved(self, show: Any) -> None:
        if not self._following and self.state != "failed":
            self._do(show)

    def _numbers(self) -> dict[str, str]:
        phase, made, steps = self._phase()
        progress = self.words["progress" if steps and made <= steps else "progress_open"]
        told = {
            self.words["phase"]: progress.format(phase=self.words["phases"][phase], made=made, steps=steps),
            self.words["step_name"]: f"{self.trainer.step:,}",
        }
        shown = {"mle": ("nll",), "d_pretraining": ("d_loss",), "adversarial": ("reward", "d_loss")}[phase]
        return told | {self.words["metrics"][n]: f"{self.curves[n].last:.3f}" for n in shown if n in self.curves}

    def _look(self) -> None:
        tokens = self._tokens()
        rewards = self._rewards(tokens)
        rows = "".join(
            f"<li>{self._text(row, None if rewards is None else rewards[i].tolist())}</li>"
            for i, row in enumerate(tokens.tolist())
        )
        self.texts.value = f"<h4>{self.words['samples']}</h4><ol>{rows}</ol><div>{self._legend()}</div>"
        self._show_next()

    def _legend(self) -> str:
        settings = self.trainer.settings
        if settings.reward != "discriminator":
            return self.words["legend_none"]
        return self.words["legend_later" if self.trainer.step <= settings.mle_steps else "legend"].format(n=ROLLOUTS)

    def _text(self, row: list[int], rewards: list[float] | None) -> str:
        vocabulary, joiner = self.dataset.vocabulary, html.escape(self.dataset.joiner)
        pieces = []
        for place, token in enumerate(_without_end(row)):
            style = ""
            if rewards is not None:
                (r, g, b), alpha = _shade(rewards[place])
                style = f' style="background: rgba({r}, {g}, {b}, {alpha:.2f})" title="{rewards[place]:.2f}"'
            pieces.append(f'<span class="text-token"{style}>{html.escape(vocabulary[token]) or "·"}</span>')
        text = joiner.join(pieces) or f"<em>{self.words['empty']}</em>"
        mean = "" if rewards is None else f'<span class="text-mean">{sum(rewards) / len(rewards):.2f}</span>'
        return f'<span class="text-sample">{text}</span>{mean}'

    def _show_next(self) -> None:
        try:
            found = list(self.next_tokens(self.beginning.value).items())[:NEXT]
        except InputError as error:
            self.next.value = f'<div class="text-unknown" role="status">{html.escape(str(error))}</div>'
            return
        names = {"": f"<em>{self.words['end']}</em>", " ": f"<em>{self.words['space']}</em>"}
        rows = "".join(
            f'<tr><th scope="row">{names.get(token, html.escape(token))}</th><td>{100 * p:.1f} %</td>'
            f'<td class="text-space"><div class="text-bar" style="width: {100 * p:.1f}%"></div></td></tr>'
            for token, p in found
        )
        title = self.words["next" if self.beginning.value else "next_first"]
        caption = html.escape(title.format(beginning=self.beginning.value))
        self.next.value = f"<table><caption>{caption}</caption>{rows}</table>"

    # -- where there is no kernel -------------------------------------------------------------------------------------
    def alt(self) -> str:
        texts = " / ".join(text or self.words["empty"] for text in self.samples())
        return self.words["alt"].format(step=self.trainer.step, phase=self.words["phases"][self.phase], texts=texts)

    def picture(self) -> bytes:
        """The texts with their rewards behind them. Where no font has a character, its reward alone is drawn."""
        from matplotlib import font_manager
        from matplotlib.figure import Figure
        from matplotlib.patches import Rectangle

        there = {font.name for font in font_manager.fontManager.ttflist}
        fonts = ["DejaVu Sans Mono", *[name for name in _CHINESE if name in there][:1]]
        drawable = {c for name in fonts for c in font_manager.get_font(font_manager.findfont(name)).get_charmap()}
        tokens = self._tokens()
        rewards, dataset = self._rewards(tokens), self.dataset
        rows = [_without_end(row) for row in tokens.tolist()]
        gap = len(dataset.joiner)
        words = [[dataset.vocabulary[token] or "·" for token in row] for row in rows]
        columns = max(8, *(sum(_width(word) + gap for word in row) for row in words))
        figure = Figure(figsize=(0.14 * columns + 0.2, 0.32 * TEXTS + 0.2))
        axes: Any = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        axes.set_axis_off()
        axes.set(xlim=(-0.7, columns + 0.7), ylim=(TEXTS + 0.3, -0.3))
        for y, row in enumerate(words):
            x = 0
            for place, word in enumerate(row):
                width = _width(word)
                if rewards is not None:
                    colour, alpha = _shade(float(rewards[y, place]))
                    box = Rectangle((x, y + 0.05), width, 0.9, color=[c / 255 for c in colour], alpha=alpha, lw=0)
                    axes.add_patch(box)
                if all(ord(c) in drawable for c in word):
                    axes.text(
                        x + width / 2,
                        y + 0.5,
                        word.replace("$", r"\$"),
                        family=fonts,
                        size=12,
                        ha="center",
                        va="center_baseline",
                    )
                x += width + gap
        return plots.png(figure)


def _without_end(row: list[int]) -> list[int]:
    """A text's tokens up to the blanks at its end."""
    return row[: max((place + 1 for place, token in enumerate(row) if token), default=0)]


def _shade(reward: float) -> tuple[tuple[int, int, int], float]:
    """The colour and the opacity that stand for a reward: orange for 0, none for a half, blue for 1."""
    if not 0 <= reward <= 1:  # NaN, where the training has failed
        return _ORANGE, 0.0
    return _BLUE if reward > 0.5 else _ORANGE, 1.2 * abs(reward - 0.5)


def _width(text: str) -> int:
    """Columns that a text takes where letters take one and Chinese characters two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
