"""The stability map: each cell is the run that its own recipe makes, whatever its neighbours do."""

import math

import pytest
import torch

from gan_tutorial import plots
from gan_tutorial.data import from_points
from gan_tutorial.errors import InputError
from gan_tutorial.live.many import StabilityMap
from gan_tutorial.losses import LOSSES
from gan_tutorial.metrics.modes import mode_coverage
from gan_tutorial.training import Trainer, recipe

RATES = {"x": ("lr_g", [3e-4, 1e-3, 2e-3]), "y": ("lr_d", [1e-3, 3e-3])}
STEPS = 20


def small(**changes):
    return recipe("ring-mlp", **{"batch_size": 32, "model__g_width": 16, "model__d_width": 16, **changes})


def flat(network):
    return torch.nn.utils.parameters_to_vector(network.parameters()).detach()


def spread(grid, steps=STEPS, dataset=None):
    """How far cells are from lone runs: the largest difference of a loss and of a sample, the median of weights'."""
    losses = samples = weights = 0.0
    seen = list(grid.run(steps))
    points = grid.samples(64, seed=3)
    for i in range(grid.shape[0]):
        for j in range(grid.shape[1]):
            lone = Trainer(grid.recipe(i, j), device="cpu", seed=grid.seed, dataset=dataset)
            for ours, its in zip(seen, lone.run(steps), strict=True):
                assert ours["step"] == its["step"]
                for name in ("d_loss", "g_loss", "penalty"):
                    assert math.isnan(ours[name][i, j]) == (name not in its)
                    if name in its:
                        losses = max(losses, abs(float(ours[name][i, j] - its[name])))
            samples = max(samples, float((points[i, j] - lone.sample(64, seed=3, average=False)).abs().max()))
            networks = grid.networks(i, j)
            off = torch.cat([flat(net) - flat(lone.networks[role]) for role, net in networks.items()])
            weights = max(weights, float(off.abs().median()))
    return losses, samples, weights


# Ten seeds: within 3e-7, 8e-7 and 4e-9 but for one run in ninety, where a ReLU flipped: 3e-4, 1e-3 and 1e-5. Where a
# loss sees only differences of logits, or is flat in places, D's last bias has a gradient of 0, which rounding and Adam
# turn into steps of a whole learning rate: within 6e-3, 3e-2 and 1e-4. G's rate wrong by a tenth gives at least 4e-3,
# 0.2 and 2e-3.
ROUGH = ("wasserstein", "hinge", "relativistic")


@pytest.mark.parametrize("more", [{}, {"r1": 5.0}, {"n_critic": 2, "g_steps": 2}], ids=["plain", "r1", "more updates"])
@pytest.mark.parametrize("loss", LOSSES)
def test_every_cell_is_the_lone_run_of_its_recipe(loss, more):
    losses, samples, weights = spread(StabilityMap(small(loss=loss, **more), **RATES, seed=1))
    assert losses < (2e-2 if loss in ROUGH else 5e-4)
    assert samples < (5e-2 if loss in ROUGH else 3e-3)
    assert weights < (3e-4 if loss in ROUGH else 2e-5)


# Ten seeds of each loss: within 2e-5, 1e-4 and 8e-9. A rate wrong by a tenth gives at least 5e-3, 0.1 and 1e-4.
@pytest.mark.parametrize("loss", LOSSES)
def test_a_map_of_gradient_descent(loss):
    rates = {"x": ("lr_g", [0.03, 0.1, 0.3]), "y": ("lr_d", [0.03, 0.1])}
    losses, samples, weights = spread(StabilityMap(small(loss=loss, optimizer="sgd", r1=0.1), **rates, seed=1))
    assert (losses < 5e-4, samples < 3e-3, weights < 2e-5) == (True, True, True)


ALL = {"gradient_penalty": 1.0, "zero_gradient_penalty": 0.3, "r1": 0.2, "r2": 0.1}


@pytest.mark.parametrize(
    ("x", "y", "base", "stacks"),
    [
        (("lr_g", [1e-3]), ("r1", [0.1, 1, 10]), {**ALL, "penalty_every": 3}, 1),
        (("gradient_penalty", [0, 1, 10.0]), ("zero_gradient_penalty", [0, 1]), {"noise": "uniform"}, 4),
        (("n_critic", [0, 1, 3]), ("g_steps", [1, 2]), {}, 6),
        (("optimizer", ["sgd", "adam"]), ("lr_d", [1e-3, 0.01]), {"r2": 1.0}, 2),
        (("beta1", [0, 0.9]), ("loss", ["minimax", "least-squares"]), {"data": "two-moons", "ema": 0.9}, 4),
    ],
    ids=["all penalties", "a penalty off and on", "updates", "optimizers", "others"],
)
def test_any_two_settings_may_vary(x, y, base, stacks):
    grid = StabilityMap(small(**base), x=x, y=y, seed=2)
    assert len(grid._stacks) == stacks
    losses, samples, weights = spread(grid, steps=12)
    assert (losses < 5e-4, samples < 3e-3, weights < 2e-5) == (True, True, True)


def test_the_recipe_s_own_cell_is_the_recipe_and_runs_go_on():
    grid = StabilityMap("ring-mlp", x=("lr_g", [1e-3, 1e-2]), y=("lr_d", [1e-2, 1e-3]), seed=4)
    assert grid.recipe(1, 0) == recipe("ring-mlp")
    assert grid.recipe(0, 1) == recipe("ring-mlp", lr_g=1e-2, lr_d=1e-2)
    list(grid.run(2))
    losses, samples, _ = spread(StabilityMap("ring-mlp", x=grid.x, y=grid.y, seed=4), steps=5)
    assert (losses < 5e-4, samples < 3e-3) == (True, True)
    again = StabilityMap("ring-mlp", x=grid.x, y=grid.y, seed=4)
    list(again.run(5))
    assert [m["step"] for m in grid.run(3)] == [3, 4, 5]
    assert torch.equal(grid.samples(9), again.samples(9))
    assert len(list(StabilityMap(small(steps=3), **RATES).run())) == 3


def test_own_data_are_trained_on():
    drawing = from_points([[0, 0], [1, 1]])
    grid = StabilityMap(small(), **RATES, dataset=drawing)
    assert spread(grid, steps=3, dataset=drawing)[1] < 3e-3
    with pytest.raises(InputError, match=r"^data: 'drawing' has no modes to count; choose one with modes, as ring-8$"):
        grid.coverage()


def test_coverage_is_that_of_the_cell_s_own_samples():
    grid = StabilityMap(small(), x=("lr_g", [1e-3, 5e-3]), y=("lr_d", [1e-3, 3e-3, 5e-3]))
    list(grid.run(300))
    (modes, share), points = grid.coverage(200, seed=1), grid.samples(200, seed=1)
    assert modes.shape == share.shape == (3, 2)
    assert points.shape == (3, 2, 200, 2)
    assert modes.max() > 0
    for i in range(3):
        for j in range(2):
            found = mode_coverage(points[i, j], grid.dataset.modes, grid.dataset.std)
            assert (int(modes[i, j]), float(share[i, j])) == pytest.approx(found)


def test_a_diverged_cell_is_marked_and_spoils_no_other():
    grid = StabilityMap(small(r1=1.0), x=("lr_g", [1e-3, 1e30]), y=("lr_d", [1e-3, 3e-3]))
    tame = StabilityMap(small(r1=1.0), x=("lr_g", [1e-3, 1e-3]), y=("lr_d", [1e-3, 3e-3]))
    for metrics, quiet in zip(grid.run(10), tame.run(10), strict=True):
        assert torch.equal(metrics["d_loss"][:, 0], quiet["d_loss"][:, 0])
    assert torch.equal(grid.samples()[:, 0], tame.samples()[:, 0])
    assert (grid.diverged[:, 0] == 0).all()
    for i in range(2):
        with pytest.raises(ArithmeticError, match=f"^step {int(grid.diverged[i, 1])}: "):
            list(Trainer(grid.recipe(i, 1), device="cpu").run(10))
    assert all(metrics[name][:, 1].isnan().all() for name in ("d_loss", "g_loss", "penalty"))
    assert grid.samples()[:, 1].isnan().all()
    assert (grid.coverage()[0][:, 1] == 0).all()
    picture = grid.figure()
    assert [text.get_text() for text in picture.axes[0].texts][1::2] == ["×", "×"]


def test_the_picture_names_both_settings_and_their_values():
    grid = StabilityMap(small(), x=("lr_g", [1e-4, 1e-3]), y=("loss", ["hinge", "minimax", "wasserstein"]))
    picture = grid.figure()
    axes = picture.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("lr_g", "loss")
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0.0001", "0.001"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["hinge", "minimax", "wasserstein"]
    assert len(axes.texts) == 6
    assert plots.png(picture).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"x": ("lr", [1])}, "setting: 'lr' is not known; did you mean 'lr_g'? choose one of: beta1"),
        ({"x": ("lr_g", [])}, "x: ('lr_g', []) is not allowed; expected at least one value"),
        ({"y": "lr_d"}, "y: 'lr_d' is not allowed; expected a setting and its values, as ('lr_g', [1e-4, 1e-3])"),
        ({"y": ("lr_d", 1)}, "y: ('lr_d', 1) is not allowed; expected a setting and its values"),
        ({"y": ("loss", "hinge")}, "y: ('loss', 'hinge') is not allowed; expected a setting and its values"),
        ({"y": ("lr_g", [1])}, "y: 'lr_g' is not allowed; expected another setting than x"),
        ({"y": ("lr_d", [-1])}, "lr_d: -1.0 is not allowed; expected a finite number >= 0"),
        ({"y": ("n_critic", [1.5])}, "n_critic: 1.5 is not allowed; expected an integer"),
        ({"y": ("lr_d", [1e-3] * 129)}, "x, y: (129, 2) is not allowed; expected at most 256 cells"),
        ({"recipe": "dcgan-digits8"}, "recipe: 'dcgan-digits8' is not allowed; expected a GAN of the model 'mlp'"),
        ({"recipe": "ring"}, "recipe: 'ring' is not known; did you mean 'ring-mlp'?"),
        ({"recipe": small(data="digits8")}, "data: 'digits8' is not allowed; expected points in the plane"),
        ({"seed": -1}, "seed: -1 is not allowed; expected an integer >= 0"),
    ],
)
def test_what_can_t_be_is_refused_in_one_line(wrong, message):
    with pytest.raises(InputError) as caught:
        StabilityMap(**{"recipe": "ring-mlp", "x": ("lr_g", [1e-3, 2e-3]), "y": ("lr_d", [1e-3]), **wrong})
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_wrong_cells_and_numbers_are_refused():
    grid = StabilityMap(small(), **RATES)
    for call in (
        lambda: grid.recipe(2, 0),
        lambda: grid.recipe(0, -1),
        lambda: grid.networks(0, 3),
        lambda: grid.run(0),
        lambda: grid.samples(0),
    ):
        with pytest.raises(InputError, match=r"is not allowed; expected an integer >= "):
            call()
