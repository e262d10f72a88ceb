"""Run the notebooks under Colab's own versions; `make test-colab` makes the environment and calls this with its Python.

    python tests/colab/run.py [NOTEBOOK ...]

A module `google.colab` stands in, so that the setup cell takes Colab's way. What it would have `%pip` install is only
noted, and has to be the published package; the package itself is this checkout's.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

import nbclient
import nbformat

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tools"))
from run_notebooks import plain, repository  # noqa: E402

VERSIONS = {"IPython": "7.34.0", "ipykernel": "6.17.1", "ipywidgets": "7.7.1", "numpy": "2.1.3", "matplotlib": "3.10.0"}
BEFORE = """
import sys
from IPython import get_ipython
_pip_lines = []
get_ipython().register_magic_function(lambda line: _pip_lines.append(line), "line", "pip")
assert "google.colab" in sys.modules
"""
ASKED = f'install -q "gan-tutorial{{}} @ git+https://github.com/{repository()}"'
AFTER = f"""
import importlib, gan_tutorial
assert len(_pip_lines) == 1 and _pip_lines[0] in [{ASKED!r}.format(extra) for extra in ("", "[hub]")], _pip_lines
for name, version in {VERSIONS!r}.items():
    module = importlib.import_module(name)
    assert (module.__version__, sys.prefix in module.__file__) == (version, True), (name, module.__version__)
assert gan_tutorial.__file__.startswith({str(ROOT)!r})
"""


def run(path: Path) -> None:
    """Execute one notebook as a reader in Colab does who runs all cells; raises what a cell raises."""
    notebook = nbformat.read(path, as_version=4)
    code = nbformat.v4.new_code_cell
    notebook.cells = [code(BEFORE), *notebook.cells, code(AFTER)]
    with tempfile.TemporaryDirectory() as folder:
        client = nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": folder}})
        client.execute()
    printed = "".join(o.get("text", "") for c in notebook.cells if c.cell_type == "code" for o in c.outputs)
    assert printed.count("checked: ") >= 3, f"{path.name}: its claims were not checked"
    pictures = [
        o for c in notebook.cells if c.cell_type == "code" for o in c.outputs if "image/png" in o.get("data", {})
    ]
    assert pictures, f"{path.name}: no picture"


if __name__ == "__main__":
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), str(ROOT)])
    for notebook_path in [Path(a) for a in sys.argv[1:]] or plain():
        started = time.monotonic()
        run(notebook_path)
        print(f"{notebook_path.name}: runs under Colab's versions, {time.monotonic() - started:.0f} s", flush=True)
