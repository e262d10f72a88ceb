"""Perceptual path length, against generators whose paths can be measured with a ruler."""

import math
import re

import pytest
import torch
from torch import nn

from gan_tutorial import metrics, models
from gan_tutorial.errors import InputError
from gan_tutorial.metrics.path_length import PathLength, path_length


class Scaled(nn.Module):
    """z (N, 8) -> 8 pixels, `scale` times z: |image - image|^2 / epsilon^2 is scale^2 times the speed in z."""

    z_dim, sample_shape = 8, (1, 2, 4)

    def __init__(self, scale=1.0, num_classes=0):
        super().__init__()
        self.scale, self.num_classes = nn.Parameter(torch.tensor(scale)), num_classes
        self.labels = []
        self.dropout = nn.Dropout(0.5)  # shows when eval mode is forgotten

    def forward(self, z, labels=None):
        self.labels.append(labels)
        return self.dropout(self.scale * z).view(-1, *self.sample_shape)


class Styled(Scaled):
    """w is z; the image is w."""

    num_ws, w_dim = 2, 8

    def mapping(self, z, labels=None, psi=1.0):
        return (psi * z)[:, None].expand(-1, 2, -1)

    def synthesis(self, w, noise="random"):
        assert noise == "const"
        return (self.scale * w[:, 0]).view(-1, *self.sample_shape)

    def forward(self, z, labels=None, psi=1.0, noise="random"):
        return self.synthesis(self.mapping(z, labels, psi), noise)


def flat(x):
    return x.flatten(1)


def paths(n, seed=0):
    """The ends of the paths that `path_length` takes."""
    rng = torch.Generator().manual_seed(seed)
    return [torch.randn(n, 8, generator=rng).double() for _ in range(2)]


def mean_of(speeds):
    """Without the hundredth at either end."""
    cut = len(speeds) // 100
    return speeds.sort().values[cut : len(speeds) - cut].mean().item()


def test_a_straight_way_through_w_has_the_squared_distance_of_its_ends():
    a, b = paths(300)
    wanted = mean_of((b - a).square().sum(1))
    found = path_length(Styled(), flat, space="w", n=300)
    assert found.mean == pytest.approx(wanted, rel=1e-3)
    assert found.kept == 294
    assert path_length(Styled(), flat, space="w", n=300, psi=0.5).mean == pytest.approx(wanted / 4, rel=1e-3)
    assert path_length(Styled(3.0), flat, space="w", n=300).mean == pytest.approx(9 * wanted, rel=1e-3)


@pytest.mark.parametrize("network", [Scaled, Styled])
def test_a_great_circle_in_z_has_its_arc_and_its_change_of_length(network):
    a, b = paths(300)
    lengths = a.norm(dim=1), b.norm(dim=1)
    angle = torch.acos((a * b).sum(1) / (lengths[0] * lengths[1]))
    wanted = mean_of((angle * lengths[0]).square() + (lengths[1] - lengths[0]).square())
    found = path_length(network().train(), flat, n=300, endpoints=True)
    assert found.mean == pytest.approx(wanted, rel=2e-3)
    anywhere = path_length(network(), flat, n=300)
    assert anywhere.mean != found.mean


def test_the_interval_is_that_of_a_mean_and_outliers_do_not_count():
    found = path_length(Styled(), flat, space="w", n=400)
    kept = paths(400)
    speeds = (kept[1] - kept[0]).square().sum(1).sort().values[4:-4]
    half = 1.96 * speeds.std().item() / math.sqrt(392)
    assert found.interval == pytest.approx((found.mean - half, found.mean + half), rel=1e-3)

    def wild(x):
        """One image in a hundred or so has features far away."""
        far = (x.flatten(1)[:, :1] > 2.6) & (x.flatten(1)[:, 1:2] > 0)
        return x.flatten(1) * torch.where(far, 1e3, 1.0)

    assert path_length(Styled(), wild, space="w", n=400).mean < 2 * found.mean


def test_the_same_seed_gives_the_same_and_another_a_like_one():
    first, again, other = (path_length(Scaled(), flat, n=200, seed=s) for s in (3, 3, 4))
    assert first == again
    assert first.mean != other.mean
    assert first.interval[0] < other.interval[1]
    assert other.interval[0] < first.interval[1]


def test_both_ends_of_a_path_are_of_one_class():
    network = Scaled(num_classes=3)
    path_length(network, flat, n=100)
    one, other = torch.cat(network.labels[::2]), torch.cat(network.labels[1::2])
    assert torch.equal(one, other)
    assert set(one.tolist()) == {0, 1, 2}
    network.labels.clear()
    path_length(network, flat, n=100, labels=torch.full((100,), 2))
    assert set(torch.cat(network.labels).tolist()) == {2}


def test_rounding_does_not_show():
    """Three times the step has the same answer, through a real network and a real judge."""
    torch.manual_seed(0)
    options = {"z_dim": 16, "w_dim": 16, "channel_base": 256, "channel_max": 16, "mapping_layers": 2}
    network = models.build("stylegan2", (3, 16, 16), **options)["generator"]
    judge = metrics.classifier("avatars")
    short, longer = (path_length(network, judge.features, n=100, epsilon=e).mean for e in (1e-4, 3e-4))
    assert short == pytest.approx(longer, rel=0.01)  # six seeds of the network, both spaces: 0.0000 to 0.0026


def test_a_generator_of_nan_has_no_length_and_modes_are_left():
    network = Scaled(math.nan).train()
    found = path_length(network, flat, n=100)
    assert isinstance(found, PathLength)
    assert math.isnan(found.mean)
    assert found.kept == 0
    assert network.training


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"space": "x"}, "space: 'x' is not allowed; expected 'z' or 'w'"),
        ({"space": "w"}, "space: 'w' is not allowed; expected 'z': only a StyleGAN2 has w"),
        ({"n": 99}, "n: 99 is not allowed; expected an integer >= 100"),
        ({"epsilon": 0.5}, "epsilon: 0.5 is not allowed"),
        ({"psi": 0.7}, "psi: 0.7 is not allowed; expected 1: only a StyleGAN2 has this truncation"),
        ({"endpoints": 1}, "endpoints: 1 is not allowed; expected True or False"),
        ({"labels": torch.zeros(100)}, "labels: 'given' is not allowed; expected None"),
    ],
)
def test_what_cannot_be_is_refused(wrong, message):
    with pytest.raises(InputError, match=re.escape(message)) as refused:
        path_length(Scaled(), flat, **wrong)
    assert "\n" not in str(refused.value)
    with pytest.raises(InputError, match="labels: 5 is not allowed; expected 100, one a path"):
        path_length(Scaled(num_classes=2), flat, n=100, labels=torch.zeros(5, dtype=torch.int64))
