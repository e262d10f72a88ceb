"""Execute the notebooks with their defaults and store the outputs, without anything that differs between machines.

    python tools/run_notebooks.py [NOTEBOOK ...]

The repository's address is stamped into badges and setup cells from `[project.urls]`, its only home. A cell that fails
(a claim that does not hold, say) stops with an error and leaves the stored notebook as it was. How long each took is
noted in book/run-times.json. Several of these may run at the same time.
"""

from __future__ import annotations

import base64
import io
import json
import os
import re
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import Any

import nbformat
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
TIMES = ROOT / "book" / "run-times.json"
# Notebooks that need more than the plain environment, and which extra. Only who names them runs them.
APART = {"05b_tensorflow": "tensorflow"}
LARGE = 50_000  # bytes of a picture that is worth a palette
# What a cell's metadata may say: how it is marked, described, and folded (Jupyter, Colab).
KEPT = ("tags", "mystnb", "cellView")


def plain() -> list[Path]:
    """The notebooks that run in the plain environment."""
    return [path for path in sorted((ROOT / "notebooks").glob("*.ipynb")) if path.stem not in APART]


def repository() -> str:
    """OWNER/NAME of the public repository."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["urls"]["Repository"]).split("github.com/")[1].rstrip("/")


def stamp(text: str, name: str) -> str:
    """`text` with every address of the repository (Colab badge, pip install) set to OWNER/NAME = `name`."""
    text = re.sub(r"(colab\.research\.google\.com/github/)[\w.-]+/[\w.-]+(/blob/)", rf"\g<1>{name}\g<2>", text)
    return re.sub(r"(git\+https://github\.com/)[\w.-]+/[\w.-]+(?=[\"'@ ])", rf"\g<1>{name}", text)


def kept(metadata: dict[str, Any]) -> dict[str, Any]:
    """Of a cell's metadata, what its author wrote."""
    written = {key: metadata[key] for key in KEPT if metadata.get(key)}
    if metadata.get("jupyter", {}).get("source_hidden"):
        written["jupyter"] = {"source_hidden": True}
    return written


def clean(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Drop what execution adds beside outputs: times, counters of widgets, versions, papermill's record."""
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict(kept(cell.metadata))
        for output in cell.get("outputs", []):
            output.pop("metadata", None) if output.output_type == "stream" else output.update(metadata={})
            data = output.get("data", {})
            # A widget lives in a kernel; the saved page shows the picture beside it.
            data.pop("application/vnd.jupyter.widget-view+json", None)
            if "image/png" in data:
                data.pop("image/jpeg", None)  # the same picture once more
                data["image/png"] = lighter(data["image/png"])
        if cell.cell_type == "code":
            outputs: list[nbformat.NotebookNode] = []
            for output in cell.outputs:
                if output.output_type != "stream":
                    outputs.append(output)
                elif output.name != "stderr":
                    if outputs and outputs[-1].output_type == "stream":  # how often the kernel flushed is chance
                        outputs[-1].text += output.text
                    else:
                        outputs.append(output)
            cell.outputs = outputs
    return notebook


def lighter(png: str) -> str:
    """A picture, PNG in base64; with a palette of 256 colours if it is large and a palette makes it smaller."""
    content = base64.b64decode(png)
    if len(content) <= LARGE:
        return png
    with Image.open(io.BytesIO(content)) as picture, io.BytesIO() as file:
        flat = Image.new("RGB", picture.size, "white")
        flat.paste(picture, mask=picture.getchannel("A") if picture.mode == "RGBA" else None)
        # By coverage: the few brightest spots of a spectrogram keep their colour.
        palette = flat.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=3, dither=Image.Dither.NONE)
        palette.save(file, "PNG", optimize=True)
        smaller = file.getvalue()
    return base64.b64encode(smaller).decode() + "\n" if len(smaller) < len(content) else png


def execute(path: Path) -> None:
    """Run one notebook in place."""
    import papermill

    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        cell.source = stamp(cell.source, repository())
    with tempfile.TemporaryDirectory() as folder:
        source, result = Path(folder) / path.name, Path(folder) / f"done-{path.name}"
        nbformat.write(notebook, source)
        started = time.monotonic()
        papermill.execute_notebook(source, result, cwd=path.parent, progress_bar=False, log_output=False)
        seconds = round(time.monotonic() - started)
        done = clean(nbformat.read(result, as_version=4))
    nbformat.validate(done)
    new = path.with_suffix(".tmp")
    nbformat.write(done, new)
    os.replace(new, path)
    note(path.stem, seconds)
    print(f"{path.name}: {seconds} s, {path.stat().st_size / 1e3:.0f} kB")


def note(stem: str, seconds: int, times: Path = TIMES) -> None:
    """Write down how long a notebook took, beside what others have written there in the meantime."""
    import fcntl

    folder = os.open(times.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        known = json.loads(times.read_text(encoding="utf-8")) if times.exists() else {}
        new = times.with_suffix(".tmp")
        new.write_text(json.dumps(known | {stem: seconds}, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        os.replace(new, times)
    finally:
        os.close(folder)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    chosen = [Path(a).resolve() for a in sys.argv[1:]] or plain()
    for notebook_path in chosen:
        execute(notebook_path)
