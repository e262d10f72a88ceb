from dataclasses import replace

import pytest
import torch

from gan_tutorial.errors import InputError
from gan_tutorial.experiments import time_to_quality
from gan_tutorial.experiments.time_to_quality import OURS, RANGES, Result, drawn, example, finding, search, train
from gan_tutorial.training import recipe


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(time_to_quality, "EVERY", 2)
    monkeypatch.setattr(time_to_quality, "JUDGED", 500)


def tiny(task="mnist"):
    return recipe(OURS[task]).with_changes({"model.g_width": 8, "model.d_width": 8, "batch_size": 4})


def test_training_stops_at_the_target_and_not_before(quick):
    start = train(tiny(), 0, target=1e9, patience=10)  # a class is missing at first, whatever the distance
    assert all(rarest < time_to_quality.LEAST for *_, rarest in start.looks[:-1]) or len(start.looks) == 1
    given_up = train(tiny(), 0, target=0.0, patience=0.2)
    assert given_up.reached(0.0) is None
    before, last = ([(0, 0.0, 0, 0), *given_up.looks][k][1] for k in (-2, -1))
    assert before <= 0.2 <= last  # both are rounded to hundredths
    assert [step for step, *_ in given_up.looks] == [2 * (k + 1) for k in range(len(given_up.looks))]


def test_reached_wants_the_distance_and_every_class():
    one = Result([(50, 1.0, 9.0, 0.05), (100, 2.0, 2.0, 0.0), (150, 3.0, 2.5, 0.02), (200, 4.0, 1.0, 0.02)])
    assert one.reached(3.0) == 3.0
    assert one.reached(1.0) == 4.0
    assert one.reached(0.5) is None


def test_the_example_is_pytorchs():
    for task in OURS:
        r = example(task)
        assert r.model_options == {"z_dim": 100, "g_width": 64, "d_width": 64}
        s = r.settings
        assert (s.lr_g, s.lr_d, s.beta1, s.beta2, s.loss) == (2e-4, 2e-4, 0.5, 0.999, "non-saturating")
        assert (r.batch_size, r.ema, r.data) == (64, 0.0, recipe(OURS[task]).data)
        assert recipe(OURS[task]).model_options["g_width"] <= 64


def test_trials_are_drawn_from_the_ranges_again_and_again_alike():
    assert drawn("mnist", 5) == drawn("mnist", 5) != drawn("mnist", 6)
    for k in range(1, 30):
        r = drawn("avatars", k)
        assert r.settings.lr_g in RANGES["lr_g"]
        assert r.batch_size in RANGES["batch_size"]
        assert r.model_options["g_width"] == r.model_options["d_width"] <= 64
    for task, trial in (("faces", 1), ("mnist", 0)):
        with pytest.raises(InputError):
            drawn(task, trial)


def test_the_avatars_recipe_is_trial_12():
    ours = recipe("dcgan-avatars")
    assert replace(drawn("avatars", 12), name=ours.name, steps=ours.steps) == ours


@pytest.fixture
def two_trials(quick, monkeypatch):
    monkeypatch.setattr(time_to_quality, "TRIALS", 2)
    monkeypatch.setattr(time_to_quality, "TRIAL_PATIENCE", 0.05)


def test_search_ranks_and_keeps(two_trials, tmp_path, monkeypatch):
    first = drawn
    monkeypatch.setattr(time_to_quality, "drawn", lambda task, k: replace(tiny(task), name=first(task, k).name))
    monkeypatch.setitem(time_to_quality.TARGET, "avatars", 0.0)
    ranked = search("avatars", 0, tmp_path)
    assert sorted(k for _, k, _ in ranked) == [1, 2]
    assert {seconds for seconds, *_ in ranked} == {float("inf")}
    monkeypatch.setattr(time_to_quality, "Trainer", None)
    assert search("avatars", 0, tmp_path) == ranked


def test_what_came_too_late_counts_as_given_up(two_trials, monkeypatch):
    looks = {1: Result([(50, 0.06, 0.1, 1.0)]), 2: Result([(50, 0.04, 0.1, 1.0)])}
    monkeypatch.setattr(time_to_quality, "train", lambda r, *_: looks[int(r.name.split("-")[-1])])
    assert [(seconds, k) for seconds, k, _ in search("mnist", 0)] == [(0.04, 2), (float("inf"), 1)]


def test_the_search_has_a_page_with_all_settings(two_trials, tmp_path, monkeypatch):
    monkeypatch.setattr(time_to_quality, "train", lambda r, *_: Result([(50, 0.04, 0.1, 1.0)]))
    page = time_to_quality.run_search([0], tmp_path)
    assert [row[:3] for row in page.rows] == [(task, 0, k) for task in OURS for k in (1, 2)]
    assert {len(row) for row in page.rows} == {len(page.columns)}
    for row in page.rows:
        settings = dict(zip(page.columns, row, strict=True))
        assert all(settings[name.removeprefix("model.")] in of for name, of in RANGES.items() if name != "model.width")
        assert settings["width"] in {width * (1 + (row[0] == "avatars")) for width in RANGES["model.width"]}
    assert (
        page.finding.splitlines()[0] == "- mnist: 2 of 2 reach the target; the fastest is trial 1 with 0 CPU seconds."
    )


def test_page_has_a_line_a_run(quick, monkeypatch, tmp_path):
    monkeypatch.setattr(time_to_quality, "PATIENCE", 0.05)
    monkeypatch.setattr(time_to_quality, "example", lambda task: replace(tiny(task), name=f"example-{task}"))
    monkeypatch.setattr(time_to_quality, "recipe", lambda name: replace(recipe(name), batch_size=4))
    threads = torch.get_num_threads()
    page = time_to_quality.run([0], tmp_path)
    assert torch.get_num_threads() == threads
    assert [row[0] for row in page.rows] == ["mnist", "mnist", "avatars", "avatars"]
    assert {len(row) for row in page.rows} == {len(page.columns)}


def test_finding_compares_medians(monkeypatch):
    monkeypatch.setattr(time_to_quality, "TARGET", {"mnist": 3.0})

    def of(seconds):
        return Result([(50, seconds, 3.0, 0.05)])

    text = finding({"mnist": {"example": [of(90), of(100), of(500)], "dcgan-mnist": [of(20), of(25), of(26)]}})
    assert text == "- mnist: median 25 CPU seconds against 100 with the example's settings: 0.25 of the time."
