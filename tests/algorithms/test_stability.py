"""What a recipe may add to the GAN's rule: packing, consistency, noise on what D sees, and the best fakes only."""

import copy
import itertools
import math

import pytest
import torch
from torch import nn

from gan_tutorial import losses, models, penalties
from gan_tutorial.algorithms import GAN, BigGAN, BigGANSettings, GANSettings
from gan_tutorial.algorithms.consistency import disagreement, shifted
from gan_tutorial.algorithms.gan import REMEDIES
from gan_tutorial.augment import Augmentation
from gan_tutorial.data import Batch
from gan_tutorial.errors import InputError
from gan_tutorial.training import Trainer, recipe


def networks(seed=0, **options):
    torch.manual_seed(seed)
    return models.build("mlp", (2,), **{"g_width": 8, "d_width": 8, **options})


def images(seed=0, **options):
    torch.manual_seed(seed)
    return models.build("dcgan", (1, 16, 16), **{"z_dim": 4, "g_width": 4, "d_width": 4, "norm": "none", **options})


def batches(n=8, seed=1, shape=(2,)):
    rng = torch.Generator().manual_seed(seed)
    return lambda: Batch(torch.randn(n, *shape, generator=rng), None)


def weights(nets):
    return torch.cat([p.detach().flatten() for net in nets.values() for p in net.parameters()])


def trained(steps=3, **settings):
    gan, draw = GAN(networks(), GANSettings(**settings), seed=2), batches()
    for _ in range(steps):
        gan.step(draw)
    return weights(gan.networks)


@pytest.mark.parametrize(
    "off",
    [
        {"instance_noise": 0.0, "instance_noise_steps": 5},
        {"top_k": 1.0, "top_k_steps": 5},
        {"consistency_noise": 0.3, "consistency_flip": False},
    ],
)
def test_what_is_off_changes_nothing(off):
    assert torch.equal(trained(**off), trained())


def test_every_remedy_is_a_setting_that_is_off():
    plain = GANSettings()
    assert {name: getattr(plain, name) for name in REMEDIES} == {
        **{"dynamics": "alternating", "unroll": 0, "top_k": 1.0, "top_k_steps": 0, "consistency_flip": True},
        **{"consistency_real": 0.0, "consistency_fake": 0.0, "consistency_noise": 0.0},
        **{"instance_noise": 0.0, "instance_noise_steps": 0},
    }


# -- packing ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("joint", [True, False])
@pytest.mark.parametrize("loss", sorted(losses.LOSSES))
def test_a_packed_d_judges_packs_of_one_kind(loss, joint):
    nets = networks(pack=4)
    inner, seen = nets["discriminator"].inner, []
    inner.register_forward_pre_hook(lambda _, args: seen.append(args[0].detach()))
    gan, real = GAN(nets, GANSettings(loss=loss, lr_d=0.0)), batches()()
    gan.joint = joint
    fake = gan.generate(8, grad=True)
    metrics = gan.step_discriminator(real, fake) | gan.step_generator(real, fake)
    of_real, of_fake = (x.detach().reshape(2, 8) for x in (real.x, fake))
    expected = [torch.cat([of_real, of_fake])] if joint else [of_real, of_fake]
    for given, wanted in zip(seen, expected, strict=False):
        assert torch.equal(given, wanted)
    with torch.no_grad():
        of = losses.get(loss)
        assert metrics["d_loss"] == pytest.approx(of.discriminator(inner(of_real), inner(of_fake)).item(), abs=1e-6)
        assert metrics["g_loss"] == pytest.approx(of.generator(inner(of_real), inner(of_fake)).item(), abs=1e-6)
    assert [logits.shape for logits in gan.seen.values()] == [(2,), (2,)]


def test_to_a_penalty_a_pack_is_one_sample():
    nets = networks(pack=2)
    gan = GAN(nets, GANSettings(r1=1.0, r2=2.0, gradient_penalty=3.0, zero_gradient_penalty=4.0), seed=5)
    real, fake = batches()().x, gan.generate(8)
    state = gan.rng.get_state()
    found = gan.penalty(real, fake)
    inner, (x, y) = nets["discriminator"].inner, (t.view(4, 4) for t in (real, fake))
    rng = torch.Generator()
    rng.set_state(state)
    mixes = [torch.rand(4, generator=rng) for _ in range(2)]
    expected = 3 * penalties.gradient_penalty(inner, x, y, mixes[0])
    expected = expected + 4 * penalties.zero_gradient_penalty(inner, x, y, mixes[1])
    expected = expected + penalties.r1(inner, x) + 2 * penalties.r2(inner, y)
    torch.testing.assert_close(found, expected)


def test_packed_images_are_augmented_one_by_one_and_labels_go_with_them():
    torch.manual_seed(0)
    nets = models.build("dcgan", (3, 16, 16), 3, z_dim=4, g_width=4, d_width=4, norm="none", pack=2)
    gan = GAN(nets, GANSettings(r1=1.0, consistency_real=1.0), augment=Augmentation("ada", images=640))
    x = torch.rand(8, 3, 16, 16)
    metrics = gan.step(lambda: Batch(x, torch.randint(3, (8,))))
    assert all(m.isfinite() for m in metrics.values())
    assert "augment_p" in metrics


@pytest.mark.parametrize("call", ["step", "step_generator"])
def test_a_batch_that_can_not_be_packed_is_one_line(call):
    gan = GAN(networks(pack=3))
    draw = batches()
    before = weights(gan.networks)
    with pytest.raises(InputError, match=r"^batch_size: 8 samples can't be packed by 3; choose a multiple") as error:
        gan.step(draw) if call == "step" else gan.step_generator(draw())
    assert "\n" not in str(error.value)
    assert torch.equal(weights(gan.networks), before)


# -- consistency -----------------------------------------------------------------------------------------------------
def test_shifted_moves_whole_pixels_repeats_the_edge_and_mirrors():
    x = torch.arange(9.0).view(1, 1, 3, 3)
    down, right = shifted(x, torch.tensor([1]), torch.tensor([0])), shifted(x, torch.tensor([0]), torch.tensor([2]))
    assert down[0, 0].tolist() == [[0, 1, 2], [0, 1, 2], [3, 4, 5]]
    assert right[0, 0].tolist() == [[0, 0, 0], [3, 3, 3], [6, 6, 6]]
    up = shifted(x, torch.tensor([-1]), torch.tensor([-1]))
    assert up[0, 0].tolist() == [[4, 5, 5], [7, 8, 8], [7, 8, 8]]
    mirrored = shifted(x, torch.tensor([0]), torch.tensor([1]), torch.tensor([True]))
    assert torch.equal(mirrored, shifted(x.flip(3), torch.tensor([0]), torch.tensor([1])))
    both = torch.randn(2, 3, 4, 6)
    zero = torch.zeros(2, dtype=torch.int64)
    assert torch.equal(shifted(both, zero, zero, torch.tensor([False, True])), torch.stack([both[0], both[1].flip(2)]))


def test_disagreement_is_the_mean_square():
    assert disagreement(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 5.0])).item() == 4.5


@pytest.mark.parametrize("weights_of", [(10.0, 0.0), (0.0, 3.0), (10.0, 3.0)])
def test_consistency_is_part_of_what_d_minimises(weights_of):
    """D's gradient is that of its loss plus lambda (D(x) - D(T(x)))^2, with T drawn as the seed says."""
    of_real, of_fake = weights_of
    nets = images()
    twin = copy.deepcopy(nets["discriminator"])
    settings = GANSettings(consistency_real=of_real, consistency_fake=of_fake, optimizer="sgd", lr_d=0.1)
    gan, real = GAN(nets, settings, seed=3), batches(shape=(1, 16, 16))()
    fake = gan.generate(8)
    state = gan.rng.get_state()
    metrics = gan.step_discriminator(real, fake)
    gan.rng.set_state(state)
    extra = torch.zeros(())
    for weight, x in ((of_real, real.x), (of_fake, fake)):
        if weight:
            moved = gan._changed(x)
            assert not torch.equal(moved, x)
            extra = extra + weight * (twin(x) - twin(moved)).square().mean()
    loss = nn.functional.softplus(-twin(real.x)).mean() + nn.functional.softplus(twin(fake)).mean()
    assert metrics["consistency"].item() == pytest.approx(extra.item(), rel=1e-4, abs=1e-9)
    assert metrics["d_loss"].item() == pytest.approx(loss.item(), rel=1e-5)
    gradients = torch.autograd.grad(loss + extra, list(twin.parameters()))
    for p, g in zip(nets["discriminator"].parameters(), gradients, strict=True):
        torch.testing.assert_close(p.grad, g, rtol=1e-3, atol=1e-7)


def test_an_image_moves_by_up_to_an_eighth_and_half_of_them_are_mirrored():
    gan = GAN(images(), GANSettings(consistency_real=1.0))
    ramp = torch.arange(16.0).expand(400, 1, 16, 16)
    middle = gan._changed(ramp)[:, 0, 8, 7]  # 7 +- 2, or mirrored: 8 +- 2
    assert {round(v) for v in middle.tolist()} == {5, 6, 7, 8, 9, 10}
    leaning = gan._changed(ramp)[:, 0, 8]
    assert 0.4 < (leaning[:, 12] < leaning[:, 3]).float().mean() < 0.6
    gan.configure(consistency_flip=False)
    leaning = gan._changed(ramp)[:, 0, 8]
    assert (leaning[:, 12] > leaning[:, 3]).all()


def test_points_need_noise_to_be_consistent_under():
    gan = GAN(networks(), GANSettings(consistency_real=1.0))
    with pytest.raises(InputError, match=r"^consistency_noise: 0.0 is not allowed; expected a number above 0") as error:
        gan.step(batches())
    assert "\n" not in str(error.value)
    gan.configure(consistency_noise=0.5)
    assert gan.step(batches())["consistency"] > 0
    moved = gan._changed(torch.zeros(20_000, 2))
    assert moved.std().item() == pytest.approx(0.5, abs=0.01)  # 40,000 numbers: standard error 0.0018


def test_an_algorithm_built_on_the_gan_has_it_too():
    torch.manual_seed(0)
    nets = models.build("biggan", (3, 16, 16), 3, g_width=4, d_width=4, shared_dim=4)
    gan = BigGAN(nets, BigGANSettings(consistency_real=10.0, consistency_fake=10.0, top_k=0.5, instance_noise=0.1))
    metrics = gan.step(lambda: Batch(torch.rand(4, 3, 16, 16), torch.randint(3, (4,))))
    assert metrics["consistency"] > 0
    assert metrics["g_penalty"] >= 0


# -- instance noise --------------------------------------------------------------------------------------------------
def test_d_sees_noise_that_fades_in_both_updates_and_in_penalties():
    nets, seen = networks(), []
    nets["discriminator"].register_forward_pre_hook(lambda _, args: seen.append(args[0].detach()))
    settings = GANSettings(instance_noise=2.0, instance_noise_steps=4, r1=1.0, lr_d=0.0, lr_g=0.0)
    gan, zero = GAN(nets, settings), torch.zeros(4000, 2)
    for expected in (2.0, 1.5, 1.0, 0.5, 0.0, 0.0):
        seen.clear()
        gan.step_discriminator(Batch(zero, None), zero)
        joint, penalised = seen
        assert joint.std().item() == pytest.approx(expected, abs=0.06)  # 16,000 numbers: standard error 0.011 at 2
        assert penalised.std().item() == pytest.approx(expected, abs=0.06)
        assert not expected or not torch.equal(joint[:4000], joint[4000:])
    gan.configure(instance_noise_steps=0)
    seen.clear()
    gan.step_generator(Batch(zero, None), zero.clone().requires_grad_())
    assert seen[0].std().item() == pytest.approx(2, abs=0.06)
    assert torch.equal(gan.sample(nets, 3, torch.Generator()), nets["generator"](gan.latents(3, torch.Generator())))


def test_processes_share_the_noise_of_one_batch():
    settings, x = GANSettings(instance_noise=1.0), torch.zeros(8, 2)
    whole = GAN(networks(), settings, seed=7)._noised(x)
    halves = [GAN(networks(), settings, seed=7, rank=rank, world=2)._noised(x[:4]) for rank in (0, 1)]
    assert torch.equal(torch.cat(halves), whole)


def test_schedules_go_on_from_a_checkpoint():
    def made():
        settings = GANSettings(instance_noise=1.0, instance_noise_steps=10, top_k=0.5, top_k_steps=10)
        return GAN(networks(), settings, seed=1)

    gan, draw = made(), batches()
    for _ in range(4):
        gan.step(draw)
    twin = made()
    twin.load_state_dict(gan.state_dict())
    x = torch.zeros(8, 2)
    assert torch.equal(gan._noised(x), twin._noised(x))
    assert gan._best(100) == twin._best(100) == round(100 * 0.5**0.4)


# -- top-k -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("loss", sorted(losses.LOSSES))
def test_g_learns_from_the_best_judged_fakes_alone(loss):
    nets = networks()
    gan, real = GAN(nets, GANSettings(loss=loss, top_k=0.375)), batches()()
    fake = torch.randn(8, 2).requires_grad_()
    metrics = gan.step_generator(real, fake)
    with torch.no_grad():
        of_real, of_fake = nets["discriminator"](real.x), nets["discriminator"](fake)
    best = of_fake.argsort(descending=True)[:3]
    assert fake.grad[best].abs().sum(1).min() > 0
    rest = torch.ones(8, dtype=torch.bool)
    rest[best] = False
    assert not fake.grad[rest].any()
    # A paired loss compares each of them with its own real sample.
    expected = losses.get(loss).generator(of_real[best], of_fake[best])
    assert metrics["g_loss"].item() == pytest.approx(expected.item(), abs=1e-6)
    assert gan.seen["fake"].shape == (8,)


def test_the_share_falls_by_the_same_factor_and_stays():
    gan = GAN(networks(), GANSettings(top_k=0.25, top_k_steps=4))
    found = []
    for gan.discriminator_steps in range(7):
        found.append(gan._best(64))
    assert found == [64, 45, 32, 23, 16, 16, 16]
    factors = [b / a for a, b in itertools.pairwise(found[:5])]
    assert all(math.isclose(f, 0.25**0.25, abs_tol=0.02) for f in factors)
    assert GAN(networks(), GANSettings(top_k=0.001))._best(8) == 1  # one fake at least


# -- all at once -----------------------------------------------------------------------------------------------------
def test_everything_together_repeats_bitwise_and_resumes():
    settings = GANSettings(
        loss="relativistic", r1=0.5, r2=0.5, unroll=2, consistency_real=1.0, consistency_fake=1.0, instance_noise=0.2,
        consistency_noise=0.1, instance_noise_steps=9, top_k=0.5, top_k_steps=9, penalty_every=2,
    )  # fmt: skip

    def made():
        return GAN(networks(pack=2, group=2, d_norm="spectral"), settings, seed=6)

    draws, pair = (batches(), batches()), (made(), made())
    for gan, draw in zip(pair, draws, strict=True):
        for _ in range(4):
            metrics = gan.step(draw)
    assert torch.equal(weights(pair[0].networks), weights(pair[1].networks))
    assert {"d_loss", "g_loss", "consistency"} <= set(metrics)
    assert all(m.shape == () and not m.requires_grad for m in metrics.values())
    first, state = pair[0], pair[0].state_dict()
    twin = GAN(copy.deepcopy(first.networks), settings, seed=0)
    for role, own in first.optimizers.items():
        twin.optimizers[role].load_state_dict(copy.deepcopy(own.state_dict()))
    twin.load_state_dict({k: v.clone() if isinstance(v, torch.Tensor) else v for k, v in state.items()})
    for _ in range(3):
        batch = draws[0]()
        first.step(lambda batch=batch: batch)
        twin.step(lambda batch=batch: batch)
    assert torch.equal(weights(first.networks), weights(twin.networks))


@pytest.mark.parametrize(
    "changes",
    [
        {"dynamics": "optimistic", "instance_noise": 0.5, "instance_noise_steps": 30, "top_k": 0.5, "top_k_steps": 30},
        {"dynamics": "extragradient", "model.pack": 2, "model.d_norm": "spectral", "consistency_real": 1.0},
        {"unroll": 2, "model.group": 4, "model.g_norm": "batch"},
    ],
)
def test_a_run_goes_on_bitwise_from_its_checkpoint(tmp_path, changes):
    small = {"model.g_width": 8, "model.d_width": 8, "batch_size": 8, "checkpoint_every": 4, "consistency_noise": 0.1}
    made = recipe("ring-mlp").with_changes(small | changes)
    whole = Trainer(made, device="cpu", seed=1)
    for _ in whole.run(9):
        pass
    for resume in (False, True):
        part = Trainer(made, device="cpu", seed=1, out=tmp_path / "run", resume=resume)
        for _ in part.run(9 - part.step if resume else 5):
            pass
    assert part.step == 9
    assert torch.equal(weights(part.networks), weights(whole.networks))
    (tensors, plain), (others, other) = part._state(), whole._state()
    assert plain == other
    assert tensors.keys() == others.keys()
    assert all(torch.equal(tensors[name], others[name]) for name in tensors)


@pytest.mark.parametrize(
    ("setting", "value", "expected"),
    [
        ("consistency_real", -1.0, "a finite number >= 0"),
        ("consistency_fake", float("inf"), "a finite number >= 0"),
        ("consistency_noise", "much", "a finite number >= 0"),
        ("consistency_flip", 1, "true or false"),
        ("instance_noise", -0.1, "a finite number >= 0"),
        ("instance_noise_steps", 1.5, "an integer >= 0"),
        ("top_k", 0.0, "a finite number >= 0.001 and <= 1"),
        ("top_k", 1.1, "a finite number >= 0.001 and <= 1"),
        ("top_k_steps", -1, "an integer >= 0"),
    ],
)
def test_wrong_settings_are_one_line(setting, value, expected):
    with pytest.raises(InputError, match=rf"^{setting}: {value!r} is not allowed; expected {expected}$"):
        GANSettings(**{setting: value})
