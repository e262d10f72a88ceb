"""Can a classifier learn from a table that a GAN made up? Train on synthetic rows, test on real ones."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from gan_tutorial.algorithms import GANSettings
from gan_tutorial.data import Batch, Dataset
from gan_tutorial.errors import unknown
from gan_tutorial.experiments import results
from gan_tutorial.experiments.augmentation import PLANNED, attack, guard, interval, listed, repeated, sampled, sign
from gan_tutorial.experiments.pacgan_tables import mean
from gan_tutorial.experiments.page import Page
from gan_tutorial.metrics import Interval, bootstrap
from gan_tutorial.training import Recipe, Trainer

FOLDER = Path("runs/tabular")
DATA = ("wine", "breast-cancer")
REAL = "real rows"
GAN, NORMAL = "the GAN's rows", "normal rows"
BOTH = "real and the GAN's rows"
SOURCES = (REAL, GAN, BOTH, NORMAL)  # what a classifier is trained on
CLASSIFIERS = ("logistic regression", "random forest")
CRITIC = 5  # updates of the critic before one of G
TESTED = 0.3  # share of the rows that are held out
DRAWS = 2000  # of the bootstrap


@dataclass(frozen=True)
class Setting:
    """How large and how long. `width`: neurons in each of two hidden layers; `steps`: updates of G, each after CRITIC
    of the critic; `batch`: rows in a batch; `trees`: of the random forest."""

    width: int
    steps: int
    batch: int
    trees: int = 200

    def recipe(self, name: str) -> Recipe:
        """Of the GAN for the table `name`: a conditional WGAN-GP with batch norm in G, as CTGAN is (Xu et al. 2019,
        section 4.4). CTGAN's critic judges ten rows at once, and moves once for each move of G: in a trial on training
        rows such a GAN missed their spread and their correlations. The data set is given to the trainer; its name here
        stands for any."""
        return Recipe(
            name=f"tabular-{name}",
            summary=json.dumps({"trees": self.trees, "tested": TESTED}),
            data="ring-8",
            model="mlp",
            model_options={"z_dim": 32, "g_width": self.width, "d_width": self.width, "g_norm": "batch"},
            conditional=True,
            settings=GANSettings(
                loss="wasserstein",
                gradient_penalty=10.0,
                n_critic=CRITIC,
                lr_g=5e-4,
                lr_d=5e-4,
                beta1=0.5,
                beta2=0.9,
            ),
            batch_size=self.batch,
            steps=self.steps,
        )


FULL = Setting(width=128, steps=2000, batch=128)
SMALL = Setting(width=64, steps=500, batch=100, trees=50)


@dataclass(frozen=True)
class Result:
    """With one seed: accuracy on the held-out rows, by classifier and by what it was trained on; the AUC of the attack
    on the GAN, see :func:`gan_tutorial.experiments.augmentation.attack`; and seconds."""

    accuracy: dict[str, dict[str, float]]
    auc: float
    seconds: float = 0.0


class Drawn(NamedTuple):
    """The training rows and those held out, standardised with the training rows' means and standard deviations."""

    train: Dataset
    test: Dataset


def run(seeds: list[int], folder: Path = FOLDER) -> Page:
    """All that is missing; a CPU will do. What was done is kept in `folder`; started again, it goes on from there."""
    return compare(FULL, seeds, "tabular", folder)


def job(setting: Setting, name: str, seed: int, device: str = "auto", folder: Path | str | None = FOLDER) -> Result:
    """One split of the table `name`, its GAN, and every classifier. What is in `folder` is not done again."""
    r = setting.recipe(name)
    place = None if folder is None else Path(folder) / name / f"seed-{seed}"
    known = results.kept(place, r, [seed])
    if known:
        return Result(**known)
    begun = time.perf_counter()
    train, test = draw(name, seed)
    trainer = Trainer(r, device=device, seed=seed, dataset=repeated(train))
    trained_on: Any = trainer.dataset
    guard(trained_on, train, test)
    for _ in trainer.run():
        pass
    real = train[:]
    made = as_many(sampled(trainer, len(real.x) * 2 * train.num_classes), real)
    sources = {REAL: real, GAN: made, BOTH: joined(real, made), NORMAL: normal(real, seed)}
    accuracy = {
        classifier: {source: judged(setting, classifier, sources[source], test[:], seed) for source in SOURCES}
        for classifier in CLASSIFIERS
    }
    auc, _, _ = attack(real.x, test[:].x, made.x)
    result = Result(accuracy, auc, time.perf_counter() - begun)
    results.keep(place, r, [seed], asdict(result))
    return result


# -- the tables ------------------------------------------------------------------------------------------------------
def draw(name: str, seed: int) -> Drawn:
    """scikit-learn's table "wine" (178 rows, 13 features, 3 classes) or "breast-cancer" (569, 30, 2), split by the
    seed so that both parts have the classes in equal shares. Raises InputError for another name."""
    from sklearn.datasets import load_breast_cancer, load_wine
    from sklearn.model_selection import train_test_split

    if name not in DATA:
        raise unknown("data", name, DATA)
    table = load_wine() if name == "wine" else load_breast_cancer()
    parts = train_test_split(table.data, table.target, test_size=TESTED, stratify=table.target, random_state=seed)
    x, x_test, y, y_test = parts
    centre, scale = x.mean(0), x.std(0)
    names = [str(of) for of in table.target_names]
    train, test = (
        Dataset.from_tensor(torch.from_numpy((some - centre) / scale), torch.from_numpy(of), name, names)
        for some, of in ((x, y), (x_test, y_test))
    )
    return Drawn(train, test)


def as_many(made: Batch, real: Batch) -> Batch:
    """Of the samples, as many of each class as `real` has."""
    assert made.labels is not None
    assert real.labels is not None
    made_labels, counts = made.labels.cpu(), torch.bincount(real.labels).tolist()
    chosen = torch.cat([torch.nonzero(made_labels == k)[:count, 0] for k, count in enumerate(counts)])
    return Batch(made.x.cpu()[chosen], made_labels[chosen])


def joined(*parts: Batch) -> Batch:
    """One after the other."""
    labels = [part.labels for part in parts if part.labels is not None]
    return Batch(torch.cat([part.x for part in parts]), torch.cat(labels))


def normal(real: Batch, seed: int) -> Batch:
    """What needs no GAN: as many rows of each class, of a normal distribution with that class's mean and covariance."""
    assert real.labels is not None
    rng, made = np.random.default_rng(seed), []
    for k in range(int(real.labels.max()) + 1):
        x = real.x[real.labels == k].double().numpy()
        made.append(rng.multivariate_normal(x.mean(0), np.cov(x, rowvar=False), len(x)))
    return Batch(torch.from_numpy(np.concatenate(made)).float(), real.labels.sort().values)


def judged(setting: Setting, classifier: str, source: Batch, test: Batch, seed: int) -> float:
    """The share of right answers on `test` of a classifier trained on `source`. Nothing of it is tuned."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression

    fresh: Any = (
        LogisticRegression(max_iter=2000)
        if classifier == "logistic regression"
        else RandomForestClassifier(setting.trees, random_state=seed)
    )
    return float(fresh.fit(*_arrays(source)).score(*_arrays(test)))


def _arrays(batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    labels: Tensor | None = batch.labels
    assert labels is not None
    return batch.x.numpy(), labels.numpy()


# -- what was found --------------------------------------------------------------------------------------------------
Found = Mapping[str, list[Result]]  # data -> a result for each seed


def compare(setting: Setting, seeds: list[int], name: str, folder: Path | None = None, device: str = "auto") -> Page:
    """Both tables with every seed, those that are missing in `folder` done here, and what they say together."""
    found = {of: [job(setting, of, seed, device, folder) for seed in seeds] for of in DATA}
    fewer = f" These are {len(seeds)} seeds, not the {PLANNED} that were planned: time ran out."
    return Page(
        name,
        "Rows that a GAN made up",
        described(setting) + (fewer if len(seeds) < PLANNED else ""),
        ("data", "classifier", "trained on", "accuracy, %", "minus real rows", "attack's AUC", "seeds"),
        [row(found, of, by, source) for of in found for by in CLASSIFIERS for source in SOURCES],
        finding(found),
        machine=results.machines(folder),
        seconds=sum(one.seconds for every in found.values() for one in every) if folder else None,
    )


def described(setting: Setting) -> str:
    """The protocol, which was fixed before any result was seen."""
    r = setting.recipe(DATA[0])
    return (
        "The protocol was fixed before the first result. scikit-learn's tables of wine (178 rows, 13 features, 3 "
        f"classes) and breast cancer (569 rows, 30 features, 2 classes). A seed splits off {TESTED:.0%} of the rows "
        "for the test. Features are standardised with what the other rows say. On these the GAN is trained, and on "
        "nothing else, which is checked by a hash of every row: a conditional WGAN-GP as in CTGAN, whose features are "
        f"all continuous here, with two hidden layers of {setting.width}, batch norm in G, {setting.steps} "
        f"updates of G, each after {CRITIC} of the critic, {setting.batch} rows in a batch, Adam with learning rate "
        f"{r.settings.lr_g:g}; its settings were chosen on the training rows of another seed, by how well it met their "
        "means, spreads and correlations. It then makes up as many rows of each class as there were. A logistic "
        f"regression and a random forest of {setting.trees} trees learn from the real rows, from the GAN's, from both, "
        "or from rows of a normal distribution with the mean and covariance of the class. The held-out rows judge. "
        "Differences are paired, in percentage points, with 95 % bootstrap intervals over the seeds; the splits "
        "overlap, so that these are too narrow for new data. The attack guesses which rows the GAN was trained on: "
        "those with a made-up one near. Its AUC is 0.5 if that tells nothing, and 1 if it tells all. Accuracies and "
        "AUCs are means over the seeds with standard errors."
    )


def difference(found: Found, of: str, by: str, source: str) -> Interval:
    """Accuracy of a classifier trained on `source` minus that of one trained on real rows, in percentage points."""
    pairs = [100 * (one.accuracy[by][source] - one.accuracy[by][REAL]) for one in found[of]]
    return bootstrap(lambda values: values.mean().item(), torch.tensor(pairs, dtype=torch.float64), n=DRAWS)


def row(found: Found, of: str, by: str, source: str) -> tuple[object, ...]:
    """A line of the table."""
    every = found[of]
    return (
        *(of, by, source, mean([100 * one.accuracy[by][source] for one in every], 1)),
        "" if source == REAL else interval(difference(found, of, by, source)),
        *(mean([one.auc for one in every], 2) if source == GAN else "", len(every)),
    )


def finding(found: Found) -> str:
    """Where the intervals leave out zero, and what the attack can tell."""
    lines = []
    for source in SOURCES[1:]:
        places = {f"{by} on {of}": difference(found, of, by, source) for of in found for by in CLASSIFIERS}
        up, down, rest = ([place for place, gain in places.items() if sign(gain) == s] for s in (1, -1, 0))
        lines.append(
            f"- {source} against {REAL}: better: {listed(up)}; worse: {listed(down)}; undecided: {listed(rest)}."
        )
    areas = [f"{statistics.mean(one.auc for one in every):.2f} ({of})" for of, every in found.items()]
    return "\n".join([*lines, f"- The attack's AUC is {listed(areas)}."])
