"""One disease, many cures: D's with other layers side by side are the plain ones, and the page says what was found."""

import pytest
import torch

from gan_tutorial import models
from gan_tutorial.errors import InputError
from gan_tutorial.experiments import stability_cures
from gan_tutorial.experiments.stability_cures import Result, SpectralNorms, Spreads
from gan_tutorial.models.stylegan2 import MinibatchStd


def test_each_networks_weights_are_divided_by_their_own_largest_singular_value():
    torch.manual_seed(0)
    weight = torch.randn(3, 5, 7) * torch.tensor([0.1, 1.0, 10.0])[:, None, None]
    norm = SpectralNorms(weight, first=200)
    largest = torch.linalg.matrix_norm(weight, ord=2)
    torch.testing.assert_close(norm.eval()(weight), weight / largest[:, None, None], rtol=1e-4, atol=1e-5)


def test_the_iteration_goes_on_in_training_only():
    torch.manual_seed(0)
    norm = SpectralNorms(torch.randn(2, 4, 4), first=1)
    other = torch.randn(2, 4, 4)
    before = norm.u
    norm.eval()(other)
    assert norm.u is before
    norm.train()(other)
    assert not torch.equal(norm.u, before)


def test_the_spread_is_of_each_networks_own_samples():
    x = torch.randn(3, 8, 5, generator=torch.Generator().manual_seed(0)) * torch.tensor([0.0, 1.0, 9.0])[:, None, None]
    alone = [MinibatchStd(4)(one[:, :, None, None]).flatten(1) for one in x]
    torch.testing.assert_close(Spreads(4)(x), torch.stack(alone))


@pytest.mark.parametrize("cure", ["spectral norm", "minibatch std"])
def test_a_stacked_d_has_these_layers_and_trains_each_seed_alone(cure):
    of = stability_cures.recipe("sharp D", cure, steps=3)
    trainer = stability_cures.trainer(of, [5, 6])
    critic, plain = trainer.networks["discriminator"], models.build("mlp", (2,), **of.model_options)["discriminator"]
    assert sum(p.numel() for p in critic.parameters()) == 2 * sum(p.numel() for p in plain.parameters())
    before = [p.detach().clone() for p in critic.parameters()]
    for _ in trainer.run():
        pass
    assert all(bool((p != b).flatten(1).any(1).all()) for p, b in zip(critic.parameters(), before, strict=True))
    x = torch.randn(64, 2, generator=torch.Generator().manual_seed(0))
    trainer.networks["discriminator"].eval()
    with torch.no_grad():
        one, same = critic(torch.cat([x, x])), critic(torch.cat([x, 3 * x]))
    torch.testing.assert_close(one[:64], same[:64])  # the other seed's samples don't matter
    assert not torch.allclose(one[64:], same[64:])


def test_a_recipe_is_the_healthy_one_with_a_disease_and_a_cure():
    healthy = stability_cures.recipe()
    assert (healthy.settings.lr_g, healthy.settings.lr_d, healthy.settings.g_steps) == (2e-3, 2e-3, 1)
    ill = stability_cures.recipe("starved D", "lr_d x5", steps=7)
    assert (ill.settings.lr_d, ill.settings.g_steps, ill.steps) == (1e-2, 5, 7)
    assert stability_cures.recipe("sharp D", "lr_d /5").settings.lr_d == pytest.approx(4e-3)


@pytest.mark.parametrize(("given", "name"), [(("flu", "nothing"), "disease"), (("", "tea"), "cure")])
def test_unknown_names_are_refused(given, name):
    with pytest.raises(InputError, match=f"^{name}: ") as error:
        stability_cures.recipe(*given)
    assert "\n" not in str(error.value)


def test_what_is_trained_is_judged_seed_by_seed(monkeypatch):
    monkeypatch.setattr(stability_cures, "SAMPLES", 50)
    for cure in ("nothing", "PacGAN2", "top-k"):
        of = stability_cures.recipe("momentum", cure, steps=2)
        samples = stability_cures.trained(of, [1, 2, 3])
        assert samples.shape == (3, 50, 2)
        result = stability_cures.judged(samples, of)
        assert len(result.modes) == len(result.quality) == 3


def test_the_page_counts_against_nothing_and_names_the_cures():
    nothing, cured = Result([1, 2, 8], [0.5, 0.5, 0.5]), Result([8, 7, 7], [0.1, 0.2, 0.3])
    found = {"sharp D": {"nothing": nothing, "R1": cured}, "momentum": {"nothing": nothing, "R1": nothing}}
    page = stability_cures.page(cured, found, [0, 1, 2])
    assert page.rows[2] == ("sharp D", "R1", "7.3 ± 0.3", "20%", "3 of 3", 2, 1)
    assert page.finding.splitlines() == [
        "- sharp D: R1 brings nearly all modes back with at least nine of ten seeds.",
        "- momentum: nothing of this brings nearly all modes back with at least nine of ten seeds.",
        "- Against all 2: none of them.",
    ]
    assert "3 seeds" in page.method


def test_extragradient_is_left_out_where_the_disease_is_the_number_of_steps():
    assert not stability_cures.together("starved D", "extragradient")
    assert stability_cures.together("sharp D", "extragradient")
    with pytest.raises(InputError, match=r"^g_steps: 5"):
        stability_cures.recipe("starved D", "extragradient")
