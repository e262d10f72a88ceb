"""Chapter 1's exercises: what is right, what the typical wrong answers are told, and what is not judged."""

import math

import pytest
import torch

from gan_tutorial.exercises import chapter_01, check, solved


def bump(x, mean, width):
    return torch.exp(-(((x - mean) / width) ** 2) / 2) / (width * math.sqrt(2 * math.pi))


def density(x, weight, left, right, width):
    return weight * bump(x, left, width) + (1 - weight) * bump(x, right, width)


def sample(n, weight, left, right, width):
    rng = torch.Generator().manual_seed(0)
    from_left = torch.rand(n, generator=rng) < weight
    return torch.where(from_left, left, right) + width * torch.randn(n, generator=rng)


def test_right_answers():
    solved("1.1", density)
    solved("1.2", sample)
    solved("1.3", math.sqrt(0.25 / 400))


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda x, w, a, b, s: density(x, 1 - w, a, b, s), "exchanged"),
        (lambda x, w, a, b, s: density(x, w, a, b, s).log(), "logarithm"),
        (lambda x, w, a, b, s: bump(x, a, s) + bump(x, b, s), "2.00"),
        (lambda x, w, a, b, s: density(x, w, a, b, s) * s, "0.50"),
        (lambda x, w, a, b, s: density(x, w, a, b, 2**0.5 * s), "exponent"),
        (lambda x, w, a, b, s: density(x, w, a, b, s)[:3], "(3,)"),
    ],
)
def test_wrong_densities(answer, hint):
    assert hint in chapter_01.exercise_1(answer)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda n, w, a, b, s: sample(n, 1 - w, a, b, s), "exchanged"),
        (lambda n, w, a, b, s: w * a + (1 - w) * b + s * torch.randn(n) * 0.5, "averaged"),
        (lambda n, w, a, b, s: sample(n, w, a, b, s * s), "scale the noise"),
        (lambda n, w, a, b, s: sample(n, w, a + 0.2, b, s), "centres"),
        (lambda n, w, a, b, s: a + s * torch.randn(n), "anew"),
        (lambda n, w, a, b, s: sample(n, w, a, b, s)[:, None], "(20000, 1)"),
    ],
)
def test_wrong_samples(answer, hint):
    assert hint in chapter_01.exercise_2(answer)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (0.25 / 400, "variance"),
        (0.05, "twice"),
        (2.5, "per cent"),
        (0.5, "one toss"),
        (0.1, "n = 400"),
    ],
)
def test_wrong_errors(answer, hint):
    assert hint in chapter_01.exercise_3(answer)


@pytest.mark.parametrize(("number", "answer"), [("1.1", lambda *_: None), ("1.2", lambda *_: None), ("1.3", None)])
def test_unanswered(number, answer, capsys):
    check(number, answer)
    assert "not yet" in capsys.readouterr().out
