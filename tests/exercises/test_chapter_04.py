"""What the checks of chapter 4 say to right answers, to typical slips, and to none."""

import math

import pytest
import torch

from gan_tutorial.exercises import chapter_04, check


def entropy_kl(a, b, log=math.log):
    return sum(p * log(p / q) for p, q in ((a, b), (1 - a, 1 - b)) if p)


def jsd(a, b, log=math.log):
    m = (a + b) / 2
    return (entropy_kl(a, m, log) + entropy_kl(b, m, log)) / 2


def jsd_of_ones(a, b):
    m = (a + b) / 2
    return (a * math.log(a / m) + b * math.log(b / m)) / 2


def jsd_careless(a, b):
    m = (a + b) / 2
    return sum(p * math.log(p / q) for p, q in ((a, m), (1 - a, 1 - m), (b, m), (1 - b, 1 - m))) / 2


def jsd_with_nan(a, b):
    m = torch.tensor([(a + b) / 2, 1 - (a + b) / 2])
    return sum((p * (p / m).log()).sum() for p in (torch.tensor([a, 1 - a]), torch.tensor([b, 1 - b]))) / 2


def w1(a, b):
    return (a.sort().values - b.sort().values).abs().mean()


@pytest.mark.parametrize(
    ("exercise", "answer"),
    [
        (chapter_04.exercise_1, lambda p, q: p / (p + q)),
        (chapter_04.exercise_1, lambda p, q: 1 / (1 + q / p)),
        (chapter_04.exercise_2, jsd),
        (chapter_04.exercise_3, w1),
        (chapter_04.exercise_3, lambda a, b: w1(b, a).item()),
        (chapter_04.exercise_4, math.log(2) - 0.5),
        (chapter_04.exercise_4, 0.193),
    ],
)
def test_right_answers(exercise, answer):
    assert exercise(answer) is None


@pytest.mark.parametrize(
    ("exercise", "answer", "said"),
    [
        (chapter_04.exercise_1, lambda p, q: q / (p + q), "on top"),
        (chapter_04.exercise_1, lambda p, q: p / q, "odds"),
        (chapter_04.exercise_1, lambda p, q: (p / q).log(), "logit"),
        (chapter_04.exercise_1, lambda p, q: (p > q).float(), "weighs"),
        (chapter_04.exercise_1, lambda p, q: 2 * p / (p + q), "factor of 2"),
        (chapter_04.exercise_1, lambda p, q: (p / (p + q)).mean(), "three values"),
        (chapter_04.exercise_1, lambda p, q: p + q, "0.75"),
        (chapter_04.exercise_2, lambda a, b: jsd(a, b, math.log2), "bits"),
        (chapter_04.exercise_2, lambda a, b: 2 * jsd(a, b), "one half"),
        (chapter_04.exercise_2, lambda a, b: jsd(a, b) / 2, "too many"),
        (chapter_04.exercise_2, lambda a, b: -jsd(a, b), "sign"),
        (chapter_04.exercise_2, jsd_of_ones, "outcome 0"),
        (chapter_04.exercise_2, entropy_kl, "KL(a, b)"),
        (chapter_04.exercise_2, lambda a, b: entropy_kl(b, a), "KL(b, a)"),
        (chapter_04.exercise_2, lambda a, b: (entropy_kl(a, b) + entropy_kl(b, a)) / 2, "not one another"),
        (chapter_04.exercise_2, lambda a, b: entropy_kl(a, (a + b) / 2), "only one half"),
        (chapter_04.exercise_2, jsd_careless, "0 log 0"),
        (chapter_04.exercise_2, jsd_with_nan, "0 log 0"),
        (chapter_04.exercise_2, lambda a, b: 3.0, "0.1"),
        (chapter_04.exercise_3, lambda a, b: (a - b).abs().mean(), "sort"),
        (chapter_04.exercise_3, lambda a, b: (a.sort().values - b.sort().values).abs().sum(), "mean"),
        (chapter_04.exercise_3, lambda a, b: (a - b).abs().sum(), "sort both"),
        (chapter_04.exercise_3, lambda a, b: (a.mean() - b.mean()).abs(), "cancel"),
        (chapter_04.exercise_3, lambda a, b: (a.sort().values - b.sort().values).square().mean(), "square"),
        (chapter_04.exercise_3, lambda a, b: (a.sort().values - b.sort().values).square().mean().sqrt(), "W2"),
        (chapter_04.exercise_3, lambda a, b: 77.0, "not 77"),
        (chapter_04.exercise_4, 2 * math.log(2) - 1, "divide by 2"),
        (chapter_04.exercise_4, 0.5 - math.log(2), "sign"),
        (chapter_04.exercise_4, 0.5, "bits"),
        (chapter_04.exercise_4, 1.0, "solve"),
    ],
)
def test_slips_are_named(exercise, answer, said):
    assert said in exercise(answer)


@pytest.mark.parametrize("number", ["4.1", "4.2", "4.3"])
def test_a_function_that_returns_nothing_is_not_judged(number, capsys):
    check(number, lambda *_: None)
    assert capsys.readouterr().out.startswith(f"{number}: not yet")


def test_a_missing_number_is_not_judged(capsys):
    check("4.4", None)
    assert capsys.readouterr().out.startswith("4.4: not yet")
