"""One update step of each image system, StyleGAN2's beside stylegan2-pytorch 1.9.0, at one size and batch.

Both StyleGAN2s have equal widths from 8 px up in either network, equal mapping networks, the hinge loss, a penalty on
real and on fake images every 4 steps, path length every 32 and no augmentation: the peer's cadence, which its code
fixes. A turn is made of whole cycles of 32 steps, so that the rare and dear steps count as often as they come. The peer
has more layers at 2 and 4 px; ours are wider there, so that the numbers of parameters differ by less than a hundredth.
The other systems train the networks of their recipes, with widths that give numbers of parameters of that order.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from itertools import cycle
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from benchmarks import peers
from benchmarks.dcgan import forever, pictures
from benchmarks.options import Options
from benchmarks.timing import Contender, compare
from gan_tutorial.models import stylegan2
from gan_tutorial.training import Recipe, Trainer, recipe

PEER = "stylegan2-pytorch 1.9.0"
CLASSES = 4  # BigGAN's
CYCLE = 32  # steps until the regularisers' pattern repeats
LATENT, LAYERS = 128, 4  # dimensions of z and w, layers between them
LATE = 25_600  # a multiple of CYCLE; from step 25,001 on, the peer's step has all its parts and no start-up work


class Step:
    """A step that also tells how many parameters each network has."""

    def __init__(self, step: Callable[[], Any], networks: Mapping[str, nn.Module]) -> None:
        self.step = step
        self.parameters = {role: sum(p.numel() for p in net.parameters()) for role, net in networks.items()}

    def __call__(self) -> None:
        self.step()


def recipe_of(system: str, size: int, batch: int, capacity: int) -> Recipe:
    """The system's recipe at this size. `capacity`: the unit of channels, as the peer's `network_capacity`."""
    if system == "stylegan2":
        cadence = {"r1": 0.1, "r2": 0.1, "penalty_every": 4, "path_length_every": CYCLE}
        return recipe("stylegan2-avatars-full", batch_size=batch, loss="hinge", **cadence)
    widths = {"dcgan": 9, "biggan": 4, "r3gan": 6}
    width = widths[system] * capacity
    own = {"biggan": {"model__attention": size // 2}, "r3gan": {"model__group_size": 2 * capacity}}.get(system, {})
    return recipe(f"{system}-avatars", batch_size=batch, model__g_width=width, model__d_width=width, **own)


def style_networks(size: int, capacity: int) -> dict[str, nn.Module]:
    """Our StyleGAN2 with the peer's widths: 2 x `capacity` channels at the full side in G, twice that in D, doubling
    downwards up to what G has at 4 px; at 4 px one and a half times that, for as many parameters."""
    shape, most = (3, size, size), capacity * size // 2
    of_g, of_d = (stylegan2.widths(size, times * capacity * size, most) for times in (2, 4))
    of_g[4] = of_d[4] = most * 3 // 2
    return {
        "generator": stylegan2.Generator(shape, LATENT, LATENT, of_g, mapping_layers=LAYERS),
        "discriminator": stylegan2.Discriminator(shape, of_d),
    }


def ours(system: str, size: int, batch: int, capacity: int, device: str) -> Step:
    networks = None
    if system == "stylegan2":
        torch.manual_seed(0)
        networks = style_networks(size, capacity)
    data = pictures(size, classes=CLASSES if system == "biggan" else 0)
    trainer = Trainer(recipe_of(system, size, batch, capacity), device=device, dataset=data, networks=networks)
    return Step(forever(trainer).__next__, trainer.networks)


def load_peer(device: str) -> Any:
    """The peer's module. On a CPU it is told that there is a GPU, and its `.cuda()` calls leave everything in place."""
    if device != "cpu":
        return peers.load("stylegan2_pytorch.stylegan2_pytorch")
    with mock.patch.object(torch.cuda, "is_available", return_value=True):  # it asserts that, once, when imported
        module = peers.load("stylegan2_pytorch.stylegan2_pytorch")
    for kind in (Tensor, nn.Module):
        setattr(kind, "cuda", lambda self, *_: self)  # noqa: B010 - mypy allows no other way
    return module


def theirs(size: int, batch: int, capacity: int, device: str) -> Step:
    """`train()` of its Trainer, late in a training, without its files: no checkpoints, no pictures."""
    folder = tempfile.TemporaryDirectory()
    never = 10**9
    torch.manual_seed(0)
    peer = load_peer(device).Trainer(
        base_dir=folder.name,
        image_size=size,
        batch_size=batch,
        network_capacity=capacity,
        fmap_max=capacity * size // 2,  # a smaller one fails: its averaged generator is built without it
        latent_dim=LATENT,
        style_depth=LAYERS,
        save_every=never,
        evaluate_every=never,
    )
    peer.init_GAN()
    peer.folder = folder  # lives as long as the trainer that would write there
    peer.steps, peer.loader = LATE, _batches(size, batch, device)
    networks = {"generator": nn.ModuleList([peer.GAN.S, peer.GAN.G]), "discriminator": peer.GAN.D}
    return Step(peer.train, networks)


def _batches(size: int, batch: int, device: str) -> Iterator[Tensor]:
    """Float batches in [0, 1] that lie ready. A new tensor each time: the peer asks for gradients of some of them."""
    stream = pictures(size).stream(batch, device=device)
    for x in cycle([next(stream).x.contiguous().add(1).div(2) for _ in range(8)]):
        yield x.detach()


def contenders(sizes: Mapping[str, Any]) -> list[Contender]:
    """Our StyleGAN2, the peer, and our other systems."""
    others = ("dcgan", "biggan", "r3gan")
    build = "benchmarks.systems:ours"
    return [
        Contender("stylegan2", build, {"system": "stylegan2", **sizes}, cycle=CYCLE),
        Contender(PEER, "benchmarks.systems:theirs", dict(sizes), str(peers.PYTHON), CYCLE),
        *(Contender(system, build, {"system": system, **sizes}) for system in others),
    ]


def run(options: Options, size: int = 32) -> dict[str, Any]:
    gpu = options.device == "cuda"
    sizes = {"size": size, "batch": 64, "capacity": 16} if gpu else {"size": size, "batch": 256 // size, "capacity": 8}
    sizes = {"size": 16, "batch": 4, "capacity": 4} if options.quick else sizes
    long = {} if options.quick else {"rounds": min(options.rounds, 7), "round_seconds": 4.0}  # whole cycles take long
    timing = {**options.timing, **long, "visits": 8}
    result = compare(contenders({**sizes, "device": options.device}), base="stylegan2", **timing)
    counts = (
        f"{name} {p['generator'] / 1e6:.2f} + {p['discriminator'] / 1e6:.2f}"
        for name, p in result["parameters"].items()
    )
    rates = (f"{name} {1 / seconds['median']:.3g}" for name, seconds in result["seconds"].items())
    return {
        "title": f"One step of each image system: {sizes['size']} px, batch {sizes['batch']}, fp32",
        "items": ("images", sizes["batch"]),
        **result,
        "notes": [
            f"Steps a second: {'; '.join(rates)}.",
            f"Parameters in millions, G (with its mapping network) + D: {'; '.join(counts)}.",
            f"Both StyleGAN2s: network_capacity {sizes['capacity']}, equal widths from 8 px up, ours 1.5 times as wide "
            "at 4 px, where the peer has more layers; 4 layers of 128 from z to w, hinge loss, penalties on real and "
            "fake images every 4 steps, path length every 32, style mixing 0.9, no augmentation; means over whole "
            "cycles of 32 steps.",
            "The peer draws fakes for each network's update, averages weights every tenth step, has no minibatch "
            "deviation and takes path length on a whole batch; ours reuses the fakes, averages every step, and takes "
            "path length on half a batch, as the official code does.",
            "BigGAN's step updates D twice and depends on 4 classes; R3GAN's has R1 and R2 every step.",
            "Equal parameters are not equal arithmetic: at 32 px BigGAN keeps its widest layers up to the full side.",
            "Added memory: on a CPU the process's peak above what it held when torch was imported; on a GPU the "
            "allocator's peak.",
        ],
    }
