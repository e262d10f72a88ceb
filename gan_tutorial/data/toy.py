"""Two-dimensional densities: what a GAN learns in seconds, with modes that can be counted.

They are infinite. Each has closed-form statistics, and is drawn with a seeded generator on the CPU, so the same seed
gives the same points on every device.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gan_tutorial.data.dataset import Batch, State, Stream, check_share
from gan_tutorial.errors import InputError, require, require_integer, require_number

Draw = Callable[[int, torch.Generator | None], tuple[Tensor, Tensor | None]]


class Density:
    """An infinite set of points in the plane, with the face of a Dataset.

    modes: (K, 2) centres, or None where there are none; std: the standard deviation of one mode, or None; labels are
    mode indices, or None; drawing: the points (N, 2) and the jitter that it was made of, or None. Nearly all mass lies
    in [-extent, extent]^2.
    """

    is_image = is_text = is_sound = False
    sample_shape = (2,)
    split = "all"

    def __init__(
        self,
        name: str,
        draw: Draw,
        *,
        extent: float,
        modes: Tensor | None = None,
        std: float | None = None,
        drawing: tuple[Tensor, float] | None = None,
    ) -> None:
        self.name, self.extent, self.modes, self.std, self.drawing = name, extent, modes, std, drawing
        self.label_names = () if modes is None else tuple(str(k) for k in range(len(modes)))
        self._draw = draw

    @property
    def num_classes(self) -> int:
        """The number of modes, 0 where there are none."""
        return len(self.label_names)

    def __repr__(self) -> str:
        return f"<Density {self.name}: {self.num_classes} modes, extent {self.extent:g}>"

    def sample(self, n: int, generator: torch.Generator | None = None) -> Batch:
        """`n` new points (n, 2) and the mode (n,) that each comes from, on the CPU."""
        require_integer("n", n, 1)
        return Batch(*self._draw(n, generator))

    def stream(
        self, batch_size: int, *, seed: int = 0, device: torch.device | str = "cpu", rank: int = 0, world: int = 1
    ) -> Stream:
        """Endless batches on `device`; process `rank` gets its contiguous share of `batch_size`: see Dataset.stream."""
        check_share(batch_size, seed, rank, world)
        return DensityStream(self, batch_size, seed, torch.device(device), rank, world)


class DensityStream:
    """Every process draws the whole batch and keeps its share. The state is the generator's."""

    def __init__(
        self, density: Density, batch_size: int, seed: int, device: torch.device, rank: int, world: int
    ) -> None:
        self._density, self._batch_size, self._device = density, batch_size, device
        share = batch_size // world
        self._mine = slice(rank * share, (rank + 1) * share)
        self._generator = torch.Generator().manual_seed(seed)

    def __iter__(self) -> DensityStream:
        return self

    def __next__(self) -> Batch:
        drawn = self._density.sample(self._batch_size, self._generator)
        mine = None if drawn.labels is None else drawn.labels[self._mine].to(self._device)
        return Batch(drawn.x[self._mine].to(self._device), mine)

    def state_dict(self) -> State:
        return {"generator": self._generator.get_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        require("generator" in state, "state", sorted(state), "the key 'generator', as a density's stream saves it")
        try:
            self._generator.set_state(state["generator"].cpu())
        except (AttributeError, RuntimeError, TypeError) as error:
            raise InputError("state: 'generator' is not the state of a torch.Generator on the CPU") from error


def ring_8(*, radius: float = 2.0, std: float = 0.05) -> Density:
    """Eight Gaussians on a circle, mode k at the angle 2 pi k / 8."""
    _positive(radius=radius, std=std)
    angle = torch.arange(8) * (2 * math.pi / 8)
    return _mixture("ring-8", radius * torch.stack([angle.cos(), angle.sin()], 1), std)


def grid_25(*, std: float = 0.05) -> Density:
    """Twenty-five Gaussians at {-4, -2, 0, 2, 4}^2, x running slowest."""
    _positive(std=std)
    ticks = torch.arange(-4.0, 5.0, 2.0)
    return _mixture("grid-25", torch.cartesian_prod(ticks, ticks), std)


def disjoint(*, distance: float = 4.0, std: float = 0.25) -> Density:
    """Two Gaussians whose centres lie `distance` apart on the diagonal."""
    _positive(distance=distance, std=std)
    corner = distance / math.sqrt(8)
    return _mixture("disjoint", torch.tensor([[-corner, -corner], [corner, corner]]), std)


def line(*, length: float = 4.0, std: float = 0.05) -> Density:
    """Uniform on a diagonal segment of `length`, plus Gaussian noise."""
    _positive(length=length, std=std)

    def draw(n: int, generator: torch.Generator | None) -> tuple[Tensor, None]:
        along = (torch.rand(n, 1, generator=generator) - 0.5) * (length / math.sqrt(2))
        return along.expand(n, 2) + std * torch.randn(n, 2, generator=generator), None

    return Density("line", draw, extent=_framed(length / math.sqrt(8), std))


def two_moons(*, radius: float = 1.5, std: float = 0.05) -> Density:
    """Two interleaved half circles, plus Gaussian noise; the mean is 0."""
    _positive(radius=radius, std=std)

    def draw(n: int, generator: torch.Generator | None) -> tuple[Tensor, None]:
        angle = math.pi * torch.rand(n, generator=generator)
        side = 1.0 - 2.0 * torch.randint(0, 2, (n,), generator=generator)  # 1: the upper moon, -1: the lower one
        x = radius * torch.stack([side * (angle.cos() - 0.5), side * (angle.sin() - 0.25)], 1)
        return x + std * torch.randn(n, 2, generator=generator), None

    return Density("two-moons", draw, extent=_framed(1.5 * radius, std))


def spiral(*, radius: float = 2.0, turns: float = 1.0, std: float = 0.05) -> Density:
    """Two Archimedean arms from the centre, one half a turn behind the other, plus Gaussian noise.

    Without the noise, (distance from the centre / radius)^2 is uniform in [0, 1].
    """
    _positive(radius=radius, turns=turns, std=std)

    def draw(n: int, generator: torch.Generator | None) -> tuple[Tensor, None]:
        distance = torch.rand(n, generator=generator).sqrt()
        arm = torch.randint(0, 2, (n,), generator=generator)
        angle = 2 * math.pi * turns * distance + math.pi * arm
        x = radius * distance[:, None] * torch.stack([angle.cos(), angle.sin()], 1)
        return x + std * torch.randn(n, 2, generator=generator), None

    return Density("spiral", draw, extent=_framed(radius, std))


def swiss_roll(*, radius: float = 2.0, std: float = 0.05) -> Density:
    """The Swiss roll seen from its end: angles uniform in [1.5 pi, 4.5 pi], the distance proportional to the angle and
    `radius` at the end, plus Gaussian noise."""
    _positive(radius=radius, std=std)

    def draw(n: int, generator: torch.Generator | None) -> tuple[Tensor, None]:
        angle = 1.5 * math.pi * (1 + 2 * torch.rand(n, generator=generator))
        x = (radius / (4.5 * math.pi)) * angle[:, None] * torch.stack([angle.cos(), angle.sin()], 1)
        return x + std * torch.randn(n, 2, generator=generator), None

    return Density("swiss-roll", draw, extent=_framed(radius, std))


def pinwheel(
    *, arms: int = 5, radius: float = 1.5, radial_std: float = 0.3, tangential_std: float = 0.05, rate: float = 0.25
) -> Density:
    """Gaussian blades, sheared by an angle that grows with the distance from the centre (Johnson et al., 2016,
    "Composing graphical models with neural networks for structured representations and fast inference").

    A point is (1 + radial_std e1, tangential_std e2), turned by 2 pi arm / arms + rate exp(1 + radial_std e1) and
    multiplied by `radius`.
    """
    require_integer("arms", arms, 1, 64)
    _positive(radius=radius, radial_std=radial_std, tangential_std=tangential_std)
    require_number("rate", rate, 0)

    def draw(n: int, generator: torch.Generator | None) -> tuple[Tensor, None]:
        noise = torch.randn(n, 2, generator=generator)
        outward, across = 1 + radial_std * noise[:, 0], tangential_std * noise[:, 1]
        arm = torch.randint(0, arms, (n,), generator=generator)
        angle = (2 * math.pi / arms) * arm + rate * outward.exp()
        cos, sin = angle.cos(), angle.sin()
        return radius * torch.stack([outward * cos - across * sin, outward * sin + across * cos], 1), None

    return Density("pinwheel", draw, extent=radius * (1 + 4 * radial_std))


def from_points(array: Any, jitter: float = 0.05, name: str = "drawing") -> Density:
    """The density of a drawing: one of the given points (N, 2), plus Gaussian noise of standard deviation `jitter`.

    Raises InputError unless there is at least one point and all are finite.
    """
    try:
        points = torch.as_tensor(np.asarray(array, dtype=np.float32))
    except (TypeError, ValueError) as error:
        raise InputError(f"array: expected numbers of shape (N, 2): {error}") from error
    shape = tuple(points.shape)
    require(points.dim() == 2 and shape[1] == 2 and shape[0] >= 1, "array", f"shape {shape}", "shape (N, 2), N >= 1")
    bad = int((~torch.isfinite(points)).any(1).sum())
    require(bad == 0, "array", f"{bad} points that are NaN or infinite", "finite points only")
    require_number("jitter", jitter, 0)

    def draw(n: int, generator: torch.Generator | None) -> tuple[Tensor, None]:
        chosen = points[torch.randint(0, len(points), (n,), generator=generator)]
        return chosen + jitter * torch.randn(n, 2, generator=generator), None

    reach = _framed(float(points.abs().max()), jitter) or 1.0
    return Density(name, draw, extent=reach, drawing=(points, float(jitter)))


def _mixture(name: str, modes: Tensor, std: float) -> Density:
    """Gaussians of one size and equal weight."""

    def draw(n: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        mode = torch.randint(0, len(modes), (n,), generator=generator)
        return modes[mode] + std * torch.randn(n, 2, generator=generator), mode

    return Density(name, draw, extent=_framed(float(modes.abs().max()), std), modes=modes, std=std)


def _framed(reach: float, std: float) -> float:
    """How far a plot shows: the noise's four standard deviations and a margin beyond `reach`."""
    return 1.1 * (reach + 4 * std)


def _positive(**options: float) -> None:
    for key, value in options.items():
        require_number(key, value, 0)
        require(value > 0, key, value, "a finite number > 0")
