"""The live lab's canvas page in JupyterLab, feature by feature: a kernel, Chromium, a mouse, keys and fingers.

Most tests share one notebook, whose cell they run again: that closes the lab before and shows a new one.
"""

import ast
import io
import itertools
import statistics
from pathlib import Path

import pytest
from jupyter_client import BlockingKernelClient
from PIL import Image

from tests.browser.conftest import PATIENCE_S, _notebooks
from tests.browser.page import _Finger, difference, drag, number, pixels, wait_for

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


@pytest.fixture(scope="module")
def dark(notebooks, jupyter):
    """A page in a dark theme, for a finger, in Chinese."""
    return Shown(notebooks(CELL, theme="dark", has_touch=True), jupyter).run(language="zh")


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
        for i in range(1, 9):
            pointer.move(x0 + (x1 - x0) * i / 8, y0 + (y1 - y0) * i / 8)
    pointer.up()


def drawn_points(lab, pointer):
    """Draw an L on the empty pad and train on it; the points that the kernel got, from -1 to 1."""
    lab.find("button.lab-draw").click()
    lab.find(".lab-picture").scroll_into_view_if_needed()
    assert lab.find(".lab-draw-done").is_disabled()
    stroke(lab, pointer, (0.2, 0.1), (0.2, 0.8), (0.7, 0.8))
    lab.wait(lambda: lab.find(".lab-draw-done").is_enabled())
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
    rows = [(x, y / 20) for y in (1, 7, 13, 19) for x in ((0.1, 0.9) if y in (1, 13) else (0.9, 0.1))]
    stroke(lab, lab.page.mouse, *rows)
    lab.wait(lambda: lab.find(".lab-draw-done").is_enabled())
    lab.click(".lab-draw-done")
    lab.wait_for_step(0)
    points = lab.ask("(lab.trainer.dataset.drawing[0] / lab.session.look.extent).tolist()")
    assert 200 < len(points) <= 500
    assert min(y for _, y in points) < -0.8
    assert max(y for _, y in points) > 0.8


def test_slow_motion_tells_one_step_in_parts(lab, tmp_path):
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
    lab.page.screenshot(path=tmp_path / "slow.png")
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


def test_a_pinned_run_stays_beside_the_next(lab, tmp_path):
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
    lab.page.screenshot(path=tmp_path / "pinned.png")
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


def test_a_stability_map_trains_and_a_click_opens_a_run(lab, tmp_path):
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
    assert lab.page.evaluate(NAMELESS) == []
    lab.page.screenshot(path=tmp_path / "map.png")
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


def test_keys_work_the_lab(lab):
    press = lab.page.keyboard.press
    lab.find(".gan-lab").focus()
    press("Space")
    lab.wait(lambda: lab.number("step") > 31)
    press("Space")
    lab.wait(lambda: lab.find(".lab-numbers").get_attribute("data-state") == "paused")
    last = lab.ask("lab.trainer.step")
    lab.wait_for_step(last)
    for key in ("s", "d", "g"):
        press(key)
        last += 1
        lab.wait_for_step(last)
    steps = lab.ask("lab.steps")
    for key, place in (("ArrowLeft", -2), ("ArrowLeft", -3), ("ArrowRight", -2), ("ArrowRight", -1)):
        press(key)
        lab.wait_for_step(steps[place])
    help_panel = lab.find(".lab-help-panel")
    press("?")
    lab.wait(help_panel.is_visible)
    press("Escape")
    lab.wait(lambda: not help_panel.is_visible())
    # What closes leaves the focus in the lab, where the keys work.
    for key, panel in (("m", ".lab-map-panel"), ("c", ".lab-code-panel")):
        press(key)
        lab.wait(lab.find(panel).is_visible)
        lab.click(f"{panel} .lab-close")
        lab.wait(lambda panel=panel: not lab.find(panel).is_visible())
    lab.click("button.lab-draw")
    press("Enter")  # drops points
    lab.click("button.lab-draw-clear")
    press("Escape")
    lab.wait(lambda: not lab.find(".lab-pad").is_visible())
    lab.click("button.lab-draw")
    lab.click("button.lab-draw-cancel")
    press("r")
    lab.wait_for_step(0)
    assert lab.page.locator(".jp-NotebookPanel .jp-Cell").count() == 1  # the notebook's own keys stayed out of it


NAMELESS = """() => [...document.querySelectorAll('.gan-lab :is(button, input, select, summary, canvas, [role=img])')]
  .filter(node => node.checkVisibility() && node.getAttribute('aria-hidden') !== 'true')
  .filter(node => !(node.getAttribute('aria-label') || node.closest('label')?.textContent || '').trim()
    && !(node.matches('button, summary') && node.textContent.trim()))
  .map(node => node.outerHTML.slice(0, 120))"""


def test_every_control_has_a_name(lab):
    for selector in (".lab-more summary", ".lab-model summary", "button.lab-pin"):
        lab.click(selector)
    lab.wait(lambda: lab.find(".lab-pinned-picture").get_attribute("aria-label"))
    lab.click("button.lab-slow")
    lab.wait(lambda: lab.find(".lab-slow-panel").is_visible())
    assert lab.page.evaluate(NAMELESS) == []
    lab.click("button.lab-map")
    lab.wait(lambda: lab.find(".lab-map-panel").is_visible())
    assert lab.page.evaluate(NAMELESS) == []
    assert lab.find("[role=status][aria-live=polite]").count() == 1


def test_reduced_motion_draws_at_most_a_few_pictures_a_second(lab):
    pictures = """() => new Promise(done => {
      const seen = new Set(), end = performance.now() + 3000;
      const look = () => {
        seen.add(document.querySelector('.lab-numbers').dataset.step);
        performance.now() < end ? requestAnimationFrame(look) : done(seen.size);
      };
      look();
    })"""
    lab.page.emulate_media(reduced_motion="reduce")
    try:
        lab.wait(lambda: lab.find(".lab-calm").is_checked())
        lab.click("button.lab-play")
        lab.wait(lambda: lab.number("step") > 31)
        assert lab.page.evaluate(pictures) <= 8  # one each half second
        assert lab.pause() > 40
    finally:
        lab.page.emulate_media(reduced_motion="no-preference")
    lab.wait(lambda: not lab.find(".lab-calm").is_checked())


def test_dark_and_chinese(dark, tmp_path):
    assert dark.find(".gan-lab").get_attribute("data-theme") == "dark"
    dark.find(".lab-layer-heat").set_checked(False)
    dark.still()
    with Image.open(io.BytesIO(dark.find(".lab-picture").screenshot())) as image:
        assert statistics.median(image.convert("L").tobytes()) < 60  # between the points
    paper, ink = dark.page.evaluate("""() => {
      const colours = ['.jp-Notebook', '.lab-numbers'].map(one => getComputedStyle(document.querySelector(one)));
      return [colours[0].backgroundColor, colours[1].color].map(c => Math.max(...c.match(/[\\d.]+/g).slice(0, 3)));
    }""")
    assert paper < 60
    assert ink > 180
    assert dark.find(".gan-lab").get_attribute("lang") == "zh-CN"
    for selector, text in (("button.lab-play", "播放"), ("button.lab-reset", "重置"), ("button.lab-slow", "慢动作")):
        assert dark.find(selector).inner_text().strip() == text
    dark.find(".lab-layer-heat").set_checked(True)
    assert dark.page.evaluate(NAMELESS) == []
    dark.page.screenshot(path=tmp_path / "dark.png")


def test_a_finger_draws_data(dark):
    check_the_l(drawn_points(dark, _Finger(dark.page)))
    dark.find("button.lab-play").tap()
    dark.wait(lambda: dark.number("step") > 0)
    dark.find("button.lab-play").tap()
    dark.wait(lambda: dark.find(".lab-numbers").get_attribute("data-state") == "paused")


def test_the_image_lab(shared, tmp_path):
    lab = shared.run(recipe="'dcgan-digits8'", steps=6)
    for name in ("fid", "classes", "logits", "losses"):
        canvas = f"[data-chart={name}] canvas"
        lab.wait(lambda canvas=canvas: len(set(lab.pixels(canvas))) > 5)
        assert lab.find(canvas).is_visible()
    assert lab.find("[data-chart=js]").count() == 0
    fid = lab.ask("lab.session.frame().metrics['fid']")
    assert float(lab.find("[data-chart=fid] .lab-keys b").inner_text()) == pytest.approx(fid, rel=0.01)

    before = lab.still()
    box = lab.find(".lab-picture").bounding_box()
    lab.page.mouse.click(box["x"] + 0.75 * box["width"], box["y"] + 0.5 * box["height"])
    neighbours = lab.find(".lab-neighbours")
    lab.wait(neighbours.is_visible)
    sample = lab.ask("lab.session.view.sample")
    assert neighbours.locator("p").inner_text().startswith(f"Generated image {sample + 1},")
    lab.wait(lambda: len(set(lab.pixels(".lab-neighbours canvas"))) > 10)
    assert lab.pixels() != before  # the chosen one is framed

    strip = ".lab-walk-row canvas"
    lab.wait(lambda: len(set(lab.pixels(strip))) > 3)
    start = lab.pixels(strip)
    lab.find(".lab-walk").fill("0.6")
    lab.wait(lambda: lab.pixels(strip) != start)
    lab.find(".lab-walk").fill("0")
    lab.wait(lambda: lab.pixels(strip) == start)
    assert lab.ask("lab.trainer.step") == 6
    lab.click("button.lab-play")
    lab.wait(lambda: lab.number("step") > 8)
    lab.pause()
    lab.page.screenshot(path=tmp_path / "images.png")


def ask_without_a_page(jupyter, notebook, expression):
    """The value of an expression in a kernel whose page may be gone."""
    kernel = next(s["kernel"]["id"] for s in jupyter.api("sessions") if s["path"] == notebook)
    client = BlockingKernelClient(connection_file=str(jupyter.notebooks.parent / "runtime" / f"kernel-{kernel}.json"))
    client.load_connection_file()
    client.start_channels()
    try:
        reply = client.execute("", user_expressions={"value": expression}, reply=True, timeout=PATIENCE_S)
        return ast.literal_eval(reply["content"]["user_expressions"]["value"]["data"]["text/plain"])
    finally:
        client.stop_channels()


def test_two_labs_in_a_notebook_and_a_page_that_is_closed(notebooks, jupyter):
    made = "from gan_tutorial.live import Lab\nfrom gan_tutorial.training import recipe\nlabs, last = [], None\n"
    cell = f"labs += [Lab({SMALL}, front='canvas', seed=len(labs))]\nlabs[-1]"
    page = notebooks(made, cell, cell)
    wait_for(page, lambda: page.locator(".gan-lab .lab-numbers[data-step]").count() == 2, seconds=PATIENCE_S)
    numbers, plays = page.locator(".gan-lab .lab-numbers"), page.locator("button.lab-play")

    def step(i):
        return int(numbers.nth(i).get_attribute("data-step"))

    plays.nth(0).click()
    wait_for(page, lambda: step(0) > 20)
    assert [step(1), jupyter.ask(page, "labs[1].trainer.step")] == [0, 0]
    plays.nth(0).click()
    wait_for(page, lambda: numbers.nth(0).get_attribute("data-state") == "paused")
    first = jupyter.ask(page, "labs[0].trainer.step")
    plays.nth(1).click()
    wait_for(page, lambda: step(1) > 20)
    assert jupyter.ask(page, "labs[0].trainer.step") == first

    # Running the second cell again closes the lab that it has made, and that alone.
    page.evaluate("""async () => {
      const app = window.jupyterapp, notebook = app.shell.currentWidget.content;
      notebook.activeCellIndex = 2;
      await app.commands.execute('notebook:run-cell');
    }""")
    wait_for(page, lambda: jupyter.ask(page, "[one.panel.closed for one in labs]") == [False, True, False])
    wait_for(page, lambda: page.locator(".gan-lab").count() == 2 and step(1) == 0)
    assert step(0) == first

    # The page goes; what plays stands still, and no one has stopped it.
    plays.nth(1).click()
    wait_for(page, lambda: step(1) > 20)
    name = page.evaluate("() => window.jupyterapp.shell.currentWidget.context.path")
    page.goto("about:blank")
    where = "[labs[-1].session.state, labs[-1].trainer.step]"
    page.wait_for_timeout(1000)  # for a tick that was under way
    state, last = ask_without_a_page(jupyter, name, where)
    assert (state, last > 20) == ("playing", True)
    page.wait_for_timeout(1000)
    assert ask_without_a_page(jupyter, name, where) == ["playing", last]
