"""How good is a generator, in the numbers of the zoo's cards? A judge for images, one for sounds, one for texts."""

from __future__ import annotations

import statistics
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from gan_tutorial import data, zoo
from gan_tutorial.data.text import rhymes
from gan_tutorial.errors import require
from gan_tutorial.metrics import (
    Manifold,
    Statistics,
    bleu,
    classifier_fid,
    drum_classifier,
    for_data,
    inception_score,
    nearest_sounds,
    novelty,
    self_bleu,
    spectral_distance,
    spectral_features,
    valid,
)
from gan_tutorial.training import Recipe

SEED = 0
SEEDS = (0, 1, 2)  # of sampling
CLOSEST = 100  # sounds whose neighbours are looked for
ORDERS = {"poems": 2, "words": 4}  # of BLEU: tokens that make a meaning


class Judge(ABC):
    """Measures generators of one recipe.

    Attributes:
        blueprint: of the generators.
        real: the training split.
        held_out: the test split.
        n: samples for each of the sampling seeds.
    """

    SAMPLES: ClassVar[int] = 5000
    SCORE: ClassVar[str]  # the column that tells whether packing did harm

    def __init__(self, recipe: Recipe, n: int | None = None) -> None:
        splits: Any = [data.load(recipe.data, split, **recipe.data_options) for split in ("train", "test")]
        self.real, self.held_out = splits
        self.recipe, self.n, self.blueprint = recipe, n or self.SAMPLES, zoo.Blueprint.of(recipe, self.real)

    def samples(self, network: nn.Module, n: int, seed: int) -> Tensor:
        """n samples as a file would hold them; classes come as often as in the data."""
        return zoo.draw(network, self.recipe, n, seed=seed, labels=self.labels(n, seed))

    def labels(self, n: int, seed: int) -> Tensor | None:
        """Those of n samples, or None where there are no classes."""
        if not self.recipe.conditional:
            return None
        return self.real.labels[torch.randint(len(self.real), (n,), generator=torch.Generator().manual_seed(seed))]

    def untrained(self) -> nn.Module:
        """The generator before any training."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
            return zoo.fresh(self.blueprint)

    @abstractmethod
    def score(self, x: Tensor) -> float:
        """`SCORE` of samples."""

    @abstractmethod
    def measure(self, network: nn.Module) -> dict[str, Any]:
        """What the card says of `network`: "rows", a dictionary of columns for each set of samples, and more."""


def judge(recipe: Recipe, n: int | None = None) -> Judge:
    """The judge of what `recipe` makes; `n` samples a seed instead of its own number. Raises InputError if there is
    none for its data."""
    known: dict[str, type[Judge]] = {"drums": Sounds} | dict.fromkeys(ORDERS, Texts)
    return known.get(recipe.data, Images)(recipe, n)


def spread(values: Sequence[float]) -> dict[str, float | None]:
    """Mean and standard deviation, None for that of a single value."""
    return {"mean": statistics.mean(values), "std": statistics.stdev(values) if len(values) > 1 else None}


def row(found: Sequence[Mapping[str, float]], n: int) -> dict[str, Any]:
    """Means and spreads of each column over sets of n samples."""
    return {"n": n, "times": len(found)} | {key: spread([columns[key] for columns in found]) for key in found[0]}


class Images(Judge):
    """By the classifier of the data set."""

    SCORE = "fid"

    def __init__(self, recipe: Recipe, n: int | None = None) -> None:
        super().__init__(recipe, n)
        found = for_data(recipe.data, self.real.sample_shape)
        require(found is not None, "data", recipe.data, "a data set that has a classifier of this shape")
        assert found is not None
        self.classifier = found
        few = min(self.n, len(self.real))
        self.manifold = Manifold(self.features(self.real.sample(few, torch.Generator().manual_seed(SEED)).x))

    def samples(self, network: nn.Module, n: int, seed: int) -> Tensor:
        return super().samples(network, n, seed).clamp(-1, 1)

    def features(self, x: Tensor) -> Tensor:
        return torch.cat([self.classifier.features(part) for part in x.split(500)])

    def score(self, x: Tensor) -> float:
        return classifier_fid(self.features(x), self.classifier.real)

    def row(self, sets: Iterable[Tensor]) -> dict[str, Any]:
        """Over sets of features (n, 64), one for each seed."""
        sets = [*sets]
        found = []
        for features in sets:
            both = self.manifold.precision_recall(features)
            fid = classifier_fid(features, self.classifier.real)
            found.append({"fid": fid, "precision": both.precision, "recall": both.recall})
        return row(found, len(sets[0]))

    def measure(self, network: nn.Module) -> dict[str, Any]:
        held_out = self.held_out.sample(min(self.n, len(self.held_out)), torch.Generator().manual_seed(SEED))
        few = len(held_out.x)
        real, found = self.features(held_out.x), []
        counts: Counter[tuple[str, int]] = Counter()  # (attribute, value) -> samples
        for seed in SEEDS:
            x = self.samples(network, self.n, seed)
            found.append(self.features(x))
            for part in x.split(500):
                for name, answers in self.classifier.attributes(part).items():
                    counts.update((name, value) for value in answers.tolist())
        least = -(-self.n * len(SEEDS) // 1000)  # one mistake of the classifier does not make a value present
        return {
            "classifier": self.classifier.name,
            "seeds": SEEDS,
            "reference": len(self.manifold.real),
            "rows": {
                "model": self.row(found),
                "model_few": self.row(f[:few] for f in found),
                "held_out": self.row([real]),
                "untrained": self.row([self.features(self.samples(self.untrained(), few, SEEDS[0]))]),
            },
            "classes": shares(self.classifier, torch.cat(found)),
            "least": least,
            "attributes": self.values(counts, least),
            "labels": self.recovered(found, real, held_out.labels),
        }

    def values(self, counts: Counter[tuple[str, int]], least: int) -> dict[str, Any]:
        """For each attribute: how many values it has, how many are found in `least` samples, and which are not."""
        known = {}
        for name, names in self.classifier.attribute_names.items():
            missing = [value for i, value in enumerate(names) if counts[name, i] < least]
            known[name] = {"values": len(names), "found": len(names) - len(missing), "missing": missing}
        return known

    def recovered(self, sets: list[Tensor], real: Tensor, labels: Tensor) -> dict[str, float] | None:
        if not self.recipe.conditional or tuple(self.real.label_names) != self.classifier.class_names:
            return None
        return recovered(self, self.classifier, sets, real, labels)


class Sounds(Judge):
    """By their log-mel spectrograms, and by the classifier of drums."""

    SAMPLES = 2000
    SCORE = "distance"

    def __init__(self, recipe: Recipe, n: int | None = None) -> None:
        super().__init__(recipe, n)
        self.classifier = drum_classifier()
        self.rate = int(self.real.sample_rate)
        self.statistics = Statistics.of(spectral_features(self.real.data, self.rate))
        few = self.real.sample(min(self.n, len(self.real)), torch.Generator().manual_seed(SEED)).x
        self.manifold = Manifold(self.classifier.features(few, self.rate))

    def samples(self, network: nn.Module, n: int, seed: int) -> Tensor:
        return super().samples(network, n, seed).clamp(-1, 1)

    def score(self, x: Tensor) -> float:
        return spectral_distance(x, self.statistics, self.rate)

    def columns(self, x: Tensor, features: Tensor) -> dict[str, float]:
        both = self.manifold.precision_recall(features)
        return {
            "distance": self.score(x),
            "inception": inception_score(self.classifier.probabilities(features)),
            "precision": both.precision,
            "recall": both.recall,
        }

    def nearest(self, sets: Sequence[Tensor]) -> list[float]:
        """For each set of sounds, how far the nearest training sound is, in dB: the median over `CLOSEST` of them."""
        few = [x[:CLOSEST] for x in sets]
        found = nearest_sounds(torch.cat(few), self.real.data, self.rate)[1][:, 0]
        return [part.median().item() for part in found.split([len(x) for x in few])]

    def measure(self, network: nn.Module) -> dict[str, Any]:
        held_out = self.held_out.sample(min(self.n, len(self.held_out)), torch.Generator().manual_seed(SEED))
        sets = [self.samples(network, self.n, seed) for seed in SEEDS]
        sets += [held_out.x, self.samples(self.untrained(), len(held_out.x), SEEDS[0])]
        features = [self.classifier.features(x, self.rate) for x in sets]
        near = self.nearest(sets)
        found = [self.columns(x, f) | {"nearest": d} for x, f, d in zip(sets, features, near, strict=True)]
        of_model, (real, _) = features[:-2], features[-2:]
        return {
            "classifier": self.recipe.data,
            "seeds": SEEDS,
            "reference": len(self.manifold.real),
            "closest": CLOSEST,
            "rows": {
                "model": row(found[:-2], self.n),
                "held_out": row(found[-2:-1], len(held_out.x)),
                "untrained": row(found[-1:], len(held_out.x)),
            },
            "classes": shares(self.classifier, torch.cat(of_model)),
            "labels": recovered(self, self.classifier, of_model, real, held_out.labels),
        }


class Texts(Judge):
    """By n-grams and by the training texts; poems also by their rhymes, words by the dictionary."""

    SAMPLES = 1000
    SCORE = "bleu"

    def __init__(self, recipe: Recipe, n: int | None = None) -> None:
        super().__init__(recipe, n)
        self.order = ORDERS[recipe.data]
        self.n = min(self.n, len(self.held_out))
        self.kept_back = {*self.held_out.decode(self.held_out.data)}

    def score(self, x: Tensor) -> float:
        return bleu(x, self.held_out.data, self.order)

    def columns(self, x: Tensor) -> dict[str, float]:
        texts = self.blueprint.decode(x)
        found = {
            "bleu": self.score(x),
            "self_bleu": self_bleu(x, self.order),
            "valid": valid(x, x.shape[1] if self.recipe.data == "poems" else None),
            "novel": novelty(x, self.real.data),
        }
        if self.recipe.data == "poems":
            return found | {"rhyme": share(rhymes(text) for text in texts)}
        return found | {"unseen": share(text in self.kept_back for text in texts)}

    @torch.no_grad()
    def nll(self, network: Any) -> float:
        """How unlikely the network finds the held-out texts, in nats a token."""
        parts = [network.log_prob(part) for part in self.held_out.data.split(256)]
        return -torch.cat(parts).double().mean().item()

    def measure(self, network: nn.Module) -> dict[str, Any]:
        untrained, rng = self.untrained(), torch.Generator().manual_seed(SEED)
        rows = {
            "model": row([self.columns(self.samples(network, self.n, seed)) for seed in SEEDS], self.n),
            "real": row([self.columns(self.real.sample(self.n, rng).x)], self.n),
            "untrained": row([self.columns(self.samples(untrained, self.n, SEED))], self.n),
        }
        return {
            "order": self.order,
            "seeds": SEEDS,
            "reference": len(self.held_out),
            "rows": rows,
            "nll": {"model": self.nll(network), "untrained": self.nll(untrained)},
        }


def share(answers: Iterable[bool]) -> float:
    """Of true ones."""
    found = [*answers]
    return sum(found) / len(found)


def shares(classifier: Any, features: Tensor) -> dict[str, float]:
    """The share of features in each class, by its name."""
    return dict(zip(classifier.class_names, classifier.shares(features).tolist(), strict=True))


def recovered(of: Judge, classifier: Any, sets: list[Tensor], real: Tensor, labels: Tensor) -> dict[str, float]:
    """How often the classifier finds the label that was asked for, and that of real samples, from their features."""
    asked: Any = torch.cat([of.labels(len(f), seed) for f, seed in zip(sets, SEEDS, strict=True)])  # type: ignore[misc]
    pairs = {"model": (torch.cat(sets), asked), "held_out": (real, labels)}
    return {key: (classifier.classify(f) == y).float().mean().item() for key, (f, y) in pairs.items()}
