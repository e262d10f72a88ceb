"""The data files in the package, the digits, avatars and emoji in them, and `load` in front of them."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import gan_tutorial.data
from gan_tutorial.data import describe, load, names
from gan_tutorial.errors import InputError

FOLDER = Path(gan_tutorial.data.__file__).parent
EMBEDDED = [name for name in names() if describe(name).kind == "images" and not describe(name).download][:-1]


def test_packed_files_are_the_documented_ones():
    import hashlib

    stated = dict(re.findall(r"^\| `(\w+\.npz)` .* `(\w{64})` \|$", (FOLDER / "LICENSES.md").read_text(), re.MULTILINE))
    found = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in FOLDER.glob("*.npz")}
    assert len(found) >= 2
    assert found == stated
    assert all(file.stat().st_size < 4_000_000 for file in FOLDER.glob("*.npz"))


def test_importing_is_light():
    code = (
        "import sys, torch; before = set(sys.modules); import gan_tutorial.data as data; data.describe('mnist');"
        "new = {name.split('.')[0] for name in set(sys.modules) - before};"
        "sys.exit(str(new & {'sklearn', 'PIL', 'pooch', 'requests', 'matplotlib', 'pandas', 'scipy'} or ''))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""


def test_names_and_descriptions_are_true():
    assert EMBEDDED == ["digits8", "mnist", "stacked-mnist", "avatars", "emoji"]
    assert len(set(names())) == len(names()) >= 16
    for name in EMBEDDED:
        dataset, told = load(name, split="all"), describe(name)
        assert (told.samples, told.shape, told.classes) == (len(dataset), dataset.sample_shape, dataset.num_classes)
        assert dataset.is_image
    for name in names():
        told = describe(name)
        assert told.name == name
        assert "\n" not in str(told)
        assert ("downloaded" in str(told)) == told.download
        if told.kind == "points":
            density = load(name, split="test")
            assert (told.shape, told.classes) == (density.sample_shape, density.num_classes)
    assert [name for name in names() if describe(name).download] == ["mnist-full", "fashion-mnist", "cifar10"]
    assert describe("folder:anything").name == "folder:PATH"


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("minst",), {}, "data: 'minst' is not known; did you mean 'mnist'?"),
        ((3,), {}, "data: 3 is not known"),
        (("mnist", "tests"), {}, "split: 'tests' is not known; did you mean 'test'?"),
        (("mnist",), {"sice": 32}, "mnist: the option 'sice' is not known; allowed: size"),
        (("digits8",), {"size": 32}, "digits8: the option 'size' is not known; allowed: none"),
        (("ring-8",), {"label": "x"}, "ring-8: the option 'label' is not known; allowed: radius, std"),
        (("mnist",), {"size": 64}, "size: 64 is not allowed; expected 28, or 32"),
        (("stacked-mnist",), {"samples": 3}, "samples: 3 is not allowed"),
        (("stacked-mnist",), {"seed": -1}, "seed: -1 is not allowed"),
        (("avatars",), {"size": 20}, "size: 20 is not allowed; expected 16, 32 or 64"),
        (("avatars",), {"label": "hats"}, "label: 'hats' is not known; did you mean 'hat'?"),
        (("emoji",), {"size": 16}, "size: 16 is not allowed; expected 32 or 64"),
        (("emoji",), {"label": "groups"}, "label: 'groups' is not known; did you mean 'group'?"),
        (("emoji",), {"sise": 64}, "emoji: the option 'sise' is not known; allowed: label, size"),
    ],
)
def test_load_refuses_in_one_line(arguments, options, message):
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        load(*arguments, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", EMBEDDED)
def test_splits_are_fixed_disjoint_and_stratified(name):
    train, test, everything = (load(name, split=split) for split in ("train", "test", "all"))
    assert torch.equal(train.data, load(name).data)  # the default, and the same each time
    rows = [set(map(bytes, dataset.data.flatten(1).numpy())) for dataset in (train, test)]
    assert len(train) + len(test) == len(everything)
    assert rows[0] | rows[1] == set(map(bytes, everything.data.flatten(1).numpy()))
    assert len(rows[0] & rows[1]) == 0
    share = len(test) / len(everything)
    off = torch.bincount(test.labels) - share * torch.bincount(everything.labels)
    # The digits of stacked-mnist are drawn by chance: about 6.4 of a number are in the test split, +- 2.5.
    assert off.abs().max() <= (12 if name == "stacked-mnist" else 1)


def test_digits8_are_scikit_learns():
    from sklearn.datasets import load_digits

    dataset, original = load("digits8", split="all"), load_digits()
    assert dataset.data.shape == (1797, 1, 8, 8)
    assert (dataset.data.min(), dataset.data.max()) == (0, 255)
    assert np.array_equal(np.round(dataset.data[:, 0].double().numpy() * 16 / 255), original.images)
    assert np.array_equal(dataset.labels, original.target)


def test_mnist_are_digits():
    train, test = load("mnist"), load("mnist", split="test")
    assert train.data.shape == (4000, 1, 28, 28)
    assert torch.bincount(train.labels).tolist() == [400] * 10
    assert torch.bincount(test.labels).tolist() == [100] * 10
    assert train.labels[:10].tolist() == list(range(10))  # a first look shows all of them
    x, z = train[:].x.flatten(1), test[:].x.flatten(1)
    nearest = torch.cdist(z, x).argmin(1)
    assert (train.labels[nearest] == test.labels).double().mean() > 0.9  # the labels belong to the images


def test_stacked_digits_are_three_digits():
    train, test = load("stacked-mnist", samples=400), load("stacked-mnist", split="test", samples=400)
    assert (len(train), len(test), len(load("stacked-mnist", split="all", samples=400))) == (400, 100, 500)
    assert (train.sample_shape, train.num_classes, train.label_names[7]) == ((3, 28, 28), 1000, "007")
    assert load("stacked-mnist", samples=4, size=32).sample_shape == (3, 32, 32)
    for stacked, part in ((train, "train"), (test, "test")):
        digits = load("mnist", split=part)
        known = {image.numpy().tobytes(): int(label) for image, label in zip(digits.data, digits.labels, strict=True)}
        for image, label in zip(stacked.data, stacked.labels, strict=True):
            assert [known[channel.numpy().tobytes()] for channel in image] == [int(d) for d in f"{int(label):03}"]
    assert torch.equal(train.data, load("stacked-mnist", samples=400).data)
    assert not torch.equal(train.data, load("stacked-mnist", samples=400, seed=1).data)
    counts = torch.bincount(load("stacked-mnist", samples=20_000).labels, minlength=1000)
    assert counts.min() > 0  # 20 of each are expected, and 5 or fewer hardly ever


def test_mnist_with_a_border():
    plain, wide = load("mnist", split="test"), load("mnist", split="test", size=32)
    assert wide.sample_shape == (1, 32, 32)
    assert torch.equal(wide.data[:, :, 2:-2, 2:-2], plain.data)
    assert int(wide.data.sum()) == int(plain.data.sum())


@pytest.fixture(scope="module")
def avatars():
    return load("avatars", split="all")


def test_avatars_are_distinct_faces(avatars):
    assert avatars.data.shape == (12_000, 3, 16, 16)
    assert len(set(map(bytes, avatars.data.flatten(1).numpy()))) == 12_000
    assert (len(load("avatars")), len(load("avatars", split="test"))) == (10_000, 2_000)
    assert set(avatars.attributes) == set(avatars.attribute_names)
    for key, column in avatars.attributes.items():
        counts = torch.bincount(column, minlength=len(avatars.attribute_names[key]))
        assert counts.min() > 50, key  # every value can be learned


def test_the_label_is_the_attribute_that_was_asked_for(avatars):
    assert avatars.label_names == ("nothing", "glasses", "hat", "hat and glasses")
    by_hat = load("avatars", split="test", label="hat")
    same = load("avatars", split="test")
    assert torch.equal(by_hat.data, same.data)  # the split does not depend on it
    assert torch.equal(by_hat.labels, same.attributes["hat"])
    assert by_hat.label_names[0] == "none"
    hats, glasses = avatars.attributes["hat"] > 0, avatars.attributes["glasses"] > 0
    assert torch.equal(avatars.labels, glasses + 2 * hats.long())
    for part in ("hat", "glasses", "accessories"):
        absent = avatars.attributes[part] == 0
        assert torch.equal(avatars.attributes[f"{part}_color"] == 0, absent)


def test_larger_avatars_repeat_pixels():
    small, large = load("avatars", split="test"), load("avatars", split="test", size=64)
    assert large.sample_shape == (3, 64, 64)
    assert torch.equal(large.data[:, :, ::4, ::4], small.data)
    assert torch.equal(large.data[:, :, 3::4, 2::4], small.data)


def hex_of(pixels: torch.Tensor) -> list[str]:
    return [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in pixels.tolist()]


def test_what_the_attributes_say_can_be_seen(avatars):
    """Pixels that nothing else covers have the named colour."""
    names_of, columns, pixels = avatars.attribute_names, avatars.attributes, avatars.data
    corner = hex_of(pixels[:, :, 15, 0])
    bald = columns["hair_length"] == 0  # long hair may reach the corner
    said = [names_of["background"][k] for k in columns["background"].tolist()]
    assert [corner[k] for k in bald.nonzero().flatten()] == [said[k] for k in bald.nonzero().flatten()]
    hatted = (columns["hat"] > 0).nonzero().flatten()
    crown = hex_of(pixels[hatted, :, 1, 6])  # no stripe of any hat but the widest-striped is here
    striped = {"variant03", "variant04"}
    for found, k in zip(crown, hatted.tolist(), strict=True):
        if names_of["hat"][columns["hat"][k]] not in striped:
            assert found == names_of["hat_color"][columns["hat_color"][k]]
    neck = hex_of(pixels[:, :, 12, 8])
    for k in range(0, 12_000, 7):
        if names_of["clothing"][columns["clothing"][k]] != "variant12":  # a turtleneck
            assert neck[k] == names_of["skin_color"][columns["skin_color"][k]]


def test_glasses_change_the_eyes_and_little_else(avatars):
    """Faces that agree in everything that is drawn near the eyes differ there exactly if one wears glasses."""
    keys = ("eyes", "eyes_color", "skin_color")
    groups: dict[tuple[int, ...], list[int]] = {}
    for k, group in enumerate(zip(*(avatars.attributes[key].tolist() for key in keys), strict=True)):
        groups.setdefault(group, []).append(k)
    middle = avatars.data[:, :, 6, 4:12].flatten(1)  # below any hat and fringe
    glasses = avatars.attributes["glasses"]
    compared = differing = 0
    for members in groups.values():
        without = [k for k in members if glasses[k] == 0]
        worn = [k for k in members if glasses[k] > 0]
        plain = {bytes(middle[k].numpy()) for k in without if avatars.attributes["hair_length"][k] == 0}
        for k in worn:
            compared += 1
            differing += bytes(middle[k].numpy()) not in plain
    assert compared > 3000
    assert differing == compared


def test_nearest_neighbours_know_who_wears_what():
    """A plain classifier reads the default label off the pixels."""
    train, test = load("avatars"), load("avatars", split="test")
    generator = torch.Generator().manual_seed(0)
    x, z = train.sample(4000, generator), test.sample(400, generator)
    nearest = torch.cdist(z.x.flatten(1), x.x.flatten(1)).argmin(1)
    assert (x.labels[nearest] == z.labels).double().mean() > 0.75  # chance: about 0.3


@pytest.fixture(scope="module")
def emoji():
    return load("emoji", split="all")


def test_emoji_are_distinct_pictures_in_nine_groups(emoji):
    assert emoji.data.shape == (1852, 3, 64, 64)
    assert len(set(map(bytes, emoji.data.flatten(1).numpy()))) == 1852
    assert (len(load("emoji")), len(load("emoji", split="test"))) == (1544, 308)
    expected = {
        "smileys": 164,
        "people": 357,
        "animals": 152,
        "food": 133,
        "travel": 217,
        "activities": 85,
        "objects": 261,
        "symbols": 222,
        "flags": 261,
    }
    assert dict(zip(emoji.label_names, torch.bincount(emoji.labels).tolist(), strict=True)) == expected


def test_emoji_have_names_and_subgroups(emoji):
    assert list(emoji.attributes) == ["group", "subgroup", "name"]
    group, subgroup, name = emoji.attributes.values()
    assert name.tolist() == list(range(1852))
    assert len(set(emoji.attribute_names["name"])) == 1852
    assert all(len(set(group[subgroup == k].tolist())) == 1 for k in range(len(emoji.attribute_names["subgroup"])))
    same = load("emoji", split="test", label="subgroup")
    assert torch.equal(same.data, load("emoji", split="test").data)  # the split does not depend on the label
    assert torch.equal(same.labels, same.attributes["subgroup"])


def test_rude_emoji_doubles_and_skin_tones_are_left_out(emoji):
    known = set(emoji.attribute_names["name"])
    assert {"grinning face", "waving hand", "dog face", "flag: Norway", "eggplant"} <= known
    assert not {"middle finger", "face with symbols on mouth", "pile of poo", "flag: Bouvet Island"} & known
    assert not [name for name in known if "skin tone" in name]


def drawn(emoji, name: str) -> torch.Tensor:
    return emoji.data[emoji.attribute_names["name"].index(name)].double()


def test_the_names_belong_to_the_pictures(emoji):
    """Colours that anyone can name, in the middle, and white outside."""
    for colour, expected in (("red", [1, 0, 0]), ("green", [0, 1, 0]), ("blue", [0, 0, 1])):
        circle = drawn(emoji, f"{colour} circle")
        assert (circle[:, 32, 32] / 255 > 0.55).int().tolist() == expected, colour
        assert (circle[:, [0, 0, -1, -1], [0, -1, 0, -1]] == 255).all()
    flag = drawn(emoji, "flag: France")
    assert [int(flag[:, 32, x].argmax()) for x in (8, 56)] == [2, 0]  # blue and red
    assert flag[:, 32, 32].min() > 200  # between them white
    one_way, other_way = drawn(emoji, "thumbs up"), drawn(emoji, "thumbs down").flip(1)
    assert (one_way - other_way).abs().mean() < (one_way - other_way.flip(1)).abs().mean()


def test_pictures_use_the_frame_that_they_have(emoji):
    ink = (emoji.data.min(1).values < 250).float()
    assert ink.mean((1, 2)).min() > 0.01  # none is empty
    assert ink.amax(0).mean() > 0.98  # all of the frame but its corners is used by some
    assert (ink.amax(1).sum(1) > 32).double().mean() > 0.9


def test_small_emoji_are_the_means_of_large_ones():
    small, large = load("emoji", split="test", size=32), load("emoji", split="test")
    means = torch.nn.functional.avg_pool2d(large.data.double(), 2)
    assert small.sample_shape == (3, 32, 32)
    assert (small.data - means).abs().max() <= 0.5
    assert torch.equal(small.labels, large.labels)
