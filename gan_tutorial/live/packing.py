"""Frames -> plain values and bytes for front/renderer.js: small, and the same for a live page and an exported one.

Points are int16, 8192 to the extent and -32768 for NaN; D's map uint8, 254 for 1 and 255 for NaN; everything else
float32; all little-endian. Images are one sheet without gaps. What is not finite among plain numbers becomes None.
"""

from __future__ import annotations

import base64
import io
import math
from typing import Any

import numpy as np
from PIL import Image

from gan_tutorial.live.frame import Frame


def pack(frame: Frame, quality: int = 0) -> dict[str, Any]:
    """What an exported page shows of a frame. Images are compressed well: `quality` of WebP, or 0 for an exact PNG."""
    values: dict[str, Any] = {name: getattr(frame, name) for name in ("step", "probability", "extent", "modes")}
    values["settings"] = dict(frame.settings)
    for name in ("d_loss", "g_loss"):
        values[name] = _number(getattr(frame, name))
    for name in ("d_curve", "g_curve"):
        values[name] = _floats(getattr(frame, name))
    for name in ("real", "fake"):
        x = getattr(frame, name)
        values[name] = sheet(x, quality) if frame.is_image else points(x, frame.extent)
    if frame.heat is not None:
        values["heat"] = _heat(frame.heat)
    return values


def pack_live(frame: Frame) -> dict[str, Any]:
    """All of a frame but what never changes, for a page with a kernel. Images are compressed quickly."""
    values: dict[str, Any] = {name: getattr(frame, name) for name in ("step", "probability", "extent", "modes")}
    real, fake = frame.logits
    values |= {
        "steps_per_second": frame.steps_per_second,
        "d_loss": _number(frame.d_loss),
        "g_loss": _number(frame.g_loss),
        "fake": sheet(frame.fake, level=1) if frame.is_image else points(frame.fake, frame.extent),
        "heat": None if frame.heat is None else _heat(frame.heat),
        "manifold": None if frame.manifold is None else points(frame.manifold, frame.extent),
        "manifold_shape": None if frame.manifold is None else list(frame.manifold.shape[:2]),
        "arrows": None if frame.arrows is None else _floats(frame.arrows),
        "real_logits": _floats(real),
        "fake_logits": _floats(fake),
        "metrics": {name: _number(value) for name, value in frame.metrics.items()},
        "series": {name: _floats(curve) for name, curve in frame.series.items()},
        "classes": None,
        "walk": None if frame.walk is None else sheet(frame.walk, level=1),
        "neighbours": None,
    }
    if frame.objective is not None:
        values["objective"] = dict(zip(("logit", "loss", "slope"), map(_floats, frame.objective), strict=True))
    if frame.classes is not None:
        values["classes"] = dict(zip(("real", "fake"), frame.classes.tolist(), strict=True))
    if frame.neighbours is not None:
        near = frame.neighbours
        distances = [_number(d) for d in near.distances.tolist()]
        values["neighbours"] = {"sheet": sheet(near.images, level=1), "distances": distances, "sample": near.sample}
    return values


def as_text(value: Any) -> Any:
    """Packed values with base64 for bytes, and a data URL in every sheet: for JSON in an exported page."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        kind = next((kind for kind in ("png", "webp") if kind in value), None)
        if kind is not None:
            rest = {name: entry for name, entry in value.items() if name != kind}
            return {"url": f"data:image/{kind};base64,{as_text(value[kind])}", **rest}
        return {name: as_text(entry) for name, entry in value.items()}
    return [as_text(entry) for entry in value] if isinstance(value, (list, tuple)) else value


def as_buffers(value: Any, buffers: list[bytes]) -> Any:
    """Packed values with {"buffer": i} for bytes, which are added to `buffers`, and None for what is not finite: for a
    message to a live page."""
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        buffers.append(bytes(value))
        return {"buffer": len(buffers) - 1}
    if isinstance(value, dict):
        return {name: as_buffers(entry, buffers) for name, entry in value.items()}
    return [as_buffers(entry, buffers) for entry in value] if isinstance(value, (list, tuple)) else value


def from_buffers(value: Any, buffers: list[Any]) -> Any:
    """What :func:`as_buffers` took apart, put together again."""
    if isinstance(value, dict):
        if set(value) == {"buffer"}:
            return bytes(buffers[value["buffer"]])
        return {name: from_buffers(entry, buffers) for name, entry in value.items()}
    return [from_buffers(entry, buffers) for entry in value] if isinstance(value, list) else value


def points(xy: np.ndarray, extent: float) -> bytes:
    """Points (..., 2); those beyond four times the extent are moved to there, out of sight."""
    scaled = np.clip(np.round(xy.astype(np.float64) / extent * 8192), -32767, 32767)
    return np.where(np.isnan(scaled), -32768, scaled).astype("<i2").tobytes()


def sheet(images: np.ndarray, quality: int = 0, level: int = 9) -> dict[str, Any]:
    """Images (n, H, W, C) uint8 as one picture, 6 in a row: a WebP of some `quality`, or for 0 a PNG of a compression
    `level`."""
    n, height, width, channels = images.shape
    columns = min(n, 6)
    pixels = np.zeros((math.ceil(n / columns) * height, columns * width, channels), np.uint8)
    for i, image in enumerate(images):
        top, left = i // columns * height, i % columns * width
        pixels[top : top + height, left : left + width] = image
    buffer, picture = io.BytesIO(), Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels)
    if quality:
        picture.convert("RGB").save(buffer, "WEBP", quality=quality, method=4)
    else:
        picture.save(buffer, "PNG", compress_level=level)
    kind = "webp" if quality else "png"
    return {kind: buffer.getvalue(), "n": n, "columns": columns, "width": width, "height": height}


def _heat(heat: np.ndarray) -> bytes:
    level = np.clip(heat, 0, 1) * 254
    return np.where(np.isnan(level), 255, np.round(level)).astype("u1").tobytes()


def _floats(values: np.ndarray) -> bytes:
    return np.asarray(values).astype("<f4").tobytes()


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
