"""torch-mimicry 0.1.16 with its own DCGAN-32 nets, losses and train steps, against the same nets under our Trainer.

Its default loss "ns" is our "non-saturating": cross-entropy for D, -log D(G(z)) for G (it adds 1e-8 inside the log).
In a step it draws fakes twice, once for each network's update, and we once: the one difference of method.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle
from typing import Any

import torch

from benchmarks import peers
from benchmarks.dcgan import forever, pictures, recipe_of
from benchmarks.options import Options
from benchmarks.timing import Contender, compare
from gan_tutorial.training import Trainer

BETAS = (0.0, 0.9)  # of Adam in its DCGAN example; the learning rate is 2e-4 there and here


def nets(g_width: int, d_width: int) -> dict[str, Any]:
    """Its nets with its initial weights, alike in every process."""
    package = peers.load("torch_mimicry.nets.dcgan.dcgan_32")
    torch.manual_seed(0)
    net_g, net_d = package.DCGANGenerator32(ngf=g_width), package.DCGANDiscriminator32(ndf=d_width)
    net_g.z_dim = net_g.nz
    return {"generator": net_g, "discriminator": net_d}


def theirs(g_width: int, d_width: int, batch: int, device: str) -> Callable[[], Any]:
    """The body of its Trainer's loop: D's train_step, then G's."""
    net_g, net_d = (net.to(device) for net in nets(g_width, d_width).values())
    log = peers.load("torch_mimicry.training.metric_log").MetricLog
    opt_g, opt_d = (torch.optim.Adam(net.parameters(), 2e-4, betas=BETAS) for net in (net_g, net_d))
    stream = pictures(32).stream(batch, device=device)
    batches = cycle([(next(stream).x.contiguous(), None) for _ in range(8)])

    def step() -> None:
        real = next(batches)
        data = net_d.train_step(real_batch=real, netG=net_g, optD=opt_d, log_data=log(), device=device)
        net_g.train_step(real_batch=real, netD=net_d, optG=opt_g, log_data=data, device=device)

    return step


def ours(g_width: int, d_width: int, batch: int, device: str) -> Callable[[], Any]:
    recipe = recipe_of(64, batch).with_changes({"beta1": BETAS[0], "beta2": BETAS[1]})
    return forever(Trainer(recipe, device=device, dataset=pictures(32), networks=nets(g_width, d_width))).__next__


def run(options: Options) -> dict[str, Any]:
    sizes: dict[str, Any] = {"g_width": 256, "d_width": 128, "batch": 64 if options.device == "cuda" else 16}
    sizes = {**({"g_width": 8, "d_width": 8, "batch": 4} if options.quick else sizes), "device": options.device}
    python = str(peers.PYTHON)
    return {
        "title": f"torch-mimicry's DCGAN-32, widths {sizes['g_width']}, {sizes['d_width']}, batch {sizes['batch']}",
        "items": ("images", sizes["batch"]),
        **compare(
            [
                Contender("ours", "benchmarks.mimicry:ours", sizes, python),
                Contender("torch-mimicry 0.1.16", "benchmarks.mimicry:theirs", sizes, python),
            ],
            base="ours",
            **options.timing,
        ),
        "notes": [
            "Its nets, initial weights and loss on both sides. It draws fakes for each network's update, we reuse."
        ],
    }
