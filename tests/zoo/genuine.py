"""Files as stylegan2-ada-pytorch writes them: real pickles of real tensors, in classes with the official names."""

import contextlib
import pickle
import sys
import types
from collections import OrderedDict
from unittest import mock

import numpy as np
import torch
from torch import nn

SOURCE = "open('canary', 'w').close()\n"  # the official loader runs this text of a pickle; nobody else should


class EasyDict(dict):
    """Official settings: a dictionary whose entries are attributes too."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


def _reconstruct_persistent_obj(meta):
    raise AssertionError("the official loader's function was called")


class Network:
    """An object with the official way to be pickled."""

    def __init__(self, class_name, **state):
        self.class_name, self.state = class_name, state

    def __reduce__(self):
        meta = {
            "type": "class",
            "version": 6,
            "module_src": SOURCE,
            "class_name": self.class_name,
            "state": self.state,
        }
        return _reconstruct_persistent_obj, (meta,), None


@contextlib.contextmanager
def official_names():
    """While this is open, the official modules seem to be installed, with just what the pickles name."""
    dnnlib, util = types.ModuleType("dnnlib"), types.ModuleType("dnnlib.util")
    torch_utils, persistence = types.ModuleType("torch_utils"), types.ModuleType("torch_utils.persistence")
    util.EasyDict, persistence._reconstruct_persistent_obj = EasyDict, _reconstruct_persistent_obj
    modules = {m.__name__: m for m in (dnnlib, util, torch_utils, persistence)}
    with (
        mock.patch.dict(sys.modules, modules),
        mock.patch.object(EasyDict, "__module__", "dnnlib.util"),
        mock.patch.object(_reconstruct_persistent_obj, "__module__", "torch_utils.persistence"),
    ):
        yield


def layer(class_name, seed, **state):
    """A module: everything that nn.Module keeps, and a few numbers of the kinds that layers have."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(3, 4, generator=generator)
    return Network(
        class_name,
        training=False,
        _parameters=OrderedDict(weight=nn.Parameter(weight, requires_grad=seed % 2 == 0), bias=None),
        _buffers=OrderedDict(resample_filter=torch.ones(4, 4) / 16, w_avg=torch.randn(4, generator=generator)),
        _non_persistent_buffers_set={"scratch"},
        _backward_hooks=OrderedDict(),
        _modules=state.pop("_modules", OrderedDict()),
        act_gain=np.sqrt(2),
        **state,
    )


def contents():
    """What goes into a file: the five official entries."""

    def generator(seed):
        conv = layer("SynthesisLayer", seed + 1, use_noise=True, up=2, activation="lrelu", padding=np.int64(1))
        synthesis = layer("SynthesisNetwork", seed + 2, block_resolutions=[4, 8], _modules=OrderedDict(conv0=conv))
        mapping = layer("MappingNetwork", seed + 3, num_ws=4, lr_multiplier=0.01)
        modules = OrderedDict(synthesis=synthesis, mapping=mapping)
        return layer("Generator", seed, _modules=modules, _init_args=(), _init_kwargs=EasyDict(z_dim=4, seed=2**62))

    shared = torch.arange(24.0).reshape(2, 3, 4)
    odd = {
        "turned": shared.transpose(0, 2),
        "part": shared[1:, ::2, 1:3],
        "scalar": torch.tensor(7, dtype=torch.int64),
        "none": torch.zeros(0, 5),
        "half": torch.randn(5, generator=torch.Generator().manual_seed(5)).half(),
        "yes": torch.tensor([True, False]),
    }
    odd["again"] = odd["part"]
    augment = layer(
        "AugmentPipe",
        20,
        odd=odd,
        table=np.arange(12, dtype=np.float32).reshape(3, 4),
        turned=np.arange(6, dtype=np.int32).reshape(2, 3).T,
        strided=np.arange(10.0)[::3],
        swapped=np.arange(4, dtype=">i2"),
        mixed=np.arange(24.0).reshape(2, 3, 4).transpose(1, 0, 2),
        one=np.float32(1.5),
        yes=np.bool_(True),
        raw=b"\x00\xff",
        settings=[1, -1, 0.5, None, True, "text", "\u732b", (), (1, 2), {"k": [2]}, torch.float16],
    )
    return {
        "G": generator(0),
        "D": layer("Discriminator", 10, img_channels=3, c_dim=0),
        "G_ema": generator(30),
        "augment_pipe": augment,
        "training_set_kwargs": EasyDict(class_name="training.dataset.ImageFolderDataset", path="a.zip", resolution=8),
    }


def official(protocol=4, value=None):
    """The bytes of a file with these contents, or with others."""
    with official_names():
        return pickle.dumps(contents() if value is None else value, protocol)
