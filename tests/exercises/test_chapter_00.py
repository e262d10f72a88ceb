"""Chapter 0's exercises: what is right, what the typical wrong answers are told, and what is not judged."""

import math

import pytest
import torch

from gan_tutorial import data
from gan_tutorial.exercises import chapter_00, check, solved


def ring(radius=2.0, unit=1.0):
    angles = 2 * math.pi * torch.arange(8) / 8 * unit
    return lambda: radius * torch.stack([angles.cos(), angles.sin()], 1)


def test_right_answers():
    solved("0.1", 2)
    solved("0.2", ring())
    solved("0.2", lambda: ring()().flip(0))
    solved("0.2", lambda: data.load("ring-8").modes)
    solved("0.3", 1500 * 256)


def test_the_radius_is_that_of_the_data():
    assert torch.allclose(data.load("ring-8").modes.norm(dim=1), torch.tensor(chapter_00.RADIUS))


@pytest.mark.parametrize(("answer", "hint"), [(1, "who judges"), (3, "count the generator")])
def test_wrong_numbers_of_networks(answer, hint):
    assert hint in chapter_00.exercise_1(answer)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (ring(radius=1.0), "radius 1"),
        (ring(radius=3.0), "3.00"),
        (ring(unit=180 / math.pi), "radians"),
        (lambda: ring()()[:1].repeat(8, 1), "same point"),
        (lambda: ring()().T, "(2, 8)"),
    ],
)
def test_wrong_rings(answer, hint):
    assert hint in chapter_00.exercise_2(answer)


@pytest.mark.parametrize(
    ("answer", "hint"), [(1500, "whole batch"), (256, "1,500"), (768_000, "fakes"), (1, "multiply")]
)
def test_wrong_counts(answer, hint):
    assert hint in chapter_00.exercise_3(answer)


@pytest.mark.parametrize(("number", "answer"), [("0.1", None), ("0.2", lambda: None), ("0.3", None)])
def test_unanswered(number, answer, capsys):
    check(number, answer)
    assert "not yet" in capsys.readouterr().out
