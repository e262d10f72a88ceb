"""Runs in files: loading goes on bit for bit, and what is no such file is refused and changes nothing."""

import json
import random
import runpy

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from gan_tutorial.data import Dataset
from gan_tutorial.errors import InputError
from gan_tutorial.live import saved
from gan_tutorial.live.session import Session
from gan_tutorial.training import recipe

TINY = {"model__g_width": 8, "model__d_width": 8, "model__g_depth": 1, "model__d_depth": 1}
RING = recipe("ring-mlp", batch_size=16, **TINY)
DIGITS = recipe("dcgan-digits8", batch_size=16, model__g_width=8, model__d_width=8)
HEART = [[0.1 * i, (0.1 * i) ** 2] for i in range(-10, 11)]


def tensors(session):
    return {name: t.clone() for name, t in session.trainer.snapshot().tensors.items()}


def assert_same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


def lively(made, drawing=False):
    session = Session(made, seed=4)
    if drawing:
        session.draw(HEART)
    session.run(60)
    session.set("lr_g", 0.004)
    session.step_discriminator()
    session.run(30)
    session.configure(loss="hinge", n_critic=2)
    session.step_generator()
    return session


@pytest.mark.parametrize(("made", "drawing"), [(RING, False), (RING, True), (DIGITS, False)], ids=["ring", "own", "8"])
def test_a_loaded_run_goes_on_as_if_it_had_never_been_saved(made, drawing, tmp_path):
    session = lively(made, drawing)
    before, seen = tensors(session), session.frame()
    content = session.save()
    assert_same(tensors(session), before)
    other = Session(RING, seed=9)
    other.run(2)
    frame = other.load(content)
    assert (frame.step, other.state, other.message, other.seed) == (92, "paused", "", 4)
    assert other.trainer.settings == session.trainer.settings
    assert other.history.steps == session.history.steps
    assert other.events == session.events
    assert frame.extent == seen.extent
    assert np.array_equal(frame.real, seen.real)
    assert np.array_equal(frame.fake, seen.fake)
    for name, curve in seen.series.items():
        assert np.array_equal(frame.series[name], curve), name
    assert_same(tensors(other), before)
    for run in (session, other):
        run.run(20)
        run.set("r1", 0.5)
        run.slow()
        run.run(20)
    assert_same(tensors(other), tensors(session))
    code = tmp_path / "run.py"
    code.write_text(other.script())
    assert other.script() == session.script()
    script = runpy.run_path(str(code))
    assert torch.equal(script["samples"], session.trainer.sample(len(script["samples"])))
    for run in (session, other):
        run.go(1)
        run.run(5)
    assert_same(tensors(other), tensors(session))
    session.reset()
    other.reset()
    assert_same(tensors(other), tensors(session))


def test_settings_since_the_last_step_are_saved_too():
    for steps in (0, 10):
        session, other = Session(RING), Session(RING)
        if steps:
            session.run(steps)
        session.set("lr_g", 0.05)
        other.load(session.save())
        assert other.trainer.settings.lr_g == 0.05
        session.run(5)
        other.run(5)
        assert_same(tensors(other), tensors(session))
        assert other.script() == session.script()


def test_a_run_is_saved_where_it_is_and_loses_nothing():
    session = lively(RING)
    session.go(1)
    steps = session.history.steps
    other = Session(RING)
    other.load(session.save())
    assert session.history.steps == steps
    assert (other.trainer.step, other.history.steps) == (50, [0, 50])
    assert_same(tensors(other), tensors(session))


def test_a_failed_run_is_saved_up_to_its_last_good_moment():
    session = lively(RING)
    with torch.no_grad():
        next(session.trainer.networks["generator"].parameters()).fill_(torch.nan)
    session.step()
    assert session.state == "failed"
    other = Session(RING)
    assert other.load(session.save()).step == 92
    assert all(t.isfinite().all() for t in tensors(other).values() if t.is_floating_point())


def test_a_file_stays_small_and_keeps_the_present(monkeypatch):
    session = Session(RING)
    session.run(1000)
    monkeypatch.setattr(saved, "LIMIT", 5 * session.history[0].nbytes + 5000)
    content = session.save()
    assert len(content) < 10 * session.history[-1].nbytes + 200_000
    other = Session(RING)
    assert other.load(content).step == 1000
    assert 2 <= len(other.history) < len(session.history)
    assert other.history.steps[0] == 0
    monkeypatch.setattr(saved, "LIMIT", 0)
    assert Session(RING).load(session.save()).step == 1000


def test_data_of_one_s_own_that_are_no_drawing_are_refused():
    session = Session(RING, dataset=Dataset.from_tensor(torch.randn(50, 2)))
    with pytest.raises(InputError, match=r"^dataset: .* is not allowed; expected the recipe's data or a drawing"):
        session.save()


# -- what is no such file ---------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def content():
    session = Session(RING)
    session.run(60)
    return session.save()


@pytest.fixture(scope="module")
def victim():
    session = Session(RING, seed=5)
    session.run(3)
    session.set("lr_g", 0.01)
    return session


def refused(session, content):
    """Loading is refused in one line, and afterwards the session is what it was."""
    with pytest.raises(InputError) as caught:
        saved.loads(content)
    assert "\n" not in str(caught.value)
    unharmed(session, content)


def unharmed(session, content):
    before = {**vars(session), "message": ""}
    was, steps, position = tensors(session), session.history.steps, session.history.position
    events, settings = list(session.events), session.trainer.settings
    assert session.load(content) is None
    assert session.message.startswith("file: ")
    assert "\n" not in session.message
    assert {**vars(session), "message": ""} == before
    assert (session.history.steps, session.history.position) == (steps, position)
    assert (session.events, session.trainer.settings) == (events, settings)
    assert_same(tensors(session), was)


def test_damaged_files_are_refused(content, victim):
    chance = random.Random(0)
    header = 8 + int.from_bytes(content[:8], "little")
    for end in (8, header, header, len(content)):
        for _ in range(75):
            damaged = bytearray(content)
            damaged[chance.randrange(end)] ^= 1 << chance.randrange(8)
            refused(victim, bytes(damaged))
    for _ in range(50):
        refused(victim, content[: chance.randrange(len(content))])
    refused(victim, content + b"more")
    victim.run(2)


@pytest.mark.parametrize(
    "foreign",
    [
        b"",
        b"PK\x03\x04 a zip file",
        b"\xff" * 100,
        (2**63).to_bytes(8, "little") + b"{}",
        (2**40).to_bytes(8, "little") + b'{"__metadata__": {}}',
        (2).to_bytes(8, "little") + b"{}",
        (4).to_bytes(8, "little") + b"null",
        (100_000).to_bytes(8, "little") + b"[" * 100_000,
        save({"weight": torch.zeros(3)}),
        save({"weight": torch.zeros(3)}, {"format": "pt"}),
        save({}, {"format": saved.FORMAT, "run": "{}", "sha256": ""}),
        None,
        5,
        "text",
        [1],
    ],
    ids=range(15),
)
def test_foreign_files_are_refused(foreign, victim):
    refused(victim, foreign)


def forged(content, change):
    """The file with its run changed, and whole in itself."""
    size = int.from_bytes(content[:8], "little")
    run = json.loads(json.loads(content[8 : 8 + size])["__metadata__"]["run"])
    found = load(content)
    change(run, found)
    text = json.dumps(run)
    return save(found, {"format": saved.FORMAT, "run": text, "sha256": saved._digest(text, found)})


def drop(run, found):
    del found["1/network.generator.layers.0.bias"]


def reshape(run, found):
    found["0/network.discriminator.layers.0.weight"] = torch.zeros(3, 3)


@pytest.mark.parametrize(
    "change",
    [
        drop,
        reshape,
        lambda run, found: run.update(moments=[]),
        lambda run, found: run.update(seed=-1),
        lambda run, found: run.update(seed=float("inf")),
        lambda run, found: run["recipe"].update(model="transformer"),
        lambda run, found: run["recipe"].update(data="spirals"),
        lambda run, found: run["recipe"]["model_options"].update(g_width=-3),
        lambda run, found: run["recipe"]["model_options"].update(g_width=9),
        lambda run, found: run["recipe"]["settings"].update(lr_g=-1),
        lambda run, found: run["moments"][0]["plain"]["settings"].update(loss="nonsense"),
        lambda run, found: run["moments"][1]["plain"].pop("settings"),
        lambda run, found: run["moments"][0]["beside"].pop("curves"),
        lambda run, found: run["moments"][0]["beside"].update(events=[{"what": 1}]),
        lambda run, found: found.update({"0/algorithm.rng": torch.zeros(3, dtype=torch.uint8)}),
        lambda run, found: run.update(drawing={"jitter": -1, "extent": 1}),
    ],
    ids=range(16),
)
def test_forged_files_are_refused(change, content, victim):
    damaged = forged(content, change)
    before = tensors(victim)
    assert victim.load(damaged) is None
    assert victim.message
    assert "\n" not in victim.message
    assert victim.state == "paused"
    assert_same(tensors(victim), before)
    victim.run(1)
    assert Session(RING).load(forged(content, lambda run, found: None)).step == 60


def test_a_refusal_does_not_stop_a_playing_session(content):
    session = Session(RING)
    session.play()
    session.tick(0)
    assert session.load(content[:-1]) is None
    assert session.state == "playing"
    assert session.tick(0).step == 2
    assert session.load(content).step == 60
    assert session.state == "paused"


# -- the runs that come with the package ------------------------------------------------------------------------------
def test_starts_are_told_apart_and_an_unknown_one_is_refused():
    assert saved.starts()
    with pytest.raises(InputError, match=r"^start: 'ring8' is not known; did you mean 'ring-8'\?"):
        saved.start("ring8")
    with pytest.raises(InputError, match=r"^start: '\.\./lab' is not known"):
        Session(RING).start("../lab")


@pytest.mark.parametrize("name", saved.starts())
def test_every_start_can_be_gone_on_from(name):
    session = Session(RING)
    frame = session.start(name)
    assert frame is not None, session.message
    assert frame.step == session.trainer.step > 0
    session.step()
    assert (session.state, session.message) == ("paused", "")
