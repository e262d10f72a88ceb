"""StyleGAN2's update rule: the GAN's, with style mixing and path length regularisation (Karras et al. 2020)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gan_tutorial.algorithms.gan import GAN, GANSettings
from gan_tutorial.errors import require, require_integer, require_number


@dataclass(frozen=True)
class StyleGAN2Settings(GANSettings):
    """Those of :class:`GANSettings`, and:

    Attributes:
        style_mixing: probability, in [0, 1], that a fake takes its later layers' styles from a second latent (Karras et
            al. 2019, section 3.1; the paper's is 0.9).
        path_length: weight of the path length penalty (>= 0; the paper's is 2).
        path_length_every: G updates between two such penalties (1-1000); the weight is multiplied by it.
    """

    style_mixing: float = 0.9
    path_length: float = 2.0
    path_length_every: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        require_number("style_mixing", self.style_mixing, 0, 1)
        require_number("path_length", self.path_length, 0)
        require_integer("path_length_every", self.path_length_every, 1, 1000)


class StyleGAN2(GAN):
    """A GAN whose generator has a `mapping`, a `synthesis` and `num_ws`, as :mod:`gan_tutorial.models.stylegan2` does.

    Attributes:
        path_mean: 0-dim, the moving average of the path length that the penalty pulls towards.
    """

    Settings = StyleGAN2Settings
    counters = (*GAN.counters, "generator_steps")
    sampling: Mapping[str, Any] = {"noise": "const"}  # the same latents give the same images
    settings: StyleGAN2Settings
    generator: Any

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        fits = all(hasattr(self.generator, part) for part in ("mapping", "synthesis", "num_ws"))
        what = "a mapping and a synthesis network, as the model 'stylegan2' has"
        require(fits, "generator", type(self.generator).__name__, what)
        self.generator_steps = 0
        self.path_mean = torch.zeros((), device=self.device)

    def styles(self, n: int, labels: Tensor | None) -> Tensor:
        """Styles w (n, num_ws, w_dim) of n latents; some with another latent's from a random layer on."""
        mapping = self.generator.mapping
        w = mapping(self._mine(self.latents(n * self.world, self.rng)), labels)
        if not self.settings.style_mixing:
            return w
        other = mapping(self._mine(self.latents(n * self.world, self.rng)), labels)
        layers = self.generator.num_ws
        of_each = (n * self.world, 1, 1)
        mixed = torch.rand(of_each, generator=self.rng, device=self.device) < self.settings.style_mixing
        first = torch.randint(1, layers, of_each, generator=self.rng, device=self.device)
        from_other = mixed & (torch.arange(layers, device=self.device)[:, None] >= first)
        return torch.where(self._mine(from_other), other, w)

    def _fakes(self, n: int, labels: Tensor | None) -> Tensor:
        return self.generator.synthesis(self.styles(n, labels))

    def generator_penalty(self, labels: Tensor | None) -> Tensor | None:
        """The weighted path length penalty in every `path_length_every`-th update, on new latents."""
        s, due = self.settings, self.generator_steps % self.settings.path_length_every == 0
        self.generator_steps += 1
        if not (s.path_length and due):
            return None
        return s.path_length * s.path_length_every * self.path_length_penalty(labels)

    def path_length_penalty(self, labels: Tensor | None = None, n: int | None = None) -> Tensor:
        """E (|J^T y| - a)^2 (Karras et al. 2020, equation 4), on half of the batch, as in the official code.

        J is the images' derivative by w, y random images of variance 1 / pixels, a the moving average of |J^T y|: equal
        steps in w should change the image equally. The squares are averaged over the layers that take w.

        Args:
            labels: (N,) where there are classes; half of them is used.
            n: latents, if there are no labels; default: half of what D saw last.
        """
        if labels is not None:
            labels = labels[: max(1, len(labels) // 2)]
            n = len(labels)
        n = n or max(1, len(self.seen["fake"]) // 2)
        with torch.enable_grad(), self.autocast():
            w = self.styles(n, labels)
            images = self.generator.synthesis(w).float()
            y = torch.randn_like(images) / math.sqrt(images.shape[2] * images.shape[3])
            (gradient,) = torch.autograd.grad((images * y).sum(), w, create_graph=True)
        lengths = gradient.float().square().sum(2).mean(1).sqrt()
        self.path_mean = self.path_mean.lerp(self.gather(lengths.detach()).mean(), 0.01)
        return (lengths - self.path_mean).square().mean()

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"generator_steps": self.generator_steps, "path_mean": self.path_mean}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.generator_steps = int(state["generator_steps"])
        self.path_mean = state["path_mean"].to(self.device)
