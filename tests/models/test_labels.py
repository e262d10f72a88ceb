"""Labels as networks take them: class indices, or one row of weights a sample."""

import pytest
import torch

from gan_tutorial.errors import InputError
from gan_tutorial.models.labels import indices, one_hot

WHOLE = [torch.int64, torch.int32, torch.int16, torch.uint8]


@pytest.mark.parametrize("dtype", WHOLE)
def test_indices_become_rows_and_rows_indices(dtype):
    labels = torch.tensor([2, 0, 3, 3], dtype=dtype)
    rows = one_hot(labels, 5)
    assert rows.dtype == torch.float32
    assert torch.equal(rows, torch.eye(5)[[2, 0, 3, 3]])
    for given in (labels, rows, rows.double(), rows.to(dtype)):
        found = indices(given, 5)
        assert found.dtype == torch.int64
        assert found.tolist() == [2, 0, 3, 3]


def test_rows_are_taken_as_they_are():
    rows = torch.tensor([[0.25, 0.75, 0.0], [0.1, 0.2, 0.7]], dtype=torch.float64).requires_grad_()
    out = one_hot(rows, 3)
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, rows.float())
    assert out.requires_grad  # a way between classes can be learned
    assert indices(rows, 3).tolist() == [1, 2]


def test_no_labels_are_labels():
    assert one_hot(torch.zeros(0, dtype=torch.int64), 4).shape == (0, 4)
    assert indices(torch.zeros(0, 4), 4).shape == (0,)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, r"^labels: None is not allowed; expected class indices \(N,\) or rows \(N, 4\)$"),
        (torch.tensor([0, 4]), r"^labels: '0 to 4' is not allowed; expected indices from 0 to 3$"),
        (torch.tensor([-1, 2]), r"^labels: '-1 to 2' is not allowed"),
        (torch.tensor([0.0, 1.0]), r"^labels: 'torch.float32 \(2,\)' is not allowed; expected class indices \(N,\) or"),
        (torch.tensor([True, False]), r"^labels: 'torch.bool \(2,\)' is not allowed"),
        (torch.eye(3), r"^labels: 'torch.float32 \(3, 3\)' is not allowed"),
        (torch.tensor(1), r"^labels: 'torch.int64 \(\)' is not allowed"),
        (torch.zeros(2, 4, 1), r"^labels: 'torch.float32 \(2, 4, 1\)' is not allowed"),
    ],
)
@pytest.mark.parametrize("convert", [one_hot, indices])
def test_what_is_no_label_is_one_clear_line(convert, labels, message):
    with pytest.raises(InputError, match=message) as error:
        convert(labels, 4)
    assert "\n" not in str(error.value)
