"""A frame -> a picture, painted with numpy and Pillow: a few milliseconds, no figure, no state.

The labels are the book's symbols (x, G(z), D(x), the losses L) and numbers, so that a picture needs no translation.
"""

from __future__ import annotations

import io
import math
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from gan_tutorial import plots
from gan_tutorial.live.frame import Frame

WIDTH, HEIGHT = 720, 340  # size on the page, in CSS pixels
SCALE = 2  # painted pixels in a CSS pixel: sharp on dense screens, smooth on others
Box = tuple[int, int, int, int]  # left, top, right, bottom in painted pixels

INK, GREY, FAINT = "#333333", "#777777", "#E8E8E8"
_TOP, _SIDE = 30, 300  # where the panels begin, and the side of the square ones
_TILE, _GAP = 50, 2


def paint(frame: Frame, format: str = "jpeg") -> bytes:
    """The frame as the bytes of a "jpeg" (small: for the live view) or "png" (exact: to keep), 1440 x 680 pixels."""
    picture = Image.new("RGB", (WIDTH * SCALE, HEIGHT * SCALE), "white")
    draw = ImageDraw.Draw(picture)
    if frame.is_image:
        rows = _SIDE // _TILE
        x, columns = 8, max(1, math.ceil(len(frame.real) / rows))
        _symbol(draw, x, "x", colour=plots.REAL)
        picture.paste(_sheet(frame.real, columns), _scaled(x, _TOP))
        x += columns * _TILE + 14
        _symbol(draw, x, "G(z)", colour=plots.FAKE)
        picture.paste(_sheet(frame.fake, rows), _scaled(x, _TOP))
        x += _SIDE
    else:
        x = 8
        after = _symbol(draw, x + 14, "x", dot=plots.REAL)
        _symbol(draw, after + 28, "G(z)", dot=plots.FAKE)
        picture.paste(Image.fromarray(_plane(frame)), _scaled(x, _TOP))
        _outline(draw, (x, _TOP, x + _SIDE, _TOP + _SIDE))
        x += _SIDE + 12
        picture.paste(_tint(np.linspace(1, 0, 50)[:, None], (12, _SIDE)), _scaled(x, _TOP))
        _outline(draw, (x, _TOP, x + 12, _TOP + _SIDE))
        _symbol(draw, x - 2, "D(x)")
        for value, label in ((0, "0"), (0.5, "0.5"), (1, "1")) if frame.probability else ((0, "−"), (1, "+")):
            y = _TOP + (1 - value) * _SIDE
            draw.text(_scaled(x + 17, y), label, GREY, _font("DejaVuSans", 11), anchor="lm")
        x += 28
    _losses(picture, draw, frame, (x + 58, _TOP, WIDTH - 14, HEIGHT - 32))
    buffer = io.BytesIO()
    picture.save(buffer, format, **({"quality": 80} if format == "jpeg" else {"compress_level": 6}))
    return buffer.getvalue()


def describe(frame: Frame) -> str:
    """What the picture shows, for those who can't see it: the same for every run that takes as many steps."""
    what = "images" if frame.is_image else "points over a map of how real a point looks to D"
    counts = f"{len(frame.real)} real and {len(frame.fake)} generated"
    return f"{counts} {what}, and the losses of D and G up to step {frame.step}"


# -- points -----------------------------------------------------------------------------------------------------------
def _plane(frame: Frame) -> np.ndarray:
    """D's map with the points over it, (600, 600, 3)."""
    side, margin = _SIDE * SCALE, 8
    assert frame.heat is not None
    pixels = np.empty((side + 2 * margin, side + 2 * margin, 3), np.uint8)
    pixels[margin:-margin, margin:-margin] = np.asarray(_tint(frame.heat[::-1], (_SIDE, _SIDE)))
    for points, colour, halo in ((frame.real, plots.REAL, 0.0), (frame.fake, plots.FAKE, 0.9)):
        at = np.nan_to_num(points, nan=np.inf) / frame.extent * (1, -1)
        at = at[(np.abs(at) < 1).all(1)]
        column, row = ((at + 1) / 2 * side).astype(int).T + margin
        if halo:
            _stamp(pixels, row, column, 4.6, "white", halo)
        _stamp(pixels, row, column, 3.4 if halo else 2.8, colour, 1.0 if halo else 0.75)
    return pixels[margin:-margin, margin:-margin]


def _stamp(pixels: np.ndarray, rows: np.ndarray, columns: np.ndarray, radius: float, colour: str, alpha: float) -> None:
    """Blend a disc with smooth edges into `pixels` around each point, all points at once."""
    ink = np.array(ImageColor.getrgb(colour), np.float32)
    reach = math.ceil(radius)
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            weight = alpha * min(1.0, radius + 0.5 - math.hypot(dx, dy))
            if weight > 0:
                under = pixels[rows + dy, columns + dx]
                pixels[rows + dy, columns + dx] = (under + weight * (ink - under)).astype(np.uint8)


def _tint(belief: np.ndarray, size: tuple[int, int]) -> Image.Image:
    """Beliefs in [0, 1], NaN for none, as an image of `size` CSS pixels: orange for 0, nearly white in the middle, blue
    for 1; all light enough for points."""
    stops = np.array([[250, 200, 120], [253, 233, 205], [250, 250, 250], [205, 228, 246], [130, 190, 232]])
    level = np.nan_to_num(belief, nan=0.5) * 4
    colours = np.stack([np.interp(level, range(5), channel) for channel in stops.T], -1).astype(np.uint8)
    return Image.fromarray(colours).resize(_scaled(*size), Image.Resampling.BICUBIC)


# -- images -----------------------------------------------------------------------------------------------------------
def _sheet(images: np.ndarray, columns: int) -> Image.Image:
    """Images (n, H, W, C), row by row, as large as a tile allows; pixels stay sharp squares where that nearly fits."""
    tile, inner = _TILE * SCALE, (_TILE - _GAP) * SCALE
    n, height, width, channels = images.shape
    whole = inner // max(height, width)
    sharp = whole * max(height, width) > 0.8 * inner
    factor = whole if sharp else inner / max(height, width)
    size = (round(width * factor), round(height * factor))
    how = Image.Resampling.NEAREST if sharp else Image.Resampling.BICUBIC
    sheet = Image.new("RGB", (columns * tile, math.ceil(n / columns) * tile), "white")
    for i, pixels in enumerate(images):
        one = Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels).resize(size, how)
        sheet.paste(one, (i % columns * tile + (inner - size[0]) // 2, i // columns * tile + (inner - size[1]) // 2))
    return sheet


# -- losses -----------------------------------------------------------------------------------------------------------
def _losses(picture: Image.Image, draw: ImageDraw.ImageDraw, frame: Frame, box: Box) -> None:
    left, top, right, bottom = box
    curves = ((frame.d_curve, plots.DISCRIMINATOR, "D"), (frame.g_curve, plots.GENERATOR, "G"))
    low, high = _range(np.concatenate([curve[:, 1] for curve, *_ in curves]))
    across, down = (right - left) / max(frame.step, 10), (bottom - top) / (high - low)
    font = _font("DejaVuSans", 11)
    for value in _ticks(low, high, 6):
        y = bottom - (value - low) * down
        draw.line([_scaled(left, y), _scaled(right, y)], FAINT, SCALE)
        draw.text(_scaled(left - 7, y), f"{value:g}".replace("-", "−"), GREY, font, anchor="rm")
    for step in _ticks(0, max(frame.step, 10), 5):
        label = f"{step / 1000:g}k" if step >= 10_000 else f"{step:g}"
        draw.text(_scaled(left + step * across, bottom + 7), label, GREY, font, anchor="mt")
    legend: float = left
    for curve, colour, name in curves:
        if len(curve) > 1:
            fine = 2 * SCALE  # drawn twice as large: smooth once it is halved
            mask = Image.new("L", ((right - left) * fine, (bottom - top) * fine))
            points = (curve * (1, -1) + (0, high)) * (across * fine, down * fine)
            points = np.clip(np.nan_to_num(points), -1e4, 1e4)
            ImageDraw.Draw(mask).line(points.ravel().tolist(), 255, round(1.6 * fine), joint="curve")
            picture.paste(colour, _scaled(left, top), mask.reduce(2))
        draw.line([_scaled(legend, _TOP - 14), _scaled(legend + 18, _TOP - 14)], colour, 2 * SCALE)
        legend = _symbol(draw, legend + 24, "L", below=name) + 20
    draw.line([_scaled(left, bottom), _scaled(right, bottom)], GREY, SCALE)


def _range(values: np.ndarray) -> tuple[float, float]:
    """What the axis shows: all but the wildest hundredth on both sides."""
    values = values[np.isfinite(values)]
    low, high = np.percentile(values, (1, 99)) if len(values) else (0.0, 2.0)
    margin = max(0.06 * (high - low), 0.05)
    return float(low - margin), float(high + margin)


def _ticks(low: float, high: float, at_most: int) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten apart) from low to high."""
    rough = (high - low) / at_most
    power = 10.0 ** math.floor(math.log10(rough))
    gap = next(power * nice for nice in (1, 2, 5, 10) if power * nice >= rough * 0.999)
    return [round(gap * i, 10) for i in range(math.ceil(low / gap), math.floor(high / gap) + 1)]


# -- small things -----------------------------------------------------------------------------------------------------
def _symbol(
    draw: ImageDraw.ImageDraw, x: float, text: str, *, colour: str = INK, dot: str | None = None, below: str = ""
) -> float:
    """A symbol of the book above a panel, with a dot before it or an index; returns where it ends."""
    if dot:
        (cx, cy), r = _scaled(x - 9, _TOP - 14), 4 * SCALE
        draw.ellipse((cx - r, cy - r, cx + r, cy + r), dot)
    font, small = _font("STIXGeneralItalic", 17), _font("STIXGeneralItalic", 12)
    draw.text(_scaled(x, _TOP - 9), text, colour, font, anchor="ls")
    end = x + draw.textlength(text, font) / SCALE
    draw.text(_scaled(end, _TOP - 6), below, colour, small, anchor="ls")
    return end + draw.textlength(below, small) / SCALE


def _outline(draw: ImageDraw.ImageDraw, box: Box) -> None:
    draw.rectangle((*_scaled(*box[:2]), *_scaled(*box[2:])), outline="#BBBBBB", width=SCALE)


def _scaled(x: float, y: float) -> tuple[int, int]:
    return round(x * SCALE), round(y * SCALE)


@lru_cache
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    """A font that Matplotlib brings along; `size` in CSS pixels."""
    import matplotlib

    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts", "ttf", f"{name}.ttf"), size * SCALE)
