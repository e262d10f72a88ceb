"""Can the digits of `dcgan-mnist` be read, and are all ten there? A classifier trained on real digits says so."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from gan_tutorial import data, plots
from gan_tutorial.experiments.page import Page
from gan_tutorial.training import Trainer, recipe

SAMPLES = 1000
RECIPE = recipe("dcgan-mnist")


def run(seeds: list[int]) -> Page:
    """Train `dcgan-mnist` once a seed, and let a support vector machine sort its samples."""
    from sklearn.svm import SVC

    def split(name: str) -> tuple[np.ndarray, np.ndarray]:
        digits: Any = data.load("mnist", split=name, size=32)
        return digits[:].x.flatten(1).numpy(), digits.labels.numpy()

    train = split("train")
    classifier = SVC(C=10).fit(*train)
    accuracy = classifier.score(*split("test"))
    rows: list[tuple[object, ...]] = []
    sheet = b""
    for seed in seeds:
        trainer = Trainer(RECIPE, device="auto", seed=seed)
        for _ in trainer.run():
            pass
        samples = torch.cat([trainer.sample(250, seed=i) for i in range(SAMPLES // 250)])
        counts = np.bincount(classifier.predict(samples.flatten(1).cpu().numpy()), minlength=10)
        rows.append((seed, int((counts > 0).sum()), *counts))
        sheet = sheet or plots.png(plots.image_grid(samples[:100]))
    complete = sum(row[1] == 10 for row in rows)
    return Page(
        "digit-classes",
        "The digits of dcgan-mnist",
        f"`dcgan-mnist` as it is in the package ({RECIPE.steps} steps) for each seed; {SAMPLES} samples each, "
        f"sorted by a support vector machine that was trained on the {len(train[0])} real training digits "
        f"(accuracy on held-out real digits: {accuracy:.1%}).",
        ("seed", "classes found", *map(str, range(10))),
        rows,
        f"All ten digits were found with {complete} of {len(rows)} seeds.",
        sheet,
        "A hundred generated digits, drawn from the first seed's generator without choosing.",
    )
