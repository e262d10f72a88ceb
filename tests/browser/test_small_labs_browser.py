"""The small labs for text and sound in a real page: JupyterLab."""

import pytest

from tests.browser.page import pixels, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
TEXT = """
import torch
from gan_tutorial.algorithms import SeqGANSettings
from gan_tutorial.data import Dataset
from gan_tutorial.live import TextLab
from gan_tutorial.training import Recipe
vocabulary = ("", *"春夏秋冬山水花月<&abc")
texts = torch.randint(1, len(vocabulary), (200, 6), generator=torch.Generator().manual_seed(0))
few = SeqGANSettings(mle_steps=5, d_pretraining=2, d_rounds=1, d_samples=32, d_epochs=1, rollouts=2, lr_d=0.01)
recipe = Recipe("tiny", "", "words", "seqgan", algorithm="seqgan", settings=few, batch_size=16, steps=30,
                model_options={"d_width": 0.05})
lab = TextLab(recipe, dataset=Dataset("seasons", texts, vocabulary=vocabulary))
"""
SOUND = """
from gan_tutorial.live import SoundLab
from gan_tutorial.training import Recipe
recipe = Recipe("tiny", "", "drums", "wavegan", data_options={"length": 1024, "per_class": 4}, batch_size=8, steps=30,
                model_options={"z_dim": 8, "g_width": 4, "d_width": 4})
lab = SoundLab(recipe)
"""


def step(page):
    return int(page.locator(".training-numbers").get_attribute("data-step"))


def plays_and_pauses(page, server, least):
    page.wait_for_selector(".training-numbers")
    assert step(page) == 0
    page.locator(".training-step").click()
    wait_for(page, lambda: step(page) == 1, seconds=60)
    page.locator(".training-play").click()
    wait_for(page, lambda: step(page) >= least, seconds=120)
    page.locator(".training-play").click()
    wait_for(page, lambda: page.locator(".training-numbers").get_attribute("data-state") == "paused", seconds=60)
    reached = step(page)
    page.wait_for_timeout(500)
    assert step(page) == reached == server.ask(page, "lab.trainer.step")


def has_names(page):
    """Every control that a reader can reach says what it is."""
    for box in page.locator(".gan-training .widget-label").all():
        if box.is_visible():
            assert box.inner_text().strip()
    assert all(
        button.inner_text().strip()
        for button in page.locator(".training-buttons button").all()
        if button.is_visible() and not button.locator("xpath=ancestor::*[contains(@class,'widget-play')]").count()
    )
    assert all(image.get_attribute("alt") for image in page.locator(".gan-training img").all())
    assert all(player.get_attribute("aria-label") for player in page.locator(".gan-training audio").all())


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text(notebook, jupyter, tmp_path, theme):
    page = notebook(TEXT, "lab", theme=theme)
    plays_and_pauses(page, jupyter, 9)
    texts = page.locator(".text-samples li .text-sample")
    shown = [text.replace("·", "") for text in texts.all_inner_texts()]
    assert shown == jupyter.ask(page, "lab.samples()")
    assert page.locator(".text-samples .text-token[style]").count() > 12
    field = page.locator(".text-beginning input")
    field.fill("春<")
    wait_for(page, lambda: "春<" in page.locator(".text-next caption").inner_text())
    assert page.locator(".text-next tr").count() == 10
    page.screenshot(path=tmp_path / f"text-{theme}.png")
    field.fill("x")
    wait_for(page, lambda: "is not among the 13 known" in page.locator(".text-unknown").inner_text())
    before = texts.all_inner_texts()
    readout = page.locator(".text-temperature .widget-readout")
    readout.fill("0.2")
    readout.press("Enter")
    wait_for(page, lambda: texts.all_inner_texts() != before)
    has_names(page)


def test_sound(notebook, jupyter, tmp_path):
    page = notebook(SOUND, "lab")
    plays_and_pauses(page, jupyter, 3)
    assert page.locator(".gan-sound-lab audio").count() == 16
    assert len(set(pixels(page, ".sound-clips img"))) > 20
    # A player has read its clip: 1,024 samples at 4,000 Hz.
    lengths = "() => Array.from(document.querySelectorAll('.gan-sound-lab audio')).map(a => a.duration)"
    wait_for(page, lambda: all(abs((x or 0) - 0.256) < 0.01 for x in page.evaluate(lengths)))
    has_names(page)
    page.screenshot(path=tmp_path / "sound.png")
    page.locator(".training-reset").click()
    wait_for(page, lambda: step(page) == 0, seconds=60)


def test_text_with_colabs_widgets(classic_notebook, classic, tmp_path):
    page = classic_notebook(TEXT, "lab")
    page.wait_for_selector(".training-numbers")
    page.locator(".training-step").click()
    wait_for(page, lambda: step(page) == 1, seconds=60)
    page.locator(".training-tick button").first.click()
    wait_for(page, lambda: step(page) >= 9, seconds=120)
    page.locator(".training-tick button").nth(1).click()  # play, pause, stop, repeat
    wait_for(page, lambda: page.locator(".training-numbers").get_attribute("data-state") == "paused", seconds=60)
    page.locator(".text-beginning input").fill("春<")
    wait_for(page, lambda: "春<" in page.locator(".text-next caption").inner_text())
    page.screenshot(path=tmp_path / "classic.png")
