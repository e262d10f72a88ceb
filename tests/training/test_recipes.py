import dataclasses
import json

import pytest

from gan_tutorial.algorithms import ALGORITHMS, BigGANSettings, GANSettings, SeqGANSettings, StyleGAN2Settings
from gan_tutorial.errors import InputError
from gan_tutorial.training import Recipe, Trainer, recipe, recipes


def test_the_first_recipes_are_there():
    assert {"ring-mlp", "dcgan-digits8", "dcgan-mnist", "wgan-gp-mnist", "dcgan-avatars"} <= set(recipes())
    assert {"cgan-avatars", "biggan-avatars", "stylegan2-avatars", "r3gan-avatars"} <= set(recipes())


NARROW = {
    "mlp": {},
    "r3gan": {"model.g_width": 16, "model.d_width": 16},
    "stylegan2": {"model.channel_base": 64, "model.channel_max": 4, "model.z_dim": 8, "model.w_dim": 8},
    "seqgan": {"model.hidden": 8, "model.d_width": 0.05, "mle_steps": 1, "d_pretraining": 1, "d_samples": 8},
}
FEW = {"drums": {"data.per_class": 4}, "oracle": {"data.samples": 64}}


@pytest.mark.parametrize("name", sorted(recipes()))
def test_every_recipe_trains_and_survives_json(name):
    r = recipe(name)
    assert Recipe.from_json(json.loads(json.dumps(r.to_json()))) == r
    small = {"batch_size": 4} | NARROW.get(r.model, {"model.g_width": 8, "model.d_width": 8})
    trainer = Trainer(r.with_changes(small | FEW.get(r.data, {})), device="cpu")
    *_, metrics = trainer.run(3)  # SeqGAN: one of each phase
    assert metrics["step"] == 3
    of_d = trainer.networks["discriminator"].num_classes  # a translator is given no class, only its D
    assert of_d == (trainer.dataset.num_classes if r.conditional else 0)
    assert trainer.algorithm.num_classes == (0 if trainer.translates else of_d)
    assert ("augment_p" in metrics) == (r.augment == "ada")
    assert trainer.sample(2).shape == (2, *trainer.dataset.sample_shape)


@pytest.mark.parametrize("cls", [Recipe, GANSettings, SeqGANSettings])
def test_every_field_is_documented(cls):
    for f in dataclasses.fields(cls):
        assert f"        {f.name}: " in cls.__doc__, f.name


@pytest.mark.parametrize("cls", [StyleGAN2Settings, BigGANSettings])
def test_every_setting_that_an_algorithm_adds_is_documented(cls):
    added = {f.name for f in dataclasses.fields(cls)} - {f.name for f in dataclasses.fields(GANSettings)}
    assert added
    for name in added:
        assert f"        {name}: " in cls.__doc__, name


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
        ({"conditional": "yes"}, "conditional: 'yes' is not allowed; expected true or false"),
        ({"conditional": 1}, "conditional: 1 is not allowed"),
        ({"augment": "adaptive"}, r"augment: 'adaptive' is not .* 'ada'"),
        ({"augment_target": "1.5"}, "augment_target: 1.5 is not allowed"),
        ({"augment_target": -0.1}, "augment_target: -0.1 is not allowed"),
        ({"augment_images": 0}, "augment_images: 0 is not allowed; expected an integer >= 1"),
        ({"algorithm": "stylegan"}, "algorithm: 'stylegan' is not known; did you mean 'stylegan2'"),
        ({"style_mixing": 0.5}, "setting: 'style_mixing' is not known"),
        ({"model.num_classes": 3}, "option of model 'dcgan': 'num_classes' is not known"),
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


# -- algorithms with settings of their own -----------------------------------------------------------------------------
@pytest.mark.parametrize("name", sorted(ALGORITHMS))
def test_settings_come_back_from_json_as_what_they_were(name):
    settings = ALGORITHMS[name].Settings(lr_g=0.123, lr_d=2.0)
    made = dataclasses.replace(recipe("ring-mlp"), algorithm=name, settings=settings)
    back = Recipe.from_json(json.loads(json.dumps(made.to_json())))
    assert back == made
    assert type(back.settings) is type(settings)
    assert back.difference(made) == []


def test_new_fields_survive_json():
    changes = {"conditional": True, "augment": "ada", "augment_target": 0.5, "augment_images": 1000}
    made = recipe("dcgan-avatars").with_changes(changes)
    assert {name: getattr(made, name) for name in changes} == changes
    assert Recipe.from_json(json.loads(json.dumps(made.to_json()))) == made
    assert made.difference(recipe("dcgan-avatars")) == [
        "augment 'ada' against 'none'",
        "augment_images 1000 against 500000",
        "augment_target 0.5 against 0.6",
        "conditional True against False",
    ]


def test_a_recipe_from_before_there_were_classes_is_read():
    old = recipe("dcgan-avatars").to_json()
    for name in ("conditional", "augment", "augment_target", "augment_images"):
        del old[name]
    assert Recipe.from_json(old) == recipe("dcgan-avatars")


def test_text_reaches_an_algorithms_own_settings():
    made = recipe("stylegan2-avatars").with_changes(
        {"style_mixing": "0.5", "path_length": "1", "path_length_every": "8"}
    )
    assert made.settings == dataclasses.replace(
        recipe("stylegan2-avatars").settings, style_mixing=0.5, path_length=1.0, path_length_every=8
    )
    with pytest.raises(InputError, match=r"^style_mixing: 2.0 is not allowed"):
        made.with_changes({"style_mixing": "2"})


@pytest.mark.parametrize(
    ("name", "settings"),
    [("stylegan2", GANSettings()), ("gan", StyleGAN2Settings()), ("biggan", StyleGAN2Settings()), ("gan", {"lr_g": 1})],
)
def test_settings_have_to_fit_the_algorithm(name, settings):
    wanted = ALGORITHMS[name].Settings.__name__
    with pytest.raises(InputError, match=rf"^settings: .* is not allowed; expected {wanted}, for '{name}'$") as error:
        dataclasses.replace(recipe("ring-mlp"), algorithm=name, settings=settings)
    assert "\n" not in str(error.value)


def test_json_with_another_algorithms_settings_is_refused():
    values = recipe("stylegan2-avatars").to_json() | {"algorithm": "gan"}
    with pytest.raises(InputError, match=r"^recipe: not a recipe of this version \(.*style_mixing.*\)$"):
        Recipe.from_json(values)


@pytest.mark.parametrize("kind", ["none", "diffaugment", "ada"])
def test_a_recipe_makes_its_augmentation(kind):
    made = recipe("dcgan-avatars", augment=kind, augment_target=0.4, augment_images=77)
    one, other = made.augmentation("cpu"), made.augmentation("cpu")
    if kind == "none":
        assert one is other is None
        return
    assert (one.kind, one.target, one.images, one.p.item()) == (kind, 0.4, 77, 0)
    assert one is not other
