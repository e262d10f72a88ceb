"""The latent explorer in a real page: JupyterLab, and the classic notebook with Colab's ipywidgets."""

import base64
import io
import re

import pytest
from PIL import Image

from tests.browser.page import difference, drag, pixels, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
MAKE = """
import torch
from gan_tutorial import models
from gan_tutorial.live import Explorer
torch.manual_seed(0)
options = dict(z_dim=32, w_dim=32, channel_base=512, channel_max=32, mapping_layers=4)
made = models.build("stylegan2", (3, 32, 32), num_classes=3, **options)["generator"]
explorer = Explorer(made, class_names=["hat", "glasses", "bare"])
drawn = []
show = explorer.panel.show
explorer.panel.show = lambda: (drawn.append(explorer.values["direction_2"]), show())[1]
"""
PICTURE = ".explorer-view .explorer-picture"


def follows(page, server):
    """Drag a direction's slider: the picture follows, and moves that came too fast are left out."""
    page.wait_for_selector(PICTURE)
    page.locator(PICTURE).scroll_into_view_if_needed()
    assert page.locator(PICTURE).get_attribute("alt") == "Image that stylegan2 makes of seed 0."
    shown = page.locator(PICTURE).evaluate("e => [e.clientWidth, e.naturalWidth, getComputedStyle(e).imageRendering]")
    assert shown == [384 - 2, 32, "pixelated"]
    still = pixels(page, PICTURE)
    assert len(set(still)) > 5
    drag(page, ".explorer-direction-2", 0.9)
    wait_for(page, lambda: server.ask(page, "drawn[-1] == explorer.values['direction_2'] and drawn[-1] > 3"))
    wait_for(page, lambda: difference(still, pixels(page, PICTURE)) > 1)
    assert server.ask(page, "len(drawn)") <= 12  # ten moves of the mouse
    assert server.ask(page, "explorer.panel.line.value.count('explorer-error')") == 0


def pins_and_animates(page, server):
    """Pin two images, go back to the first, and make the animation."""
    page.locator(".explorer-pin").click()
    wait_for(page, lambda: page.locator(".explorer-pinned img").count() == 1)
    pinned = pixels(page, PICTURE)
    seed = page.locator(".explorer-seed input")
    seed.fill("7")
    seed.press("Enter")
    wait_for(page, lambda: page.locator(".explorer-said [role=status]").inner_text() == "Seed 7")
    wait_for(page, lambda: difference(pinned, pixels(page, PICTURE)) > 1)
    page.locator(".explorer-pin").click()
    wait_for(page, lambda: page.locator(".explorer-pinned img").count() == 2)
    assert page.locator(".explorer-pinned img").nth(1).get_attribute("alt") == "Pinned image 2, seed 7."
    page.locator(".explorer-recall").first.click()
    wait_for(page, lambda: server.ask(page, "explorer.values['seed']") == 0)
    wait_for(page, lambda: difference(pinned, pixels(page, PICTURE)) < 0.5)
    page.locator(".explorer-gif").click()
    wait_for(page, lambda: page.locator(".explorer-movie a").count() == 1)
    address = page.locator(".explorer-movie a").get_attribute("href")
    with Image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))) as gif:
        assert gif.n_frames > 20
    with page.expect_download() as download:
        page.locator(".explorer-said a").click()
    assert re.fullmatch(r"stylegan2-seed-0.*\.png", download.value.suggested_filename)
    with Image.open(download.value.path()) as saved:
        assert saved.size == (32, 32)


def has_names(page):
    """Every control that a reader can reach says what it is."""
    for box in page.locator(".explorer-controls .widget-label").all():
        if box.is_visible():
            assert box.inner_text().strip()
    assert all(button.inner_text().strip() for button in page.locator(".gan-explorer button").all())
    assert all(image.get_attribute("alt") for image in page.locator(".gan-explorer img").all())


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_latents_are_explored(notebook, jupyter, tmp_path, theme):
    page = notebook(MAKE, "explorer", theme=theme)
    follows(page, jupyter)
    pins_and_animates(page, jupyter)
    has_names(page)
    page.locator(".explorer-code").click()
    wait_for(page, lambda: page.locator(".explorer-listing pre").is_visible())
    assert "manual_seed(0)" in page.locator(".explorer-listing pre").inner_text()
    page.screenshot(path=tmp_path / "explorer.png")


def test_latents_are_explored_with_colabs_widgets(classic_notebook, classic, tmp_path):
    page = classic_notebook(MAKE, "explorer")
    follows(page, classic)
    pins_and_animates(page, classic)
    has_names(page)
    page.screenshot(path=tmp_path / "explorer.png")
