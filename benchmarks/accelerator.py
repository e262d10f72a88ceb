"""How well a step uses the device: floating-point operations, the share of the device's peak, and waits for it.

`python -m benchmarks.accelerator` measures this and one step of each image system on a CUDA device; it takes the
options of `python -m benchmarks`.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.dcgan import forever, pictures, recipe_of
from benchmarks.options import Options
from benchmarks.timing import Contender, compare
from gan_tutorial.training import Trainer

# Dense half-precision peaks in TFLOP/s, from the vendor's data sheets. The more exact name stands first.
PEAKS = {"H100 PCIe": 756, "H100": 989, "H200": 989, "A100": 312, "L4": 121, "T4": 65, "V100": 125}
SYNC_STEPS = 20


def peak(device_name: str) -> float | None:
    """The device's half-precision peak in FLOP/s, None if it is not in the table."""
    found = (value for name, value in PEAKS.items() if re.search(rf"\b{name}\b", device_name))
    value = next(found, None)
    return None if value is None else value * 1e12


def flops_a_step(trainer: Trainer) -> int:
    """Of matrix products and convolutions, forward and backward, in one step: 2 a multiply-add."""
    steps = forever(trainer)
    with FlopCounterMode(display=False) as counter:
        next(steps)
    return counter.get_total_flops()


def waits(trainer: Trainer, steps: int = SYNC_STEPS) -> int:
    """How often the host waited for the GPU in so many steps."""
    run = forever(trainer)
    for _ in range(5):
        next(run)
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for _ in range(steps):
                next(run)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return sum("synchroniz" in str(w.message) for w in caught)


def run(options: Options) -> dict[str, Any]:
    gpu = options.device == "cuda"
    size, width, batch = (16, 4, 4) if options.quick else (64, 64, 128) if gpu else (32, 64, 64)
    precision = "bf16" if gpu else "fp32"
    flops = flops_a_step(Trainer(recipe_of(width, batch), device="cpu", dataset=pictures(size)))
    sizes = {"size": size, "width": width, "batch": batch, "device": options.device, "precision": precision}
    result = compare([Contender("ours", "benchmarks.dcgan:ours", sizes)], base=None, **options.timing)
    notes = [f"{flops / 1e9:.3g} GFLOP a step, counted by torch's FlopCounterMode."]
    speed = share = None
    if "ours" in result["seconds"]:
        speed = flops / result["seconds"]["ours"]["median"]
        most = peak(torch.cuda.get_device_name()) if gpu else None
        share = speed / most if most else None
        of_peak = (
            f", {100 * share:.0f} % of the device's peak" if share else " (this device's peak is not in the table)"
        )
        notes.append(f"{speed / 1e12:.3g} TFLOP/s{of_peak}.")
    syncs = waits(Trainer(recipe_of(width, batch, precision), device="cuda", dataset=pictures(size))) if gpu else None
    asked = f"Waits of the host for the GPU in {SYNC_STEPS} steps: "
    notes.append(asked + ("not applicable on this device." if syncs is None else f"{syncs}."))
    return {
        "title": f"Use of the device: DCGAN, {size} px, width {width}, batch {batch}, {precision}",
        "items": ("images", batch),
        **result,
        "flops": flops,
        "flops_per_second": speed,
        "share_of_peak": share,
        "syncs": syncs,
        "notes": notes,
    }


def main(arguments: Sequence[str]) -> None:
    """Everything about a GPU; ends with one line where there is none."""
    from benchmarks import __main__ as every  # it imports this module

    if not torch.cuda.is_available():
        sys.exit("benchmarks.accelerator: torch finds no CUDA device here; python -m benchmarks measures the CPU")
    only = [word for name in ("accelerator", "systems", "systems-64") for word in ("--only", name)]
    every.main([*only, *arguments])


if __name__ == "__main__":
    main(sys.argv[1:])
