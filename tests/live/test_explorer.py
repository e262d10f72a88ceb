"""The latent explorer: what its settings do to the image, what can be kept of it, and what the page is told."""

import base64
import io
import re
import string
from pathlib import Path

import ipywidgets as widgets
import numpy as np
import pytest
import torch
from PIL import Image

from gan_tutorial import models, plots, zoo
from gan_tutorial.errors import InputError
from gan_tutorial.live import Explorer
from gan_tutorial.live import explorer as module
from gan_tutorial.live import lab as lab_module
from gan_tutorial.live.words import EXPLORER
from gan_tutorial.zoo import latents

SMALL = {
    "mlp": {"z_dim": 8},
    "dcgan": {"z_dim": 16, "g_width": 8},
    "biggan": {"z_dim": 16, "g_width": 4},
    "stylegan2": {"z_dim": 16, "w_dim": 16, "channel_base": 256, "channel_max": 16, "mapping_layers": 2},
    "r3gan": {"z_dim": 16, "g_width": 8, "d_width": 8, "group_size": 8},
}


@pytest.fixture(autouse=True)
def _few_samples(monkeypatch):
    """Directions from few samples: these tests don't ask how good they are."""
    monkeypatch.setattr(module, "SAMPLES", {"w": 100, "z": 50})


def network(name, classes=0, channels=3):
    torch.manual_seed(0)
    made = models.build(name, (channels, 16, 16), num_classes=classes, **SMALL[name])["generator"]
    if name == "stylegan2":
        for key, value in made.named_parameters():
            if key.endswith("noise_strength"):
                value.data.fill_(0.5)
        made.mapping.w_avg.normal_()
    return made


def explorer(name="stylegan2", classes=3, **options):
    return Explorer(network(name, classes), **options)


def picture(it):
    """The picture in the page."""
    data = re.search(r'src="data:image/png;base64,([^"]+)"', it.panel.picture.value)[1]
    return Image.open(io.BytesIO(base64.b64decode(data)))


def said(it):
    return re.sub(r"<[^>]*>", "", it.panel.line.value)


def made_by_code(it, **names):
    """The image that `code()` makes, with the generator as G."""
    scope = {"G": it.generator.eval(), **names}
    with torch.no_grad():
        exec(it.code(), scope)
    return scope["image"]


# -- what there is to set -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", list(SMALL))
@pytest.mark.parametrize("classes", [0, 3])
def test_every_architecture_has_the_settings_that_suit_it(name, classes):
    it = explorer(name, classes)
    own = {"psi", "seed_2", "crossover", "noise", "noise_seed"} if name == "stylegan2" else {"threshold"}
    of_classes = {"label", "label_2", "mixture"} if classes else set()
    others = {key for key in it.values if not key.startswith("direction_")}
    assert others == {"seed", "grid"} | own | of_classes
    assert sum(key.startswith("direction_") for key in it.values) == (8 if name == "mlp" else 15)
    assert set(it.panel.controls) == set(it.values) - {"noise_seed"}
    assert it.image.shape == (1, 3, 16, 16)
    before = it.image
    for change in ({"seed": 5}, {"direction_2": 3.0}, *([{"label": "2"}, {"mixture": 0.5}] if classes else [])):
        it.reset()
        it.set(**change)
        assert not torch.equal(it.image, before), change


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("name", list(SMALL))
def test_the_image_is_what_its_code_makes(name, classes):
    it = explorer(name, classes)
    assert torch.equal(made_by_code(it), it.image)
    it.set(seed=7, direction_1=1.5, direction_3=-2.0)
    it.set(**({"psi": 0.7, "seed_2": 9, "crossover": 3} if name == "stylegan2" else {"threshold": 0.8}))
    if classes:
        it.set(label=1, label_2=2, mixture=0.3)
    assert torch.equal(made_by_code(it), it.image)
    if name == "stylegan2":
        for noise in ("none", "random"):
            it.set(noise=noise, noise_seed=4)
            assert torch.equal(made_by_code(it), it.image)


def test_a_model_of_the_zoo_is_known_by_its_name():
    it = Explorer("dcgan-mnist")
    it.set(seed=3, threshold=1.0)
    lines = it.code()
    assert "G = zoo.load('dcgan-mnist')" in lines
    scope = {}
    exec(lines, scope)
    assert torch.equal(scope["image"], it.image)
    z = latents.truncate(torch.randn(1, 64, generator=torch.Generator().manual_seed(3)), 1.0)
    assert torch.equal(it.latent, z)
    assert torch.equal(it.image, zoo.load("dcgan-mnist")(z))
    assert repr(it) == "<Explorer dcgan-mnist seed=3, threshold=1.0>"


def test_the_zoo_names_the_classes(monkeypatch):
    class Entry:
        class_names = ("hat", "bare")

    monkeypatch.setattr(zoo, "load", lambda name: network("dcgan", 2))
    monkeypatch.setattr(zoo, "entry", lambda name: Entry)
    it = Explorer("avatars")
    it.set(label="bare")
    assert it.values["label"] == "bare"
    it.set(label=0)
    assert it.values["label"] == "hat"
    assert it.panel.controls["label"].options == (("hat", "hat"), ("bare", "bare"))
    assert "labels = classes[[0]]  # 'hat'" in it.code()


def test_a_mixture_goes_from_one_class_to_the_other():
    it = explorer(class_names=["a", "b", "c"])
    it.set(label="b", label_2="c", mixture=1.0)
    mixed = it.image
    it.set(label="c", mixture=0.0)
    torch.testing.assert_close(mixed, it.image)
    it.set(label_2="a")
    torch.testing.assert_close(mixed, it.image)


def test_truncation_mixing_and_noise_do_what_they_say():
    it = explorer(classes=0)
    net = it.generator
    it.set(psi=0.0)
    torch.testing.assert_close(it.w[0, 0], net.mapping.w_avg)
    it.reset()
    first = it.w
    it.set(seed=1)
    second = it.w
    it.set(seed=0, seed_2=1, crossover=2)
    torch.testing.assert_close(it.w, torch.cat([first[:, :2], second[:, 2:]], 1))
    it.set(crossover=0)
    torch.testing.assert_close(it.w, second)
    it.reset()
    images = [it.image]
    for change in ({"noise": "none"}, {"noise": "random"}, {"noise_seed": 1}):
        it.set(**change)
        images.append(it.image)
    assert all(not torch.equal(images[i], images[j]) for i in range(4) for j in range(i))
    it.set(noise_seed=0)
    assert torch.equal(it.image, images[2])
    it = explorer("biggan", classes=0)
    it.set(threshold=0.3)
    assert it.latent.abs().max() <= 0.3
    with pytest.raises(InputError, match="w: None is not allowed; expected a StyleGAN2"):
        _ = it.w


def test_own_directions_have_sliders():
    hat = torch.linspace(-1, 1, 16)
    it = explorer(directions={"wears_hat": hat})
    before = it.w
    it.set(wears_hat=2.0)
    torch.testing.assert_close(it.w, before + 2 * hat)
    assert it.panel.controls["wears_hat"].description == "wears hat"
    assert 'w = w + 2.0 * directions["wears_hat"]'.replace('"', "'") in it.code()
    assert torch.equal(made_by_code(it, directions={"wears_hat": hat}), it.image)


def test_directions_are_found_when_they_are_first_needed(monkeypatch):
    calls = []
    found = latents.principal_directions
    monkeypatch.setattr(latents, "principal_directions", lambda *a, **k: calls.append(k) or found(*a, **k))
    it = explorer()
    it.set(seed=2, psi=0.5)
    assert calls == []
    before = it.w
    it.set(direction_2=1.0)
    it.set(direction_2=2.0, direction_4=1.0)
    assert calls == [{"n": 100, "k": 15}]
    torch.testing.assert_close(it.w, before + 2 * it.directions.steps[1] + it.directions.steps[3])


# -- what is made ---------------------------------------------------------------------------------------------------
def test_only_what_changed_is_generated(monkeypatch):
    it = explorer(classes=0)
    made = []
    generate = it._generate
    monkeypatch.setattr(it, "_generate", lambda *args: made.append(args) or generate(*args))
    it.set(seed=1)
    it.set(seed_2=5)  # nothing is mixed
    it.set(noise_seed=3)  # no noise is drawn
    it.set(seed=0)
    it.set(seed=1)
    assert len(made) == 1
    it.set(grid=True)
    assert len(made) == 1 + 8
    it.set(seed=2)
    assert len(made) == 1 + 9
    assert it.images.shape == (9, 3, 16, 16)
    for i in range(100):
        it.set(seed=100 + i, grid=False)
    assert len(it._images) == 64


def test_nothing_outside_is_touched():
    it = explorer()
    it.generator.train()
    before = torch.random.get_rng_state()
    it.set(noise="random", direction_1=1.0)
    it.pin()
    assert torch.equal(torch.random.get_rng_state(), before)
    assert it.generator.training
    assert all(p.grad is None for p in it.generator.parameters())
    assert not it.image.requires_grad
    it.image.fill_(0)
    assert it.image.abs().max() > 0


def test_the_grid_shows_nine_seeds():
    it = explorer("dcgan", classes=0)
    it.set(seed=4, grid=True)
    singles = []
    for seed in range(4, 13):
        it.set(seed=seed, grid=False)
        singles.append(it.image)
    it.set(seed=4, grid=True)
    assert torch.equal(it.images, torch.cat(singles))
    assert "Seeds 4 to 12, row by row" in said(it)
    assert 'alt="Images that dcgan makes of seeds 4 to 12, row by row."' in it.panel.picture.value
    it.set(seed=2**31 - 1)
    assert len(it.images) == 1


# -- what is kept ---------------------------------------------------------------------------------------------------
def test_a_pinned_image_comes_back_with_its_settings():
    it = explorer()
    it.set(seed=3, direction_2=1.0, label=1)
    it.pin()
    kept, values = it.image, it.values
    it.set(seed=8, psi=0.4, grid=True)
    it.pin()
    it.reset()
    assert it.values["grid"]
    it.recall(0)
    assert torch.equal(it.image, kept)
    assert it.values == values
    assert torch.equal(it.pins[0].image, kept)
    assert len(it.panel.pins.children) == 2
    assert it.panel.pin_title.layout.display is None
    it.unpin(0)
    assert [pin.values["seed"] for pin in it.pins] == [8]
    assert len(it.panel.pins.children) == 1
    with pytest.raises(InputError, match=re.escape("i: 1 is not allowed; expected an integer >= 0 and <= 0")):
        it.recall(1)
    it.unpin(0)
    with pytest.raises(InputError, match="pins: 0 is not allowed; expected a pinned image"):
        it.recall(0)


def test_no_more_than_twelve_are_pinned():
    it = explorer("mlp", 0)
    for _ in range(12):
        it.pin()
    with pytest.raises(InputError, match="pins: 12 is not allowed; expected at most 12 pinned images; remove one"):
        it.pin()


@pytest.mark.parametrize("name", ["stylegan2", "dcgan"])
def test_an_animation_goes_through_the_pinned_images_and_back(name, tmp_path):
    it = explorer(name)
    for seed, label in ((0, 0), (1, 2), (2, 2)):
        it.set(seed=seed, label=label)
        it.pin()
    path = it.gif(tmp_path / "way.gif", frames=4, pause_ms=80)
    with Image.open(path) as gif:
        assert gif.n_frames == 12
        assert gif.size == (256, 256)
        assert gif.info["duration"] == 80
        assert gif.info["loop"] == 0
        for i, pin in enumerate(it.pins):
            gif.seek(4 * i)
            shown = np.asarray(gif.convert("RGB").resize((16, 16), Image.Resampling.NEAREST), float)
            assert np.abs(shown - plots.to_uint8(pin.image)[0]).mean() < 3  # of 255; it has 256 colours
    before = path.read_bytes()
    with pytest.raises(InputError, match="exists already"):
        it.gif(path)
    assert path.read_bytes() == before
    it.gif(path, frames=2, overwrite=True)
    assert path.read_bytes() != before


def test_an_animation_without_noise_has_none():
    it = explorer(classes=0)
    it.set(noise="none")
    it.pin()
    it.set(seed=1)
    it.pin()
    noises = []
    generate = it._generate
    it._generate = lambda latent, row, noise: noises.append(noise) or generate(latent, row, noise)
    it.animation(frames=1)
    del it._generate
    it.set(noise="random")
    it.pin()
    it._generate = lambda latent, row, noise: noises.append(noise) or generate(latent, row, noise)
    it.animation(frames=1)
    assert noises == ["none"] * 2 + ["const"] * 3


def test_an_animation_that_cannot_be_is_refused(tmp_path):
    it = explorer()
    it.pin()
    with pytest.raises(InputError, match="pins: 1 is not allowed; expected at least 2 pinned images to go through"):
        it.gif(tmp_path / "way.gif")
    it.pin()
    with pytest.raises(InputError, match="frames: 0 is not allowed"):
        it.gif(tmp_path / "way.gif", frames=0)
    with pytest.raises(InputError, match="pause_ms: 5 is not allowed"):
        it.gif(tmp_path / "way.gif", pause_ms=5)
    with pytest.raises(InputError, match="is not a file in a folder that exists"):
        it.gif(tmp_path / "none" / "way.gif")
    assert list(tmp_path.iterdir()) == []


def test_the_picture_can_be_saved(tmp_path):
    it = explorer("dcgan", 0, size=100)
    with Image.open(it.save(tmp_path / "image.png")) as saved:
        assert saved.size == (96, 96)
        pixels = saved.convert("RGB").resize((16, 16), Image.Resampling.NEAREST)
    assert (np.asarray(pixels) == plots.to_uint8(it.image)[0]).all()
    with pytest.raises(InputError, match="exists already"):
        it.save(tmp_path / "image.png")


# -- what is refused ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"seed": -1}, "seed: -1 is not allowed; expected an integer >= 0"),
        ({"psi": 1.5}, "psi: 1.5 is not allowed; expected a finite number >= 0.0 and <= 1.0"),
        ({"direction_1": 9}, "direction_1: 9 is not allowed; expected a finite number >= -5.0 and <= 5.0"),
        ({"direction_16": 1}, "setting: 'direction_16' is not known; did you mean 'direction_"),
        ({"threshold": 1.0}, "setting: 'threshold' is not known"),
        ({"label": "ha"}, "label: 'ha' is not known; did you mean 'hat'? choose one of: bare, hat, wig"),
        ({"label": 3}, "label: 3 is not allowed; expected an integer >= 0 and <= 2"),
        ({"label": True}, "label: True is not known"),
        ({"noise": "loud"}, "noise: 'loud' is not known; choose one of: const, none, random"),
        ({"crossover": 2.0}, "crossover: 2.0 is not allowed; expected an integer"),
        ({"grid": 1}, "grid: 1 is not allowed; expected True or False"),
    ],
)
def test_set_refuses_what_cannot_be_and_changes_nothing(values, message):
    it = explorer(class_names=["hat", "bare", "wig"])
    with pytest.raises(InputError, match=re.escape(message)) as refused:
        it.set(**{"seed": 5} | values)
    assert "\n" not in str(refused.value)
    assert it.values["seed"] == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Explorer("dcgan-mnits"), "'dcgan-mnits' is not known; did you mean 'dcgan-mnist'?"),
        (lambda: Explorer(models.build("mlp", (2,))["generator"]), "model: 'Generator' is not allowed; expected a gen"),
        (lambda: Explorer(torch.nn.Linear(2, 2)), "model: 'Linear' is not allowed; expected a generator of images"),
        (lambda: Explorer(3), "model: 'int' is not allowed; expected a generator of images"),
        (lambda: explorer(language="xx"), "language: 'xx' is not known"),
        (lambda: explorer(size=8), "size: 8 is not allowed"),
        (lambda: explorer(class_names=["a", "a", "b"]), "class_names: ('a', 'a', 'b') is not allowed; expected a"),
        (lambda: explorer(directions={"a b": torch.zeros(16)}), "directions: 'a b' is not allowed; expected names"),
        (lambda: explorer(directions={"psi": torch.zeros(16)}), "directions: 'psi' is not allowed; expected names"),
        (lambda: explorer(directions={"hat": torch.zeros(9)}), "hat: (9,) is not allowed; expected a vector of 16"),
        (lambda: explorer(directions={"hat": 3}), "hat: 3 is not allowed; expected a vector of 16 finite numbers"),
    ],
)
def test_explorers_that_cannot_be_are_refused(make, message):
    with pytest.raises(InputError, match=re.escape(message)) as refused:
        make()
    assert "\n" not in str(refused.value)


# -- the page -------------------------------------------------------------------------------------------------------
def test_each_control_is_of_the_kind_of_its_values():
    it = explorer()
    kinds = {name: type(control) for name, control in it.panel.controls.items()}
    assert kinds["seed"] is kinds["seed_2"] is widgets.BoundedIntText
    assert kinds["label"] is kinds["label_2"] is kinds["noise"] is widgets.Dropdown
    assert kinds["psi"] is kinds["mixture"] is kinds["direction_1"] is widgets.FloatSlider
    assert kinds["crossover"] is widgets.IntSlider
    assert kinds["grid"] is widgets.Checkbox
    for control in it.panel.controls.values():
        assert control.description
        assert getattr(control, "tooltip", "") or control.description_tooltip  # of ipywidgets 8, or 7


def test_a_moved_control_draws_again_and_set_moves_the_controls():
    it = explorer()
    before = picture(it).tobytes()
    it.panel.controls["direction_1"].value = 2.0
    assert picture(it).tobytes() != before
    assert it.values["direction_1"] == 2.0
    it.panel.controls["noise"].value = "none"
    assert it.values["noise"] == "none"
    it.set(direction_1=-1.25, label="2", seed=12, grid=True)
    assert it.panel.controls["direction_1"].value == -1.25
    assert it.panel.controls["label"].value == "2"
    assert it.panel.controls["seed"].value == 12
    assert it.panel.controls["grid"].value is True
    it.panel.buttons["reset"].click()
    assert it.panel.controls["direction_1"].value == 0.0
    assert it.panel.controls["label"].value == "0"
    assert it.values["noise"] == "const"


def test_one_move_draws_once(monkeypatch):
    it = explorer()
    shown = []
    monkeypatch.setattr(it.panel, "show", lambda show=it.panel.show: shown.append(1) or show())
    it.set(direction_1=1.0, psi=0.5, label=2, noise="none")
    it.panel.controls["psi"].value = 0.6
    it.panel.buttons["reset"].click()
    assert len(shown) == 3


def test_five_directions_show_at_once():
    it = explorer()
    names = [f"direction_{i + 1}" for i in range(15)]
    assert [it.panel.controls[name].layout.display for name in names] == [None] * 5 + ["none"] * 10
    assert [text for text, _ in it.panel.group.options] == ["1 to 5", "6 to 10", "11 to 15"]
    it.panel.group.value = 2
    assert [it.panel.controls[name].layout.display for name in names] == ["none"] * 10 + [None] * 5


def test_the_buttons_do_what_they_say():
    it = explorer()
    seeds = set()
    for _ in range(5):
        it.panel.buttons["random"].click()
        seeds.add(it.values["seed"])
    assert len(seeds) > 1
    before = it.image
    it.panel.buttons["new_noise"].click()
    first = it.image
    it.panel.buttons["new_noise"].click()
    assert it.panel.controls["noise"].value == "random"
    assert not torch.equal(first, before)
    assert not torch.equal(first, it.image)
    it.panel.buttons["code"].click()
    assert it.panel.listing.layout.display is None
    it.panel.controls["seed"].value = 77
    assert "manual_seed(77)" in it.panel.listing.value
    it.panel.buttons["code"].click()
    assert it.panel.listing.layout.display == "none"
    assert "new_noise" not in explorer("dcgan").panel.buttons


def test_pinned_images_have_buttons_of_their_own():
    it = explorer()
    it.set(seed=3)
    it.panel.buttons["pin"].click()
    it.set(seed=4)
    it.panel.buttons["pin"].click()
    (image, buttons), _ = (column.children for column in it.panel.pins.children)
    assert 'alt="Pinned image 1, seed 3."' in image.value
    buttons.children[0].click()
    assert it.values["seed"] == 3
    it.panel.buttons["gif"].click()
    data = re.search(
        r'<a class="[^"]*" download="stylegan2.gif" href="data:image/gif;base64,([^"]+)"', it.panel.movie.value
    )
    with Image.open(io.BytesIO(base64.b64decode(data[1]))) as gif:
        assert gif.n_frames == 32
    assert it.panel.movie.layout.display is None
    assert said(it) == "Seed 3Save PNG"
    open_before = len(it.panel._widgets)
    buttons.children[1].click()
    assert [pin.values["seed"] for pin in it.pins] == [4]
    assert len(it.panel._widgets) < open_before


def test_an_error_is_one_line_below_the_picture_which_stays(monkeypatch):
    it = explorer()
    before = it.panel.picture.value
    it.panel.buttons["gif"].click()
    assert said(it) == "pins: 0 is not allowed; expected at least 2 pinned images to go through"
    assert "explorer-error" in it.panel.line.value

    def failing(*_):
        raise RuntimeError("out of <memory>\nsecond line")

    monkeypatch.setattr(it, "_generate", failing)
    it.panel.controls["seed"].value = 9
    assert it.panel.picture.value == before
    assert it.values["seed"] == 0
    assert "RuntimeError: out of &lt;memory&gt;</span>" in it.panel.line.value
    with pytest.raises(RuntimeError, match="out of <memory>"):
        it.set(seed=9)


def test_a_notebook_keeps_a_picture_and_a_text_that_every_run_repeats():
    it = Explorer(network("dcgan", channels=1), size=100)
    bundle, metadata = it._repr_mimebundle_()
    assert bundle["text/plain"] == "<Explorer dcgan seed=0>"
    with Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))) as saved:
        assert saved.size == (96, 96)
    alt = "Image that dcgan makes of seed 0."
    assert metadata["image/png"] == {"width": 96, "height": 96, "alt": alt}
    assert f'alt="{alt}" width="96" height="96"' in it.panel.picture.value
    assert picture(it).size == (16, 16)
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == it.panel.box.model_id
    assert it._repr_mimebundle_()[0]["image/png"] == bundle["image/png"]
    link = re.search(r'download="([^"]+)" href="data:image/png', it.panel.line.value)
    assert link[1] == "dcgan-seed-0.png"


def test_a_cell_that_runs_again_closes_what_it_made(monkeypatch):
    monkeypatch.setattr(lab_module, "_here", lambda: ("cell", "first"))
    first = explorer("dcgan")
    first.pin()
    monkeypatch.setattr(lab_module, "_here", lambda: ("cell", "second"))
    second = explorer("dcgan")
    assert (first.closed, second.closed) == (True, False)
    assert all(
        w.comm is None
        for w in (first.panel.box, first.panel.picture, *first.panel.controls.values(), *first.panel.pins.children)
    )
    assert "application/vnd.jupyter.widget-view+json" not in first._repr_mimebundle_()[0]
    first.set(seed=3)
    assert first.values["seed"] == 3


# -- the words ------------------------------------------------------------------------------------------------------
def flat(entry, path=""):
    if isinstance(entry, str):
        return {path: entry}
    return {key: text for name, part in entry.items() for key, text in flat(part, f"{path}/{name}").items()}


def test_both_languages_say_the_same_things():
    english, chinese = flat(EXPLORER["en"]), flat(EXPLORER["zh"])
    assert english.keys() == chinese.keys()
    for path, text in english.items():
        assert text.strip() == text != ""
        assert re.search("[一-鿿]", chinese[path]), path
        holes = [{hole for _, hole, _, _ in string.Formatter().parse(t) if hole} for t in (text, chinese[path])]
        assert holes[0] == holes[1], path


def test_every_text_is_used_and_no_other_is_there():
    folder = Path(module.__file__).parent
    code = "".join((folder / f"{name}.py").read_text(encoding="utf-8") for name in ("explorer", "explorer_panel"))
    used = set(re.findall(r'words\["(\w+)"\]', code)) | set(re.findall(r'\.told\("(\w+)"', code))
    used |= {"alt_grid", "caption_grid", "recall", "unpin"} | set(explorer().panel.buttons)
    used |= {f"{name}_tip" for name in (*explorer().panel.buttons, "recall", "unpin")}
    assert used == set(EXPLORER["en"])
    settings = {name for kind in ("stylegan2", "dcgan") for name in explorer(kind).panel.controls}
    named = {name for name in settings if not name.startswith("direction_")}
    assert set(EXPLORER["en"]["names"]) == set(EXPLORER["en"]["tips"]) == named
    assert set(EXPLORER["en"]["noises"]) == set(explorer().settings["noise"].options)


def test_it_speaks_chinese():
    it = explorer(language="zh", classes=0)
    assert it.panel.controls["seed"].description == "随机种子"
    assert it.panel.controls["direction_2"].description == "方向 2"
    assert it.panel.buttons["pin"].description == "固定"
    assert said(it) == "种子 0保存 PNG"
    assert dict(it.panel.controls["noise"].options) == {"始终相同": "const", "无": "none", "重新抽取": "random"}
