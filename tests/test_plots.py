import io
import math
import wave

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from PIL import Image

from gan_tutorial import data, plots
from gan_tutorial.data.sound import drums
from gan_tutorial.errors import InputError
from gan_tutorial.plots import png, spectrograms, wav


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
    files = plots.sample_files(dataset.sample(9, torch.Generator().manual_seed(0)).x, dataset)
    assert [*files] == [".png"]
    with Image.open(io.BytesIO(files[".png"])) as picture:
        picture.load()
        assert picture.format == "PNG"
        assert min(picture.size) > 100


def test_files_of_texts_and_sounds():
    words = data.load("words")
    assert plots.sample_files(words.data[:3], words) == {".txt": b"aardvark\naardvarks\nabaci\n"}
    hits = drums("test", length=1024, per_class=1)
    files = plots.sample_files(hits.data, hits)
    assert [*files] == [".wav", ".png"]
    assert files[".wav"] == wav(hits.data, 4000)


# -- sounds ------------------------------------------------------------------------------------------------------------
def read(data: bytes) -> tuple[int, np.ndarray]:
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        return file.getframerate(), np.frombuffer(file.readframes(file.getnframes()), "<i2")


def test_a_wav_file_holds_the_samples():
    x = torch.tensor([0, 0.5, -1, 1, 3, -7, math.nan, math.inf, 1e-9])
    for shape in ((9,), (1, 9), (1, 1, 9)):
        rate, samples = read(wav(x.reshape(shape), 16_000))
        assert rate == 16_000
        assert samples.tolist() == [0, 16384, -32767, 32767, 32767, -32767, 0, 32767, 0]


def test_several_sounds_follow_each_other():
    x = torch.full((3, 1, 50), 0.25)
    x[1] = -0.25
    _, samples = read(wav(x, 4000))
    clips = samples.reshape(3, 450)  # each with 0.1 s of silence
    assert (clips[:, :50] == np.array([[8192], [-8192], [8192]])).all()
    assert not clips[:, 50:].any()


def test_a_drum_survives_sixteen_bits():
    x = drums("test", length=1024, per_class=1).data[:1]
    assert np.abs(read(wav(x, 4000))[1] / 32767 - x[0, 0].numpy()).max() < 2e-5


@pytest.mark.parametrize("shape", [(2, 2, 100), (0, 1, 100), (2, 100), (1, 1, 1, 5), ()])
def test_wrong_sounds(shape):
    with pytest.raises(InputError, match=r"^x: .* is not allowed; expected sounds \(N, 1, L\)") as caught:
        wav(torch.zeros(shape), 16_000)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=r"^rate: "):
        wav(torch.zeros(5), 0)


def test_spectrograms_show_each_sound_once():
    x = drums("test", length=1024, per_class=1).data
    figure = spectrograms(x[:5], 4000, columns=3)
    drawn = [axis for axis in figure.axes if axis.lines]
    assert len(drawn) == 5
    assert sum(bool(axis.images) for axis in figure.axes) == 5
    assert np.array_equal(drawn[2].lines[0].get_ydata(), x[2, 0].numpy())
    with Image.open(io.BytesIO(png(spectrograms(x, 4000)))) as picture:
        assert picture.format == "PNG"
        assert len(np.unique(np.asarray(picture.convert("L")))) > 50
    with pytest.raises(InputError, match=r"^columns: "):
        spectrograms(x, 4000, columns=-1)
    with pytest.raises(InputError, match=r"^x: "):
        spectrograms(x[:, 0], 4000)
