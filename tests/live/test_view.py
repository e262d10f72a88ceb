"""The painter: what a frame shows is where it should be."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from gan_tutorial.live import view
from gan_tutorial.live.frame import Frame
from gan_tutorial.live.view import HEIGHT, SCALE, WIDTH, describe, paint

EXTENT = 2.0
BLACK, VERMILLION, BLUE = (0, 0, 0), (213, 94, 0), (0, 114, 178)


@pytest.fixture
def frame():
    curve = np.array([[1.0, 0.5], [50.0, 1.0], [100.0, 1.5]])
    nothing = np.full((1, 2), 99.0)
    return Frame(
        step=100,
        steps_per_second=300.0,
        settings={},
        real=nothing,
        fake=nothing,
        heat=np.full((50, 50), 0.5),
        probability=True,
        extent=EXTENT,
        series={"d_loss": curve, "g_loss": curve * (1, -1) + (0, 2)},
        metrics={"d_loss": 1.5, "g_loss": 1.5},
        modes=(7, 8),
    )


def pixels(frame, format="png"):
    return np.asarray(Image.open(io.BytesIO(paint(frame, format))).convert("RGB")).astype(int)


def square(frame):
    """The pixels over which the points lie."""
    top, left, side = view._TOP * SCALE, 8 * SCALE, view._SIDE * SCALE
    return pixels(frame)[top : top + side, left : left + side]


def like(picture, colour, tolerance=12):
    return np.abs(picture - colour).max(-1) <= tolerance


def at(x, y):
    side = view._SIDE * SCALE
    return int((1 - y / EXTENT) / 2 * side), int((1 + x / EXTENT) / 2 * side)


@pytest.mark.parametrize("format", ["png", "jpeg"])
def test_the_picture_is_sharp_on_dense_screens_and_not_blank(frame, format):
    picture = pixels(frame, format)
    assert picture.shape == (HEIGHT * SCALE, WIDTH * SCALE, 3)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 50
    assert Image.open(io.BytesIO(paint(frame, format))).format == format.upper()


@pytest.mark.parametrize(("x", "y"), [(0, 0), (1.5, 1.0), (-1.9, 0.3), (0.2, -1.9)])
def test_points_are_where_they_are(frame, x, y):
    for name, colour in (("fake", VERMILLION), ("real", BLACK)):
        found = np.argwhere(like(square(replace(frame, **{name: np.array([[x, y]])})), colour, 75))
        inner = found[(found > 4).all(1) & (found < view._SIDE * SCALE - 4).all(1)]
        assert len(inner) >= 9
        assert np.abs(inner.mean(0) - at(x, y)).max() <= 1.5


@pytest.mark.parametrize("x", [2.01, -2.01, 1e9, np.nan, np.inf])
def test_points_outside_are_not_drawn(frame, x):
    empty = square(frame)
    assert np.array_equal(square(replace(frame, fake=np.array([[x, 0.0]]))), empty)
    assert np.array_equal(square(replace(frame, real=np.array([[0.0, x]]))), empty)


def test_the_map_is_upright_orange_for_0_and_blue_for_1(frame):
    heat = np.zeros((50, 50))
    heat[25:, 25:] = 1  # upper right: rows run upwards
    picture = square(replace(frame, heat=heat))
    red, green, blue = picture[at(1, 1)]
    assert blue > green > red
    for corner in ((-1, 1), (-1, -1), (1, -1)):
        red, green, blue = picture[at(*corner)]
        assert red > green > blue


def test_the_map_is_light_enough_for_points_in_every_colour():
    for belief in np.linspace(0, 1, 21):
        red, green, blue = np.asarray(view._tint(np.full((1, 1), belief), (1, 1)))[0, 0] / 255
        assert 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.65


def test_numbers_that_are_none_do_no_harm(frame):
    bad = np.full((5, 2), np.nan)
    broken = replace(frame, fake=bad, heat=np.full((50, 50), np.nan), series={"d_loss": bad, "g_loss": bad}, metrics={})
    assert len(paint(broken)) > 1000
    assert np.abs(square(broken)[100, 100] - 250).max() <= 3  # as where D is undecided


@pytest.mark.parametrize("values", [[], [0.7], [0.7] * 9, [1e30, -1e30, 3], [1e-12, 2e-12]])
def test_any_curve_can_be_drawn(frame, values):
    curve = np.array([[i + 1.0, v] for i, v in enumerate(values)]).reshape(-1, 2)
    assert len(paint(replace(frame, series={"d_loss": curve, "g_loss": curve}, step=len(values)))) > 1000


def test_curves_run_from_left_to_right_in_their_colours(frame):
    picture = pixels(frame)[view._TOP * SCALE :]
    for colour, rising in ((BLUE, True), (VERMILLION, False)):
        row, column = np.argwhere(like(picture, colour)).T
        left, right = row[column < column.min() + 20].mean(), row[column > column.max() - 20].mean()
        assert (left > right) == rising


def test_a_critics_map_has_no_probabilities_beside_it(frame):
    assert not np.array_equal(pixels(frame), pixels(replace(frame, probability=False)))


@pytest.mark.parametrize(("side", "channels"), [(8, 1), (28, 1), (32, 3), (64, 3), (128, 3)])
def test_images_have_their_colours_and_places(frame, side, channels):
    real, fake = np.full((12, side, side, channels), 40, np.uint8), np.full((36, side, side, channels), 180, np.uint8)
    fake[7, :, :, 0] = 90  # second row, second column
    picture = pixels(replace(frame, real=real, fake=fake, heat=None, extent=0.0, modes=None))

    def tile(x, row, column):
        return picture[(view._TOP + 50 * row + 24) * SCALE, (x + 50 * column + 24) * SCALE].tolist()

    assert tile(8, 5, 1) == [40] * 3
    assert tile(122, 0, 0) == tile(122, 5, 5) == [180] * 3
    assert tile(122, 1, 1) == ([90] * 3 if channels == 1 else [90, 180, 180])


@pytest.mark.parametrize(
    ("low", "high", "expected"), [(0, 2, [0, 0.5, 1, 1.5, 2]), (-3, 7, [-2, 0, 2, 4, 6]), (0, 1234, [0, 500, 1000])]
)
def test_ticks_are_round(low, high, expected):
    assert view._ticks(low, high, 5) == expected


def test_the_description_tells_no_losses(frame):
    text = describe(frame)
    assert text == describe(replace(frame, metrics={"d_loss": 0.1}, modes=(1, 8)))
    assert "step 100" in text
