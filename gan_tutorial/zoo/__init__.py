"""Pretrained generators that come with the package, and what is known of each.

Beside this file lie, for every name, NAME.safetensors (the weights, in float16) and NAME.md (the card: data, recipe,
measured quality, licence). `tools/train_zoo.py` makes both.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import safetensors.torch
from torch import nn

from gan_tutorial import data, models
from gan_tutorial.errors import CheckpointError, unknown
from gan_tutorial.training.recipes import Recipe

_NAMES = ("dcgan-mnist",)


def names() -> tuple[str, ...]:
    """The pretrained generators."""
    return _NAMES


def load(name: str) -> nn.Module:
    """The generator `name`, on the CPU, in eval mode, float32: z ~ N(0, 1) (N, z_dim) -> images (N, C, H, W).

    Nothing is unpickled, and nothing downloaded. Raises InputError for an unknown name,
    :class:`~gan_tutorial.errors.CheckpointError` for a file that is not the one its card describes.
    """
    content = weights_file(name).read_bytes()
    found = re.search(r"\b[0-9a-f]{64}\b", card(name))
    if found is None or hashlib.sha256(content).hexdigest() != found[0]:
        raise CheckpointError(f"zoo: {str(weights_file(name))!r} is damaged (its SHA-256 is not the card's); reinstall")
    # safetensors: eight bytes that say how long the JSON header is, then the header.
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    recipe = Recipe.from_json(json.loads(header["__metadata__"]["recipe"]))
    shape = data.load(recipe.data, **recipe.data_options).sample_shape
    network = models.build(recipe.model, shape, **recipe.model_options)["generator"]
    network.load_state_dict(safetensors.torch.load(content))  # float16 in the file, float32 here
    return network.eval().requires_grad_(False)


def card(name: str) -> str:
    """The model card of `name`, Markdown. Raises InputError for an unknown name."""
    if name not in _NAMES:
        raise unknown("pretrained model", name, _NAMES)
    return weights_file(name).with_suffix(".md").read_text(encoding="utf-8")


def weights_file(name: str) -> Path:
    """Where the weights of `name` lie. Raises InputError for an unknown name."""
    if name not in _NAMES:
        raise unknown("pretrained model", name, _NAMES)
    return Path(__file__).with_name(f"{name}.safetensors")
