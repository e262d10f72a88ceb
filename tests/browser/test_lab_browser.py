"""The live lab in a real page: JupyterLab, a kernel, Chromium; what is seen is compared by its pixels."""

import pytest

from tests.browser.page import difference, drag, number, pixels, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


@pytest.fixture
def lab(notebook):
    def show(recipe, steps, front="core", **options):
        run = f"from gan_tutorial.live import Lab\nlab = Lab({recipe!r}, front={front!r})\nlab.run({steps})"
        page = notebook(run, "display(lab)", **options)
        for selector in (".lab-picture", ".lab-lr-d"):
            page.wait_for_selector(selector)
        page.locator(".lab-picture").scroll_into_view_if_needed()
        return page

    return show


@pytest.mark.parametrize(("recipe", "steps"), [("ring-mlp", 30), ("dcgan-digits8", 10)])
def test_a_reader_plays_steers_pauses_and_resets(lab, recipe, steps, tmp_path, record_property):
    page = lab(recipe, steps)
    assert number(page, "step") == steps
    still = pixels(page)
    assert len(set(still)) > 20
    page.wait_for_timeout(500)
    assert pixels(page) == still

    play = page.locator(".lab-play")
    play.click()
    wait_for(page, lambda: number(page, "step") > steps)
    assert play.inner_text().strip() == "Pause"
    first = pixels(page)
    wait_for(page, lambda: difference(first, pixels(page)) > 0.3)

    # Drag the slider to the left while the lab plays: the training takes the value, and goes on.
    before, step = number(page, "lr-d"), number(page, "step")
    drag(page, ".lab-lr-d", 0.2)
    shown = float(page.locator(".lab-lr-d .widget-readout").inner_text())
    assert shown < 0.9 * before
    latency = wait_for(page, lambda: number(page, "lr-d") == pytest.approx(shown, rel=0.05))
    record_property("slider_to_training_s", round(latency, 3))
    print(f"{recipe}: the training used the new value {1000 * latency:.0f} ms after the mouse was released")
    assert number(page, "step") >= step  # no reset

    # A value can be typed too; the slider rounds it to its fiftieths of a decade.
    readout = page.locator(".lab-lr-g .widget-readout")
    readout.click()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("0.02")
    assert readout.inner_text() == "0.02"
    page.keyboard.press("Enter")
    wait_for(page, lambda: number(page, "lr-g") == pytest.approx(0.02, rel=0.01))
    page.screenshot(path=tmp_path / "playing.png")

    play.click()
    wait_for(page, lambda: play.inner_text().strip() == "Play")
    page.wait_for_timeout(500)  # for a tick that was under way
    stopped, picture = number(page, "step"), pixels(page)
    page.wait_for_timeout(1000)
    assert number(page, "step") == stopped
    assert pixels(page) == picture

    # Time travel: drag to the left end, and the first moment is back, with its settings; to the right, the last.
    for end, expected in ((0, 0), (1, stopped)):
        drag(page, ".lab-history", end)
        wait_for(page, lambda expected=expected: number(page, "step") == expected)
        if expected == 0:
            assert number(page, "lr-d") == pytest.approx(before)
            assert difference(picture, pixels(page)) > 0.3
            page.screenshot(path=tmp_path / "back.png")
    wait_for(page, lambda: pixels(page) == picture)

    page.locator(".lab-step-g").click()
    wait_for(page, lambda: number(page, "step") == stopped + 1)
    page.locator(".lab-reset").click()
    wait_for(page, lambda: number(page, "step") == 0)
    assert number(page, "lr-g") == pytest.approx(0.02, rel=0.01)  # settings survive
    page.screenshot(path=tmp_path / "reset.png")


@pytest.mark.parametrize("front", ["canvas", "core"])
def test_a_finger_plays_and_travels_in_a_dark_theme(lab, front, tmp_path):
    page = lab("ring-mlp", 30, front, theme="dark", has_touch=True)
    paper, ink = page.evaluate("""() => ['.jp-Notebook', '.lab-numbers'].map((selector, i) => {
      const style = getComputedStyle(document.querySelector(selector));
      return Math.max(...(i ? style.color : style.backgroundColor).match(/\\d+/g).slice(0, 3).map(Number));
    })""")
    assert paper < 60
    assert ink > 200
    play = page.locator(".lab-play")
    play.tap()
    wait_for(page, lambda: number(page, "step") > 30)
    play.tap()
    wait_for(page, lambda: play.inner_text().strip() == "Play")
    drag(page, ".lab-history", 0, finger=True)
    wait_for(page, lambda: number(page, "step") == 0)
    page.screenshot(path=tmp_path / f"dark-{front}.png")


def test_running_the_cell_again_closes_the_lab_it_made(notebook, jupyter):
    page = notebook(
        "from gan_tutorial.live import Lab\n"
        "labs = globals().get('labs', []) + [Lab('ring-mlp', front='core')]\nlabs[-1].play()",
        "display(labs[-1])\nprint('closed:', [lab.panel.closed for lab in labs])",
    )
    page.get_by_text("closed: [False]").wait_for()
    wait_for(page, lambda: page.locator(".lab-numbers").count() == 1 and number(page, "step") > 0)
    jupyter.run_all(page)
    page.get_by_text("closed: [True, False]").wait_for()
    wait_for(page, lambda: page.locator(".lab-numbers").count() == 1 and number(page, "step") > 0)
