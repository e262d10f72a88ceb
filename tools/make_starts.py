"""Train the runs that the lab can start from (gan_tutorial/live/starts/): one command, seeded, three minutes on a CPU.

Each file is what `lab.save` writes, with the run's last moment only: networks, optimisers, noise and data go on.
"""

from __future__ import annotations

import time
from pathlib import Path

from gan_tutorial.live import saved
from gan_tutorial.live.history import History
from gan_tutorial.live.session import Session
from gan_tutorial.training import Recipe, recipe
from gan_tutorial.training.checkpoint import write_atomically

FOLDER = Path(__file__).parents[1] / "gan_tutorial" / "live" / "starts"
WIDE = {"model__g_width": 64, "model__d_width": 64}


def runs() -> dict[str, tuple[Recipe, int]]:
    """Name -> recipe and steps. The settings were chosen on seed 0 among three; R1 where it helped."""
    calm = {**WIDE, "r1": 0.1}
    return {
        "ring-8": (recipe("ring-mlp", **WIDE), 3000),
        "grid-25": (recipe("ring-mlp", data="grid-25", model__g_width=128, model__d_width=128, r1=0.1), 8000),
        "line": (recipe("ring-mlp", data="line", **WIDE, lr_g=5e-4, lr_d=5e-4, r1=0.1), 3000),
        "disjoint": (recipe("ring-mlp", data="disjoint", **calm), 2000),
        "two-moons": (recipe("ring-mlp", data="two-moons", **WIDE), 3000),
        "spiral": (recipe("ring-mlp", data="spiral", **WIDE), 5000),
        "swiss-roll": (recipe("ring-mlp", data="swiss-roll", **calm), 3000),
        "pinwheel": (recipe("ring-mlp", data="pinwheel", **calm), 3000),
        "digits8": (recipe("dcgan-digits8"), 1500),
    }


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, (made, steps) in runs().items():
        started, session = time.perf_counter(), Session(made)
        session.run(steps)
        last = History()
        last.add(session.history[len(session.history) - 1])
        write_atomically(FOLDER / f"{name}.safetensors", saved.dumps(made, session.seed, None, last))
        found = ", ".join(f"{k} {v:.3g}" for k, v in session.frame().metrics.items() if k in session.look.floors)
        print(f"{name}: {steps} steps in {time.perf_counter() - started:.0f} s; {found}", flush=True)


if __name__ == "__main__":
    main()
