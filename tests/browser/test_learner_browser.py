"""A learner's way through a chapter in JupyterLab: run it, play its lab, answer an exercise, look at its solution."""

import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.browser.conftest import PATIENCE_S, ROOT
from tests.browser.page import number, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

CELL_AT = "id => jupyterapp.shell.currentWidget.content.widgets.findIndex(cell => cell.model.id === id)"
SCROLL_TO = "async at => { await jupyterapp.shell.currentWidget.content.scrollToItem(at, 'center') }"
SOURCE = "at => jupyterapp.shell.currentWidget.content.widgets[at].model.sharedModel.getSource()"
# Of every code cell: its number once it has run, and its outputs.
CODE_CELLS = """() => jupyterapp.shell.currentWidget.content.widgets.map(cell => cell.model)
  .filter(model => model.type === 'code')
  .map(model => ({id: model.id, count: model.executionCount, outputs: model.outputs.toJSON()}))"""

WRONG_CENTRES = """def centres():
    angles = 2 * math.pi * torch.arange(8) / 8
    return torch.stack([angles.cos(), angles.sin()], dim=1)


check("0.2", centres)"""
WRONG_PREPARE = """def prepare(pixels):
    return pixels.float().unsqueeze(1) / 255


check("5.3", prepare)"""


class Chapter:
    """A chapter of the book, opened in a page with its outputs cleared."""

    def __init__(self, page, server, name):
        self.page, self.server = page, server
        book = json.loads((ROOT / "notebooks" / name).read_text(encoding="utf-8"))
        for cell in book["cells"]:
            if cell["cell_type"] == "code":
                cell.update(outputs=[], execution_count=None)
        Path(server.notebooks, name).write_text(json.dumps(book), encoding="utf-8")
        self.asked = []
        page.on("request", lambda request: self.asked.append(request.url))
        server.open(page, name)

    def cell(self, name):
        """A cell by its id, scrolled into view: those far away are not in the page."""
        at = self.page.evaluate(CELL_AT, name)
        assert at >= 0, f"no cell {name}"
        self.page.evaluate(SCROLL_TO, at)
        cell = self.page.locator(f'.jp-Notebook .jp-Cell[data-windowed-list-index="{at}"]')
        cell.wait_for()
        return cell

    def run_all(self):
        """Run it from top to bottom; returns what its cells printed, as one text."""
        self.server.run_all(self.page)

        def done():
            cells = self.page.evaluate(CODE_CELLS)
            errors = [(c["id"], o["evalue"]) for c in cells for o in c["outputs"] if o["output_type"] == "error"]
            assert not errors
            return all(cell["count"] for cell in cells) and self.page.evaluate(self.server.is_idle)

        wait_for(self.page, done, seconds=2 * PATIENCE_S)
        outputs = [output for cell in self.page.evaluate(CODE_CELLS) for output in cell["outputs"]]
        assert not [o for o in outputs if o["output_type"] == "stream" and o["name"] == "stderr"]
        return "".join(text for o in outputs if o["output_type"] == "stream" for text in o["text"])

    def answer(self, name, code):
        """Type over the cell's code and run it; returns what it prints."""
        cell = self.cell(name)
        cell.locator(".cm-content").click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(code)
        assert self.page.evaluate(SOURCE, self.page.evaluate(CELL_AT, name)) == code
        before = self.count(name)
        self.page.keyboard.press("Control+Enter")
        wait_for(self.page, lambda: self.count(name) not in (None, before) and self.page.evaluate(self.server.is_idle))
        return cell.locator(".jp-OutputArea-output").inner_text().strip()

    def count(self, name):
        return next(cell["count"] for cell in self.page.evaluate(CODE_CELLS) if cell["id"] == name)


@pytest.fixture
def open_chapter(chromium, jupyter):
    context = chromium.new_context(viewport={"width": 1280, "height": 1000})
    context.set_default_timeout(PATIENCE_S * 1000)
    yield lambda name: Chapter(context.new_page(), jupyter, name)
    context.close()
    jupyter.shut_down_kernels()


def plays(chapter):
    """The chapter's first lab trains when Play is pressed, and rests when Pause is."""
    lab = chapter.cell("ring-lab")
    lab.locator(".lab-play").wait_for()
    trained = number(lab, "step")
    assert trained == 1500
    lab.locator(".lab-play").click()
    wait_for(chapter.page, lambda: number(lab, "step") > trained + 30)
    lab.locator(".lab-play").click()
    numbers = lab.locator(".lab-numbers")
    wait_for(chapter.page, lambda: numbers.get_attribute("data-state") == "paused")
    wait_for(chapter.page, lambda: number(lab, "step") == chapter.server.ask(chapter.page, "lab.trainer.step"))
    assert lab.locator(".lab-play").inner_text().strip() == "Play"


def unfolds(chapter, name, first_line):
    """A solution is folded, and a click shows its code."""
    cell = chapter.cell(name)
    assert not cell.locator(".cm-content").is_visible()
    cell.locator(".jp-InputPlaceholder, .jp-Placeholder").first.click()
    cell.locator(".cm-content").wait_for()
    assert cell.locator(".cm-line").first.inner_text() == first_line


@pytest.mark.parametrize(
    ("name", "task", "wrong", "mend", "hint"),
    [
        pytest.param(
            *("00_start_here.ipynb", "0.2", WRONG_CENTRES, ("return torch", "return 2 * torch")),
            "your circle has radius 1, the ring has radius 2",
            id="00",
        ),
        pytest.param(
            *("05_training_loop.ipynb", "5.3", WRONG_PREPARE, ("/ 255", "/ 127.5 - 1")),
            "that is a scale from 0 to 1; a tanh ends at -1 and 1",
            id="05",
        ),
    ],
)
def test_a_learner_goes_through_a_chapter(open_chapter, tmp_path, name, task, wrong, mend, hint):
    exercise = task.split(".")[1]
    chapter = open_chapter(name)
    printed = chapter.run_all()
    book = json.loads((ROOT / "notebooks" / name).read_text(encoding="utf-8"))
    saved = next(cell["outputs"] for cell in book["cells"] if cell["id"] == "claims")
    claims = [line for o in saved for line in "".join(o["text"]).splitlines()]
    assert len(claims) >= 3
    assert [line for line in printed.splitlines() if line.startswith("checked: ")] == claims
    assert f"{task}: not yet: your function returns None" in printed

    plays(chapter)
    chapter.page.screenshot(path=tmp_path / "lab.png")
    unfolds(chapter, f"solution-{exercise}", f"# @title Solution of {task}")
    assert chapter.answer(f"exercise-{exercise}", wrong) == f"{task}: off: {hint}"
    chapter.page.screenshot(path=tmp_path / "off.png")
    assert chapter.answer(f"exercise-{exercise}", wrong.replace(*mend)) == f"{task}: right"
    chapter.page.screenshot(path=tmp_path / "right.png")
    assert {urlsplit(url).hostname for url in chapter.asked} - {None, ""} == {"127.0.0.1"}
