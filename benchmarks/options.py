"""What every comparison is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Options:
    """quick: tiny sizes, to test the benchmark itself. threads: of torch, in every process. device: "cpu" or "cuda"."""

    quick: bool = False
    threads: int = 2
    rounds: int = 15
    device: str = "cpu"

    @property
    def timing(self) -> dict[str, Any]:
        """What :func:`benchmarks.timing.compare` takes."""
        if self.quick:
            return {"rounds": 2, "round_seconds": 0.01, "threads": self.threads}
        return {"rounds": self.rounds, "round_seconds": 1.0, "threads": self.threads}
