"""The notebooks as files, and with parameters nobody looked at. (Their saved outputs are compared by nbval.)"""

import importlib.util
import re
from pathlib import Path

import nbformat
import papermill
import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
spec = importlib.util.spec_from_file_location("run_notebooks", ROOT / "tools" / "run_notebooks.py")
run_notebooks = importlib.util.module_from_spec(spec)
spec.loader.exec_module(run_notebooks)

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def code(notebook):
    return [c for c in notebook.cells if c.cell_type == "code"]


def test_there_are_notebooks():
    assert NOTEBOOKS


@each
def test_is_valid_small_and_free_of_machine_traces(path):
    notebook = read(path)
    nbformat.validate(notebook)
    assert path.stat().st_size < 1_500_000
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.language_info == {"name": "python"}
    for cell in notebook.cells:
        assert set(cell.metadata) <= {"tags"}


@each
def test_every_cell_was_run_in_order_without_an_error(path):
    cells = code(read(path))
    assert [c.execution_count for c in cells] == list(range(1, len(cells) + 1))
    outputs = [o for c in cells for o in c.outputs]
    assert outputs
    assert not [o for o in outputs if o.output_type == "error"]
    assert not [o for o in outputs if o.output_type == "stream" and o.name == "stderr"]


@each
def test_labs_left_a_picture_and_no_widget_state(path):
    outputs = [o for c in code(read(path)) for o in c.outputs]
    assert not [o for o in outputs if "application/vnd.jupyter.widget-view+json" in o.get("data", {})]
    assert any("image/png" in o.get("data", {}) for o in outputs)


@each
def test_cells_are_short(path):
    lengths = sorted(len(c.source.splitlines()) for c in code(read(path)))
    assert lengths[-1] <= 25
    (parameters,) = [c for c in code(read(path)) if "parameters" in c.metadata.get("tags", [])]
    assert {"seed", "device", "steps", "full"} == set(re.findall(r"^(\w+) =", parameters.source, re.M))


@each
def test_hardly_any_output_goes_unchecked(path):
    cells = code(read(path))
    skipped = [c for c in cells if "NBVAL_IGNORE" in c.source or "NBVAL_SKIP" in c.source or "nbval" in str(c.metadata)]
    assert len(skipped) <= 0.1 * len(cells)


@each
def test_addresses_are_stamped(path):
    for cell in read(path).cells:
        assert cell.source == run_notebooks.stamp(cell.source, run_notebooks.repository())


@each
def test_claims_hold_for_another_seed(path, tmp_path):
    """Papermill: the whole notebook again, with a seed that nobody looked at. A claim that fails, fails here."""
    result = tmp_path / path.name
    papermill.execute_notebook(path, result, {"seed": 20_261}, cwd=tmp_path, progress_bar=False)
    printed = "".join(o.text for c in code(read(result)) for o in c.outputs if o.output_type == "stream")
    assert printed.count("checked: ") >= 3


def test_stamp_replaces_every_address_and_nothing_else():
    text = (
        "[x](https://colab.research.google.com/github/a/b/blob/main/notebooks/n.ipynb) "
        'pip install "p @ git+https://github.com/a/b" and https://github.com/other/thing'
    )
    assert run_notebooks.stamp(text, "me/mine") == text.replace("a/b", "me/mine")
