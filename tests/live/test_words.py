import os
import re
import shutil
import string
import subprocess
from dataclasses import fields
from pathlib import Path

import pytest

import gan_tutorial.live
from gan_tutorial import data
from gan_tutorial.algorithms import GANSettings
from gan_tutorial.algorithms.gan import REMEDIES
from gan_tutorial.errors import InputError
from gan_tutorial.live import slow
from gan_tutorial.live.words import CATALOGUE, words
from gan_tutorial.losses import LOSSES

FRONT = Path(gan_tutorial.live.__file__).parent / "front"
LAB, REPLAY = ((FRONT / name).read_text(encoding="utf-8") for name in ("lab.js", "replay.js"))
EXPORT = (FRONT.parent / "replay.py").read_text(encoding="utf-8")


def flat(entry, path=""):
    """Every text by its path."""
    if isinstance(entry, str):
        return {path: entry}
    return {key: text for name, part in entry.items() for key, text in flat(part, f"{path}/{name}").items()}


def used():
    """The names in `words` that the pages use."""
    names = set(re.findall(r"\bwords\.([a-z]\w*)", LAB + REPLAY)) - {"py"}  # words.py, in a comment
    buttons = set(re.findall(r'\bbutton\("(\w+)"', LAB)) | set(re.findall(r'\? "(code_\w+)" : "(code_\w+)"', LAB)[0])
    names |= buttons | {f"{name}_tip" for name in buttons if f"{name}_tip" in CATALOGUE["en"]}
    names |= set(re.findall(r'\bnumber\("(\w+)"', LAB))
    names |= set(re.findall(r'words\[isPlaying \? "(\w+)" : "(\w+)"\]', LAB)[0])
    names |= {"pause_tip", "discriminator", "generator", "picture_points", "picture_images"}
    names |= {f"map_{axis}{more}" for axis in "xy" for more in ("", "_values")}
    names |= set(re.findall(r'(?:words|texts)\["(\w+)"\]', EXPORT)) | {"lang", "play", "slider", "noscript", "keys"}
    return names


def test_both_languages_say_the_same_things():
    english = flat(CATALOGUE["en"])
    assert set(CATALOGUE) == {"en", "zh"}
    for language, entry in CATALOGUE.items():
        texts = flat(entry)
        assert texts.keys() == english.keys(), language
        for path, text in texts.items():
            assert text.strip() == text != "", path
            holes = [
                sorted(hole for _, hole, _, _ in string.Formatter().parse(t) if hole) for t in (text, english[path])
            ]
            assert holes[0] == holes[1], path
        assert words(language) is entry


def test_the_chinese_is_chinese():
    own_names = re.compile(r"MNIST|Wasserstein|Adam|SGD|FID|beta\d|R\d")
    short = {"help", "modes_value", "part_count", "lang"}
    for path, text in flat(CATALOGUE["zh"]).items():
        name = path.split("/")[1]
        is_chinese = re.search("[一-鿿]", text)
        assert is_chinese or name in short or len(text) == 1 or own_names.fullmatch(text), path


def test_another_language_is_refused():
    with pytest.raises(InputError, match="language: 'eng' is not known; did you mean 'en'"):
        words("eng")


def test_the_pages_have_every_text_that_they_use_and_no_other():
    assert used() == set(CATALOGUE["en"])


def test_what_the_kernel_names_has_a_name_in_the_page():
    entry = CATALOGUE["en"]
    settings = {f.name for f in fields(GANSettings)} - {*REMEDIES}  # those have no control
    model = {"data", "noise", "z_dim", "g_depth", "g_width", "d_depth", "d_width", "seed", "start"}
    assert set(entry["names"]) == settings | model
    assert set(entry["tips"]) == set(entry["names"]) - {"beta2", "penalty_every"}  # these two have no control
    shown = [d for d in map(data.describe, data.names()) if d.kind in ("points", "images")]
    here = {d.name for d in shown if not d.download and ":" not in d.name}
    assert set(entry["options"]) == {*LOSSES, "adam", "sgd", "normal", "uniform", "drawing", *here}
    assert tuple(entry["parts"]) == slow.ORDER
    assert all(set(part["text"]) == {"discriminator", "generator"} for part in entry["parts"].values())
    told = set(re.findall(r'"(\w+)": (?:float|len|self\.latents\.shape|right)', Path(slow.__file__).read_text()))
    assert set(entry["numbers"]) == told | {"norm", "dims"}
    assert set(entry["findings"]) == {"collapse", "d_too_strong", "oscillation", "divergence"}
    assert set(entry["states"]) == {"idle", "playing", "paused", "failed"}
    assert set(entry["layers"]) == set(re.findall(r'"(\w+)"', re.search(r"POINT_LAYERS = \[(.*?)\]", LAB)[1]))
    assert set(entry["charts"]) == set(re.findall(r'"(\w+)"', "".join(re.findall(r"_CHARTS = \[(.*?)\]", LAB))))


def test_the_page_itself_says_nothing():
    """Two plain words in a row inside a string that is no list of classes, no path of a drawing and no selector."""
    code = re.sub(r"/\*\*.*?\*/|^\s*//.*$|\s// .*$", "", LAB, flags=re.S | re.M)
    texts = re.findall(r'"((?:[^"\\\n]|\\.)*)"', code) + re.findall(r"`([^`]*)`", code)
    suspects = [
        text
        for text in texts
        if re.search(r"[A-Za-z]{2,} [a-z]{2,}|\b[A-Z][a-z]{2,}\b", re.sub(r"\$\{[^}]*\}", "", text))
        and not re.search(r"lab-|^[MLHVCz\d. -]+$|input:not|button, summary|^Arrow|^Enter$|^Escape$|^Backspace$", text)
    ]
    assert suspects == []


def test_the_script_is_one_module_without_a_clash():
    both = (FRONT / "renderer.js").read_text(encoding="utf-8"), LAB, REPLAY
    names = [
        set(re.findall(r"^(?:export )?(?:async )?(?:function\*?|class|const|let) (\w+)", text, re.M)) for text in both
    ]
    assert not names[0] & names[1]
    assert not names[0] & names[2]
    assert re.findall(r"^import .*", LAB, re.M) == re.findall(r'^import \{.*\} from "\./renderer\.js";$', LAB, re.M)


def test_the_style_stays_inside_the_lab_and_loads_nothing():
    style = re.sub(r"/\*.*?\*/", "", (FRONT / "lab.css").read_text(encoding="utf-8"), flags=re.S)
    assert "url(" not in style
    assert "@import" not in style
    for selectors in re.findall(r"([^{}@;]+)\{[^{}]*\}", style):
        for selector in re.split(r",(?![^(]*\))", selectors):
            assert selector.strip().startswith(".gan-lab"), selector


def test_the_pages_logic_under_node():
    node = shutil.which("node")
    if node is None:
        message = "no node here: the lab page's logic was not tested; install Node 20 or newer"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip("NODE TESTS DID NOT RUN: " + message)
    done = subprocess.run([node, "--test", Path(__file__).with_name("lab.test.mjs")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(re.search(r"^(?:#|ℹ) pass (\d+)", done.stdout, re.M).group(1)) >= 16
