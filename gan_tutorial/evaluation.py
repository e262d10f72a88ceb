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

from gan_tutorial import data, judges, plots, zoo
from gan_tutorial.errors import require, require_integer
from gan_tutorial.metrics import InceptionV3, inception_network, inception_statistics
from gan_tutorial.training import Recipe, Trainer
from gan_tutorial.training.trainer import resolve_device
from gan_tutorial.zoo.cards import COLUMNS

ZOO = "zoo:"
SHOWN = 36  # samples in the report
NAMES = {"inception": "Inception score", "diversity": "Diversity of features", "authenticity": "Authenticity"}
RESIZE = "clean: antialiased bicubic to 299 px"  # of what Inception-v3 sees
TIPS = {
    "fid": "How far the means and spreads of the classifier's features are from those of all training samples.",
    "inception_fid": "The same with features of Inception-v3, as papers do; compare it only for as many samples.",
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
<p>{how}</p>{inception}
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
    inception: str | Path | None = None,
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
        inception: a file with the published weights of Inception-v3, or "download": adds the FID of papers, for images
            only. See :func:`gan_tutorial.metrics.inception_network`. Its features take about half a second an image on
            a CPU's core, of all training images too.

    Returns plain values, ready for JSON: "metrics" maps a name to its value, the ends of its 95 % interval, its value
    on "few" samples only, and its "floor", which as many real samples have that the generator did not learn from.
    The FID of Inception-v3 has no interval (None): its features are not kept.

    Raises InputError for what can't be found, can't be judged, or is out of range.
    """
    require_integer("n", n, 10)
    require_integer("seed", seed, 0, 2**31 - 1)
    start = time.perf_counter()
    network, recipe, told = _source(str(source), device)
    judge = judges.judge(recipe)
    names = [name for name in judge.names if metrics is None or name in metrics]
    judge.columns(judge.floor(10), metrics or ())  # an unknown name is told before the work begins
    judging = None if inception is None else _inception(inception, judge).to(resolve_device(device))
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
    if judging is not None:
        found["inception_fid"] = _inception_fid(judging, judge, network, n, seed)
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
        "inception": None if judging is None else _about(judging, judge),
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
        '<tr><th scope="row">{name}</th><td class="number">{value:.3f}</td><td class="number">{interval}'
        '</td><td class="number">{few:.3f}</td><td class="number">{floor:.3f}</td><td>{tip}</td></tr>'
    )
    rows = "\n".join(row.format(**of, interval=interval(of), tip=TIPS[key]) for key, of in found["metrics"].items())
    title = f"Evaluation of {found['source']}"
    real = "those of the training set" if judge.blueprint.is_text else "those held out"
    return _PAGE.format(
        title=html.escape(title),
        summary=html.escape(f"{found['model']}; data {found['data']}; seed {found['seed']}."),
        n=found["n"],
        few=found["few"],
        rows=rows,
        how=html.escape(
            f"Floor: what {found['few']:,} real {judge.blueprint.noun}s get, {real}. Compare it with the column of as "
            "many generated ones, since most metrics depend on how many there are. Intervals: the spread over sets "
            f"drawn again; they say nothing of that dependence. Measured with torch {found['torch']} on "
            f"{found['device']} in {found['seconds']:.0f} s."
        ),
        inception=_told(found),
        samples=_shown(samples, judge.blueprint),
    )


def interval(of: dict[str, Any]) -> str:
    """The interval of a metric that :func:`evaluate` found, in words; a dash where there is none."""
    return "–" if of["low"] is None else f"{of['low']:.3f} to {of['high']:.3f}"


def _inception(where: str | Path, judge: judges.Judge) -> InceptionV3:
    kind = judge.blueprint.kind
    require(kind == "image", "inception", str(where), f"no weights for {kind}s: Inception-v3 sees images only")
    return inception_network(where)


def _inception_fid(judging: InceptionV3, judge: judges.Judge, network: nn.Module, n: int, seed: int) -> dict[str, Any]:
    """The numbers of a metric, see :func:`evaluate`; the samples are drawn once more rather than kept."""
    images = _real(judge)
    starts = range(0, len(images), zoo.BATCH)
    real = inception_statistics(judging, (images[i : i + zoo.BATCH].x for i in starts))
    held_out = judge.some_held_out(n).x
    few = len(held_out)

    def drawn(n: int) -> float:
        return inception_statistics(judging, judge.batches(network, n, seed)).distance(real)

    value = drawn(n)
    return {
        "name": "FID (Inception-v3)",
        "value": value,
        "low": None,
        "high": None,
        "few": value if few == n else drawn(few),
        "floor": inception_statistics(judging, [held_out]).distance(real),
    }


def _real(judge: judges.Judge) -> data.Dataset:
    """The training images; of pairs, what is translated into."""
    return getattr(judge.real, "b", judge.real)


def _about(judging: InceptionV3, judge: judges.Judge) -> dict[str, Any]:
    """What has to stand beside an FID."""
    known = {"sha256": judging.sha256, "published": judging.published}
    return {"resize": RESIZE, "real": len(_real(judge)), **known}


def _told(found: dict[str, Any]) -> str:
    """A paragraph on the FID of Inception-v3, if there is one."""
    about = found["inception"]
    if about is None:
        return ""
    which = "the published ones" if about["published"] else "not the published ones: compare with no published number"
    return (
        f"\n<p>FID (Inception-v3): {found['n']:,} samples against all {about['real']:,} training images; resize "
        f"{about['resize']}; the weights are {which} (SHA-256 {about['sha256']}).</p>"
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
