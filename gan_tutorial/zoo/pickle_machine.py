"""A reader of pickles that runs nothing: it follows a pickle's instructions as one would read any other list.

A pickle is a small program: it may name any function and have it called. Here, the standard library only splits the
file into instructions; what these do is below, all of it. A name becomes a mark, nothing is imported for it, and only
marks from a short list can be called, each through a function of ours (`pickle_names`). Memory and time are bound by
the file's size: a small file can't ask for much.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_STEPS = 1_000_000  # instructions in a file; the largest official one needs about a tenth
_SMALL = 1 << 16  # bytes that any file may ask for


class Refused(Exception):
    """Why a file isn't read: the end of a sentence that begins with its name."""


class Budget:
    """What a file may cost: so many instructions, and so many bytes in proportion to its own size."""

    def __init__(self, size: int) -> None:
        self.most, self.bytes, self.steps = size + _SMALL, 8 * size + _SMALL, _STEPS

    def step(self) -> None:
        self.steps -= 1
        check(self.steps >= 0, f"has more than {_STEPS} instructions, which no checkpoint needs")

    def take(self, count: int) -> None:
        self.bytes -= count
        check(count <= self.most and self.bytes >= 0, "asks for more memory than its size explains")


def check(condition: bool, reason: str) -> None:
    """Raise :class:`Refused` for this reason, unless the condition holds."""
    if not condition:
        raise Refused(reason)


def shown(text: object) -> str:
    """Something from inside a file, for a message: one short line of ASCII, so that a look-alike letter is seen."""
    text = getattr(text, "full", text)
    text = text if isinstance(text, str) else type(text).__name__
    return ascii(text if len(text) <= 100 else text[:100] + "...")


def keys(items: list[Any]) -> list[Any]:
    """Keys of dictionaries and members of sets. Hashing anything deeper could crash, or take very long."""
    check(all(type(k) is str or (type(k) is int and abs(k) < 1 << 31) for k in items), "has a key that isn't a name")
    return items


@dataclass(frozen=True, eq=False)
class Name:
    """A type or function on the list. Calling it calls `act` with the budget and with what the file gives."""

    full: str
    act: Callable[..., Any] | None = None
    constant: Any = None


class Unfinished:
    """A value that needs its state; `memo_keys` say where else the machine has it."""

    def __init__(self) -> None:
        self.memo_keys: list[int] = []

    def build(self, budget: Budget, state: tuple[Any, ...]) -> Any:
        """The value with its state, which takes its place."""
        raise NotImplementedError


class Machine:
    """The reader of one pickle: a stack of values, a memo of values seen, and what each instruction does with them.

    Args:
        names: what the pickle may name, (module, name) -> a constant or a mark.
        budget: shared with the files inside this one.
        load: what stands for a persistent id, with which torch's files refer to storages; None refuses them.
    """

    def __init__(
        self, names: dict[tuple[str, str], Any], budget: Budget, load: Callable[[Any], Any] | None = None
    ) -> None:
        self.names, self.budget, self.load = names, budget, load
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # the stacks under the marks
        self.memo: dict[int, Any] = {}

    def run(self, stream: io.BytesIO) -> Any:
        """The one value that the pickle at the stream's position stands for; the stream ends up behind it."""
        try:
            for instruction, argument, _ in pickletools.genops(stream):
                self.budget.step()
                self.act(instruction.name, argument)
            check(not self.below, "ends in the middle of a list")
            (value,) = self.stack
        except Refused:
            raise
        except Exception as error:  # genops alone raises half a dozen kinds, and all mean the same
            raise Refused(f"is cut short, damaged or no pickle near byte {stream.tell()}: download it again") from error
        return value

    def act(self, instruction: str, argument: Any) -> None:
        stack = self.stack
        match instruction:
            case "PROTO" | "FRAME" | "STOP":
                pass
            case "MEMOIZE":
                self.put(len(self.memo))
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                self.put(argument)
            case "GET" | "BINGET" | "LONG_BINGET":
                stack.append(self.memo[argument])
            case "INT" | "BININT" | "BININT1" | "BININT2" | "LONG" | "LONG1" | "LONG4":
                check(argument.bit_length() <= 128, "has an absurdly long number")
                stack.append(argument)
            case "FLOAT" | "BINFLOAT" | "UNICODE" | "SHORT_BINUNICODE" | "BINUNICODE" | "BINUNICODE8":
                stack.append(argument)
            case "STRING" | "BINSTRING" | "SHORT_BINSTRING":
                stack.append(argument)
            case "BINBYTES" | "SHORT_BINBYTES" | "BINBYTES8" | "BYTEARRAY8":
                stack.append(argument)
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                stack.append({"NONE": None, "NEWTRUE": True, "NEWFALSE": False}[instruction])
            case "EMPTY_LIST" | "EMPTY_TUPLE" | "EMPTY_DICT" | "EMPTY_SET":
                stack.append({"LIST": list, "TUPLE": tuple, "DICT": dict, "SET": set}[instruction[6:]]())
            case "MARK":
                self.below.append(stack)
                self.stack = []
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                count = int(instruction[-1])
                stack.append(tuple([stack.pop() for _ in range(count)][::-1]))
            case "TUPLE" | "LIST":
                items = self.pop_mark()
                self.stack.append(tuple(items) if instruction == "TUPLE" else items)
            case "DICT":
                items = self.pop_mark()
                self.stack.append({})
                self.extend(dict, items)
            case "FROZENSET":
                items = self.pop_mark()
                self.stack.append(frozenset(keys(items)))
            case "APPEND":
                self.extend(list, [stack.pop()])
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                self.extend(dict, [key, value])
            case "APPENDS" | "SETITEMS" | "ADDITEMS":
                kind = {"APPENDS": list, "SETITEMS": dict, "ADDITEMS": set}[instruction]
                self.extend(kind, self.pop_mark())
            case "DUP":
                stack.append(stack[-1])
            case "POP" if stack:
                stack.pop()
            case "POP" | "POP_MARK":
                self.pop_mark()
            case "GLOBAL" | "INST":
                self.name(*argument.split(" ", 1))
                check(instruction == "GLOBAL", "has the instruction INST, which is not read")
            case "STACK_GLOBAL":
                name, module = stack.pop(), stack.pop()
                self.name(module, name)
            case "REDUCE" | "NEWOBJ":
                arguments, called = stack.pop(), stack.pop()
                self.call(called, arguments)
            case "BUILD":
                self.build(stack.pop())
            case "BINPERSID" if self.load is not None:
                stack.append(self.load(stack.pop()))
            case _:  # OBJ, NEWOBJ_EX, PERSID, EXT1, EXT2, EXT4, NEXT_BUFFER, READONLY_BUFFER: in no checkpoint
                raise Refused(f"has the instruction {instruction}, which is not read")

    def put(self, key: int) -> None:
        self.memo[key] = self.stack[-1]
        if isinstance(self.stack[-1], Unfinished):
            self.stack[-1].memo_keys.append(key)

    def pop_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.below.pop()
        return items

    def extend(self, kind: type, items: list[Any]) -> None:
        """Add to the list, dictionary or set on top of the stack."""
        target = self.stack[-1]
        check(type(target) is kind, f"adds to something that isn't a {kind.__name__}")
        if kind is dict:
            target.update(zip(keys(items[::2]), items[1::2], strict=True))
        elif kind is set:
            target.update(keys(items))
        else:
            target.extend(items)

    def name(self, module: Any, name: Any) -> None:
        check(type(module) is str and type(name) is str, "names a type by something other than text")
        known, what = (module, name) in self.names, shown(f"{module}.{name}")
        check(known, f"asks for {what}, which is not on the list of types that are read; nothing of it was run")
        self.stack.append(self.names[module, name])

    def call(self, called: Any, arguments: Any) -> None:
        if type(called) is not Name or called.act is None or type(arguments) is not tuple:
            raise Refused(f"calls something that can't be called: {shown(called)}")
        try:
            self.stack.append(called.act(self.budget, *arguments))
        except Refused:
            raise
        except Exception as error:
            raise Refused(f"gives {called.full!r} what it does not take") from error

    def build(self, state: Any) -> None:
        """Give the value on top its state."""
        target = self.stack[-1]
        if type(target) is dict and type(state) is dict:
            return  # attributes, such as the `_metadata` of a state dict: not needed
        if not isinstance(target, Unfinished) or type(state) is not tuple:
            raise Refused(f"sets the state of a {shown(target)}, which is not done")
        self.stack[-1] = target.build(self.budget, state)
        self.memo.update(dict.fromkeys(target.memo_keys, self.stack[-1]))
        target.memo_keys = []
