import sys
import types

import pytest
import torch
from sklearn.metrics import pairwise_distances

from benchmarks import distances as bench
from benchmarks.options import Options


@pytest.fixture(autouse=True)
def cores(monkeypatch):
    """This process keeps its cores."""
    monkeypatch.setattr(bench, "one_core_a_thread", lambda: None)


def compute_prdc(real_features, fake_features, nearest_k):
    """What the package of that name computes, written out."""
    own = [sorted_rows(pairwise_distances(x))[:, nearest_k] for x in (real_features, fake_features)]
    between = pairwise_distances(real_features, fake_features)
    inside = between < own[0][:, None]
    return {
        "precision": inside.any(0).mean(),
        "recall": (between < own[1]).any(1).mean(),
        "density": inside.sum(0).mean() / nearest_k,
        "coverage": (between.min(1) < own[0]).mean(),
    }


def sorted_rows(distances):
    distances.sort(1)
    return distances


def test_ours_and_sqrtm_agree():
    assert bench.ours_frechet(16)() == pytest.approx(bench.theirs_frechet(16)(), rel=1e-6)
    assert bench.ours_frechet(16)() > 0.1


def test_ours_and_prdc_agree(monkeypatch):
    monkeypatch.setitem(sys.modules, "prdc", types.SimpleNamespace(compute_prdc=compute_prdc, __spec__=object()))
    monkeypatch.setattr(bench.peers.importlib.util, "find_spec", lambda name: object())
    theirs = bench.theirs_neighbours(300, 8)()
    assert bench.ours_neighbours(300, 8)()[0] == (theirs["precision"], theirs["recall"])
    assert 0 < theirs["precision"] < 1


def test_one_that_gives_other_numbers_is_not_timed(monkeypatch):
    monkeypatch.setattr(bench, "by_sqrtm", lambda *given: 1.0)
    with pytest.raises(ArithmeticError, match=r"1\.0 is not our"):
        bench.theirs_frechet(8)
    wrong = types.SimpleNamespace(compute_prdc=lambda *_: {**compute_prdc(*_), "recall": 0.5}, __spec__=object())
    monkeypatch.setattr(bench.peers, "load", lambda name: wrong)
    with pytest.raises(ArithmeticError, match="is not our"):
        bench.theirs_neighbours(60, 4)


def test_a_quick_run_measures_the_fréchet_distance():
    result = bench.run_frechet(Options(quick=True, threads=1))
    assert set(result["seconds"]) == {bench.ROOTS, bench.SQRTM}
    assert not result["could_not_run"]
    assert result["base"] == bench.ROOTS


def test_a_quick_run_measures_neighbours_where_the_peers_are(monkeypatch, tmp_path):
    monkeypatch.setattr(bench.peers, "PYTHON", tmp_path / "python")
    result = bench.run_neighbours(Options(quick=True, threads=1))
    assert set(result["seconds"]) == {bench.NEIGHBOURS}
    assert bench.PRDC in result["could_not_run"]
    assert result["items"] == ("pairs", 3600)


def test_the_gaussians_differ():
    a, b = bench.gaussians(8)
    assert a.n == b.n == 24
    assert not torch.allclose(a.covariance, b.covariance)
