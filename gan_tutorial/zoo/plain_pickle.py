"""Read the official StyleGAN2-ADA pickles, which carry Python source that their own loader runs, without running it."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gan_tutorial.errors import CheckpointError
from gan_tutorial.zoo.pickle_machine import Budget, Machine, Refused, check, shown
from gan_tutorial.zoo.pickle_names import OFFICIAL_NAMES, Persistent

_LARGEST = 2 << 30  # bytes in a file; the official ones have less than 400 MB
_DEPTH = 100  # levels of nesting; official files have about 30
_PARTS = 1_000_000  # values in what was read, one that is shared counted wherever it appears
_PLAIN = (type(None), bool, int, float, str, bytes, bytearray, np.number, np.bool_, np.ndarray, Tensor, torch.dtype)


def check_plain(value: Any) -> None:
    """Refuse what isn't plain data, contains itself, or is so deep or repeats itself so often that no one could use it.

    Plain are None, numbers, text, bytes, arrays, tensors, dtypes; Persistent, and dicts, lists, tuples, sets of them.
    """
    measured: dict[int, tuple[int, int]] = {}

    def measure(part: Any, depth: int) -> tuple[int, int]:
        """How many values there are in `part`, and how many levels."""
        if isinstance(part, _PLAIN):
            return 1, 1
        if id(part) not in measured:
            check(depth < _DEPTH, f"is nested more than {_DEPTH} levels deep, or contains itself")
            inner = part.state if type(part) is Persistent else part
            plain = type(inner) in (dict, list, tuple, set, frozenset)
            check(plain, f"has a {shown(part)} where plain data belongs")
            inside = [measure(x, depth + 1) for x in (inner.values() if type(inner) is dict else inner)]
            measured[id(part)] = (
                1 + sum(size for size, _ in inside),
                1 + max((levels for _, levels in inside), default=0),
            )
        size, levels = measured[id(part)]
        check(levels <= _DEPTH, f"is nested more than {_DEPTH} levels deep, or contains itself")
        check(size <= _PARTS, f"has more than {_PARTS} values, most of them the same ones again")
        return size, levels

    measure(value, 0)


@contextlib.contextmanager
def one_line(path: Path) -> Iterator[None]:
    """Whatever fails in here is the fault of the file at `path`: one CheckpointError of one line says so."""
    try:
        yield
    except CheckpointError:
        raise
    except Refused as refused:
        raise CheckpointError(f"checkpoint: {str(path)!r} {refused}") from None
    except OSError as error:
        raise CheckpointError(f"checkpoint: {str(path)!r} can't be read ({error.strerror or 'damaged'})") from None
    except Exception as error:
        raise CheckpointError(
            f"checkpoint: {str(path)!r} is damaged ({type(error).__name__}): download it again"
        ) from None


def content_of(path: Path) -> bytes:
    """The bytes of a file that is one, has any, and isn't of absurd size."""
    status = path.stat()
    check(path.is_file(), "is not a file")
    check(status.st_size > 0, "is empty: download it again")
    check(status.st_size <= _LARGEST, f"has {status.st_size} bytes; checkpoints have less than {_LARGEST}")
    return path.read_bytes()


def read(path: str | Path) -> Any:
    """The plain data in a pickle such as stylegan2-ada-pytorch writes; nothing in the file is executed or imported.

    There it is a dict with `G`, `D`, `G_ema` and `augment_pipe`, each a :class:`Persistent` or None, and
    `training_set_kwargs`. Tensors and parameters lie on the CPU; OrderedDict and EasyDict become dict.

    Raises :class:`~gan_tutorial.errors.CheckpointError`, one line, for anything else: a type that is not on the list
    (named), a file that is missing, damaged, cut short, or made to exhaust memory or time.
    """
    path = Path(path)
    with one_line(path):
        content = content_of(path)
        check(content[:2] != b"\x1f\x8b", "is compressed with gzip: unpack it first")
        check(content[:2] != b"PK", "is a zip archive, not a pickle: unpack it, or import it as a .pt file")
        stream = io.BytesIO(content)
        value = Machine(OFFICIAL_NAMES, Budget(len(content))).run(stream)
        check(stream.tell() == len(content), "goes on after its end")
        check_plain(value)
    return value
