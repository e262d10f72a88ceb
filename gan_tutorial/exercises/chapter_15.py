"""What a right answer to an exercise of chapter 15, tools and the zoo, must do."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from gan_tutorial import penalties
from gan_tutorial.exercises import called
from gan_tutorial.losses import get


def exercise_1(relativistic: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]) -> str | None:
    """D's and G's relativistic loss of paired logits."""
    rng = torch.Generator().manual_seed(15)
    real, fake = torch.randn(64, generator=rng) + 2, torch.randn(64, generator=rng)
    found = called(relativistic, real, fake)
    if not isinstance(found, tuple | list) or len(found) != 2:
        return "return two numbers: D's loss and G's loss"
    d, g = (torch.as_tensor(value) for value in found)
    if d.numel() != 1 or g.numel() != 1:
        return f"the losses have shapes {tuple(d.shape)} and {tuple(g.shape)}: take the mean over the pairs"
    loss = get("relativistic")
    d_right, g_right = loss.discriminator(real, fake), loss.generator(real, fake)
    if _near(d, d_right) and _near(g, g_right):
        return None
    if _near(d, g_right) and _near(g, d_right):
        return "the two are swapped: D wants real logits above fake ones, G the opposite"
    plain = get("non-saturating")
    if _near(d, plain.discriminator(real, fake)) or _near(g, plain.generator(real, fake)):
        return "that is the non-saturating loss, which judges each logit alone: use the differences real - fake"
    if _near(d, softplus(fake.mean() - real.mean())):
        return "take the mean of the pairs' losses, not the loss of the mean difference"
    if _near(d, d_right * len(real)):
        return "that is the sum over the pairs: take the mean"
    if _near(g, -d_right):
        return "G's loss is not minus D's: G has a softplus of its own, of the opposite difference"
    if _near(d, d_right):
        return "D's loss is right; G's is the same with the real and the fake logits exchanged"
    return f"D's loss is {d.item():.3f} and should be {d_right.item():.3f}: softplus of fake - real, and the mean"


def exercise_2(claim: str) -> str | None:
    """What two cards support."""
    if not isinstance(claim, str) or claim.strip().lower() not in ("a", "b", "c", "d"):
        return "answer with one of the letters a, b, c, d"
    return {
        "a": "B was measured on more samples, and a classifier-FID falls with their number: the two do not compare",
        "b": "real images do not get 0 either: the card says what they get from as many samples, and A has more",
        "c": None,
        "d": "precision says which share of the samples lies among real images; what is missing, recall says",
    }[claim.strip().lower()]


def exercise_3(asks_for: Callable[[bytes], Sequence[str]]) -> str | None:
    """The names that a pickle of protocol 2 imports, without loading it."""
    for content, right in _PICKLES:
        found = called(asks_for, content)
        if isinstance(found, str | bytes) or not isinstance(found, Sequence | set):
            return f"return a list of names, not {type(found).__name__}"
        names = sorted(str(name).replace(" ", ".") for name in found)
        if names == sorted(right):
            continue
        if "REDUCE" in names or "GLOBAL" in names:
            return "those are the opcodes; what a GLOBAL imports is its argument"
        if "os.system" in names and "os.system" not in right:
            return "a text in the data is no danger: only look at the arguments of GLOBAL"
        if not names:
            return f"it finds nothing, where {right} is asked for: look for the opcode GLOBAL"
        if set(names) == set(right):
            return "a name is there twice"
        return f"it finds {names}, where {sorted(right)} is right"
    return None


def exercise_4(penalty: Callable[[nn.Module, Tensor], Tensor]) -> str | None:
    """The zero-centred penalty, half the mean squared gradient norm, with a graph back to D."""
    rng = torch.Generator().manual_seed(15)
    first = nn.Linear(3, 8)
    discriminator = nn.Sequential(first, nn.Softplus(), nn.Linear(8, 1))
    with torch.no_grad():
        for parameter in discriminator.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=rng))
    x = torch.randn(16, 3, generator=rng)
    found = torch.as_tensor(called(penalty, discriminator, x.clone()))
    if found.numel() != 1:
        return f"it has shape {tuple(found.shape)}: take the mean over the samples"
    norms = penalties.squared_gradient_norms(discriminator, x)
    right = penalties.r1(discriminator, x)
    if not _near(found, right):
        hints = (
            (norms.mean(), "the factor 1/2 is missing"),
            (0.5 * norms.sqrt().mean(), "square the norm: there is no root in this penalty"),
            (0.5 * (norms.sqrt() - 1).square().mean(), "that pulls the norm to 1; zero-centred means to 0"),
            ((norms.sqrt() - 1).square().mean(), "that pulls the norm to 1; zero-centred means to 0"),
            (0.5 * norms.sum(), "that is the sum over the samples: take the mean"),
            (0.5 * norms.mean() / 3, "sum the squares over a sample's dimensions; only over samples take the mean"),
            (0.5 * norms.mean() / 16**2, "ask for the gradient of the sum of the logits: the mean divides it by N"),
        )
        for wrong, hint in hints:
            if _near(found, wrong):
                return hint
        return f"it is {found.item():.3f} and should be {right.item():.3f}"
    if not found.requires_grad:
        return "the number is right, but D can't learn from it: pass create_graph=True to torch.autograd.grad"
    slope = torch.autograd.grad(found, first.weight, allow_unused=True)[0]
    if slope is None or not _near(slope, torch.autograd.grad(right, first.weight)[0]):
        return "the number is right, but its gradient in D's weights is not: keep the whole graph (create_graph=True)"
    return None


def _near(a: Tensor, b: Tensor) -> bool:
    return a.numel() == b.numel() and torch.allclose(a.detach().flatten(), b.detach().flatten(), 1e-4, 1e-5)


# Pickles of protocol 2, written by hand: a number, a text that looks like a name, a call, two calls inside a dict.
_PICKLES: tuple[tuple[bytes, list[str]], ...] = (
    (b"\x80\x02cbuiltins\nprint\nX\x02\x00\x00\x00hi\x85R.", ["builtins.print"]),
    (b"\x80\x02K\x07.", []),
    (b"\x80\x02X\x09\x00\x00\x00os.system.", []),
    (
        b"\x80\x02}(X\x01\x00\x00\x00acbuiltins\nlen\nX\x02\x00\x00\x00hi\x85RX\x01\x00\x00\x00bcmath\nsqrt\nK\x04\x85Ru.",
        ["builtins.len", "math.sqrt"],
    ),
)
