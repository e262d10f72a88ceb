"""A run of the lab -> one HTML file that plays it back: no kernel, no network, nothing beside it."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gan_tutorial.errors import InputError
from gan_tutorial.live.frame import Frame
from gan_tutorial.live.history import thinned
from gan_tutorial.live.packing import as_text, pack
from gan_tutorial.live.session import Session
from gan_tutorial.live.words import words
from gan_tutorial.training.checkpoint import write_atomically

LIMIT = 3_000_000  # bytes of a page
# Moments in a page at most, and the WebP quality of its images (0: exact, as PNG): the first pair that fits is taken.
_LADDER = ((80, 0), (80, 90), (80, 75), (80, 55), (40, 55), (20, 55), (8, 40))
_LARGEST = 96  # pixels along an image's side
_FRONT = Path(__file__).parent / "front"

# The words that front/replay.js writes itself.
_REPLAYED = ("lang", "play", "pause", "step", "modes_value", "was", "picture", "curves")

_PAGE = """<!DOCTYPE html>
<html lang="{lang}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<main>
<header><h1>{title}</h1><p>{summary}</p></header>
<div data-part="pictures">
<canvas data-part="picture" role="img"></canvas>
<canvas data-part="curves" role="img"></canvas>
</div>
<div class="controls">
<button type="button" data-part="play" aria-label="{play}"><svg viewBox="0 0 20 20" aria-hidden="true">
<path class="triangle" d="M6 3.2v13.6a.8.8 0 0 0 1.2.7l10.6-6.8a.8.8 0 0 0 0-1.4L7.2 2.5A.8.8 0 0 0 6 3.2z"/>
<path class="bars" d="M4.5 3h3.6v14H4.5zM11.9 3h3.6v14h-3.6z"/></svg></button>
<input type="range" data-part="slider" min="0" max="0" value="0" step="1" aria-label="{slider}">
</div>
<dl class="numbers" data-part="numbers" aria-live="polite" aria-atomic="true">
{numbers}
</dl>
<noscript><p>{noscript}</p></noscript>
<h2>{settings_title}</h2>
<dl class="settings">
{settings}
</dl>
<footer><p>{legend}</p><p class="keys">{keys}</p></footer>
</main>
<script type="application/json" id="run">{run}</script>
<script type="application/json" id="words">{words}</script>
<script type="module">
{script}
replay(document.querySelector("main"), ...["run", "words"].map((id) => JSON.parse(document.getElementById(id).text)));
</script>
</body>
</html>
"""


def export(
    session: Session,
    path: str | Path,
    *,
    overwrite: bool = False,
    title: str = "",
    language: str = "en",
) -> Path:
    """Write the run that `session` remembers to `path`, an HTML file of less than 3 MB; returns the path.

    The session is afterwards bit for bit as it was. Training waits meanwhile; settings are taken up after.

    What the page leaves out: moments, if the history holds more than 80 (the gaps between those left grow with their
    age; the first and the last stay); digits of points (a resolution of extent / 8192; those beyond four times the
    extent are moved to there, out of sight) and of D's map (1/254); pixels beyond 96 along an image's side; if it is
    still too large, exact images (WebP instead of PNG), then more moments.

    Args:
        session: where the run is.
        path: the file; its folder must exist.
        overwrite: replace what is there.
        title: default: the recipe's name.
        language: of the page's words, see :mod:`gan_tutorial.live.words`.

    Raises :class:`~gan_tutorial.errors.InputError` if there is a file already, the disk refuses, or no page fits.
    """
    return write(path, lambda: page(session, title=title, language=language).encode(), overwrite=overwrite)


def write(path: str | Path, content: Callable[[], bytes], *, overwrite: bool) -> Path:
    """Write a new file, all of it or none; returns its path. Raises InputError if that can't be."""
    path = Path(path)
    if path.exists() and not overwrite:
        raise InputError(f"path: {str(path)!r} exists already; choose another name or pass overwrite=True")
    if not path.parent.is_dir() or path.is_dir():
        raise InputError(f"path: {str(path)!r} is not a file in a folder that exists")
    made = content()
    try:
        write_atomically(path, made)
    except OSError as error:
        raise InputError(f"path: {str(path)!r} can't be written ({error.strerror or error})") from error
    return path


def page(session: Session, *, title: str = "", language: str = "en") -> str:
    """The page that :func:`export` writes, as text."""
    recipe, texts = session.trainer.recipe, words(language)
    frames = _walk(session, _LADDER[0][0])
    for most, quality in _LADDER:
        kept = set(thinned([f.step for f in frames], most))
        text = _page([f for f in frames if f.step in kept], quality, title or recipe.name, recipe.summary, texts)
        if len(text.encode()) < LIMIT:
            return text
    raise InputError(f"path: the run does not fit into {LIMIT:,} bytes, even with {most} moments; use smaller images")


# -- the run ----------------------------------------------------------------------------------------------------------
def _walk(session: Session, most: int) -> list[Frame]:
    """Frames of at most `most` of the moments that the session keeps."""
    steps = session.history.steps
    frames = session.frames([steps.index(step) for step in thinned(steps, most)])
    small = (replace(f, real=_shrink(f.real), fake=_shrink(f.fake)) if f.is_image else f for f in frames)
    return list(small)


def _shrink(images: np.ndarray) -> np.ndarray:
    factor = _LARGEST / max(images.shape[1:3])
    if factor >= 1:
        return images
    height, width = (max(1, round(side * factor)) for side in images.shape[1:3])
    small = [Image.fromarray(x[:, :, 0] if x.shape[2] == 1 else x).resize((width, height)) for x in images]
    return np.stack([np.asarray(x).reshape(height, width, -1) for x in small])


# -- the page ---------------------------------------------------------------------------------------------------------
def _page(frames: list[Frame], quality: int, title: str, summary: str, texts: Mapping[str, Any]) -> str:
    packed = [as_text(pack(frame, quality)) for frame in frames]
    start, modes, same = packed[0]["settings"], packed[-1]["modes"], ("real", "extent", "d_curve", "g_curve")
    for values in packed:
        settings = values.pop("settings")
        values["changed"] = {name: value for name, value in settings.items() if value != start[name]}
    run = {name: packed[-1][name] for name in same} | {
        "start": start,
        "moments": [{name: value for name, value in values.items() if name not in same} for values in packed],
    }

    def number(part: str, name: str, colour: str = "") -> str:
        swatch = f'<i style="background: var({colour})"></i>' if colour else ""
        return f'<div><dt>{swatch}{html.escape(texts[name])}</dt><dd data-part="{part}"></dd></div>'

    numbers = [number("step", "step"), number("d-loss", "d_loss", "--d"), number("g-loss", "g_loss", "--g")]
    names = texts["names"]
    settings = [
        f'<div data-setting="{html.escape(name)}"><dt>{html.escape(names.get(name, name))}</dt>'
        "<dd><span></span> <small></small></dd></div>"
        for name in start
    ]
    legend = texts["legend"] + ("" if packed[-1].get("heat") is None else " · " + texts["legend_map"])
    plain = {name: html.escape(texts[name]) for name in ("lang", "play", "slider", "noscript", "keys")}
    return _PAGE.format(
        title=html.escape(title),
        summary=html.escape(summary),
        settings_title=html.escape(texts["settings"]),
        legend=html.escape(legend),
        numbers="\n".join([*numbers, *([number("modes", "modes")] if modes else [])]),
        settings="\n".join(settings),
        style=_front("replay.css"),
        script=re.sub(r"^export ", "", script("replay.js"), flags=re.M),
        run=_json(run),
        words=_json({name: texts[name] for name in _REPLAYED}),
        **plain,
    )


def script(name: str) -> str:
    """The renderer and another module of front/ as one: neither an inline module nor a widget's can import."""
    renderer = re.sub(r"^export ", "", _front("renderer.js"), flags=re.M)
    return renderer + re.sub(r"^import .*\n", "", _front(name), flags=re.M)


def _front(name: str) -> str:
    return (_FRONT / name).read_text(encoding="utf-8")


def _json(value: Any) -> str:
    """JSON that can stand inside a script element."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
