"""What a user sees when something they gave is wrong: one line that names the parameter, its value, what is allowed."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from typing import Any


class InputError(ValueError):
    """Something the user gave is wrong. The message is one line; the command line prints it and exits with code 2."""


class CheckpointError(InputError):
    """A checkpoint can't be written or read. What was saved before is left as it was."""


class DivergedError(ArithmeticError):
    """A loss became NaN or infinite. The message names the step, the term, and what usually helps."""


def unknown(parameter: str, value: object, known: Iterable[str]) -> InputError:
    """The error for a name that is not in a registry; it suggests the nearest one."""
    names = sorted(known)
    near = difflib.get_close_matches(str(value), names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return InputError(f"{parameter}: {value!r} is not known; {hint}choose one of: {', '.join(names)}")


def require(condition: bool, parameter: str, value: object, allowed: str) -> None:
    """Raise :class:`InputError` naming `parameter`, its `value` and what is `allowed`, unless `condition` holds."""
    if not condition:
        raise InputError(f"{parameter}: {value!r} is not allowed; expected {allowed}")


def require_integer(parameter: str, value: Any, low: int, high: float = math.inf) -> None:
    """`value` must be an int (not a bool) with low <= value <= high."""
    limits = f"an integer >= {low}" + ("" if high == math.inf else f" and <= {high}")
    require(isinstance(value, int) and not isinstance(value, bool) and low <= value <= high, parameter, value, limits)


def require_number(parameter: str, value: Any, low: float, high: float = math.inf, open_high: bool = False) -> None:
    """`value` must be a finite real number with low <= value <= high (< high with `open_high`)."""
    limits = f"a finite number >= {low}" + ("" if high == math.inf else f" and {'<' if open_high else '<='} {high}")
    real = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    require(real and low <= value and (value < high if open_high else value <= high), parameter, value, limits)
