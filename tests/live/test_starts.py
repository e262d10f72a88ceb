"""The runs that the package brings along: each opens, and is what its name says."""

import pytest

from gan_tutorial import data
from gan_tutorial.errors import InputError
from gan_tutorial.live import saved
from gan_tutorial.live.session import Session

# JS at most, in nats: what tools/make_starts.py printed and a tenth of ln 2 for other machines' rounding.
POINTS = {
    "ring-8": 0.22,
    "grid-25": 0.25,
    "line": 0.19,
    "disjoint": 0.3,
    "two-moons": 0.15,
    "spiral": 0.13,
    "swiss-roll": 0.14,
    "pinwheel": 0.16,
}


def test_the_starts_are_those():
    assert set(saved.starts()) == {*POINTS, "digits8"}


@pytest.mark.parametrize("name", POINTS)
def test_a_start_has_learned_its_density_and_trains_on(name):
    session = Session("ring-mlp")
    assert session.start(name) is not None, session.message
    step, dataset = session.trainer.step, session.trainer.dataset
    assert (dataset.name, session.state) == (name, "paused")
    assert session.frame().metrics["js"] < POINTS[name]
    assert session.look.measure()["js"] == pytest.approx(session.frame().metrics["js"], abs=0.02)  # of these networks
    if dataset.modes is not None:
        assert session.frame().modes[0] >= 0.9 * len(dataset.modes)
    session.run(2)
    assert session.trainer.step == step + 2


def test_the_digits_can_be_read():
    session = Session("dcgan-digits8")
    session.start("digits8")
    assert session.look.measure()["fid"] < 15
    assert session.look.measure()["classes"] == 10
    assert data.load("digits8").name == session.trainer.dataset.name


def test_there_are_no_others():
    with pytest.raises(InputError, match=r"^start: 'ring' .*ring-8"):
        Session("ring-mlp").start("ring")
