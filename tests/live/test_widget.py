"""The lab's page without a page: messages in, messages out."""

import json
import math

import numpy as np
import pytest
import torch

from gan_tutorial import models
from gan_tutorial.errors import InputError
from gan_tutorial.live.frame import LAYERS, View
from gan_tutorial.live.many import StabilityMap
from gan_tutorial.live.packing import from_buffers
from gan_tutorial.live.session import Session
from gan_tutorial.live.widget import AXES, BUDGET_S, Face
from gan_tutorial.live.words import CATALOGUE
from gan_tutorial.training import recipe

TINY = {"model__g_width": 8, "model__d_width": 8, "model__g_depth": 1, "model__d_depth": 1}
RING = recipe("ring-mlp", batch_size=16, **TINY)
DIGITS = recipe("dcgan-digits8", batch_size=16, model__g_width=8, model__d_width=8)
X, Y = {"name": "lr_g", "values": [1e-3, 1e-2]}, {"name": "n_critic", "values": [1, 2, 3]}
HEART = [[0.1 * i, (0.1 * i) ** 2] for i in range(-10, 11)]


class Kernel:
    """A face whose messages are kept, and checked as they go: plain JSON and bytes, as a comm takes them."""

    def __init__(self, made=RING, **more):
        self.face = Face(Session(made, seed=1), **more)
        self.session, self.sent = self.face.session, []
        self.face.box.send = self.keep

    def keep(self, content, buffers=None):
        text = json.dumps(content, allow_nan=False)
        assert all(type(buffer) is bytes for buffer in buffers or [])
        self.sent.append(from_buffers(json.loads(text), buffers or []))

    def hear(self, message, buffers=()):
        """What is answered to a message that comes through the widget."""
        before = len(self.sent)
        self.face.box._handle_custom_msg(json.loads(json.dumps(message)), [memoryview(b) for b in buffers])
        return self.sent[before:]

    def do(self, name, /, **args):
        return self.hear({"type": "do", "name": name, "args": args})

    def ask(self, name, args=None, buffers=()):
        reply, *rest = self.hear({"type": "ask", "id": 7, "name": name, "args": args or {}}, buffers)
        assert (reply["type"], reply["id"]) == ("reply", 7)
        return reply, rest

    def tick(self, budget=0.0):
        return self.hear({"type": "tick", "budget": budget})

    def ruin(self):
        with torch.no_grad():
            next(self.session.trainer.networks["generator"].parameters()).fill_(math.nan)


@pytest.fixture
def kernel():
    return Kernel()


def kinds(messages):
    return [message["type"] for message in messages]


def floats(buffer):
    return np.frombuffer(buffer, "<f4")


# -- what a page gets -------------------------------------------------------------------------------------------------
def test_a_page_that_is_ready_gets_all_there_is(kernel):
    scene, pinned, grid, frame = kernel.hear({"type": "ready"})
    assert kinds((scene, pinned, grid, frame)) == ["scene", "pinned", "map", "frame"]
    assert pinned["frames"] is grid["map"] is None
    scene = scene["scene"]
    assert (scene["language"], scene["words"]) == ("en", CATALOGUE["en"])
    assert (scene["kind"], scene["seed"], scene["device"]) == ("points", 1, "cpu")
    assert scene["recipe"] == {"name": "ring-mlp", "summary": RING.summary}
    assert scene["data"] == {
        "name": "ring-8",
        "extent": kernel.session.look.extent,
        "modes": 8,
        "classes": [str(k) for k in range(8)],
    }
    assert scene["latent"] == {"dims": 2, "noise": "normal"}
    sizes = {"z_dim": 2, "g_width": 8, "g_depth": 1, "d_width": 8, "d_depth": 1}
    assert scene["model"] == {"name": "mlp", **models.options("mlp"), **sizes}
    assert {"loss", "optimizer", "data", "noise", "z_dim", "depth", "width", "starts", "axes"} == scene[
        "choices"
    ].keys()
    assert "digits8" not in scene["choices"]["data"]
    assert 8 in scene["choices"]["width"]
    assert np.array_equal(floats(scene["latents"]), kernel.session.look.latents.numpy().flatten())
    back = np.frombuffer(scene["real"], "<i2").reshape(-1, 2) / 8192 * kernel.session.look.extent
    assert np.abs(back - kernel.session.look.real.numpy()).max() < 1e-3
    state = frame["state"]
    assert (frame["frame"]["step"], frame["frame"]["d_loss"]) == (0, None)
    assert frame["frame"]["floors"] == kernel.session.look.floors
    assert (state["state"], state["message"], state["details"]) == ("idle", "", "")
    assert state["settings"] == vars(RING.settings)
    assert state["history"] == {"steps": [0], "position": 0}
    assert state["findings"] == []
    assert state["pinned"] is None
    assert state["map"] is False


def test_a_scene_of_images():
    kernel = Kernel(DIGITS, language="zh")
    scene, _, _, frame = kernel.hear({"type": "ready"})
    scene = scene["scene"]
    assert (scene["language"], scene["words"]) == ("zh", CATALOGUE["zh"])
    assert (scene["kind"], scene["real"]["n"], frame["frame"]["fake"]["n"]) == ("images", 12, 36)
    assert (scene["choices"]["depth"], scene["choices"]["width"], scene["choices"]["axes"]) == ([], [], {})
    assert {"digits8", "mnist", "stacked-mnist", "avatars", "emoji"} == set(scene["choices"]["data"])
    assert scene["data"]["classes"] == [str(k) for k in range(10)]
    assert scene["data"]["modes"] is None
    (answer,) = kernel.hear({"type": "view", "layers": ["fake"], "walk": 0.5, "sample": 2})
    assert answer["frame"]["walk"]["n"] == 1
    assert answer["frame"]["neighbours"]["sample"] == 2
    kernel.do("play")
    kernel.tick()
    assert kernel.tick()[0]["frame"]["classes"].keys() == {"real", "fake"}


def test_every_choice_of_the_scene_can_be_chosen(kernel):
    choices = kernel.hear({"type": "ready"})[0]["scene"]["choices"]
    for name in ("data", "noise", "z_dim"):
        for value in choices[name]:
            assert kernel.do("rebuild", **{name: value})[-1]["state"]["message"] == ""
    for value in choices["depth"]:
        assert kernel.do("rebuild", g_depth=value, d_depth=value)[-1]["state"]["message"] == ""
    for name in ("loss", "optimizer"):
        for value in choices[name]:
            (answer,) = kernel.do("set", name=name, value=value)
            assert (answer["state"]["settings"][name], answer["state"]["message"]) == (value, "")
    kernel.do("rebuild", data="ring-8", g_width=2, d_width=2)
    kernel.do("set", name="loss", value="hinge")
    for name, values in choices["axes"].items():
        other = {"name": "beta2", "values": [0.9]}
        grid, state = kernel.do("map", x={"name": name, "values": values}, y=other)
        assert (len(grid["map"]["modes"]), state["state"]["message"]) == (len(values), "")
    assert choices["axes"] == AXES


def test_limits_are_those_of_the_settings(kernel):
    for name, limit in kernel.hear({"type": "ready"})[0]["scene"]["limits"].items():
        for edge in ("min", "max"):
            (answer,) = kernel.do("set", name=name, value=limit[edge])
            assert (answer["state"]["message"], answer["state"]["settings"][name]) == ("", limit[edge])


def test_each_tick_is_answered_once(kernel):
    assert kinds(kernel.tick()) == ["state"]  # not playing
    (answer,) = kernel.do("play")
    assert (answer["type"], answer["state"]["state"]) == ("state", "playing")
    for step in (1, 2, 3):
        (answer,) = kernel.tick()
        assert (answer["type"], answer["frame"]["step"]) == ("frame", step)
        assert answer["state"]["history"]["steps"][-1] == step
    kernel.session.tick = lambda budget: None  # as when somebody else trains
    assert kinds(kernel.tick()) == ["state"]


def test_a_tick_s_budget_is_limited(kernel, monkeypatch):
    budgets = []
    monkeypatch.setattr(kernel.session, "tick", lambda budget: budgets.append(budget))
    kernel.hear({"type": "tick"})
    for budget in (0.02, 1e9, -5):
        kernel.tick(budget)
    kernel.face._receive(None, {"type": "tick", "budget": math.nan}, [])
    assert budgets == [0.05, 0.02, BUDGET_S, 0, BUDGET_S]


def test_a_page_s_view_is_what_frames_hold(kernel):
    (answer,) = kernel.hear({"type": "view", "layers": ["arrows", "fake"], "walk": None, "sample": None})
    assert kernel.session.view == View(("arrows", "fake"))
    assert answer["frame"]["heat"] is None
    assert len(floats(answer["frame"]["arrows"])) == 2 * 512
    kernel.do("play")
    assert kernel.hear({"type": "view", "layers": []}) == []  # the next tick's frame will have it
    assert kernel.tick()[0]["frame"]["arrows"] is None


def test_latents_of_the_manifold_are_sent_once_for_each_scene(kernel):
    kernel.hear({"type": "view", "layers": list(LAYERS)})
    assert "manifold_latents" in kernel.sent[-1]["frame"]
    mesh = kernel.session.look.mesh.numpy().flatten()
    assert np.array_equal(floats(kernel.sent[-1]["frame"]["manifold_latents"]), mesh)
    assert kernel.sent[-1]["frame"]["manifold_shape"] == [21, 21]
    for _ in range(3):
        assert "manifold_latents" not in kernel.do("step")[-1]["frame"]
    assert "manifold_latents" in kernel.do("rebuild", z_dim=1)[-1]["frame"]
    assert kernel.sent[-1]["frame"]["manifold_shape"] == [1, 101]
    assert "manifold_latents" not in kernel.do("step")[-1]["frame"]
    assert "manifold_latents" in kernel.hear({"type": "ready"})[-1]["frame"]  # another page


# -- commands ---------------------------------------------------------------------------------------------------------
def test_every_command_does_what_it_says(kernel):
    assert [kernel.do(name)[0]["frame"]["step"] for name in ("step", "step_discriminator", "step_generator")] == [
        1,
        2,
        3,
    ]
    (answer,) = kernel.do("go", index=1)
    assert (answer["frame"]["step"], answer["state"]["history"]) == (1, {"steps": [0, 1, 2, 3], "position": 1})
    (answer,) = kernel.do("set", name="lr_d", value=0.01)
    assert answer["state"]["settings"]["lr_d"] == 0.01
    (answer,) = kernel.do("play", until=3)
    assert answer["state"]["state"] == "playing"
    kernel.tick(0.1)
    assert (kernel.sent[-1]["frame"]["step"], kernel.sent[-1]["state"]["state"]) == (3, "paused")
    kernel.do("play")
    assert kernel.do("pause")[0]["state"]["state"] == "paused"
    kernel.do("pin")
    kernel.do("unpin")
    assert kernel.do("reset")[-1]["frame"]["step"] == 0


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("rebuild", {"data": "spiral", "seed": 5}),
        ("rebuild", {"z_dim": 1, "noise": "uniform"}),
        ("draw", {"points": HEART}),
        ("reset", {}),
        ("start", {"name": "ring-8"}),
    ],
)
def test_a_new_run_s_scene_comes_before_its_first_frame(kernel, name, args):
    kernel.hear({"type": "ready"})
    kernel.do("step")
    scene, frame = kernel.do(name, **args)
    assert kinds((scene, frame)) == ["scene", "frame"]
    look, data = kernel.session.look, kernel.session.trainer.dataset
    assert (scene["scene"]["data"]["name"], scene["scene"]["data"]["extent"]) == (data.name, look.extent)
    assert len(floats(scene["scene"]["latents"])) == look.latents.numel()
    assert frame["frame"]["step"] == kernel.session.trainer.step
    assert kinds(kernel.do("step")) == ["frame"]


def test_what_a_cell_does_reaches_the_page_too(kernel):
    kernel.session.rebuild(data="spiral")
    kernel.face.show(kernel.session.run(3))
    assert kinds(kernel.sent) == ["scene", "frame"]


def test_a_loaded_run_s_scene_comes_before_its_first_frame(kernel):
    other = Session(RING.with_changes({"data": "line"}), seed=8)
    other.run(5)
    reply, rest = kernel.ask("load", {"data": {"buffer": 0}}, [other.save()])
    assert reply["value"] == {}
    assert kinds(rest) == ["scene", "frame"]
    assert (rest[0]["scene"]["seed"], rest[1]["frame"]["step"]) == (8, 5)
    reply, rest = kernel.ask("load", {"data": {"buffer": 0}}, [b"nonsense"])
    assert reply["error"].startswith("file: this is not a run")
    assert kernel.session.trainer.step == 5


def test_a_pinned_run_is_sent_with_its_differences(kernel):
    kernel.session.run(60)
    pinned, state = kernel.do("pin")
    assert [frame["step"] for frame in pinned["frames"]] == [0, 50, 60]
    assert all("series" not in frame for frame in pinned["frames"][:-1])
    assert floats(pinned["frames"][-1]["series"]["d_loss"])[-2] == 60
    assert pinned["scene"]["data"]["name"] == "ring-8"
    assert state["state"]["pinned"] == {"last": 60, "differences": []}
    kernel.do("rebuild", data="spiral", g_width=16)
    kernel.do("set", name="lr_d", value=0.01)
    assert kernel.sent[-1]["state"]["pinned"]["differences"] == [
        {"name": "data", "pinned": "ring-8", "live": "spiral"},
        {"name": "g_width", "pinned": 8, "live": 16},
        {"name": "lr_d", "pinned": 1e-3, "live": 0.01},
    ]
    again = kernel.hear({"type": "ready"})[1]
    assert again["frames"] == pinned["frames"]
    gone, state = kernel.do("unpin")
    assert gone["frames"] is state["state"]["pinned"] is None


def test_a_map_from_its_opening_to_one_of_its_cells(kernel):
    grid, state = kernel.do("map", x=X, y=Y)
    assert state["state"]["map"]
    assert (grid["map"]["x"], grid["map"]["y"], grid["map"]["all"], grid["map"]["step"]) == (X, Y, 8, 0)
    assert len(grid["map"]["modes"]) == len(grid["map"]["quality"]) == len(grid["map"]["diverged"]) == 6
    for step in (1, 2):
        (answer,) = kernel.tick()
        assert (answer["type"], answer["map"]["step"]) == ("map", step)
    bare = StabilityMap(RING, x=(X["name"], X["values"]), y=(Y["name"], Y["values"]), seed=1)
    list(bare.run(2))
    modes, quality = bare.coverage()
    assert answer["map"]["modes"] == modes.flatten().tolist()
    assert answer["map"]["quality"] == pytest.approx(quality.flatten().tolist())
    kernel.session.tick_map = lambda budget: False  # as when somebody else trains
    assert kinds(kernel.tick()) == ["state"]
    answers = kernel.do("map_open", row=2, column=1)
    assert kinds(answers) == ["map", "scene", "frame"]
    assert answers[0]["map"] is None
    state = answers[-1]["state"]
    assert (state["settings"]["n_critic"], state["settings"]["lr_g"]) == (3, 0.01)
    assert (state["map"], state["state"]) == (False, "playing")
    kernel.tick(0.5)
    assert (kernel.sent[-1]["frame"]["step"], kernel.sent[-1]["state"]["state"]) == (2, "paused")


def test_a_map_is_closed_and_refused(kernel):
    kernel.do("map", x=X, y=Y)
    gone, frame = kernel.do("map_close")
    assert gone["map"] is None
    assert frame["state"]["map"] is False
    kernel.do("draw", points=HEART)
    grid, state = kernel.do("map", x=X, y=Y)
    assert grid["map"] is None
    assert state["state"]["message"].startswith("data: 'drawing' has no modes to count")
    assert (state["state"]["map"], kinds(kernel.tick())) == (False, ["state"])
    assert kernel.do("map_open", row=0, column=0)[-1]["state"]["message"].startswith("map: ")


# -- questions --------------------------------------------------------------------------------------------------------
def test_code_export_and_save(kernel):
    kernel.session.run(5)
    assert kernel.ask("code")[0]["value"] == {"text": kernel.session.script()}
    assert kernel.ask("code", {"package": True})[0]["value"] == {"text": kernel.session.package_code()}
    page = kernel.ask("export")[0]["value"]["html"]
    assert page.startswith("<!DOCTYPE html>")
    assert '<html lang="en"' in page
    value = kernel.ask("save")[0]["value"]
    assert value["name"] == "ring-mlp.safetensors"
    assert Session(RING).load(value["data"]).step == 5


@pytest.mark.parametrize("language", CATALOGUE)
def test_an_exported_page_speaks_the_lab_s_language(language):
    page = Kernel(language=language).ask("export")[0]["value"]["html"]
    assert f'<html lang="{CATALOGUE[language]["lang"]}"' in page
    assert CATALOGUE[language]["play"] in page


@pytest.mark.parametrize("made", [RING, DIGITS], ids=lambda made: made.name)
def test_a_slow_step(made):
    kernel, twin = Kernel(made), Session(made, seed=1)
    reply, (frame,) = kernel.ask("slow")
    parts = reply["value"]["parts"]
    names = ["sample", "generate", "judge", "loss", "gradient", "update"]
    assert [part["name"] for part in parts] == 2 * names
    assert [part["network"] for part in parts] == 6 * ["discriminator"] + 6 * ["generator"]
    assert [part["frame"] is not None for part in parts] == 2 * (5 * [False] + [True])
    batch = {"batch_latents", "batch_fake", "batch_real"} & parts[1].keys()
    assert batch == ({"batch_latents", "batch_fake", "batch_real"} if made is RING else set())
    assert frame["frame"]["step"] == 1
    twin.step()
    a, b = (s.trainer.snapshot().tensors for s in (kernel.session, twin))
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_a_failed_run_can_be_asked_about(kernel):
    kernel.session.run(5)
    kernel.ruin()
    assert kernel.ask("slow")[0]["value"] == {"parts": []}
    (_, _, _, frame) = kernel.hear({"type": "ready"})
    assert frame["state"]["state"] == "failed"
    assert frame["state"]["message"].startswith("step 6: ")
    assert [f["name"] for f in frame["state"]["findings"]] == ["divergence"]
    for name in ("code", "export", "save"):
        assert "value" in kernel.ask(name)[0]
    assert kinds(kernel.do("step")) == kinds(kernel.tick()) == ["state"]
    kernel.do("pin")
    kernel.hear({"type": "view", "layers": list(LAYERS)})
    assert kernel.do("go", index=0)[0]["state"]["state"] == "idle"


def test_numbers_that_are_not_finite_go_as_null(kernel):
    kernel.hear({"type": "view", "layers": list(LAYERS)})
    kernel.do("set", name="optimizer", value="sgd")
    kernel.do("set", name="lr_g", value=1e38)  # ruins the weights in a step whose losses are finite
    reply, rest = kernel.ask("slow")
    assert reply["value"]["parts"][-1]["numbers"]["change"] is None
    assert rest[-1]["state"]["state"] == "paused"
    kernel.do("step")
    assert kernel.sent[-1]["state"]["state"] == "failed"


# -- what a page should not send --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "message",
    [
        {},
        [],
        "tick",
        None,
        {"type": "hello"},
        {"type": []},
        {"type": "tick", "budget": None},
        {"type": "tick", "budget": "much"},
        {"type": "view"},
        {"type": "view", "layers": None},
        {"type": "view", "layers": ["head"]},
        {"type": "view", "layers": [[1]]},
        {"type": "view", "layers": [], "walk": 2},
        {"type": "view", "layers": [], "sample": "x"},
        {"type": "do"},
        {"type": "do", "name": "explode"},
        {"type": "do", "name": []},
        {"type": "do", "name": "__init__"},
        {"type": "do", "name": "step", "args": {"x": 1}},
        {"type": "do", "name": "step", "args": [1]},
        {"type": "do", "name": "play", "args": {"until": "x"}},
        {"type": "do", "name": "set", "args": {"name": "lr_d"}},
        {"type": "do", "name": "set", "args": {"name": "lr_d", "value": "fast"}},
        {"type": "do", "name": "set", "args": {"name": [], "value": 1}},
        {"type": "do", "name": "set", "args": {"name": 5, "value": 1}},
        {"type": "do", "name": "set", "args": {"name": "loss", "value": []}},
        {"type": "do", "name": "go", "args": {"index": 99}},
        {"type": "do", "name": "go", "args": {"index": None}},
        {"type": "do", "name": "start", "args": {"name": []}},
        {"type": "do", "name": "rebuild", "args": {"data": "digits8"}},
        {"type": "do", "name": "rebuild", "args": {"what": 1}},
        {"type": "do", "name": "rebuild", "args": {"g_width": {"a": 1}}},
        {"type": "do", "name": "draw", "args": {"points": None}},
        {"type": "do", "name": "draw", "args": {"points": [[1, 2], [3]]}},
        {"type": "do", "name": "draw", "args": {"points": {"buffer": 3}}},
        {"type": "do", "name": "map", "args": {"x": 5, "y": None}},
        {"type": "do", "name": "map", "args": {"x": X, "y": X}},
        {"type": "do", "name": "map_open", "args": {"row": 0, "column": 0}},
        {"type": "ask"},
        {"type": "ask", "id": 3},
    ],
    ids=str,
)
def test_nonsense_is_told_in_one_line_and_changes_nothing(message, kernel):
    kernel.session.run(2)
    before = kernel.session.trainer.snapshot().tensors
    *maps, answer = kernel.hear(message)
    assert all(m == {"type": "map", "map": None} for m in maps)
    assert answer["type"] == "state"
    assert answer["state"]["message"]
    assert "\n" not in answer["state"]["message"]
    assert (answer["state"]["state"], answer["state"]["details"]) == ("paused", "")
    after = kernel.session.trainer.snapshot().tensors
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize(
    ("name", "args", "error"),
    [
        ("what", {}, "question: 'what' is not known; choose one of: code, export, load, save, slow"),
        ([], {}, "TypeError: "),
        ("code", {"x": 1}, "TypeError: "),
        ("code", [1], "TypeError: "),
        ("load", {}, "TypeError: "),
        ("load", {"data": 5}, "file: "),
        ("load", {"data": {"buffer": 7}}, "IndexError: "),
        ("load", {"data": "text"}, "file: "),
    ],
)
def test_nonsense_questions_have_an_answer(name, args, error, kernel):
    reply, _ = kernel.ask(name, args)
    assert reply["error"].startswith(error)
    assert "\n" not in reply["error"]
    assert "value" not in reply


def test_an_answer_that_fails_is_told_in_one_line(kernel, monkeypatch):
    def broken():
        raise RuntimeError("first\nsecond")

    monkeypatch.setattr(kernel.session, "script", broken)
    assert kernel.ask("code")[0]["error"] == "RuntimeError: first"
    monkeypatch.setattr(kernel.session, "step", broken)
    assert kernel.do("step")[0]["state"]["message"] == "RuntimeError: first"


def test_wrong_runs_can_t_be_told_as_code():
    kernel = Kernel(RING.with_changes({"precision": "bf16"}))
    assert kernel.ask("code")[0]["error"].startswith("precision: 'bf16' is not allowed")


def test_after_the_end_nothing_is_sent(kernel):
    kernel.do("play")
    kernel.face.close()
    kernel.face.close()
    sent = len(kernel.sent)
    assert kernel.session.state == "paused"
    for message in ({"type": "ready"}, {"type": "tick"}, {"type": "ask", "id": 1, "name": "code"}, {}):
        kernel.face._receive(None, message, [])
    kernel.face.show(kernel.session.frame())
    kernel.face.show_pinned()
    assert len(kernel.sent) == sent


def test_unknown_languages_are_refused():
    with pytest.raises(InputError, match=r"^language: 'fr' is not known; "):
        Face(Session(RING), language="fr")
