"""What the small labs for text and sound share: a trainer, the buttons that turn its crank, and its numbers and curves.

As in the lab for images, nothing runs by itself: while it plays, a `Play` counter in the page ticks, each tick trains
one burst within its budget, and ticks that come too fast are left out. When the page is gone, so are the ticks.
"""

from __future__ import annotations

import base64
import html
import threading
import time
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets
import numpy as np
import torch

from gan_tutorial.errors import DivergedError, InputError, require_integer
from gan_tutorial.live.frame import Curve
from gan_tutorial.live.lab import replace_earlier
from gan_tutorial.live.panel import INTERVAL_S, trait_of
from gan_tutorial.live.session import computing, one_line
from gan_tutorial.live.ticker import Ticker
from gan_tutorial.live.words import words
from gan_tutorial.training import Recipe, Trainer
from gan_tutorial.training import recipe as recipe_named

_DUTY = 0.8  # of the time between two ticks may be spent on training, so that sliders and cells are heard
_LONGEST_S = 5.0  # between two ticks
_PATIENCE_S = 1.0  # how long a command waits for the step under way
_EVERY = 50  # steps between two measurements in a headless run: by steps, so that equal runs have equal curves

_STYLE = """<style>
.gan-training .training-numbers { display: flex; flex-wrap: wrap; gap: 0 1.4em; font-variant-numeric: tabular-nums; }
.gan-training .training-curves { display: flex; flex-wrap: wrap; gap: 4px 16px; }
.gan-training .widget-html-content, .gan-training figcaption { line-height: 1.5; font-size: 13px; height: auto;
  color: var(--jp-ui-font-color1, inherit); }
.gan-training figure { margin: 0; }
.gan-training svg { display: block; border: 1px solid #8886; border-radius: 4px; }
.gan-training svg polyline { fill: none; stroke: #0072B2; stroke-width: 1.5; vector-effect: non-scaling-stroke; }
.gan-training [role=alert] { border-left: 4px solid #D55E00; padding: 2px 10px; }
.gan-training h4 { font-size: 13px; font-weight: 600; margin: 8px 0 2px; color: inherit; }
%s</style>"""
_CURVE = """<figure><svg role="img" aria-label="{alt}" width="200" height="60" viewBox="0 0 1 1"
 preserveAspectRatio="none"><polyline points="{points}"/></svg><figcaption>{name}</figcaption></figure>"""


class TrainingPanel:
    """A trainer in the page: play, pause, step and reset, its numbers, its curves, and what a subclass shows beside.

    A subclass makes its widgets with :meth:`_make`, hands them to :meth:`_assemble`, and has `_check`, `_numbers`,
    `_look`, `_measure`, `picture` and `alt`.

    `state` is "idle" (at step 0), "playing" (every tick trains), "paused" or "failed" (only a reset helps); `message`
    is one line about what was refused or went wrong, else empty.
    """

    kind = ""  # the CSS class and the name
    style = ""
    seldom_s, share = 0.5, 0.25  # look at most so often while playing, and for so much of the time

    def __init__(
        self,
        recipe: Recipe | str,
        *,
        seed: int,
        device: str,
        threads: int,
        dataset: Any,
        language: str,
        catalogue: dict[str, dict[str, Any]],
        changes: dict[str, Any],
    ) -> None:
        require_integer("threads", threads, 1)
        self.words = words(language) | words(language, catalogue)
        self.recipe = recipe_named(recipe, **changes)
        self.seed, self.device, self.threads, self.closed = seed, device, threads, False
        self.lock = threading.RLock()
        self._made: list[Any] = []
        self._begin(dataset)

    def _begin(self, dataset: Any) -> None:
        with computing(self.threads):
            trainer = Trainer(self.recipe, seed=self.seed, device=self.device, dataset=dataset)
            self._check(trainer)
        self.trainer = trainer
        self.curves: dict[str, Curve] = {}
        self.state, self.message = "idle", ""
        self._unread: list[dict[str, Any]] = []
        self._step_s = self._look_at = 0.0

    @property
    def dataset(self) -> Any:
        """What the lab trains on."""
        return self.trainer.dataset

    # -- what a subclass has ------------------------------------------------------------------------------------------
    def _check(self, trainer: Trainer) -> None:
        """Raise InputError for a trainer that this can't show."""
        raise NotImplementedError

    def _numbers(self) -> dict[str, str]:
        """What the line of numbers tells: names and values."""
        raise NotImplementedError

    def _look(self) -> None:
        """Bring what is shown beside numbers and curves up to date."""
        raise NotImplementedError

    def _measure(self) -> None:
        """Add to the curves what the training itself does not tell."""

    def picture(self) -> bytes:
        """What is to be seen, as a PNG file."""
        raise NotImplementedError

    def alt(self) -> str:
        """What is to be seen in the picture, in words."""
        raise NotImplementedError

    # -- commands -----------------------------------------------------------------------------------------------------
    def run(self, steps: int) -> None:
        """Train `steps` >= 1 steps now, exactly as `trainer.run` does, and show the result.

        Raises what the training raises, and :class:`~gan_tutorial.errors.InputError` while playing or after a failure.
        """
        require_integer("steps", steps, 1)
        if self.state == "playing":
            raise InputError("run: the lab is playing; pause it first (lab.pause())")
        if self.state == "failed":
            raise InputError("run: the lab has failed; reset it first (lab.reset())")
        with self.lock, computing(self.threads):
            try:
                for metrics in self.trainer.run(steps):
                    self._unread.append(metrics)
                    if self.trainer.step % _EVERY == 0:
                        self._fold()
                        self._measure()
                self._fold()
                self._measure()
            except BaseException as error:
                self._stop(error)
                raise
            self.state, self.message = "paused", ""
            self.show()

    def play(self) -> None:
        """Train for as long as a page shows the lab."""
        if self.state in ("idle", "paused"):
            self.state, self.message = "playing", ""
        self._follow()

    def pause(self) -> None:
        """Stop after the step under way."""
        if self.state == "playing":
            self.state = "paused"
            self._do(self.show, patience_s=0)  # who is at work will show it
        self._follow()

    def step(self) -> None:
        """One step. A playing lab pauses first; a failed one stays as it is."""
        if self.state == "failed":
            return

        def work() -> None:
            self.state = "paused"
            self._advance()
            self._measure()
            self.message = ""
            self.show()

        self._do(work)

    def reset(self) -> None:
        """New networks from the same seed."""

        def work() -> None:
            self._begin(self.dataset)
            self._measure()
            self.show()

        self.state = "paused"
        self._do(work)

    def tick(self, budget_s: float) -> bool:
        """Train for about `budget_s` seconds, at least one step. False if not playing, or if someone else trains."""
        return self.state == "playing" and self._do(lambda: self._burst(budget_s), patience_s=0)

    def close(self) -> None:
        """Take the widgets out of the page; everything else goes on working."""
        if self.state == "playing":
            self.state = "paused"
        self.closed = True
        made, self._made = self._made, []
        for widget in made:
            for part in (getattr(widget, "style", None), widget.layout, widget):
                if part is not None:
                    part.close()

    # -- how they are carried out -------------------------------------------------------------------------------------
    def _do(self, work: Callable[[], None], patience_s: float = _PATIENCE_S) -> bool:
        if not self.lock.acquire(timeout=patience_s):
            if patience_s:
                self.message = self.words["busy"]
                self._follow()
            return False
        try:
            with computing(self.threads):
                work()
            return True
        except BaseException as error:
            self._stop(error)
            if not isinstance(error, Exception):
                raise
            return False
        finally:
            self.lock.release()

    def _burst(self, budget_s: float) -> None:
        end = time.perf_counter() + budget_s
        while self.state == "playing":
            self._advance()
            if time.perf_counter() + self._step_s > end:  # a step like this one would not fit any more
                break
        now = time.perf_counter()
        if now >= self._look_at or self.state != "playing":
            self._measure()
            self.show()
            cost = time.perf_counter() - now
            self._look_at = now + max(self.seldom_s, cost / self.share)
        else:
            self._follow()

    def _advance(self) -> None:
        started = time.perf_counter()
        self._unread.extend(self.trainer.run(1))
        self._fold()
        self._step_s = time.perf_counter() - started

    def _fold(self) -> None:
        """Move the numbers of the steps since the last look into the curves: one transfer from the device."""
        self.trainer.check_finite()
        unread, self._unread = self._unread, []
        seen = [(m["step"], name, value) for m in unread for name, value in m.items() if name != "step"]
        if seen:
            for (step, name, _), value in zip(seen, torch.stack([t.float() for *_, t in seen]).tolist(), strict=True):
                self._add(name, step, value)

    def _add(self, name: str, step: int, value: float) -> None:
        self.curves.setdefault(name, Curve()).add(step, value)

    def _stop(self, error: BaseException) -> None:
        if isinstance(error, Exception):
            self.state = "failed"
            self.message = str(error) if isinstance(error, (DivergedError, InputError)) else one_line(error)
        else:  # Ctrl-C: the trainer completes its step before it lets it through
            self.state = "paused"
        self._follow()

    # -- the page -----------------------------------------------------------------------------------------------------
    def _make(self, kind: type, css: str, **traits: Any) -> Any:
        widget = kind(**traits)
        widget.add_class(css)
        self._made.append(widget)
        return widget

    def _button(self, name: str, command: Callable[[], None], **traits: Any) -> Any:
        text, tip = self.words[name], self.words[f"{name}_tip"]
        button = self._make(widgets.Button, f"training-{name}", description=text, tooltip=tip, **traits)
        button.layout.width = "92px"
        button.on_click(lambda _: command())
        return button

    def _assemble(self, rows: list[Any]) -> None:
        """Make what is in the page, `rows` being the subclass's part of it."""
        self.ticker = self._make(Ticker, "training-tick", interval=round(1000 * INTERVAL_S))
        self.ticker.drive(self._tick, lambda: self.state == "playing", self._play_or_pause)
        self.buttons = {
            "play": self._button("play", self._play_or_pause, icon="play", button_style="primary"),
            "step": self._button("step", self.step),
            "reset": self._button("reset", self.reset, icon="undo"),
        }
        self.buttons["play"].layout.display = None if self.ticker.needs_button else "none"
        self.numbers, self.problem, self.chart = (
            self._make(widgets.HTML, f"training-{name}") for name in ("status", "message", "chart")
        )
        row = {"flex_flow": "row wrap", "align_items": "center"}
        top = self._make(widgets.HBox, "training-buttons", children=[*self.buttons.values(), self.ticker], layout=row)
        style = self._make(widgets.HTML, "training-style", value=_STYLE % self.style, layout={"display": "none"})
        self.box = self._make(
            widgets.VBox,
            f"gan-{self.kind}",
            children=[top, self.numbers, self.problem, self.chart, *rows, style],
            layout={"max_width": "980px"},
        )
        self.box.add_class("gan-training")
        with computing(self.threads):
            self._measure()
            self.show()
        replace_earlier(self)

    def show(self) -> None:
        """Bring everything in the page up to date."""
        if not self.closed:
            self._look()
        self._follow()

    def _follow(self) -> None:
        """Bring the page up to date with the state, the numbers and the curves."""
        if self.closed:
            return
        playing = self.state == "playing"
        self.ticker.turn(playing)
        self.buttons["play"].description = self.words["pause" if playing else "play"]
        self.buttons["play"].tooltip = self.words["pause_tip" if playing else "play_tip"]
        self.buttons["play"].icon = "pause" if playing else "play"
        self.buttons["play"].disabled = self.buttons["step"].disabled = self.state == "failed"
        self.problem.layout.display = None if self.message else "none"
        self.problem.value = f'<div role="alert">{html.escape(self.message)}</div>' if self.message else ""
        said = {self.words["states_name"]: self.words["states"][self.state], **self._numbers()}
        spans = "".join(f"<span>{html.escape(k)} <b>{html.escape(v)}</b></span>" for k, v in said.items())
        self.numbers.value = (
            f'<div class="training-numbers" role="group" aria-label="{self.words["status"]}"'
            f' data-step="{self.trainer.step}" data-state="{self.state}">{spans}</div>'
        )
        drawn = [self._curve(name) for name in self.words["curves"] if name in self.curves]
        self.chart.value = f'<div class="training-curves">{"".join(drawn)}</div>'

    def _curve(self, name: str) -> str:
        points, said = self.curves[name].array(), self.words["curves"][name]
        points = points[np.isfinite(points).all(1)]
        if not len(points):
            return ""
        low, high = points.min(0), points.max(0)
        places = (points - low) / np.where(high > low, high - low, 1) * 0.9 + 0.05
        told = {"low": f"{low[1]:.3g}", "high": f"{high[1]:.3g}", "last": f"{self.curves[name].last:.3g}"}
        told |= {"name": said, "first_step": f"{low[0]:.0f}", "last_step": f"{high[0]:.0f}"}
        return _CURVE.format(
            alt=html.escape(self.words["alt_curve"].format(**told)),
            points=" ".join(f"{x:.3f},{1 - y:.3f}" for x, y in places),
            name=html.escape(self.words["caption_curve"].format(**told)),
        )

    # -- what the page sends ------------------------------------------------------------------------------------------
    def _tick(self, _: Any) -> None:
        if not self.tick(_DUTY * self.ticker.interval / 1000):
            self._follow()
            return
        wanted = min(_LONGEST_S, max(INTERVAL_S, self._step_s / _DUTY))
        if not 0.8 < 1000 * wanted / self.ticker.interval < 1.25:
            self.ticker.interval = round(1000 * wanted)

    def _play_or_pause(self) -> None:
        if self.state == "playing":
            self.pause()
        else:
            self.play()

    # -- where there is no kernel -------------------------------------------------------------------------------------
    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.recipe.name} at step {self.trainer.step}>"

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Widgets for where there is a kernel, a PNG for where there is none, and a text that every run repeats."""
        with self.lock, computing(self.threads):
            bundle: dict[str, Any] = {
                "text/plain": repr(self),
                "image/png": base64.b64encode(self.picture()).decode(),
            }
            alt = self.alt()
        if not self.closed:
            view = {"version_major": 2, "version_minor": 0, "model_id": self.box.model_id}
            bundle["application/vnd.jupyter.widget-view+json"] = view
        return bundle, {"image/png": {"alt": alt}}


def describe(widget: Any, text: str, tip: str) -> None:
    """Give a control its label and what it does."""
    widget.description = text
    setattr(widget, trait_of(widget, "tooltip", "description_tooltip"), tip)
    widget.style.description_width = "initial"
    widget.layout.width = "min(480px, 100%)"
