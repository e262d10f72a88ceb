"""The checks of chapter 6's exercises: right answers pass, typical wrong ones are told what is off."""

import pytest
import torch

from gan_tutorial.exercises import check, solved


def said(capsys, number, *answer):
    check(number, *answer)
    return capsys.readouterr().out.strip()


def stack(side, layers):
    for _ in range(layers):
        side = 2 * side + 1
    return side


def test_output_side(capsys):
    solved("6.1", stack)
    capsys.readouterr()
    assert "takes numbers away" in said(capsys, "6.1", lambda side, layers: (side - 1) * 2 + 5)
    assert "kernel 4" in said(capsys, "6.1", lambda side, layers: side * 2**layers)
    assert "ordinary convolution" in said(capsys, "6.1", lambda side, layers: (side + 2 - 5) // 2 + 1)
    assert "next layer" in said(capsys, "6.1", lambda side, layers: stack(side, 1))
    assert "returns None" in said(capsys, "6.1", lambda side, layers: None)


def test_middle(capsys):
    solved("6.2", lambda a, b: (a + b) / (a + b).norm() * (a.norm() + b.norm()) / 2)
    capsys.readouterr()
    assert "straight midpoint" in said(capsys, "6.2", lambda a, b: (a + b) / 2)
    assert "the length is 1" in said(capsys, "6.2", lambda a, b: (a + b) / (a + b).norm())
    assert "direction of a + b" in said(capsys, "6.2", lambda a, b: a - b)
    assert "shape" in said(capsys, "6.2", lambda a, b: torch.stack([a, b]))
    assert "should be" in said(capsys, "6.2", lambda a, b: a + b)
    assert "returns None" in said(capsys, "6.2", lambda a, b: None)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (131072, "a gain and a shift"),
        (131136, "two parameters"),
        (131264, "no bias"),
        (32896, "4 x 4"),
        (2176, "each pair"),
        (7, "4 x 4"),
    ],
)
def test_parameters(capsys, wrong, hint):
    assert hint in said(capsys, "6.3", wrong)
    assert "not yet" in said(capsys, "6.3", None)
    solved("6.3", 128 * 64 * 16 + 2 * 64)
