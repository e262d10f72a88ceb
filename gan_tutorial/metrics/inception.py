"""The FID of published papers: the Fréchet distance between features of Inception-v3, trained on photographs.

Every published FID (Heusel et al. 2017) rests on one file of weights, the Inception-v3 that TensorFlow released on
2015-12-05. Here is that network (Szegedy et al. 2016) as it was ported to PyTorch, with the names that the ported file
uses, and the resizing that Parmar et al. 2022 ("On Aliased Resizing and Surprising Subtleties in GAN Evaluation") ask
for. The weights, 96 MB, do not come with the package: :func:`inception_network` reads them from a file or downloads
them.

>>> network = inception_network("download")
>>> real = inception_statistics(network, real_batches)
>>> inception_statistics(network, fake_batches).distance(real)

An FID only compares with another of as many samples and of the same real images. Name both beside it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_tutorial.data.download import retrieve
from gan_tutorial.errors import InputError, require
from gan_tutorial.metrics.frechet import Statistics

SIDE = 299  # pixels that the network sees
BATCH = 32  # images at once; they take about 0.6 GB
ROWS = 1024  # features that wait to be summed up
DOWNLOAD = "download"
FILE = "pt_inception-2015-12-05-6726825d.pth"  # its SHA-256 begins with these eight digits
SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
MIRRORS = (
    f"https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/{FILE}",
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
)

# Channels, kernel, and the stride where it is not 1.
Layer = tuple[int, int | tuple[int, int]] | tuple[int, int | tuple[int, int], int]


class Convolution(nn.Module):
    """A convolution, BatchNorm, ReLU. `padding` None keeps the side; with stride 2 there is none."""

    def __init__(
        self, before: int, after: int, kernel: int | tuple[int, int], stride: int = 1, padding: int | None = None
    ) -> None:
        super().__init__()
        height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
        same = (height // 2, width // 2) if stride == 1 else 0
        self.conv = nn.Conv2d(before, after, kernel, stride, same if padding is None else padding, bias=False)
        self.bn = nn.BatchNorm2d(after, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


class Mixed(nn.Module):
    """Branches side by side, whose channels are joined.

    A branch is a chain of layers. They are called NAME_1, NAME_2, ..., or just NAME if there is one. A list in place of
    a layer splits the chain: NAME_2a and NAME_2b see the same, and their channels are joined. The last branch,
    "branch_pool", begins with `pool`.
    """

    def __init__(self, before: int, pool: nn.Module, **branches: Sequence[Layer | list[Layer]]) -> None:
        super().__init__()
        self.pool = pool
        self.chains: dict[str, list[list[str]]] = {}
        for name, layers in branches.items():
            self.chains[name], width = [], before
            for i, step in enumerate(layers, 1):
                split = step if isinstance(step, list) else [step]
                number = f"_{i}" if len(layers) > 1 else ""
                names = [f"{name}{number}{letter}" for letter in ("ab" if len(split) > 1 else [""])]
                for key, layer in zip(names, split, strict=True):
                    self.add_module(key, Convolution(width, *layer))
                self.chains[name].append(names)
                width = sum(layer[0] for layer in split)

    def forward(self, x: Tensor) -> Tensor:
        found = []
        for name, chain in self.chains.items():
            h = self.pool(x) if name == "branch_pool" else x
            for names in chain:
                h = torch.cat([self.get_submodule(key)(h) for key in names], 1)
            found.append(h)
        return torch.cat(found, 1)


def _average() -> nn.Module:
    """TensorFlow's: what lies outside counts for nothing."""
    return nn.AvgPool2d(3, 1, 1, count_include_pad=False)


def _coarse(before: int, pooled: int) -> Mixed:
    return Mixed(
        before,
        _average(),
        branch1x1=[(64, 1)],
        branch5x5=[(48, 1), (64, 5)],
        branch3x3dbl=[(64, 1), (96, 3), (96, 3)],
        branch_pool=[(pooled, 1)],
    )


def _middle(inner: int) -> Mixed:
    row, column = (1, 7), (7, 1)
    return Mixed(
        768,
        _average(),
        branch1x1=[(192, 1)],
        branch7x7=[(inner, 1), (inner, row), (192, column)],
        branch7x7dbl=[(inner, 1), (inner, column), (inner, row), (inner, column), (192, row)],
        branch_pool=[(192, 1)],
    )


def _fine(before: int, pool: nn.Module) -> Mixed:
    split: list[Layer] = [(384, (1, 3)), (384, (3, 1))]
    return Mixed(
        before,
        pool,
        branch1x1=[(320, 1)],
        branch3x3=[(384, 1), split],
        branch3x3dbl=[(448, 1), (384, 3), split],
        branch_pool=[(192, 1)],
    )


class InceptionV3(nn.Module):
    """Images (N, 3, H, W) or grey ones (N, 1, H, W), floats in [-1, 1], of any size -> features (N, 2048) >= 0.

    Images are rounded to the 256 levels of a file, as published numbers are computed from files, and brought to 299 px
    by :func:`clean_resize`. An image that holds NaN has features of NaN. The network stays in eval mode and has no
    gradients.

    Three things differ from the Inception-v3 that classifies: the head has 1008 outputs, averages leave out what lies
    outside, and the last block takes a maximum where the one before takes an average. The head is there only because it
    is in the file.

    Attributes:
        num_features: 2048; torchmetrics asks for it.
        sha256: of the file that the weights came from, or None.
    """

    num_features = 2048

    def __init__(self) -> None:
        super().__init__()
        self.sha256: str | None = None
        self.Conv2d_1a_3x3 = Convolution(3, 32, 3, 2)
        self.Conv2d_2a_3x3 = Convolution(32, 32, 3, padding=0)
        self.Conv2d_2b_3x3 = Convolution(32, 64, 3)
        self.Conv2d_3b_1x1 = Convolution(64, 80, 1)
        self.Conv2d_4a_3x3 = Convolution(80, 192, 3, padding=0)
        self.Mixed_5b = _coarse(192, 32)
        self.Mixed_5c = _coarse(256, 64)
        self.Mixed_5d = _coarse(288, 64)
        self.Mixed_6a = Mixed(
            288,
            nn.MaxPool2d(3, 2),
            branch3x3=[(384, 3, 2)],
            branch3x3dbl=[(64, 1), (96, 3), (96, 3, 2)],
            branch_pool=[],
        )
        self.Mixed_6b = _middle(128)
        self.Mixed_6c = _middle(160)
        self.Mixed_6d = _middle(160)
        self.Mixed_6e = _middle(192)
        self.Mixed_7a = Mixed(
            768,
            nn.MaxPool2d(3, 2),
            branch3x3=[(192, 1), (320, 3, 2)],
            branch7x7x3=[(192, 1), (192, (1, 7)), (192, (7, 1)), (192, 3, 2)],
            branch_pool=[],
        )
        self.Mixed_7b = _fine(1280, _average())
        self.Mixed_7c = _fine(2048, nn.MaxPool2d(3, 1, 1))
        self.fc = nn.Linear(2048, 1008)
        self.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> InceptionV3:
        """Does nothing: the statistics of BatchNorm are those of the photographs."""
        return super().train(False)

    @property
    def published(self) -> bool:
        """Whether the weights came from the published file."""
        return self.sha256 == SHA256

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """Raises InputError for another shape, for integers, and for values outside [-1, 1]."""
        h = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(prepared(x))))
        h = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(F.max_pool2d(h, 3, 2)))
        h = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(F.max_pool2d(h, 3, 2))))
        h = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(h)))))
        h = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(h)))
        return h.mean((2, 3))


def prepared(x: Tensor) -> Tensor:
    """What the network sees of images as :class:`InceptionV3` takes them: (N, 3, 299, 299), (level - 128) / 128."""
    shape = tuple(x.shape)
    require(len(shape) == 4 and shape[1] in (1, 3) and 0 not in shape, "x", shape, "images (N, 3 or 1, H, W), N >= 1")
    require(x.is_floating_point(), "x", x.dtype, "floats in [-1, 1]; for levels of 0 to 255 give x / 127.5 - 1")
    outside = x.abs() > 1  # not of NaN
    require(not outside.any(), "x", x[outside][:1].tolist(), "values in [-1, 1]; clamp samples, scale levels")
    levels = ((x.float() + 1) * 127.5).round().expand(-1, 3, -1, -1)
    return (clean_resize(levels).clamp(0, 255) - 128) / 128


def clean_resize(x: Tensor, side: int = SIDE) -> Tensor:
    """Images (N, C, H, W) of any range -> (N, C, side, side), cubic and without aliasing (Parmar et al. 2022).

    The same as Pillow's `Image.resize` of each channel in mode "F" with `Resampling.BICUBIC`, but for the rounding of
    float32. Like that it overshoots at edges. What has the side already is returned as it is.
    """
    if x.shape[2:] == (side, side):
        return x
    return F.interpolate(x, (side, side), mode="bicubic", antialias=True, align_corners=False)


def inception_network(where: str | Path) -> InceptionV3:
    """Inception-v3 with the weights in a file (.pth, .pt or .safetensors: its state dict), or with "download" those
    that are published.

    A download is checked against its SHA-256 and kept in the cache folder (see :mod:`gan_tutorial.data.download`).

    Raises InputError, in one line, where there is no network, and if the file can't be read, lacks tensors or has
    others.
    """
    from gan_tutorial.zoo.pickle_machine import shown
    from gan_tutorial.zoo.tensor_files import read_tensors

    path = _downloaded() if where == DOWNLOAD else Path(where)
    tensors = {key: value for key, value in read_tensors(path).items() if not _counts(key)}
    with torch.random.fork_rng(devices=[]):  # the first weights are drawn, and others' seeds stay as they were
        network = InceptionV3()
    expected = {key: value for key, value in network.state_dict().items() if not _counts(key)}
    missing, more = [key for key in expected if key not in tensors], [key for key in tensors if key not in expected]
    wrong = [key for key in expected if key in tensors and tensors[key].shape != expected[key].shape]
    problem = ""
    if missing:
        problem = f"lacks {len(missing)} of {len(expected)} tensors, such as {missing[0]!r}"
    elif wrong:
        problem = f"has {tuple(tensors[wrong[0]].shape)} for {wrong[0]!r}, not {tuple(expected[wrong[0]].shape)}"
    elif more:
        problem = f"has {len(more)} tensors too many, such as {shown(more[0])}"
    if problem:
        raise InputError(f"inception: {str(path)!r} {problem}; expected the weights in {FILE}, or 'download'")
    network.load_state_dict(tensors, strict=False)
    with open(path, "rb") as file:
        network.sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return network


def inception_statistics(network: nn.Module, batches: Iterable[Tensor]) -> Statistics:
    """The statistics of the features of images, batch by batch; `network` is :func:`inception_network`'s, on its
    device.

    Memory does not grow with the images: there are a batch of them, 32 inside the network (0.6 GB), 1,024 features, and
    a few matrices of 34 MB. With fewer than 2,049 images the covariance is singular. The distance is defined there too,
    but most of it is bias, so look at its floor: real images against real ones, as many.

    Raises InputError without images.
    """
    device = next(network.parameters()).device
    total: Statistics | None = None
    waiting: list[Tensor] = []

    def summed() -> Statistics:
        found = Statistics.of(torch.cat(waiting))  # on the CPU, which knows float64 everywhere
        waiting.clear()
        return found if total is None else total + found

    for batch in batches:
        for part in batch.split(BATCH):
            waiting.append(network(part.to(device)).cpu())
            if sum(map(len, waiting)) >= ROWS:
                total = summed()
    if waiting:
        total = summed()
    if total is None:
        raise InputError("batches: there are no images; expected at least one")
    return total


def _counts(key: str) -> bool:
    """Whether this is BatchNorm's count of batches, which some files have and nothing needs."""
    return key.endswith(".num_batches_tracked")


def _downloaded() -> Path:
    return retrieve("inception", MIRRORS, FILE, SHA256, "or fetch it where there is a network and give its path")
