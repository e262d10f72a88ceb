"""Class labels as networks take them: class indices, or one-hot rows."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from gan_tutorial.errors import require


def one_hot(labels: Tensor | None, num_classes: int) -> Tensor:
    """Class indices (N,), 0 <= index < K, as float32 rows (N, K); rows that are given are returned as floats.

    Rows need not be one-hot: a mixture of classes is a row that sums to 1. Raises InputError for another shape, and on
    the CPU for an index outside (a GPU would have to be waited for).
    """
    labels = _checked(labels, num_classes)
    if labels.dim() == 2:
        return labels.float()
    return F.one_hot(labels.long(), num_classes).float()


def indices(labels: Tensor | None, num_classes: int) -> Tensor:
    """Labels as class indices, int64 (N,): given so, or the largest entry of each row (N, K). Raises as `one_hot`."""
    labels = _checked(labels, num_classes)
    return labels.argmax(1) if labels.dim() == 2 else labels.long()


def _checked(labels: Tensor | None, num_classes: int) -> Tensor:
    what = f"class indices (N,) or rows (N, {num_classes})"
    require(labels is not None, "labels", None, what)
    assert labels is not None
    whole = not (labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool)
    fits = (labels.dim() == 2 and labels.shape[1] == num_classes) or (labels.dim() == 1 and whole)
    require(fits, "labels", f"{labels.dtype} {tuple(labels.shape)}", what)
    if labels.dim() == 1 and labels.device.type == "cpu" and labels.numel() and not torch.compiler.is_compiling():
        low, high = (int(v) for v in torch.aminmax(labels))
        require(low >= 0 and high < num_classes, "labels", f"{low} to {high}", f"indices from 0 to {num_classes - 1}")
    return labels
