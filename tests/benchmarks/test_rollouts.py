import pytest
import torch

from benchmarks import rollouts as bench
from benchmarks.options import Options
from gan_tutorial.algorithms.seqgan import SeqGAN, SeqGANSettings, rollouts
from gan_tutorial.models import seqgan

SIZES = {"vocabulary": 13, "length": 6, "batch": 5, "copies": 3, "device": "cpu"}


@pytest.mark.parametrize("at_once", [1, 2, 5])
def test_the_growing_batch_writes_what_the_nested_loop_writes(at_once):
    generator, tokens, uniforms = bench.setting(**SIZES)
    together = rollouts(generator, tokens, uniforms)
    assert torch.equal(together, bench.nested(generator, tokens, uniforms, at_once))
    assert len(together.view(-1, 6).unique(dim=0)) > 30
    for t in range(5):  # a text begins as it was given, and goes on otherwise
        assert torch.equal(together[t, ..., : t + 1], tokens[None, :, : t + 1].expand(3, -1, -1))
    assert (together[:-1, ..., -1] != tokens[:, -1]).float().mean() > 0.3


def test_equal_draws_give_equal_rewards():
    torch.manual_seed(0)
    nets = seqgan.build((6,), vocabulary=13, std=1.0, d_width=0.05, d_embedding=8)
    algorithm = SeqGAN(nets, SeqGANSettings(rollouts=3))
    tokens = nets["generator"].sample(5, torch.Generator().manual_seed(1))
    rewards = algorithm.rewards(tokens, torch.Generator().manual_seed(2))
    uniforms = torch.rand(5, 3, 5, 6, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(rewards, bench.nested_rewards(algorithm, tokens, uniforms), atol=1e-6, rtol=0)
    assert rewards.std() > 1e-3


def test_tokens_are_counted_once_each():
    _, tokens, uniforms = bench.setting(**SIZES)
    beginnings, copies, n, length = uniforms.shape
    assert (beginnings, copies, tuple(tokens.shape)) == (5, 3, (5, 6))
    assert bench.written(SIZES) == n * copies * sum(length - given for given in range(1, length))


def test_a_quick_run_measures_every_contender():
    result = bench.run(Options(quick=True, threads=1))
    assert set(result["seconds"]) == {bench.OURS, bench.BY_BATCH, bench.BY_TEXT}
    assert not result["could_not_run"]
    assert result["items"] == ("tokens", 2 * 2 * 10)
