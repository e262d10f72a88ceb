"""What a file of weights has to say beside them: how its generator is built, and what its samples mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from gan_tutorial.data.dataset import Dataset, decoded
from gan_tutorial.errors import require
from gan_tutorial.training.recipes import Recipe


@dataclass(frozen=True)
class Blueprint:
    """How a generator is built, and what its samples mean. The data set is not needed for either.

    Attributes:
        recipe: how it was trained.
        sample_shape: of an image (C, H, W), of a sound (1, L), of a text's tokens (L,).
        class_names: what its labels mean; empty if it takes none.
        vocabulary: of texts, what each token stands for, the blank first; else empty.
        joiner: of texts, what stands between two tokens.
        sample_rate: of sounds, samples a second; else None.
        domains: where it translates pictures, what it translates from and to, "A" and "B"; else empty.
    """

    recipe: Recipe
    sample_shape: tuple[int, ...]
    class_names: tuple[str, ...] = ()
    vocabulary: tuple[str, ...] = ()
    joiner: str = ""
    sample_rate: int | None = None
    domains: tuple[str, ...] = ()

    @classmethod
    def of(cls, recipe: Recipe, dataset: Dataset) -> Blueprint:
        """That of a generator which `recipe` trains on `dataset`."""
        domains: tuple[str, ...] = getattr(dataset, "domains", ())
        # A translator is given pictures; only its discriminator may know classes.
        classes = tuple(dataset.label_names) if recipe.conditional and not domains else ()
        return cls(
            recipe,
            dataset.sample_shape,
            classes,
            dataset.vocabulary,
            dataset.joiner,
            dataset.sample_rate,
            domains,
        )

    @property
    def kind(self) -> str:
        """ "text", "sound", "translation", "image" or "points"."""
        kinds = {
            "text": self.is_text,
            "sound": self.is_sound,
            "translation": self.is_translation,
            "image": self.is_image,
        }
        return next((kind for kind, true in kinds.items() if true), "points")

    @property
    def noun(self) -> str:
        """What one of its samples is, in a word."""
        return "image" if self.is_translation else self.kind

    @property
    def is_image(self) -> bool:
        return len(self.sample_shape) == 3

    @property
    def is_text(self) -> bool:
        return bool(self.vocabulary)

    @property
    def is_sound(self) -> bool:
        return self.sample_rate is not None

    @property
    def is_translation(self) -> bool:
        return bool(self.domains)

    def decode(self, tokens: Tensor) -> list[str]:
        """The texts of tokens (n, L), without the blanks at their ends. Raises InputError if it writes none."""
        require(self.is_text, "model", self.recipe.name, "one that writes texts")
        return decoded(tokens, self.vocabulary, self.joiner)

    def to_json(self) -> dict[str, Any]:
        """Plain values only; what is empty is left out."""
        about: dict[str, Any] = {
            "recipe": self.recipe.to_json(),
            "sample_shape": [*self.sample_shape],
            "class_names": [*self.class_names],
        }
        if self.is_text:
            about |= {"vocabulary": [*self.vocabulary], "joiner": self.joiner}
        if self.is_sound:
            about |= {"sample_rate": self.sample_rate}
        if self.is_translation:
            about |= {"domains": [*self.domains]}
        return about

    @classmethod
    def from_json(cls, about: Mapping[str, Any]) -> Blueprint:
        """What :meth:`to_json` gave. Raises ValueError, KeyError or TypeError if `about` is something else."""
        return cls(
            Recipe.from_json(about["recipe"]),
            tuple(about["sample_shape"]),
            tuple(about["class_names"]),
            tuple(about.get("vocabulary", ())),
            str(about.get("joiner", "")),
            about.get("sample_rate"),
            tuple(about.get("domains", ())),
        )
