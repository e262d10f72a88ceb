"""The checks of chapter 2's exercises: right answers pass, typical wrong ones are told what is off."""

import math

import pytest
import torch

from gan_tutorial.exercises import check, solved


def said(capsys, number, *answer):
    check(number, *answer)
    return capsys.readouterr().out.strip()


def test_equilibrium(capsys):
    solved("2.1", 3 / 7, 2 / 7)
    solved("2.1", 0.43, 0.29)
    capsys.readouterr()
    assert "wrong way round" in said(capsys, "2.1", 2 / 7, 3 / 7)
    assert "D could still gain" in said(capsys, "2.1", 1 / 3, 1 / 3)
    assert "G could still gain" in said(capsys, "2.1", 1 / 3, 2 / 7)
    assert "from 0 to 1" in said(capsys, "2.1", 3, 2)
    assert "not yet" in said(capsys, "2.1", None, 2 / 7)


@pytest.mark.parametrize("factor", [1, 2, -0.5])
def test_conserved(capsys, factor):
    solved("2.2", lambda x, y, eta: factor * (x**2 + eta * x * y + y**2))
    capsys.readouterr()
    assert "sign of the mixed term" in said(capsys, "2.2", lambda x, y, eta: factor * (x**2 - eta * x * y + y**2))


def test_not_conserved(capsys):
    assert "mixed term with x * y is missing" in said(capsys, "2.2", lambda x, y, eta: x**2 + y**2)
    assert "factor of the mixed term" in said(capsys, "2.2", lambda x, y, eta: x**2 + 2 * eta * x * y + y**2)
    assert "factor of the mixed term" in said(capsys, "2.2", lambda x, y, eta: x**2 + x * y / 2 + y**2)
    assert "depend on x and y" in said(capsys, "2.2", lambda x, y, eta: eta)
    assert "returns None" in said(capsys, "2.2", lambda x, y, eta: None)


def test_best_step(capsys):
    solved("2.3", math.sqrt(0.5))
    solved("2.3", 0.71)
    capsys.readouterr()
    assert "its root" in said(capsys, "2.3", 0.5)
    assert "does not shrink at all" in said(capsys, "2.3", 1)
    assert "does not shrink at all" in said(capsys, "2.3", 0)
    assert "a larger one" in said(capsys, "2.3", 0.3)
    assert "a smaller one" in said(capsys, "2.3", 0.9)
    assert "not yet" in said(capsys, "2.3", None)


def one_hot(where):
    return lambda D: torch.nn.functional.one_hot(where(D), len(D)).float()


def test_best_answer(capsys):
    solved("2.4", one_hot(lambda D: D.argmax()))
    capsys.readouterr()
    assert "least real" in said(capsys, "2.4", one_hot(lambda D: D.argmin()))
    assert "all its mass on one value" in said(capsys, "2.4", lambda D: D / D.sum())
    assert "a sum of 1" in said(capsys, "2.4", lambda D: 2 * one_hot(lambda D: D.argmax())(D))
    assert "one probability for each" in said(capsys, "2.4", lambda D: D.argmax())
    assert "returns None" in said(capsys, "2.4", lambda D: None)
