"""BigGAN (Brock et al. 2019): residual blocks under class-conditional BatchNorm, and a discriminator that projects.

The parts have several sources. Blocks, class-conditional BatchNorm and the projection: Miyato and Koyama 2018.
Spectral norm: Miyato et al. 2018. Self-attention: Zhang et al. 2019. BigGAN adds one class embedding that all layers
share, latents that enter every block, orthogonal weights, truncation, and size. Each part is an option, so that it can
be taken away.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import spectral_norm

from gan_tutorial.errors import require, require_integer, require_number
from gan_tutorial.models.labels import one_hot

# Channels at 4x4, 8x8, ... up to the full side, in widths (appendix B, tables 4 to 6). 64 px is 128 px less one block;
# 16 and 32 px keep one width throughout, as the authors' network for CIFAR-10 does.
G_CHANNELS = {
    16: (4, 4, 4),
    32: (4, 4, 4, 4),
    64: (16, 8, 4, 2, 1),
    128: (16, 16, 8, 4, 2, 1),
    256: (16, 16, 8, 8, 4, 2, 1),
    512: (16, 16, 8, 8, 4, 2, 1, 1),
}
# Channels after each of D's blocks, and how many of the blocks halve the side; the others keep it.
D_CHANNELS = {
    16: ((4, 4, 4), 2),
    32: ((4, 4, 4, 4), 2),
    64: ((1, 2, 4, 8, 16), 4),
    128: ((1, 2, 4, 8, 16, 16), 5),
    256: ((1, 2, 4, 8, 8, 16, 16), 6),
    512: ((1, 1, 2, 4, 8, 8, 16, 16), 7),
}
SIZES = tuple(G_CHANNELS)

Layer = TypeVar("Layer", nn.Conv2d, nn.Linear)
Prepare = Callable[[Layer], Layer]


def _prepare(layer: Layer, spectral: bool, orthogonal: bool) -> Layer:
    """`layer` with fresh weights, orthogonal or N(0, 0.02), under spectral norm if asked; its bias is 0."""
    if orthogonal:
        nn.init.orthogonal_(layer.weight)  # a kernel counts as the matrix (out, in x height x width)
    else:
        nn.init.normal_(layer.weight, 0.0, 0.02)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    if spectral:
        spectral_norm(layer)  # in place
    return layer


class Embedding(nn.Linear):
    """A vector for every class: rows (N, num_classes) -> (N, dim). A mixture of classes has the mixture of vectors."""

    def __init__(self, num_classes: int, dim: int) -> None:
        super().__init__(num_classes, dim, bias=False)


class Attention(nn.Module):
    """Self-attention over places (Zhang et al. 2019): x (N, C, S, S) -> x + gamma * what each place reads elsewhere.

    Keys and values are pooled 2x2, which saves three quarters of the memory. gamma starts at 0: the layer first does
    nothing, and learns how much of it is wanted.
    """

    def __init__(self, channels: int, prepare: Prepare) -> None:
        super().__init__()
        few = max(channels // 8, 1)
        self.queries = prepare(nn.Conv2d(channels, few, 1, bias=False))
        self.keys = prepare(nn.Conv2d(channels, few, 1, bias=False))
        self.values = prepare(nn.Conv2d(channels, channels // 2, 1, bias=False))
        self.out = prepare(nn.Conv2d(channels // 2, channels, 1, bias=False))
        self.gamma = nn.Parameter(torch.zeros(()))

    def maps(self, x: Tensor) -> Tensor:
        """Where each place looks: (N, S * S, S * S / 4), places in rows of the image; every row is >= 0, its sum 1."""
        queries = self.queries(x).flatten(2)
        keys = F.max_pool2d(self.keys(x), 2).flatten(2)
        return (queries.transpose(1, 2) @ keys).softmax(2)

    def forward(self, x: Tensor) -> Tensor:
        values = F.max_pool2d(self.values(x), 2).flatten(2)
        read = values @ self.maps(x).to(values.dtype).transpose(1, 2)
        return x + self.gamma * self.out(read.unflatten(2, x.shape[2:]))


class ConditionalBatchNorm2d(nn.Module):
    """BatchNorm whose gain and bias are linear in a condition: x (N, C, H, W), condition (N, dim) -> (N, C, H, W).

    The gain is 1 + what the condition adds. Without a condition (`dim` 0) it is an ordinary BatchNorm.

    Args:
        channels: C.
        dim: numbers in the condition.
        affine: makes a linear layer without bias, of so many inputs and outputs.
    """

    def __init__(self, channels: int, dim: int, affine: Callable[[int, int], nn.Linear]) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=dim == 0)
        self.gain = affine(dim, channels) if dim else None
        self.bias = affine(dim, channels) if dim else None

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        x = self.norm(x)
        if self.gain is None or self.bias is None:
            return x
        return x * (1 + self.gain(condition))[:, :, None, None] + self.bias(condition)[:, :, None, None]


class UpBlock(nn.Module):
    """x (N, before, S, S) and the block's condition -> (N, after, 2S, 2S) (figure 15b of the paper)."""

    def __init__(
        self, before: int, after: int, dim: int, prepare: Prepare, affine: Callable[[int, int], nn.Linear]
    ) -> None:
        super().__init__()
        self.norm_1 = ConditionalBatchNorm2d(before, dim, affine)
        self.conv_1 = prepare(nn.Conv2d(before, after, 3, padding=1))
        self.norm_2 = ConditionalBatchNorm2d(after, dim, affine)
        self.conv_2 = prepare(nn.Conv2d(after, after, 3, padding=1))
        self.skip = prepare(nn.Conv2d(before, after, 1))

    def forward(self, x: Tensor, condition: Tensor | None) -> Tensor:
        h = F.interpolate(self.norm_1(x, condition).relu(), scale_factor=2.0)
        h = self.conv_2(self.norm_2(self.conv_1(h), condition).relu())
        # A 1x1 convolution and repeating pixels change places freely; this order is four times cheaper.
        return h + F.interpolate(self.skip(x), scale_factor=2.0)


class DownBlock(nn.Module):
    """x (N, before, S, S) -> (N, after, S/2, S/2), or the same side without `halve` (figure 15c of the paper).

    The first block takes the image as it is; the others begin with a ReLU.
    """

    def __init__(self, before: int, after: int, halve: bool, first: bool, prepare: Prepare) -> None:
        super().__init__()
        self.halve, self.first = halve, first
        self.conv_1 = prepare(nn.Conv2d(before, after, 3, padding=1))
        self.conv_2 = prepare(nn.Conv2d(after, after, 3, padding=1))
        self.skip = prepare(nn.Conv2d(before, after, 1)) if halve or before != after else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv_2(self.conv_1(x if self.first else x.relu()).relu())
        if self.halve:
            h, x = F.avg_pool2d(h, 2), F.avg_pool2d(x, 2)
        return h + self.skip(x)


class Generator(nn.Module):
    """z (N, z_dim) and labels -> images (N, C, S, S) in [-1, 1].

    Labels are class indices (N,) or rows (N, num_classes): a row may mix classes, and gets the mixture of their
    embeddings. Without classes there are no labels. In eval mode BatchNorm uses its running statistics, so no image
    depends on the others of its batch; :func:`standing_statistics` measures them anew.

    Args:
        sample_shape: (C, S, S) with S one of 16, 32, 64, 128, 256, 512.
        num_classes: classes; 0 for none.
        z_dim: latent dimensions; ~20 for each block and for the first layer is the paper's choice.
        width: unit of the channels ("ch"). There are 4 x width at 16 and 32 px, else `width` next to the image.
        shared_dim: size of the one class embedding that every BatchNorm reads; 0 gives every BatchNorm its own.
        hierarchical: every block gets its own part of z; otherwise all of z enters the first layer.
        attention: the side, 8 to S/2, after whose block self-attention stands; 0 for none. The paper's is 64.
        spectral: spectral norm on every layer but the class embeddings.
        orthogonal: orthogonal initial weights, else N(0, 0.02).

    Raises :class:`~gan_tutorial.errors.InputError` in a call if z or the labels don't fit.
    """

    def __init__(
        self,
        sample_shape: tuple[int, int, int],
        *,
        num_classes: int = 0,
        z_dim: int = 120,
        width: int = 32,
        shared_dim: int = 128,
        hierarchical: bool = True,
        attention: int = 0,
        spectral: bool = True,
        orthogonal: bool = True,
    ) -> None:
        super().__init__()
        channels, size, _ = sample_shape
        widths = [width * multiple for multiple in G_CHANNELS[size]]
        self.sample_shape, self.z_dim, self.num_classes = tuple(sample_shape), z_dim, num_classes
        self.parts = len(widths) if hierarchical else 1
        first, *rest = [z_dim // self.parts + (i < z_dim % self.parts) for i in range(self.parts)]
        dims = rest or [0] * (len(widths) - 1)
        prepare = partial(_prepare, spectral=spectral, orthogonal=orthogonal)

        self.shared: Embedding | None = None
        if num_classes:
            dims = [dim + (shared_dim or num_classes) for dim in dims]
            if shared_dim:
                self.shared = Embedding(num_classes, shared_dim)
                _prepare(self.shared, False, orthogonal)

        def affine(dim: int, features: int) -> nn.Linear:
            if num_classes and not shared_dim:  # this layer's own embedding: bounding it would bound what classes do
                return _prepare(Embedding(dim, features), False, orthogonal)
            return prepare(nn.Linear(dim, features, bias=False))

        self.first = prepare(nn.Linear(first, 4 * 4 * widths[0]))
        self.blocks = nn.ModuleList(
            UpBlock(before, after, dim, prepare, affine)
            for (before, after), dim in zip(pairwise(widths), dims, strict=True)
        )
        self.attend_after = int(math.log2(attention)) - 3 if attention else -1
        self.attention = Attention(widths[self.attend_after + 1], prepare) if attention else None
        self.last_norm = nn.BatchNorm2d(widths[-1])
        self.to_image = prepare(nn.Conv2d(widths[-1], channels, 3, padding=1))

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        x, conditions = self._begin(z, labels)
        for i, (block, condition) in enumerate(zip(self.blocks, conditions, strict=True)):
            x = block(x, condition)
            if i == self.attend_after and self.attention is not None:
                x = self.attention(x)
        return self.to_image(self.last_norm(x).relu()).tanh()

    def attention_maps(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Where each place looks as the images of z and labels are made; see :meth:`Attention.maps`.

        Raises InputError if the generator has no attention.
        """
        require(self.attention is not None, "attention", 0, "a generator that was built with attention")
        x, conditions = self._begin(z, labels)
        for block, condition in zip(self.blocks[: self.attend_after + 1], conditions, strict=False):
            x = block(x, condition)
        return self.attention.maps(x)  # type: ignore[union-attr]

    def _begin(self, z: Tensor, labels: Tensor | None) -> tuple[Tensor, list[Tensor | None]]:
        """The first features (N, C, 4, 4), and each block's condition: cat(class, its part of z), or None."""
        require(z.dim() == 2 and z.shape[1] == self.z_dim, "z", tuple(z.shape), f"shape (N, {self.z_dim})")
        rows = _rows(labels, self.num_classes, len(z))
        classes = [] if rows is None else [rows if self.shared is None else self.shared(rows)]
        first, *rest = z.tensor_split(self.parts, 1)
        known = [[*classes, part] for part in rest] if self.parts > 1 else [classes] * len(self.blocks)
        x = self.first(first).view(len(z), 4, 4, -1).permute(0, 3, 1, 2)
        return x, [torch.cat(parts, 1) if parts else None for parts in known]


class Discriminator(nn.Module):
    """Images (N, C, S, S) in [-1, 1] and labels -> logits (N,): psi(h) + <embedding of the class, h>.

    h is the last feature map after ReLU, summed over its places (Miyato and Koyama 2018). Without classes
    the second term is absent. No layer mixes the samples of a batch. Labels as in :class:`Generator`.

    Args:
        sample_shape: (C, S, S) with S one of 16, 32, 64, 128, 256, 512.
        num_classes: classes; 0 for none.
        width: unit of the channels ("ch"). There are 4 x width at 16 and 32 px, else `width` next to the image.
        attention: the side, 8 to S/2, after whose first block self-attention stands; 0 for none. The paper's is 64.
        spectral: spectral norm on every layer, the class embedding too.
        orthogonal: orthogonal initial weights, else N(0, 0.02).

    Raises :class:`~gan_tutorial.errors.InputError` in a call if the labels don't fit.
    """

    def __init__(
        self,
        sample_shape: tuple[int, int, int],
        *,
        num_classes: int = 0,
        width: int = 32,
        attention: int = 0,
        spectral: bool = True,
        orthogonal: bool = True,
    ) -> None:
        super().__init__()
        channels, size, _ = sample_shape
        multiples, halvings = D_CHANNELS[size]
        widths = [channels, *(width * multiple for multiple in multiples)]
        self.num_classes = num_classes
        prepare = partial(_prepare, spectral=spectral, orthogonal=orthogonal)
        self.blocks = nn.ModuleList(
            DownBlock(before, after, i < halvings, i == 0, prepare)
            for i, (before, after) in enumerate(pairwise(widths))
        )
        self.attend_after = int(math.log2(size // attention)) - 1 if attention else -1
        self.attention = Attention(widths[self.attend_after + 1], prepare) if attention else None
        self.last = prepare(nn.Linear(widths[-1], 1))
        self.embedding = prepare(Embedding(num_classes, widths[-1])) if num_classes else None

    def features(self, x: Tensor) -> Tensor:
        """h (N, C'), float32: what the discriminator sees in images (N, C, S, S), whatever their class."""
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i == self.attend_after and self.attention is not None:
                x = self.attention(x)
        return x.relu().float().sum((2, 3))

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        rows = _rows(labels, self.num_classes, len(x))
        h = self.features(x)
        logits = self.last(h).squeeze(1)
        if rows is None or self.embedding is None:
            return logits
        return logits + (self.embedding(rows) * h).sum(1)


def _rows(labels: Tensor | None, num_classes: int, n: int) -> Tensor | None:
    """Labels as float rows (n, num_classes), None if there are no classes."""
    if not num_classes:
        require(labels is None, "labels", "labels", "None: the network was built without classes")
        return None
    if labels is None or len(labels) != n:
        given = None if labels is None else f"{len(labels)} labels"
        require(False, "labels", given, f"one for each of {n} samples, as indices or rows of {num_classes}")
    return one_hot(labels, num_classes)


def truncated(n: int, z_dim: int, threshold: float, rng: torch.Generator, method: str = "resample") -> Tensor:
    """Latents (n, z_dim) for the truncation trick, on the device of `rng`: normal, but never beyond +-threshold.

    A small threshold gives typical samples and little variety, a large one all that was learned (section 3.1).

    Args:
        threshold: > 0. The paper's figure 2 shows 2, 1, 0.5 and 0.04.
        method: "resample" draws each value that lies outside again until it is inside, as the paper does; "clip" moves
            it to the edge.

    Raises InputError for a value out of range.
    """
    require_integer("n", n, 0)
    require_integer("z_dim", z_dim, 1)
    require_number("threshold", threshold, 1e-6)
    require(method in ("resample", "clip"), "method", method, "'resample' or 'clip'")
    if method == "clip":
        return torch.randn(n, z_dim, generator=rng, device=rng.device).clamp(-threshold, threshold)
    # Drawing again until all is inside gives the normal law cut at the edges. The inverse of its distribution function
    # gives the same law from one draw, however small the threshold.
    uniform = torch.rand(n, z_dim, generator=rng, device=rng.device) * 2 - 1
    inside = torch.erfinv(uniform * math.erf(threshold / math.sqrt(2))) * math.sqrt(2)
    return inside.clamp(-threshold, threshold)


@torch.no_grad()
def standing_statistics(
    generator: nn.Module, batches: int, batch_size: int, *, rng: torch.Generator, threshold: float | None = None
) -> None:
    """Measure BatchNorm's running statistics anew, in place: their mean over `batches` batches of samples.

    Running averages lag behind the weights, and know nothing of truncated latents or of an averaged generator. The
    paper calls the new ones standing statistics. Classes are drawn uniformly.

    Args:
        generator: called as G(z), or as G(z, labels) if its `num_classes` is above 0.
        batches: forward passes (1-100,000); the paper takes 100.
        batch_size: samples in each (2-65,536).
        rng: source of latents and classes.
        threshold: truncates the latents, by resampling; None leaves them normal.

    Raises InputError for a value out of range.
    """
    require_integer("batches", batches, 1, 100_000)
    require_integer("batch_size", batch_size, 2, 65_536)
    device = next(generator.parameters()).device
    z_dim, classes = int(generator.z_dim), int(getattr(generator, "num_classes", 0))  # type: ignore[arg-type]
    norms = [m for m in generator.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    modes, momenta = [(m, m.training) for m in generator.modules()], [norm.momentum for norm in norms]
    generator.eval()  # spectral norm keeps its vectors; only BatchNorm learns
    try:
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # PyTorch's word for the plain average of all batches
            norm.train()
        for _ in range(batches):
            if threshold is None:
                z = torch.randn(batch_size, z_dim, generator=rng, device=rng.device)
            else:
                z = truncated(batch_size, z_dim, threshold, rng)
            labels = [torch.randint(classes, (batch_size,), generator=rng, device=rng.device)] if classes else []
            generator(z.to(device), *(y.to(device) for y in labels))
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for module, mode in modes:
            module.training = mode


def orthogonal_penalty(network: nn.Module) -> Tensor:
    """How far filters are from standing at right angles: the sum of ||W W^T * (1 - I)||^2 over all layers, 0-dim.

    W is a layer's weight as a matrix (out, the rest), before spectral norm. Its diagonal is left out: no length is
    asked for (equation 3 of the paper, without its beta, which was 1e-4). Class embeddings are left out too: classes
    may be alike.
    """
    total = torch.zeros((), device=next(network.parameters()).device)
    for module in network.modules():
        if not isinstance(module, (nn.Conv2d, nn.Linear)) or isinstance(module, Embedding):
            continue
        normed = parametrize.is_parametrized(module, "weight")
        weight: Tensor = module.parametrizations.weight.original if normed else module.weight  # type: ignore
        rows = weight.flatten(1)
        products = rows @ rows.T
        # Twice above the diagonal: the same sum as masking, without a mask.
        total = total + 2 * products.triu(1).square().sum()
    return total


def build(
    sample_shape: tuple[int, ...],
    *,
    num_classes: int = 0,
    z_dim: int = 120,
    g_width: int = 32,
    d_width: int = 32,
    shared_dim: int = 128,
    hierarchical: bool = True,
    attention: int = 0,
    spectral: bool = True,
    orthogonal: bool = True,
) -> dict[str, nn.Module]:
    """Both networks, for images (C, S, S) with S a power of two from 16 to 512; `num_classes` 0 for no classes.

    `g_width`, `d_width`: the networks' units of channels (4-512); `shared_dim` 0-4096; the others: see
    :class:`Generator`. Raises InputError for a value out of range.
    """
    require(
        len(sample_shape) == 3 and sample_shape[1] == sample_shape[2] and sample_shape[1] in SIZES,
        "sample_shape",
        tuple(sample_shape),
        f"(channels, S, S) with S in {SIZES}",
    )
    channels, size, _ = sample_shape
    require_integer("num_classes", num_classes, 0, 1_000_000)
    for name, value in (("g_width", g_width), ("d_width", d_width)):
        require_integer(name, value, 4, 512)
    require_integer("shared_dim", shared_dim, 0, 4096)
    for name, switch in (
        ("hierarchical", hierarchical),
        ("spectral", spectral),
        ("orthogonal", orthogonal),
    ):
        require(isinstance(switch, bool), name, switch, "True or False")
    # A part of z for the first layer, and one for every block.
    require_integer("z_dim", z_dim, len(G_CHANNELS[size]) if hierarchical else 1, 4096)
    sides = [0] + [side for side in (8, 16, 32, 64, 128, 256) if side < size]
    require(attention in sides and not isinstance(attention, bool), "attention", attention, f"one of {sides}")
    shape = (channels, size, size)
    generator = Generator(
        shape,
        num_classes=num_classes,
        z_dim=z_dim,
        width=g_width,
        shared_dim=shared_dim,
        hierarchical=hierarchical,
        attention=attention,
        spectral=spectral,
        orthogonal=orthogonal,
    )
    discriminator = Discriminator(
        shape,
        num_classes=num_classes,
        width=d_width,
        attention=attention,
        spectral=spectral,
        orthogonal=orthogonal,
    )
    return {"generator": generator, "discriminator": discriminator}
