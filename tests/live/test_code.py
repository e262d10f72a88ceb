"""Show as code: what is shown, run by itself, repeats the run bit for bit."""

import runpy
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from gan_tutorial import data, models
from gan_tutorial.algorithms import ALGORITHMS, GANSettings
from gan_tutorial.algorithms.gan import OPTIMIZERS, REMEDIES
from gan_tutorial.errors import InputError
from gan_tutorial.live import code
from gan_tutorial.live.code import Event, as_recipe, as_script
from gan_tutorial.losses import LOSSES
from gan_tutorial.training import Recipe, Trainer, recipe

ROOT = Path(__file__).parents[2]
SEED, STEPS = 5, 12
RING = recipe("ring-mlp", batch_size=32, model__g_width=16, model__d_width=16)
DIGITS = recipe("dcgan-digits8", batch_size=16, model__z_dim=8, model__g_width=8, model__d_width=8)
SGD = RING.with_changes({"optimizer": "sgd", "lr_g": 0.1, "lr_d": 0.2})
AVATARS = recipe("dcgan-avatars", batch_size=8, model__z_dim=8, model__g_width=4, model__d_width=4)  # BatchNorm in D
BY_HAND = [
    Event(0, "step_generator"),
    Event(1, "step_discriminator"),
    Event(4, "step_discriminator"),
    Event(5, "step_discriminator"),
    Event(8, "step_generator"),
]
CHANGES = [
    Event(0, changes={"lr_d": 3e-3}),
    Event(3, changes={"lr_g": 2e-3, "beta1": 0.0}),
    Event(3, changes={"lr_g": 5e-4}),
    Event(4, changes={"optimizer": "sgd"}),
    Event(5, changes={"loss": "hinge", "n_critic": 2}),
    Event(6, changes={"lr_d": 0.1}),
    Event(7, changes={"g_steps": 3, "n_critic": 0}),
    Event(8, changes={"optimizer": "adam", "lr_d": 1e-3}),
    Event(9, changes={"r1": 1, "n_critic": 3, "loss": "relativistic"}),
    Event(10, changes={"r1": 0, "gradient_penalty": 2.0}),
]
PENALTIES = {
    "none": {},
    "r1": {"r1": 0.3},
    "gp": {"gradient_penalty": 10.0},
    "lazy": {"r1": 0.7, "penalty_every": 4},
    "all": {"gradient_penalty": 1.0, "zero_gradient_penalty": 0.3, "r1": 0.1, "r2": 0.2, "penalty_every": 2},
}


def trained(recipe, events=(), steps=STEPS, dataset=None):
    """A trainer to which the events were done, and the last value of each of its metrics."""
    trainer, metrics = Trainer(recipe, seed=SEED, device="cpu", dataset=dataset), {}
    for step in range(steps):
        update = next
        for event in events:
            if event.step == step and event.kind == "set":
                trainer.configure(**event.changes)
            elif event.step == step:
                update = getattr(Trainer, event.kind)
        metrics |= next(trainer.run(1)) if update is next else update(trainer)
    return trainer, metrics


def run(text, folder):
    """The variables that a script leaves."""
    script = folder / "run.py"
    script.write_text(text, encoding="utf-8")
    return runpy.run_path(str(script))


def check(recipe, folder, events=(), steps=STEPS, dataset=None):
    """Script and recipe repeat the run: losses and samples, bit for bit. Returns the script."""
    trainer, metrics = trained(recipe, events, steps, dataset)
    told = {"seed": SEED, "steps": steps, "events": events, "dataset": dataset}
    text = as_script(recipe, **told)
    found = run(text, folder)
    for name in ("d_loss", "g_loss"):
        assert (name in found) == (name in metrics)
        assert name not in found or torch.equal(found[name].detach(), metrics[name]), name
    samples = trainer.sample(len(found["samples"]))
    assert len(samples) == (code.IMAGES if trainer.dataset.is_image else code.POINTS)
    assert torch.equal(found["samples"], samples)
    assert samples.isfinite().all()
    again = run(as_recipe(recipe, **told), folder)
    assert torch.equal(again["samples"], samples)
    assert again["trainer"].step == trainer.step
    assert again["trainer"].settings == trainer.settings
    return text


@pytest.mark.parametrize("counts", [(1, 1), (2, 1), (1, 2)], ids=str)
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("loss", LOSSES)
def test_ring(loss, penalty, counts, tmp_path):
    n_critic, g_steps = counts
    check(
        RING.with_changes({"loss": loss, "n_critic": n_critic, "g_steps": g_steps, **PENALTIES[penalty]}),
        tmp_path,
        steps=6,
    )


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("loss", LOSSES)
def test_digits(loss, penalty, tmp_path):
    check(DIGITS.with_changes({"loss": loss, "n_critic": 2, "g_steps": 2, **PENALTIES[penalty]}), tmp_path, steps=6)


@pytest.mark.parametrize("made", [RING, DIGITS, AVATARS], ids=lambda r: r.name)
@pytest.mark.parametrize("loss", ["minimax", "relativistic"])
@pytest.mark.parametrize("events", [(), BY_HAND, CHANGES, CHANGES + BY_HAND], ids=["none", "hand", "changes", "both"])
def test_what_was_done_to_a_run(made, loss, events, tmp_path):
    made = made.with_changes({"loss": loss, "zero_gradient_penalty": 0.5 if made is RING else 0.0})
    check(made, tmp_path, events)


@pytest.mark.parametrize("norm", models.dcgan.NORMS)
def test_discriminators_with_every_norm(norm, tmp_path):
    text = check(AVATARS.with_changes({"model.norm": norm, "loss": "relativistic"}), tmp_path, BY_HAND, steps=8)
    assert ("torch.cat" in text) == (norm != "batch")


@pytest.mark.parametrize(
    "changes",
    [
        {"noise": "uniform", "model.z_dim": 1},
        {"ema": 0.9},
        {"model.g_depth": 0, "model.d_depth": 5, "model.d_width": 256},
        {"data": "digits8"},
        {"data": "pinwheel", "data.arms": 3},
        {"n_critic": 0},
        {"g_steps": 0},
        {"lr_g": 0, "lr_d": 1e-5, "beta2": 0.9},
        {"optimizer": "sgd", "lr_g": 0.1, "lr_d": 0.2},
        {"data": "digits8", "model": "dcgan", "model.d_width": 8, "optimizer": "sgd", "lr_g": 0.1},
    ],
    ids=str,
)
def test_other_recipes(changes, tmp_path):
    check(RING.with_changes(changes), tmp_path)


@pytest.mark.parametrize("kind", ["step_discriminator", "step_generator"])
def test_runs_by_hand_alone(kind, tmp_path):
    events = [Event(step, kind) for step in range(3)]
    text = check(RING.with_changes({"r1": 1.0}), tmp_path, events, steps=3)
    assert ("g_loss" in text) == (kind == "step_generator")


def test_a_first_update_of_g_whose_loss_changes_later(tmp_path):
    check(RING, tmp_path, [Event(0, "step_generator"), Event(2, changes={"loss": "hinge"})])


def test_the_script_of_a_plain_run_is_short_and_says_nothing_of_what_it_did_not_use():
    text = as_script(recipe("ring-mlp"), seed=0)
    assert len(text.splitlines()) < 60
    for absent in ("penalty", "n_critic", "changes", "relu(", "average", "eval", "models", "update in"):
        assert absent not in text
    assert [text.count(f"# {move}. ") for move in (1, 2, 3, 4)] == [1, 1, 1, 1]
    assert "steps, batch_size, z_dim = 0, 3000, 256, 2" in text


def test_a_script_has_the_optimisers_that_the_run_had():
    steps, told = [Event(2, changes={"lr_g": 0.1, "beta1": 0.0})], {"seed": SEED, "steps": STEPS}
    plain = as_script(RING, events=steps, **told)
    descent = as_script(RING.with_changes({"optimizer": "sgd"}), events=steps, **told)
    both = as_script(RING, events=[*steps, Event(3, changes={"optimizer": "sgd"})], **told)
    assert [(text.count("optim.Adam("), text.count("optim.SGD(")) for text in (plain, descent, both)] == [
        (2, 0), (0, 2), (2, 2)
    ]  # fmt: skip
    assert "betas" not in descent
    by_hand = as_script(RING, events=[Event(3, changes={"optimizer": "sgd"})], seed=SEED, steps=3)
    assert by_hand == as_script(RING, seed=SEED, steps=3)


def test_events_without_effect_are_left_out():
    idle = [Event(3, changes={"lr_g": RING.settings.lr_g}), Event(STEPS, changes={"lr_g": 1.0}), Event(99, "set")]
    told = {"seed": SEED, "steps": STEPS}
    assert as_script(RING, events=idle, **told) == as_script(RING, **told)
    there_and_back = [Event(2, changes={"r1": 1.0}), Event(2, changes={"r1": 0.0})]
    assert as_script(RING, events=there_and_back, **told) == as_script(RING, **told)


def test_as_a_process_of_its_own(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(as_script(DIGITS, seed=SEED, steps=STEPS, events=CHANGES), encoding="utf-8")
    answer = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True, cwd=ROOT)
    _, metrics = trained(DIGITS, CHANGES)
    assert answer.stdout == f"step {STEPS}: d_loss {metrics['d_loss']:.6f}, g_loss {metrics['g_loss']:.6f}\n"


def test_ruff_has_nothing_to_say(tmp_path):
    slider = [Event(step, changes={"lr_g": step * 1e-4, "beta1": step / 100}) for step in range(1, 40)]
    hand = [Event(step, "step_generator") for step in range(1, 60)]
    numbers = [f for f in fields(GANSettings) if isinstance(f.default, int | float) and f.name not in REMEDIES]
    everything = {f.name: f.default * 2 for f in numbers}
    everything |= {"beta1": 0.1, "beta2": 0.9, "lr_g": 0.123456789012345, "r1": 1.5, "r2": 2.5, "gradient_penalty": 10}
    runs = [
        (replace(made, settings=replace(made.settings, loss=loss, **PENALTIES[penalty])), events)
        for made in (RING, DIGITS, AVATARS, RING.with_changes({"model.d_depth": 5}), replace(RING, name="mine"), SGD)
        for loss, penalty in zip(LOSSES, [*PENALTIES, "none"], strict=True)
        for events in ((), BY_HAND, CHANGES, CHANGES + BY_HAND, slider, hand, [Event(7, changes=everything)])
    ]
    for i, (made, events) in enumerate(runs):
        shape = {"ring-8": (2,), "digits8": (1, 8, 8), "avatars": (3, 16, 16)}[made.data]
        script = as_script(made, seed=SEED, events=events, sample_shape=shape)
        (tmp_path / f"script_{i}.py").write_text(script, encoding="utf-8")
        (tmp_path / f"recipe_{i}.py").write_text(as_recipe(made, seed=SEED, events=events), encoding="utf-8")
    drawn = data.from_points(np.random.default_rng(0).normal(size=(200, 2)))
    (tmp_path / "drawn.py").write_text(as_script(RING, seed=0, dataset=drawn), encoding="utf-8")
    ruff = [sys.executable, "-m", "ruff"]
    for command in (["check"], ["format", "--diff"]):
        answer = subprocess.run(
            [*ruff, *command, "--no-cache", "--config", "pyproject.toml", str(tmp_path)],
            capture_output=True,
            text=True,
            cwd=ROOT,
        )
        assert answer.returncode == 0, answer.stdout + answer.stderr


# -- data of one's own -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("n", [1, 500])
def test_a_drawing_is_written_out_point_by_point(n, tmp_path):
    points = np.random.default_rng(n).normal(size=(n, 2)) * 10.0 ** np.arange(-20, 20, 40 / n)[:n, None]
    check(RING.with_changes({"batch_size": 8, "lr_g": 0}), tmp_path, dataset=data.from_points(points, jitter=0.03))


def test_points_of_a_tensor_are_written_out(tmp_path):
    points = torch.rand(60, 2)
    own = data.Dataset.from_tensor(points, labels=torch.arange(60) % 2)
    found = run(check(RING, tmp_path, dataset=own), tmp_path)
    assert torch.equal(found["dataset"].data, points)


@pytest.mark.parametrize(
    "dataset",
    [
        data.from_points(torch.rand(501, 2), name="scrawl"),
        data.Dataset.from_tensor(torch.rand(501, 2), name="scrawl"),
        data.Dataset.from_tensor(torch.rand(20, 3), name="scrawl"),
        data.Dataset.from_tensor(torch.zeros(5, 1, 8, 8), name="scrawl"),
    ],
)
def test_large_data_are_refused_in_one_line(dataset):
    for write in (as_script, as_recipe):
        with pytest.raises(InputError, match=r"^data: 'scrawl' can't be written into a script; expected [^\n]*$"):
            write(RING, seed=0, dataset=dataset)


NASTY = """it's "quoted" \\ and\n\r\x0b\x0c\x85\u2028'''\"\"\"{seed}%s #\t\u202e é 猫"""


def test_no_text_breaks_out(tmp_path):
    for name in ("a", "b"):
        folder = tmp_path / NASTY / name
        folder.mkdir(parents=True)
        for i in range(10):
            Image.fromarray(np.random.default_rng(i).integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(
                folder / f"{i}.png"
            )
    made = replace(AVATARS, name=NASTY, summary=NASTY, data=f"folder:{tmp_path / NASTY}", data_options={"size": 8})
    check(made, tmp_path, steps=2)


@pytest.mark.parametrize(
    "text", [NASTY, "plain", "it's", 'say "no"', "'", '"', "\\", "\\'", "", "\ud800", "a\\", "'\"", "{x}"]
)
def test_text_is_written_as_it_is(text, tmp_path):
    assert run(f"x = {code._literal(text)}\n", tmp_path)["x"] == text


def test_what_is_not_plain_is_refused(tmp_path):
    class Sly(str):
        def __repr__(self):
            return "boom()"

    assert run(f"x = {code._literal([Sly('a'), (1,), (), None, True, 1e-7, np.float64(0.5)])}\n", tmp_path)["x"] == [
        "a", (1,), (), None, True, 1e-7, 0.5
    ]  # fmt: skip
    for odd in (object(), float("nan"), float("inf"), {1}, b"x"):
        with pytest.raises(InputError, match=r"^code: a "):
            code._literal(odd)
    with pytest.raises(InputError, match=r"^option: "):
        as_script(replace(RING, data_options={"x=1); boom(": 1}), seed=0, sample_shape=(2,))


# -- what is refused ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"precision": "bf16"}, r"^precision: 'bf16' is not allowed; expected 'fp32' for a script"),
        ({"compile": True}, r"^compile: True is not allowed; expected False for a script"),
        ({"conditional": True}, r"^conditional: True is not allowed; expected False for a script"),
        ({"augment": "ada"}, r"^augment: 'ada' is not allowed; expected 'none' for a script"),
        ({"augment": "diffaugment", "augment_target": 0.5}, r"^augment: 'diffaugment' is not allowed"),
    ],
)
def test_recipes_that_a_script_can_not_repeat(changes, message):
    with pytest.raises(InputError, match=message) as error:
        as_script(RING.with_changes(changes), seed=0)
    assert "\n" not in str(error.value)
    written = as_recipe(RING.with_changes(changes), seed=0)
    assert all(f"{name}={code._literal(value)}" in written for name, value in changes.items())


@pytest.mark.parametrize("name", sorted(set(ALGORITHMS) - {"gan"}))
def test_other_algorithms_are_not_written_out(name):
    made = replace(RING, algorithm=name, settings=ALGORITHMS[name].Settings())
    with pytest.raises(InputError, match=rf"^algorithm: '{name}' is not allowed; expected 'gan' for a script") as error:
        as_script(made, seed=0, sample_shape=(2,))
    assert "\n" not in str(error.value)
    # A recipe can't be made with settings of another algorithm, but could be forced to have them.
    object.__setattr__(made, "algorithm", "gan")
    with pytest.raises(InputError, match=rf"^settings: '{type(made.settings).__name__}' is not allowed") as error:
        as_script(made, seed=0, sample_shape=(2,))
    assert "\n" not in str(error.value)


def test_a_model_whose_samples_are_noisy_is_not_written_out():
    with pytest.raises(InputError, match=r"^model: 'stylegan2' is not allowed; expected a model without noise"):
        as_script(replace(AVATARS, model="stylegan2", model_options={}), seed=0)


@pytest.mark.parametrize("model", ["r3gan", "biggan"])
def test_other_models_without_noise_are_repeated(model, tmp_path):
    options = {"z_dim": 20, "g_width": 8, "d_width": 8}
    check(replace(AVATARS, model=model, model_options=options, batch_size=4), tmp_path, steps=2)


@pytest.mark.parametrize(
    "made",
    [
        replace(
            recipe("stylegan2-avatars", data__size=16, batch_size=4, style_mixing=0.5, augment="ada", conditional=True),
            model_options={"z_dim": 8, "w_dim": 8, "channel_base": 64, "channel_max": 4, "mapping_layers": 2},
        ),
        recipe("biggan-avatars", batch_size=4, model__g_width=4, model__d_width=4, orthogonal=0.5),
        replace(RING, name="mine", conditional=True, augment_images=1000),
    ],
    ids=lambda r: f"{r.name}-{r.algorithm}",
)
@pytest.mark.parametrize("named", [True, False])
def test_every_recipe_is_told_in_the_packages_own_words(made, named, tmp_path):
    made = made if named else replace(made, name="mine")
    added = (
        "g_steps" if made.algorithm == "gan" else {"stylegan2": "path_length", "biggan": "orthogonal"}[made.algorithm]
    )
    events = [Event(2, changes={added: 1})]
    text = as_recipe(made, seed=SEED, steps=4, events=events)
    found = run(text, tmp_path)
    assert found["made"] == made
    assert type(found["made"].settings) is type(made.settings)
    trainer, _ = trained(made, events, steps=4)
    assert found["trainer"].step == trainer.step == 4
    assert found["trainer"].settings == trainer.settings
    ours, theirs = (t.networks["generator"].state_dict() for t in (trainer, found["trainer"]))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("write", [as_script, as_recipe])
@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"seed": -1}, "^seed: -1"),
        ({"steps": 0}, "^steps: 0"),
        ({"threads": 0}, "^threads: 0"),
        ({"events": [Event(-1)]}, "^step: -1"),
        ({"events": [Event(0, "jump")]}, "^kind: 'jump' is not known"),
        ({"events": [Event(0, changes={"lr": 1})]}, "^setting: 'lr' is not known; did you mean 'lr_"),
        ({"events": [Event(0, changes={"lr_g": -1})]}, "^lr_g: -1"),
    ],
)
def test_wrong_arguments(write, told, message):
    with pytest.raises(InputError, match=message):
        write(RING, **{"seed": 0, **told})


# -- recipes -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("changes", "written"),
    [
        ({}, 'recipe("ring-mlp")'),
        ({"lr_g": 0.01, "model.g_width": 64}, 'recipe("ring-mlp", lr_g=0.01, model__g_width=64)'),
        ({"data.std": 0.1, "batch_size": 8}, 'recipe("ring-mlp", batch_size=8, data__std=0.1)'),
        ({"name": "mine"}, 'Recipe(\n    name="mine",\n'),
        ({"model_options": {"g_width": "64"}}, "Recipe(\n"),  # by name, the text would become a number
    ],
)
def test_a_recipe_is_told_by_what_differs_from_the_one_of_its_name(changes, written, tmp_path):
    base = recipe("ring-mlp")
    made = replace(base, **changes) if "model_options" in changes else base.with_changes(changes)
    source = code._recipe(made)
    assert source.startswith(written)
    imports = "from gan_tutorial.training import Recipe, recipe\nfrom gan_tutorial.algorithms import GANSettings\n"
    assert run(f"{imports}made = {source}\n", tmp_path)["made"] == made


# -- what must not drift -----------------------------------------------------------------------------------------------
def test_every_loss_setting_and_field_is_known_here():
    """A new one has to be written into the scripts: do so in gan_tutorial/live/code.py, then add it here."""
    assert code._LOSSES.keys() == LOSSES.keys()
    assert code._OPTIMIZERS.keys() == set(OPTIMIZERS)
    assert {f.name for f in fields(GANSettings)} == {
        *("loss", "optimizer", "lr_g", "lr_d", "beta1", "beta2", "n_critic", "g_steps", "penalty_every"),
        *code._PENALTIES,
        *REMEDIES,  # which no script writes: they are refused
    }
    never_computed = {"name", "summary", "checkpoint_every", "keep_checkpoints", "log_every", "sample_every"}
    assert {f.name for f in fields(Recipe)} - never_computed == {
        *("data", "data_options", "model", "model_options", "algorithm", "settings", "noise", "batch_size", "steps"),
        *("ema", "precision", "compile", "conditional", "augment", "augment_target", "augment_images"),
    }


def test_layers_that_draw_random_numbers(tmp_path, monkeypatch):
    def build(sample_shape, *, num_classes=0, z_dim=2):
        generator = models.mlp.Generator(sample_shape, z_dim, 16, 1)
        discriminator = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Dropout(), nn.Linear(16, 1), nn.Flatten(0))
        return {"generator": generator, "discriminator": discriminator}

    monkeypatch.setitem(models.MODELS, "noisy", build)
    check(replace(RING, model="noisy", model_options={}), tmp_path, CHANGES)


def test_a_discriminator_that_says_it_mixes_samples(tmp_path, monkeypatch):
    def build(sample_shape, *, num_classes=0, z_dim=2):
        nets = models.mlp.build(sample_shape, num_classes=num_classes, z_dim=z_dim, g_width=16, d_width=16)
        nets["discriminator"].mixes_samples = True
        return nets

    monkeypatch.setitem(models.MODELS, "mixing", build)
    assert "torch.cat" not in check(replace(RING, model="mixing", model_options={}), tmp_path)
