"""Make the README's animation from a real run of the lab in a real page: python tools/make_animation.py

JupyterLab and Chromium show the lab; the kernel trains a few steps, the page draws them, a picture is taken, and so on.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from tests.browser import conftest  # noqa: E402

TARGET, LIMIT = ROOT / "book" / "lab.gif", 3_000_000
CELLS = ("from gan_tutorial.live import Lab\nlab = Lab('ring-mlp', seed=1)", "display(lab)")
STEPS = [10] * 10 + [25] * 12 + [50] * 14 + [100] * 8  # of training between two pictures
WIDTH, COLOURS, PACE_MS, LAST_MS = 760, 56, 160, 3000


def main() -> None:
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        server = conftest.JupyterLab(Path(home))
        server.wait()
        browser = playwright.chromium.launch(executable_path=conftest.chromium_path(), args=conftest.CHROMIUM_FLAGS)
        try:
            pictures = list(_film(server, browser.new_page(viewport={"width": 1280, "height": 1100})))
        finally:
            server.shut_down_kernels()
            browser.close()
            server.stop()
    palette = _palette(pictures[10], pictures[-1])
    frames = [p.quantize(COLOURS, palette=palette, dither=Image.Dither.NONE) for p in pictures]
    durations = [PACE_MS] * (len(frames) - 1) + [LAST_MS]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0, optimize=True)
    assert buffer.tell() < LIMIT, f"{buffer.tell():,} bytes: lower WIDTH, COLOURS or the number of STEPS"
    TARGET.write_bytes(buffer.getvalue())
    print(f"{TARGET.relative_to(ROOT)}: {len(frames)} pictures, {buffer.tell():,} bytes")


def _palette(*pictures: Image.Image) -> Image.Image:
    """Half of the colours by how much they fill (the map's shades), half by how far apart they are (points, curves)."""
    colours: list[int] = []
    for picture in pictures:
        for method in (Image.Quantize.MEDIANCUT, Image.Quantize.MAXCOVERAGE):
            colours += (picture.quantize(COLOURS, method).getpalette() or [])[: 3 * COLOURS]
    palette = Image.new("P", (1, 1))
    palette.putpalette(colours)
    return palette


def _film(server, page):
    (server.notebooks / "lab.ipynb").write_text(json.dumps(conftest.notebook_of(CELLS)))
    server.open(page, "lab.ipynb")
    server.run_all(page)
    page.wait_for_selector(".lab-play", timeout=120_000)
    page.locator(".lab-play").scroll_into_view_if_needed()
    page.locator(".lab-layer-manifold").click()
    page.wait_for_timeout(1500)
    top, main = (page.locator(s).bounding_box() for s in (".gan-lab", ".lab-main"))
    height = main["y"] + main["height"] + 6 - top["y"]
    clip = {
        "x": top["x"],
        "y": top["y"],
        "width": top["width"],
        "height": height,
    }
    step = 0
    for steps in (0, *STEPS):
        if steps:
            step += steps
            server.ask(page, f"lab.run({steps})")
            page.wait_for_function(f"() => document.querySelector('.lab-numbers').dataset.step === '{step}'")
            page.wait_for_timeout(150)  # until it is drawn
        picture = Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB")
        yield picture.resize((WIDTH, round(WIDTH * picture.height / picture.width)), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main()
