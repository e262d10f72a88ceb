"""The reader of official pickles: honest files come out as they went in, and no other file does anything."""

import io
import os
import pickle
import random
import resource
import subprocess
import sys
from collections import OrderedDict

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from gan_tutorial.errors import CheckpointError
from gan_tutorial.zoo.pickle_names import Persistent
from gan_tutorial.zoo.plain_pickle import read
from gan_tutorial.zoo.tensor_files import read_tensors, read_torch
from tests.zoo import genuine, hostile

MEMORY = 500 << 20  # bytes that no file of the corpus may make the process grow by; the largest has 3 MB


def put(folder, content, name="network.pkl"):
    path = folder / name
    path.write_bytes(content)
    return path


def same(got, put_in):
    """What was read is what was saved: values, types of numbers, shapes, gradients; names instead of classes."""
    if isinstance(put_in, genuine.Network):
        assert type(got) is Persistent
        assert got.class_name == put_in.class_name
        same(got.state, put_in.state)
    elif isinstance(put_in, dict):
        assert type(got) is dict
        assert list(got) == list(put_in)
        for key in put_in:
            same(got[key], put_in[key])
    elif isinstance(put_in, Tensor):
        assert isinstance(got, nn.Parameter) == isinstance(put_in, nn.Parameter)
        assert got.requires_grad == put_in.requires_grad
        assert got.stride() == put_in.stride()
        torch.testing.assert_close(got, put_in, rtol=0, atol=0)
    elif isinstance(put_in, np.ndarray):
        assert type(got) is np.ndarray
        assert got.dtype == put_in.dtype.newbyteorder("=")
        np.testing.assert_array_equal(got, put_in, strict=False)
    elif isinstance(put_in, list | tuple):
        assert type(got) is type(put_in)
        assert len(got) == len(put_in)
        for one, other in zip(got, put_in, strict=True):
            same(one, other)
    else:
        assert type(got) is type(put_in)
        assert got == put_in


def refused(path, words=(), reader=read):
    """The one line that refuses `path`, which says all of `words`."""
    with pytest.raises(CheckpointError) as caught:
        reader(path)
    line = str(caught.value)
    assert line.isprintable(), line  # one line, without anything that moves a cursor
    assert len(line) < 500
    assert repr(str(path)) in line
    for word in words:
        assert word in line, line
    return line


@pytest.fixture
def nothing_runs(tmp_path, monkeypatch):
    """The folder that attacks act in: afterwards it holds what it held, and the process has not grown."""
    monkeypatch.chdir(tmp_path)
    modules = set(sys.modules)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield tmp_path
    unit = 1 if sys.platform == "darwin" else 1024
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit < MEMORY
    assert len(list(tmp_path.iterdir())) <= 1
    assert not (tmp_path / "canary").exists()
    assert not {m for m in set(sys.modules) - modules if m.split(".")[0] in ("antigravity", "webbrowser", "pty")}


# -- honest files ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("protocol", range(2, 6))
def test_what_was_saved_comes_back(nothing_runs, protocol):
    same(read(put(nothing_runs, genuine.official(protocol))), genuine.contents())


@pytest.mark.parametrize("protocol", [2, 3])
def test_files_of_older_numpy(nothing_runs, protocol):
    content = genuine.official(protocol)
    assert b"numpy._core.multiarray\n" in content
    same(read(put(nothing_runs, content.replace(b"numpy._core", b"numpy.core"))), genuine.contents())


@pytest.mark.parametrize("protocol", [0, 1])
def test_settings_in_the_oldest_protocols(tmp_path, protocol):
    settings = {"a": [1, -(2**40), 0.5, True, False, None, "text\n\u732b", "\u00e9"], "b": {"c": (1, (2, 3, 4, 5), ())}}
    same(read(put(tmp_path, genuine.official(protocol, settings))), settings)


def test_numbers_that_were_shared_stay_shared(tmp_path):
    x = torch.arange(6.0)
    got = read(put(tmp_path, genuine.official(4, [x, x])))
    assert got[0] is got[1]
    y = torch.arange(6.0)
    torch.save({"whole": y, "part": y[2:4]}, tmp_path / "a.pt")
    got = read_torch(tmp_path / "a.pt")
    got["whole"][2] = 7
    assert got["part"][0] == 7


def test_attributes_and_entries_with_the_names_of_methods_are_only_names(tmp_path):
    settings = genuine.EasyDict({"__class__": "os.system", "__setstate__": 1, "keys": 2, "__dict__": {"a": 1}})
    same(read(put(tmp_path, genuine.official(4, {"training_set_kwargs": settings}))), {"training_set_kwargs": settings})


def test_reading_needs_no_official_module(tmp_path):
    """A process that never had them reads the file, and has imported nothing of what it names."""
    path = put(tmp_path, genuine.official())
    code = (
        "import sys; from gan_tutorial.zoo.plain_pickle import read; before = set(sys.modules); "
        f"print(sorted(read({str(path)!r}))); print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    keys, imported = done.stdout.splitlines()
    assert keys == "['D', 'G', 'G_ema', 'augment_pipe', 'training_set_kwargs']"
    assert not [m for m in ("torch_utils", "dnnlib", "os.path_", "numpy.core") if repr(m) in imported]
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("older", [False, True])
def test_torch_files(tmp_path, older):
    module = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3))
    state = module.state_dict()
    state["half"], state["yes"] = torch.ones(2, 3).half().t(), torch.tensor([True])
    state["empty"], state["brain"] = torch.zeros(0, 2), torch.ones(3, dtype=torch.bfloat16)
    torch.save(state, tmp_path / "a.pt", _use_new_zipfile_serialization=not older)
    same(read_tensors(tmp_path / "a.pt"), dict(state))
    whole = {"g_ema": state, "step": 3, "args": {"lr": [0.1]}, "weight": module[0].weight, "latent": torch.zeros(2)}
    torch.save(whole, tmp_path / "b.pth", _use_new_zipfile_serialization=not older)
    same(read_torch(tmp_path / "b.pth"), whole)
    refused(tmp_path / "b.pth", ["has a 'dict' under 'g_ema'"], read_tensors)


def test_safetensors(tmp_path):
    state = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2).half()}
    safetensors.torch.save_file(state, tmp_path / "a.safetensors")
    same(read_tensors(tmp_path / "a.safetensors"), state)


def test_a_list_is_not_tensors_by_name(tmp_path):
    torch.save([torch.ones(1)], tmp_path / "a.pt")
    refused(tmp_path / "a.pt", ["holds a 'list', not tensors by name"], read_tensors)


def test_a_network_saved_whole_is_named(tmp_path):
    torch.save(nn.Linear(1, 1), tmp_path / "a.pt")
    refused(tmp_path / "a.pt", ["'torch.nn.modules.linear.Linear'", "not on the list"], read_torch)


# -- attacks and damage ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", hostile.LIVE)
def test_the_corpus_is_live(tmp_path, name):
    """An attack that never worked would prove nothing: in a process of its own, a real unpickler falls for it."""
    path = put(tmp_path, hostile.PICKLES[f"calls {name}"][0])
    code = f"import pickle; pickle.load(open({str(path)!r}, 'rb'))"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=tmp_path)
    assert (tmp_path / "canary").exists()


@pytest.mark.parametrize("name", hostile.PICKLES)
def test_hostile_pickles_are_refused(nothing_runs, name):
    content, words = hostile.PICKLES[name]
    refused(put(nothing_runs, content, "attack.pkl"), words)


@pytest.mark.parametrize("name", hostile.TORCH_FILES)
def test_hostile_torch_files_are_refused(nothing_runs, name):
    content, words = hostile.TORCH_FILES[name]
    path = put(nothing_runs, content, "attack.pt")
    refused(path, words, read_torch)
    refused(path, words, read_tensors)


@pytest.mark.parametrize("name", hostile.SAFETENSORS)
def test_damaged_safetensors_are_refused(nothing_runs, name):
    refused(put(nothing_runs, hostile.SAFETENSORS[name], "a.safetensors"), reader=read_tensors)


def test_what_is_no_file_is_refused(tmp_path):
    for reader in (read, read_torch, read_tensors):
        refused(tmp_path, ["is not a file"], reader)
        refused(tmp_path / "missing.pkl", ["can't be read (No such file"], reader)
        refused(put(tmp_path, b"\x80", "line\nbreak\x1b[31m.pkl"), [r"line\nbreak\x1b[31m.pkl"], reader)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.pkl")  # opening it would wait for ever
        refused(tmp_path / "pipe.pkl", ["is not a file"])


def test_a_file_of_absurd_size_is_not_even_opened(tmp_path):
    with open(tmp_path / "huge.pkl", "wb") as file:
        file.truncate(1 << 42)  # sparse: it needs no room
    refused(tmp_path / "huge.pkl", ["4398046511104 bytes"])


# -- mutations ------------------------------------------------------------------------------------------------------
def plain(x):
    if type(x) is Persistent:
        x = x.state
    if isinstance(x, dict):
        assert type(x) is dict
        return all(type(k) in (str, int) and plain(v) for k, v in x.items())
    if isinstance(x, list | tuple | set | frozenset):
        return all(map(plain, x))
    numbers = np.number | np.bool_ | np.ndarray | Tensor | torch.dtype
    return x is None or type(x) in (bool, int, float, str, bytes, bytearray) or isinstance(x, numbers)


def mutated(content, rng):
    content = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 8])):
        at, length = rng.randrange(len(content)), rng.choice([1, 1, 4, 40])
        match rng.randrange(5):
            case 0:
                content[at] = rng.randrange(256)
            case 1:
                content[at] = ord(rng.choice("(.012GIJKLMNPQRSTUVXabcdeghijlopqrstu)]}\x81\x85\x86\x89\x93\x94"))
            case 2:
                del content[at : at + length]
            case 3:
                content[at:at] = content[at : at + length]
            case 4:
                other = rng.randrange(len(content))
                content[at : at + length] = content[other : other + length]
    return bytes(content)


SMALL = {"G_ema": genuine.layer("Layer", 0, table=np.arange(3.0)), "training_set_kwargs": genuine.EasyDict(a=1)}


def outcomes(content, rng, reader, folder):
    """How many of 150 mutations were read, and how many refused; a third way to end is an error."""
    good, bad = 0, []
    for _ in range(150):
        path = put(folder, mutated(content, rng))
        try:
            assert plain(reader(path))
            good += 1
        except CheckpointError as error:
            bad.append(str(error))
    assert all(map(str.isprintable, bad))
    return good, len(bad)


@pytest.mark.parametrize("protocol", range(2, 6))
def test_mutations_of_a_pickle_are_refused_or_plain(nothing_runs, protocol):
    assert min(outcomes(genuine.official(protocol, SMALL), random.Random(protocol), read, nothing_runs)) > 0


@pytest.mark.parametrize("older", [False, True])
def test_mutations_of_a_torch_file_are_refused_or_plain(nothing_runs, older):
    file = io.BytesIO()
    torch.save(OrderedDict(a=torch.ones(3), b=torch.ones(2, 2).t()), file, _use_new_zipfile_serialization=not older)
    assert sum(outcomes(file.getvalue(), random.Random(older), read_torch, nothing_runs)) == 150


def test_every_instruction_was_considered():
    """A Python with new instructions must not find a door open: what is not read is refused, by name."""
    import pickletools

    from gan_tutorial.zoo.pickle_machine import Budget, Machine, Refused

    known = {"NEWOBJ_EX", "OBJ", "EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID", "NEXT_BUFFER", "READONLY_BUFFER"}
    unread = set()
    for opcode in pickletools.opcodes:
        machine = Machine({}, Budget(100))
        try:
            machine.act(opcode.name, None)
        except Refused as refusal:
            if "instruction" in str(refusal):
                unread.add(opcode.name)
        except Exception:
            pass
    assert unread == known
    assert pickle.HIGHEST_PROTOCOL == 5
