"""How evenly do images change as the latent moves? Perceptual path length (Karras et al. 2019, section 4.1)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from gan_tutorial.errors import require, require_integer, require_number
from gan_tutorial.zoo.latents import evaluating, has_styles, slerp

_BATCH = 50  # pairs that are generated at a time


class PathLength(NamedTuple):
    """What :func:`path_length` returns.

    mean: squared feature distance per squared step, over the paths that are kept; lower is smoother. interval: where
    the mean over all paths lies with 95 % confidence. kept: paths that count.
    """

    mean: float
    interval: tuple[float, float]
    kept: int


@torch.no_grad()
def path_length(
    generator: nn.Module,
    features: Callable[[Tensor], Tensor],
    *,
    space: str = "z",
    n: int = 1000,
    epsilon: float = 1e-4,
    seed: int = 0,
    labels: Tensor | None = None,
    psi: float = 1.0,
    endpoints: bool = False,
) -> PathLength:
    """The perceptual path length: how far the features move when the latent moves by `epsilon` of a random path.

    A path goes from one random latent to another, along a great circle in z, straight in w. At a random place t, the
    images at t and t + epsilon are compared: |features - features|^2 / epsilon^2. Latent spaces that fold what belongs
    together have long paths. The layers' noise is constant. As in the authors' code, paths below the 1st percentile and
    above the 99th don't count.

    The paper measures with a network trained on photographs (LPIPS). Ours are the features that are given, so numbers
    compare for the same features and size of image alone, and with no published ones.

    Args:
        generator: any of :mod:`gan_tutorial.models`; it is used in eval mode.
        features: images (N, C, S, S) -> (N, F), such as `classifier("avatars").features`.
        space: "z", or "w" of a StyleGAN2.
        n: paths, 100 or more.
        epsilon: the step, a share of the path (1e-6 to 0.1). The paper's 1e-4 serves in float32: rounding changes the
            mean by 0.1 % at most, beside the same in float64 (dcgan-mnist, and a StyleGAN2 of 64 px). At 1e-5 it is
            0.8 %; at 1e-3 the path's own bends are 1 % off.
        seed: of paths and places.
        labels: class indices (n,) or rows (n, K), one a path; None draws classes evenly, where there are any.
        psi: truncation of a StyleGAN2 (0 to 1); its latents differ less, and so paths are shorter.
        endpoints: only t = 0, where latents are as they are drawn: a straight line in z leaves these (section 4.1).

    Raises InputError for a value out of range.
    """
    require(space in ("z", "w"), "space", space, "'z' or 'w'")
    styles = has_styles(generator)
    require(styles or space == "z", "space", space, "'z': only a StyleGAN2 has w")
    require_integer("n", n, 100)
    require_number("epsilon", epsilon, 1e-6, 0.1)
    require_number("psi", psi, 0, 1)
    require(styles or psi == 1, "psi", psi, "1: only a StyleGAN2 has this truncation")
    require(isinstance(endpoints, bool), "endpoints", endpoints, "True or False")
    net: Any = generator
    classes, device = int(getattr(net, "num_classes", 0)), next(net.parameters()).device
    require(classes > 0 or labels is None, "labels", "given", "None, for a generator without classes")
    require(labels is None or len(labels) == n, "labels", None if labels is None else len(labels), f"{n}, one a path")
    rng = torch.Generator().manual_seed(seed)
    a, b = (torch.randn(n, net.z_dim, generator=rng).to(device) for _ in range(2))
    t = torch.rand(n, 1, generator=rng).to(device) * (0 if endpoints else 1)
    drawn = torch.randint(classes, (n,), generator=rng) if classes and labels is None else labels
    found = []
    with evaluating(net):
        for rows in torch.arange(n).split(_BATCH):
            ends, at = (a[rows], b[rows]), t[rows]
            of_class = () if drawn is None else (drawn[rows].to(device),)
            if space == "w":
                w_a, w_b = (net.mapping(z, *of_class, psi=psi)[:, 0] for z in ends)
                pair = [(w_a + (w_b - w_a) * s)[:, None].expand(-1, net.num_ws, -1) for s in (at, at + epsilon)]
                images = [net.synthesis(w, noise="const") for w in pair]
            else:
                options = {"psi": psi, "noise": "const"} if styles else {}
                images = [net(slerp(*ends, s), *of_class, **options) for s in (at, at + epsilon)]
            one, other = (features(x).double() for x in images)
            found.append((one - other).square().sum(1) / epsilon**2)
    return _trimmed(torch.cat(found))


def _trimmed(lengths: Tensor) -> PathLength:
    """The mean without the hundredth at either end, and 1.96 standard errors around it; NaN if a length is none."""
    if not torch.isfinite(lengths).all():
        return PathLength(math.nan, (math.nan, math.nan), 0)
    ordered = lengths.sort().values
    cut = len(ordered) // 100
    kept = ordered[cut : len(ordered) - cut]
    mean, error = kept.mean().item(), 1.96 * kept.std().item() / math.sqrt(len(kept))
    return PathLength(mean, (mean - error, mean + error), len(kept))
