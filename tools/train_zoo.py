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
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from PIL import Image
from torch import Tensor, nn

from gan_tutorial import data, models, plots, zoo
from gan_tutorial.errors import DivergedError, InputError, require, unknown
from gan_tutorial.judges import Judge, judge, spread
from gan_tutorial.training import Recipe, Trainer, recipe, recipes
from gan_tutorial.training.checkpoint import write_atomically

SEED = 0
COMPARED = 1000  # samples that are made before packing and after
SHEET = {"image": 64, "translation": 42, "sound": 36, "text": 64}
LOSSES = ("nll", "reward", "d_loss", "g_loss")
SAVE_SECONDS = 60.0
STANDING = (100, 64)  # batches, and samples in each
# Some recipes are shorter in the book.
CHANGES: dict[str, dict[str, Any]] = {
    "dcgan-mnist": {"steps": 6000},
    "dcgan-avatars": {"steps": 3000},
    "cgan-avatars": {"steps": 6000},
}
# What people saw who looked at many samples.
FAILURES = {
    "dcgan-mnist": "Of the 64 samples above, about eight are no digit, or stand between two; very thick strokes fill "
    "the holes of an 8 or a 9. It knows one small data set of one kind of handwriting, and is for teaching.",
    "dcgan-avatars": "Surfaces that are plain in real avatars are mottled: skin, hair, the background. Hats have a "
    "chequered brim now and then, eyes differ in size, and the outlines of hair fray.",
    "cgan-avatars": "Stray pixels at the edges of hair and hats, and now and then a mouth that has run into the chin.",
    "biggan-avatars": "Of the 64 samples above, three with a hat have a face washed out to white and blue, and some "
    "have no mouth. Colours of the background are paler than real ones.",
    "r3gan-avatars": "Eyes of two sizes, glasses that end in the air, hair that frays. Nearly every trait of the real "
    "avatars turns up, but not in every combination: the training stopped long before its end.",
    "stylegan2-avatars": "Plain surfaces are blotchy and edges soft, where those of real avatars are exact. A few "
    "faces have glasses that run into the eyes, ragged hair, or one eye larger than the other.",
    "stylegan2-emoji": "Flags, and round yellow faces with eyes and a mouth, can be recognised; most of the others are "
    "blots in the colours of emoji. Edges are wavy, and nothing is sharp: it made less than a quarter of the steps of "
    "its recipe. The judge is weak too: it finds the right group of 62 % of the real pictures, so its numbers flatter "
    "the model.",
    "biggan-emoji": "Smileys and flags can be recognised; most of the others are blots in the colours and outlines of "
    "their group. Its 1,544 pictures are few, and a group holds many different things. The judge is weak too: it finds "
    "the right group of 62 % of the real pictures, so its numbers flatter the model.",
    "wavegan-drums": "Every drum can be told, but behind the hit lies a soft noise that real ones lack, kicks and toms "
    "have a hiss in them, and the drums of a class are more alike than real ones are.",
    "seqgan-words": "About one sample in five is a word of the training set. Most of the others sound like English and "
    "mean nothing; some are two words run together, and the longest break off at the twelfth letter. The adversarial "
    "rounds changed little: nearly all that it knows comes from imitation.",
    "seqgan-poems": "The form is right, pairs of characters are familiar, and now and then a line could stand in a "
    "poem. A whole poem has no sense, no two lines belong together, and lines 2 and 4 rhyme no more often than chance. "
    "It stands on 9,517 poems, and more training would learn them by heart.",
    "cyclegan-digits": "One handwritten digit in twenty becomes another printed one: a 3 a 5, a 5 an 8. Digits written "
    "in an unusual way (a 4 that is closed, a 1 that lies) become prints that nobody can read. Strokes break now and "
    "then, both ways, and in handwriting the loops of a heavy 8 run full.",
    "cyclegan-glasses": "Glasses that it puts on are sometimes paler than real ones, or stand a pixel off. Taking them "
    "off leaves a shadow around the eyes of a few faces; and where dark glasses hid the eyes, it makes some up. Yet "
    "the way back often finds the very glasses again, from traces too faint to see.",
    "pix2pix-edges-avatars": "An outline does not tell colours, so it makes them up, and takes the same few too often: "
    "brown hair, red hats, green clothes. Fine patterns, such as stripes of a hat, run into each other here and there.",
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
    of: Any = trainer.dataset
    known = of.is_image or of.is_sound or of.is_text
    require(known, "recipe", chosen.name, "one that makes images, sounds or texts")
    start = saved = time.monotonic()
    for metrics in trainer.run():
        now = time.monotonic()
        late = minutes is not None and now - start > 60 * minutes
        if now - saved > SAVE_SECONDS or late:
            if checkpoints:
                trainer.save()
            save(trainer, file, before + now - start, changes or {})
            losses = " ".join(f"{key} {float(metrics[key]):.3f}" for key in LOSSES if key in metrics)
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
    blueprint = zoo.Blueprint.of(trainer.recipe, of)
    training = {
        "seed": trainer.seed,
        "changes": changes,
        "data": len(of.a) + len(of.b) if blueprint.is_translation else len(of),
        "steps": trainer.step,
        "samples": trainer.step * trainer.recipe.batch_size * getattr(trainer.settings, "n_critic", 1),
        "seconds": seconds,
        "device": device_name(trainer.device),
        "cpu_only": trainer.device.type == "cpu",
        "precision": precision(trainer),
        "torch": torch.__version__.split("+")[0],
    }
    write_atomically(file, zoo.packed(tensors, blueprint, training=training))
    labels, n = sheet_labels(blueprint)
    samples = trainer.sheet() if blueprint.is_translation else trainer.sample(n, labels=labels)
    ending, content = sheet(samples, blueprint)
    write_atomically(file.parent / f"{trainer.recipe.name}{ending}", content)


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


def sheet_labels(blueprint: zoo.Blueprint) -> tuple[Tensor | None, int]:
    """Labels of the contact sheet, the same in each row, and how many samples it has."""
    n, classes = SHEET[blueprint.kind], len(blueprint.class_names)
    if not classes:
        return None, n
    columns = -(-n // classes)
    return torch.arange(classes).repeat_interleave(columns), columns * classes


def sheet(samples: Tensor, blueprint: zoo.Blueprint) -> tuple[str, bytes]:
    """The ending of a file of samples, ".png" or ".txt", and what it holds; a row for each class."""
    if blueprint.is_text:
        return ".txt", plots.sample_files(samples, blueprint)[".txt"]
    columns = -(-len(samples) // len(blueprint.class_names)) if blueprint.class_names else None
    if blueprint.is_sound:
        return ".png", plots.png(plots.spectrograms(samples, blueprint.sample_rate or 0, columns=columns))
    return ".png", plots.png(plots.image_grid(samples, columns=columns))


# -- packing -----------------------------------------------------------------------------------------------------------
def pack(folder: Path, name: str, n: int | None = None) -> None:
    """Measure the trained generator `name` in `folder`, and put it into the zoo."""
    file = folder / f"{name}.trained.safetensors"
    require(file.exists(), "folder", str(folder), f"one that holds {file.name}, which 'train' writes")
    about = zoo.header(file)
    blueprint = zoo.Blueprint.from_json(about)
    exact = zoo.filled(zoo.fresh(blueprint), safetensors.torch.load_file(file))
    packing: dict[str, Any] = {}
    if blueprint.recipe.model == "biggan":
        models.biggan.standing_statistics(exact, *STANDING, rng=torch.Generator().manual_seed(SEED))
        packing["standing_statistics"] = STANDING[0] * STANDING[1]
    whole, compared = exact.state_dict(), {}
    by = judge(blueprint.recipe, n)
    for storage, tensors in (("float16", {key: half(t) for key, t in whole.items()}), ("float32", whole)):
        network = zoo.filled(zoo.fresh(blueprint), tensors)
        if storage == "float16":
            compared = compare(exact, network, by, min(by.n, COMPARED))
        if storage == "float32" or lossless(compared):
            break
    content = zoo.packed(tensors, blueprint)
    facts: dict[str, Any] = {
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "parameters": sum(p.numel() for p in network.parameters()),
        "training": about["training"],
        "packing": packing | {"storage": storage, **compared},
        "metrics": by.measure(network),
    }
    write_atomically(zoo.FOLDER / f"{name}.safetensors", content)
    write(zoo.Entry(name, blueprint, facts), network)


def half(t: Tensor) -> Tensor:
    """`t` as float16, unless it is of integers or too large for it."""
    small = t.half() if t.is_floating_point() else t
    return small if small.isfinite().all() else t


def compare(exact: nn.Module, packed: nn.Module, by: Judge, n: int) -> dict[str, Any]:
    """What rounding the weights does to `n` samples."""
    before, after = (by.samples(network, n, SEED) for network in (exact, packed))
    found: dict[str, Any] = {"n": n, "times": 1}
    if by.blueprint.is_text:
        found["changed"] = (before != after).any(1).double().mean().item()
    else:
        change = (before - after).abs()
        found |= {"largest_change": float(change.max()), "mean_change": float(change.mean())}
    scores = {when: spread([by.score(x)]) for when, x in (("before", before), ("after", after))}
    return found | {"score": by.SCORE, **scores}


def lossless(compared: dict[str, Any]) -> bool:
    """Whether the score moved by less than 1 % (or 0.01): far less than from one sampling seed to the next."""
    before, after = (compared[key]["mean"] for key in ("before", "after"))
    return abs(after - before) <= max(0.01 * before, 0.01)


def write(entry: zoo.Entry, network: nn.Module) -> None:
    """The files beside the weights: facts, card and contact sheet."""
    labels, n = sheet_labels(entry.blueprint)
    facts = {**entry.facts, "sheet": {"n": n, "seed": SEED}, "failures": FAILURES.get(entry.name, UNSEEN)}
    entry = zoo.Entry(entry.name, entry.blueprint, rounded(facts))
    ending, content = sheet(drawn(network, entry, n, labels), entry.blueprint)
    if ending == ".png":
        with Image.open(io.BytesIO(content)) as picture, io.BytesIO() as smaller:
            picture.convert("RGB").save(smaller, "WEBP", lossless=True, method=6)
            content = smaller.getvalue()
    write_atomically(entry.sheet, content)
    beside = zoo.FOLDER / f"{entry.name}.safetensors"
    write_atomically(beside.with_suffix(".json"), (json.dumps(entry.facts, indent=1) + "\n").encode())
    write_atomically(beside.with_suffix(".md"), entry.card.encode())


def drawn(network: nn.Module, entry: zoo.Entry, n: int, labels: Tensor | None) -> Tensor:
    """What the contact sheet shows."""
    if not entry.blueprint.is_translation:
        return zoo.draw(network, entry.recipe, n, seed=SEED, labels=labels)
    held_out: Any = data.load(entry.recipe.data, "test", **entry.recipe.data_options)

    def translate(x: Tensor, direction: str) -> Tensor:
        return torch.cat([*zoo.translations(network, x, direction)])

    return held_out.sheet(translate, network.directions, SEED)


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
        facts = {**entry.facts, "metrics": judge(entry.recipe).measure(network)}
        write(zoo.Entry(name, entry.blueprint, facts), network)


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
