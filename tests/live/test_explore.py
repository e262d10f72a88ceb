"""Explore: what its controls are made of, what it draws when they move, and what it does when drawing fails."""

import base64
import io
import re

import ipywidgets as widgets
import pytest
from matplotlib.figure import Figure
from PIL import Image

from gan_tutorial.errors import InputError
from gan_tutorial.live import Explore
from gan_tutorial.live import lab as lab_module

ALT = "A line that rises <steeply>."


def draw(step_size=0.1, count=3, kind="sin", grid=True):
    figure = Figure(figsize=(4, 3))
    figure.add_subplot().plot([0, step_size * count], lw=4 if grid else 1)
    return figure, f"{kind} {step_size:.2f}"


def explore():
    return Explore(draw, alt=ALT, step_size=(0.0, 0.5), count=(1, 9, 2), kind=["sin", "cos"])


def shown(it):
    """The picture in the page."""
    data = re.search(r'src="data:image/png;base64,([^"]+)"', it._picture.value)[1]
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_each_control_is_of_the_kind_of_its_values():
    it = explore()
    assert [type(c) for c in it.controls.values()] == [
        widgets.FloatSlider,
        widgets.IntSlider,
        widgets.Dropdown,
        widgets.Checkbox,
    ]
    assert it.values == {"step_size": 0.1, "count": 3, "kind": "sin", "grid": True}
    assert it.controls["step_size"].description == "step size"
    assert it.controls["count"].step == 2


def test_the_picture_is_sharp_small_and_described():
    it = explore()
    assert shown(it).size == (800, 600)
    assert 'width="400" height="300"' in it._picture.value
    assert 'alt="A line that rises &lt;steeply&gt;."' in it._picture.value
    bundle, metadata = it._repr_mimebundle_()
    assert bundle["text/plain"] == "<Explore step_size=0.1, count=3, kind=sin, grid=True>"
    assert base64.b64decode(bundle["image/png"]) == it._png
    assert len(it._png) < 100_000
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == it.box.model_id
    assert metadata["image/png"] == {"width": 400, "height": 300, "alt": ALT}


def test_a_moved_control_draws_again():
    it = explore()
    before = shown(it).tobytes()
    it.controls["step_size"].value = 0.4
    assert shown(it).tobytes() != before
    assert "sin 0.40" in it._text.value


def test_set_moves_several_and_draws_once():
    seen = []

    def noting(a=1, b=1.0, on=False):
        seen.append((a, b, on))
        return Image.new("L", (30, 20))

    it = Explore(noting, alt=ALT, a=(0, 5), b=(0.0, 2.0))
    it.set(a=2, b=0.5, on=True)
    assert seen == [(1, 1.0, False), (2, 0.5, True)]
    assert shown(it).size == (30, 20)
    assert it._text.value == ""
    it.controls["a"].value = 3
    assert seen[-1] == (3, 0.5, True)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"step_size": 0.6}, "step_size: 0.6 is not allowed; expected a number from 0.0 to 0.5"),
        ({"count": 2.5}, "count: 2.5 is not allowed; expected a whole number from 1 to 9"),
        ({"kind": "tan"}, "kind: 'tan' is not allowed; expected one of ['sin', 'cos']"),
        ({"grid": 1}, "grid: 1 is not allowed; expected True or False"),
        ({"step": 1}, "step: 1 is not allowed; expected a value for one of: step_size, count, kind, grid"),
    ],
)
def test_set_refuses_what_cannot_be_and_changes_nothing(values, message):
    it = explore()
    with pytest.raises(InputError, match=re.escape(message)):
        it.set(**{"step_size": 0.2} | values)
    assert it.values["step_size"] == 0.1


def failing(a=1):
    if a > 2:
        raise ValueError("a <b>\nsecond line")
    return Image.new("L", (30, 20), a)


def test_an_error_is_one_line_below_the_picture_which_stays():
    it = Explore(failing, alt=ALT, a=(0, 5))
    picture = it._picture.value
    it.controls["a"].value = 4
    assert it._picture.value == picture
    assert "ValueError: a &lt;b&gt;</div>" in it._text.value
    it.controls["a"].value = 2
    assert it._picture.value != picture
    assert it._text.value == ""


def test_an_error_is_raised_where_someone_waits_for_it():
    it = Explore(failing, alt=ALT, a=(0, 5))
    with pytest.raises(ValueError, match="a <b>"):
        it.set(a=3)

    def never(a=1):
        raise RuntimeError("never")

    with pytest.raises(RuntimeError, match="never"):
        Explore(never, alt=ALT, a=(0, 5))


@pytest.mark.parametrize(
    ("controls", "message"),
    [
        ({"size": (0, 1)}, "size: (0, 1) is not allowed; expected a control for one of: step_size, count"),
        ({"step_size": (0.2, 0.5)}, "step_size: 0.1 is not allowed; expected a default from 0.2 to 0.5"),
        ({"step_size": (0.5, 0.0)}, "step_size: (0.5, 0.0) is not allowed; expected low < high"),
        ({"count": (1, 9, 0)}, "count: (1, 9, 0) is not allowed; expected low < high, and a step above 0"),
        ({"count": 3}, "count: 3 is not allowed; give (low, high), (low, high, step) or a list"),
        ({"count": ("a", "b")}, "count: ('a', 'b') is not allowed; give"),
        ({"kind": ["cos", "tan"]}, "kind: 'sin' is not allowed; expected a default among ['cos', 'tan']"),
        ({"grid": (0, 1)}, "grid: True is not allowed; expected a default from 0 to 1"),
    ],
)
def test_controls_that_cannot_be_are_refused(controls, message):
    with pytest.raises(InputError, match=re.escape(message)):
        Explore(draw, alt=ALT, **controls)


def test_a_parameter_needs_a_default_and_a_picture_words():
    with pytest.raises(InputError, match=re.escape("x: None is not allowed; expected a default from 0 to 1")):
        Explore(lambda x: x, alt=ALT, x=(0, 1))
    with pytest.raises(InputError, match="alt: ' ' is not allowed"):
        Explore(draw, alt=" ")


def test_a_cell_that_runs_again_closes_what_it_made(monkeypatch):
    monkeypatch.setattr(lab_module, "_here", lambda: ("cell", "first"))
    first, second = explore(), explore()
    monkeypatch.setattr(lab_module, "_here", lambda: ("other", "second"))
    other = explore()
    assert not first.closed
    monkeypatch.setattr(lab_module, "_here", lambda: ("cell", "third"))
    third = explore()
    assert [it.closed for it in (first, second, other, third)] == [True, True, False, False]
    assert "application/vnd.jupyter.widget-view+json" not in first._repr_mimebundle_()[0]
    assert first._repr_mimebundle_()[0]["image/png"]
    assert all(w.comm is None for w in (first.box, first._picture, *first.controls.values()))


def test_a_bare_figure_shows_itself_in_a_notebook(monkeypatch):
    import IPython
    from IPython.core.interactiveshell import InteractiveShell

    from gan_tutorial.live import explore as module

    shell = InteractiveShell()
    monkeypatch.setattr(IPython, "get_ipython", lambda: shell)
    figure = Figure(figsize=(3, 2))
    assert "image/png" not in shell.display_formatter.format(figure)[0]
    module._show_bare_figures()
    image = Image.open(io.BytesIO(shell.display_formatter.format(figure)[0]["image/png"]))
    assert image.size == (300, 200)
