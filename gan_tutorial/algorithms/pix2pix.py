"""pix2pix's update rule: a translation has to look real beside its source, and be near its partner (Isola et al. 2017).

The distance alone would have G paint the mean of all that may be right, which is grey and blurred. D sees source and
translation side by side and asks for one that could be true.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from gan_tutorial.algorithms.cyclegan import Metrics, Translation, TranslationSettings, both
from gan_tutorial.data import Batch
from gan_tutorial.errors import require_number


@dataclass(frozen=True)
class Pix2PixSettings(TranslationSettings):
    """What may change between two steps of a run, beside what :class:`TranslationSettings` has.

    Attributes:
        l1: weight lambda of |G(x) - y|, the mean over pixels (>= 0; the paper's is 100).
        adversarial: weight of the loss that D gives (>= 0; the paper's is 1). 0 leaves the distance alone.
    """

    loss: str = "non-saturating"
    l1: float = 100.0
    adversarial: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("l1", "adversarial"):
            require_number(name, getattr(self, name), 0)


class Pix2Pix(Translation):
    """A generator, a discriminator that also sees the source, and one step of what they do.

    Networks as :mod:`gan_tutorial.models.pix2pix` has them: G(x) and D(x, y). See
    :class:`gan_tutorial.algorithms.cyclegan.Translation` for the arguments.
    """

    Settings = Pix2PixSettings
    paired = True

    def step(self, draw: Callable[[], Batch]) -> Metrics:
        """One update of D, then one of G, on the batch that `draw()` gives.

        Returns 0-dim tensors on the device: `d_loss`, `real_logit`, `fake_logit`, `g_loss` (all of it) and `l1` (the
        mean distance of a pixel, in units of [-1, 1], without the weight).
        """
        batch = draw()
        made = self.generate(batch, grad=True)
        return self.step_discriminator(batch, made) | self.step_generator(batch, made)

    def generate(self, batch: Batch, grad: bool = False) -> Tensor:
        """Translations of the batch's x, float32, with a graph back to G's weights if `grad`."""
        with torch.set_grad_enabled(grad), self.autocast():
            return self.generator(both(batch)[0], "ab").float()

    def step_discriminator(self, batch: Batch, made: Tensor | None = None) -> Metrics:
        """One update of D on the pairs of the batch and on its x with translations (made here unless given)."""
        x, y = both(batch)
        fake = (self.generate(batch) if made is None else made).detach()
        with self.autocast():  # no layer mixes samples: one pass over both
            logits = self.discriminator(torch.cat([x, x]), torch.cat([y, fake])).float()
        real_logits, fake_logits = logits.chunk(2)
        loss = self.loss.discriminator(real_logits, fake_logits)
        self._update("discriminator", loss)
        self.seen = {"real": real_logits.detach(), "fake": fake_logits.detach()}
        return {
            "d_loss": loss.detach(),
            "real_logit": self.seen["real"].mean(),
            "fake_logit": self.seen["fake"].mean(),
        }

    def step_generator(self, batch: Batch, made: Tensor | None = None) -> Metrics:
        """One update of G on the batch; `made` are its translations with a graph (made here unless given)."""
        s, (x, y) = self.settings, both(batch)
        fake = self.generate(batch, grad=True) if made is None else made
        with self._judged_only():
            distance = F.l1_loss(fake, y)
            loss = s.l1 * distance
            if s.adversarial:
                with self.autocast():
                    logits = self.discriminator(x, fake).float()
                loss = loss + s.adversarial * self.loss.generator(logits[:0], logits)
            self._update("generator", loss)
        self.steps += 1
        return {"g_loss": loss.detach(), "l1": distance.detach()}
