"""Installing the package in Colab changes nothing of what Colab has: every version there lies in our ranges."""

import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
FREEZE = (Path(__file__).parent / "freeze.txt").read_text().splitlines()
COLAB = {canonicalize_name(n): v for n, _, v in (x.partition("==") for x in FREEZE if not x.startswith("#"))}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def outside(requirements, installed=COLAB):
    """Those of the requirements that pip would change: name -> why."""
    found = {}
    for requirement in map(Requirement, requirements):
        version = installed.get(canonicalize_name(requirement.name))
        if version is None:
            found[requirement.name] = "missing"
        elif not requirement.specifier.contains(version, prereleases=True):
            found[requirement.name] = f"{version} is not {requirement.specifier}"
    return found


def test_what_the_setup_cell_installs_is_there_already():
    assert outside(PROJECT["dependencies"]) == {}


def test_of_the_lab_only_jupyterlab_is_missing():
    assert outside(EXTRAS["lab"]) == {"jupyterlab": "missing"}
    assert outside(EXTRAS["scale"]) == {}


def test_a_version_outside_is_seen():
    assert outside(["numpy>=2.2"]) == {"numpy": "2.1.3 is not >=2.2"}
    assert outside(["Scikit_Learn<2"]) == {}


def test_the_lists_of_pins_agree():
    """What the Colab environment is made of is what Colab has, where the list of it says so."""
    pins = [*(ROOT / "tests" / "browser" / "classic.txt").read_text().splitlines()]
    pins += (Path(__file__).parent / "pins.txt").read_text().splitlines()
    made = {canonicalize_name(n): v for n, _, v in (x.partition("==") for x in pins if not x.startswith("#"))}
    assert {"numpy", "matplotlib", "scikit-learn", "ipywidgets", "ipython", "ipykernel"} <= set(made) & set(COLAB)
    assert {n: (v, COLAB[n]) for n, v in made.items() if n in COLAB and COLAB[n] != v} == {}
