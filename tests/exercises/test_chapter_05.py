"""The checks of chapter 5's exercises: right answers pass, typical wrong ones are told what is off."""

import math

import numpy as np
import pytest
import torch

from gan_tutorial.exercises import check, solved


def said(capsys, number, *answer):
    check(number, *answer)
    return capsys.readouterr().out.strip()


@pytest.mark.parametrize("number", ["5.1", "5.3", "5.4", "5.5"])
def test_a_function_that_returns_none_is_not_judged(capsys, number):
    assert "not yet" in said(capsys, number, lambda *_: None)
    assert "not yet" in said(capsys, number, None)


def test_gradients(capsys):
    solved("5.1", lambda detach: 0 if detach else 6)
    capsys.readouterr()
    assert "swapped" in said(capsys, "5.1", lambda detach: 6 if detach else 0)
    assert "fake.detach()" in said(capsys, "5.1", lambda detach: 6)
    assert "did you call backward" in said(capsys, "5.1", lambda detach: 0)
    assert "all 6 tensors" in said(capsys, "5.1", lambda detach: 0 if detach else 3)


def test_undecided(capsys):
    solved("5.2", (2 * math.log(2), math.log(2)))
    solved("5.2", (1.39, 0.69))
    capsys.readouterr()
    assert "swapped" in said(capsys, "5.2", (0.69, 1.39))
    assert "you counted one" in said(capsys, "5.2", (0.69, 0.69))
    assert "sum of probabilities" in said(capsys, "5.2", (1.0, 0.5))
    assert "the sign" in said(capsys, "5.2", (-1.39, -0.69))
    assert "two tosses" in said(capsys, "5.2", (3, 0.69))
    assert "one toss" in said(capsys, "5.2", (1.39, 3))


def test_prepare(capsys):
    solved("5.3", lambda p: p.float().unsqueeze(1) / 127.5 - 1)
    capsys.readouterr()
    assert "colour channels" in said(capsys, "5.3", lambda p: p.float() / 127.5 - 1)
    assert "from 0 to 1" in said(capsys, "5.3", lambda p: p.float().unsqueeze(1) / 255)
    assert "negatives" in said(capsys, "5.3", lambda p: 1 - p.float().unsqueeze(1) / 127.5)
    assert "float32" in said(capsys, "5.3", lambda p: p.unsqueeze(1))
    assert "(3, 1, 4, 6)" in said(capsys, "5.3", lambda p: p.float().unsqueeze(0) / 127.5 - 1)
    assert "should become -1, -0.6, 1" in said(capsys, "5.3", lambda p: p.float().unsqueeze(1))
    assert "not a list" in said(capsys, "5.3", lambda p: p.tolist())


def stable(label, logit):
    return np.logaddexp(0, logit) - label * logit


def naive(label, logit):
    p = 1 / (1 + math.exp(-logit))
    return -label * math.log(p) - (1 - label) * math.log(1 - p)


def test_cross_entropy(capsys):
    solved("5.4", stable)
    capsys.readouterr()
    assert "right for small logits" in said(capsys, "5.4", naive)
    assert "the sign" in said(capsys, "5.4", lambda t, x: -stable(t, x))
    assert "labels are swapped" in said(capsys, "5.4", lambda t, x: stable(1 - t, x))
    assert "expected 0.6931" in said(capsys, "5.4", lambda t, x: 5.0)


def test_to_linear(capsys):
    solved("5.5", lambda k, b: (k.T, b))
    capsys.readouterr()
    assert "transpose it" in said(capsys, "5.5", lambda k, b: (k, b))
    assert "reshape is not transpose" in said(capsys, "5.5", lambda k, b: (k.reshape(3, 2), b))
    assert "swapped" in said(capsys, "5.5", lambda k, b: (b, k.T))
    assert "stays as it is" in said(capsys, "5.5", lambda k, b: (k.T, -b))
    assert "two arrays" in said(capsys, "5.5", lambda k, b: k.T)


def test_first_moves_are_those_of_the_library(capsys):
    parameter = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    parameter.grad = torch.full_like(parameter, 1e-7)
    torch.optim.Adam([parameter], lr=1e-4).step()
    moved = -parameter.item()
    keras = 1e-4 * math.sqrt(1 - 0.999) / (1 - 0.9) * (0.1 * 1e-7) / (math.sqrt(0.001) * 1e-7 + 1e-7)
    solved("5.6", (keras, moved))
    capsys.readouterr()
    assert "swapped" in said(capsys, "5.6", (moved, keras))
    assert "uncorrected root" in said(capsys, "5.6", (5e-5, moved))
    assert "without epsilon" in said(capsys, "5.6", (keras, 1e-4))
    assert "Keras: after" in said(capsys, "5.6", (1e-6, moved))
    assert "PyTorch: after" in said(capsys, "5.6", (keras, 1e-6))
