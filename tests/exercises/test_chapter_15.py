"""The checks of chapter 15's exercises: right answers pass, typical wrong ones are told what is off."""

import pickletools

import pytest
import torch
from torch.nn.functional import softplus

from gan_tutorial.exercises import check, solved
from gan_tutorial.exercises.chapter_15 import _PICKLES


def said(capsys, number, *answer):
    check(number, *answer)
    return capsys.readouterr().out.strip()


def test_relativistic(capsys):
    solved("15.1", lambda real, fake: (softplus(fake - real).mean(), softplus(real - fake).mean()))
    solved("15.1", lambda real, fake: (-torch.sigmoid(real - fake).log().mean(), softplus(real - fake).mean()))
    capsys.readouterr()
    wrong = {
        "swapped": lambda r, f: (softplus(r - f).mean(), softplus(f - r).mean()),
        "each logit alone": lambda r, f: (softplus(-r).mean() + softplus(f).mean(), softplus(-f).mean()),
        "mean difference": lambda r, f: (softplus(f.mean() - r.mean()), softplus(r.mean() - f.mean())),
        "take the mean over the pairs": lambda r, f: (softplus(f - r), softplus(r - f)),
        "sum over the pairs": lambda r, f: (softplus(f - r).sum(), softplus(r - f).sum()),
        "not minus D's": lambda r, f: (softplus(f - r).mean(), -softplus(f - r).mean()),
        "exchanged": lambda r, f: (softplus(f - r).mean(), softplus(r).mean()),
        "should be": lambda r, f: ((f - r).mean(), (r - f).mean()),
        "two numbers": lambda r, f: softplus(f - r).mean(),
        "returns None": lambda r, f: None,
    }
    for hint, answer in wrong.items():
        assert hint in said(capsys, "15.1", answer), hint


@pytest.mark.parametrize(
    ("wrong", "hint"), [("a", "more samples"), ("b", "do not get 0"), ("d", "recall"), ("e", "letters"), (3, "letters")]
)
def test_cards(capsys, wrong, hint):
    assert hint in said(capsys, "15.2", wrong)
    assert "not yet" in said(capsys, "15.2", None)
    solved("15.2", "c")
    solved("15.2", " C")


def names(content):
    return [arg.replace(" ", ".") for opcode, arg, _ in pickletools.genops(content) if opcode.name == "GLOBAL"]


def test_pickles(capsys):
    for content, right in _PICKLES:
        assert names(content) == right
    solved("15.3", names)
    solved("15.3", lambda content: [name.replace(".", " ") for name in names(content)])
    capsys.readouterr()

    def every_text(content):
        return [a.replace(" ", ".") for _, a, _ in pickletools.genops(content) if isinstance(a, str) and len(a) > 2]

    wrong = {
        "those are the opcodes": lambda content: [op.name for op, _, _ in pickletools.genops(content)],
        "a text in the data": every_text,
        "it finds nothing": lambda content: [],
        "twice": lambda content: names(content) * 2,
        "it finds": lambda content: names(content)[:1],
        "not bool": lambda content: bool(names(content)),
        "not str": lambda content: ",".join(names(content)),
        "returns None": lambda content: None,
    }
    for hint, answer in wrong.items():
        assert hint in said(capsys, "15.3", answer), hint


def gradient(D, x, **options):
    x.requires_grad_()
    return torch.autograd.grad(D(x).sum(), x, **({"create_graph": True} | options))[0]


def test_penalty(capsys):
    solved("15.4", lambda D, x: 0.5 * gradient(D, x).square().sum(1).mean())
    capsys.readouterr()
    wrong = {
        "the factor 1/2": lambda D, x: gradient(D, x).square().sum(1).mean(),
        "no root": lambda D, x: 0.5 * gradient(D, x).norm(dim=1).mean(),
        "to 0": lambda D, x: (gradient(D, x).norm(dim=1) - 1).square().mean(),
        "that is the sum": lambda D, x: 0.5 * gradient(D, x).square().sum(),
        "over a sample's dimensions": lambda D, x: 0.5 * gradient(D, x).square().mean(),
        "the mean divides it": lambda D, x: 0.5 * (gradient(D, x) / len(x)).square().sum(1).mean(),
        "create_graph=True to": lambda D, x: 0.5 * gradient(D, x, create_graph=False).square().sum(1).mean(),
        "take the mean over the samples": lambda D, x: 0.5 * gradient(D, x).square().sum(1),
        "its gradient in D's weights": lambda D, x: (
            0.5 * gradient(D, x).detach().square().sum(1).mean() + 0 * D(x).sum()
        ),
        "should be": lambda D, x: D(x).mean(),
        "returns None": lambda D, x: None,
    }
    for hint, answer in wrong.items():
        assert hint in said(capsys, "15.4", answer), hint
