"""The command line: a thin face over the package."""

from __future__ import annotations

import json
import os
import platform
import shlex
import signal
import sys
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column, Table
from rich.text import Text

from gan_tutorial.errors import DivergedError, InputError, require, unknown

app = typer.Typer(
    name="gan-tutorial",
    help="Train, sample and play with generative adversarial networks.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
out = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

NOTEBOOK = "05_training_loop.ipynb"
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps")]
Samples = Annotated[int, typer.Option(help="how many samples")]
ENDINGS = (".png", ".txt", ".wav")  # of files of samples
SampleFile = Annotated[
    Path | None,
    typer.Option("--out", help="file to write, new: PNG, for texts TXT, for sounds WAV or PNG; default: samples.*"),
]
Label = Annotated[str | None, typer.Option(metavar="CLASS", help="draw only this class, by name or number")]
Model = Annotated[str, typer.Argument(help="a name that 'gan-tutorial zoo list' shows")]


@app.command(
    epilog="Examples:\n\n"
    "gan-tutorial train dcgan-mnist --steps 1500\n\n"
    "gan-tutorial train ring-mlp --set loss=hinge --set model.g_width=64 --out runs/hinge\n\n"
    "gan-tutorial train dcgan-mnist --resume\n\n"
    "accelerate launch --multi_gpu --num_processes 2 -m gan_tutorial train dcgan-mnist"
)
def train(
    recipe: Annotated[str, typer.Argument(help="a name that 'gan-tutorial recipes' lists")],
    steps: Annotated[int | None, typer.Option(help="length of the whole run, in steps; default: the recipe's")] = None,
    device: Device = "auto",
    seed: Annotated[int, typer.Option(help="the same seed gives the same run")] = 0,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="change the recipe, e.g. lr_g=1e-4; repeatable"),
    ] = None,
    folder: Annotated[Path | None, typer.Option("--out", help="the run's folder; default: runs/RECIPE")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on from the newest checkpoint in the folder")] = False,
    tracker: Annotated[list[str] | None, typer.Option(help="also log to, e.g., tensorboard; repeatable")] = None,
) -> None:
    """Train a recipe; checkpoints, a log and sample grids go to the run's folder."""
    from gan_tutorial import plots
    from gan_tutorial.training import Trainer
    from gan_tutorial.training import recipe as recipe_named
    from gan_tutorial.training.checkpoint import write_atomically

    chosen = recipe_named(recipe).with_changes(_pairs(changes or []) | ({} if steps is None else {"steps": steps}))
    folder = folder or Path("runs") / recipe
    trainer = Trainer(chosen, device=device, seed=seed, out=folder, resume=resume, trackers=tuple(tracker or ()))
    first, total = trainer.rank == 0, chosen.steps
    if first and resume:
        out.print(
            f"going on at step {trainer.step}" if trainer.step else f"nothing saved in '{folder}': starting at step 0"
        )
    if trainer.step >= total:
        out.print(f"the run in '{folder}' already has its {total} steps; give --steps a larger number to go on")
        trainer.close()
        return
    samples = folder / "samples"
    try:
        with _held_ctrl_c() as pressed, _progress(disable=not (first and out.is_terminal)) as progress:
            task = progress.add_task("train", total=total, completed=trainer.step, losses="")
            for metrics in trainer.run(total - trainer.step):
                step = metrics["step"]
                if first and (step % chosen.sample_every == 0 or step == total):
                    samples.mkdir(exist_ok=True)
                    for ending, content in plots.sample_files(trainer.sheet(), trainer.dataset).items():
                        write_atomically(samples / f"step-{step:06d}{ending}", content)
                progress.update(task, completed=step)
                if first and step % 20 == 0:  # reading a loss waits for the device: seldom
                    progress.update(task, losses=_losses(metrics))
                if first and not out.is_terminal and (step % chosen.sample_every == 0 or step == total):
                    out.print(f"step {step} of {total}  {_losses(metrics)}")  # a log file can't show a moving bar
                if pressed:
                    raise KeyboardInterrupt
    except KeyboardInterrupt:
        trainer.save()
        again = shlex.join([*_command(), *[a for a in sys.argv[1:] if a != "--resume"], "--resume"])
        out.print(f"stopped and saved at step {trainer.step}; go on with:\n  {again}", soft_wrap=True)
        trainer.close()
        raise typer.Exit(130) from None
    trainer.close()
    if first:
        out.print(f"{total} steps done; checkpoints, log and samples are in '{folder}'", soft_wrap=True)


@app.command(
    epilog="Examples:\n\n"
    "gan-tutorial sample runs/dcgan-mnist --n 64 --out grid.png\n\n"
    "gan-tutorial sample runs/cgan-avatars --label hat"
)
def sample(
    run: Annotated[Path, typer.Argument(help="a run's folder")],
    n: Samples = 64,
    path: SampleFile = None,
    seed: Annotated[int, typer.Option(help="of the latents")] = 0,
    label: Label = None,
    device: Device = "auto",
) -> None:
    """Draw samples from a run's newest checkpoint."""
    from gan_tutorial.training import Trainer

    _check_n(n)
    if path is not None:
        _check_path(path, ENDINGS)
    trainer = Trainer.load(run, device=device)
    labels = _labels(label, trainer.dataset.label_names if trainer.recipe.conditional else (), n)
    path = _write_samples(path, trainer.sample(n, seed=seed, labels=labels), trainer.dataset)
    out.print(f"{n} samples of step {trainer.step} are in '{path}'", soft_wrap=True)


@app.command(
    epilog="Examples:\n\n"
    "gan-tutorial evaluate zoo:stylegan2-avatars --n 5000\n\n"
    "gan-tutorial evaluate runs/dcgan-mnist --metrics fid,precision,recall --out runs/dcgan-mnist\n\n"
    "gan-tutorial evaluate zoo:biggan-emoji --n 1000 --inception download"
)
def evaluate(
    source: Annotated[str, typer.Argument(help="a run's folder, or zoo: and the name of a model")],
    n: Annotated[int, typer.Option(help="how many samples")] = 10_000,
    metrics: Annotated[str | None, typer.Option(help="names with commas between them; default: all that fit")] = None,
    seed: Annotated[int, typer.Option(help="of the samples")] = 0,
    device: Device = "auto",
    inception: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|download",
            help="of images, also the FID of papers, with Inception-v3's weights; on a CPU half a second an image",
        ),
    ] = None,
    folder: Annotated[Path, typer.Option("--out", help="folder for evaluation.json and evaluation.html")] = Path(),
) -> None:
    """Measure a generator: each metric with an interval, beside what real samples have."""
    from gan_tutorial import evaluation

    files = [folder / f"evaluation.{ending}" for ending in ("json", "html")]
    for path in files:
        require(not path.exists(), "out", str(path), "a folder without an evaluation; move that one, or name another")
    names = None if metrics is None else [name.strip() for name in metrics.split(",")]
    found = evaluation.evaluate(source, n=n, metrics=names, seed=seed, device=device, inception=inception)
    page = evaluation.report(found, source, device)
    folder.mkdir(parents=True, exist_ok=True)
    for path, content in zip(files, (json.dumps(found, indent=1) + "\n", page), strict=True):
        _write(path, content.encode())
    few = f"{found['few']:,} samples"
    names_told = _names("metric", [of["name"] for of in found["metrics"].values()])
    table = Table(names_told, f"{n:,} samples", "95 % interval", few, "floor", box=SIMPLE_HEAD)
    for of in found["metrics"].values():
        told = evaluation.interval(of)
        table.add_row(of["name"], f"{of['value']:.3f}", told, f"{of['few']:.3f}", f"{of['floor']:.3f}")
    out.print(table)
    out.print(f"'{files[0]}' and '{files[1]}' hold this, and samples", soft_wrap=True)


zoo = typer.Typer(no_args_is_help=True, help="Pretrained generators: list them, read their cards, draw samples.")
app.add_typer(zoo, name="zoo")


@zoo.command("list")
def zoo_list() -> None:
    """List the pretrained generators: what they make, how good they were measured to be, what they were trained on."""
    from gan_tutorial.zoo import list as models
    from gan_tutorial.zoo.cards import columns, digits, makes

    names = _names("model", [entry.name for entry in models()])
    table = Table(names, "makes", "classes", "MB", "measured", "on", box=SIMPLE_HEAD)
    for entry in models():
        row = entry.facts["metrics"]["rows"]["model"]
        table.add_row(
            entry.name,
            makes(entry),
            str(len(entry.class_names) or ""),
            f"{entry.bytes / 1e6:.1f}",
            "\n".join(f"{name} {row[key]['mean']:.{digits(key)}f}" for key, name in columns(entry).items()),
            "CPU" if entry.facts["training"]["cpu_only"] else "GPU",
        )
    out.print(table)


@zoo.command("show", epilog="Example:  gan-tutorial zoo show dcgan-mnist")
def zoo_show(name: Model) -> None:
    """Print a model's card: data, recipe, what was measured, where it fails, licence."""
    from gan_tutorial.zoo import card

    out.print(card(name), markup=False, soft_wrap=True)


@zoo.command(
    "sample",
    epilog="Examples:\n\n"
    "gan-tutorial zoo sample dcgan-mnist --n 64 --out grid.png\n\n"
    "gan-tutorial zoo sample biggan-avatars --label hat --psi 0.5\n\n"
    "gan-tutorial zoo sample wavegan-drums --label snare --n 4 --out snares.wav\n\n"
    "gan-tutorial zoo sample seqgan-words --temperature 0.7",
)
def zoo_sample(
    name: Model,
    n: Samples = 64,
    path: SampleFile = None,
    seed: Annotated[int, typer.Option(help="of the latents")] = 0,
    label: Label = None,
    psi: Annotated[float | None, typer.Option(help="truncation: StyleGAN2's psi, or BigGAN's largest latent")] = None,
    temperature: Annotated[float | None, typer.Option(help="of texts: below 1, the likely gets likelier")] = None,
) -> None:
    """Draw samples from a pretrained generator."""
    from gan_tutorial import zoo as models

    _check_n(n)
    if path is not None:
        _check_path(path, ENDINGS)
    entry = models.entry(name)
    samples = models.sample(
        name, n, seed=seed, labels=_labels(label, entry.class_names, n), psi=psi, temperature=temperature
    )
    path = _write_samples(path, samples, entry.blueprint)
    out.print(f"{n} samples of {name} are in '{path}'", soft_wrap=True)


@zoo.command("push", epilog="Example:  gan-tutorial zoo push dcgan-mnist me/dcgan-mnist --private")
def zoo_push(
    name: Model,
    repo: Annotated[str, typer.Argument(metavar="REPO_ID", help="a repository of the Hugging Face Hub: user/name")],
    private: Annotated[bool, typer.Option("--private", help="make the repository a private one")] = False,
) -> None:
    """Put a model and its card on the Hugging Face Hub."""
    from gan_tutorial.zoo.hub import push_to_hub

    out.print(f"{name} is at {push_to_hub(name, repo, private=private or None)}", soft_wrap=True)


@app.command("recipes", epilog="Example:  gan-tutorial recipes dcgan-mnist")
def show_recipes(name: Annotated[str | None, typer.Argument(help="show every field of one recipe")] = None) -> None:
    """List the recipes, or show one."""
    from gan_tutorial.training import recipe, recipes

    if name is not None:
        out.print_json(json.dumps(recipe(name).to_json()))
        return
    table = Table(_names("recipe", recipes()), "data", "model", "loss", "steps", "what it is", box=SIMPLE_HEAD)
    for r in recipes().values():
        table.add_row(r.name, r.data, r.model, getattr(r.settings, "loss", r.algorithm), str(r.steps), r.summary)
    out.print(table)


@app.command("data")
def show_data() -> None:
    """List the data sets."""
    from gan_tutorial import data

    table = Table("data set", "what it is", "samples", "shape", "classes", "download", box=SIMPLE_HEAD)
    for name in data.names():
        d = data.describe(name)
        shape = "" if d.shape is None else "x".join(map(str, d.shape))
        samples = f"{d.samples:,}" if d.samples else "endless" if d.kind == "points" else ""
        table.add_row(name, d.summary, samples, shape, str(d.classes or ""), "yes" if d.download else "no")
    out.print(table)


@app.command(epilog="Examples:\n\ngan-tutorial lab\n\ngan-tutorial lab notebooks/05_training_loop.ipynb")
def lab(
    notebook: Annotated[Path | None, typer.Argument(help="a notebook; default: the chapter on training")] = None,
) -> None:
    """Open JupyterLab on a notebook with the live lab."""
    if notebook is None:
        chapter = Path("notebooks") / NOTEBOOK
        notebook = chapter if chapter.exists() else _starter(Path("gan_lab.ipynb"))
    require(notebook.exists(), "notebook", str(notebook), "an existing .ipynb file")
    try:
        metadata.version("jupyterlab")
    except metadata.PackageNotFoundError:
        raise InputError("lab: JupyterLab is not installed; install it with: pip install 'gan-tutorial[lab]'") from None
    os.execv(sys.executable, [sys.executable, "-m", "jupyter", *_lab_arguments(notebook.resolve(), Path.cwd())])


@app.command(epilog="Example:  gan-tutorial reproduce ring-modes --seeds 10")
def reproduce(
    name: Annotated[str, typer.Argument(help="an experiment's name; 'list' shows them")],
    seeds: Annotated[int, typer.Option(help="how many seeds, from 0 on")] = 5,
    folder: Annotated[Path, typer.Option("--out", help="folder for the results page")] = Path("book/experiments"),
) -> None:
    """Run an experiment behind one of the book's claims, and write its results page."""
    from gan_tutorial.errors import require_integer
    from gan_tutorial.experiments import EXPERIMENTS, experiment
    from gan_tutorial.training.checkpoint import write_atomically

    if name == "list":
        for known, run in EXPERIMENTS.items():
            out.print(f"{known:24}{(sys.modules[run.__module__].__doc__ or '').splitlines()[0]}")
        return
    require_integer("seeds", seeds, 1)
    run, start = experiment(name), time.perf_counter()
    page = run(list(range(seeds)))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / f"{name}.md", page.markdown(time.perf_counter() - start, seeds).encode())
        if page.picture is not None:
            write_atomically(folder / f"{name}.png", page.picture)
    except OSError as error:
        raise InputError(f"out: {str(folder)!r} can't be written ({error.strerror})") from error
    out.print(f"{page.finding}\nThe page is '{folder / name}.md'", soft_wrap=True)


@app.command()
def info() -> None:
    """Show versions and devices, for bug reports."""
    import torch

    import gan_tutorial

    table = Table("what", "value", show_header=False, box=SIMPLE_HEAD)
    table.add_row("gan-tutorial", gan_tutorial.__version__)
    table.add_row("Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    for package in ("torch", "numpy", "accelerate", "safetensors", "ipywidgets", "jupyterlab", "matplotlib"):
        try:
            table.add_row(package, metadata.version(package))
        except metadata.PackageNotFoundError:
            table.add_row(package, "not installed")
    table.add_row("CPU", f"{os.cpu_count()} cores, torch uses {torch.get_num_threads()}")
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        table.add_row(f"cuda:{index}", f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB")
    if not torch.cuda.is_available():
        table.add_row("CUDA", "none")
    table.add_row("MPS", "yes" if torch.backends.mps.is_available() else "none")
    out.print(table)


def _pairs(changes: list[str]) -> dict[str, Any]:
    pairs: dict[str, Any] = {}
    for change in changes:
        name, equals, value = change.partition("=")
        require(bool(name and equals), "--set", change, "KEY=VALUE, for example lr_g=1e-4")
        pairs[name.strip()] = value.strip()
    return pairs


def _check_n(n: int) -> None:
    require(1 <= n <= 10_000, "n", n, "an integer from 1 to 10000")


def _check_path(path: Path, endings: Iterable[str]) -> None:
    require(not path.exists(), "out", str(path), "a file that does not exist yet")
    require(path.suffix.lower() in endings, "out", str(path), f"a name that ends in {' or '.join(endings)}")


def _write_samples(path: Path | None, samples: Any, of: Any) -> Path:
    """Write samples of the kind of `of`, a data set or a blueprint, into the file `path`, or into samples.*; which one
    it was."""
    from gan_tutorial import plots

    files = plots.sample_files(samples, of)
    path = Path("samples" + next(iter(files))) if path is None else path
    _check_path(path, files)
    _write(path, files[path.suffix.lower()])
    return path


def _write(path: Path, picture: bytes) -> None:
    from gan_tutorial.training.checkpoint import write_atomically

    try:
        write_atomically(path, picture)
    except OSError as error:
        raise InputError(f"out: {str(path)!r} can't be written ({error.strerror})") from error


def _labels(label: str | None, names: Sequence[str], n: int) -> Any:
    """n times the class called `label`, or with that number; None if none is asked for."""
    import torch

    if label is None:
        return None
    require(bool(names), "label", label, "none, since this model has no classes")
    known = {**{str(i): i for i in range(len(names))}, **{name: i for i, name in enumerate(names)}}
    if label not in known:
        raise unknown("label", label, names)
    return torch.full((n,), known[label])


class _Speed(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:.1f} steps/s")


def _progress(disable: bool) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Speed(),
        TextColumn("{task.fields[losses]}"),
        TimeRemainingColumn(),
        console=out,
        disable=disable,
    )


def _names(title: str, names: Iterable[str]) -> Column:
    """The column of `names`, which have to be typed again: however narrow the window, none is cut short."""
    return Column(title, min_width=max(map(len, names), default=0))


def _losses(metrics: dict[str, Any]) -> str:
    said = {"nll": "nll", "reward": "reward", "d_loss": "D", "g_loss": "G"}
    return "  ".join(f"{label} {float(metrics[k]):.3f}" for k, label in said.items() if k in metrics)


def _command() -> list[str]:
    """How this program was called, for a line that can be pasted."""
    name = Path(sys.argv[0]).name
    return [name] if name == "gan-tutorial" else ["python", "-m", "gan_tutorial"]


def _lab_arguments(notebook: Path, here: Path) -> list[str]:
    """JupyterLab with the notebook as its first page, also for those who copy the printed address by hand."""
    root = here if notebook.is_relative_to(here) else notebook.parent
    first = quote(f"/lab/tree/{notebook.relative_to(root).as_posix()}")
    as_root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []  # in a container, say
    quiet = "--LabApp.news_url=None"  # no request to anywhere, no question over the first page
    return ["lab", f"--ServerApp.root_dir={root}", f"--LabApp.default_url={first}", quiet, *as_root]


def _starter(path: Path) -> Path:
    """A two-cell notebook with the lab, for those who have the package and not the book; an existing one is kept."""
    if not path.exists():
        source = 'from gan_tutorial.live import Lab\n\nlab = Lab("dcgan-mnist")\nlab'
        cell: dict[str, Any] = {
            "cell_type": "code",
            "id": "lab",
            "execution_count": None,
            "metadata": {},
            "outputs": [],
            "source": source,
        }
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        notebook = {"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
        path.write_text(json.dumps(notebook, indent=1), encoding="utf-8")
    return path


def _note(message: Warning | str, *_: Any, **__: Any) -> None:
    errors.print(f"[yellow]note:[/] {escape(str(message))}", soft_wrap=True)


@contextmanager
def _held_ctrl_c() -> Iterator[list[int]]:
    """Notes Ctrl-C in the list instead of raising at once: an exception that is raised while Python cleans something up
    would be lost. A second one does raise at once."""
    pressed: list[int] = []

    def note(number: int, frame: Any) -> None:
        pressed.append(number)
        if len(pressed) > 1:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, note)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)


def main() -> None:
    """Run the command line; what the user got wrong is one line and exit code 2, a diverged run one line and code 1."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _note
            app(prog_name="gan-tutorial")
    except InputError as error:
        errors.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
        sys.exit(2)
    except DivergedError as error:
        errors.print(f"[bold red]stopped:[/] {escape(str(error))}", soft_wrap=True)
        sys.exit(1)
    except SystemExit as ended:
        if ended.code or int(os.environ.get("WORLD_SIZE", "1")) == 1:
            raise
        # Everything is written. One of several processes was seen aborted (SIGABRT) while it took itself apart.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
