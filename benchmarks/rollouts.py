"""SeqGAN's rollouts in one growing batch, beside the nested loop that the paper's algorithm spells out.

For every text, every beginning of it and every rollout, the loop reads the beginning from its first token and writes
on until the end: nothing is shared and nothing is batched. A second loop, as in the paper's published code, does so for
all texts of the batch at once. Given the same uniforms, all three write the same tokens and give the same rewards.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.options import Options
from benchmarks.timing import Contender, compare
from gan_tutorial.algorithms.seqgan import SeqGAN, rollouts
from gan_tutorial.models import seqgan

OURS, BY_TEXT, BY_BATCH = "one growing batch", "nested loop, a text at a time", "nested loop, a batch at a time"


def complete(generator: Any, tokens: Tensor, given: int, uniforms: Tensor) -> Tensor:
    """Texts (N, L) that begin with the first `given` of `tokens` (N, L) and go on by `uniforms` (N, L)."""
    h, c = generator.start(len(tokens))
    last, texts = torch.zeros_like(tokens[:, 0]), []
    for i in range(tokens.shape[1]):
        x = generator.embedding(last)
        lstm = generator.lstm
        gates = x @ lstm.weight_ih_l0.T + lstm.bias_ih_l0 + h @ lstm.weight_hh_l0.T
        read, forget, new, show = gates.chunk(4, 1)
        c = forget.sigmoid() * c + read.sigmoid() * new.tanh()
        h = show.sigmoid() * c.tanh()
        if i < given:
            last = tokens[:, i]
        else:
            upto = generator.output(h).softmax(1).cumsum(1)
            last = torch.searchsorted(upto, uniforms[:, i, None] * upto[:, -1:], right=True)[:, 0]
            last = last.clamp(max=generator.vocabulary - 1)
        texts.append(last)
    return torch.stack(texts, 1)


@torch.no_grad()
def nested(generator: Any, tokens: Tensor, uniforms: Tensor, at_once: int = 1) -> Tensor:
    """What :func:`gan_tutorial.algorithms.seqgan.rollouts` gives, by loops, with `at_once` texts side by side."""
    beginnings, copies, n, _length = uniforms.shape
    texts = torch.empty(uniforms.shape, dtype=torch.int64, device=tokens.device)
    for start in range(0, n, at_once):
        rows = slice(start, start + at_once)
        for t in range(beginnings):
            for r in range(copies):
                texts[t, r, rows] = complete(generator, tokens[rows], t + 1, uniforms[t, r, rows])
    return texts


@torch.no_grad()
def nested_rewards(algorithm: SeqGAN, tokens: Tensor, uniforms: Tensor) -> Tensor:
    """What `algorithm.rewards(tokens, rng)` (N, L) if `rng` draws `uniforms`: each text is written and judged alone."""
    _, copies, n, length = uniforms.shape
    rewards = torch.empty(n, length, device=tokens.device)
    for text in range(n):
        for t in range(length - 1):
            verdicts = [
                algorithm.judge(complete(algorithm.rollout, tokens[text, None], t + 1, uniforms[t, r, text, None]))
                for r in range(copies)
            ]
            rewards[text, t] = torch.stack(verdicts).mean()
        rewards[text, -1] = algorithm.judge(tokens[text, None])[0]
    return rewards


def setting(vocabulary: int, length: int, batch: int, copies: int, device: str) -> tuple[nn.Module, Tensor, Tensor]:
    """A generator, texts and uniforms, the same in every process."""
    torch.manual_seed(0)
    generator = seqgan.Generator(vocabulary, length, std=1.0).to(device)
    rng = torch.Generator(device).manual_seed(0)
    uniforms = torch.rand(length - 1, copies, batch, length, generator=rng, device=device)
    return generator, generator.sample(batch, rng), uniforms


def ours(**sizes: Any) -> Callable[[], Any]:
    generator, tokens, uniforms = setting(**sizes)
    return lambda: rollouts(generator, tokens, uniforms)  # type: ignore[arg-type]


def theirs(at_once: int = 1, **sizes: Any) -> Callable[[], Any]:
    generator, tokens, uniforms = setting(**sizes)
    return lambda: nested(generator, tokens, uniforms, at_once)


def written(sizes: dict[str, Any]) -> int:
    """Tokens that the rollouts of one batch write: those after each beginning."""
    return sizes["batch"] * sizes["copies"] * sizes["length"] * (sizes["length"] - 1) // 2


def contenders(sizes: dict[str, Any]) -> list[Contender]:
    build = "benchmarks.rollouts:theirs"
    found = [
        Contender(OURS, "benchmarks.rollouts:ours", sizes),
        Contender(BY_BATCH, build, {**sizes, "at_once": sizes["batch"]}),
        Contender(BY_TEXT, build, sizes),
    ]
    return found if sizes["device"] == "cpu" else found[:2]  # text by text, a GPU takes minutes for one step


def run(options: Options, vocabulary: int = 5000) -> dict[str, Any]:
    sizes: dict[str, Any] = {"vocabulary": vocabulary, "length": 20, "batch": 64, "copies": 16}
    sizes |= {"batch": 16, "copies": 4} if options.device == "cpu" else {}  # else the loop takes minutes
    sizes = {"vocabulary": 20, "length": 5, "batch": 2, "copies": 2} if options.quick else sizes
    sizes["device"] = options.device
    short = {} if options.quick else {"rounds": min(options.rounds, 5)}
    result = compare(contenders(sizes), base=OURS, **{**options.timing, **short})
    tokens = written(sizes)
    return {
        "title": f"SeqGAN's rollouts: {sizes['vocabulary']} tokens, length {sizes['length']}, batch {sizes['batch']}, "
        f"{sizes['copies']} rollouts",
        "items": ("tokens", tokens),
        **result,
        "notes": [
            "A step completes every beginning of every text; tokens a second counts what was written, not what was "
            "given. D's verdicts, which cost all contenders the same, are left out.",
            "Equal uniforms give equal tokens and rewards: see tests/benchmarks/test_rollouts.py.",
        ],
    }
