"""A training that is steered while it runs: commands in, frames out. No widgets, no drawing, no thread."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch

from gan_tutorial import data, models
from gan_tutorial.data import from_points
from gan_tutorial.errors import DivergedError, InputError, require, require_integer, unknown
from gan_tutorial.live import saved
from gan_tutorial.live.code import EMBEDDED, Event, as_recipe, as_script
from gan_tutorial.live.diagnosis import Finding, diagnose
from gan_tutorial.live.frame import Curve, Frame, Look, View
from gan_tutorial.live.history import History, Moment, thinned
from gan_tutorial.live.many import Axis, StabilityMap
from gan_tutorial.live.slow import Part, tell
from gan_tutorial.training import Recipe, Trainer
from gan_tutorial.training import recipe as recipe_named

FOLDED = ("d_loss", "g_loss", "real_logit", "fake_logit")  # metrics of every step that become curves
JITTER = 0.02  # of a drawing's half side: how far its points are spread
_PATIENCE_S = 1.0  # how long a command waits for the step under way
_KEEP_EVERY = 50  # steps between two kept moments in a headless run
_MEASURE_S, _MEASURE_SHARE = 0.1, 0.1  # measure at most so often, and for so much of the time
_PINNED = 60  # moments of a pinned run
_NORMS = {"d_norm": "d_loss", "g_norm": "g_loss"}  # and what a step has that makes them
# What a data set needs in order to suit the lab's networks.
_DATA_OPTIONS = {"mnist": {"size": 32}, "stacked-mnist": {"size": 32, "samples": 4000}, "emoji": {"size": 32}}


ByHand = Literal["step_discriminator", "step_generator"]


@dataclass(frozen=True)
class Pinned:
    """A run that was put aside to compare others with: `frames` of its moments in order, `facts` (data, seed, model and
    settings by name) and the `look` of its frames."""

    frames: list[Frame]
    facts: dict[str, Any]
    look: Look


def one_line(error: BaseException) -> str:
    """What a reader sees of an error that nobody foresaw."""
    return f"{type(error).__name__}: {error}".splitlines()[0]


@contextmanager
def computing(threads: int) -> Iterator[None]:
    """torch on so many threads, in the body; afterwards on as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Session:
    """A :class:`~gan_tutorial.training.Trainer` and who may turn its crank when.

    `state` is "idle" (at step 0), "playing" (every tick trains), "paused" or "failed" (only a reset helps); `message`
    is one line about the last thing that was refused or went wrong, else empty; `details` is the traceback of an error
    that nobody foresaw. `step_s` is how many seconds the last step of a burst took. `view` is what frames hold, `look`
    what never changes in them, `findings` what the diagnosis sees, `pinned` the run to compare with, if any, and `map`
    the stability map, if one is open.

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
        self.message, self.details = "", ""
        self.view = View()
        self.pinned: Pinned | None = None
        self._lock = threading.RLock()
        self._pending: dict[str, Any] = {}
        self.history = History(memory)
        self._own_data = dataset
        with computing(self.threads):
            self._begin(recipe_named(recipe), dataset)

    def _begin(self, recipe: Recipe, dataset: Any, seed: int | None = None) -> None:
        seed = self.seed if seed is None else seed
        trainer = Trainer(recipe, seed=seed, device=self.device, dataset=dataset)
        self.trainer, self.look, self.seed = trainer, Look(trainer), seed
        self._curves = {name: Curve() for name in FOLDED}
        self.events: list[Event] = []
        self.findings: list[Finding] = []
        self.history = History(self.history.budget)
        self._unread: list[dict[str, Any]] = []
        self._speed, self._last_tick, self.step_s = 0.0, 0.0, 0.0
        self._measure_at, self._until = 0.0, 0
        self.map: StabilityMap | None = None  # one of another run would lead back to that
        self.state, self.message, self.details = "idle", "", ""
        self._measure()
        self._remember()

    # -- commands -----------------------------------------------------------------------------------------------------
    def play(self, until: int = 0) -> None:
        """From now on, every tick trains; up to step `until`, if that is still to come."""
        if self.state in ("idle", "paused"):
            self._until = until if until > self.trainer.step else 0
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
            self._begin(replace(self.trainer.recipe, settings=self.trainer.settings), self.trainer.dataset)

        self.pause()
        return self._do(begin_again)

    def rebuild(self, **changes: Any) -> Frame | None:
        """Begin anew with other data, another model or another seed; the settings stay as they are now.

        Names are `data`, `noise`, `seed` and the model's options (`z_dim`, `g_width`, `g_depth`, `d_width`, `d_depth`).
        Data must be of the kind that there is, points or images. None if refused, see `message`; then nothing changes.
        """

        def begin() -> None:
            self._apply()
            recipe, dataset, wanted = self.trainer.recipe, self._own_data, dict(changes)
            recipe = replace(recipe, settings=self.trainer.settings)
            seed = wanted.pop("seed", self.seed)
            if "data" in wanted:
                kinds = {name: data.describe(name).kind for name in data.names()}
                kind = "images" if self.trainer.dataset.is_image else "points"
                known = [name for name in kinds if kinds[name] == kind]
                if wanted["data"] not in known:
                    raise unknown("data", wanted["data"], known)
                recipe, dataset = replace(recipe, data_options=_DATA_OPTIONS.get(wanted["data"], {})), None
            options = models.options(recipe.model)
            for name in wanted:
                if name not in ("data", "noise", *options):
                    raise unknown("name", name, ["data", "noise", "seed", *options])
            named = {f"model.{name}" if name in options else name: value for name, value in wanted.items()}
            self._begin(recipe.with_changes(named), dataset, seed)
            self._own_data = dataset

        return self._anew(begin)

    def draw(self, points: Any) -> Frame | None:
        """Begin anew on a density of the reader's own: at most 500 points (N, 2) in the data's units, each spread a
        little. None if refused, see `message`."""

        def begin() -> None:
            self._apply()
            require(not self.trainer.dataset.is_image, "draw", "images", "a lab on points in the plane")
            drawing = from_points(points, jitter=JITTER * self.look.extent)
            assert drawing.drawing is not None
            n = len(drawing.drawing[0])
            require(n <= EMBEDDED, "points", n, f"at most {EMBEDDED} points")
            drawing.extent = max(drawing.extent, self.look.extent)  # the square that it was drawn in
            self._begin(replace(self.trainer.recipe, settings=self.trainer.settings), drawing)
            self._own_data = drawing

        return self._anew(begin)

    def save(self) -> bytes:
        """The run, to be kept in a file: the present moment and as many others as fit in 8 MB, see `live.saved`."""
        with self._lock:
            self._apply()
            self._remember()
            return saved.dumps(self.trainer.recipe, self.seed, self._own_data, self.history)

    def load(self, content: bytes) -> Frame | None:
        """Go on from a run that :meth:`save` has written. None if refused, see `message`; then nothing changes."""

        def begin() -> None:
            run = saved.loads(content)
            recipe, history = run.recipe, run.history
            self._begin(recipe, run.dataset, run.seed)
            self._own_data = run.dataset
            history.budget, self.history = self.history.budget, history
            try:
                for index in range(len(history)):  # each must be one that `go` can go to
                    self._travel(index)
            except (RuntimeError, LookupError, TypeError, ValueError) as error:
                raise InputError("file: its moments do not fit its recipe; choose another file") from error

        return self._anew(begin)

    def start(self, name: str) -> Frame | None:
        """Begin with a run that the package brings along, some way into its training; see `live.saved.starts`."""
        return self.load(saved.start(name))

    def pin(self) -> None:
        """Put the run as it is aside, to see other runs beside it: `pinned`."""
        with self._lock:
            self._apply()
            self._remember()
            steps = self.history.steps
            view, self.view = self.view, View(("heat", "manifold", "real", "fake"))
            try:
                frames = self.frames([steps.index(step) for step in thinned(steps, _PINNED)])
            finally:
                self.view = view
            self.pinned = Pinned(frames, self._facts(), self.look)

    def unpin(self) -> None:
        """Nothing is pinned any more."""
        self.pinned = None

    @property
    def differences(self) -> list[tuple[str, Any, Any]]:
        """What the pinned run and this one do not have in common: name, pinned value, live value."""
        if self.pinned is None:
            return []
        then, now = self.pinned.facts, self._facts()
        return [(name, then.get(name), now.get(name)) for name in {**then, **now} if then.get(name) != now.get(name)]

    def _facts(self) -> dict[str, Any]:
        recipe = self.trainer.recipe
        options = {**models.options(recipe.model), **recipe.model_options}
        return {
            "data": self.trainer.dataset.name,
            "seed": self.seed,
            "noise": recipe.noise,
            "batch_size": recipe.batch_size,
            **options,
            **vars(self.trainer.settings),
        }

    def slow(self) -> list[Part]:
        """One step, told part by part; the same step as any other. Empty if refused, see `message`."""
        parts: list[Part] = []
        if self.state == "failed":
            return parts
        self.pause()

        def work() -> None:
            self._apply()
            metrics, told = tell(self.trainer, lambda: self.look.frame(self.view, self._curves, self._speed))
            self._unread.append(metrics)
            self._measure()
            parts.extend(told)
            self.state, self.message = "paused", ""

        self._do(work)
        return parts

    # -- many at once -------------------------------------------------------------------------------------------------
    def begin_map(self, x: Axis, y: Axis) -> None:
        """Open a stability map of this lab's recipe with the settings as they are, see `live.many`. A refusal is told
        in `message`."""
        self.pause()
        with self._lock, computing(self.threads):
            self._apply()
            recipe = replace(self.trainer.recipe, settings=self.trainer.settings)
            try:
                grid = StabilityMap(recipe, x=x, y=y, seed=self.seed, device=self.device, dataset=self._own_data)
                grid.coverage(1)  # refuses data without modes
                self.map, self.message = grid, ""
            except InputError as error:
                self.message = str(error)

    def tick_map(self, budget_s: float) -> bool:
        """Train all of the map's cells for about `budget_s` seconds, at least one step. False if someone else does."""
        grid = self.map
        if grid is None or not self._lock.acquire(blocking=False):
            return False
        try:
            with computing(self.threads):
                end = time.perf_counter() + budget_s
                next(grid.run(1))
                while time.perf_counter() < end:
                    next(grid.run(1))
            return True
        finally:
            self._lock.release()

    def open_cell(self, row: int, column: int) -> Frame | None:
        """Leave the map and begin one of its runs: it plays by itself up to the step that the map had reached."""
        require(self.map is not None, "map", None, "an open map; see begin_map")
        assert self.map is not None
        reached = self.map.step

        def begin() -> None:
            assert self.map is not None
            self._begin(self.map.recipe(row, column), self._own_data)

        frame = self._anew(begin)
        if frame is not None and reached:
            self.play(until=reached)
        return frame

    def close_map(self) -> None:
        """Leave the map; the run is where it was."""
        self.map = None

    # -- going back ---------------------------------------------------------------------------------------------------
    def go(self, index: int) -> Frame | None:
        """Be at a kept moment of the run again, with the settings of then; `index` counts in `history`.

        Training on from there is a branch: it replaces what came after that moment. Until then every moment stays, the
        present one too, and a failed run is whole again. A playing session pauses first. None if refused.
        """
        self.pause()
        require_integer("index", index, 0, len(self.history) - 1)

        def travel() -> None:
            self._apply()
            if self.history[self.history.position].step == self.trainer.step:
                self._remember()  # what was set here since the last step
            self._travel(index)

        return self._do(travel)

    def _travel(self, index: int) -> None:
        self._pending.clear()
        self.history.position = index
        moment = self.history[index]
        self.trainer.restore(moment.snapshot)
        self._recall(moment)
        self.events = list(moment.beside["events"])
        self._unread, self._speed = [], 0.0
        self.state, self.message, self.details = ("paused" if moment.step else "idle"), "", ""

    def _recall(self, moment: Moment) -> None:
        """What was measured up to a moment."""
        self._curves = {name: curve.copy() for name, curve in moment.beside["curves"].items()}
        self.look.classes = moment.beside["classes"]
        self.findings = list(moment.beside["findings"])
        self.trainer.algorithm.seen = {}
        self._unread = []

    def frames(self, indices: list[int]) -> list[Frame]:
        """What there was to see at kept moments. The session is afterwards bit for bit as it was; commands wait."""
        with self._lock:
            self._fold()
            present, kept = self.trainer.snapshot(), self._beside()
            frames, seen = [], dict(self.trainer.algorithm.seen)
            try:
                for index in indices:
                    self.trainer.restore(self.history[index].snapshot)
                    self._recall(self.history[index])
                    frames.append(self.frame())
            finally:
                self.trainer.restore(present)
                self._recall(Moment(present, kept))
                self.trainer.algorithm.seen = seen
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
        with self._lock, computing(self.threads):
            started = time.perf_counter()
            try:
                self._apply()
                for metrics in self.trainer.run(steps):
                    self._unread.append(metrics)
                    if len(self._unread) >= _KEEP_EVERY:
                        self._measure()  # by steps, not by the clock: the same run has the same curves
                        self._remember()
                    self._apply()
                self._measure()
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
            with computing(self.threads):
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

    def _anew(self, begin: Callable[[], None]) -> Frame | None:
        """Carry out what makes a new run; what can't be done leaves the old one as it was."""
        refused, state = [], self.state

        def work() -> None:
            self._apply()
            kept = dict(vars(self))
            try:
                begin()
            except Exception as error:
                vars(self).update(kept)
                if not isinstance(error, InputError):
                    raise
                refused.append(str(error))
                self.state = state

        self.pause()
        frame = self._do(work)
        if refused:
            self.message = refused[0]
            return None
        return frame

    def _single(self, kind: ByHand | None, update: Callable[[], dict[str, Any]]) -> Frame | None:
        if self.state == "failed":
            return None
        self.pause()

        def work() -> None:
            self._apply()
            if kind:
                self.events.append(Event(self.trainer.step, kind))
            self._unread.append(update())
            self._measure()
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
            if self.trainer.step == self._until:
                self.state = "paused"
            if now - start + self.step_s > budget_s:  # a step like this one would not fit any more
                break
        now = time.perf_counter()
        speed = steps / (now - (self._last_tick if now - self._last_tick < 1 else start))
        self._speed = 0.8 * self._speed + 0.2 * speed if self._speed else speed
        self._last_tick = now
        self._measure(due=True)

    def _stop(self, error: BaseException) -> None:
        if not isinstance(error, Exception):  # Ctrl-C: the trainer completes its step before it lets it through
            self.state = "paused"
            return
        self.state = "failed"
        plain = isinstance(error, (DivergedError, InputError))
        self.message = str(error) if plain else one_line(error)
        self.details = "" if plain else "".join(traceback.format_exception(error))
        if isinstance(error, DivergedError):
            self.findings = [Finding("divergence", self.trainer.step)]

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
            value = self._pending.pop(name)
            try:
                self._configure({name: value})
            except InputError as error:
                self.message = str(error)
            except TypeError:  # not even a name or a value of the kind that settings are
                self.message = f"{name}: {value!r} is not allowed; expected a setting's name and a value for it"

    def _configure(self, changes: dict[str, Any]) -> None:
        self.trainer.configure(**changes)
        self.events.append(Event(self.trainer.step, changes=changes))

    # -- what there is to see -----------------------------------------------------------------------------------------
    def frame(self) -> Frame:
        """The training as it stands; waits for the step under way."""
        with self._lock, computing(self.threads):
            return self.look.frame(self.view, self._curves, self._speed)

    def _measure(self, due: bool = False) -> None:
        """Measure the present moment; with `due` only if the last time is long enough ago."""
        started = time.perf_counter()
        if due and started < self._measure_at:
            return
        last = self._unread[-1] if self._unread else {}
        self._fold()
        for name, value in self.look.measure().items():
            if name in _NORMS and _NORMS[name] not in last:  # that network rested in this step
                continue
            self._curves.setdefault(name, Curve()).add(self.trainer.step, value)
        self.findings = diagnose({name: curve.array() for name, curve in self._curves.items()}, self.look.floors)
        now = time.perf_counter()
        self._measure_at = now + max(_MEASURE_S, (now - started) * (1 / _MEASURE_SHARE - 1))

    def _remember(self) -> None:
        """Keep the present moment in the history, unless it is there already or the run has failed."""
        if self.state == "failed":
            return
        self._fold()
        kept = self.history[self.history.position] if len(self.history) else None
        if kept is not None and kept.step == self.trainer.step:
            if kept.beside["events"] != tuple(self.events):  # a setting was changed here
                self.history.replace(Moment(self.trainer.snapshot(), self._beside()))
        else:
            self.history.add(Moment(self.trainer.snapshot(), self._beside()))

    def _beside(self) -> dict[str, Any]:
        """What belongs to a moment beside the trainer's state."""
        return {
            "curves": {name: curve.copy() for name, curve in self._curves.items()},
            "events": tuple(self.events),
            "classes": self.look.classes,
            "findings": tuple(self.findings),
        }

    def _fold(self) -> None:
        """Move the numbers of the steps since the last look into the curves: one transfer from the device."""
        self.trainer.check_finite()
        unread, self._unread = self._unread, []
        seen = [(m["step"], name, m[name]) for m in unread for name in FOLDED if name in m]
        if seen:
            for (step, name, _), value in zip(seen, torch.stack([t.float() for *_, t in seen]).tolist(), strict=True):
                self._curves[name].add(step, value)
