"""What the lab says of a run's curves."""

import math

import numpy as np
import pytest

from gan_tutorial.live import diagnosis
from gan_tutorial.live.diagnosis import Finding, diagnose
from gan_tutorial.live.frame import Curve
from gan_tutorial.live.session import Session
from gan_tutorial.training import recipe

FLOORS = {"js": 0.009, "kl": 0.03, "precision": 0.96, "recall": 0.96, "quality": 0.99, "modes": 8.0}
EVERY = 40  # steps between two measurements


def curve(steps, values, noise=0.0, seed=0):
    steps = np.asarray(steps, np.float64)
    values = np.broadcast_to(np.asarray(values, np.float64), steps.shape)
    return np.stack([steps, values + noise * np.random.default_rng(seed).standard_normal(len(steps))], 1)


def healthy(steps=2000):
    """Curves like those of a run on the ring that finds the data at about step 300."""
    each, some = np.linspace(1, steps, min(steps, 250)), np.arange(0, steps + 1, EVERY)
    found = 1 / (1 + np.exp((300 - some) / 60))
    return {
        "d_loss": curve(each, 1.3, 0.1, seed=1),
        "g_loss": curve(each, 0.8, 0.1, seed=2),
        "real_logit": curve(each, 0.15, 0.1, seed=3),
        "fake_logit": curve(each, -0.15, 0.1, seed=4),
        "js": curve(some, 0.66 - 0.4 * found, 0.01, seed=5),
        "kl": curve(some, 3 - 2 * found, 0.1, seed=6),
        "precision": curve(some, 0.02 + 0.5 * found, 0.02, seed=7),
        "recall": curve(some, 0.1 + 0.75 * found, 0.05, seed=8),
        "quality": curve(some, 0.02 + 0.5 * found, 0.02, seed=9),
        "modes": curve(some, np.round(1 + 7 * found)),
        "d_norm": curve(some, 0.5, 0.1, seed=10),
        "g_norm": curve(some, 0.5, 0.1, seed=11),
    }


def changed(series, since, **levels):
    """The curves with other levels from a step on."""
    series = {name: values.copy() for name, values in series.items()}
    for name, level in levels.items():
        late = series[name][:, 0] >= since
        series[name][late, 1] = np.broadcast_to(level, late.sum())
    return series


def until(series, step):
    return {name: values[values[:, 0] <= step] for name, values in series.items()}


def names(findings):
    return [finding.name for finding in findings]


COLLAPSED = changed(healthy(), 1000, recall=0.02, precision=0.01, quality=0.01, modes=1, js=0.67)
STRONG_D = changed(healthy(), 600, d_loss=1e-4, real_logit=10, fake_logit=-10, recall=0, precision=0, modes=0)
_WAVE = 0.5 + 0.4 * np.sin(np.arange(26) * EVERY * 2 * math.pi / 320)
SWINGING = changed(healthy(), 1000, recall=_WAVE)
_BLOWN_UP = 1.3 * np.exp((healthy()["d_loss"][:, 0] - 1500).clip(0) / 80)
DIVERGING = changed(healthy(), 0, d_loss=_BLOWN_UP)


# -- each finding, and its absence ---------------------------------------------------------------------------------
def test_a_healthy_run_has_no_finding_at_any_time():
    for step in range(0, 2001, EVERY):
        assert diagnose(until(healthy(), step), FLOORS) == []


def test_a_collapse_is_told_with_its_modes_once_it_has_lasted():
    assert diagnose(until(COLLAPSED, 1300), FLOORS) == []
    (finding,) = diagnose(COLLAPSED, FLOORS)
    assert finding == Finding("collapse", 1000, {"modes": 1.0, "all": 8.0})


def test_the_first_steps_are_no_collapse():
    slow = changed(healthy(400), 0, recall=0.0, precision=0.0)
    assert diagnose(until(slow, 360), FLOORS) == []
    assert names(diagnose(slow, FLOORS)) == ["collapse"]  # but four hundred are not the first any more


def test_one_mode_made_well_is_a_collapse_and_a_slow_start_is_none():
    assert names(diagnose(changed(healthy(), 1000, recall=0.12, precision=0.9, modes=1), FLOORS)) == ["collapse"]
    assert diagnose(changed(healthy(), 0, recall=0.2, precision=0.03, modes=2), FLOORS) == []


def test_a_collapse_of_data_without_modes_is_told_by_its_recall():
    series = {name: values for name, values in COLLAPSED.items() if name not in ("modes", "quality")}
    floors = {"js": 0.02, "recall": 0.94}
    assert diagnose(series, floors) == [Finding("collapse", 1000, {"recall": 0.02, "all": 0.94})]


def test_a_collapse_of_images_is_told_by_their_classes():
    some = np.arange(0, 2001, EVERY)
    series = {"fid": curve(some, 40.0, 1.0), "classes": curve(some, np.where(some < 800, 9, 2))}
    assert diagnose(series, {"fid": 0.5, "classes": 10.0}) == [Finding("collapse", 800, {"classes": 2.0, "all": 10.0})]
    assert diagnose(until(series, 760), {"fid": 0.5, "classes": 10.0}) == []


def test_a_d_that_is_always_right_is_too_strong_and_hides_the_collapse():
    (finding,) = diagnose(STRONG_D, FLOORS)
    assert finding.name == "d_too_strong"
    assert finding.since == pytest.approx(600, abs=8)
    assert finding.values == pytest.approx({"d_loss": 1e-4, "real_logit": 10, "fake_logit": -10})
    assert diagnose(until(STRONG_D, 720), FLOORS) == []  # not yet for long


def test_a_good_d_is_not_too_strong():
    assert diagnose(changed(healthy(), 600, d_loss=0.3, real_logit=2, fake_logit=-2), FLOORS) == []


def test_a_critics_loss_may_be_near_zero():
    series = changed(healthy(), 0, real_logit=-5.0, fake_logit=-5.02, d_loss=-0.02)
    assert diagnose(series, FLOORS) == []
    assert names(diagnose(changed(series, 0, d_loss=0.02), FLOORS)) == ["d_too_strong"]  # another loss's would be zero


@pytest.mark.parametrize(
    ("name", "wave", "low", "high"),
    [
        ("recall", _WAVE, 0.1, 0.9),
        ("precision", 0.7 * _WAVE, 0.07, 0.63),
        ("js", 0.3 + 0.3 * (_WAVE - 0.5), 0.18, 0.42),
    ],
)
def test_swings_are_an_oscillation(name, wave, low, high):
    (finding,) = diagnose(changed(healthy(), 1000, **{name: wave}), FLOORS)
    assert finding.name == "oscillation"
    assert 1000 <= finding.since <= 1240
    assert finding.values["turns"] >= diagnosis.TURNS
    assert finding.values["low"] == pytest.approx(low, abs=0.01)
    assert finding.values["high"] == pytest.approx(high, abs=0.01)


@pytest.mark.parametrize(("name", "middle", "factor"), [("fid", 20.0, 2.0), ("classes", 6.0, 1.4)])
def test_swings_of_images_are_an_oscillation(name, middle, factor):
    some = np.arange(0, 2001, EVERY)
    swing = middle * factor ** np.sin(some * 2 * math.pi / 320)
    assert names(diagnose({name: curve(some, swing)}, {"fid": 0.5, "classes": 10.0})) == ["oscillation"]
    gentle = middle * factor ** (0.3 * np.sin(some * 2 * math.pi / 320))
    assert diagnose({name: curve(some, gentle)}, {"fid": 0.5, "classes": 10.0}) == []


def test_noise_and_a_single_dip_are_no_oscillation():
    assert diagnose(changed(healthy(), 1000, recall=0.5 + 0.2 * (_WAVE - 0.5)), FLOORS) == []
    dip = np.where(np.arange(26) < 5, 0.3, 0.85)
    assert diagnose(changed(healthy(), 1000, recall=dip), FLOORS) == []


def test_swings_may_be_seen_in_the_averages_of_a_long_run():
    steps = np.arange(200) * 500.0
    series = {"recall": curve(steps, 0.5 + 0.4 * np.sin(np.arange(200) * 2 * math.pi / 7))}
    assert names(diagnose(series, FLOORS)) == ["oscillation"]


def test_a_loss_that_blows_up_is_a_divergence_before_it_is_nan():
    (finding,) = diagnose(DIVERGING, FLOORS)
    assert finding.name == "divergence"
    assert finding.since == pytest.approx(1500 + 80 * math.log(20 / 1.3), abs=10)
    assert finding.values["d_loss"] == pytest.approx(_BLOWN_UP[-1])
    assert diagnose(until(DIVERGING, 1600), FLOORS) == []


def test_a_loss_of_a_large_scale_is_no_divergence():
    critic = changed(healthy(), 0, d_loss=-35 - 5 * np.sin(healthy()["d_loss"][:, 0] / 50))
    assert diagnose(critic, FLOORS) == []


def test_what_is_over_is_not_told():
    for series in (COLLAPSED, STRONG_D, SWINGING, DIVERGING):
        assert diagnose(series, FLOORS)
    over = changed(changed(healthy(), 400, recall=0.0, precision=0.0), 1200, recall=0.85, precision=0.5)
    assert names(diagnose(until(over, 1160), FLOORS)) == ["collapse"]
    assert diagnose(over, FLOORS) == []
    assert diagnose(changed(STRONG_D, 1500, d_loss=1.0, recall=0.8), FLOORS) == []
    assert diagnose(changed(DIVERGING, 1850, d_loss=1.3), FLOORS) == []


# -- the onset -------------------------------------------------------------------------------------------------------
def test_the_onset_stays_while_the_collapse_lasts_and_flickers():
    series = {name: values.copy() for name, values in COLLAPSED.items()}
    series["recall"][35, 1] = 0.4  # one measurement of many
    for step in range(1440, 2001, EVERY):
        (finding,) = diagnose(until(series, step), FLOORS)
        assert finding.since == 1000


@pytest.mark.parametrize(("series", "close"), [(COLLAPSED, 80), (STRONG_D, 20), (SWINGING, 240), (DIVERGING, 20)])
def test_curves_that_are_thinned_tell_the_same(series, close):
    (fine,) = diagnose(series, FLOORS)
    halved = {name: values[: len(values) // 2 * 2].reshape(-1, 2, 2).mean(1) for name, values in series.items()}
    (coarse,) = diagnose(halved, FLOORS)
    assert coarse.name == fine.name
    assert coarse.since == pytest.approx(fine.since, abs=close)


def test_going_back_is_as_if_what_came_later_had_never_been():
    assert names(diagnose(COLLAPSED, FLOORS)) == ["collapse"]
    assert diagnose(until(COLLAPSED, 1200), FLOORS) == []
    assert diagnose(COLLAPSED, FLOORS) == diagnose(COLLAPSED, FLOORS)


# -- robustness --------------------------------------------------------------------------------------------------------
def test_no_curve_tells_nothing():
    assert diagnose({}, {}) == []
    assert diagnose({name: Curve().array() for name in healthy()}, FLOORS) == []
    assert diagnose({name: np.zeros((1, 2)) for name in healthy()}, FLOORS) == []


@pytest.mark.parametrize("missing", sorted(healthy()))
def test_any_curve_may_be_missing(missing):
    for series in (healthy(), COLLAPSED, STRONG_D, SWINGING, DIVERGING):
        rest = {name: values for name, values in series.items() if name != missing}
        assert set(names(diagnose(rest, FLOORS))) <= {"collapse", *names(diagnose(series, FLOORS))}
    assert diagnose({missing: healthy()[missing]}, FLOORS) == []


@pytest.mark.parametrize("points", [1, 2, 3, 5])
def test_few_points_tell_nothing(points):
    for series in (COLLAPSED, STRONG_D, SWINGING, DIVERGING):
        assert diagnose({name: values[:points] for name, values in series.items()}, FLOORS) == []


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_none_are_left_out(bad):
    for series in (healthy(), COLLAPSED, STRONG_D, SWINGING):
        spoilt = {name: values.copy() for name, values in series.items()}
        for values in spoilt.values():
            values[3::7, 1] = bad
        assert names(diagnose(spoilt, FLOORS)) == names(diagnose(series, FLOORS))
    assert diagnose({name: curve(np.arange(2000), bad) for name in healthy()}, FLOORS) == []


def test_values_are_plain_finite_numbers():
    for series in (COLLAPSED, STRONG_D, SWINGING, DIVERGING):
        for finding in diagnose(series, FLOORS):
            assert type(finding.since) is int
            assert all(type(value) is float and math.isfinite(value) for value in finding.values.values())


def test_the_curves_stay_as_they_are():
    before = {name: values.copy() for name, values in COLLAPSED.items()}
    diagnose(COLLAPSED, FLOORS)
    for name, values in before.items():
        np.testing.assert_array_equal(COLLAPSED[name], values)


# -- real runs ---------------------------------------------------------------------------------------------------------
def train(steps, **changes):
    """The findings after every 40 steps of a real run."""
    session = Session(recipe("ring-mlp", batch_size=128, model__g_width=32, model__d_width=32, **changes), seed=0)
    found = [session.findings]
    while session.trainer.step < steps:
        session.run(EVERY)
        found.append(session.findings)
    return found


def test_a_real_run_that_collapses():
    found = train(800, g_steps=5)
    finding = found[-1][0]  # it may wander too: an oscillation
    assert finding.name == "collapse"
    assert finding.since < 400
    assert finding.values["modes"] <= 1
    assert finding.values["all"] == 8
    assert found[0] == []


def test_a_real_run_that_goes_well():
    assert [names(findings) for findings in train(1200)] == [[]] * 31


def test_a_real_run_whose_d_is_too_strong():
    found = train(320, loss="minimax", lr_d=1e-2, lr_g=1e-4)
    assert names(found[-1]) == ["d_too_strong"]
    assert found[-1][0].since < 100
