"""What there is to see of a training at one moment: samples, D's map, logits, numbers. Looking changes nothing."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gan_tutorial import data, losses, metrics, plots
from gan_tutorial.data import Dataset
from gan_tutorial.errors import require, require_integer, require_number, unknown
from gan_tutorial.training import Trainer

POINTS = 512  # real and generated points in a frame
GRID = 50  # cells of D's map along one axis
IMAGES, REAL_IMAGES = 36, 12  # generated and real images in a frame
MESH, LINE = 21, 101  # latents along each axis of the manifold: of two dimensions, of one
MEASURED = {"points": 1024, "images": 256}  # samples that a measurement takes of G
LAYERS = ("heat", "manifold", "real", "fake", "arrows")
NEIGHBOURS = 6
_FLOOR_DRAWS = 5  # a floor is the mean over so many draws of real samples
_ARROW = 0.25  # of the extent: how long an arrow of a gradient of 1 is


@dataclass(frozen=True)
class View:
    """What a page shows beside the samples and the numbers; a frame holds no more than that.

    Attributes:
        layers: some of "heat", "manifold", "real", "fake", "arrows" (points only).
        walk: where on the walk through the latents to make an image, 0 to 1; None for no walk (images only).
        sample: which generated image to show real neighbours of; None for none (images only).
    """

    layers: tuple[str, ...] = ("heat", "real", "fake")
    walk: float | None = None
    sample: int | None = None

    def __post_init__(self) -> None:
        for layer in self.layers:
            if layer not in LAYERS:
                raise unknown("layer", layer, LAYERS)
        if self.walk is not None:
            require_number("walk", self.walk, 0, 1)
        if self.sample is not None:
            require_integer("sample", self.sample, 0, IMAGES - 1)


@dataclass(frozen=True)
class Neighbours:
    """The real images that look most like a generated one: `images` (k, H, W, C) uint8, `distances` (k,) in pixels'
    Euclidean distance with pixels in [-1, 1], and which `sample` of the frame they belong to."""

    images: np.ndarray
    distances: np.ndarray
    sample: int


@dataclass(frozen=True)
class Frame:
    """What there is to see at one moment of a training. Plain numbers and arrays, nothing that changes later.

    Attributes:
        step: steps taken so far.
        steps_per_second: of the last burst; 0 before the first.
        settings: the settings in force, by name.
        real: points (n, 2) float32, or images (n, H, W, C) uint8; the same ones in every frame.
        fake: samples of the generator (live weights, not their average) for the same latents in every frame.
        heat: how real each point of a grid over [-extent, extent]^2 looks to D, (50, 50) from 0 to 1, y running upwards
            with the row; None for images or where the view leaves it out.
        probability: whether `heat` is D's probability of "real"; some losses only order the points.
        extent: half the side of the square shown, in the data's units; 0 for images.
        series: curves by name, (k, 2) steps and values, k < 256, averaged over neighbouring steps in long runs:
            `d_loss` and `g_loss`, D's mean logits `real_logit` and `fake_logit`, and every number of `metrics`.
        metrics: the newest measurement by name, see :meth:`Look.measure`; NaN before the first.
        logits: D's logits of the last batch's real and fake samples; of this frame's samples before the first batch.
        objective: (3, k): logits, the loss that G has from one sample of that logit, and its derivative.
        modes: (covered, all) of this frame's samples, where the data has modes, see
            :func:`gan_tutorial.metrics.modes.mode_coverage`.
        manifold: G of a regular grid of latents, (rows, columns, 2); one row for 1-D latents.
        arrows: -dL_G/dx of each fake: where its own loss wants it to move, (n, 2).
        classes: shares of the classes among real and generated images, (2, K).
        walk: the image at the view's place on a closed walk through the latents, (1, H, W, C) uint8.
        neighbours: of the view's sample.
    """

    step: int
    steps_per_second: float
    settings: dict[str, Any]
    real: np.ndarray
    fake: np.ndarray
    heat: np.ndarray | None
    probability: bool
    extent: float
    series: Mapping[str, np.ndarray]
    metrics: Mapping[str, float] = field(default_factory=dict)
    logits: tuple[np.ndarray, np.ndarray] = (np.zeros(0, np.float32), np.zeros(0, np.float32))
    objective: np.ndarray | None = None
    modes: tuple[int, int] | None = None
    manifold: np.ndarray | None = None
    arrows: np.ndarray | None = None
    classes: np.ndarray | None = None
    walk: np.ndarray | None = None
    neighbours: Neighbours | None = None

    @property
    def is_image(self) -> bool:
        return self.real.ndim == 4

    @property
    def d_curve(self) -> np.ndarray:
        """D's losses, (k, 2)."""
        return self.series["d_loss"]

    @property
    def g_curve(self) -> np.ndarray:
        """G's losses, (k, 2)."""
        return self.series["g_loss"]

    @property
    def d_loss(self) -> float:
        """Of the last step that updated D; NaN before the first."""
        return self.metrics.get("d_loss", math.nan)

    @property
    def g_loss(self) -> float:
        """Of the last step that updated G; NaN before the first."""
        return self.metrics.get("g_loss", math.nan)


class Look:
    """Looks at one trainer: always at the same real samples, latents and places.

    Attributes:
        real: the real samples of every frame, on the CPU.
        latents: those of the frame's fakes, (n, z_dim).
        mesh: latents of the manifold, (rows, columns, z_dim), or None where they have more than two dimensions.
        extent: half the side of the square shown; 0 for images.
        arrow_scale: data units that an arrow of a gradient of norm 1 is long.
        floors: what :meth:`measure` gives on average where the "fakes" are real samples, by name: the least (or, for
            shares, the most) that a finite sample lets a perfect generator reach.

    Raises :class:`~gan_tutorial.errors.InputError` for data that are neither points in the plane nor images.
    """

    def __init__(self, trainer: Trainer) -> None:
        real: Any = trainer.dataset
        shown = real.is_image or tuple(real.sample_shape) == (2,)
        require(shown, "data", real.name, "points or images; TextLab and SoundLab show texts and sounds")
        made = not trainer.translates
        require(made, "algorithm", trainer.recipe.algorithm, "one that makes images of latents, not of other images")
        plain = trainer.algorithm.num_classes == 0
        require(plain, "conditional", True, "false: the lab shows networks that depend on no class")
        self.trainer, self.data = trainer, real
        self.count = IMAGES if real.is_image else POINTS
        n = REAL_IMAGES if real.is_image else POINTS
        n = min(n, len(real)) if isinstance(real, Dataset) else n
        self.real: Tensor = real.sample(n, torch.Generator().manual_seed(0)).x.cpu()
        self.latents = trainer.algorithm.latents(self.count, torch.Generator().manual_seed(0))
        self.mesh = self._mesh(self.latents.shape[1], trainer.recipe.noise)
        self.pack: int = getattr(trainer.algorithm, "pack", 1)  # a D that judges packs has no say on a single sample
        self.extent = 0.0
        if not real.is_image:
            self.extent = float(getattr(real, "extent", 0) or 1.1 * self.real.abs().max()) or 1.0
        self.arrow_scale = _ARROW * self.extent
        self._objective: tuple[Any, np.ndarray] | None = None
        with torch.random.fork_rng(devices=[]):  # a classifier's network draws weights before it is given its own
            self._judge = _Images(real) if real.is_image else _Points(real, self.extent)
        self.classes: np.ndarray | None = None  # what the last measurement found
        self.floors = self._judge.floors()

    # -- a frame ------------------------------------------------------------------------------------------------------
    @torch.no_grad()
    def frame(self, view: View, curves: Mapping[str, Curve], steps_per_second: float = 0.0) -> Frame:
        """The training as it stands, with the curves of its past."""
        t, s = self.trainer, self.trainer.settings
        loss = losses.get(s.loss)
        fake = t.sample(self.count, average=False).cpu()
        real_logits, fake_logits = (logits.float().cpu() for logits in self._logits(fake))
        points = not self.data.is_image
        middle = (real_logits.mean() + fake_logits.mean()) / 2
        return Frame(
            step=t.step,
            steps_per_second=steps_per_second,
            settings=dict(vars(s)),
            real=_array(self.real),
            fake=_array(fake),
            heat=self._heat(loss, fake) if points and self.pack == 1 and "heat" in view.layers else None,
            probability=loss.probability,
            extent=self.extent,
            series={name: curve.array() for name, curve in curves.items()},
            metrics={name: curve.last for name, curve in curves.items()},
            logits=(real_logits.numpy(), fake_logits.numpy()),
            objective=self._loss_of_a_logit(s.loss, real_logits, fake_logits, middle),
            modes=self._modes(fake),
            manifold=self._manifold() if points and "manifold" in view.layers else None,
            arrows=self._arrows(loss, fake) if points and self.pack == 1 and "arrows" in view.layers else None,
            classes=self.classes,
            walk=self._walk(view.walk) if not points and view.walk is not None else None,
            neighbours=self._neighbours(fake, view.sample) if not points and view.sample is not None else None,
        )

    def measure(self) -> dict[str, float]:
        """The numbers of the generator as it stands, by name.

        Points: `kl` and `js` (see :mod:`gan_tutorial.metrics.divergence`), `precision` and `recall`, and, where the
        data has modes, `modes` and `quality` (the share of samples near any). Images of a packed data set: `fid` and
        `classes` (how many are found), both by a classifier. `d_norm` and `g_norm` are the norms of the gradients of
        the last update, in the step just taken.
        """
        t = self.trainer
        found: dict[str, float] = {}
        if self._judge.n:
            found, self.classes = self._judge.measure(t.sample(self._judge.n, seed=1, average=False).cpu())
        for name, role in (("d_norm", "discriminator"), ("g_norm", "generator")):
            gradients = [p.grad for p in t.networks[role].parameters() if p.grad is not None]
            if gradients:
                found[name] = float(torch.stack([g.float().norm() for g in gradients]).norm())
        return found

    # -- its parts ----------------------------------------------------------------------------------------------------
    def _modes(self, fake: Tensor) -> tuple[int, int] | None:
        centres, std = getattr(self.data, "modes", None), getattr(self.data, "std", None)
        if centres is None or std is None:
            return None
        return metrics.mode_coverage(fake, centres, std)[0], len(centres)

    def _logits(self, fake: Tensor) -> tuple[Tensor, Tensor]:
        seen = self.trainer.algorithm.seen
        if "real" in seen and "fake" in seen:
            return seen["real"], seen["fake"]
        with self._watching("discriminator") as network:
            logits = network(torch.cat([self.real, fake]).to(self.trainer.device)).view(-1)
        return logits[: len(self.real) // self.pack], logits[len(self.real) // self.pack :]

    def _heat(self, loss: losses.Loss, fake: Tensor) -> np.ndarray:
        axis = ((torch.arange(GRID) + 0.5) / GRID * 2 - 1) * self.extent
        cells = torch.cartesian_prod(axis, axis).flip(1)  # (GRID * GRID, 2) as (x, y), y running slowest
        with self._watching("discriminator") as network:
            logits = network(torch.cat([cells, self.real, fake]).to(self.trainer.device)).view(-1).float().cpu()
        on_grid, on_real, on_fake = logits.split([len(cells), len(self.real), len(fake)])
        return loss.belief(on_grid, (on_real.mean() + on_fake.mean()) / 2).view(GRID, GRID).numpy()

    def _arrows(self, loss: losses.Loss, fake: Tensor) -> np.ndarray:
        with self._watching("discriminator") as network, torch.enable_grad():
            x = fake.to(self.trainer.device).requires_grad_()
            fake_logits = network(x).view(-1).float()
            pairs = self.real[torch.arange(len(x)) % len(self.real)] if loss.paired else self.real[:0]
            real_logits = network(pairs.to(x.device)).view(-1).float()
            of_each = loss.generator(real_logits, fake_logits) * len(x)  # the loss is the mean over the samples
            (gradient,) = torch.autograd.grad(of_each, x)
        return -gradient.cpu().numpy()

    def _manifold(self) -> np.ndarray | None:
        if self.mesh is None:
            return None
        z = self.mesh.flatten(0, 1)
        return self.trainer.sample(len(z), z=z, average=False).cpu().view(*self.mesh.shape[:2], 2).numpy()

    @staticmethod
    def _mesh(z_dim: int, noise: str) -> Tensor | None:
        if z_dim > 2:
            return None
        share = torch.linspace(0, 1, LINE if z_dim == 1 else MESH)
        # Equal shares of the noise lie between two neighbours; the normal distribution's ends are cut off.
        axis = 2 * share - 1 if noise == "uniform" else torch.special.ndtri(0.01 + 0.98 * share)
        if z_dim == 1:
            return axis.view(1, -1, 1)
        return torch.cartesian_prod(axis, axis).view(MESH, MESH, 2)

    def _loss_of_a_logit(self, name: str, real: Tensor, fake: Tensor, middle: Tensor) -> np.ndarray:
        finite = torch.cat([real, fake]).nan_to_num(0, 0, 0).abs().max()
        reach = next((r for r in (6.0, 12.0, 25.0, 50.0, 100.0, 200.0, 500.0, 1000.0) if r > finite), 5000.0)
        against = float(real.mean()) if losses.get(name).paired else 0.0
        key = name, reach, against
        if self._objective is None or self._objective[0] != key:
            logits = torch.linspace(-reach, reach, 121)
            values = losses.per_sample(name, logits, torch.tensor(against))
            self._objective = key, torch.stack([logits, *values]).detach().numpy()
        return self._objective[1]

    def _walk(self, at: float) -> np.ndarray:
        """A closed walk: normal latents on the great circle through two of the frame's, uniform ones along a polygon
        of six of them; each as likely as any other latent."""
        if self.trainer.recipe.noise == "normal":
            angle = 2 * math.pi * at
            z = math.cos(angle) * self.latents[0] + math.sin(angle) * self.latents[1]
        else:
            corner, between = int(at * 6) % 6, at * 6 % 1
            z = torch.lerp(self.latents[corner], self.latents[(corner + 1) % 6], between)
        return _array(self.trainer.sample(1, z=z[None], average=False).cpu())

    def _neighbours(self, fake: Tensor, sample: int) -> Neighbours:
        assert isinstance(self._judge, _Images)
        if self._judge.pixels is None:
            self._judge.pixels = self.data[:].x.cpu().flatten(1)
        k = min(NEIGHBOURS, len(self._judge.pixels))
        indices, distances = metrics.nearest(fake[sample : sample + 1].flatten(1), self._judge.pixels, k)
        found = self.data[indices[0].tolist()].x.cpu()
        return Neighbours(_array(found), distances[0].numpy(), sample)

    @contextmanager
    def _watching(self, role: str) -> Any:
        """A network as it judges: in evaluation mode for as long as we look."""
        network: nn.Module = self.trainer.networks[role]
        training = network.training
        network.eval()
        try:
            yield network
        finally:
            network.train(training)


class _Points:
    """Measures `n` points in the plane against as many real ones; `n` is 0 where there are too few."""

    def __init__(self, data: Any, extent: float) -> None:
        self.data, self.extent = data, extent
        self.n = min(MEASURED["points"], len(data) // 2) if isinstance(data, Dataset) else MEASURED["points"]
        if self.n <= NEIGHBOURS:
            self.n = 0
            return
        self.centres, self.std = getattr(data, "modes", None), getattr(data, "std", None)
        self.real: Tensor = data.sample(self.n, torch.Generator().manual_seed(1)).x.cpu()
        self.manifold = metrics.Manifold(self.real[:POINTS])

    def measure(self, fake: Tensor) -> tuple[dict[str, float], None]:
        return self._against(self.real, self.manifold, fake), None

    def _against(self, real: Tensor, manifold: metrics.Manifold, fake: Tensor) -> dict[str, float]:
        divergence = metrics.histogram_divergences(real, fake, self.extent)
        near = manifold.precision_recall(fake[:POINTS])
        found = {"js": divergence.js, "kl": divergence.kl, "precision": near.precision, "recall": near.recall}
        if self.centres is not None and self.std is not None:
            modes, found["quality"] = metrics.mode_coverage(fake, self.centres, self.std)
            found["modes"] = float(modes)
        return found

    def floors(self) -> dict[str, float]:
        names: list[str] = []
        if not self.n:
            return {}

        def metric(real: Tensor, fake: Tensor) -> list[float]:
            found = self._against(real, metrics.Manifold(real[:POINTS]), fake)
            names[:] = found
            return list(found.values())

        values = metrics.real_against_real(metric, self.data, self.n, draws=_FLOOR_DRAWS)
        return dict(zip(names, values, strict=True))


class _Images:
    """Measures `n` images by the classifier of their data set; `n` is 0 where there is none."""

    def __init__(self, data: Dataset) -> None:
        self.data = data
        self.classifier = metrics.for_data(data.name, tuple(data.sample_shape))
        self.n = MEASURED["images"] if self.classifier else 0
        self.pixels: Tensor | None = None

    def measure(self, fake: Tensor) -> tuple[dict[str, float], np.ndarray]:
        judge = self.classifier
        assert judge is not None
        features = judge.features(fake)
        shares = judge.shares(features)
        found = {"fid": metrics.classifier_fid(features, judge.real), "classes": float((shares > 0).sum())}
        return found, np.stack([_real_shares(judge.name), shares.numpy()])

    def floors(self) -> dict[str, float]:
        if self.classifier is None:
            return {}
        classes = float(len(self.classifier.class_names))
        return {"fid": _fid_floor(self.classifier.name), "classes": classes}


@cache
def _fid_floor(name: str) -> float:
    return metrics.fid_floor(name, MEASURED["images"])


@cache
def _real_shares(name: str) -> np.ndarray:
    """The shares of the classes among real images, as the classifier sees them."""
    judge = metrics.classifier(name)
    real: Any = data.load(name)
    return judge.shares(judge.features(real[:1000].x)).numpy()


def _array(x: Tensor) -> np.ndarray:
    return plots.to_uint8(x.nan_to_num()) if x.dim() == 4 else x.numpy()


class Curve:
    """A number over the steps in fewer than 256 points: whenever there are as many, each two neighbours become one.

    A few kilobytes however long the run, and without an object per number: a history keeps thousands of curves.
    """

    def __init__(self) -> None:
        self.last = float("nan")
        self._points = array("d")  # step, value, step, value, ...
        self._open = array("d", [0, 0, 0])  # of the point to come: how many values so far, sums of steps and values
        self._each = 1  # values in a point

    def add(self, step: float, value: float) -> None:
        self.last = value
        n, steps, values = self._open[0] + 1, self._open[1] + step, self._open[2] + value
        self._open = array("d", [n, steps, values])
        if n == self._each:
            self._points.extend((steps / n, values / n))
            self._open = array("d", [0, 0, 0])
        if len(self._points) == 2 * 256:
            self._points = array("d", self.array().reshape(128, 2, 2).mean(1).tobytes())
            self._each *= 2

    def copy(self) -> Curve:
        """Another one that goes its own way."""
        other = Curve()
        other.last, other._each = self.last, self._each
        other._points, other._open = self._points[:], self._open[:]
        return other

    def state(self) -> dict[str, Any]:
        """Plain values that :meth:`of` makes an equal curve of."""
        return {"last": self.last, "each": self._each, "points": list(self._points), "open": list(self._open)}

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> Curve:
        """The curve whose :meth:`state` this was."""
        curve = cls()
        curve.last, curve._each = float(state["last"]), int(state["each"])
        curve._points, curve._open = array("d", state["points"]), array("d", state["open"])
        return curve

    def array(self) -> np.ndarray:
        """The points, (k, 2): steps and values."""
        return np.array(self._points, np.float64).reshape(-1, 2)
