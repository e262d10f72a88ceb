"""How good is a generator, in the numbers of the zoo's cards? Judges for images, translations, sounds and texts."""

from __future__ import annotations

import math
import statistics
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from gan_tutorial import data, zoo
from gan_tutorial.data.text import rhymes
from gan_tutorial.errors import require, unknown
from gan_tutorial.metrics import (
    Classifier,
    DrumClassifier,
    Interval,
    Manifold,
    Statistics,
    authenticity,
    bleu,
    bootstrap,
    classifier,
    classifier_fid,
    drum_classifier,
    feature_diversity,
    for_data,
    inception_score,
    kid,
    nearest,
    novelty,
    self_bleu,
    spectral_distance,
    spectral_features,
    valid,
)
from gan_tutorial.training import Recipe

SEED = 0
SEEDS = (0, 1, 2)  # of sampling
DRAWS = 20  # for an interval
ORDERS = {"poems": 2, "words": 4}  # of BLEU: tokens that make a meaning
# The classifiers of what is translated, A and B; None where there is none.
READERS: dict[str, tuple[str | None, str]] = {
    "pairs:digits": ("mnist", "printed"),
    "pairs:glasses": ("avatars", "avatars"),
    "pairs:edges": (None, "avatars"),
}


class Measure(NamedTuple):
    """Numbers that come from one look at what is kept of samples.

    names: of the numbers. of: what is kept (N, ...) -> the numbers. halves: as :func:`gan_tutorial.metrics.bootstrap`
    takes it. on_card: whether it belongs on a card, where sets of samples stand side by side.
    """

    names: tuple[str, ...]
    of: Callable[[Tensor], Sequence[float]]
    halves: bool = False
    on_card: bool = True


class Judge(ABC):
    """Measures generators of one recipe.

    Of samples it keeps a row of numbers each, so that any number of samples takes little memory: 64 features of an
    image (256 bytes), 192 of a sound, the tokens of a text; and one batch of samples at a time.

    Attributes:
        blueprint: of the generators.
        real: the training split.
        held_out: the test split.
        n: samples for each of the sampling seeds.
        measures: what can be measured.
    """

    SAMPLES: ClassVar[int] = 5000
    SCORE: ClassVar[str]  # the number that tells whether packing did harm
    measures: tuple[Measure, ...]

    def __init__(self, recipe: Recipe, n: int | None = None) -> None:
        splits: Any = [data.load(recipe.data, split, **recipe.data_options) for split in ("train", "test")]
        self.real, self.held_out = splits
        self.recipe, self.n, self.blueprint = recipe, n or self.SAMPLES, zoo.Blueprint.of(recipe, self.real)

    @property
    def names(self) -> tuple[str, ...]:
        """Of all numbers."""
        return tuple(name for measure in self.measures for name in measure.names)

    # -- samples -----------------------------------------------------------------------------------------------------
    def batches(self, network: nn.Module, n: int, seed: int) -> Iterator[Tensor]:
        """n samples as a file would hold them, some at a time; classes come as often as in the data."""
        for x in zoo.batches(network, self.recipe, n, seed=seed, labels=self.labels(n, seed)):
            yield x if self.blueprint.is_text else x.clamp(-1, 1)

    def samples(self, network: nn.Module, n: int, seed: int) -> Tensor:
        """All of `batches`."""
        return torch.cat([*self.batches(network, n, seed)])

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

    def some_held_out(self, n: int | None = None) -> data.Batch:
        """n held-out samples, or all if there are fewer."""
        n = min(self.n if n is None else n, len(self.held_out))
        return self.held_out.sample(n, torch.Generator().manual_seed(SEED))

    # -- numbers -----------------------------------------------------------------------------------------------------
    @abstractmethod
    def kept(self, x: Tensor) -> Tensor:
        """What is kept of samples (N, ...): (N, D)."""

    def draw(self, network: nn.Module, n: int, seed: int) -> Tensor:
        """What is kept of n samples of `network`, on the CPU."""
        return torch.cat([self.kept(x).cpu() for x in self.batches(network, n, seed)])

    def columns(self, kept: Tensor, names: Collection[str] | None = None) -> dict[str, float]:
        """Numbers by name: those named, or all that belong on a card. Raises InputError for an unknown name."""
        found: dict[str, float] = {}
        for measure in self._asked(names):
            found |= zip(measure.names, measure.of(kept), strict=True)
        return {name: value for name, value in found.items() if names is None or name in names}

    def intervals(self, kept: Tensor, names: Collection[str] | None = None, draws: int = DRAWS) -> dict[str, Interval]:
        """The same with an interval each, see :func:`gan_tutorial.metrics.bootstrap`."""
        found: dict[str, Interval] = {}
        for measure in self._asked(names):
            found |= zip(measure.names, bootstrap(measure.of, kept, n=draws, halves=measure.halves), strict=True)
        return {name: value for name, value in found.items() if names is None or name in names}

    def _asked(self, names: Collection[str] | None) -> list[Measure]:
        for name in names or ():
            if name not in self.names:
                raise unknown("metric", name, self.names)
        if names is None:
            return [measure for measure in self.measures if measure.on_card]
        return [measure for measure in self.measures if {*measure.names} & {*names}]

    def score(self, x: Tensor) -> float:
        """`SCORE` of samples."""
        return self.columns(self.kept(x), [self.SCORE])[self.SCORE]

    @abstractmethod
    def floor(self, n: int) -> Tensor:
        """What is kept of n real samples, or fewer, that a perfect generator might have made."""

    @abstractmethod
    def measure(self, network: nn.Module) -> dict[str, Any]:
        """What the card says of `network`: "rows", a dictionary of columns for each set of samples, and more."""


def judge(recipe: Recipe, n: int | None = None) -> Judge:
    """The judge of what `recipe` makes; `n` samples a seed instead of its own number. Raises InputError if there is
    none for its data."""
    known: dict[str, type[Judge]] = (
        {"drums": Sounds} | dict.fromkeys(ORDERS, Texts) | dict.fromkeys(READERS, Translations)
    )
    return known.get(recipe.data, Images)(recipe, n)


def spread(values: Sequence[float]) -> dict[str, float | None]:
    """Mean and standard deviation, None for that of a single value."""
    return {"mean": statistics.mean(values), "std": statistics.stdev(values) if len(values) > 1 else None}


def row(found: Sequence[Mapping[str, float]], n: int) -> dict[str, Any]:
    """Means and spreads of each column over sets of n samples."""
    return {"n": n, "times": len(found)} | {key: spread([columns[key] for columns in found]) for key in found[0]}


class _Classified(Judge):
    """What images and sounds have in common: a classifier, and neighbours among its features."""

    classifier: Classifier | DrumClassifier
    manifold: Manifold

    def _by_features(self, features: Tensor) -> tuple[Measure, ...]:
        """Measures of features (N, 64), the first columns of what is kept; `features` are those of real samples."""
        self.manifold, width = Manifold(features), features.shape[1]
        size = features.square().mean().sqrt()
        scaled = features / size

        def near(kept: Tensor) -> list[float]:
            shares, others = self.manifold.measure(kept[:, :width])
            return [*shares, *others]

        return (
            Measure(("precision", "recall", "density", "coverage"), near, halves=True),
            # The kernel is a cubic: it takes features whose mean square is 1.
            Measure(("kid",), lambda kept: [kid(scaled, kept[:, :width] / size, subsets=20).mean]),
            Measure(("inception",), lambda kept: [inception_score(self.classifier.probabilities(kept[:, :width]))]),
            Measure(("diversity",), lambda kept: [feature_diversity(kept[:, :width])], on_card=False),
            Measure(("authenticity",), lambda kept: [authenticity(features, kept[:, :width])], True, False),
        )

    def floor(self, n: int) -> Tensor:
        return self.kept(self.some_held_out(n).x)

    def _shares(self, features: Tensor) -> dict[str, float]:
        """The share of features in each class, by its name."""
        return dict(zip(self.classifier.class_names, self.classifier.shares(features).tolist(), strict=True))

    def _recovered(self, sets: list[Tensor], real: Tensor, labels: Tensor) -> dict[str, float]:
        """How often the classifier finds the label that was asked for, and that of real samples, from their
        features."""
        asked: Any = torch.cat([self.labels(len(f), seed) for f, seed in zip(sets, SEEDS, strict=True)])  # type: ignore[misc]
        pairs = {"model": (torch.cat(sets), asked), "held_out": (real, labels)}
        return {key: (self.classifier.classify(f) == y).float().mean().item() for key, (f, y) in pairs.items()}


class _Pictures(_Classified):
    """What images and translations have in common: their classifier's features, and the distance from real ones."""

    SCORE = "fid"
    classifier: Classifier

    def _by_distance(self, real: Statistics, features: Tensor) -> tuple[Measure, ...]:
        """The distance of features (N, 64) from `real` ones; and `_by_features`."""
        fid = Measure(("fid",), lambda kept: [classifier_fid(kept, real)])
        return (fid, *self._by_features(features))

    def kept(self, x: Tensor) -> Tensor:
        return torch.cat([self.classifier.features(part) for part in x.split(zoo.BATCH)])

    def _report(self, found: Sequence[Tensor], real: Tensor, **other: Tensor) -> dict[str, Any]:
        """A card's first lines, from the features of samples, of held-out pictures and of others with a name."""
        few = len(real)
        return {
            "classifier": self.classifier.name,
            "seeds": SEEDS,
            "reference": len(self.manifold.real),
            "rows": {
                "model": row([self.columns(f) for f in found], self.n),
                "model_few": row([self.columns(f[:few]) for f in found], few),
                "held_out": row([self.columns(real)], few),
                **{name: row([self.columns(features)], few) for name, features in other.items()},
            },
        }


class Images(_Pictures):
    """By the classifier of the data set."""

    def __init__(self, recipe: Recipe, n: int | None = None) -> None:
        super().__init__(recipe, n)
        found = for_data(recipe.data, self.real.sample_shape)
        require(found is not None, "data", recipe.data, "a data set that has a classifier of this shape")
        assert found is not None
        self.classifier = found
        few = min(self.n, len(self.real))
        real = self.kept(self.real.sample(few, torch.Generator().manual_seed(SEED)).x)
        self.measures = self._by_distance(found.real, real)

    def measure(self, network: nn.Module) -> dict[str, Any]:
        held_out = self.some_held_out()
        few = len(held_out.x)
        real, found = self.kept(held_out.x), []
        counts: Counter[tuple[str, int]] = Counter()  # (attribute, value) -> samples
        for seed in SEEDS:
            features = []
            for part in self.batches(network, self.n, seed):
                features.append(self.kept(part))
                for name, answers in self.classifier.attributes(part).items():
                    counts.update((name, value) for value in answers.tolist())
            found.append(torch.cat(features))
        untrained = self.draw(self.untrained(), few, SEEDS[0])
        least = -(-self.n * len(SEEDS) // 1000)  # one mistake of the classifier does not make a value present
        named = self.recipe.conditional and tuple(self.real.label_names) == self.classifier.class_names
        return {
            **self._report(found, real, untrained=untrained),
            "classes": self._shares(torch.cat(found)),
            "least": least,
            "attributes": self.values(counts, least),
            "labels": self._recovered(found, real, held_out.labels) if named else None,  # type: ignore[arg-type]
        }

    def values(self, counts: Counter[tuple[str, int]], least: int) -> dict[str, Any]:
        """For each attribute: how many values it has, how many are found in `least` samples, and which are not."""
        known = {}
        for name, names in self.classifier.attribute_names.items():
            missing = [value for i, value in enumerate(names) if counts[name, i] < least]
            known[name] = {"values": len(names), "found": len(names) - len(missing), "missing": missing}
        return known


class Translations(_Pictures):
    """By the classifier of what it translates into: are the translations like B, and do they mean what they meant?

    Samples are translations of held-out pictures from A to B. What is asked of each picture beside them: that of digits
    the number stays, of avatars all but what was to change, and that the way back leads to where it began.
    """

    SAMPLES = 1000

    def __init__(self, recipe: Recipe, n: int | None = None) -> None:
        super().__init__(recipe, n)
        self.readers = [classifier(name) if name else None for name in READERS[recipe.data]]
        self.classifier = self.readers[1]  # type: ignore[assignment]
        self.n = min(self.n, len(self.held_out.a))
        real = self.kept(self.real.b[:].x)
        few = torch.randperm(len(real), generator=torch.Generator().manual_seed(SEED))[: self.n]
        self.measures = self._by_distance(Statistics.of(real), real[few])

    def labels(self, n: int, seed: int) -> None:
        return None  # it is given pictures

    def some_held_out(self, n: int | None = None) -> data.Batch:
        n = min(self.n if n is None else n, len(self.held_out.b))
        return self.held_out.b.sample(n, torch.Generator().manual_seed(SEED))

    def measure(self, network: nn.Module) -> dict[str, Any]:
        real = self.kept(self.some_held_out().x)
        found = [self.draw(network, self.n, seed) for seed in SEEDS]
        as_it_was = self.kept(self.held_out.sources(len(real), SEEDS[0]).x)
        return {
            **self._report(found, real, untranslated=as_it_was),
            "directions": {way: self.meaning(network, way) for way in network.directions},  # type: ignore[union-attr]
        }

    def meaning(self, network: nn.Module, direction: str = "ab") -> dict[str, float]:
        """What becomes of `n` held-out pictures, in shares from 0 to 1 and in mean distances of a pixel, of 2:

        kept: of the labels (digits), or of what a face wears and looks like but glasses. asked: of the faces that have
        glasses ("ab") or none ("ba"). cycle: between a picture and what comes back. distance: to the partner.
        """
        batch = self.held_out.sources(self.n, SEEDS[0], direction)
        x = batch.x
        made = torch.cat([*zoo.translations(network, x, direction)]).cpu().clamp(-1, 1)
        reader: Any = self.readers[direction == "ab"]
        found: dict[str, float] = {}
        if self.recipe.data == "pairs:digits":
            found["kept"] = (reader.predict(made) == batch.labels).double().mean().item()
        else:
            truth = batch.y if self.held_out.paired else x
            before, after = reader.attributes(truth), reader.attributes(made)
            others = [name for name in before if not name.startswith("glasses")]
            found["kept"] = statistics.mean((before[name] == after[name]).double().mean().item() for name in others)
            if not self.held_out.paired:
                bare = after["glasses"] == list(reader.attribute_names["glasses"]).index("none")
                found["asked"] = (bare == (direction == "ba")).double().mean().item()
        if self.held_out.paired:
            found["distance"] = (made - batch.y).abs().mean().item()
        back = direction[::-1]
        if back in network.directions:  # type: ignore[operator]
            returned = torch.cat([*zoo.translations(network, made, back)]).cpu()
            found["cycle"] = (returned - x).abs().mean().item()
        return found


class Sounds(_Classified):
    """By their log-mel spectrograms, and by the classifier of drums."""

    SAMPLES = 2000
    SCORE = "distance"
    classifier: DrumClassifier

    def __init__(self, recipe: Recipe, n: int | None = None) -> None:
        super().__init__(recipe, n)
        self.classifier, self.rate = drum_classifier(), int(self.real.sample_rate)
        self._spectra = spectral_features(self.real.data, self.rate)
        self._statistics = Statistics.of(self._spectra)
        few = self.real.sample(min(self.n, len(self.real)), torch.Generator().manual_seed(SEED)).x
        features = self.classifier.features(few, self.rate)
        self._width = features.shape[1]
        self.measures = (
            Measure(("distance",), self._distance),
            *self._by_features(features),
            Measure(("nearest",), self._nearest),
        )

    def kept(self, x: Tensor) -> Tensor:
        return torch.cat([self.classifier.features(x, self.rate), spectral_features(x, self.rate)], 1)

    def _distance(self, kept: Tensor) -> list[float]:
        return [spectral_distance(Statistics.of(kept[:, self._width :]), self._statistics, self.rate)]

    def _nearest(self, kept: Tensor) -> list[float]:
        """The median of how far the training sound is whose coarse spectrogram is nearest, root mean square, in dB."""
        distances = nearest(kept[:, self._width :], self._spectra)[1] / math.sqrt(self._spectra.shape[1])
        return [distances.median().item()]

    def measure(self, network: nn.Module) -> dict[str, Any]:
        held_out, width = self.some_held_out(), self._width
        few = len(held_out.x)
        found, real = [self.draw(network, self.n, seed) for seed in SEEDS], self.kept(held_out.x)
        untrained = self.draw(self.untrained(), few, SEEDS[0])
        features = [kept[:, :width] for kept in found]
        return {
            "classifier": self.recipe.data,
            "seeds": SEEDS,
            "reference": len(self.manifold.real),
            "rows": {
                "model": row([self.columns(kept) for kept in found], self.n),
                "held_out": row([self.columns(real)], few),
                "untrained": row([self.columns(untrained)], few),
            },
            "classes": self._shares(torch.cat(features)),
            "labels": self._recovered(features, real[:, :width], held_out.labels),  # type: ignore[arg-type]
        }


class Texts(Judge):
    """By n-grams and by the training texts; poems also by their rhymes, words by the dictionary."""

    SAMPLES = 1000
    SCORE = "bleu"

    def __init__(self, recipe: Recipe, n: int | None = None) -> None:
        super().__init__(recipe, n)
        self.order = order = ORDERS[recipe.data]
        self.n = min(self.n, len(self.held_out))
        own = {"poems": ("rhyme", rhymes), "words": ("unseen", self._kept_back().__contains__)}
        name, test = own[recipe.data]
        self.measures = (
            Measure(("bleu",), lambda kept: [bleu(kept, self.held_out.data, order)]),
            Measure(("self_bleu",), lambda kept: [self_bleu(kept, order)], halves=True),
            Measure(("valid",), lambda kept: [valid(kept, kept.shape[1] if recipe.data == "poems" else None)]),
            Measure(("novel",), lambda kept: [novelty(kept, self.real.data)]),
            Measure((name,), lambda kept: [share(test(text) for text in self.blueprint.decode(kept))]),
        )

    def _kept_back(self) -> set[str]:
        return {*self.held_out.decode(self.held_out.data)}

    def kept(self, x: Tensor) -> Tensor:
        return x

    def floor(self, n: int) -> Tensor:
        """Of training texts: those held out are what others are compared with."""
        return self.real.sample(min(n, len(self.real)), torch.Generator().manual_seed(SEED)).x

    @torch.no_grad()
    def nll(self, network: Any) -> float:
        """How unlikely the network finds the held-out texts, in nats a token."""
        parts = [network.log_prob(part) for part in self.held_out.data.split(256)]
        return -torch.cat(parts).double().mean().item()

    def measure(self, network: nn.Module) -> dict[str, Any]:
        untrained = self.untrained()
        return {
            "order": self.order,
            "seeds": SEEDS,
            "reference": len(self.held_out),
            "rows": {
                "model": row([self.columns(self.draw(network, self.n, seed)) for seed in SEEDS], self.n),
                "real": row([self.columns(self.floor(self.n))], self.n),
                "untrained": row([self.columns(self.draw(untrained, self.n, SEED))], self.n),
            },
            "nll": {"model": self.nll(network), "untrained": self.nll(untrained)},
        }


def share(answers: Iterable[bool]) -> float:
    """Of true ones."""
    found = [*answers]
    return sum(found) / len(found)
