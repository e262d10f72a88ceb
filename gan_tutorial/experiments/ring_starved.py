"""What happens to the ring when G gets five updates for each of D's, and does it recover?"""

from __future__ import annotations

from typing import Any

from gan_tutorial.experiments.page import Page
from gan_tutorial.experiments.ring_modes import SAMPLES, STEPS
from gan_tutorial.metrics import mode_coverage
from gan_tutorial.training import Trainer


def run(seeds: list[int]) -> Page:
    """Train `ring-mlp` with g_steps = 5, then go on with g_steps = 1."""
    rows: list[tuple[object, ...]] = []
    for seed in seeds:
        trainer = Trainer("ring-mlp", device="cpu", seed=seed)
        ring: Any = trainer.dataset
        found = []
        for g_steps in (5, 1):
            trainer.configure(g_steps=g_steps)
            for _ in trainer.run(STEPS):
                pass
            found.append(mode_coverage(trainer.sample(SAMPLES), ring.modes, ring.std)[0])
        rows.append((seed, *found))
    collapsed = sum(int(str(row[1])) <= 1 for row in rows)
    recovered = sum(row[2] == 8 for row in rows)
    return Page(
        "ring-starved",
        "A starved discriminator, and its recovery",
        f"`ring-mlp` from the start with five updates of G for each of D's, {STEPS} steps; then one for one, {STEPS} "
        "steps more. Modes are counted as in the experiment ring-modes.",
        ("seed", "modes after five for one", "modes after one for one"),
        rows,
        f"At most one mode was left with {collapsed} of {len(rows)} seeds; afterwards all eight were found with "
        f"{recovered} of {len(rows)}.",
    )
