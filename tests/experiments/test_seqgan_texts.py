from gan_tutorial.experiments import seqgan_texts
from gan_tutorial.judges import Texts
from gan_tutorial.training import recipe

TINY = {"mle_steps": 30, "d_pretraining": 1, "d_samples": 64, "rollouts": 2, "steps": 32, "model__hidden": 16}


def test_both_methods_have_a_row_a_seed_and_real_texts_one(monkeypatch):
    monkeypatch.setattr(Texts, "SAMPLES", 60)
    page = seqgan_texts.compare(recipe("seqgan-words", **TINY), [0, 1])
    assert [row[:2] for row in page.rows] == [
        ("MLE", 0),
        ("MLE", 1),
        ("SeqGAN", 0),
        ("SeqGAN", 1),
        ("real, of the training set", ""),
    ]
    assert page.columns[2:] == ("BLEU-4", "Self-BLEU-4", "Valid", "Novel", "Words held out", "NLL_test")
    assert all(len(row) == len(page.columns) for row in page.rows)
    assert float(page.rows[-1][2]) > float(page.rows[0][2])
    assert page.rows[-1][5] == "0.000"
    assert "30 updates by maximum likelihood, then 1 rounds" in page.method
    assert page.finding.count("of 2 seeds") == 3


def test_the_finding_counts_the_seeds_with_which_a_value_rose():
    def of(mle, seqgan):
        return {"MLE": {"bleu": mle, "novel": 1.0}, "SeqGAN": {"bleu": seqgan, "novel": 0.9}}

    said = seqgan_texts.finding({0: of(0.3, 0.4), 1: of(0.5, 0.45)}, {"bleu": "BLEU-2", "novel": "Novel"})
    assert said.splitlines() == [
        "- BLEU-2: MLE 0.300 to 0.500, SeqGAN 0.400 to 0.450; SeqGAN's is higher with 1 of 2 seeds.",
        "- Novel: MLE 1.000 to 1.000, SeqGAN 0.900 to 0.900.",
    ]
