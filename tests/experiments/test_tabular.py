from dataclasses import replace

import pytest
import torch

from gan_tutorial.data import Batch
from gan_tutorial.errors import InputError
from gan_tutorial.experiments import tabular
from gan_tutorial.experiments.augmentation import fingerprints, repeated
from gan_tutorial.experiments.tabular import CLASSIFIERS, DATA, GAN, REAL, SOURCES, Result, as_many, draw, job, normal

TINY = replace(tabular.SMALL, width=8, steps=2, batch=20, trees=3)


@pytest.mark.parametrize(("name", "train", "features"), [("wine", 124, 13), ("breast-cancer", 398, 30)])
def test_a_split_is_stratified_and_standardised_by_the_training_rows(name, train, features):
    drawn = draw(name, 0)
    assert drawn.train.data.shape == (train, features)
    assert drawn.train.data.mean(0).abs().max() < 1e-5
    assert (drawn.train.data.std(0, correction=0) - 1).abs().max() < 1e-4
    assert drawn.test.data.mean(0).abs().max() > 1e-3
    shares = [torch.bincount(part.labels) / len(part) for part in drawn]
    assert (shares[0] - shares[1]).abs().max() < 1 / len(drawn.test)
    assert not fingerprints(drawn.train) & fingerprints(drawn.test)
    assert not torch.equal(drawn.test.labels, draw(name, 1).test.labels)


def test_an_unknown_table_is_named():
    with pytest.raises(InputError, match="data: 'whine' is not known; did you mean 'wine'"):
        draw("whine", 0)


def test_as_many_of_each_class_as_there_were():
    real = Batch(torch.zeros(5, 1), torch.tensor([1, 0, 1, 1, 2]))
    made = Batch(torch.arange(12.0)[:, None], torch.arange(12) % 3)
    found = as_many(made, real)
    assert found.labels.tolist() == [0, 1, 1, 1, 2]
    assert found.x[:, 0].tolist() == [0, 1, 4, 7, 2]


def test_normal_rows_have_the_class_means_and_spreads():
    labels = torch.arange(4000) % 2
    x = torch.randn(4000, 2) * torch.tensor([1.0, 3.0]) + 5 * labels[:, None]
    made = normal(Batch(x, labels), 0)
    assert made.labels.bincount().tolist() == [2000, 2000]
    for k in range(2):
        of = made.x[made.labels == k]
        assert of.mean(0).tolist() == pytest.approx([5 * k, 5 * k], abs=0.3)
        assert of.std(0).tolist() == pytest.approx([1, 3], rel=0.1)


def test_a_job_stops_before_the_gan_sees_a_held_out_row(tmp_path, monkeypatch):
    held_out = draw("wine", 0).test

    def leaking(dataset):
        more = repeated(dataset)
        more.data[0] = held_out.data[5]
        return more

    monkeypatch.setattr(tabular, "repeated", leaking)
    with pytest.raises(InputError, match="dataset: '1 rows from elsewhere'"):
        job(TINY, "wine", 0, "cpu", tmp_path)
    assert not list(tmp_path.rglob("*"))


def test_a_job_is_kept_and_stands_on_the_page(tmp_path, monkeypatch):
    job(TINY, "wine", 0, "cpu", tmp_path)
    (place,) = tmp_path.rglob("result.json")
    assert place.parts[-3:-1] == ("wine", "seed-0")
    page = tabular.compare(TINY, [0], "tabular", tmp_path, "cpu")
    assert len(page.rows) == len(DATA) * len(CLASSIFIERS) * len(SOURCES)
    assert {len(row) for row in page.rows} == {len(page.columns)}
    on_real = [float(row[3]) for row in page.rows if row[2] == REAL]
    assert min(on_real) > 85  # both tables are easy
    monkeypatch.setattr(tabular, "Trainer", None)  # nothing is trained again
    assert tabular.compare(TINY, [0], "tabular", tmp_path, "cpu") == page
    with pytest.raises(InputError, match="move it away to start anew"):
        job(replace(TINY, trees=4), "wine", 0, "cpu", tmp_path)


def test_the_finding_says_where_it_is_clear():
    def result(gan):
        accuracy = {by: dict.fromkeys(SOURCES, 0.9) | {GAN: gan} for by in CLASSIFIERS}
        return Result(accuracy, 0.75)

    found = {"wine": [result(0.8), result(0.82)], "breast-cancer": [result(0.85), result(0.95)]}
    text = tabular.finding(found).splitlines()
    assert text[0] == (
        "- the GAN's rows against real rows: better: none; worse: logistic regression on wine, random forest on wine; "
        "undecided: logistic regression on breast-cancer, random forest on breast-cancer."
    )
    assert "better: none; worse: none" in text[1]
    assert text[-1] == "- The attack's AUC is 0.75 (wine), 0.75 (breast-cancer)."
