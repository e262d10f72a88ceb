"""Rasterises SVG pictures whose shapes have axis-aligned edges on whole coordinates, one unit a pixel: pixel art.

Covers what such pictures use: groups, rectangles, paths of M H V Z (absolute and relative), both fill rules, plain
colours, opacities. Anything else raises ValueError, so that no picture is silently wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree import ElementTree

import numpy as np

TOKEN = re.compile(r"([MmHhVvZz])|(-?\d+)|[\s,]+")
IGNORED = {"metadata", "mask"}  # the only mask in use is the picture's own frame
UNITS = {"M": 2, "H": 1, "V": 1, "Z": 0}


def rasterise(svg: str, size: int) -> np.ndarray:
    """The picture as uint8 (size, size, 3) on white."""
    canvas = np.full((size, size, 3), 255.0)
    _draw(ElementTree.fromstring(svg), {"fill": "#000"}, canvas)
    return np.round(canvas).astype(np.uint8)


def _draw(node: ElementTree.Element, inherited: Mapping[str, str], canvas: np.ndarray) -> None:
    tag = node.tag.rpartition("}")[2]
    if tag in IGNORED:
        return
    if "opacity" in node.attrib or "transform" in node.attrib or "stroke" in node.attrib:
        raise ValueError(f"<{tag}> has an attribute that is not drawn here: {sorted(node.attrib)}")
    style = dict(inherited)
    style.update((key, node.attrib[key]) for key in ("fill", "fill-opacity", "fill-rule") if key in node.attrib)
    if tag in ("svg", "g"):
        for child in node:
            _draw(child, style, canvas)
        return
    if tag == "path":
        winding = winding_numbers(node.attrib["d"], len(canvas))
    elif tag == "rect":
        x, y, width, height = (int(node.attrib[key]) for key in ("x", "y", "width", "height"))
        winding = winding_numbers(f"M{x} {y}h{width}v{height}h{-width}Z", len(canvas))
    else:
        raise ValueError(f"<{tag}> is not drawn here")
    if style["fill"] in ("none", "transparent"):
        return
    inside = winding % 2 == 1 if style.get("fill-rule") == "evenodd" else winding != 0
    alpha = float(style.get("fill-opacity", 1))
    canvas[inside] += alpha * (_colour(style["fill"]) - canvas[inside])


def winding_numbers(path: str, size: int) -> np.ndarray:
    """How often each pixel's centre is wound around, int (size, size)."""
    winding = np.zeros((size, size), dtype=int)
    x = y = start_x = start_y = 0

    def line_to(to_x: int, to_y: int) -> None:
        nonlocal x, y
        if to_x != x and to_y != y:
            raise ValueError(f"a slanted edge in {path!r}")
        top, bottom = sorted((min(max(y, 0), size), min(max(to_y, 0), size)))
        winding[top:bottom, max(x, 0) :] += 1 if to_y > y else -1
        x, y = to_x, to_y

    for command, numbers in _commands(path):
        relative = command.islower()
        if command in "Mm":
            line_to(start_x, start_y)  # filling closes what was left open
            x, y = (x + numbers[0], y + numbers[1]) if relative else (numbers[0], numbers[1])
            start_x, start_y = x, y
        elif command in "Hh":
            line_to(x + numbers[0] if relative else numbers[0], y)
        elif command in "Vv":
            line_to(x, y + numbers[0] if relative else numbers[0])
        else:
            line_to(start_x, start_y)
    line_to(start_x, start_y)
    return winding


def _commands(path: str) -> list[tuple[str, list[int]]]:
    found: list[tuple[str, list[int]]] = []
    at = 0
    while at < len(path):
        token = TOKEN.match(path, at)
        if token is None:
            raise ValueError(f"path {path!r} has something at {at} that is not drawn here")
        at = token.end()
        if token[1]:
            found.append((token[1], []))
        elif token[2]:
            found[-1][1].append(int(token[2]))
    for command, numbers in found:
        if len(numbers) != UNITS[command.upper()]:
            raise ValueError(f"path {path!r}: {command} with {len(numbers)} numbers")
    return found


def _colour(text: str) -> np.ndarray:
    digits = text.removeprefix("#")
    if len(digits) == 3:
        digits = "".join(2 * digit for digit in digits)
    if len(digits) != 6:
        raise ValueError(f"colour {text!r} is not drawn here")
    return np.array([int(digits[k : k + 2], 16) for k in (0, 2, 4)], dtype=float)
