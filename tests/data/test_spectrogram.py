import math
from itertools import pairwise

import pytest
import torch

from gan_tutorial import models
from gan_tutorial.data import Dataset, sound
from gan_tutorial.data.spectrogram import LOUD, QUIET, SIDES, convergence, to_picture, to_sound
from gan_tutorial.errors import InputError


def sine(side, row, amplitude=1.0):
    """A sine in the middle of the frequency `row` of a picture of `side`, (1, 1, side x side)."""
    return amplitude * torch.sin(math.pi * row / side * torch.arange(side**2)).view(1, 1, -1)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("side", SIDES)
def test_shapes_and_range(side):
    x = torch.rand(2, 1, side**2, generator=seeded()) * 2 - 1
    picture = to_picture(x)
    assert picture.shape == (2, 1, side, side)
    assert picture.dtype == torch.float32
    assert picture.min() >= -1
    assert picture.max() <= 1
    made = to_sound(picture, 2, seeded())
    assert made.shape == x.shape
    assert made.abs().max() <= 1
    assert torch.equal(made, to_sound(picture, 2, seeded()))
    nets = models.build("dcgan", (1, side, side), z_dim=4, g_width=4, d_width=4, norm="none")
    assert nets["discriminator"](picture).shape == (2,)


@pytest.mark.parametrize(("amplitude", "decibels"), [(1.0, 0.0), (0.1, -20.0), (0.01, -40.0)])
@pytest.mark.parametrize("row", [4, 20])
def test_a_sine_is_a_line_as_high_and_as_loud_as_it_is(row, amplitude, decibels):
    picture = to_picture(sine(32, row, amplitude))[0, 0]
    middle = picture[:, 8:24]  # away from the ends
    assert (middle.argmax(0) == 31 - row).all()  # frequency upwards
    level = (middle.max(0).values + 1) / 2 * (LOUD - QUIET) + QUIET
    torch.testing.assert_close(level, torch.full_like(level, decibels), atol=0.05, rtol=0)


def test_time_runs_to_the_right():
    x = torch.zeros(1, 1, 32**2)
    x[..., 10 * 32] = 1  # a click at the moment 10
    loud = (to_picture(x)[0, 0] > -1).any(0)
    assert loud.nonzero().flatten().tolist() == [10]


def test_silence_is_black_and_black_is_silence():
    silence = torch.zeros(2, 1, 16**2)
    picture = to_picture(silence)
    assert (picture == -1).all()
    assert torch.equal(to_sound(picture), silence)


def test_no_sound_is_louder_than_white():
    constant = torch.ones(1, 1, 32**2)
    assert to_picture(constant).max() == 1
    # The decibels of twice a sine's magnitude, which a constant has, are 6.02: just above.
    assert to_picture(0.99 * constant).max() < 1


def test_the_way_back_and_forth_loses_little():
    """Measured over 5 seeds: 0.152 to 0.156 and 1.0 to 1.1 dB after 32 iterations, 0.517 to 0.526 after none."""
    x = sound.drums("test", length=4096, per_class=16).data
    picture = to_picture(x)
    made = to_sound(picture, 32, seeded())
    assert convergence(x, made).mean() < 0.17
    assert (to_picture(made) - picture).abs().mean() / 2 * (LOUD - QUIET) < 1.3  # decibels
    assert convergence(x, to_sound(picture, 0, seeded())).mean() > 0.4


def test_a_data_set_keeps_pictures_well_enough():
    """8 bits a pixel are 0.34 dB; silence stays silence."""
    picture = to_picture(sound.drums("test", length=1024, per_class=4).data)
    kept = Dataset.from_tensor(picture)[:].x
    assert (kept - picture).abs().max() <= 1.001 / 255
    assert torch.equal(kept[picture == -1], picture[picture == -1])


def test_the_error_never_grows():
    x = sound.drums("test", length=1024, per_class=4).data
    picture = to_picture(x)
    # Against the magnitudes that the picture holds, which the iteration is about: no frequency and no moment left out.
    errors = []
    for iterations in (0, 1, 2, 4, 8, 16, 32):
        made = to_picture(to_sound(picture, iterations, seeded()))
        amplitude, wanted = (10 ** ((of + 1) / 2 * (LOUD - QUIET) / 20) for of in (made, picture))
        errors.append(float((amplitude - wanted).square().sum()))
    assert all(after < before for before, after in pairwise(errors))
    assert errors[-1] < 0.15 * errors[0]


def test_convergence_has_its_two_ends():
    x = torch.rand(3, 1, 16**2, generator=seeded()) - 0.5
    assert torch.equal(convergence(x, x), torch.zeros(3))
    torch.testing.assert_close(convergence(x, -x), torch.zeros(3), atol=1e-6, rtol=0)
    torch.testing.assert_close(convergence(x, torch.zeros_like(x)), torch.ones(3))
    torch.testing.assert_close(convergence(x, 2 * x), torch.ones(3))


def test_a_gradient_goes_through_and_stays_finite_in_silence():
    x = sine(16, 5, 0.5)
    x[..., 128:] = 0
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(to_picture(x).sum(), x)
    assert gradient.isfinite().all()
    assert gradient.abs().sum() > 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: to_picture(torch.zeros(1, 1, 1000)),
            r"x: \(1, 1, 1000\) is not allowed; expected sounds \(N, 1, S x S\)",
        ),
        (lambda: to_picture(torch.zeros(1, 2, 1024)), r"x: \(1, 2, 1024\) is not allowed"),
        (lambda: to_picture(torch.zeros(1, 64)), r"x: \(1, 64\) is not allowed"),
        (lambda: to_picture(torch.zeros(1, 1, 64)), r"x: \(1, 1, 64\) is not allowed"),
        (lambda: to_sound(torch.zeros(1, 1, 32, 16)), r"picture: \(1, 1, 32, 16\) is not allowed"),
        (lambda: to_sound(torch.zeros(1, 3, 32, 32)), r"picture: \(1, 3, 32, 32\) is not allowed"),
        (lambda: to_sound(torch.zeros(1, 32, 32)), r"picture: \(1, 32, 32\) is not allowed"),
        (lambda: to_sound(torch.zeros(1, 1, 32, 32), -1), "iterations: -1 is not allowed; expected an integer >= 0"),
    ],
)
def test_bad_input_is_one_clear_line(call, message):
    with pytest.raises(InputError, match=message) as error:
        call()
    assert "\n" not in str(error.value)
