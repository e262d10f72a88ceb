"""The checks of chapter 10's exercises: right answers pass, typical wrong ones are told what is off."""

import pytest
import torch

from gan_tutorial.exercises import check, solved


def said(capsys, number, *answer):
    check(number, *answer)
    return capsys.readouterr().out.strip()


def score(logits, token):
    return torch.eye(len(logits), dtype=logits.dtype)[token] - logits.softmax(0)


def test_score(capsys):
    solved("10.1", score)
    capsys.readouterr()
    assert "sign" in said(capsys, "10.1", lambda logits, token: -score(logits, token))
    assert "of p itself" in said(capsys, "10.1", lambda logits, t: logits.softmax(0)[t] * score(logits, t))
    assert "one-hot alone" in said(capsys, "10.1", lambda logits, t: score(logits, t) + logits.softmax(0))
    assert "differentiate" in said(capsys, "10.1", lambda logits, t: logits)
    assert "shape" in said(capsys, "10.1", lambda logits, t: logits.softmax(0)[t])
    assert "returns None" in said(capsys, "10.1", lambda logits, t: None)


def test_best_baseline(capsys):
    solved("10.2", lambda p, r, g: (p * r * g).sum() / (p * g).sum())
    capsys.readouterr()
    assert "mean reward" in said(capsys, "10.2", lambda p, r, g: (p * r).sum())
    assert "probability p" in said(capsys, "10.2", lambda p, r, g: (r * g).sum() / g.sum())
    assert "divide by" in said(capsys, "10.2", lambda p, r, g: (p * r * g).sum())
    assert "set it to 0" in said(capsys, "10.2", lambda p, r, g: 0.0)
    assert "returns None" in said(capsys, "10.2", lambda p, r, g: None)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda n, length, r: n * length * r, "one verdict is enough"),
        (lambda n, length, r: n * (length - 1) * r, "judged too"),
        (lambda n, length, r: n * (length * r + 1), "not L"),
        (lambda n, length, r: (length - 1) * r + 1, "there are n"),
        (lambda n, length, r: 1, "19520 verdicts"),
        (lambda n, length, r: None, "returns None"),
    ],
)
def test_verdicts(capsys, wrong, hint):
    assert hint in said(capsys, "10.3", wrong)
    solved("10.3", lambda n, length, r: n * ((length - 1) * r + 1))


def test_tempered(capsys):
    solved("10.4", lambda p, t: (p.log() / t).softmax(0))
    capsys.readouterr()
    assert "sum to 1" in said(capsys, "10.4", lambda p, t: p ** (1 / t))
    assert "wrong way round" in said(capsys, "10.4", lambda p, t: (p.log() * t).softmax(0))
    assert "log p are logits" in said(capsys, "10.4", lambda p, t: (p / t).softmax(0))
    assert "the first probability" in said(capsys, "10.4", lambda p, t: p)
    assert "shape" in said(capsys, "10.4", lambda p, t: p[0])
    assert "returns None" in said(capsys, "10.4", lambda p, t: None)
