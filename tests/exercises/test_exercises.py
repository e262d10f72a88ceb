"""What a learner is told about an answer, whatever the exercise."""

import re
import sys
from types import ModuleType

import numpy as np
import pytest
import torch

from gan_tutorial import exercises
from gan_tutorial.errors import InputError
from gan_tutorial.exercises import called, check, solved


@pytest.fixture(autouse=True)
def chapter(monkeypatch):
    """A chapter of its own, 98, with three exercises; and 98b, with one."""
    for name in ("98", "98b"):
        module = ModuleType(f"{exercises.__name__}.chapter_{name}")
        module.exercise_1 = lambda answer: None if abs(answer - 2) < 0.1 else f"{answer} is not twice 1"
        module.exercise_2 = lambda f: None if called(f, 3) == 9 else "3 squared is 9"
        module.exercise_3 = lambda x, y: None if len(x) == len(y) else "x and y differ in length"
        monkeypatch.setitem(sys.modules, module.__name__, module)


@pytest.mark.parametrize(
    ("number", "answer", "said"),
    [
        ("98.1", (2,), "98.1: right"),
        ("98.1", (3,), "98.1: off: 3 is not twice 1"),
        ("98.1", (None,), "98.1: not yet: put your answer in"),
        ("98.1", ("two",), "98.1: off: TypeError: unsupported operand type(s) for -: 'str' and 'int'"),
        ("98b.1", (2,), "98b.1: right"),
        ("98.2", (lambda x: x * x,), "98.2: right"),
        ("98.2", (lambda x: x + x,), "98.2: off: 3 squared is 9"),
        ("98.2", (lambda x: None,), "98.2: not yet: your function returns None"),
        ("98.2", (lambda x: x / 0,), "98.2: off: ZeroDivisionError: division by zero"),
        ("98.2", (lambda: 9,), "98.2: off: TypeError: <lambda>() takes 0 positional arguments but 1 was given"),
        ("98.3", ([1], [2]), "98.3: right"),
        ("98.3", ([1], None), "98.3: not yet: put your answer in"),
        ("98.3", (np.zeros(3), torch.zeros(3)), "98.3: right"),
        ("98.3", (torch.zeros(2), np.zeros(3)), "98.3: off: x and y differ in length"),
    ],
)
def test_a_learner_is_told(number, answer, said, capsys):
    check(number, *answer)
    assert capsys.readouterr().out == said + "\n"


def test_an_error_of_many_lines_is_told_in_one(capsys):
    def fails(x):
        raise ValueError("first\nsecond")

    check("98.2", fails)
    assert capsys.readouterr().out == "98.2: off: ValueError: first\n"


def test_a_learners_own_input_error_is_told_too(capsys):
    def fails(x):
        raise InputError("steps: -1 is not allowed; expected an integer >= 1")

    check("98.2", fails)
    assert capsys.readouterr().out == "98.2: off: InputError: steps: -1 is not allowed; expected an integer >= 1\n"


def test_a_solution_has_to_be_right(capsys):
    solved("98.1", 2.05)
    assert capsys.readouterr().out == "98.1: right\n"
    for wrong, said in ((3, "98.1: off: 3 is not twice 1"), (None, "98.1: not yet: put your answer in")):
        with pytest.raises(AssertionError, match=re.escape(said)):
            solved("98.1", wrong)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("number", ["98.9", "97.1", "98", "98.", ".1", "98.one", "x.1", "", "98.1.1", "98c.1"])
@pytest.mark.parametrize("judge", [check, solved])
def test_an_unknown_exercise_is_the_books_mistake(number, judge):
    message = f"number: {number!r} is not an exercise of this book; expected chapter.exercise"
    with pytest.raises(InputError, match=re.escape(message)):
        judge(number, 2)


def test_a_chapter_that_does_not_import_says_why(monkeypatch):
    import importlib

    def fails(name):
        raise ModuleNotFoundError("No module named 'nothing'", name="nothing")

    monkeypatch.setattr(importlib, "import_module", fails)
    with pytest.raises(ModuleNotFoundError, match="nothing"):
        check("98.1", 2)


def test_called_hands_on_arguments_and_value():
    assert called(lambda a, b: a - b, 5, 3) == 2
    assert torch.equal(called(torch.ones, 2), torch.ones(2))
    with pytest.raises(exercises.Unanswered):
        called(lambda: None)
