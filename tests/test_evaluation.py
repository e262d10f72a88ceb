"""What `evaluate` finds, and the page that it writes."""

import hashlib
import json
import re

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from gan_tutorial import evaluation, judges, zoo
from gan_tutorial.errors import InputError
from gan_tutorial.evaluation import evaluate, report
from gan_tutorial.metrics import Statistics, inception
from gan_tutorial.training import Trainer, recipe


@pytest.fixture(scope="module")
def words():
    return evaluate("zoo:seqgan-words", n=60, device="cpu")


def test_every_number_has_an_interval_and_a_floor(words):
    assert words["metrics"].keys() == {"bleu", "self_bleu", "valid", "novel", "unseen"}
    assert (words["n"], words["few"], words["kind"], words["device"]) == (60, 60, "text", "cpu")
    for of in words["metrics"].values():
        assert of["low"] <= of["value"] <= of["high"]
        assert of["few"] == of["value"]  # as many real texts as there are samples
    assert words["metrics"]["bleu"]["name"] == "BLEU-4"
    assert words["metrics"]["novel"]["floor"] == 0
    assert words["inception"] is None
    assert json.loads(json.dumps(words)) == words


def test_the_same_seed_gives_the_same_numbers(words):
    again, other = (evaluate("zoo:seqgan-words", n=60, seed=seed, device="cpu") for seed in (0, 1))
    assert again["metrics"] == words["metrics"] != other["metrics"]


def test_metrics_are_those_of_the_judge():
    found = evaluate("zoo:cgan-avatars", n=50, metrics=["fid", "recall"], device="cpu")
    assert found["metrics"].keys() == {"fid", "recall"}
    judge = judges.judge(zoo.entry("cgan-avatars").recipe)
    kept = judge.draw(zoo.load("cgan-avatars"), 50, 0)
    for name, of in found["metrics"].items():
        assert of["value"] == pytest.approx(judge.columns(kept, [name])[name], rel=1e-6)
        assert of["floor"] == pytest.approx(judge.columns(judge.floor(50), [name])[name], rel=1e-6)
    assert found["metrics"]["fid"]["low"] < found["metrics"]["fid"]["high"]


def test_a_run_is_judged_by_its_newest_checkpoint(tmp_path):
    small = recipe("dcgan-mnist", steps=4, batch_size=8, model__g_width=8, model__d_width=8, checkpoint_every=2)
    trainer = Trainer(small, device="cpu", out=tmp_path / "run")
    for _ in trainer.run():
        pass
    trainer.close()
    found = evaluate(tmp_path / "run", n=40, metrics=["fid"], device="cpu")
    assert found["model"] == "step 4 of a run of dcgan-mnist"
    average = trainer.averages["generator"].network
    judge = judges.judge(small)
    expected = judge.columns(judge.draw(average.eval(), 40, 0), ["fid"])["fid"]
    assert found["metrics"]["fid"]["value"] == pytest.approx(expected, rel=1e-5)
    page = report(found, tmp_path / "run", "cpu")
    assert "step 4 of a run of dcgan-mnist" in page


@pytest.mark.parametrize("source", ["zoo:seqgan-words", "zoo:cgan-avatars"])
def test_the_page_holds_all_numbers_and_samples_and_loads_nothing(source):
    found = evaluate(source, n=40, device="cpu")
    page = report(found, source, "cpu")
    for of in found["metrics"].values():
        assert of["name"] in page
        assert f"{of['value']:.3f}" in page
    assert ("<pre>" in page) == (source == "zoo:seqgan-words")
    assert "Inception-v3" not in page  # its weights were not given
    assert not re.search(r"<script|https?://|@import", page)
    assert set(re.findall(r'src="(\w+):', page)) <= {"data"}


def test_every_number_of_every_judge_is_explained():
    for name in ("cgan-avatars", "wavegan-drums-small", "seqgan-poems", "seqgan-words"):
        judge = judges.judge(recipe(name), 20)
        assert {*judge.names} <= {*evaluation.TIPS}
        known = {**evaluation.COLUMNS[judge.blueprint.kind], **evaluation.NAMES}
        assert {*judge.names} <= {*known}


def test_memory_holds_one_batch_of_samples(monkeypatch):
    """50,000 samples are never there at once: the judge sees them by the batch."""
    seen = []
    kept = judges.Images.kept

    def watched(self, x):
        seen.append(len(x))
        return kept(self, x)

    monkeypatch.setattr(judges.Images, "kept", watched)
    judge = judges.judge(recipe("cgan-avatars"), 20)
    seen.clear()
    found = judge.draw(judge.untrained(), 600, 0)
    assert seen == [256, 256, 88]
    assert found.shape == (600, 64)
    assert found.dtype == torch.float32


class Small(inception.InceptionV3):
    """In the place of Inception-v3, and some thousand times as fast."""

    def __init__(self):
        nn.Module.__init__(self)
        self.fc = nn.Linear(48, 8)

    @torch.no_grad()
    def forward(self, x):
        return self.fc(F.adaptive_avg_pool2d(x, 4).flatten(1))


def test_the_fid_of_inception_stands_beside_the_others_if_its_weights_are_given(tmp_path, monkeypatch):
    monkeypatch.setattr(inception, "InceptionV3", Small)
    path = tmp_path / "weights.pth"
    small = Small()
    torch.save(small.state_dict(), path)
    # 2,100 samples are more than are held out.
    found = evaluate("zoo:cgan-avatars", n=2100, metrics=["fid"], device="cpu", inception=path)
    assert found["metrics"].keys() == {"fid", "inception_fid"}
    assert json.loads(json.dumps(found)) == found
    of, about = found["metrics"]["inception_fid"], found["inception"]
    judge = judges.judge(zoo.entry("cgan-avatars").recipe)
    network = zoo.load("cgan-avatars")
    real = Statistics.of(small(judge.real[:].x))

    def fid(x):
        return pytest.approx(Statistics.of(small(x)).distance(real), rel=1e-4)

    assert of["name"] == "FID (Inception-v3)"
    assert of["value"] == fid(judge.samples(network, 2100, 0))
    assert of["few"] == fid(judge.samples(network, 2000, 0))
    assert of["floor"] == fid(judge.held_out[:].x)
    assert of["floor"] < of["few"]
    assert (of["low"], of["high"]) == (None, None)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    resize = "clean: antialiased bicubic to 299 px"
    assert about == {"resize": resize, "real": 10_000, "sha256": digest, "published": False}
    page = report(found, "zoo:cgan-avatars", "cpu")
    row = f'FID (Inception-v3)</th><td class="number">{of["value"]:.3f}</td><td class="number">–</td>'
    assert row in page
    assert f"2,100 samples against all 10,000 training images; resize {resize}" in page
    assert f"not the published ones: compare with no published number (SHA-256 {digest})" in page
    monkeypatch.setattr(inception, "SHA256", digest)
    about["published"] = True
    assert "the weights are the published ones (SHA-256" in report(found, "zoo:cgan-avatars", "cpu")


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("zoo:dcgan-mnits",), {}, "pretrained model: 'dcgan-mnits' is not known; did you mean 'dcgan-mnist'"),
        (("zoo:seqgan-words",), {"n": 9}, "n: 9 is not allowed"),
        (("zoo:seqgan-words",), {"seed": -1}, "seed: -1 is not allowed"),
        (("zoo:seqgan-words",), {"metrics": ["fid"]}, "metric: 'fid' is not known"),
        (("nowhere",), {}, "nowhere"),
        (("zoo:seqgan-words",), {"device": "gpu"}, "device: 'gpu' is not known"),
        (("zoo:seqgan-words",), {"inception": "w.pth"}, "expected no weights for texts: Inception-v3 sees images only"),
        (("zoo:cgan-avatars",), {"inception": "w.pth"}, "'w.pth' can't be read"),
    ],
)
def test_what_can_not_be_measured_is_said_in_one_line(arguments, options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        evaluate(*arguments, **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
