"""Official StyleGAN2 checkpoints: recognised from their weights alone, in every form they are kept in."""

import json
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from gan_tutorial.errors import CheckpointError
from gan_tutorial.models import stylegan2
from gan_tutorial.zoo.imports import import_stylegan2
from tests.zoo.genuine import EasyDict, Network, official

PARITY = sorted(Path(__file__).with_name("parity").glob("stylegan2_*.safetensors"))
FILTER = torch.tensor([1.0, 3.0, 3.0, 1.0]).outer(torch.tensor([1.0, 3.0, 3.0, 1.0])) / 64

# size, channel_base, channel_max, z, w, classes, G's mapping layers, G, D, D's group
FAMILY = [
    (16, 128, 16, 8, 8, 0, 2, "skip", "resnet", 4),
    (16, 256, 12, 8, 12, 3, 8, "orig", "orig", 2),
    (32, 256, 16, 12, 8, 0, 8, "resnet", "skip", 8),
    (32, 512, 32, 8, 8, 5, 2, "skip", "skip", 4),
    (64, 256, 8, 8, 8, 0, 3, "orig", "resnet", 0),
    (64, 512, 16, 8, 8, 2, 2, "resnet", "resnet", 4),
    (128, 512, 8, 4, 4, 0, 2, "skip", "orig", 4),
    (256, 512, 4, 4, 4, 0, 2, "skip", "resnet", 4),
]


def networks(case, seed=0):
    size, base, most, z, w, classes, layers, architecture, d_architecture, group = case
    torch.manual_seed(seed)
    built = stylegan2.build(
        (3, size, size),
        num_classes=classes,
        z_dim=z,
        w_dim=w,
        channel_base=base,
        channel_max=most,
        mapping_layers=layers,
        architecture=architecture,
        d_architecture=d_architecture,
        group=group,
    )
    for network in built.values():
        for name, tensor in network.state_dict().items():
            if tensor.dim() <= 1:  # biases, noise strengths, w_avg: all start at 0
                tensor.add_(torch.randn_like(tensor) * (10 if "mapping.fc" in name else 0.1))
    return built["generator"].eval(), built["discriminator"].eval()


def in_the_official_layout(module, kwargs=None, name="Module"):
    """A module as the official code pickles it: one persistent object a layer, filters among the buffers."""
    buffers = OrderedDict(module._buffers)
    if isinstance(module, (stylegan2.Conv, stylegan2.StyledConv)):
        buffers["resample_filter"] = FILTER.clone()
    children = OrderedDict(
        (key, in_the_official_layout(child)) for key, child in module._modules.items() if key != "spread"
    )
    parameters = OrderedDict((key, nn.Parameter(p.detach())) for key, p in module._parameters.items() if p is not None)
    state = {"_parameters": parameters, "_buffers": buffers, "_modules": children, "training": False}
    return Network(name, **state, _init_args=(), _init_kwargs=kwargs or EasyDict())


def checkpoint(g, d, group, **more):
    kwargs = EasyDict(epilogue_kwargs=EasyDict(mbstd_group_size=group or 4), **more)
    return {
        "G": in_the_official_layout(g, name="Generator"),
        "D": in_the_official_layout(d, kwargs, name="Discriminator"),
        "G_ema": in_the_official_layout(g, name="Generator"),
        "augment_pipe": None,
        "training_set_kwargs": EasyDict(class_name="training.dataset.ImageFolderDataset", path="a.zip"),
    }


def same(found, g, d, case):
    n, classes = 8, case[5]
    z, labels = torch.randn(n, g.z_dim), torch.arange(n) % classes if classes else None
    images = g(z, labels, psi=0.7, noise="const")
    for role, network in found.items():
        if role == "D":
            torch.testing.assert_close(network(images, labels), d(images, labels), rtol=0, atol=1e-5)
        else:
            torch.testing.assert_close(network(z, labels, psi=0.7, noise="const"), images, rtol=0, atol=1e-5)
            torch.testing.assert_close(network.mapping(z, labels), g.mapping(z, labels), rtol=0, atol=1e-6)


@pytest.mark.parametrize("case", FAMILY, ids=str)
@torch.no_grad()
def test_a_pickle_gives_the_networks_that_were_put_in(case, tmp_path):
    g, d = networks(case)
    (tmp_path / "x.pkl").write_bytes(official(4, checkpoint(g, d, case[-1])))
    found = import_stylegan2(tmp_path / "x.pkl")
    assert set(found) == {"G", "D", "G_ema"}
    assert not any(network.training for network in found.values())
    assert not any(p.requires_grad for p in found["G_ema"].parameters())
    same(found, g, d, case)


@pytest.mark.parametrize("form", ["pt", "flat.pth", "one.bin", "d.pt", "safetensors"])
@torch.no_grad()
def test_state_dicts_in_every_form(form, tmp_path):
    case = FAMILY[3]
    g, d = networks(case)
    state_g, state_d = g.state_dict(), d.state_dict()
    flat = {f"G_ema.{k}": v for k, v in state_g.items()} | {f"D.{k}": v for k, v in state_d.items()}
    path = tmp_path / f"x.{form}"
    if form == "safetensors":
        save_file(flat, path)
    else:
        nested = {"G_ema": state_g, "D": state_d}
        torch.save({"pt": nested, "flat.pth": flat, "one.bin": state_g, "d.pt": state_d}[form], path)
    found = import_stylegan2(path)
    assert set(found) == {"one.bin": {"G_ema"}, "d.pt": {"D"}}.get(form, {"G_ema", "D"})
    same(found, g, d, case)


@pytest.mark.parametrize("path", PARITY, ids=lambda path: path.stem)
@torch.no_grad()
def test_official_weights_give_the_official_images(path):
    t, found = load_file(path), import_stylegan2(path)
    labels = t["in.c"] if t["in.c"].shape[1] else None
    g, d = found["G"], found["D"]
    for got, key in (
        (g.mapping(t["in.z"], labels), "out.w"),
        (g(t["in.z"], labels, noise="const"), "out.image_psi1_const"),
        (g(t["in.z"], labels, psi=0.7, noise="const"), "out.image_psi0.7_const"),
        (g(t["in.z"], labels, psi=0.5, cutoff=4, noise="none"), "out.image_psi0.5_cutoff4_none"),
        (d(t["out.image_psi1_const"], labels), "out.logits_of_image_psi1_const"),
    ):
        torch.testing.assert_close(got, t[key], rtol=0, atol=1e-4)


def test_there_are_official_weights():
    assert len(PARITY) == 2
    assert {json.loads(safe_open(path, "pt").metadata()["c_dim"]) for path in PARITY} == {0, 5}


@torch.no_grad()
def test_activations_are_clamped_where_the_official_ones_are(tmp_path):
    g, d = networks(FAMILY[2])
    state = checkpoint(g, d, 8, conv_clamp=0.5)
    for role in ("G", "G_ema"):
        state[role].state["_init_kwargs"] = EasyDict(synthesis_kwargs=EasyDict(conv_clamp=0.5))
    (tmp_path / "x.pkl").write_bytes(official(4, state))
    found = import_stylegan2(tmp_path / "x.pkl")
    limits = {name: m.limit for name, m in found["D"].named_modules() if hasattr(m, "limit")}
    assert {name for name, limit in limits.items() if limit is None} == {"b4.fromrgb"}
    limits = {name: m.limit for name, m in found["G"].named_modules() if hasattr(m, "limit")}
    assert {name for name, limit in limits.items() if limit is None} == {f"synthesis.b{r}.skip" for r in (8, 16, 32)}
    z = torch.randn(4, g.z_dim)
    assert found["G"](z, noise="none").abs().max() <= 0.5 < g(z, noise="none").abs().max()


BAD = {
    "another filter": (lambda s: s["D"].state["_buffers"].update(resample_filter=torch.ones(4, 4)), "another filter"),
    "a layer less": (
        lambda s: s["G"].state["_modules"]["mapping"].state["_modules"].pop("fc0"),
        r"G in .* is no StyleGAN2 that is known: 'mapping\.fc0\.weight",
    ),
    "odd channels": (
        lambda s: (
            s["D"]
            .state["_modules"]["b4"]
            .state["_modules"]["conv"]
            .state["_parameters"]
            .update(weight=nn.Parameter(torch.zeros(16, 30, 3, 3)))
        ),
        "14 channels of minibatch standard deviation",
    ),
    "another activation": (
        lambda s: s["G_ema"].state["_init_kwargs"].update(synthesis_kwargs=EasyDict(activation="relu")),
        "activation 'relu', where 'lrelu' is known",
    ),
    "nothing": (lambda s: s.clear(), "no G, D, G_ema in it"),
    "numbers": (lambda s: s.update(G_ema=5), "G_ema is neither a network nor tensors by name"),
}


@pytest.mark.parametrize("damage", BAD)
def test_other_networks_are_refused_in_one_line(damage, tmp_path):
    g, d = networks(FAMILY[0])
    state = checkpoint(g, d, 4)
    change, message = BAD[damage]
    change(state)
    (tmp_path / "x.pkl").write_bytes(official(4, state))
    with pytest.raises(CheckpointError, match=message) as error:
        import_stylegan2(tmp_path / "x.pkl")
    assert "\n" not in str(error.value)
    assert "x.pkl" in str(error.value)


def test_a_hostile_pickle_is_refused_by_name(tmp_path):
    (tmp_path / "x.pkl").write_bytes(b"cos\nsystem\n(S'touch canary'\ntR.")
    with pytest.raises(CheckpointError, match=r"os\.system"):
        import_stylegan2(tmp_path / "x.pkl")
