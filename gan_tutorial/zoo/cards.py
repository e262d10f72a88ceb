"""The model cards: what was measured, in words. Nothing stands on a card that is not in the model's files."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from gan_tutorial import models

if TYPE_CHECKING:
    from gan_tutorial.zoo import Entry


class Source(NamedTuple):
    """What a data set shows, and under which licence the weights come that learned it (the data's own)."""

    shows: str
    licence: str  # SPDX
    credit: str


SOURCES = {
    "mnist": Source(
        "handwritten digits",
        "CC-BY-SA-3.0",
        "The training images are MNIST (Yann LeCun, Corinna Cortes, Christopher Burges), CC BY-SA 3.0 "
        "(https://creativecommons.org/licenses/by-sa/3.0/).",
    ),
    "avatars": Source(
        "pixel-art faces",
        "CC0-1.0",
        'The training images are of the style "Pixel Art" by DiceBear, CC0 1.0 '
        "(https://creativecommons.org/publicdomain/zero/1.0/).",
    ),
    "emoji": Source(
        "emoji",
        "Apache-2.0",
        "The training images are Google's Noto emoji, Apache-2.0 (https://www.apache.org/licenses/LICENSE-2.0), "
        "copyright 2013-2017 Google Inc. and Arjen Nienhuis.",
    ),
}


def licence(entry: Entry) -> str:
    """The SPDX name of the licence of the weights."""
    return SOURCES[entry.recipe.data].licence


def render(entry: Entry) -> str:
    """The card of a model of the zoo, Markdown."""
    return f"""# {entry.name}

![Samples of {entry.name}]({entry.sheet.name})

{_sheet(entry)}

| | |
|-|-|
{_table(entry)}

## Measured

{_measured(entry)}

## Where it fails

{_wrapped(entry.facts["failures"])}

## Licence

{_wrapped(_licence(entry))}
"""


def _licence(entry: Entry) -> str:
    credit = SOURCES[entry.recipe.data].credit
    return f"{credit} See `gan_tutorial/data/LICENSES.md`. The weights come under the same licence, {licence(entry)}."


def _sheet(entry: Entry) -> str:
    n, seed = entry.facts["sheet"]["n"], entry.facts["sheet"]["seed"]
    rows = f", a row for each class: {', '.join(entry.class_names)}" if entry.class_names else ""
    return f"The first {n} samples of seed {seed}{rows}."


def _table(entry: Entry) -> str:
    r, of = entry.recipe, entry.facts["training"]
    z_dim = {**models.options(r.model), **r.model_options}["z_dim"]
    shape, noise = " x ".join(map(str, entry.sample_shape)), {"normal": "N(0, 1)", "uniform": "U(-1, 1)"}[r.noise]
    makes = f"{shape} images of {SOURCES[r.data].shows}, scaled to [-1, 1], from z ~ {noise}, {z_dim} dimensions"
    if entry.class_names:
        makes += f", and a class, one of {len(entry.class_names)}: {', '.join(entry.class_names)}"
    options = "".join(f", {key}={value}" for key, value in r.data_options.items())
    changes = ", ".join(f"{key}={value}" for key, value in of["changes"].items())
    only = "a CPU only, never on a GPU: " if of["cpu_only"] else ""
    rows = {
        "What it makes": makes,
        "Data": f"the training split of `{r.data}`{options}: {of['data']:,} images",
        "Recipe": f"`{r.name}`" + (f" with {changes}" if changes else "") + f"; seed {of['seed']}",
        "Trained": f"on {only}{of['device']}; {of['steps']:,} steps of batch {r.batch_size}, "
        f"{of['images']:,} real images seen, {_duration(of['seconds'])}",
        "Precision": f"{of['precision']}, torch {of['torch']}",
    }
    if of["steps"] < r.steps:
        rows["Stopped"] = f"when its time was up, before the {r.steps:,} steps of its recipe"
    rows["Packed"] = _packed(entry)
    rows["Weights"] = f"{entry.parameters:,} parameters, {entry.bytes:,} bytes, SHA-256 `{entry.sha256}`"
    rows["Retrain"] = (
        f"`python tools/train_zoo.py train {entry.name} --out runs/zoo`, then "
        f"`python tools/train_zoo.py pack runs/zoo {entry.name}`"
    )
    return "\n".join(f"| {key} | {value} |" for key, value in rows.items())


def _packed(entry: Entry) -> str:
    packing, ema = entry.facts["packing"], entry.recipe.ema
    what = f"the moving average of G's weights (decay {ema})" if ema else "G's weights"
    said = f"{what} after the last step, not chosen by its score"
    if packing.get("standing_statistics"):
        said += f"; BatchNorm's statistics measured anew over {packing['standing_statistics']:,} samples"
    said += f"; {packing['storage']}, which moved the classifier-FID of {how_many(packing)} samples from "
    said += f"{with_spread(packing['fid_before'])} to {with_spread(packing['fid_after'])}"
    if packing.get("largest_change") is not None:
        said += f", and no pixel by more than {packing['largest_change']:.3f} of 2"
    return said


def _measured(entry: Entry) -> str:
    metrics = entry.facts["metrics"]
    rows = metrics["rows"]
    names = {
        "model": "this model",
        "model_few": "this model, as many as are held out",
        "held_out": "real images, held out",
        "untrained": "the same networks, untrained",
    }
    table = "\n".join(
        f"| {said} | {how_many(rows[key])} | {with_spread(rows[key]['fid'])} | {with_spread(rows[key]['precision'])} | "
        f"{with_spread(rows[key]['recall'])} |"
        for key, said in names.items()
    )
    how = (
        f"Features are those of the package's own classifier of `{metrics['classifier']}`, so these numbers compare "
        "with no published ones. Classifier-FID (lower is better) is against the statistics of all training images. "
        "Precision and recall (Kynkäänniemi et al. 2019, k = 3; higher is better) are against "
        f"{metrics['reference']:,} of them. All depend on how many samples there are. Spreads are standard deviations "
        f"over the sampling seeds {', '.join(map(str, metrics['seeds']))}."
    )
    head = "| Samples | How many | Classifier-FID | Precision | Recall |\n|-|-|-|-|-|"
    return "\n\n".join([_wrapped(how), f"{head}\n{table}", *map(_wrapped, _found(metrics))])


def _found(metrics: Mapping[str, Any]) -> list[str]:
    """Sentences on classes, attributes and labels."""
    shares, row = metrics["classes"], metrics["rows"]["model"]
    least, most = min(shares, key=shares.get), max(shares, key=shares.get)
    found = sum(share > 0 for share in shares.values())
    said = [
        f"In {how_many(row)} samples the classifier finds {found} of {len(shares)} classes: the rarest is {least} with "
        f"{shares[least]:.1%}, the most frequent {most} with {shares[most]:.1%}."
    ]
    if metrics.get("attributes"):
        lines = []
        for name, of in metrics["attributes"].items():
            missing = f" (not {', '.join(of['missing'])})" if of["missing"] else ""
            lines.append(f"{name} {of['found']} of {of['values']}{missing}")
        said.append(f"Values of each attribute that at least {metrics['least']} samples have: {'; '.join(lines)}.")
    if metrics.get("labels"):
        model, real = metrics["labels"]["model"], metrics["labels"]["held_out"]
        said.append(
            f"The classifier finds the label that was asked for in {model:.1%} of the samples, and the true one in "
            f"{real:.1%} of the real images held out."
        )
    return said


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


def how_many(row: Mapping[str, Any]) -> str:
    return f"{row['n']:,}" if row["times"] == 1 else f"{row['times']} x {row['n']:,}"


def with_spread(value: Mapping[str, float]) -> str:
    return f"{value['mean']:.2f}" + (f" ± {value['std']:.2f}" if value.get("std") is not None else "")


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} seconds" if seconds < 120 else f"{seconds / 60:.0f} minutes"
