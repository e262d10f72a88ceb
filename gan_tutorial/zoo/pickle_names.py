"""What the names in an official pickle stand for: the whole list, each with a function that checks what it is given.

Whatever comes from a file has its type checked first. A wrong number of arguments, or one that torch or NumPy does not
take, is an error that `Machine.call` words.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gan_tutorial.zoo.pickle_machine import Budget, Machine, Name, Refused, Unfinished, check, keys, shown

_MAGIC = (0x1950A86A20F9469CFC6C, 1001)  # what torch.save's files began with before they were zip archives
_STORAGES = {
    "Float": torch.float32,
    "Double": torch.float64,
    "Half": torch.float16,
    "BFloat16": torch.bfloat16,
    "Long": torch.int64,
    "Int": torch.int32,
    "Short": torch.int16,
    "Char": torch.int8,
    "Byte": torch.uint8,
    "Bool": torch.bool,
}
_BYTE_ORDERS = ("<", ">", "=", "|")
_NUMPY = {"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"}


@dataclass(frozen=True, eq=False)
class Persistent:
    """What an official network was saved as: the name of its class, and its attributes (`_parameters`, ...) by name.

    The Python source that stood beside them is dropped unread.
    """

    class_name: str
    state: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Storage:
    """The numbers that saved tensors are views of, (N,). A mark of its own, so that no tensor passes for it."""

    flat: Tensor


class _Numbers(Unfinished):
    """A NumPy type of plain numbers; its state says their byte order."""

    def __init__(self, code: str) -> None:
        super().__init__()
        self.code, self.order = code, "="

    def build(self, budget: Budget, state: tuple[Any, ...]) -> _Numbers:
        plain = len(state) == 8 and all(x is None for x in state[2:5]) and type(state[1]) is str
        check(plain and state[1] in _BYTE_ORDERS, "has a NumPy type with fields, or of other than plain numbers")
        self.order = state[1]
        return self


class _Array(Unfinished):
    """A NumPy array, whose state is all that it is."""

    def build(self, budget: Budget, state: tuple[Any, ...]) -> np.ndarray[Any, Any]:
        check(len(state) == 5, "has a NumPy array of an unknown version")
        _, shape, numbers, fortran, raw = state
        return _array(budget, raw, numbers, shape, "F" if fortran is True else "C")


def _dict(budget: Budget) -> dict[str, Any]:
    return {}


def _set(budget: Budget, items: list[Any]) -> set[Any]:
    check(type(items) is list, "makes a set of something other than a list")
    budget.take(64 * len(items))
    return set(keys(items))


def _bytes(budget: Budget, text: str, encoding: str) -> bytes:
    check(type(text) is str and type(encoding) is str and encoding == "latin1", "has bytes in an unusual form")
    budget.take(len(text))
    return text.encode("latin1")


def _persistent(budget: Budget, meta: dict[str, Any]) -> Persistent:
    check(type(meta) is dict and type(meta.get("type")) is str, "has a network that isn't described by a dictionary")
    kind, name, state = meta["type"], meta.get("class_name"), meta.get("state")
    check(kind == "class", f"has a persistent object of type {shown(kind)}, where 'class' is the one that is read")
    check(type(name) is str and len(name) <= 100 and name.isidentifier(), "has a network without a name")
    check(type(state) is dict, f"has a {shown(name)} whose state isn't a dictionary")
    return Persistent(meta["class_name"], meta["state"])


def _storage(budget: Budget, content: bytes) -> Storage:
    check(type(content) is bytes, "has a tensor's numbers in another form than bytes")
    check(content[:2] != b"PK", "has a zip archive where a tensor's numbers belong")
    result = read_legacy(content, budget)
    if type(result) is not Storage:
        raise Refused("has something other than numbers where a tensor's belong")
    return result


def _tensor(
    budget: Budget, storage: Storage, offset: int, shape: Any, strides: Any, grad: bool, hooks: Any, extra: Any = None
) -> Tensor:
    check(type(storage) is Storage, "has a tensor without numbers")
    check(type(shape) is tuple and type(strides) is tuple and len(shape) == len(strides) <= 16, "has an odd shape")
    check(all(type(v) is int and 0 <= v < 1 << 40 for v in (offset, *shape, *strides)), "has an odd shape")
    _no_extras(grad, hooks, extra)
    count, there = math.prod(shape), storage.flat.numel()
    last = offset + sum((length - 1) * stride for length, stride in zip(shape, strides, strict=True))
    check(count <= there and (count == 0 or last < there), "has a tensor that is larger than its numbers")
    budget.take(count * storage.flat.itemsize)  # a view costs nothing, but whoever copies many of one storage would pay
    view = storage.flat.as_strided(shape, strides, offset) if count else storage.flat.new_empty(shape)
    return view.requires_grad_(grad)


def _parameter(budget: Budget, data: Tensor, grad: bool, hooks: Any) -> nn.Parameter:
    check(isinstance(data, Tensor), "has a parameter that isn't a tensor")
    _no_extras(grad, hooks, None)
    return nn.Parameter(data.detach(), grad)


def _no_extras(grad: bool, hooks: Any, extra: Any) -> None:
    plain = type(grad) is bool and all(x is None or (type(x) is dict and not x) for x in (hooks, extra))
    check(plain, "has a tensor with hooks or other extras")


def _numbers(budget: Budget, code: str, align: bool, copy: bool) -> _Numbers:
    check(type(code) is str and code in _NUMPY, f"has a NumPy array of type {shown(code)}, which isn't plain numbers")
    return _Numbers(code)


def _array_to_come(budget: Budget, kind: Name, shape: Any, code: Any) -> _Array:
    check(type(kind) is Name and kind.full == "numpy.ndarray", "has a NumPy array of a special kind")
    return _Array()


def _array(
    budget: Budget, raw: bytes, numbers: _Numbers, shape: Any, order: str = "C", axes: Any = ()
) -> np.ndarray[Any, Any]:
    """Order "K" is a transposed array as it lies in memory, and the `axes` that turn it."""
    check(type(raw) in (bytes, bytearray) and type(numbers) is _Numbers, "has a NumPy array without type or content")
    check(type(shape) is tuple and all(type(v) is int and v >= 0 for v in shape), "has an odd shape")
    check(type(order) is str and order in ("C", "F", "K") and type(axes) is tuple, "has an odd shape")
    stored = np.dtype(numbers.order + numbers.code)
    check(math.prod(shape) * stored.itemsize == len(raw), "has a NumPy array whose size isn't that of its content")
    budget.take(len(raw))
    flat = np.frombuffer(raw, stored).astype(stored.newbyteorder("="))  # a copy, in this machine's byte order
    if order == "K":
        return flat.reshape(shape).transpose(axes)
    return flat.reshape(shape, order="F" if order == "F" else "C")


def _scalar(budget: Budget, numbers: _Numbers, raw: bytes) -> Any:
    return _array(budget, raw, numbers, ())[()]


_FUNCTIONS: dict[str, dict[str, Callable[..., Any] | None]] = {
    "torch._utils": {"_rebuild_tensor_v2": _tensor, "_rebuild_parameter": _parameter},
    "collections": {"OrderedDict": _dict},
    # Every module has a set (of names of buffers), and there are bytes: old protocols lack instructions for them.
    "builtins": {"set": _set},
    "__builtin__": {"set": _set},
    "_codecs": {"encode": _bytes},
    # A layer's gain is a NumPy scalar: sqrt 2. NumPy 2 renamed its modules; protocol 5 stores arrays its own way.
    "numpy": {"dtype": _numbers, "ndarray": None},
    "numpy.core.multiarray": {"scalar": _scalar, "_reconstruct": _array_to_come},
    "numpy._core.multiarray": {"scalar": _scalar, "_reconstruct": _array_to_come},
    "numpy.core.numeric": {"_frombuffer": _array},
    "numpy._core.numeric": {"_frombuffer": _array},
}
_OFFICIAL: dict[str, dict[str, Callable[..., Any] | None]] = {
    "torch_utils.persistence": {"_reconstruct_persistent_obj": _persistent},
    "torch.storage": {"_load_from_bytes": _storage},
    "dnnlib.util": {"EasyDict": _dict},
}


def _by_name(functions: dict[str, dict[str, Callable[..., Any] | None]]) -> dict[tuple[str, str], Any]:
    return {(m, name): Name(f"{m}.{name}", act) for m, names in functions.items() for name, act in names.items()}


# What a file by torch.save may name. A setting may be a dtype, and a storage says which it has: constants, both.
TENSOR_NAMES: dict[tuple[str, str], Any] = {
    **_by_name(_FUNCTIONS),
    **{("torch", str(dtype).removeprefix("torch.")): dtype for dtype in _STORAGES.values()},
    **{("torch", f"{kind}Storage"): Name(f"torch.{kind}Storage", constant=dtype) for kind, dtype in _STORAGES.items()},
}
# An official pickle names three more. Its storages' bytes may not: so they can't contain further files without end.
OFFICIAL_NAMES = TENSOR_NAMES | _by_name(_OFFICIAL)


def read_legacy(content: bytes, budget: Budget) -> Any:
    """What torch.save wrote in its older format: five pickles, then every storage's length and numbers.

    Storages inside official pickles have this format, and so have state dicts from before 2020.
    """
    stream, storages = io.BytesIO(content), dict[str, Tensor]()

    def load(what: Any) -> Storage:
        key, dtype, count = described(what, 6)
        if key not in storages:
            budget.take(count * dtype.itemsize)
            storages[key] = torch.empty(count, dtype=dtype)  # its numbers come after the pickles
        check(storages[key].dtype == dtype and len(storages[key]) == count, "describes a storage in two ways")
        return Storage(storages[key])

    for number in _MAGIC:
        check(Machine({}, budget).run(stream) == number, "isn't a file that torch.save wrote")
    about = Machine({}, budget).run(stream)
    check(type(about) is dict and about.get("little_endian") is True, "was saved on a machine with another byte order")
    result = Machine(TENSOR_NAMES, budget, load).run(stream)
    order = Machine({}, budget).run(stream)
    check(type(order) is list and set(keys(order)) == set(storages), "has other storages than its tensors need")
    for key in order:
        flat = storages[key]
        size = flat.numel() * flat.itemsize
        count, raw = int.from_bytes(stream.read(8), "little"), stream.read(size)
        check(count == flat.numel() and len(raw) == size, "is cut short, or a storage has another length than it says")
        if size:
            flat.copy_(torch.frombuffer(bytearray(raw), dtype=flat.dtype))
    check(stream.tell() == len(content), "goes on after its end")
    return result


def described(what: Any, length: int) -> tuple[str, torch.dtype, int]:
    """Key, type and number of values, from ("storage", type, key, device, values) or, older, with None behind these."""
    right = type(what) is tuple and len(what) == length and type(what[0]) is str and what[0] == "storage"
    right = right and type(what[1]) is Name and what[1].constant is not None and type(what[2]) is str
    check(right and type(what[4]) is int and what[4] >= 0 and what[5:] in ((), (None,)), "describes a storage oddly")
    return what[2], what[1].constant, what[4]
