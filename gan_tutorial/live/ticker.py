"""What asks the kernel to train: a counter in the page. When the page is gone nothing counts, and nothing trains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as widgets


class Ticker(widgets.Play):
    """A `Play` of ipywidgets 7.7 or 8: while it is on, it counts every `interval` milliseconds.

    `needs_button`: whether the lab has to bring a button. A Play of ipywidgets 7 starts by its own one only.
    """

    def __init__(self, **traits: Any) -> None:
        super().__init__(max=2**31 - 1, **traits)
        self.needs_button: bool = self.has_trait("playing")
        if self.needs_button:
            self.layout.display = "none"
        self._view_count = 0  # have the page count its views

    def drive(self, tick: Callable[[Any], None], playing: Callable[[], bool], toggle: Callable[[], None]) -> None:
        """Call `tick` at each count, and `toggle` when the page's own button says other than `playing()`."""

        def shown(change: dict[str, Any]) -> None:
            """A page has come: it ticks only once it is told that playing begins."""
            if playing() and (change["new"] or 0) > (change["old"] or 0):
                self.turn(False)
                self.turn(True)

        def pressed(change: dict[str, Any]) -> None:
            if change["new"] != playing():
                toggle()

        if not self.needs_button:
            self.observe(pressed, "_playing")
        self.observe(tick, "value")
        self.observe(shown, "_view_count")

    def turn(self, on: bool) -> None:
        """Have the page count, or stop. A Play of ipywidgets 7 can only be stopped."""
        if self.needs_button:
            self.playing = on
        elif not on:
            self._playing = False
