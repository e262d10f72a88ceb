"""The lab's page: an anywidget whose messages drive a session, and what it answers. The drawing is front/lab.js.

Nothing here runs by itself. A page that shows the lab asks for a burst of training and gets one frame back; when the
page is gone, so are its requests. What the messages hold is told in the head of front/lab.js.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget

from gan_tutorial import data, models, penalties, plots
from gan_tutorial.algorithms.gan import OPTIMIZERS
from gan_tutorial.errors import InputError, unknown
from gan_tutorial.live import replay, saved
from gan_tutorial.live.frame import Frame, Look, View
from gan_tutorial.live.packing import as_buffers, from_buffers, pack_live, points, sheet
from gan_tutorial.live.session import Session, one_line
from gan_tutorial.live.slow import Part
from gan_tutorial.live.words import words
from gan_tutorial.losses import LOSSES

BUDGET_S = 1.0  # the longest burst that a page may ask for
_RATE = {"min": 1e-5, "max": 0.1, "log": True}
_COUNT = {"min": 0, "max": 10, "step": 1}
LIMITS: dict[str, dict[str, Any]] = {
    "lr_d": _RATE,
    "lr_g": _RATE,
    "n_critic": _COUNT,
    "g_steps": _COUNT,
    "beta1": {"min": 0, "max": 0.99, "step": 0.01},
    **{name: {"min": 0, "max": 20, "step": 0.1} for name in penalties.OF_SQUARED_NORM},
}
_RATES = [1e-4, 3e-4, 1e-3, 3e-3, 1e-2]
AXES: dict[str, list[Any]] = {
    "lr_g": _RATES,
    "lr_d": _RATES,
    "n_critic": [1, 2, 3, 5],
    "g_steps": [1, 2, 3, 5],
    "beta1": [0.0, 0.25, 0.5, 0.75, 0.9],
    **{name: [0.0, 0.1, 1.0, 10.0] for name in penalties.OF_SQUARED_NORM},
    "loss": list(LOSSES),
}


class Page(anywidget.AnyWidget):
    """One lab in a page."""

    _esm = replay.script("lab.js")
    _css = (Path(__file__).parent / "front" / "lab.css").read_text(encoding="utf-8")


class Face:
    """Answers the pages of one lab. `box` is the widget that is shown.

    Args:
        session: what the pages steer.
        language: of all words in the page, see :mod:`gan_tutorial.live.words`.
    """

    def __init__(self, session: Session, language: str = "en") -> None:
        self.session, self.language, self.words = session, language, words(language)
        self.closed = False
        self._overhead_s, self._look = 0.0, session.look
        self._mesh_sent = False
        self.box = Page()
        self.box.add_class("gan-lab-widget")
        self.box.on_msg(self._receive)

    def show(self, frame: Frame | None = None) -> None:
        """Bring the pages up to date with the session, and their picture with `frame` if there is a new one."""
        if self.closed:
            return
        if self.session.look is not self._look:
            self._send_scene()
        if frame is None:
            self._send({"type": "state", "state": self._state()})
        else:
            self._send({"type": "frame", "frame": self._packed(frame), "state": self._state()})

    def show_settings(self) -> None:
        """Nothing to do: every message carries the settings in force."""

    def show_pinned(self) -> None:
        """Send the pinned run, or that there is none."""
        pinned = self.session.pinned
        if pinned is None:
            self._send({"type": "pinned", "frames": None})
            return
        look = pinned.look
        scene = {"latents": _floats(look), "real": _real(look), "data": {"name": look.data.name, "extent": look.extent}}
        frames = [pack_live(frame) for frame in pinned.frames]
        for frame in frames[:-1]:  # the last moment's curves serve all
            del frame["series"], frame["objective"]
        self._send({"type": "pinned", "frames": frames, "scene": scene})

    def close(self) -> None:
        """Take the widget out of the page and the kernel. The session pauses."""
        self.session.pause()
        self.closed = True
        self.box.layout.close()
        self.box.close()

    # -- what a page sends --------------------------------------------------------------------------------------------
    def _receive(self, _: Any, content: Any, buffers: list[Any]) -> None:
        if not self.closed:
            self._answering(lambda: self._hear(content, buffers))

    def _hear(self, message: dict[str, Any], buffers: list[Any]) -> None:
        kind, session = message["type"], self.session
        if kind == "ready":
            self._send_scene()
            self.show_pinned()
            self._send_map()
            self.show(session.frame())
        elif kind == "tick":
            self._tick(min(BUDGET_S, float(message.get("budget", 0.05))))  # in this order: NaN is no budget
        elif kind == "view":
            self._view(message)
        elif kind == "do":
            self._do(message["name"], from_buffers(message.get("args") or {}, buffers))
        elif kind == "ask":
            self._ask(message["id"], message["name"], lambda: from_buffers(message.get("args") or {}, buffers))
        else:
            raise unknown("message", kind, ("ready", "tick", "view", "do", "ask"))

    def _tick(self, budget: float) -> None:
        if self.session.map is not None:
            if self.session.tick_map(budget):
                self._send_map()
            else:
                self.show()
            return
        started = time.perf_counter()
        training = max(0.0, budget - self._overhead_s)
        frame = self.session.tick(training)
        self.show(frame)
        if frame is not None:  # the next burst leaves time for a frame that takes as long as this one
            self._overhead_s = max(0.0, time.perf_counter() - started - training)

    def _view(self, message: dict[str, Any]) -> None:
        self.session.view = View(tuple(message["layers"]), message.get("walk"), message.get("sample"))
        if self.session.state != "playing":
            self.show(self.session.frame())

    def _do(self, name: str, args: dict[str, Any]) -> None:
        commands = self._commands()
        if name not in commands:
            raise unknown("command", name, commands)
        result = commands[name](**args)
        self.show(result if isinstance(result, Frame) else None)

    def _commands(self) -> dict[str, Callable[..., Any]]:
        s = self.session
        return {
            **{name: getattr(s, name) for name in ("play", "pause", "step", "step_discriminator", "step_generator")},
            **{name: getattr(s, name) for name in ("reset", "go", "set", "rebuild", "draw", "start")},
            "pin": self._pin,
            "unpin": self._unpin,
            "map": self._begin_map,
            "map_open": self._open_cell,
            "map_close": self._close_map,
        }

    def _pin(self) -> None:
        self.session.pin()
        self.show_pinned()

    def _unpin(self) -> None:
        self.session.unpin()
        self.show_pinned()

    def _close_map(self) -> Frame:
        self.session.close_map()
        self._send_map()
        return self.session.frame()

    def _begin_map(self, x: dict[str, Any], y: dict[str, Any]) -> None:
        self.session.begin_map((x["name"], x["values"]), (y["name"], y["values"]))
        self._send_map()

    def _open_cell(self, row: int, column: int) -> Frame | None:
        frame = self.session.open_cell(row, column)
        self._send_map()
        return frame

    def _ask(self, number: int, name: str, args: Callable[[], dict[str, Any]]) -> None:
        answers: dict[str, Callable[..., dict[str, Any]]] = {
            "code": lambda package=False: {"text": (self.session.package_code if package else self.session.script)()},
            "slow": lambda: {"parts": [self._part(part) for part in self.session.slow()]},
            "export": lambda: {"html": replay.page(self.session, language=self.language)},
            "save": lambda: {"data": self.session.save(), "name": f"{self.session.trainer.recipe.name}.safetensors"},
            "load": self._load,
        }
        try:
            if name not in answers:
                raise unknown("question", name, answers)
            reply: dict[str, Any] = {"value": answers[name](**args())}
        except Exception as error:
            reply = {"error": _told(error)}
        self._send({"type": "reply", "id": number, **reply})
        if name in ("slow", "load"):
            self.show(self.session.frame())

    def _load(self, data: bytes) -> dict[str, Any]:
        if self.session.load(data) is None:
            raise InputError(self.session.message)
        return {}

    def _answering(self, work: Callable[[], None]) -> None:
        """A command that can't be carried out is told in the page."""
        try:
            work()
        except Exception as error:  # any but an InputError: a page of another version, or a mistake of ours
            self.session.message = _told(error)
            self.show()

    # -- what a page gets ---------------------------------------------------------------------------------------------
    def _send(self, message: dict[str, Any]) -> None:
        buffers: list[bytes] = []
        content = as_buffers(message, buffers)
        if not self.closed:
            self.box.send(content, buffers)

    def _send_scene(self) -> None:
        self._look, self._mesh_sent = self.session.look, False
        self._send({"type": "scene", "scene": self._scene()})

    def _send_map(self) -> None:
        grid = self.session.map
        if grid is None:
            self._send({"type": "map", "map": None})
            return
        modes, quality = grid.coverage()
        axes = {name: {"name": axis[0], "values": list(axis[1])} for name, axis in (("x", grid.x), ("y", grid.y))}
        found = {"modes": modes.flatten().tolist(), "quality": quality.flatten().tolist()}
        found["diverged"] = grid.diverged.flatten().tolist()
        self._send({"type": "map", "map": {**axes, "step": grid.step, "all": grid.dataset.num_classes, **found}})

    def _scene(self) -> dict[str, Any]:
        s, look = self.session, self.session.look
        recipe, dataset = s.trainer.recipe, s.trainer.dataset
        options = {**models.options(recipe.model), **recipe.model_options}
        kind = "images" if dataset.is_image else "points"
        described = map(data.describe, data.names())
        here = [d.name for d in described if d.kind == kind and not d.download and ":" not in d.name]
        centres = getattr(dataset, "modes", None)
        mlp = recipe.model == "mlp"
        return {
            "language": self.language,
            "words": self.words,
            "recipe": {"name": recipe.name, "summary": recipe.summary},
            "seed": s.seed,
            "device": str(s.trainer.device),
            "kind": kind,
            "data": {
                "name": dataset.name,
                "extent": look.extent,
                "modes": None if centres is None else len(centres),
                "classes": list(dataset.label_names),
            },
            "latent": {"dims": look.latents.shape[1], "noise": recipe.noise},
            "model": {"name": recipe.model, **options},
            "choices": {
                "loss": list(LOSSES),
                "optimizer": list(OPTIMIZERS),
                "data": here,
                "noise": ["normal", "uniform"],
                "z_dim": [1, 2] if kind == "points" else sorted({16, 32, 64, 128, options["z_dim"]}),
                "depth": list(range(7)) if mlp else [],
                "width": sorted({2, 4, 8, 14, 32, 64, 128, options["g_width"], options["d_width"]}) if mlp else [],
                "starts": list(saved.starts()),
                "axes": AXES if mlp and centres is not None else {},
            },
            "limits": LIMITS,
            "floors": look.floors,
            "real": _real(look),
            "latents": _floats(look),
            "arrow_scale": look.arrow_scale,
        }

    def _packed(self, frame: Frame) -> dict[str, Any]:
        values = pack_live(frame)
        values["floors"] = self._look.floors
        if frame.manifold is not None and not self._mesh_sent and self._look.mesh is not None:
            values["manifold_latents"] = self._look.mesh.numpy().astype("<f4").tobytes()
            self._mesh_sent = True
        return values

    def _state(self) -> dict[str, Any]:
        s = self.session
        pinned = None
        if s.pinned is not None:
            different = [{"name": name, "pinned": then, "live": now} for name, then, now in s.differences]
            pinned = {"last": s.pinned.frames[-1].step, "differences": different}
        return {
            "state": s.state,
            "message": s.message,
            "details": s.details,
            "settings": dict(vars(s.trainer.settings)),
            "history": {"steps": s.history.steps, "position": s.history.position},
            "findings": [{"name": f.name, "since": f.since, "values": dict(f.values)} for f in s.findings],
            "pinned": pinned,
            "map": s.map is not None,
        }

    def _part(self, part: Part) -> dict[str, Any]:
        values: dict[str, Any] = {"name": part.name, "network": part.network, "update": part.update}
        values["numbers"] = dict(part.numbers)
        values["frame"] = None if part.frame is None else self._packed(part.frame)
        if part.latents is not None and self._look.extent:
            values["batch_latents"] = part.latents.cpu().float().numpy().astype("<f4").tobytes()
        for name in ("fake", "real"):
            x = getattr(part, name)
            if x is not None and self._look.extent:
                values[f"batch_{name}"] = points(x.cpu().float().numpy(), self._look.extent)
        return values


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, InputError) else one_line(error)


def _real(look: Look) -> Any:
    return points(look.real.numpy(), look.extent) if look.extent else sheet(plots.to_uint8(look.real), level=1)


def _floats(look: Look) -> bytes:
    return look.latents.cpu().numpy().astype("<f4").tobytes()
