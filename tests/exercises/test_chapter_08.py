"""The checks of chapter 8's exercises: right answers pass, typical wrong ones are told what is off."""

import pytest
import torch

from gan_tutorial.exercises import check, solved


def said(capsys, number, *answer):
    check(number, *answer)
    return capsys.readouterr().out.strip()


def modulated(weight, styles):
    return weight[None] * styles[:, None, :, None, None]


def divided(own, *axes):
    return own / own.square().sum(axes, keepdim=True).sqrt()


def test_demodulated(capsys):
    solved("8.1", lambda weight, styles: divided(modulated(weight, styles), 2, 3, 4))
    solved("8.1", lambda weight, styles: divided(modulated(weight, styles), 2, 3, 4) * (1 - 1e-7))
    capsys.readouterr()
    assert "returns None" in said(capsys, "8.1", lambda weight, styles: None)
    assert "not (2, 4, 5, 3, 3)" in said(capsys, "8.1", lambda weight, styles: weight)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (modulated, "divide them by their lengths"),
        (lambda w, s: divided(w, 1, 2, 3).expand(2, -1, -1, -1, -1), "no effect"),
        (lambda w, s: modulated(divided(w, 1, 2, 3), s), "those of the plain weights"),
        (lambda w, s: divided(modulated(w, s), 2), "3 x 3 places"),
        (lambda w, s: divided(modulated(w, s), 3, 4), "sum over the input channels too"),
        (lambda w, s: divided(modulated(w, s), 1, 2, 3, 4), "share one length"),
        (lambda w, s: divided(modulated(w, s), 1, 3, 4), "runs over the output channels"),
        (lambda w, s: modulated(w, s) / modulated(w, s).square().sum((2, 3, 4), keepdim=True), "not its root"),
        (lambda w, s: modulated(w, s) / modulated(w, s).std((2, 3, 4), keepdim=True), "not by a deviation"),
        (lambda w, s: 2 * divided(modulated(w, s), 2, 3, 4), "have length 2.00"),
        (lambda w, s: divided(modulated(w, s.flip(1)), 2, 3, 4), "input channels they belong to"),
    ],
)
def test_wrong_demodulations(capsys, wrong, hint):
    assert hint in said(capsys, "8.1", wrong)


def test_truncated(capsys):
    solved("8.2", lambda w, a, psi, cutoff: torch.cat([a + psi * (w[:, :cutoff] - a), w[:, cutoff:]], 1))
    capsys.readouterr()
    assert "returns None" in said(capsys, "8.2", lambda w, a, psi, cutoff: None)


def in_place(w, a, psi, cutoff):
    w[:, :cutoff] = a + psi * (w[:, :cutoff] - a)
    return w


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (in_place, "has changed"),
        (lambda w, a, psi, cutoff: w[:, :cutoff], "shape (3, 3, 5)"),
        (lambda w, a, psi, cutoff: a + psi * (w - a), "all layers are pulled"),
        (lambda w, a, psi, cutoff: torch.cat([w[:, :cutoff], a + psi * (w[:, cutoff:] - a)], 1), "not the first"),
        (lambda w, a, psi, cutoff: torch.cat([a + psi * (w[:2] - a), w[2:]]), "psi = 0.7"),
        (lambda w, a, psi, cutoff: torch.cat([a + psi * (w[:cutoff] - a), w[cutoff:]]), "all layers are pulled"),
        (lambda w, a, psi, cutoff: torch.cat([w[:, :cutoff].lerp(a, psi), w[:, cutoff:]], 1), "turned round"),
        (lambda w, a, psi, cutoff: torch.cat([psi * w[:, :cutoff], w[:, cutoff:]], 1), "towards 0"),
        (lambda w, a, psi, cutoff: w, "is not w_avg"),
    ],
)
def test_wrong_truncations(capsys, wrong, hint):
    assert hint in said(capsys, "8.2", wrong)


def with_channel(number):
    """The answer that puts `number(x)` into the new channel."""
    return lambda x: torch.cat([x, number(x).expand(len(x), 1, *x.shape[2:])], 1)


def test_spread(capsys):
    solved("8.3", with_channel(lambda x: (x.var(0, unbiased=False) + 1e-8).sqrt().mean()))
    capsys.readouterr()
    assert "returns None" in said(capsys, "8.3", lambda x: None)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda x: x, "not (4, 4, 5, 5)"),
        (lambda x: torch.cat([x[:, :1], x], 1), "those of x"),
        (lambda x: torch.cat([x, x.std(0).mean(0).expand(4, 1, 5, 5)], 1), "one number everywhere"),
        (with_channel(lambda x: x.std(0).mean()), "N - 1"),
        (with_channel(lambda x: x.var(0, unbiased=False).mean()), "mean of the variances"),
        (with_channel(lambda x: x.var(0, unbiased=False).mean().sqrt()), "not after it"),
        (with_channel(lambda x: x.std()), "all numbers"),
        (with_channel(lambda x: x.mean((1, 2, 3)).std(unbiased=False)), "comes after"),
        (with_channel(lambda x: x.std((1, 2, 3)).mean()), "inside each sample"),
        (with_channel(lambda x: x.mean()), "should be"),
    ],
)
def test_wrong_spreads(capsys, wrong, hint):
    assert hint in said(capsys, "8.3", wrong)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda seen, p: (1 - p) * seen + p / 2, "mirrors once more"),
        (lambda seen, p: (seen - p) / (1 - 2 * p), "half of the coins show tails"),
        (lambda seen, p: seen / (1 - p), "take away p / 2"),
        (lambda seen, p: (seen - p) / (1 - p), "only half end up on the left"),
        (lambda seen, p: 0.3, "for seen = 0.70 and p = 0.5"),
        (lambda seen, p: None, "returns None"),
    ],
)
def test_mirror(capsys, wrong, hint):
    solved("8.4", lambda seen, p: (seen - p / 2) / (1 - p))
    capsys.readouterr()
    assert hint in said(capsys, "8.4", wrong)
