"""Is damage seen? Each test plants one fault in a copy of the repository, and the check meant for it has to turn red.

`make test-all` runs this; the name keeps it out of `make test`, which would run a notebook five times more.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
NEEDED = ("book", "gan_tutorial", "notebooks", "tests/notebooks", "tools")
STEM = "02_the_game"  # the quickest


@pytest.fixture
def copy(tmp_path):
    for name in NEEDED:
        left_out = shutil.ignore_patterns("__pycache__", "_build")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=left_out)
    for file in (*ROOT.glob("*.toml"), *ROOT.glob("*.md"), *ROOT.glob("LICENSE*")):
        shutil.copy(file, tmp_path)
    return tmp_path


def damage(copy, cell, old, new, outputs=False):
    """Replace a text in a cell's source, or in what it printed."""
    path = copy / "notebooks" / f"{STEM}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    chosen = next(c for c in notebook.cells if c.id == cell or (cell is None and old in c.source))
    held = [o for o in chosen.outputs if old in o.get("text", "")] if outputs else [chosen]
    name = "text" if outputs else "source"
    assert held, f"{cell}: no {old!r} in it"
    assert old in held[0][name]
    held[0][name] = held[0][name].replace(old, new, 1)
    nbformat.write(notebook, path)


def run(copy, *command):
    """Exit status and output of a command of the copy's own."""
    env = {**os.environ, "PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1", "NOTEBOOK_SEEDS": "20261"}
    done = subprocess.run(
        [sys.executable, *command], cwd=copy, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    return done.returncode, done.stdout


def compare(copy):
    return run(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbval", f"notebooks/{STEM}.ipynb")


def execute(copy):
    chosen = f"claims_hold and {STEM}"
    return run(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/notebooks", "-k", chosen)


def links(copy):
    chosen = f"links_lead and {STEM}"
    return run(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/notebooks", "-k", chosen)


def book(copy):
    return run(copy, "tools/make_book.py")


@pytest.mark.parametrize("check", [compare, execute, links, book], ids=lambda f: f.__name__)
def test_what_is_not_damaged_passes(copy, check):
    status, said = check(copy)
    assert status == 0, said


def test_a_wrong_saved_output_is_seen(copy):
    damage(copy, "claims", "checked: ", "checked, ", outputs=True)
    status, said = compare(copy)
    assert status == 1
    assert "Cell outputs differ" in said
    assert "mismatch 'stdout'" in said
    assert "checked, " in said


def test_a_broken_claim_is_seen(copy):
    damage(copy, "claims", "\nfor ", '\nclaims["one is two"] = 1 == 2\nfor ')
    status, said = execute(copy)
    assert status == 1
    assert "AssertionError: does not hold: one is two" in said


def test_a_broken_solution_is_seen(copy):
    damage(copy, "solution-1", "solved(", "solution_1 = [solution_1]\nsolved(")
    status, said = execute(copy)
    assert status == 1
    assert "AssertionError: 2.1: off: " in said


@pytest.mark.parametrize(
    ("page", "key", "said_by_the_tests", "said_by_the_book"),
    [
        ("references", "nobody1900", "no such citation", "reference: 'nobody1900' is not known"),
        ("glossary", "no-such-word", "no such place", "glossary: 'no-such-word' is not known"),
    ],
)
def test_a_dead_key_is_seen(copy, page, key, said_by_the_tests, said_by_the_book):
    damage(copy, None, "## Summary", f"## Summary\n\n[Nobody (1900)](../book/{page}.md#{key})")
    status, said = links(copy)
    assert status == 1
    assert f"#{key}: {said_by_the_tests}" in said
    status, said = book(copy)
    assert status != 0
    assert said_by_the_book in said
