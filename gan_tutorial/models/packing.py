"""PacGAN (Lin et al. 2018): D judges several samples at once, so that G can't hide that it repeats itself."""

from __future__ import annotations

from torch import Tensor, nn

from gan_tutorial.errors import InputError, require_integer
from gan_tutorial.models.labels import one_hot

MAX_PACK = 16


class Packed(nn.Module):
    """Samples (N, C, ...), and labels where there are classes -> logits (N / pack,): each judges `pack` samples that
    follow each other, one behind the other along C. A pack is all real or all fake.

    Args:
        inner: D of samples (pack x C, ...), and of rows (pack x num_classes) where there are classes.
        pack: samples in a pack (1-16).
        num_classes: classes of a sample, or 0.

    Attributes:
        mixes_samples: what `inner` says: whether it looks at several packs at once.

    Raises InputError if N is no multiple of `pack`.
    """

    def __init__(self, inner: nn.Module, pack: int, num_classes: int = 0) -> None:
        super().__init__()
        require_integer("pack", pack, 1, MAX_PACK)
        self.inner, self.pack, self.num_classes = inner, pack, num_classes
        self.mixes_samples: bool = getattr(inner, "mixes_samples", False)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        if len(x) % self.pack:
            raise InputError(f"x: {len(x)} samples can't be packed by {self.pack}; give it a multiple of {self.pack}")
        x = x.unflatten(0, (-1, self.pack)).flatten(1, 2)
        if not self.num_classes:
            return self.inner(x)
        return self.inner(x, one_hot(labels, self.num_classes).unflatten(0, (-1, self.pack)).flatten(1))


def packed_shape(sample_shape: tuple[int, ...], pack: int) -> tuple[int, ...]:
    """The shape of `pack` samples (C, ...) as one: (pack x C, ...)."""
    return (sample_shape[0] * pack, *sample_shape[1:])
