"""A figure that follows its sliders: what a notebook shows where no training is needed."""

from __future__ import annotations

import base64
import html
import inspect
import io
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

import ipywidgets as widgets
from PIL import Image

from gan_tutorial import plots
from gan_tutorial.errors import InputError, require
from gan_tutorial.live.lab import replace_earlier

# Pixels of a figure's inch in the page; a figure is drawn with twice as many, for screens that show them.
DPI = 100
_IMAGE = """<img class="explore-picture" alt="{alt}" width="{width}" height="{height}" decoding="sync"
 style="max-width: 100%; height: auto; border: 1px solid #8886; border-radius: 6px; box-sizing: border-box"
 src="data:image/png;base64,{png}">"""
_LINE = '<div class="explore-{kind}" role="status">{text}</div>'


class Explore:
    """Shows what `draw` makes of the values of its controls, and draws again whenever one of them moves.

    Running a cell again closes what it made before. If `draw` fails, the picture stays and the error stands below it.

    Args:
        draw: called with one keyword argument per control; returns a matplotlib Figure or a Pillow image, or a pair of
            that and one line of HTML to stand below it. The defaults of its parameters are where the controls begin.
        alt: what there is to see, for those who can't.
        controls: by the name of draw's parameter: (low, high) or (low, high, step) for a slider (whole numbers if all
            are), a list for a choice. A parameter whose default is True or False and that has no control gets a tick
            box.

    Raises :class:`~gan_tutorial.errors.InputError` for a control that draw has no parameter for, or one without a
    default inside its range; and whatever `draw` raises for the defaults.
    """

    def __init__(self, draw: Callable[..., Any], *, alt: str, **controls: Any) -> None:
        require(isinstance(alt, str) and bool(alt.strip()), "alt", alt, "a sentence that says what there is to see")
        self.draw, self.alt, self.closed = draw, alt, False
        defaults = {name: p.default for name, p in inspect.signature(draw).parameters.items()}
        for name in controls:
            require(name in defaults, name, controls[name], f"a control for one of: {', '.join(defaults)}")
        self.controls: dict[str, Any] = {
            name: _control(name, controls.get(name), default)
            for name, default in defaults.items()
            if name in controls or isinstance(default, bool)
        }
        self._png, self._size, self._line = self._made()
        self._picture, self._text = widgets.HTML(), widgets.HTML()
        for name, control in self.controls.items():
            control.add_class(f"explore-{name.replace('_', '-')}")
            control.observe(self._moved, "value")
        self._inputs = widgets.VBox(list(self.controls.values()))
        self.box = widgets.VBox([self._inputs, self._picture, self._text])
        self.box.add_class("gan-explore")
        self._show()
        replace_earlier(self)

    @property
    def values(self) -> dict[str, Any]:
        """What the controls say, by name."""
        return {name: control.value for name, control in self.controls.items()}

    def set(self, **values: Any) -> None:
        """Move controls by name, as a hand would, and draw once.

        Raises :class:`~gan_tutorial.errors.InputError` if one of the values can't be; then none is changed.
        """
        for name, value in values.items():
            require(name in self.controls, name, value, f"a value for one of: {', '.join(self.controls)}")
            _require_possible(name, value, self.controls[name])
        for name, value in values.items():
            control = self.controls[name]
            control.unobserve(self._moved, "value")
            control.value = value
            control.observe(self._moved, "value")
        self._png, self._size, self._line = self._made()
        self._show()

    def close(self) -> None:
        """Take the widgets out of the page."""
        self.closed = True
        for widget in (*self.controls.values(), self._inputs, self._picture, self._text, self.box):
            widget.close()

    def _moved(self, _: Any) -> None:
        try:
            self._png, self._size, self._line = self._made()
        except Exception as error:  # it would be lost in a log: nobody waits for an answer to a moved slider
            line = f"{type(error).__name__}: {error}".splitlines()[0]
            self._text.value = _LINE.format(kind="error", text=html.escape(line))
        else:
            self._show()

    def _made(self) -> tuple[bytes, tuple[int, int], str]:
        """The picture's PNG, its width and height in the page, and the line below it."""
        made = self.draw(**self.values)
        picture, line = made if isinstance(made, tuple) else (made, "")
        if isinstance(picture, Image.Image):
            return plots.png(picture), picture.size, line
        buffer = io.BytesIO()
        picture.savefig(buffer, format="png", dpi=2 * DPI)
        image = (
            Image.open(buffer).convert("RGB").quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        )
        return plots.png(image), (image.width // 2, image.height // 2), line

    def _show(self) -> None:
        (width, height), png = self._size, base64.b64encode(self._png).decode()
        self._picture.value = _IMAGE.format(alt=html.escape(self.alt), width=width, height=height, png=png)
        self._text.value = _LINE.format(kind="line", text=self._line) if self._line else ""

    def __repr__(self) -> str:
        return f"<Explore {', '.join(f'{name}={value}' for name, value in self.values.items())}>"

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Widgets for where there is a kernel, a PNG for where there is none, and a text that every run repeats."""
        bundle: dict[str, Any] = {"text/plain": repr(self), "image/png": base64.b64encode(self._png).decode()}
        if not self.closed:
            view = {"version_major": 2, "version_minor": 0, "model_id": self.box.model_id}
            bundle["application/vnd.jupyter.widget-view+json"] = view
        width, height = self._size
        return bundle, {"image/png": {"width": width, "height": height, "alt": self.alt}}


def _control(name: str, values: Any, default: Any) -> Any:
    label = {"description": name.replace("_", " "), "style": {"description_width": "initial"}}
    if values is None:
        return widgets.Checkbox(value=default, indent=False, **label)
    if isinstance(values, list):
        require(default in values, name, default, f"a default among {values}")
        return widgets.Dropdown(options=values, value=default, **label)
    if not (isinstance(values, tuple) and len(values) in (2, 3) and all(isinstance(v, Real) for v in values)):
        raise InputError(f"{name}: {values!r} is not allowed; give (low, high), (low, high, step) or a list")
    low, high = values[:2]
    require(low < high and all(step > 0 for step in values[2:]), name, values, "low < high, and a step above 0")
    inside = isinstance(default, Real) and not isinstance(default, bool) and low <= default <= high
    require(inside, name, None if default is inspect.Parameter.empty else default, f"a default from {low} to {high}")
    layout = widgets.Layout(width="min(480px, 100%)")
    if all(isinstance(v, Integral) for v in (*values, default)):
        step = values[2] if len(values) == 3 else 1
        return widgets.IntSlider(value=default, min=low, max=high, step=step, layout=layout, **label)
    step = values[2] if len(values) == 3 else (high - low) / 100
    return widgets.FloatSlider(
        value=default, min=low, max=high, step=step, layout=layout, readout_format=".3g", **label
    )


def _require_possible(name: str, value: Any, control: Any) -> None:
    """A slider would silently stop at its end, and a choice raise an error of the widgets' own."""
    if isinstance(control, widgets.Checkbox):
        require(isinstance(value, bool), name, value, "True or False")
    elif isinstance(control, widgets.Dropdown):
        require(value in control.options, name, value, f"one of {list(control.options)}")
    else:
        whole = isinstance(control, widgets.IntSlider)
        kind, said = (Integral, "a whole number") if whole else (Real, "a number")
        possible = isinstance(value, kind) and not isinstance(value, bool) and control.min <= value <= control.max
        require(possible, name, value, f"{said} from {control.min} to {control.max}")


def _show_bare_figures() -> None:
    """Have a notebook show a Figure that is a cell's last value: by itself it does so only once pyplot was imported."""
    try:
        from IPython import get_ipython
    except ImportError:
        return
    shell = get_ipython()
    if shell is not None and "matplotlib.figure.Figure" not in (png := shell.display_formatter.formatters["image/png"]):
        png.for_type_by_name("matplotlib.figure", "Figure", plots.png)


_show_bare_figures()
