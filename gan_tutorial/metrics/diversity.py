"""How much do samples differ from each other? Distances of features over all pairs, and MS-SSIM of images."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from gan_tutorial.errors import require, require_integer

WINDOW, SIGMA = 11, 1.5  # of the Gaussian that SSIM looks through, in pixels
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the scales, finest first (Wang et al. 2003)
STABLE = (0.01**2, 0.03**2)  # for values in [0, 1] (Wang et al. 2004)
BATCH = 128  # pairs of images in memory at once


def feature_diversity(features: Tensor, groups: Tensor | None = None, *, unit: bool = True) -> float:
    """The mean squared distance between the features of two different samples, over all pairs.

    Zhang et al. (2018) compare two images by scaling a network's features to length 1 and taking squared differences
    (LPIPS); the literature on translation and on modes reports its mean over pairs as diversity. This is the same with
    one layer of any network, such as `classifier("mnist").features`: from 0, all samples are alike, to 2, as far as
    features around all of a sphere are apart. No published LPIPS compares with it; real samples do.

    All pairs cost no more than one pass: the mean over pairs is twice the trace of the covariance.

    Args:
        features: (N, D), N >= 2.
        groups: int64 (N,): only pairs within a group count, such as those of one class, or of one input. Each group
            counts by its number of pairs.
        unit: scale features to length 1 (a feature of length 0 stays). Without it, distances are in the features' own
            squared units.

    Returns NaN if any feature is not finite. Raises InputError for other shapes, and if no group has two samples.
    """
    shape = tuple(features.shape)
    require(len(shape) == 2 and shape[0] > 1 and shape[1] > 0, "features", shape, "(N, D) with N >= 2")
    x = features.detach().double()
    if not torch.isfinite(x).all():
        return math.nan
    x = F.normalize(x, dim=1) if unit else x
    groups = torch.zeros(len(x), dtype=torch.int64) if groups is None else groups
    given = f"{groups.dtype} {tuple(groups.shape)}"
    require(groups.dtype == torch.int64 and groups.shape == (len(x),), "groups", given, f"int64 ({len(x)},)")
    _, group, count = groups.to(x.device).unique(return_inverse=True, return_counts=True)
    require(bool((count > 1).any()), "groups", "no two samples in any", "a group with two samples or more")
    mean = x.new_zeros(len(count), x.shape[1]).index_add_(0, group, x) / count[:, None]
    spread = x.new_zeros(len(count)).index_add_(0, group, (x - mean[group]).square().sum(1))
    # The sum over ordered pairs of a group is 2 n times its spread.
    return (2 * (count * spread).sum() / (count * (count - 1)).sum()).item()


def ms_ssim(x: Tensor, y: Tensor) -> Tensor:
    """The multi-scale structural similarity of pairs of images (Wang et al. 2003), float32 (N,): 1 for equal ones.

    Means, spreads and correlations under a Gaussian window of 11 pixels, at several scales, each half the size of the
    last. As in the paper, brightness counts at the coarsest scale only, but a scale's negative similarity counts as 0.
    The paper has 5 scales, for which an image needs 176 pixels. Here there are as many as the window fits into: 1 for
    11 to 21 px a side, 2 for 22 to 43, 3 for 44 to 87, 4 for 88 to 175, with the paper's first weights, scaled so that
    they sum to 1. Numbers compare for one size of image. The window stays inside the image, as in the paper;
    torchmetrics also counts a reflected border, and gets other numbers.

    Args:
        x, y: images (N, C, H, W) in [-1, 1], N >= 1, 11 pixels a side or more.

    Returns NaN for a pair that holds NaN. Raises InputError for other shapes and for values outside.
    """
    shapes = tuple(x.shape), tuple(y.shape)
    require(shapes[0] == shapes[1], "x, y", shapes, "images of one shape")
    for name, images in (("x", x), ("y", y)):
        _check(name, images)
    side = min(shapes[0][2:])
    weights = torch.tensor([w for scale, w in enumerate(WEIGHTS) if side >= WINDOW * 2**scale], device=x.device)
    x, y = ((images.detach().float() + 1) / 2 for images in (x, y))
    found = []
    for scale in range(len(weights)):
        if scale:
            x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
        whole, structure = _ssim(x, y)
        found.append(whole if scale == len(weights) - 1 else structure)
    return (torch.stack(found, 1).clamp(min=0) ** (weights / weights.sum())).prod(1)


def mean_ms_ssim(images: Tensor, *, pairs: int = 1000, seed: int = 0) -> float:
    """The mean MS-SSIM over random pairs of different images of a set (Odena et al. 2017, section 4.2): the lower, the
    more diverse. They take 100 pairs within each class, so call it class by class, and compare with the value of real
    images: noise is diverse, too.

    Args:
        images: (N, C, H, W) in [-1, 1], N >= 2, 11 pixels a side or more; see :func:`ms_ssim`.
        pairs: how many are drawn; all of them, once each, if there are no more.

    Returns NaN if an image of a pair holds NaN. Raises InputError for other shapes and ranges.
    """
    _check("images", images)
    n = len(images)
    require(n > 1, "images", tuple(images.shape), "two images or more")
    require_integer("pairs", pairs, 1)
    if n * (n - 1) // 2 <= pairs:
        i, j = torch.triu_indices(n, n, 1)
    else:
        rng = torch.Generator().manual_seed(seed)
        i = torch.randint(n, (pairs,), generator=rng)
        j = (i + torch.randint(1, n, (pairs,), generator=rng)) % n
    i, j = i.to(images.device), j.to(images.device)
    found = [ms_ssim(images[a], images[b]) for a, b in zip(i.split(BATCH), j.split(BATCH), strict=True)]
    return torch.cat(found).double().mean().item()


def _ssim(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """SSIM, and its part without brightness, (N,), of images (N, C, H, W) in [0, 1]."""
    n, channels = x.shape[:2]
    place = torch.arange(WINDOW, device=x.device) - WINDOW // 2
    window = torch.exp(-(place**2) / (2 * SIGMA**2))
    window = (window / window.sum()).expand(channels * 5, 1, 1, WINDOW)
    maps = torch.cat([x, y, x * x, y * y, x * y], 1)
    maps = F.conv2d(F.conv2d(maps, window, groups=channels * 5), window.transpose(2, 3), groups=channels * 5)
    mu_x, mu_y, xx, yy, xy = maps.split(channels, 1)
    light, contrast = STABLE
    structure = (2 * (xy - mu_x * mu_y) + contrast) / (xx - mu_x**2 + yy - mu_y**2 + contrast)
    brightness = (2 * mu_x * mu_y + light) / (mu_x**2 + mu_y**2 + light)
    return (brightness * structure).view(n, -1).mean(1), structure.view(n, -1).mean(1)


def _check(name: str, images: Tensor) -> None:
    shape = tuple(images.shape)
    fits = len(shape) == 4 and min(shape) > 0 and min(shape[2:]) >= WINDOW
    require(fits, name, shape, f"images (N, C, H, W), {WINDOW} pixels a side or more")
    most = images.abs().nan_to_num(nan=0).amax().item()
    require(most <= 1 + 1e-4, name, f"values up to {most:.4g}", "values in [-1, 1]")
