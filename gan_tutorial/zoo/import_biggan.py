"""Reads the weights of BigGAN-deep generators as `pytorch-pretrained-biggan` (2019) publishes them; runs nothing."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import Tensor

from gan_tutorial.errors import CheckpointError, InputError
from gan_tutorial.models.biggan_deep import CHANNELS, Generator
from gan_tutorial.zoo.tensor_files import read_tensors

_ENDINGS = (".safetensors", ".bin", ".pt", ".pth")
_LAYER = re.compile(r"generator\.layers\.(\d+)\.")


def import_biggan(path: str | Path) -> Generator:
    """The generator whose weights are in the file `path`: on the CPU, in eval mode, float32, without gradients.

    Use it as `G(z, labels, truncation=1.0)`; see :class:`gan_tutorial.models.biggan_deep.Generator`. Resolution, width,
    latent size, number of classes and the place of the attention follow from the tensors' shapes. Spectral norm is
    divided out with the vectors that are stored.

    Args:
        path: `pytorch_model.bin` of the release, or such a state dict as .pt or .pth; or the same names in a
            .safetensors file.

    Raises :class:`~gan_tutorial.errors.CheckpointError` for a file that can't be read, holds more than tensors, is
    damaged, lacks a tensor or has one too many, or doesn't fit the architecture.
    """
    path = Path(path)
    state = _divide_norms(_read(path), path)
    generator = _empty(state, path)
    ours = {name if name.startswith("embeddings") else f"generator.{name}": name for name in generator.state_dict()}
    missing, unexpected = sorted(ours.keys() - state.keys()), sorted(state.keys() - ours.keys())
    if missing:
        raise _wrong(path, f"lacks {_some(missing)}")
    if unexpected:
        raise _wrong(path, f"has {_some(unexpected)} too many")
    shapes = {theirs: generator.state_dict()[name].shape for theirs, name in ours.items()}
    for name, tensor in state.items():
        if tensor.shape != shapes[name]:
            raise _wrong(path, f"has {name!r} of shape {tuple(tensor.shape)}, not {tuple(shapes[name])}")
    generator.load_state_dict({name: state[theirs] for theirs, name in ours.items()}, assign=True)
    return generator.eval().requires_grad_(False)


def _read(path: Path) -> dict[str, Tensor]:
    """The file's tensors by name, contiguous float32."""
    if path.suffix not in _ENDINGS:
        raise CheckpointError(f"checkpoint: {str(path)!r} has an unknown ending; expected {', '.join(_ENDINGS)}")
    state = read_tensors(path)
    for name, tensor in state.items():
        if not tensor.is_floating_point():
            raise _wrong(path, f"has {name!r}, which is not a tensor of floats")
    state = {name: tensor.detach().float().contiguous() for name, tensor in state.items()}
    for name, tensor in state.items():
        if not tensor.isfinite().all():
            raise _wrong(path, f"is damaged: {name!r} has infinite values or NaN")
    return state


def _divide_norms(state: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """`state` with every (weight_orig, weight_u, weight_v) replaced by weight = weight_orig / (u . weight_orig v)."""
    state = dict(state)
    for name in [name for name in state if name.endswith(".weight_orig")]:
        stem = name.removesuffix("_orig")
        lacking = [stem + end for end in ("_u", "_v") if stem + end not in state]
        if lacking:
            raise _wrong(path, f"lacks {_some(lacking)}")
        if stem in state:
            raise _wrong(path, f"has both {stem!r} and {name!r}")
        weight, u, v = (state.pop(stem + end) for end in ("_orig", "_u", "_v"))
        rows = weight.flatten(1) if weight.dim() > 1 else weight[:, None]
        if u.shape != rows.shape[:1] or v.shape != rows.shape[1:]:
            raise _wrong(path, f"has {stem + '_u'!r} or {stem + '_v'!r} of a shape that doesn't fit {name!r}")
        sigma = torch.dot(u, torch.mv(rows, v))
        if sigma <= 0:
            raise _wrong(path, f"is damaged: the spectral norm of {name!r} is {float(sigma):.3g}, not above 0")
        state[stem] = weight / sigma
    return state


def _empty(state: dict[str, Tensor], path: Path) -> Generator:
    """The generator that `state` is for, by its shapes, without values."""

    def shape(name: str, dims: int) -> torch.Size:
        if name not in state:
            raise _wrong(path, f"lacks {name!r}")
        if state[name].dim() != dims:
            raise _wrong(path, f"has {name!r} of shape {tuple(state[name].shape)}, not {dims} dimensions")
        return state[name].shape

    embedding_dim, num_classes = shape("embeddings.weight", 2)
    condition = shape("generator.gen_z.weight", 2)[1]
    bins, width = shape("generator.bn.running_means", 2)
    layers = {int(found[1]) for found in map(_LAYER.match, state) if found}
    attention = [i for i in layers if f"generator.layers.{i}.gamma" in state]
    blocks = {len(channels) - 1: resolution for resolution, channels in CHANNELS.items()}
    resolution = blocks.get(len(layers) - len(attention))
    if len(attention) > 1 or resolution is None:
        what = f"{len(layers) - len(attention)} blocks and {len(attention)} attention layers"
        raise _wrong(path, f"has {what}, not {', '.join(map(str, blocks))} and at most 1")
    try:
        with torch.device("meta"):
            return Generator(
                resolution,
                width=width,
                z_dim=condition - embedding_dim,
                embedding_dim=embedding_dim,
                num_classes=num_classes,
                attention=attention[0] if attention else None,
                bins=bins,
            )
    except InputError as error:
        raise _wrong(path, f"has shapes that don't fit ({error})") from None


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(map(repr, names[:3])) + more


def _wrong(path: Path, why: str) -> CheckpointError:
    wanted = "expected the whole state dict of a BigGAN-deep generator of pytorch-pretrained-biggan"
    return CheckpointError(f"checkpoint: {str(path)!r} {why}; {wanted}")
