"""How long importing the package takes, beside importing torch: what a learner waits for in the first cell."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from typing import Any

from benchmarks.options import Options
from benchmarks.timing import ROOT, Measured

MODULES = ("torch", "gan_tutorial", "gan_tutorial.training")
_CODE = f"""
import importlib, json, time
seconds = []
for name in {MODULES!r}:
    start = time.perf_counter()
    importlib.import_module(name)
    seconds.append(time.perf_counter() - start)
print(json.dumps(seconds))
"""


def run(options: Options) -> dict[str, Any]:
    """Each in a fresh interpreter, one after the other: every module's time is what it adds to those before it."""
    runs = []
    for _ in range(2 if options.quick else 9):
        done = subprocess.run([sys.executable, "-c", _CODE], cwd=ROOT, check=True, capture_output=True, text=True)
        runs.append(json.loads(done.stdout))
    runs = runs[1:] if len(runs) > 2 else runs  # the first one finds the files cold
    return {
        "title": "Import",
        "items": None,
        "seconds": {
            name: asdict(Measured.of(column)) for name, column in zip(MODULES, zip(*runs, strict=True), strict=True)
        },
        "base": None,
        "notes": ["Added to the modules above it, in a fresh interpreter."],
    }
