"""The zoo and the Hugging Face Hub, without a network: folders, a Hub that is played, and one that is not there."""

import copy
import hashlib
import json
import shutil
import socket
import subprocess
import sys
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
import torch

from gan_tutorial import data, zoo
from gan_tutorial.errors import CheckpointError, InputError
from gan_tutorial.training import recipe

huggingface_hub = pytest.importorskip("huggingface_hub")
from gan_tutorial.zoo import hub  # noqa: E402 (it needs huggingface_hub)

NAME = "dcgan-mnist"


@pytest.fixture
def folder(tmp_path):
    hub.save_pretrained(NAME, tmp_path / "model")
    return tmp_path / "model"


def answering_at(monkeypatch, address):
    """The Hub's address, in both of the places where the library keeps it."""
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", address)
    pattern = address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", pattern)


@pytest.fixture(autouse=True)
def no_network(monkeypatch, tmp_path):
    """No token, an empty cache, an address at which nobody answers, and no look-up of any other."""
    look_up = socket.getaddrinfo

    def here_only(host, *rest, **options):
        assert host in ("127.0.0.1", "localhost"), f"a test looked up {host}"
        return look_up(host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", here_only)
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"
    answering_at(monkeypatch, nobody)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)


@pytest.fixture
def refusing(monkeypatch):
    """A Hub that answers everything with a status: `refusing(401)`."""
    servers = []

    def start(status):
        class Answer(BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                if status == 404:
                    self.send_header("X-Error-Code", "RepoNotFound")
                self.end_headers()

            do_GET = do_HEAD = do_POST

            def log_message(self, *_):
                pass

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Answer))
        threading.Thread(target=servers[-1].serve_forever, args=(0.02,), daemon=True).start()
        answering_at(monkeypatch, f"http://127.0.0.1:{servers[-1].server_port}")

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def said_in_one_line(caught):
    assert "\n" not in str(caught.value)
    return str(caught.value)


# -- folders -----------------------------------------------------------------------------------------------------------
def test_a_folder_gives_the_same_generator(folder):
    mine, theirs = zoo.load(NAME), hub.from_pretrained(folder)
    assert isinstance(theirs, torch.nn.Module)
    z = torch.randn(4, theirs.z_dim, generator=torch.Generator().manual_seed(0))
    assert torch.equal(mine(z), theirs(z))
    assert (theirs.z_dim, theirs.num_classes, theirs.sample_shape) == (64, 0, (1, 32, 32))
    assert theirs.recipe == zoo.entry(NAME).recipe
    assert not theirs.training
    assert not any(p.requires_grad for p in theirs.parameters())
    assert torch.equal(copy.deepcopy(theirs)(z), theirs(z))
    with pytest.raises(AttributeError, match="mapping"):
        _ = theirs.mapping


def test_a_folder_gives_texts_and_sounds_back(tmp_path):
    for name, options in (
        ("seqgan-words", {"model__hidden": 8}),
        ("wavegan-drums-small", {"model__g_width": 4, "data__per_class": 8}),
    ):
        mine = recipe(name, **options)
        blueprint = zoo.Blueprint.of(mine, data.load(mine.data, **mine.data_options))
        model = hub.Pretrained(**blueprint.to_json())
        model.save_pretrained(tmp_path / name)
        again = hub.from_pretrained(tmp_path / name)
        assert again.blueprint == blueprint
        assert torch.equal(zoo.draw(model.generator, mine, 4), zoo.draw(again.generator, mine, 4))


def test_a_folder_holds_plain_files_and_the_very_weights_of_the_card(folder):
    assert {p.name for p in folder.iterdir()} == {"config.json", "model.safetensors", "README.md", f"{NAME}.webp"}
    config = json.loads((folder / "config.json").read_text())
    assert config.keys() == {"recipe", "sample_shape", "class_names"}
    assert config["sample_shape"] == [1, 32, 32]
    content = (folder / "model.safetensors").read_bytes()
    assert hashlib.sha256(content).hexdigest() == zoo.entry(NAME).sha256
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\nlicense: cc-by-sa-3.0\n")
    assert "# dcgan-mnist" in card
    front = huggingface_hub.ModelCard(card).data
    assert (front.license, front.library_name) == ("cc-by-sa-3.0", "gan-tutorial")


def test_the_zoo_has_the_same_functions(folder):
    assert zoo.from_pretrained is hub.from_pretrained
    assert zoo.save_pretrained is hub.save_pretrained
    assert zoo.push_to_hub is hub.push_to_hub
    with pytest.raises(AttributeError, match="nothing"):
        _ = zoo.nothing


def test_your_own_generator_with_classes(tmp_path):
    r = recipe("cgan-avatars", model__g_width=8)
    mine = hub.Pretrained(r.to_json(), [3, 16, 16], ["a", "b"])
    torch.nn.init.normal_(mine.generator.first.weight, generator=torch.Generator().manual_seed(0))
    mine.save_pretrained(tmp_path)
    theirs = hub.Pretrained.from_pretrained(tmp_path)
    z, labels = torch.randn(3, 64, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 1])
    assert torch.equal(mine(z, labels), theirs(z, labels))
    assert (theirs.num_classes, theirs.class_names) == (2, ("a", "b"))
    assert "dcgan" not in (tmp_path / "README.md").read_text()  # no card of a model that it isn't


def test_changed_weights_lose_the_card(tmp_path):
    mine = hub.pretrained(NAME)
    mine.generator.first.weight.mul_(1.01)
    mine.save_pretrained(tmp_path)
    assert "Classifier-FID" not in (tmp_path / "README.md").read_text()
    assert torch.equal(hub.from_pretrained(tmp_path).generator.first.weight, mine.generator.first.weight)


def test_a_file_that_is_in_the_way_is_named(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="can't be written") as caught:
        hub.save_pretrained(NAME, tmp_path / "file")
    said_in_one_line(caught)
    assert (tmp_path / "file").read_text() == "mine"


def broken(folder, what):
    config, weights = folder / "config.json", folder / "model.safetensors"
    values, content = json.loads(config.read_text()), weights.read_bytes()
    if what == "no config":
        config.unlink()
    elif what == "no weights":
        weights.unlink()
    elif what == "config cut short":
        config.write_text(config.read_text()[:-20])
    elif what == "another config":
        config.write_text('{"model_type": "bert"}')
    elif what == "a list":
        config.write_text("[1, 2]")
    elif what == "an unknown model":
        values["recipe"]["model"] = "os.system"
        config.write_text(json.dumps(values))
    elif what == "another width":
        values["recipe"]["model_options"]["g_width"] = 16
        config.write_text(json.dumps(values))
    elif what == "a shape of words":
        values["sample_shape"] = "large"
        config.write_text(json.dumps(values))
    elif what == "weights cut short":
        weights.write_bytes(content[:-8])
    elif what == "a pickle":
        weights.write_bytes(b"\x80\x04cos\nsystem\n" + bytes(64))


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("no config", "expected a folder that holds config.json"),
        ("no weights", "expected a folder that holds model.safetensors"),
        ("config cut short", "holds no generator of this package"),
        ("another config", "holds no generator of this package"),
        ("a list", "holds no generator of this package"),
        ("an unknown model", "model: 'os.system' is not known"),
        ("another width", "they do not fit the recipe"),
        ("a shape of words", "holds no generator of this package"),
        ("weights cut short", "holds no generator of this package"),
        ("a pickle", "holds no generator of this package"),
    ],
)
def test_a_damaged_or_foreign_folder_is_one_line(folder, what, message):
    broken(folder, what)
    with pytest.raises(InputError) as caught:
        hub.from_pretrained(folder)
    assert message in said_in_one_line(caught)
    assert str(folder) in str(caught.value)
    assert isinstance(caught.value, CheckpointError) == ("expected" not in message)


# -- the Hub -----------------------------------------------------------------------------------------------------------
def test_what_is_pushed_can_be_loaded(tmp_path, monkeypatch):
    calls = []

    def create(self, repo_id, **options):
        calls.append((repo_id, options["private"]))
        return SimpleNamespace(repo_id=repo_id)

    def upload(self, *, repo_id, folder_path, **_):
        calls.append(repo_id)
        shutil.copytree(folder_path, tmp_path / "there")
        return f"https://example.org/{repo_id}/commit/1"

    monkeypatch.setattr(huggingface_hub.HfApi, "create_repo", create)
    monkeypatch.setattr(huggingface_hub.HfApi, "upload_folder", upload)
    address = hub.push_to_hub(NAME, "me/digits", private=True, token="mine")
    assert address == "https://example.org/me/digits/commit/1"
    assert calls == [("me/digits", True), "me/digits"]
    # From the Hub a repository arrives in a folder of the cache.
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda repo, name, **_: str(tmp_path / "there" / name))
    assert torch.equal(hub.from_pretrained("me/digits").first.weight, zoo.load(NAME).first.weight)


def test_without_a_login_nothing_is_asked():
    with pytest.raises(InputError, match="you are not logged in; run 'hf auth login'") as caught:
        hub.push_to_hub(NAME, "me/digits")
    said_in_one_line(caught)


def test_without_a_network_it_is_one_line(monkeypatch):
    with pytest.raises(InputError, match="'dcgan-mnist' can't be pushed to 'me/digits'") as caught:
        hub.push_to_hub(NAME, "me/digits", token="mine")
    said_in_one_line(caught)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)  # or it would try again for 20 seconds
    with pytest.raises(InputError, match="'me/digits' can't be read") as caught:
        hub.from_pretrained("me/digits")
    said_in_one_line(caught)


@pytest.mark.parametrize(
    ("status", "message"), [(401, "log in with 'hf auth login'"), (403, "log in"), (400, "the Hub says 400")]
)
def test_a_hub_that_refuses_is_one_line(refusing, status, message):
    refusing(status)
    with pytest.raises(InputError, match="can't be pushed") as caught:
        hub.push_to_hub(NAME, "me/digits", token="mine")
    assert message in said_in_one_line(caught)


def test_a_repository_that_is_not_there_is_one_line(refusing):
    refusing(404)
    with pytest.raises(InputError, match="'me/digits' can't be read: there is no such repository") as caught:
        hub.from_pretrained("me/digits")
    said_in_one_line(caught)


@pytest.mark.parametrize("name", ["no such folder/at all/here", "../up", "a" * 200])
def test_a_name_that_can_not_be_is_one_line(name):
    with pytest.raises(InputError, match="can't be read") as caught:
        hub.from_pretrained(name)
    said_in_one_line(caught)


def test_without_the_library_it_is_one_line():
    code = (
        "import sys; sys.modules['huggingface_hub'] = None\n"
        "from gan_tutorial import zoo\n"
        "from gan_tutorial.errors import InputError\n"
        "zoo.load('dcgan-mnist')\n"
        "try: zoo.from_pretrained('me/digits')\n"
        "except InputError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == (
        "hub: huggingface_hub is not installed; install it with: pip install 'gan-tutorial[hub]'"
    )
