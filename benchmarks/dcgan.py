"""Our DCGAN step, through the Trainer, against the PyTorch example's loop: equal nets, weights, data and noise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch

from benchmarks import plain_dcgan
from benchmarks.options import Options
from benchmarks.timing import Contender, compare
from gan_tutorial import models
from gan_tutorial.data import Dataset
from gan_tutorial.training import Recipe, Trainer, recipe

Z_DIM = 100
BATCHES = 8  # that the plain loop finds ready in memory


def pictures(size: int, channels: int = 3, n: int = 1024, classes: int = 0) -> Dataset:
    """Noise as a data set: what is in the pictures does not change the time."""
    rng = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (n, channels, size, size), dtype=torch.uint8, generator=rng)
    return Dataset.from_tensor(x, torch.arange(n) % classes if classes else None)


def recipe_of(width: int, batch: int, precision: str = "fp32", compiled: bool = False) -> Recipe:
    return recipe(
        "dcgan-avatars",
        batch_size=batch,
        loss="non-saturating",
        lr_g=2e-4,
        lr_d=2e-4,
        beta1=0.5,
        beta2=0.999,
        ema=0.0,
        precision=precision,
        compile=compiled,
        model__norm="batch",
        model__z_dim=Z_DIM,
        model__g_width=width,
        model__d_width=width,
    )


def forever(trainer: Trainer) -> Iterator[dict[str, Any]]:
    return trainer.run(10**9)


def ours(
    size: int, width: int, batch: int, device: str = "cpu", precision: str = "fp32", compile_mode: str = ""
) -> Callable[[], Any]:
    """`compile_mode`: "" for none, "default" as a recipe's `compile` does it, or another mode of torch.compile."""
    trainer = Trainer(
        recipe_of(width, batch, precision, compile_mode == "default"), device=device, dataset=pictures(size)
    )
    if compile_mode not in ("", "default"):
        for net in trainer.networks.values():
            net.compile(mode=compile_mode)
    return forever(trainer).__next__


def pair(size: int, width: int, batch: int, device: str = "cpu") -> tuple[Trainer, plain_dcgan.PlainDCGAN]:
    """Both sides, about to make the same first step."""
    trainer = Trainer(recipe_of(width, batch), device=device, dataset=pictures(size))
    net_g, net_d = plain_dcgan.generator(3, size, Z_DIM, width), plain_dcgan.discriminator(3, size, width)
    plain_dcgan.copy_weights(trainer.networks, net_g, net_d)
    start = trainer.stream.state_dict()
    batches = [next(trainer.stream).x.contiguous() for _ in range(BATCHES)]
    trainer.stream.load_state_dict(start)
    rng = torch.Generator(device)
    rng.set_state(trainer.algorithm.rng.get_state())
    return trainer, plain_dcgan.PlainDCGAN(net_g.to(device), net_d.to(device), batches, Z_DIM, rng)


def plain(size: int, width: int, batch: int, device: str = "cpu") -> Callable[[], Any]:
    """The example alone: no Trainer in its process, which would tune the memory allocator for it too."""
    torch.manual_seed(0)
    nets = models.build("dcgan", (3, size, size), z_dim=Z_DIM, g_width=width, d_width=width)
    net_g, net_d = plain_dcgan.generator(3, size, Z_DIM, width), plain_dcgan.discriminator(3, size, width)
    plain_dcgan.copy_weights(nets, net_g, net_d)
    stream = pictures(size).stream(batch, device=device)
    batches = [next(stream).x.contiguous() for _ in range(BATCHES)]
    rng = torch.Generator(device).manual_seed(0)
    return plain_dcgan.PlainDCGAN(net_g.to(device), net_d.to(device), batches, Z_DIM, rng).step


def first_losses(size: int, width: int, batch: int, device: str = "cpu", steps: int = 3) -> list[dict[str, float]]:
    """Both sides' losses in the first steps."""
    trainer, example = pair(size, width, batch, device)
    rows = []
    for metrics in trainer.run(steps):
        d, g = example.step()
        rows.append(
            {"d_ours": float(metrics["d_loss"]), "d_plain": d, "g_ours": float(metrics["g_loss"]), "g_plain": g}
        )
    return rows


def run(options: Options, size: int = 32) -> dict[str, Any]:
    sizes: dict[str, Any] = {"size": 16, "width": 4, "batch": 4} if options.quick else {}
    sizes = {"size": size, "width": 64, "batch": 64, **sizes, "device": options.device}
    contenders = [
        Contender("ours", "benchmarks.dcgan:ours", sizes),
        Contender("PyTorch example", "benchmarks.dcgan:plain", sizes),
    ]
    if options.device == "cuda" or options.quick:
        variants = {
            "ours, bf16": {"precision": "bf16"},
            "ours, bf16, compiled": {"precision": "bf16", "compile_mode": "default"},
            "ours, bf16, compiled, CUDA graphs": {"precision": "bf16", "compile_mode": "reduce-overhead"},
        }
        if options.device != "cuda":  # compiling takes a C++ compiler and a minute
            variants = {"ours, bf16": variants["ours, bf16"]}
        contenders += [Contender(name, "benchmarks.dcgan:ours", {**sizes, **more}) for name, more in variants.items()]
    losses = first_losses(**sizes)
    first = max(abs(losses[0][f"{k}_ours"] - losses[0][f"{k}_plain"]) / abs(losses[0][f"{k}_plain"]) for k in "dg")
    return {
        "title": f"DCGAN, {sizes['size']} px, width {sizes['width']}, batch {sizes['batch']}, fp32 unless said",
        "items": ("images", sizes["batch"]),
        **compare(contenders, base="ours", **options.timing),
        "first_losses": losses,
        "notes": [
            f"Equal weights, batches and noise: the first step's losses differ by {first:.1e} (relative). Later steps "
            "drift apart, as Adam's first steps turn rounding into whole learning rates.",
            "The example's side has float batches ready in memory; ours draws from uint8 data within the step.",
            "The example reads five losses a step, for its print; ours reads none on an accelerator, all on a CPU.",
        ],
    }
