"""The judges: what they say of real samples, of planted faults and of networks that were never trained."""

from collections import Counter

import pytest
import torch

from gan_tutorial import data, judges, zoo
from gan_tutorial.errors import InputError
from gan_tutorial.training import Recipe, recipe

SMALL_SHOP = recipe("cyclegan-digits", model__g_width=4, model__d_width=4, model__blocks=1)


@pytest.fixture(scope="module")
def images():
    return judges.judge(recipe("cgan-avatars"), 200)


@pytest.fixture(scope="module")
def sounds():
    return judges.judge(recipe("wavegan-drums-small", data__per_class=60), 54)


@pytest.fixture(scope="module")
def poems():
    return judges.judge(recipe("seqgan-poems"), 100)


@pytest.fixture(scope="module")
def print_shop():
    return judges.judge(SMALL_SHOP, 60)


@pytest.fixture(scope="module")
def words():
    return judges.judge(recipe("seqgan-words"), 100)


def test_each_kind_of_data_has_its_judge(images, sounds, poems, words):
    assert isinstance(images, judges.Images)
    assert isinstance(sounds, judges.Sounds)
    assert isinstance(poems, judges.Texts)
    assert (words.order, poems.order) == (4, 2)
    with pytest.raises(InputError, match="a data set that has a classifier of this shape") as caught:
        judges.judge(recipe("wavegan-drums-small", data="tones"))
    assert "\n" not in str(caught.value)


def test_real_images_are_better_than_spoiled_ones(images):
    real = images.held_out[:200].x
    assert images.score(real) < images.score((real + 0.5 * torch.randn(real.shape)).clamp(-1, 1)) / 2
    columns = images.columns(images.kept(real))
    assert columns.keys() == {"fid", "kid", "precision", "recall", "density", "coverage", "inception"}
    assert images.columns(images.kept(real.flip(0)))["fid"] == pytest.approx(columns["fid"], abs=1e-4)
    assert columns["precision"] > 0.8
    assert columns["coverage"] > 0.6
    worse = images.columns(images.kept(-real))
    assert abs(columns["kid"]) < worse["kid"] / 10
    assert worse["coverage"] < 0.1


def test_numbers_can_be_asked_for_by_name_and_have_intervals(images):
    kept = images.kept(images.held_out[:100].x)
    assert images.columns(kept, ["recall", "diversity"]).keys() == {"recall", "diversity"}
    intervals = images.intervals(kept, ["fid", "authenticity", "coverage"])
    assert intervals.keys() == {"fid", "authenticity", "coverage"}
    for name, of in intervals.items():
        assert of.value == images.columns(kept, [name])[name]
        assert of.low < of.value < of.high
    with pytest.raises(InputError, match="metric: 'fd' is not known; did you mean 'fid'") as caught:
        images.columns(kept, ["fd"])
    assert "\n" not in str(caught.value)


def test_batches_are_what_is_drawn_at_once(images, words):
    for judge in (images, words):
        network = judge.untrained()
        whole = judge.samples(network, 300, 3)
        parts = [*judge.batches(network, 300, 3)]
        assert [len(part) for part in parts] == [256, 44]
        assert torch.equal(torch.cat(parts), whole)
        assert torch.equal(judge.draw(network, 300, 3), torch.cat([judge.kept(part) for part in parts]))
        again = zoo.draw(network, judge.recipe, 300, seed=3, labels=judge.labels(300, 3))
        assert torch.equal(again if judge.blueprint.is_text else again.clamp(-1, 1), whole)


def test_labels_are_drawn_as_often_as_in_the_data(images):
    labels = images.labels(4000, 1)
    shares = torch.bincount(labels) / 4000
    real = torch.bincount(images.real.labels) / len(images.real)
    torch.testing.assert_close(shares, real, atol=0.03, rtol=0)
    assert torch.equal(labels, images.labels(4000, 1))
    assert not torch.equal(labels, images.labels(4000, 2))


def test_values_that_are_hardly_found_count_as_missing(images):
    names = images.classifier.attribute_names["hair_length"]
    counts = Counter({("hair_length", 0): 5, ("hair_length", 1): 2})
    assert images.values(counts, 3)["hair_length"] == {"values": 2, "found": 1, "missing": [names[1]]}


def test_sounds_that_were_learned_by_heart_are_near(sounds):
    held_out, learned = sounds.held_out[:].x, sounds.real[:36].x
    sets = {"held out": held_out, "learned": learned, "one": learned[:1].repeat(36, 1, 1)}
    columns = {name: sounds.columns(sounds.kept(x)) for name, x in sets.items()}
    assert columns["learned"]["nearest"] == pytest.approx(0, abs=1e-3)
    assert columns["held out"]["nearest"] > 0.3
    assert columns["one"]["inception"] == pytest.approx(1, abs=1e-3)
    assert columns["held out"]["inception"] > 4
    assert columns["one"]["distance"] > 2 * columns["held out"]["distance"]


def test_a_network_of_sounds_that_was_never_trained_is_far_from_all(sounds):
    said = sounds.measure(sounds.untrained())
    rows = said["rows"]
    assert rows["held_out"]["distance"]["mean"] < rows["model"]["distance"]["mean"] / 2
    assert rows["model"]["precision"]["mean"] < 0.2
    assert said["labels"]["model"] < 0.5 < 0.8 < said["labels"]["held_out"]
    assert sum(said["classes"].values()) == pytest.approx(1)
    assert (rows["model"]["n"], rows["model"]["times"]) == (54, 3)


def test_texts_that_were_learned_by_heart_are_not_new(words):
    learned, held_out = words.real[:100].x, words.held_out[:100].x
    assert words.columns(learned)["novel"] == 0
    assert words.columns(learned)["unseen"] == 0
    assert words.columns(held_out)["novel"] == 1
    assert words.columns(held_out)["unseen"] == 1
    assert words.columns(held_out)["bleu"] > 0.98  # a word of three letters has no four in a row
    gap = learned.clone()
    gap[:, 0] = 0
    assert words.columns(gap)["valid"] == 0


def test_poems_are_judged_by_length_and_rhyme(poems):
    real = poems.real[:100].x
    found = poems.columns(real)
    assert found["valid"] == 1
    assert found["rhyme"] > 0.6
    short = real.clone()
    short[:50, -1] = 0
    assert poems.columns(short)["valid"] == 0.5
    assert poems.columns(short)["rhyme"] < found["rhyme"]
    shuffled = real[:, torch.randperm(20, generator=torch.Generator().manual_seed(0))]
    assert poems.score(shuffled) < poems.score(real)


def test_likelihood_is_that_of_the_held_out_texts(words):
    network = words.untrained()
    expected = -network.log_prob(words.held_out.data).double().mean().item()
    assert words.nll(network) == pytest.approx(expected, abs=1e-6)
    assert expected == pytest.approx(torch.tensor(27.0).log().item(), abs=0.1)
    said = words.measure(network)
    assert said["rows"]["model"]["bleu"]["mean"] < said["rows"]["real"]["bleu"]["mean"] / 2
    assert said["nll"]["model"] == said["nll"]["untrained"]


def test_a_row_has_means_and_spreads():
    assert judges.row([{"a": 1.0}, {"a": 3.0}], 7) == {"n": 7, "times": 2, "a": {"mean": 2.0, "std": 2**0.5}}
    assert judges.spread([2.5]) == {"mean": 2.5, "std": None}


def test_a_blueprint_is_all_that_a_file_has_to_say():
    for name in ("cgan-avatars", "wavegan-drums-small", "seqgan-poems", "ring-mlp"):
        r = recipe(name)
        if name == "ring-mlp":
            blueprint = zoo.Blueprint(r, (2,))
        else:
            blueprint = zoo.Blueprint.of(r, data.load(r.data, **r.data_options))
        assert zoo.Blueprint.from_json(blueprint.to_json()) == blueprint
        kinds = {"cgan-avatars": "image", "wavegan-drums-small": "sound", "seqgan-poems": "text", "ring-mlp": "points"}
        assert blueprint.kind == kinds[name]
        assert isinstance(blueprint.recipe, Recipe)
        assert ("vocabulary" in blueprint.to_json()) == blueprint.is_text


# -- translations ----------------------------------------------------------------------------------------------------
class Fixed(torch.nn.Module):
    """Translates by two given functions."""

    directions = ("ab", "ba")
    z_dim = num_classes = 0

    def __init__(self, ab, ba=None):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.ways = {"ab": ab, "ba": ba or ab}

    def forward(self, x, direction="ab"):
        return self.ways[direction](x)


def printer(shop):
    """A perfect translator of the digits that the judge asks about: it knows their labels."""
    a, b = shop.held_out.a, shop.held_out.b
    chosen = torch.stack([(b.labels == label).nonzero()[0, 0] for label in range(10)])
    known = {hash(x.numpy().tobytes()): int(label) for x, label in zip(a[:].x, a.labels, strict=True)}
    return lambda x: b[chosen[[known.get(hash(one.numpy().tobytes()), 0) for one in x]]].x


def test_a_perfect_translation_keeps_every_digit_and_looks_printed(print_shop):
    assert isinstance(print_shop, judges.Translations)
    found = print_shop.measure(Fixed(printer(print_shop), lambda x: x))
    assert found["directions"]["ab"]["kept"] > 0.98
    assert found["rows"]["held_out"]["fid"]["mean"] < found["rows"]["untranslated"]["fid"]["mean"] / 3
    nothing = print_shop.measure(Fixed(lambda x: x))
    assert nothing["rows"]["model"]["fid"]["mean"] == pytest.approx(
        nothing["rows"]["untranslated"]["fid"]["mean"], rel=0.2
    )
    assert nothing["directions"]["ab"]["cycle"] == 0
    lost = print_shop.meaning(Fixed(lambda x: x.roll(1, 0), lambda x: -x))
    assert lost["kept"] < 0.5
    assert lost["cycle"] > 0.3


def test_small_digits_are_judged_too():
    judge = judges.judge(recipe("cyclegan-digits-small", model__g_width=4, model__d_width=4, model__blocks=1), 60)
    perfect = judge.meaning(Fixed(printer(judge), lambda x: x))
    assert perfect["kept"] > 0.98
    assert judge.meaning(Fixed(lambda x: x.roll(1, 0)))["kept"] < 0.5


def test_glasses_are_looked_for_where_they_were_asked_for():
    judge = judges.judge(recipe("cyclegan-glasses", model__g_width=4, model__d_width=4, model__blocks=1), 60)
    same = Fixed(lambda x: x)
    for direction in ("ab", "ba"):
        found = judge.meaning(same, direction)
        assert found["kept"] == 1
        assert found["asked"] < 0.05
    spectacles = Fixed(lambda x: judge.held_out.b[: len(x)].x)
    assert judge.meaning(spectacles)["asked"] > 0.95
    assert judge.meaning(spectacles)["kept"] < 0.8


def test_pairs_are_compared_with_their_partners():
    judge = judges.judge(recipe("pix2pix-edges-avatars", model__g_width=4, model__d_width=4), 60)
    batch = judge.held_out.sources(60, judges.SEEDS[0])
    known = {hash(x.numpy().tobytes()): y for x, y in zip(batch.x, batch.y, strict=True)}
    perfect = Fixed(lambda x: torch.stack([known[hash(one.numpy().tobytes())] for one in x]))
    perfect.directions = ("ab",)
    found = judge.meaning(perfect)
    assert found == {"kept": 1.0, "distance": 0.0}
    assert judge.meaning(Fixed(lambda x: x))["distance"] > 0.3


def test_translations_are_drawn_as_samples_are(print_shop):
    network = print_shop.untrained()
    assert print_shop.samples(network, 5, 0).shape == (5, 1, 32, 32)
    x = print_shop.held_out.a[:3].x
    with pytest.raises(InputError, match="direction: 'up'"):
        zoo.draw(network, SMALL_SHOP, 2, direction="up")
    assert torch.equal(torch.cat([*zoo.translations(network, x, "ba")]), network(x, "ba"))
    dcgan = zoo.load("dcgan-mnist")
    with pytest.raises(InputError, match="direction: 'ab' is not known; choose one of: none"):
        zoo.draw(dcgan, zoo.entry("dcgan-mnist").recipe, 2, direction="ab")
    with pytest.raises(InputError, match="one that translates pictures"):
        zoo.translate("dcgan-mnist", x)
