"""The live lab in a real page: JupyterLab, a kernel, Chromium; what is seen is compared by its pixels."""

import time

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

# The picture as 72 x 34 pixels, so that a blank or broken one can't pass.
PIXELS = """async () => {
  const image = document.querySelector('img.lab-picture');
  await image.decode();
  const canvas = Object.assign(document.createElement('canvas'), {width: 72, height: 34});
  const context = canvas.getContext('2d');
  context.drawImage(image, 0, 0, 72, 34);
  return Array.from(context.getImageData(0, 0, 72, 34).data);
}"""


def number(page, name):
    """A number that the kernel wrote after training with it."""
    return float(page.locator(".lab-numbers").get_attribute(f"data-{name}"))


def wait_for(page, condition, *, seconds=30.0):
    """Wait for a condition in Python; returns the seconds it took."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, f"not within {seconds} s"
        page.wait_for_timeout(10)
    return time.monotonic() - started


def difference(one, other):
    return sum(abs(a - b) for a, b in zip(one, other, strict=True)) / len(one)


@pytest.fixture
def lab(notebook):
    def show(recipe, steps):
        page = notebook(f"from gan_tutorial.live import Lab\nlab = Lab({recipe!r})\nlab.run({steps})", "display(lab)")
        page.wait_for_selector("img.lab-picture")
        page.wait_for_selector(".lab-lr-d .noUi-handle")
        page.locator("img.lab-picture").scroll_into_view_if_needed()
        return page

    return show


@pytest.mark.parametrize(("recipe", "steps"), [("ring-mlp", 30), ("dcgan-digits8", 10)])
def test_a_reader_plays_steers_pauses_and_resets(lab, recipe, steps, tmp_path, record_property):
    page = lab(recipe, steps)
    assert number(page, "step") == steps
    still = page.evaluate(PIXELS)
    assert len(set(still)) > 20
    page.wait_for_timeout(500)
    assert page.evaluate(PIXELS) == still

    play = page.locator(".lab-play")
    play.click()
    wait_for(page, lambda: number(page, "step") > steps)
    assert play.inner_text().strip() == "Pause"
    first = page.evaluate(PIXELS)
    wait_for(page, lambda: difference(first, page.evaluate(PIXELS)) > 0.3)

    # Drag the slider to the left while the lab plays: the training takes the value, and goes on.
    before, step = number(page, "lr-d"), number(page, "step")
    handle = page.locator(".lab-lr-d .noUi-handle").bounding_box()
    x, y = handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for i in range(1, 11):
        page.mouse.move(x - 3 * i, y)
        page.wait_for_timeout(20)
    page.mouse.up()
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
    page.keyboard.press("Enter")
    wait_for(page, lambda: number(page, "lr-g") == pytest.approx(0.02, rel=0.01))
    page.screenshot(path=tmp_path / "playing.png")

    play.click()
    wait_for(page, lambda: play.inner_text().strip() == "Play")
    page.wait_for_timeout(500)  # for a tick that was under way
    stopped, picture = number(page, "step"), page.evaluate(PIXELS)
    page.wait_for_timeout(1000)
    assert number(page, "step") == stopped
    assert page.evaluate(PIXELS) == picture

    # Time travel: drag to the left end, and the first moment is back, with its settings; to the right, the last.
    track = page.locator(".lab-history .noUi-base").bounding_box()
    for target, expected in ((track["x"], 0), (track["x"] + track["width"], stopped)):
        handle = page.locator(".lab-history .noUi-handle").bounding_box()
        y = handle["y"] + handle["height"] / 2
        page.mouse.move(handle["x"] + handle["width"] / 2, y)
        page.mouse.down()
        page.mouse.move(target, y, steps=8)
        page.mouse.up()
        wait_for(page, lambda expected=expected: number(page, "step") == expected)
        if expected == 0:
            assert number(page, "lr-d") == pytest.approx(before)
            assert difference(picture, page.evaluate(PIXELS)) > 0.3
            page.screenshot(path=tmp_path / "back.png")
    wait_for(page, lambda: page.evaluate(PIXELS) == picture)

    page.locator(".lab-step-g").click()
    wait_for(page, lambda: number(page, "step") == stopped + 1)
    page.locator(".lab-reset").click()
    wait_for(page, lambda: number(page, "step") == 0)
    assert number(page, "lr-g") == pytest.approx(0.02, rel=0.01)  # settings survive
    page.screenshot(path=tmp_path / "reset.png")


def test_running_the_cell_again_closes_the_lab_it_made(notebook):
    page = notebook(
        "from gan_tutorial.live import Lab\nlabs = globals().get('labs', []) + [Lab('ring-mlp')]\nlabs[-1].play()",
        "display(labs[-1])\nprint('closed:', [lab.panel.closed for lab in labs])",
    )
    page.get_by_text("closed: [False]").wait_for()
    wait_for(page, lambda: page.locator(".lab-numbers").count() == 1 and number(page, "step") > 0)
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells') }")
    page.get_by_text("closed: [True, False]").wait_for()
    wait_for(page, lambda: page.locator(".lab-numbers").count() == 1 and number(page, "step") > 0)
