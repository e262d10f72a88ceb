"""How often does the lab's diagnosis see what is wrong with a run, and how often does it cry wolf?"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from gan_tutorial.errors import DivergedError
from gan_tutorial.experiments.page import Page
from gan_tutorial.metrics import Manifold, histogram_divergences
from gan_tutorial.training import Trainer, recipe

CHUNK = 40  # steps between two measurements: about what the lab does while it plays
FIRST = 400  # what is shown in a run's first steps only is not counted
CALIBRATION = 10  # the seeds below this one chose the thresholds; the others test them
SAMPLES = 2000
NAMES = ("collapse", "d_too_strong", "oscillation", "divergence")


@dataclass(frozen=True)
class Kind:
    """Runs of one kind: the finding that is `meant` ("" for healthy ones), the `steps`, and what changes the recipe."""

    title: str
    meant: str
    steps: int
    changes: dict[str, Any] = field(default_factory=dict, hash=False)


def _rates(lr: float, **changes: Any) -> dict[str, Any]:
    return {"lr_g": lr, "lr_d": lr, **changes}


_CRITIC = {"loss": "wasserstein", "gradient_penalty": 1.0, "n_critic": 2, "beta1": 0.0, "beta2": 0.9}
_STRONG_D = {"loss": "minimax", "lr_d": 1e-2, "lr_g": 1e-4}
_FREE_CRITIC = _rates(2e-2, loss="wasserstein", optimizer="sgd")
KINDS = (
    Kind("ring-8", "", 2000),
    Kind("ring-8, R1 0.1", "", 2000, {"r1": 0.1}),
    Kind("ring-8, WGAN-GP", "", 2000, _CRITIC),
    Kind("grid-25", "", 2000, {"data": "grid-25"}),
    Kind("two-moons", "", 2000, {"data": "two-moons"}),
    Kind("ring-8, g_steps 5", "collapse", 1200, {"g_steps": 5}),
    Kind("two-moons, g_steps 5", "collapse", 1200, {"data": "two-moons", "g_steps": 5}),
    Kind("ring-8, beta1 0.9, both rates 5e-3", "collapse", 1200, _rates(5e-3, beta1=0.9)),
    Kind("ring-8, minimax, lr_d 1e-2, lr_g 1e-4", "d_too_strong", 1200, _STRONG_D),
    Kind("ring-8, SGD, both rates 0.1", "oscillation", 1200, _rates(0.1, optimizer="sgd")),
    Kind("ring-8, least squares, both rates 2e-2", "oscillation", 1200, _rates(2e-2, loss="least-squares")),
    Kind("ring-8, critic without penalty, SGD 0.02", "divergence", 1200, _FREE_CRITIC),
)


@dataclass(frozen=True)
class Run:
    """One run: whether it `behaved` as its kind is meant to, what was shown `ever` after FIRST steps and at the `end`,
    and `notice`: the steps from the first word of a divergence to the NaN that ended the run; else NaN."""

    behaved: bool
    ever: frozenset[str]
    end: frozenset[str]
    notice: float


def run(seeds: list[int]) -> Page:
    """Train every kind once a seed, and count what the lab says of it."""
    parts = {
        "calibration": [seed for seed in seeds if seed < CALIBRATION],
        "test": [seed for seed in seeds if seed >= CALIBRATION],
    }
    runs = {(part, kind): [train(kind, seed) for seed in of] for part, of in parts.items() if of for kind in KINDS}
    rows: list[tuple[object, ...]] = []
    for (part, kind), found in runs.items():
        behaved = [r for r in found if r.behaved]
        counts = [f"{sum(n in r.end for r in behaved)}, {sum(n in r.ever for r in behaved)}" for n in NAMES]
        rows.append((kind.title, kind.meant or "healthy", part, f"{len(behaved)} of {len(found)}", *counts))
    last = "test" if parts["test"] else "calibration"
    return Page(
        "lab-diagnosis",
        "What the lab's diagnosis sees, and when it cries wolf",
        _METHOD,
        ("run", "meant to be", "seeds", "was so", *(name.replace("_", " ") for name in NAMES)),
        rows,
        _summary(last, {kind: found for (part, kind), found in runs.items() if part == last}),
    )


_METHOD = (
    "`ring-mlp` with 32 neurons a layer and batches of 128, changed as the first column says, in the lab's session; "
    f"measured every {CHUNK} steps. Healthy runs take 2000 steps, the others 1200. The thresholds in "
    f"`gan_tutorial/live/diagnosis.py` were chosen on the seeds 0 to {CALIBRATION - 1}; the test seeds were "
    "run once, afterwards. A setting does not always do what it is meant to, so each run is judged apart from the "
    f"diagnosis, by {SAMPLES} samples of G a measurement. Healthy: at the end the recall is at least 0.6, and G does "
    "not oscillate. Collapse: the recall at the end is at most 0.25. D too strong: at the end D is right about 99 % "
    "of new samples or more. Oscillation: over the run's second half, the samples of the same latents at two "
    "neighbouring measurements differ by a Jensen-Shannon divergence of 0.2 or more on average. Divergence: a "
    "loss became NaN or infinite. The last four columns count only runs that were so: in how many the finding was "
    f"shown at the end, and in how many ever after step {FIRST}. A collapsed G may well oscillate too: a second "
    "finding is no mistake there. For a divergence, the end is the last measurement before the NaN; "
    f"before step {FIRST} it counts as the end only. Which settings to run, and the limits in the definitions above, "
    "were chosen on calibration seeds too."
)


def _summary(part: str, runs: dict[Kind, list[Run]]) -> str:
    said = []
    for name in NAMES:
        hits = [r for kind, found in runs.items() if kind.meant == name for r in found if r.behaved]
        ends, evers = sum(name in r.end for r in hits), sum(name in r.ever for r in hits)
        said.append(f"{name.replace('_', ' ')} {_share(ends, len(hits))} at the end, {_share(evers, len(hits))} ever")
    fine = [r for kind, found in runs.items() if not kind.meant for r in found if r.behaved]
    ill = [r for kind, found in runs.items() if not kind.meant for r in found if not r.behaved]
    alarms = [
        f"{name.replace('_', ' ')} {sum(name in r.end for r in fine)} and {sum(name in r.ever for r in fine)}"
        for name in NAMES
    ]
    least = min((kind for kind in runs if kind.meant), key=lambda kind: _hits(kind, runs[kind]), default=None)
    notice = [r.notice for found in runs.values() for r in found if not math.isnan(r.notice)]
    lines = [
        f"With the {part} seeds, shown in runs that were so (95 % Wilson intervals): {'; '.join(said)}.",
        f"False alarms: some finding was shown in {_share(sum(bool(r.end) for r in fine), len(fine))} of the healthy "
        f"runs at the end, and in {_share(sum(bool(r.ever) for r in fine), len(fine))} ever after step {FIRST} "
        f"(at the end and ever: {', '.join(alarms)}).",
        f"Of {len(ill)} runs with healthy settings that were not healthy, {sum(bool(r.end) for r in ill)} had a "
        f"finding at the end and {sum(bool(r.ever) for r in ill)} ever.",
    ]
    if least:
        so = [r for r in runs[least] if r.behaved]
        seen = sum(least.meant in r.end for r in so)
        lines.append(f"Seen least: {least.title}, {_share(seen, len(so))} at the end.")
    if notice:
        lines.append(f"A divergence was first told {np.median(notice):.0f} steps before the NaN (median).")
    return "\n\n".join(lines)


def _hits(kind: Kind, found: list[Run]) -> float:
    """The share of the runs that were as meant in which the lab said so at the end; 1 if there were none."""
    behaved = [kind.meant in r.end for r in found if r.behaved]
    return sum(behaved) / len(behaved) if behaved else 1.0


def train(kind: Kind, seed: int) -> Run:
    """One run of a kind in the lab's session."""
    from gan_tutorial.live.session import Session  # here, because not everyone has installed the lab's packages

    small = recipe("ring-mlp", batch_size=128, model__g_width=32, model__d_width=32, **kind.changes)
    session = Session(small, seed=seed)
    trainer = session.trainer
    data: Any = trainer.dataset
    shown: set[str] = set()
    ever: set[str] = set()
    moved, told, ruined = [], math.nan, False
    before = now = trainer.sample(SAMPLES, seed=2, average=False)
    while trainer.step < kind.steps and not ruined:
        try:
            session.run(CHUNK)
        except DivergedError:
            ruined = True
            continue
        shown = {finding.name for finding in session.findings}
        ever |= shown if trainer.step > FIRST else set()
        if "divergence" in shown and math.isnan(told):
            told = trainer.step
        before, now = now, trainer.sample(SAMPLES, seed=2, average=False)
        if trainer.step > kind.steps / 2:
            moved.append(histogram_divergences(before, now, data.extent).js)
    behaves = _behaviour(trainer, data, now, ruined, float(np.mean(moved)) if moved else 0.0)
    return Run(behaves[kind.meant], frozenset(ever), frozenset(shown), trainer.step - told if ruined else math.nan)


def _behaviour(trainer: Trainer, data: Any, fake: torch.Tensor, ruined: bool, moved: float) -> dict[str, bool]:
    """Which behaviours a run had, by the findings' names; "" is healthy. It knows nothing of the diagnosis."""
    real = data.sample(SAMPLES, torch.Generator().manual_seed(2)).x
    recall = Manifold(real).precision_recall(fake).recall
    with torch.no_grad():
        on_real, on_fake = (trainer.networks["discriminator"](x) for x in (real, fake))
    right = torch.cat([on_real > 0, on_fake < 0]).float().mean().item()
    return {
        "": not ruined and recall >= 0.6 and moved < 0.2,
        "collapse": not ruined and recall <= 0.25,
        "d_too_strong": not ruined and right >= 0.99,
        "oscillation": not ruined and moved >= 0.2,
        "divergence": ruined,
    }


def _share(count: int, of: int) -> str:
    """A count with its 95 % interval (Wilson 1927)."""
    if not of:
        return "0 of 0"
    z, p = 1.96, count / of
    middle, half = p + z**2 / (2 * of), z * math.sqrt(p * (1 - p) / of + z**2 / (4 * of**2))
    low, high = ((middle + sign * half) / (1 + z**2 / of) for sign in (-1, 1))
    return f"{count} of {of} ({max(low, 0):.0%} to {min(high, 1):.0%})"
