"""BigGAN-deep from files: the images are the release's, and no bad file gets through."""

import functools
import pickle
import random
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from gan_tutorial.errors import InputError
from gan_tutorial.models.biggan_deep import Generator
from gan_tutorial.zoo.import_biggan import import_biggan
from tests.zoo import reference_biggan_deep as reference

PARITY = Path(__file__).with_name("parity")


@functools.cache
def release(resolution=128, width=4, z_dim=4, embedding_dim=4, num_classes=3, attention=8, bins=51, seed=0):
    """A random state dict in the release's layout: spectral norm in three parts, lively statistics."""
    shape = {"width": width, "z_dim": z_dim, "embedding_dim": embedding_dim, "num_classes": num_classes}
    with torch.device("meta"):
        empty = Generator(resolution, **shape, attention=attention, bins=bins).state_dict()
    torch.manual_seed(seed)
    state = {"embeddings.weight": torch.randn(empty.pop("embeddings.weight").shape)}
    for name, tensor in empty.items():
        name = f"generator.{name}"
        if name.endswith("running_vars"):
            state[name] = torch.rand(tensor.shape) * 1.5 + 0.3
        elif name.endswith("weight") and tensor.dim() > 1:
            weight = torch.randn(tensor.shape)
            rows = weight.flatten(1)
            v = F.normalize(torch.randn(rows.shape[1]), dim=0)
            u = F.normalize(rows @ v, dim=0)
            state |= {f"{name}_orig": weight, f"{name}_u": u, f"{name}_v": F.normalize(rows.T @ u, dim=0)}
        else:
            state[name] = 0.3 * torch.randn(tensor.shape) + (name == "generator.bn.weight")
    return state


@pytest.mark.parametrize("resolution", [128, 256, 512])
def test_images_are_the_releases(resolution, tmp_path):
    """What pytorch-pretrained-biggan 0.1.1 drew from the same weights."""
    path = PARITY / f"biggan_deep_{resolution}.safetensors"
    with safe_open(path, "pt") as file:
        every = int(file.metadata()["every"])
    state = load_file(path)
    given = {name: state.pop(name) for name in list(state) if name.startswith(("in.", "out."))}
    torch.save(state, tmp_path / "pytorch_model.bin")
    network = import_biggan(tmp_path / "pytorch_model.bin")
    assert network.resolution == resolution
    assert not network.training
    assert not any(p.requires_grad for p in network.parameters())
    compared = 0
    for name, images in given.items():
        if name.startswith("out."):
            truncation = float(name.removeprefix("out.image_t"))
            exact = truncation in (0.58, 0.605)
            ours = network(given["in.z"] * truncation, given["in.class"], truncation, exact_release=exact)
            torch.testing.assert_close(ours[:, :, ::every, ::every], images, rtol=0, atol=2e-5)
            compared += 1
            if exact:
                plain = network(given["in.z"] * truncation, given["in.class"], truncation)
                assert (plain - ours).abs().max() > 0.01
    assert compared == (5 if resolution == 128 else 3)


def configurations():
    r = random.Random(5)
    for seed in range(24):
        yield (
            {
                "seed": seed,
                "width": r.choice([4, 4, 5, 6, 8]),
                "z_dim": r.choice([1, 3, 8, 20]),
                "embedding_dim": r.choice([1, 4, 7, 16]),
                "num_classes": r.choice([1, 2, 10, 100]),
                "attention": r.choice([None, 0, 1, 4] if seed % 2 else [8, 8, 6]),
                "bins": r.choice([51, 51, 51, 2, 6]),
            },
            r.choice([0.0, 0.02, 0.11, 0.3, 0.5, 0.58, 0.605, 0.97, 1.0]),
        )
    yield {"seed": 24, "resolution": 256}, 0.45
    yield {"seed": 25, "resolution": 512}, 0.72


@pytest.mark.parametrize(("options", "truncation"), [*configurations()])
def test_images_are_those_of_the_formulas(options, truncation, tmp_path):
    state = release(**options)
    save_file(state, tmp_path / "x.safetensors")
    network = import_biggan(tmp_path / "x.safetensors")
    released = options["seed"] % 3 == 0
    z = truncation * torch.randn(1, network.z_dim)
    rows = torch.rand(1, network.num_classes).softmax(1)  # a mixture of classes
    expected = reference.images(state, z, rows, truncation, released)
    assert expected.std() > 0.1
    np.testing.assert_allclose(network(z, rows, truncation, exact_release=released), expected, rtol=0, atol=5e-5)


@pytest.mark.parametrize(("ending", "old_format"), [(".bin", True), (".pt", False), (".pth", False)])
def test_every_form_of_file_gives_the_same_network(ending, old_format, tmp_path):
    state = release()
    save_file(state, tmp_path / "a.safetensors")
    torch.save(state, tmp_path / f"b{ending}", _use_new_zipfile_serialization=not old_format)
    first, second = import_biggan(tmp_path / "a.safetensors"), import_biggan(str(tmp_path / f"b{ending}"))
    for name, tensor in first.state_dict().items():
        assert torch.equal(second.state_dict()[name], tensor)


def test_half_precision_and_weights_without_norm_are_read(tmp_path):
    state = release()
    save_file(state, tmp_path / "a.safetensors")
    network = import_biggan(tmp_path / "a.safetensors")
    plain = {n if n.startswith("embeddings") else f"generator.{n}": t for n, t in network.state_dict().items()}
    save_file({n: t.half().contiguous() for n, t in plain.items()}, tmp_path / "b.safetensors")
    other = import_biggan(tmp_path / "b.safetensors")
    assert {t.dtype for t in other.state_dict().values()} == {torch.float32}
    z = torch.randn(1, 4)
    torch.testing.assert_close(other(z, torch.tensor([0])), network(z, torch.tensor([0])), rtol=0, atol=0.02)


def test_norms_are_divided_with_the_stored_vectors(tmp_path):
    """Not with the true norm: half of u doubles the weight."""
    state = release()
    state = state | {"generator.gen_z.weight_u": state["generator.gen_z.weight_u"] / 2}
    save_file(state, tmp_path / "a.safetensors")
    weight, u, v = (state[f"generator.gen_z.weight_{part}"].double() for part in ("orig", "u", "v"))
    expected = (weight / (u @ weight @ v)).float()
    torch.testing.assert_close(import_biggan(tmp_path / "a.safetensors").gen_z.weight, expected)


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def without(*names):
    return lambda state: {n: t for n, t in state.items() if n not in names}


def changed(name, value):
    return lambda state: state | {name: value(state[name]) if callable(value) else value}


GEN = "generator.gen_z"
BAD_STATES = {
    "missing": (without("generator.layers.3.bn_1.running_vars"), r"lacks 'generator.layers.3.bn_1.running_vars'"),
    "missing many": (without(*(f"generator.layers.2.conv_{i}.bias" for i in range(4))), r"lacks .* and 1 more"),
    "half a norm": (without(f"{GEN}.weight_u"), rf"lacks '{GEN}.weight_u'"),
    "no first layer": (without(f"{GEN}.weight_orig"), rf"lacks '{GEN}.weight'"),
    "no embeddings": (without("embeddings.weight"), r"lacks 'embeddings.weight'"),
    "unexpected": (changed("in.z", torch.zeros(2)), r"has 'in.z' too many"),
    "twice": (changed(f"{GEN}.weight", torch.zeros(2)), rf"has both '{GEN}.weight' and '{GEN}.weight_orig'"),
    "shape": (changed("generator.bn.bias", torch.zeros(5)), r"'generator.bn.bias' of shape \(5,\), not \(4,\)"),
    "norm's shape": (changed(f"{GEN}.weight_v", torch.zeros(5)), r"of a shape that doesn't fit"),
    "norm of 0": (changed(f"{GEN}.weight_v", torch.zeros(8)), r"spectral norm of 'generator.gen_z.weight_orig' is 0"),
    "dimensions": (changed("embeddings.weight", torch.zeros(5)), r"of shape \(5,\), not 2 dimensions"),
    "no latent": (changed("embeddings.weight", torch.zeros(8, 3)), r"shapes that don't fit \(z_dim: 0 is not"),
    "numbers": (changed("generator.bn.bias", torch.zeros(4).long()), r"'generator.bn.bias', which is not a tensor of"),
    "no tensor": (changed("generator.bn.bias", [1.0]), r"has a .* under 'generator.bn.bias', where tensors"),
    "NaN": (changed("generator.bn.bias", torch.tensor([0.0, 1, float("nan"), 1])), r"has infinite values or NaN"),
    "two attentions": (changed("generator.layers.2.gamma", torch.zeros(1)), r"9 blocks and 2 attention layers"),
    "a block less": (lambda s: {n: t for n, t in s.items() if ".layers.0." not in n}, r"9 blocks and 1 attention"),
    "endless view": (
        changed("embeddings.weight", torch.zeros(1, 1).expand(10**6, 10**6)),
        r"larger than its numbers",
    ),
    "a list": (lambda s: [*s.values()], r"holds a .*, not tensors by name"),
    "foreign": (lambda s: {"conv1.weight": torch.zeros(3)}, r"lacks 'embeddings.weight'"),
    "empty": (lambda s: {}, r"lacks 'embeddings.weight'"),
}


@pytest.mark.parametrize("case", BAD_STATES)
def test_states_that_do_not_fit_are_refused_by_name(case, tmp_path):
    change, message = BAD_STATES[case]
    torch.save(change(release()), tmp_path / "x.pt")
    refused(tmp_path / "x.pt", message)


def refused(path, message):
    with pytest.raises(InputError, match=message) as error:
        import_biggan(path)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)


def test_files_that_want_to_run_something_do_not(tmp_path):
    ran = tmp_path / "ran"
    (tmp_path / "plain.bin").write_bytes(pickle.dumps({"embeddings.weight": Evil(ran)}, 2))
    torch.save(release() | {"generator.bn.bias": Evil(ran)}, tmp_path / "zip.pt")
    torch.save(release() | {"x": Evil(ran)}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    for name in ("plain.bin", "zip.pt", "old.pth"):
        refused(tmp_path / name, "asks for '.*'|damaged")
    np.save(tmp_path / "objects.npy", np.array([Evil(ran)], dtype=object), allow_pickle=True)
    (tmp_path / "objects.npy").rename(tmp_path / "objects.bin")
    refused(tmp_path / "objects.bin", "damaged")
    assert not ran.exists()


def test_a_refused_name_is_told(tmp_path):
    (tmp_path / "x.bin").write_bytes(b"\x80\x02cposix\nsystem\nX\x04\x00\x00\x00true\x85R.")
    refused(tmp_path / "x.bin", r"asks for 'posix\.system'")


@pytest.mark.parametrize("ending", [".safetensors", ".pt", ".old.pt"])
def test_cut_files_are_refused(ending, tmp_path):
    path = tmp_path / f"x{ending}"
    if ending == ".safetensors":
        save_file(release(), path)
    else:
        torch.save(release(), path, _use_new_zipfile_serialization=ending == ".pt")
    content = path.read_bytes()
    for share in (0.0, 0.0001, 0.3, 0.8, 0.9999):
        path.write_bytes(content[: int(share * len(content))])
        refused(path, "damaged|is empty|is cut short")


def test_zip_bombs_are_refused_unread(tmp_path):
    torch.save(release(), tmp_path / "x.pt")
    with zipfile.ZipFile(tmp_path / "x.pt") as source, zipfile.ZipFile(tmp_path / "y.pt", "w") as target:
        for member in source.infolist():
            content = source.read(member)
            packed = zipfile.ZIP_DEFLATED if member.filename.endswith("data/0") else zipfile.ZIP_STORED
            target.writestr(member.filename, bytes(10**8) if packed else content, compress_type=packed)
    assert (tmp_path / "y.pt").stat().st_size < 2_000_000
    refused(tmp_path / "y.pt", "y.pt")


def test_paths_that_lead_nowhere_are_told(tmp_path):
    refused(tmp_path / "none.bin", "can't be read \\(No such file")
    refused(tmp_path / "none.safetensors", "can't be read")
    (tmp_path / "folder.pt").mkdir()
    refused(tmp_path / "folder.pt", "is not a file")
    refused(tmp_path / "model.pkl", re.escape("has an unknown ending; expected .safetensors, .bin, .pt, .pth"))
