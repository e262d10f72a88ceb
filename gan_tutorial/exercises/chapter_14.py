"""Chapter 14, stability: steps that look ahead, packs, and diseases that are told apart and cured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from gan_tutorial.exercises import called
from gan_tutorial.experiments import stability_cures

SEEDS, STEPS, ENOUGH = (900, 901, 902), 800, 6.0
KEPT = ("g_steps", "n_critic", "lr_g", "lr_d")  # what exercise 4 may not change


def exercise_1(extragradient: Callable[..., Any]) -> str | None:
    """`extragradient(w, gradient, rate)` -> w - rate * gradient(w - rate * gradient(w))."""
    for w, rate in ((2.0, 0.1), (-1.0, 0.5), (0.3, 0.2)):
        found = float(called(extragradient, w, _slope, rate))
        ahead = w - rate * _slope(w)
        for value, hint in (
            (w - rate * _slope(ahead), None),
            (ahead, "this is the plain step: take the slope at the place where it leads, and step again from w"),
            (
                ahead - rate * _slope(ahead),
                "these are two steps: the second one begins at w, with the slope found ahead",
            ),
            (w + rate * _slope(w + rate * _slope(w)), "that goes up: the player lowers it, so both signs are minus"),
            (w + rate * _slope(ahead), "the last sign: the step goes against the slope"),
            (w - rate * _slope(w + rate * _slope(w)), "the look ahead goes against the slope too"),
            (w - _slope(w - _slope(w)), "the rate is missing"),
            (w - rate * _slope(w - _slope(w)), "the look ahead is as long as the step: rate times the slope"),
            (w - rate * (_slope(w) + _slope(ahead)) / 2, "only the slope ahead counts, not the mean of both"),
            (w - rate * (2 * _slope(w) - _slope(ahead)), "only the slope ahead counts"),
        ):
            if abs(found - value) < 1e-6:
                if hint:
                    return hint
                break
        else:
            return f"for w = {w:g} and rate {rate:g} it should be {w - rate * _slope(ahead):.4g}, not {found:.4g}"
    return None


def _slope(w: float) -> float:
    return w**3 + w  # of w^4 / 4 + w^2 / 2


def exercise_2(packed: Callable[..., Any]) -> str | None:
    """`packed(x, m)` -> the rows of the packs, (N / m, m d)."""
    for n, d, m in ((6, 2, 3), (8, 3, 2), (4, 2, 1)):
        x = torch.arange(n * d, dtype=torch.float32).view(n, d)
        found = torch.as_tensor(called(packed, x.clone(), m))
        shape = (n // m, m * d)
        if tuple(found.shape) == (n // m, m, d):
            return f"the samples of a pack are not joined yet: flatten the last two, to {shape}"
        if m > 1 and tuple(found.shape) == (n, m * d):
            return "every sample belongs to one pack: there are N / m rows, not N"
        if tuple(found.shape) != shape:
            return f"for a batch of {(n, d)} and packs of {m} the shape is {shape}, not {tuple(found.shape)}"
        right = x.view(shape)
        if torch.equal(found, right):
            continue
        if torch.equal(found, torch.cat(list(x.view(m, n // m, d)), 1)):
            return "these packs join samples from far apart: a pack holds samples that follow each other"
        if torch.equal(found, x.view(n // m, m, d).transpose(1, 2).reshape(shape)):
            return "inside a pack the numbers of the samples are mixed: one sample stands behind the other"
        if torch.equal(found, x.view(n // m, m, d)[:, :1].expand(-1, m, -1).reshape(shape)):
            return "this repeats one sample in each pack: a real pack would have twins, too"
        return f"for packs of {m} the first row should be {right[0].tolist()}, not {found[0].tolist()}"
    return None


PATIENTS = {"A": "starved D", "B": "momentum", "C": "sharp D"}
_SIGNS = {
    "A": "nothing good, long moves, and a D that is fooled",
    "B": "hardly anything good and no rest, though D is not fooled",
    "C": "good samples that stay where they are",
}


def exercise_3(patients: Mapping[str, str]) -> str | None:
    """Which disease each patient has."""
    if set(patients) != set(PATIENTS):
        return f"there are three patients, A, B and C, not {', '.join(map(str, patients)) or 'none'}"
    for name, disease in patients.items():
        if disease not in stability_cures.DISEASES:
            return f"{name}: {disease!r} is none of {', '.join(stability_cures.DISEASES)}"
    for name, disease in PATIENTS.items():
        if patients[name] != disease:
            return f"look at {name} again: {_SIGNS[name]}; compare with the dots in section 14.2"
    return None


def exercise_4(changes: Mapping[str, Any]) -> str | None:
    """Changes after which the ring is found though G has five updates for each of D's."""
    if not isinstance(changes, Mapping) or not changes:
        return 'give a dictionary of changes, as in {"r1": 0.1}'
    taken = [name for name in KEPT if name in changes]
    if taken:
        return f"{taken[0]} is a part of the disease here: leave it as it is, and help D in another way"
    longer = [name for name in ("steps", "batch_size", "data", "model", "algorithm") if name in changes]
    if longer:
        return f"{longer[0]} is given: change the networks or the update rule"
    of = stability_cures.recipe("starved D", steps=STEPS, **changes)
    found = stability_cures.judged(stability_cures.trained(of, SEEDS), of).modes
    mean = sum(found) / len(found)
    if mean >= ENOUGH:
        return None
    hint = "penalties make a weak D weaker" if set(changes) & {"r1", "r2", "gradient_penalty"} else _HELP
    return f"{mean:.1f} modes on average, of three seeds; {ENOUGH:g} are wanted: {hint}"


_HELP = "let D see that samples repeat, or let G see what D will answer"
