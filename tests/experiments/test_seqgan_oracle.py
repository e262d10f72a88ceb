import json
from dataclasses import replace

import pytest
import torch

from gan_tutorial.errors import InputError
from gan_tutorial.experiments import seqgan_oracle
from gan_tutorial.experiments.seqgan_oracle import METHODS, Judge, Result, compare, finding, train
from gan_tutorial.training import Trainer, recipe


@pytest.fixture
def small(monkeypatch):
    """The recipe with little of everything."""
    for name, value in (("SAMPLES", 40), ("ON_THE_WAY", 20), ("COMPARED", 20), ("POINTS", 4), ("SHOWN", 2)):
        monkeypatch.setattr(seqgan_oracle, name, value)
    of_data = {"data.vocabulary": 12, "data.length": 5, "data.samples": 64}
    of_d = {"d_pretraining": 2, "d_samples": 16, "d_rounds": 1, "d_epochs": 1, "model.d_width": 0.02}
    return recipe("seqgan-oracle-small").with_changes(
        {**of_data, **of_d, "batch_size": 8, "mle_steps": 8, "rollouts": 2, "steps": 14, "checkpoint_every": 3}
    )


def numbers(results):
    """All but the seconds; texts of JSON, where a pair is a list."""
    return {method: json.dumps(vars(replace(result, seconds=0.0))) for method, result in results.items()}


def test_page_has_every_method_with_every_seed(small):
    page = compare(small, [0, 1], "a-name")
    assert [row[:2] for row in page.rows] == [(m, s) for m in METHODS for s in (0, 1)] + [("the oracle itself", "")]
    assert all(len(row) == len(page.columns) for row in page.rows)
    assert [len(row[5].split(", ")) for row in page.rows[::2]] == [1, 3, 3, 3, 3, 1]
    entropy = float(page.rows[-1][2])
    assert all(float(row[2]) > entropy for row in page.rows[:-1])
    assert "wrote 64 texts to train on" in page.method
    assert "a text has 5 of 12 tokens" in page.method
    assert "for 4 rounds" in page.method
    assert "the paper" not in page.finding
    assert page.picture.startswith(b"\x89PNG")
    published = compare(replace(small, name="seqgan-oracle"), [0], "a-name")
    assert published.columns[3] == "the paper's"
    assert [row[3] for row in published.rows] == ["10.310", "9.038", "8.985", "8.946", "8.736", ""]
    assert "MLE: NLL_oracle " in published.finding
    assert "the paper has 9.038" in published.finding


def test_methods_are_runs_of_the_recipe(small):
    """What goes on from MLE's generator is bit for bit what the recipe does from its first step on."""
    judge = Judge(small)
    found = train(small, 3, judge)
    plain = Trainer(small, seed=3)
    for metrics in plain.run():
        if metrics["step"] == 8:
            assert judge.trained(plain, 0.0, found["MLE"].curve) == replace(found["MLE"], seconds=0.0)
    assert judge.trained(plain, 0.0, found["SeqGAN"].curve) == replace(found["SeqGAN"], seconds=0.0)
    bleu = Trainer(small.with_changes({"reward": "bleu", "d_pretraining": 0, "steps": 12}), seed=3)
    for _ in bleu.run():
        pass
    assert judge.trained(bleu, 0.0, found["PG-BLEU"].curve) == replace(found["PG-BLEU"], seconds=0.0)
    assert len({result.nll_test for result in found.values()}) == len(METHODS)
    assert [x for x, *_ in found["MLE"].curve] == [0, 2, 4, 6, 8]
    assert [x for x, *_ in found["PG-BLEU"].curve] == [x for x, *_ in found["SeqGAN"].curve] == [0, 1, 2, 3, 4]
    assert found["SeqGAN"].curve[0] == found["PG-BLEU"].curve[0] == (0, *found["MLE"].curve[-1][1:])


def test_random_is_the_frequencies_of_tokens(small, monkeypatch):
    monkeypatch.setattr(seqgan_oracle, "SAMPLES", 4000)
    judge = Judge(small)
    judge.train.data = torch.tensor([[1, 2], [2, 2]])
    judge.test.data = torch.tensor([[2, 2], [1, 0]])
    seen = {}
    monkeypatch.setattr(judge, "nll", lambda tokens: seen.setdefault("tokens", tokens).float().mean().item())
    p = torch.tensor([1, 2, 4] + [1] * 9) / 16
    assert judge.random(0).nll_test == pytest.approx(-(2 * p[2].log() + p[1].log() + p[0].log()).item() / 4)
    assert torch.bincount(seen["tokens"].flatten()) / 8000 == pytest.approx(p, abs=0.02)
    assert seen["tokens"].shape == (4000, 2)


@pytest.mark.parametrize("calls", [3, 16, 23])
def test_interrupted_run_goes_on(small, tmp_path, monkeypatch, calls):
    """Stopped anywhere, it ends with the numbers of a run that was never stopped."""
    expected = train(small, 0, Judge(small))
    judge, done = Judge(small), 0
    nll = judge.nll

    def stops(tokens):
        nonlocal done
        done += 1
        if done == calls:
            raise KeyboardInterrupt
        return nll(tokens)

    monkeypatch.setattr(judge, "nll", stops)
    with pytest.raises(KeyboardInterrupt):
        train(small, 0, judge, tmp_path)
    assert numbers(train(small, 0, judge, tmp_path)) == numbers(expected)


def test_what_is_kept_is_not_done_again(small, tmp_path, monkeypatch):
    judge = Judge(small)
    first = train(small, 0, judge, tmp_path)
    (tmp_path / "scheduled-sampling" / "result.json").unlink()
    made = []
    monkeypatch.setattr(seqgan_oracle, "Trainer", lambda r, **options: made.append(r) or Trainer(r, **options))
    assert numbers(train(small, 0, judge, tmp_path)) == numbers(first)
    assert [r.settings.pretraining for r in made] == ["scheduled"]
    with pytest.raises(InputError, match="one with results of this recipe and seeds; move it away") as error:
        train(small, 1, judge, tmp_path)
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="this recipe"):
        train(small.with_changes({"lr_g": 0.5}), 0, judge, tmp_path)


def test_finding_counts():
    def results(values, tests=(5.0, 6.0, 7.0, 8.0, 9.0)):
        return {
            m: Result(v, t, 0.1 * v, 0.0, [(0, v, t), (1, v, t - 2), (2, v, t - 1)])
            for m, v, t in zip(METHODS, values, tests, strict=True)
        }

    found = {0: results((10, 9, 8.5, 8.4, 8)), 1: results((10, 9, 9.5, 8.4, 8)), 2: results((10, 9, 8.5, 8.4, 9.2))}
    text = finding(found, published=True)
    assert "- SeqGAN: NLL_oracle 8.000 to 9.200; the paper has 8.736." in text
    assert "random > MLE > SeqGAN holds with 2 of 3 seeds" in text
    assert "random > MLE > scheduled sampling > PG-BLEU > SeqGAN holds with 1 of 3 seeds" in text
    assert "- MLE's NLL_test was at its lowest 4.000 to 4.000, and in the end 6.000 to 6.000." in text
    assert "- SeqGAN has a higher NLL_test than MLE with 3 of 3 seeds, and a higher self-BLEU with 1." in text
    assert "the paper has" not in finding(found, published=False)


def test_both_sizes_are_recipes(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(seqgan_oracle, "compare", lambda *given: seen.append(given))
    seqgan_oracle.run([0])
    seqgan_oracle.run_full([1], tmp_path)
    assert [(r.name, *rest) for r, *rest in seen] == [
        ("seqgan-oracle-small", [0], "seqgan-oracle"),
        ("seqgan-oracle", [1], "seqgan-oracle-full", tmp_path, ("random", "MLE", "SeqGAN")),
    ]


def test_each_draw_of_the_oracle_is_another_one(small):
    page = seqgan_oracle.run_draws([0, 1], small, epochs=2)
    assert [row[0] for row in page.rows] == [0, 1]
    entropies = [float(row[1]) for row in page.rows]
    assert entropies[0] != entropies[1]
    assert all(0 < float(row[2]) < 4 for row in page.rows)
    assert [len(row[4].split(", ")) for row in page.rows] == [3, 3]
    assert "the paper has 9.038 with an oracle of its own, which lies outside this range" in page.finding
    said = seqgan_oracle.draws_finding([(0, "5.8", "8.9"), (1, "6.0", "9.1")])
    assert "5.800 to 6.000" in said
    assert "8.900 to 9.100; the paper has 9.038 with an oracle of its own, which lies inside" in said
