"""Every page of the built book in a real browser, with nothing but the book within reach. `make book` runs this.

No test_ in the file's name: the book has to be built first.
"""

import functools
import http.server
import json
import threading
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.conftest import PATIENCE_S, chromium  # noqa: F401

ROOT = Path(__file__).parents[2]
HTML = ROOT / "book" / "_build" / "html"
PAGES = sorted(str(path.relative_to(HTML)) for path in HTML.rglob("*.html") if "_static" not in path.parts)
AXE = Axe()
SERIOUS = ("serious", "critical")

pytestmark = pytest.mark.timeout(600)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def address():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=HTML)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def visit(chromium, address):  # noqa: F811
    """Opens one page after the other; each returns itself and what went wrong."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE_S * 1000)
    trouble = []

    def only_the_book(route):
        if route.request.url.startswith((address, "data:")):
            route.continue_()
        else:
            trouble.append(f"asks for {route.request.url}")
            route.abort()

    context.route("**/*", only_the_book)
    page = context.new_page()
    page.on("console", lambda m: trouble.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("requestfailed", lambda r: trouble.append(f"fails: {r.url} {r.failure}"))
    page.on("response", lambda r: trouble.append(f"{r.status}: {r.url}") if r.status >= 400 else None)

    def open_one(name):
        trouble.clear()
        page.goto(f"{address}/{name}", wait_until="load")
        page.evaluate("() => window.MathJax && MathJax.startup ? MathJax.startup.promise.then(() => 0) : 0")
        page.evaluate("() => scrollTo(0, document.body.scrollHeight)")  # what is loaded only when it is near
        if page.locator("iframe").count():
            page.wait_for_load_state("networkidle")
        return page, trouble

    yield open_one
    context.close()


def show(page, theme):
    page.add_style_tag(content="* { transition: none !important }")  # axe would see colours half way
    page.evaluate("t => Object.assign(document.documentElement.dataset, {theme: t, mode: t})", theme)
    page.emulate_media(color_scheme=theme)


def findings(page, **options):
    """What axe holds to be serious, as lines."""
    found = AXE.run(page, options={"resultTypes": ["violations"], **options}).response["violations"]
    return [
        f"{v['id']}: {node['target']} {node['html'][:160]} {json.dumps([c['message'] for c in node['any']])[:200]}"
        for v in found
        if v["impact"] in SERIOUS
        for node in v["nodes"]
    ]


def on_a_phone(page):
    """The page never scrolls sideways; what does in it can be reached with the keyboard."""
    size = page.viewport_size
    page.set_viewport_size({"width": 390, "height": 844})
    try:
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        assert not findings(page, runOnly=["scrollable-region-focusable"])
    finally:
        page.set_viewport_size(size)


def test_the_book_is_built():
    assert {"index.html", "playground.html", "glossary.html", "references.html", "search.html"} <= set(PAGES)
    assert [name for name in PAGES if name.startswith("notebooks/")]
    assert [name for name in PAGES if name.startswith("replays/")]


@pytest.mark.parametrize("name", PAGES)
def test_page_works_alone_and_is_accessible(visit, name):
    page, trouble = visit(name)
    assert not trouble
    show(page, "light")
    assert not findings(page)
    show(page, "dark")  # only the colours are others
    assert not findings(page, runOnly=["color-contrast", "link-in-text-block"])
    if not name.startswith(("_modules", "replays/")):
        on_a_phone(page)


def test_the_search_finds_a_word(visit):
    page, trouble = visit("search.html?q=detach")
    page.wait_for_selector("#search-results li a")
    assert page.locator("#search-results li a").count() >= 1
    assert not trouble
