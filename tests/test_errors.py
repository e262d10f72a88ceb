import pytest

from gan_tutorial.errors import InputError, require_integer, require_number, unknown


def test_suggestion_only_when_one_is_near():
    assert "did you mean 'hinge'? " in str(unknown("loss", "hing", ["hinge", "minimax"]))
    far = str(unknown("loss", "xyz", ["hinge", "minimax"]))
    assert "did you mean" not in far
    assert far == "loss: 'xyz' is not known; choose one of: hinge, minimax"


@pytest.mark.parametrize("value", [0, 11, 1.0, "3", True, None])
def test_integers(value):
    require_integer("n", 1, 1, 10)
    require_integer("n", 10, 1, 10)
    with pytest.raises(InputError, match=f"n: {value!r} is not allowed; expected an integer >= 1 and <= 10"):
        require_integer("n", value, 1, 10)


@pytest.mark.parametrize("value", [-0.1, 1, float("nan"), float("inf"), "0.5", True, None])
def test_numbers(value):
    require_number("x", 0, 0, 1, open_high=True)
    require_number("x", 0.999, 0, 1, open_high=True)
    require_number("x", 1, 0, 1)
    with pytest.raises(InputError, match=f"x: {value!r} is not allowed; expected a finite number >= 0 and < 1"):
        require_number("x", value, 0, 1, open_high=True)
