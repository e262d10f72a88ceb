import sys

import pytest

from gan_tutorial import cli
from gan_tutorial.errors import InputError
from gan_tutorial.experiments import EXPERIMENTS, digit_classes, experiment, ring_modes, ring_starved
from gan_tutorial.experiments.page import Page

PAGE = Page("a-name", "A title", "How.", ("seed", "value"), [(0, 1.5), (1, 2.5)], "Both above 1.", b"png", "A picture")


def test_page_is_markdown_that_says_how_to_repeat_it():
    text = PAGE.markdown(12.3)
    assert text.startswith(
        "# A title\n\nHow.\n\n| seed | value |\n|---|---|\n| 0 | 1.5 |\n| 1 | 2.5 |\n\nBoth above 1.\n"
    )
    assert "![A picture](a-name.png)" in text
    assert " in 12 s: " in text
    assert "Again: `gan-tutorial reproduce a-name`." in text


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


@pytest.mark.parametrize("name", sorted(EXPERIMENTS))
def test_every_experiment_has_its_committed_page(name):
    from pathlib import Path

    text = (Path(__file__).parents[2] / "book" / "experiments" / f"{name}.md").read_text()
    assert f"`gan-tutorial reproduce {name}`" in text
    assert len([line for line in text.splitlines() if line.startswith("| ")]) >= 1 + 5  # a head and five seeds


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
