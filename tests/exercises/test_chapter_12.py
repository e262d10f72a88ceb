"""The checks of chapter 12's exercises: right answers pass, typical wrong ones are told what is off."""

import pytest
import torch

from gan_tutorial.exercises import check, solved


def said(capsys, number, *answer):
    check(number, *answer)
    return capsys.readouterr().out.strip()


def test_paired(capsys):
    solved("12.1", lambda a, b: ((a - b).mean(), (a - b).std() / len(a) ** 0.5))
    capsys.readouterr()
    for wrong, hint in (
        (lambda a, b: ((b - a).mean(), (a - b).std() / 2), "that is b - a"),
        (lambda a, b: ((a - b).mean(), (a - b).std()), "root of n"),
        (lambda a, b: ((a - b).mean(), (a - b).std(correction=0) / 2), "n - 1"),
        (lambda a, b: ((a - b).mean(), ((a.var() + b.var()) / len(a)).sqrt()), "forgets the pairs"),
        (lambda a, b: ((a - b).mean(), (a - b).var() / len(a)), "square of it"),
        (lambda a, b: ((a - b).mean(), 0.0), "see the formula"),
        (lambda a, b: ((a - b).mean(), (a - b).std() / 2), "not for nine"),
        (lambda a, b: None, "returns None"),
    ):
        assert hint in said(capsys, "12.1", wrong)


def surest(p, labels, share):
    sure = p[torch.arange(len(p)), labels]
    kept = []
    for k in labels.unique():
        of = torch.nonzero(labels == k)[:, 0]
        kept.append(of[sure[of].argsort(descending=True, stable=True)[: round(share * len(of))]])
    return torch.cat(kept)


def test_surest(capsys):
    solved("12.2", surest)
    capsys.readouterr()
    for wrong, hint in (
        (lambda p, labels, share: surest(p.max(1).values[:, None].expand(-1, 2), labels, share), "not of any"),
        (lambda p, labels, share: surest(1 - p, labels, share), "least sure"),
        (lambda p, labels, share: torch.arange(8), "not 8"),
        (
            lambda p, labels, share: p[torch.arange(len(p)), labels].argsort(descending=True, stable=True)[
                : len(p) // 2
            ],
            "each class on its own",
        ),
        (lambda p, labels, share: None, "returns None"),
    ):
        assert hint in said(capsys, "12.2", wrong)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [(3, "half of these"), (57, "hold zero"), (2, "whole"), (0, "misses"), (30, "most"), (12, "5 %")],
)
def test_by_chance(capsys, wrong, hint):
    assert hint in said(capsys, "12.3", wrong)
    assert "not yet" in said(capsys, "12.3", None)
    solved("12.3", 60 * 0.05 / 2)


def test_edge(capsys):
    solved("12.4", lambda near, far, at: ((near < at).float().mean() - (far < at).float().mean()).item())
    capsys.readouterr()
    for wrong, hint in (
        (lambda near, far, at: (near < at).float().mean(), "share of members found"),
        (lambda near, far, at: (far < at).float().mean() - (near < at).float().mean(), "strangers' share minus"),
        (lambda near, far, at: (near < at).sum() - (far < at).sum(), "not counts"),
        (lambda near, far, at: ((near < at).sum() + (far >= at).sum()) / 9, "right answers"),
        (lambda near, far, at: 0.55, "nobody is accused"),
        (lambda near, far, at: abs((near < at).float().mean() - (far < at).float().mean()), "may be negative"),
        (lambda near, far, at: None, "returns None"),
    ):
        assert hint in said(capsys, "12.4", wrong)
