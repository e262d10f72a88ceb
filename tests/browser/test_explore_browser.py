"""A figure that follows its sliders, in a real page: JupyterLab, and the classic notebook with Colab's ipywidgets."""

import pytest

from tests.browser.page import difference, drag, pixels, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
MAKE = """
import time
from matplotlib.figure import Figure
from gan_tutorial.live import Explore
seen = []
def draw(step_size=0.1, turned=False):
    seen.append(step_size)
    if turned: raise ValueError("can't be turned")
    time.sleep(0.3)
    figure = Figure(figsize=(5, 3))
    axes = figure.add_subplot()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.fill_between([0, 1], [0, 2 * step_size], color="#0072B2")
    return figure, f"now <b>{step_size:.2f}</b>"
explore = Explore(draw, alt="A blue wedge, as steep as the step is large.", step_size=(0.0, 0.5))
"""
PICTURE = ".explore-picture"


def follows(page, server):
    """Drag the slider: the picture and the line below follow, and only the newest place is drawn to the end."""
    page.wait_for_selector(PICTURE)
    page.locator(PICTURE).scroll_into_view_if_needed()
    assert page.locator(PICTURE).get_attribute("alt") == "A blue wedge, as steep as the step is large."
    still = pixels(page, PICTURE)
    assert len(set(still)) > 5
    drag(page, ".explore-step-size", 0.9)
    wait_for(page, lambda: server.ask(page, "seen[-1] == explore.values['step_size'] and seen[-1] > 0.4"))
    wait_for(page, lambda: page.locator(".explore-line").inner_text() == f"now {server.ask(page, 'seen[-1]'):.2f}")
    wait_for(page, lambda: difference(still, pixels(page, PICTURE)) > 3)
    assert server.ask(page, "len(seen)") < 8  # ten moves of the mouse, and the first picture


def fails_gently(page):
    """An error is told below the picture, which stays."""
    before = pixels(page, PICTURE)
    page.locator(".explore-turned input").click()
    wait_for(page, lambda: page.locator(".explore-error").count() == 1)
    assert page.locator(".explore-error").inner_text() == "ValueError: can't be turned"
    assert pixels(page, PICTURE) == before
    page.locator(".explore-turned input").click()
    wait_for(page, lambda: page.locator(".explore-line").count() == 1)


def test_a_picture_follows_its_slider(notebook, jupyter, tmp_path):
    page = notebook(MAKE, "explore", theme="dark")
    follows(page, jupyter)
    fails_gently(page)
    style = page.locator(PICTURE).evaluate("e => [getComputedStyle(e).borderRadius, getComputedStyle(e).borderWidth]")
    assert style == ["6px", "1px"]
    page.locator(".explore-step-size [tabindex='0']").first.focus()
    before = jupyter.ask(page, "explore.values['step_size']")
    page.keyboard.press("ArrowLeft")
    wait_for(page, lambda: jupyter.ask(page, "seen[-1]") < before)
    page.screenshot(path=tmp_path / "explore.png")


def test_a_picture_follows_its_slider_with_colabs_widgets(classic_notebook, classic, tmp_path):
    page = classic_notebook(MAKE, "explore")
    follows(page, classic)
    fails_gently(page)
    page.screenshot(path=tmp_path / "explore.png")
