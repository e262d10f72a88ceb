"""An exported run in a real page: from the disk, with the network off; what is seen is compared by its pixels."""

import pytest

from gan_tutorial.live import replay
from gan_tutorial.live.session import Session
from gan_tutorial.training import recipe
from tests.browser.page import difference, pixels, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

RUNS = {
    "points": recipe("ring-mlp").with_changes({"model.g_width": 32, "model.d_width": 32, "batch_size": 64}),
    "images": recipe("dcgan-digits8").with_changes({"model.g_width": 8, "model.d_width": 8, "batch_size": 16}),
}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder, files = tmp_path_factory.mktemp("replay"), {}
    for name, run in RUNS.items():
        session = Session(run)
        for i in range(8):
            session.run(20 if name == "points" else 2)
            if i == 3:
                session.configure(lr_d=5e-3)
        files[name] = replay.export(session, folder / f"{name}.html")
    return files


@pytest.fixture
def open_page(chromium, exported):
    contexts, trouble = [], []

    def open_one(name, **options):
        context = chromium.new_context(**{"viewport": {"width": 960, "height": 1000}, **options})
        contexts.append(context)
        context.set_offline(True)
        context.route(
            lambda url: not url.startswith("file:"), lambda route: (trouble.append(route.request.url), route.abort())
        )
        page = context.new_page()
        page.on("console", lambda message: trouble.append(message.text))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("requestfailed", lambda request: trouble.append(request.url))
        page.goto(exported[name].as_uri())
        wait_for(page, lambda: part(page, "step").inner_text() != "")
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert not trouble


def part(page, name):
    return page.locator(f"[data-part={name}]")


def step(page):
    return int(part(page, "step").inner_text().replace(",", ""))


def wait_for_step(page, wanted):
    wait_for(page, lambda: step(page) == wanted)


def shown(page, name):
    return pixels(page, f"[data-part={name}]")


@pytest.mark.parametrize(("name", "last", "after"), [("points", 160, 20), ("images", 16, 2)])
def test_a_reader_scrubs_with_keys_mouse_and_the_curves(open_page, name, last, after):
    page = open_page(name)
    assert step(page) == last
    end = shown(page, "picture")
    assert len(set(end)) > 10
    curves = shown(page, "curves")

    page.keyboard.press("Home")
    wait_for_step(page, 0)
    assert part(page, "d-loss").inner_text() == "–"
    begin = shown(page, "picture")
    assert difference(begin, end) > 1
    assert difference(shown(page, "curves"), curves) > 0.5
    assert page.locator(".changed").count() == 0

    page.keyboard.press("ArrowRight")
    wait_for_step(page, after)
    assert part(page, "d-loss").inner_text() != "–"
    assert part(page, "slider").get_attribute("aria-valuetext") == f"step {after}"
    page.keyboard.press("ArrowLeft")
    wait_for_step(page, 0)
    assert shown(page, "picture") == begin
    page.keyboard.press("End")
    wait_for_step(page, last)
    assert shown(page, "picture") == end
    before = f"{RUNS[name].settings.lr_d:g}"
    assert page.locator(".changed").inner_text().split() == ["Learning", "rate", "D", "0.005", "was", before]

    box = part(page, "slider").bounding_box()
    page.mouse.move(box["x"] + box["width"] - 8, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=5)
    wait_for_step(page, last // 2)
    page.mouse.up()

    box = part(page, "curves").bounding_box()
    page.mouse.click(box["x"] + 44 + 2, box["y"] + box["height"] / 2)
    wait_for_step(page, 0)


def test_play_shows_every_moment_once_and_stops_at_the_end(open_page):
    page = open_page("points")
    page.evaluate("""() => {
      window.seen = [];
      new MutationObserver(() => seen.push(document.querySelector("[data-part=step]").textContent))
        .observe(document.querySelector("[data-part=step]"), {childList: true});
    }""")
    button, numbers = part(page, "play"), part(page, "numbers")
    assert (button.get_attribute("aria-label"), numbers.get_attribute("aria-live")) == ("Play", "polite")
    button.click()
    assert (button.get_attribute("aria-label"), numbers.get_attribute("aria-live")) == ("Pause", "off")
    wait_for(page, lambda: button.get_attribute("aria-label") == "Play")
    wait_for_step(page, 160)
    moments = page.evaluate("JSON.parse(document.getElementById('run').text).moments.map(m => String(m.step))")
    assert page.evaluate("seen") == moments
    assert numbers.get_attribute("aria-live") == "polite"

    page.keyboard.press("Home")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Space")
    assert button.get_attribute("aria-label") == "Pause"
    page.keyboard.press("Space")
    assert button.get_attribute("aria-label") == "Play"
    held = step(page)
    page.wait_for_timeout(800)
    assert step(page) == held


def test_nothing_moves_by_itself(open_page):
    page = open_page("points", reduced_motion="reduce")
    page.wait_for_timeout(1200)
    assert step(page) == 160


def test_dark_and_light_and_paper(open_page):
    seen = {}
    for scheme in ("light", "dark"):
        page = open_page("points", color_scheme=scheme)
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        seen[scheme] = paper, shown(page, "picture"), shown(page, "curves")
    assert seen["light"][0] != seen["dark"][0]
    assert difference(seen["light"][1], seen["dark"][1]) > 20
    assert difference(seen["light"][2], seen["dark"][2]) > 2
    page.emulate_media(media="print", color_scheme="dark")
    page.wait_for_timeout(100)
    on_paper = shown(page, "picture")  # another layout, hence not the very same pixels
    assert difference(on_paper, seen["light"][1]) < difference(on_paper, seen["dark"][1]) / 3
    assert not part(page, "slider").is_visible()


@pytest.mark.parametrize("name", RUNS)
def test_a_phone_needs_no_sideways_scrolling(open_page, name):
    page = open_page(name, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    top = {n: part(page, n).bounding_box() for n in ("picture", "curves", "slider", "play")}
    assert top["picture"]["y"] + top["picture"]["height"] <= top["curves"]["y"]
    assert min(top["play"]["width"], top["play"]["height"], top["slider"]["height"]) >= 44
    box = top["slider"]
    page.touchscreen.tap(box["x"] + 4, box["y"] + box["height"] / 2)
    wait_for_step(page, 0)


def test_focus_is_seen_and_names_are_there(open_page):
    page = open_page("points")
    for name in ("play", "slider"):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.dataset.part") == name
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        assert part(page, name).get_attribute("aria-label")
    assert part(page, "picture").get_attribute("aria-label") == "Real and generated samples at step 160"
    assert "step 160" in part(page, "curves").get_attribute("aria-label")
    page.keyboard.press("ArrowLeft")  # the slider has the focus: one moment, not two
    wait_for_step(page, page.evaluate("JSON.parse(document.getElementById('run').text).moments.at(-2).step"))
