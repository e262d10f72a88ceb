"""pix2pix's update rule, and training under the trainer."""

import dataclasses

import pytest
import torch

from gan_tutorial.algorithms.cyclegan import TranslationSettings
from gan_tutorial.algorithms.pix2pix import Pix2Pix, Pix2PixSettings
from gan_tutorial.data import Batch
from gan_tutorial.errors import InputError
from gan_tutorial.models import pix2pix
from gan_tutorial.training import Trainer, recipe

TINY = {"data.size": 16, "model.g_width": 4, "model.d_width": 4, "batch_size": 4}
EDGES = recipe("pix2pix-edges-avatars").with_changes(
    TINY | {"model.dropout": 0.5, "checkpoint_every": 5, "log_every": 5, "ema": 0.9}
)


def algorithm(seed=0, dropout=0.0, **settings):
    torch.manual_seed(seed)
    nets = pix2pix.build((3, 16, 16), g_width=4, d_width=4, dropout=dropout)
    return Pix2Pix(nets, Pix2PixSettings(**settings), seed=seed)


def batch(n=3, seed=0):
    a, b = torch.rand(2, n, 3, 16, 16, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return Batch(a, None, b, None)


def weights(net):
    return torch.cat([p.detach().flatten().clone() for p in net.parameters()])


def drain(run):
    for metrics in run:  # noqa: B007
        pass
    return metrics


@pytest.mark.parametrize("adversarial", [0.0, 2.0])
def test_the_loss_is_what_the_paper_writes(adversarial):
    rule, given = algorithm(l1=10.0, adversarial=adversarial, lr_d=0.0), batch()
    with torch.no_grad():
        made = rule.generator(given.x)
        real, fake = rule.discriminator(given.x, given.y), rule.discriminator(given.x, made)
        distance = (made - given.y).abs().mean()
        softplus = torch.nn.functional.softplus
        g_loss = 10 * distance + adversarial * softplus(-fake).mean()
        d_loss = softplus(-real).mean() + softplus(fake).mean()
    metrics = rule.step(lambda: given)
    for name, value in (("l1", distance), ("g_loss", g_loss), ("d_loss", d_loss), ("real_logit", real.mean())):
        torch.testing.assert_close(metrics[name], value)
    assert rule.seen["fake"].shape == (3, 1, 8, 8)
    assert all(value.dim() == 0 and not value.requires_grad for value in metrics.values())


def test_each_update_moves_its_own_network_and_leaves_no_gradient_in_the_other():
    rule = algorithm()
    before = {role: weights(net) for role, net in rule.networks.items()}
    rule.step_generator(batch())
    assert all(p.grad is None and p.requires_grad for p in rule.discriminator.parameters())
    assert torch.equal(weights(rule.discriminator), before["discriminator"])
    moved = weights(rule.generator)
    assert not torch.equal(moved, before["generator"])
    rule.generator.zero_grad()
    rule.step_discriminator(batch())
    assert all(p.grad is None for p in rule.generator.parameters())
    assert torch.equal(weights(rule.generator), moved)
    assert not torch.equal(weights(rule.discriminator), before["discriminator"])


def test_a_step_is_its_two_updates():
    one, two, given = algorithm(), algorithm(), batch()
    one.step(lambda: given)
    two.step_discriminator(given)
    two.step_generator(given)
    for role in one.networks:
        torch.testing.assert_close(weights(one.networks[role]), weights(two.networks[role]))


def test_d_sees_the_source():
    """With partners exchanged, D has another loss on the very same pictures."""
    rule, given = algorithm(lr_g=0.0, lr_d=0.0), batch()
    right = rule.step_discriminator(given)["real_logit"]
    wrong = rule.step_discriminator(given._replace(y=given.y.flip(0)))["real_logit"]
    assert (right - wrong).abs() > 1e-6


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Pix2PixSettings(l1=-1.0), "l1: -1.0 is not allowed"),
        (lambda: Pix2PixSettings(adversarial=-1.0), "adversarial: -1.0 is not allowed"),
        (lambda: Pix2PixSettings(loss="relativistic"), "loss: 'relativistic' is not allowed"),
        (lambda: algorithm().step(lambda: Batch(batch().x, None)), "batch: 'without y' is not allowed"),
        (
            lambda: Trainer(EDGES.with_changes({"data": "pairs:glasses"}), device="cpu"),
            "data: 'pairs:glasses' is not allowed; expected pairs that belong together",
        ),
        (lambda: Trainer(EDGES, device="cpu").translate(torch.zeros(1, 3, 16, 16), "ba"), "direction: 'ba' is not"),
    ],
)
def test_wrong_input_is_one_clear_line(call, message):
    with pytest.raises(InputError, match=message) as error:
        call()
    assert "\n" not in str(error.value)


def test_every_setting_is_documented():
    inherited = {f.name for f in dataclasses.fields(TranslationSettings)}
    own = {f.name for f in dataclasses.fields(Pix2PixSettings)} - inherited
    assert own == {"l1", "adversarial"}
    assert all(f"        {name}: " in Pix2PixSettings.__doc__ for name in own)


def test_resumed_equals_unbroken_bitwise(tmp_path):
    """With dropout, whose draws go on where they stopped."""
    unbroken = Trainer(EDGES, device="cpu", out=tmp_path / "a")
    drain(unbroken.run(12))
    for _ in Trainer(EDGES, device="cpu", out=tmp_path / "b").run(5):
        pass
    resumed = Trainer(EDGES, device="cpu", out=tmp_path / "b", resume=True)
    assert resumed.step == 5
    drain(resumed.run(7))
    (one, plain_one), (two, plain_two) = unbroken._state(), resumed._state()
    assert plain_one == plain_two
    assert one.keys() == two.keys()
    for name in one:
        assert torch.equal(one[name], two[name]), name


def test_what_a_run_shows():
    trainer = Trainer(EDGES, device="cpu")
    drain(trainer.run(2))
    x, made, y, others, more, partners = trainer.sheet().split(7)
    torch.testing.assert_close(made, trainer.translate(x))
    torch.testing.assert_close(more, trainer.translate(others))
    pairs = trainer.dataset[:]
    for sources, targets in ((x, y), (others, partners)):
        for one, its in zip(sources, targets, strict=True):
            where = (pairs.y == its).flatten(1).all(1).nonzero().flatten()
            assert torch.equal(pairs.x[where[0]], one)
    assert not torch.equal(x, others)
    assert trainer.sample(3).shape == (3, 3, 16, 16)


def test_thirty_steps_bring_translations_nearer():
    trainer = Trainer(EDGES.with_changes({"lr_g": 2e-3, "batch_size": 8}), device="cpu")
    found = [float(metrics["l1"]) for metrics in trainer.run(30)]
    assert sum(found[-5:]) < 0.8 * sum(found[:5])  # five seeds gave 0.61 to 0.64
