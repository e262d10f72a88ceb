import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from gan_tutorial import data
from gan_tutorial.data import Batch
from gan_tutorial.errors import InputError
from gan_tutorial.experiments import augmentation
from gan_tutorial.experiments.augmentation import (
    BOTH,
    CLASSICAL,
    FILTERED,
    FULL,
    MOVES,
    REAL,
    Moves,
    Result,
    attack,
    confident,
    draw,
    fingerprints,
    guard,
    job,
    jobs,
    judged,
    moved,
    repeated,
    rows,
    study,
)
from gan_tutorial.experiments.pacgan_tables import mean

TINY = replace(
    FULL, data=("avatars",), labels=(5, 10), augments=("none",), width=4, steps=2, made=16, updates=2, batch=8
)


# -- the data --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["mnist", "avatars"])
def test_a_draw_has_n_of_each_class_and_keeps_the_rest_apart(name):
    few, more, another = draw(name, 5, 3), draw(name, 10, 3), draw(name, 5, 4)
    assert torch.bincount(few.subset.labels).tolist() == [5] * few.subset.num_classes
    assert torch.bincount(few.others.labels).tolist() == [100] * few.subset.num_classes
    assert fingerprints(few.subset) < fingerprints(more.subset)
    assert fingerprints(few.subset) != fingerprints(another.subset)
    assert fingerprints(few.others) == fingerprints(more.others)
    parts = [fingerprints(part) for part in more]
    assert not parts[0] & parts[1]
    assert not parts[0] & parts[2]
    assert not parts[1] & parts[2]


def test_a_draw_says_what_it_can_not_do():
    for bad, message in ((0, "n: 0 is not allowed"), (301, "<= 300"), (2.0, "n: 2.0")):
        with pytest.raises(InputError, match=message) as error:
            draw("mnist", bad, 0)
        assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="data: 'mist' is not known; did you mean 'mnist'"):
        draw("mist", 5, 0)


def test_repeating_keeps_the_rows_and_their_labels():
    subset = draw("mnist", 5, 0).subset
    many = repeated(subset, 120)
    assert len(many) == 150
    assert fingerprints(many) == fingerprints(subset)
    assert torch.equal(many.labels, subset.labels.repeat(3))


# -- the guard -------------------------------------------------------------------------------------------------------
def test_the_guard_lets_the_subset_pass_and_finds_a_single_stranger():
    subset, others, test = draw("mnist", 5, 0)
    guard(repeated(subset), subset, test)
    guard(rows(subset, [0, 7]), subset, test)
    for stranger in (others, test):
        planted = rows(subset, [*range(len(subset))])
        planted.data[17] = stranger.data[3]
        with pytest.raises(InputError, match="dataset: '1 rows from elsewhere' is not allowed") as error:
            guard(planted, subset, test)
        assert "\n" not in str(error.value)
    leaky = rows(subset, [*range(len(subset))])
    leaky.data[0] = test.data[0]
    with pytest.raises(InputError, match="subset: '1 rows of the test split' is not allowed"):
        guard(leaky, leaky, test)


def test_a_job_stops_before_a_gan_sees_a_held_out_picture(tmp_path, monkeypatch):
    def leaking(dataset, least=60):
        more = repeated(dataset, least)
        more.data[-1] = data.load("avatars", split="test").data[11]
        return more

    monkeypatch.setattr(augmentation, "repeated", leaking)
    with pytest.raises(InputError, match="only rows of the labelled subset"):
        job(TINY, "avatars", 5, 0, "cpu", tmp_path)
    assert not list(tmp_path.rglob("*"))


# -- classical augmentation ------------------------------------------------------------------------------------------
def test_without_moves_a_picture_stays_and_moves_are_what_they_say():
    x = torch.rand(3, 3, 16, 16) * 2 - 1
    assert torch.allclose(moved(x, Moves(), torch.rand(3, 6)), x, atol=1e-5)
    still = torch.full((3, 6), 0.5)

    def with_chance(column, value):
        chances = still.clone()
        chances[:, column] = value
        return chances

    mirrored = moved(x, Moves(mirror=True), with_chance(4, 0.2))
    assert torch.allclose(mirrored, x.flip(3), atol=1e-5)
    assert torch.allclose(moved(x, Moves(mirror=True), still), x, atol=1e-5)
    turned = moved(x, Moves(degrees=90), with_chance(0, 1.0))
    assert torch.allclose(turned, x.rot90(1, (2, 3)), atol=1e-4)
    shifted = moved(x, Moves(shift=2), with_chance(2, 0.999))
    assert torch.allclose(shifted[..., :-2], x[..., 2:], atol=1e-5)
    assert torch.allclose(shifted[..., -2:], x[..., -1:].expand(-1, -1, -1, 2), atol=1e-5)
    assert torch.allclose(moved(x, Moves(brightness=0.3), with_chance(5, 1.0)), (x + 0.3).clamp(-1, 1), atol=1e-5)


def test_scaling_enlarges():
    x = torch.full((1, 1, 16, 16), -1.0)
    x[..., 6:10, 6:10] = 1
    chances = torch.full((1, 6), 0.5)
    chances[:, 1] = 1.0
    assert (moved(x, Moves(scale=0.5), chances) > 0).sum() == 36


def test_shifts_go_every_way_equally_often():
    x = torch.zeros(2000, 1, 8, 8)
    x[:, :, 4, 4] = 1
    where = moved(x, Moves(shift=1), torch.rand(2000, 6)).flatten(1).argmax(1)
    counts = torch.bincount(where, minlength=64).view(8, 8)[3:6, 3:6]
    assert counts.sum() == 2000
    assert counts.min() > 150


# -- the classifier --------------------------------------------------------------------------------------------------
def toy(n, brightness):
    """Dark pictures of class 0, bright ones of class 1."""
    labels = torch.arange(n) % 2
    x = (2 * labels - 1).view(-1, 1, 1, 1) * brightness + 0.1 * torch.randn(n, 1, 8, 8)
    return Batch(x, labels)


def test_a_classifier_learns_and_the_seed_repeats_it():
    setting = replace(TINY, updates=30)
    real = toy(20, 0.5)
    first, again = (study(setting, 3, real) for _ in range(2))
    assert judged(first, toy(200, 0.5)) == 1.0
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    other = study(setting, 4, real)
    assert not torch.equal(next(first.parameters()), next(other.parameters()))


def test_half_of_each_batch_is_made(monkeypatch):
    seen = []
    monkeypatch.setattr(augmentation, "moved", lambda x, moves, chances: seen.append(x) or x)
    study(TINY, 0, toy(20, 0.5), toy(10, 5.0), MOVES["mnist"])
    assert len(seen) == TINY.updates
    for x in seen:
        bright = x.abs().mean((1, 2, 3)) > 3
        assert bright.tolist() == [False] * 4 + [True] * 4


def test_accuracy_is_the_mean_over_classes():
    class Zero(nn.Module):
        def forward(self, x):
            return torch.tensor([[1.0, 0.0]]).expand(len(x), -1)

    labels = torch.tensor([0] * 9 + [1])
    assert judged(Zero(), Batch(torch.zeros(10, 1, 8, 8), labels)) == 0.5


def test_the_filter_keeps_the_surest_half_of_each_class():
    class Bright(nn.Module):
        def forward(self, x):
            level = x.mean((1, 2, 3))
            return torch.stack([-level, level], 1)

    levels = torch.tensor([0.1, 0.9, -0.4, 0.3, -0.8, 0.7, 0.2])
    made = Batch(levels.view(-1, 1, 1, 1).expand(-1, 1, 8, 8), torch.tensor([1, 1, 0, 1, 0, 1, 0]))
    kept = confident(Bright(), made)
    assert kept.labels.tolist() == [0, 0, 1, 1]
    assert kept.x[:, 0, 0, 0].tolist() == pytest.approx([-0.8, -0.4, 0.9, 0.7])


# -- the attack ------------------------------------------------------------------------------------------------------
def test_copies_give_members_away_and_new_samples_do_not():
    members, others, made = torch.randn(3, 400, 1, 2, 2)
    auc, near, far = attack(members, others, members[torch.randperm(400)])
    assert (auc, near) == (1.0, pytest.approx(0, abs=1e-3))
    assert far > 0.1
    auc, near, far = attack(members, others, made)
    assert abs(auc - 0.5) < 0.08  # standard error 0.02
    assert attack(members, members, made)[0] == pytest.approx(0.5, abs=1e-6)


# -- jobs ------------------------------------------------------------------------------------------------------------
def test_a_job_judges_every_condition_and_is_kept(tmp_path, monkeypatch):
    both = replace(TINY, augments=("none", "diffaugment"))
    first = job(both, "avatars", 5, 0, "cpu", tmp_path)
    assert tuple(first.accuracy) == both.conditions()
    assert all(0 <= value <= 1 for value in first.accuracy.values())
    assert set(first.auc) == {"GAN", "GAN with DiffAugment"}
    place = tmp_path / "avatars" / "n-5" / "seed-0"
    assert sorted(path.name for path in place.iterdir()) == ["made-diffaugment.png", "made-none.png", "result.json"]
    monkeypatch.setattr(augmentation, "Trainer", None)
    assert job(both, "avatars", 5, 0, "cpu", tmp_path) == first
    for other in (replace(both, updates=3), replace(both, augments=("none",)), replace(both, steps=3)):
        with pytest.raises(InputError, match="move it away to start anew"):
            job(other, "avatars", 5, 0, "cpu", tmp_path)


def test_the_gan_of_digits_is_conditional_and_small():
    r = FULL.recipe("mnist", 5, "diffaugment")
    assert (r.conditional, r.augment, r.batch_size, r.steps) == (True, "diffaugment", 64, 1500)
    assert r.model_options["g_width"] == 32
    assert FULL.recipe("avatars", 5, "none").model_options["g_width"] == 64


def test_processes_share_the_jobs_seed_by_seed(monkeypatch):
    every = jobs(FULL, [0, 1])
    assert every[:2] == [("mnist", 5, 0), ("mnist", 10, 0)]
    assert [seed for _, _, seed in every] == [0] * 10 + [1] * 10
    done = []
    monkeypatch.setattr(augmentation, "job", lambda setting, *key: done.append(key[:3]))
    for part in range(3):
        augmentation.work(part, 3, [0, 1], FULL, device="cpu")
    assert sorted(done) == sorted(every)
    with pytest.raises(InputError, match="part: 3 is not allowed"):
        augmentation.work(3, 3, [0])


def made_up(gain, seeds=10, spread=0.01):
    """Results in which the GAN's pictures add `gain` to the accuracy, and classical augmentation 0.1."""
    found = []
    for seed in range(seeds):
        base = 0.5 + 0.2 * np.sin(seed)  # the draw matters most, which pairing takes away
        noise = spread * np.cos(3 * seed)
        accuracy = {REAL: base, CLASSICAL: base + 0.1, "GAN": base + gain + noise, BOTH + "GAN": base + 0.1 - gain}
        accuracy[BOTH + "GAN" + FILTERED] = base + 0.1 + noise
        found.append(Result(accuracy, {"GAN": 0.8}, {"GAN": 1.0}, {"GAN": 2.0}, 1.0))
    return found


def test_differences_are_paired_and_the_finding_says_where_they_are_clear():
    found = {"mnist": {5: made_up(0.05), 10: made_up(-0.05)}}
    gain = augmentation.difference(found, "mnist", 5, "GAN", REAL)
    assert gain.value == pytest.approx(5, abs=0.5)
    assert 4 < gain.low < gain.value < gain.high < 6
    text = augmentation.finding(found, TINY.conditions()).splitlines()
    assert text[0].startswith(
        "- digits, classical against real only: better with 5, 10 labels a class, worse with none"
    )
    assert "GAN against real only: better with 5 labels a class, worse with 10, undecided with none" in text[1]
    assert "classical and GAN against classical: better with 10 labels a class, worse with 5" in text[2]
    assert (
        "filtered against classical: better with none labels a class, worse with none, undecided with 5, 10" in text[3]
    )
    assert text[4] == "- digits, GAN: the attack's AUC by labels a class is 0.80 (5), 0.80 (10)."
    assert text[5].startswith("- Of 6 comparisons with a GAN, 2 intervals lie above zero and 2 below")
    line = augmentation.row(found, "mnist", 5, BOTH + "GAN")
    assert line[4].startswith("+5.0 (")
    assert line[5] == "-5.0 (-5.0 to -5.0)"
    assert line[6:] == ("", "", "", 10)


def test_the_page_of_two_seeds(tmp_path):
    page = augmentation.compare(replace(TINY, labels=(5,)), [1, 2], "augmentation", tmp_path, "cpu")
    assert [row[2] for row in page.rows] == [REAL, CLASSICAL, "GAN", BOTH + "GAN", BOTH + "GAN" + FILTERED]
    assert {len(row) for row in page.rows} == {len(page.columns)}
    assert page.picture.startswith(b"\x89PNG")
    assert "black circles: real only" in page.alt
    assert "orange triangles that point up: GAN" in page.finding
    assert page.seconds > 0
    kept = json.loads((tmp_path / "avatars" / "n-5" / "seed-2" / "result.json").read_text())
    assert math.isfinite(kept["result"]["auc"]["GAN"])


# -- what comes with the package -------------------------------------------------------------------------------------
def test_what_is_packed_is_what_was_found(tmp_path, monkeypatch):
    monkeypatch.setattr(augmentation, "FULL", replace(TINY, labels=(5,)))
    augmentation.pack([1, 2], tmp_path / "runs", tmp_path / "packed.json")
    found = augmentation.packed(tmp_path / "packed.json")
    assert {name: list(by_n) for name, by_n in found.items()} == {"avatars": [5]}
    for seed, one in zip([1, 2], found["avatars"][5], strict=True):
        first = job(augmentation.FULL, "avatars", 5, seed, "cpu", tmp_path / "runs")
        assert one.accuracy == pytest.approx(first.accuracy)
        assert (one.auc, one.others) == (pytest.approx(first.auc), pytest.approx(first.others))


def test_the_page_in_the_book_shows_what_is_packed():
    found = augmentation.packed()
    page = (Path(__file__).parents[2] / "book" / "experiments" / "augmentation.md").read_text(encoding="utf-8")
    for of in found:
        for n, every in found[of].items():
            for what in FULL.conditions():
                accuracy = mean([100 * one.accuracy[what] for one in every], 1)
                (line,) = re.findall(rf"^\| {augmentation.DATA[of][2]} \| {n} \| {what} \| (.+) \|$", page, re.M)
                assert line.startswith(accuracy)
                assert line.endswith(f" {len(every)}")
    few = len(found["mnist"][5]) < augmentation.PLANNED
    assert ("not the 10 that were planned" in page) == few
