"""The lab: its fronts, its files, and that what its session refuses is raised."""

import sys

import numpy as np
import pytest
import torch

from gan_tutorial.errors import InputError
from gan_tutorial.live import Lab
from gan_tutorial.live import lab as lab_module
from gan_tutorial.live.panel import Panel
from gan_tutorial.live.widget import Face
from gan_tutorial.training import recipe

RING = recipe("ring-mlp", batch_size=16, model__g_width=8, model__d_width=8, model__g_depth=1, model__d_depth=1)
HEART = [[0.1 * i, (0.1 * i) ** 2] for i in range(-10, 11)]
FRONTS = ["core", "canvas"]


@pytest.fixture(params=FRONTS)
def lab(request):
    made = Lab(RING, seed=1, front=request.param)
    yield made
    made.close()


def tensors(lab):
    return {name: t.clone() for name, t in lab.trainer.snapshot().tensors.items()}


def assert_same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


# -- fronts -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("front", "kind"), [("core", Panel), ("canvas", Face), ("auto", Face)])
def test_fronts(front, kind):
    assert type(Lab(RING, front=front).panel) is kind


def test_unknown_fronts_and_languages_are_refused():
    with pytest.raises(InputError, match=r"^front: 'canvass' is not known; did you mean 'canvas'\?"):
        Lab(RING, front="canvass")
    for front in FRONTS:
        with pytest.raises(InputError, match=r"^language: 'fr' is not known; "):
            Lab(RING, front=front, language="fr")


def test_without_anywidget_there_is_the_core_one(monkeypatch):
    monkeypatch.delitem(sys.modules, "gan_tutorial.live.widget")
    monkeypatch.setitem(sys.modules, "anywidget", None)  # as if it were not installed
    assert type(Lab(RING).panel) is type(Lab(RING, front="core").panel) is Panel
    with pytest.raises(
        InputError, match=r"^anywidget: front='canvas' needs it; install it with: pip install anywidget$"
    ):
        Lab(RING, front="canvas")


def test_another_missing_module_is_not_hidden(monkeypatch):
    monkeypatch.delitem(sys.modules, "gan_tutorial.live.widget")
    monkeypatch.setitem(sys.modules, "gan_tutorial.live.words", None)
    with pytest.raises(ModuleNotFoundError):
        Lab(RING)


def test_both_fronts_show_a_widget_a_picture_and_a_text(lab):
    bundle, about = lab._repr_mimebundle_()
    assert bundle["text/plain"] == "<Lab ring-mlp at step 0>"
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == lab.panel.box.model_id
    assert about["image/png"]["width"] > 0
    lab.close()
    assert "application/vnd.jupyter.widget-view+json" not in lab._repr_mimebundle_()[0]


def test_a_cell_that_runs_again_closes_what_it_made(monkeypatch):
    monkeypatch.setattr(lab_module, "_here", lambda: ("cell", "first"))
    first, second = Lab(RING, front="canvas"), Lab(RING, front="core")
    assert not first.panel.closed
    monkeypatch.setattr(lab_module, "_here", lambda: ("cell", "second"))
    third = Lab(RING, front="canvas")
    assert (first.panel.closed, second.panel.closed, third.panel.closed) == (True, True, False)


# -- commands ---------------------------------------------------------------------------------------------------------
def test_commands_reach_the_session_and_its_page(lab):
    lab.run(60)
    lab.set(lr_d=0.01)
    lab.play()
    assert lab.session.state == "playing"
    lab.pause()
    assert lab.session.state == "paused"
    lab.go(55)
    assert (lab.trainer.step, lab.trainer.settings.lr_d) == (50, 1e-3)
    lab.rebuild(data="spiral", seed=7, z_dim=1)
    assert (lab.trainer.dataset.name, lab.session.seed, lab.trainer.algorithm.z_dim) == ("spiral", 7, 1)
    lab.draw(HEART)
    assert lab.trainer.dataset.name == "drawing"
    assert "from_points" in lab.code()
    lab.start("ring-8")
    assert lab.trainer.step > 0
    lab.reset()
    assert lab.trainer.step == 0
    assert lab.trainer.dataset.name == "ring-8"
    assert lab.png().startswith(b"\x89PNG")


def test_the_page_is_told_of_what_a_cell_does():
    lab, sent = Lab(RING, front="canvas"), []
    lab.panel.box.send = lambda content, buffers: sent.append(content["type"])
    lab.run(3)
    lab.set(lr_d=0.01)
    lab.play()
    lab.rebuild(data="line")
    assert sent == ["frame", "frame", "state", "scene", "frame"]
    sent.clear()
    lab.pin()
    lab.unpin()
    assert sent == ["pinned", "pinned"]
    lab.close()
    lab.run(2)
    lab.pin()
    assert sent == ["pinned", "pinned"]


def test_pin_puts_the_run_aside(lab):
    lab.run(50)
    lab.pin()
    assert [frame.step for frame in lab.session.pinned.frames] == [0, 50]
    lab.unpin()
    assert lab.session.pinned is None


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (lambda lab: lab.rebuild(data="digits8"), "data: 'digits8' is not known; "),
        (lambda lab: lab.rebuild(what=1), "name: 'what' is not known; "),
        (lambda lab: lab.draw([[1, 2, 3]]), "array: "),
        (lambda lab: lab.draw(np.zeros((501, 2))), "points: 501 is not allowed; expected at most 500 points"),
        (lambda lab: lab.start("nowhere"), "start: 'nowhere' is not known; "),
        (lambda lab: lab.set(lr_d=-1), "lr_d: -1 is not allowed; "),
        (lambda lab: lab.go(-1), "step: -1 is not allowed; "),
        (lambda lab: lab.run(0), "steps: 0 is not allowed; "),
        (lambda lab: lab.load("/nowhere/at/all"), "path: '/nowhere/at/all' can't be read (No such file or directory)"),
    ],
    ids=range(9),
)
def test_what_is_refused_is_raised_and_changes_nothing(lab, command, message):
    lab.run(2)
    before = tensors(lab)
    with pytest.raises(InputError) as caught:
        command(lab)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    assert_same(tensors(lab), before)
    assert (lab.steps, lab.session.state) == ([0, 2], "paused")


# -- files ------------------------------------------------------------------------------------------------------------
def test_a_run_is_kept_and_gone_on_from(lab, tmp_path):
    lab.run(20)
    path = lab.save(tmp_path / "mine.safetensors")
    assert path == tmp_path / "mine.safetensors"
    other = Lab(RING, front="core")
    other.load(str(path))
    lab.run(5)
    other.run(5)
    assert_same(tensors(other), tensors(lab))


def test_a_file_is_not_overwritten_unless_asked(lab, tmp_path):
    path = tmp_path / "mine"
    path.write_bytes(b"precious")
    with pytest.raises(InputError, match=r"mine' exists already; choose another name or pass overwrite=True"):
        lab.save(path)
    assert path.read_bytes() == b"precious"
    with pytest.raises(InputError, match="file: "):
        lab.load(path)
    lab.run(3)
    lab.save(path, overwrite=True)
    lab.reset()
    lab.load(path)
    assert lab.trainer.step == 3
    for wrong in (tmp_path, tmp_path / "no folder" / "mine"):
        with pytest.raises(InputError, match=r"^path: "):
            lab.save(wrong, overwrite=True)
    with pytest.raises(InputError, match=r"^path: .* can't be read"):
        lab.load(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine"]
