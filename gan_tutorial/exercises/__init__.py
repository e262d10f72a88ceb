"""The exercises of the book: what a right answer must do, and what to tell a learner whose answer does not.

A check is a function of the answer that returns nothing if it is right and one line about what is off if not; it stands
in `chapter_NN.py` as `exercise_K` for exercise N.K. An answer that is still None, or a function that still returns
None, is not judged.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from typing import Any

from gan_tutorial.errors import InputError


class Unanswered(Exception):
    """There is no answer yet."""


def check(number: str, *answer: Any) -> None:
    """Print what to say about an answer to exercise `number`, such as "5.1": right, what is off, or not yet."""
    print(f"{number}: {_judged(number, answer) or 'right'}")


def solved(number: str, *answer: Any) -> None:
    """The same for an answer that has to be right; raises AssertionError if it is not."""
    found = _judged(number, answer)
    assert not found, f"{number}: {found}"
    print(f"{number}: right")


def called(function: Callable[..., Any], *args: Any) -> Any:
    """What the learner's function returns; one that returns None has not been written yet."""
    value = function(*args)
    if value is None:
        raise Unanswered
    return value


def _judged(number: str, answer: tuple[Any, ...]) -> str | None:
    exercise = _exercise(number)
    if any(a is None for a in answer):
        return "not yet: put your answer in"
    try:
        found = exercise(*answer)
    except Unanswered:
        return "not yet: your function returns None"
    except Exception as error:  # a learner's function may do anything
        return f"off: {type(error).__name__}: {error}".splitlines()[0]
    return f"off: {found}" if found else None


def _exercise(number: str) -> Callable[..., str | None]:
    parts = re.fullmatch(r"(\d+)(b?)\.(\d+)", number)
    try:
        if not parts:
            raise AttributeError
        name = f"{__name__}.chapter_{int(parts[1]):02d}{parts[2]}"
        exercise: Callable[..., str | None] = getattr(importlib.import_module(name), f"exercise_{parts[3]}")
    except (ModuleNotFoundError, AttributeError) as error:
        if isinstance(error, ModuleNotFoundError) and error.name != name:
            raise
        raise InputError(f"number: {number!r} is not an exercise of this book; expected chapter.exercise") from None
    return exercise
