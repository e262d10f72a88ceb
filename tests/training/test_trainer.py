import json
import math
import os
import signal

import pytest
import torch
from torch import nn

from gan_tutorial import data
from gan_tutorial.errors import CheckpointError, DivergedError, InputError
from gan_tutorial.metrics import mode_coverage
from gan_tutorial.training import Trainer, checkpoint, recipe, resolve_device
from gan_tutorial.training.ema import EMA
from gan_tutorial.training.trainer import read_run

RING = recipe("ring-mlp").with_changes(
    {"model.g_width": 16, "model.d_width": 16, "batch_size": 32, "checkpoint_every": 10, "log_every": 5}
)
DIGITS = recipe("dcgan-digits8").with_changes(
    {"model.g_width": 8, "model.d_width": 8, "model.z_dim": 8, "batch_size": 16, "checkpoint_every": 10, "log_every": 5}
)


# Noise in layers, classes, ADA, a penalty on G, moving averages: everything that a run has to remember.
STYLES = recipe("stylegan2-avatars").with_changes(
    {"data.size": 16, "model.channel_base": 64, "model.channel_max": 4, "model.z_dim": 4, "model.w_dim": 4}
    | {"model.mapping_layers": 2, "model.group": 2, "batch_size": 4, "checkpoint_every": 5, "log_every": 5}
    | {"penalty_every": 3, "path_length_every": 2, "conditional": True, "augment": "ada", "augment_images": 100}
)
BIG = recipe("biggan-avatars").with_changes(
    {"model.g_width": 4, "model.d_width": 4, "model.shared_dim": 4, "batch_size": 4, "checkpoint_every": 5}
    | {"augment": "diffaugment", "log_every": 5}
)


def drain(run):
    for metrics in run:  # noqa: B007
        pass
    return metrics


def state(trainer):
    return trainer._state()


def assert_equal_state(a, b):
    (ta, pa), (tb, pb) = state(a), state(b)
    assert pa == pb
    assert ta.keys() == tb.keys()
    for name in ta:
        assert torch.equal(ta[name], tb[name]), name


# -- repeatability ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("base", [RING, DIGITS], ids=["ring", "digits"])
def test_same_seed_same_run_bitwise_other_seed_other_run(base):
    runs = [Trainer(base, device="cpu", seed=seed) for seed in (3, 3, 4)]
    for trainer in runs:
        drain(trainer.run(12))
    assert_equal_state(runs[0], runs[1])
    assert not torch.equal(runs[0].sample(4), runs[2].sample(4))


def test_nothing_outside_disturbs_a_run_and_a_run_disturbs_nothing_outside():
    class Noisy(nn.Module):
        """Draws from the global generators, as dropout and StyleGAN's noise do."""

        def __init__(self):
            super().__init__()
            self.z_dim, self.layer = 2, nn.Linear(2, 2)

        def forward(self, z):
            return self.layer(z) + torch.randn(len(z), 2)

    def trainer():
        torch.manual_seed(5)
        return Trainer(RING, device="cpu", networks={"generator": Noisy(), "discriminator": nn.Linear(2, 1)})

    a = trainer()
    drain(a.run(6))
    b = trainer()
    torch.manual_seed(99)
    mine = []
    for _ in b.run(6):
        mine.append(torch.rand(1).item())
        b.sample(3)
        b.dataset.sample(5)
    torch.manual_seed(99)
    alone = []
    for _ in range(6):
        alone.append(torch.rand(1).item())
        torch.randn(3, 2)  # what Noisy drew inside b.sample: sampling is the caller's, training is not
        b.dataset.sample(5)
    assert_equal_state(a, b)
    assert mine == alone


def test_run_by_parts_equals_run_at_once():
    a, b = Trainer(RING, device="cpu"), Trainer(RING, device="cpu")
    drain(a.run(9))
    for steps in (1, 3, 5):
        drain(b.run(steps))
    assert_equal_state(a, b)


# -- stepping and settings -------------------------------------------------------------------------------------------
def test_metrics_are_tensors_until_read():
    metrics = drain(Trainer(RING, device="cpu").run(2))
    assert metrics.pop("step") == 2
    assert {"d_loss", "g_loss", "real_logit", "fake_logit"} == set(metrics)
    assert all(isinstance(m, torch.Tensor) and m.dim() == 0 and not m.requires_grad for m in metrics.values())


def test_stepping_by_hand_moves_one_network():
    trainer = Trainer(RING, device="cpu")

    def moved(step):
        before = {role: [p.clone() for p in net.parameters()] for role, net in trainer.networks.items()}
        metrics = step()
        return metrics, {
            role
            for role, net in trainer.networks.items()
            if any(not torch.equal(p, q) for p, q in zip(net.parameters(), before[role], strict=True))
        }

    metrics, roles = moved(trainer.step_discriminator)
    assert roles == {"discriminator"}
    assert metrics["step"] == 1
    metrics, roles = moved(trainer.step_generator)
    assert roles == {"generator"}
    assert metrics["step"] == 2


def test_settings_change_during_a_run():
    trainer = Trainer(RING, device="cpu")
    seen = []
    for metrics in trainer.run(6):
        seen.append(trainer.settings.n_critic)
        if metrics["step"] == 3:
            trainer.configure(n_critic=2, lr_g=1e-4)
    assert seen == [1, 1, 1, 2, 2, 2]
    p = next(trainer.networks["discriminator"].parameters())
    assert trainer.algorithm.optimizers["discriminator"].state[p]["step"].item() == 3 + 3 * 2


def test_run_without_a_number_goes_to_the_recipes_end():
    trainer = Trainer(RING.with_changes({"steps": 7}), device="cpu")
    drain(trainer.run(5))
    assert drain(trainer.run())["step"] == 7
    assert list(trainer.run()) == []


def test_own_data_and_own_networks():
    dataset = data.from_points(torch.rand(50, 2).numpy())
    nets = {"generator": nn.Linear(3, 2), "discriminator": nn.Linear(2, 1)}
    nets["generator"].z_dim = 3
    trainer = Trainer(RING, device="cpu", dataset=dataset, networks=nets)
    drain(trainer.run(2))
    assert trainer.sample(4).shape == (4, 2)


def test_training_learns_the_ring():
    """The package's first promise: all eight modes. See book/experiments/ring-modes.md: 8 modes with each seed."""
    trainer = Trainer(recipe("ring-mlp"), device="cpu", seed=11)
    drain(trainer.run(1500))
    assert mode_coverage(trainer.sample(2000), trainer.dataset.modes, trainer.dataset.std)[0] == 8


# -- samples ---------------------------------------------------------------------------------------------------------
def test_sampling_is_repeatable_and_does_not_touch_the_run():
    a, b = Trainer(DIGITS, device="cpu"), Trainer(DIGITS, device="cpu")
    for _ in a.run(5):
        assert torch.equal(a.sample(3, seed=1), a.sample(3, seed=1))
        a.sample(7, average=False)
    drain(b.run(5))
    assert_equal_state(a, b)
    assert a.networks["generator"].training
    z = torch.randn(3, 8)
    assert torch.equal(a.sample(3, z=z), b.sample(3, z=z))
    assert not torch.equal(a.sample(3, z=z), a.sample(3, z=z, average=False))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"n": 0}, "n: 0 is not"),
        ({"n": 2, "z": torch.zeros(2, 5)}, r"z: \(2, 5\)"),
        ({"n": 2, "labels": torch.zeros(2, dtype=torch.int64)}, "labels: '2 labels' is not allowed; expected None"),
    ],
)
def test_bad_sampling_arguments(call, message):
    with pytest.raises(InputError, match=message):
        Trainer(RING, device="cpu").sample(**call)


def test_noise_in_layers_does_not_make_samples_differ():
    trainer = Trainer(STYLES, device="cpu")
    drain(trainer.run(2))
    for network in ("networks", "averages"):
        sampled = [trainer.sample(3, seed=1, average=network == "averages") for _ in range(2)]
        assert torch.equal(*sampled)


def test_moving_average_follows_its_formula():
    net = nn.BatchNorm1d(2)
    average = EMA(net, 0.9)
    expected = net.weight.detach().clone()
    for step in range(1, 60):
        with torch.no_grad():
            net.weight.add_(torch.tensor([1.0, -0.5]))
            net.running_mean.add_(1)
        average.update(net, step)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * net.weight.detach()
    torch.testing.assert_close(average.network.weight, expected)
    assert torch.equal(average.network.running_mean, net.running_mean)
    assert not average.network.weight.requires_grad
    assert not average.network.training


# -- what is kept ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("base", [RING, DIGITS], ids=["ring", "digits"])
def test_resumed_equals_unbroken_bitwise(tmp_path, base):
    unbroken = Trainer(base, device="cpu", out=tmp_path / "a")
    for metrics in unbroken.run(25):
        if metrics["step"] == 7:
            unbroken.configure(lr_g=5e-4, n_critic=2)
    first = Trainer(base, device="cpu", out=tmp_path / "b")
    for metrics in first.run(25):
        if metrics["step"] == 7:
            first.configure(lr_g=5e-4, n_critic=2)
        if metrics["step"] == 18:
            break  # dies here: the newest checkpoint is that of step 10
    resumed = Trainer(base, device="cpu", out=tmp_path / "b", resume=True)
    assert resumed.step == 10
    assert resumed.settings.n_critic == 2
    drain(resumed.run(15))
    assert_equal_state(unbroken, resumed)
    logs = [(tmp_path / run / "metrics.jsonl").read_text() for run in "ab"]
    assert logs[0] == logs[1]
    assert [json.loads(line)["step"] for line in logs[0].splitlines()] == [5, 10, 15, 20, 25]


@pytest.mark.parametrize("base", [RING, DIGITS], ids=["ring", "digits"])
@pytest.mark.parametrize("at", [0, 4])
def test_a_snapshot_brings_back_what_followed_it(base, at):
    trainer = Trainer(base, device="cpu")
    if at:
        drain(trainer.run(at))
    snapshot = trainer.snapshot()
    kept = {name: t.clone() for name, t in snapshot.tensors.items()}
    drain(trainer.run(6))
    first = trainer._state()[0]
    first = {name: t.clone() for name, t in first.items()}
    trainer.configure(lr_g=0.1, n_critic=3)
    drain(trainer.run(3))
    trainer.restore(snapshot)
    assert trainer.step == at
    assert trainer.settings == base.settings
    drain(trainer.run(6))
    for name, t in trainer._state()[0].items():
        assert torch.equal(t, first[name]), name
    for name, t in snapshot.tensors.items():
        assert torch.equal(t, kept[name]), f"training changed the snapshot's {name}"
    assert snapshot.nbytes == sum(t.nbytes for t in kept.values())


@pytest.mark.parametrize("base", [RING, DIGITS], ids=["ring", "digits"])
def test_sgd_and_adam_by_turns_resume_bitwise(tmp_path, base):
    turns = {4: {"optimizer": "adam"}, 12: {"optimizer": "sgd", "lr_d": 0.1}, 24: {"optimizer": "adam", "lr_d": 1e-3}}

    def train(trainer, until=30):
        for metrics in trainer.run(until - trainer.step):
            trainer.configure(**turns.get(metrics["step"], {}))

    base = base.with_changes({"optimizer": "sgd", "lr_g": 0.01})
    start = Trainer(base, device="cpu")
    drain(start.run(3))
    assert not any(name.startswith("optimizer.") for name in start.snapshot().tensors)  # SGD has no state
    train(unbroken := Trainer(base, device="cpu", out=tmp_path / "a"))
    train(Trainer(base, device="cpu", out=tmp_path / "b"), until=23)
    resumed = Trainer(base, device="cpu", out=tmp_path / "b", resume=True)
    assert resumed.settings.optimizer == "sgd"
    train(resumed)
    assert_equal_state(unbroken, resumed)


def test_a_run_from_before_the_optimizer_could_be_chosen_goes_on(tmp_path):
    drain(Trainer(RING, device="cpu", out=tmp_path).run(10))
    run, (path,) = tmp_path / "run.json", (tmp_path / "checkpoints").glob("*.json")
    described, entry = json.loads(run.read_text()), json.loads(path.read_text())
    assert described["recipe"]["settings"].pop("optimizer") == entry["state"]["settings"].pop("optimizer") == "adam"
    del entry["check"]
    run.write_text(json.dumps(described))
    path.write_text(json.dumps({**entry, "check": checkpoint._check(entry)}))
    resumed, unbroken = Trainer(RING, device="cpu", out=tmp_path, resume=True), Trainer(RING, device="cpu")
    drain(resumed.run(5))
    drain(unbroken.run(15))
    assert_equal_state(resumed, unbroken)


def test_resume_drops_a_log_line_that_a_crash_cut_short(tmp_path):
    drain(Trainer(RING, device="cpu", out=tmp_path).run(10))
    log = tmp_path / "metrics.jsonl"
    whole = log.read_text()
    log.write_text(whole + '{"step": 15, "d_lo')
    Trainer(RING, device="cpu", out=tmp_path, resume=True)
    assert log.read_text() == whole


def test_resume_in_an_empty_folder_starts(tmp_path):
    trainer = Trainer(RING, device="cpu", out=tmp_path / "new", resume=True)
    assert trainer.step == 0
    assert read_run(tmp_path / "new") == (RING, 0)


def test_a_folder_with_a_run_is_not_overwritten(tmp_path):
    drain(Trainer(RING, device="cpu", out=tmp_path).run(3))
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    with pytest.raises(InputError, match=r"out: .* already holds a run; resume it"):
        Trainer(RING, device="cpu", out=tmp_path)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_resuming_with_other_settings_is_refused(tmp_path):
    drain(Trainer(RING, device="cpu", out=tmp_path).run(3))
    with pytest.raises(InputError, match=r"settings.lr_g 0.001 against 0.5; resume with the same settings"):
        Trainer(RING.with_changes({"lr_g": 0.5}), device="cpu", out=tmp_path, resume=True)
    with pytest.raises(InputError, match="seed 0 against 1"):
        Trainer(RING, device="cpu", out=tmp_path, resume=True, seed=1)
    assert Trainer(RING.with_changes({"steps": 9000}), device="cpu", out=tmp_path, resume=True).step == 3


def test_a_checkpoint_of_other_networks_is_named(tmp_path):
    drain(Trainer(RING, device="cpu", out=tmp_path).run(3))
    (path,) = (tmp_path / "checkpoints").glob("*.json")
    nets = {"generator": nn.Linear(2, 2), "discriminator": nn.Linear(2, 1)}
    nets["generator"].z_dim = 2
    with pytest.raises(CheckpointError, match="does not fit this recipe") as error:
        Trainer(RING, device="cpu", networks=nets)._restore(path)
    assert "\n" not in str(error.value)


def test_load_reads_a_run_and_writes_nothing(tmp_path):
    trainer = Trainer(DIGITS, device="cpu", out=tmp_path, seed=2)
    drain(trainer.run(12))
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    loaded = Trainer.load(tmp_path, device="cpu")
    assert loaded.step == 12
    assert torch.equal(loaded.sample(3), trainer.sample(3))
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == before


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "holds no run"),
        ("{", "is not the description of a run"),
        ("{}", "is not the description of a run"),
        ('{"recipe": {}, "seed": 0}', "not a recipe of this version"),
    ],
)
def test_folders_that_hold_no_run(tmp_path, content, message):
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    with pytest.raises(InputError, match=message):
        Trainer.load(tmp_path, device="cpu")


def test_a_run_without_checkpoint_can_not_be_sampled(tmp_path):
    Trainer(RING, device="cpu", out=tmp_path)
    with pytest.raises(InputError, match="holds no checkpoint yet"):
        Trainer.load(tmp_path, device="cpu")


def test_ctrl_c_waits_for_the_end_of_the_step(tmp_path):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    trainer = Trainer(RING, device="cpu", out=tmp_path)
    real, steps = trainer.algorithm.step_generator, []

    def press(*args):
        steps.append(1)
        if len(steps) == 4:
            os.kill(os.getpid(), signal.SIGINT)  # D has been updated in this step, G has not
        return real(*args)

    trainer.algorithm.step_generator = press
    with pytest.raises(KeyboardInterrupt):
        drain(trainer.run(10))
    assert trainer.step == 4
    twin = Trainer(RING, device="cpu", out=tmp_path / "twin")
    drain(twin.run(4))
    assert_equal_state(trainer, twin)
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler


# -- classes and augmentation ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("base", [STYLES, BIG], ids=["stylegan2", "biggan"])
def test_systems_with_all_their_parts_resume_and_go_back_bitwise(tmp_path, base):
    unbroken = Trainer(base, device="cpu", out=tmp_path / "a")
    seen = [metrics.get("augment_p", torch.tensor(0.0)).item() for metrics in unbroken.run(10)]
    assert (max(seen) > 0) == (base is STYLES)
    first = Trainer(base, device="cpu", out=tmp_path / "b")
    drain(first.run(7))  # leaves the checkpoints of steps 5 and 7
    (tmp_path / "b" / "checkpoints" / "step-00000007.json").unlink()
    resumed = Trainer(base, device="cpu", out=tmp_path / "b", resume=True)
    assert resumed.step == 5
    snapshot = resumed.snapshot()
    drain(resumed.run(5))
    assert_equal_state(unbroken, resumed)
    resumed.restore(snapshot)
    drain(resumed.run(5))
    assert_equal_state(unbroken, resumed)
    logs = [(tmp_path / run / "metrics.jsonl").read_text() for run in "ab"]
    assert json.loads(logs[0].splitlines()[-1])["step"] == 10


def test_the_average_keeps_the_style_that_truncation_pulls_towards():
    trainer = Trainer(STYLES, device="cpu")
    drain(trainer.run(3))
    w_avg = trainer.networks["generator"].mapping.w_avg
    assert w_avg.any()
    assert torch.equal(trainer.averages["generator"].network.mapping.w_avg, w_avg)


CLASSES = DIGITS.with_changes({"conditional": True})


def test_samples_have_the_classes_asked_for():
    trainer = Trainer(CLASSES, device="cpu")
    drain(trainer.run(3))
    threes = torch.full((6,), 3)
    sampled = trainer.sample(6, labels=threes)
    assert torch.equal(sampled, trainer.sample(6, labels=torch.eye(10)[threes]))
    assert not torch.equal(sampled, trainer.sample(6, labels=threes + 1))
    assert torch.equal(trainer.sample(12), trainer.sample(12, labels=torch.arange(12) % 10))
    z = torch.randn(6, 8)
    assert torch.equal(trainer.sample(6, z=z), trainer.sample(6, z=z, labels=torch.arange(6)))
    assert not torch.equal(trainer.sample(6, z=z, labels=threes), trainer.sample(6, z=z, labels=threes, average=False))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.zeros(3, dtype=torch.int64), "^labels: '3 labels' is not allowed; expected one for each of 4 samples"),
        (torch.eye(10)[:1], "^labels: '1 labels' is not allowed"),
        (torch.full((4,), 10), "^labels: '10 to 10' is not allowed; expected indices from 0 to 9"),
        (torch.zeros(4), "^labels: 'torch.float32 .* is not allowed; expected class indices"),
        (torch.zeros(4, 9), "^labels: 'torch.float32 .* is not allowed; expected class indices"),
    ],
)
def test_labels_that_fit_no_sample(labels, message):
    with pytest.raises(InputError, match=message) as error:
        Trainer(CLASSES, device="cpu").sample(4, labels=labels)
    assert "\n" not in str(error.value)


def test_networks_have_the_classes_of_the_data():
    nets = [Trainer(made, device="cpu").networks for made in (CLASSES, DIGITS, STYLES)]
    assert [[net.num_classes for net in of.values()] for of in nets] == [[10, 10], [0, 0], [4, 4]]


def test_data_without_labels_have_no_classes():
    scrawl = data.from_points(torch.rand(50, 2).numpy(), name="scrawl")
    with pytest.raises(InputError, match=r"^conditional: True is not allowed; expected false, since scrawl ") as error:
        Trainer(RING.with_changes({"conditional": True}), device="cpu", dataset=scrawl)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["diffaugment", "ada"])
def test_augmentation_is_for_images(kind):
    with pytest.raises(
        InputError, match=rf"^augment: '{kind}' is not allowed; expected 'none', since ring-8 "
    ) as error:
        Trainer(RING.with_changes({"augment": kind}), device="cpu")
    assert "\n" not in str(error.value)


def test_augmentation_changes_the_run_and_says_how_much():
    plain, augmented = (
        Trainer(DIGITS.with_changes({"augment": kind}), device="cpu") for kind in ("none", "diffaugment")
    )
    adaptive = Trainer(DIGITS.with_changes({"augment": "ada"}), device="cpu")
    a, b, c = drain(plain.run(3)), drain(augmented.run(3)), drain(adaptive.run(3))
    assert a["d_loss"] != b["d_loss"]
    assert [metrics.get("augment_p") for metrics in (a, b, c)] == [None, None, 0]  # ADA alone has a strength


# -- what can go wrong -----------------------------------------------------------------------------------------------
def test_a_loss_that_is_nan_stops_the_run_and_keeps_the_last_checkpoint(tmp_path):
    trainer = Trainer(RING, device="cpu", out=tmp_path)
    with pytest.raises(DivergedError) as error:  # noqa: PT012
        for metrics in trainer.run(50):
            if metrics["step"] == 13:
                with torch.no_grad():
                    next(trainer.networks["discriminator"].parameters()).fill_(math.nan)
    message = str(error.value)
    assert message.startswith("step 14: d_loss is nan; what usually helps: lower lr_d")
    assert "step-00000010.json" in message
    assert "\n" not in message
    assert [p.name for p in sorted((tmp_path / "checkpoints").glob("*.json"))] == ["step-00000010.json"]


def test_ruined_weights_are_not_saved(tmp_path):
    trainer = Trainer(RING, device="cpu", out=tmp_path)
    drain(trainer.run(3))
    with torch.no_grad():
        next(trainer.networks["generator"].parameters()).fill_(math.inf)
    with pytest.raises(DivergedError, match=r"network\.generator\.layers\.0\.weight holds NaN or infinite"):
        trainer.save()
    assert [p.name for p in (tmp_path / "checkpoints").glob("*.json")] == ["step-00000003.json"]


def test_divergence_is_found_late_but_dated_right_where_looking_costs_time():
    trainer = Trainer(RING, device="cpu")
    trainer.device = torch.device("meta")  # any device but the CPU: losses are read in batches of 50
    bad = {"d_loss": torch.tensor(math.inf), "g_loss": torch.tensor(0.0)}
    good = {"d_loss": torch.tensor(1.0), "g_loss": torch.tensor(0.0)}
    for trainer.step in range(1, 50):
        trainer._watch(bad if trainer.step == 17 else good)
    trainer.step = 50
    with pytest.raises(DivergedError, match="step 17: d_loss is inf"):
        trainer._watch(good)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"recipe": "ring"}, "recipe: 'ring' is not known; did you mean 'ring-mlp'"),
        ({"device": "cuda"}, "device: 'cuda' is not available .* choose one of: auto, cpu"),
        ({"device": "gpu"}, "device: 'gpu' is not known"),
        ({"seed": -1}, "seed: -1 is not allowed"),
        ({"resume": True}, "out: None is not allowed"),
        ({"recipe": DIGITS.with_changes({"batch_size": 4000})}, "batch_size: 4000 is not allowed"),
    ],
)
def test_bad_arguments_are_one_clear_line(call, message):
    if torch.cuda.is_available() and call.get("device") == "cuda":
        call = {"device": "cuda:99"}
        message = "device: 'cuda:99' is not available"
    with pytest.raises(InputError, match=message) as error:
        Trainer(**{"recipe": RING, "device": "cpu", **call})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("steps", [0, -3, 1.5, True])
def test_bad_numbers_of_steps_are_refused_before_the_first(steps):
    with pytest.raises(InputError, match=f"steps: {steps!r} is not allowed; expected an integer >= 1"):
        Trainer(RING, device="cpu").run(steps)


def test_a_folder_that_can_not_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"out: .* can't be written"):
        Trainer(RING, device="cpu", out=tmp_path / "file" / "run")


def test_auto_takes_a_device_that_exists():
    assert resolve_device("auto").type in ("cpu", "cuda", "mps")


# -- precision and compilation ---------------------------------------------------------------------------------------
def test_bf16_and_compile_train_close_to_float32(tmp_path):
    exact = Trainer(DIGITS, device="cpu")
    half = Trainer(DIGITS.with_changes({"precision": "bf16"}), device="cpu")
    compiled = Trainer(DIGITS.with_changes({"compile": True}), device="cpu")
    for trainer in (exact, half, compiled):
        trainer.last = drain(trainer.run(3))
    assert half.last["d_loss"].item() == pytest.approx(exact.last["d_loss"].item(), rel=0.05)
    assert compiled.last["d_loss"].item() == pytest.approx(exact.last["d_loss"].item(), rel=1e-3)
    assert compiled._state()[0].keys() == exact._state()[0].keys()  # a compiled run's checkpoint fits an eager one
