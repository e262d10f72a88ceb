"""Pretrained generators that come with the package, and what is known of each.

Four files make a model: NAME.safetensors holds the weights, and in its header what is needed to build the network;
NAME.json what was measured; NAME.md, the card, says both in words; NAME.webp shows samples, of texts NAME.txt.
`tools/train_zoo.py` makes them. Nothing is downloaded, and nothing unpickled. `from_pretrained`, `save_pretrained` and
`push_to_hub` exchange models with the Hugging Face Hub; see :mod:`gan_tutorial.zoo.hub`.
"""

from __future__ import annotations

import builtins
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from gan_tutorial import data, models
from gan_tutorial.errors import CheckpointError, require, require_integer, require_number, unknown
from gan_tutorial.models.biggan import truncated
from gan_tutorial.training.recipes import Recipe
from gan_tutorial.zoo import cards
from gan_tutorial.zoo.blueprint import Blueprint

FOLDER = Path(__file__).parent
BATCH = 256  # samples that are made at once


@dataclass(frozen=True)
class Entry:
    """A model of the zoo.

    Attributes:
        name: what :func:`load` calls it.
        blueprint: how its generator is built, and what its samples mean; see :class:`Blueprint`.
        facts: what was measured, as `tools/train_zoo.py` wrote it: "training" (hardware, seconds, samples seen, ...),
            "packing", "metrics", "failures".
    """

    name: str
    blueprint: Blueprint
    facts: Mapping[str, Any]

    @property
    def recipe(self) -> Recipe:
        """How it was trained."""
        return self.blueprint.recipe

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Of an image (C, H, W), of a sound (1, L), of a text's tokens (L,)."""
        return self.blueprint.sample_shape

    @property
    def class_names(self) -> tuple[str, ...]:
        """What its labels mean; empty if it takes none."""
        return self.blueprint.class_names

    @property
    def summary(self) -> str:
        """One line for lists."""
        return self.recipe.summary

    @property
    def parameters(self) -> int:
        """How many numbers the generator learned."""
        return int(self.facts["parameters"])

    @property
    def bytes(self) -> int:
        """Size of the file of weights."""
        return int(self.facts["bytes"])

    @property
    def sha256(self) -> str:
        """Checksum of the file of weights."""
        return str(self.facts["sha256"])

    @property
    def card(self) -> str:
        """The model card, Markdown."""
        return cards.render(self)

    @property
    def sheet(self) -> Path:
        """The file of samples, seed 0: a picture of images or of spectrograms, with a row for each class where there
        are classes; or texts, one a line."""
        return FOLDER / f"{self.name}{'.txt' if self.blueprint.is_text else '.webp'}"

    def decode(self, tokens: Tensor) -> builtins.list[str]:
        """The texts of tokens (n, L) that it wrote. Raises InputError if it writes none."""
        return self.blueprint.decode(tokens)


def list() -> tuple[Entry, ...]:
    """All models, by name."""
    return tuple(entry(name) for name in _names())


def entry(name: str) -> Entry:
    """What is known of the model `name`. Raises InputError for an unknown name, and
    :class:`~gan_tutorial.errors.CheckpointError` for files that are damaged."""
    file = weights_file(name)
    try:
        return Entry(name, Blueprint.from_json(header(file)), json.loads(file.with_suffix(".json").read_bytes()))
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(name, "it does not say how to build the network") from error


def load(name: str) -> nn.Module:
    """The generator `name`, on the CPU, in eval mode, float32: z (N, z_dim) -> images (N, C, H, W) or sounds (N, 1, L).

    A generator of texts has no z; it has a method `sample`. One that translates takes pictures (N, C, H, W) and a
    direction, "ab" or "ba". Where there are classes it takes labels as its second
    argument: class indices (N,) or rows (N, K). The data set is not needed. Raises InputError for an unknown name, and
    :class:`~gan_tutorial.errors.CheckpointError` for a file whose SHA-256 is not the recorded one.
    """
    known, content = entry(name), weights_file(name).read_bytes()
    if hashlib.sha256(content).hexdigest() != known.sha256:
        raise _damaged(name, "its SHA-256 is not the card's")
    return filled(fresh(known.blueprint), safetensors.torch.load(content))


def card(name: str) -> str:
    """The model card of `name`, Markdown. Raises InputError for an unknown name."""
    return entry(name).card


def weights_file(name: str) -> Path:
    """Where the weights of `name` lie. Raises InputError for an unknown name."""
    if name not in _names():
        raise unknown("pretrained model", name, _names())
    return FOLDER / f"{name}.safetensors"


def sample(name: str, n: int, *, seed: int = 0, **options: Any) -> Tensor:
    """n samples of the model `name`: images (n, C, H, W), sounds (n, 1, L) or texts (n, L); see :func:`batches` for
    the options labels, psi, temperature and direction."""
    return draw(load(name), entry(name).recipe, n, seed=seed, **options)


def draw(network: nn.Module, recipe: Recipe, n: int, **options: Any) -> Tensor:
    """All that :func:`batches` gives, in one tensor: (n, C, H, W), (n, 1, L) or (n, L)."""
    return torch.cat([*batches(network, recipe, n, **options)])


@torch.no_grad()
def batches(
    network: nn.Module,
    recipe: Recipe,
    n: int,
    *,
    seed: int = 0,
    labels: Tensor | None = None,
    psi: float | None = None,
    temperature: float | None = None,
    direction: str | None = None,
) -> Iterator[Tensor]:
    """n samples of a generator that `recipe` trained, on its device, at most `BATCH` at a time: images (N, C, H, W) or
    sounds (N, 1, L), float32, or tokens of texts, int64 (N, L). One that translates is given held-out pictures of the
    recipe's data, which `seed` chooses. Its mode is left as it is, and so is torch's global
    generator. Latents and labels are the same on every device.

    Args:
        n: how many in all, >= 1.
        seed: of the latents, and of the noise in the layers; of texts, of the choice of tokens.
        labels: class indices (n,) or rows (n, K) where there are classes; default: each class in turn.
        psi: truncation, for fewer surprises. StyleGAN2: how far styles go from their average, 0 to 1. BigGAN: the
            largest latent, > 0.
        temperature: of texts, > 0: below 1 for fewer surprises.
        direction: of translations, "ab" (the default) or "ba".

    Raises InputError for a value out of range, and for labels, truncation, temperature or a direction where the model
    has none.
    """
    require_integer("n", n, 1)
    require_integer("seed", seed, 0, 2**63 - 1)
    truncates, writes = recipe.model in ("biggan", "stylegan2"), recipe.model == "seqgan"
    require(psi is None or truncates, "psi", psi, f"none: {recipe.name} has no truncation")
    require(temperature is None or writes, "temperature", temperature, f"none: {recipe.name} writes no texts")
    known = getattr(network, "directions", ())
    if direction is not None and direction not in known:
        raise unknown("direction", direction, known or ("none, since it does not translate",))
    classes = int(network.num_classes)  # type: ignore[arg-type]
    require(labels is None or classes > 0, "labels", "some", f"none: {recipe.name} has no classes")
    rng, z_dim = torch.Generator().manual_seed(seed), int(network.z_dim)  # type: ignore[arg-type]
    if writes:
        warmth = 1.0 if temperature is None else temperature
        for rows in torch.arange(n).split(BATCH):
            yield network.sample(len(rows), rng, warmth)  # type: ignore[operator]
        return
    if known:
        held_out: Any = data.load(recipe.data, "test", **recipe.data_options)
        direction = direction or known[0]
        yield from translations(network, held_out.sources(n, seed, direction).x, direction)
        return
    options = {}
    if psi is not None and recipe.model == "stylegan2":
        require_number("psi", psi, 0, 1)
        options["psi"] = psi
    if psi is not None and recipe.model == "biggan":
        require_number("psi", psi, 1e-6)
        z = truncated(n, z_dim, psi, rng)
    elif recipe.noise == "normal":
        z = torch.randn(n, z_dim, generator=rng)
    else:
        z = torch.rand(n, z_dim, generator=rng) * 2 - 1
    if classes:
        labels = torch.arange(n) % classes if labels is None else labels
        require(len(labels) == n, "labels", tuple(labels.shape), f"as many as samples, {n}")
    device = next(network.parameters()).device
    forked = [device] if device.type == "cuda" else []
    state = torch.Generator().manual_seed(seed).get_state()  # of torch's global generator, which layers draw from
    for rows in torch.arange(n).split(BATCH):
        with torch.random.fork_rng(devices=forked):
            torch.random.set_rng_state(state)
            if forked:
                torch.cuda.manual_seed(seed + int(rows[0]))
            given = [z[rows], labels[rows]] if labels is not None else [z[rows]]
            some = network(*(x.to(device) for x in given), **options).float()
            state = torch.random.get_rng_state()
        yield some


@torch.no_grad()
def translations(network: nn.Module, x: Tensor, direction: str = "ab") -> Iterator[Tensor]:
    """Translations of pictures x (n, C, H, W) in [-1, 1] by `network`, on its device, at most `BATCH` at a time."""
    device = next(network.parameters()).device
    for some in x.split(BATCH):
        yield network(some.to(device), direction).float()


def translate(name: str, x: Tensor, direction: str = "ab") -> Tensor:
    """Pictures (n, C, H, W) in [-1, 1] -> what the model `name` makes of them: "ab" translates from A to B, "ba" back
    where the model can. Raises InputError for an unknown name or direction, and for a model that does not translate."""
    domains, network = entry(name).blueprint.domains, load(name)
    require(bool(domains), "model", name, "one that translates pictures")
    return torch.cat([*translations(network, x, direction)])


# -- files -------------------------------------------------------------------------------------------------------------
def packed(tensors: Mapping[str, Tensor], blueprint: Blueprint, **more: Any) -> bytes:
    """A safetensors file whose header says how to build the network, and `more`; the same bytes for the same input."""
    about = blueprint.to_json() | more
    # One key: the library writes several in any order.
    return safetensors.torch.save({key: t.contiguous() for key, t in tensors.items()}, {"about": json.dumps(about)})


def header(file: Path) -> dict[str, Any]:
    """What :func:`packed` wrote beside the tensors, which are not read. Raises ValueError or KeyError if it did not."""
    with open(file, "rb") as content:  # eight bytes that say how long the JSON header is, then the header
        length = int.from_bytes(content.read(8), "little")
        return json.loads(json.loads(content.read(min(length, 2**24)))["__metadata__"]["about"])


def fresh(blueprint: Blueprint) -> nn.Module:
    """The blueprint's generator with random weights, in eval mode, without gradients. torch's global generator is left
    as it is."""
    b = blueprint
    with torch.random.fork_rng(devices=[]):
        networks = models.build(
            b.recipe.model, b.sample_shape, len(b.class_names), len(b.vocabulary), **b.recipe.model_options
        )
    return networks["generator"].eval().requires_grad_(False)


def filled(network: nn.Module, tensors: Mapping[str, Tensor]) -> nn.Module:
    """`network` with the weights `tensors`, float16 or float32. Raises CheckpointError if they don't fit it."""
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        reason = str(error).split("\n")[1 if "\n" in str(error) else 0].strip()
        raise CheckpointError(f"weights: they do not fit the recipe: {reason}") from error
    return network


def _names() -> tuple[str, ...]:
    return tuple(sorted(file.stem for file in FOLDER.glob("*.safetensors") if file.with_suffix(".json").exists()))


def _damaged(name: str, why: str) -> CheckpointError:
    file = FOLDER / f"{name}.safetensors"
    return CheckpointError(f"zoo: {str(file)!r} is damaged ({why}); reinstall the package")


def __getattr__(name: str) -> Any:
    # Only here is huggingface_hub needed, which not everyone has.
    if name in ("Pretrained", "from_pretrained", "push_to_hub", "save_pretrained"):
        from gan_tutorial.zoo import hub

        return getattr(hub, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
