"""Several seeds of one recipe side by side: each layer is one product for all of them, which small networks need.

The recipe, the Trainer and the update rule are the plain ones. They see networks whose samples come seed after seed:
(seeds x N, ...) in, (seeds x N, ...) out. A seed's weights meet its own samples only, so that the gradient of the mean
loss is each seed's own gradient divided by the number of seeds, and Adam does not mind the factor.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from gan_tutorial import data, models
from gan_tutorial.data import Batch
from gan_tutorial.errors import require
from gan_tutorial.models.mlp import Maxout
from gan_tutorial.models.packing import Packed
from gan_tutorial.training import Recipe, Trainer


def trainer(
    recipe: Recipe, seeds: Sequence[int], points: int, *, device: str = "auto", out: Any = None, resume: bool = False
) -> Trainer:
    """A Trainer of the recipe's networks, once for each of the seeds.

    Args:
        recipe: of the model "mlp" on a density; its `batch_size` is that of all seeds together.
        seeds: at least one. A seed's first weights and its data depend on it alone; the latents are drawn for all.
        points: how many points of the density a seed trains on.
        device, out, resume: as for :class:`~gan_tutorial.training.Trainer`.

    Raises InputError for `top_k` below 1, as one seed's fakes would compete with another's, and for layers that
    :class:`Stack` does not know.
    """
    top_k = getattr(recipe.settings, "top_k", 1.0)
    require(top_k == 1, "top_k", top_k, "1; train each seed by itself")
    density: Any = data.load(recipe.data, **recipe.data_options)
    shape, built = tuple(density.sample_shape), []
    with torch.random.fork_rng(devices=[]):
        for seed in seeds:
            torch.manual_seed(seed)
            built.append(models.build(recipe.model, shape, **recipe.model_options))
    networks: dict[str, nn.Module] = {role: Stack([one[role] for one in built]) for role in built[0]}
    points_of = [density.sample(points, torch.Generator().manual_seed(seed)).x for seed in seeds]
    dataset = Points(density, torch.stack(points_of))
    return Trainer(recipe, device=device, seed=seeds[0], out=out, resume=resume, dataset=dataset, networks=networks)


class Stack(nn.Module):
    """Networks of :mod:`gan_tutorial.models.mlp`, all alike, side by side: (K N, ...) -> (K N, ...), one network's rows
    after the other's. With a `pack`, logits are (K N / pack,).

    Raises InputError for layers other than linear ones, maxout, ReLU and BatchNorm, and for weights that are
    parametrized (spectral norm).
    """

    mixes_samples = True  # a joint pass would mix up whose rows are whose

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        first: Any = networks[0]
        self.k, self.pack = len(networks), getattr(first, "pack", 1)
        self.z_dim: int = getattr(first, "z_dim", 0)
        inner: list[Any] = [n.inner if isinstance(n, Packed) else n for n in networks]
        self.layers = nn.Sequential(*(_beside(alike) for alike in zip(*(n.layers for n in inner), strict=True)))

    def forward(self, x: Tensor) -> Tensor:
        y = self.layers(x.reshape(self.k, len(x) // (self.k * self.pack), -1))
        return y.flatten() if y.shape[2] == 1 else y.flatten(0, 1)


def _beside(layers: Sequence[nn.Module]) -> nn.Module:
    first = layers[0]
    plain = not any(parametrize.is_parametrized(module) for module in first.modules())
    require(plain, "layers", "weights under spectral norm", "plain weights; train each seed by itself")
    if isinstance(first, nn.Linear):
        return _Linear(layers)
    if isinstance(first, Maxout):
        return _Maxout(layers)
    if isinstance(first, nn.BatchNorm1d):
        return _BatchNorm(layers)
    require(isinstance(first, nn.ReLU), "layers", type(first).__name__, "Linear, Maxout, BatchNorm1d or ReLU")
    return nn.ReLU(inplace=True)


class _Linear(nn.Module):
    """x (K, N, inputs) -> (K, N, outputs)."""

    def __init__(self, layers: Sequence[Any]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.stack([m.weight.detach().t() for m in layers]))
        biased = layers[0].bias is not None
        self.bias = nn.Parameter(torch.stack([m.bias.detach()[None] for m in layers])) if biased else None

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight if self.bias is None else torch.baddbmm(self.bias, x, self.weight)


class _Maxout(_Linear):
    def __init__(self, layers: Sequence[Any]) -> None:
        super().__init__([m.linear for m in layers])
        self.pieces = layers[0].pieces

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).unflatten(2, (self.pieces, -1)).amax(2)


class _BatchNorm(nn.BatchNorm1d):
    """x (K, N, C): every network's channels by themselves, as K C channels of one batch."""

    def __init__(self, layers: Sequence[Any]) -> None:
        super().__init__(len(layers) * layers[0].num_features, eps=layers[0].eps, momentum=layers[0].momentum)
        with torch.no_grad():
            self.weight.copy_(torch.cat([m.weight for m in layers]))
            self.bias.copy_(torch.cat([m.bias for m in layers]))

    def forward(self, x: Tensor) -> Tensor:
        k, n, channels = x.shape
        return super().forward(x.transpose(0, 1).reshape(n, k * channels)).view(n, k, channels).transpose(0, 1)


class Points:
    """K finite sets of points (K, P, 2) of a density, with the face of a Dataset: a batch has as many of each."""

    is_image = is_text = is_sound = False

    def __init__(self, density: Any, points: Tensor) -> None:
        self.name, self.sample_shape = density.name, tuple(density.sample_shape)
        self.modes, self.std, self.points = density.modes, density.std, points

    def stream(
        self, batch_size: int, *, seed: int = 0, device: torch.device | str = "cpu", rank: int = 0, world: int = 1
    ) -> Iterator[Batch]:
        """Endless batches (K N, 2) of `batch_size` points in all, each set in a new order every epoch."""
        k, points, _ = self.points.shape
        fits = batch_size % k == 0 and points % (batch_size // k) == 0
        require(fits, "batch_size", batch_size, f"{k} times a divisor of {points}")
        require(world == 1, "world", world, "1 process")
        return _Stream(self.points.to(device), batch_size // k, seed)


class _Stream:
    def __init__(self, points: Tensor, each: int, seed: int) -> None:
        self._points, self._each, self._at = points, each, 0
        self._rng = torch.Generator().manual_seed(seed)
        self._epoch()

    def _epoch(self) -> None:
        self._begun = self._rng.get_state()
        k, points, _ = self._points.shape
        order = torch.stack([torch.randperm(points, generator=self._rng) for _ in range(k)])
        self._order = order[:, :, None].expand(-1, -1, 2).to(self._points.device)

    def __iter__(self) -> _Stream:
        return self

    def __next__(self) -> Batch:
        if self._at + self._each > self._points.shape[1]:
            self._at = 0
            self._epoch()
        chosen = self._order[:, self._at : self._at + self._each]
        self._at += self._each
        return Batch(self._points.gather(1, chosen).flatten(0, 1), None)

    def state_dict(self) -> dict[str, Any]:
        return {"epoch": self._begun, "at": self._at}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._rng.set_state(state["epoch"].cpu())
        self._at = int(state["at"])
        self._epoch()
