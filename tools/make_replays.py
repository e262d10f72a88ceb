"""Train the runs that the notebooks name and export each as a page that plays it back.

    python tools/make_replays.py

A notebook asks for one with a comment that stands alone on a line of a Markdown cell:

    <!-- replay: ring-mlp steps=1500 seed=0 g_steps=5 -->

that is a recipe, the number of steps, the seed, and settings as the lab's sliders name them. Pages are kept in build/
under a hash of the comment and of the code that made them, so that only what changed is trained again.
"""

from __future__ import annotations

import hashlib
import io
import json
import multiprocessing
import os
import re
import shutil
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from PIL import Image

from gan_tutorial.errors import InputError, require
from gan_tutorial.live import replay as page
from gan_tutorial.live.session import Session
from gan_tutorial.live.view import describe, paint
from gan_tutorial.training import recipe

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / "build" / "replays"
GENERATED = ROOT / "book" / "_generated"
COMMENT = re.compile(r"^[ \t]*<!--\s*replay:\s*(.*?)\s*-->[ \t]*$", re.M)
COVER = "ring-mlp steps=1500 seed=0"  # stands on the first page
# What a run does not depend on.
_APART = ("cli.py", "__main__.py", "plots.py", "exercises", "experiments")


@dataclass(frozen=True)
class Replay:
    """One run: a recipe, how long, from which seed, with which settings."""

    recipe: str
    steps: int
    seed: int
    settings: tuple[tuple[str, Any], ...] = ()

    @property
    def name(self) -> str:
        """The stem of its files."""
        words = [self.recipe, self.steps, self.seed, *(word for setting in self.settings for word in setting)]
        return re.sub(r"[^\w.]+", "-", "-".join(map(str, words)))

    @property
    def line(self) -> str:
        """How it is set, for a reader."""
        settings = "".join(f", {name} = {value}" for name, value in self.settings)
        return f"{self.steps:,} steps, seed {self.seed}{settings}"


def parse(text: str) -> Replay:
    """What a comment asks for. Raises InputError if it can't be read."""
    name, *pairs = text.split() or [""]
    values: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        require(bool(key and equals and value), "replay", text, "RECIPE steps=N seed=S [name=value ...]")
        try:
            values[key] = json.loads(value)
        except json.JSONDecodeError:
            values[key] = value
    steps, seed = values.pop("steps", None), values.pop("seed", None)
    require(type(steps) is int and type(seed) is int, "replay", text, "RECIPE steps=N seed=S, both whole numbers")
    return Replay(recipe(name).name, steps, seed, tuple(sorted(values.items())))


@dataclass(frozen=True)
class Place:
    """Where a notebook shows a replay."""

    notebook: str
    chapter: str
    section: str


def find(notebooks: Iterable[Path]) -> dict[Replay, list[Place]]:
    """The replays that the notebooks ask for, in the order of reading, and where."""
    found: dict[Replay, list[Place]] = {}
    for path in notebooks:
        chapter = section = ""
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type != "markdown":
                continue
            for line in cell.source.splitlines():
                if line.startswith("# "):
                    chapter = line[2:].strip()
                elif line.startswith("## "):
                    section = line[3:].strip()
                elif wanted := COMMENT.match(line):
                    places = found.setdefault(parse(wanted[1]), [])
                    if (place := Place(path.stem, chapter, section)) not in places:
                        places.append(place)
    return found


def state_of_the_code() -> str:
    """A hash of the code that a run and its page depend on."""
    digest = hashlib.sha256()
    package = ROOT / "gan_tutorial"
    for path in sorted(p for p in package.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
        if path.relative_to(package).parts[0] not in _APART:
            digest.update(str(path.relative_to(package)).encode() + path.read_bytes())
    return digest.hexdigest()


def make(wanted: Replay, folder: Path) -> str:
    """Train a run and write its page, its picture and what the picture shows into `folder`; returns the run's name."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        session = Session(wanted.recipe, seed=wanted.seed)
        if wanted.settings:
            session.configure(**dict(wanted.settings))
    except InputError as error:
        raise SystemExit(f"replay {wanted.name}: {error}") from None
    frame = session.run(wanted.steps)
    page.export(session, folder / "page.html", overwrite=True, title=session.trainer.recipe.name)
    picture = Image.open(io.BytesIO(paint(frame, "png"))).convert("RGB")
    picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.LANCZOS).save(folder / "picture.webp")
    (folder / "picture.txt").write_text(describe(frame), encoding="utf-8")
    return wanted.name


def main() -> None:
    found = find(sorted((ROOT / "notebooks").glob("*.ipynb")))
    found.setdefault(parse(COVER), [])
    site = GENERATED / "site" / "replays"
    shutil.rmtree(site, ignore_errors=True)
    site.mkdir(parents=True)
    code, listed = state_of_the_code(), []
    folders = {wanted: CACHE / hashlib.sha256(f"{code} {wanted}".encode()).hexdigest()[:24] for wanted in found}
    missing = [wanted for wanted, folder in folders.items() if not (folder / "picture.txt").exists()]
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
        missing.sort(key=lambda wanted: "ring" in wanted.recipe)  # long ones first
        for name in pool.map(make, missing, [folders[wanted] for wanted in missing]):
            print(f"trained {name}")
    for wanted, places in found.items():
        folder = folders[wanted]
        shutil.copy(folder / "page.html", site / f"{wanted.name}.html")
        shutil.copy(folder / "picture.webp", site / f"{wanted.name}.webp")
        listed.append(
            {
                "name": wanted.name,
                "recipe": wanted.recipe,
                "summary": recipe(wanted.recipe).summary,
                "line": wanted.line,
                "alt": (folder / "picture.txt").read_text(encoding="utf-8"),
                "places": [vars(place) for place in places],
            }
        )
    for old in CACHE.iterdir():
        if old not in folders.values():
            shutil.rmtree(old)
    (GENERATED / "replays.json").write_text(json.dumps(listed, indent=1), encoding="utf-8")
    print(f"{len(listed)} replays")


if __name__ == "__main__":
    main()
