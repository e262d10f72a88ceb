"""Does the cycle alone keep what a picture shows? Digits are translated between handwriting and print by a CycleGAN,
and by one whose discriminators are told which digit they see."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from pathlib import Path

from gan_tutorial.experiments import results
from gan_tutorial.experiments.cycle_term import COLUMNS, MEASURED, Found, measured, row, trained, untouched_row
from gan_tutorial.experiments.page import Page
from gan_tutorial.training import Recipe, recipe

STEPS = 3000
FOLDER = Path("runs/cycle-labels")
KINDS = {"no labels": False, "labels for D": True}  # beside the cycle -> Recipe.conditional


def made(conditional: bool) -> Recipe:
    """cyclegan-digits-small, trained for longer."""
    return recipe("cyclegan-digits-small", conditional=conditional, steps=STEPS)


def train(conditional: bool, seed: int, folder: Path | None = None) -> tuple[Found, float]:
    """What one training leads to, and its seconds. What is in `folder` is not done again."""
    r = made(conditional)
    place = folder and folder / ("labels" if conditional else "alone") / f"seed-{seed}"
    known = results.kept(place, r, [seed])
    if known:
        return Found(**known["found"]), known["seconds"]
    begun = time.perf_counter()
    found = measured(trained(r, seed, STEPS))
    seconds = time.perf_counter() - begun
    results.keep(place, r, [seed], {"found": found._asdict(), "seconds": seconds})
    return found, seconds


def run(seeds: list[int], folder: Path = FOLDER) -> Page:
    """Both kinds with every seed. What was done is kept in `folder`; started again, it goes on from there."""
    done = {kind: [train(conditional, seed, folder) for seed in seeds] for kind, conditional in KINDS.items()}
    found = {kind: [one for one, _ in every] for kind, every in done.items()}
    rows: list[tuple[object, ...]] = [
        row(kind, seed, one) for kind, every in found.items() for seed, one in zip(seeds, every, strict=True)
    ]
    rows.append(untouched_row(trained(made(False), 0, 0)))
    return Page(
        "cycle-labels",
        "What the cycle of CycleGAN does not keep",
        f"Recipe cyclegan-digits-small with {STEPS} steps: as it is, and with discriminators that are told which digit "
        "a picture is to show (of a translation: the digit of its source). G is told nothing, and there are no pairs. "
        + MEASURED,
        ("trained with", *COLUMNS),
        rows,
        finding(found),
        machine=results.machines(folder),
        seconds=sum(seconds for every in done.values() for _, seconds in every),
    )


def finding(found: Mapping[str, list[Found]]) -> str:
    """Medians, and with how many seeds the labels keep more."""
    lines = []
    for kind, every in found.items():
        there, other, back, _, distance = (statistics.median(values) for values in zip(*every, strict=True))
        lines.append(
            f"- With {kind}, medians: kept {there:.1%} (to print) and {other:.1%} (to handwriting), there and back "
            f"{back:.1%}, classifier-FID {distance:.1f}."
        )
    alone, labels = found.values()
    more = sum(b.kept_ab + b.kept_ba > a.kept_ab + a.kept_ba for a, b in zip(alone, labels, strict=True))
    return "\n".join([*lines, f"- Labels for D keep more digits with {more} of {len(alone)} seeds."])
