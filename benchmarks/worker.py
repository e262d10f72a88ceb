"""A contender's side: builds it, then makes as many steps as the benchmark asks for, one JSON line an answer."""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

WARM_UP = 3


def peak_memory() -> int:
    """Bytes: of the GPU's allocator where one was used, else the process's resident set at its largest."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        return torch.cuda.max_memory_allocated()
    status = Path("/proc/self/status")
    if status.exists():
        return next(int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    scale = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale


def synchronize() -> None:
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()


def serve(job: dict[str, Any], answer: Callable[..., None]) -> None:
    torch.set_num_threads(job["threads"])
    at_start = peak_memory()
    module, function = job["build"].split(":")
    built = getattr(importlib.import_module(module), function)(**job["options"])
    steps: dict[str, Callable[[], Any]] = built if isinstance(built, dict) else {"": built}
    for step in steps.values():
        for _ in range(WARM_UP):
            step()
    answer(names=list(steps))
    made = faults = 0
    for line in sys.stdin:
        request = json.loads(line)
        if "usage" in request:
            memory = peak_memory()
            told = next((step.parameters for step in steps.values() if hasattr(step, "parameters")), None)
            on_gpu = torch.cuda.is_available() and torch.cuda.is_initialized()
            added = memory if on_gpu else memory - at_start
            answer(memory=memory, added_memory=added, page_faults=faults / max(1, made), parameters=told)
            continue
        step, n = steps[request["name"]], request["steps"]
        faults -= resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        synchronize()
        start = time.perf_counter()
        for _ in range(n):
            step()
        synchronize()
        seconds = time.perf_counter() - start
        faults += resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        made += n
        answer(seconds=seconds)


def main() -> None:
    replies = os.fdopen(os.dup(1), "w")  # whatever a contender prints must not mix with the answers
    os.dup2(2, 1)

    def answer(**values: Any) -> None:
        print(json.dumps(values), file=replies, flush=True)

    try:
        serve(json.loads(sys.argv[1]), answer)
    except Exception as error:
        answer(error=f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}")


if __name__ == "__main__":
    main()
