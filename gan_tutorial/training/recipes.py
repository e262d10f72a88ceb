"""Recipes: everything that makes a run what it is, in one frozen, named place."""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import torch

from gan_tutorial import data, models
from gan_tutorial.algorithms import (
    ALGORITHMS,
    BigGANSettings,
    CycleGANSettings,
    GANSettings,
    Pix2PixSettings,
    SeqGANSettings,
    StyleGAN2Settings,
)
from gan_tutorial.augment import KINDS, Augmentation
from gan_tutorial.errors import InputError, require, require_integer, require_number, unknown

PRECISIONS = ("fp32", "bf16")


@dataclass(frozen=True)
class Recipe:
    """What is trained, on what, and how.

    Attributes:
        name: key in the registry, and the default name of a run's folder.
        summary: one line for lists.
        data: name of the data set, see :func:`gan_tutorial.data.load`.
        data_options: options of that data set (size in pixels, std in the data's own units, ...).
        model: name of the architecture, see :data:`gan_tutorial.models.MODELS`.
        model_options: its options (widths in channels or neurons, ...).
        algorithm: name of the update rule, see :data:`gan_tutorial.algorithms.ALGORITHMS`.
        settings: what may change during the run, see :class:`gan_tutorial.algorithms.GANSettings`.
        conditional: whether the networks depend on the data's labels.
        augment: what D sees is changed at random, see :mod:`gan_tutorial.augment`: "none", "diffaugment" or "ada".
        augment_target: share of real samples, minus that of the others, that D may believe before ADA changes more, in
            [0, 1].
        augment_images: real samples in which ADA's strength could go from 0 to 1.
        noise: distribution of a latent dimension: "normal" N(0, 1) or "uniform" U(-1, 1).
        batch_size: real samples in an update of D, over all processes.
        steps: length of the run, in steps of the algorithm.
        ema: decay of the generator's moving average per step, in [0, 1); 0 keeps none.
        precision: "fp32", or "bf16" for forward passes in bfloat16 (autocast).
        compile: whether the networks go through `torch.compile`.
        checkpoint_every: steps between two checkpoints.
        keep_checkpoints: how many of the newest checkpoints stay.
        log_every: steps between two lines of metrics.jsonl.
        sample_every: steps between two saved sample grids.
    """

    name: str
    summary: str
    data: str
    model: str
    data_options: Mapping[str, Any] = field(default_factory=dict)
    model_options: Mapping[str, Any] = field(default_factory=dict)
    algorithm: str = "gan"
    settings: Any = field(default_factory=GANSettings)
    conditional: bool = False
    augment: str = "none"
    augment_target: float = 0.6
    augment_images: int = 500_000
    noise: str = "normal"
    batch_size: int = 64
    steps: int = 1000
    ema: float = 0.0
    precision: str = "fp32"
    compile: bool = False
    checkpoint_every: int = 500
    keep_checkpoints: int = 2
    log_every: int = 50
    sample_every: int = 250

    def __post_init__(self) -> None:
        data.describe(self.data)
        for name, known in (("model", models.MODELS), ("algorithm", ALGORITHMS)):
            if getattr(self, name) not in known:
                raise unknown(name, getattr(self, name), known)
        wanted = ALGORITHMS[self.algorithm].Settings
        given = type(self.settings)
        require(given is wanted, "settings", given.__name__, f"{wanted.__name__}, for {self.algorithm!r}")
        known_options = models.options(self.model)
        for option in self.model_options:
            if option not in known_options:
                raise unknown(f"option of model {self.model!r}", option, known_options)
        require(self.noise in ("normal", "uniform"), "noise", self.noise, "'normal' or 'uniform'")
        require(self.precision in PRECISIONS, "precision", self.precision, f"one of {PRECISIONS}")
        require(isinstance(self.compile, bool), "compile", self.compile, "true or false")
        require(isinstance(self.conditional, bool), "conditional", self.conditional, "true or false")
        require(self.augment in KINDS, "augment", self.augment, f"one of {KINDS}")
        require_number("augment_target", self.augment_target, 0, 1)
        require_integer("augment_images", self.augment_images, 1)
        require_number("ema", self.ema, 0, 1, open_high=True)
        for name in ("batch_size", "steps", "checkpoint_every", "keep_checkpoints", "log_every", "sample_every"):
            require_integer(name, getattr(self, name), 1)

    def with_changes(self, changes: Mapping[str, Any]) -> Recipe:
        """A copy with fields, settings or options changed by name.

        A plain name is a field of the recipe or of its settings (`batch_size`, `lr_g`); `model.NAME` and `data.NAME`
        are options of the model and of the data set. Text is converted to the type that the name asks for.
        """
        direct: dict[str, Any] = {}
        settings: dict[str, Any] = {}
        options: dict[str, dict[str, Any]] = {"model": {}, "data": {}}
        own, live = _scalar_types(Recipe), _scalar_types(type(self.settings))
        for name, value in changes.items():
            group, _, option = name.partition(".")
            if group in options and option:
                options[group][option] = _literal(value)
            elif name in own:
                direct[name] = _convert(name, value, own[name])
            elif name in live:
                settings[name] = _convert(name, value, live[name])
            else:
                dotted = [f"model.{option}" for option in models.options(self.model)]
                raise unknown("setting", name, [*own, *live, *dotted])
        return replace(
            self,
            settings=replace(self.settings, **settings),
            model_options={**self.model_options, **options["model"]},
            data_options={**self.data_options, **options["data"]},
            **direct,
        )

    def augmentation(self, device: torch.device) -> Augmentation | None:
        """What changes the samples that D sees, freshly made, or None."""
        if self.augment == "none":
            return None
        target, images = self.augment_target, self.augment_images
        return Augmentation(self.augment, target=target, images=images, device=device)

    def to_json(self) -> dict[str, Any]:
        """Plain values only, for recipe.json; :meth:`from_json` reads them back to an equal recipe."""
        return json.loads(json.dumps(asdict(self)))

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Recipe:
        """The recipe written by :meth:`to_json`; raises InputError if a field is missing, unknown or out of range."""
        try:
            algorithm = ALGORITHMS[values["algorithm"]]
            return cls(**{**values, "settings": algorithm.Settings(**values["settings"])})
        except (KeyError, TypeError) as error:
            raise InputError(f"recipe: not a recipe of this version ({error})") from error

    def difference(self, other: Recipe) -> list[str]:
        """Names and both values of what differs, one string each."""
        mine, theirs = _flat(self.to_json()), _flat(other.to_json())
        return [
            f"{name} {mine.get(name)!r} against {theirs.get(name)!r}"
            for name in sorted({*mine, *theirs})
            if mine.get(name) != theirs.get(name)
        ]


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat


def _scalar_types(cls: type) -> dict[str, type]:
    hints = typing.get_type_hints(cls)
    return {f.name: hints[f.name] for f in fields(cls) if hints[f.name] in (int, float, bool, str)}


def _literal(value: Any) -> Any:
    """Text as the JSON value it spells (64, 0.5, true), else as itself."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


def _convert(name: str, value: Any, kind: type) -> Any:
    value = value if kind is str else _literal(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if kind is int and isinstance(value, float) and value.is_integer():
        value = int(value)  # 1e3 is how people write a thousand steps
    allowed = {int: "an integer", float: "a number", bool: "true or false", str: "text"}[kind]
    require(isinstance(value, kind) and (kind is bool or not isinstance(value, bool)), name, value, allowed)
    return value


# Of the StyleGAN2s: a fifth of the paper's dimensions, for small pictures; Adam as in the paper (appendix B).
_STYLES = {"z_dim": 128, "w_dim": 128, "channel_max": 128, "mapping_layers": 4}
_STYLE_SETTINGS = StyleGAN2Settings(lr_g=2.5e-3, lr_d=2.5e-3, beta1=0.0, beta2=0.99, penalty_every=16)

_R3_SETTINGS = GANSettings(loss="relativistic", lr_g=5e-4, lr_d=5e-4, beta1=0.0, beta2=0.99, r1=2.0, r2=2.0)

# Of texts, smaller than the paper's: a D that sees few fakes often learns them by heart, so it sees many once.
_SEQUENCES = SeqGANSettings(
    mle_steps=5000,
    lr_g=3e-3,
    lr_pg=1e-3,
    l2=0.01,
    d_pretraining=30,
    d_samples=2048,
    d_epochs=1,
    d_rounds=1,
    rollouts=8,
    baseline="mean",
)

_RECIPES = types.MappingProxyType(
    {
        r.name: r
        for r in (
            Recipe(
                name="ring-mlp",
                summary="eight Gaussians on a ring, fully connected: the first GAN of the book",
                data="ring-8",
                model="mlp",
                settings=GANSettings(lr_g=1e-3, lr_d=1e-3),
                batch_size=256,
                steps=3000,
            ),
            Recipe(
                name="ring-unrolled",
                summary="the ring with a G that looks five updates of D ahead",
                data="ring-8",
                model="mlp",
                settings=GANSettings(lr_g=1e-3, lr_d=1e-3, unroll=5),
                batch_size=256,
                steps=3000,
            ),
            Recipe(
                name="ring-pacgan2",
                summary="the ring with a D that judges two points at once",
                data="ring-8",
                model="mlp",
                model_options={"pack": 2},
                settings=GANSettings(lr_g=1e-3, lr_d=1e-3),
                batch_size=512,
                steps=3000,
            ),
            Recipe(
                name="dcgan-digits8",
                summary="8x8 digits in seconds: the smallest DCGAN",
                data="digits8",
                model="dcgan",
                model_options={"z_dim": 32, "g_width": 32, "d_width": 32},
                settings=GANSettings(lr_g=1e-3, lr_d=1e-3),
                batch_size=64,
                steps=1500,
                ema=0.99,
            ),
            Recipe(
                name="dcgan-mnist",
                summary="handwritten digits at 32 px",
                data="mnist",
                data_options={"size": 32},
                model="dcgan",
                model_options={"z_dim": 64, "g_width": 32, "d_width": 32},
                # G faster than D: two time scales, as in Heusel et al. 2017, but with the roles exchanged.
                settings=GANSettings(lr_g=1e-3, lr_d=3e-4),
                batch_size=64,
                steps=1500,
                ema=0.99,
            ),
            Recipe(
                name="wgan-gp-mnist",
                summary="handwritten digits with a critic under a gradient penalty",
                data="mnist",
                data_options={"size": 32},
                model="dcgan",
                model_options={"z_dim": 64, "g_width": 32, "d_width": 32, "norm": "none"},
                settings=GANSettings(
                    loss="wasserstein", lr_g=1e-4, lr_d=1e-4, beta1=0.0, beta2=0.9, n_critic=5, gradient_penalty=10.0
                ),
                batch_size=64,
                steps=3000,
                ema=0.99,
            ),
            Recipe(
                name="dcgan-avatars",
                summary="16x16 colour faces",
                data="avatars",
                model="dcgan",
                model_options={"z_dim": 64, "g_width": 64, "d_width": 64, "norm": "spectral"},
                # Found by a random search, see `gan_tutorial.experiments.time_to_quality`.
                settings=GANSettings(loss="hinge", lr_g=3e-3, lr_d=1e-3, beta1=0.0, beta2=0.99),
                batch_size=64,
                steps=1500,
                ema=0.95,
            ),
            Recipe(
                name="cgan-avatars",
                summary="16x16 colour faces with what you ask for: a hat, glasses, both or neither",
                data="avatars",
                model="dcgan",
                model_options={"z_dim": 64, "g_width": 64, "d_width": 64},
                conditional=True,
                settings=GANSettings(lr_g=1e-3, lr_d=3e-4),
                batch_size=64,
                steps=3000,
                ema=0.99,
            ),
            Recipe(
                name="biggan-avatars",
                summary="16x16 colour faces of a class, with truncation",
                data="avatars",
                model="biggan",
                model_options={"z_dim": 80, "g_width": 48, "d_width": 64, "shared_dim": 32, "attention": 8},
                algorithm="biggan",
                conditional=True,
                settings=BigGANSettings(lr_g=2e-4, lr_d=2e-4, beta1=0.0, beta2=0.999, n_critic=2),
                batch_size=64,
                steps=20_000,
                ema=0.999,
                checkpoint_every=2000,
                sample_every=1000,
            ),
            Recipe(
                name="biggan-emoji",
                summary="32x32 emoji of nine groups: many kinds, few of each",
                data="emoji",
                data_options={"size": 32},
                model="biggan",
                model_options={"z_dim": 80, "g_width": 48, "d_width": 64, "shared_dim": 32, "attention": 16},
                algorithm="biggan",
                conditional=True,
                augment="diffaugment",
                settings=BigGANSettings(lr_g=2e-4, lr_d=2e-4, beta1=0.0, beta2=0.999, n_critic=2),
                batch_size=64,
                steps=20_000,
                ema=0.999,
                checkpoint_every=2000,
                sample_every=1000,
            ),
            Recipe(
                name="stylegan2-avatars",
                summary="32x32 colour faces whose coarse and fine traits are steered apart",
                data="avatars",
                data_options={"size": 32},
                model="stylegan2",
                model_options=_STYLES | {"channel_base": 512},
                algorithm="stylegan2",
                settings=replace(_STYLE_SETTINGS, r1=1.0, path_length=0.0),
                batch_size=16,
                steps=150_000,
                ema=0.998,
                checkpoint_every=2000,
                sample_every=1000,
            ),
            Recipe(
                name="stylegan2-avatars-full",
                summary="the same with networks for a GPU, and path length regularisation",
                data="avatars",
                data_options={"size": 32},
                model="stylegan2",
                model_options=_STYLES | {"channel_base": 4096},
                algorithm="stylegan2",
                settings=replace(_STYLE_SETTINGS, r1=1.0),
                batch_size=64,
                steps=20_000,
                ema=0.998,
                checkpoint_every=2000,
                sample_every=1000,
            ),
            Recipe(
                name="stylegan2-emoji",
                summary="64x64 emoji from few pictures, with adaptive augmentation",
                data="emoji",
                model="stylegan2",
                model_options=_STYLES | {"channel_base": 512},
                algorithm="stylegan2",
                augment="ada",
                augment_images=100_000,
                settings=replace(_STYLE_SETTINGS, r1=0.5, path_length=0.0),
                batch_size=16,
                steps=60_000,
                ema=0.9995,
                checkpoint_every=1000,
                sample_every=1000,
            ),
            Recipe(
                name="stylegan2-emoji-full",
                summary="the same with networks for a GPU, and path length regularisation",
                data="emoji",
                model="stylegan2",
                model_options=_STYLES | {"channel_base": 8192},
                algorithm="stylegan2",
                augment="ada",
                settings=replace(_STYLE_SETTINGS, r1=0.5),
                batch_size=64,
                steps=50_000,
                ema=0.999,
                checkpoint_every=2000,
                sample_every=1000,
            ),
            Recipe(
                name="r3gan-avatars",
                summary="16x16 colour faces with few tricks: a relativistic loss and two penalties",
                data="avatars",
                model="r3gan",
                model_options={"z_dim": 64, "g_width": 64, "d_width": 64, "blocks": 1, "group_size": 32},
                settings=_R3_SETTINGS,
                batch_size=64,
                steps=20_000,
                ema=0.999,
                checkpoint_every=2000,
                sample_every=1000,
            ),
            Recipe(
                name="r3gan-avatars-full",
                summary="the same, deeper, with larger steps and stronger penalties",
                data="avatars",
                model="r3gan",
                model_options={"z_dim": 64, "g_width": 64, "d_width": 64},
                settings=_R3_SETTINGS,
                batch_size=64,
                steps=20_000,
                ema=0.999,
                checkpoint_every=2000,
                sample_every=1000,
            ),
            Recipe(
                name="wavegan-drums",
                summary="one second of drums, a class of six on request",
                data="drums",
                data_options={"per_class": 2000},
                model="wavegan",
                model_options={"z_dim": 64, "g_width": 16, "d_width": 16},
                conditional=True,
                settings=GANSettings(lr_g=5e-4, lr_d=5e-4, beta1=0.5, beta2=0.99, r1=1.0, penalty_every=4),
                batch_size=32,
                steps=20_000,
                ema=0.999,
                checkpoint_every=1000,
                sample_every=1000,
            ),
            Recipe(
                name="wavegan-drums-full",
                summary="the same with larger networks and the paper's loss, for a GPU",
                data="drums",
                data_options={"per_class": 2000},
                model="wavegan",
                model_options={"z_dim": 64, "g_width": 24, "d_width": 48},
                conditional=True,
                settings=GANSettings(
                    loss="wasserstein", lr_g=1e-4, lr_d=1e-4, beta1=0.5, beta2=0.9, n_critic=5, gradient_penalty=10.0
                ),
                batch_size=64,
                steps=20_000,
                ema=0.999,
                checkpoint_every=2000,
                sample_every=1000,
            ),
            Recipe(
                name="wavegan-drums-small",
                summary="a quarter of a second of drums at 4 kHz, a minute on a CPU",
                data="drums",
                data_options={"length": 1024},
                model="wavegan",
                model_options={"g_width": 16, "d_width": 16, "kernel": 13},
                conditional=True,
                settings=GANSettings(lr_g=1e-3, lr_d=1e-3, beta1=0.5, beta2=0.99, r1=1.0, penalty_every=4),
                batch_size=32,
                steps=4000,
                ema=0.99,
                sample_every=500,
            ),
            Recipe(
                name="seqgan-oracle",
                summary="the SeqGAN paper's own experiment: text whose true distribution is known; for a GPU",
                data="oracle",
                model="seqgan",
                algorithm="seqgan",
                settings=SeqGANSettings(),
                batch_size=64,
                steps=18_720 + 50 + 200,
                checkpoint_every=20,
                log_every=1,
                sample_every=1000,
            ),
            Recipe(
                name="seqgan-oracle-small",
                summary="the same with 50 tokens instead of 5,000, a minute on a CPU",
                data="oracle",
                data_options={"vocabulary": 50, "length": 10, "samples": 10_000},
                model="seqgan",
                model_options={"d_width": 0.15, "d_embedding": 32},
                algorithm="seqgan",
                settings=replace(_SEQUENCES, mle_steps=1500, lr_g=0.01, lr_pg=5e-3, lr_d=3e-3),
                batch_size=64,
                steps=1500 + 30 + 80,
                sample_every=500,
            ),
            Recipe(
                name="seqgan-words",
                summary="English words, letter by letter",
                data="words",
                model="seqgan",
                model_options={"hidden": 128, "d_width": 0.15, "d_embedding": 32},
                algorithm="seqgan",
                settings=replace(_SEQUENCES, mle_steps=10_000, lr_d=3e-3),
                batch_size=64,
                steps=10_000 + 30 + 80,
                sample_every=1000,
            ),
            Recipe(
                name="seqgan-poems",
                summary="Chinese quatrains, character by character",
                data="poems",
                model="seqgan",
                model_options={"embedding": 64, "hidden": 128, "d_width": 0.25},
                algorithm="seqgan",
                # After 1,000 updates it begins to learn the poems by heart: their NLL rises on those held out.
                settings=replace(_SEQUENCES, mle_steps=1000, lr_d=1e-3),
                batch_size=64,
                steps=1000 + 30 + 60,
                sample_every=1000,
            ),
            Recipe(
                name="cyclegan-digits",
                summary="handwriting to print and back, without pairs; D knows which digit it sees",
                data="pairs:digits",
                model="cyclegan",
                model_options={"g_width": 16, "d_width": 32, "blocks": 3},
                algorithm="cyclegan",
                # Without classes, the cycle alone lets a 4 become a 9 that comes back as a 4: half of the digits stay.
                conditional=True,
                settings=CycleGANSettings(
                    cycle=2.0, identity=0.0, lr_g=1e-3, lr_d=1e-3, decay_from=3000, decay_steps=3000
                ),
                batch_size=16,
                steps=6000,
                ema=0.995,
                checkpoint_every=1000,
                sample_every=500,
            ),
            Recipe(
                name="cyclegan-digits-small",
                summary="the same at 16 px, two minutes on a CPU",
                data="pairs:digits",
                data_options={"size": 16},
                model="cyclegan",
                model_options={"g_width": 16, "d_width": 32, "blocks": 3},
                algorithm="cyclegan",
                settings=CycleGANSettings(lr_g=1e-3, lr_d=2e-3, cycle=2.0, identity=0.0),
                batch_size=12,
                steps=1000,
                ema=0.99,
                sample_every=250,
            ),
            Recipe(
                name="cyclegan-glasses",
                summary="avatars put on glasses, and take them off; minutes on a GPU",
                data="pairs:glasses",
                model="cyclegan",
                model_options={"g_width": 32, "d_width": 64},
                algorithm="cyclegan",
                settings=CycleGANSettings(cycle=5.0, identity=2.5, decay_from=7500, decay_steps=7500),
                batch_size=32,
                steps=15_000,
                ema=0.999,
                checkpoint_every=2500,
                sample_every=1000,
            ),
            Recipe(
                name="pix2pix-edges-avatars",
                summary="outlines become avatars, learned from pairs; minutes on a GPU",
                data="pairs:edges",
                model="pix2pix",
                model_options={"g_width": 32, "d_width": 64},
                algorithm="pix2pix",
                settings=Pix2PixSettings(decay_from=10_000, decay_steps=10_000),
                batch_size=32,
                steps=20_000,
                ema=0.999,
                checkpoint_every=2000,
                sample_every=1000,
            ),
        )
    }
)


def recipes() -> Mapping[str, Recipe]:
    """Every recipe by name."""
    return _RECIPES


def recipe(named: Recipe | str, **changes: Any) -> Recipe:
    """The recipe called `named` (or that recipe itself), with `changes` as in :meth:`Recipe.with_changes`, dots written
    as two underscores."""
    if isinstance(named, str):
        if named not in _RECIPES:
            raise unknown("recipe", named, _RECIPES)
        named = _RECIPES[named]
    return named.with_changes({key.replace("__", "."): value for key, value in changes.items()})
