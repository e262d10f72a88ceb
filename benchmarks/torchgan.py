"""torchgan 0.1.0 with its Trainer, DCGAN nets and minimax losses, against the same nets under our Trainer.

Its non-saturating minimax loss is cross-entropy on what its D returns, as ours; G is updated first, as in its example,
on fakes of its own. Its Trainer also takes every gradient's norm each step, for its log; there is no switch for that.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from itertools import cycle
from typing import Any

import torch

from benchmarks import peers
from benchmarks.dcgan import forever, pictures, recipe_of
from benchmarks.options import Options
from benchmarks.timing import Contender, compare
from gan_tutorial.training import Trainer

SIZE = 32
ADAM = {"lr": 2e-4, "betas": (0.5, 0.999)}


def trainer(width: int, device: str) -> Any:
    """Its Trainer, with its nets in their initial weights, alike in every process."""
    models, losses = peers.load("torchgan.models"), peers.load("torchgan.losses")
    torch.manual_seed(0)
    shape = {"step_channels": width}
    optimizer = {"name": torch.optim.Adam, "args": ADAM}
    folder = tempfile.TemporaryDirectory()
    peer = peers.load("torchgan.trainer").Trainer(
        {
            "generator": {
                "name": models.DCGANGenerator,
                "args": {"encoding_dims": 100, "out_size": SIZE, "out_channels": 3, **shape},
                "optimizer": optimizer,
            },
            "discriminator": {
                "name": models.DCGANDiscriminator,
                "args": {"in_size": SIZE, "in_channels": 3, **shape},
                "optimizer": optimizer,
            },
        },
        [losses.MinimaxGeneratorLoss(), losses.MinimaxDiscriminatorLoss()],
        device=torch.device(device),
        checkpoints=f"{folder.name}/gan",
        recon=folder.name,
    )
    peer.folder = folder  # lives as long as the trainer that writes there
    return peer


def theirs(width: int, batch: int, device: str) -> Callable[[], Any]:
    """The body of its Trainer's loop."""
    peer = trainer(width, device)
    peer.batch_size = batch
    stream = pictures(SIZE).stream(batch, device=device)
    batches = cycle([next(stream).x.contiguous() for _ in range(8)])

    def step() -> None:
        peer.real_inputs = next(batches)
        made = peer.train_iter()
        names = ("generator_losses", "discriminator_losses", "generator_iters", "discriminator_iters")
        for name, value in zip(names, made, strict=True):
            peer.loss_information[name] += value
        peer.logger.run_mid_epoch(peer)

    return step


def ours(width: int, batch: int, device: str) -> Callable[[], Any]:
    peer = trainer(width, device)
    peer.generator.z_dim = peer.generator.encoding_dims
    networks = {"generator": peer.generator, "discriminator": peer.discriminator}
    return forever(Trainer(recipe_of(width, batch), device=device, dataset=pictures(SIZE), networks=networks)).__next__


def run(options: Options) -> dict[str, Any]:
    sizes: dict[str, Any] = {"width": 4, "batch": 4} if options.quick else {"width": 64, "batch": 64}
    sizes["device"] = options.device
    python = str(peers.PYTHON)
    return {
        "title": f"torchgan's DCGAN, {SIZE} px, width {sizes['width']}, batch {sizes['batch']}",
        "items": ("images", sizes["batch"]),
        **compare(
            [
                Contender("ours", "benchmarks.torchgan:ours", sizes, python),
                Contender("torchgan 0.1.0", "benchmarks.torchgan:theirs", sizes, python),
            ],
            base="ours",
            **options.timing,
        ),
        "notes": [
            "Its nets, initial weights and loss on both sides. It draws fakes for each network's update, we reuse."
        ],
    }
