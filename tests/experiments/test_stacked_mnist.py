import json
from dataclasses import replace

import pytest
import torch

from gan_tutorial import data
from gan_tutorial.errors import InputError
from gan_tutorial.experiments import stacked_mnist
from gan_tutorial.experiments.stacked_mnist import METHODS, Result, finding, judged, real, train
from gan_tutorial.training import Trainer

FEW = replace(stacked_mnist.SMALL, methods=tuple(METHODS), samples=40, judged=20, batch=4, steps=2, width=8)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(stacked_mnist, "CHUNK", 10)


def test_real_stacks_are_counted_as_the_modes_they_are():
    stacks = data.load("stacked-mnist", split="test", size=32, samples=4000)
    found = judged([stacks[:500].x, stacks[500:1000].x])
    there = len(stacks.labels.unique())
    assert abs(found.modes - there) < 0.05 * there  # the classifier errs on a few
    assert 0.3 < found.kl < 0.7  # mostly the sampling floor, (K - 1) / 2N
    one = stacks[:1].x.expand(500, -1, -1, -1)
    collapsed = judged([one])
    assert collapsed.modes == 1
    assert collapsed.kl == pytest.approx(torch.tensor(1000.0).log().item())


def test_the_data_with_as_many_samples_have_a_floor():
    found = real(replace(FEW, judged=5000), 0)
    assert found.modes > 980
    assert 0.09 < found.kl < 0.14


def test_every_method_trains_and_stands_in_the_table(quick):
    page = stacked_mnist.compare(FEW, [0, 1], "stacked-mnist-small")
    assert [row[0] for row in page.rows] == [*METHODS, "the data"]
    assert {len(row) for row in page.rows} == {len(page.columns)}
    by_method = {row[0]: row for row in page.rows}
    assert by_method["PacDCGAN2"][4] == "1000, 0.06"
    assert by_method["the data"][4] == ""
    assert float(by_method["the data"][1].split()[0]) == 20.0
    assert page.finding.count("of 2 seeds") == len(METHODS) - 1


def test_packing_sees_twice_as_many_stacks_and_penalties_need_no_batchnorm():
    full = stacked_mnist.FULL
    assert full.recipe("DCGAN").batch_size == 64
    assert full.recipe("PacDCGAN2").batch_size == 128
    ours = full.recipe("RpGAN + R1 + R2")
    assert (ours.settings.loss, ours.settings.r1, ours.settings.r2) == ("relativistic", 1.0, 1.0)
    assert ours.model_options["norm"] == "none"


def test_what_is_done_is_kept(quick, tmp_path, monkeypatch):
    first = train(FEW, "PacDCGAN2", 3, tmp_path)
    monkeypatch.setattr(stacked_mnist, "Trainer", None)
    assert train(FEW, "PacDCGAN2", 3, tmp_path) == first
    with pytest.raises(InputError, match="move it away to start anew"):
        train(replace(FEW, steps=3), "PacDCGAN2", 3, tmp_path)
    monkeypatch.setattr(stacked_mnist, "Trainer", Trainer)
    (kept,) = tmp_path.glob("PacDCGAN2/seed-3/result.json")
    kept.write_text(json.dumps(json.loads(kept.read_text()) | {"machine": "A card"}))
    page = stacked_mnist.compare(replace(FEW, methods=("DCGAN", "PacDCGAN2")), [3], "stacked-mnist", tmp_path)
    assert "A card" in page.machine
    assert page.seconds >= first.seconds


def test_finding_counts_seed_by_seed():
    found = {
        "DCGAN": [Result(100, 3.0), Result(300, 2.0)],
        "PacDCGAN2": [Result(90, 2.5), Result(400, 1.0)],
    }
    assert finding(found) == "- PacDCGAN2: more modes than the DCGAN with 1 of 2 seeds, more evenly spread with 2."
