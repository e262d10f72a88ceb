import dataclasses
import json

import pytest

from gan_tutorial.algorithms import GANSettings
from gan_tutorial.errors import InputError
from gan_tutorial.training import Recipe, Trainer, recipe, recipes


def test_the_first_recipes_are_there():
    assert {"ring-mlp", "dcgan-digits8", "dcgan-mnist", "wgan-gp-mnist", "dcgan-avatars"} <= set(recipes())


@pytest.mark.parametrize("name", sorted(recipes()))
def test_every_recipe_trains_and_survives_json(name):
    r = recipe(name)
    assert Recipe.from_json(json.loads(json.dumps(r.to_json()))) == r
    small = {"batch_size": 8} | ({"model.g_width": 8, "model.d_width": 8} if r.model == "dcgan" else {})
    trainer = Trainer(r.with_changes(small), device="cpu")
    (metrics,) = trainer.run(1)
    assert metrics["step"] == 1
    assert trainer.sample(2).shape == (2, *trainer.dataset.sample_shape)


@pytest.mark.parametrize("cls", [Recipe, GANSettings])
def test_every_field_is_documented(cls):
    for f in dataclasses.fields(cls):
        assert f"        {f.name}: " in cls.__doc__, f.name


def test_recipes_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        recipe("ring-mlp").steps = 3
    with pytest.raises(TypeError):
        recipes()["mine"] = recipe("ring-mlp")


def test_changes_reach_fields_settings_and_options():
    r = recipe("dcgan-mnist").with_changes(
        {"steps": "1e3", "lr_g": "3e-4", "model.g_width": "16", "data.size": "32", "compile": "true", "loss": "hinge"}
    )
    assert (r.steps, r.settings.lr_g, r.model_options["g_width"], r.compile) == (1000, 3e-4, 16, True)
    assert r.settings.loss == "hinge"
    assert recipe("dcgan-mnist").model_options["g_width"] == 32  # the registered one is untouched
    assert recipe("ring-mlp", model__g_width=8).model_options == {"g_width": 8}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lrg": "1"}, "setting: 'lrg' is not known; did you mean 'lr_g'"),
        ({"model.widht": "1"}, "option of model 'dcgan': 'widht' is not known"),
        ({"steps": "0"}, "steps: 0 is not allowed; expected an integer >= 1"),
        ({"steps": "many"}, "steps: 'many' is not allowed; expected an integer"),
        ({"batch_size": "2.5"}, "batch_size: 2.5 is not allowed"),
        ({"lr_g": "-1"}, "lr_g: -1.0 is not allowed"),
        ({"precision": "fp8"}, "precision: 'fp8' is not allowed"),
        ({"compile": "1"}, "compile: 1 is not allowed"),
        ({"data": "mnits"}, "data: 'mnits' is not known; did you mean 'mnist'"),
        ({"ema": "1"}, "ema: 1.0 is not allowed"),
    ],
)
def test_bad_changes_are_one_clear_line(change, message):
    with pytest.raises(InputError, match=message) as error:
        recipe("dcgan-mnist").with_changes(change)
    assert "\n" not in str(error.value)


def test_unknown_recipe_suggests_the_nearest():
    with pytest.raises(InputError, match="recipe: 'dcgan-mnst' is not known; did you mean 'dcgan-mnist'"):
        recipe("dcgan-mnst")


def test_difference_names_what_differs():
    a = recipe("ring-mlp")
    b = a.with_changes({"lr_g": 0.5, "model.g_width": 8})
    assert a.difference(a) == []
    assert a.difference(b) == ["model_options.g_width None against 8", "settings.lr_g 0.001 against 0.5"]


@pytest.mark.parametrize("values", [{}, {"algorithm": "gan"}, {"algorithm": "gan", "settings": {"speed": 1}}])
def test_foreign_json_is_refused(values):
    with pytest.raises(InputError, match="recipe: not a recipe of this version"):
        Recipe.from_json(values)
