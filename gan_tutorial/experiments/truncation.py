"""What does truncation cost, and what does it buy? And does a conditional generator make what it is asked for?"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gan_tutorial import data, zoo
from gan_tutorial.experiments.page import Page
from gan_tutorial.metrics import Classifier, Manifold, classifier, classifier_fid
from gan_tutorial.models.biggan import standing_statistics
from gan_tutorial.zoo import latents

SAMPLES = 1000
THRESHOLDS = (0.3, 0.5, 1.0, 1.5, None)  # None: latents as they were in training
STANDING, BATCHES = 0.5, (16, 64)  # the threshold whose statistics are measured anew; from how many samples


def run(seeds: list[int]) -> Page:
    """Samples of biggan-avatars at each threshold, from the same latents; cgan-avatars beside it."""
    judge = classifier("avatars")
    train: Any = data.load("avatars")
    test: Any = data.load("avatars", split="test")
    manifold = Manifold(judge.features(train[:SAMPLES].x))
    rows: list[tuple[object, ...]] = []
    for seed in seeds:
        for threshold in THRESHOLDS:
            told = "none" if threshold is None else f"{threshold:g}"
            found = measured(judge, manifold, *samples("biggan-avatars", seed, threshold))
            rows.append((f"biggan-avatars, {told}", seed, *found))
        anew = samples("biggan-avatars", seed, STANDING, standing=True)
        rows.append((f"biggan-avatars, {STANDING:g}, standing", seed, *measured(judge, manifold, *anew)))
        found = measured(judge, manifold, *samples("cgan-avatars", seed, None))
        rows.append(("cgan-avatars", seed, *found))
    rows.append(("held-out real images", "", *measured(judge, manifold, *test[:SAMPLES][:2])))
    return Page(
        "truncation",
        "Truncation of biggan-avatars",
        f"{SAMPLES} samples a row, a quarter of each class, from the same latents at every threshold. Labels: the "
        "share of samples that the avatars classifier puts into the class that was asked for. Precision and recall "
        f"(k = 3) are against {SAMPLES} training images. Diversity: the mean distance of the features of two samples "
        "of the same class. Classifier-FID is against all training images. Standing: BatchNorm's statistics were "
        f"measured anew at this threshold, over {BATCHES[0]} batches of {BATCHES[1]}.",
        ("generator, threshold", "seed", "labels", "precision", "recall", "diversity", "classifier-FID"),
        rows,
        finding(rows),
    )


def samples(name: str, seed: int, threshold: float | None, standing: bool = False) -> tuple[Tensor, Tensor]:
    """Images (N, 3, 16, 16) and the labels (N,) that were asked for."""
    generator: Any = zoo.load(name)
    if standing:
        rng = torch.Generator().manual_seed(seed + 1000)
        standing_statistics(generator, *BATCHES, rng=rng, threshold=threshold)
    z = torch.randn(SAMPLES, generator.z_dim, generator=torch.Generator().manual_seed(seed))
    z = z if threshold is None else latents.truncate(z, threshold)
    labels = torch.arange(SAMPLES) % generator.num_classes
    with torch.no_grad():
        return torch.cat([generator(*part) for part in zip(z.split(250), labels.split(250), strict=True)]), labels


def measured(judge: Classifier, manifold: Manifold, x: Tensor, labels: Tensor) -> tuple[str, ...]:
    """Share of right labels, precision, recall, diversity, classifier-FID."""
    features = judge.features(x)
    right = (judge.classify(features) == labels).float().mean().item()
    near = manifold.precision_recall(features)
    distance = classifier_fid(features, judge.real)
    return (
        f"{right:.1%}",
        f"{near.precision:.3f}",
        f"{near.recall:.3f}",
        f"{diversity(features, labels):.2f}",
        f"{distance:.2f}",
    )


def diversity(features: Tensor, labels: Tensor) -> float:
    """Mean distance of two samples of the same class: features (N, D), labels (N,); the mean over the classes."""
    return torch.stack([torch.pdist(features[labels == c]).mean() for c in labels.unique()]).mean().item()


def finding(rows: list[tuple[object, ...]]) -> str:
    """With how many seeds each column goes one way, from the strongest truncation to none; and the lowest labels."""
    names = [f"biggan-avatars, {t}" for t in ("none" if t is None else f"{t:g}" for t in THRESHOLDS)]
    seeds = [row[1] for row in rows if row[0] == names[0]]
    lines = []
    for column, word, sign in ((3, "precision", -1), (4, "recall", 1), (5, "diversity", 1), (6, "classifier-FID", -1)):
        of = {(row[0], row[1]): float(str(row[column])) for row in rows}
        series = [[sign * of[name, seed] for name in names] for seed in seeds]
        steady = sum(values == sorted(values) and len(set(values)) == len(values) for values in series)
        way = "rises" if sign > 0 else "falls"
        lines.append(f"- As truncation weakens, {word} {way} at every step with {steady} of {len(seeds)} seeds.")
    for name in (names[-1], "cgan-avatars"):
        low = min(float(str(row[2]).rstrip("%")) for row in rows if row[0] == name)
        lines.append(f"- Labels of {name}: at least {low:.1f}%.")
    return "\n".join(lines)
