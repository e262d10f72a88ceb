"""Train and pack the generators of gan_tutorial.zoo; the two can happen on different machines.

    python tools/train_zoo.py train dcgan-avatars --out runs/zoo --device cuda --minutes 8
    python tools/train_zoo.py pack runs/zoo dcgan-avatars

`train` leaves NAME.trained.safetensors (the moving average of G's weights, float32) and NAME.png in the folder, anew
every minute: what a run that was stopped has left can be packed. `pack` measures, on the CPU, and writes the zoo's
files. The last step's weights are packed, whatever they score: nothing is chosen by its score. `measure` measures anew
what is packed, `card` writes the cards anew (after a change of FAILURES, say).
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from gan_tutorial import data, models, plots, zoo
from gan_tutorial.errors import DivergedError, InputError, require, unknown
from gan_tutorial.metrics import Manifold, classifier_fid, for_data
from gan_tutorial.training import Recipe, Trainer, recipe, recipes
from gan_tutorial.training.checkpoint import write_atomically

SEED = 0
SEEDS = (0, 1, 2)  # of sampling, when a model is measured
N = 5000  # samples for each of them
COMPARED = 1000  # samples that are made before packing and after
SHEET = 64
SAVE_SECONDS = 60.0
STANDING = (100, 64)  # batches, and samples in each
# Some recipes are shorter in the book.
CHANGES: dict[str, dict[str, Any]] = {
    name: {"steps": 6000} for name in ("dcgan-mnist", "dcgan-avatars", "cgan-avatars")
}
# What people saw who looked at many samples.
FAILURES = {
    "dcgan-mnist": "Of the 64 samples above, about eight are no digit, or stand between two; very thick strokes fill "
    "the holes of an 8 or a 9. It knows one small data set of one kind of handwriting, and is for teaching.",
    "dcgan-avatars": "Single pixels are off: stray dots around the hair, eyes of two colours, glasses with a gap. A "
    "few faces wear half a hat.",
    "cgan-avatars": "Stray pixels at the edges of hair and hats, and now and then a mouth that has run into the chin.",
    "biggan-avatars": "Of the 64 samples above, three with a hat have a face washed out to white and blue, and some "
    "have no mouth. Colours of the background are paler than real ones.",
    "r3gan-avatars": "Eyes of two sizes, glasses that end in the air, hair that frays. Nearly every trait of the real "
    "avatars turns up, but not in every combination: the training stopped long before its end.",
    "stylegan2-avatars": "Plain surfaces are blotchy and edges soft, where those of real avatars are exact. A few "
    "faces have glasses that run into the eyes, ragged hair, or one eye larger than the other.",
    "biggan-emoji": "Smileys and flags can be recognised; most of the others are blots in the colours and outlines of "
    "their group. Its 1,544 pictures are few, and a group holds many different things. The judge is weak too: it finds "
    "the right group of 62 % of the real pictures, so its numbers flatter the model.",
}
UNSEEN = "Nobody has looked at its samples yet."


# -- training ----------------------------------------------------------------------------------------------------------
def train(
    chosen: Recipe,
    out: Path,
    *,
    device: str = "auto",
    minutes: float | None = None,
    checkpoints: bool = True,
    changes: dict[str, Any] | None = None,
) -> Path:
    """Train `chosen` for its steps or for `minutes`; returns the path of the trained generator.

    With `checkpoints` in `out`/NAME, an interrupted run goes on where its newest one stands.
    """
    out.mkdir(parents=True, exist_ok=True)
    file = out / f"{chosen.name}.trained.safetensors"
    folder = out / chosen.name if checkpoints else None
    trainer = Trainer(chosen, device=device, seed=SEED, out=folder, resume=checkpoints)
    before = 0.0
    if trainer.step and file.exists():
        said = zoo.header(file)["training"]
        before = said["seconds"] * trainer.step / said["steps"]
    require(trainer.dataset.is_image, "recipe", chosen.name, "one that makes images")
    start = saved = time.monotonic()
    for metrics in trainer.run():
        now = time.monotonic()
        late = minutes is not None and now - start > 60 * minutes
        if now - saved > SAVE_SECONDS or late:
            if checkpoints:
                trainer.save()
            save(trainer, file, before + now - start, changes or {})
            losses = " ".join(f"{key} {float(metrics[key]):.3f}" for key in ("d_loss", "g_loss"))
            speed = trainer.step / (before + now - start)
            print(f"{chosen.name}: step {trainer.step} of {chosen.steps}, {speed:.1f} steps/s, {losses}", flush=True)
            saved = time.monotonic()
        if late:
            break
    else:
        save(trainer, file, before + time.monotonic() - start, changes or {})
    return file


def save(trainer: Trainer, file: Path, seconds: float, changes: dict[str, Any]) -> None:
    """Write G (its moving average where there is one) as it stands, with how it came about, and a contact sheet."""
    trainer.check_finite()
    average = trainer.averages.get("generator")
    tensors = (average.network if average else trainer.networks["generator"]).state_dict()
    tensors = {key: t.detach().cpu() for key, t in tensors.items()}
    if not all(t.isfinite().all() for t in tensors.values()):
        raise DivergedError(f"step {trainer.step}: a weight is NaN or infinite")
    of: Any = trainer.dataset
    classes = tuple(of.label_names) if trainer.recipe.conditional else ()
    training = {
        "seed": trainer.seed,
        "changes": changes,
        "data": len(of),
        "steps": trainer.step,
        "images": trainer.step * trainer.recipe.batch_size * trainer.settings.n_critic,
        "seconds": seconds,
        "device": device_name(trainer.device),
        "cpu_only": trainer.device.type == "cpu",
        "precision": precision(trainer),
        "torch": torch.__version__.split("+")[0],
    }
    write_atomically(file, zoo.packed(tensors, trainer.recipe, of.sample_shape, classes, training=training))
    labels, columns = sheet_labels(len(classes))
    images = trainer.sample(SHEET if labels is None else len(labels), labels=labels)
    picture = plots.image_grid(images, columns=columns)
    write_atomically(file.parent / f"{trainer.recipe.name}.png", plots.png(picture))


def device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return {"cpu": f"{threads} thread" + "s" * (threads > 1), "mps": "Apple's GPU (MPS)"}[device.type]


def precision(trainer: Trainer) -> str:
    if trainer.recipe.precision == "bf16":
        return "forward passes in bfloat16, weights in float32"
    tf32 = trainer.device.type == "cuda" and torch.backends.cudnn.allow_tf32
    return "float32" + (" (TF32 in convolutions)" if tf32 else "")


def sheet_labels(classes: int) -> tuple[Tensor | None, int | None]:
    """Labels and columns of the contact sheet: a row for each class, about SHEET samples."""
    if not classes:
        return None, None
    columns = -(-SHEET // classes)
    return torch.arange(classes).repeat_interleave(columns), columns


# -- packing -----------------------------------------------------------------------------------------------------------
def pack(folder: Path, name: str, n: int = N) -> None:
    """Measure the trained generator `name` in `folder`, and put it into the zoo."""
    file = folder / f"{name}.trained.safetensors"
    require(file.exists(), "folder", str(folder), f"one that holds {file.name}, which 'train' writes")
    about = zoo.header(file)
    chosen, shape, classes = zoo.described(about)
    exact = zoo.filled(zoo.fresh(chosen, shape, classes), safetensors.torch.load_file(file))
    packing: dict[str, Any] = {}
    if chosen.model == "biggan":
        models.biggan.standing_statistics(exact, *STANDING, rng=torch.Generator().manual_seed(SEED))
        packing["standing_statistics"] = STANDING[0] * STANDING[1]
    whole = exact.state_dict()
    judge, compared = Judge(chosen, shape, n), {}
    for storage, tensors in (("float16", {key: half(t) for key, t in whole.items()}), ("float32", whole)):
        network = zoo.filled(zoo.fresh(chosen, shape, classes), tensors)
        if storage == "float16":
            compared = compare(exact, network, judge, min(n, COMPARED))
        if storage == "float32" or lossless(compared):
            break
    content = zoo.packed(tensors, chosen, shape, classes)
    facts: dict[str, Any] = {
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "parameters": sum(p.numel() for p in network.parameters()),
        "training": about["training"],
        "packing": packing | {"storage": storage, **compared},
        "metrics": judge.measure(network),
    }
    write_atomically(zoo.FOLDER / f"{name}.safetensors", content)
    write(zoo.Entry(name, chosen, shape, classes, facts), network)


def half(t: Tensor) -> Tensor:
    """`t` as float16, unless it is of integers or too large for it."""
    small = t.half() if t.is_floating_point() else t
    return small if small.isfinite().all() else t


def compare(exact: nn.Module, packed: nn.Module, judge: Judge, n: int) -> dict[str, Any]:
    """What rounding the weights does to `n` samples."""
    before, after = (judge.samples(network, n, SEEDS[0]) for network in (exact, packed))
    change = (before - after).abs()
    fids = {f"fid_{when}": spread([judge.fid(x)]) for when, x in (("before", before), ("after", after))}
    return {"n": n, "times": 1, "largest_change": float(change.max()), "mean_change": float(change.mean()), **fids}


def lossless(compared: dict[str, Any]) -> bool:
    """Whether the distance moved by less than 1 % (or 0.01): far less than from one sampling seed to the next."""
    before, after = (compared[key]["mean"] for key in ("fid_before", "fid_after"))
    return abs(after - before) <= max(0.01 * before, 0.01)


class Judge:
    """Measures generators of one recipe: the classifier of its data, and what the real images get from it."""

    def __init__(self, chosen: Recipe, shape: tuple[int, ...], n: int = N) -> None:
        found = for_data(chosen.data, shape)
        require(found is not None, "data", chosen.data, "a data set that has a classifier of this shape")
        assert found is not None
        self.recipe, self.n, self.classifier = chosen, n, found
        splits: Any = [data.load(chosen.data, split, **chosen.data_options) for split in ("train", "test")]
        self.real, self.held_out = splits
        few = min(n, len(self.real))
        self.manifold = Manifold(self.features(self.real.sample(few, torch.Generator().manual_seed(0)).x))

    def samples(self, network: nn.Module, n: int, seed: int) -> Tensor:
        """n images as a file would hold them, inside [-1, 1]; classes come as often as in the data."""
        return zoo.draw(network, self.recipe, n, seed=seed, labels=self.labels(n, seed)).clamp(-1, 1)

    def labels(self, n: int, seed: int) -> Tensor | None:
        if not self.recipe.conditional:
            return None
        return self.real.labels[torch.randint(len(self.real), (n,), generator=torch.Generator().manual_seed(seed))]

    def features(self, x: Tensor) -> Tensor:
        return torch.cat([self.classifier.features(part) for part in x.split(500)])

    def fid(self, x: Tensor) -> float:
        return classifier_fid(self.features(x), self.classifier.real)

    def row(self, sets: Iterable[Tensor]) -> dict[str, Any]:
        """Means and spreads over sets of features (n, 64), one for each seed."""
        sets = [*sets]
        both = [self.manifold.precision_recall(f) for f in sets]
        return {
            "n": len(sets[0]),
            "times": len(sets),
            "fid": spread([classifier_fid(f, self.classifier.real) for f in sets]),
            "precision": spread([found.precision for found in both]),
            "recall": spread([found.recall for found in both]),
        }

    def measure(self, network: nn.Module) -> dict[str, Any]:
        held_out = self.held_out[: self.n]
        few = len(held_out.x)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
            classes = self.real.label_names if self.recipe.conditional else ()
            untrained = zoo.fresh(self.recipe, self.real.sample_shape, classes)
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
                "untrained": self.row([self.features(self.samples(untrained, few, SEEDS[0]))]),
            },
            "classes": self.shares(torch.cat(found)),
            "least": least,
            "attributes": self.values(counts, least),
            "labels": self.recovered(found, real, held_out.labels),
        }

    def shares(self, features: Tensor) -> dict[str, float]:
        return dict(zip(self.classifier.class_names, self.classifier.shares(features).tolist(), strict=True))

    def values(self, counts: Counter[tuple[str, int]], least: int) -> dict[str, Any]:
        """For each attribute: how many values it has, how many are found in `least` samples, and which are not."""
        known = {}
        for name, names in self.classifier.attribute_names.items():
            missing = [value for i, value in enumerate(names) if counts[name, i] < least]
            known[name] = {"values": len(names), "found": len(names) - len(missing), "missing": missing}
        return known

    def recovered(self, sets: list[Tensor], real: Tensor, labels: Tensor) -> dict[str, float] | None:
        """How often the classifier finds the label that was asked for, and that of real images."""
        if not self.recipe.conditional or tuple(self.real.label_names) != self.classifier.class_names:
            return None
        asked: Any = torch.cat([self.labels(len(f), seed) for f, seed in zip(sets, SEEDS, strict=True)])  # type: ignore[misc]
        pairs = {"model": (torch.cat(sets), asked), "held_out": (real, labels)}
        return {key: (self.classifier.classify(f) == y).float().mean().item() for key, (f, y) in pairs.items()}


def spread(values: list[float]) -> dict[str, float | None]:
    return {"mean": statistics.mean(values), "std": statistics.stdev(values) if len(values) > 1 else None}


def write(entry: zoo.Entry, network: nn.Module) -> None:
    """The files beside the weights: facts, card and contact sheet."""
    labels, columns = sheet_labels(len(entry.class_names))
    n = SHEET if labels is None else len(labels)
    facts = {**entry.facts, "sheet": {"n": n, "seed": SEED}, "failures": FAILURES.get(entry.name, UNSEEN)}
    entry = zoo.Entry(entry.name, entry.recipe, entry.sample_shape, entry.class_names, rounded(facts))
    picture = io.BytesIO()
    images = zoo.draw(network, entry.recipe, n, seed=SEED, labels=labels)
    plots.image_grid(images, columns=columns).save(picture, "WEBP", lossless=True, method=6)
    write_atomically(entry.sheet, picture.getvalue())
    write_atomically(entry.sheet.with_suffix(".json"), (json.dumps(entry.facts, indent=1) + "\n").encode())
    write_atomically(entry.sheet.with_suffix(".md"), entry.card.encode())


def rounded(value: Any) -> Any:
    """Numbers with the digits that mean something."""
    if isinstance(value, dict):
        return {key: rounded(of) for key, of in value.items()}
    return float(f"{value:.5g}") if isinstance(value, float) else value


# -- the command line --------------------------------------------------------------------------------------------------
def train_all(arguments: argparse.Namespace) -> None:
    failed = []
    for name in arguments.names:
        changes = CHANGES.get(name, {})
        try:
            file = train(
                recipe(name, **changes),
                arguments.out,
                device=arguments.device,
                minutes=arguments.minutes,
                checkpoints=not arguments.no_checkpoints,
                changes=changes,
            )
            print(f"{name}: {file}", flush=True)
        except DivergedError as error:  # the others may still train
            print(f"{name}: {error}", file=sys.stderr, flush=True)
            failed.append(name)
    if failed:
        raise SystemExit(f"diverged: {', '.join(failed)}")


def pack_all(arguments: argparse.Namespace) -> None:
    for name in arguments.names:
        pack(arguments.folder, name)
        print(f"made {zoo.weights_file(name)}, {zoo.entry(name).bytes:,} bytes", flush=True)


def measure_all(arguments: argparse.Namespace) -> None:
    for name in arguments.names:
        entry, network = zoo.entry(name), zoo.load(name)
        metrics = Judge(entry.recipe, entry.sample_shape).measure(network)
        facts = {**entry.facts, "metrics": metrics}
        write(zoo.Entry(name, entry.recipe, entry.sample_shape, entry.class_names, facts), network)


def card_all(arguments: argparse.Namespace) -> None:
    for name in arguments.names:
        write(zoo.entry(name), zoo.load(name))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)

    def command(name: str, run: Callable[[argparse.Namespace], None], help: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=help)
        added.set_defaults(run=run)
        added.add_argument("--threads", type=int, default=1, help="of the CPU (default: 1)")
        return added

    added = command("train", train_all, "train recipes")
    added.add_argument("names", nargs="+", metavar="NAME", help="of a recipe")
    added.add_argument("--out", type=Path, default=Path("runs/zoo"), help="folder of the runs (default: runs/zoo)")
    added.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps")
    added.add_argument("--minutes", type=float, help="stop each after so many, and keep what is there")
    added.add_argument("--no-checkpoints", action="store_true", help="for a machine that does not stay")
    added = command("pack", pack_all, "put trained generators into the zoo")
    added.add_argument("folder", type=Path, help="where 'train' left them")
    added.add_argument("names", nargs="+", metavar="NAME")
    for name, run, help in (
        ("measure", measure_all, "measure anew what is packed"),
        ("card", card_all, "write the cards and contact sheets anew"),
    ):
        command(name, run, help).add_argument("names", nargs="+", metavar="NAME")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    try:
        if arguments.run is train_all:
            for name in arguments.names:
                if name not in recipes():
                    raise unknown("recipe", name, recipes())
        arguments.run(arguments)
    except InputError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
