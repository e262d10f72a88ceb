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
    licence: str  # SPDX; "LicenseRef-" for terms that have no name there
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
    "drums": Source(
        "drums",
        "Apache-2.0",
        "The training sounds are computed by this package (`gan_tutorial/data/sound.py`), which comes under "
        "Apache-2.0 (https://www.apache.org/licenses/LICENSE-2.0).",
    ),
    "poems": Source(
        "quatrains in classical Chinese",
        "MIT",
        "The training texts are poems of the Tang and Song dynasties, in the public domain by their age, as collected "
        "in chinese-poetry by JackeyGao, MIT.",
    ),
    "words": Source(
        "English words, letter by letter",
        "LicenseRef-SCOWL",
        "The training texts are a selection from SCOWL, copyright 2000-2011 by Kevin Atkinson, whose terms allow use, "
        "copying, modification and distribution of what is made from it, with their notice.",
    ),
    "pairs:digits": Source(
        "handwritten digits and printed ones",
        "CC-BY-SA-3.0",
        "The handwritten digits are MNIST (Yann LeCun, Corinna Cortes, Christopher Burges), CC BY-SA 3.0 "
        "(https://creativecommons.org/licenses/by-sa/3.0/); the printed ones are drawn from the fonts that come with "
        "matplotlib, whose licences allow that (Bitstream Vera and DejaVu, STIX, Computer Modern).",
    ),
    "pairs:glasses": Source(
        "pixel-art faces without glasses and with them",
        "CC0-1.0",
        'The training images are of the style "Pixel Art" by DiceBear, CC0 1.0 '
        "(https://creativecommons.org/publicdomain/zero/1.0/).",
    ),
    "pairs:edges": Source(
        "outlines of pixel-art faces, and the faces",
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


# What was measured of each kind, by its key in the facts: its name.
COLUMNS: dict[str, dict[str, str]] = {
    "image": {
        "fid": "Classifier-FID",
        "kid": "Classifier-KID",
        "precision": "Precision",
        "recall": "Recall",
        "density": "Density",
        "coverage": "Coverage",
    },
    "sound": {
        "distance": "Spectral distance, dB",
        "kid": "Classifier-KID",
        "inception": "Inception score",
        "precision": "Precision",
        "recall": "Recall",
        "density": "Density",
        "coverage": "Coverage",
        "nearest": "Nearest training sound, dB",
    },
    "text": {
        "bleu": "BLEU",
        "self_bleu": "Self-BLEU",
        "valid": "Valid",
        "novel": "Novel",
        "rhyme": "Rhyming",
        "unseen": "Words held out",
    },
}
COLUMNS["translation"] = COLUMNS["image"]
SETS = {
    "model": "this model",
    "model_few": "this model, as many as are held out",
    "held_out": "real ones, held out",
    "real": "real ones, of the training set",
    "untrained": "the same networks, untrained",
    "untranslated": "what it translates, as it is",
}
NEIGHBOURS = (
    "Classifier-KID (Bińkowski et al. 2018; lower is better) asks the same with a kernel, and is 0 on average for a "
    "perfect generator. Precision and recall (Kynkäänniemi et al. 2019; higher is better), density and coverage (Naeem "
    "et al. 2020; density is 1 for a perfect generator) look at the 3 nearest neighbours among {reference:,} training "
    "samples. "
)


def licence(entry: Entry) -> str:
    """The SPDX name of the licence of the weights."""
    return SOURCES[entry.recipe.data].licence


def render(entry: Entry) -> str:
    """The card of a model of the zoo, Markdown."""
    return f"""# {entry.name}

{_shown(entry)}

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
    named = "" if licence(entry).startswith("LicenseRef") else f", {licence(entry)}"
    return f"{credit} See `gan_tutorial/data/LICENSES.md`. The weights come under the same licence{named}."


def _shown(entry: Entry) -> str:
    """The samples themselves: a picture, or texts."""
    if not entry.blueprint.is_text:
        return f"![Samples of {entry.name}]({entry.sheet.name})"
    texts = entry.sheet.read_text(encoding="utf-8").splitlines()
    if entry.recipe.data != "poems":
        return f"```text\n{_wrapped(' '.join(texts))}\n```"
    pairs = ("\u3000".join(texts[i : i + 2]) for i in range(0, len(texts), 2))
    return "```text\n" + "\n".join(pairs) + "\n```"


def _sheet(entry: Entry) -> str:
    n, seed = entry.facts["sheet"]["n"], entry.facts["sheet"]["seed"]
    if entry.blueprint.is_translation:
        a, b = entry.blueprint.domains
        rows = f"held-out pictures ({a}), their translations ({b}), and "
        there = {2: f"these translated back; then the same from {b}", 1: "their true partners; then others"}
        return _wrapped(f"From above: {rows}{there[len(entry.facts['metrics']['directions'])]}. Seed {seed}.")
    rows = f", a row for each class: {', '.join(entry.class_names)}" if entry.class_names else ""
    sounds = " Each is a waveform, from -1 to 1, over its log-mel spectrogram, from -60 to 0 dB."
    return _wrapped(f"The first {n} samples of seed {seed}{rows}." + sounds * entry.blueprint.is_sound)


def makes(entry: Entry) -> str:
    """What its samples are, in a few words: "3 x 16 x 16 images"."""
    b = entry.blueprint
    if b.is_text:
        return f"texts of {'up to ' * (b.recipe.data != 'poems')}{b.sample_shape[0]} characters"
    if b.is_sound:
        return f"sounds of {b.sample_shape[1] / (b.sample_rate or 1):.2g} s"
    what = "translations" if b.is_translation else "images"
    return f"{' x '.join(map(str, b.sample_shape))} {what}"


def _table(entry: Entry) -> str:
    r, of, b = entry.recipe, entry.facts["training"], entry.blueprint
    said = f"{makes(entry)}: {SOURCES[r.data].shows}"
    if b.is_translation:
        ways = len(entry.facts["metrics"]["directions"])
        said += f"; scaled to [-1, 1]; from {b.domains[0]} to {b.domains[1]}{' and back' if ways == 2 else ''}"
    elif b.is_text:
        said += f"; the vocabulary has {len(b.vocabulary) - 1:,} characters and a blank"
    else:
        z_dim = {**models.options(r.model), **r.model_options}["z_dim"]
        noise = {"normal": "N(0, 1)", "uniform": "U(-1, 1)"}[r.noise]
        rate = f" at {b.sample_rate:,} samples a second" if b.sample_rate else ""
        said += f"{rate}, scaled to [-1, 1], from z ~ {noise}, {z_dim} dimensions"
    if entry.class_names:
        said += f", and a class, one of {len(entry.class_names)}: {', '.join(entry.class_names)}"
    options = "".join(f", {key}={value}" for key, value in r.data_options.items())
    changes = ", ".join(f"{key}={value}" for key, value in of["changes"].items())
    only = "a CPU only, never on a GPU: " if of["cpu_only"] else ""
    seen = f", {of['samples']:,} real {b.noun}s seen" if r.algorithm != "seqgan" else ""
    rows = {
        "What it makes": said,
        "Data": f"the training split of `{r.data}`{options}: {of['data']:,} {b.noun}s",
        "Recipe": f"`{r.name}`" + (f" with {changes}" if changes else "") + f"; seed {of['seed']}",
        "Trained": f"on {only}{of['device']}; {of['steps']:,} steps of batch {r.batch_size}{seen}, "
        f"{_duration(of['seconds'])}",
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
    column = columns(entry)[packing["score"]].partition(",")[0]
    column = column if column.startswith("BLEU") else column[0].lower() + column[1:]
    said += f"; {packing['storage']}, which moved the {column} of {how_many(packing)} samples from "
    said += f"{with_spread(packing['before'])} to {with_spread(packing['after'])}"
    if packing.get("largest_change") is not None:
        value = "sample of a sound" if entry.blueprint.is_sound else "pixel"
        said += f", and no {value} by more than {packing['largest_change']:.3f} of 2"
    if packing.get("changed") is not None:
        said += f", and changed {packing['changed']:.1%} of the texts"
    return said


def columns(entry: Entry) -> dict[str, str]:
    """What was measured of the model: keys of a row of its facts, and their names."""
    row, order = entry.facts["metrics"]["rows"]["model"], entry.facts["metrics"].get("order")
    known = COLUMNS[entry.blueprint.kind].items()
    return {key: f"{name}-{order}" if "BLEU" in name else name for key, name in known if key in row}


def _measured(entry: Entry) -> str:
    metrics, named = entry.facts["metrics"], columns(entry)
    head = f"| Samples | How many | {' | '.join(named.values())} |\n|-|-{'|-' * len(named)}|"

    def line(key: str, row: Mapping[str, Any]) -> str:
        return " | ".join([SETS[key], how_many(row), *(with_spread(row[column], digits(column)) for column in named)])

    table = "\n".join(f"| {line(key, row)} |" for key, row in metrics["rows"].items())
    spreads = f"Spreads are standard deviations over the sampling seeds {', '.join(map(str, metrics['seeds']))}."
    how = HOW[entry.blueprint.kind](entry) + " " + spreads
    return "\n\n".join([_wrapped(how), f"{head}\n{table}", *map(_wrapped, _found(metrics))])


def _how_images(entry: Entry) -> str:
    metrics = entry.facts["metrics"]
    return (
        f"Features are those of the package's own classifier of `{metrics['classifier']}`, so these numbers compare "
        "with no published ones. Classifier-FID (lower is better) is against the statistics of all training images. "
        + NEIGHBOURS.format(**metrics)
        + "All but the KID depend on how many samples there are."
    )


def _how_sounds(entry: Entry) -> str:
    metrics = entry.facts["metrics"]
    return (
        "The spectral distance (lower is better) is that of `gan_tutorial.metrics.spectral_distance` against all "
        f"training sounds. The other numbers are by the package's own classifier of `{metrics['classifier']}`, so they "
        "compare with no published ones. "
        + NEIGHBOURS.format(**metrics)
        + f"The inception score reaches {len(metrics['classes'])} at most. The nearest training sound, by coarse "
        "spectrograms, is a median; sounds learned by heart would be nearer to one than real sounds held out are. All "
        "but the KID depend on how many samples there are."
    )


def _how_texts(entry: Entry) -> str:
    metrics, order = entry.facts["metrics"], entry.facts["metrics"]["order"]
    last = {
        "poems": "Rhyming: lines 2 and 4 do, by today's readings (`gan_tutorial.data.text.rhymes`).",
        "words": "Words held out: the sample is an English word that the model has never seen.",
    }[entry.recipe.data]
    return (
        f"BLEU-{order} (higher is better) is against the {metrics['reference']:,} texts held out, self-BLEU-{order} "
        "(lower is more diverse) of each sample against the others. Valid: no blank within"
        + (", and every place filled" if entry.recipe.data == "poems" else "")
        + f". Novel: not in the training set. {last} BLEU depends on how many samples there are."
    )


def _how_translations(entry: Entry) -> str:
    a, b = entry.blueprint.domains
    how = _how_images(entry).replace("all training images", "all training images of the latter")
    return f"These are translations from {a} to {b}, beside real ones ({b}). {how}"


HOW = {"image": _how_images, "translation": _how_translations, "sound": _how_sounds, "text": _how_texts}


def _found(metrics: Mapping[str, Any]) -> list[str]:
    """Sentences on classes, attributes, labels and likelihood."""
    said = []
    if metrics.get("classes"):
        shares, row = metrics["classes"], metrics["rows"]["model"]
        least, most = min(shares, key=shares.get), max(shares, key=shares.get)
        found = sum(share > 0 for share in shares.values())
        said.append(
            f"In {how_many(row)} samples the classifier finds {found} of {len(shares)} classes: the rarest is {least} "
            f"with {shares[least]:.1%}, the most frequent {most} with {shares[most]:.1%}."
        )
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
            f"{real:.1%} of the real ones held out."
        )
    for way, of in metrics.get("directions", {}).items():
        what = {
            "kept": "what was there is read again in {:.1%}",
            "asked": "what was asked for is there in {:.1%}",
            "distance": "a pixel is {:.3f} of 2 off the true partner's on average",
            "cycle": "there and back, a pixel moves by {:.3f} of 2 on average",
        }
        said.append(
            f"{'There' if way == 'ab' else 'Back'}: {'; '.join(what[key].format(value) for key, value in of.items())}."
        )
    if metrics.get("nll"):
        model, untrained = metrics["nll"]["model"], metrics["nll"]["untrained"]
        said.append(
            f"The negative log-likelihood of the texts held out is {model:.3f} nats a token; before the training it "
            f"was {untrained:.3f}."
        )
    return said


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


def how_many(row: Mapping[str, Any]) -> str:
    return f"{row['n']:,}" if row["times"] == 1 else f"{row['times']} x {row['n']:,}"


def with_spread(value: Mapping[str, float], digits: int = 2) -> str:
    return f"{value['mean']:.{digits}f}" + (f" ± {value['std']:.{digits}f}" if value.get("std") is not None else "")


def digits(column: str) -> int:
    """How many digits of a number are worth reading."""
    return 3 if column == "kid" else 2


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} seconds" if seconds < 120 else f"{seconds / 60:.0f} minutes"
