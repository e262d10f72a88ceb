"""The results page of an experiment: one table, where and when it was measured, and how to do it again."""

from __future__ import annotations

import datetime
import os
import platform
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Page:
    """What an experiment found.

    Attributes:
        name: the experiment's name on the command line.
        title: the page's heading.
        method: what was done, in a few sentences.
        columns: the table's head.
        rows: the table's lines, one a seed.
        finding: what the table says, in a sentence or two.
        picture: PNG for the page, or None.
        alt: what the picture shows, in words.
        machine: where it was measured; None for here.
        seconds: how long it took in all; None if that was just now, from the first to the last.
    """

    name: str
    title: str
    method: str
    columns: tuple[str, ...]
    rows: list[tuple[object, ...]]
    finding: str
    picture: bytes | None = None
    alt: str = ""
    machine: str | None = None
    seconds: float | None = None

    def markdown(self, seconds: float, seeds: int) -> str:
        """The page as Markdown; `seconds` is how long the experiment took, `seeds` with how many it was done."""
        lines = [f"# {self.title}", "", self.method, ""]
        lines += ["| " + " | ".join(self.columns) + " |", "|" + "---|" * len(self.columns)]
        lines += ["| " + " | ".join(map(str, row)) + " |" for row in self.rows]
        lines += ["", self.finding, ""]
        if self.picture is not None:
            lines += [f"![{self.alt}]({self.name}.png)", ""]
        took = seconds if self.seconds is None else self.seconds
        lines += [
            f"Measured on {datetime.date.today():%Y-%m-%d} in {took:.0f} s: {self.machine or machine()}. "
            f"Again: `gan-tutorial reproduce {self.name} --seeds {seeds}`.",
            "",
        ]
        return "\n".join(lines)


def machine() -> str:
    """The device, torch's version and the number of threads."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else processor()
    threads = torch.get_num_threads()
    rounded = "" if torch.get_float32_matmul_precision() == "highest" else ", TF32 products"
    return f"{device}, torch {torch.__version__.split('+')[0]}, {threads} thread{'s' * (threads > 1)}{rounded}"


def processor() -> str:
    """The processor's name and its number of cores."""
    name = platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            name = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), name)
    except OSError:
        name = platform.processor() or name
    return f"{name}, {os.cpu_count()} cores"
