import io

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from PIL import Image

from gan_tutorial import data, plots
from gan_tutorial.errors import InputError


def test_range_maps_to_all_of_uint8_and_is_clipped():
    images = torch.tensor([-2.0, -1.0, 0.0, 1.0, 7.0]).view(1, 1, 1, 5)
    assert plots.to_uint8(images).ravel().tolist() == [0, 0, 128, 255, 255]


@pytest.mark.parametrize("channels", [1, 3])
def test_grid_puts_every_pixel_where_it_belongs(channels):
    images = torch.rand(5, channels, 4, 6) * 2 - 1
    sheet = np.asarray(plots.image_grid(images, columns=2, scale=3, gap=1)).reshape(1 + 3 * 13, 1 + 2 * 19, channels)
    expected = plots.to_uint8(images)
    for i in range(5):
        top, left = 1 + i // 2 * 13, 1 + i % 2 * 19
        tile = sheet[top : top + 12, left : left + 18]
        assert (tile == expected[i].repeat(3, 0).repeat(3, 1)).all()
    assert (sheet[27:39, 20:38] == 128).all()  # the place that has no sixth image
    assert (sheet[0] == 128).all()


def test_grid_is_square_by_default_and_refuses_what_it_can_not_show():
    assert plots.image_grid(torch.zeros(64, 1, 32, 32)).size == (8 * 66 + 2, 8 * 66 + 2)
    with pytest.raises(InputError, match=r"images: \(3, 4, 4\) is not allowed"):
        plots.image_grid(torch.zeros(3, 4, 4))


def test_points_are_told_apart_by_colour_on_the_axes_of_the_data():
    density = data.load("ring-8")
    real = density.sample(100, torch.Generator().manual_seed(0)).x
    figure = plots.scatter(real, torch.full((10, 2), 99.0), density.extent)
    axes = figure.axes[0]
    assert [to_hex(points.get_facecolor()[0]).upper() for points in axes.collections] == [plots.REAL, plots.FAKE]
    assert axes.get_xlim() == (-density.extent, density.extent)


@pytest.mark.parametrize("name", ["ring-8", "digits8"])
def test_png_of_samples(name):
    dataset = data.load(name)
    content = plots.samples_png(dataset.sample(9, torch.Generator().manual_seed(0)).x, dataset)
    with Image.open(io.BytesIO(content)) as picture:
        picture.load()
        assert picture.format == "PNG"
        assert min(picture.size) > 100
