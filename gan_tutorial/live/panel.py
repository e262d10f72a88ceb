"""The lab's face: core ipywidgets, of version 7.7 or 8, that send commands to a session and show its frames.

Nothing here runs by itself. While the lab plays, a hidden `Play` counter in the page ticks; each tick trains one burst
and answers with one picture. When the page is gone, so are the ticks.
"""

from __future__ import annotations

import html
import time
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from gan_tutorial.algorithms.gan import OPTIMIZERS
from gan_tutorial.errors import InputError
from gan_tutorial.live.frame import Frame
from gan_tutorial.live.session import Session
from gan_tutorial.live.ticker import Ticker
from gan_tutorial.live.view import WIDTH, describe, paint
from gan_tutorial.live.words import words
from gan_tutorial.losses import LOSSES

# Seconds between two ticks of the page: short for a smooth picture, long where a step takes more than _SLOW_S, so that
# there are several of them for each picture.
INTERVAL_S, SLOW_INTERVAL_S, _SLOW_S = 0.1, 0.25, 0.025
_DUTY = 0.8  # of the interval may be spent in the kernel, so that sliders and cells are heard

_STYLE = """<style>
.gan-lab { --lab-ink: var(--jp-ui-font-color1, #333); --lab-line: var(--jp-border-color2, #ccc); }
.gan-lab .lab-picture { border-radius: 6px; border: 1px solid var(--lab-line); box-sizing: border-box; }
.gan-lab .lab-status, .gan-lab .lab-legend, .gan-lab .lab-message { line-height: 1.5; }
.gan-lab .lab-numbers { display: flex; flex-wrap: wrap; gap: 0 1.4em; font-variant-numeric: tabular-nums;
  color: var(--lab-ink); }
.gan-lab .lab-numbers b { font-weight: 600; }
.gan-lab .lab-listing pre { max-height: 420px; overflow: auto; white-space: pre; padding: 8px 12px;
  font-size: 12px; line-height: 1.4;
  color: var(--lab-ink); border: 1px solid var(--lab-line); border-radius: 6px; user-select: text; }
.gan-lab .lab-legend div { color: var(--jp-ui-font-color2, #666); }
.gan-lab .lab-message [role=alert] { border-left: 4px solid #D55E00; padding: 2px 10px; color: var(--lab-ink); }
</style>"""


class Panel:
    """The widgets of one lab. `box` is what is shown; each widget has a stable CSS class (`lab-play`, `lab-lr-d`, ...).

    Sliders exist for those settings that the session's algorithm has.
    """

    def __init__(self, session: Session, language: str = "en") -> None:
        self.session, self.words = session, words(language)
        self.closed = False
        self._following = False
        self._overhead_s = 0.0
        self._made: list[Any] = []

        self.ticker = self._make(Ticker, "lab-tick", interval=round(1000 * INTERVAL_S))
        self.ticker.drive(self._tick, lambda: session.state == "playing", self._play_or_pause)
        self.play = self._button("lab-play", "play", self._play_or_pause, icon="play", button_style="primary")
        self.step_d = self._button("lab-step-d", "step_d", lambda: self.show(session.step_discriminator()))
        self.step_g = self._button("lab-step-g", "step_g", lambda: self.show(session.step_generator()))
        self.reset = self._button("lab-reset", "reset", lambda: self.show(session.reset()), icon="undo")
        self.picture = self._make(widgets.Image, "lab-picture", format="jpeg", width=str(WIDTH))
        self.picture.layout.max_width, self.picture.layout.height = "100%", "auto"
        self.code = self._button("lab-code", "code", self._show_code, icon="code")
        self.listing = self._make(widgets.HTML, "lab-listing", layout={"display": "none"})
        self.status = self._make(widgets.HTML, "lab-status")
        self.message = self._make(widgets.HTML, "lab-message")

        rate = {"base": 10, "min": -5, "max": -1, "step": 0.02, "readout_format": ".1e"}
        self.settings: dict[str, Any] = {}
        self._setting(widgets.FloatLogSlider, "lr_d", **rate)
        self._setting(widgets.FloatLogSlider, "lr_g", **rate)
        self._setting(widgets.IntSlider, "n_critic", min=0, max=10)
        self._setting(widgets.IntSlider, "g_steps", min=0, max=10)
        self._setting(widgets.Dropdown, "loss", options=list(LOSSES))
        self._setting(widgets.Dropdown, "optimizer", options=list(OPTIMIZERS))

        legend = self.words["legend"]
        if not session.trainer.dataset.is_image:
            legend += " · " + self.words["legend_map"]
        row = {"flex_flow": "row wrap", "align_items": "center"}
        self.history = self._make(
            widgets.IntSlider, "lab-history", max=0, readout=False, description=self.words["history"]
        )
        self.history.layout.width, self.history.style.description_width = "calc(100% - 12px)", "60px"
        setattr(self.history, trait_of(self.history, "tooltip", "description_tooltip"), self.words["history_tip"])
        self.history.observe(self._travel, "value")
        self.play.layout.display = None if self.ticker.needs_button else "none"
        buttons = [self.play, self.step_d, self.step_g, self.reset, self.code]
        rows = [
            self._make(widgets.HBox, "lab-buttons", children=[*buttons, self.ticker], layout=row),
            self.picture,
            self.history,
            self.status,
            self.message,
            self._make(widgets.HBox, "lab-settings", children=list(self.settings.values()), layout=row),
            self.listing,
            self._make(widgets.HTML, "lab-legend", value=f"<div>{legend}</div>{_STYLE}"),
        ]
        self.box = self._make(widgets.VBox, "gan-lab", children=rows, layout={"max_width": f"{WIDTH + 8}px"})
        self._frame = session.frame()
        self.show(self._frame)

    def show(self, frame: Frame | None = None) -> None:
        """Bring the page up to date with the session, and its picture with `frame` if there is a new one."""
        if frame is not None:
            self._frame = frame
            self.picture.value = paint(frame)
        self.status.value = _numbers(self._frame, vars(self.session.trainer.settings), self.words)
        self._follow_history()
        playing = self.session.state == "playing"
        self.ticker.turn(playing)
        self.play.description = self.words["pause" if playing else "play"]
        self.play.icon = "pause" if playing else "play"
        self.play.disabled = self.step_d.disabled = self.step_g.disabled = self.session.state == "failed"
        text = self.session.message
        self.message.layout.display = None if text else "none"
        self.message.value = f'<div role="alert">{html.escape(text)}</div>' if text else ""

    def _follow_history(self) -> None:
        self._following = True
        try:
            self.history.max = len(self.session.history) - 1
            self.history.value = self.session.history.position
            self.history.disabled = self.history.max == 0
        finally:
            self._following = False

    def show_settings(self) -> None:
        """Move the sliders to the settings in force, as far as they reach."""
        self._following = True
        try:
            for name, widget in self.settings.items():
                widget.value = getattr(self.session.trainer.settings, name)
        finally:
            self._following = False

    def show_pinned(self) -> None:
        """Nothing to do: this face shows one run."""

    def close(self) -> None:
        """Take the widgets out of the page and the kernel. The session pauses."""
        self.session.pause()
        self.closed = True
        made, self._made = self._made, []
        for widget in made:
            for part in (getattr(widget, "style", None), widget.layout, widget):
                if part is not None:
                    part.close()

    # -- what the page sends ------------------------------------------------------------------------------------------
    def _tick(self, change: dict[str, Any]) -> None:
        started, budget = time.perf_counter(), max(0.0, _DUTY * self.ticker.interval / 1000 - self._overhead_s)
        frame = self.session.tick(budget)
        self.show(frame)
        if frame is not None:  # the next burst leaves time for a picture that takes as long as this one
            self._overhead_s = max(0.0, time.perf_counter() - started - budget)
            self.ticker.interval = round(1000 * (SLOW_INTERVAL_S if self.session.step_s > _SLOW_S else INTERVAL_S))

    def _travel(self, change: dict[str, Any]) -> None:
        if not self._following:
            frame = self.session.go(change["new"])
            self.show_settings()
            self.show(frame)

    def _show_code(self) -> None:
        """Show the run so far as a script, or hide it again."""
        shown = self.listing.layout.display is None
        try:
            text = "" if shown else self.session.script()
        except InputError as error:
            self.session.message, text = str(error), ""
        self.listing.value = f"<pre>{html.escape(text)}</pre>" if text else ""
        self.listing.layout.display = None if text else "none"
        self.show()

    def _play_or_pause(self) -> None:
        if self.session.state == "playing":
            self.session.pause()
        else:
            self.session.play()
        self.show()

    def _set(self, name: str, value: Any) -> None:
        if not self._following:
            self.session.set(name, value)
            self.show()

    # -- making widgets -----------------------------------------------------------------------------------------------
    def _make(self, kind: type, css_class: str, **traits: Any) -> Any:
        widget = kind(**traits)
        widget.add_class(css_class)
        self._made.append(widget)
        return widget

    def _button(self, css_class: str, word: str, command: Callable[[], None], **traits: Any) -> Any:
        button = self._make(
            widgets.Button,
            css_class,
            description=self.words[word],
            tooltip=self.words[f"{word}_tip"],
            layout={"width": "92px"},
            **traits,
        )
        button.on_click(lambda _: command())
        return button

    def _setting(self, kind: type, name: str, **traits: Any) -> None:
        settings = self.session.trainer.settings
        if not hasattr(settings, name):
            return
        widget = self._make(
            kind,
            f"lab-{name.replace('_', '-')}",
            value=getattr(settings, name),
            description=self.words["names"][name],
            style={"description_width": "130px"},
            layout={"width": "356px"},
            **traits,
        )
        setattr(widget, trait_of(widget, "tooltip", "description_tooltip"), self.words["tips"][name])
        widget.observe(lambda change: self._set(name, change["new"]), "value")
        self.settings[name] = widget


def trait_of(widget: Any, since_8: str, before: str) -> str:
    """The name that this version of ipywidgets has for a trait."""
    return since_8 if widget.has_trait(since_8) else before


def _numbers(frame: Frame, settings: dict[str, Any], words: dict[str, Any]) -> str:
    """The status line. Its `data-` attributes tell the settings that the training uses; its label says what the picture
    shows, because an image widget can't: a tooltip breaks it in ipywidgets 8."""
    shown = {"step": f"{frame.step:,}", "d_loss": f"{frame.d_loss:.3f}", "g_loss": f"{frame.g_loss:.3f}"}
    if frame.modes:
        shown["modes"] = words["modes_value"].format(covered=frame.modes[0], all=frame.modes[1])
    spans = [f"<span>{words[name]} <b>{'–' if value == 'nan' else value}</b></span>" for name, value in shown.items()]
    if frame.steps_per_second:
        spans.append(f"<span><b>{frame.steps_per_second:,.0f}</b> {words['speed']}</span>")
    attributes = {"role": "group", "aria-label": describe(frame), "data-step": frame.step}
    attributes |= {f"data-{name.replace('_', '-')}": value for name, value in settings.items()}
    written = " ".join(f'{name}="{html.escape(str(value))}"' for name, value in attributes.items())
    return f'<div class="lab-numbers" {written}>{"".join(spans)}</div>'
