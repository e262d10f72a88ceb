"""The lab for text: what its buttons train, what the page is told, and what is refused."""

import base64
import io
import re
import string
import threading
from dataclasses import replace

import pytest
import torch
from PIL import Image

from gan_tutorial.algorithms import SeqGANSettings
from gan_tutorial.data import Dataset
from gan_tutorial.errors import DivergedError, InputError
from gan_tutorial.live import TextLab
from gan_tutorial.live import lab as lab_module
from gan_tutorial.live.words import SOUND_LAB, TEXT_LAB
from gan_tutorial.training import Recipe, Trainer

VOCABULARY = ("", *"春夏秋冬山水花月<&abc")
FEW = SeqGANSettings(
    mle_steps=4, d_pretraining=2, d_rounds=1, d_samples=32, d_epochs=1, rollouts=2, lr_d=0.01, loss_reduction="mean"
)
RECIPE = Recipe(
    "tiny", "", "words", "seqgan", algorithm="seqgan", settings=FEW, batch_size=16, steps=10,
    model_options={"d_width": 0.05, "embedding": 8, "hidden": 8},
)  # fmt: skip


def seasons(vocabulary=VOCABULARY, joiner=""):
    tokens = torch.randint(1, len(vocabulary), (100, 6), generator=torch.Generator().manual_seed(0))
    tokens[::3, 4:] = 0
    return Dataset("seasons", tokens, vocabulary=vocabulary, joiner=joiner)


def text_lab(recipe=RECIPE, **options):
    return TextLab(recipe, **{"dataset": seasons(), **options})


def said(widget):
    return re.sub(r"<[^>]*>", "", widget.value)


def weights(trainer):
    return torch.cat([p.detach().flatten() for net in trainer.networks.values() for p in net.parameters()])


def reference(steps):
    trainer = Trainer(RECIPE, device="cpu", dataset=seasons())
    for _ in trainer.run(steps):
        pass
    return weights(trainer)


# -- training -------------------------------------------------------------------------------------------------------
def test_every_way_to_train_is_the_trainers():
    wanted = reference(8)
    headless = text_lab()
    headless.run(5)
    headless.run(3)
    by_hand = text_lab()
    for _ in range(8):
        by_hand.buttons["step"].click()
    playing = text_lab()
    playing.buttons["play"].click()
    while playing.trainer.step < 8:
        playing.ticker.interval = 1  # no time for a second step
        playing._look_at = 0  # look after each burst
        playing.ticker.value += 1
    playing.buttons["play"].click()
    for lab in (headless, by_hand, playing):
        assert lab.trainer.step == 8
        assert lab.state == "paused"
        assert torch.equal(weights(lab.trainer), wanted)


def test_the_phases_are_told():
    lab = text_lab()
    seen = [(lab.phase, said(lab.numbers))]
    for _ in range(8):
        lab.step()
        seen.append((lab.phase, said(lab.numbers)))
    assert [phase for phase, _ in seen] == ["mle"] * 5 + ["d_pretraining"] * 2 + ["adversarial"] * 2
    assert "phase maximum likelihood, 0 of 4" in seen[0][1]
    assert re.search(r"phase maximum likelihood, 4 of 4step 4loss of a token \d\.\d{3}$", seen[4][1])
    assert re.search(r"phase pretraining of D, 1 of 2step 5D loss \d\.\d{3}$", seen[5][1])
    assert re.search(r"phase adversarial rounds, 2 of 4step 8reward 0\.\d{3}D loss \d\.\d{3}$", seen[8][1])
    lab.run(3)
    assert "phase adversarial rounds, 5step 11" in said(lab.numbers)
    assert set(lab.curves) >= {"nll", "reward", "d_loss"}
    assert [len(lab.curves[name].array()) for name in ("nll", "reward", "d_loss")] == [4, 5, 7]
    assert re.search(r'aria-label="Mean reward from step 7 to 11: between [\d.]+ and [\d.]+, at last', lab.chart.value)


def test_a_reset_begins_again_with_the_same_networks():
    lab = text_lab()
    lab.run(2)
    lab.buttons["reset"].click()
    assert (lab.state, lab.trainer.step, lab.curves) == ("idle", 0, {})
    lab.run(8)
    assert torch.equal(weights(lab.trainer), reference(8))


def test_a_tick_trains_only_while_playing_and_never_beside_another():
    lab = text_lab()
    assert not lab.tick(0.01)
    assert lab.trainer.step == 0
    lab.play()
    assert lab.tick(0.001)
    assert lab.trainer.step == 1
    with lab.lock:
        answers = []
        other = threading.Thread(target=lambda: answers.append(lab.tick(0.001)))
        other.start()
        other.join()
    assert answers == [False]
    assert (lab.state, lab.message, lab.trainer.step) == ("playing", "", 1)
    with pytest.raises(InputError, match=re.escape("run: the lab is playing; pause it first")):
        lab.run(1)
    lab.pause()
    assert lab.buttons["play"].description == "Play"


def test_a_command_beside_a_long_cell_is_told_to_wait(monkeypatch):
    monkeypatch.setattr("gan_tutorial.live.training_panel._PATIENCE_S", 0.01)
    lab = text_lab()
    monkeypatch.setattr(lab, "_do", lambda work, do=lab._do: do(work, patience_s=0.01))
    with lab.lock:
        other = threading.Thread(target=lab.step)
        other.start()
        other.join()
    assert said(lab.problem) == "A cell is training this lab; wait until it is done"
    assert lab.trainer.step == 0


def test_the_process_keeps_its_threads_and_its_random_numbers():
    before, threads = torch.random.get_rng_state(), torch.get_num_threads()
    lab = text_lab(threads=1)
    lab.run(7)
    lab.set(temperature=0.5, beginning="春")
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.get_num_threads() == threads


def test_changes_go_to_the_recipe():
    lab = text_lab(mle_steps=0, seed=3, model__hidden=5)
    assert lab.trainer.settings.mle_steps == 0
    assert lab.trainer.networks["generator"].lstm.hidden_size == 5
    assert lab.trainer.seed == 3
    assert lab.phase == "d_pretraining"


# -- what there is to see -------------------------------------------------------------------------------------------
def test_the_same_uniforms_give_the_texts_of_every_moment():
    lab = text_lab()
    first = lab.samples()
    assert len(first) == 12
    assert lab.samples() == first
    assert text_lab().samples() == first
    assert text_lab(seed=1).samples() != first
    lab.run(6)
    assert lab.samples() != first
    rows = [re.sub("<[^>]*>", "", row) for row in re.findall(r'<span class="text-sample">(.*?)</span>(?=<span class="text-mean|</li>)', lab.texts.value)]  # fmt: skip  # noqa: E501
    shown = [row.replace("&lt;", "<").replace("&amp;", "&").replace("·", "") for row in rows]
    assert shown == [text or "(empty)" for text in lab.samples()]


def test_a_low_temperature_makes_texts_alike():
    lab = text_lab()
    lab.run(4)
    counts = []
    for temperature in (0.2, 2.0):
        lab.temperature.value = temperature  # as a hand does
        assert re.sub("<[^>]*>", "", lab.texts.value).count(lab.samples()[0].replace("&", "&amp;").replace("<", "&lt;"))
        counts.append(next(iter(lab.next_tokens("").values())))
    assert counts[0] > 2 * counts[1]


def test_rewards_are_shown_once_d_has_learned():
    lab = text_lab()
    lab.run(4)
    assert lab.rewards() is None
    assert "style=" not in lab.texts.value
    assert "Colours come as soon as D has learned" in lab.texts.value
    lab.step()
    rewards = lab.rewards()
    assert rewards.shape == (12, 6)
    assert ((rewards > 0) & (rewards < 1)).all()
    assert torch.equal(lab.rewards(), rewards)
    shown = re.findall(r'title="([\d.]+)"', lab.texts.value)
    rows = zip(rewards.tolist(), lab._tokens().tolist(), strict=True)
    lengths = [(row, max((i + 1 for i, token in enumerate(tokens) if token), default=0)) for row, tokens in rows]
    assert shown == [f"{value:.2f}" for row, length in lengths for value in row[:length]]
    # The last token's reward is D's verdict on the text itself.
    torch.testing.assert_close(rewards[:, -1], lab.trainer.algorithm.judge(lab._tokens()))
    # 4 completions of each beginning, drawn by a generator of the lab's own; the run itself keeps its 2.
    assert lab.trainer.settings.rollouts == 2
    lab.run(3)
    assert torch.equal(weights(lab.trainer), reference(8))


def test_without_a_discriminator_there_are_no_colours():
    lab = text_lab(reward="bleu", mle_steps=1)
    lab.run(2)
    assert lab.phase == "adversarial"
    assert lab.rewards() is None
    assert "no D is trained" in lab.texts.value


def test_what_may_come_next_is_what_g_says():
    lab = text_lab()
    lab.run(3)
    lab.beginning.value = "春花"
    lab.set(temperature=0.5)
    found = lab.next_tokens("春花")
    assert set(found) == set(VOCABULARY)
    assert sum(found.values()) == pytest.approx(1)
    assert list(found.values()) == sorted(found.values(), reverse=True)
    tokens = lab.dataset.encode(["春花月"])
    generator = lab.trainer.networks["generator"]
    with torch.no_grad():
        wanted = (generator(tokens)[0, 2] / 0.5).softmax(0)
        first = generator(tokens)[0, 0].div(0.5).softmax(0)
    assert found["月"] == pytest.approx(float(wanted[VOCABULARY.index("月")]), rel=1e-5)
    assert lab.next_tokens()["山"] == pytest.approx(float(first[VOCABULARY.index("山")]), rel=1e-5)
    assert "What may come after “春花”" in lab.next.value
    p = next(iter(found.values()))
    assert f'<div class="text-bar" style="width: {100 * p:.1f}%"></div>' in lab.next.value
    assert lab.next.value.count("<tr>") == 10
    lab.beginning.value = ""
    assert "What may come first" in lab.next.value


def test_words_are_joined_by_blanks():
    lab = text_lab(dataset=seasons(("", "the", "cat", "sat", "<b>"), " "))
    assert all(set(text.split()) <= {"the", "cat", "sat", "<b>"} for text in lab.samples())
    assert lab.next_tokens("the  cat ") == lab.next_tokens("the cat")
    assert lab.next_tokens("  ") == lab.next_tokens("")
    lab.set(beginning="<b> cat")
    assert "<b>" not in lab.next.value + lab.texts.value
    assert "after “&lt;b&gt; cat”" in lab.next.value


@pytest.mark.parametrize(
    ("beginning", "line"),
    [
        ("春x", "text: 'x' in '春x' is not among the 13 known to seasons"),
        ("<script>", "text: '<script>' is 8 long"),
        ("春夏秋冬山水", "beginning: '春夏秋冬山水' is not allowed; expected at most 5 tokens, so that one can follow"),
    ],
)
def test_a_beginning_that_cannot_be_is_one_line(beginning, line):
    lab = text_lab()
    if line.startswith("text: '<"):
        line = "beginning: '<script>' is not allowed; expected at most 5 tokens"
    lab.beginning.value = beginning
    shown = said(lab.next).replace("&#x27;", "'").replace("&lt;", "<").replace("&gt;", ">")
    assert shown.startswith(line)
    assert "\n" not in shown
    assert 'role="status"' in lab.next.value
    assert "<script>" not in lab.next.value
    assert lab.state == "idle"
    with pytest.raises(InputError, match=re.escape(line)):
        lab.set(beginning=beginning)
    lab.beginning.value = "春"
    assert "What may come after" in lab.next.value


def test_everything_is_escaped():
    lab = text_lab(dataset=seasons(("", "<img src=x>", "&", '"', "'")))
    lab.run(6)
    for widget in (lab.texts, lab.next, lab.numbers, lab.chart):
        assert "<img" not in widget.value
    assert "&lt;img src=x&gt;" in lab.texts.value


# -- errors ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TextLab("ring-mlp"), "recipe: 'ring-mlp' is not allowed; expected one of SeqGAN on texts"),
        (lambda: TextLab("seqgan-wrods"), "'seqgan-wrods' is not known"),
        (lambda: text_lab(language="xx"), "language: 'xx' is not known"),
        (lambda: text_lab(threads=0), "threads: 0 is not allowed"),
        (lambda: text_lab(seed=-1), "seed: -1 is not allowed"),
        (lambda: text_lab(lr=1), "setting: 'lr' is not known"),
        (lambda: text_lab().run(0), "steps: 0 is not allowed"),
        (lambda: text_lab().set(temperature=3), "temperature: 3 is not allowed; expected a finite number >= 0.2 and"),
        (lambda: text_lab().set(beginning=3), "beginning: 3 is not allowed; expected a text"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(InputError, match=re.escape(message)) as refused:
        make()
    assert "\n" not in str(refused.value)


def test_a_run_that_fails_says_so_and_can_be_reset(monkeypatch):
    lab = text_lab()
    lab.play()

    def failing(draw):
        raise RuntimeError("no <memory>\nsecond line")

    monkeypatch.setattr(lab.trainer.algorithm, "step", failing)
    lab.ticker.value = 1
    assert lab.state == "failed"
    assert lab.problem.value == '<div role="alert">RuntimeError: no &lt;memory&gt;</div>'
    assert lab.buttons["play"].disabled
    lab.step()
    lab.play()
    assert lab.state == "failed"
    with pytest.raises(InputError, match="run: the lab has failed; reset it first"):
        lab.run(1)
    lab.reset()
    assert (lab.state, lab.message) == ("idle", "")
    lab.run(1)


def test_a_run_that_diverges_says_why():
    lab = text_lab()
    with torch.no_grad():
        lab.trainer.networks["generator"].output.bias.fill_(float("nan"))
    with pytest.raises(DivergedError):
        lab.run(1)
    assert "nll is nan" in said(lab.problem)
    lab.temperature.value = 0.5  # nothing to draw from
    assert lab.state == "failed"


# -- the notebook ---------------------------------------------------------------------------------------------------
def test_a_notebook_keeps_a_picture_and_a_text_that_every_run_repeats(recwarn):
    lab = text_lab()
    lab.run(5)
    bundle, about = lab._repr_mimebundle_()
    assert bundle["text/plain"] == "<TextLab tiny at step 5>"
    with Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))) as picture:
        assert picture.height > 300
        assert len(set(picture.convert("L").get_flattened_data())) > 20
    assert about["image/png"]["alt"].startswith("Texts that G writes at step 5 (pretraining of D): ")
    assert lab.samples()[0] in about["image/png"]["alt"]
    view = bundle["application/vnd.jupyter.widget-view+json"]
    assert view["model_id"] == lab.box.model_id
    lab.close()
    assert "application/vnd.jupyter.widget-view+json" not in lab._repr_mimebundle_()[0]
    lab.run(1)
    assert repr(lab) == "<TextLab tiny at step 6>"
    assert not [w for w in recwarn if "Glyph" in str(w.message)]


def test_a_cell_that_runs_again_closes_its_earlier_lab(monkeypatch):
    monkeypatch.setattr(lab_module, "_here", lambda: ("cell", "1"))
    first = text_lab()
    first.play()
    monkeypatch.setattr(lab_module, "_here", lambda: ("cell", "2"))
    second = text_lab()
    assert first.closed
    assert first.state == "paused"
    assert not second.closed


def test_every_control_says_what_it_is():
    lab = text_lab()
    for control in (lab.temperature, lab.beginning):
        assert control.description
        assert getattr(control, "tooltip", "") or control.description_tooltip  # of ipywidgets 8, or 7
    assert all(button.description and button.tooltip for button in lab.buttons.values())
    lab.play()
    assert lab.buttons["play"].description == "Pause"
    lab.pause()


def test_a_page_that_comes_while_it_plays_is_told_to_tick():
    lab = text_lab()
    lab.play()
    heard = []
    name = "playing" if lab.ticker.has_trait("playing") else "_playing"
    lab.ticker.observe(lambda change: heard.append(change["new"]), name)
    lab.ticker._view_count = 1
    assert heard[-1:] == ([True] if name == "playing" else [])
    lab.pause()


# -- words ----------------------------------------------------------------------------------------------------------
def flat(entry, path=""):
    if isinstance(entry, str):
        return {path: entry}
    return {key: text for name, part in entry.items() for key, text in flat(part, f"{path}/{name}").items()}


@pytest.mark.parametrize("catalogue", [TEXT_LAB, SOUND_LAB], ids=["text", "sound"])
def test_both_languages_say_the_same_things(catalogue):
    english, chinese = flat(catalogue["en"]), flat(catalogue["zh"])
    assert english.keys() == chinese.keys()
    for path, text in chinese.items():
        holes = [sorted({h[1] for h in string.Formatter().parse(t) if h[1]}) for t in (text, english[path])]
        assert holes[0] == holes[1], path
        assert re.search("[一-鿿：]", text), path


def test_the_page_speaks_chinese():
    lab = text_lab(replace(RECIPE, name="微型"), language="zh")
    lab.run(5)
    assert lab.buttons["step"].description == "单步"
    assert "D 的预训练，第 1 / 2 步" in said(lab.numbers)
    assert "蓝色" in lab.texts.value
    assert lab._repr_mimebundle_()[1]["image/png"]["alt"].startswith("第 5 步")
