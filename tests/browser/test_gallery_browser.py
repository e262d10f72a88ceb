"""The zoo's gallery in a real page: JupyterLab, and the classic notebook with Colab's ipywidgets."""

import pytest

from gan_tutorial import zoo
from tests.browser.page import wait_for

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
MAKE = "from gan_tutorial.live import Gallery\ngallery = Gallery()"
ALL = [entry.name for entry in zoo.list()]


def shown(page):
    names = page.locator(".gan-gallery .gallery-name")
    return [names.nth(i).inner_text() for i in range(names.count()) if names.nth(i).is_visible()]


def filters(page, server):
    """Choose data, search, and take the filters away again: the cards follow."""
    page.wait_for_selector(".gallery-card img")
    assert shown(page) == ALL
    chosen = page.locator(".gan-gallery select").evaluate_all("all => all.map(e => e.selectedOptions[0]?.text)")
    assert chosen == ["all"] * 3
    sizes = page.locator(".gallery-card img").evaluate_all("all => all.map(e => [e.naturalWidth, e.clientWidth])")
    assert all(natural > 200 and client > 200 for natural, client in sizes)
    overflow = page.locator(".gallery-card").evaluate_all("all => all.map(e => e.scrollHeight - e.clientHeight)")
    assert max(overflow) <= 1, "a card's text is cut off"
    page.locator(".gallery-data select").select_option("mnist")
    wait_for(page, lambda: shown(page) == [name for name in ALL if zoo.entry(name).recipe.data == "mnist"])
    page.locator(".gallery-reset").click()
    wait_for(page, lambda: shown(page) == ALL)
    search = page.locator(".gallery-text input")
    search.fill("glasses hat")
    wait_for(page, lambda: shown(page) == [name for name in ALL if "glasses" in zoo.entry(name).class_names])
    search.fill("no such model")
    wait_for(page, lambda: shown(page) == [])
    wait_for(page, lambda: "No model" in page.locator(".gan-gallery [role=status]").inner_text())
    page.locator(".gallery-reset").click()
    wait_for(page, lambda: shown(page) == ALL)
    assert search.input_value() == ""
    assert all(image.get_attribute("alt") for image in page.locator(".gan-gallery img").all())


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_zoo_is_filtered(notebook, jupyter, tmp_path, theme):
    page = notebook(MAKE, "gallery", theme=theme)
    filters(page, jupyter)
    page.screenshot(path=tmp_path / "gallery.png")


def test_the_zoo_is_filtered_with_colabs_widgets(classic_notebook, classic, tmp_path):
    page = classic_notebook(MAKE, "gallery")
    filters(page, classic)
    page.screenshot(path=tmp_path / "gallery.png")
