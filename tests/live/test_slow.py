"""Slow motion: the same step as any other, and what is told of it is true."""

import math

import numpy as np
import pytest
import torch

from gan_tutorial import losses
from gan_tutorial.live.frame import LAYERS, Look, View
from gan_tutorial.live.session import Session
from gan_tutorial.live.slow import ORDER, tell
from gan_tutorial.training import Trainer, recipe

RING = recipe("ring-mlp", batch_size=32, model__g_width=16, model__d_width=16)
DIGITS = recipe("dcgan-digits8", batch_size=16, model__g_width=8, model__d_width=8)
AVATARS = recipe("dcgan-avatars", batch_size=8, model__z_dim=8, model__g_width=4, model__d_width=4)  # BatchNorm in D
PENALTIES = {"gradient_penalty": 1.0, "zero_gradient_penalty": 0.3, "r1": 0.1, "r2": 0.2}
SETTINGS = {
    "plain": {},
    "many": {"n_critic": 3, "g_steps": 2},
    "penalties": {**PENALTIES, "n_critic": 2, "penalty_every": 2},
    "paired": {"loss": "relativistic", "n_critic": 2, "g_steps": 2},
    "paired and penalised": {"loss": "relativistic", **PENALTIES},
    "descent": {"optimizer": "sgd", "lr_g": 0.1, "lr_d": 0.1, "n_critic": 2},
    "G alone": {"n_critic": 0, "g_steps": 2},
    "G alone, paired": {"n_critic": 0, "loss": "relativistic"},
    "D alone": {"g_steps": 0, "n_critic": 2},
    "uniform": {"noise": "uniform", "ema": 0.9},
}
ALL = View(LAYERS, walk=0.2, sample=1)


def tensors(trainer):
    return {name: t.clone() for name, t in trainer.snapshot().tensors.items()}


def assert_same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


def pair(made, dataset=None):
    return [Trainer(made, seed=2, device="cpu", dataset=dataset) for _ in range(2)]


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("made", [RING, DIGITS, AVATARS], ids=lambda made: made.name)
def test_a_slow_step_is_a_step(made, settings):
    if made is AVATARS and "penal" in settings:
        settings = "paired"  # a penalty does not go with BatchNorm in D
    slow, fast = pair(made.with_changes(SETTINGS[settings]))
    look = Look(slow)
    for _ in range(3):
        metrics, parts = tell(slow, lambda: look.frame(ALL, {}))
        plain = next(fast.run(1))
        assert metrics.pop("step") == plain.pop("step")
        assert_same(metrics, plain)
        assert_same(tensors(slow), tensors(fast))
        for role in slow.networks:
            for a, b in zip(slow.networks[role].parameters(), fast.networks[role].parameters(), strict=True):
                assert (a.grad is None) == (b.grad is None)
                assert a.grad is None or torch.equal(a.grad, b.grad)
        assert all(np.isfinite(list(part.numbers.values())).all() for part in parts)
    s = slow.settings
    expected = [("discriminator", u + 1, name) for u in range(s.n_critic) for name in ORDER]
    expected += [("generator", u + 1, name) for u in range(s.g_steps) for name in ORDER]
    assert [(part.network, part.update, part.name) for part in parts] == expected
    for net in slow.networks.values():
        assert not net._forward_hooks


@pytest.mark.parametrize("settings", ["plain", "many", "paired", "penalties"])
@pytest.mark.parametrize("made", [RING, AVATARS], ids=lambda made: made.name)
def test_what_is_told_is_what_happened(made, settings):
    if made is AVATARS and settings == "penalties":
        settings = "many"
    made = made.with_changes(SETTINGS[settings])
    trainer, other = pair(made)
    look = Look(trainer)
    metrics, parts = tell(trainer, lambda: look.frame(ALL, {}))
    of, real = losses.get(made.settings.loss), next(other.stream).x
    told = {part.name: part for part in parts[: len(ORDER)]}  # the first update: the twin has its weights still
    assert told["sample"].latents.shape == (made.batch_size, trainer.algorithm.z_dim)
    assert told["sample"].numbers == {"n": made.batch_size, "dims": trainer.algorithm.z_dim}
    assert torch.equal(told["generate"].real, real)
    with torch.no_grad():
        fake = other.networks["generator"](told["sample"].latents)
        logits = other.algorithm.judge(real, fake)
    assert torch.allclose(fake, told["generate"].fake, atol=1e-6)
    assert told["loss"].numbers["loss"] == pytest.approx(float(of.discriminator(*logits)), rel=1e-4, abs=1e-6)
    assert told["judge"].numbers["real_right"] == pytest.approx(float((logits[0] > 0).float().mean()))
    assert told["judge"].numbers["fake_right"] == pytest.approx(float((logits[1] < 0).float().mean()))
    last = {part.network: {} for part in parts}
    for part in parts:
        last[part.network] |= {part.name: part}
    assert last["discriminator"]["loss"].numbers["loss"] == pytest.approx(float(metrics["d_loss"]), rel=1e-5)
    assert last["generator"]["loss"].numbers["loss"] == pytest.approx(float(metrics["g_loss"]), rel=1e-5)
    assert last["discriminator"]["judge"].numbers["real_logit"] == pytest.approx(float(metrics["real_logit"]), abs=1e-5)
    for role, net in trainer.networks.items():
        norm = torch.stack([p.grad.norm() for p in net.parameters()]).norm()
        assert last[role]["gradient"].numbers["norm"] == pytest.approx(float(norm), rel=1e-5)
        rate = made.settings.lr_d if role == "discriminator" else made.settings.lr_g
        assert last[role]["update"].numbers["lr"] == rate
        assert last[role]["update"].numbers["change"] > 0


def test_the_change_is_how_far_the_weights_went():
    made = RING.with_changes({"optimizer": "sgd", "lr_g": 0.3, "lr_d": 0.2})
    trainer, _ = pair(made)
    look = Look(trainer)
    _, parts = tell(trainer, lambda: look.frame(View(()), {}))
    norm = {part.network: part.numbers["norm"] for part in parts if part.name == "gradient"}
    moved = {part.network: part.numbers["change"] for part in parts if part.name == "update"}
    assert moved["discriminator"] == pytest.approx(0.2 * norm["discriminator"], rel=1e-3)
    assert moved["generator"] == pytest.approx(0.3 * norm["generator"], rel=1e-3)


def test_frames_show_each_update_by_itself():
    session = Session(RING.with_changes({"n_critic": 2}), seed=2)
    session.view = ALL
    session.run(3)
    before = session.frame()
    parts = session.slow()
    after = session.frame()
    frames = [part.frame for part in parts if part.name == "update"]
    assert all(part.frame is None for part in parts if part.name != "update")
    first, second, third = frames
    assert np.array_equal(first.fake, before.fake)  # an update of D leaves G
    assert np.array_equal(second.fake, before.fake)
    assert not np.array_equal(first.heat, before.heat)
    assert not np.array_equal(second.heat, first.heat)
    assert not np.array_equal(third.fake, before.fake)  # and G's, G
    for name in ("fake", "manifold", "arrows"):
        assert np.array_equal(getattr(third, name), getattr(after, name)), name
    assert (after.step, session.state) == (4, "paused")


def test_a_session_s_slow_steps_are_part_of_its_run():
    slow, fast = Session(RING, seed=2), Session(RING, seed=2)
    for session, step in ((slow, slow.slow), (fast, fast.step)):
        session.run(3)
        session.set("lr_g", 0.01)
        for _ in range(4):
            step()
        session.run(2)
    assert_same(tensors(slow.trainer), tensors(fast.trainer))
    for name, curve in fast.frame().series.items():
        assert np.array_equal(slow.frame().series[name], curve), name
    assert slow.history.steps == fast.history.steps
    assert slow.script() == fast.script()


def test_a_playing_session_pauses_and_a_failed_one_tells_nothing():
    session = Session(RING)
    session.play()
    assert len(session.slow()) == 2 * len(ORDER)
    assert session.state == "paused"
    with torch.no_grad():
        next(session.trainer.networks["generator"].parameters()).fill_(math.nan)
    assert session.slow() == []
    assert session.state == "failed"
    assert session.message.startswith("step 2: ")
    assert session.slow() == []
    for net in session.trainer.networks.values():
        assert not net._forward_hooks
    assert session.reset().step == 0
    assert len(session.slow()) == 2 * len(ORDER)


def test_other_trainings_are_not_listened_to(monkeypatch):
    trainer, other = pair(RING)
    look, step = Look(trainer), trainer.algorithm.step
    monkeypatch.setattr(trainer.algorithm, "step", lambda draw: (next(other.run(1)), step(draw))[1])
    _, parts = tell(trainer, lambda: look.frame(View(()), {}))
    assert len(parts) == 2 * len(ORDER)
