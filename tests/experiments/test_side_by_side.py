"""Several seeds side by side: each trains as it would alone, and what can't stand side by side is refused."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from gan_tutorial import models
from gan_tutorial.algorithms import GAN, GANSettings
from gan_tutorial.data import Batch, toy
from gan_tutorial.errors import InputError
from gan_tutorial.experiments import side_by_side
from gan_tutorial.training import recipe


@pytest.mark.parametrize("options", [{}, {"g_norm": "batch", "d_pieces": 3, "pack": 2}], ids=["relu", "maxout, packed"])
@pytest.mark.parametrize(
    "settings",
    [{"dynamics": "simultaneous"}, {"unroll": 2}, {"loss": "relativistic", "r1": 0.5, "r2": 0.5, "n_critic": 2}],
    ids=["simultaneous", "unrolled", "ours"],
)
def test_each_of_a_stack_trains_as_it_would_alone(options, settings):
    """Plain gradient descent at K times the rate: the stack's gradient is each one's own divided by K."""
    built = []
    for seed in (0, 1, 2):
        torch.manual_seed(seed)
        built.append(models.build("mlp", (2,), g_width=8, d_width=8, **options))
    stack = {role: side_by_side.Stack([one[role] for one in built]) for role in built[0]}
    base = GANSettings(lr_g=0.02, lr_d=0.02, optimizer="sgd", **settings)
    together = GAN(stack, replace(base, lr_g=0.06, lr_d=0.06))
    alone = [GAN(one, base) for one in built]
    rng = torch.Generator().manual_seed(5)
    for _ in range(3):
        drawn, latents = [], []

        def draw(drawn=drawn):
            drawn.append(torch.randn(3, 4, 2, generator=rng))
            return Batch(drawn[-1].flatten(0, 1), None)

        def fakes(n, _, latents=latents):
            latents.append(torch.randn(3, 4, 2, generator=rng))
            return together.generator(latents[-1].flatten(0, 1))

        together._fakes = fakes
        together.step(draw)
        for k, gan in enumerate(alone):
            reals, noises = iter(drawn), iter(latents)
            gan.joint = False
            gan._fakes = lambda n, _, gan=gan, k=k, noises=noises: gan.generator(next(noises)[k])
            gan.step(lambda k=k, reals=reals: Batch(next(reals)[k], None))
    for role, net in stack.items():
        net.eval()
        x = torch.randn(3, 4, 2, generator=rng)
        with torch.no_grad():
            found = net(x.flatten(0, 1)).view(3, -1)
            expected = torch.stack([gan.networks[role].eval()(x[k]).flatten() for k, gan in enumerate(alone)])
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_first_weights_and_data_are_the_seeds_own():
    small = recipe("ring-mlp").with_changes({"model.g_width": 4, "model.d_width": 4, "batch_size": 4})
    pair, other = (
        side_by_side.trainer(small.with_changes({"batch_size": 2 * len(seeds)}), seeds, 6, device="cpu")
        for seeds in ([3, 4], [5, 4, 6])
    )
    first, second = pair.networks["generator"].layers[0].weight, other.networks["generator"].layers[0].weight
    assert torch.equal(first[1], second[1])
    assert not torch.equal(first[0], second[0])
    assert torch.equal(pair.dataset.points[1], other.dataset.points[1])
    for metrics in pair.run(2):
        assert metrics["d_loss"].isfinite()
    assert pair.sample(10).shape == (10, 2)


def test_every_point_once_an_epoch_and_the_stream_goes_on_from_its_state():
    points = torch.arange(24.0).view(2, 6, 2)
    made = side_by_side.Points(toy.ring_8(), points)
    stream = made.stream(4, seed=1)
    for _ in range(2):
        epoch = torch.stack([next(stream).x.view(2, 2, 2) for _ in range(3)], 1).flatten(1, 2)
        assert torch.equal(epoch.sort(1).values, points)
    next(stream)
    state, twin = stream.state_dict(), made.stream(4, seed=9)
    twin.load_state_dict(state)
    for _ in range(7):
        assert torch.equal(next(stream).x, next(twin).x)


@pytest.mark.parametrize("batch_size", [3, 8])
def test_batches_that_do_not_divide_the_points_are_refused(batch_size):
    made = side_by_side.Points(toy.ring_8(), torch.zeros(2, 6, 2))
    with pytest.raises(
        InputError, match=rf"^batch_size: {batch_size} is not allowed; expected 2 times a divisor of 6$"
    ):
        made.stream(batch_size)


def test_layers_that_can_not_be_stacked_are_refused():
    nets = [nn.Module(), nn.Module()]
    for net in nets:
        net.layers = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
    with pytest.raises(InputError, match=r"^layers: 'Tanh' is not allowed; expected Linear, Maxout, BatchNorm1d or Re"):
        side_by_side.Stack(nets)


def test_spectral_norm_and_top_k_are_refused_and_not_forgotten():
    small = recipe("ring-mlp")
    with pytest.raises(InputError, match=r"^layers: 'weights under spectral norm' is not allowed; expected plain"):
        side_by_side.trainer(small.with_changes({"model.d_norm": "spectral"}), [0, 1], 6)
    with pytest.raises(InputError, match=r"^top_k: 0.5 is not allowed; expected 1; train each seed by itself$"):
        side_by_side.trainer(small.with_changes({"top_k": 0.5}), [0, 1], 6)
