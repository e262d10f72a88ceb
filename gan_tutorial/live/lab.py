"""One lab: a session, its panel, and what a notebook shows and saves of them."""

from __future__ import annotations

import base64
import bisect
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_tutorial.errors import InputError, require_integer, unknown
from gan_tutorial.live import replay
from gan_tutorial.live.frame import Frame
from gan_tutorial.live.panel import Panel
from gan_tutorial.live.session import Session
from gan_tutorial.live.view import HEIGHT, WIDTH, describe, paint
from gan_tutorial.live.words import words
from gan_tutorial.training import Recipe, Trainer

if TYPE_CHECKING:
    from gan_tutorial.live.widget import Face

# What notebooks' cells have made and is open, with the cell and the one of its executions that made it.
_made_in_cells: weakref.WeakKeyDictionary[Any, tuple[str, str]] = weakref.WeakKeyDictionary()


class Lab:
    """Trains a recipe live in the notebook: `display(lab)` shows it, `lab.run(steps)` trains without a reader.

    Running a cell again closes the labs that it made before. Several labs in one kernel do not disturb each other.

    Args:
        recipe: a :class:`~gan_tutorial.training.Recipe` or the name of one, see :func:`gan_tutorial.training.recipes`.
            Its data are points in the plane or images.
        seed: an integer >= 0; the same seed and the same commands give the same networks.
        device: "cpu" (best for small networks), "auto", "cuda", "mps".
        threads: CPU threads of the training, >= 1; the rest of the process keeps its own number.
        dataset: trains on this instead of the recipe's data.
        language: of the words in the page: "en" or "zh".
        front: "canvas", the whole lab, drawn by the page itself (needs anywidget); "core", a plainer one of ipywidgets
            alone; "auto", the first that is installed.

    Raises :class:`~gan_tutorial.errors.InputError` for anything of the above that can't be.
    """

    def __init__(
        self,
        recipe: Recipe | str,
        *,
        seed: int = 0,
        device: str = "cpu",
        threads: int = 1,
        dataset: Any = None,
        language: str = "en",
        front: str = "auto",
    ) -> None:
        make, self.language = _fronts(front), language
        words(language)
        self.session = Session(recipe, seed=seed, device=device, threads=threads, dataset=dataset)
        self.panel = make(self.session, language)
        replace_earlier(self.panel)

    @property
    def trainer(self) -> Trainer:
        """The trainer behind the lab; a reset makes a new one."""
        return self.session.trainer

    def run(self, steps: int) -> None:
        """Train `steps` >= 1 steps now, exactly as `trainer.run` does, and show the result. Not while the lab plays."""
        self._show(self.session.run(steps))

    def set(self, **settings: Any) -> None:
        """Change settings by name as the sliders do: `lab.set(lr_d=1e-4, n_critic=2)`.

        Raises :class:`~gan_tutorial.errors.InputError` if one of them can't be; then none is changed.
        """
        self.session.configure(**settings)
        self._show(self.session.frame())

    def play(self) -> None:
        """Train for as long as a page shows the lab."""
        self.session.play()
        self._show()

    def pause(self) -> None:
        """Stop after the step under way."""
        self.session.pause()
        self._show()

    def reset(self) -> None:
        """New networks from the same seed, with the settings as they are now."""
        self._done(self.session.reset())

    def rebuild(self, **changes: Any) -> None:
        """Begin anew with other `data`, `noise`, `seed` or options of the model, such as `z_dim=1, g_width=14`; the
        settings stay. Raises :class:`~gan_tutorial.errors.InputError` if one of them can't be; then nothing changes."""
        self._done(self.session.rebuild(**changes))

    def draw(self, points: Any) -> None:
        """Begin anew on your own density: at most 500 points (N, 2) in the units of the data shown. Raises
        :class:`~gan_tutorial.errors.InputError` for anything else."""
        self._done(self.session.draw(points))

    def start(self, name: str) -> None:
        """Begin with a run that the package brings along, see :func:`gan_tutorial.live.saved.starts`."""
        self._done(self.session.start(name))

    def go(self, step: int) -> None:
        """Be at an earlier (or later) moment of the run again, with the settings of then: at the newest that is kept up
        to `step`. Training on from there replaces what came after it. `lab.steps` lists the moments."""
        require_integer("step", step, 0)
        self._done(self.session.go(bisect.bisect_right(self.steps, step) - 1))

    def pin(self) -> None:
        """Put the run aside as it is, to see it beside the next one: at the same steps, on the same axes."""
        self.session.pin()
        self._show_pinned()

    def unpin(self) -> None:
        """Show no other run any more."""
        self.session.unpin()
        self._show_pinned()

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Keep the run in a file, to go on from there with :meth:`load`; returns the path.

        Raises :class:`~gan_tutorial.errors.InputError` if there is a file already or it can't be written.
        """
        return replay.write(path, self.session.save, overwrite=overwrite)

    def load(self, path: str | Path) -> None:
        """Go on from a run that :meth:`save` has kept. Raises :class:`~gan_tutorial.errors.InputError` if the file
        can't be read or holds something else; then nothing changes."""
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            raise InputError(f"path: {str(path)!r} can't be read ({error.strerror or error})") from error
        self._done(self.session.load(content))

    @property
    def steps(self) -> list[int]:
        """The steps of the run that :meth:`go` can go to; fewer the longer they are past."""
        return self.session.history.steps

    def code(self, package: bool = False) -> str:
        """The run so far as a script in plain PyTorch, or as a few lines that use the package.

        Running it gives the same numbers: the same networks, noise, data, and changes of settings at the same steps.
        Raises :class:`~gan_tutorial.errors.InputError` for a run that can't be told so, see `live.code`.
        """
        return self.session.package_code() if package else self.session.script()

    def export(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """The run so far as one HTML file that plays it back without a kernel; see `live.replay.export`."""
        return replay.export(self.session, path, overwrite=overwrite, language=self.language)

    def close(self) -> None:
        """Take the widgets out of the page; the trainer stays as it is."""
        self.panel.close()

    def png(self) -> bytes:
        """The picture as a PNG file, 1440 x 680 pixels."""
        return paint(self.session.frame(), "png")

    def _show(self, frame: Frame | None = None) -> None:
        if not self.panel.closed:
            self.panel.show_settings()
            self.panel.show(frame)

    def _show_pinned(self) -> None:
        if not self.panel.closed:
            self.panel.show_pinned()

    def _done(self, frame: Frame | None) -> None:
        if frame is None:
            raise InputError(self.session.message)
        self._show(frame)

    def __repr__(self) -> str:
        return f"<Lab {self.trainer.recipe.name} at step {self.trainer.step}>"

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Widgets for where there is a kernel, a PNG for where there is none, and a text that every run repeats."""
        frame = self.session.frame()
        bundle: dict[str, Any] = {
            "text/plain": repr(self),
            "image/png": base64.b64encode(paint(frame, "png")).decode(),
        }
        if not self.panel.closed:
            view = {"version_major": 2, "version_minor": 0, "model_id": self.panel.box.model_id}
            bundle["application/vnd.jupyter.widget-view+json"] = view
        return bundle, {"image/png": {"width": WIDTH, "height": HEIGHT, "alt": describe(frame)}}


def _fronts(front: str) -> type[Face] | type[Panel]:
    if front not in ("auto", "canvas", "core"):
        raise unknown("front", front, ("auto", "canvas", "core"))
    if front == "core":
        return Panel
    try:
        from gan_tutorial.live.widget import Face
    except ModuleNotFoundError as error:
        if error.name != "anywidget":
            raise
        if front == "auto":
            return Panel
        raise InputError("anywidget: front='canvas' needs it; install it with: pip install anywidget") from None
    return Face


def replace_earlier(made: Any) -> None:
    """Close what earlier executions of the notebook's cell have made; `made` is this one's, and has a `close()`."""
    cell, execution = _here()
    if cell:
        for other, (its_cell, its_execution) in list(_made_in_cells.items()):
            if its_cell == cell and its_execution != execution:
                other.close()
        _made_in_cells[made] = cell, execution


def _here() -> tuple[str, str]:
    """The notebook's cell that is being executed and this execution of it; empty where the page does not tell."""
    try:
        from IPython import get_ipython

        request = get_ipython().kernel.get_parent("shell")
        return str(request["metadata"]["cellId"]), str(request["header"]["msg_id"])
    except (ImportError, AttributeError, KeyError, TypeError):
        return "", ""
