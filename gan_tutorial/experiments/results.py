"""Results that are kept in a folder, so that an experiment that was broken off goes on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gan_tutorial.errors import require
from gan_tutorial.experiments.page import machine
from gan_tutorial.training import Recipe
from gan_tutorial.training.checkpoint import write_atomically


def kept(place: Path | None, r: Recipe, seeds: Sequence[int]) -> dict[str, Any] | None:
    """The result in the folder `place`, if there is one. Raises InputError if it is of another recipe or of other
    seeds."""
    if place is None or not (place / "result.json").exists():
        return None
    content = json.loads((place / "result.json").read_text())
    same = content["recipe"] == r.to_json() and content["seeds"] == list(seeds)
    require(same, "folder", str(place), "one with results of this recipe and seeds; move it away to start anew")
    result: dict[str, Any] = content["result"]
    return result


def keep(place: Path | None, r: Recipe, seeds: Sequence[int], result: dict[str, Any]) -> None:
    """Write the result to the folder `place`, if there is such a folder."""
    if place is not None:
        content = {"recipe": r.to_json(), "seeds": list(seeds), "machine": machine(), "result": result}
        write(place / "result.json", content)


def machines(folder: Path | None) -> str | None:
    """Where the results in `folder` and below were measured; None if there are none."""
    found = [] if folder is None else [json.loads(path.read_text()) for path in folder.rglob("result.json")]
    return "; ".join(sorted({content["machine"] for content in found})) or None


def write(path: Path, content: dict[str, Any]) -> None:
    """Write JSON all at once, and the folder it stands in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(content).encode())
