from gan_tutorial.experiments import cycle_labels
from gan_tutorial.experiments.cycle_labels import KINDS, finding, made, run, train
from gan_tutorial.experiments.cycle_term import Found


def test_only_the_labels_differ():
    plain, told = (made(conditional) for conditional in KINDS.values())
    assert (plain.conditional, told.conditional) == (False, True)
    assert plain.with_changes({"conditional": True}) == told


def test_the_page_has_both_kinds_and_does_nothing_twice(tmp_path, monkeypatch):
    monkeypatch.setattr(cycle_labels, "STEPS", 1)
    page = run([3], tmp_path)
    assert [row[:2] for row in page.rows] == [(kind, 3) for kind in KINDS] + [("not translated", "")]
    assert all(len(row) == len(page.columns) for row in page.rows)
    monkeypatch.setattr(cycle_labels, "trained", None)  # would fail if it trained again
    assert [train(conditional, 3, tmp_path)[0] for conditional in KINDS.values()]
    assert page.machine


def test_the_finding_counts_seeds():
    swaps, keeps = Found(0.4, 0.5, 0.97, 0.02, 1.5), Found(0.9, 0.95, 0.96, 0.03, 1.6)
    told = finding({"no labels": [swaps, swaps], "labels for D": [keeps, swaps]})
    assert "kept 40.0% (to print) and 50.0% (to handwriting), there and back 97.0%, classifier-FID 1.5" in told
    assert "with 1 of 2 seeds" in told
