"""Many at once: a grid of toy GANs that differ in two settings, trained together.

There is no second training loop here. A stack of K GANs is one :class:`~gan_tutorial.algorithms.gan.GAN` whose tensors
have one dimension more: its step is inherited, only its networks, its sums and its optimisers know of the K.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.func import vmap

from gan_tutorial import penalties
from gan_tutorial.algorithms import GANSettings
from gan_tutorial.algorithms.gan import GAN, REMEDIES
from gan_tutorial.errors import InputError, require, require_integer, unknown
from gan_tutorial.live.frame import POINTS
from gan_tutorial.metrics.modes import mode_coverage
from gan_tutorial.models import options
from gan_tutorial.training import Recipe, Trainer
from gan_tutorial.training import recipe as recipe_named
from gan_tutorial.training.trainer import WholeStep

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_CELLS = 256
Axis = tuple[str, Sequence[Any]]


class StabilityMap:
    """N x M GANs in the plane that differ in two settings, each the very run that a Trainer of its recipe makes.

    All cells begin with the seed's weights and see the seed's batches and noise: what differs comes from the settings.
    Cell [i, j] has y's value i and x's value j. Up to float rounding, which training enlarges as the steps go by, it is
    `Trainer(map.recipe(i, j), seed=seed)`. Cells that differ only in learning rates and in the weights of penalties
    that are on are trained as one stack of tensors; each further value of another setting costs another stack.

    Args:
        recipe: a recipe of the model "mlp" on points in the plane, or the name of one. Moving averages are not kept.
        x, y: a setting (see :class:`~gan_tutorial.algorithms.GANSettings`) and its values, at most 256 cells in all.
        seed: of networks, data and noise; an integer >= 0.
        device: where to train, see :class:`~gan_tutorial.training.Trainer`.
        dataset: trains on this instead of the recipe's data.

    Attributes:
        step: steps taken so far.
        diverged: (N, M) int64, the step in which a cell's loss became NaN or infinite, 0 where it did not. From then on
            the cell's losses and samples are NaN; the others go on.

    Raises :class:`~gan_tutorial.errors.InputError` for anything of the above that can't be.
    """

    def __init__(
        self,
        recipe: Recipe | str,
        *,
        x: Axis,
        y: Axis,
        seed: int = 0,
        device: str = "cpu",
        dataset: Any = None,
    ) -> None:
        self.x, self.y, self.seed, self.step = _axis("x", x), _axis("y", y), seed, 0
        (self._across, across), (self._up, up) = self.x, self.y
        require(self._across != self._up, "y", self._up, "another setting than x")
        self.shape = len(up), len(across)
        require(len(up) * len(across) <= MAX_CELLS, "x, y", self.shape, f"at most {MAX_CELLS} cells")
        self._recipe = base = recipe_named(recipe)
        plain = base.algorithm == "gan" and not base.conditional and base.augment == "none"
        require(
            base.model == "mlp" and plain,
            "recipe",
            base.name,
            "a GAN of the model 'mlp', without classes or augmentation",
        )
        for name, default in options("mlp").items():
            value = base.model_options.get(name, default)
            free = name in ("z_dim", "g_width", "g_depth", "d_width", "d_depth", "init_std")
            require(free or value == default, f"model.{name}", value, f"{default!r}, since a map stacks plain layers")
        cells = [self.recipe(i, j) for i in range(len(up)) for j in range(len(across))]
        for name in REMEDIES:
            default = getattr(GANSettings(), name)
            for cell in cells:
                value = getattr(cell.settings, name)
                require(value == default, name, value, f"{default!r}, since a map trains by the plain rule")
        groups: dict[str, list[int]] = {}
        for index, cell in enumerate(cells):
            groups.setdefault(_alike(cell), []).append(index)
        self._stacks: list[tuple[Tensor, _Stack]] = []
        for indices in groups.values():
            trainer = Trainer(cells[indices[0]], seed=seed, device=device, dataset=dataset)
            self.dataset = dataset = trainer.dataset
            require(tuple(dataset.sample_shape) == (2,), "data", dataset.name, "points in the plane")
            stack = _Stack([cells[i].settings for i in indices], trainer)
            self._stacks.append((torch.tensor(indices, device=trainer.device), stack))
        self.device = trainer.device
        self.diverged = torch.zeros(self.shape, dtype=torch.int64, device=self.device)

    def recipe(self, i: int, j: int) -> Recipe:
        """The recipe of cell [i, j]: y's value i, x's value j."""
        require_integer("i", i, 0, self.shape[0] - 1)
        require_integer("j", j, 0, self.shape[1] - 1)
        return self._recipe.with_changes({self._up: self.y[1][i], self._across: self.x[1][j]})

    def run(self, steps: int | None = None) -> Iterator[dict[str, Any]]:
        """Train all cells for `steps` more steps (default: up to the recipe's); yields metrics right after each.

        Metrics are `step` (int), and `d_loss`, `g_loss` and `penalty` as :meth:`GAN.step` gives them, (N, M) each, NaN
        where a cell has diverged or has no such metric.
        """
        if steps is None:
            steps = max(0, self._recipe.steps - self.step)
        else:
            require_integer("steps", steps, 1)
        return self._run(steps)

    def _run(self, steps: int) -> Iterator[dict[str, Any]]:
        with WholeStep() as whole:
            for _ in range(steps):
                whole.begin()
                try:
                    metrics = self._advance()
                finally:
                    whole.end()
                yield {"step": self.step, **metrics}

    def _advance(self) -> dict[str, Tensor]:
        parts = [(cells, stack.step(stack.stream.__next__)) for cells, stack in self._stacks]
        self.step += 1
        failed = torch.zeros(self.shape, dtype=torch.bool, device=self.device)
        metrics = {}
        for name in ("d_loss", "g_loss", "penalty"):
            values = torch.full(self.shape, torch.nan, device=self.device)
            for cells, part in parts:
                if name in part:
                    values.view(-1)[cells] = part[name]
                    failed.view(-1)[cells] |= ~part[name].isfinite()
            metrics[name] = values.masked_fill_(self.diverged > 0, torch.nan)
        self.diverged[failed & (self.diverged == 0)] = self.step
        return metrics

    @torch.no_grad()
    def samples(self, n: int = POINTS, *, seed: int = 0) -> Tensor:
        """n samples of every cell, (N, M, n, 2); all from the latents that `Trainer.sample(n, seed=seed)` uses."""
        require_integer("n", n, 1)
        points = torch.empty(*self.shape, n, 2, device=self.device)
        for cells, stack in self._stacks:
            points.view(-1, n, 2)[cells] = stack.sample(stack.networks, n, torch.Generator().manual_seed(seed))
        return points.masked_fill_((self.diverged > 0)[:, :, None, None], torch.nan)

    def coverage(self, n: int = POINTS, *, seed: int = 0) -> tuple[Tensor, Tensor]:
        """Modes covered (N, M) int64 and share of samples near any (N, M), from n samples a cell.

        See :func:`gan_tutorial.metrics.modes.mode_coverage`; a diverged cell has 0 and 0. Raises
        :class:`~gan_tutorial.errors.InputError` where the data have no modes.
        """
        centres, std = getattr(self.dataset, "modes", None), getattr(self.dataset, "std", None)
        if centres is None or std is None:
            raise InputError(f"data: {self.dataset.name!r} has no modes to count; choose one with modes, as ring-8")
        found = [mode_coverage(points, centres, std) for points in self.samples(n, seed=seed).cpu().flatten(0, 1)]
        modes, share = zip(*found, strict=True)
        return torch.tensor(modes).view(self.shape), torch.tensor(share).view(self.shape)

    def networks(self, i: int, j: int) -> dict[str, nn.Module]:
        """Copies of the networks of cell [i, j] as they are now, on the CPU."""
        self.recipe(i, j)  # checks i and j
        wanted = i * self.shape[1] + j
        cells, stack = next(pair for pair in self._stacks if wanted in pair[0])
        return stack.unstacked(int((cells == wanted).nonzero()))

    def figure(self, n: int = POINTS, *, seed: int = 0) -> Figure:
        """The map as a picture: modes covered (colour and number) and the share of samples near any of them."""
        from matplotlib.figure import Figure

        modes, share = (values.numpy() for values in self.coverage(n, seed=seed))
        diverged = self.diverged.cpu().numpy() > 0
        rows, columns = self.shape
        every = self.dataset.num_classes
        figure = Figure(figsize=(2.2 + 0.7 * columns, 1.2 + 0.6 * rows), layout="constrained")
        axes: Any = figure.add_subplot()
        image = axes.imshow(modes, cmap="cividis", vmin=0, vmax=every, origin="lower", aspect="auto")
        for i in range(rows):
            for j in range(columns):
                ink = "black" if modes[i, j] > every / 2 else "white"
                text = "×" if diverged[i, j] else f"{modes[i, j]}\n{share[i, j]:.0%}"
                axes.text(j, i, text, color=ink, ha="center", va="center", fontsize=9)
        axes.set_xticks(range(columns), [_label(v) for v in self.x[1]])
        axes.set_yticks(range(rows), [_label(v) for v in self.y[1]])
        axes.set_xticks([j - 0.5 for j in range(1, columns)], minor=True)
        axes.set_yticks([i - 0.5 for i in range(1, rows)], minor=True)
        axes.grid(which="minor", color="white", linewidth=1.5)
        axes.tick_params(which="both", length=0)
        axes.spines[:].set_visible(False)
        diverging = ", × diverged" if diverged.any() else ""
        axes.set(xlabel=self._across, ylabel=self._up, title=f"step {self.step}{diverging}")
        bar = figure.colorbar(image, label=f"modes covered of {every}")
        bar.outline.set_visible(False)
        return figure


class _Stack(GAN):
    """K GANs that differ in learning rates and in weights of penalties; losses are (K,), samples (K, N, 2).

    Data, latents and mixing points are one cell's and serve all. The K losses are summed: each depends on its own
    cell's weights only, so the sum's gradient is each cell's own.
    """

    def __init__(self, settings: list[GANSettings], trainer: Trainer) -> None:
        lone, self._templates, self.stream = trainer.algorithm, trainer.networks, trainer.stream
        networks: dict[str, nn.Module] = {
            role: _Layers(net, len(settings)).to(trainer.device) for role, net in trainer.networks.items()
        }
        super().__init__(networks, settings[0], noise=lone.noise, autocast=lone.autocast)
        self.rng = lone.rng
        own = self.loss
        self.loss = replace(
            own,
            discriminator=vmap(own.discriminator),
            generator=lambda real, fake: vmap(own.generator)(real if own.paired else fake[:, :0], fake),
        )

        def each(name: str) -> Tensor:
            return torch.tensor([float(getattr(s, name)) for s in settings], device=self.device)

        self._weights = {name: each(name) for name in penalties.OF_SQUARED_NORM}
        self._rates = {"generator": each("lr_g").view(-1, 1, 1), "discriminator": each("lr_d").view(-1, 1, 1)}
        # Adam with a rate for each cell: it moves a zero at the rate 1, and that move times the rate is the cell's.
        self._moves = {role: [torch.zeros_like(p) for p in net.parameters()] for role, net in networks.items()}
        betas = (self.settings.beta1, self.settings.beta2)
        self.optimizers = {
            role: torch.optim.Adam(self._moves[role], lr=1.0, betas=betas, fused=optimizer.defaults["fused"])
            for role, optimizer in self.optimizers.items()
        }

    def judge(self, real: Tensor, fake: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Logits (K, N) of the batch (N, 2) that all cells see, and of each cell's fakes (K, N, 2)."""
        real_logits, fake_logits = self._logits(torch.cat([real.expand_as(fake), fake], 1)).chunk(2, 1)
        return real_logits, fake_logits

    def _logits(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.discriminator(x).squeeze(2).float()

    def penalty(self, real: Tensor, fake: Tensor, labels: Tensor | None = None) -> Tensor | None:
        """As GAN.penalty, (K,): the same points in the same order, so that the same noise is drawn."""
        real, terms = real.expand_as(fake), []
        for name, value in penalties.OF_SQUARED_NORM.items():
            if getattr(self.settings, name):
                points = {"r1": real, "r2": fake}.get(name)
                if points is None:
                    points = penalties.between(real.transpose(0, 1), fake.transpose(0, 1), self._mix(real[0]))
                    points = points.transpose(0, 1)
                with self.autocast():
                    norms = penalties.squared_gradient_norms(self._rows, points.flatten(0, 1))
                terms.append(self._weights[name] * value(norms.view(fake.shape[:2])).mean(1))
        return torch.stack(terms).sum(0) * self.settings.penalty_every if terms else None

    def _rows(self, x: Tensor) -> Tensor:
        """Logits (K, N) of samples (K N, 2), one cell's after the other's."""
        return self._logits(x.view(len(self._weights["r1"]), -1, 2))

    def _update(self, role: str, loss: Tensor) -> None:
        parameters, moves, rates = list(self.networks[role].parameters()), self._moves[role], self._rates[role]
        gradients = torch.autograd.grad(loss.sum(), parameters)
        if self.settings.optimizer == "sgd":
            with torch.no_grad():
                for parameter, gradient in zip(parameters, gradients, strict=True):
                    parameter.addcmul_(gradient, rates, value=-1)
            return
        for move, gradient in zip(moves, gradients, strict=True):
            move.grad = gradient.contiguous()  # the fused Adam walks through both side by side
        self.optimizers[role].step()
        with torch.no_grad():
            for parameter, move in zip(parameters, moves, strict=True):
                parameter.addcmul_(move, rates)
                move.zero_()

    @torch.no_grad()
    def unstacked(self, k: int) -> dict[str, nn.Module]:
        """Copies of cell k's networks."""
        networks = {role: deepcopy(net).cpu() for role, net in self._templates.items()}
        for role, net in networks.items():
            layers = self.networks[role]
            assert isinstance(layers, _Layers)
            for linear, weight, bias in zip(_linear(net), layers.weights, layers.biases, strict=True):
                linear.weight.copy_(weight[k].t())
                linear.bias.copy_(bias[k, 0])
        return networks


class _Layers(nn.Module):
    """K copies of an MLP side by side: x (N, in), the same for all, or (K, N, in) -> (K, N, out)."""

    def __init__(self, network: nn.Module, k: int) -> None:
        super().__init__()
        linear = _linear(network)
        self.k, self.z_dim = k, linear[0].in_features
        self.weights = nn.ParameterList(m.weight.detach().t().repeat(k, 1, 1) for m in linear)
        self.biases = nn.ParameterList(m.bias.detach().repeat(k, 1, 1) for m in linear)

    def forward(self, x: Tensor) -> Tensor:
        x = x.expand(self.k, *x.shape[-2:])
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = x.relu_() if layer else x
            if weight.shape[2] > 1:
                x = torch.baddbmm(bias, x, weight)
            else:  # a product with a single column is slow, and its gradients even slower
                x = (x * weight.transpose(1, 2)).sum(2, keepdim=True) + bias
        return x


def _linear(network: nn.Module) -> list[nn.Linear]:
    return [m for m in network.modules() if isinstance(m, nn.Linear)]


def _alike(cell: Recipe) -> str:
    """The same text for recipes that one stack can train: a penalty that is off draws no noise and takes no time."""
    s = cell.settings
    on: dict[str, Any] = {name: float(getattr(s, name) > 0) for name in penalties.OF_SQUARED_NORM}
    return repr(replace(s, lr_g=0.0, lr_d=0.0, **on))


def _axis(which: str, axis: Axis) -> Axis:
    try:
        name, values = axis
        fits = isinstance(name, str) and not isinstance(values, str)
        values = list(values)
    except (TypeError, ValueError):
        fits = False
    require(fits, which, axis, "a setting and its values, as ('lr_g', [1e-4, 1e-3])")
    if name not in GANSettings.__dataclass_fields__:
        raise unknown("setting", name, GANSettings.__dataclass_fields__)
    require(len(values) > 0, which, axis, "at least one value")
    return name, values


def _label(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:g}"
