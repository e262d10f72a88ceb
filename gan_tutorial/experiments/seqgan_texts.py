"""Real text: what does SeqGAN's game add to a generator that has learned by imitation, and what does it cost?"""

from __future__ import annotations

from typing import Any

import torch

from gan_tutorial.experiments.page import Page
from gan_tutorial.judges import Texts
from gan_tutorial.training import Recipe, Trainer, recipe
from gan_tutorial.zoo.cards import COLUMNS

METHODS = ("MLE", "SeqGAN")
HIGHER = ("bleu", "self_bleu", "nll")  # columns of which the finding says with how many seeds SeqGAN's is higher


def poems(seeds: list[int]) -> Page:
    """Chinese quatrains."""
    return compare(recipe("seqgan-poems"), seeds)


def compare(r: Recipe, seeds: list[int]) -> Page:
    """The generator before the game and after it, once a seed; and real texts beside it."""
    judge, s = Texts(r), r.settings
    found = {seed: train(r, seed, judge) for seed in seeds}
    real = judge.columns(judge.real.sample(judge.n, torch.Generator().manual_seed(0)).x)
    columns = {**{key: name for key, name in COLUMNS["text"].items() if key in real}, "nll": "NLL_test"}
    rows: list[tuple[object, ...]] = [
        (method, seed, *(f"{found[seed][method][key]:.3f}" for key in columns)) for method in METHODS for seed in seeds
    ]
    rows.append(("real, of the training set", "", *(f"{real[key]:.3f}" if key in real else "" for key in columns)))
    named = [f"{name}-{judge.order}" if "BLEU" in name else name for name in columns.values()]
    rounds = r.steps - s.mle_steps - s.d_pretraining
    return Page(
        r.name,
        f"SeqGAN on {r.data}",
        f"The recipe `{r.name}`: {s.mle_steps} updates by maximum likelihood, then "
        f"{rounds} rounds of SeqGAN's game from there. {judge.n} texts a row. BLEU-{judge.order} is against the "
        f"{len(judge.held_out)} texts held out, self-BLEU-{judge.order} of each text against the others. "
        f"{MEANING[r.data]} Novel: not in the training set. NLL_test: how unlikely the generator finds the texts held "
        "out, in nats a token; it is high where a generator has lost what real texts can say.",
        ("method", "seed", *named),
        rows,
        finding(found, dict(zip(columns, named, strict=True))),
    )


MEANING = {
    "poems": "Valid: all 20 places hold a character. Rhyming: lines 2 and 4 do, by today's readings.",
    "words": "Valid: no blank within. Words held out: the text is an English word of the held-out split, which the "
    "generator has never seen.",
}


def train(r: Recipe, seed: int, judge: Texts) -> dict[str, dict[str, float]]:
    """What each method's generator is worth, by its columns."""
    trainer = Trainer(r, device="cpu", seed=seed, dataset=judge.real)
    generator: Any = trainer.networks["generator"]
    found = {}
    for metrics in trainer.run():
        method = {r.settings.mle_steps: "MLE", r.steps: "SeqGAN"}.get(metrics["step"])
        if method is not None:
            texts = generator.sample(judge.n, torch.Generator().manual_seed(seed))
            found[method] = judge.columns(texts) | {"nll": judge.nll(generator)}
    return found


def finding(found: dict[int, dict[str, dict[str, float]]], columns: dict[str, str]) -> str:
    """Each column's range for both methods, and with how many seeds SeqGAN's is higher."""
    every, lines = list(found.values()), []
    for key, name in columns.items():
        ranges = []
        for method in METHODS:
            values = [results[method][key] for results in every]
            ranges.append(f"{method} {min(values):.3f} to {max(values):.3f}")
        line = f"- {name}: {', '.join(ranges)}"
        if key in HIGHER:
            higher = sum(results["SeqGAN"][key] > results["MLE"][key] for results in every)
            line += f"; SeqGAN's is higher with {higher} of {len(every)} seeds"
        lines.append(f"{line}.")
    return "\n".join(lines)
