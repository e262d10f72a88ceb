"""The live lab where Colab's readers meet it: classic Notebook 6.5, ipywidgets 7.7, IPython 7.34, in a real page."""

import pytest

from tests.browser.page import difference, drag, number, pixels, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

# What kernel and widgets are made of. Seen in the other environment, they would not be Colab's.
STACK = {"IPython", "anywidget", "comm", "ipykernel", "ipywidgets", "jupyter_client", "psygnal", "tornado", "traitlets"}


@pytest.fixture
def lab(classic_notebook):
    def show(front):
        run = f"from gan_tutorial.live import Lab\nlab = Lab('ring-mlp', front={front!r})\nlab.run(30)"
        page = classic_notebook(run, "display(lab)")
        for selector in (".lab-picture", ".lab-lr-d"):
            page.wait_for_selector(selector)
        page.locator(".lab-picture").scroll_into_view_if_needed()
        assert number(page, "step") == 30
        return page

    return show


def play(page):
    """Play until the step and the picture have moved on."""
    still = pixels(page)
    assert len(set(still)) > 20
    page.locator(".lab-play").click()
    wait_for(page, lambda: page.locator(".lab-play").inner_text().strip() == "Pause")
    wait_for(page, lambda: number(page, "step") > 30 and difference(still, pixels(page)) > 0.3, seconds=10)


def pause(page):
    """Pause, and see that all stands still."""
    page.locator(".lab-play").click()
    wait_for(page, lambda: page.locator(".lab-play").inner_text().strip() == "Play")
    page.wait_for_timeout(500)  # for a tick that was under way
    stopped, picture = number(page, "step"), pixels(page)
    page.wait_for_timeout(1000)
    assert number(page, "step") == stopped
    assert pixels(page) == picture


def steer(page, classic):
    """Drag a slider: the kernel has its new value, and goes on with the same run. Returns the old value and the new."""
    before, step = classic.ask(page, "lab.trainer.settings.lr_d"), number(page, "step")
    drag(page, ".lab-lr-d", 0.2)
    wait_for(page, lambda: classic.ask(page, "lab.trainer.settings.lr_d") < 0.1 * before)
    assert number(page, "step") >= step
    return before, classic.ask(page, "lab.trainer.settings.lr_d")


def travel(page, classic, first):
    """To the first moment of the run, with the learning rate of then, and back to the last."""
    last, picture = number(page, "step"), pixels(page)
    for end, expected in ((0, 0), (1, last)):
        drag(page, ".lab-history", end)
        wait_for(page, lambda expected=expected: number(page, "step") == expected)
        if end == 0:
            wait_for(page, lambda: difference(picture, pixels(page)) > 0.3)
            assert classic.ask(page, "lab.trainer.settings.lr_d") == pytest.approx(first)
    wait_for(page, lambda: pixels(page) == picture)


def reset(page, classic, rate):
    page.locator(".lab-reset").click()
    wait_for(page, lambda: number(page, "step") == 0)
    assert classic.ask(page, "lab.trainer.settings.lr_d") == pytest.approx(rate)  # settings survive


def test_a_reader_plays_steers_pauses_and_resets(lab, classic, tmp_path):
    page = lab("canvas")
    play(page)
    before, after = steer(page, classic)
    page.screenshot(path=tmp_path / "playing.png")
    pause(page)
    travel(page, classic, before)
    reset(page, classic, after)
    page.screenshot(path=tmp_path / "reset.png")


def test_the_core_panel_steps_steers_and_resets(lab, classic, tmp_path):
    page = lab("core")
    before, after = steer(page, classic)
    page.locator(".lab-step-g").click()
    wait_for(page, lambda: number(page, "step") == 31)
    page.screenshot(path=tmp_path / "stepped.png")
    travel(page, classic, before)
    reset(page, classic, after)


def test_the_core_panel_plays(lab, classic):
    page = lab("core")
    still, buttons = pixels(page), page.locator(".lab-tick button")
    buttons.nth(0).click()
    wait_for(page, lambda: number(page, "step") > 30 and difference(still, pixels(page)) > 0.3, seconds=20)
    buttons.nth(1).click()

    def stands_still():  # the page does not tell the kernel that it stopped, it only asks for no more
        before = classic.ask(page, "lab.trainer.step")
        page.wait_for_timeout(1000)
        return classic.ask(page, "lab.trainer.step") == before

    wait_for(page, stands_still)


def test_all_of_jupyter_is_of_colabs_versions(lab, classic):
    page = lab("canvas")
    code = "[__import__(m).__version__ for m in ('IPython', 'ipykernel', 'ipywidgets', 'anywidget', 'jupyter_client')]"
    assert classic.ask(page, code) == ["7.34.0", "6.17.1", "7.7.1", "0.9.21", "7.4.9"]
    files = classic.ask(page, "{m: str(getattr(it, '__file__', '')) for m, it in __import__('sys').modules.items()}")
    own = classic.ask(page, "__import__('sys').prefix")
    foreign = {name for name, file in files.items() if "site-packages" in file and not file.startswith(own)}
    assert "torch" in foreign
    assert not foreign & STACK
