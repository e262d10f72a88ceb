"""The project's promises about itself: versions, floors, safety."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version
from rattler import MatchSpec

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
SOURCES = sorted((ROOT / "gan_tutorial").rglob("*.py"))

# Lowest first; a file imports only from its own floor and from lower ones.
FLOORS = [
    {"errors"},
    {"data", "models", "losses", "penalties", "augment"},
    {"algorithms"},
    {"training"},
    {"zoo"},
    {"metrics", "plots"},
    {"judges"},
    {"evaluation"},
    {"live", "experiments", "exercises"},
    {"cli"},
    {"__main__"},
]


def pins():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return {Requirement(x).name.lower().replace("_", "-"): Requirement(x) for x in lines if x and not x.startswith("#")}


# -- versions -----------------------------------------------------------------------------------------------------
def test_constraints_are_exact_and_satisfy_the_ranges():
    exact = pins()
    for name, pin in exact.items():
        assert re.fullmatch(r"==[\w.!+]+", str(pin.specifier)), name
    wanted = [Requirement(x) for x in PROJECT["dependencies"]]
    wanted += [Requirement(x) for extra in ("lab", "hub", "scale", "test", "book") for x in EXTRAS[extra]]
    for requirement in wanted:
        name = requirement.name.lower().replace("_", "-")
        version = Version(str(exact[name].specifier).removeprefix("=="))
        assert requirement.specifier.contains(version), f"{requirement} does not admit {version}"


def test_ranges_only_in_pyproject():
    for requirement in [*PROJECT["dependencies"], *(x for extra in EXTRAS.values() for x in extra)]:
        assert "==" not in str(Requirement(requirement).specifier)


def test_promised_versions():
    assert PROJECT["requires-python"] == ">=3.11"
    ranges = {Requirement(x).name: Requirement(x).specifier for x in [*PROJECT["dependencies"], *EXTRAS["lab"]]}
    for name, admitted, refused in (
        ("torch", "2.11.0", "2.10.0"),
        ("numpy", "2.0.0", "1.26.4"),
        ("ipywidgets", "7.7.1", "7.6.0"),
        ("ipywidgets", "8.1.9", "9.0"),
    ):
        assert ranges[name].contains(admitted)
        assert not ranges[name].contains(refused)
    assert str(pins()["torch"].specifier) == "==2.13.0"
    assert str(pins()["sphinx"].specifier) == "==8.2.3"


def test_conda_environment_agrees_with_pyproject():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["channels"] == ["conda-forge"]
    conda = [x for x in environment["dependencies"] if isinstance(x, str)]
    (pip,) = [x["pip"] for x in environment["dependencies"] if isinstance(x, dict)]
    specs = {str(spec.name.normalized): spec for spec in (MatchSpec(x, strict=True) for x in conda)}
    assert set(specs) == {"python", "pip"}
    python = str(specs["python"].version)
    assert PROJECT["requires-python"] in python
    assert "<3.14" in python
    assert pip[0] == "-c constraints.txt"
    (package,) = pip[1:]
    requirement = Requirement(package.replace("-e .", PROJECT["name"]))
    assert requirement.extras <= set(EXTRAS)
    assert {"lab", "scale", "test"} <= requirement.extras


def test_one_version_and_one_address():
    import gan_tutorial

    assert gan_tutorial.__version__ == PROJECT["version"]
    assert f"version: {PROJECT['version']}" in (ROOT / "CITATION.cff").read_text()
    assert f"## {PROJECT['version']}" in (ROOT / "CHANGELOG.md").read_text()
    assert list(PROJECT["urls"]) == ["Repository"]
    assert (ROOT / "gan_tutorial" / "py.typed").exists()


# -- structure ----------------------------------------------------------------------------------------------------
def imported(path):
    """Modules of the package that a file imports, anywhere in it."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, [base, node.module or ""]))
            yield from (f"{module}.{alias.name}" for alias in node.names)


def floor(module):
    room = module.split(".")[1]
    return next(i for i, rooms in enumerate(FLOORS) if room in rooms)


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_only_go_downwards(path):
    if path == ROOT / "gan_tutorial" / "__init__.py":
        assert not [m for m in imported(path) if m.startswith("gan_tutorial")]
        return
    own = floor(".".join(path.relative_to(ROOT).with_suffix("").parts))
    for module in imported(path):
        if module.startswith("gan_tutorial.") and module != "gan_tutorial.__version__":
            assert floor(module) <= own, f"{path.name} imports {module} from a floor above"


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_unsafe_call_and_no_torchvision(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            assert name not in ("eval", "exec", "pickle.load", "pickle.loads", "os.system"), f"{path}:{node.lineno}"
            keywords = {k.arg: ast.unparse(k.value) for k in node.keywords}
            if name == "torch.load":
                assert keywords.get("weights_only") == "True", f"{path}:{node.lineno}"
            if name in ("np.load", "numpy.load"):
                assert keywords.get("allow_pickle") == "False", f"{path}:{node.lineno}"
    assert not [m for m in imported(path) if m.split(".")[0] in ("torchvision", "pickle")]


def test_importing_the_package_is_light():
    code = (
        "import sys, gan_tutorial.training, gan_tutorial.cli; "
        "heavy = {'matplotlib', 'sklearn', 'scipy', 'pandas', 'accelerate', 'pooch', 'IPython', 'ipywidgets'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_module_says_what_it_is_for():
    for path in SOURCES:
        if path.name != "__main__.py":
            assert ast.get_docstring(ast.parse(path.read_text())), path


def test_no_file_named_after_nothing():
    for path in SOURCES:
        assert path.stem not in ("utils", "common", "helpers", "misc", "base"), path


def test_every_test_that_a_page_of_the_book_cites_exists():
    cited = set()
    for page in (ROOT / "book").glob("*.md"):
        for path, name in re.findall(r"`(tests/[\w/.]+)::([^`]+)`", page.read_text(encoding="utf-8")):
            cited.add(name)
            source = (ROOT / path).read_text(encoding="utf-8")
            assert (name if path.endswith(".mjs") else f"def {name}(") in source, f"{path}::{name}"
    assert len(cited) > 20


def test_every_file_of_the_package_is_installed_with_it():
    """Notebooks in Colab run an installed package: a file that no pattern names would be missing there."""
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"][
        "gan_tutorial"
    ]
    package = ROOT / "gan_tutorial"
    files = [path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    named = {path for pattern in patterns for path in package.glob(pattern)}
    assert len(files) > 100
    assert not [str(path) for path in files if path.suffix != ".py" and path not in named]
