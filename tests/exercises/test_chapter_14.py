"""The checks of chapter 14's exercises: right answers pass, typical wrong ones are told what is off."""

import pytest
import torch

from gan_tutorial.exercises import check, solved


def said(capsys, number, *answer):
    check(number, *answer)
    return capsys.readouterr().out.strip()


def test_extragradient(capsys):
    solved("14.1", lambda w, gradient, rate: w - rate * gradient(w - rate * gradient(w)))
    solved("14.1", lambda w, gradient, rate: torch.tensor(w - rate * gradient(w - rate * gradient(w)) + 1e-8))
    capsys.readouterr()
    assert "returns None" in said(capsys, "14.1", lambda w, gradient, rate: None)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda w, g, r: w - r * g(w), "the plain step"),
        (lambda w, g, r: w - r * g(w) - r * g(w - r * g(w)), "two steps"),
        (lambda w, g, r: w + r * g(w + r * g(w)), "goes up"),
        (lambda w, g, r: w + r * g(w - r * g(w)), "the last sign"),
        (lambda w, g, r: w - r * g(w + r * g(w)), "against the slope too"),
        (lambda w, g, r: w - g(w - g(w)), "the rate is missing"),
        (lambda w, g, r: w - r * g(w - g(w)), "as long as the step"),
        (lambda w, g, r: w - r * (g(w) + g(w - r * g(w))) / 2, "not the mean"),
        (lambda w, g, r: w - r * (2 * g(w) - g(w - r * g(w))), "only the slope ahead"),
        (lambda w, g, r: w, "for w = 2 and rate 0.1 it should be"),
    ],
)
def test_wrong_steps(capsys, wrong, hint):
    assert hint in said(capsys, "14.1", wrong)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda x, m: x.view(-1, m, x.shape[1]), "not joined yet"),
        (lambda x, m: x.repeat(1, m), "N / m rows, not N"),
        (lambda x, m: x, "the shape is (2, 6)"),
        (lambda x, m: torch.cat(x.chunk(m), 1), "from far apart"),
        (lambda x, m: x.view(-1, m, x.shape[1]).transpose(1, 2).flatten(1), "are mixed"),
        (lambda x, m: x[::m].repeat(1, m), "repeats one sample"),
        (lambda x, m: x.flip(0).reshape(-1, m * x.shape[1]), "the first row should be"),
        (lambda x, m: None, "returns None"),
    ],
)
def test_packed(capsys, wrong, hint):
    solved("14.2", lambda x, m: x.unflatten(0, (-1, m)).flatten(1))
    capsys.readouterr()
    assert hint in said(capsys, "14.2", wrong)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ({"A": "sharp D", "B": "momentum", "C": "starved D"}, "look at A again"),
        ({"A": "starved D", "B": "sharp D", "C": "momentum"}, "look at B again"),
        ({"A": "starved D", "B": "momentum", "C": "momentum"}, "look at C again"),
        ({"A": "starved D", "B": "momentum", "C": "flu"}, "C: 'flu' is none of sharp D"),
        ({"A": "starved D"}, "three patients"),
        (None, "put your answer in"),
    ],
)
def test_patients(capsys, wrong, hint):
    solved("14.3", {"A": "starved D", "B": "momentum", "C": "sharp D"})
    capsys.readouterr()
    assert hint in said(capsys, "14.3", wrong)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ({"g_steps": 1}, "g_steps is a part of the disease"),
        ({"lr_d": 0.02, "r1": 0.1}, "lr_d is a part of the disease"),
        ({"steps": 9000}, "steps is given"),
        ({}, "give a dictionary"),
        ("r1", "give a dictionary"),
        ({"r3": 0.1}, "'r3' is not known"),
        ({"dynamics": "extragradient"}, "g_steps: 5"),
    ],
)
def test_revivals_that_are_refused(capsys, wrong, hint):
    answer = said(capsys, "14.4", wrong)
    assert hint in answer
    assert "\n" not in answer


def test_a_revival_is_trained(capsys):
    solved("14.4", {"model__pack": 2})
    capsys.readouterr()
    assert "penalties make a weak D weaker" in said(capsys, "14.4", {"r1": 0.1})
