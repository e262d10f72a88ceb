"""The peers' environment: `python -m benchmarks.peers` makes `.venv-peers`, which sees our environment's packages too.

Most of the peers are from 2018-2021. Beside what they train with, they import packages that no longer fit, or that no
step needs: `load` puts empty modules in their places. Their training code runs as it was published.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import subprocess
import sys
import sysconfig
import types
from pathlib import Path
from typing import Any

from benchmarks.timing import ROOT

FOLDER = ROOT / ".venv-peers"
PYTHON = FOLDER / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
CONSTRAINTS = Path(__file__).with_name("peers-constraints.txt")
PEERS = (
    "torch-mimicry",
    "torchgan",
    "stylegan2-pytorch",
    "kornia",
    "kornia-rs",
    "prdc",
)  # kornia blurs for stylegan2-pytorch


def make() -> None:
    """Create the environment, or bring it up to the pins."""
    if not PYTHON.exists():
        subprocess.run([sys.executable, "-m", "venv", FOLDER], check=True)
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = subprocess.run([PYTHON, "-c", where], check=True, capture_output=True, text=True).stdout.strip()
    (Path(site) / "gan-tutorial-environment.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, "--constraint", str(CONSTRAINTS), *PEERS], check=True)


class _Empty(types.ModuleType):
    """A module of which any name can be imported, and is None."""

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)


_UNUSED = (
    *("torchvision", "skimage", "torch.utils.tensorboard", "torch_mimicry.metrics", "torch_mimicry.datasets"),
    *("aim", "einops", "fire", "vector_quantize_pytorch"),  # stylegan2-pytorch's, for logs, options and layers left out
)


def load(name: str) -> Any:
    """Import a module of a peer, with what it does not need for a step (`_UNUSED`) left empty."""
    if importlib.util.find_spec(name.partition(".")[0]) is None:
        raise ModuleNotFoundError(
            f"{name} is not installed here; make the peers' environment: python -m benchmarks.peers"
        )
    os.environ |= {"CONSOLE_LOGGING": "0", "TENSORBOARD_LOGGING": "0", "VISDOM_LOGGING": "0"}  # torchgan's
    for unused in _UNUSED:
        sys.modules.setdefault(unused, _Empty(unused))
    return importlib.import_module(name)


if __name__ == "__main__":
    make()
