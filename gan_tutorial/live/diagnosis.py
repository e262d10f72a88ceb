"""What goes wrong in a run, told from its curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Finding:
    """Something that the diagnosis sees: its `name`, the step `since` when, and the `values` that tell."""

    name: str
    since: int
    values: Mapping[str, float] = field(default_factory=dict)


def diagnose(series: Mapping[str, np.ndarray], floors: Mapping[str, float]) -> list[Finding]:
    """What a run's curves show, see :class:`gan_tutorial.live.frame.Frame` for `series` and `floors`."""
    return []
