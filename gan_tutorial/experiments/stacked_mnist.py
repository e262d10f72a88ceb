"""Stacked-MNIST: of 1,000 modes, how many do a DCGAN and its remedies find, and how evenly do they spread?"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gan_tutorial import data
from gan_tutorial.algorithms import GANSettings
from gan_tutorial.experiments import results
from gan_tutorial.experiments.pacgan_tables import mean
from gan_tutorial.experiments.page import Page
from gan_tutorial.metrics import class_counts, classifier, mode_kl, stacked_classes
from gan_tutorial.training import Recipe, Trainer

FOLDER = Path("runs/stacked-mnist")
SMALL_FOLDER = Path("runs/stacked-mnist-small")
MODES, CHUNK = 1000, 500
LONG = 50 * 128_000 // 64  # updates in VEEGAN's setting
PENALTY = 1.0  # of R1 and of R2, R3GAN's for this data set
_PENALISED = {"loss": "relativistic", "r1": PENALTY, "r2": PENALTY}
# Method -> options of the model and settings, as changes of the GAN's. Penalties need a D without BatchNorm.
METHODS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "DCGAN": ({}, {}),
    "DCGAN, no BatchNorm in D": ({"norm": "none"}, {}),
    "PacDCGAN2": ({"pack": 2}, {}),
    "RpGAN + R1 + R2": ({"norm": "none"}, _PENALISED),
}
# Modes (and their standard error, if published) and KL: Lin et al. 2018, Huang et al. 2024, Srivastava et al. 2017.
PAPER = {
    "DCGAN": "78.9 ± 6.5, 4.50",
    "PacDCGAN2": "1000, 0.06",
    "RpGAN + R1 + R2": "1000, 0.078",
}


@dataclass(frozen=True)
class Setting:
    """How large and how long. `methods`: which; `samples`: stacks to train on; `judged`: stacks of G that are counted;
    `batch`: packs in a batch; `steps`: updates of each network; `width`: channels next to the image."""

    methods: tuple[str, ...]
    samples: int
    judged: int
    batch: int
    steps: int
    width: int
    settings: GANSettings

    def recipe(self, method: str) -> Recipe:
        """Of a method."""
        options, changes = METHODS[method]
        return Recipe(
            name=f"stacked-mnist-{method}",
            summary="",
            data="stacked-mnist",
            data_options={"size": 32, "samples": self.samples},
            model="dcgan",
            model_options={"z_dim": 100, "g_width": self.width, "d_width": self.width, **options},
            settings=replace(self.settings, **changes),
            batch_size=self.batch * options.get("pack", 1),
            steps=self.steps,
            checkpoint_every=2000,
            log_every=1000,
        )


_ADAM = GANSettings(lr_g=2e-4, lr_d=2e-4, beta1=0.5)
# VEEGAN's, but for the number of updates: 5 passes over 128,000 stacks take 10,000.
FULL = Setting(
    ("DCGAN", "PacDCGAN2", "RpGAN + R1 + R2"),
    samples=128_000,
    judged=26_000,
    batch=64,
    steps=10_000,
    width=64,
    settings=_ADAM,
)
SMALL = Setting(
    tuple(METHODS),
    samples=25_600,
    judged=26_000,
    batch=64,
    steps=1000,
    width=16,
    settings=GANSettings(lr_g=5e-4, lr_d=5e-4, beta1=0.5),
)


@dataclass(frozen=True)
class Result:
    """With one seed: modes found, KL(samples || even spread) in nats, and seconds."""

    modes: int
    kl: float
    seconds: float = 0.0


def run(seeds: list[int], folder: Path = FOLDER) -> Page:
    """Wide networks on many stacks, for a GPU. What was done is kept in `folder`; started again, it goes on there."""
    return compare(FULL, seeds, "stacked-mnist", folder)


def run_small(seeds: list[int], folder: Path = SMALL_FOLDER) -> Page:
    """Narrow networks and fewer updates, for a CPU; kept as well."""
    return compare(SMALL, seeds, "stacked-mnist-small", folder)


def compare(setting: Setting, seeds: list[int], name: str, folder: Path | None = None) -> Page:
    """Every method with every seed, beside the data themselves."""
    found = {method: [train(setting, method, seed, folder) for seed in seeds] for method in setting.methods}
    floor = [real(setting, seed) for seed in seeds]
    return Page(
        name,
        "Stacked-MNIST" + (", scaled down" if setting == SMALL else ""),
        f"Three digits in three colours make 1,000 modes. {setting.samples} stacks of MNIST's 4,000 embedded digits to "
        f"train on, 32 px; DCGAN's networks with {setting.width} channels next to the image, a latent of 100, Adam "
        f"with learning rate {setting.settings.lr_g:g} and beta1 {setting.settings.beta1:g}; {setting.steps} updates "
        f"of each network; {setting.batch} stacks in a batch, and twice as many where D judges two at once "
        f"(PacDCGAN2). RpGAN + R1 + R2, which is R3GAN's update rule: relativistic loss, both penalties with weight "
        f"{PENALTY:g}, and no BatchNorm in D. "
        f"A classifier names the three digits of each of {setting.judged} samples; a mode with at least one sample is "
        "found. KL(samples || even spread) in nats. Means over the seeds with standard errors. The line of the data "
        "says what a perfect generator would get: with so many samples its KL is not zero. The papers trained on "
        "stacks of all 60,000 digits with networks of their own, VEEGAN's for 50 passes over 128,000 stacks, which are "
        f"{LONG // setting.steps} times as many updates as here. Their numbers are a landmark; a collapse that comes "
        "later than here would not be seen.",
        ("method", "modes", "least", "KL", "the papers' modes and KL", "seeds", "seconds a seed"),
        [row(method, every) for method, every in (*found.items(), ("the data", floor))],
        finding(found),
        machine=results.machines(folder),
        seconds=sum(one.seconds for every in found.values() for one in every) if folder else None,
    )


def train(setting: Setting, method: str, seed: int, folder: Path | None = None) -> Result:
    """One method with one seed. What is in `folder` is not done again."""
    r = setting.recipe(method)
    place = folder and folder / method.replace(" ", "").replace(",", "-") / f"seed-{seed}"
    known = results.kept(place, r, [seed])
    if known:
        return Result(**known)
    begun = time.perf_counter()
    trainer = Trainer(r, seed=seed, out=place, resume=place is not None)
    for _ in trainer.run():
        pass
    parts = [trainer.sample(CHUNK, seed=part).cpu() for part in range(setting.judged // CHUNK)]
    result = replace(judged(parts), seconds=time.perf_counter() - begun)
    results.keep(place, r, [seed], asdict(result))
    return result


def real(setting: Setting, seed: int) -> Result:
    """What as many stacks of the data get."""
    stacks: Any = data.load("stacked-mnist", split="train", size=32, samples=setting.judged, seed=1000 + seed)
    return judged([stacks[start : start + CHUNK].x for start in range(0, setting.judged // CHUNK * CHUNK, CHUNK)])


def judged(parts: Sequence[Tensor]) -> Result:
    """Of samples, in parts (N, 3, 32, 32)."""
    reader = classifier("mnist")
    digits = [torch.stack([reader.predict(channel[:, None]) for channel in part.unbind(1)], 1) for part in parts]
    counts = class_counts(stacked_classes(torch.cat(digits).cpu()), MODES)
    return Result(int((counts > 0).sum()), mode_kl(counts))


# -- what was found --------------------------------------------------------------------------------------------------
def row(method: str, found: list[Result]) -> tuple[object, ...]:
    """A line of the table."""
    seconds = sum(r.seconds for r in found) / len(found)
    return (
        *(method, mean([r.modes for r in found], 1), min(r.modes for r in found), mean([r.kl for r in found], 3)),
        *(PAPER.get(method, ""), len(found), f"{seconds:.0f}" if seconds else ""),
    )


def finding(found: Mapping[str, list[Result]]) -> str:
    """Against the DCGAN, seed by seed."""
    base, lines = found["DCGAN"], []
    for method, every in list(found.items())[1:]:
        more = sum(a.modes > b.modes for a, b in zip(every, base, strict=True))
        even = sum(a.kl < b.kl for a, b in zip(every, base, strict=True))
        lines.append(
            f"- {method}: more modes than the DCGAN with {more} of {len(base)} seeds, more evenly spread with {even}."
        )
    return "\n".join(lines)
