"""One disease, many cures, the same seeds: which changes to a recipe bring back the modes that it loses?"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import vmap
from torch.nn import functional as F
from torch.nn.utils import parametrize

from gan_tutorial import data
from gan_tutorial.errors import unknown
from gan_tutorial.experiments import side_by_side
from gan_tutorial.experiments.page import Page
from gan_tutorial.metrics import mode_coverage
from gan_tutorial.models.stylegan2 import MinibatchStd
from gan_tutorial.training import Recipe, Trainer
from gan_tutorial.training import recipe as recipe_named

SAMPLES = 1000  # of each seed's G
BATCH, POINTS = 64, 6400  # of each seed: in a batch, and to train on
STEPS = 1500
NEARLY = 7  # so many of the ring's eight modes count as nearly all
HEALTHY: dict[str, Any] = {"model__g_width": 32, "model__d_width": 32, "lr_g": 2e-3, "lr_d": 2e-3}
DISEASES: dict[str, dict[str, Any]] = {
    "sharp D": {"lr_g": 5e-4, "lr_d": 2e-2},
    "starved D": {"g_steps": 5},
    "momentum": {"beta1": 0.9, "lr_g": 1e-2, "lr_d": 1e-2},
}
# What each adds to the recipe. A learning rate "x5" or "/5" is the disease's, times or divided by five.
CURES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "R1": {"r1": 0.1},
    "RpGAN": {"loss": "relativistic"},
    "RpGAN, R1, R2": {"loss": "relativistic", "r1": 0.1, "r2": 0.1},
    "WGAN-GP": {"loss": "wasserstein", "gradient_penalty": 1.0},
    "spectral norm": {"model__d_norm": "spectral"},
    "consistency": {"consistency_real": 10.0, "consistency_fake": 10.0, "consistency_noise": 0.1},
    "instance noise": {"instance_noise": 0.5, "instance_noise_steps": 1000},
    "PacGAN2": {"model__pack": 2},
    "minibatch std": {"model__group": 16},
    "lr_d x5": {"lr_d": "x5"},
    "lr_d /5": {"lr_d": "/5"},
    "both rates /5": {"lr_g": "/5", "lr_d": "/5"},
    "beta1 0": {"beta1": 0.0},
    "extragradient": {"dynamics": "extragradient"},
    "optimistic": {"dynamics": "optimistic"},
    "EMA": {"ema": 0.99},
    "unrolled": {"unroll": 3},
    "top-k": {"top_k": 0.5},
}


@dataclass(frozen=True)
class Result:
    """What was reached, a number for each seed: modes found, and the share of samples near any."""

    modes: list[int]
    quality: list[float]


def recipe(disease: str = "", cure: str = "nothing", **changes: Any) -> Recipe:
    """The small ring's recipe with a disease of DISEASES ("" for none) and a cure of CURES; raises InputError for other
    names, and where the two can't go together."""
    for what, name, known in (("disease", disease, {"": {}, **DISEASES}), ("cure", cure, CURES)):
        if name not in known:
            raise unknown(what, name, known)
    ill = {**HEALTHY, **({} if not disease else DISEASES[disease])}
    rates = {"x5": 5.0, "/5": 0.2}
    better = {name: rates[value] * ill[name] if value in rates else value for name, value in CURES[cure].items()}
    return recipe_named("ring-mlp", **{"batch_size": BATCH, "steps": STEPS, **ill, **better, **changes})


def trained(of: Recipe, seeds: Sequence[int], device: str = "cpu") -> Tensor:
    """Samples (seeds, 1000, 2) of the G of each seed after the recipe's steps; of its average, if it keeps one."""
    if of.settings.top_k < 1:  # side by side, one seed's fakes would compete with another's
        return torch.cat([_samples(Trainer(of, device=device, seed=seed), 1) for seed in seeds])
    return _samples(trainer(of, seeds, device=device), len(seeds))


def _samples(trainer: Trainer, seeds: int) -> Tensor:
    for _ in trainer.run():
        pass
    return trainer.sample(SAMPLES * seeds).cpu().view(seeds, SAMPLES, 2)


def judged(samples: Tensor, of: Recipe) -> Result:
    """Of samples (seeds, N, 2)."""
    density: Any = data.load(of.data, **of.data_options)
    found = [mode_coverage(points, density.modes, density.std) for points in samples]
    return Result([modes for modes, _ in found], [share for _, share in found])


def trainer(of: Recipe, seeds: Sequence[int], *, device: str = "cpu") -> Trainer:
    """All seeds side by side, see :func:`gan_tutorial.experiments.side_by_side.trainer`; for a D with spectral norm or
    minibatch standard deviation too. The recipe's `batch_size` is that of one seed."""
    options = dict(of.model_options)
    norm, group = options.pop("d_norm", "none"), options.pop("group", 0)
    all_of = replace(of, batch_size=of.batch_size * len(seeds))
    plain = side_by_side.trainer(replace(all_of, model_options=options), seeds, POINTS, device=device)
    if norm == "none" and not group:
        return plain
    critic: Any = plain.networks["discriminator"]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seeds[0])
        if group:
            inputs = critic.layers[-1].weight.shape[1] + 1
            last = side_by_side._Linear([nn.Linear(inputs, 1) for _ in seeds])
            critic.layers[-1] = nn.Sequential(Spreads(group), last)
        if norm == "spectral":
            for layer in list(critic.modules()):
                if isinstance(layer, side_by_side._Linear):
                    parametrize.register_parametrization(layer, "weight", SpectralNorms(layer.weight))
    return Trainer(all_of, device=device, seed=seeds[0], dataset=plain.dataset, networks=plain.networks)


class Spreads(nn.Module):
    """x (K, N, F) -> (K, N, F + 1): :class:`~gan_tutorial.models.stylegan2.MinibatchStd`, each network's samples by
    themselves."""

    def __init__(self, group: int) -> None:
        super().__init__()
        self.one = MinibatchStd(group)

    def forward(self, x: Tensor) -> Tensor:
        return vmap(self.one)(x[:, :, :, None, None]).flatten(2)


class SpectralNorms(nn.Module):
    """Weights (K, inputs, outputs) -> each divided by its largest singular value, found by power iteration, one step a
    forward pass in training (Miyato et al. 2018, algorithm 1)."""

    u: Tensor
    v: Tensor

    def __init__(self, weight: Tensor, first: int = 15) -> None:
        super().__init__()
        self.register_buffer("u", torch.randn_like(weight[:, 0]))
        self.register_buffer("v", torch.zeros_like(weight[:, :, 0]))
        for _ in range(first):
            self._iterate(weight)

    @torch.no_grad()
    def _iterate(self, weight: Tensor) -> None:
        self.v = F.normalize(torch.einsum("kio,ko->ki", weight, self.u), dim=1)
        self.u = F.normalize(torch.einsum("kio,ki->ko", weight, self.v), dim=1)

    def forward(self, weight: Tensor) -> Tensor:
        if self.training:
            self._iterate(weight)
        return weight / torch.einsum("kio,ki,ko->k", weight, self.v, self.u)[:, None, None]


# -- the page --------------------------------------------------------------------------------------------------------
def run(seeds: list[int]) -> Page:
    """Every cure against every disease."""
    found = {
        disease: {cure: result(disease, cure, seeds) for cure in CURES if together(disease, cure)}
        for disease in DISEASES
    }
    return page(result("", "nothing", seeds), found, seeds)


def page(healthy: Result, found: Mapping[str, Mapping[str, Result]], seeds: Sequence[int]) -> Page:
    """Of the healthy recipe, and of every pair of disease and cure."""
    rows: list[tuple[object, ...]] = [row("none", "nothing", healthy, healthy)]
    for disease, results in found.items():
        rows += [row(disease, cure, r, results["nothing"]) for cure, r in results.items()]
    return Page(
        "stability-cures",
        "One disease, many cures",
        _METHOD.format(seeds=len(seeds)),
        (
            "disease",
            "cure",
            "modes, of 8",
            "high quality",
            "seeds with 7 or 8",
            "more modes than with nothing",
            "fewer",
        ),
        rows,
        finding(found),
    )


def result(disease: str, cure: str, seeds: Sequence[int]) -> Result:
    """Of one pair, a disease and a cure."""
    of = recipe(disease, cure)
    return judged(trained(of, seeds), of)


def together(disease: str, cure: str) -> bool:
    """Extragradient steps want one update of each network; they can't meet a disease of the number of updates."""
    return not (CURES[cure].get("dynamics") == "extragradient" and "g_steps" in DISEASES[disease])


_METHOD = (
    "{seeds} seeds. Data: ring-8 with 6400 points a seed. G and D: two layers of 32 with ReLU, a latent of 2. Healthy: "
    f"Adam with both learning rates 0.002, beta1 0.5, batches of {BATCH}, {STEPS} steps. The diseases change it. Sharp "
    "D: G's rate 0.0005, D's 0.02. Starved D: five updates of G for each of D's. Momentum: beta1 0.9 and both rates "
    "0.01. A cure changes the sick recipe by what its name says and leaves the disease's settings as they are. "
    "Penalties have the weight 0.1, the WGAN-GP's 1. Instance noise: 0.5, falling to 0 in 1000 updates of D. "
    "Consistency: weight 10 on real and fake samples, noise 0.1. Top-k: half of the batch. Unrolled: 3 updates ahead. "
    "Minibatch standard deviation: groups of 16. PacGAN's packs are made of the same batch. EMA: 0.99; its row judges "
    f"the average. Modes and high quality are counted as in the experiment ring-modes, in {SAMPLES} samples. Means "
    "over the seeds, with the standard error. Extragradient steps want one update of each network, so they are left "
    "out where that is the disease. Strengths were chosen once, for all diseases alike, on other seeds; another "
    "strength may do better."
)


def row(disease: str, cure: str, r: Result, nothing: Result) -> tuple[object, ...]:
    """A line of the table."""
    error = statistics.stdev(r.modes) / len(r.modes) ** 0.5 if len(r.modes) > 1 else 0.0
    more = sum(a > b for a, b in zip(r.modes, nothing.modes, strict=True))
    fewer = sum(a < b for a, b in zip(r.modes, nothing.modes, strict=True))
    modes, quality = f"{statistics.mean(r.modes):.1f} ± {error:.1f}", f"{statistics.mean(r.quality):.0%}"
    return disease, cure, modes, quality, f"{nearly(r)} of {len(r.modes)}", more, fewer


def nearly(r: Result) -> int:
    """How many seeds found nearly all modes."""
    return sum(modes >= NEARLY for modes in r.modes)


def finding(found: Mapping[str, Mapping[str, Result]]) -> str:
    """Who cures what: nearly all modes with at least nine of ten seeds."""
    lines, healing = [], []
    for disease, results in found.items():
        cures = [cure for cure, r in results.items() if nearly(r) >= 0.9 * len(r.modes)]
        healing.append(set(cures))
        lines.append(
            f"- {disease}: {'; '.join(cures) or 'nothing of this'} bring{'' if len(cures) > 1 else 's'} nearly all "
            "modes back with at least nine of ten seeds."
        )
    every = set.intersection(*healing)
    lines.append(f"- Against all {len(found)}: {'; '.join(sorted(every)) or 'none of them'}.")
    return "\n".join(lines)
