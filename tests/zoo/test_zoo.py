"""The pretrained generators: they load, they are what their cards say, and damage is seen."""

import re

import pytest
import torch

from gan_tutorial import zoo
from gan_tutorial.errors import CheckpointError, InputError
from gan_tutorial.metrics import classifier, classifier_fid


@pytest.mark.parametrize("name", zoo.names())
def test_loads_for_use(name):
    network = zoo.load(name)
    assert not network.training
    assert not any(p.requires_grad for p in network.parameters())
    assert {p.dtype for p in network.parameters()} == {torch.float32}
    z = torch.randn(4, network.z_dim, generator=torch.Generator().manual_seed(0))
    images = network(z)
    assert tuple(images.shape[1:]) == network.sample_shape
    assert images.abs().max() <= 1
    torch.testing.assert_close(network(z[:1]), images[:1], rtol=0, atol=1e-4)  # no sample depends on the others


@pytest.mark.parametrize("name", zoo.names())
def test_is_small_and_has_a_card(name):
    assert zoo.weights_file(name).stat().st_size < 3_000_000
    card = zoo.card(name)
    assert card.startswith(f"# {name}\n")
    for word in ("Data", "Recipe", "seed", "Trained", "SHA-256", "Classifier-FID", "Licence", "CC BY-SA"):
        assert word in card


def test_digits_are_as_good_as_the_card_says():
    network, judge = zoo.load("dcgan-mnist"), classifier("mnist")
    features = judge.features(network(torch.randn(1000, network.z_dim, generator=torch.Generator().manual_seed(77))))
    said = float(re.search(r"float16\) \| ([\d.]+) ", zoo.card("dcgan-mnist"))[1])
    assert abs(classifier_fid(features, judge.real) - said) < 0.7
    assert (judge.shares(features) > 0.02).all()


def test_unknown_names_are_told_the_known_ones():
    for ask in (zoo.load, zoo.card, zoo.weights_file):
        with pytest.raises(InputError, match="dcgan-mnist"):
            ask("dcgan-mnits")


def test_damage_is_seen(tmp_path, monkeypatch):
    for file in (zoo.weights_file("dcgan-mnist"), zoo.weights_file("dcgan-mnist").with_suffix(".md")):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr(zoo, "__file__", str(tmp_path / "__init__.py"))
    zoo.load("dcgan-mnist")
    content = bytearray(zoo.weights_file("dcgan-mnist").read_bytes())
    content[-100] ^= 1
    zoo.weights_file("dcgan-mnist").write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged"):
        zoo.load("dcgan-mnist")
