"""Recipes: everything that makes a run what it is, in one frozen, named place."""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from gan_tutorial import data, models
from gan_tutorial.algorithms import ALGORITHMS, GANSettings
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
    settings: GANSettings = field(default_factory=GANSettings)
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
        for name, known in (("data", data.names()), ("model", models.MODELS), ("algorithm", ALGORITHMS)):
            value = getattr(self, name)
            if value not in known and not (name == "data" and value.startswith("folder:")):
                raise unknown(name, value, known)
        known_options = models.options(self.model)
        for option in self.model_options:
            if option not in known_options:
                raise unknown(f"option of model {self.model!r}", option, known_options)
        require(self.noise in ("normal", "uniform"), "noise", self.noise, "'normal' or 'uniform'")
        require(self.precision in PRECISIONS, "precision", self.precision, f"one of {PRECISIONS}")
        require(isinstance(self.compile, bool), "compile", self.compile, "true or false")
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
                model_options={"z_dim": 64, "g_width": 64, "d_width": 64},
                settings=GANSettings(lr_g=1e-3, lr_d=3e-4),
                batch_size=64,
                steps=3000,
                ema=0.99,
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
