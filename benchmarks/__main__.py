"""`python -m benchmarks`: every comparison in one run."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from benchmarks import (
    accelerator,
    dcgan,
    distances,
    imports,
    many,
    mimicry,
    overhead,
    report,
    rollouts,
    systems,
    torchgan,
)
from benchmarks.options import Options

COMPARISONS: dict[str, Callable[[Options], dict[str, Any]]] = {
    "dcgan": dcgan.run,
    "dcgan-64": partial(dcgan.run, size=64),
    "mimicry": mimicry.run,
    "torchgan": torchgan.run,
    "systems": systems.run,
    "systems-64": partial(systems.run, size=64),
    "overhead-ring": partial(overhead.run, name="ring-mlp"),
    "overhead-dcgan": partial(overhead.run, name="dcgan-mnist"),
    "toys": overhead.run_toys,
    "many": partial(many.run, toy="gan-lab"),
    "many-ring": partial(many.run, toy="ring-mlp"),
    "rollouts": rollouts.run,
    "rollouts-small": partial(rollouts.run, vocabulary=50),
    "frechet": distances.run_frechet,
    "neighbours": distances.run_neighbours,
    "neighbours-2048": partial(distances.run_neighbours, width=2048),
    "imports": imports.run,
    "accelerator": accelerator.run,
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser("python -m benchmarks", description="Speed, side by side with peers, in one run.")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: tests the benchmark, measures nothing")
    parser.add_argument("--only", action="append", choices=COMPARISONS, help="this comparison alone; may be repeated")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of torch (default: %(default)s)")
    parser.add_argument(
        "--rounds", type=int, default=15, help="turns of about a second for each (default: %(default)s)"
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--save", action="store_true", help="write JSON and Markdown")
    parser.add_argument("--folder", type=Path, default=report.RESULTS, help="where --save writes")
    chosen = parser.parse_args(arguments)
    options = Options(chosen.quick, chosen.threads, chosen.rounds, chosen.device)
    console = Console()
    console.width = max(console.width, 132)
    facts = report.machine(options)
    console.print(", ".join(f"{name} {value}" for name, value in facts.items()))
    # Large nets on a CPU take minutes for what 32 px shows too.
    default = [name for name in COMPARISONS if name != "dcgan-64" or options.device == "cuda"]
    results = {}
    for name in chosen.only or default:
        results[name] = COMPARISONS[name](options)
        report.show(results[name], console)
    if chosen.save:
        for path in report.save({"machine": facts, "results": results}, chosen.folder):
            console.print(f"wrote {path}", soft_wrap=True)


if __name__ == "__main__":
    main()
