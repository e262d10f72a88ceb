"""The networks, one architecture a file, each readable from top to bottom.

Every architecture's file has a `build(sample_shape, num_classes=0, **options)` that returns the networks by role,
"generator" and "discriminator". A generator knows its `z_dim`, `sample_shape` and `num_classes`; a discriminator gives
one logit a sample. Where there are classes, both take labels as a second argument: class indices or one-hot rows.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from torch import nn

from gan_tutorial.errors import unknown
from gan_tutorial.models import biggan, dcgan, mlp, r3gan, stylegan2

MODELS: dict[str, Callable[..., dict[str, nn.Module]]] = {
    "mlp": mlp.build,
    "dcgan": dcgan.build,
    "biggan": biggan.build,
    "stylegan2": stylegan2.build,
    "r3gan": r3gan.build,
}


def options(name: str) -> dict[str, Any]:
    """The options that the model called `name` takes, with their defaults."""
    if name not in MODELS:
        raise unknown("model", name, MODELS)
    parameters = inspect.signature(MODELS[name]).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY and p.name != "num_classes"}


def build(name: str, sample_shape: tuple[int, ...], num_classes: int = 0, **chosen: Any) -> dict[str, nn.Module]:
    """The networks of the model called `name` for samples of `sample_shape`, freshly initialised; with `num_classes`
    both depend on a class.

    Raises :class:`~gan_tutorial.errors.InputError` for an unknown model or option, or an option out of its range.
    """
    known = options(name)
    for option in chosen:
        if option not in known:
            raise unknown(f"option of model {name!r}", option, known)
    return MODELS[name](tuple(sample_shape), num_classes=num_classes, **chosen)
