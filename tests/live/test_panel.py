"""The lab's widgets, driven as a page drives them: by setting traits and clicking buttons. And the lab around them."""

import base64
import io
import subprocess
import sys

import ipywidgets
import numpy as np
import pytest
import torch
from PIL import Image

from gan_tutorial import losses
from gan_tutorial.errors import InputError
from gan_tutorial.live import Lab
from gan_tutorial.live import lab as lab_module
from gan_tutorial.live.panel import INTERVAL_S, SLOW_INTERVAL_S
from gan_tutorial.training import recipe

# ipywidgets 7 and 8 have two names for whether the counter runs.
PLAYING = "playing" if ipywidgets.Play().has_trait("playing") else "_playing"


@pytest.fixture
def lab():
    made = Lab("ring-mlp", seed=1, front="core")
    yield made
    made.close()


def tick(lab, times=1):
    for _ in range(times):
        lab.panel.ticker.value += 1


def picture(lab):
    return np.asarray(Image.open(io.BytesIO(lab.panel.picture.value)))


def test_play_trains_with_every_tick_and_pause_stops(lab):
    panel = lab.panel
    before = picture(lab)
    tick(lab)
    assert lab.trainer.step == 0
    panel.play.click()
    assert (panel.play.description, getattr(panel.ticker, PLAYING)) == ("Pause", True)
    tick(lab, 2)
    seen = lab.trainer.step
    assert seen >= 2
    assert f'data-step="{seen}"' in panel.status.value
    assert not np.array_equal(picture(lab), before)
    panel.play.click()
    assert (panel.play.description, getattr(panel.ticker, PLAYING)) == ("Play", False)
    tick(lab)  # one that was under way
    assert lab.trainer.step == seen


def test_single_steps_and_reset(lab):
    panel = lab.panel
    d, g = (next(lab.trainer.networks[role].parameters()) for role in ("discriminator", "generator"))
    before = d.detach().clone(), g.detach().clone()
    panel.step_d.click()
    assert not torch.equal(d, before[0])
    assert torch.equal(g, before[1])
    panel.step_g.click()
    assert not torch.equal(g, before[1])
    assert 'data-step="2"' in panel.status.value
    panel.reset.click()
    assert 'data-step="0"' in panel.status.value


@pytest.mark.parametrize(
    ("name", "value"), [("lr_d", 1e-2), ("lr_g", 1e-5), ("n_critic", 3), ("loss", "hinge"), ("loss", "wasserstein")]
)
def test_each_setting_reaches_the_training_without_a_reset(lab, name, value):
    lab.panel.play.click()
    tick(lab)
    step = lab.trainer.step
    lab.panel.settings[name].value = value
    tick(lab)
    assert getattr(lab.trainer.settings, name) == value
    assert f'data-{name.replace("_", "-")}="{value}"' in lab.panel.status.value
    assert lab.trainer.step > step


def test_a_step_without_any_update_is_refused_in_words():
    lab = Lab("ring-mlp", front="core")
    lab.panel.settings["n_critic"].value = 0
    assert lab.trainer.settings.n_critic == 0
    lab.panel.settings["g_steps"].value = 0
    assert lab.trainer.settings.g_steps == 1
    assert "n_critic or g_steps above 0" in lab.panel.message.value


def test_widgets_start_at_the_recipes_settings():
    lab = Lab(recipe("ring-mlp", loss="hinge", lr_d=2e-4, n_critic=4), front="core")
    values = {name: widget.value for name, widget in lab.panel.settings.items()}
    assert values == {
        "lr_d": pytest.approx(2e-4),
        "lr_g": 1e-3,
        "n_critic": 4,
        "g_steps": 1,
        "loss": "hinge",
        "optimizer": "adam",
    }
    assert lab.panel.settings["loss"].options == tuple(losses.LOSSES)
    assert lab.trainer.settings.lr_d == 2e-4
    lab.close()


def test_settings_beyond_a_sliders_reach_are_left_alone(lab):
    lab.set(n_critic=20, lr_d=0.5)
    assert (lab.trainer.settings.n_critic, lab.trainer.settings.lr_d) == (20, 0.5)
    assert lab.panel.settings["n_critic"].value == 10


def test_set_moves_the_sliders_and_refuses_all_or_nothing(lab):
    lab.set(lr_d=1e-4, loss="hinge")
    assert lab.panel.settings["lr_d"].value == 1e-4
    assert lab.panel.settings["loss"].value == "hinge"
    with pytest.raises(InputError, match="n_critic"):
        lab.set(lr_d=1e-2, n_critic=-1)
    assert lab.trainer.settings.lr_d == 1e-4


def test_a_failure_is_shown_and_only_reset_is_offered(lab):
    panel = lab.panel
    panel.play.click()
    with torch.no_grad():
        next(lab.trainer.networks["generator"].parameters()).fill_(float("nan"))
    tick(lab)
    assert 'role="alert"' in panel.message.value
    assert "step 1" in panel.message.value
    assert panel.message.layout.display is None
    assert not getattr(panel.ticker, PLAYING)
    assert [b.disabled for b in (panel.play, panel.step_d, panel.step_g, panel.reset)] == [True] * 3 + [False]
    panel.reset.click()
    assert panel.message.value == ""
    assert panel.message.layout.display == "none"
    assert not panel.play.disabled


def test_messages_are_escaped(lab):
    lab.session.set("loss", "<script>")
    lab.panel.show()
    assert "<script>" not in lab.panel.message.value


def test_slow_steps_get_a_longer_tick(lab):
    panel = lab.panel
    assert panel.ticker.interval == 1000 * INTERVAL_S
    lab.session.play()
    lab.session._burst = lambda budget: setattr(lab.session, "step_s", 0.2)
    tick(lab)
    assert panel.ticker.interval == 1000 * SLOW_INTERVAL_S


def test_every_widget_has_its_class_and_every_control_says_what_it_does(lab):
    panel = lab.panel
    named = {name for widget in panel._made for name in widget._dom_classes}
    controls = ["play", "step-d", "step-g", "reset", "lr-d", "lr-g", "n-critic", "loss"]
    assert {f"lab-{name}" for name in [*controls, "status", "picture", "message", "tick"]} | {"gan-lab"} <= named
    for control in (panel.play, panel.step_d, panel.step_g, panel.reset, *panel.settings.values()):
        assert getattr(control, "tooltip", None) or control.description_tooltip


def test_images():
    lab = Lab("dcgan-digits8", front="core")
    lab.panel.play.click()
    tick(lab)
    assert "modes" not in lab.panel.status.value
    assert "D(x)" not in lab.panel.box.children[-1].value
    lab.close()


def test_labs_are_independent(lab):
    other = Lab("ring-mlp", seed=1, front="core")
    lab.panel.play.click()
    tick(lab)
    assert (other.trainer.step, other.session.state) == (0, "idle")
    other.run(2)
    alone = Lab("ring-mlp", seed=1, front="core")
    alone.run(2)
    for mine, theirs in zip(*(x.trainer.networks["generator"].parameters() for x in (other, alone)), strict=True):
        assert torch.equal(mine, theirs)
    other.close()
    alone.close()


def test_what_a_notebook_saves(lab):
    lab.run(steps=3)
    bundle, metadata = lab._repr_mimebundle_()
    assert bundle["text/plain"] == repr(lab) == "<Lab ring-mlp at step 3>"
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == lab.panel.box.model_id
    saved = Image.open(io.BytesIO(base64.b64decode(bundle["image/png"])))
    shown = metadata["image/png"]
    assert saved.size == (2 * shown["width"], 2 * shown["height"])
    assert "step 3" in shown["alt"]
    assert lab.png() == base64.b64decode(bundle["image/png"])


def test_closing_takes_all_widgets_away(monkeypatch):
    opened, closed = [], []  # the widgets themselves: an id could be taken again by another test's garbage
    open_comm, close_comm = ipywidgets.Widget.open, ipywidgets.Widget.close
    monkeypatch.setattr(ipywidgets.Widget, "open", lambda w: (opened.append(w), open_comm(w))[1])
    monkeypatch.setattr(ipywidgets.Widget, "close", lambda w: (closed.append(w), close_comm(w))[1])
    lab = Lab("ring-mlp", front="core")
    lab.play()
    lab.close()
    lab.close()
    assert len(opened) > 10
    assert {id(w) for w in opened} <= {id(w) for w in closed}
    assert lab.session.state == "paused"
    lab.run(1)
    lab.set(lr_d=1e-4)
    assert "application/vnd.jupyter.widget-view+json" not in lab._repr_mimebundle_()[0]


def test_running_a_cell_again_closes_the_labs_it_made(monkeypatch):
    def made_in(cell, execution):
        monkeypatch.setattr(lab_module, "_here", lambda: (cell, execution))
        return Lab("ring-mlp", front="core")

    first, beside, elsewhere = made_in("a", "1"), made_in("a", "1"), made_in("b", "2")
    again = made_in("a", "3")
    assert [lab.panel.closed for lab in (first, beside, elsewhere, again)] == [True, True, False, False]
    elsewhere.close()
    again.close()


def test_without_ipywidgets_one_line_says_what_to_install():
    code = "import sys; sys.modules['ipywidgets'] = None\nimport gan_tutorial.live"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == (
        "gan_tutorial.errors.InputError: ipywidgets: the live lab needs it; "
        "install it with: pip install 'gan-tutorial[lab]'"
    )


def test_importing_the_lab_stays_light():
    code = (
        "import sys, gan_tutorial.live; print(*{'matplotlib', 'torchvision', 'sklearn', 'accelerate'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_a_page_that_comes_while_the_lab_plays_is_told_to_tick(lab):
    told = []
    lab.play()
    lab.panel.ticker.observe(lambda change: told.append(change["new"]), PLAYING)
    lab.panel.ticker._view_count = 1
    lab.panel.ticker._view_count = 0
    assert told == [False, True]
    lab.pause()
    lab.panel.ticker._view_count = 1
    assert told == [False, True, False]


def test_a_setting_moved_while_paused_is_confirmed_at_once(lab):
    lab.panel.settings["lr_d"].value = 1e-2
    assert 'data-lr-d="0.01"' in lab.panel.status.value
