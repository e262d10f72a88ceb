"""The trainer: the one training loop of this package, and everything an update rule should not know about."""

from __future__ import annotations

import ctypes
import json
import math
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from gan_tutorial import data, models
from gan_tutorial.algorithms import ALGORITHMS
from gan_tutorial.data.pairs import Pairs
from gan_tutorial.errors import CheckpointError, DivergedError, InputError, require, require_integer, unknown
from gan_tutorial.training import checkpoint
from gan_tutorial.training.ema import EMA
from gan_tutorial.training.recipes import Recipe
from gan_tutorial.training.recipes import recipe as recipe_named

# What may differ between a run and its continuation: how long it runs and what it writes, never what it computes.
_MAY_CHANGE = {"summary", "steps", "checkpoint_every", "keep_checkpoints", "log_every", "sample_every"}
# On an accelerator, losses are looked at this often, so that no step waits for the device.
_WATCH_EVERY = 50


def resolve_device(name: str) -> torch.device:
    """ "auto" (CUDA, then MPS, then the CPU) or a torch device name -> a device that exists here; else InputError."""
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next(kind for kind in ("cuda", "mps", "cpu") if available[kind])
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        raise unknown("device", name, ["auto", *available]) from None
    here = ", ".join(["auto", *(kind for kind, there in available.items() if there)])
    if not available.get(device.type, False) or (
        device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count()
    ):
        raise InputError(
            f"device: {name!r} is not available with torch {torch.__version__} here; choose one of: {here}"
        )
    return device


class Snapshot(NamedTuple):
    """All that a checkpoint holds, in memory: step, tensors by name, and plain values."""

    step: int
    tensors: dict[str, Tensor]
    plain: dict[str, Any]

    @property
    def nbytes(self) -> int:
        """What the tensors take."""
        return sum(t.nbytes for t in self.tensors.values())


class Trainer:
    """Trains the networks of a recipe, one step at a time; watchers iterate over :meth:`run`.

    Args:
        recipe: a :class:`Recipe` or the name of one.
        device: "auto", "cpu", "cuda", "cuda:1", "mps".
        seed: makes the run repeatable (bit for bit on one machine's CPU); any integer >= 0.
        out: folder for checkpoints and the log; None keeps nothing. It must not hold another run.
        resume: continue the run in `out` from its newest checkpoint. An empty `out` starts at step 0.
        dataset: trains on this instead of the recipe's data.
        networks: {"generator": ..., "discriminator": ...} to train instead of the recipe's; in several processes, with
            the same weights in each.
        trackers: names that `accelerate` knows, such as "tensorboard"; they need `out`.

    Raises :class:`~gan_tutorial.errors.InputError` for anything of the above that can't be.

    Started by `accelerate launch` or `notebook_launcher`, every process makes the same Trainer; `batch_size` is then
    the batch of all processes together, and only the first process writes.
    """

    def __init__(
        self,
        recipe: Recipe | str,
        *,
        device: str = "auto",
        seed: int = 0,
        out: str | Path | None = None,
        resume: bool = False,
        dataset: Any = None,
        networks: dict[str, nn.Module] | None = None,
        trackers: tuple[str, ...] = (),
    ) -> None:
        require_integer("seed", seed, 0, 2**63 - 1)
        self.recipe = r = recipe_named(recipe)
        self.seed, self.step = seed, 0
        self.out = None if out is None else Path(out)
        require(out is not None or not (resume or trackers), "out", out, "a folder, since resume or trackers need one")
        self.accelerator = _accelerator(device, trackers, self.out)
        self.rank = self.accelerator.process_index if self.accelerator else 0
        self.world = self.accelerator.num_processes if self.accelerator else 1
        self.device = self.accelerator.device if self.accelerator else resolve_device(device)

        # Independent seeds from one: the data's order must not depend on how many weights were drawn before.
        of_networks, of_algorithm, of_data, of_layers = (int(s) for s in np.random.SeedSequence(seed).generate_state(4))
        self.dataset = data.load(r.data, **r.data_options) if dataset is None else dataset
        self._check_domains()
        plain = r.augment == "none" or self.dataset.is_image
        require(plain, "augment", r.augment, f"'none', since {self.dataset.name} holds no images")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(of_networks)
            shape, words = self.dataset.sample_shape, len(getattr(self.dataset, "vocabulary", ()))
            nets = networks or models.build(r.model, shape, self._classes(), words, **r.model_options)
        fits = self.translates or not hasattr(nets["generator"], "directions")
        require(fits, "algorithm", r.algorithm, "'cyclegan' or 'pix2pix', since the generator translates pictures")
        layout = torch.channels_last if self.dataset.is_image else torch.preserve_format
        self.networks = {
            role: net.to(self.device).to(memory_format=layout)  # type: ignore[call-overload]
            for role, net in nets.items()
        }
        self.stream = self.dataset.stream(
            r.batch_size, seed=of_data, device=self.device, rank=self.rank, world=self.world
        )
        autocast = (lambda: torch.autocast(self.device.type, torch.bfloat16)) if r.precision == "bf16" else nullcontext
        self.algorithm = ALGORITHMS[r.algorithm](
            self.networks,
            r.settings,
            noise=r.noise,
            seed=of_algorithm,
            rank=self.rank,
            world=self.world,
            autocast=autocast,
            **({"gather": self.accelerator.gather} if self.world > 1 else {}),
            augment=r.augmentation(self.device),
        )
        self.averages = {role: EMA(self.networks[role], r.ema) for role in self.algorithm.averaged} if r.ema else {}
        self._randomness = _Randomness(of_layers + self.rank, self.device)
        self._unwatched: list[tuple[int, dict[str, Tensor]]] = []
        if self.accelerator and self.world > 1:
            for optimizer in (*self.algorithm.optimizers.values(), *self.algorithm.sgd.values()):
                optimizer.register_step_pre_hook(self._average_gradients)
        if r.compile:
            for net in self.networks.values():
                net.compile()
        if self.device.type == "cpu":
            _keep_freed_memory()
        if self.out is not None:
            self._open(resume)
        if self.accelerator and trackers:
            self.accelerator.init_trackers(r.name)

    def _classes(self) -> int:
        """How many classes the networks depend on."""
        if not self.recipe.conditional:
            return 0
        classes = getattr(self.dataset, "num_classes", 0)
        require(classes > 0, "conditional", True, f"false, since {self.dataset.name} has no labels")
        return classes

    @property
    def translates(self) -> bool:
        """Whether the networks make pictures of pictures; see :meth:`translate`."""
        return hasattr(ALGORITHMS[self.recipe.algorithm], "translate")

    def _check_domains(self) -> None:
        """An update rule that translates needs two domains, some of them pictures that belong together."""
        if not self.translates:
            return
        name, paired = self.dataset.name, getattr(self.dataset, "paired", None)
        require(isinstance(self.dataset, Pairs), "data", name, "two domains, such as 'pairs:digits'")
        needs = ALGORITHMS[self.recipe.algorithm].paired
        require(
            paired or not needs,
            "data",
            name,
            f"pairs that belong together, since {self.recipe.algorithm!r} learns from them",
        )

    @classmethod
    def load(cls, folder: str | Path, *, device: str = "auto") -> Trainer:
        """The run in `folder` as its newest checkpoint left it, to sample from; the folder is only read."""
        recipe, seed = read_run(folder)
        saved = checkpoint.steps(Path(folder) / "checkpoints")
        if not saved:
            raise InputError(f"run: {str(folder)!r} holds no checkpoint yet; train it for longer")
        trainer = cls(recipe, device=device, seed=seed)
        trainer._restore(saved[-1])
        return trainer

    # -- training ----------------------------------------------------------------------------------------------------
    def run(self, steps: int | None = None) -> Iterator[dict[str, Any]]:
        """Train for `steps` more steps (default: up to the recipe's); yields each step's metrics right after it.

        Metrics are `step` (int) and the algorithm's (0-dim tensors on the device; reading one waits for the device).
        With an `out` folder, checkpoints and log lines are written on the way and a checkpoint at the end.
        """
        if steps is None:
            steps = max(0, self.recipe.steps - self.step)
        else:
            require_integer("steps", steps, 1)
        return self._run(steps)

    def _run(self, steps: int) -> Iterator[dict[str, Any]]:
        with WholeStep() as whole:
            for remaining in reversed(range(steps)):
                yield self._advance(whole, self.algorithm.step, last=remaining == 0)

    def step_discriminator(self) -> dict[str, Any]:
        """One update of D alone; counts as a step."""
        with WholeStep() as whole:
            return self._advance(whole, lambda draw: self.algorithm.step_discriminator(draw()))

    def step_generator(self) -> dict[str, Any]:
        """One update of G alone; counts as a step."""
        with WholeStep() as whole:
            return self._advance(whole, lambda draw: self.algorithm.step_generator(draw()))

    def configure(self, **changes: Any) -> None:
        """Change settings (learning rates, loss, n_critic, ...) between two steps; optimisers keep their state."""
        self.algorithm.configure(**changes)

    @property
    def settings(self) -> Any:
        """The settings in force, see :class:`gan_tutorial.algorithms.GANSettings`."""
        return self.algorithm.settings

    def _advance(
        self, whole: WholeStep, update: Callable[..., dict[str, Tensor]], last: bool = False
    ) -> dict[str, Any]:
        whole.begin()
        try:
            with self._randomness:
                metrics = update(self.stream.__next__)
            self.step += 1
            for role, average in self.averages.items():
                average.update(self.networks[role], self.step)
        finally:
            whole.end()
        self._watch(metrics)
        if self.out is not None:
            if self.step % self.recipe.log_every == 0:
                self._log(metrics)
            if last or self.step % self.recipe.checkpoint_every == 0:
                self.save()
        return {"step": self.step, **metrics}

    def _average_gradients(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        """Before an optimiser's step: every process's gradients become the mean over all processes."""
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        mean = self.accelerator.reduce(torch.cat([g.flatten() for g in gradients]), reduction="mean")
        for gradient, part in zip(gradients, mean.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view(gradient.shape))

    # -- watching ----------------------------------------------------------------------------------------------------
    def _watch(self, metrics: dict[str, Tensor]) -> None:
        self._unwatched.append((self.step, metrics))
        if self.device.type == "cpu" or len(self._unwatched) >= _WATCH_EVERY:
            self.check_finite()

    def check_finite(self) -> None:
        """Raise :class:`~gan_tutorial.errors.DivergedError` if a metric since the last look was NaN or infinite."""
        unwatched, self._unwatched = self._unwatched, []
        values = [t for _, metrics in unwatched for t in metrics.values()]
        if self.device.type != "cpu" and values:
            values = list(torch.stack(values).cpu())  # one transfer for all
        if all(map(math.isfinite, values)):
            return
        for step, metrics in unwatched:
            for name, value in metrics.items():
                if not math.isfinite(value):
                    self._diverged(step, f"{name} is {float(value)}")

    def _diverged(self, step: int, what: str) -> None:
        saved = checkpoint.steps(self._checkpoints()) if self.out is not None else []
        kept = f"the last good checkpoint is {str(saved[-1])!r}" if saved else "no checkpoint was written before it"
        raise DivergedError(
            f"step {step}: {what}; what usually helps: lower lr_d and lr_g, add r1, or choose another loss; {kept}"
        )

    def _log(self, metrics: dict[str, Tensor]) -> None:
        values = torch.stack(list(metrics.values())).float()
        if self.accelerator:
            values = self.accelerator.reduce(values, reduction="mean")
        line = {"step": self.step, **dict(zip(metrics, values.tolist(), strict=True))}
        if self.accelerator and self.accelerator.trackers:
            self.accelerator.log({k: v for k, v in line.items() if k != "step"}, step=self.step)
        if self.rank == 0 and self.out is not None:
            with open(self.out / "metrics.jsonl", "a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        seed: int = 0,
        z: Tensor | None = None,
        labels: Tensor | None = None,
        average: bool = True,
    ) -> Tensor:
        """n samples (n, *sample_shape), float32 on the device; training is not touched, nor its randomness.

        Where pictures are translated, they are translations of n pictures of A, drawn from the data by `seed`.

        Args:
            n: how many.
            seed: of the latents; the same seed gives the same latents on every device.
            z: latents (n, z_dim) to use instead.
            labels: class indices (n,) or one-hot rows, where the networks depend on a class; default: each in turn.
            average: use the moving average of the weights where the recipe keeps one.
        """
        require_integer("n", n, 1)
        if z is not None:
            wanted = (n, self.algorithm.z_dim)
            require(tuple(z.shape) == wanted, "z", tuple(z.shape), f"shape {wanted}")
        if labels is not None:
            given = f"{len(labels)} labels"
            require(self.algorithm.num_classes > 0, "labels", given, "None, since the networks depend on no class")
            require(len(labels) == n, "labels", given, f"one for each of {n} samples")
        if self.translates:
            assert isinstance(self.dataset, Pairs)
            return self.translate(self.dataset.sources(n, seed).x, average=average)
        rng = torch.Generator().manual_seed(seed)
        with self._resting(average) as networks:
            return self.algorithm.sample(networks, n, rng, z, labels)

    @torch.no_grad()
    def translate(self, x: Tensor, direction: str = "ab", *, average: bool = True) -> Tensor:
        """Pictures (n, *sample_shape) in [-1, 1] -> their translations, of the same shape, float32 on the device;
        training is not touched. Only where the recipe's algorithm translates, such as "cyclegan".

        Args:
            x: pictures of A ("ab"), of B ("ba").
            direction: "ab" makes B of A, "ba" A of B, where the generator can do that.
            average: as for :meth:`sample`.
        """
        require(self.translates, "algorithm", self.recipe.algorithm, "one that translates, such as 'cyclegan'")
        wanted = self.dataset.sample_shape
        require(tuple(x.shape[1:]) == wanted, "x", tuple(x.shape), f"pictures (n, {', '.join(map(str, wanted))})")
        with self._resting(average) as networks:
            return self.algorithm.translate(networks, x, direction)

    def sheet(self, *, seed: int = 0, average: bool = True) -> Tensor:
        """What a run's picture of samples shows, (n, *sample_shape): 64 samples, or what
        :meth:`gan_tutorial.data.pairs.Pairs.sheet` gives where pictures are translated."""
        if not self.translates:
            return self.sample(64, seed=seed, average=average)
        assert isinstance(self.dataset, Pairs)
        directions = self.networks["generator"].directions
        return self.dataset.sheet(lambda x, way: self.translate(x, way, average=average), directions, seed)

    @contextmanager
    def _resting(self, average: bool) -> Iterator[dict[str, nn.Module]]:
        """The networks to sample from, in eval mode; their modes come back afterwards."""
        networks = {**self.networks, **({k: e.network for k, e in self.averages.items()} if average else {})}
        modes = {role: net.training for role, net in networks.items()}
        try:
            for net in networks.values():
                net.eval()
            yield networks
        finally:
            for role, net in networks.items():
                net.train(modes[role])

    # -- keeping -----------------------------------------------------------------------------------------------------
    def _checkpoints(self) -> Path:
        assert self.out is not None
        return self.out / "checkpoints"

    def save(self) -> Path:
        """Write a checkpoint now; returns the path of its JSON. Needs `out`."""
        require(self.out is not None, "out", None, "a folder to save to")
        self.check_finite()
        tensors, state = self._state()
        bad = next((name for name, t in tensors.items() if t.is_floating_point() and not t.isfinite().all()), None)
        if bad:  # a loss can still be finite in the very step that ruins the weights
            self._diverged(self.step, f"{bad} holds NaN or infinite values")
        path = self._checkpoints() / f"step-{self.step:08d}.json"
        if self.rank == 0:
            checkpoint.save(self._checkpoints(), self.step, tensors, state, self.recipe.keep_checkpoints)
        self._wait()
        return path

    def snapshot(self) -> Snapshot:
        """A copy of the run as it stands; later steps do not change it. See :meth:`restore`."""
        tensors, plain = self._state()
        return Snapshot(self.step, {name: t.detach().clone() for name, t in tensors.items()}, plain)

    def restore(self, snapshot: Snapshot) -> None:
        """Go back (or forth) to a snapshot of this run: what follows is bitwise what followed it then."""
        self._unwatched = []

        def part(prefix: str) -> dict[str, Any]:
            both: tuple[dict[str, Any], ...] = (snapshot.tensors, snapshot.plain)
            return {k.removeprefix(prefix): v for source in both for k, v in source.items() if k.startswith(prefix)}

        self.algorithm.configure(**snapshot.plain["settings"])
        for role, net in self.networks.items():
            net.load_state_dict(part(f"network.{role}."))
            for name, p in net.named_parameters():
                self._restore_moments(role, p, part(f"optimizer.{role}.{name}."))
        for role, average in self.averages.items():
            average.network.load_state_dict(part(f"average.{role}."))
        self.algorithm.load_state_dict(part("algorithm."))
        self.stream.load_state_dict(part("stream."))
        if f"layers.{self.rank}" in snapshot.tensors:
            self._randomness.load(snapshot.tensors[f"layers.{self.rank}"])
        self.step = snapshot.step

    def _state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        tensors: dict[str, Tensor] = {}
        for role, net in self.networks.items():
            tensors |= {f"network.{role}.{name}": t for name, t in net.state_dict().items()}
            names = {p: name for name, p in net.named_parameters()}
            for p, moments in self.algorithm.optimizers[role].state.items():
                tensors |= {f"optimizer.{role}.{names[p]}.{key}": value for key, value in moments.items()}
        for role, average in self.averages.items():
            tensors |= {f"average.{role}.{name}": t for name, t in average.network.state_dict().items()}
        for rank, state in enumerate(self._everyones(self._randomness.state())):
            tensors[f"layers.{rank}"] = state
        plain: dict[str, Any] = {"settings": dict(vars(self.algorithm.settings)), "world": self.world}
        for part, holder in (("algorithm", self.algorithm), ("stream", self.stream)):
            for key, value in holder.state_dict().items():
                target: dict[str, Any] = tensors if isinstance(value, Tensor) else plain
                target[f"{part}.{key}"] = value
        return tensors, plain

    def _everyones(self, state: Tensor) -> list[Tensor]:
        if self.world == 1:
            return [state]
        return list(self.accelerator.gather(state.to(self.device)[None]).cpu())

    def _open(self, resume: bool) -> None:
        """Claim the folder for this run, or pick up the run that is there."""
        assert self.out is not None
        description = self.out / "run.json"
        there = description.exists()
        self._wait()  # every process has looked before the first one writes
        if there and not resume:
            raise InputError(
                f"out: {str(self.out)!r} already holds a run; resume it (resume=True, --resume) "
                "or choose another folder"
            )
        if there:
            self._compare(description)
            saved = checkpoint.steps(self._checkpoints())
            if saved:
                self._restore(saved[-1])
            self._cut_log()
        elif self.rank == 0:
            try:
                self.out.mkdir(parents=True, exist_ok=True)
                content = json.dumps({"recipe": self.recipe.to_json(), "seed": self.seed}, indent=1)
                checkpoint.write_atomically(description, content.encode())
            except OSError as error:
                raise InputError(f"out: {str(self.out)!r} can't be written ({error.strerror or error})") from error
        self._wait()

    def close(self) -> None:
        """Finish the trackers and, where there are several processes, wait for the others and part from them.

        The last call of a program: a process that ends while it still talks to others may be aborted.
        """
        self._wait()
        if self.accelerator:
            self.accelerator.end_training()

    def _wait(self) -> None:
        if self.accelerator:
            self.accelerator.wait_for_everyone()

    def _compare(self, description: Path) -> None:
        old, seed = read_run(description.parent)
        theirs = old.difference(self.recipe)
        differences = [d for d in theirs if d.split()[0] not in _MAY_CHANGE]
        if seed != self.seed:
            differences.append(f"seed {seed} against {self.seed}")
        if differences:
            raise InputError(
                f"resume: the run in {str(self.out)!r} was started otherwise: {'; '.join(differences)}; "
                "resume with the same settings, or start anew in another folder"
            )

    def _restore(self, path: Path) -> None:
        tensors, plain, step = checkpoint.load(path)
        try:
            self.restore(Snapshot(step, tensors, plain))
        except (RuntimeError, KeyError, TypeError) as error:
            reason = str(error).split("\n")[1 if "\n" in str(error) else 0].strip()
            raise CheckpointError(f"checkpoint: {str(path)!r} does not fit this recipe: {reason}") from error

    def _restore_moments(self, role: str, p: nn.Parameter, moments: dict[str, Tensor]) -> None:
        # In the parameter's own memory layout: the fused optimiser walks through both side by side.
        state = self.algorithm.optimizers[role].state
        state[p] = {
            key: torch.empty_like(p).copy_(value) if value.shape == p.shape else value.to(p.device, copy=True)
            for key, value in moments.items()
        }

    def _cut_log(self) -> None:
        """Drop the log lines of steps that the resumed run will take again."""
        log = self.out / "metrics.jsonl" if self.out else None
        if log is None or not log.exists() or self.rank != 0:
            return
        kept = []
        for line in log.read_text(encoding="utf-8").splitlines():
            try:
                if json.loads(line)["step"] <= self.step:
                    kept.append(line + "\n")
            except ValueError:
                break  # a line that a crash cut short; all whole ones stand before it
        checkpoint.write_atomically(log, "".join(kept).encode())


def read_run(folder: str | Path) -> tuple[Recipe, int]:
    """Recipe and seed of the run in `folder`; raises InputError if it holds none."""
    description = Path(folder) / "run.json"
    try:
        values = json.loads(description.read_text(encoding="utf-8"))
        return Recipe.from_json(values["recipe"]), int(values["seed"])
    except OSError:
        raise InputError(f"run: {str(folder)!r} holds no run (there is no run.json in it)") from None
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"run: {str(description)!r} is not the description of a run") from error


def _keep_freed_memory() -> None:
    """Ask glibc to keep the memory that a step frees for the next step, instead of giving it back to the kernel.

    Otherwise large activations on a CPU are mapped, cleared and unmapped in every step: with wide networks tens of
    thousands of page faults, 7 % of the time (see benchmarks/). Where there is no glibc, nothing is done.
    """
    trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD in malloc.h
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            libc = ctypes.CDLL("libc.so.6")
            libc.mallopt(trim_threshold, 2**31 - 1)
            libc.mallopt(mmap_threshold, 32 * 2**20)  # the largest it takes


def _accelerator(device: str, trackers: tuple[str, ...], out: Path | None) -> Any:
    """accelerate's engine where there are several processes or a tracker is asked for, else None."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 and not trackers:
        return None
    try:
        from accelerate import Accelerator
        from accelerate.tracking import get_available_trackers
    except ImportError:
        raise InputError(
            "accelerate: several processes and trackers need it; install it with: pip install 'gan-tutorial[scale]'"
        ) from None
    installed = [str(tracker) for tracker in get_available_trackers()]
    for name in trackers:
        if name not in installed:
            raise unknown("tracker", name, installed)
    return Accelerator(cpu=device == "cpu", log_with=list(trackers) or None, project_dir=out)


class _Randomness:
    """Global random generators of one trainer (for layers that draw noise): swapped in for a step, out after it.

    Two trainers in one process, and the user's own code, so never disturb each other's random numbers.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        self.device = device
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            self._states = self._get()

    def _get(self) -> list[Tensor]:
        states = [torch.get_rng_state()]
        return [*states, torch.cuda.get_rng_state(self.device)] if self.device.type == "cuda" else states

    def _set(self, states: list[Tensor]) -> None:
        torch.set_rng_state(states[0])
        if len(states) > 1:
            torch.cuda.set_rng_state(states[1], self.device)

    def __enter__(self) -> None:
        self._outer = self._get()
        self._set(self._states)

    def __exit__(self, *_: object) -> None:
        self._states = self._get()
        self._set(self._outer)

    def state(self) -> Tensor:
        return torch.cat(self._states)

    def load(self, state: Tensor) -> None:
        self._states = list(state.cpu().split([len(s) for s in self._states]))


class WholeStep:
    """Holds Ctrl-C back until a step is complete, so that what is saved after it is a true state of the run.

    The handler is installed for a whole run (doing so anew for each step costs more than all the rest of a small step's
    bookkeeping) and passes a Ctrl-C between two steps on at once.
    """

    def __init__(self) -> None:
        self._inside = False
        self._pressed: Any = None
        self._previous: Any = None

    def __enter__(self) -> WholeStep:
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        # Only if nobody else has installed theirs since (Jupyter does, between two cells).
        if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) == self._handle:
            signal.signal(signal.SIGINT, self._previous)

    def _handle(self, *event: Any) -> None:
        if self._inside:
            self._pressed = event
        elif callable(self._previous):
            self._previous(*event)

    def begin(self) -> None:
        self._inside = True

    def end(self) -> None:
        pressed, self._inside, self._pressed = self._pressed, False, None
        if pressed is not None:
            self._handle(*pressed)
