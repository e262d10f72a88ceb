"""Does it help a classifier that has few labels if a GAN, trained on these few alone, draws more pictures for it?"""

from __future__ import annotations

import hashlib
import json
import math
import statistics
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy import stats
from torch import Tensor
from torch.nn import functional as F

from gan_tutorial import data, plots
from gan_tutorial.data import Batch, Dataset
from gan_tutorial.errors import require, require_integer, unknown
from gan_tutorial.experiments import results
from gan_tutorial.experiments.pacgan_tables import mean
from gan_tutorial.experiments.page import Page
from gan_tutorial.metrics import Interval, bootstrap, nearest
from gan_tutorial.metrics.classifiers import Network
from gan_tutorial.training import Recipe, Trainer, recipe, resolve_device

FOLDER = Path("runs/augmentation")
PACKED = Path(__file__).with_suffix(".json")  # the results of FULL, for those who do not train: see `pack`
PLANNED = 10  # seeds
# Data set -> its options, the recipe whose settings the GAN takes, and what the table calls it.
DATA: dict[str, tuple[dict[str, Any], str, str]] = {
    "mnist": ({"size": 32}, "dcgan-mnist", "digits"),
    "avatars": ({"label": "wears", "size": 16}, "cgan-avatars", "avatars"),
}
GANS = {"none": "GAN", "diffaugment": "GAN with DiffAugment", "ada": "GAN with ADA"}  # Recipe.augment -> name
REAL, CLASSICAL, FILTERED = "real only", "classical", ", filtered"
BOTH = CLASSICAL + " and "
OTHERS = 100  # pictures of each class that no GAN sees, to tell members from
REPEATED = 2048  # rows that the GAN's data set has at least, so that a batch is never larger than it
KEPT = 0.5  # share of the generated pictures of a class that the filter keeps
CHUNK = 500  # pictures that are generated at once
DRAWS = 2000  # of the bootstrap


class Moves(NamedTuple):
    """Classical augmentation, each drawn evenly: rotation by up to `degrees`, scaling by 1 +- `scale`, shift by up to
    `shift` whole pixels each way, half of the pictures mirrored if `mirror`, and up to +- `brightness`."""

    degrees: float = 0.0
    scale: float = 0.0
    shift: int = 0
    mirror: bool = False
    brightness: float = 0.0


# What keeps the label: a mirrored 2 is no 2, and turned pixel art is a blur.
MOVES = {"mnist": Moves(degrees=15, scale=0.1, shift=2), "avatars": Moves(shift=1, mirror=True, brightness=0.1)}


@dataclass(frozen=True)
class Setting:
    """How large and how long. `data`: which; `labels`: labelled pictures of each class; `augments`: which GANs, as in
    GANS; `width`: channels next to a picture of 32 px, twice as many at 16; `steps`: updates of each network of the
    GAN; `made`: pictures that it makes; `updates`: of a classifier; `batch`: pictures in a batch, for both."""

    data: tuple[str, ...]
    labels: tuple[int, ...]
    augments: tuple[str, ...]
    width: int
    steps: int
    made: int
    updates: int
    batch: int = 64

    def recipe(self, name: str, n: int, augment: str) -> Recipe:
        """Of the GAN on n pictures of each class of the data set `name`. Its summary tells the rest of the setting,
        which must not change either when an experiment goes on."""
        options, base, _ = DATA[name]
        width = self.width * 32 // options["size"]
        rest = {"n": n, "augments": self.augments, "made": self.made, "updates": self.updates, "kept": KEPT}
        return replace(
            recipe(base),
            name=f"augmentation-{name}-{augment}",
            summary=json.dumps({**rest, "moves": MOVES[name]._asdict(), "others": OTHERS}),
            data_options=options,
            model_options={"z_dim": 64, "g_width": width, "d_width": width},
            conditional=True,
            augment=augment,
            batch_size=self.batch,
            steps=self.steps,
        )

    def conditions(self) -> tuple[str, ...]:
        """What the classifiers are trained on."""
        made = [GANS[augment] for augment in self.augments]
        return (REAL, CLASSICAL, *(c for gan in made for c in (gan, BOTH + gan, BOTH + gan + FILTERED)))


FULL = Setting(
    data=("mnist", "avatars"),
    labels=(5, 10, 20, 50, 100),
    augments=("none", "diffaugment"),
    width=32,
    steps=1500,
    made=2000,
    updates=300,
)
# What a notebook can do while its reader waits.
SMALL = replace(FULL, data=("avatars",), labels=(5, 20), width=16, steps=1000, made=500, updates=150, batch=32)


@dataclass(frozen=True)
class Result:
    """With one seed. accuracy: of the classifier of each condition, on the test split, the mean over the classes. auc:
    of the attack on each GAN, see :func:`attack`. members, others: mean distances to the nearest generated picture."""

    accuracy: dict[str, float]
    auc: dict[str, float]
    members: dict[str, float]
    others: dict[str, float]
    seconds: float = 0.0


class Drawn(NamedTuple):
    """subset: the n pictures of each class that have a label. others: pictures of the training split that nothing is
    trained on. test: the test split."""

    subset: Dataset
    others: Dataset
    test: Dataset


# -- running ---------------------------------------------------------------------------------------------------------
def run(seeds: list[int], folder: Path = FOLDER) -> Page:
    """All that is missing, for a GPU. What was done is kept in `folder`; started again, it goes on from there."""
    return compare(FULL, seeds, "augmentation", folder)


def jobs(setting: Setting, seeds: Iterable[int]) -> list[tuple[str, int, int]]:
    """(data, n, seed) of every job, seed by seed."""
    return [(name, n, seed) for seed in seeds for name in setting.data for n in setting.labels]


def work(
    part: int, parts: int, seeds: Iterable[int], setting: Setting = FULL, folder: Path = FOLDER, device: str = "auto"
) -> None:
    """Of `parts` processes that share the jobs, do those of number `part`, from 0: every `parts`-th."""
    require_integer("parts", parts, 1)
    require_integer("part", part, 0, parts - 1)
    for name, n, seed in jobs(setting, seeds)[part::parts]:
        job(setting, name, n, seed, device, folder)


def job(
    setting: Setting, name: str, n: int, seed: int, device: str = "auto", folder: Path | str | None = FOLDER
) -> Result:
    """Everything for one draw of n labelled pictures a class of the data set `name`: the GANs, the classifiers, the
    attack. What is in `folder` is not done again. Seed 0 leaves pictures there too, ten of each class."""
    r = setting.recipe(name, n, setting.augments[0])
    place = None if folder is None else Path(folder) / name / f"n-{n}" / f"seed-{seed}"
    known = results.kept(place, r, [seed])
    if known:
        return Result(**known)
    begun, where = time.perf_counter(), resolve_device(device)
    drawn = draw(name, n, seed)
    real, others, test = (on(part, where) for part in drawn)
    moves = MOVES[name]
    networks = {REAL: study(setting, seed, real), CLASSICAL: study(setting, seed, real, moves=moves)}
    auc, members, strangers = {}, {}, {}
    for augment in setting.augments:
        gan, made = GANS[augment], generated(setting, name, n, drawn, augment, seed, device)
        networks[gan] = study(setting, seed, real, made)
        networks[BOTH + gan] = study(setting, seed, real, made, moves)
        best = confident(networks[CLASSICAL], made)
        networks[BOTH + gan + FILTERED] = study(setting, seed, real, best, moves)
        auc[gan], members[gan], strangers[gan] = attack(real.x, others.x, made.x)
        if place is not None and seed == 0:
            show(made, len(drawn.subset.label_names), place / f"made-{augment}.png")
    accuracy = {key: judged(networks[key], test) for key in setting.conditions()}
    result = Result(accuracy, auc, members, strangers, time.perf_counter() - begun)
    results.keep(place, r, [seed], asdict(result))
    return result


# -- the data --------------------------------------------------------------------------------------------------------
def draw(name: str, n: int, seed: int) -> Drawn:
    """n pictures of each class of the training split, drawn by the seed, and what is needed beside them. The pictures
    of a smaller n are among those of a larger one; the others are the same ones for every n.

    Raises InputError for another data set, and for an n that the smallest class does not have."""
    if name not in DATA:
        raise unknown("data", name, DATA)
    train, test = (data.load(name, split=split, **DATA[name][0]) for split in ("train", "test"))
    assert isinstance(train, Dataset)
    assert isinstance(test, Dataset)
    assert train.labels is not None
    labels, rng = train.labels.numpy(), np.random.default_rng(seed)
    orders = [rng.permutation(np.flatnonzero(labels == k)) for k in range(train.num_classes)]
    require_integer("n", n, 1, min(map(len, orders)) - OTHERS)
    chosen, rest = (np.concatenate([order[part] for order in orders]) for part in (slice(n), slice(-OTHERS, None)))
    return Drawn(rows(train, chosen), rows(train, rest), test)


def rows(dataset: Dataset, chosen: np.ndarray | Tensor) -> Dataset:
    """The rows of a labelled data set, some of them perhaps more than once."""
    assert dataset.labels is not None
    chosen = torch.as_tensor(chosen)
    names = dataset.label_names
    return Dataset(dataset.name, dataset.data[chosen], dataset.labels[chosen], split=dataset.split, label_names=names)


def repeated(dataset: Dataset, least: int = REPEATED) -> Dataset:
    """The data set again and again, each row equally often, until it has `least` rows."""
    return rows(dataset, torch.arange(len(dataset)).repeat(math.ceil(least / len(dataset))))


def fingerprints(dataset: Dataset) -> set[bytes]:
    """A hash of each row's values; equal rows have the same."""
    return {hashlib.sha256(row.tobytes()).digest() for row in dataset.data.cpu().contiguous().numpy()}


def guard(dataset: Dataset, subset: Dataset, test: Dataset) -> None:
    """Raise InputError if `dataset`, on which a generator is trained, holds a row that is not in the labelled `subset`,
    or if one of the subset's is in `test`. Rows are compared by their values, wherever they come from."""
    own = fingerprints(subset)
    strange, leaked = len(fingerprints(dataset) - own), len(own & fingerprints(test))
    require(strange == 0, "dataset", f"{strange} rows from elsewhere", "only rows of the labelled subset")
    require(leaked == 0, "subset", f"{leaked} rows of the test split", "none of them: draw it from the training split")


def on(dataset: Dataset, device: torch.device) -> Batch:
    """All of it at once."""
    return dataset.to(device)[:]


# -- the GAN ---------------------------------------------------------------------------------------------------------
def generated(setting: Setting, name: str, n: int, drawn: Drawn, augment: str, seed: int, device: str) -> Batch:
    """Pictures, each class as often, of a conditional GAN that was trained on the subset alone."""
    trainer = Trainer(setting.recipe(name, n, augment), device=device, seed=seed, dataset=repeated(drawn.subset))
    trained_on: Any = trainer.dataset
    guard(trained_on, drawn.subset, drawn.test)
    for _ in trainer.run():
        pass
    return sampled(trainer, setting.made)


def sampled(trainer: Trainer, count: int) -> Batch:
    """So many samples of the trainer's generator, the classes by turns."""
    labels = torch.arange(count, device=trainer.device) % trainer.dataset.num_classes
    parts = [trainer.sample(len(some), seed=k, labels=some) for k, some in enumerate(labels.split(CHUNK))]
    return Batch(torch.cat(parts), labels)


def confident(network: Network, made: Batch) -> Batch:
    """Of each class the half of which a classifier that knows only the subset is most sure."""
    x, labels = made.x, made.labels
    assert labels is not None
    with torch.no_grad():
        sure = network(x).softmax(1).gather(1, labels[:, None])[:, 0]
    best = []
    for k in range(int(labels.max()) + 1):
        (of,) = torch.nonzero(labels == k, as_tuple=True)
        best.append(of[sure[of].argsort(descending=True)[: math.ceil(KEPT * len(of))]])
    chosen = torch.cat(best)
    return Batch(x[chosen], labels[chosen])


def attack(members: Tensor, others: Tensor, made: Tensor) -> tuple[float, float, float]:
    """Can one tell from generated samples (M, ...) which real ones (N, ...) the generator was trained on?

    The attack guesses: those that have a generated one near (Chen et al. 2020, "GAN-Leaks", the black-box attack).

    Returns the area under the attack's ROC curve, which is the share of pairs of a member and another in which the
    member is nearer, equals counted half: 0.5 if nothing can be told, 1 if everything. Then the mean distances of the
    members and of the others to their nearest generated sample.
    """
    near, far = (nearest(x.flatten(1), made.flatten(1))[1][:, 0].cpu().double() for x in (members, others))
    won = (near[:, None] < far).double() + 0.5 * (near[:, None] == far).double()
    return won.mean().item(), near.mean().item(), far.mean().item()


def show(made: Batch, classes: int, path: Path) -> None:
    """Ten pictures of each class, a row a class."""
    assert made.labels is not None
    chosen = torch.cat([torch.nonzero(made.labels == k)[:10, 0] for k in range(classes)])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(plots.png(plots.image_grid(made.x[chosen], columns=10, scale=2)))


# -- the classifier --------------------------------------------------------------------------------------------------
def study(setting: Setting, seed: int, real: Batch, made: Batch | None = None, moves: Moves | None = None) -> Network:
    """A small classifier, trained on `real`, of which half of each batch gives way to `made`, all of it moved as
    `moves` says. The same seed gives the same first weights, the same real rows and the same moves in each condition.
    """
    assert real.labels is not None
    device, (channels, side, _) = real.x.device, real.x.shape[1:]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Network(channels, side, int(real.labels.max()) + 1).to(device)
    rng, shape = torch.Generator().manual_seed(seed), (setting.updates, setting.batch)
    of_real = torch.randint(len(real.x), shape, generator=rng).to(device)
    chances = torch.rand(*shape, 6, generator=rng).to(device)
    of_made = torch.randint(1 if made is None else len(made.x), shape, generator=rng).to(device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: (1 + math.cos(math.pi * step / setting.updates)) / 2
    )
    half = setting.batch // 2
    for step in range(setting.updates):
        x, y = real.x[of_real[step]], real.labels[of_real[step]]
        if made is not None:
            assert made.labels is not None
            also = of_made[step, half:]
            x, y = torch.cat([x[:half], made.x[also]]), torch.cat([y[:half], made.labels[also]])
        if moves is not None:
            x = moved(x, moves, chances[step])
        optimizer.zero_grad()
        F.cross_entropy(network(x), y).backward()
        optimizer.step()
        schedule.step()
    return network


def moved(x: Tensor, moves: Moves, chances: Tensor) -> Tensor:
    """Pictures (N, C, S, S) in [-1, 1], each moved on its own; `chances` (N, 6) in [0, 1) say how. What comes in from
    outside is what stands at the edge."""
    side = x.shape[-1]
    turn, size, *shift, mirror, light = chances.T
    angle, size = (2 * turn - 1) * math.radians(moves.degrees), 1 + (2 * size - 1) * moves.scale
    across, down = (2 * ((2 * moves.shift + 1) * part).floor().sub(moves.shift) / side for part in shift)
    flip = 1 - 2 * (mirror < 0.5).float() * moves.mirror
    sin, cos = angle.sin() / size, angle.cos() / size
    where = torch.stack([cos * flip, -sin, across, sin * flip, cos, down], 1).view(-1, 2, 3)
    grid = F.affine_grid(where, list(x.shape), align_corners=False)
    y = F.grid_sample(x, grid, padding_mode="border", align_corners=False)
    return (y + moves.brightness * (2 * light - 1)[:, None, None, None]).clamp(-1, 1)


@torch.no_grad()
def judged(network: Network, test: Batch) -> float:
    """The share of right answers, a class at a time, and the mean of that: rare classes count as much as others."""
    assert test.labels is not None
    labels = test.labels.cpu()
    right = torch.cat([network(x).argmax(1) for x in test.x.split(CHUNK)]).cpu() == labels
    shares = [right[labels == k].double().mean() for k in range(int(labels.max()) + 1)]
    return torch.stack(shares).mean().item()


# -- what was found --------------------------------------------------------------------------------------------------
Found = Mapping[str, Mapping[int, list[Result]]]  # data -> n -> a result for each seed
KINDS = ("accuracy", "auc", "members", "others")  # of a Result, by what the classifier or the GAN was trained on


def pack(seeds: Iterable[int], folder: Path = FOLDER, path: Path = PACKED) -> None:
    """Write what FULL found to one small file, which comes with the package; what is missing in `folder` is done."""
    seeds = list(seeds)
    content: dict[str, Any] = {"seeds": seeds, "machine": results.machines(folder), "results": {}}
    for name in FULL.data:
        for n in FULL.labels:
            every = [asdict(job(FULL, name, n, seed, folder=folder)) for seed in seeds]
            parts = {k: {what: [round(one[k][what], 12) for one in every] for what in every[0][k]} for k in KINDS}
            content["results"].setdefault(name, {})[n] = parts
    results.write(path, content)


def packed(path: Path = PACKED) -> Found:
    """What :func:`pack` wrote: data set -> labels of each class -> a result of each seed."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return {
        name: {int(n): [_result(parts, k) for k in range(len(content["seeds"]))] for n, parts in by_n.items()}
        for name, by_n in content["results"].items()
    }


def _result(parts: dict[str, dict[str, list[float]]], k: int) -> Result:
    """Of the k-th seed."""
    accuracy, auc, members, others = ({what: row[k] for what, row in parts[kind].items()} for kind in KINDS)
    return Result(accuracy, auc, members, others)


def compare(setting: Setting, seeds: list[int], name: str, folder: Path | None = None, device: str = "auto") -> Page:
    """Every job, those that are missing in `folder` done here, and what they say together."""
    done = {key: job(setting, *key, device, folder) for key in jobs(setting, seeds)}
    found = {of: {n: [done[of, n, seed] for seed in seeds] for n in setting.labels} for of in setting.data}
    fewer = f" These are {len(seeds)} seeds, not the {PLANNED} that were planned: the time ran out."
    return Page(
        name,
        "Does augmentation with a GAN help?",
        described(setting) + (fewer if len(seeds) < PLANNED else ""),
        (
            *("data", "labels a class", "trained on", "accuracy, %", "minus real only", "minus classical"),
            *("attack's AUC", "members' distance", "others' distance", "seeds"),
        ),
        [row(found, of, n, what) for of in found for n in found[of] for what in setting.conditions()],
        finding(found, setting.conditions()) + "\n\nIn the picture, accuracy against labels a class. " + legend(found),
        picture(found),
        "Accuracy against labels a class. " + legend(found),
        machine=results.machines(folder),
        seconds=sum(one.seconds for one in done.values()) if folder else None,
    )


def described(setting: Setting) -> str:
    """The protocol, which was fixed before any result was seen."""
    least = setting.recipe(setting.data[0], setting.labels[0], setting.augments[0])
    digits, faces = MOVES["mnist"], MOVES["avatars"]
    return (
        "The protocol was fixed before the first result; a trial with seed 1000, judged on other pictures of the "
        "training split, only showed that the classifiers and the GAN learn. A seed draws the labelled pictures of "
        "each class from the training split: digits of MNIST at 32 px, and avatars at 16 px, whose label is what a "
        "face wears (nothing, glasses, a hat, both). Everything is trained on these pictures alone, the GAN too: that "
        "its data set holds nothing else is checked by a hash of every picture. The test split is only used to count "
        "right answers; accuracy is the mean over the classes. All classifiers have one architecture and "
        f"{setting.updates} updates with {setting.batch} pictures in a batch, and with one seed the same first weights "
        f"and the same real pictures. Classical augmentation: digits turned by up to {digits.degrees:g} degrees, "
        f"scaled by up to {digits.scale:.0%} and shifted by up to {digits.shift} px; avatars mirrored, shifted by up "
        f"to {faces.shift} px and changed in brightness by up to {faces.brightness:g}. With a GAN, half of each batch "
        f"are generated pictures, of {setting.made} with even classes. Its networks are a conditional DCGAN's with "
        f"{setting.steps} updates of each and the settings of `dcgan-mnist` and `cgan-avatars`, "
        f"{least.model_options['g_width']} channels next to a picture of 32 px. Filtered: of each class the half that "
        "the classifier with classical augmentation is surest of. Differences are paired, in percentage points, with "
        "95 % bootstrap intervals over the seeds; with few seeds these are somewhat too narrow. The attack guesses "
        "which pictures the GAN was trained on: those with a generated one near. Its AUC is 0.5 if that tells nothing, "
        f"and 1 if it tells all; it has to tell them from {OTHERS} pictures of each class that nothing was trained on. "
        "Distances are Euclidean, between pictures with values from -1 to 1. Accuracies, AUCs and distances are means "
        "over the seeds with standard errors."
    )


def difference(found: Found, of: str, n: int, what: str, base: str) -> Interval:
    """Accuracy with `what` minus accuracy with `base`, seed by seed, in percentage points."""
    pairs = [100 * (one.accuracy[what] - one.accuracy[base]) for one in found[of][n]]
    return bootstrap(lambda values: values.mean().item(), torch.tensor(pairs, dtype=torch.float64), n=DRAWS)


def row(found: Found, of: str, n: int, what: str) -> tuple[object, ...]:
    """A line of the table."""
    every = found[of][n]
    gains = [
        interval(difference(found, of, n, what, base)) if what != base and against(base, what) else ""
        for base in (REAL, CLASSICAL)
    ]
    attacked: list[str] = ["", "", ""]
    if what in every[0].auc:
        columns = ((one.auc[what], one.members[what], one.others[what]) for one in every)
        attacked = [mean(list(values), 2) for values in zip(*columns, strict=True)]
    return (DATA[of][2], n, what, mean([100 * one.accuracy[what] for one in every], 1), *gains, *attacked, len(every))


def against(base: str, what: str) -> bool:
    """Whether `what` is `base` and something more."""
    return base == REAL or what.startswith(base)


def interval(found: Interval) -> str:
    """In words."""
    return f"{found.value:+.1f} ({found.low:+.1f} to {found.high:+.1f})"


def sign(found: Interval) -> int:
    """1 if the interval lies above zero, -1 if below, 0 if zero is in it; as it is printed, in tenths."""
    return int(round(found.low, 1) > 0) - int(round(found.high, 1) < 0)


def finding(found: Found, conditions: Iterable[str]) -> str:
    """Where the intervals leave out zero, and what the attack can tell."""
    lines: list[str] = []
    signs: list[int] = []
    for of, by_n in found.items():
        for what in conditions:
            if what == REAL:
                continue
            base = CLASSICAL if what.startswith(BOTH) else REAL
            gains = {n: difference(found, of, n, what, base) for n in by_n}
            up, down, rest = ([str(n) for n, gain in gains.items() if sign(gain) == s] for s in (1, -1, 0))
            signs += [sign(gain) for gain in gains.values() if what != CLASSICAL]
            mid = statistics.mean(gain.value for gain in gains.values())
            lines.append(
                f"- {DATA[of][2]}, {what} against {base}: better with {listed(up)} labels a class, worse with "
                f"{listed(down)}, undecided with {listed(rest)}; "
                f"on average {mid:+.1f} points."
            )
        for gan in next(iter(by_n.values()))[0].auc:
            areas = [f"{statistics.mean(one.auc[gan] for one in every):.2f} ({n})" for n, every in by_n.items()]
            lines.append(f"- {DATA[of][2]}, {gan}: the attack's AUC by labels a class is {listed(areas)}.")
    # The interval of few seeds is too narrow: about as wide as one with the normal quantile and a spread divided by n.
    n = len(next(iter(next(iter(found.values())).values())))
    chance = len(signs) * stats.t.sf(1.96 * (1 - 1 / n) ** 0.5, max(n - 1, 1))
    lines.append(
        f"- Of {len(signs)} comparisons with a GAN, {signs.count(1)} intervals lie above zero and {signs.count(-1)} "
        f"below; were there no difference at all, chance alone would put about {chance:.0f} on each side."
    )
    return "\n".join(lines)


def listed(parts: list[str]) -> str:
    """Joined, or "none"."""
    return ", ".join(parts) or "none"


# Okabe and Ito's palette: colour, its name, marker, its name. The filtered ones are in the table only.
LOOKS = {
    REAL: ("#000000", "black", "o", "circles"),
    CLASSICAL: ("#0072B2", "blue", "s", "squares"),
    GANS["none"]: ("#D55E00", "orange", "^", "triangles that point up"),
    BOTH + GANS["none"]: ("#E69F00", "yellow", "v", "triangles that point down"),
    GANS["diffaugment"]: ("#009E73", "green", "D", "diamonds"),
    BOTH + GANS["diffaugment"]: ("#CC79A7", "pink", "P", "plus signs"),
    GANS["ada"]: ("#56B4E9", "light blue", "*", "stars"),
    BOTH + GANS["ada"]: ("#999999", "grey", "X", "crosses"),
}


def drawn_conditions(found: Found) -> list[str]:
    """What the picture shows."""
    first = next(iter(next(iter(found.values())).values()))[0]
    return [what for what in first.accuracy if what in LOOKS]


def legend(found: Found) -> str:
    """What the picture's colours and symbols mean."""
    kinds = [f"{LOOKS[what][1]} {LOOKS[what][3]}: {what}" for what in drawn_conditions(found)]
    sides = ", ".join(DATA[of][2] for of in found)
    return f"From left to right: {sides}. {'; '.join(kinds)}. Bars are standard errors."


def picture(found: Found) -> bytes:
    """Accuracy against labels a class, a panel a data set; no words in it."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5 * len(found), 4), layout="constrained")
    panels: Any = figure.subplots(1, len(found), squeeze=False)[0]
    for axes, by_n in zip(panels, found.values(), strict=True):
        for k, what in enumerate(drawn_conditions(found)):
            colour, _, marker, _ = LOOKS[what]
            values = [[one.accuracy[what] for one in every] for every in by_n.values()]
            bars = [statistics.stdev(v) / len(v) ** 0.5 if len(v) > 1 else 0.0 for v in values]
            places = [n * 1.02**k for n in by_n]  # a little apart, so that bars do not cover each other
            axes.errorbar(places, [*map(statistics.mean, values)], bars, color=colour, marker=marker, markersize=5)
        axes.set_xscale("log")
        axes.set_xticks([*by_n], [*map(str, by_n)])
        axes.set_xticks([], minor=True)
        axes.spines[["top", "right"]].set_visible(False)
    return plots.png(figure)
