"""SeqGAN's own table: how near do five ways to train come to an oracle, and what do they pay in diversity?"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import torch
from torch import Tensor

from gan_tutorial import data, plots
from gan_tutorial.data.oracle import Oracle
from gan_tutorial.experiments import results
from gan_tutorial.experiments.page import Page
from gan_tutorial.metrics.text import self_bleu
from gan_tutorial.training import Recipe, Trainer, recipe

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FOLDER = Path("runs/seqgan-oracle-full")
# What a method changes in the recipe; "random" trains nothing. The paper's scheduled sampling lowers the share of true
# tokens by 0.002 an epoch, which leaves 0.76 after 120.
METHODS: dict[str, dict[str, Any]] = {
    "random": {},
    "MLE": {},
    "scheduled sampling": {"pretraining": "scheduled", "true_share": 0.76},
    "PG-BLEU": {"reward": "bleu", "d_pretraining": 0},
    "SeqGAN": {},
}
CONTINUED = ("PG-BLEU", "SeqGAN")  # they go on from MLE's generator
PAPER = {"random": 10.310, "MLE": 9.038, "scheduled sampling": 8.985, "PG-BLEU": 8.946, "SeqGAN": 8.736}  # table 1
ESSENTIAL = ("random", "MLE", "SeqGAN")
COLOURS = {"MLE": "#000000", "scheduled sampling": "#56B4E9", "PG-BLEU": "#009E73", "SeqGAN": "#D55E00"}
SAMPLES, ON_THE_WAY, COMPARED, ORDER = 10_000, 2000, 1000, 3
DRAW_EPOCHS = 20
# In full: sets of fakes for D in a round, and rounds. The paper's code has 5 and 200: 983,000 updates of D.
SETS, ROUNDS = 1, 80
POINTS, SHOWN = 20, 4  # of a curve; every fourth is in the table

Curve: TypeAlias = list[tuple[int, float, float]]


@dataclass(frozen=True)
class Result:
    """What a method reached with a seed. NLL in nats a token; `curve`: updates or rounds, NLL_oracle, NLL_test."""

    nll_oracle: float
    nll_test: float
    self_bleu: float
    seconds: float
    curve: Curve


class Judge:
    """The oracle of a recipe, what it wrote for training and what it wrote for tests."""

    def __init__(self, r: Recipe) -> None:
        loaded = (data.load(r.data, split=split, **r.data_options) for split in ("train", "test"))
        self.train, self.test = (cast(data.Dataset, dataset) for dataset in loaded)
        known = {name: value for name, value in r.data_options.items() if name != "samples"}
        self.oracle = Oracle(**known, device="cuda" if torch.cuda.is_available() else "cpu")
        self.entropy = self.nll(self.test.data)
        self.self_bleu = self_bleu(self.test.data[:COMPARED], ORDER)

    def nll(self, tokens: Tensor) -> float:
        """How unlikely the oracle finds tokens (N, L), in nats a token."""
        return self.oracle.nll(tokens).item()

    def trained(self, trainer: Trainer, seconds: float, curve: Curve) -> Result:
        """What the trainer's generator is worth now."""
        return self._result(trainer.sample(SAMPLES), self.log_prob_of_test(trainer), seconds, curve)

    @torch.no_grad()
    def log_prob_of_test(self, trainer: Trainer, n: int | None = None) -> Tensor:
        """log p of each token, given those before it, of the first n texts for tests, as the generator sees them."""
        generator: Any = trainer.networks["generator"]
        return torch.cat([generator.log_prob(part.to(trainer.device)) for part in self.test.data[:n].split(256)])

    def random(self, seed: int) -> Result:
        """What it is worth to draw every token by itself, as often as it comes in the training texts."""
        counts = torch.bincount(self.train.data.flatten(), minlength=len(self.train.vocabulary)).double()
        counts += 1  # or a token that is not among them would have no log-likelihood
        rng = torch.Generator().manual_seed(seed)
        tokens = torch.multinomial(counts, SAMPLES * self.train.data.shape[1], replacement=True, generator=rng)
        of_test = (counts / counts.sum()).log()[self.test.data]
        return self._result(tokens.view(SAMPLES, -1), of_test, 0.0, [])

    def _result(self, tokens: Tensor, of_test: Tensor, seconds: float, curve: Curve) -> Result:
        return Result(self.nll(tokens), -of_test.mean().item(), self_bleu(tokens[:COMPARED], ORDER), seconds, curve)


def run(seeds: list[int]) -> Page:
    """The scaled-down oracle, for a CPU."""
    return compare(recipe("seqgan-oracle-small"), seeds, "seqgan-oracle")


def run_full(seeds: list[int], folder: Path = FOLDER) -> Page:
    """The paper's oracle, for a GPU, with a D that learns less. What was done is kept in `folder`: started again, it
    goes on from there."""
    return compare(shortened(), seeds, "seqgan-oracle-full", folder, ESSENTIAL)


def shortened() -> Recipe:
    """The paper's, with fewer rounds and a D that learns less in each."""
    r = recipe("seqgan-oracle", d_rounds=SETS)
    s: Any = r.settings
    return r.with_changes({"steps": s.mle_steps + s.d_pretraining + ROUNDS})


def run_draws(seeds: list[int], of: Recipe | str = "seqgan-oracle", epochs: int = DRAW_EPOCHS) -> Page:
    """MLE on the paper's oracle, drawn anew with each seed: how much of a difference is the draw?"""
    rows: list[tuple[object, ...]] = []
    for seed in seeds:
        r = recipe(of, data__seed=seed)
        judge = Judge(r)
        steps = epochs * len(judge.train) // r.batch_size
        trainer = Trainer(r.with_changes({"mle_steps": steps, "steps": steps}), seed=seed, dataset=judge.train)
        seconds, curve = advance(trainer, judge, "MLE")
        result = judge.trained(trainer, seconds, curve)
        way = ", ".join(f"{nll:.2f}" for _, nll, _ in curve[::SHOWN])
        numbers = (judge.entropy, result.nll_oracle, result.nll_test)
        rows.append((seed, *(f"{number:.3f}" for number in numbers), way, f"{seconds:.0f}"))
    return Page(
        "seqgan-oracle-draws",
        "SeqGAN's oracle, drawn anew",
        f"An oracle is an LSTM with random weights, so each seed gives another one, with an entropy of its own. Each "
        f"wrote {len(judge.train)} texts; a generator of the paper's size learned from them by maximum likelihood, "
        f"{epochs} passes over the texts. The paper made 120, but NLL_oracle hardly moves after 20. NLL in nats a "
        f"token. On the way: NLL_oracle of {ON_THE_WAY} texts at equal distances; the first value is that before the "
        "updates.",
        ("seed", "entropy", "NLL_oracle", "NLL_test", "on the way", "seconds"),
        rows,
        draws_finding(rows),
    )


def draws_finding(rows: list[tuple[object, ...]]) -> str:
    """The ranges over the oracles, beside the paper's number."""
    entropies, nlls = ([float(str(row[column])) for row in rows] for column in (1, 2))
    inside = min(nlls) <= PAPER["MLE"] <= max(nlls)
    return "\n".join(
        (
            f"- The oracle's entropy: {min(entropies):.3f} to {max(entropies):.3f}.",
            f"- MLE's NLL_oracle: {min(nlls):.3f} to {max(nlls):.3f}; the paper has {PAPER['MLE']:.3f} with an oracle "
            f"of its own, which lies {'inside' if inside else 'outside'} this range.",
        )
    )


def compare(
    r: Recipe, seeds: list[int], name: str, folder: Path | None = None, methods: Sequence[str] = tuple(METHODS)
) -> Page:
    """Every method once a seed; with the paper's numbers if `r` is of the paper's size."""
    judge, published = Judge(r), r.name == "seqgan-oracle"
    found = {seed: train(r, seed, judge, folder and folder / f"seed-{seed}", methods) for seed in seeds}
    rows: list[tuple[object, ...]] = []
    for method in methods:
        for seed in seeds:
            f = found[seed][method]
            way = ", ".join(f"{nll:.2f}" for _, nll, _ in f.curve[::SHOWN])
            numbers = (f"{f.nll_oracle:.3f}", f"{f.nll_test:.3f}", f"{f.self_bleu:.3f}", way, f"{f.seconds:.0f}")
            rows.append((method, seed, *numbers[:1], *([f"{PAPER[method]:.3f}"] if published else []), *numbers[1:]))
    itself = (f"{judge.entropy:.3f}", *([""] if published else []), "", f"{judge.self_bleu:.3f}", "", "")
    rows.append(("the oracle itself", "", *itself))
    s: Any = r.settings
    left, rounds = METHODS["scheduled sampling"]["true_share"], r.steps - s.mle_steps - s.d_pretraining
    told = (
        "Scheduled sampling does the same, but the generator reads its own guesses more and more often, at last in "
        f"place of {1 - left:.0%} of the tokens. "
    ) * ("scheduled sampling" in methods)
    return Page(
        name,
        "SeqGAN's table" + (", the paper's oracle" if published else ", scaled down"),
        f"The recipe `{r.name}`. An LSTM with random weights wrote {len(judge.train)} texts to train on, and as many "
        f"others; a text has {judge.oracle.network.length} of {judge.oracle.network.vocabulary} tokens. NLL_oracle: "
        f"how unlikely the oracle finds {SAMPLES} texts of the generator. NLL_test: how unlikely the generator finds "
        "the oracle's other texts; it is high where a generator has lost what the oracle can say. Both are in nats a "
        f"token, lower is better. Self-BLEU-{ORDER}: how alike {COMPARED} texts of the generator are; lower is more "
        "diverse. Random draws every token by itself, as often as it comes in the training texts. MLE makes "
        f"{s.mle_steps} updates of {r.batch_size} texts. {told}The others go on from MLE's generator for {rounds} "
        f"rounds of one update of G. SeqGAN's D learns from {s.d_pretraining} sets of {s.d_samples} fakes before, and "
        f"from {s.d_rounds} more in each round, {s.d_epochs} times each"
        f"{'; the paper has 5 more in each of 200 rounds' * published}. On the way: NLL_oracle of {ON_THE_WAY} "
        "texts at equal distances; the first value is that before the updates, or before the rounds. Seconds: of this "
        "method alone, without MLE's where it goes on from there.",
        (
            *("method", "seed", "NLL_oracle"),
            *(["the paper's"] if published else []),
            *("NLL_test", f"self-BLEU-{ORDER}", "on the way", "seconds"),
        ),
        rows,
        finding(found, published),
        plots.png(picture(r, found, judge.entropy)),
        "Above NLL_oracle, below NLL_test, against passes over the training texts and then, right of the dashed line, "
        "rounds. One line a seed: MLE black, scheduled sampling light blue, PG-BLEU green, SeqGAN orange. The dotted "
        "line is the oracle's entropy, the best value of both.",
        results.machines(folder),
        sum(one.seconds for of in found.values() for one in of.values()) if folder else None,
    )


# -- training --------------------------------------------------------------------------------------------------------
def train(
    r: Recipe, seed: int, judge: Judge, folder: Path | None = None, methods: Sequence[str] = tuple(METHODS)
) -> dict[str, Result]:
    """Each of the methods with one seed. What is in `folder` is not done again."""
    places = {method: folder and folder / method.replace(" ", "-") for method in methods}
    known = {method: results.kept(place, r, [seed]) for method, place in places.items()}
    found = {method: Result(**result) for method, result in known.items() if result}
    missing = [method for method in methods if method not in found]
    start: Any = None
    for method in methods:
        needed = method == "MLE" and any(of in missing for of in CONTINUED)
        if method not in missing and not needed:
            continue
        place = places[method]
        if method == "random":
            found[method] = judge.random(seed)
        else:
            trainer = _trainer(r, method, seed, judge, place)
            if method in CONTINUED and trainer.step == 0:
                trainer.restore(start)
                trainer.algorithm.configure(**vars(trainer.recipe.settings))  # the snapshot brought MLE's
            seconds, curve = advance(trainer, judge, method)
            start = trainer.snapshot() if method == "MLE" else start
            if method in missing:
                found[method] = judge.trained(trainer, seconds, curve)
        if method in missing:
            results.keep(place, r, [seed], asdict(found[method]))
    return found


def advance(trainer: Trainer, judge: Judge, method: str) -> tuple[float, Curve]:
    """Train to the end of the recipe, or go on to it; seconds in all, and the curve from the start on."""
    s: Any = trainer.recipe.settings
    first = s.mle_steps + s.d_pretraining if method in CONTINUED else 0
    total = trainer.recipe.steps - first
    due = {first + round(total * i / POINTS) for i in range(POINTS + 1)}
    progress = None if trainer.out is None else trainer.out / "progress.json"
    so_far = json.loads(progress.read_text()) if progress is not None and progress.exists() else {}
    before: float = so_far.get("seconds", 0.0)
    curve = {x: (y, z) for x, y, z in so_far.get("curve", []) if x + first <= trainer.step}
    begun = time.perf_counter()

    def points() -> Curve:
        return [(x, *y) for x, y in sorted(curve.items())]

    def look() -> None:
        if trainer.step in due and trainer.step - first not in curve:
            nll_test = -judge.log_prob_of_test(trainer, ON_THE_WAY).mean().item()
            curve[trainer.step - first] = (judge.nll(trainer.sample(ON_THE_WAY)), nll_test)
            if progress is not None:
                results.write(progress, {"seconds": before + time.perf_counter() - begun, "curve": points()})

    look()
    for _ in trainer.run():
        look()
    return before + time.perf_counter() - begun, points()


def _trainer(r: Recipe, method: str, seed: int, judge: Judge, place: Path | None) -> Trainer:
    s: Any = r.settings
    steps = {"PG-BLEU": r.steps - s.d_pretraining, "SeqGAN": r.steps}.get(method, s.mle_steps)
    own = r.with_changes({**METHODS[method], "steps": steps})
    return Trainer(own, seed=seed, out=place, resume=place is not None, dataset=judge.train)


# -- what was found --------------------------------------------------------------------------------------------------
def finding(found: dict[int, dict[str, Result]], published: bool) -> str:
    """Each method's range; with how many seeds the paper's order holds; what happened to diversity."""
    every = list(found.values())
    methods = tuple(method for method in METHODS if method in every[0])
    lines = []
    for method in methods:
        values = [one[method].nll_oracle for one in every]
        paper = f"; the paper has {PAPER[method]:.3f}" if published else ""
        lines.append(f"- {method}: NLL_oracle {min(values):.3f} to {max(values):.3f}{paper}.")
    for order in dict.fromkeys((ESSENTIAL, methods)):
        names = " > ".join(order)
        holds = sum(_falls([one[method].nll_oracle for method in order]) for one in every)
        lines.append(f"- The order {names} holds with {holds} of {len(every)} seeds.")
    kept = [one["MLE"] for one in every]
    lows = [min(nll_test for _, _, nll_test in mle.curve) for mle in kept]
    lines.append(
        f"- MLE's NLL_test was at its lowest {min(lows):.3f} to {max(lows):.3f}, and in the end "
        f"{min(mle.nll_test for mle in kept):.3f} to {max(mle.nll_test for mle in kept):.3f}."
    )
    for method in (method for method in CONTINUED if method in methods):
        worse = sum(one[method].nll_test > one["MLE"].nll_test for one in every)
        alike = sum(one[method].self_bleu > one["MLE"].self_bleu for one in every)
        lines.append(
            f"- {method} has a higher NLL_test than MLE with {worse} of {len(every)} seeds, and a higher self-BLEU "
            f"with {alike}."
        )
    return "\n".join(lines)


def _falls(values: Sequence[float]) -> bool:
    return all(a > b for a, b in itertools.pairwise(values))


def picture(r: Recipe, found: dict[int, dict[str, Result]], entropy: float) -> Figure:
    """The curves: passes over the training texts, then rounds."""
    from matplotlib.figure import Figure

    s: Any = r.settings
    epoch = r.data_options.get("samples", 10_000) // r.batch_size
    figure = Figure(figsize=(7, 6), layout="constrained")
    passes = s.mle_steps / epoch
    both: Any = figure.subplots(2, sharex=True)
    for of, axes in enumerate(both, 1):
        for one in found.values():
            for method, colour in COLOURS.items():
                points = one[method].curve if method in one else []
                at = [passes + x if method in CONTINUED else x / epoch for x, *_ in points]
                axes.plot(at, [point[of] for point in points], color=colour, linewidth=1)
        axes.axvline(passes, color="#999999", linestyle="--", linewidth=1)
        axes.axhline(entropy, color="#999999", linestyle=":", linewidth=1)
        axes.spines[["top", "right"]].set_visible(False)
    return figure
