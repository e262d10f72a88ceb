"""A run of the lab as one file: moments of it, what was done on the way, and its recipe. Plain numbers, never code."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from importlib import resources
from typing import Any

import torch
from safetensors.torch import load as read_tensors
from safetensors.torch import save as write_tensors
from torch import Tensor

from gan_tutorial.data import from_points
from gan_tutorial.errors import InputError, require, unknown
from gan_tutorial.live.code import Event
from gan_tutorial.live.diagnosis import Finding
from gan_tutorial.live.frame import Curve
from gan_tutorial.live.history import History, Moment, thinned
from gan_tutorial.training import Recipe
from gan_tutorial.training.trainer import Snapshot

FORMAT = "gan-tutorial lab run 2"
LIMIT = 8 * 2**20  # bytes of tensors beside the present moment's
_STARTS = resources.files("gan_tutorial.live") / "starts"


@dataclass(frozen=True)
class Saved:
    """A run as it was saved: its `recipe`, `seed`, the reader's own `dataset` (None: the recipe's) and `history`."""

    recipe: Recipe
    seed: int
    dataset: Any
    history: History


def dumps(recipe: Recipe, seed: int, dataset: Any, history: History) -> bytes:
    """The run up to the history's position as the bytes of a safetensors file; old moments are left out if they do not
    fit into 8 MB. Raises :class:`~gan_tutorial.errors.InputError` for data of one's own that are not a drawing."""
    own = getattr(dataset, "drawing", None)
    require(
        dataset is None or own is not None, "dataset", dataset, "the recipe's data or a drawing; others can't be saved"
    )
    present = history.position
    steps = history.steps[: present + 1]
    fits = max(1, LIMIT // max(1, history[present].nbytes))
    tensors: dict[str, Tensor] = {}
    moments: list[dict[str, Any]] = []
    for step in thinned(steps, fits):
        moment = history[steps.index(step)]
        for name, tensor in moment.snapshot.tensors.items():
            tensors[f"{len(moments)}/{name}"] = tensor.detach().cpu().contiguous().clone()
        moments.append({"step": step, "plain": moment.snapshot.plain, "beside": _packed(moment.beside)})
    if own is not None:
        tensors["drawing"] = own[0].contiguous()
    run = {
        "recipe": recipe.to_json(),
        "seed": seed,
        "moments": moments,
        "drawing": None if own is None else {"jitter": own[1], "extent": dataset.extent},
    }
    text = json.dumps(run)
    return write_tensors(tensors, {"format": FORMAT, "run": text, "sha256": _digest(text, tensors)})


def loads(content: bytes) -> Saved:
    """The run in the bytes of such a file; raises :class:`~gan_tutorial.errors.InputError` for anything else."""
    try:
        size = int.from_bytes(content[:8], "little")
        about = json.loads(content[8 : 8 + size])["__metadata__"]
        require(about["format"] == FORMAT, "file", about["format"], f"{FORMAT!r}")
        run, tensors = json.loads(about["run"]), read_tensors(bytes(content))
        if about["sha256"] != _digest(about["run"], tensors):
            raise ValueError
        dataset = None
        if run["drawing"] is not None:
            dataset = from_points(tensors["drawing"].numpy(), jitter=run["drawing"]["jitter"])
            dataset.extent = max(dataset.extent, float(run["drawing"]["extent"]))
        history = History()
        for i, moment in enumerate(run["moments"]):
            of_moment = {name.split("/", 1)[1]: t for name, t in tensors.items() if name.startswith(f"{i}/")}
            snapshot = Snapshot(int(moment["step"]), of_moment, moment["plain"])
            history.add(Moment(snapshot, _unpacked(moment["beside"])))
        require(len(history) > 0, "file", 0, "a run with at least one moment")
        return Saved(Recipe.from_json(run["recipe"]), int(run["seed"]), dataset, history)
    except InputError:
        raise
    except Exception as error:  # a foreign file can be wrong in any way
        raise InputError("file: this is not a run saved by the lab, or it is damaged; choose another file") from error


def starts() -> tuple[str, ...]:
    """The names of the runs that the package brings along."""
    return tuple(
        sorted(f.name.removesuffix(".safetensors") for f in _STARTS.iterdir() if f.name.endswith(".safetensors"))
    )


def start(name: str) -> bytes:
    """The file of one of :func:`starts`."""
    if name not in starts():
        raise unknown("start", name, starts())
    return (_STARTS / f"{name}.safetensors").read_bytes()


def _digest(run: str, tensors: dict[str, Tensor]) -> str:
    return hashlib.sha256(run.encode() + write_tensors(tensors)).hexdigest()


def _packed(beside: dict[str, Any]) -> dict[str, Any]:
    classes = beside["classes"]
    return {
        "curves": {name: curve.state() for name, curve in beside["curves"].items()},
        "events": [asdict(event) for event in beside["events"]],
        "classes": None if classes is None else classes.tolist(),
        "findings": [asdict(finding) for finding in beside["findings"]],
    }


def _unpacked(packed: dict[str, Any]) -> dict[str, Any]:
    classes = packed["classes"]
    return {
        "curves": {name: Curve.of(state) for name, state in packed["curves"].items()},
        "events": tuple(Event(**event) for event in packed["events"]),
        "classes": None if classes is None else torch.tensor(classes).numpy(),
        "findings": tuple(Finding(**finding) for finding in packed["findings"]),
    }
