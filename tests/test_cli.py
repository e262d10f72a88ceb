import json
import os
import signal
import subprocess
import sys
import time
import wave
from importlib import metadata

import pytest
import torch
from PIL import Image

from gan_tutorial import cli, data, plots
from gan_tutorial.metrics import inception

SMALL = [
    *("--device", "cpu", "--set", "model.g_width=8", "--set", "model.d_width=8", "--set", "batch_size=16"),
    *("--set", "sample_every=10", "--set", "checkpoint_every=10", "--set", "log_every=5"),
]


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """The command line in this process, in a folder of its own: run(*arguments) -> exit code, output, errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli.out, "width", 160)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["gan-tutorial", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code or 0
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_train_writes_a_run_that_sample_reads(run, tmp_path):
    code, output, _ = run("train", "dcgan-digits8", "--steps", 20, *SMALL)
    assert code == 0
    assert "20 steps done" in output
    folder = tmp_path / "runs" / "dcgan-digits8"
    assert sorted(p.name for p in (folder / "samples").iterdir()) == ["step-000010.png", "step-000020.png"]
    assert [json.loads(x)["step"] for x in (folder / "metrics.jsonl").read_text().splitlines()] == [5, 10, 15, 20]
    code, output, _ = run("sample", folder, "--n", 9, "--out", "grid.png", "--device", "cpu")
    assert code == 0
    assert "9 samples of step 20" in output
    with Image.open("grid.png") as picture:
        # 3 x 3 images of 8 px, each drawn 8 times larger, with gaps of 2 px.
        assert picture.size == (3 * (64 + 2) + 2, 3 * (64 + 2) + 2)
        assert len(picture.getcolors(256)) > 10


def test_points_are_drawn_over_real_points(run, tmp_path):
    assert run("train", "ring-mlp", "--steps", 5, "--out", "r", *SMALL)[0] == 0
    with Image.open("r/samples/step-000005.png") as picture:
        colours = {rgb[:3] for _, rgb in picture.convert("RGBA").getcolors(2**24)}
    assert len(colours) > 50


def test_resume_goes_on_to_a_longer_end(run):
    assert run("train", "ring-mlp", "--steps", 12, *SMALL)[0] == 0
    code, output, _ = run("train", "ring-mlp", "--steps", 12, "--resume", *SMALL)
    assert (code, "already has its 12 steps" in output) == (0, True)
    code, output, _ = run("train", "ring-mlp", "--steps", 15, "--resume", *SMALL)
    assert (code, "going on at step 12" in output, "15 steps done" in output) == (0, True, True)
    code, output, _ = run("train", "ring-mlp", "--steps", 3, "--out", "new", "--resume", *SMALL)
    assert (code, "starting at step 0" in output) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "dcgan-mnst"], "recipe: 'dcgan-mnst' is not known; did you mean 'dcgan-mnist'"),
        (["train", "ring-mlp", "--steps", "0"], "steps: 0 is not allowed; expected an integer >= 1"),
        (["train", "ring-mlp", "--set", "lr_g"], "--set: 'lr_g' is not allowed; expected KEY=VALUE"),
        (["train", "ring-mlp", "--set", "loss=hing"], "loss: 'hing' is not known; did you mean 'hinge'"),
        (["train", "ring-mlp", "--set", "data=mnits"], "data: 'mnits' is not known; did you mean 'mnist'"),
        (
            ["train", "ring-mlp", "--set", "data=mnist", "--set", "model=dcgan"],
            "sample_shape: (1, 28, 28) is not allowed",
        ),
        (["train", "ring-mlp", "--seed", "-1"], "seed: -1 is not allowed"),
        (["train", "ring-mlp", "--device", "gpu"], "device: 'gpu' is not known"),
        (["train", "ring-mlp", "--device", "cuda:77"], "device: 'cuda:77' is not available"),
        (["train", "dcgan-mnist", "--set", "data=folder:nowhere"], "nowhere"),
        (["train", "ring-mlp", "--tracker", "tensorbord", "--steps", "1"], "tracker: 'tensorbord' is not known"),
        (["sample", "nowhere"], "run: 'nowhere' holds no run"),
        (["sample", "nowhere", "--n", "0"], "n: 0 is not allowed"),
        (["sample", "nowhere", "--out", "grid.jpg"], "out: 'grid.jpg' is not allowed"),
        (["recipes", "ring"], "recipe: 'ring' is not known; did you mean 'ring-mlp'"),
        (["lab", "nowhere.ipynb"], "notebook: 'nowhere.ipynb' is not allowed"),
        (["zoo", "show", "dcgan-mnits"], "pretrained model: 'dcgan-mnits' is not known; did you mean 'dcgan-mnist'"),
        (["zoo", "sample", "dcgan-mnits"], "pretrained model: 'dcgan-mnits' is not known"),
        (["zoo", "sample", "dcgan-mnist", "--n", "0"], "n: 0 is not allowed"),
        (["zoo", "sample", "dcgan-mnist", "--out", "grid.jpg"], "out: 'grid.jpg' is not allowed"),
        (["zoo", "sample", "dcgan-mnist", "--seed", "-1"], "seed: -1 is not allowed"),
        (
            ["zoo", "sample", "dcgan-mnist", "--label", "3"],
            "label: '3' is not allowed; expected none, since",
        ),
        (
            ["zoo", "sample", "dcgan-mnist", "--psi", "0.7"],
            "psi: 0.7 is not allowed; expected none: dcgan-mnist",
        ),
        (["zoo", "push", "dcgan-mnits", "me/it"], "pretrained model: 'dcgan-mnits' is not known"),
    ],
)
def test_what_the_user_got_wrong_is_one_line_and_exit_code_2(run, tmp_path, arguments, message):
    code, output, errors = run(*arguments)
    assert code == 2
    assert message in errors
    assert errors.startswith("error: ")
    assert errors.count("\n") == 1
    assert "Traceback" not in output + errors


@pytest.mark.filterwarnings("default")
def test_an_unreadable_picture_stops_the_run_or_is_noted(run, tmp_path):
    for i, image in enumerate(plots.to_uint8(data.load("avatars")[:30].x)):
        Image.fromarray(image).save(tmp_path / f"{i}.png")
    (tmp_path / "bad.png").write_bytes(b"not a picture")
    arguments = ["train", "dcgan-avatars", "--steps", 1, "--set", f"data=folder:{tmp_path}", "--set", "data.size=16"]
    code, _, errors = run(*arguments, *SMALL)
    assert (code, "bad.png" in errors, errors.count("\n")) == (2, True, 1)
    code, _, errors = run(*arguments, "--set", "data.skip_unreadable=true", *SMALL)
    assert code == 0
    assert errors.startswith("note: ")
    assert "bad.png" in errors


def test_the_installed_command_is_this_one():
    (command,) = metadata.entry_points(group="console_scripts", name="gan-tutorial")
    assert command.load() is cli.main


def test_a_folder_that_holds_a_run_or_a_file_is_kept(run, tmp_path):
    assert run("train", "ring-mlp", "--steps", 3, *SMALL)[0] == 0
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    code, _, errors = run("train", "ring-mlp", "--steps", 3, *SMALL)
    assert (code, "already holds a run; resume it" in errors) == (2, True)
    (tmp_path / "mine.png").write_bytes(b"precious")
    code, _, errors = run("sample", "runs/ring-mlp", "--out", "mine.png")
    assert (code, "out: 'mine.png' is not allowed" in errors) == (2, True)
    assert (tmp_path / "mine.png").read_bytes() == b"precious"
    assert {p: p.read_bytes() for p in before} == before


def test_a_damaged_checkpoint_is_named(run, tmp_path):
    assert run("train", "ring-mlp", "--steps", 3, *SMALL)[0] == 0
    (tensors,) = tmp_path.rglob("*.safetensors")
    tensors.write_bytes(tensors.read_bytes()[:-1])
    for arguments in (["sample", "runs/ring-mlp"], ["train", "ring-mlp", "--steps", 3, "--resume", *SMALL]):
        code, _, errors = run(*arguments)
        assert (code, "step-00000003.json' is damaged" in errors, errors.count("\n")) == (2, True, 1)


def test_a_diverged_run_is_one_line_and_exit_code_1(run):
    code, _, errors = run(
        "train", "ring-mlp", "--steps", 300, "--set", "lr_d=1e30", "--set", "loss=wasserstein", *SMALL
    )
    assert code == 1
    assert errors.startswith("stopped: step ")
    assert "what usually helps: lower lr_d" in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize("command", [["recipes"], ["zoo", "list"]])
def test_a_narrow_window_cuts_no_name_short(run, monkeypatch, command):
    from gan_tutorial import cli, zoo
    from gan_tutorial.training import recipes

    monkeypatch.setattr(cli.out, "width", 80)
    _, output, _ = run(*command)
    words = output.split()
    assert all(name in words for name in (recipes() if command == ["recipes"] else [e.name for e in zoo.list()]))


def test_texts_and_sounds_are_trained_and_written(run, tmp_path):
    tiny = ["--set", "mle_steps=1", "--set", "d_pretraining=1", "--set", "d_samples=8", "--set", "batch_size=4"]
    code, output, _ = run("train", "seqgan-words", "--steps", 3, "--set", "sample_every=1", *tiny)
    assert code == 0
    assert "step 1 of 3  nll " in output
    assert sorted(p.name for p in (tmp_path / "runs/seqgan-words/samples").iterdir())[-1] == "step-000003.txt"
    assert run("sample", "runs/seqgan-words", "--n", 5)[0] == 0
    assert len((tmp_path / "samples.txt").read_text().splitlines()) == 5
    code, _, errors = run("sample", "runs/seqgan-words", "--out", "mine.wav")
    assert code == 2
    assert errors == "error: out: 'mine.wav' is not allowed; expected a name that ends in .txt\n"
    small = [
        "--set",
        "data.per_class=4",
        "--set",
        "batch_size=4",
        "--set",
        "model.g_width=8",
        "--set",
        "model.d_width=8",
    ]
    assert run("train", "wavegan-drums-small", "--steps", 1, *small)[0] == 0
    assert run("sample", "runs/wavegan-drums-small", "--n", 2)[0] == 0
    assert (tmp_path / "samples.wav").read_bytes()[:4] == b"RIFF"
    assert run("sample", "runs/wavegan-drums-small", "--n", 2, "--out", "two.png")[0] == 0


def test_lists_show_what_there_is(run):
    from gan_tutorial.training import recipe, recipes

    _, output, _ = run("recipes")
    assert all(name in output for name in recipes())
    _, output, _ = run("recipes", "ring-mlp")
    assert json.loads(output) == recipe("ring-mlp").to_json()
    _, output, _ = run("data")
    assert all(name in output for name in data.names())
    _, output, _ = run("info")
    assert "torch" in output


def test_a_conditional_run_can_be_asked_for_one_class(run, tmp_path):
    assert run("train", "cgan-avatars", "--steps", 2, *SMALL)[0] == 0
    for label, path in (("hat", "by_name.png"), ("2", "by_number.png"), (None, "all.png")):
        asked = [] if label is None else ["--label", label]
        assert run("sample", "runs/cgan-avatars", "--n", 8, "--out", path, "--device", "cpu", *asked)[0] == 0
    by_name, by_number, every = (
        Image.open(tmp_path / f"{name}.png").tobytes() for name in ("by_name", "by_number", "all")
    )
    assert by_name == by_number != every
    code, _, errors = run("sample", "runs/cgan-avatars", "--label", "hut", "--device", "cpu")
    assert (code, errors.count("\n")) == (2, 1)
    assert "label: 'hut' is not known; did you mean 'hat'" in errors
    assert run("train", "dcgan-digits8", "--steps", 1, *SMALL)[0] == 0
    code, _, errors = run("sample", "runs/dcgan-digits8", "--label", "3", "--device", "cpu")
    assert (code, "label: '3' is not allowed; expected none" in errors) == (2, True)


def test_the_zoo_is_listed_shown_and_sampled(run, tmp_path):
    from gan_tutorial import zoo

    code, output, _ = run("zoo", "list")
    assert code == 0
    assert all(entry.name in output for entry in zoo.list())
    code, output, _ = run("zoo", "show", "dcgan-mnist")
    assert (code, output.strip()) == (0, zoo.card("dcgan-mnist").strip())
    for seed in (0, 0, 1):
        path = f"{len(list(tmp_path.iterdir()))}.png"
        assert run("zoo", "sample", "dcgan-mnist", "--n", 9, "--seed", seed, "--out", path)[0] == 0
    first, again, other = (Image.open(tmp_path / f"{i}.png") for i in range(3))
    assert first.size == (3 * (64 + 2) + 2, 3 * (64 + 2) + 2)
    assert first.tobytes() == again.tobytes() != other.tobytes()
    code, _, errors = run("zoo", "sample", "dcgan-mnist", "--out", "0.png")
    assert (code, "out: '0.png' is not allowed" in errors) == (2, True)


def test_the_zoo_writes_texts_and_sounds(run, tmp_path):
    from gan_tutorial import zoo

    assert run("zoo", "sample", "seqgan-words", "--n", 5)[0] == 0
    words = (tmp_path / "samples.txt").read_text(encoding="utf-8").splitlines()
    assert words == zoo.entry("seqgan-words").decode(zoo.sample("seqgan-words", 5))
    cool = tmp_path / "cool.txt"
    assert run("zoo", "sample", "seqgan-words", "--n", 5, "--temperature", 1e-3, "--out", cool)[0] == 0
    assert len(set(cool.read_text(encoding="utf-8").splitlines())) == 1
    assert run("zoo", "sample", "wavegan-drums", "--n", 2, "--label", "snare", "--out", "snares.wav")[0] == 0
    with wave.open(str(tmp_path / "snares.wav")) as file:
        assert (file.getframerate(), file.getnchannels()) == (16_000, 1)
        assert file.getnframes() >= 2 * 16_384
    code, _, errors = run("zoo", "sample", "seqgan-words", "--out", "words.png")
    assert (code, "out: 'words.png' is not allowed; expected a name that ends in .txt" in errors) == (2, True)
    code, _, errors = run("zoo", "sample", "dcgan-mnist", "--temperature", 2)
    assert (code, "temperature: 2.0 is not allowed" in errors) == (2, True)


def test_a_generator_is_evaluated_once_a_folder(run, tmp_path):
    folder = tmp_path / "report"
    command = ("evaluate", "zoo:seqgan-words", "--n", 40, "--metrics", "novel, bleu", "--out", folder)
    code, output, _ = run(*command)
    assert code == 0
    found = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    assert found["metrics"].keys() == {"novel", "bleu"}
    assert f"{found['metrics']['bleu']['value']:.3f}" in output
    assert "<h1>Evaluation of zoo:seqgan-words</h1>" in (folder / "evaluation.html").read_text(encoding="utf-8")
    code, _, errors = run(*command)
    assert (code, "a folder without an evaluation" in errors) == (2, True)
    code, _, errors = run("evaluate", "zoo:seqgan-words", "--metrics", "fid")
    assert (code, "metric: 'fid' is not known" in errors, "\n" in errors.strip()) == (2, True, False)
    assert not (tmp_path / "evaluation.json").exists()


def test_a_generator_is_evaluated_with_inception(run, tmp_path, monkeypatch):
    class Small(inception.InceptionV3):
        def __init__(self):
            torch.nn.Module.__init__(self)
            self.fc = torch.nn.Linear(1, 3)

        @torch.no_grad()
        def forward(self, x):
            return self.fc(x.mean((1, 2, 3)).unsqueeze(1))

    monkeypatch.setattr(inception, "InceptionV3", Small)
    torch.save(Small().state_dict(), tmp_path / "w.pth")
    command = ("evaluate", "zoo:cgan-avatars", "--n", 20, "--metrics", "fid", "--device", "cpu", "--inception", "w.pth")
    code, output, _ = run(*command)
    assert code == 0
    value = json.loads((tmp_path / "evaluation.json").read_text(encoding="utf-8"))["metrics"]["inception_fid"]["value"]
    page = (tmp_path / "evaluation.html").read_text(encoding="utf-8")
    for place in (output, page):
        assert "FID (Inception-v3)" in place
        assert f"{value:.3f}" in place


def test_pushing_says_where_it_is_or_what_is_missing(run, monkeypatch):
    hub = pytest.importorskip("gan_tutorial.zoo.hub")
    monkeypatch.setattr(hub.huggingface_hub, "get_token", lambda: None)
    code, _, errors = run("zoo", "push", "dcgan-mnist", "me/digits")
    assert (code, errors) == (2, "error: hub: you are not logged in; run 'hf auth login', or set HF_TOKEN\n")
    monkeypatch.setattr(hub, "push_to_hub", lambda name, repo, private: f"there/{repo}/{private}")
    code, output, _ = run("zoo", "push", "dcgan-mnist", "me/digits", "--private")
    assert (code, output) == (0, "dcgan-mnist is at there/me/digits/True\n")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    monkeypatch.delitem(sys.modules, "gan_tutorial.zoo.hub")
    code, _, errors = run("zoo", "push", "dcgan-mnist", "me/digits")
    assert (code, "pip install 'gan-tutorial[hub]'" in errors, errors.count("\n")) == (2, True, 1)


@pytest.mark.parametrize("command", ["show", "sample", "push"])
def test_every_command_of_the_zoo_has_help(run, command):
    code, output, _ = run("zoo", command, "--help")
    assert (code, "Example" in output) == (0, True)


@pytest.mark.parametrize("command", ["train", "sample", "recipes", "data", "lab", "info"])
def test_every_command_has_help(run, command):
    code, output, _ = run(command, "--help")
    assert code == 0
    assert "Usage: gan-tutorial" in output
    if command not in ("data", "info"):
        assert "Example" in output


def test_lab_opens_on_the_notebook(tmp_path):
    inside, outside = tmp_path / "a b" / "n.ipynb", tmp_path.parent / "n.ipynb"
    assert cli._lab_arguments(inside, tmp_path)[1:3] == [
        f"--ServerApp.root_dir={tmp_path}",
        "--LabApp.default_url=/lab/tree/a%20b/n.ipynb",
    ]
    assert f"--ServerApp.root_dir={tmp_path.parent}" in cli._lab_arguments(outside, tmp_path)


def test_the_starter_notebook_is_written_once(tmp_path):
    path = cli._starter(tmp_path / "lab.ipynb")
    import nbformat

    nbformat.validate(nbformat.read(path, as_version=4))
    path.write_text("mine")
    assert cli._starter(path).read_text() == "mine"


def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path):
    command = [sys.executable, "-m", "gan_tutorial", "train", "ring-mlp", "--steps", "100000", *SMALL]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    child = subprocess.Popen(
        command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    log = tmp_path / "runs" / "ring-mlp" / "metrics.jsonl"
    deadline = time.monotonic() + 120
    while not log.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    output, _ = child.communicate(timeout=60)
    assert child.returncode == 130, output
    assert "Traceback" not in output
    step = int(output.split("stopped and saved at step ")[1].split(";")[0])
    assert list(tmp_path.rglob(f"step-{step:08d}.json"))
    again = output.strip().splitlines()[-1].strip()
    assert again.startswith("python -m gan_tutorial train ring-mlp")
    assert again.endswith("--resume")
    words = again.replace("--steps 100000", f"--steps {step + 5}").split()[1:]
    done = subprocess.run([sys.executable, *words], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120)
    assert f"going on at step {step}" in done.stdout
    assert done.returncode == 0
