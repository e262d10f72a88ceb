"""A training that is steered while it runs: commands in, frames out. No widgets, no drawing, no thread."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from gan_tutorial import plots
from gan_tutorial.errors import DivergedError, InputError, require, require_integer
from gan_tutorial.live.code import Event, as_recipe, as_script
from gan_tutorial.live.history import History, Moment
from gan_tutorial.metrics import mode_coverage
from gan_tutorial.training import Recipe, Trainer
from gan_tutorial.training import recipe as recipe_named

POINTS = 512  # real and generated points in a frame
GRID = 50  # cells of D's map along one axis
IMAGES, REAL_IMAGES = 36, 12  # generated and real images in a frame
_PATIENCE_S = 1.0  # how long a command waits for the step under way
_KEEP_EVERY = 50  # steps between two kept moments in a headless run


ByHand = Literal["step_discriminator", "step_generator"]


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
            with the row; None for images.
        probability: whether `heat` is D's probability of "real"; some losses only order the points.
        extent: half the side of the square shown, in the data's units; 0 for images.
        d_loss, g_loss: of the last step that updated the network; NaN before the first.
        d_curve, g_curve: (k, 2) steps and losses, k < 256, averaged over neighbouring steps in long runs.
        modes: (covered, all), where the data has modes, see :func:`gan_tutorial.metrics.modes.mode_coverage`.
    """

    step: int
    steps_per_second: float
    settings: dict[str, Any]
    real: np.ndarray
    fake: np.ndarray
    heat: np.ndarray | None
    probability: bool
    extent: float
    d_loss: float
    g_loss: float
    d_curve: np.ndarray
    g_curve: np.ndarray
    modes: tuple[int, int] | None

    @property
    def is_image(self) -> bool:
        return self.real.ndim == 4


class Session:
    """A :class:`~gan_tutorial.training.Trainer` and who may turn its crank when.

    `state` is "idle" (at step 0), "playing" (every tick trains), "paused" or "failed" (only a reset helps); `message`
    is one line about the last thing that was refused or went wrong, else empty. `step_s` is how many seconds the last
    step of a burst took.

    Commands may come from any thread. A tick that finds another one at work is dropped; any other command waits for up
    to a second and is then refused. Settings are taken up between two steps; of several values for one the newest wins.

    Args:
        recipe: a :class:`~gan_tutorial.training.Recipe` or the name of one. Its data are points in the plane or images.
        seed: of networks, data and noise; an integer >= 0.
        device: where to train, see :class:`~gan_tutorial.training.Trainer`.
        threads: CPU threads while the session computes, >= 1; the process's own number is left as it is. Small networks
            gain nothing from more, and where the CPU is shared, more cost a hundredfold.
        dataset: trains on this instead of the recipe's data.
        memory: bytes for the moments of the run that :meth:`go` can go back to.
    """

    def __init__(
        self,
        recipe: Recipe | str,
        *,
        seed: int = 0,
        device: str = "cpu",
        threads: int = 1,
        dataset: Any = None,
        memory: int = 64 * 2**20,
    ) -> None:
        require_integer("threads", threads, 1)
        self.seed, self.device, self.threads = seed, device, threads
        self.message = ""
        self._lock = threading.RLock()
        self._pending: dict[str, Any] = {}
        self.history = History(memory)
        self._own_data = dataset
        with self._computing():
            self._begin(recipe_named(recipe), dataset)

    def _begin(self, recipe: Recipe, dataset: Any) -> None:
        self.trainer = Trainer(recipe, seed=self.seed, device=self.device, dataset=dataset)
        data: Any = self.trainer.dataset
        shown = data.is_image or tuple(data.sample_shape) == (2,)
        require(shown, "data", data.name, "points in the plane or images; the lab can't draw others")
        n = min(REAL_IMAGES, len(data)) if data.is_image else POINTS
        self._real = data.sample(n, torch.Generator().manual_seed(0)).x.cpu()
        self._curves = {"d_loss": _Curve(), "g_loss": _Curve()}
        self.events: list[Event] = []
        self.history = History(self.history.budget)
        self._unread: list[dict[str, Any]] = []
        self._speed, self._last_tick, self.step_s = 0.0, 0.0, 0.0
        self.state = "idle"
        self._remember()

    # -- commands -----------------------------------------------------------------------------------------------------
    def play(self) -> None:
        """From now on, every tick trains."""
        if self.state in ("idle", "paused"):
            self.state, self.message = "playing", ""

    def pause(self) -> None:
        """Stop after the step under way."""
        if self.state == "playing":
            self.state = "paused"

    def set(self, name: str, value: Any) -> None:
        """Ask for a setting; it holds from the next step on. A wrong one changes nothing and is told in `message`."""
        if self.state != "failed":
            self.message = ""
        self._pending[name] = value
        self._settle()

    def configure(self, **changes: Any) -> None:
        """Change settings at once, all or none; waits for the step under way. Raises InputError for a wrong one."""
        with self._lock:
            self._apply()
            self._configure(changes)

    def tick(self, budget_s: float) -> Frame | None:
        """Train for about `budget_s` seconds, at least one step. None if not playing, or if someone else trains."""
        if self.state != "playing":
            return None
        return self._do(lambda: self._burst(budget_s), patience_s=0)

    def step(self) -> Frame | None:
        """One step: D and G in turn. A playing session pauses first. None if refused, see `message`."""
        return self._single(None, lambda: next(self.trainer.run(1)))

    def step_discriminator(self) -> Frame | None:
        """One update of D alone; else like :meth:`step`."""
        return self._single("step_discriminator", lambda: self.trainer.step_discriminator())

    def step_generator(self) -> Frame | None:
        """One update of G alone; else like :meth:`step`."""
        return self._single("step_generator", lambda: self.trainer.step_generator())

    def reset(self) -> Frame | None:
        """Back to step 0: new networks from the same seed, with the settings as they are now. None if refused."""

        def begin_again() -> None:
            self._apply()
            again = replace(self.trainer.recipe, settings=self.trainer.settings)
            self._begin(again, self.trainer.dataset)
            self.message = ""

        self.pause()
        return self._do(begin_again)

    def go(self, index: int) -> Frame | None:
        """Be at a kept moment of the run again, with the settings of then; `index` counts in `history`.

        Training on from there is a branch: it replaces what came after that moment. Until then every moment stays, the
        present one too, and a failed run is whole again. A playing session pauses first. None if refused.
        """
        self.pause()
        require_integer("index", index, 0, len(self.history) - 1)

        def travel() -> None:
            self._pending.clear()
            self.history.position = index
            moment = self.history[index]
            self.trainer.restore(moment.snapshot)
            curves, events = moment.beside
            self._curves, self.events = copy.deepcopy(curves), list(events)
            self._unread, self._speed = [], 0.0
            self.state, self.message = ("paused" if moment.step else "idle"), ""

        return self._do(travel)

    def frames(self, indices: list[int]) -> list[Frame]:
        """What there was to see at kept moments. The session is afterwards bit for bit as it was; commands wait."""
        with self._lock:
            trainer, curves, frames = self.trainer, self._curves, []
            present, unread = trainer.snapshot(), self._unread
            try:
                for index in indices:
                    moment = self.history[index]
                    trainer.restore(moment.snapshot)
                    self._curves = moment.beside[0]
                    frames.append(self.frame())
            finally:
                trainer.restore(present)
                self._curves, self._unread = curves, unread
        self._settle()
        return frames

    def run(self, steps: int) -> Frame:
        """Train `steps` steps here and now: exactly what a Trainer does. Raises what the training raises, and
        :class:`~gan_tutorial.errors.InputError` while playing or after a failure."""
        require_integer("steps", steps, 1)
        if self.state == "playing":
            raise InputError("run: the lab is playing; pause it first (lab.pause())")
        if self.state == "failed":
            raise InputError("run: the lab has failed; reset it first (lab.reset())")
        with self._lock, self._computing():
            started = time.perf_counter()
            try:
                self._apply()
                for metrics in self.trainer.run(steps):
                    self._unread.append(metrics)
                    if len(self._unread) >= _KEEP_EVERY:
                        self._remember()
                    self._apply()
                self._remember()
            except BaseException as error:
                self._stop(error)
                raise
            self.state, self.message = "paused", ""
            self._speed = steps / (time.perf_counter() - started)
            return self.frame()

    def script(self) -> str:
        """The run so far as a short script in plain PyTorch; running it gives the same numbers. See `live.code`."""
        return self._as_code(as_script, sample_shape=tuple(self.trainer.dataset.sample_shape))

    def package_code(self) -> str:
        """The run so far in a few lines that use the package."""
        return self._as_code(as_recipe, device=self.device)

    def _as_code(self, write: Callable[..., str], **more: Any) -> str:
        with self._lock:
            self._apply()
            run: dict[str, Any] = {"seed": self.seed, "steps": self.trainer.step or None, "events": self.events}
            return write(self.trainer.recipe, **run, dataset=self._own_data, threads=self.threads, **more)

    # -- how they are carried out -------------------------------------------------------------------------------------
    def _do(self, work: Callable[[], None], patience_s: float = _PATIENCE_S) -> Frame | None:
        if not self._lock.acquire(timeout=patience_s):
            if patience_s:
                self.message = "busy: a cell is training this lab; wait until it is done"
            return None
        try:
            with self._computing():
                work()
                self._remember()
                return self.frame()
        except BaseException as error:
            self._stop(error)
            if not isinstance(error, Exception):
                raise
            return None
        finally:
            self._lock.release()
            self._settle()

    def _single(self, kind: ByHand | None, update: Callable[[], dict[str, Any]]) -> Frame | None:
        if self.state == "failed":
            return None
        self.pause()

        def work() -> None:
            self._apply()
            if kind:
                self.events.append(Event(self.trainer.step, kind))
            self._unread.append(update())
            self.state, self.message = "paused", ""

        return self._do(work)

    def _burst(self, budget_s: float) -> None:
        start = before = time.perf_counter()
        steps = 0
        while self.state == "playing":
            self._apply()
            self._unread.append(next(self.trainer.run(1)))
            steps += 1
            now = time.perf_counter()
            self.step_s, before = now - before, now
            if now - start + self.step_s > budget_s:  # a step like this one would not fit any more
                break
        now = time.perf_counter()
        speed = steps / (now - (self._last_tick if now - self._last_tick < 1 else start))
        self._speed = 0.8 * self._speed + 0.2 * speed if self._speed else speed
        self._last_tick = now

    def _stop(self, error: BaseException) -> None:
        if not isinstance(error, Exception):  # Ctrl-C: the trainer completes its step before it lets it through
            self.state = "paused"
            return
        self.state = "failed"
        plain = isinstance(error, (DivergedError, InputError))
        self.message = str(error) if plain else f"{type(error).__name__}: {error}"

    def _settle(self) -> None:
        """Take up what was asked for unless someone is at work, who will do it between two steps."""
        while self._pending and self._lock.acquire(blocking=False):
            try:
                self._apply()
            finally:
                self._lock.release()

    def _apply(self) -> None:
        while self._pending:
            name = next(iter(self._pending))
            try:
                self._configure({name: self._pending.pop(name)})
            except InputError as error:
                self.message = str(error)

    def _configure(self, changes: dict[str, Any]) -> None:
        self.trainer.configure(**changes)
        self.events.append(Event(self.trainer.step, changes=changes))

    @contextmanager
    def _computing(self) -> Iterator[None]:
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)

    # -- what there is to see -----------------------------------------------------------------------------------------
    def frame(self) -> Frame:
        """The training as it stands; waits for the step under way."""
        with self._lock, self._computing(), torch.no_grad():
            data, step = self.trainer.dataset, self.trainer.step
            fake = self.trainer.sample(IMAGES if data.is_image else POINTS, average=False).cpu()
            extent, heat, modes = 0.0, None, None
            if not data.is_image:
                extent = float(getattr(data, "extent", 0) or 1.1 * self._real.abs().max())
                heat = self._beliefs(fake, extent)
                centres, std = getattr(data, "modes", None), getattr(data, "std", None)
                if centres is not None and std is not None:
                    modes = mode_coverage(fake, centres, std)[0], len(centres)
            d_curve, g_curve = (self._curves[name] for name in ("d_loss", "g_loss"))
            return Frame(
                step=step,
                steps_per_second=self._speed,
                settings=dict(vars(self.trainer.settings)),
                real=_array(self._real),
                fake=_array(fake),
                heat=heat,
                probability=self.trainer.settings.loss in _PROBABILITY,
                extent=extent,
                d_loss=d_curve.last,
                g_loss=g_curve.last,
                d_curve=d_curve.array(),
                g_curve=g_curve.array(),
                modes=modes,
            )

    def _beliefs(self, fake: Tensor, extent: float) -> np.ndarray:
        axis = ((torch.arange(GRID) + 0.5) / GRID * 2 - 1) * extent
        cells = torch.cartesian_prod(axis, axis).flip(1)  # (GRID * GRID, 2) as (x, y), y running slowest
        network = self.trainer.networks["discriminator"]
        training = network.training
        network.eval()
        logits = network(torch.cat([cells, self._real, fake]).to(self.trainer.device)).view(-1).float().cpu()
        network.train(training)
        on_grid, on_real, on_fake = logits.split([len(cells), len(self._real), len(fake)])
        belief = _BELIEFS.get(self.trainer.settings.loss, lambda logit, _: logit.sigmoid())
        return belief(on_grid, (on_real.mean() + on_fake.mean()) / 2).view(GRID, GRID).numpy()

    def _remember(self) -> None:
        """Keep the present moment in the history, unless it is there already."""
        self._fold()
        if not len(self.history) or self.history[self.history.position].step != self.trainer.step:
            self.history.add(Moment(self.trainer.snapshot(), (copy.deepcopy(self._curves), tuple(self.events))))

    def _fold(self) -> None:
        """Move the losses of the steps since the last look into the curves: one transfer from the device."""
        self.trainer.check_finite()
        unread, self._unread = self._unread, []
        seen = [(m["step"], name, m[name]) for m in unread for name in self._curves if name in m]
        if seen:
            for (step, name, _), value in zip(seen, torch.stack([t.float() for *_, t in seen]).tolist(), strict=True):
                self._curves[name].add(step, value)


def _relative(logit: Tensor, middle: Tensor) -> Tensor:
    centred = logit - middle
    return (2 * centred / centred.abs().mean().clamp(min=1e-8)).sigmoid()


# How real a logit looks, from 0 to 1, under losses that do not make it a log-odds. Least squares pulls it towards 0 and
# 1. A critic's and a relativistic D's logits mean something only against each other: they are taken from the middle
# between those of real and of generated samples, a critic's in units of their spread.
_BELIEFS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "least-squares": lambda logit, middle: logit.clamp(0, 1),
    "relativistic": lambda logit, middle: (logit - middle).sigmoid(),
    "wasserstein": _relative,
}
_PROBABILITY = ("minimax", "non-saturating", "least-squares")


def _array(x: Tensor) -> np.ndarray:
    return plots.to_uint8(x.nan_to_num()) if x.dim() == 4 else x.numpy()


class _Curve:
    """A loss over the steps in fewer than 256 points: whenever there are as many, each two neighbours become one."""

    def __init__(self) -> None:
        self.last = float("nan")
        self._points: list[tuple[float, float]] = []
        self._open: list[tuple[float, float]] = []
        self._each = 1  # steps in a point

    def add(self, step: float, value: float) -> None:
        self.last = value
        self._open.append((step, value))
        if len(self._open) == self._each:
            self._points.append(_mean(self._open))
            self._open = []
        if len(self._points) == 256:
            self._points = [_mean(self._points[i : i + 2]) for i in range(0, 256, 2)]
            self._each *= 2

    def array(self) -> np.ndarray:
        return np.array(self._points, np.float64).reshape(-1, 2)


def _mean(points: list[tuple[float, float]]) -> tuple[float, float]:
    return sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)
