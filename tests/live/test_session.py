"""The lab's session: one training loop, steered between its steps."""

import threading
import time

import numpy as np
import pytest
import torch

from gan_tutorial.data import Dataset
from gan_tutorial.errors import DivergedError, InputError
from gan_tutorial.live.frame import GRID, IMAGES, POINTS, REAL_IMAGES
from gan_tutorial.live.session import Session
from gan_tutorial.training import Trainer, recipe


@pytest.fixture
def session():
    return Session("ring-mlp", seed=3)


def weights(trainer):
    return torch.cat([p.detach().flatten() for net in trainer.networks.values() for p in net.parameters()])


@pytest.fixture
def bare():
    """A Trainer beside the session, on as many threads as the session computes with."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield Trainer("ring-mlp", seed=3, device="cpu")
    torch.set_num_threads(before)


def test_run_is_bitwise_what_a_bare_trainer_does(session, bare):
    session.run(5)
    session.frame()
    session.run(4)
    for _ in bare.run(9):
        pass
    assert torch.equal(weights(session.trainer), weights(bare))


def test_ticks_and_single_steps_turn_the_same_crank(session, bare):
    session.step()
    session.step_discriminator()
    session.step_generator()
    session.play()
    session.tick(0)
    session.tick(0)
    next(bare.run(1))
    bare.step_discriminator()
    bare.step_generator()
    for _ in bare.run(2):
        pass
    assert session.trainer.step == bare.step == 5
    assert torch.equal(weights(session.trainer), weights(bare))


def test_states(session):
    assert (session.state, session.trainer.step) == ("idle", 0)
    assert session.tick(0) is None
    session.pause()
    assert session.state == "idle"
    session.play()
    assert session.tick(0).step == 1
    session.pause()
    assert session.state == "paused"
    assert session.tick(0) is None
    session.play()
    assert session.step().step == 2  # pauses first
    assert session.state == "paused"
    session.play()
    assert session.reset().step == 0
    assert session.state == "idle"


def test_a_tick_keeps_its_budget(session):
    session.play()
    session.tick(0.02)
    started = time.perf_counter()
    frame = session.tick(0.1)
    assert frame.step > 3
    assert time.perf_counter() - started < 1  # generous: other tests run beside this one
    assert frame.steps_per_second > 0


def test_settings_the_newest_wins_and_the_optimiser_keeps_its_state(session):
    session.run(3)
    moments = session.trainer.algorithm.optimizers["discriminator"].state
    before = {p: s["exp_avg"].clone() for p, s in moments.items()}
    with held(session):
        for value in (1e-2, 1e-3, 1e-4):
            session.set("lr_d", value)
        assert session.trainer.settings.lr_d == 1e-3  # the recipe's: nothing changes during a step
    session.play()
    session.tick(0)
    assert session.trainer.settings.lr_d == 1e-4
    assert session.trainer.algorithm.optimizers["discriminator"].param_groups[0]["lr"] == 1e-4
    session.set("lr_d", 5e-4)
    assert session.frame().settings["lr_d"] == 5e-4  # at once when nobody is at work
    assert all(p in moments for p in before)
    assert session.trainer.step == 4


def test_settings_that_come_during_a_run_are_taken_up_between_two_steps(session, monkeypatch):
    step = session.trainer.algorithm.step
    monkeypatch.setattr(session.trainer.algorithm, "step", lambda draw: (asked(), step(draw))[1])
    rates = []

    def asked():
        rates.append(session.trainer.settings.lr_g)
        in_thread(lambda: session.set("lr_g", 10 ** -len(rates)))

    session.run(3)
    assert rates == [1e-3, 1e-1, 1e-2]


@pytest.mark.parametrize(
    ("name", "value"), [("lr_d", -1.0), ("lr_d", float("nan")), ("n_critic", 1.5), ("loss", "hing"), ("nothing", 1)]
)
def test_what_can_not_be_set_is_told_and_changes_nothing(session, name, value):
    before = session.frame().settings
    session.set(name, value)
    assert name in session.message
    assert "\n" not in session.message
    assert session.frame().settings == before
    session.set("lr_d", 1e-4)
    assert session.message == ""


def test_reset_gives_the_same_networks_and_keeps_the_settings(session):
    start = weights(session.trainer)
    session.set("lr_d", 1e-4)
    session.set("loss", "hinge")
    session.run(3)
    frame = session.reset()
    assert frame.step == 0
    assert len(frame.d_curve) == 0
    assert np.isnan(frame.d_loss)
    assert (frame.settings["lr_d"], frame.settings["loss"]) == (1e-4, "hinge")
    assert torch.equal(weights(session.trainer), start)


def test_a_tick_that_finds_someone_at_work_is_dropped(session):
    session.play()
    with held(session):
        assert session.tick(1) is None
    assert session.trainer.step == 0
    assert (session.state, session.message) == ("playing", "")


def test_a_command_that_finds_a_long_run_is_refused(session, monkeypatch):
    monkeypatch.setattr("gan_tutorial.live.session._PATIENCE_S", 0.01)
    with held(session):
        assert session._do(lambda: None, patience_s=0.01) is None
    assert "busy" in session.message


def test_ticks_may_come_from_another_thread(session):
    session.play()
    steps = []
    for _ in range(3):
        in_thread(lambda: steps.append(session.tick(0).step))
    assert steps == [1, 2, 3]


def test_run_while_playing_is_refused_with_one_line(session):
    session.play()
    with pytest.raises(InputError, match=r"^run: the lab is playing; pause it first") as refused:
        session.run(1)
    assert "\n" not in str(refused.value)
    assert session.trainer.step == 0


@pytest.mark.parametrize("steps", [0, -1, 1.5, True])
def test_run_checks_the_number_of_steps(session, steps):
    with pytest.raises(InputError, match="steps"):
        session.run(steps)


def diverge(session):
    with torch.no_grad():
        next(session.trainer.networks["generator"].parameters()).fill_(float("nan"))


def test_a_training_that_diverges_stops_and_a_reset_recovers(session):
    session.play()
    assert session.tick(0) is not None
    diverge(session)
    assert session.tick(0) is None
    assert session.state == "failed"
    assert session.message.startswith("step 2: ")
    session.play()
    session.set("lr_d", 1e-4)
    assert session.state == "failed"
    assert session.message.startswith("step 2: ")  # still there for the reader
    assert session.tick(0) is session.step() is None
    with pytest.raises(InputError, match="reset it first"):
        session.run(1)
    frame = session.reset()
    assert (session.state, session.message, frame.settings["lr_d"]) == ("idle", "", 1e-4)
    session.run(2)


def test_a_headless_run_raises_what_the_training_raises(session):
    diverge(session)
    with pytest.raises(DivergedError):
        session.run(2)
    assert session.state == "failed"


def test_any_other_exception_is_told_with_its_name(session, monkeypatch):
    monkeypatch.setattr(session.trainer.algorithm, "step", lambda draw: 1 / 0)
    session.play()
    session.tick(0)
    assert (session.state, session.message) == ("failed", "ZeroDivisionError: division by zero")


def test_ctrl_c_pauses(session, monkeypatch):
    def interrupted(draw):
        raise KeyboardInterrupt

    session.play()
    monkeypatch.setattr(session.trainer.algorithm, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        session.tick(0)
    assert session.state == "paused"


def test_the_process_keeps_its_threads(session):
    before, running = torch.get_num_threads(), threading.active_count()
    torch.set_num_threads(2)
    try:
        for _ in range(50):
            session.play()
            session.tick(0)
            session.pause()
            session.reset()
        session.run(1)
        assert torch.get_num_threads() == 2
        assert threading.active_count() == running
    finally:
        torch.set_num_threads(before)


def test_a_frame_of_points(session):
    first = session.frame()
    frame = session.run(30)
    assert not frame.is_image
    assert frame.real.shape == frame.fake.shape == (POINTS, 2)
    assert np.array_equal(first.real, frame.real)
    assert frame.heat.shape == (GRID, GRID)
    assert 0 <= frame.heat.min() <= frame.heat.max() <= 1
    assert frame.modes[1] == 8
    assert frame.d_curve.shape == frame.g_curve.shape == (30, 2)
    assert frame.d_curve[-1].tolist() == [30, frame.d_loss]
    assert frame.extent == session.trainer.dataset.extent
    repeated = session.frame()
    assert np.array_equal(repeated.fake, frame.fake)  # looking does not change anything


def test_the_map_is_the_discriminators_probability(session):
    session.run(5)
    frame = session.frame()
    row, column = 7, 40
    x, y = (((i + 0.5) / GRID * 2 - 1) * frame.extent for i in (column, row))
    logit = session.trainer.networks["discriminator"](torch.tensor([[x, y]]))
    assert frame.probability
    assert frame.heat[row, column] == pytest.approx(logit.sigmoid().item(), abs=1e-5)


@pytest.mark.parametrize("loss", ["wasserstein", "relativistic", "hinge"])
def test_maps_of_losses_without_a_probability_are_in_range(loss):
    frame = Session(recipe("ring-mlp", loss=loss)).run(5)
    assert not frame.probability
    assert 0 <= frame.heat.min() < frame.heat.max() <= 1


def test_modes_are_counted_within_three_standard_deviations(session, monkeypatch):
    modes, std = session.trainer.dataset.modes, session.trainer.dataset.std
    fakes = torch.full((POINTS, 2), 100.0)
    fakes[0], fakes[1], fakes[2] = (
        modes[0],
        modes[1] + torch.tensor([2.9 * std, 0]),
        modes[2] + torch.tensor([3.1 * std, 0]),
    )
    monkeypatch.setattr(session.trainer, "sample", lambda n, **_: fakes)
    assert session.frame().modes == (2, 8)


def test_a_frame_of_images():
    frame = Session("dcgan-digits8").run(2)
    assert frame.is_image
    assert frame.real.shape == (REAL_IMAGES, 8, 8, 1)
    assert frame.fake.shape == (IMAGES, 8, 8, 1)
    assert frame.fake.dtype == np.uint8
    assert frame.heat is frame.modes is None


def test_own_points_without_modes_or_extent():
    points = Dataset.from_tensor(torch.randn(600, 2, generator=torch.Generator().manual_seed(0)))
    frame = Session("ring-mlp", dataset=points).run(2)
    assert frame.modes is None
    assert frame.extent >= np.abs(frame.real).max()


def test_what_can_not_be_drawn_is_refused():
    waves = Dataset.from_tensor(torch.zeros(300, 7))
    with pytest.raises(InputError, match="points in the plane or images"):
        Session("ring-mlp", dataset=waves)


@pytest.mark.parametrize("threads", [0, 1.5, None])
def test_threads_are_checked(threads):
    with pytest.raises(InputError, match="threads"):
        Session("ring-mlp", threads=threads)


def test_curves_stay_short_and_true(session):
    frame = session.run(700)
    assert 128 <= len(frame.g_curve) < 256
    assert np.all(np.diff(frame.g_curve[:, 0]) > 0)
    assert frame.g_curve[0, 0] == pytest.approx(2.5)  # the mean of steps 1 to 4
    assert frame.g_curve[-1, 0] <= 700


class held:
    """Another thread works on the session."""

    def __init__(self, session):
        self.lock, self.taken, self.done = session._lock, threading.Event(), threading.Event()

    def hold(self):
        with self.lock:
            self.taken.set()
            self.done.wait()

    def __enter__(self):
        self.thread = threading.Thread(target=self.hold)
        self.thread.start()
        self.taken.wait()

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()


def in_thread(work):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
