"""The checks of chapter 3's exercises: right answers pass, typical wrong ones are told what is off."""

import math

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

from gan_tutorial.exercises import check, solved


def said(capsys, number, *answer):
    check(number, *answer)
    return capsys.readouterr().out.strip()


def d_price(real, fake):
    return -real.log().mean() - (1 - fake).log().mean()


def g_price(fake):
    return -fake.log().mean()


def test_two_losses(capsys):
    solved("3.1", lambda real, fake: (d_price(real, fake), g_price(fake)))
    solved("3.1", lambda real, fake: [d_price(real, fake).item(), g_price(fake).item()])


@pytest.mark.parametrize(
    ("loss", "hint"),
    [
        (lambda r, f: -d_price(r, f), "wrong sign"),
        (lambda r, f: -r.log().sum() - (1 - f).log().sum(), "not the sum"),
        (lambda r, f: -r.log2().mean() - (1 - f).log2().mean(), "base 2"),
        (lambda r, f: -r.log10().mean() - (1 - f).log10().mean(), "base 10"),
        (lambda r, f: d_price(r, f) / 2, "halved"),
        (lambda r, f: -torch.cat([r, 1 - f]).log().mean(), "plus one for the fakes"),
        (lambda r, f: -r.log().mean() - f.log().mean(), "not -log D"),
        (lambda r, f: -r.mean() - (1 - f).mean(), "logarithms are missing"),
        (lambda r, f: torch.zeros(()), "should be 1.038"),
        (lambda r, f: -r.log(), "take the mean"),
    ],
)
def test_wrong_loss_of_d(capsys, loss, hint):
    assert hint in said(capsys, "3.1", lambda real, fake: (loss(real, fake), g_price(fake)))


@pytest.mark.parametrize(
    ("loss", "hint"),
    [
        (lambda f: f.log().mean(), "wrong sign"),
        (lambda f: -f.log().sum(), "not the sum"),
        (lambda f: (1 - f).log().mean(), "minimax"),
        (lambda f: -(1 - f).log().mean(), "D's price"),
        (lambda f: f.mean(), "should be 0.983"),
    ],
)
def test_wrong_loss_of_g(capsys, loss, hint):
    assert hint in said(capsys, "3.1", lambda real, fake: (d_price(real, fake), loss(fake)))


def test_two_losses_unanswered(capsys):
    assert "returns None" in said(capsys, "3.1", lambda real, fake: None)
    assert "two values" in said(capsys, "3.1", d_price)


def test_safe_loss(capsys):
    solved("3.2", lambda r, f: softplus(-r).mean() + softplus(f).mean())
    bce = binary_cross_entropy_with_logits
    solved("3.2", lambda r, f: bce(r, torch.ones_like(r)) + bce(f, torch.zeros_like(f)))
    capsys.readouterr()
    assert "returns None" in said(capsys, "3.2", lambda r, f: None)


@pytest.mark.parametrize(
    ("loss", "hint"),
    [
        (lambda r, f: d_price(r.sigmoid(), f.sigmoid()), "probabilities are rounded"),
        (lambda r, f: d_price((r.sigmoid() + 1e-8), f.sigmoid() - 1e-8), "probabilities are rounded"),
        (lambda r, f: softplus(r).mean() + softplus(-f).mean(), "signs are swapped"),
        (lambda r, f: softplus(r).mean() + softplus(f).mean(), "the real half"),
        (lambda r, f: softplus(-r).mean() + softplus(-f).mean(), "the fake half"),
        (lambda r, f: -softplus(-r).mean() - softplus(f).mean(), "positive"),
        (lambda r, f: softplus(-r).sum() + softplus(f).sum(), "not the sum"),
        (lambda r, f: softplus(f), "one number"),
        (lambda r, f: f.mean() - r.mean(), "it should be 1.319"),
    ],
)
def test_unsafe_or_wrong_loss(capsys, loss, hint):
    assert hint in said(capsys, "3.2", loss)


def sigma(logit):
    return 1 / (1 + math.exp(-logit))


def test_ratio(capsys):
    solved("3.3", lambda logit: math.exp(-logit))
    solved("3.3", lambda logit: torch.tensor((1 - sigma(logit)) / sigma(logit)))
    capsys.readouterr()
    assert "upside down" in said(capsys, "3.3", math.exp)
    assert "wrong sign" in said(capsys, "3.3", lambda logit: -math.exp(-logit))
    assert "difference" in said(capsys, "3.3", lambda logit: 1 - 2 * sigma(logit))
    assert "logarithm" in said(capsys, "3.3", lambda logit: -logit)
    assert "0.9933 and 0.0067" in said(capsys, "3.3", lambda logit: 1.0)
    assert "returns None" in said(capsys, "3.3", lambda logit: None)


def test_hinge_slope(capsys):
    solved("3.4", lambda r: -(r < 1).float())
    capsys.readouterr()
    assert "the sign" in said(capsys, "3.4", lambda r: (r < 1).float())
    assert "flat" in said(capsys, "3.4", lambda r: -torch.ones_like(r))
    assert "not at 0" in said(capsys, "3.4", lambda r: -(r < 0).float())
    assert "that is the loss" in said(capsys, "3.4", lambda r: (1 - r).clamp(min=0))
    assert "one slope for each" in said(capsys, "3.4", lambda r: -1.0)
    assert "0 or -1" in said(capsys, "3.4", lambda r: r)
    assert "returns None" in said(capsys, "3.4", lambda r: None)
