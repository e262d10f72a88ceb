"""The zoo's gallery: which models its filters show, what a card says, and what stays where there is no kernel."""

import base64
import html
import io
import re
import string
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan_tutorial import zoo
from gan_tutorial.errors import InputError
from gan_tutorial.live import Gallery
from gan_tutorial.live import gallery as module
from gan_tutorial.live import lab as lab_module
from gan_tutorial.live.words import GALLERY
from gan_tutorial.zoo.cards import COLUMNS, columns, digits

ALL = [entry.name for entry in zoo.list()]


def names(it):
    return [entry.name for entry in it.shown]


def visible(it):
    """The cards that the page shows."""
    return [name for name, card in it.cards.items() if card.layout.display != "none"]


def said(it):
    return re.sub(r"<[^>]*>", "", it.line.value)


# -- filters -------------------------------------------------------------------------------------------------------
def test_at_first_all_models_are_shown():
    it = Gallery()
    assert names(it) == visible(it) == ALL
    assert said(it) == f"Models: {len(ALL)} of {len(ALL)}"
    assert it.values == {"data": None, "architecture": None, "conditional": None, "text": ""}


@pytest.mark.parametrize(
    ("filters", "fits"),
    [
        ({"data": "mnist"}, lambda e: e.recipe.data == "mnist"),
        ({"architecture": "dcgan"}, lambda e: e.recipe.model == "dcgan"),
        ({"conditional": True}, lambda e: bool(e.class_names)),
        ({"conditional": False}, lambda e: not e.class_names),
        ({"data": "avatars", "architecture": "dcgan", "conditional": True}, lambda e: e.name == "cgan-avatars"),
    ],
)
def test_filters_show_what_fits(filters, fits):
    expected = [entry.name for entry in zoo.list() if fits(entry)]
    assert 0 < len(expected) < len(ALL)
    by_hand = Gallery()
    for name, value in filters.items():
        by_hand.controls[name].value = value
    for it in (Gallery(**filters), by_hand):
        assert names(it) == visible(it) == expected
        assert said(it) == f"Models: {len(expected)} of {len(ALL)}"
        assert {name: it.controls[name].value for name in filters} == filters
    by_hand.reset_button.click()
    assert names(by_hand) == visible(by_hand) == ALL
    assert by_hand.values == Gallery().values
    assert [by_hand.controls[name].label for name in ("data", "architecture", "conditional")] == ["all"] * 3
    by_hand.controls["data"].label = "avatars"
    by_hand.controls["data"].label = "all"
    assert names(by_hand) == ALL


def test_the_search_asks_for_every_word_in_any_case_and_anywhere():
    it = Gallery(text="HANDwritten")
    assert names(it) == ["dcgan-mnist"]
    it.controls["text"].value = "mnist dcgan 32"
    assert names(it) == ["dcgan-mnist"]
    it.set(text="glasses")  # the name of a class
    assert "cgan-avatars" in names(it)
    assert "dcgan-mnist" not in names(it)
    it.set(text="mnist glasses")
    assert names(it) == visible(it) == []
    assert said(it) == f"No model out of {len(ALL)} fits. Take a filter away."


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"data": "mnits"}, "data: 'mnits' is not known; did you mean 'mnist'"),
        ({"architecture": "dcgn"}, "architecture: 'dcgn' is not known; did you mean 'dcgan'"),
        ({"conditional": "yes"}, "conditional: 'yes' is not allowed; expected True, False or None"),
        ({"text": None}, "text: None is not allowed; expected words to look for"),
    ],
)
def test_a_filter_that_cannot_be_is_refused_and_changes_nothing(filters, message):
    it = Gallery(data="avatars")
    before = names(it)
    for refused in (lambda: Gallery(**filters), lambda: it.set(**{"conditional": True} | filters)):
        with pytest.raises(InputError, match=re.escape(message)) as caught:
            refused()
        assert "\n" not in str(caught.value)
    assert names(it) == before
    assert it.values["data"] == "avatars"
    with pytest.raises(InputError, match="filter: 'size' is not known"):
        it.set(size=3)


# -- a card ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ALL)
def test_a_card_says_what_the_zoo_knows(name):
    card, entry = Gallery().cards[name].value, zoo.entry(name)
    row = entry.facts["metrics"]["rows"]["model"]
    text = html.unescape(re.sub(r"<[^>]*>", " ", card))
    for part in (name, entry.summary, f"{entry.parameters:,}", entry.facts["failures"], f'G = zoo.load("{name}")'):
        assert part in text
    assert all(f"{row[metric]['mean']:.{digits(metric)}f}" in text for metric in columns(entry))
    assert f"{row['n']:,}" in text
    assert ("a CPU only" in text) == entry.facts["training"]["cpu_only"]
    assert all(of in text for of in entry.class_names)
    if entry.blueprint.is_text:
        assert all(line in text for line in entry.sheet.read_text(encoding="utf-8").splitlines())
        assert f'zoo.entry("{name}").decode(zoo.sample("{name}", 8))' in text
        return
    alt = html.unescape(re.search(r'<img[^>]* alt="([^"]+)"', card)[1])
    assert alt.startswith(f"{entry.facts['sheet']['n']} samples of {name}")
    sheet = re.search(r'src="data:image/webp;base64,([^"]+)"', card)[1]
    assert base64.b64decode(sheet) == entry.sheet.read_bytes()


def test_what_a_card_says_is_no_markup(monkeypatch):
    facts = {**zoo.entry("dcgan-mnist").facts, "failures": "<script>alert('x')</script> & more"}
    entry = zoo.Entry("dcgan-mnist", zoo.entry("dcgan-mnist").blueprint, facts)
    monkeypatch.setattr(zoo, "list", lambda: (entry,))
    card = Gallery().cards["dcgan-mnist"].value
    assert "<script>" not in card
    assert "&lt;script&gt;" in card


# -- where there is no kernel ----------------------------------------------------------------------------------------
def test_it_leaves_a_picture_and_a_text_that_every_run_repeats():
    it = Gallery(data="avatars")
    bundle, about = it._repr_mimebundle_()
    shown = names(it)
    assert bundle["text/plain"] == repr(it) == f"<Gallery {len(shown)} of {len(ALL)} models: {', '.join(shown)}>"
    assert Gallery(data="avatars")._repr_mimebundle_()[0]["image/png"] == bundle["image/png"]
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == it.box.model_id
    with Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))) as picture:
        size = picture.size
    assert (about["image/png"]["width"], about["image/png"]["height"]) == size
    assert about["image/png"]["alt"] == f"Sheets of samples of the models {', '.join(shown)}."


def test_the_picture_shows_the_sheets_of_what_is_shown():
    it = Gallery(text="dcgan-mnist")
    picture = np.asarray(it.picture().convert("L"), float)
    with Image.open(zoo.entry("dcgan-mnist").sheet) as sheet:
        half = np.asarray(sheet.convert("L").crop((0, 0, 530, 266)).resize((264, 132)), float)
    assert abs(picture[12:144, 12:276] - half).mean() < 8
    assert (picture[146:] < 100).sum() > 100  # the name below it
    assert Gallery().picture().size > it.picture().size
    it.set(text="nothing has this name")
    assert set(it._repr_mimebundle_()[0]) == {"text/plain", "application/vnd.jupyter.widget-view+json"}
    assert repr(it) == f"<Gallery 0 of {len(ALL)} models: none>"
    with pytest.raises(InputError, match="filters that some model of images or sounds fits"):
        it.picture()


def test_texts_have_no_picture():
    it = Gallery(data="words")
    assert names(it) == ["seqgan-words"]
    assert "image/png" not in it._repr_mimebundle_()[0]
    alt = Gallery()._repr_mimebundle_()[1]["image/png"]["alt"]
    assert "seqgan" not in alt
    assert "wavegan-drums" in alt


def test_a_cell_that_runs_again_closes_what_it_made(monkeypatch):
    monkeypatch.setattr(lab_module, "_here", lambda: ("cell", "first"))
    first = Gallery()
    monkeypatch.setattr(lab_module, "_here", lambda: ("cell", "second"))
    second = Gallery()
    assert (first.closed, second.closed) == (True, False)
    assert all(w.comm is None for w in (first.box, first.line, *first.controls.values(), *first.cards.values()))
    assert "application/vnd.jupyter.widget-view+json" not in first._repr_mimebundle_()[0]


# -- the words -------------------------------------------------------------------------------------------------------
def flat(entry, path=""):
    if isinstance(entry, str):
        return {path: entry}
    return {key: text for name, part in entry.items() for key, text in flat(part, f"{path}/{name}").items()}


def test_both_languages_say_the_same_things():
    english, chinese = flat(GALLERY["en"]), flat(GALLERY["zh"])
    assert english.keys() == chinese.keys()
    for path, text in english.items():
        assert text.strip() == text != ""
        assert re.search("[一-鿿]", chinese[path]), path
        holes = [{hole for _, hole, _, _ in string.Formatter().parse(t) if hole} for t in (text, chinese[path])]
        assert holes[0] == holes[1], path


def test_every_text_is_used_and_no_other_is_there():
    code = Path(module.__file__).read_text(encoding="utf-8")
    used = set(re.findall(r'words\["(\w+)"', code)) | {"nothing"}
    assert used == set(GALLERY["en"])
    assert set(GALLERY["en"]["filters"]) == set(GALLERY["en"]["tips"]) == set(Gallery().controls)
    measured = {key for of in COLUMNS.values() for key in of}
    literal = set(re.findall(r'^            "(\w+)": ', code, re.M)) - {"image", "translation", "sound", "text"}
    assert set(GALLERY["en"]["rows"]) == literal | measured


def test_it_speaks_chinese():
    it = Gallery(language="zh", data="mnist")
    assert said(it) == f"模型：共 {len(ALL)} 个，显示 {len(names(it))} 个"
    assert it.controls["architecture"].description == "结构"
    assert "召回率" in it.cards["dcgan-mnist"].value
    with pytest.raises(InputError, match="language: 'eng' is not known"):
        Gallery(language="eng")
