import math

import pytest
import torch

from gan_tutorial import losses
from gan_tutorial.errors import InputError


def log_sigmoid(x):
    return torch.log(1 / (1 + torch.exp(-x)))


# What the papers print, with probabilities and logarithms where they have them: D's loss and G's, of real and fake.
TEXTBOOK = {
    "minimax": (
        lambda r, f: -(torch.log(torch.sigmoid(r)) + torch.log(1 - torch.sigmoid(f))).mean(),
        lambda r, f: torch.log(1 - torch.sigmoid(f)).mean(),
    ),
    "non-saturating": (
        lambda r, f: -(torch.log(torch.sigmoid(r)) + torch.log(1 - torch.sigmoid(f))).mean(),
        lambda r, f: -torch.log(torch.sigmoid(f)).mean(),
    ),
    "least-squares": (
        lambda r, f: ((r - 1) ** 2).mean() / 2 + (f**2).mean() / 2,
        lambda r, f: ((f - 1) ** 2).mean() / 2,
    ),
    "wasserstein": (lambda r, f: -(r.mean() - f.mean()), lambda r, f: -f.mean()),
    "hinge": (
        lambda r, f: (
            -torch.minimum(torch.zeros_like(r), r - 1).mean() - torch.minimum(torch.zeros_like(f), -f - 1).mean()
        ),
        lambda r, f: -f.mean(),
    ),
    "relativistic": (lambda r, f: -log_sigmoid(r - f).mean(), lambda r, f: -log_sigmoid(f - r).mean()),
}


def test_every_loss_has_a_textbook_formula():
    assert set(TEXTBOOK) == set(losses.LOSSES)


@pytest.mark.parametrize("name", sorted(TEXTBOOK))
@pytest.mark.parametrize("side", ["discriminator", "generator"])
def test_value_and_gradient_equal_the_textbook(name, side):
    real = torch.linspace(-6, 6, 50, dtype=torch.float64).requires_grad_()
    fake = torch.randn(50, dtype=torch.float64).mul(3).requires_grad_()
    ours = getattr(losses.get(name), side)(real, fake)
    theirs = TEXTBOOK[name][side == "generator"](real, fake)
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)
    for logits in (real, fake):
        g1, g2 = (
            torch.autograd.grad(x, logits, retain_graph=True, allow_unused=True, materialize_grads=True)[0]
            for x in (ours, theirs)
        )
        torch.testing.assert_close(g1, g2, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "d", "g"),
    [
        ("minimax", 2 * math.log(2), -math.log(2)),
        ("non-saturating", 2 * math.log(2), math.log(2)),
        ("least-squares", 0.5, 0.5),
        ("wasserstein", 0.0, 0.0),
        ("hinge", 2.0, 0.0),
        ("relativistic", math.log(2), math.log(2)),
    ],
)
def test_closed_form_at_an_undecided_discriminator(name, d, g):
    zeros = torch.zeros(8, dtype=torch.float64)
    loss = losses.get(name)
    assert loss.discriminator(zeros, zeros).item() == pytest.approx(d, abs=1e-12)
    assert loss.generator(zeros, zeros).item() == pytest.approx(g, abs=1e-12)


@pytest.mark.parametrize(("name", "slope"), [("minimax", 0.0067), ("non-saturating", 0.9933)])
def test_gradient_when_the_discriminator_is_sure(name, slope):
    fake = torch.tensor([-5.0], requires_grad=True)
    losses.get(name).generator(fake, fake).backward()
    assert abs(fake.grad.item()) == pytest.approx(slope, abs=5e-5)


@pytest.mark.parametrize("name", sorted(TEXTBOOK))
def test_stays_finite_at_huge_logits(name):
    fake = torch.tensor([-1e4, 1e4], requires_grad=True)
    real = fake.detach().flip(0)
    loss = losses.get(name)
    for value in (loss.discriminator(real, fake), loss.generator(real, fake)):
        assert value.isfinite()
        assert torch.autograd.grad(value, fake, materialize_grads=True, allow_unused=True)[0].isfinite().all()


def test_paired_says_whether_the_generator_looks_at_real_logits():
    real = torch.zeros(4, requires_grad=True)
    for loss in losses.LOSSES.values():
        value = loss.generator(real, torch.ones(4, requires_grad=True))
        gradient = torch.autograd.grad(value, real, allow_unused=True)[0]
        assert (gradient is not None and bool(gradient.abs().sum() > 0)) == loss.paired, loss.name


def test_unknown_name_suggests_the_nearest():
    with pytest.raises(InputError, match="loss: 'hing' is not known; did you mean 'hinge'"):
        losses.get("hing")
