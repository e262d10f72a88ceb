"""Read files of tensors: safetensors, and what torch.save writes (.pt, .pth, .bin), without unpickling the latter."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from gan_tutorial.zoo.pickle_machine import Budget, Machine, check, shown
from gan_tutorial.zoo.pickle_names import TENSOR_NAMES, Storage, described, read_legacy
from gan_tutorial.zoo.plain_pickle import check_plain, content_of, one_line

_ENTRIES = 10_000


def read_torch(path: str | Path) -> Any:
    """The plain data that torch.save or safetensors wrote to `path`: often a dict of tensors, by name, on the CPU.

    torch.load is not asked even for weights only: it lets a small file claim any amount of memory. The pickle inside is
    read as :func:`gan_tutorial.zoo.plain_pickle.read` reads one, from zip archives as well as from the older format.

    Raises :class:`~gan_tutorial.errors.CheckpointError`, one line, for anything else than plain data, for a damaged
    file, and for an archive with odd names in it or with much more content than bytes.
    """
    path = Path(path)
    with one_line(path):
        content = content_of(path)
        if path.suffix.lower() == ".safetensors":
            return dict(sorted(safetensors.torch.load(content).items()))  # it has no order of its own
        budget = Budget(len(content))
        value = _read_zip(content, budget) if content[:2] == b"PK" else read_legacy(content, budget)
        check_plain(value)
    return value


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """The state dict in a file that :func:`read_torch` reads: tensors by name. Raises CheckpointError as it does, and
    if there is anything else than tensors in the file."""
    value = read_torch(path)
    with one_line(Path(path)):
        check(type(value) is dict, f"holds a {shown(value)}, not tensors by name")
        for name, tensor in value.items():
            what = f"has a {shown(tensor)} under {shown(name)}, where tensors by name are expected"
            check(type(name) is str and isinstance(tensor, Tensor), what)
    return value


def _read_zip(content: bytes, budget: Budget) -> Any:
    """An archive with ROOT/data.pkl, in which storages have persistent ids, and their numbers in ROOT/data/KEY."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = archive.infolist()
        check(len(entries) <= _ENTRIES, f"is an archive of more than {_ENTRIES} files")
        for entry in entries:
            name = entry.orig_filename
            sane = name.isprintable() and "\\" not in name and ".." not in name.split("/")
            check(sane and not name.startswith("/"), f"has a file with a name that leads elsewhere: {shown(name)}")
            plain = entry.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others could unpack to anything
            check(plain, "is an archive with a kind of compression that torch.save does not use")
        names = {entry.filename for entry in entries}
        check(len(names) == len(entries), "is an archive with two files of one name")
        # torch.save does not compress, so an honest archive is a little larger than what is in it.
        total = sum(entry.file_size for entry in entries)
        check(total <= 2 * len(content), f"unpacks to {total} bytes from {len(content)}: not done")
        pickles = [name for name in names if PurePosixPath(name).name == "data.pkl"]
        check(len(pickles) == 1, "is an archive that torch.save did not write: it has no data.pkl, or several")
        root = pickles[0].removesuffix("data.pkl")
        check(f"{root}constants.pkl" not in names, "is a TorchScript program; save its state_dict() instead")
        order = archive.read(f"{root}byteorder") if f"{root}byteorder" in names else b"little"
        check(order == b"little", "was saved on a machine with another byte order")
        storages: dict[str, Tensor] = {}

        def load(what: Any) -> Storage:
            key, dtype, count = described(what, 5)
            if key not in storages:
                check(f"{root}data/{key}" in names, f"lacks the numbers of storage {shown(key)}")
                raw = archive.read(f"{root}data/{key}")
                check(len(raw) == count * dtype.itemsize, "has a storage with another length than it says")
                budget.take(len(raw))
                storages[key] = torch.frombuffer(bytearray(raw), dtype=dtype) if raw else torch.empty(0, dtype=dtype)
            check(storages[key].dtype == dtype and len(storages[key]) == count, "describes a storage in two ways")
            return Storage(storages[key])

        stream = io.BytesIO(archive.read(pickles[0]))
        value = Machine(TENSOR_NAMES, budget, load).run(stream)
        check(stream.tell() == len(stream.getbuffer()), "goes on after its end")
    return value
