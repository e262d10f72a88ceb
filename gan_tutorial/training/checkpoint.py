"""Checkpoints that survive anything: tensors in safetensors, the rest in JSON, written so that a crash loses nothing.

A checkpoint is `step-00001500.json`, which names its tensor file and that file's SHA-256. The tensor file is complete
on disk before the JSON appears, and the JSON appears in one rename: whatever moment a process dies at, the newest JSON
is a whole checkpoint. Nothing is ever unpickled.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from gan_tutorial.errors import CheckpointError

FORMAT = 1


def write_atomically(path: Path, content: bytes) -> None:
    """Put `content` at `path`: all of it or, after a crash or a full disk, what was there before."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if os.name == "posix":  # the rename itself must reach the disk
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def save(folder: Path, step: int, tensors: dict[str, Tensor], state: dict[str, Any], keep: int) -> Path:
    """Write a checkpoint, then drop all but the newest `keep`; returns the path of its JSON.

    Raises :class:`~gan_tutorial.errors.CheckpointError` if the disk refuses; older checkpoints are then untouched.
    """
    content = safetensors.torch.save({name: t.detach().cpu().clone().contiguous() for name, t in tensors.items()})
    digest = hashlib.sha256(content).hexdigest()
    entry = {
        "format": FORMAT,
        "step": step,
        "tensors": f"step-{step:08d}-{digest[:12]}.safetensors",
        "sha256": digest,
        "state": state,
    }
    path = folder / f"step-{step:08d}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / str(entry["tensors"]), content)
        write_atomically(path, json.dumps({**entry, "check": _check(entry)}, indent=1).encode())
    except OSError as error:
        raise CheckpointError(
            f"checkpoint: step {step} could not be written to {str(folder)!r} ({error.strerror or error}); "
            f"free some space or choose another folder. {_last_good(folder)}"
        ) from error
    _prune(folder, keep)
    return path


def _prune(folder: Path, keep: int) -> None:
    entries = steps(folder)
    for old in entries[:-keep]:
        old.unlink(missing_ok=True)
    used = set()
    for path in entries[-keep:]:
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            used.add(json.loads(path.read_text())["tensors"])
    # A damaged JSON says nothing about what it uses: then every tensor file stays.
    if len(used) == len(entries[-keep:]):
        for path in [*folder.glob("step-*.safetensors"), *folder.glob(".step-*.tmp")]:
            if path.name not in used:
                path.unlink(missing_ok=True)


def steps(folder: Path) -> list[Path]:
    """The checkpoints in a folder, oldest first."""
    return sorted(folder.glob("step-*.json"))


def load(path: Path, device: torch.device | str = "cpu") -> tuple[dict[str, Tensor], dict[str, Any], int]:
    """Tensors, state and step of the checkpoint whose JSON is at `path`.

    Raises :class:`~gan_tutorial.errors.CheckpointError` if it is missing, cut short, altered, or not one of ours.
    """
    try:
        entry = json.loads(path.read_bytes())
        check = entry.pop("check")
        name, digest, step, state = entry["tensors"], entry["sha256"], entry["step"], entry["state"]
        foreign = entry["format"] != FORMAT or Path(name).name != name
    except OSError as error:
        raise CheckpointError(f"checkpoint: {str(path)!r} can't be read ({error.strerror})") from error
    except (ValueError, TypeError, KeyError, AttributeError):
        raise _damaged(path, "it is not a checkpoint of this package, or was cut short") from None
    if foreign:
        raise _damaged(path, f"it is of another format than {FORMAT}, which this version reads")
    if check != _check(entry):
        raise _damaged(path, "it was changed after it was written")
    try:
        content = (path.parent / name).read_bytes()
    except OSError as error:
        raise _damaged(path, f"its tensors {name!r} can't be read ({error.strerror})") from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise _damaged(path, f"the SHA-256 of {name!r} is not the recorded one")
    return {key: t.to(device) for key, t in safetensors.torch.load(content).items()}, state, step


def _check(entry: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(entry, sort_keys=True).encode()).hexdigest()


def _damaged(path: Path, why: str) -> CheckpointError:
    older = [p for p in steps(path.parent) if p.name < path.name]
    way_out = f"move it away to go on from {older[-1].name!r}" if older else "there is no older one: start a new run"
    return CheckpointError(f"checkpoint: {str(path)!r} is damaged: {why}; {way_out}")


def _last_good(folder: Path) -> str:
    entries = steps(folder) if folder.is_dir() else []
    return f"The last good checkpoint is {str(entries[-1])!r}." if entries else "No checkpoint was written yet."
