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


# -- reading logits ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "probability", "beliefs"),
    [
        ("minimax", True, [0.0474, 0.2689, 0.5, 0.7311, 0.9820]),
        ("non-saturating", True, [0.0474, 0.2689, 0.5, 0.7311, 0.9820]),
        ("least-squares", True, [0.0, 0.0, 0.0, 1.0, 1.0]),
        ("hinge", False, [0.0474, 0.2689, 0.5, 0.7311, 0.9820]),
        ("relativistic", False, [0.0180, 0.1192, 0.2689, 0.5, 0.9526]),  # sigmoid(logit - 1)
        (
            "wasserstein",
            False,
            [0.0180, 0.1192, 0.2689, 0.5, 0.9526],
        ),  # mean |logit - 1| is 2: sigmoid(2 (logit - 1) / 2)
    ],
)
def test_beliefs(name, probability, beliefs):
    loss, logits = losses.get(name), torch.tensor([-3.0, -1.0, 0.0, 1.0, 4.0])
    belief = loss.belief(logits, torch.tensor(1.0))
    assert loss.probability is probability
    assert belief.tolist() == pytest.approx(beliefs, abs=5e-5)


def test_only_a_critic_s_belief_ignores_the_scale_and_the_zero_of_logits():
    logits, middle = torch.linspace(-2, 3, 12).view(3, 4), torch.tensor(0.5)
    for name, loss in losses.LOSSES.items():
        belief = loss.belief(logits, middle)
        assert belief.shape == (3, 4)
        assert belief.diff().min() >= 0
        moved, scaled = loss.belief(logits + 7, middle + 7), loss.belief(5 * logits, 5 * middle)
        assert torch.allclose(belief, moved, atol=1e-6) == (name in ("wasserstein", "relativistic")), name
        assert torch.allclose(belief, scaled, atol=1e-6) == (name == "wasserstein"), name
    undecided = losses.get("wasserstein").belief(torch.full((4,), 3.0), torch.tensor(3.0))
    assert undecided.tolist() == [0.5] * 4


# -- one sample's loss and slope ---------------------------------------------------------------------------------------
SLOPES = {
    "minimax": lambda logit, real: -logit.sigmoid(),
    "non-saturating": lambda logit, real: logit.sigmoid() - 1,
    "least-squares": lambda logit, real: logit - 1,
    "wasserstein": lambda logit, real: -torch.ones_like(logit),
    "hinge": lambda logit, real: -torch.ones_like(logit),
    "relativistic": lambda logit, real: -(real - logit).sigmoid(),
}


@pytest.mark.parametrize("name", sorted(losses.LOSSES))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_single_sample_s_loss_and_slope(name, dtype):
    logits, real = torch.linspace(-10, 10, 121, dtype=dtype), torch.tensor(1.5, dtype=dtype)
    with torch.no_grad():
        loss, slope = losses.per_sample(name, logits, real)
    assert (loss.dtype, loss.shape, slope.dtype, slope.shape) == (dtype, (121,), dtype, (121,))
    assert not any(t.requires_grad for t in (loss, slope, logits))
    torch.testing.assert_close(slope, SLOPES[name](logits, real), rtol=1e-5, atol=1e-6)
    generator = losses.get(name).generator
    alone = [generator(real.view(1), logit.view(1)) for logit in logits]
    torch.testing.assert_close(loss, torch.stack(alone))
    torch.testing.assert_close(loss.mean(), generator(real.expand(121), logits))
    # The slope times 1 / N is the gradient that the batch's loss gives each sample.
    fake = logits.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(generator(real.expand(121), fake), fake)
    torch.testing.assert_close(slope / 121, gradient)


def test_where_minimax_has_no_slope_left_and_the_others_have():
    sure_of_a_fake = torch.tensor([-10.0])
    slopes = {name: losses.per_sample(name, sure_of_a_fake, torch.tensor(10.0))[1].item() for name in losses.LOSSES}
    assert abs(slopes.pop("minimax")) < 5e-5
    assert max(slopes.values()) < -0.99


def test_per_sample_refuses_an_unknown_loss():
    with pytest.raises(InputError, match="loss: 'hing' is not known; did you mean 'hinge'"):
        losses.per_sample("hing", torch.zeros(3), torch.tensor(0.0))
