"""Execute the notebooks with their defaults and store the outputs, without anything that differs between machines.

    python tools/run_notebooks.py [NOTEBOOK ...]

The repository's address is stamped into badges and setup cells from `[project.urls]`, its only home. A cell that fails
(a claim that does not hold, say) stops with an error and leaves the stored notebook as it was.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import tomllib
from pathlib import Path

import nbformat
import papermill

ROOT = Path(__file__).resolve().parent.parent


def repository() -> str:
    """OWNER/NAME of the public repository."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["urls"]["Repository"]).split("github.com/")[1].rstrip("/")


def stamp(text: str, name: str) -> str:
    """`text` with every address of the repository (Colab badge, pip install) set to OWNER/NAME = `name`."""
    text = re.sub(r"(colab\.research\.google\.com/github/)[\w.-]+/[\w.-]+(/blob/)", rf"\g<1>{name}\g<2>", text)
    return re.sub(r"(git\+https://github\.com/)[\w.-]+/[\w.-]+(?=[\"'@ ])", rf"\g<1>{name}", text)


def clean(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Drop what execution adds beside outputs: times, counters of widgets, versions, papermill's record."""
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({k: v for k, v in cell.metadata.items() if k == "tags" and v})
        for output in cell.get("outputs", []):
            output.pop("metadata", None) if output.output_type == "stream" else output.update(metadata={})
            # A widget lives in a kernel; the saved page shows the picture beside it.
            output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
        if cell.cell_type == "code":
            cell.outputs = [o for o in cell.outputs if not (o.output_type == "stream" and o.name == "stderr")]
    return notebook


def execute(path: Path) -> None:
    """Run one notebook in place."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        cell.source = stamp(cell.source, repository())
    with tempfile.TemporaryDirectory() as folder:
        source, result = Path(folder) / path.name, Path(folder) / f"done-{path.name}"
        nbformat.write(notebook, source)
        papermill.execute_notebook(source, result, cwd=path.parent, progress_bar=False, log_output=False)
        done = clean(nbformat.read(result, as_version=4))
    nbformat.validate(done)
    new = path.with_suffix(".tmp")
    nbformat.write(done, new)
    os.replace(new, path)
    print(f"{path.name}: {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    chosen = [Path(a).resolve() for a in sys.argv[1:]] or sorted((ROOT / "notebooks").glob("*.ipynb"))
    for notebook_path in chosen:
        execute(notebook_path)
