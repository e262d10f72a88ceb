import runpy

import numpy as np
import pytest
import torch

from gan_tutorial import data
from gan_tutorial.errors import InputError
from gan_tutorial.live import Lab
from gan_tutorial.live.frame import View
from gan_tutorial.live.history import History, Moment, thinned
from gan_tutorial.live.session import Session
from gan_tutorial.training import recipe
from gan_tutorial.training.trainer import Snapshot

RING = recipe("ring-mlp").with_changes({"model.g_width": 16, "model.d_width": 16, "batch_size": 32})
DIGITS = recipe("dcgan-digits8").with_changes({"model.g_width": 8, "model.d_width": 8, "batch_size": 16})


def moment(step, floats=25):
    return Moment(Snapshot(step, {"w": torch.zeros(floats)}, {}), None)


def tensors(session):
    return {name: t.clone() for name, t in session.trainer.snapshot().tensors.items()}


def assert_same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


def test_stays_within_its_budget_with_gaps_that_grow_with_age():
    history = History(budget=30 * 100)
    for step in range(0, 5000, 10):
        history.add(moment(step))
        assert history.nbytes <= history.budget
    steps = history.steps
    assert len(steps) == 30
    assert (steps[0], steps[-1]) == (0, 4990)
    gaps, ages = np.diff(steps), 4990 - np.array(steps[:-1])
    assert gaps[-1] == 10
    assert (gaps[:-1] <= 0.6 * ages[:-1]).all()  # nowhere in the past is a gap large against its age
    assert gaps[:5].min() > 10 * gaps[-5:].max()


def test_first_and_last_stay_whatever_the_budget():
    history = History(budget=0)
    for step in range(5):
        history.add(moment(step))
    assert history.steps == [0, 4]


def test_branching_replaces_the_future():
    history = History()
    for step in (0, 10, 20, 30):
        history.add(moment(step))
    history.position = 1
    history.add(moment(15))
    assert history.steps == [0, 10, 15]
    assert history.position == 2


@pytest.mark.parametrize("base", [RING, DIGITS], ids=["ring", "digits"])
def test_going_back_and_on_repeats_the_run_bitwise(base):
    session = Session(base)
    session.run(120)
    end = tensors(session)
    assert session.history.steps == [0, 50, 100, 120]
    before = session.frame()
    frame = session.go(1)
    assert frame.step == session.trainer.step == 50
    assert frame.d_curve[-1, 0] <= 50
    session.run(70)
    assert_same(tensors(session), end)
    after = session.frame()
    assert np.array_equal(before.fake, after.fake)
    assert np.array_equal(before.d_curve, after.d_curve)


def test_looking_back_loses_nothing_until_training_goes_on():
    session = Session(RING)
    session.run(120)
    end = tensors(session)
    for index in (0, 2, 1, 3):
        session.go(index)
    assert_same(tensors(session), end)
    session.go(1)
    session.step()
    assert session.history.steps == [0, 50, 51]


def test_settings_go_back_too_and_a_branch_may_have_others():
    session = Session(RING)
    session.run(50)
    session.set("lr_g", 0.05)
    session.run(50)
    session.go(1)
    assert session.trainer.settings.lr_g == RING.settings.lr_g
    session.set("loss", "hinge")
    session.run(50)
    assert session.history.steps == [0, 50, 100]
    twin = Session(RING)
    twin.run(50)
    twin.set("loss", "hinge")
    twin.run(50)
    assert_same(tensors(session), tensors(twin))


def test_a_failed_run_is_whole_again_at_an_earlier_moment():
    session = Session(RING)
    session.run(20)
    with torch.no_grad():
        next(session.trainer.networks["discriminator"].parameters()).fill_(torch.nan)
    session.step()
    assert session.state == "failed"
    session.go(1)
    assert (session.state, session.message, session.trainer.step) == ("paused", "", 20)
    session.run(5)
    assert session.trainer.step == 25


def test_a_playing_session_pauses_first():
    session = Session(RING)
    session.play()
    session.tick(0.01)
    session.go(0)
    assert (session.state, session.trainer.step) == ("idle", 0)


def test_reset_begins_a_new_history():
    session = Session(RING)
    session.run(60)
    session.reset()
    assert session.history.steps == [0]


@pytest.mark.parametrize("index", [-1, 3, 0.5])
def test_moments_that_are_not_there(index):
    session = Session(RING)
    session.run(60)
    with pytest.raises(InputError, match=f"index: {index} is not allowed; expected an integer >= 0 and <= 2"):
        session.go(index)


def test_lab_goes_to_the_newest_moment_up_to_a_step():
    lab = Lab(RING, front="core")
    lab.run(120)
    assert lab.steps == [0, 50, 100, 120]
    lab.go(99)
    assert lab.trainer.step == 50
    lab.go(10_000)
    assert lab.trainer.step == 120
    with pytest.raises(InputError, match="step: -1 is not allowed"):
        lab.go(-1)


def test_slider_follows_the_run_and_leads_it_when_dragged():
    lab = Lab(RING, front="core")
    slider = lab.panel.history
    assert (slider.max, slider.disabled) == (0, True)
    lab.run(120)
    assert (slider.max, slider.value, slider.disabled) == (3, 3, False)
    lab.set(lr_d=0.01)
    lab.run(30)
    picture = lab.panel.picture.value
    slider.value = 2
    assert lab.trainer.step == 100
    assert lab.panel.picture.value != picture
    assert lab.panel.settings["lr_d"].value == RING.settings.lr_d
    slider.value = slider.max
    assert lab.trainer.step == 150
    assert lab.trainer.settings.lr_d == 0.01
    assert lab.panel.picture.value == picture


# -- the run so far, as code -------------------------------------------------------------------------------------------
def played(tmp_path, text):
    path = tmp_path / "run.py"
    path.write_text(text)
    return runpy.run_path(str(path))


def test_the_script_of_a_lively_session_gives_the_same_numbers(tmp_path, capsys):
    session = Session(RING, seed=3)
    session.run(20)
    session.set("lr_g", 0.01)
    session.set("lr_g", 0.004)  # the newest wins
    session.run(10)
    session.step_discriminator()
    session.step_discriminator()
    session.step_generator()
    session.configure(loss="hinge", n_critic=2)
    session.run(15)
    session.set("loss", "nonsense")  # refused, and so not part of the run
    script = played(tmp_path, session.script())
    assert torch.equal(script["samples"], session.trainer.sample(len(script["samples"]), average=False))
    package = played(tmp_path, session.package_code())
    assert_same(package["trainer"].snapshot().tensors, tensors(session))
    assert "48" in capsys.readouterr().out


def test_the_script_follows_a_branch_and_a_reset(tmp_path):
    lab = Lab(RING, front="core")
    lab.run(50)
    lab.set(lr_d=0.02)
    lab.run(50)
    lab.go(50)
    lab.set(r1=0.5)
    lab.run(30)
    assert "0.02" not in lab.code()
    assert_same(played(tmp_path, lab.code(package=True))["trainer"].snapshot().tensors, tensors(lab.session))
    lab.reset()
    lab.run(10)
    script = played(tmp_path, lab.code())
    assert torch.equal(script["samples"], lab.trainer.sample(len(script["samples"])))


def test_own_data_stay_part_of_the_script_after_a_reset(tmp_path):
    session = Session(RING, dataset=data.from_points(np.random.default_rng(0).normal(size=(40, 2))))
    session.reset()
    session.run(5)
    script = played(tmp_path, session.script())
    assert torch.equal(script["samples"], session.trainer.sample(len(script["samples"])))


def test_the_code_button_shows_and_hides_the_script():
    lab = Lab(RING, front="core")
    lab.run(5)
    lab.panel.code.click()
    assert lab.panel.listing.layout.display is None
    assert "torch.optim.Adam" in lab.panel.listing.value
    lab.panel.code.click()
    assert lab.panel.listing.layout.display == "none"
    tricky = Lab(RING.with_changes({"precision": "bf16"}), front="core")
    tricky.panel.code.click()
    assert tricky.panel.listing.layout.display == "none"
    assert "bf16" in tricky.panel.message.value


# -- limits -----------------------------------------------------------------------------------------------------------
def test_no_more_moments_than_a_slider_can_tell_apart():
    history = History(most=25)
    for step in range(3000):
        history.add(moment(step))
        assert len(history) <= 25
    steps = history.steps
    assert (steps[0], steps[-1], history.position) == (0, 2999, 24)
    assert steps[-2] == 2998
    assert (np.diff(steps) > 0).all()
    for wrong in (1, 0, 2.5, None):
        with pytest.raises(InputError, match=r"^most: "):
            History(most=wrong)


def test_thinned_keeps_the_ends_and_grows_with_age():
    steps = list(range(0, 1000, 10))
    assert thinned(steps, 100) == steps
    kept = thinned(steps, 12)
    assert (len(kept), kept[0], kept[-1]) == (12, 0, 990)
    assert set(kept) <= set(steps)
    assert kept[-1] - kept[-2] < kept[1] - kept[0]
    assert thinned(steps, 0) == thinned(steps, 2) == [0, 990]
    assert steps == list(range(0, 1000, 10))  # the list itself stays
    assert [thinned(few, 2) for few in ([], [3], [3, 4])] == [[], [3], [3, 4]]


def test_a_moment_is_replaced_without_a_branch():
    history = History()
    for step in (0, 10, 20):
        history.add(moment(step))
    history.position, other = 1, moment(10)
    history.replace(other)
    assert history.steps == [0, 10, 20]
    assert history[1] is other


def test_what_was_set_at_the_present_moment_is_there_after_a_look_back():
    session, twin = Session(RING), Session(RING)
    for run in (session, twin):
        run.run(50)
        run.set("lr_g", 0.05)
    session.go(0)
    assert session.trainer.settings.lr_g == RING.settings.lr_g
    session.go(1)
    assert session.trainer.settings.lr_g == 0.05
    session.run(10)
    twin.run(10)
    assert_same(tensors(session), tensors(twin))
    assert session.script() == twin.script()


def test_a_failed_moment_is_not_kept():
    session = Session(RING)
    session.run(20)
    with torch.no_grad():
        next(session.trainer.networks["discriminator"].parameters()).fill_(torch.nan)
    session.step()
    session.rebuild(data="nowhere")
    session.draw([])
    assert (session.state, session.history.steps) == ("failed", [0, 20])
    assert session.go(1).step == 20


def test_many_ticks_stay_within_the_limits():
    session = Session(RING, memory=2**20)
    session.history.most = 100
    session.view = View(())
    session.play()
    for _ in range(1000):
        session.tick(0)
    assert session.trainer.step == 1000
    assert session.history.nbytes <= 2**20
    assert len(session.history) <= 100
    assert (session.history.steps[0], session.history.steps[-1]) == (0, 1000)
    assert all(len(curve) < 256 for curve in session.frame().series.values())
    assert len(session._unread) == len(session.trainer._unwatched) == 0
    session.reset()
    assert (session.history.budget, session.history.steps) == (2**20, [0])
