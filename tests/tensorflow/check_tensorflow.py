"""Chapter 5b under its own environment: its claims hold for a seed that nobody looked at. (nbval compares its outputs.)

`make test-tensorflow` runs this. It is no part of `make test`, as it needs TensorFlow.
"""

from pathlib import Path

import nbformat
import papermill
import pytest

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "05b_tensorflow.ipynb"


@pytest.mark.parametrize("seed", [20261, 7])
def test_claims_hold_for_another_seed(seed, tmp_path):
    result = tmp_path / NOTEBOOK.name
    papermill.execute_notebook(NOTEBOOK, result, {"seed": seed}, cwd=tmp_path, progress_bar=False)
    cells = [c for c in nbformat.read(result, as_version=4).cells if c.cell_type == "code"]
    outputs = [o for c in cells for o in c.outputs]
    printed = "".join(o.text for o in outputs if o.output_type == "stream" and o.name == "stdout")
    assert printed.count("checked: ") == 5
    assert "each with its own epsilon, losses within 0.0001: True" in printed
    # TensorFlow's log lines do not belong on the page.
    assert not [o.text for o in outputs if o.output_type == "stream" and o.name == "stderr"]
