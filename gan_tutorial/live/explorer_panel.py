"""The latent explorer's face: core ipywidgets, of version 7.7 or 8, that set an explorer and show what it makes.

A page sends no further move of a slider before the last one is answered, so moves don't queue up.
"""

from __future__ import annotations

import base64
import html
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from gan_tutorial import plots
from gan_tutorial.errors import InputError
from gan_tutorial.live.explore import _control
from gan_tutorial.live.panel import trait_of

if TYPE_CHECKING:
    from gan_tutorial.live.explorer import Explorer

SEEDS = 2**31 - 1  # the largest
GROUP = 5  # principal directions that have sliders at once
_THUMB, _MOVIE = 96, 256  # pixels of a pinned image's and of the animation's side, about
_LABEL, _WIDTH = "9.5em", "min(420px, 100%)"

_STYLE = """<style>
.gan-explorer .explorer-picture { border: 1px solid #8886; border-radius: 6px; box-sizing: border-box; display: block;
  image-rendering: pixelated; max-width: 100%; height: auto; }
.gan-explorer .explorer-line { line-height: 1.5; font-size: 13px; color: var(--jp-ui-font-color1, inherit); }
.gan-explorer .explorer-link { color: var(--jp-content-link-color, #1a73e8); font-size: 13px; }
.gan-explorer .explorer-line + .explorer-link { margin-left: 1em; }
.gan-explorer .explorer-error { display: block; border-left: 4px solid #D55E00; padding: 2px 10px; }
.gan-explorer pre { margin: 4px 0; padding: 8px 12px; font-size: 12px; line-height: 1.4; white-space: pre;
  overflow: auto; color: var(--jp-ui-font-color1, inherit); border: 1px solid #8886; border-radius: 6px;
  user-select: text; }
</style>"""
_IMAGE = """<img class="explorer-picture" alt="{alt}" width="{width}" height="{height}" decoding="sync"
 src="data:image/{format};base64,{data}">"""
_LINK = '<a class="explorer-link" download="{name}" href="data:image/{format};base64,{data}">{text}</a>'
_LINE = '<span class="explorer-line {kind}" role="status">{text}</span>'


class ExplorerPanel:
    """The widgets of one explorer. `box` is what is shown; each widget has a CSS class (`explorer-seed`, ...).

    `controls` has the settings' widgets by name, `buttons` the buttons, `group` chooses which directions are shown.
    """

    def __init__(self, explorer: Explorer) -> None:
        self.explorer, self.words = explorer, explorer.words
        self._following = False
        self._widgets: list[Any] = []
        self._pin_widgets: list[Any] = []
        self.controls = {
            name: self._control(name, setting) for name, setting in explorer.settings.items() if name != "noise_seed"
        }
        self._groups = [explorer.principal[i : i + GROUP] for i in range(0, len(explorer.principal), GROUP)]
        self.group = self._group_control()
        self.buttons = {
            "random": self._button("random", lambda: explorer.set(seed=secrets.randbelow(10_000))),
            "reset": self._button("reset", explorer.reset),
            "pin": self._button("pin", explorer.pin),
            "gif": self._button("gif", self._animate),
            "code": self._button("code", self._toggle_code),
        }
        self.picture, self.line, self.listing, self.movie, self.pin_title = (
            self._make(widgets.HTML, f"explorer-{name}") for name in ("view", "said", "listing", "movie", "pins-title")
        )
        self.pin_title.value = f'<div class="explorer-line">{self.words["pinned"]}</div>'
        self.pins = self._make(widgets.HBox, "explorer-pins", layout={"flex_flow": "row wrap"})
        for hidden in (self.listing, self.movie, self.pin_title):
            hidden.layout.display = "none"
        wrap = {"flex_flow": "row wrap", "align_items": "center"}
        left = [
            self.picture,
            self.line,
            self._make(widgets.HBox, "explorer-buttons", children=list(self.buttons.values()), layout=wrap),
        ]
        wide, narrow = {"flex": "1 1 300px", "max_width": "440px"}, {"margin": "0 16px 8px 0"}
        narrow["max_width"] = f"{explorer.size + 24}px"
        columns = [
            self._make(widgets.VBox, "explorer-left", children=left, layout=narrow),
            self._make(widgets.VBox, "explorer-controls", children=self._column(), layout=wide),
        ]
        rows = [
            self._make(widgets.HBox, "explorer-main", children=columns, layout={"flex_flow": "row wrap"}),
            self.pin_title,
            self.pins,
            self.movie,
            self.listing,
            self._make(widgets.HTML, "explorer-style", value=_STYLE, layout={"display": "none"}),
        ]
        self.box = self._make(widgets.VBox, "gan-explorer", children=rows)
        self._show_group()
        self.show()

    def show(self) -> None:
        """Bring the page up to date with the settings. What can fail comes first."""
        values, name = self.explorer.values, self.explorer.name
        picture, scale = self.explorer.picture()
        data = base64.b64encode(plots.png(picture)).decode()
        alt = self.explorer.told("alt")
        self.picture.value = _image(alt, picture.width * scale, picture.height * scale, data)
        link = _link(f"{name}-seed-{values['seed']}.png", data, self.words["save_png"])
        self.line.value = _LINE.format(kind="", text=html.escape(self.explorer.told("caption"))) + link
        if self.listing.layout.display != "none":
            self._list_code()
        self._following = True
        try:
            for setting, control in self.controls.items():
                wanted = values[setting]
                there = abs(control.value - wanted) < 1e-6 if isinstance(wanted, float) else control.value == wanted
                if not there:  # what a hand holds is left alone
                    control.value = wanted
        finally:
            self._following = False

    def say(self, text: str, kind: str = "") -> None:
        """Put one line below the picture."""
        self.line.value = _LINE.format(kind=kind, text=html.escape(text))

    def show_pins(self) -> None:
        """Bring the row of pinned images up to date."""
        earlier, before = self._pin_widgets, self._widgets
        self._widgets = []
        self.pins.children = [self._pinned(i) for i in range(len(self.explorer.pins))]
        self._pin_widgets = self._widgets
        self._widgets = [widget for widget in before if widget not in earlier] + self._pin_widgets
        self.pin_title.layout.display = None if self.explorer.pins else "none"
        for widget in earlier:
            widget.close()

    def close(self) -> None:
        """Take the widgets out of the page."""
        for widget in self._widgets:
            widget.close()

    # -- widgets -----------------------------------------------------------------------------------------------------
    def _make(self, kind: type[Any], css: str, **options: Any) -> Any:
        widget = kind(**options)
        widget.add_class(css)
        self._widgets.append(widget)
        return widget

    def _control(self, name: str, setting: Any) -> Any:
        if name == "grid":
            control: Any = widgets.Checkbox(value=setting.default, indent=False)
        elif hasattr(setting, "options"):
            texts = self.words["noises"] if name == "noise" else {}
            options = [(texts.get(value, value), value) for value in setting.options]
            control = widgets.Dropdown(options=options, value=setting.default)
        elif setting.high == SEEDS:
            control = widgets.BoundedIntText(min=0, max=SEEDS, value=setting.default)
        else:
            control = _control(name, (setting.low, setting.high, setting.step), setting.default)
        if name in self.explorer.principal:
            text = self.words["direction"].format(n=self.explorer.principal.index(name) + 1)
        else:
            text = self.words["names"].get(name, name.replace("_", " "))
        self._describe(control, text, self.words["tips"].get(name, self.words["direction_tip"]))
        control.add_class(f"explorer-{name.replace('_', '-')}")
        control.observe(lambda change: self._moved(name, change["new"]), "value")
        self._widgets.append(control)
        return control

    def _describe(self, control: Any, text: str, tip: str) -> None:
        control.description = text
        setattr(control, trait_of(control, "tooltip", "description_tooltip"), tip)
        if not isinstance(control, widgets.Checkbox):
            control.style.description_width, control.layout.width = _LABEL, _WIDTH

    def _group_control(self) -> Any:
        """Which of the principal directions have their sliders shown."""
        control = self._make(widgets.Dropdown, "explorer-group")
        self._describe(control, self.words["group"], self.words["group_tip"])
        said, firsts = self.words["group_value"], range(1, len(self.explorer.principal) + 1, GROUP)
        control.options = [
            (said.format(first=first, last=first + len(group) - 1), i)
            for i, (first, group) in enumerate(zip(firsts, self._groups, strict=True))
        ]
        control.value = 0
        control.layout.display = None if len(self._groups) > 1 else "none"
        control.observe(lambda _: self._show_group(), "value")
        return control

    def _column(self) -> list[Any]:
        """The controls from top to bottom."""
        column: list[Any] = []
        for name, control in self.controls.items():
            if name == self.explorer.principal[0]:
                column.append(self.group)
            column.append(control)
            if name == "noise":
                self.buttons["new_noise"] = button = self._button("new_noise", self._draw_noise)
                button.layout.align_self, button.layout.margin = "flex-start", f"2px 2px 2px calc({_LABEL} + 8px)"
                column.append(button)
        return column

    def _button(self, name: str, action: Callable[[], Any], **told: Any) -> Any:
        text, tip = self.words[name], self.words[f"{name}_tip"].format(**told)
        button = self._make(widgets.Button, f"explorer-{name.replace('_', '-')}", description=text, tooltip=tip)
        button.layout.width = "auto"
        button.on_click(lambda _: self._do(action))
        return button

    def _pinned(self, i: int) -> Any:
        """A pinned image with its buttons."""
        image, told = self.explorer.pins[i].image, {"n": i + 1, "seed": self.explorer.pins[i].values["seed"]}
        data = base64.b64encode(plots.png(plots.image_grid(image, scale=1, gap=0))).decode()
        width = self.explorer.scale(_THUMB) * image.shape[3]
        height = width * image.shape[2] // image.shape[3]
        picture = self._make(widgets.HTML, "explorer-pin-picture")
        picture.value = _image(self.words["alt_pin"].format(**told), width, height, data)
        picture.layout.width = f"{min(width, 2 * _THUMB)}px"
        buttons = [
            self._button("recall", lambda: self.explorer.recall(i), **told),
            self._button("unpin", lambda: self.explorer.unpin(i), **told),
        ]
        column = self._make(widgets.VBox, "explorer-pin-buttons", children=buttons)
        return self._make(widgets.HBox, "explorer-pinned", children=[picture, column])

    # -- what happens when they are used -----------------------------------------------------------------------------
    def _moved(self, name: str, value: Any) -> None:
        if not self._following:
            self._do(lambda: self.explorer.set(**{name: value}))

    def _do(self, action: Callable[[], Any]) -> None:
        with self.explorer.lock:
            try:
                action()
            except Exception as error:  # it would be lost in a log: nobody waits for an answer to a moved slider
                line = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
                self.say(line.splitlines()[0], "explorer-error")

    def _draw_noise(self) -> None:
        self.explorer.set(noise="random", noise_seed=self.explorer.values["noise_seed"] + 1)

    def _show_group(self) -> None:
        for i, group in enumerate(self._groups):
            for name in group:
                self.controls[name].layout.display = None if i == self.group.value else "none"

    def _animate(self) -> None:
        self.say(self.words["animating"])
        content = self.explorer.animation()
        data = base64.b64encode(content).decode()
        _, height, width = (side * self.explorer.scale(_MOVIE) for side in self.explorer.generator.sample_shape)
        link = _link(f"{self.explorer.name}.gif", data, self.words["save_gif"], "gif")
        self.movie.value = _image(self.words["alt_gif"], width, height, data, "gif") + f"<div>{link}</div>"
        self.movie.layout.display = None
        self.show()

    def _toggle_code(self) -> None:
        hidden = self.listing.layout.display == "none"
        if hidden:
            self._list_code()
        self.listing.layout.display = None if hidden else "none"

    def _list_code(self) -> None:
        note = f'<div class="explorer-line">{self.words["copying"]}</div>' if self.explorer.values["grid"] else ""
        self.listing.value = f"{note}<pre>{html.escape(self.explorer.code())}</pre>"


def _image(alt: str, width: int, height: int, data: str, kind: str = "png") -> str:
    return _IMAGE.format(alt=html.escape(alt), width=width, height=height, format=kind, data=data)


def _link(name: str, data: str, text: str, kind: str = "png") -> str:
    return _LINK.format(name=html.escape(name), format=kind, data=data, text=text)
