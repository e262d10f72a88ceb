"""The lab's session: one training loop, steered between its steps."""

import runpy
import threading
import time

import numpy as np
import pytest
import torch

from gan_tutorial.data import Dataset
from gan_tutorial.errors import DivergedError, InputError
from gan_tutorial.live.frame import GRID, IMAGES, LAYERS, POINTS, REAL_IMAGES, View
from gan_tutorial.live.many import StabilityMap
from gan_tutorial.live.session import FOLDED, Session
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


def interrupted_at(session, step, monkeypatch):
    """A run that Ctrl-C ends after some step."""
    whole = session.trainer.algorithm.step

    def until(draw):
        if session.trainer.step == step:
            raise KeyboardInterrupt
        return whole(draw)

    with monkeypatch.context() as patched:
        patched.setattr(session.trainer.algorithm, "step", until)
        with pytest.raises(KeyboardInterrupt):
            session.run(500)


def test_every_moment_is_within_reach_after_an_interrupted_branch(session, monkeypatch):
    session.run(160)
    session.go(1)
    interrupted_at(session, 60, monkeypatch)
    assert (session.trainer.step, session.state) == (60, "paused")
    session.set("lr_g", 0.01)
    for index in (3, 0, 2):
        steps = session.history.steps
        assert session.go(index).step == steps[index]


def test_an_interrupted_run_is_saved_and_pinned_as_it_is(session, monkeypatch):
    interrupted_at(session, 60, monkeypatch)
    other = Session(SMALL)
    assert other.load(session.save()).step == 60
    session.pin()
    assert session.pinned.frames[-1].step == 60
    for run in (session, other):
        run.run(3)
    assert torch.equal(weights(session.trainer), weights(other.trainer))


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
    with pytest.raises(InputError, match="points or images"):
        Session("ring-mlp", dataset=waves)
    with pytest.raises(InputError, match="algorithm: 'cyclegan' is not allowed; expected one that makes images of lat"):
        Session(recipe("cyclegan-digits", model__g_width=4, model__d_width=4, model__blocks=1))


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


# -- a new run --------------------------------------------------------------------------------------------------------
SMALL = recipe("ring-mlp", batch_size=16, model__g_width=8, model__d_width=8)
DIGITS = recipe("dcgan-digits8", batch_size=16, model__g_width=8, model__d_width=8)
HEART = [[0.1 * i, (0.1 * i) ** 2] for i in range(-10, 11)]


def tensors(session):
    return {name: t.clone() for name, t in session.trainer.snapshot().tensors.items()}


def assert_same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


def played(text, folder):
    (folder / "run.py").write_text(text)
    return runpy.run_path(str(folder / "run.py"))


def test_rebuild_begins_what_a_new_session_would(tmp_path):
    session = Session(SMALL)
    session.run(5)
    session.set("lr_g", 0.004)
    frame = session.rebuild(data="spiral", noise="uniform", z_dim=1, g_width=14, d_depth=3, seed=8)
    assert (frame.step, session.state, session.seed, session.history.steps) == (0, "idle", 8, [0])
    wanted = {"data": "spiral", "noise": "uniform", "model.z_dim": 1, "model.g_width": 14, "model.d_depth": 3}
    twin = Session(SMALL.with_changes({**wanted, "lr_g": 0.004}), seed=8)
    for run in (session, twin):
        run.run(10)
    assert_same(tensors(session), tensors(twin))
    assert session.script() == twin.script()
    for text in (session.script(), session.package_code()):
        samples = played(text, tmp_path)["samples"]
        assert torch.equal(samples, session.trainer.sample(len(samples)))


def test_what_is_not_named_stays():
    session = Session(SMALL, seed=6)
    session.rebuild(z_dim=1)
    session.rebuild(data="line")
    session.rebuild(noise="uniform")
    session.rebuild()
    recipe = session.trainer.recipe
    assert (recipe.model_options["z_dim"], recipe.data, recipe.noise, session.seed) == (1, "line", "uniform", 6)
    assert session.trainer.dataset.name == "line"


def test_images_are_rebuilt_with_other_images_only():
    session = Session(DIGITS)
    assert session.rebuild(data="avatars").real.shape[1:] == (16, 16, 3)
    assert session.rebuild(data="mnist").real.shape[1:] == (32, 32, 1)
    assert session.rebuild(data="ring-8") is None
    assert session.message.startswith("data: 'ring-8' is not known; ")
    assert "avatars" in session.message
    assert session.draw(HEART) is None
    assert session.message == "draw: 'images' is not allowed; expected a lab on points in the plane"


WRONG = [
    ({"data": "digits8"}, "data: 'digits8' is not known; "),
    ({"data": "spirals"}, "data: 'spirals' is not known; did you mean 'spiral'?"),
    ({"data": None}, "data: None is not known; "),
    ({"data": ["line"]}, "data: ['line'] is not known; "),
    ({"data": "folder:/nowhere"}, "data: 'folder:/nowhere' is not known; "),
    ({"what": 1}, "name: 'what' is not known; "),
    ({"lr_g": 0.1}, "name: 'lr_g' is not known; "),
    ({"steps": 5}, "name: 'steps' is not known; "),
    ({"noise": "pink"}, "noise: 'pink' is not allowed; "),
    ({"noise": 3}, "noise: 3 is not allowed; "),
    ({"z_dim": 0}, "z_dim: 0 is not allowed; "),
    ({"z_dim": "two"}, "z_dim: 'two' is not allowed; "),
    ({"g_width": 1.5}, "g_width: 1.5 is not allowed; "),
    ({"g_depth": 17}, "g_depth: 17 is not allowed; "),
    ({"d_width": None}, "d_width: None is not allowed; "),
    ({"seed": -1}, "seed: -1 is not allowed; "),
    ({"seed": 2**63}, f"seed: {2**63} is not allowed; "),
    ({"seed": "x"}, "seed: 'x' is not allowed; "),
    ({"data": "line", "z_dim": 1, "seed": 3, "d_depth": -1}, "d_depth: -1 is not allowed; "),
]


@pytest.mark.parametrize("playing", [False, True], ids=["paused", "playing"])
@pytest.mark.parametrize(("changes", "message"), WRONG, ids=[str(c) for c, _ in WRONG])
def test_what_can_not_be_rebuilt_is_told_and_changes_nothing(changes, message, playing):
    session = Session(SMALL, seed=6)
    session.run(3)
    if playing:
        session.play()
    before, was = {**vars(session), "message": ""}, tensors(session)
    assert session.rebuild(**changes) is None
    assert session.message.startswith(message)
    assert "\n" not in session.message
    assert {**vars(session), "message": ""} == before
    assert_same(tensors(session), was)
    assert session.history.steps == [0, 3]
    assert (session.tick(0) is None) != playing


def test_a_drawing_is_trained_on_and_kept_until_other_data_are_named(tmp_path):
    session = Session(SMALL)
    extent = session.look.extent
    assert session.draw(HEART).extent == extent  # the square that it was drawn in
    drawing = session.trainer.dataset
    assert drawing.name == "drawing"
    session.rebuild(z_dim=1)
    session.reset()
    assert session.trainer.dataset is drawing
    session.run(5)
    for text in (session.script(), session.package_code()):
        samples = played(text, tmp_path)["samples"]
        assert torch.equal(samples, session.trainer.sample(len(samples)))
    assert session.rebuild(data="nowhere") is None
    assert session.trainer.dataset is drawing
    assert session.rebuild(data="ring-8").modes[1] == 8
    assert session.rebuild(seed=1).modes[1] == 8


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([], "array: "),
        (None, "array: "),
        (5, "array: "),
        ("heart", "array: "),
        ([[1, 2, 3]], "array: "),
        ([[1, 2], [3]], "array: "),
        ([[0, float("nan")]], "array: "),
        ([[0, float("inf")]], "array: "),
        (np.zeros((501, 2)), "points: 501 is not allowed; expected at most 500 points"),
    ],
    ids=range(9),
)
def test_what_can_not_be_drawn_on_is_refused(points, message):
    session = Session(SMALL)
    session.run(2)
    session.play()
    was = tensors(session)
    assert session.draw(points) is None
    assert session.message.startswith(message)
    assert "\n" not in session.message
    assert (session.state, session.history.steps) == ("playing", [0, 2])
    assert_same(tensors(session), was)


@pytest.mark.parametrize("points", [[[0, 0]], np.zeros((500, 2)), [[1e6, -1e6]], torch.ones(3, 2)], ids=range(4))
def test_extreme_drawings(points):
    session = Session(SMALL)
    frame = session.draw(points)
    assert np.abs(frame.real).max() <= frame.extent
    assert session.run(3).step == 3


def test_an_unforeseen_error_in_the_middle_leaves_the_old_run_whole(monkeypatch):
    session = Session(SMALL)
    session.run(3)
    was = tensors(session)
    with monkeypatch.context() as broken:
        broken.setattr(session, "_remember", lambda: 1 / 0)
        broken.setattr("gan_tutorial.live.session.Look", lambda trainer: 1 / 0)
        session.rebuild(data="line")
    assert (session.state, session.message) == ("failed", "ZeroDivisionError: division by zero")
    assert_same(tensors(session), was)
    assert session.go(1).step == 3


# -- going back with other settings -----------------------------------------------------------------------------------
@pytest.mark.parametrize("made", [SMALL, DIGITS], ids=lambda made: made.name)
def test_a_branch_is_the_run_that_had_these_settings_from_the_start(made, tmp_path):
    session, twin = Session(made), Session(made)
    session.run(120)
    session.go(1)
    for run in (session, twin):
        if run is twin:
            run.run(50)
        run.configure(lr_g=0.004, n_critic=2, r1=0.1, optimizer="sgd")
        run.run(10)
        run.step_generator()
        run.run(10)
    assert_same(tensors(session), tensors(twin))
    assert session.events == twin.events
    for name in FOLDED:  # the others are measured now and then, as time allows
        assert np.array_equal(session.frame().series[name], twin.frame().series[name]), name
    samples = played(session.script(), tmp_path)["samples"]
    assert torch.equal(samples, session.trainer.sample(len(samples)))


def test_classes_are_those_of_the_moment():
    session = Session(DIGITS)
    first = session.frame().classes
    session.run(5)
    session.look.classes = np.zeros((2, 10))  # as if there were other ones now
    assert np.array_equal(session.go(0).classes, first)


def test_gradient_norms_are_those_of_updates_of_this_step_only(session):
    session.step_discriminator()
    assert "g_norm" not in session.frame().metrics
    session.run(1)
    session.step_generator()
    series = session.frame().series
    assert series["d_norm"][:, 0].tolist() == [1, 2]
    assert series["g_norm"][:, 0].tolist() == [2, 3]


# -- looking ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("made", [SMALL, DIGITS], ids=lambda made: made.name)
def test_looking_saving_and_pinning_change_nothing(made):
    session, alone = Session(made), Session(made)
    session.view = View(LAYERS, walk=0.5, sample=1)
    for run in (session, alone):
        run.run(60)
    state, frame = {**vars(session)}, session.frame()
    seen = {name: t.clone() for name, t in session.trainer.algorithm.seen.items()}
    session.frames([0, 1, 2])
    session.save()
    session.pin()
    session.script()
    session.look.measure()
    for name in ("trainer", "look", "history", "events", "view", "state", "message", "details", "findings", "seed"):
        assert vars(session)[name] == state[name], name
    assert_same(session.trainer.algorithm.seen, seen)
    again = session.frame()
    for name, curve in frame.series.items():
        assert np.array_equal(again.series[name], curve)
    assert np.array_equal(again.logits[0], frame.logits[0])
    for run in (session, alone):
        run.run(5)
    assert_same(tensors(session), tensors(alone))
    assert session.history.steps == alone.history.steps


def test_a_pinned_run_stays_as_it_was(session):
    session.run(120)
    session.pin()
    pinned = session.pinned
    assert [frame.step for frame in pinned.frames] == [0, 50, 100, 120]
    assert pinned.frames[0].heat is not None
    assert pinned.frames[0].manifold is not None
    kept = [(frame.fake.copy(), frame.heat.copy(), dict(frame.metrics)) for frame in pinned.frames]
    assert session.differences == []
    session.set("lr_g", 0.004)
    session.run(10)
    assert session.differences == [("lr_g", 1e-3, 0.004)]
    session.rebuild(data="line", seed=4, z_dim=1)
    assert {name: (then, now) for name, then, now in session.differences} == {
        "data": ("ring-8", "line"),
        "seed": (3, 4),
        "z_dim": (2, 1),
        "lr_g": (1e-3, 0.004),
    }
    session.run(5)
    assert session.pinned is pinned
    assert pinned.look.data.name == "ring-8"
    for frame, (fake, heat, metrics) in zip(pinned.frames, kept, strict=True):
        assert np.array_equal(frame.fake, fake)
        assert np.array_equal(frame.heat, heat)
        assert frame.metrics == metrics
    session.unpin()
    assert (session.pinned, session.differences) == (None, [])


# -- a stability map --------------------------------------------------------------------------------------------------
X, Y = ("lr_g", [1e-3, 3e-3]), ("n_critic", [1, 2])


def test_a_map_s_ticks_are_its_run_and_leave_the_lab_s_alone():
    session = Session(SMALL, seed=2)
    session.set("lr_d", 2e-3)
    session.run(3)
    was = tensors(session)
    session.play()
    session.begin_map(X, Y)
    assert (session.state, session.message) == ("paused", "")
    for _ in range(5):
        assert session.tick_map(0)
    bare = StabilityMap(SMALL.with_changes({"lr_d": 2e-3}), x=X, y=Y, seed=2)
    list(bare.run(5))
    assert session.map.step == 5
    assert torch.equal(session.map.samples(50), bare.samples(50))
    assert_same(tensors(session), was)
    session.close_map()
    assert session.map is None
    assert session.tick_map(0) is False
    assert session.run(1).step == 4


def test_a_cell_is_its_recipe_s_run_up_to_the_map_s_step():
    session = Session(SMALL, seed=2)
    session.begin_map(X, Y)
    for _ in range(7):
        session.tick_map(0)
    recipe = session.map.recipe(1, 0)
    frame = session.open_cell(1, 0)
    assert (frame.step, session.map, session.state) == (0, None, "playing")
    assert (session.trainer.settings.n_critic, session.trainer.settings.lr_g) == (2, 1e-3)
    while session.state == "playing":
        session.tick(0.01)
    assert (session.trainer.step, session.state) == (7, "paused")
    lone = Trainer(recipe, seed=2, device="cpu")
    list(lone.run(7))
    assert torch.equal(weights(session.trainer), weights(lone))
    session.play()
    assert session.tick(0).step == 8  # and on as any other run


def test_a_cell_of_a_map_that_has_not_begun_does_not_play_by_itself():
    session = Session(SMALL)
    session.begin_map(X, Y)
    assert session.open_cell(0, 1).step == 0
    assert session.state == "idle"


def test_a_new_run_closes_the_map():
    session = Session(SMALL)
    for begin in (session.reset, lambda: session.draw(HEART), lambda: session.rebuild(data="ring-8")):
        session.rebuild(data="grid-25")
        session.begin_map(X, Y)
        assert session.map is not None
        assert session.rebuild(data="nowhere") is None
        assert session.map is not None  # refused, so nothing changes
        begin()
        assert session.map is None


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (X, X, "y: 'lr_g' is not allowed; expected another setting than x"),
        (X, ("speed", [1]), "setting: 'speed' is not known; "),
        (("lr_g", [-1]), Y, "lr_g: -1.0 is not allowed; "),
        (None, None, "x: None is not allowed; "),
    ],
)
def test_maps_that_can_not_be(x, y, message):
    session = Session(SMALL)
    session.begin_map(x, y)
    assert session.message.startswith(message)
    assert session.map is None
    with pytest.raises(InputError, match=r"^map: None is not allowed; expected an open map"):
        session.open_cell(0, 0)


def test_wrong_cells_and_data_without_modes_are_refused():
    session = Session(SMALL)
    session.begin_map(X, Y)
    assert session.open_cell(2, 0) is None
    assert session.message.startswith("i: 2 is not allowed; ")
    assert session.map is not None
    for begin in (lambda: session.rebuild(data="spiral"), lambda: session.draw(HEART)):
        begin()
        session.begin_map(X, Y)
        assert session.map is None
        assert "has no modes to count" in session.message
    images = Session(DIGITS)
    images.begin_map(X, Y)
    assert images.message.startswith("recipe: 'dcgan-digits8' is not allowed; ")


# -- states and threads -----------------------------------------------------------------------------------------------
def test_play_until(session):
    session.play(until=7)
    while session.state == "playing":
        session.tick(0.02)
    assert (session.trainer.step, session.state) == (7, "paused")
    session.play(until=7)  # not to come any more
    session.tick(0)
    session.tick(0)
    assert (session.trainer.step, session.state) == (9, "playing")
    session.play()  # changes nothing
    session.pause()
    session.play(until=11)
    session.pause()
    session.play()
    for _ in range(4):
        session.tick(0)
    assert session.trainer.step == 13


def test_a_divergence_is_a_finding_and_only_a_new_run_or_an_old_moment_helps(session):
    session.run(10)
    content = session.save()
    for way_out in (
        session.reset,
        lambda: session.rebuild(z_dim=1),
        lambda: session.draw(HEART),
        lambda: session.load(content),
        lambda: session.go(0),
        lambda: session.start("ring-8"),
    ):
        session.load(content)
        diverge(session)
        session.step()
        assert session.state == "failed"
        assert session.message.startswith("step 11: ")
        assert "\n" not in session.message
        assert [finding.name for finding in session.findings] == ["divergence"]
        assert session.findings[0].since == 11
        assert session.details == ""
        session.play()
        session.pause()
        assert session.tick(0) is session.step() is session.step_generator() is None
        assert session.slow() == []
        assert session.state == "failed"
        assert np.isnan(session.frame().fake).any()
        assert way_out() is not None
        assert (session.state, session.message) in (("idle", ""), ("paused", ""))
        assert "divergence" not in [finding.name for finding in session.findings]
        assert session.step() is not None


def test_details_hold_the_traceback_of_what_nobody_foresaw_until_it_is_over(session, monkeypatch):
    def broken(draw):
        raise RuntimeError("first line\nsecond line")

    session.run(2)
    with monkeypatch.context() as patched:
        patched.setattr(session.trainer.algorithm, "step", broken)
        assert session.step() is None
    assert (session.state, session.message) == ("failed", "RuntimeError: first line")
    assert "Traceback" in session.details
    assert "second line" in session.details
    assert "in broken" in session.details
    session.go(1)
    assert (session.state, session.message, session.details) == ("paused", "", "")
    session.details = "old"
    session.reset()
    assert session.details == ""


def test_a_wrong_setting_of_any_kind_does_not_stop_the_training(session):
    session.play()
    for name, value in ((5, 1), ("loss", []), ("lr_g", {}), ("n_critic", None), ("", 0)):
        with held(session):
            session.set(name, value)
        assert session.tick(0) is not None
        assert session.state == "playing"
        assert session.message
        assert "\n" not in session.message


def test_commands_from_several_threads(session):
    session.play()
    errors, going = [], threading.Event()

    def steer(work):
        try:
            going.wait()
            for i in range(15):
                work(i)
        except Exception as error:
            errors.append(error)

    works = [
        lambda i: session.tick(0.002),
        lambda i: session.tick(0),
        lambda i: session.set("lr_g", 1e-3 + i * 1e-5),
        lambda i: session.set("nothing", i),
        lambda i: session.frame(),
        lambda i: session.play() if i % 2 else session.pause(),
        lambda i: session.go(0) if i % 5 == 0 else session.step(),
        lambda i: session.rebuild(seed=i, z_dim=1 + i % 2) if i % 5 == 1 else session.save(),
        lambda i: (session.begin_map(X, Y), session.tick_map(0), session.close_map()) if i % 7 == 3 else session.pin(),
    ]
    threads = [threading.Thread(target=steer, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    going.set()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive()
    assert errors == []
    assert session.state in ("idle", "paused", "playing")
    assert session._pending == {}
    steps = session.history.steps
    assert steps == sorted(set(steps))
    session.pause()
    twin = Session(session.trainer.recipe, seed=session.seed)
    twin.load(session.save())
    for run in (session, twin):
        run.run(3)
    assert_same(tensors(session), tensors(twin))


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
