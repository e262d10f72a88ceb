"""What the tests do with a page: wait, read numbers and pixels, drag.

The lab is found by its CSS classes alone: it doesn't matter which notebook shows it, with which version of the widgets.
"""

import time

# An element's picture as 72 x 34 pixels, so that a blank or broken one can't pass. A page that plays may replace an
# image while it is being decoded, and the browser then gives up: try again, with whatever is shown by now.
_PIXELS = """async ([selector, patience]) => {
  const end = performance.now() + patience;
  let shown;
  for (;;) {
    shown = document.querySelector(selector);
    try {
      if (shown instanceof HTMLImageElement) await shown.decode();
      break;
    } catch (error) {
      if (performance.now() > end) throw error;
      await new Promise(requestAnimationFrame);
    }
  }
  const canvas = Object.assign(document.createElement('canvas'), {width: 72, height: 34});
  const context = canvas.getContext('2d');
  context.drawImage(shown, 0, 0, 72, 34);
  return Array.from(context.getImageData(0, 0, 72, 34).data);
}"""
# Where a slider's handle is, and the ends of its way: a range input (with a thumb of 16 px), or ipywidgets 8's or 7's.
_SLIDER = """slider => {
  const box = node => node.getBoundingClientRect();
  if (slider.matches('input')) {
    const {top, height} = box(slider), left = box(slider).left + 8, right = box(slider).right - 8;
    const at = (slider.value - slider.min) / (slider.max - slider.min || 1);
    return [left + at * (right - left), top + height / 2, left, right];
  }
  const handle = box(slider.querySelector('.noUi-handle, .ui-slider-handle'));
  const track = box(slider.querySelector('.noUi-base, .ui-slider'));
  return [handle.left + handle.width / 2, handle.top + handle.height / 2, track.left, track.right];
}"""


def wait_for(page, condition, *, seconds=30.0):
    """Wait for a condition in Python; returns the seconds it took.

    Polled from here: some pages forbid Playwright's own way, which evaluates text.
    """
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, f"not within {seconds} s"
        page.wait_for_timeout(10)
    return time.monotonic() - started


def number(page, name):
    """A number that the kernel wrote after training with it."""
    return float(page.locator(".lab-numbers").get_attribute(f"data-{name}"))


def pixels(page, selector=".lab-picture", *, seconds=5.0):
    """What an image or a canvas shows: RGBA, 0 to 255, as one list."""
    return page.evaluate(_PIXELS, [selector, 1000 * seconds])


def difference(one, other):
    """Mean absolute difference of two pictures, 0 to 255."""
    return sum(abs(a - b) for a, b in zip(one, other, strict=True)) / len(one)


def drag(page, slider, to, *, finger=False):
    """Drag the handle of a slider to a fraction of its track, 0 (left) to 1, with the mouse or a finger."""
    page.locator(slider).scroll_into_view_if_needed()
    x, y, left, right = page.locator(slider).evaluate(_SLIDER)
    pointer = _Finger(page) if finger else page.mouse
    pointer.move(x, y)
    pointer.down()
    end = left + to * (right - left)
    for i in range(1, 11):
        pointer.move(x + (end - x) * i / 10, y)
        page.wait_for_timeout(20)
    pointer.up()


class _Finger:
    """Has the mouse's methods. Playwright's own touch screen only taps."""

    def __init__(self, page):
        self._session = page.context.new_cdp_session(page)
        self._page, self._at, self._down = page, {}, False

    def _send(self, kind, *points):
        self._session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": list(points)})

    def move(self, x, y):
        self._at = {"x": x, "y": y}
        if self._down:
            self._send("touchMove", self._at)

    def down(self):
        self._down = True
        self._send("touchStart", self._at)

    def up(self):
        self._page.wait_for_timeout(200)  # lifted in flight it would fling the page, and the next tap only stop that
        self._send("touchMove", self._at)
        self._send("touchEnd")
        self._session.detach()
