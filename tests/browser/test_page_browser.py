"""The live lab's canvas page in JupyterLab, feature by feature: a kernel, Chromium, a mouse, keys and fingers.

Most tests share one notebook, whose cell they run again: that closes the lab before and shows a new one.
"""

import itertools
import os
from pathlib import Path

import pytest

from tests.browser.conftest import _notebooks
from tests.browser.page import difference, drag, number, pixels, wait_for

SHOTS = Path(os.environ["SHOTS"]) if "SHOTS" in os.environ else None
pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

SMALL = (
    "recipe('ring-mlp', batch_size=64, **{f'model__{n}_{what}': v for n in 'dg' for what, v in "
    "(('width', 14), ('depth', 1))})"
)
CELL = f"""
from gan_tutorial.live import Lab
from gan_tutorial.training import recipe
small = {SMALL}
if "chosen" in globals():
    lab = Lab(chosen, front="canvas", language=language)
    if steps:
        lab.run(steps)
    display(lab)
"""


class Shown:
    """A lab in a page, and the kernel behind it."""

    def __init__(self, page, server):
        self.page, self._server = page, server

    def run(self, recipe="small", steps=30, language="en"):
        """Run the notebook's cell: a new lab, and only that."""
        self.page.evaluate("() => document.querySelectorAll('.gan-lab').forEach(one => { one.dataset.old = '' })")
        self.execute(f"chosen, steps, language = {recipe}, {steps}, {language!r}")
        self._server.run_all(self.page)
        self.page.wait_for_selector(".gan-lab:not([data-old]) .lab-numbers[data-step]")
        wait_for(self.page, lambda: self.page.locator(".gan-lab").count() == 1)
        self.find(".lab-picture").scroll_into_view_if_needed()
        return self

    def execute(self, code):
        return self.page.evaluate(self._server.execute, code)

    def ask(self, expression):
        """The value of an expression in the kernel."""
        return self._server.ask(self.page, expression)

    def find(self, selector):
        return self.page.locator(selector)

    def click(self, selector):
        self.find(selector).click()

    def wait(self, condition):
        return wait_for(self.page, condition, seconds=60)

    def number(self, name):
        return number(self.page, name)

    def pixels(self, selector=".lab-picture"):
        return pixels(self.page, selector)

    def still(self):
        """The picture, once it no longer changes."""
        pictures = [self.pixels()]

        def rests():
            self.page.wait_for_timeout(150)
            pictures.append(self.pixels())
            return pictures[-1] == pictures[-2]

        self.wait(rests)
        return pictures[-1]

    def pause(self):
        """Click pause; the step at which the lab then stands."""
        self.click(".lab-play")
        self.wait(lambda: self.find(".lab-numbers").get_attribute("data-state") == "paused")
        step = self.ask("lab.trainer.step")
        self.wait(lambda: self.number("step") == step)
        return step

    def wait_for_step(self, step):
        self.wait(lambda: self.number("step") == step)
        assert self.ask("lab.trainer.step") == step


@pytest.fixture(scope="module")
def notebooks(chromium, jupyter):
    yield from _notebooks(jupyter, chromium, "page")


@pytest.fixture(scope="module")
def shared(notebooks, jupyter):
    return Shown(notebooks(CELL), jupyter)


@pytest.fixture
def lab(shared):
    return shared.run()


def test_play_pause_step_and_reset(lab):
    assert lab.number("step") == 30
    picture = lab.still()
    assert len(set(picture)) > 20
    lab.execute("ticks, tick = [], lab.session.tick\nlab.session.tick = lambda b: ticks.append(b) or tick(b)")
    lab.click(".lab-play")
    lab.wait(lambda: lab.find(".lab-play").inner_text().strip() == "Pause")
    lab.wait(lambda: lab.number("step") > 60)
    lab.wait(lambda: difference(picture, lab.pixels()) > 0.3)
    step = lab.pause()
    assert lab.find(".lab-play").inner_text().strip() == "Play"
    lab.page.wait_for_timeout(300)  # for a tick that was under way
    ticks = lab.ask("len(ticks)")
    assert ticks > 1
    lab.page.wait_for_timeout(1000)
    assert lab.ask("[len(ticks), lab.trainer.step]") == [ticks, step]

    changed = """{n: float(sum(p.detach().double().sum() for p in net.parameters()))
                  for n, net in lab.trainer.networks.items() if n in ('generator', 'discriminator')}"""
    before = lab.ask(changed)
    for button, moved in (("step-d", {"discriminator"}), ("step-g", {"generator"}), ("step", set(before))):
        lab.click(f"button.lab-{button}")
        step += 1
        lab.wait_for_step(step)
        after = lab.ask(changed)
        assert {name for name in before if before[name] != after[name]} == moved
        before = after

    lab.click(".lab-reset")
    lab.wait_for_step(0)
    assert lab.find(".lab-numbers").get_attribute("data-state") == "idle"


def test_settings_hold_live_without_a_reset(lab):
    lab.click(".lab-play")
    lab.wait(lambda: lab.number("step") > 40)

    def shown(name):
        return lab.find(".lab-numbers").get_attribute(f"data-{name.replace('_', '-')}")

    for name, value in (("loss", "wasserstein"), ("optimizer", "sgd")):
        assert shown(name) != value
        lab.find(f"select.lab-{name}").select_option(value)
        lab.wait(lambda name=name, value=value: shown(name) == value)
        assert lab.ask(f"lab.trainer.settings.{name}") == value
    before = lab.number("lr-d")
    drag(lab.page, "input.lab-lr-d", 0.3)
    typed = lab.find(".lab-lr-d-number")
    lab.wait(lambda: lab.number("lr-d") == pytest.approx(float(typed.input_value())))
    assert lab.number("lr-d") < before
    drag(lab.page, "input.lab-n-critic", 0.3)
    lab.wait(lambda: lab.number("n-critic") == 3)
    for name, value in (("lr_g", 0.0123), ("g_steps", 4)):
        box = lab.find(f".lab-{name.replace('_', '-')}-number")
        box.fill(str(value))
        box.press("Enter")
        lab.wait(lambda name=name, value=value: float(shown(name)) == value)
        assert lab.ask(f"lab.trainer.settings.{name}") == value
    step = lab.number("step")
    lab.wait(lambda: lab.number("step") > step)
    assert lab.ask("[e.step > 0 for e in lab.session.events if e.changes]").count(True) >= 6  # in the same run


def test_of_a_storm_of_values_the_newest_wins(lab):
    lab.click(".lab-play")
    last = lab.page.evaluate("""async () => {
      const slider = document.querySelector('input.lab-lr-d');
      for (let i = 0; i < 200; i++) {
        slider.value = String(200 + 2 * i);
        slider.dispatchEvent(new Event('input', {bubbles: true}));
        if (i % 10 === 0) await new Promise(done => setTimeout(done, 5));
      }
      return Number(document.querySelector('.lab-lr-d-number').value);
    }""")
    lab.wait(lambda: lab.ask("lab.trainer.settings.lr_d") == pytest.approx(last))
    lab.wait(lambda: lab.number("lr-d") == pytest.approx(last))
    lab.pause()
    assert lab.ask("lab.trainer.settings.lr_d") == pytest.approx(last)
    assert float(lab.find(".lab-lr-d-number").input_value()) == pytest.approx(last)
    assert lab.ask("sum('lr_d' in e.changes for e in lab.session.events if e.changes)") < 200


def test_a_new_model_begins_a_new_run(lab):
    lab.click(".lab-model summary")
    picture = lab.still()
    changes = {
        "data": ("grid-25", "lab.trainer.dataset.name"),
        "noise": ("uniform", "lab.trainer.recipe.noise"),
        "z_dim": ("1", "str(lab.trainer.recipe.model_options['z_dim'])"),
        "g_depth": ("3", "str(lab.trainer.recipe.model_options['g_depth'])"),
        "d_width": ("64", "str(lab.trainer.recipe.model_options['d_width'])"),
    }
    for name, (value, kernel) in changes.items():
        lab.click("button.lab-step")
        lab.wait(lambda: lab.number("step") > 0)
        select = lab.find(f"select.lab-{name.replace('_', '-')}")
        select.select_option(value)
        lab.wait_for_step(0)
        assert lab.ask(kernel) == value
        lab.wait(lambda select=select, value=value: select.input_value() == value)
    lab.wait(lambda: difference(picture, lab.pixels()) > 0.3)
    assert (
        lab.ask("sum(p.numel() for p in lab.trainer.networks['generator'].parameters())")
        == 1 * 14 + 14 + 2 * (14 * 14 + 14) + 14 * 2 + 2
    )


def test_history_goes_back_and_forth_and_branches(lab):
    for _ in range(3):
        lab.execute("lab.run(40)")
    lab.wait_for_step(150)
    last = lab.still()
    drag(lab.page, ".lab-history", 0)
    lab.wait_for_step(0)
    first = lab.still()
    assert difference(first, last) > 0.3
    drag(lab.page, ".lab-history", 1)
    lab.wait_for_step(150)
    assert lab.still() == last
    drag(lab.page, ".lab-history", 0)
    lab.wait_for_step(0)
    assert lab.still() == first
    assert lab.find(".lab-branch").is_visible()
    assert lab.find(".lab-moment").inner_text() == "step 0 of 150"

    lab.find(".lab-history").focus()
    lab.page.keyboard.press("ArrowRight")
    lab.wait_for_step(30)
    lab.click("button.lab-step")
    lab.wait_for_step(31)
    assert lab.ask("lab.steps") == [0, 30, 31]
    lab.wait(lambda: not lab.find(".lab-branch").is_visible())
    assert int(lab.find(".lab-history").get_attribute("max")) == 2


def test_layers_and_the_way_from_noise_to_output(lab):
    picture = lab.still()
    for name in ("heat", "real", "fake", "manifold", "arrows"):
        box = lab.find(f".lab-layer-{name}")
        box.set_checked(not box.is_checked())
        lab.wait(lambda: lab.pixels() != picture)
        box.set_checked(not box.is_checked())
        lab.wait(lambda: lab.pixels() == picture)
    morph = lab.find(".lab-morph")
    seen = [picture]
    for at in ("0.5", "0"):
        morph.fill(at)
        lab.wait(lambda: lab.pixels() not in seen)
        seen.append(lab.still())
    morph.fill("1")
    lab.wait(lambda: lab.pixels() == picture)


def stroke(lab, pointer, *places):
    """Draw through places of the picture, each (x, y) with 0 to 1 from its left upper corner."""
    box = lab.find(".lab-picture").bounding_box()
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in places]
    pointer.move(*at[0])
    pointer.down()
    for (x0, y0), (x1, y1) in itertools.pairwise(at):
        for i in range(1, 21):
            pointer.move(x0 + (x1 - x0) * i / 20, y0 + (y1 - y0) * i / 20)
    pointer.up()


def drawn_points(lab, pointer):
    """Draw an L on the empty pad and train on it; the points that the kernel got, from -1 to 1."""
    lab.find("button.lab-draw").click()
    lab.find(".lab-picture").scroll_into_view_if_needed()
    assert lab.find(".lab-draw-done").is_disabled()
    stroke(lab, pointer, (0.2, 0.1), (0.2, 0.8), (0.7, 0.8))
    lab.wait(lambda: lab.find(".lab-draw-done").is_enabled())
    lab.page.screenshot(path=SHOTS / "draw.png") if SHOTS else None
    lab.find(".lab-draw-done").click()
    lab.wait_for_step(0)
    lab.wait(lambda: lab.ask("lab.trainer.dataset.name") == "drawing")
    return lab.ask("(lab.trainer.dataset.drawing[0] / lab.session.look.extent).tolist()")


def check_the_l(points):
    """Along x = -0.6 from y = 0.8 to -0.6, and along y = -0.6 to x = 0.4: within the brush's width of it, all over."""
    assert len(points) > 100
    for x, y in points:
        upright = abs(x + 0.6) < 0.05 and -0.65 < y < 0.85
        foot = abs(y + 0.6) < 0.05 and -0.65 < x < 0.45
        assert upright or foot, (x, y)
    assert min(y for _, y in points) < -0.57
    assert max(y for _, y in points) > 0.75
    assert max(x for x, _ in points) > 0.35


def test_a_mouse_draws_data(lab):
    picture = lab.still()
    check_the_l(drawn_points(lab, lab.page.mouse))
    lab.wait(lambda: difference(picture, lab.pixels()) > 0.3)
    lab.click("button.lab-step")
    lab.wait_for_step(1)
    # More than the kernel takes is thinned out, and the whole of it stays in view.
    lab.click("button.lab-draw")
    rows = [(x, y / 20) for y in range(1, 20) for x in ((0.1, 0.9) if y % 2 else (0.9, 0.1))]
    stroke(lab, lab.page.mouse, *rows)
    lab.wait(lambda: lab.find(".lab-draw-done").is_enabled())
    lab.click(".lab-draw-done")
    lab.wait_for_step(0)
    points = lab.ask("(lab.trainer.dataset.drawing[0] / lab.session.look.extent).tolist()")
    assert 200 < len(points) <= 500
    assert min(y for _, y in points) < -0.8
    assert max(y for _, y in points) > 0.8


def test_slow_motion_tells_one_step_in_parts(lab):
    lab.click("button.lab-slow")
    lab.wait(lambda: lab.find(".lab-slow-panel").is_visible())
    lab.wait_for_step(31)
    assert lab.ask("[lab.session.state, lab.trainer.step]") == ["paused", 31]
    count, title = lab.find(".lab-slow-panel .lab-panel-head .lab-hint"), lab.find(".lab-part h4")
    assert count.inner_text() == "1 of 12"
    told, pictures = [], []
    for i in range(12):
        assert count.inner_text() == f"{i + 1} of 12"
        told.append((title.inner_text(), lab.find(".lab-part p").inner_text()))
        pictures.append(lab.still())
        if i in (3, 9):
            assert any(c.isdigit() for c in lab.find(".lab-part-numbers").inner_text())
        if i < 11:
            lab.click(".lab-part-next")
    assert lab.find(".lab-part-next").is_disabled()
    assert len({a for a, _ in told}) == 12
    assert all(text for _, text in told)
    assert pictures[0] != pictures[1] != pictures[5]  # the noise, the batch, the picture after D's update
    lab.click(".lab-part-back")
    assert count.inner_text() == "11 of 12"
    lab.find(".lab-pace").fill("0.3")
    assert lab.find(".lab-pace-row output").inner_text() == "0.3 s"
    lab.click(".lab-part-auto")
    lab.wait(lambda: count.inner_text() == "12 of 12")
    assert lab.ask("lab.trainer.step") == 31
    lab.click(".lab-part-more")
    lab.wait_for_step(32)
    lab.wait(lambda: count.inner_text() == "1 of 12")
    lab.page.keyboard.press("Escape")
    lab.wait(lambda: not lab.find(".lab-slow-panel").is_visible())
    assert lab.find(".lab-charts").is_visible()


def test_a_pinned_run_stays_beside_the_next(lab):
    lab.click("button.lab-pin")
    pinned = ".lab-pinned-picture"
    lab.wait(lambda: lab.find(pinned).is_visible())
    lab.wait(lambda: lab.find(".lab-pinned").inner_text() == "pinned · step 30")
    assert "same settings" in lab.find(".lab-differences").inner_text()
    then = lab.pixels(pinned)
    assert difference(then, lab.still()) < 3
    lab.find(".lab-lr-d-number").fill("0.05")
    lab.page.keyboard.press("Enter")
    lab.wait(lambda: lab.find(".lab-differences td").count() == 2)
    assert lab.find(".lab-differences td").all_inner_texts()[1] == "0.05"
    lab.execute("lab.run(100)")
    lab.wait_for_step(130)
    lab.wait(lambda: lab.find(".lab-live figcaption").inner_text() == "live · step 130")
    assert lab.pixels(pinned) == then
    assert difference(then, lab.still()) > 0.3
    lab.click("button.lab-reset")
    lab.wait_for_step(0)
    lab.wait(lambda: lab.find(".lab-pinned").inner_text() == "pinned · step 0")  # the same step of that run
    assert lab.pixels(pinned) != then
    lab.click("button.lab-pin")
    lab.wait(lambda: not lab.find(pinned).is_visible())
    assert not lab.find(".lab-differences").is_visible()
    assert lab.ask("lab.session.pinned is None")


def test_a_stability_map_trains_and_a_click_opens_a_run(lab):
    lab.click("button.lab-map")
    lab.find("select.lab-map-x").select_option("lr_g")
    lab.find("select.lab-map-y").select_option("lr_d")
    lab.find(".lab-map-x-values").fill("0.001, 0.02")
    lab.find(".lab-map-y-values").fill("0.002 0.03")
    lab.click("button.lab-map-start")
    lab.wait(lambda: lab.ask("lab.session.map.step if lab.session.map else 0") > 20)
    lab.click("button.lab-map-pause")
    info = lab.find(".lab-map-info")
    lab.page.wait_for_timeout(300)
    step = lab.ask("lab.session.map.step")
    lab.wait(lambda: info.inner_text().startswith(f"4 runs at step {step}"))
    assert len(set(lab.pixels(".lab-map-canvas"))) > 20
    modes, quality = lab.ask("[t.flatten().tolist() for t in lab.session.map.coverage()]")
    lab.find(".lab-map-canvas").focus()
    for key, place, names in (
        ("ArrowRight", 1, "0.02 0.002"),
        ("ArrowUp", 3, "0.02 0.03"),
        ("ArrowLeft", 2, "0.001 0.03"),
    ):
        lab.page.keyboard.press(key)
        lr_g, lr_d = names.split()
        lab.wait(lambda lr_g=lr_g, lr_d=lr_d: f" {lr_g}," in info.inner_text() and f" {lr_d}:" in info.inner_text())
        assert info.inner_text().endswith(f": {modes[place]} of 8 modes, {round(100 * quality[place])} % good")
    box = lab.find(".lab-map-canvas").bounding_box()
    lab.page.mouse.click(box["x"] + 0.75 * box["width"], box["y"] + 0.25 * box["height"])
    lab.wait(lambda: lab.ask("lab.session.map is None"))
    assert lab.ask("[lab.trainer.settings.lr_g, lab.trainer.settings.lr_d]") == [0.02, 0.03]
    lab.wait_for_step(step)  # it plays up to there by itself
    assert lab.number("lr-g") == 0.02
    assert not lab.find(".lab-map-panel").is_visible()


def test_code_export_save_and_load(lab):
    lab.click("button.lab-code")
    text = lab.find(".lab-code-text")
    lab.wait(lambda: "import torch" in text.inner_text())
    assert text.text_content() == lab.ask("lab.code()")
    lab.click("button.lab-code-package")
    lab.wait(lambda: text.text_content() == lab.ask("lab.code(package=True)"))
    lab.click("button.lab-code")
    assert not text.is_visible()

    with lab.page.expect_download() as download:
        lab.click("button.lab-export")
    assert download.value.suggested_filename == "ring-mlp-30.html"
    html = Path(download.value.path()).read_text(encoding="utf-8")
    assert html.lower().startswith("<!doctype html")
    assert "ring-mlp" in html
    assert len(html) > 20_000

    with lab.page.expect_download() as download:
        lab.click("button.lab-save")
    assert download.value.suggested_filename == "ring-mlp.safetensors"
    picture = lab.still()
    weights = "float(sum(p.detach().double().sum() for p in lab.trainer.networks['generator'].parameters()))"
    before = lab.ask(weights)
    lab.find("select.lab-loss").select_option("hinge")
    lab.click("button.lab-reset")
    lab.wait_for_step(0)
    lab.wait(lambda: lab.pixels() != picture)
    lab.find(".lab-file").set_input_files(download.value.path())
    lab.wait_for_step(30)
    assert lab.ask(weights) == before
    assert lab.find("select.lab-loss").input_value() == lab.ask("lab.trainer.settings.loss") != "hinge"
    lab.wait(lambda: lab.pixels() == picture)
    lab.find(".lab-file").set_input_files({"name": "x", "mimeType": "text/plain", "buffer": b"no run at all"})
    lab.wait(lambda: lab.find(".lab-message").is_visible())
    assert lab.ask("lab.trainer.step") == 30


def test_an_error_in_a_step_is_told_and_a_reset_recovers(lab):
    lab.execute("def step(*_, **__):\n    raise RuntimeError('the step broke')\nlab.trainer.algorithm.step = step")
    lab.click("button.lab-play")
    message = lab.find(".lab-message")
    lab.wait(message.is_visible)
    assert "RuntimeError: the step broke" in message.inner_text()
    details = message.locator("details")
    assert not details.evaluate("node => node.open")
    details.locator("summary").click()
    assert "Traceback" in details.locator("pre").inner_text()
    assert lab.find("button.lab-step").is_disabled()
    lab.click("button.lab-reset")
    lab.wait_for_step(0)
    lab.wait(lambda: not message.is_visible())
    lab.click("button.lab-step")
    lab.wait_for_step(1)
