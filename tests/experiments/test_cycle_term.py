import pytest
import torch

from gan_tutorial import data
from gan_tutorial.experiments import cycle_term
from gan_tutorial.experiments.cycle_term import Found, finding, measured, read, recipe, trained, untranslated


def test_the_recipe_has_the_weight_and_no_labels():
    found = recipe(3.0, batch_size=4)
    assert (found.settings.cycle, found.settings.identity, found.conditional, found.batch_size) == (3, 0, False, 4)


def test_real_digits_are_read_and_shifted_ones_are_not():
    held_out = data.load("pairs:digits", "test", size=16)
    for domain, side in (("a", held_out.a), ("b", held_out.b)):
        digits = side[torch.arange(200)]
        assert read(digits.x, domain, digits.labels) > 0.93
        assert read(digits.x.roll(1, 0), domain, digits.labels) < 0.3


def test_what_does_nothing_comes_back_and_is_no_nearer():
    trainer = trained(recipe(2.0, batch_size=2), 0, 1)
    trainer.translate = lambda x, direction: x
    found, untouched = measured(trainer, 0, 200), untranslated(trainer, 0, 200)
    assert found.cycle == 0
    assert found.back > 0.93
    assert (found.kept_ab, found.kept_ba, found.distance) == pytest.approx(untouched)


def test_a_swap_comes_back_and_is_not_kept():
    trainer = trained(recipe(2.0, batch_size=2), 0, 0)
    trainer.translate = lambda x, direction: x.flip(2)  # upside down, and back
    found = measured(trainer, 0, 200)
    assert found.cycle == 0
    assert found.back > 0.93
    assert found.kept_ba < 0.6


def test_the_page_compares_the_same_seeds(monkeypatch):
    monkeypatch.setattr(cycle_term, "STEPS", 1)
    monkeypatch.setattr(cycle_term, "SAMPLES", 20)
    page = cycle_term.run([3])
    assert [row[:2] for row in page.rows] == [("0", 3), ("2", 3), ("not translated", "")]
    assert all(len(row) == len(page.columns) for row in page.rows)


def test_the_finding_counts_seeds():
    worse, better = Found(0.4, 0.6, 0.5, 0.2, 9), Found(0.5, 0.7, 0.9, 0.05, 9)
    told = finding({0.0: [worse, worse], 2.0: [better, worse._replace(cycle=0.1)]}, 2)
    assert "kept 50.0% (mean of both ways), there and back 50.0%, cycle error 0.200" in told
    assert "with 1 of 2 seeds, and more are kept on one way with 1;" in told
    assert "a factor of at least 2.0" in told
