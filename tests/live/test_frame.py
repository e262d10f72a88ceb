"""What a frame holds is true, and looking changes nothing."""

import math
from dataclasses import fields

import numpy as np
import pytest
import torch

from gan_tutorial import data, losses
from gan_tutorial.data import Dataset
from gan_tutorial.errors import InputError
from gan_tutorial.live.frame import IMAGES, LAYERS, LINE, MESH, NEIGHBOURS, POINTS, Curve, Look, View
from gan_tutorial.losses import LOSSES
from gan_tutorial.plots import to_uint8
from gan_tutorial.training import Trainer, recipe

RING = recipe("ring-mlp", batch_size=32, model__g_width=16, model__d_width=16)
DIGITS = recipe("dcgan-digits8", batch_size=16, model__g_width=8, model__d_width=8)
AVATARS = recipe("dcgan-avatars", batch_size=8, model__z_dim=8, model__g_width=4, model__d_width=4)  # BatchNorm in D
EVERYTHING = View(LAYERS, walk=0.3, sample=4)


def trained(made, steps=5, dataset=None):
    trainer = Trainer(made, seed=3, device="cpu", dataset=dataset)
    for _ in range(steps):
        next(trainer.run(1))
    return trainer


def state(trainer):
    """All that training goes on from: also gradients, modes of layers and the process's own random numbers."""
    tensors = {name: t.clone() for name, t in trainer.snapshot().tensors.items()}
    for role, net in trainer.networks.items():
        for name, p in net.named_parameters():
            tensors[f"grad.{role}.{name}"] = torch.zeros(()) if p.grad is None else p.grad.clone()
            tensors[f"trains.{role}.{name}"] = torch.tensor(p.requires_grad)
        for name, module in net.named_modules():
            tensors[f"mode.{role}.{name}"] = torch.tensor(module.training)
    return {**tensors, "torch": torch.get_rng_state()}


def assert_same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


@pytest.mark.parametrize("made", [RING, DIGITS, AVATARS], ids=lambda made: made.name)
@pytest.mark.parametrize(("loss", "steps"), [("non-saturating", 0), ("non-saturating", 5), ("relativistic", 5)])
def test_looking_changes_nothing(made, loss, steps):
    made = made.with_changes({"loss": loss})
    trainer, alone = trained(made, steps), trained(made, steps)
    before = state(trainer)
    look = Look(trainer)
    first, measured = look.frame(EVERYTHING, {}), look.measure()
    assert_same(state(trainer), before)
    again, measured_again = look.frame(EVERYTHING, {}), look.measure()
    assert np.array_equal(first.fake, again.fake)
    assert measured == measured_again
    for run in (trainer, alone):
        for _ in run.run(3):
            if run is trainer:
                look.frame(EVERYTHING, {})
                look.measure()
    assert_same(state(trainer), state(alone))


def test_a_frame_does_not_change_when_the_training_goes_on():
    trainer = trained(RING)
    frame = Look(trainer).frame(EVERYTHING, {})
    kept = {f.name: np.copy(v) for f in fields(frame) if isinstance(v := getattr(frame, f.name), np.ndarray)}
    logits, settings = [x.copy() for x in frame.logits], dict(frame.settings)
    trainer.configure(lr_g=0.5)
    for _ in trainer.run(3):
        pass
    assert {"real", "fake", "heat", "objective", "manifold", "arrows"} <= kept.keys()
    assert all(np.array_equal(getattr(frame, name), value) for name, value in kept.items())
    assert all(np.array_equal(a, b) for a, b in zip(frame.logits, logits, strict=True))
    assert frame.settings == settings


# -- arrows -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("loss", LOSSES)
def test_an_arrow_is_minus_the_slope_of_its_sample_s_own_loss(loss):
    trainer = trained(RING.with_changes({"loss": loss}), 20)
    look = Look(trainer)
    frame = look.frame(View(("arrows", "fake")), {})
    judge, of = trainer.networks["discriminator"].double(), losses.get(loss).generator
    x = torch.tensor(frame.fake, dtype=torch.float64)
    real = judge(look.real.double()).detach()

    def own(i, point):
        return float(of(real[i : i + 1], judge(point[None]).view(-1)).detach())

    eps, checked = 1e-5, 0
    for i in (0, 7, 100, POINTS - 1):
        for axis in (0, 1):
            step = torch.zeros(2, dtype=torch.float64)
            step[axis] = eps
            ahead, behind, here = own(i, x[i] + step), own(i, x[i] - step), own(i, x[i])
            if abs(ahead - 2 * here + behind) > 1e-8:  # a kink lies in between
                continue
            checked += 1
            assert frame.arrows[i, axis] == pytest.approx(-(ahead - behind) / (2 * eps), rel=1e-3, abs=1e-5)
    assert checked >= 4
    assert np.abs(frame.arrows).max() > 0


def test_arrows_move_samples_to_a_smaller_loss():
    trainer = trained(RING, 50)
    frame = Look(trainer).frame(View(("arrows",)), {})
    before, after = (
        trainer.networks["discriminator"](torch.tensor(frame.fake + step * frame.arrows)) for step in (0, 1e-2)
    )
    assert (torch.nn.functional.softplus(-after) <= torch.nn.functional.softplus(-before) + 1e-6).all()


@pytest.mark.parametrize("loss", ["relativistic", "wasserstein"])
def test_few_real_points_of_one_s_own(loss):
    few = Dataset.from_tensor(torch.randn(40, 2, generator=torch.Generator().manual_seed(0)))
    frame = Look(trained(RING.with_changes({"loss": loss}), dataset=few)).frame(EVERYTHING, {})
    assert frame.real.shape == (40, 2)
    assert frame.fake.shape == frame.arrows.shape == (POINTS, 2)
    assert np.isfinite(frame.arrows).all()


@pytest.mark.parametrize("n", [1, 7, 13, 14])
def test_very_few_points_are_not_measured_but_shown(n):
    dots = Dataset.from_tensor(torch.zeros(n, 2))
    look = Look(Trainer(RING.with_changes({"batch_size": 1}), device="cpu", dataset=dots))
    assert look.frame(EVERYTHING, {}).extent == look.extent > 0
    assert ("kl" in look.measure()) == ("kl" in look.floors) == (n == 14)


# -- the manifold -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("noise", ["normal", "uniform"])
@pytest.mark.parametrize(("z_dim", "shape"), [(1, (1, LINE)), (2, (MESH, MESH))])
def test_the_manifold_is_g_of_a_regular_grid(noise, z_dim, shape):
    trainer = trained(RING.with_changes({"noise": noise, "model.z_dim": z_dim}))
    look = Look(trainer)
    frame = look.frame(View(("manifold",)), {})
    assert look.mesh.shape == (*shape, z_dim)
    assert frame.manifold.shape == (*shape, 2)
    made = trainer.networks["generator"](look.mesh.view(-1, z_dim)).view(*shape, 2)
    assert np.allclose(frame.manifold, made.detach().numpy(), atol=1e-6)
    axes = [look.mesh[0, :, -1], *([look.mesh[:, 0, 0]] if z_dim == 2 else [])]
    for axis in axes:  # equal shares of the noise between two neighbours
        share = torch.special.ndtr(axis) if noise == "normal" else (axis + 1) / 2
        assert torch.allclose(share.diff(), share.diff().mean().expand(len(axis) - 1), atol=1e-5)
        ends = (0.01, 0.99) if noise == "normal" else (0, 1)
        assert (float(share[0]), float(share[-1])) == pytest.approx(ends, abs=1e-5)
    if z_dim == 2:
        assert (look.mesh[0, :, 0] == look.mesh[0, 0, 0]).all()


def test_no_manifold_for_more_than_two_latents_or_unless_asked():
    wide = Look(trained(RING.with_changes({"model.z_dim": 3})))
    assert wide.mesh is None
    assert wide.frame(EVERYTHING, {}).manifold is None
    assert Look(trained(RING)).frame(View(()), {}).manifold is None


def test_a_frame_holds_no_more_than_its_view():
    bare, full = (Look(trained(RING)).frame(view, {}) for view in (View(()), EVERYTHING))
    assert bare.heat is bare.manifold is bare.arrows is None
    assert full.walk is full.neighbours is None  # of images only
    assert np.array_equal(bare.fake, full.fake)
    digits = Look(trained(DIGITS)).frame(EVERYTHING, {})
    assert digits.heat is digits.manifold is digits.arrows is None


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"layers": ("head",)}, "layer: 'head' is not known; did you mean 'heat'?"),
        ({"walk": 1.5}, "walk: 1.5 is not allowed"),
        ({"walk": math.nan}, "walk: nan is not allowed"),
        ({"sample": IMAGES}, f"sample: {IMAGES} is not allowed"),
        ({"sample": -1}, "sample: -1 is not allowed"),
        ({"sample": 1.0}, "sample: 1.0 is not allowed"),
    ],
)
def test_views_are_checked(wrong, message):
    with pytest.raises(InputError) as caught:
        View(**wrong)
    assert str(caught.value).startswith(message)


# -- logits and losses ------------------------------------------------------------------------------------------------
def test_logits_are_those_of_the_frame_s_samples_before_the_first_batch_and_then_the_batch_s():
    trainer = Trainer(RING, device="cpu", seed=3)
    look = Look(trainer)
    real, fake = look.frame(View(()), {}).logits
    judge = trainer.networks["discriminator"]
    assert np.allclose(real, judge(look.real).detach(), atol=1e-6)
    assert np.allclose(fake, judge(trainer.sample(POINTS, z=look.latents)).detach(), atol=1e-6)
    metrics = next(trainer.run(1))
    real, fake = look.frame(View(()), {}).logits
    assert len(real) == len(fake) == RING.batch_size
    assert real.mean() == pytest.approx(float(metrics["real_logit"]))


@pytest.mark.parametrize("loss", LOSSES)
def test_the_objective_is_what_g_has_from_a_logit_and_its_slope(loss):
    look = Look(trained(RING.with_changes({"loss": loss})))
    frame = look.frame(View(()), {})
    logit, value, slope = torch.tensor(frame.objective)
    real = torch.tensor(frame.logits[0].mean())
    own = torch.stack([losses.get(loss).generator(real[None], at[None]) for at in logit])
    assert torch.allclose(value, own, atol=1e-5)
    inner = (value[2:] - value[:-2]) / (logit[2:] - logit[:-2])
    assert torch.allclose(slope[1:-1], inner, atol=0.01)
    assert logit[0] == -logit[-1]
    assert logit[-1] > np.abs(np.concatenate(frame.logits)).max()


def test_modes_are_covered_and_all():
    assert Look(trained(RING)).frame(View(()), {}).modes[1] == 8
    assert Look(trained(RING.with_changes({"data": "spiral"}))).frame(View(()), {}).modes is None


# -- measurements -----------------------------------------------------------------------------------------------------
def test_floors_are_near_the_known_values():
    floors = Look(trained(RING)).floors
    assert floors["kl"] == pytest.approx(0.03, abs=0.01)
    assert floors["js"] == pytest.approx(0.008, abs=0.003)
    assert (floors["precision"], floors["recall"]) == pytest.approx((0.96, 0.96), abs=0.02)
    assert floors["modes"] == 8
    assert floors["quality"] == pytest.approx(0.989, abs=0.01)  # within three standard deviations in the plane
    assert "modes" not in Look(trained(RING.with_changes({"data": "spiral"}))).floors


def test_real_samples_as_fakes_measure_as_the_floors_say(monkeypatch):
    trainer = trained(RING)
    look = Look(trainer)
    real = trainer.dataset.sample(1024, torch.Generator().manual_seed(5)).x
    monkeypatch.setattr(trainer, "sample", lambda n, **_: real[:n])
    found = look.measure()
    assert {name: found[name] for name in look.floors} == pytest.approx(look.floors, rel=0.4)
    monkeypatch.setattr(trainer, "sample", lambda n, **_: torch.zeros(n, 2))
    worst = look.measure()
    assert worst["modes"] == worst["quality"] == worst["precision"] == 0
    assert worst["kl"] > 30 * look.floors["kl"]


def test_images_are_measured_by_their_classifier():
    look = Look(trained(DIGITS))
    found = look.measure()
    assert look.floors["classes"] == 10
    assert found["fid"] > look.floors["fid"] > 0
    assert look.classes.shape == (2, 10)
    assert look.classes.sum(1) == pytest.approx([1, 1], abs=1e-5)
    assert found["classes"] == (look.classes[1] > 0).sum()


def test_norms_are_those_of_the_last_update():
    trainer = trained(RING)
    found = Look(trainer).measure()
    for name, role in (("d_norm", "discriminator"), ("g_norm", "generator")):
        flat = torch.cat([p.grad.flatten() for p in trainer.networks[role].parameters()])
        assert found[name] == pytest.approx(float(flat.norm()), rel=1e-5)
    assert not {"d_norm", "g_norm"} & Look(Trainer(RING, device="cpu")).measure().keys()


@pytest.mark.parametrize("made", [RING, DIGITS], ids=lambda made: made.name)
@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("loss", ["non-saturating", "relativistic", "wasserstein"])
def test_ruined_weights_can_be_looked_at(made, value, loss):
    trainer = trained(made.with_changes({"loss": loss}))
    look = Look(trainer)
    for net in trainer.networks.values():
        with torch.no_grad():
            next(net.parameters()).fill_(value)
    frame, found = look.frame(EVERYTHING, {}), look.measure()
    assert frame.step == 5
    if made is RING:
        assert np.isnan(frame.heat).any()
        assert (found["modes"], found["precision"]) == (0, 0)


# -- images -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("noise", ["normal", "uniform"])
def test_the_walk_is_closed_and_goes_through_the_frame_s_latents(noise):
    trainer = trained(DIGITS.with_changes({"noise": noise}))
    look = Look(trainer)

    def at(place):
        return look.frame(View((), walk=place), {}).walk

    first = look.frame(View((), walk=0.0), {})
    assert first.walk.shape == (1, 8, 8, 1)
    assert np.abs(first.walk[0].astype(int) - first.fake[0]).max() <= 1
    assert np.abs(at(1.0).astype(int) - at(0.0)).max() <= 1
    corner = {"normal": 0.25, "uniform": 1 / 6}[noise]  # where the second one lies
    assert np.abs(at(corner)[0].astype(int) - first.fake[1]).max() <= 1
    assert np.abs(at(corner / 2).astype(int) - at(0.0)).max() > 1


def test_neighbours_are_the_nearest_real_images():
    trainer = trained(DIGITS)
    frame = Look(trainer).frame(View((), sample=4), {})
    fake = trainer.sample(IMAGES, z=Look(trainer).latents, average=False)[4].flatten()
    real = data.load("digits8")[:].x
    distances, order = (real.flatten(1) - fake).norm(dim=1).sort()
    near = frame.neighbours
    assert near.sample == 4
    assert near.distances == pytest.approx(distances[:NEIGHBOURS].numpy(), rel=1e-4)
    assert np.array_equal(near.images[0], to_uint8(real[order[:1]])[0])


def test_fewer_images_than_neighbours():
    few = Dataset.from_tensor(torch.zeros(4, 1, 8, 8, dtype=torch.uint8))
    frame = Look(trained(DIGITS.with_changes({"batch_size": 2}), dataset=few)).frame(View((), sample=0), {})
    assert len(frame.neighbours.images) == len(frame.real) == 4
    assert frame.classes is None


# -- curves -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("n", [0, 1, 255, 256, 257, 1001])
def test_a_curve_goes_on_from_its_copy_and_from_its_state(n):
    curve = Curve()
    for step in range(n):
        curve.add(step, step**2)
    others = curve.copy(), Curve.of(curve.state())
    for other in others:
        assert np.array_equal(other.array(), curve.array())
        assert other.last == curve.last or n == 0
    kept = curve.array()
    for step in range(n, n + 700):
        for other in others:
            other.add(step, step**2)
    assert np.array_equal(curve.array(), kept)  # a copy goes its own way
    for step in range(n, n + 700):
        curve.add(step, step**2)
    for other in others:
        assert np.array_equal(other.array(), curve.array())
        assert other.last == curve.last


def test_a_curve_is_short_and_keeps_the_mean():
    curve = Curve()
    for step in range(1, 100_001):
        curve.add(step, step % 2)
        assert len(curve._points) < 2 * 256
    array = curve.array()
    assert 128 <= len(array) < 256
    assert array[:, 1] == pytest.approx(np.full(len(array), 0.5))
    assert np.diff(array[:, 0]) == pytest.approx(np.full(len(array) - 1, 512))  # each point is of as many steps
