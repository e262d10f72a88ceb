"""Measure a generator and write down what was found: `gan-tutorial evaluate`."""

from __future__ import annotations

import base64
import html
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gan_tutorial import judges, plots, zoo
from gan_tutorial.errors import require_integer
from gan_tutorial.training import Recipe, Trainer
from gan_tutorial.training.trainer import resolve_device
from gan_tutorial.zoo.cards import COLUMNS

ZOO = "zoo:"
SHOWN = 36  # samples in the report
NAMES = {"inception": "Inception score", "diversity": "Diversity of features", "authenticity": "Authenticity"}
TIPS = {
    "fid": "How far the means and spreads of the classifier's features are from those of all training samples.",
    "kid": "The same question, asked with a kernel; without bias, so that a perfect generator has 0 on average.",
    "precision": "The share of samples that lie among real ones.",
    "recall": "The share of real samples that lie among the generated ones.",
    "density": "How many real neighbourhoods a sample lies in; more than the floor: samples crowd.",
    "coverage": "The share of real neighbourhoods that hold a sample.",
    "inception": "High if each sample is surely of one class and all classes come equally often.",
    "diversity": "How far the features of two samples are apart, from 0 to 2.",
    "authenticity": "The share of samples that are no near copies; below the floor: learned by heart.",
    "distance": "How far the spectrograms are from those of all training sounds, in dB.",
    "nearest": "How far the training sound with the nearest spectrogram is, in dB; below the floor: learned by heart.",
    "bleu": "How many of the pairs, or longer runs, of tokens occur in held-out texts.",
    "self_bleu": "How many of them occur in the other samples; higher is less diverse.",
    "valid": "The share of texts without a gap, and of poems with every place filled.",
    "novel": "The share of texts that are not in the training set.",
    "rhyme": "The share of poems whose lines 2 and 4 rhyme.",
    "unseen": "The share of texts that are English words which the generator has never seen.",
}
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 60em; padding: 0 1em; color: #222;
  background: #fff; }}
table {{ border-collapse: collapse; }} th, td {{ text-align: left; padding: .3em 1em .3em 0; vertical-align: top;
  border-bottom: 1px solid #ccc; }}
td.number {{ text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }}
img {{ max-width: 100%; }} pre {{ white-space: pre-wrap; }}
@media (prefers-color-scheme: dark) {{ body {{ color: #ddd; background: #111; }} }}
</style></head><body>
<h1>{title}</h1>
<p>{summary}</p>
<table><thead><tr><th>Metric</th><th>{n:,} samples</th><th>95 % interval</th><th>{few:,} samples</th><th>Floor</th>
<th>What it says</th></tr></thead>
<tbody>
{rows}
</tbody></table>
<p>{how}</p>
<h2>Samples</h2>
{samples}
</body></html>
"""


def evaluate(
    source: str | Path,
    *,
    n: int = 10_000,
    metrics: Collection[str] | None = None,
    seed: int = 0,
    device: str = "auto",
    draws: int = judges.DRAWS,
) -> dict[str, Any]:
    """Measure a model of the zoo ("zoo:NAME") or the newest checkpoint of a run (its folder).

    The same seed gives the same numbers on the same kind of device. Memory does not grow with the samples themselves:
    one batch of them exists at a time, and 64 features (256 bytes) of an image stay, 192 of a sound (768 bytes), or a
    text's tokens.

    Args:
        n: samples, 10 or more.
        metrics: names in the judge's list (see :class:`gan_tutorial.judges.Judge`); None for all that fit.
        seed: of the samples.
        device: of the generator: "auto", "cpu", "cuda", "mps".
        draws: sets that are drawn again for an interval, 20 or more.

    Returns plain values, ready for JSON: "metrics" maps a name to its value, the ends of its 95 % interval, its value
    on "few" samples only, and its "floor", which as many real samples have that the generator did not learn from.

    Raises InputError for what can't be found, can't be judged, or is out of range.
    """
    require_integer("n", n, 10)
    require_integer("seed", seed, 0, 2**31 - 1)
    start = time.perf_counter()
    network, recipe, told = _source(str(source), device)
    judge = judges.judge(recipe)
    names = [name for name in judge.names if metrics is None or name in metrics]
    judge.columns(judge.floor(10), metrics or ())  # an unknown name is told before the work begins
    kept, real = judge.draw(network, n, seed), judge.floor(n)
    few = len(real)
    intervals = judge.intervals(kept, names, draws)
    beside, floor = judge.columns(kept[:few], names), judge.columns(real, names)
    order = getattr(judge, "order", None)
    known = {**COLUMNS[judge.blueprint.kind], **NAMES}
    found = {
        name: {
            "name": known[name] + (f"-{order}" if "bleu" in name else ""),
            **intervals[name]._asdict(),
            "few": beside[name],
            "floor": floor[name],
        }
        for name in names
    }
    return {
        "source": str(source),
        "model": told,
        "recipe": recipe.name,
        "data": recipe.data,
        "kind": judge.blueprint.kind,
        "n": n,
        "few": few,
        "seed": seed,
        "metrics": found,
        "device": str(next(network.parameters()).device),
        "torch": torch.__version__.split("+")[0],
        "seconds": round(time.perf_counter() - start, 1),
    }


def report(found: dict[str, Any], source: str | Path, device: str = "auto") -> str:
    """A page, HTML without anything from elsewhere: what :func:`evaluate` found, and some samples."""
    network, recipe, _ = _source(str(source), device)
    judge = judges.judge(recipe)
    samples = judge.samples(network, SHOWN, found["seed"]).cpu()
    row = (
        '<tr><th scope="row">{name}</th><td class="number">{value:.3f}</td><td class="number">{low:.3f} to {high:.3f}'
        '</td><td class="number">{few:.3f}</td><td class="number">{floor:.3f}</td><td>{tip}</td></tr>'
    )
    rows = "\n".join(row.format(**of, tip=TIPS[key]) for key, of in found["metrics"].items())
    title = f"Evaluation of {found['source']}"
    real = "those of the training set" if judge.blueprint.is_text else "those held out"
    return _PAGE.format(
        title=html.escape(title),
        summary=html.escape(f"{found['model']}; data {found['data']}; seed {found['seed']}."),
        n=found["n"],
        few=found["few"],
        rows=rows,
        how=html.escape(
            f"Floor: what {found['few']:,} real {found['kind']}s get, {real}. Compare it with the column of as many "
            "generated ones, since most metrics depend on how many there are. Intervals: the spread over sets drawn "
            f"again; they say nothing of that dependence. Measured with torch {found['torch']} on {found['device']} in "
            f"{found['seconds']:.0f} s."
        ),
        samples=_shown(samples, judge.blueprint),
    )


def _source(source: str, device: str) -> tuple[nn.Module, Recipe, str]:
    """The generator, its recipe, and what it is in a few words."""
    on = resolve_device(device)
    if source.startswith(ZOO):
        name = source.removeprefix(ZOO)
        return zoo.load(name).to(on), zoo.entry(name).recipe, f"the zoo's {name}"
    trainer = Trainer.load(source, device=device)
    average = trainer.averages.get("generator")
    network = average.network if average else trainer.networks["generator"]
    return network.eval(), trainer.recipe, f"step {trainer.step} of a run of {trainer.recipe.name}"


def _shown(samples: torch.Tensor, blueprint: zoo.Blueprint) -> str:
    files = plots.sample_files(samples, blueprint)
    if blueprint.is_text:
        return f"<pre>{html.escape(files['.txt'].decode())}</pre>"
    return f'<img alt="{len(samples)} samples" src="data:image/png;base64,{base64.b64encode(files[".png"]).decode()}">'
