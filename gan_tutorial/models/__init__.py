"""The networks, one architecture a file, each readable from top to bottom.

Every architecture's file has a `build(sample_shape, num_classes=0, **options)` that returns the networks by role,
"generator" and "discriminator". A generator knows its `z_dim`, `sample_shape` and `num_classes`; a discriminator gives
one logit a sample. Where there are classes, both take labels as a second argument: class indices or one-hot rows. Those
that translate pictures are told apart by their `directions`; they take pictures instead of latents.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from torch import nn

from gan_tutorial.errors import require, unknown
from gan_tutorial.models import biggan, cyclegan, dcgan, mlp, pix2pix, r3gan, seqgan, stylegan2, wavegan

MODELS: dict[str, Callable[..., dict[str, nn.Module]]] = {
    "mlp": mlp.build,
    "dcgan": dcgan.build,
    "biggan": biggan.build,
    "stylegan2": stylegan2.build,
    "r3gan": r3gan.build,
    "seqgan": seqgan.build,
    "wavegan": wavegan.build,
    "cyclegan": cyclegan.build,
    "pix2pix": pix2pix.build,
}
TEXT = "vocabulary"  # the argument of models that write text: how many tokens there are


def options(name: str) -> dict[str, Any]:
    """The options that the model called `name` takes, with their defaults."""
    if name not in MODELS:
        raise unknown("model", name, MODELS)
    parameters = inspect.signature(MODELS[name]).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in ("num_classes", TEXT)}


def build(
    name: str, sample_shape: tuple[int, ...], num_classes: int = 0, vocabulary: int = 0, **chosen: Any
) -> dict[str, nn.Module]:
    """The networks of the model called `name` for samples of `sample_shape`, freshly initialised; with `num_classes`
    both depend on a class. `vocabulary` is how many tokens a text may hold, 0 for what is no text.

    Raises :class:`~gan_tutorial.errors.InputError` for an unknown model or option, or an option out of its range.
    """
    known = options(name)
    for option in chosen:
        if option not in known:
            raise unknown(f"option of model {name!r}", option, known)
    writes = TEXT in inspect.signature(MODELS[name]).parameters
    wanted = "one for texts, such as 'seqgan'" if vocabulary else "another one, since the data are no texts"
    require(writes == (vocabulary > 0), "model", name, wanted)
    text = {TEXT: vocabulary} if writes else {}
    return MODELS[name](tuple(sample_shape), num_classes=num_classes, **text, **chosen)
