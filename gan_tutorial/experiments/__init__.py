"""Measured claims, one a file: `gan-tutorial reproduce NAME` runs it and writes its results page."""

from __future__ import annotations

from collections.abc import Callable

from gan_tutorial.errors import unknown
from gan_tutorial.experiments import (
    augmentation,
    cycle_labels,
    cycle_term,
    digit_classes,
    lab_diagnosis,
    pacgan_tables,
    r3gan_grid,
    ring_modes,
    ring_starved,
    seqgan_oracle,
    seqgan_texts,
    stability_cures,
    stacked_mnist,
    tabular,
    time_to_quality,
    truncation,
)
from gan_tutorial.experiments.page import Page

EXPERIMENTS: dict[str, Callable[[list[int]], Page]] = {
    "augmentation": augmentation.run,
    "cycle-labels": cycle_labels.run,
    "cycle-term": cycle_term.run,
    "digit-classes": digit_classes.run,
    "lab-diagnosis": lab_diagnosis.run,
    "pacgan-2d-small": pacgan_tables.run_small,
    "r3gan-grid": r3gan_grid.run,
    "ring-modes": ring_modes.run,
    "ring-starved": ring_starved.run,
    "seqgan-oracle": seqgan_oracle.run,
    "seqgan-oracle-draws": seqgan_oracle.run_draws,
    "seqgan-oracle-full": seqgan_oracle.run_full,
    "seqgan-poems": seqgan_texts.poems,
    "stability-cures": stability_cures.run,
    "stacked-mnist": stacked_mnist.run,
    "stacked-mnist-small": stacked_mnist.run_small,
    "tabular": tabular.run,
    "time-to-quality": time_to_quality.run,
    "time-to-quality-search": time_to_quality.run_search,
    "truncation": truncation.run,
}


def experiment(name: str) -> Callable[[list[int]], Page]:
    """The experiment called `name`: a function of the seeds that returns its results page."""
    if name not in EXPERIMENTS:
        raise unknown("experiment", name, EXPERIMENTS)
    return EXPERIMENTS[name]
