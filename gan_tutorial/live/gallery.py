"""The zoo as a gallery: a card for each model, and filters that say which are shown."""

from __future__ import annotations

import base64
import html
import threading
from pathlib import Path
from typing import Any

import ipywidgets as widgets
from PIL import Image, ImageDraw, ImageFont

from gan_tutorial import plots, zoo
from gan_tutorial.errors import InputError, require, unknown
from gan_tutorial.live.lab import replace_earlier
from gan_tutorial.live.panel import trait_of
from gan_tutorial.live.words import GALLERY, words
from gan_tutorial.zoo import Entry
from gan_tutorial.zoo.cards import columns, digits, how_many, with_spread

WIDEST = 2  # times its height: of a wider sheet, the page shows this much at once
# Of the still picture: pixels that a sheet is wide and high at most, sheets in a row, pixels between them.
WIDTH, HEIGHT, COLUMNS, GAP = 264, 133, 3, 12
ALL = ""  # what a menu's first choice has for a value: None would be shown as no choice at all
_FILTERS = ("data", "architecture", "conditional", "text")

_STYLE = """<style>
.gan-gallery .gallery-card { border: 1px solid #8886; border-radius: 8px; margin: 0 12px 12px 0; overflow: hidden;
  width: min(300px, 100%); }
.gan-gallery .gallery-card .widget-html-content { line-height: 1.4; height: auto; font-size: 13px; width: 100%;
  color: var(--jp-ui-font-color1, inherit); }
.gan-gallery .gallery-window { overflow-x: auto; }
.gan-gallery .gallery-sheet { display: block; max-width: none; height: auto; }
.gan-gallery pre.gallery-sheet { margin: 0; padding: 8px 12px; max-height: 132px; overflow-y: auto; color: inherit;
  background: #8882; white-space: pre; font-size: 12px; line-height: 1.5; }
.gan-gallery .gallery-text { padding: 8px 12px; }
.gan-gallery .gallery-name { font-weight: bold; font-size: 15px; }
.gan-gallery table { border-collapse: collapse; margin: 6px 0; font-size: inherit; color: inherit; }
.gan-gallery th { text-align: left; font-weight: normal; opacity: 0.75; padding: 1px 10px 1px 0; vertical-align: top; }
.gan-gallery td { text-align: left; padding: 1px 0; }
.gan-gallery code { display: block; user-select: text; padding: 2px 6px; overflow-x: auto; white-space: pre;
  color: inherit; background: #8882; border-radius: 4px; margin: 2px 0; }
.gan-gallery summary { display: list-item; cursor: pointer; }
.gan-gallery .gallery-count { line-height: 1.5; font-size: 13px; color: var(--jp-ui-font-color1, inherit); }
.gan-gallery .gallery-error { border-left: 4px solid #D55E00; padding: 2px 10px; }
</style>"""
_PICTURE = """<div class="gallery-window" tabindex="0"><img class="gallery-sheet" alt="{alt}" style="width: {wide}%"
 src="data:image/webp;base64,{sheet}"></div>"""
_TEXTS = """<div class="gallery-window"><pre class="gallery-sheet" tabindex="0" aria-label="{alt}"
 style="columns: {columns}">{texts}</pre></div>"""
_CARD = """{sheet}
<div class="gallery-text"><div class="gallery-name">{name}</div><div lang="en">{summary}</div>
<table>{rows}</table><code>{load}</code><code>{use}</code>
<details><summary>{failures_title}</summary><div lang="en">{failures}</div></details></div>"""
_ROW = '<tr><th scope="row">{name}</th><td>{value}</td></tr>'
_LINE = '<div class="gallery-count {kind}" role="status">{text}</div>'


class Gallery:
    """Shows the pretrained models, each with its samples and what was measured: `display(gallery)`.

    Filters narrow the choice, by hand or as `gallery.set(data="avatars")`. Running a cell again closes what it made
    before.

    Args:
        data: a data set's name: only models that were trained on it.
        architecture: a name in :data:`gan_tutorial.models.MODELS`: only models of it.
        conditional: True: only models that take a class; False: only those that take none.
        text: only models whose name, summary, data, architecture or classes contain each of these words.
        language: of the words in the page: "en" or "zh".

    Attributes:
        entries: all models of the zoo, :class:`gan_tutorial.zoo.Entry`, by name.

    Raises :class:`~gan_tutorial.errors.InputError` for a filter that can't be.
    """

    def __init__(
        self,
        *,
        data: str | None = None,
        architecture: str | None = None,
        conditional: bool | None = None,
        text: str = "",
        language: str = "en",
    ) -> None:
        self.words = words(language, GALLERY)
        self.entries = zoo.list()
        self.closed, self._following, self._lock = False, False, threading.RLock()
        self._values: dict[str, Any] = dict.fromkeys(_FILTERS) | {"text": ""}
        self._checked({"data": data, "architecture": architecture, "conditional": conditional, "text": text})
        self.controls: dict[str, Any] = {name: self._control(name) for name in _FILTERS}
        self.reset_button = widgets.Button(description=self.words["reset"], tooltip=self.words["reset_tip"])
        self.reset_button.layout.width = "auto"
        self.reset_button.add_class("gallery-reset")
        self.reset_button.on_click(lambda _: self.reset())
        self.line = widgets.HTML()
        self.cards = {entry.name: self._card(entry) for entry in self.entries}
        self._style = widgets.HTML(_STYLE, layout={"display": "none"})
        row = {"flex_flow": "row wrap", "align_items": "center"}
        self._filters = widgets.HBox([*self.controls.values(), self.reset_button], layout=row)
        self._all = widgets.HBox(list(self.cards.values()), layout=row | {"align_items": "stretch"})
        self.box = widgets.VBox([self._filters, self.line, self._all, self._style])
        self.box.add_class("gan-gallery")
        self.set(data=data, architecture=architecture, conditional=conditional, text=text)
        replace_earlier(self)

    @property
    def values(self) -> dict[str, Any]:
        """The filters by name; None, or an empty text, filters nothing."""
        return dict(self._values)

    @property
    def shown(self) -> tuple[Entry, ...]:
        """The models that the filters let through."""
        return tuple(entry for entry in self.entries if self._fits(entry))

    def set(self, **filters: Any) -> None:
        """Change filters by name, as a hand would; None takes one away.

        Raises :class:`~gan_tutorial.errors.InputError` if one of them can't be; then none is changed.
        """
        with self._lock:
            self._checked(filters)
            self._values.update(filters)
            self._show()

    def reset(self) -> None:
        """Show all models."""
        self.set(data=None, architecture=None, conditional=None, text="")

    def close(self) -> None:
        """Take the widgets out of the page."""
        self.closed = True
        parts = (*self.controls.values(), *self.cards.values(), self.reset_button, self.line, self._style)
        for widget in (*parts, self._filters, self._all, self.box):
            widget.close()

    # -- filters -----------------------------------------------------------------------------------------------------
    def _options(self, name: str) -> list[Any]:
        """The values of a filter that some model has."""
        return sorted({entry.recipe.data if name == "data" else entry.recipe.model for entry in self.entries})

    def _checked(self, filters: dict[str, Any]) -> None:
        for name, value in filters.items():
            if name not in _FILTERS:
                raise unknown("filter", name, _FILTERS)
            if name == "text":
                require(isinstance(value, str), name, value, "words to look for")
            elif name == "conditional":
                require(value is None or isinstance(value, bool), name, value, "True, False or None")
            elif value is not None and value not in self._options(name):
                raise unknown(name, value, self._options(name))

    def _fits(self, entry: Entry) -> bool:
        v, recipe = self._values, entry.recipe
        said = " ".join([entry.name, entry.summary, recipe.data, recipe.model, *entry.class_names]).casefold()
        return (
            v["data"] in (None, recipe.data)
            and v["architecture"] in (None, recipe.model)
            and v["conditional"] in (None, bool(entry.class_names))
            and all(word in said for word in v["text"].casefold().split())
        )

    # -- widgets -----------------------------------------------------------------------------------------------------
    def _control(self, name: str) -> Any:
        label = {"description": self.words["filters"][name], "style": {"description_width": "initial"}}
        if name == "text":
            control: Any = widgets.Text(placeholder=self.words["placeholder"], **label)
        else:
            answers = {"conditional": [(self.words["with"], True), (self.words["without"], False)]}
            options = answers.get(name) or [(value, value) for value in self._options(name)]
            control = widgets.Dropdown(options=[(self.words["all"], ALL), *options], value=ALL, **label)
        control.layout.width = "min(220px, 100%)"
        setattr(control, trait_of(control, "tooltip", "description_tooltip"), self.words["tips"][name])
        control.add_class(f"gallery-{name}")
        control.observe(lambda change: self._moved(name, change["new"]), "value")
        return control

    def _card(self, entry: Entry) -> Any:
        of, rows, order = entry.facts["metrics"]["rows"], self.words["rows"], entry.facts["metrics"].get("order")
        row, real = of["model"], of.get("held_out") or of["real"]
        recipe, trained, rate = entry.recipe, entry.facts["training"], entry.blueprint.sample_rate
        told = {
            "data": f"{recipe.data}, {' x '.join(map(str, entry.sample_shape))}{f', {rate} Hz' if rate else ''}",
            "architecture": recipe.model,
            "classes": ", ".join(entry.class_names) or self.words["none"],
            "parameters": f"{entry.parameters:,}",
            "size": f"{entry.bytes / 1e6:.1f} MB",
            "trained": self.words["cpu"] if trained["cpu_only"] else trained["device"],
            "samples": how_many(row),
        }
        lines = [(rows[key], value) for key, value in told.items()]
        for i, key in enumerate(columns(entry)):
            name, value = rows[key] + (f"-{order}" if "bleu" in key else ""), with_spread(row[key], digits(key))
            beside = self.words["beside"].format(model=value, real=with_spread(real[key]))
            lines.insert(len(lines) - 1, (name, value if i else beside))
        called = f'"{entry.name}"'
        use = {
            "image": f"Explorer({called})",
            "translation": f"zoo.sample({called}, 6)",
            "sound": f"zoo.sample({called}, 6)",
            "text": f"zoo.entry({called}).decode(zoo.sample({called}, 8))",
        }
        card = widgets.HTML(
            _CARD.format(
                sheet=self._sheet(entry),
                name=html.escape(entry.name),
                summary=html.escape(entry.summary),
                rows="".join(_ROW.format(name=name, value=html.escape(value)) for name, value in lines),
                load=html.escape(f"G = zoo.load({called})"),
                use=html.escape(use[entry.blueprint.kind]),
                failures_title=self.words["failures"],
                failures=html.escape(entry.facts["failures"]),
            )
        )
        card.add_class("gallery-card")
        return card

    def _sheet(self, entry: Entry) -> str:
        alt, content = html.escape(self._alt(entry)), entry.sheet.read_bytes()
        if entry.blueprint.is_text:
            texts, few = content.decode().rstrip(), 16  # letters that leave room for a second column
            fit = 1 + (max(map(len, texts.splitlines())) < few)
            return _TEXTS.format(alt=alt, texts=html.escape(texts), columns=fit)
        with Image.open(entry.sheet) as sheet:
            wide = max(100, round(100 * sheet.width / sheet.height / WIDEST))
        return _PICTURE.format(alt=alt, wide=wide, sheet=base64.b64encode(content).decode())

    def _alt(self, entry: Entry) -> str:
        n, names = entry.facts["sheet"]["n"], ", ".join(entry.class_names)
        if not names:
            return self.words["alt_sheet"].format(n=n, name=entry.name)
        return self.words["alt_sheet_classes"].format(n=n, name=entry.name, classes=names)

    def _moved(self, name: str, value: Any) -> None:
        if self._following:
            return
        try:
            self.set(**{name: None if value == ALL and name != "text" else value})
        except InputError as error:  # it would be lost in a log: nobody waits for an answer to a choice
            self.line.value = _LINE.format(kind="gallery-error", text=html.escape(str(error)))

    def _show(self) -> None:
        """Bring the page up to date. A card that is not shown stays in the page, so that no picture is sent again."""
        shown = {entry.name for entry in self.shown}
        for name, card in self.cards.items():
            card.layout.display = None if name in shown else "none"
        said = self.words["count" if shown else "nothing"].format(n=len(shown), total=len(self.entries))
        self.line.value = _LINE.format(kind="", text=said)
        self._following = True
        try:
            for name, control in self.controls.items():
                control.value = ALL if self._values[name] is None else self._values[name]
        finally:
            self._following = False

    # -- where there is no kernel ------------------------------------------------------------------------------------
    def picture(self) -> Image.Image:
        """A part of the sheet of each model that is shown, above its name; texts have none. Raises InputError if there
        are none."""
        shown = self._pictured()
        require(bool(shown), "filters", self.values, "filters that some model of images or sounds fits")
        import matplotlib  # heavy, and needed for its font alone

        font = ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), 15)
        sheets = []
        for entry in shown:
            with Image.open(entry.sheet) as whole:
                # The upper left part, twice as wide as high; a sheet has a line of 2 pixels around its images.
                width = min(whole.width, 2 * whole.height - 2)
                sheet = whole.convert("RGB").crop((0, 0, width, min(whole.height, width // 2 + 1)))
            sheet.thumbnail((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
            sheets.append(sheet)
        rows = [range(i, min(i + COLUMNS, len(shown))) for i in range(0, len(shown), COLUMNS)]
        heights = [max(sheets[i].height for i in row) + 28 for row in rows]
        width = min(COLUMNS, len(shown)) * (WIDTH + GAP) + GAP
        canvas = Image.new("RGB", (width, sum(heights) + GAP * (len(rows) + 1)), "white")
        pen, top = ImageDraw.Draw(canvas), GAP
        for row, height in zip(rows, heights, strict=True):
            for place, i in enumerate(row):
                left = GAP + place * (WIDTH + GAP)
                canvas.paste(sheets[i], (left, top))
                pen.text((left, top + sheets[i].height + 5), shown[i].name, "black", font)
            top += height + GAP
        return canvas.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)

    def _pictured(self) -> list[Entry]:
        return [entry for entry in self.shown if not entry.blueprint.is_text]

    def __repr__(self) -> str:
        names = ", ".join(entry.name for entry in self.shown) or "none"
        return f"<Gallery {len(self.shown)} of {len(self.entries)} models: {names}>"

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Widgets for where there is a kernel, a PNG for where there is none, and a text that every run repeats."""
        bundle: dict[str, Any] = {"text/plain": repr(self)}
        about: dict[str, Any] = {}
        if self._pictured():
            picture = self.picture()
            bundle["image/png"] = base64.b64encode(plots.png(picture)).decode()
            alt = self.words["alt"].format(names=", ".join(entry.name for entry in self._pictured()))
            about["image/png"] = {"width": picture.width, "height": picture.height, "alt": alt}
        if not self.closed:
            view = {"version_major": 2, "version_minor": 0, "model_id": self.box.model_id}
            bundle["application/vnd.jupyter.widget-view+json"] = view
        return bundle, about
