import pytest
import torch

from gan_tutorial.algorithms import SeqGAN, SeqGANSettings
from gan_tutorial.algorithms.replay import Replay
from gan_tutorial.models.seqgan import build

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="records CUDA graphs")


def test_without_a_gpu_it_is_the_function_itself():
    calls = []
    replay = Replay(lambda a, b: calls.append(1) or {"sum": a + b})
    for k in range(6):
        assert replay(torch.tensor([k]), torch.tensor([1]))["sum"].item() == k + 1
    assert len(calls) == 6


@needs_cuda
def test_a_replay_computes_what_the_function_does_and_calls_it_no_more():
    calls = []
    weight = torch.zeros(3, device="cuda")

    def function(x):
        calls.append(1)
        weight.add_(x)
        return {"square": weight.square()}

    replay = Replay(function)
    for k in range(1, 11):
        square = replay(torch.full((3,), float(k), device="cuda"))["square"]
        assert square.tolist() == [(k * (k + 1) / 2) ** 2] * 3
    assert len(calls) == 4


@needs_cuda
def test_dropout_is_drawn_anew_in_each_replay():
    torch.cuda.manual_seed(0)
    replay = Replay(lambda x: {"kept": torch.nn.functional.dropout(x, 0.5)})
    x = torch.ones(1000, device="cuda")
    kept = torch.stack([replay(x)["kept"].clone() for _ in range(8)])
    assert len(kept.unique(dim=0)) == 8


@needs_cuda
def test_seqgan_learns_the_same_with_replays(monkeypatch):
    settings = SeqGANSettings(
        mle_steps=8, d_pretraining=2, d_rounds=2, d_samples=64, d_epochs=2, rollouts=2, loss_reduction="mean"
    )
    tokens = torch.randint(20, (16, 6), generator=torch.Generator().manual_seed(1)).cuda()

    def train(changes):
        torch.manual_seed(0)
        networks = {k: n.cuda() for k, n in build((6,), vocabulary=20, keep=1.0, d_width=0.1).items()}
        algorithm = SeqGAN(networks, settings, seed=3)
        batch = type("Batch", (), {"x": tokens})
        for step in range(14):
            if step == 12:
                algorithm.configure(**changes)
            metrics = algorithm.step(lambda: batch)
        weights = torch.cat([p.flatten() for network in networks.values() for p in network.parameters()])
        return weights.detach(), metrics

    recorded, metrics = train({"lr_d": 1e-3})
    unchanged, _ = train({})
    monkeypatch.setattr(Replay, "__call__", lambda self, *inputs: self.function(*inputs))
    plain, expected = train({"lr_d": 1e-3})
    torch.testing.assert_close(recorded, plain, rtol=1e-3, atol=1e-4)
    assert set(metrics) == set(expected)
    assert not torch.allclose(recorded, unchanged, rtol=1e-3, atol=1e-4)
