"""What goes wrong in a run, told from its curves. Nothing is remembered: the same curves always tell the same.

The thresholds were chosen on runs of the small ring and its like, and tested on others, see the results page
lab-diagnosis.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

# Collapse. A G that has yet to find the data can have a recall of 0.1 to 0.5 for a thousand steps; a collapsed one has
# less. One that makes a single mode well has that mode's share, 1/8 on the ring, and is told by its precision: a G on
# its way to all modes has little, and a healthy one's recall stays above 0.6 while its precision grows.
RECALL_NOTHING = 0.08  # at most: so little of the data that it is a collapse, however good the samples are
RECALL_PART, PRECISION_PART = 0.5, 0.3  # at most so much of the data, but so many samples are good: G has settled there
CLASSES_PART = 0.5  # at most this share of the classes (images)
COLLAPSE_STEPS = 400  # it is told when it has lasted so long: the first hundreds of steps of any run look like it

# D too strong. Every loss of D but the critic's is 0 where D is perfect, and from 0.25 (least squares) to 2 (hinge)
# where it is blind. With cross-entropy, healthy runs on points stay above 0.6 and a DCGAN on digits above 0.5.
D_LOSS_PERFECT = 0.05
D_TOO_STRONG_STEPS = 200  # a good D wins the first tens of steps of a healthy run too

# Oscillation: turns between a low and a high that differ by at least this much (of the classes: this share; of the FID:
# this factor, e.g. a half and back). On its way up a healthy run turns two or three times, seldom more. The losses are
# left out: those of a healthy game swing too.
SWINGS = {"recall": 0.3, "precision": 0.3, "js": 0.1, "classes": 0.3, "fid": math.log(2)}
TURNS = 5
OSCILLATION_STEPS, OSCILLATION_POINTS = 800, 20  # where turns are counted; the last so many points, if those are more

# Divergence. |d_loss| stays below 6 in runs on points that do not diverge. A critic's has the scale of the data: on
# digits, under a gradient penalty, it is 40 in a healthy run's first hundred steps, and less later.
D_LOSS_LARGE = 20.0  # at least
D_LOSS_GROWTH, BEGINNING_STEPS = 10.0, 100  # and so many times the median of the first steps
DIVERGENCE_STEPS, DIVERGENCE_SHARE = 100, 0.2  # so much of so many steps: a critic's loss crosses 0 while it blows up

LASTING, OVER = 0.8, 0.5  # something lasts from the time it holds for this share of the steps, until for less than that
_LEAST_POINTS = 4  # of a curve in the steps that are looked at; more steps, if they are fewer


@dataclass(frozen=True)
class Finding:
    """Something that the diagnosis sees: its `name`, the step `since` when, and the `values` that tell."""

    name: str
    since: int
    values: Mapping[str, float] = field(default_factory=dict)


def diagnose(series: Mapping[str, np.ndarray], floors: Mapping[str, float]) -> list[Finding]:
    """What a run's curves show, see :class:`gan_tutorial.live.frame.Frame` for `series` and `floors`.

    "divergence": D's loss has blown up. "d_too_strong": D tells all samples apart. "collapse": G makes a part of the
    data only; it is not told beside the former two, with which G makes nothing. "oscillation": G gains and loses parts
    of the data again and again. Curves that are missing, short or not finite tell nothing.
    """
    curves = {name: _finite(curve) for name, curve in series.items()}
    strong = [found for found in (_divergence(curves), _d_too_strong(curves)) if found][:1]
    collapse = None if strong else _collapse(curves, floors)
    return [found for found in (*strong, collapse, _oscillation(curves, floors)) if found]


# -- the findings ------------------------------------------------------------------------------------------------------
def _divergence(curves: Mapping[str, np.ndarray]) -> Finding | None:
    steps, d_loss = _curve(curves, "d_loss")
    if not len(steps):
        return None
    beginning = np.abs(d_loss[steps <= steps[0] + BEGINNING_STEPS])
    large = np.abs(d_loss) >= max(D_LOSS_LARGE, D_LOSS_GROWTH * np.median(beginning))
    since = _lasting(steps, large, DIVERGENCE_STEPS, on=DIVERGENCE_SHARE, off=1e-9)
    if since is None:
        return None
    return Finding("divergence", since, {"d_loss": float(d_loss[-1]), "largest": float(np.abs(d_loss).max())})


def _d_too_strong(curves: Mapping[str, np.ndarray]) -> Finding | None:
    steps, d_loss = _curve(curves, "d_loss")
    real, fake = _at(steps, curves, "real_logit"), _at(steps, curves, "fake_logit")
    if np.allclose(d_loss, fake - real, rtol=1e-3, atol=1e-3):
        return None  # a critic's: it has no least value
    since = _lasting(steps, np.abs(d_loss) <= D_LOSS_PERFECT, D_TOO_STRONG_STEPS)
    if since is None:
        return None
    last = steps >= steps[-1] - D_TOO_STRONG_STEPS
    values = {"d_loss": d_loss, "real_logit": real, "fake_logit": fake}
    return Finding("d_too_strong", since, {name: float(value[last].mean()) for name, value in values.items()})


def _collapse(curves: Mapping[str, np.ndarray], floors: Mapping[str, float]) -> Finding | None:
    if len(curves.get("recall", ())):
        steps, recall = _curve(curves, "recall")
        part = (recall <= RECALL_PART) & (_at(steps, curves, "precision") >= PRECISION_PART)
        little, name = part | (recall <= RECALL_NOTHING), "modes" if "modes" in floors else "recall"
    else:
        steps, classes = _curve(curves, "classes")
        little, name = classes <= CLASSES_PART * floors.get("classes", 0.0), "classes"
    since = _lasting(steps, little, COLLAPSE_STEPS)
    if since is None:
        return None
    found = _at(steps, curves, name)[steps >= steps[-1] - COLLAPSE_STEPS]
    return Finding("collapse", since, {name: float(np.median(found)), "all": floors.get(name, 1.0)})


def _oscillation(curves: Mapping[str, np.ndarray], floors: Mapping[str, float]) -> Finding | None:
    found = []
    for name, least in SWINGS.items():
        steps, values = _curve(curves, name)
        if name == "classes":
            scaled = values / floors.get(name, 1.0)
        else:
            scaled = np.log(np.maximum(values, 1e-9)) if name == "fid" else values
        turns = _turns(scaled, least)
        limits: dict[str, Any] = {"on": TURNS, "off": TURNS / 2, "points": OSCILLATION_POINTS, "share": False}
        since = _lasting(steps, turns, OSCILLATION_STEPS, **limits)
        if since is not None:
            last = steps >= min(steps[-1] - OSCILLATION_STEPS, steps[-OSCILLATION_POINTS])
            low, high = float(values[last].min()), float(values[last].max())
            seen = {"turns": float(turns[last].sum()), "low": low, "high": high}
            found.append(Finding("oscillation", since, seen))
    return max(found, key=lambda finding: finding.values["turns"], default=None)


# -- curves ------------------------------------------------------------------------------------------------------------
def _finite(curve: np.ndarray) -> np.ndarray:
    curve = np.asarray(curve, np.float64).reshape(-1, 2)
    return curve[np.isfinite(curve).all(1)]


def _curve(curves: Mapping[str, np.ndarray], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps and values; both empty where there is no such curve."""
    curve = curves.get(name, np.zeros((0, 2)))
    return curve[:, 0], curve[:, 1]


def _at(steps: np.ndarray, curves: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """A curve's values at the steps of another; NaN where there is none."""
    own, values = _curve(curves, name)
    return np.interp(steps, own, values) if len(own) else np.full(len(steps), np.nan)


def _turns(values: np.ndarray, least: float) -> np.ndarray:
    """Where the values have come back by `least` from a high or a low after having come as far to it, (k,) bool."""
    turns = np.zeros(len(values), bool)
    low = high = float(values[0]) if len(values) else 0.0
    direction = 0
    for i, value in enumerate(values.tolist()):
        low, high = min(low, value), max(high, value)
        if (direction >= 0 and value <= high - least) or (direction <= 0 and value >= low + least):
            turns[i] = direction != 0
            direction = -1 if value <= high - least else 1
            low = high = value
    return turns


def _lasting(
    steps: np.ndarray,
    holds: np.ndarray,
    window: int,
    *,
    on: float = LASTING,
    off: float = OVER,
    points: int = _LEAST_POINTS,
    share: bool = True,
) -> int | None:
    """The step since when something lasts, or None if it does not at the curve's end.

    It begins when it `holds` (k,) for the share `on` of the last `window` steps, at the first of them where it does,
    and ends when it holds for less than the share `off`. With `share=False` both are numbers of points.
    """
    if len(steps) < points:
        return None
    last = np.arange(len(steps))
    first = np.minimum(np.searchsorted(steps, steps - window), last - points + 1)
    whole = (first >= 0) & (steps - steps[0] >= window)
    first = np.maximum(first, 0)
    total = np.concatenate([[0], np.cumsum(holds)])
    level = (total[last + 1] - total[first]) / (last + 1 - first if share else 1)
    (over,) = np.nonzero(~whole | (level < off))
    (begun,) = np.nonzero(whole & (level >= on))
    begun = begun[begun > (over[-1] if len(over) else -1)]
    if not len(begun):
        return None
    begins = first[begun[0]] + int(np.argmax(holds[first[begun[0]] :]))
    return int(steps[begins])
