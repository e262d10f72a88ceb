import math

import pytest
import torch

from gan_tutorial import data
from gan_tutorial.errors import InputError
from gan_tutorial.metrics import mode_coverage

MODES = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])


def test_counts_by_hand():
    samples = torch.tensor([[0.1, 0.0], [0.0, 0.29], [4.0, 0.31], [2.0, 2.0]])
    assert mode_coverage(samples, MODES, 0.1) == (1, 0.5)
    samples[2, 1] = 0.29
    assert mode_coverage(samples, MODES, 0.1) == (2, 0.75)


def test_real_samples_reach_all_modes_and_the_closed_form_share():
    ring = data.load("ring-8")
    reached, share = mode_coverage(ring.sample(20_000, torch.Generator().manual_seed(0)).x, ring.modes, ring.std)
    assert reached == 8
    assert share == pytest.approx(1 - math.exp(-4.5), abs=0.004)  # five standard errors


def test_nan_is_near_nothing():
    assert mode_coverage(torch.full((3, 2), math.nan), MODES, 0.1) == (0, 0.0)


@pytest.mark.parametrize(
    ("samples", "std", "message"),
    [
        (torch.zeros(3, 3), 0.1, "samples, modes"),
        (torch.zeros(3), 0.1, "samples, modes"),
        (torch.zeros(0, 2), 0.1, "at least one sample"),
        (torch.zeros(3, 2), 0.0, "std: 0.0 is not allowed"),
    ],
)
def test_bad_input(samples, std, message):
    with pytest.raises(InputError, match=message):
        mode_coverage(samples, MODES, std)
