"""The live lab in a real page: training speed, frames, how soon a slider is heard, what half an hour leaves behind.

    python -m benchmarks.lab_page [--minutes 30] [--cycles 200] [--reruns 50] [--save]

Needs Chromium and the test extra. JupyterLab, its kernel, and the browser share the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from tests.browser import conftest

RESULTS = Path(__file__).parent / "results" / "lab-page.json"
NETS = "recipe('ring-mlp', model__g_width=14, model__d_width=14, model__g_depth=1, model__d_depth=1, batch_size=150)"
SET_UP = """
import json, os, threading
from gan_tutorial.live import Lab
from gan_tutorial.training import recipe
def memory():
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')
lab = Lab(%s)
"""
# A storm of 1,000 slider events, 10 ms apart: when each value was asked for, and when a frame told a new one in force.
STORM = """async () => {
  const slider = document.querySelector('.lab-lr-d'), typed = document.querySelector('.lab-lr-d-number');
  const numbers = document.querySelector('.lab-numbers'), high = Number(slider.max), sent = [], heard = [];
  let last = numbers.dataset.lrD;
  const watch = new MutationObserver(() => {
    if (numbers.dataset.lrD !== last) heard.push([performance.now(), Number(last = numbers.dataset.lrD)]);
  });
  watch.observe(numbers, {attributes: true});
  for (let i = 0; i < 1000; i++) {
    slider.value = String(high * (0.25 + 0.5 * (i + 1) / 1000));
    slider.dispatchEvent(new Event('input', {bubbles: true}));
    sent.push([performance.now(), Number(typed.value)]);
    await new Promise((done) => setTimeout(done, 10));
  }
  await new Promise((done) => setTimeout(done, 1500));
  watch.disconnect();
  return {sent, heard};
}"""
ALL_MODES = "() => document.querySelector('.lab-number-modes dd').textContent.trim() === '8 of 8'"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--cycles", type=int, default=200)
    parser.add_argument("--reruns", type=int, default=50)
    parser.add_argument("--save", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args()
    found: dict[str, Any] = {"cores": os.cpu_count()}
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        server = conftest.JupyterLab(Path(home))
        server.wait()
        browser = playwright.chromium.launch(executable_path=conftest.chromium_path(), args=conftest.CHROMIUM_FLAGS)
        try:
            found["ring_8_wall_s"] = [_Lab(server, browser, f"'ring-mlp', seed={seed}").ring() for seed in range(5)]
            lab = _Lab(server, browser, NETS)
            found["speed"] = lab.speed()
            found["slider"] = lab.storm()
            found["cycles"] = lab.cycles(options.cycles)
            found["reruns"] = lab.reruns(options.reruns)
            found["play"] = lab.endurance(options.minutes)
        finally:
            server.shut_down_kernels()
            browser.close()
            server.stop()
    text = json.dumps(found, indent=1)
    print(text)
    if options.save:
        RESULTS.write_text(text + "\n", encoding="utf-8")


class _Lab:
    """A notebook with one lab in a page."""

    def __init__(self, server: Any, browser: Any, recipe: str) -> None:
        self.server = server
        server.shut_down_kernels()
        (server.notebooks / "lab.ipynb").write_text(json.dumps(conftest.notebook_of([SET_UP % recipe, "display(lab)"])))
        self.page = browser.new_context(viewport={"width": 1280, "height": 1100}).new_page()
        server.open(self.page, "lab.ipynb")
        server.run_all(self.page)
        self.page.wait_for_selector(".lab-play", timeout=120_000)
        self.page.locator(".lab-play").scroll_into_view_if_needed()
        self.page.wait_for_timeout(2000)

    def data(self, name: str) -> float:
        return float(self.page.locator(".lab-numbers").get_attribute(f"data-{name}") or "nan")

    def kernel(self, expression: str) -> Any:
        return self.server.ask(self.page, expression)

    def play(self, on: bool) -> None:
        playing = self.page.locator(".lab-numbers").get_attribute("data-state") == "playing"
        if playing != on:
            self.page.locator(".lab-play").click()
            self.page.wait_for_timeout(300)

    def speed(self) -> dict[str, float]:
        """Steps and frames a second over ten seconds, with GAN Lab's networks (1 x 14, batch 150)."""
        self.play(True)
        self.page.wait_for_timeout(2000)
        step, started, frames = self.data("step"), time.perf_counter(), []
        for _ in range(20):
            self.page.wait_for_timeout(500)
            frames.append(self.data("fps"))
        speed = (self.data("step") - step) / (time.perf_counter() - started)
        self.play(False)
        return {"steps_per_second": round(speed, 1), "frames_per_second": statistics.median(frames)}

    def ring(self) -> float:
        """Seconds of play until the default ring-8 run covers all eight modes in the page."""
        started = time.perf_counter()
        self.page.locator(".lab-play").click()
        self.page.wait_for_function(ALL_MODES, timeout=120_000)
        wall = time.perf_counter() - started
        self.page.close()
        return round(wall, 2)

    def storm(self) -> dict[str, float]:
        """Milliseconds from a slider's event to the first frame that was trained with that value or a newer one."""
        self.play(True)
        found = self.page.evaluate(STORM)
        self.play(False)
        sent, waits = found["sent"], []
        for at, value in sent:  # values rise, so a frame with at least this one has heard it
            later = [t for t, v in found["heard"] if t >= at and v >= value * 0.999]
            if later:
                waits.append(later[0] - at)
        last = self.kernel("lab.trainer.settings.lr_d")
        return {
            "changes": len(sent),
            "heard": len(waits),
            "median_ms": round(statistics.median(waits), 1),
            "worst_ms": round(max(waits), 1),
            "last_value_arrived": abs(last / sent[-1][1] - 1) < 0.01,
        }

    def cycles(self, n: int) -> dict[str, Any]:
        """Threads of the kernel before and after n times Play, Pause, Reset."""
        before = self.kernel("threading.active_count()")
        for _ in range(n):
            for name in ("play", "play", "reset"):
                self.page.locator(f".lab-{name}").click()
                self.page.wait_for_timeout(30)
        self.page.wait_for_timeout(500)
        return {"n": n, "threads": [before, self.kernel("threading.active_count()")]}

    def reruns(self, n: int) -> dict[str, Any]:
        """Threads and open widgets of the kernel before and after the cells were run n more times."""
        count = "[threading.active_count(), len(__import__('ipywidgets.widgets.widget').widgets.widget._instances)]"
        before = self.kernel(count)
        for _ in range(n):
            self.server.run_all(self.page)
            self.page.wait_for_timeout(700)
        self.page.wait_for_timeout(2000)
        self.page.wait_for_selector(".lab-play")
        return {"n": n, "threads_and_widgets": [before, self.kernel(count)]}

    def endurance(self, minutes: float) -> dict[str, Any]:
        """The kernel's resident memory over `minutes` of play, from the end of the first fifth on."""
        self.play(True)
        end = time.perf_counter() + 60 * minutes
        self.page.wait_for_timeout(12_000 * minutes)
        before, step = self.kernel("memory()"), self.data("step")
        while time.perf_counter() < end:
            self.page.wait_for_timeout(1000)
        after = self.kernel("memory()")
        steps = self.data("step") - step
        self.play(False)
        growth = 100 * (after / before - 1)
        return {"minutes": minutes, "steps": steps, "growth_percent": round(growth, 2), "bytes": [before, after]}


if __name__ == "__main__":
    main()
