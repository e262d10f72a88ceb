"""Official checkpoints of StyleGAN2 (ADA, PyTorch), as networks of :mod:`gan_tutorial.models.stylegan2`.

Nothing in a file is executed: see :mod:`gan_tutorial.zoo.plain_pickle`. What the networks are is told by the shapes of
their weights.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gan_tutorial.errors import CheckpointError
from gan_tutorial.models import stylegan2
from gan_tutorial.zoo import plain_pickle
from gan_tutorial.zoo.import_biggan import import_biggan
from gan_tutorial.zoo.plain_pickle import Persistent
from gan_tutorial.zoo.tensor_files import read_torch

__all__ = ["import_biggan", "import_stylegan2"]

ROLES = ("G", "D", "G_ema")
GROUP = 4  # samples that D compares: what the official default is; weights don't tell


def import_stylegan2(path: str | Path) -> dict[str, nn.Module]:
    """The networks in an official checkpoint: those present of "G", "D" and "G_ema", float32, on the CPU, in eval mode.

    Read are the `.pkl` files of stylegan2-ada-pytorch, and `.pt`, `.pth`, `.bin` or `.safetensors` files of state
    dicts: one a role (`{"G_ema": {...}}`, or names that begin with "G_ema."), or that of a single network.

    `G(z, labels=None, psi=1.0, cutoff=None, noise="random")` gives images near [-1, 1], `G.mapping(z, labels)` styles
    (N, num_ws, w_dim), `D(images, labels)` logits (N, 1); labels are class indices or one-hot rows. In float32 all are
    the official code's up to rounding; its half precision on GPUs is not imitated.

    Raises :class:`~gan_tutorial.errors.CheckpointError`, one line, for a file that is none of these, is damaged, or
    asks for a type that is not on the list; and for networks of another architecture.
    """
    path = Path(path)
    content = plain_pickle.read(path) if path.suffix.lower() == ".pkl" else read_torch(path)
    found = _roles(content, path)
    networks: dict[str, nn.Module] = {}
    for role, (tensors, settings) in found.items():
        try:
            network = _discriminator(tensors, settings) if role == "D" else _generator(tensors, settings)
            network.load_state_dict(tensors)
        except (KeyError, ValueError, RuntimeError, IndexError, TypeError) as error:
            reason = " ".join(str(error).split())[:300]
            raise CheckpointError(
                f"checkpoint: {role} in {str(path)!r} is no StyleGAN2 that is known: {reason}"
            ) from None
        networks[role] = network.eval().requires_grad_(role != "G_ema")
    return networks


# -- from the file to tensors by name ----------------------------------------------------------------------------------
def _roles(content: Any, path: Path) -> dict[str, tuple[dict[str, Tensor], dict[str, Any]]]:
    """Of each network in the file: its tensors by their official names, and the settings that it was made with."""
    if isinstance(content, Persistent):
        content = {"G_ema" if "Generator" in content.class_name else "D": content}
    if not isinstance(content, dict):
        raise _foreign(path, f"it holds {type(content).__name__}")
    found: dict[str, Any] = {role: content[role] for role in ROLES if content.get(role) is not None}
    if not found:  # flat: "G_ema.mapping...." or a single network's "mapping...."
        for role in ROLES:
            of_role = {k.removeprefix(f"{role}."): v for k, v in content.items() if str(k).startswith(f"{role}.")}
            if of_role:
                found[role] = of_role
    if not found and "b4.out.weight" in content:
        found = {"D": content}
    if not found and "synthesis.b4.const" in content:
        found = {"G_ema": content}
    if not found:
        raise _foreign(path, f"no {', '.join(ROLES)} in it")
    return {role: _tensors(value, path, role) for role, value in found.items()}


def _tensors(value: Any, path: Path, role: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    settings: dict[str, Any] = {}
    if isinstance(value, Persistent):
        settings = value.state.get("_init_kwargs") or {}
        value = _flat(value.state)
    if not isinstance(value, dict) or not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in value.items()):
        raise _foreign(path, f"{role} is neither a network nor tensors by name")
    filters = [t for k, t in value.items() if k.endswith("resample_filter")]
    line = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    if not all(t.shape == (4, 4) and torch.allclose(t.float(), torch.outer(line, line)) for t in filters):
        raise _foreign(path, f"{role} resamples with another filter than [1, 3, 3, 1]")
    rest = {k: t.detach().float() for k, t in value.items() if not k.endswith("resample_filter")}
    return rest, settings if isinstance(settings, dict) else {}


def _flat(state: dict[str, Any], prefix: str = "") -> dict[str, Tensor]:
    """Parameters and buffers of a module's state and of its children's, by their dotted names."""
    found: dict[str, Tensor] = {}
    stack = [(state, prefix)]
    while stack:
        state, prefix = stack.pop()
        for kind in ("_parameters", "_buffers"):
            found |= {prefix + k: v for k, v in (state.get(kind) or {}).items() if v is not None}
        for name, child in (state.get("_modules") or {}).items():
            if child is not None:
                stack.append((child.state if isinstance(child, Persistent) else child, f"{prefix}{name}."))
    return found


def _foreign(path: Path, why: str) -> CheckpointError:
    return CheckpointError(
        f"checkpoint: {str(path)!r} holds no StyleGAN2 ({why}); give a .pkl of stylegan2-ada-pytorch"
    )


# -- from tensors to a network that fits them --------------------------------------------------------------------------
def _sizes(tensors: dict[str, Tensor], before: str) -> list[int]:
    """Resolutions that have a block, in ascending order."""
    found = {int(m[1]) for k in tensors if (m := re.match(rf"{before}b(\d+)\.", k))}
    return sorted(found)


def _layers(tensors: dict[str, Tensor]) -> int:
    return len([k for k in tensors if re.fullmatch(r"mapping\.fc\d+\.weight", k)])


def _classes(tensors: dict[str, Tensor]) -> int:
    return tensors["mapping.embed.weight"].shape[1] if "mapping.embed.weight" in tensors else 0


def _generator(tensors: dict[str, Tensor], settings: dict[str, Any]) -> stylegan2.Generator:
    _only(settings.get("mapping_kwargs"), {"lr_multiplier": 0.01, "activation": "lrelu", "w_avg_beta": 0.995})
    _only(settings.get("synthesis_kwargs"), {"activation": "lrelu", "resample_filter": [1, 3, 3, 1], "use_noise": True})
    sizes, of = _sizes(tensors, r"synthesis\."), "synthesis.b{}.conv1.weight"
    channels = {r: tensors[of.format(r)].shape[0] for r in sizes}
    architecture = "skip" if "synthesis.b4.torgb.weight" in tensors else "orig"
    architecture = "resnet" if "synthesis.b8.skip.weight" in tensors else architecture
    shape = (tensors[f"synthesis.b{sizes[-1]}.torgb.weight"].shape[0], sizes[-1], sizes[-1])
    w_dim, inputs = tensors["mapping.fc0.weight"].shape
    classes = _classes(tensors)
    z_dim = inputs - (w_dim if classes else 0)
    network = stylegan2.Generator(shape, z_dim, w_dim, channels, classes, _layers(tensors), architecture)
    _limit(network, (settings.get("synthesis_kwargs") or {}).get("conv_clamp"))
    return network


def _discriminator(tensors: dict[str, Tensor], settings: dict[str, Any]) -> stylegan2.Discriminator:
    _only(settings.get("mapping_kwargs"), {"lr_multiplier": 0.01, "activation": "lrelu"})
    _only(settings.get("block_kwargs"), {"activation": "lrelu", "resample_filter": [1, 3, 3, 1]})
    epilogue = settings.get("epilogue_kwargs") or {}
    _only(epilogue, {"activation": "lrelu"})
    sizes = _sizes(tensors, "")
    channels = {r: tensors[f"b{r}.conv0.weight"].shape[0] for r in sizes if r > 4}
    channels[4] = tensors["b4.fc.weight"].shape[0]
    extra = tensors["b4.conv.weight"].shape[1] - channels[4]
    if extra not in (0, 1):
        raise ValueError(f"{extra} channels of minibatch standard deviation")
    group = epilogue.get("mbstd_group_size", GROUP)
    group = 64 if group is None else int(group)  # None: all of the batch
    architecture = "skip" if "b4.fromrgb.weight" in tensors else "orig"
    architecture = "resnet" if f"b{sizes[-1]}.skip.weight" in tensors else architecture
    shape = (tensors[f"b{sizes[-1]}.fromrgb.weight"].shape[1], sizes[-1], sizes[-1])
    group = group if extra else 0
    network = stylegan2.Discriminator(shape, channels, _classes(tensors), architecture, _layers(tensors), group)
    _limit(network, settings.get("conv_clamp"))
    return network


def _limit(network: nn.Module, limit: float | None) -> None:
    """Clamp activations as the official networks do: not in the residual shortcuts, nor in D's last toRGB's mirror."""
    for name, module in network.named_modules():
        if hasattr(module, "limit") and not name.endswith("skip") and name != "b4.fromrgb":
            module.limit = limit


def _only(given: Any, known: dict[str, Any]) -> None:
    """A setting that changes what the weights mean has to be the usual one."""
    for name, usual in known.items():
        value = (given or {}).get(name, usual)
        if value != usual:
            raise ValueError(f"{name} {value!r}, where {usual!r} is known")
