import json
import resource

import pytest
import torch

from gan_tutorial.errors import CheckpointError
from gan_tutorial.training import checkpoint

TENSORS = {
    "a.weight": torch.arange(6.0).view(2, 3),
    "count": torch.tensor(7),
    "rng": torch.arange(5, dtype=torch.uint8),
}
STATE = {"settings": {"lr": 0.1}, "position": 42}


def save(folder, step=10, keep=2, scale=1):
    return checkpoint.save(folder, step, {k: t * scale for k, t in TENSORS.items()}, STATE, keep)


def test_round_trip(tmp_path):
    tensors, state, step = checkpoint.load(save(tmp_path))
    assert (step, state) == (10, STATE)
    assert tensors.keys() == TENSORS.keys()
    for name, t in TENSORS.items():
        assert torch.equal(tensors[name], t)
        assert tensors[name].dtype == t.dtype


def test_any_memory_layout_and_shared_storage_are_kept_by_value(tmp_path):
    image = torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last)
    path = checkpoint.save(tmp_path, 1, {"x": image, "y": image, "part": image[:1]}, {}, 1)
    tensors, _, _ = checkpoint.load(path)
    assert torch.equal(tensors["x"], image)
    assert torch.equal(tensors["y"], image)
    assert torch.equal(tensors["part"], image[:1])


def test_keeps_the_newest_and_nothing_else(tmp_path):
    for step in (10, 20, 30, 40):
        save(tmp_path, step, scale=step)
    assert [p.name for p in checkpoint.steps(tmp_path)] == ["step-00000030.json", "step-00000040.json"]
    assert len(list(tmp_path.iterdir())) == 4


def test_saving_a_step_again_replaces_it(tmp_path):
    save(tmp_path, scale=1)
    tensors, _, _ = checkpoint.load(save(tmp_path, scale=3))
    assert torch.equal(tensors["count"], torch.tensor(21))
    assert len(list(tmp_path.iterdir())) == 2


def test_the_remains_of_a_crash_are_ignored_and_then_cleared(tmp_path):
    save(tmp_path, 10)
    (tmp_path / ".step-00000020.json.tmp").write_bytes(b'{"form')
    (tmp_path / "step-00000020-0123456789ab.safetensors").write_bytes(b"half a tensor file")
    assert checkpoint.load(checkpoint.steps(tmp_path)[-1])[2] == 10
    save(tmp_path, 30, scale=2)
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("file", ["json", "safetensors"])
@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "gone"])
def test_every_damage_is_found_and_named(tmp_path, file, damage):
    save(tmp_path, 10)
    path = save(tmp_path, 20, scale=2)
    victim = path if file == "json" else tmp_path / json.loads(path.read_text())["tensors"]
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    if damage == "gone":
        victim.unlink()
    else:
        victim.write_bytes({"cut": content[: len(content) // 2], "flip": content, "empty": b""}[damage])
    with pytest.raises(CheckpointError, match="step-00000020") as error:
        checkpoint.load(path)
    assert "\n" not in str(error.value)
    if (file, damage) != ("json", "gone"):
        assert "move it away to go on from 'step-00000010.json'" in str(error.value)
    assert checkpoint.load(tmp_path / "step-00000010.json")[2] == 10


@pytest.mark.parametrize(
    "content",
    [b"null", b"[]", b"{}", b"3", b"\xff\xfe", b'{"check": 1, "tensors": 3, "sha256": 1, "step": 1, "state": {}}'],
)
def test_foreign_files_are_refused(tmp_path, content):
    path = tmp_path / "step-00000001.json"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="is damaged"):
        checkpoint.load(path)


def test_a_tensor_file_outside_the_folder_is_refused(tmp_path):
    path = save(tmp_path)
    entry = json.loads(path.read_text())
    del entry["check"]
    entry["tensors"] = f"../{tmp_path.name}/{entry['tensors']}"
    path.write_text(json.dumps({**entry, "check": checkpoint._check(entry)}))
    with pytest.raises(CheckpointError, match="another format"):
        checkpoint.load(path)


def test_a_changed_number_in_the_json_is_found(tmp_path):
    path = save(tmp_path)
    path.write_text(path.read_text().replace('"position": 42', '"position": 43'))
    with pytest.raises(CheckpointError, match="changed after it was written"):
        checkpoint.load(path)


def test_a_full_disk_loses_nothing(tmp_path):
    """The kernel itself refuses to write more than 200 bytes into a file: what a full disk does, at the same call."""
    save(tmp_path, 10)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, hard))
    try:
        with pytest.raises(CheckpointError, match=r"step 20 could not be written .* last good checkpoint is") as error:
            save(tmp_path, 20, scale=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(error.value)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_write_atomically_keeps_the_old_content_when_the_rename_fails(tmp_path, monkeypatch):
    path = tmp_path / "file"
    checkpoint.write_atomically(path, b"old")

    def refuse(*_):
        raise OSError(5, "no")

    monkeypatch.setattr("os.replace", refuse)
    with pytest.raises(OSError, match="no"):
        checkpoint.write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
