"""PacGAN's table of points in the plane: how many modes do a GAN and its remedies find on the ring and the grid?"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from gan_tutorial import data, models
from gan_tutorial.algorithms import GANSettings
from gan_tutorial.experiments import results, side_by_side
from gan_tutorial.experiments.page import Page
from gan_tutorial.experiments.r3gan_grid import unevenness
from gan_tutorial.metrics import mode_coverage
from gan_tutorial.training import Recipe

FOLDER = Path("runs/pacgan-2d")
DATA: dict[str, dict[str, Any]] = {"ring-8": {"radius": 1.0, "std": 0.01}, "grid-25": {"std": 0.05}}
OURS = "RpGAN + R1 + R2"
# The weight of both penalties. It has the dimension of a squared length: the ring's modes are 0.38 as far apart.
WEIGHTS = {"ring-8": 0.015, "grid-25": 0.1}
METHODS = ("GAN", "unrolled", "PacGAN2", "PacGAN3", "PacGAN4", OURS)
UNROLL = 5
SAMPLES = 2500
# Lin et al. 2018, table 1: modes and their standard error, high quality, reverse KL. Not all methods are in our notes.
PAPER: dict[str, dict[str, tuple[float, float, float, float]]] = {
    "ring-8": {"GAN": (6.3, 0.5, 0.982, 0.45), "PacGAN2": (7.9, 0.1, 0.956, 0.07), "PacGAN4": (7.8, 0.1, 0.959, 0.07)},
    "grid-25": {
        "GAN": (17.3, 0.8, 0.948, 0.70),
        "PacGAN2": (23.8, 0.7, 0.913, 0.13),
        "PacGAN4": (24.8, 0.2, 0.936, 0.04),
    },
}


@dataclass(frozen=True)
class Setting:
    """How large and how long. `batch`: packs in a batch; `points`: packs of points to train on; `steps`: updates of
    each network; `options`: of the model; `settings`: of the update rule; `ema`: decay of G's average, which is judged;
    0 for G itself."""

    batch: int
    points: int
    steps: int
    options: Mapping[str, Any]
    settings: GANSettings = field(default_factory=GANSettings)
    ema: float = 0.0

    def recipe(self, name: str, method: str, seeds: int) -> Recipe:
        """Of a method on the data called `name`, for so many seeds side by side."""
        changes: dict[str, dict[str, Any]] = {
            "unrolled": {"unroll": UNROLL},
            OURS: {"loss": "relativistic", "r1": WEIGHTS[name], "r2": WEIGHTS[name]},
        }
        return Recipe(
            name=f"{name}-{method}",
            summary="",
            data=name,
            data_options=DATA[name],
            model="mlp",
            model_options={**self.options, "pack": packed(method)},
            settings=replace(self.settings, **changes.get(method, {})),
            batch_size=self.batch * packed(method) * seeds,
            steps=self.steps,
            ema=self.ema,
            checkpoint_every=5000,
            log_every=1000,
        )


# The paper's code's: both networks move at once, weights begin as N(0, 0.02), 400 epochs of 1,000 batches.
FULL = Setting(
    batch=100,
    points=100_000,
    steps=400_000,
    options={"z_dim": 2, "g_width": 400, "g_depth": 4, "g_norm": "batch"}
    | {"d_width": 200, "d_depth": 3, "d_pieces": 5, "init_std": 0.02},
    settings=GANSettings(lr_g=1e-4, lr_d=1e-4, beta1=0.8, dynamics="simultaneous"),
)
# For minutes, not weeks: ReLU and no BatchNorm, higher rates, and G's moving average, which smooths a short run.
SMALL = Setting(
    batch=100,
    points=100_000,
    steps=5000,
    options={"z_dim": 2, "g_width": 64, "g_depth": 2, "d_width": 64, "d_depth": 2},
    settings=GANSettings(lr_g=2e-3, lr_d=5e-3),
    ema=0.99,
)


@dataclass(frozen=True)
class Result:
    """What a method reached, a number for each seed: modes, share of high quality, reverse KL in nats; and seconds."""

    modes: list[int]
    quality: list[float]
    kl: list[float]
    seconds: float = 0.0


def packed(method: str) -> int:
    """How many samples the method's D judges at once."""
    return int(method.removeprefix("PacGAN")) if method.startswith("PacGAN") else 1


def run(seeds: list[int], folder: Path = FOLDER) -> Page:
    """The paper's setting. What was done is kept in `folder`; started again, it goes on from there."""
    return compare(FULL, seeds, "pacgan-2d", folder)


def run_small(seeds: list[int]) -> Page:
    """A scaled-down setting, for a CPU."""
    return compare(SMALL, seeds, "pacgan-2d-small")


def compare(setting: Setting, seeds: list[int], name: str, folder: Path | None = None) -> Page:
    """Every method on both data sets, all seeds side by side."""
    found: dict[str, dict[str, Result]] = {}
    for of in DATA:
        found[of] = {method: train(setting, of, method, seeds, folder) for method in METHODS}
        found[of]["the data"] = real(of, seeds)
    published = setting == FULL
    rows = [row(of, method, result) for of, every in found.items() for method, result in every.items()]
    scaled = "" if published else "The paper's numbers are of larger networks, trained for longer: a landmark only. "
    return Page(
        name,
        "Modes found in the plane" + ("" if published else ", scaled down"),
        f"{len(seeds)} seeds. The ring has radius 1 and standard deviation 0.01, the grid 0.05. {described(setting)} "
        f"PacGANm has m times as many points, and {setting.batch} packs of m in a batch. Unrolled looks {UNROLL} "
        f"updates of D ahead. {OURS}: weight {WEIGHTS['ring-8']:g} of both penalties on the ring and "
        f"{WEIGHTS['grid-25']:g} on the grid; all else is the GAN's. Of {SAMPLES} samples, those within three standard "
        "deviations of a mode are of high quality, and a mode with at least one of them is found. Reverse KL: "
        "KL(samples of high quality over the modes, even spread) in nats. Each number is the mean over the seeds with "
        "its standard error. "
        f"{scaled}The line of the data says what a perfect generator would get.",
        (
            *("data", "method", "modes", "the paper's", "high quality", "the paper's", "reverse KL", "the paper's"),
            *("seeds with all modes", "seconds for all seeds"),
        ),
        rows,
        finding(found),
        machine=results.machines(folder),
        seconds=sum(one.seconds for every in found.values() for one in every.values()) if folder else None,
    )


def described(setting: Setting) -> str:
    """Networks and training, in words."""
    o = {**models.options("mlp"), **setting.options}
    s = setting.settings
    norm = " with BatchNorm" if o["g_norm"] == "batch" else ""
    hidden = f"maxout layers of {o['d_width']}, {o['d_pieces']} pieces each" if o["d_pieces"] > 1 else ""
    hidden = hidden or f"layers of {o['d_width']} with ReLU"
    turns = "both at once" if s.dynamics == "simultaneous" else "by turns"
    average = f" What is judged is G's moving average, decay {setting.ema:g}." if setting.ema else ""
    return (
        f"G: {o['g_depth']} layers of {o['g_width']} with ReLU{norm}, of a {o['z_dim']}-dimensional normal latent; D: "
        f"{o['d_depth']} {hidden}. {setting.steps} updates of each network, {turns}, with Adam, learning rates "
        f"{s.lr_g:g} and {s.lr_d:g}, beta1 {s.beta1:g}, on {setting.points} points; a batch has {setting.batch}."
        f"{average}"
    )


# -- training --------------------------------------------------------------------------------------------------------
def train(setting: Setting, of: str, method: str, seeds: list[int], folder: Path | None = None) -> Result:
    """One method on one data set. What is in `folder` is not done again."""
    r = setting.recipe(of, method, len(seeds))
    place = folder and folder / of / method.replace(" ", "") / f"seeds-{'-'.join(map(str, seeds))}"
    known = results.kept(place, r, seeds)
    if known:
        return Result(**known)
    begun = time.perf_counter()
    points = setting.points * packed(method)
    trainer = side_by_side.trainer(r, seeds, points, out=place, resume=place is not None)
    for _ in trainer.run():
        pass
    density: Any = trainer.dataset
    samples = trainer.sample(SAMPLES * len(seeds)).cpu().view(len(seeds), SAMPLES, 2)
    result = replace(judged(samples, density), seconds=time.perf_counter() - begun)
    results.keep(place, r, seeds, asdict(result))
    return result


def real(of: str, seeds: list[int]) -> Result:
    """What as many samples of the data themselves get."""
    density: Any = data.load(of, **DATA[of])
    drawn = [density.sample(SAMPLES, torch.Generator().manual_seed(1000 + seed)).x for seed in seeds]
    return judged(torch.stack(drawn), density)


def judged(samples: torch.Tensor, density: Any) -> Result:
    """Of the samples (seeds, N, 2)."""
    coverage = [mode_coverage(points, density.modes, density.std) for points in samples]
    kl = [unevenness(points, density.modes, density.std) for points in samples]
    return Result([modes for modes, _ in coverage], [share for _, share in coverage], kl)


# -- what was found --------------------------------------------------------------------------------------------------
def row(of: str, method: str, result: Result) -> tuple[object, ...]:
    """A line of the table."""
    density: Any = data.load(of, **DATA[of])
    every = len(density.modes)
    modes, error, quality, kl = PAPER[of].get(method, (None,) * 4)
    paper = ("", "", "") if modes is None else (f"{modes} ± {error}", f"{quality:.1%}", f"{kl:.2f}")
    ours = (mean(result.modes, 2), mean([100 * q for q in result.quality], 1) + " %", mean(result.kl, 3))
    full = f"{result.modes.count(every)} of {len(result.modes)}"
    seconds = f"{result.seconds:.0f}" if result.seconds else ""
    return (of, method, *(value for pair in zip(ours, paper, strict=True) for value in pair), full, seconds)


def mean(values: list[Any], digits: int) -> str:
    """The mean and, of several, its standard error."""
    text = f"{statistics.mean(values):.{digits}f}"
    if len(values) > 1:
        text += f" ± {statistics.stdev(values) / len(values) ** 0.5:.{digits}f}"
    return text


def finding(found: Mapping[str, Mapping[str, Result]]) -> str:
    """Against the GAN, seed by seed: who finds more modes, and who spreads its samples more evenly."""
    lines = []
    for of, every in found.items():
        base = every["GAN"]
        for method in METHODS[1:]:
            r = every[method]
            more = sum(a > b for a, b in zip(r.modes, base.modes, strict=True))
            fewer = sum(a < b for a, b in zip(r.modes, base.modes, strict=True))
            even = sum(a < b for a, b in zip(r.kl, base.kl, strict=True))
            lines.append(
                f"- {of}, {method}: more modes than the GAN with {more} of {len(r.modes)} seeds and fewer with "
                f"{fewer}; more evenly spread with {even}."
            )
    return "\n".join(lines)
