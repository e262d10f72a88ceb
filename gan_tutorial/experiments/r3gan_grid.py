"""What do the relativistic loss and its two penalties do for the 25 modes of the grid?"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gan_tutorial.experiments.page import Page
from gan_tutorial.metrics import mode_coverage
from gan_tutorial.training import Trainer, recipe

STEPS, LAST, EVERY, SAMPLES = 4000, 1000, 100, 2500
WEIGHT = 0.1
SHARED = {"data": "grid-25", "lr_g": 2e-3, "lr_d": 5e-3, "beta1": 0.5, "ema": 0.99}
OBJECTIVES: dict[str, dict[str, Any]] = {
    "relativistic, R1, R2": {"loss": "relativistic", "r1": WEIGHT, "r2": WEIGHT},
    "relativistic": {"loss": "relativistic"},
    "non-saturating, R1, R2": {"loss": "non-saturating", "r1": WEIGHT, "r2": WEIGHT},
    "non-saturating, R1": {"loss": "non-saturating", "r1": WEIGHT},
}


def run(seeds: list[int]) -> Page:
    """Train the networks of `ring-mlp` on the grid, with each objective once a seed."""
    rows: list[tuple[object, ...]] = []
    findings = []
    for name, settings in OBJECTIVES.items():
        results = [train(settings, seed) for seed in seeds]
        for seed, (modes, near, uneven, fewest) in zip(seeds, results, strict=True):
            rows.append((name, seed, modes, f"{near:.1%}", f"{uneven:.2f}", fewest))
        found, shares, unevens, lows = zip(*results, strict=True)
        findings.append(
            f"- {name}: all 25 modes with {found.count(25)} of {len(seeds)} seeds; {min(shares):.0%} to "
            f"{max(shares):.0%} of high quality; unevenness {min(unevens):.2f} to {max(unevens):.2f}; without the "
            f"average never fewer than {min(lows)} modes."
        )
    shared = ", ".join(f"{name} {value}" for name, value in SHARED.items() if name != "data")
    return Page(
        "r3gan-grid",
        "The relativistic loss and its penalties on the grid",
        f"The networks of `ring-mlp` on `grid-25`, {STEPS} steps a seed with {shared}; a penalty that is on has the "
        f"weight {WEIGHT:g}. These settings were chosen for the first objective, with other seeds. Modes and high "
        f"quality are counted as in the experiment ring-modes, in {SAMPLES} samples of the averaged generator. The "
        "unevenness says how the samples of high quality are spread over the modes: KL(samples, even spread) in nats, "
        "0 if they are spread evenly, 0.69 if half of the modes get nothing. The last column shows how restless the "
        "game is: the fewest modes of the generator itself, without the average, looked at every "
        f"{EVERY} of the last {LAST} steps.",
        ("objective", "seed", "modes, of 25", "high quality", "unevenness", "fewest modes without the average"),
        rows,
        "\n".join(findings),
    )


def train(settings: dict[str, Any], seed: int) -> tuple[int, float, float, int]:
    """Of the averaged generator: modes found, share near a mode, unevenness; of the other: its fewest modes of late."""
    trainer = Trainer(recipe("ring-mlp", steps=STEPS, **SHARED, **settings), device="cpu", seed=seed)
    grid: Any = trainer.dataset
    fewest = len(grid.modes)
    for metrics in trainer.run():
        if metrics["step"] > STEPS - LAST and metrics["step"] % EVERY == 0:
            restless = trainer.sample(SAMPLES, average=False)
            fewest = min(fewest, mode_coverage(restless, grid.modes, grid.std)[0])
    samples = trainer.sample(SAMPLES)
    modes, near = mode_coverage(samples, grid.modes, grid.std)
    return modes, near, unevenness(samples, grid.modes, grid.std), fewest


def unevenness(samples: Tensor, modes: Tensor, std: float) -> float:
    """KL(p, uniform) in nats, where p says how the samples (N, 2) within 3 `std` of any of the modes (K, 2) are spread
    over them; log K if there are none."""
    distance, mode = torch.cdist(samples, modes).min(1)
    counts = torch.bincount(mode[distance <= 3 * std], minlength=len(modes)).double()
    p = counts / counts.sum().clamp(min=1)
    return float(torch.log(torch.tensor(float(len(modes)))) + torch.xlogy(p, p).sum())


def _range(values: tuple[float, ...], form: str) -> str:
    return f"{form.format(min(values))} to {form.format(max(values))}"
