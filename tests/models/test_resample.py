"""Smooth up- and downsampling: what it keeps, and that it equals zeros, a filter and a stride."""

import numpy as np
import pytest
import torch

from gan_tutorial.models import resample


def by_hand(x, up, down, before, after, gain):
    """Zeros between the pixels, zeros around, the filter, every `down`-th pixel: x (N, C, H, W), float64."""
    n, c, h, w = x.shape
    wide = np.zeros((n, c, h * up, w * up))
    wide[:, :, ::up, ::up] = x.numpy()
    wide = np.pad(wide, ((0, 0), (0, 0), (before, after), (before, after)))
    line = np.array([1, 3, 3, 1]) / 8
    out = np.zeros((n, c, wide.shape[2] - 3, wide.shape[3] - 3))
    for i in range(out.shape[2]):
        for j in range(out.shape[3]):
            out[:, :, i, j] = np.einsum("ncab,a,b->nc", wide[:, :, i : i + 4, j : j + 4], line, line)
    return torch.from_numpy(out[:, :, ::down, ::down] * gain)


@pytest.mark.parametrize("shape", [(2, 3, 4, 4), (1, 1, 8, 6), (2, 5, 2, 10)])
def test_equals_zeros_filter_and_stride(shape):
    x = torch.randn(shape, dtype=torch.float64)
    torch.testing.assert_close(resample.double(x), by_hand(x, 2, 1, 2, 1, 4))
    torch.testing.assert_close(resample.halve(x), by_hand(x, 1, 2, 1, 1, 1))
    for padding in (1, 2, 3):
        if min(shape[2:]) + 2 * padding > 3:
            torch.testing.assert_close(resample.smooth(x, padding), by_hand(x, 1, 1, padding, padding, 1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_even_picture_stays_as_bright_as_it_was(dtype):
    x = torch.full((2, 3, 8, 8), 0.7, dtype=dtype)
    for y in (resample.double(x), resample.halve(x), resample.smooth(x, 2)):
        assert y.dtype == dtype
        edge = 2 if y.shape[2] == 9 else 1
        inner = y[:, :, edge:-edge, edge:-edge]
        torch.testing.assert_close(inner, torch.full_like(inner, 0.7))
        assert (y[:, :, 0] < 0.7).all()  # zeros come in from outside


def test_a_slope_stays_straight():
    x = torch.arange(16.0).expand(1, 1, 16, 16)
    finer, coarser = resample.double(x)[0, 0, 16, 2:-2], resample.halve(x)[0, 0, 4, 1:-1]
    torch.testing.assert_close(finer.diff(), torch.full((27,), 0.5))
    torch.testing.assert_close(coarser.diff(), torch.full((5,), 2.0))
    # Pixel k of the finer picture lies at (k - 1/2) / 2 of the coarser one: nothing moves to a side.
    torch.testing.assert_close(finer, (torch.arange(2.0, 30) - 0.5) / 2)
    torch.testing.assert_close(coarser, 2 * torch.arange(1.0, 7) + 0.5)


def test_doubling_is_four_times_the_adjoint_of_halving():
    x, y = torch.randn(2, 3, 6, 6, dtype=torch.float64), torch.randn(2, 3, 12, 12, dtype=torch.float64)
    torch.testing.assert_close((resample.double(x) * y).sum(), 4 * (x * resample.halve(y)).sum())


def test_the_finest_stripes_are_taken_out():
    """What folds into an even grey without a filter: [1, 3, 3, 1] has a zero there."""
    x = torch.tensor([1.0, -1.0]).repeat(8).expand(1, 1, 16, 16)
    assert (x[:, :, ::2, ::2] == 1).all()
    assert resample.halve(x)[:, :, 1:-1, 1:-1].abs().max() < 1e-6


def test_channels_stay_apart_and_the_layout_stays():
    x = torch.zeros(2, 4, 8, 8)
    x[0, 2] = 1
    for change in (resample.double, resample.halve, lambda x: resample.smooth(x, 2)):
        y = change(x)
        assert y.flatten(2).any(2).nonzero().tolist() == [[0, 2]]
        last = change(x.to(memory_format=torch.channels_last))
        torch.testing.assert_close(last, y)
        assert last.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("change", [resample.double, resample.halve, lambda x: resample.smooth(x, 1)])
def test_can_be_differentiated_twice(change):
    x = torch.randn(1, 2, 4, 4, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(change, x)
    assert torch.autograd.gradgradcheck(lambda x: change(x).square(), x)
