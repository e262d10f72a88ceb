"""What the Trainer adds to its own update rule, and how fast the toys run.

The sides of an overhead share all objects, and so one process: the same networks, optimisers and stream, turned either
by `Trainer.run` or by the bare call inside it. Nothing but the Trainer's own work differs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.dcgan import forever
from benchmarks.options import Options
from benchmarks.timing import Contender, compare
from gan_tutorial.training import Trainer, recipe

BARE, PLAIN, AVERAGED = "bare update rule", "Trainer, EMA off", "Trainer, EMA on"


def ways(name: str, changes: dict[str, Any], device: str) -> dict[str, Callable[[], Any]]:
    trainer = Trainer(recipe(name, ema=0.99, **changes), device=device)
    averages, steps = trainer.averages, forever(trainer)

    def run(kept: dict[str, Any]) -> None:
        trainer.averages = kept
        next(steps)

    return {
        BARE: lambda: trainer.algorithm.step(trainer.stream.__next__),
        PLAIN: lambda: run({}),
        AVERAGED: lambda: run(averages),
    }


def toy(changes: dict[str, Any], device: str) -> Callable[[], Any]:
    return forever(Trainer(recipe("ring-mlp", **changes), device=device)).__next__


def run(options: Options, name: str) -> dict[str, Any]:
    tiny = {"ring-mlp": {"batch_size": 8}, "dcgan-mnist": {"batch_size": 4, "model__g_width": 4, "model__d_width": 4}}
    changes: dict[str, Any] = tiny[name] if options.quick else {}
    result = compare(
        [Contender(name, "benchmarks.overhead:ways", {"name": name, "changes": changes, "device": options.device})],
        base=BARE,
        **{**options.timing, **({"threads": 1} if name == "ring-mlp" else {})},  # a toy gains nothing from more
    )
    added = ", ".join(f"{way}: {100 * (ratio['value'] - 1):+.1f} %" for way, ratio in result["ratio"].items())
    return {
        "title": f"The Trainer over its bare update rule: {name}",
        "items": ("images" if name == "dcgan-mnist" else "points", recipe(name, **changes).batch_size),
        **result,
        "notes": [f"Added to a step: {added}." if added else "Not measured."],
    }


def run_toys(options: Options) -> dict[str, Any]:
    playground = {
        "batch_size": 150,
        "model__g_width": 14,
        "model__g_depth": 1,
        "model__d_width": 14,
        "model__d_depth": 1,
    }
    contenders = [
        Contender(label, "benchmarks.overhead:toy", {"changes": changes, "device": options.device})
        for label, changes in (("GAN Lab's nets: 1 x 14, batch 150", playground), ("ours: 2 x 128, batch 256", {}))
    ]
    return {
        "title": "Toys: steps a second of ring-mlp, one thread",
        "items": ("steps", 1),
        **compare(contenders, base=None, **{**options.timing, "threads": 1}),
        "notes": [],
    }
