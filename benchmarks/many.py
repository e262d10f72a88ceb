"""A stability map of 64 toy GANs against one GAN under the Trainer, in turns: how much dearer are many than one?

Two toys. GAN Lab's nets are so small that one GAN's step is nearly all overhead, which 64 share. In the book's
`ring-mlp` more than half of one step is matrix products, of which 64 GANs need 64 times as many: the notes tell the
ratio that these alone would give at the speed measured for one big product.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.dcgan import forever
from benchmarks.options import Options
from benchmarks.timing import Contender, compare
from gan_tutorial.live.many import StabilityMap
from gan_tutorial.training import Trainer, recipe

SIDE = 8
LOW, HIGH = 1e-4, 1e-2  # learning rates at which no GAN of either toy diverges
TOYS: dict[str, dict[str, Any]] = {
    "gan-lab": {
        "batch_size": 150,
        "model__g_width": 14,
        "model__g_depth": 1,
        "model__d_width": 14,
        "model__d_depth": 1,
    },
    "ring-mlp": {},
}
TITLES = {"gan-lab": "GAN Lab's nets, 1 x 14, batch 150", "ring-mlp": "ring-mlp, 2 x 128, batch 256"}
ONE = "one, Trainer"


def one(changes: dict[str, Any], device: str) -> Callable[[], Any]:
    return forever(Trainer(recipe("ring-mlp", **changes), device=device)).__next__


def many(changes: dict[str, Any], device: str, side: int = SIDE) -> Callable[[], Any]:
    rates = torch.logspace(torch.tensor(LOW).log10(), torch.tensor(HIGH).log10(), side).tolist()
    grid = StabilityMap(recipe("ring-mlp", **changes), x=("lr_g", rates), y=("lr_d", rates), device=device)
    return grid.run(10**9).__next__


def products(changes: dict[str, Any]) -> float:
    """Floating point operations of the matrix products in one GAN's step (n_critic 1, no penalty)."""
    r = recipe("ring-mlp", **changes)
    trainer = Trainer(r, device="cpu")
    sizes = {role: [p.numel() for p in net.parameters() if p.dim() == 2] for role, net in trainer.networks.items()}
    g, d = sizes["generator"], sizes["discriminator"]
    # A layer's product forward, that of its weights' gradient, and that of its input's, the first layer's only for G.
    generator = 3 * sum(g) - g[0]
    discriminator = 2 * (3 * sum(d) - d[0]) + 2 * sum(d)  # D's update sees real and fake; G's goes through it
    return 2.0 * r.batch_size * (generator + discriminator)


def peak(n: int = 2048) -> float:
    """Floating point operations a second of one big matrix product on one thread: the best of five."""
    a, threads = torch.ones(n, n), torch.get_num_threads()
    torch.set_num_threads(1)
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - start)
    torch.set_num_threads(threads)
    return 2 * n**3 / best


def run(options: Options, toy: str) -> dict[str, Any]:
    changes = {**TOYS[toy], **({"batch_size": 8} if options.quick else {})}
    side = 2 if options.quick else SIDE
    settings = {"changes": changes, "device": options.device}
    contenders = [
        Contender(ONE, "benchmarks.many:one", settings),
        Contender(f"{side * side} together", "benchmarks.many:many", {**settings, "side": side}),
    ]
    result = compare(contenders, base=ONE, **{**options.timing, "threads": 1})  # a toy gains nothing from more
    notes = ["A step is one step of every GAN."]
    if options.device == "cpu" and ONE in result["seconds"]:
        floor = side * side * products(changes) / peak(256 if options.quick else 2048)
        notes.append(
            f"The matrix products of {side * side} at the speed of one big product take {1e3 * floor:.3g} ms, "
            f"{floor / result['seconds'][ONE]['median']:.1f} times one's whole step."
        )
    return {"title": f"Many GANs at once: {TITLES[toy]}", "items": ("steps", 1), **result, "notes": notes}
