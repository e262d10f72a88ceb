"""Results as tables: to the terminal, as Markdown, as JSON."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.options import Options
from benchmarks.timing import ROOT

RESULTS = Path(__file__).parent / "results"


def machine(options: Options) -> dict[str, Any]:
    """What a reader needs to judge the numbers; nothing that names this very machine."""
    return {
        "device": torch.cuda.get_device_name() if options.device == "cuda" else _processor(),
        "cores": os.cpu_count(),
        "threads": options.threads,
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "date": datetime.now(UTC).date().isoformat(),
        "commit": _commit(),
        "quick": options.quick,
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*:\s*(.+)$", info.read_text(), re.MULTILINE) if info.exists() else None
    return found[1].strip() if found else platform.processor() or platform.machine()


def _commit() -> str:
    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "--short=12", "HEAD") + (" with changes" if git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return "none"


def rows(result: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """A result's header and lines."""
    items, base = result["items"], result["base"]
    header = ["", "ms a step" if items else "ms", "middle half"]
    header += [f"{items[0]}/s", "peak MiB", "added MiB"] if items else []
    header += [f"x {base}", "95 %"] if base else []
    lines = []
    for name, seconds in result["seconds"].items():
        median, low, high = (_digits(1000 * seconds[key]) for key in ("median", "low", "high"))
        line = [name, median, f"{low}-{high}"]
        if items:
            memory = (result[key][name] / 2**20 for key in ("memory", "added_memory"))
            line += [_digits(items[1] / seconds["median"]), *map(_digits, memory)]
        if base:
            ratio = result["ratio"].get(name)
            line += [f"{ratio['value']:.3f}", f"{ratio['low']:.3f}-{ratio['high']:.3f}"] if ratio else ["", ""]
        lines.append(line)
    return header, lines


def notes(result: dict[str, Any]) -> list[str]:
    failed = [f"{name} could not run: {reason}" for name, reason in result.get("could_not_run", {}).items()]
    return [*failed, *result["notes"]]


def show(result: dict[str, Any], console: Console) -> None:
    header, lines = rows(result)
    table = Table(title=result["title"], title_justify="left", caption="\n".join(notes(result)), caption_justify="left")
    for i, column in enumerate(header):
        table.add_column(column, justify="right" if i else "left", no_wrap=True)
    for line in lines:
        table.add_row(*line)
    console.print(table)


def markdown(report: dict[str, Any]) -> str:
    facts = report["machine"]
    text = [
        f"# Speed on {facts['device']}",
        ", ".join(f"{name} {value}" for name, value in facts.items() if name != "device"),
    ]
    for result in report["results"].values():
        header, lines = rows(result)
        table = ["| " + " | ".join(cells) + " |" for cells in (header, ["---", *["---:"] * (len(header) - 1)], *lines)]
        text += [f"## {result['title']}", "\n".join(table), "\n".join(f"- {note}" for note in notes(result))]
    return "\n\n".join(part for part in text if part) + "\n"


def save(report: dict[str, Any], folder: Path = RESULTS) -> list[Path]:
    """Write the report as JSON and as Markdown; returns both paths."""
    facts = report["machine"]
    slug = re.sub(r"[^a-z0-9]+", "-", f"{facts['device']} {facts['cores']} cores".lower()).strip("-")
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{slug}-{facts['date']}.{kind}" for kind in ("json", "md")]
    paths[0].write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    paths[1].write_text(markdown(report), encoding="utf-8")
    return paths


def _digits(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:,.0f}"
