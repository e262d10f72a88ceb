"""What one does with a pretrained generator: find directions, project pictures into it, mix styles, go from A to B.

Two spaces of latents occur. z is what every generator takes, N(0, 1). w is StyleGAN2's own, behind its mapping
network: one style for each layer, (N, num_ws, w_dim). :func:`has_styles` tells whether a generator has it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_tutorial.errors import InputError, require, require_integer, require_number

_BATCH = 100  # samples that are generated at a time
_SIDE = 16  # pictures are compared at this side at most: what moves first is not in the finest pixels


class Directions(NamedTuple):
    """What :func:`principal_directions` returns, the direction that moves most first.

    mean: (D,), the latents' mean. directions: (k, D), rows of length 1. spreads: (k,), the standard deviation of the
    latents along each. space: "w" or "z".
    """

    mean: Tensor
    directions: Tensor
    spreads: Tensor
    space: str

    @property
    def steps(self) -> Tensor:
        """(k, D): the directions, each as long as one standard deviation. `latent + 2 * found.steps[0]`."""
        return self.directions * self.spreads[:, None]


class Attribute(NamedTuple):
    """What :func:`attribute_direction` returns.

    direction: (D,), of length 1, from 0 to 1. spread: the standard deviation of the latents along it. accuracy: on
    latents that were held out, the mean of the shares that are told right among the 0s and among the 1s; 0.5 is chance.
    """

    direction: Tensor
    spread: float
    accuracy: float

    @property
    def step(self) -> Tensor:
        """(D,): the direction, as long as one standard deviation. `latent + 2 * found.step`."""
        return self.direction * self.spread


class Projection(NamedTuple):
    """What :func:`project` returns: w (1, num_ws, w_dim), its image (1, C, S, S), and the loss of each step."""

    w: Tensor
    image: Tensor
    losses: list[float]


def has_styles(generator: nn.Module) -> bool:
    """Whether a generator has a mapping network from z to w, as StyleGAN2 does."""
    return hasattr(generator, "mapping") and hasattr(generator, "synthesis")


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """`network` is in eval mode inside the block, and every part of it in its former mode behind it."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def principal_directions(
    generator: nn.Module, n: int = 2000, k: int = 16, seed: int = 0, *, label: int | None = None
) -> Directions:
    """The directions in which what a generator makes varies most: GANSpace (Härkönen et al. 2020).

    Where there is w, they are its principal components (section 2.1). Elsewhere z has none: N(0, 1) is round. There,
    the images have principal components, and the direction of each in z is the one that predicts best how much of it an
    image holds, by linear regression of z on these amounts (section 2.2; the paper takes an early layer's features, and
    images exist in every architecture). They are compared at no more than 16 px. Along any direction z has a spread
    of 1, so there `spreads` differs from 1 only by chance.

    Args:
        generator: any of :mod:`gan_tutorial.models`.
        n: samples (k + 1 or more). Where there is w they cost little, elsewhere each is an image.
        k: directions, at most as many as the latents, or the images, have dimensions.
        seed: of the samples.
        label: a class. None takes every class as often, each around its own mean.

    Raises InputError for a value out of range.
    """
    net: Any = generator
    styles = has_styles(net)
    require_integer("k", k, 1)
    require_integer("n", n, k + 1)
    z = torch.randn(n, net.z_dim, generator=torch.Generator().manual_seed(seed)).to(next(net.parameters()).device)
    labels = _labels(net, n, label)
    with torch.no_grad(), evaluating(net):
        if styles:
            seen = latents = _in_batches(lambda *inputs: net.mapping(*inputs)[:, 0], z, labels)
        else:
            latents, seen = z, _in_batches(lambda *inputs: _small(net(*inputs)), z, labels)
    most = min(latents.shape[1], seen.shape[1])
    require(k <= most, "k", k, f"an integer from 1 to {most}, the dimensions there are")
    mean = latents.double().mean(0)
    seen = _around_mean(seen.double(), labels)
    _, axes = torch.linalg.eigh(seen.T @ seen)  # smallest first
    axes = axes.flip(1)[:, :k]
    if styles:
        directions = axes.T
    else:
        amounts = seen @ axes  # uncorrelated, so that the regression is one product
        directions = F.normalize(amounts.T @ (latents - mean), dim=1)
    # A principal axis has no sign of its own; any rule will do that gives the same one again.
    largest = directions.gather(1, directions.abs().argmax(1, keepdim=True))
    directions = directions * largest.sign()
    spreads = (_around_mean(latents.double(), labels) @ directions.T).std(0)
    return Directions(mean.float(), directions.float(), spreads.float(), "w" if styles else "z")


def attribute_direction(latents: Tensor, values: Tensor, *, seed: int = 0) -> Attribute:
    """The direction along which an attribute changes from 0 to 1: InterFaceGAN (Shen et al. 2020, section 3.1).

    It stands at right angles to the plane that separates the latents best (logistic regression with a strong penalty;
    both values count the same, however rare one is). A quarter of the latents is held out to measure how well.

    Args:
        latents: (N, D), z or one layer's w.
        values: (N,), bool or 0 and 1; at least 8 of each.
        seed: of the choice of those that are held out.

    Raises InputError for another shape or other values.
    """
    require(latents.dim() == 2, "latents", tuple(latents.shape), "(N, D)")
    require(bool(torch.isfinite(latents).all()), "latents", "NaN or infinity", "finite values only")
    require(values.shape == (len(latents),), "values", tuple(values.shape), f"one value a latent, ({len(latents)},)")
    is_one = (values == 1).cpu()
    require(bool((is_one | (values == 0).cpu()).all()), "values", values.unique().tolist()[:5], "only 0 and 1")
    counts = int((~is_one).sum()), int(is_one.sum())
    require(min(counts) >= 8, "values", f"{counts[0]} zeros and {counts[1]} ones", "at least 8 of each")
    from sklearn.linear_model import LogisticRegression

    x, generator = latents.detach().double().cpu(), torch.Generator().manual_seed(seed)
    held_out = torch.zeros(len(x), dtype=torch.bool)
    for value in (False, True):
        rows = (is_one == value).nonzero().squeeze(1)
        held_out[rows[torch.randperm(len(rows), generator=generator)[: len(rows) // 4]]] = True
    # One scale for all dimensions: it makes the penalty mean the same for z and w, and turns no direction.
    mean, scale = x.mean(0), (x - x.mean(0)).square().mean().sqrt().clamp(min=1e-12)
    inputs = ((x - mean) / scale).numpy()
    fitted = LogisticRegression(C=0.01, class_weight="balanced", max_iter=1000)
    fitted.fit(inputs[~held_out.numpy()], is_one[~held_out].numpy())
    right = torch.from_numpy(fitted.predict(inputs[held_out.numpy()])) == is_one[held_out]
    accuracy = sum(right[is_one[held_out] == value].double().mean().item() for value in (False, True)) / 2
    direction = F.normalize(torch.from_numpy(fitted.coef_[0]), dim=0)
    return Attribute(direction.float().to(latents.device), (x @ direction).std().item(), accuracy)


def project(
    generator: nn.Module,
    target: Tensor,
    *,
    steps: int = 300,
    features: Callable[[Tensor], Tensor] | None = None,
    plus: bool = False,
    label: int | None = None,
    rate: float = 0.1,
    seed: int = 0,
    callback: Callable[[int, float, Tensor], Any] | None = None,
) -> Projection:
    """Find the w whose image comes closest to a picture (in the spirit of Karras et al. 2020, appendix D).

    Adam begins at the mean of w. For the first three quarters, noise on w that fades away keeps it from settling too
    soon; the learning rate rises over the first 5 % and falls over the last 25 %. The layers' own noise stays constant:
    the paper optimises that too, and with it a picture can be copied that G doesn't know.

    Args:
        generator: a StyleGAN2.
        target: (1, C, S, S), of the generator's shape, in [-1, 1].
        steps: updates of w, 1 or more.
        features: images (1, C, S, S) -> (1, F), differentiable; the mean squares of the differences of pixels and of
            features add up. The paper has VGG's features alone.
        plus: a style for each layer ("W+"). It comes closer, and may leave what G has learned.
        label: a class to begin at, and keep to; None, where there are classes, begins at the mean over all.
        rate: the highest learning rate (> 0; the paper's 0.1).
        seed: of the noise on w. The same seed gives the same w.
        callback: called with the step, from 0, its loss and its image.

    Raises InputError for another generator, another shape or a value out of range.
    """
    require(has_styles(generator), "generator", type(generator).__name__, "a StyleGAN2, which has styles to look for")
    shape = (1, *generator.sample_shape)  # type: ignore[misc]
    require(tuple(target.shape) == shape, "target", tuple(target.shape), f"one image of the generator's shape, {shape}")
    require(bool(torch.isfinite(target).all()), "target", "NaN or infinity", "finite values only")
    require_integer("steps", steps, 1)
    require_number("rate", rate, 1e-9)
    net: Any = generator
    device, rng = next(net.parameters()).device, torch.Generator().manual_seed(seed)
    target, n = target.detach().float().to(device), 2000
    z = torch.randn(n, net.z_dim, generator=rng).to(device)
    with evaluating(net), torch.enable_grad():
        with torch.no_grad():
            known = _in_batches(lambda *inputs: net.mapping(*inputs)[:, 0], z, _labels(net, n, label))
            wanted = None if features is None else features(target)
        mean = known.mean(0)
        spread = (known - mean).square().sum(1).mean().sqrt()  # sigma_w of the paper: a length, not one a dimension
        w = mean.expand(1, net.num_ws if plus else 1, -1).clone().requires_grad_()
        optimizer = torch.optim.Adam([w], betas=(0.9, 0.999))
        losses = []
        for step in range(steps):
            done = step / steps
            optimizer.param_groups[0]["lr"] = rate * _ramp(done, (step + 1) / steps)
            strength = 0.05 * spread * max(0.0, 1 - done / 0.75) ** 2
            noisy = w + torch.randn(w.shape, generator=rng).to(device) * strength
            image = net.synthesis(noisy.expand(-1, net.num_ws, -1), noise="const")
            loss = F.mse_loss(image, target)
            if features is not None and wanted is not None:
                seen = features(image)
                if not seen.requires_grad:
                    raise InputError(
                        "features: they have no gradient; give a function that works without torch.no_grad"
                    )
                loss = loss + F.mse_loss(seen, wanted)
            (w.grad,) = torch.autograd.grad(loss, [w])  # not backward: the generator's own .grad stays as it is
            optimizer.step()
            losses.append(loss.item())
            if callback is not None:
                callback(step, losses[-1], image.detach())
        found = w.detach().expand(-1, net.num_ws, -1).clone()
        with torch.no_grad():
            return Projection(found, net.synthesis(found, noise="const"), losses)


def mix(generator: nn.Module, coarse: Tensor, fine: Tensor, layer: int) -> Tensor:
    """Style mixing (Karras et al. 2019, section 3.1): w of `coarse` in the first `layer` layers, `fine` in the others.

    Args:
        generator: a StyleGAN2.
        coarse, fine: (N, num_ws, w_dim), or one of them with N = 1.
        layer: 0 (all of `fine`) to num_ws (all of `coarse`).

    Raises InputError for another generator, shape or layer.
    """
    require(has_styles(generator), "generator", type(generator).__name__, "a StyleGAN2, which has styles to mix")
    shape = (generator.num_ws, generator.w_dim)
    for name, w in (("coarse", coarse), ("fine", fine)):
        require(w.dim() == 3 and w.shape[1:] == shape, name, tuple(w.shape), f"(N, {shape[0]}, {shape[1]})")
    n = max(len(coarse), len(fine))
    fits = {len(coarse), len(fine)} <= {1, n}
    require(fits, "coarse, fine", (len(coarse), len(fine)), "as many of one as of the other, or one")
    require_integer("layer", layer, 0, int(generator.num_ws))  # type: ignore[arg-type]
    return torch.cat([coarse.expand(n, -1, -1)[:, :layer], fine.expand(n, -1, -1)[:, layer:]], 1)


def truncate(z: Tensor, threshold: float) -> Tensor:
    """z ~ N(0, 1), any shape, to the normal law cut at +-threshold (> 0): the truncation trick for latents that exist.

    Each value keeps its rank, so that an image changes smoothly with the threshold, and from about 4 on not at all. The
    law is that of drawing again whatever lies outside (Brock et al. 2019, section 3.1; `models.biggan.truncated`).
    """
    require_number("threshold", threshold, 1e-6)
    share = torch.erf(z.double() / math.sqrt(2)) * math.erf(threshold / math.sqrt(2))
    return (torch.erfinv(share) * math.sqrt(2)).clamp(-threshold, threshold).to(z.dtype)


def slerp(a: Tensor, b: Tensor, t: Tensor | float) -> Tensor:
    """From a (t = 0) to b (t = 1) along a great circle (White 2016): the direction turns evenly, the length changes so.

    Between two draws of N(0, 1) a straight line passes through lengths that z hardly ever has; this keeps to those it
    has. Opposite latents have no one way between them; then the result is finite, and no more.

    Args:
        a, b: (..., D).
        t: a number, or a tensor that can be multiplied with them, (..., 1).
    """
    length_a, length_b = (x.norm(dim=-1, keepdim=True) for x in (a, b))
    u, v = (x / length.clamp(min=1e-12) for x, length in ((a, length_a), (b, length_b)))
    # The arc cosine of the product would lose half the digits of small angles.
    angle = 2 * torch.atan2((u - v).norm(dim=-1, keepdim=True), (u + v).norm(dim=-1, keepdim=True))
    sine = torch.sin(angle)
    near = sine < 1e-6
    safe = torch.where(near, torch.ones_like(sine), sine)
    of_a = torch.where(near, torch.as_tensor(1 - t, dtype=a.dtype), torch.sin((1 - t) * angle) / safe)
    of_b = torch.where(near, torch.as_tensor(t, dtype=a.dtype), torch.sin(t * angle) / safe)
    return (of_a * u + of_b * v) * (length_a + (length_b - length_a) * t)


def interpolate(a: Tensor, b: Tensor, n: int, spherical: bool = True) -> Tensor:
    """n latents from a to b, both included, evenly spaced.

    Args:
        a, b: (D,) or (1, D) for z, (1, num_ws, w_dim) for w: one latent.
        n: 2 or more.
        spherical: :func:`slerp`, right for z; False goes straight, right for w.

    Returns:
        (n, D) or (n, num_ws, w_dim).

    Raises InputError for other shapes, or n below 2.
    """
    require_integer("n", n, 2)
    shapes = tuple(a.shape), tuple(b.shape)
    allowed = "two latents of one shape: (D,), (1, D) or (1, num_ws, w_dim)"
    require(shapes[0] == shapes[1] and (a.dim() == 1 or (a.dim() < 4 and len(a) == 1)), "a, b", shapes, allowed)
    if a.dim() == 1:
        a, b = a[None], b[None]
    t = torch.linspace(0, 1, n, dtype=a.dtype, device=a.device).view(n, *[1] * (a.dim() - 1))
    return slerp(a, b, t) if spherical else a + (b - a) * t


def _labels(generator: nn.Module, n: int, label: int | None) -> Tensor | None:
    """n times the class `label`, or all classes in turn; None if there are none."""
    classes = int(getattr(generator, "num_classes", 0))
    if not classes:
        require(label is None, "label", label, "None, for a generator without classes")
        return None
    device = next(generator.parameters()).device
    if label is None:
        return torch.arange(n, device=device) % classes
    require_integer("label", label, 0, classes - 1)
    return torch.full((n,), label, device=device)


def _in_batches(made: Callable[..., Tensor], z: Tensor, labels: Tensor | None) -> Tensor:
    inputs = (z,) if labels is None else (z, labels)
    return torch.cat([made(*batch) for batch in zip(*(x.split(_BATCH) for x in inputs), strict=True)])


def _small(images: Tensor) -> Tensor:
    """Samples (N, ...) as rows; images with a side of at most 16."""
    if images.dim() == 4 and images.shape[2] > _SIDE:
        images = F.adaptive_avg_pool2d(images, _SIDE)
    return images.flatten(1)


def _around_mean(x: Tensor, labels: Tensor | None) -> Tensor:
    """x (N, D) less its mean, or its class's mean."""
    if labels is None:
        return x - x.mean(0)
    count = int(labels.max()) + 1
    sums = torch.zeros(count, x.shape[1], dtype=x.dtype, device=x.device).index_add_(0, labels, x)
    return x - (sums / labels.bincount(minlength=count).clamp(min=1)[:, None])[labels]


def _ramp(done: float, risen: float) -> float:
    """The share of the highest learning rate: up over the first 5 % of the steps, down over the last 25 %."""
    down = min(1.0, (1 - done) / 0.25)
    return min(1.0, risen / 0.05) * (0.5 - 0.5 * math.cos(down * math.pi))
