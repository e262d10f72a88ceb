"""The checks of chapter 9's exercises: right answers pass, typical wrong ones are told what is off."""

import pytest
import torch

from gan_tutorial.exercises import check, solved
from gan_tutorial.exercises.chapter_09 import exercise_3
from gan_tutorial.models import cyclegan


def said(capsys, number, *answer):
    check(number, *answer)
    return capsys.readouterr().out.strip()


def product(f):
    return f.flatten(2) @ f.flatten(2).transpose(1, 2)


def covariance(f):
    f = f - f.mean((2, 3), keepdim=True)
    return product(f) / 20


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda f: None, "returns None"),
        (lambda f: f.flatten(2).transpose(1, 2) @ f.flatten(2), "not (2, 3, 3)"),
        (product, "divide by their number"),
        (lambda f: product(f) / 60, "not by the channels too"),
        (lambda f: product(f) / 3, "divide by that of the places"),
        (lambda f: product(f) / f.shape[2], "by the height alone"),
        (lambda f: product(f) / f.shape[3], "by the width alone"),
        (covariance, "a covariance"),
        (lambda f: (product(f) / 20).mean(0).expand(2, 3, 3), "a matrix of its own"),
        (lambda f: product(f) / 21, "should be"),
    ],
)
def test_gram(capsys, wrong, hint):
    solved("9.1", lambda f: torch.einsum("nihw,njhw->nij", f, f) / 20)
    capsys.readouterr()
    assert hint in said(capsys, "9.1", wrong)


def distance(x, y):
    return (x - y).abs().mean()


def right_cycle(there, back, a, b):
    return (distance(back(there(a)), a) + distance(there(back(b)), b)) / 2


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda t, k, a, b: None, "returns None"),
        (lambda t, k, a, b: (k(t(a)) - a).abs(), "one number"),
        (lambda t, k, a, b: 2 * right_cycle(t, k, a, b), "take their mean"),
        (lambda t, k, a, b: distance(k(t(a)), a), "only A"),
        (lambda t, k, a, b: distance(t(k(b)), b), "only B"),
        (lambda t, k, a, b: ((k(t(a)) - a).square().mean() + (t(k(b)) - b).square().mean()) / 2, "squared"),
        (lambda t, k, a, b: (distance(t(a), a) + distance(k(b), b)) / 2, "translate it back"),
        (lambda t, k, a, b: right_cycle(k, t, a, b), "exchanged"),
        (lambda t, k, a, b: torch.cat([k(t(a)) - a, t(k(b)) - b]).abs().mean(), "larger heap"),
        (lambda t, k, a, b: ((k(t(a)) - a).mean() + (t(k(b)) - b).mean()) / 2, "cancel"),
        (lambda t, k, a, b: right_cycle(t, k, a, b) + 1, "should be"),
    ],
)
def test_cycle(capsys, wrong, hint):
    solved("9.2", right_cycle)
    solved("9.2", lambda *args: right_cycle(*args).item())
    capsys.readouterr()
    assert hint in said(capsys, "9.2", wrong)


def walk(layers):
    seen = 1
    for kernel, stride in layers:
        seen = (seen - 1) * stride + kernel
    return seen


def inside_out(layers):
    seen = 1
    for kernel, stride in layers[::-1]:
        seen = seen * stride + kernel - 1
    return seen


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda layers: None, "returns None"),
        (walk, "begin with the last"),
        (lambda layers: sum(kernel for kernel, _ in layers), "overlap"),
        (lambda layers: 1 + sum(kernel - 1 for kernel, _ in layers), "no effect"),
        (inside_out, "between the first and the last place"),
        (lambda layers: 99, "one output sees 3"),
    ],
)
def test_patch(capsys, wrong, hint):
    solved("9.3", lambda layers: walk(layers[::-1]))
    capsys.readouterr()
    assert hint in said(capsys, "9.3", wrong)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_patches_are_those_of_the_package(depth):
    layers = [(4, 2)] * depth + [(3, 1), (3, 1)]
    assert walk(layers[::-1]) == cyclegan.patch(depth)
    assert exercise_3(lambda asked: cyclegan.patch(depth) if asked == layers else walk(asked[::-1])) is None


def undone(there):
    return [there.index(digit) for digit in range(10)] if len(set(there)) == 10 else []


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda there: None, "returns None"),
        (lambda there: [], "there is a way back"),
        (lambda there: there, "the way back is another one"),
        (lambda there: sorted(there), "does not bring all ten"),
        (lambda there: [there.index(d) if d in there else 0 for d in range(10)], "should be empty"),
    ],
)
def test_way_back(capsys, wrong, hint):
    solved("9.4", undone)
    capsys.readouterr()
    assert hint in said(capsys, "9.4", wrong)
