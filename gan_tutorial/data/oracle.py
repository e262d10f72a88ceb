"""Text whose true distribution is known: an LSTM with random weights wrote it (Yu et al. 2017, section 5.1).

Such an oracle can say how probable any text is, so a generator that learned from its samples can be graded exactly.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gan_tutorial.data.dataset import Dataset
from gan_tutorial.errors import require_integer
from gan_tutorial.models.seqgan import Generator, checked


class Oracle:
    """An LSTM with embedding 32, hidden 32 and every parameter from N(0, 1), fixed by its seed.

    Args:
        vocabulary: V, how many tokens there are (2-100,000).
        length: L of its texts (2-1000).
        seed: one oracle each (>= 0). It is drawn on the CPU, so that it is the same on every device.
        device: where it works.

    Raises InputError for values outside these ranges.
    """

    def __init__(
        self, vocabulary: int = 5000, length: int = 20, seed: int = 0, *, device: torch.device | str = "cpu"
    ) -> None:
        require_integer("vocabulary", vocabulary, 2, 100_000)
        require_integer("length", length, 2, 1000)
        require_integer("seed", seed, 0, 2**31 - 1)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = Generator(vocabulary, length, std=1.0)
        self.network.to(device).requires_grad_(False)

    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """n texts (n, L), int64, on the oracle's device."""
        return torch.cat([self.network.sample(min(1024, n - done), rng) for done in range(0, n, 1024)])

    @torch.no_grad()
    def nll(self, tokens: Tensor) -> Tensor:
        """The oracle's mean negative log-likelihood of a token of `tokens` (N, L), in nats; 0-dim float32.

        The mean runs over all positions of all texts: the paper's NLL_oracle (its equation 9 has a text's sum; the
        numbers that it reports are L times smaller). Lower is likelier; the oracle's own texts give its entropy.
        """
        parts = [self.network.log_prob(part).sum() for part in checked(tokens).to(self.device).split(256)]
        return -torch.stack(parts).sum() / tokens.numel()

    @property
    def device(self) -> torch.device:
        return self.network.output.weight.device


def oracle(split: str, *, vocabulary: int = 5000, length: int = 20, samples: int = 10_000, seed: int = 0) -> Dataset:
    """`samples` texts of the oracle `seed`, tokens named "", "1", "2", ...; "test" has as many others, "all" both.

    Raises InputError for a number of samples outside 1-1,000,000, and as :class:`Oracle` does.
    """
    require_integer("samples", samples, 1, 1_000_000)
    writer = Oracle(vocabulary, length, seed)
    chosen = {"train": (0,), "test": (1,), "all": (0, 1)}[split]
    rngs = (
        torch.Generator().manual_seed(int(np.random.SeedSequence([seed, part]).generate_state(1)[0])) for part in chosen
    )
    tokens = torch.cat([writer.sample(samples, rng) for rng in rngs])
    names = ["", *map(str, range(1, vocabulary))]
    return Dataset("oracle", tokens, split=split, vocabulary=names, joiner=" ")
