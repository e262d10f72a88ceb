"""What does the cycle term of CycleGAN keep? Digits are translated between handwriting and print, by two networks that
were trained with it or without it."""

from __future__ import annotations

import statistics
from typing import Any, NamedTuple

from torch import Tensor

from gan_tutorial import data, training
from gan_tutorial.experiments.page import Page
from gan_tutorial.metrics import Classifier, classifier, classifier_fid
from gan_tutorial.training import Recipe, Trainer

STEPS, WEIGHTS = 200, (0.0, 2.0)
SAMPLES = 500  # held-out digits of each kind
READERS = {"a": "mnist", "b": "printed"}  # who reads handwriting (A), and print (B)


class Found(NamedTuple):
    """What becomes of held-out digits that are translated.

    kept_ab, kept_ba: the share that is read as what it was, by the classifier of the other kind. back: the share of
    written digits that is read as what it was after the way there and back. cycle: the mean distance of a pixel after
    the way there and back, of 2, over both kinds. distance: classifier-FID of translations into print.
    """

    kept_ab: float
    kept_ba: float
    back: float
    cycle: float
    distance: float


# What both experiments with these digits say of their numbers, and their tables' columns after the first.
MEASURED = (
    f"{SAMPLES} held-out digits of each kind are translated by the moving average of G's weights. Kept: the share "
    "that a classifier of the other kind reads as the digit that it was. There and back: the share of written "
    "digits that the classifier of handwriting reads right again. Cycle error: the mean distance of a pixel, of "
    "2. Classifier-FID: of the translations into print, against all printed training digits."
)
COLUMNS = ("seed", "kept, to print", "kept, to handwriting", "there and back", "cycle error", "classifier-FID")


def row(name: str, seed: int, found: Found) -> tuple[object, ...]:
    """A line of the table."""
    return (name, seed, *(f"{share:.1%}" for share in found[:3]), f"{found.cycle:.3f}", f"{found.distance:.1f}")


def untouched_row(trainer: Trainer) -> tuple[object, ...]:
    """That of the digits as they are."""
    there, other, distance = untranslated(trainer)
    return ("not translated", "", f"{there:.1%}", f"{other:.1%}", "", "", f"{distance:.1f}")


def run(seeds: list[int]) -> Page:
    """Short trainings of cyclegan-digits-small at each weight of the cycle term; the same seed starts alike."""
    rows: list[tuple[object, ...]] = []
    found: dict[float, list[Found]] = {weight: [] for weight in WEIGHTS}
    for weight in WEIGHTS:
        for seed in seeds:
            trainer = trained(recipe(weight), seed, STEPS)
            result = measured(trainer)
            found[weight].append(result)
            rows.append(row(f"{weight:g}", seed, result))
    rows.append(untouched_row(trainer))
    return Page(
        "cycle-term",
        "The cycle term of CycleGAN",
        f"Recipe cyclegan-digits-small without labels, {STEPS} steps, with several weights of the cycle term. "
        + MEASURED,
        ("weight", *COLUMNS),
        rows,
        finding(found, len(seeds)),
    )


def recipe(weight: float, **changes: Any) -> Recipe:
    """cyclegan-digits-small with this weight of the cycle term; D does not learn which digit it sees."""
    return training.recipe("cyclegan-digits-small", cycle=weight, identity=0.0, conditional=False, **changes)


def trained(of: Recipe, seed: int, steps: int, device: str = "cpu") -> Trainer:
    """A trainer of the recipe `of` that has made `steps` steps."""
    trainer = Trainer(of, seed=seed, device=device)
    for _ in trainer.run(steps) if steps else ():
        pass
    return trainer


def measured(trainer: Trainer, seed: int = 0, n: int | None = None) -> Found:
    """What the trainer's networks make of `n` held-out digits of each kind (default: SAMPLES), which `seed` chooses."""
    held_out = _held_out(trainer)
    written, printed = (held_out.sources(n or SAMPLES, seed, way) for way in ("ab", "ba"))
    there, other = trainer.translate(written.x, "ab").cpu(), trainer.translate(printed.x, "ba").cpu()
    back, again = trainer.translate(there, "ba").cpu(), trainer.translate(other, "ab").cpu()
    reader = classifier(READERS["b"])
    return Found(
        read(there, "b", written.labels),
        read(other, "a", printed.labels),
        read(back, "a", written.labels),
        ((back - written.x).abs().mean() + (again - printed.x).abs().mean()).item() / 2,
        classifier_fid(reader.features(there), reader.real),
    )


def untranslated(trainer: Trainer, seed: int = 0, n: int | None = None) -> tuple[float, float, float]:
    """The same three numbers for digits as they are: written ones read as print, printed ones as handwriting, and the
    distance of written ones from print."""
    held_out = _held_out(trainer)
    written, printed = (held_out.sources(n or SAMPLES, seed, way) for way in ("ab", "ba"))
    reader = classifier(READERS["b"])
    distance = classifier_fid(reader.features(written.x), reader.real)
    return read(written.x, "b", written.labels), read(printed.x, "a", printed.labels), distance


def read(x: Tensor, domain: str, labels: Any) -> float:
    """The share of pictures (N, 1, 16, 16) that the reader of `domain`, "a" or "b", reads as their labels say."""
    reader: Classifier = classifier(READERS[domain])
    return (reader.predict(x) == labels).double().mean().item()


def finding(found: dict[float, list[Found]], seeds: int) -> str:
    """Medians, and with how many seeds the way back leads home better with the term than without."""
    lines = []
    for weight, results in found.items():
        kept, back, cycle = (
            statistics.median(values)
            for values in (
                [(f.kept_ab + f.kept_ba) / 2 for f in results],
                [f.back for f in results],
                [f.cycle for f in results],
            )
        )
        lines.append(
            f"- Weight {weight:g}, medians: kept {kept:.1%} (mean of both ways), there and back {back:.1%}, cycle "
            f"error {cycle:.3f}."
        )
    for weight in WEIGHTS[1:]:
        pairs = [*zip(found[0.0], found[weight], strict=True)]
        home = sum(with_it.back > without.back for without, with_it in pairs)
        kept = sum(with_it.kept_ab + with_it.kept_ba > without.kept_ab + without.kept_ba for without, with_it in pairs)
        least = min(without.cycle / with_it.cycle for without, with_it in pairs)
        lines.append(
            f"- Weight {weight:g} against none: more digits are right after the way there and back with {home} of "
            f"{seeds} seeds, and more are kept on one way with {kept}; the cycle error is smaller by a factor of at "
            f"least {least:.1f}."
        )
    return "\n".join(lines)


def _held_out(trainer: Trainer) -> Any:
    return data.load(trainer.recipe.data, "test", **trainer.recipe.data_options)
