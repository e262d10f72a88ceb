import json
from dataclasses import replace

import pytest
import torch

from gan_tutorial.data import toy
from gan_tutorial.errors import InputError
from gan_tutorial.experiments import pacgan_tables, side_by_side
from gan_tutorial.experiments.pacgan_tables import OURS, Result

FEW = replace(
    pacgan_tables.FULL,
    batch=5,
    points=20,
    steps=6,
    options={**pacgan_tables.FULL.options, "g_width": 6, "g_depth": 2, "d_width": 4, "d_depth": 2, "d_pieces": 2},
)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(pacgan_tables, "SAMPLES", 50)
    monkeypatch.setattr(pacgan_tables, "UNROLL", 1)


def test_table_has_every_method_beside_the_papers_numbers(quick):
    page = pacgan_tables.compare(FEW, [0, 1], "pacgan-2d-small")
    assert [row[:2] for row in page.rows] == [
        (of, method) for of in ("ring-8", "grid-25") for method in (*pacgan_tables.METHODS, "the data")
    ]
    assert {len(row) for row in page.rows} == {len(page.columns)} == {10}
    by_name = {row[:2]: row for row in page.rows}
    assert by_name["ring-8", "GAN"][3] == "6.3 ± 0.5"
    assert by_name["grid-25", "PacGAN4"][3:8:2] == ("24.8 ± 0.2", "93.6%", "0.04")
    assert by_name["grid-25", OURS][3] == ""
    ring = by_name["ring-8", "the data"]
    assert ring[2] == "8.00 ± 0.00"
    assert float(ring[4].split()[0]) > 95
    assert ring[8] == "2 of 2"
    assert page.finding.count("of 2 seeds") == 10
    assert "2 maxout layers of 4, 2 pieces each" in page.method
    assert "both at once" in page.method


def test_the_papers_setting_is_the_papers():
    full = pacgan_tables.FULL
    r = full.recipe("ring-8", "PacGAN3", 10)
    assert r.data_options == {"radius": 1.0, "std": 0.01}
    assert (r.batch_size, r.steps, r.noise, r.ema) == (100 * 3 * 10, 400 * 100_000 // 100, "normal", 0.0)
    assert r.model_options["pack"] == 3
    assert (r.settings.lr_g, r.settings.lr_d, r.settings.beta1, r.settings.loss) == (1e-4, 1e-4, 0.8, "non-saturating")
    assert full.recipe("grid-25", "unrolled", 1).settings.unroll == 5
    ours = full.recipe("grid-25", OURS, 1).settings
    assert (ours.loss, ours.r1, ours.r2) == ("relativistic", 0.1, 0.1)
    for setting in (full, pacgan_tables.SMALL):
        for method in pacgan_tables.METHODS:
            setting.recipe("ring-8", method, 10)


def test_what_is_done_is_kept_and_a_broken_run_goes_on(quick, tmp_path, monkeypatch):
    whole = pacgan_tables.train(FEW, "ring-8", "PacGAN2", [0, 1])
    original = side_by_side.trainer

    def breaks(*args, **options):
        trainer = original(*args, **options)
        for _ in trainer.run(4):
            pass
        raise KeyboardInterrupt

    monkeypatch.setattr(side_by_side, "trainer", breaks)
    with pytest.raises(KeyboardInterrupt):
        pacgan_tables.train(FEW, "ring-8", "PacGAN2", [0, 1], tmp_path)
    monkeypatch.setattr(side_by_side, "trainer", original)
    result = pacgan_tables.train(FEW, "ring-8", "PacGAN2", [0, 1], tmp_path)
    assert replace(result, seconds=0) == replace(whole, seconds=0)
    monkeypatch.setattr(side_by_side, "trainer", breaks)  # not called again
    assert pacgan_tables.train(FEW, "ring-8", "PacGAN2", [0, 1], tmp_path) == result
    (kept,) = tmp_path.glob("ring-8/PacGAN2/seeds-0-1/result.json")
    assert json.loads(kept.read_text())["seeds"] == [0, 1]
    with pytest.raises(InputError, match=r"^folder: .* is not allowed; expected one with results of this recipe") as e:
        pacgan_tables.train(replace(FEW, steps=7), "ring-8", "PacGAN2", [0, 1], tmp_path)
    assert "\n" not in str(e.value)


def test_judged_counts_each_seeds_samples():
    ring = toy.ring_8(radius=1.0, std=0.01)
    all_modes, one_mode = ring.modes.repeat(5, 1), ring.modes[:1].repeat(40, 1)
    result = pacgan_tables.judged(torch.stack([all_modes, one_mode, one_mode + 9]), ring)
    assert result.modes == [8, 1, 0]
    assert result.quality == [1, 1, 0]
    assert result.kl == pytest.approx([0, 2.0794, 2.0794], abs=1e-4)


def test_finding_counts_seed_by_seed():
    plain, better = Result([6, 7, 8], [0.9] * 3, [0.5, 0.4, 0.3]), Result([8, 7, 7], [0.9] * 3, [0.1, 0.5, 0.2])
    results = dict.fromkeys(pacgan_tables.METHODS, plain) | {"PacGAN2": better}
    line = pacgan_tables.finding({"ring-8": results}).splitlines()[1]
    assert line == (
        "- ring-8, PacGAN2: more modes than the GAN with 1 of 3 seeds and fewer with 1; more evenly spread with 2."
    )


def test_mean_with_standard_error():
    assert pacgan_tables.mean([1, 2, 3], 2) == "2.00 ± 0.58"
    assert pacgan_tables.mean([1.25], 1) == "1.2"
