import math
import re
import sys
from pathlib import Path

import pytest
import torch

from gan_tutorial import cli
from gan_tutorial.errors import InputError
from gan_tutorial.experiments import (
    EXPERIMENTS,
    digit_classes,
    experiment,
    lab_diagnosis,
    r3gan_grid,
    ring_modes,
    ring_starved,
)
from gan_tutorial.experiments.page import Page
from gan_tutorial.live.diagnosis import Finding

PAGE = Page("a-name", "A title", "How.", ("seed", "value"), [(0, 1.5), (1, 2.5)], "Both above 1.", b"png", "A picture")


def test_page_is_markdown_that_says_how_to_repeat_it():
    text = PAGE.markdown(12.3, 7)
    assert text.startswith(
        "# A title\n\nHow.\n\n| seed | value |\n|---|---|\n| 0 | 1.5 |\n| 1 | 2.5 |\n\nBoth above 1.\n"
    )
    assert "![A picture](a-name.png)" in text
    assert " in 12 s: " in text
    assert "Again: `gan-tutorial reproduce a-name --seeds 7`." in text


def test_ring_modes_reports_what_it_counted(monkeypatch):
    monkeypatch.setattr(ring_modes, "STEPS", 3)
    page = ring_modes.run([0, 1])
    assert [row[0] for row in page.rows] == [0, 1]
    assert all(0 <= row[1] < 8 for row in page.rows)  # three steps are not enough
    assert page.finding == "All eight modes were found with 0 of 2 seeds."


def test_ring_starved_trains_both_parts(monkeypatch):
    monkeypatch.setattr(ring_starved, "STEPS", 2)
    page = ring_starved.run([0])
    ((seed, starved, fed),) = page.rows
    assert seed == 0
    assert 0 <= starved <= 8
    assert 0 <= fed <= 8
    assert page.finding.startswith(f"At most one mode was left with {int(starved <= 1)} of 1 seeds")


def test_digit_classes_sorts_every_sample(monkeypatch):
    small = digit_classes.RECIPE.with_changes({"steps": 2, "model.g_width": 8, "model.d_width": 8})
    monkeypatch.setattr(digit_classes, "RECIPE", small)
    page = digit_classes.run([0])
    (row,) = page.rows
    assert sum(row[2:]) == digit_classes.SAMPLES
    assert row[1] == sum(count > 0 for count in row[2:])
    assert page.picture.startswith(b"\x89PNG")
    accuracy = float(page.method.split("digits: ")[1].split("%")[0])
    assert accuracy > 90


def test_lab_diagnosis_counts_each_half_of_the_seeds(monkeypatch):
    kind = lab_diagnosis.Kind("strong D", "d_too_strong", 320, {"loss": "minimax", "lr_d": 1e-2, "lr_g": 1e-4})
    blind = lab_diagnosis.Kind("still D", "", 80, {"lr_d": 0.0})
    monkeypatch.setattr(lab_diagnosis, "KINDS", (kind, blind))
    monkeypatch.setattr(lab_diagnosis, "FIRST", 40)
    page = lab_diagnosis.run([0, 1, 10])
    assert [row[:4] for row in page.rows] == [
        ("strong D", "d_too_strong", "calibration", "2 of 2"),
        ("still D", "healthy", "calibration", "0 of 2"),
        ("strong D", "d_too_strong", "test", "1 of 1"),
        ("still D", "healthy", "test", "0 of 1"),
    ]
    assert page.rows[0][4:] == ("0, 0", "2, 2", "0, 0", "0, 0")
    assert page.rows[2][4:] == ("0, 0", "1, 1", "0, 0", "0, 0")
    assert "With the test seeds" in page.finding
    assert "d too strong 1 of 1 (21% to 100%) at the end" in page.finding
    assert "Of 1 runs with healthy settings that were not healthy, 0 had a finding" in page.finding


@pytest.mark.parametrize("told", [False, True])
def test_lab_diagnosis_knows_a_run_that_ended_in_nan(monkeypatch, told):
    findings = [Finding("divergence", 1)] if told else []
    monkeypatch.setattr("gan_tutorial.live.session.diagnose", lambda series, floors: findings)
    monkeypatch.setattr(lab_diagnosis, "CHUNK", 5)
    rates = {"lr_g": 0.1, "lr_d": 0.1}
    found = lab_diagnosis.train(
        lab_diagnosis.Kind("", "divergence", 900, {"loss": "wasserstein", "optimizer": "sgd", **rates}), 0
    )
    assert found.behaved
    assert found.end == ({"divergence"} if told else set())
    assert found.notice > 0 if told else math.isnan(found.notice)


# Pages with fewer seeds than five, and why.
FEWER = {
    "seqgan-oracle-full": "as many as the time on a GPU allowed",
    "stacked-mnist": "as many as the time on a GPU allowed",
    "time-to-quality-search": "a search looks once; what it found is measured in time-to-quality",
}


@pytest.mark.parametrize("name", sorted(EXPERIMENTS))
def test_every_experiment_has_its_committed_page(name):
    text = (Path(__file__).parents[2] / "book" / "experiments" / f"{name}.md").read_text()
    ((seeds,),) = [re.findall(rf"`gan-tutorial reproduce {name} --seeds (\d+)`", text)]
    assert int(seeds) >= (1 if name in FEWER else 5)
    assert len([line for line in text.splitlines() if line.startswith("| ")]) > 4  # a head and what was found


def test_command_writes_page_and_picture(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(EXPERIMENTS, "a-name", lambda seeds: PAGE)
    monkeypatch.setattr(sys, "argv", ["gan-tutorial", "reproduce", "a-name", "--out", str(tmp_path)])
    with pytest.raises(SystemExit, match="0"):
        cli.main()
    assert (tmp_path / "a-name.md").read_text().startswith("# A title")
    assert (tmp_path / "a-name.png").read_bytes() == b"png"
    assert "Both above 1." in capsys.readouterr().out


def test_unknown_experiment():
    with pytest.raises(InputError, match="experiment: 'ring-mode' is not known; did you mean 'ring-modes'"):
        experiment("ring-mode")


def test_r3gan_grid_compares_four_objectives(monkeypatch):
    for name, value in (("STEPS", 3), ("LAST", 3), ("EVERY", 1)):
        monkeypatch.setattr(r3gan_grid, name, value)
    page = r3gan_grid.run([0, 1])
    assert len(page.rows) == 8
    assert page.finding.startswith("- relativistic, R1, R2: all 25 modes with 0 of 2 seeds")
    modes = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    assert r3gan_grid.unevenness(modes.repeat(5, 1), modes, 0.05) == pytest.approx(0, abs=1e-6)
    assert r3gan_grid.unevenness(modes[:1].repeat(5, 1), modes, 0.05) == pytest.approx(math.log(2))
