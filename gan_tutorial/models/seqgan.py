"""SeqGAN's networks (Yu et al. 2017): an LSTM that writes text token by token, and a reader that tells real from fake.

Tokens are integers below `vocabulary`. Token 0 is the blank: the generator reads it first, before it writes anything.
The LSTM's arithmetic, its initial weights and the discriminator's filters are those of the paper's code.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_tutorial.errors import require, require_integer, require_number, unknown

DISCRIMINATORS = ("cnn", "rnn")
State = tuple[Tensor, Tensor]
# The discriminator's filters: width in tokens -> how many (the paper's appendix, for length 20).
FILTERS = dict.fromkeys(range(1, 11), 100) | dict.fromkeys(range(2, 6), 200) | {15: 160, 20: 160}
# Probabilities held at once while tokens are drawn. On a CPU, larger pieces are mapped anew each time: twice as slow.
_AT_ONCE = {"cpu": 2**17, "cuda": 2**26}


class Generator(nn.Module):
    """Tokens (N, L) -> logits (N, L, V) of each token from those before it (teacher forcing).

    Args:
        vocabulary: V, how many tokens there are.
        length: L of the samples.
        embedding: dimensions of a token's vector.
        hidden: the LSTM's cells.
        std: every parameter starts from N(0, std); the paper's generator has 0.1, its oracle 1.
    """

    z_dim = 0
    num_classes = 0

    def __init__(self, vocabulary: int, length: int, embedding: int = 32, hidden: int = 32, std: float = 0.1) -> None:
        super().__init__()
        self.vocabulary, self.length, self.sample_shape = vocabulary, length, (length,)
        self.embedding = nn.Embedding(vocabulary, embedding)
        self.lstm = nn.LSTM(embedding, hidden, batch_first=True)
        self.output = nn.Linear(hidden, vocabulary)
        for parameter in self.parameters():
            nn.init.normal_(parameter, 0.0, std)
        # torch's LSTM adds two biases; the paper's has one.
        second = self.lstm.get_parameter("bias_hh_l0")
        nn.init.zeros_(second).requires_grad_(False)

    def forward(self, tokens: Tensor) -> Tensor:
        checked(tokens)
        before = F.pad(tokens[:, :-1], (1, 0))
        return self.output(self.lstm(self.embedding(before))[0])

    def log_prob(self, tokens: Tensor) -> Tensor:
        """log p of each token given those before it, in nats: (N, L) float32. A row's sum is its sequence's log p."""
        logits = self(tokens).float()
        return -F.cross_entropy(logits.flatten(0, 1), tokens.flatten(), reduction="none").view(tokens.shape)

    # -- token by token ----------------------------------------------------------------------------------------------
    def start(self, n: int) -> State:
        """The state (h, c), each (n, hidden), before anything was read."""
        zeros = self.output.weight.new_zeros(n, self.lstm.hidden_size)
        return zeros, zeros

    def table(self) -> Tensor:
        """What each token adds to the LSTM's gates, (V, 4 hidden): made once, so that reading a token is a look-up."""
        weight, bias = (self.lstm.get_parameter(f"{name}_ih_l0") for name in ("weight", "bias"))
        return F.linear(self.embedding.weight, weight, bias)

    def read(self, tokens: Tensor, state: State, table: Tensor | None = None) -> State:
        """The state after reading one more token (n,); the blank is the first. `table`: that of :meth:`table`."""
        h, c = state
        gates = torch.addmm(
            (self.table() if table is None else table)[tokens], h, self.lstm.get_parameter("weight_hh_l0").T
        )
        i, f, g, o = gates.chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c

    def draw(self, state: State, uniforms: Tensor, temperature: float = 1.0) -> Tensor:
        """The next token (n,) after `state`: the first whose cumulative probability exceeds its uniform (n,) in [0, 1).

        One uniform a token, so that equal uniforms give equal texts whatever else is in the batch.
        """
        rows = max(1, _AT_ONCE.get(uniforms.device.type, 2**26) // self.vocabulary)
        parts = zip(state[0].split(rows), uniforms.split(rows), strict=True)
        return torch.cat([inverse_cdf(self.output(h) / temperature, u) for h, u in parts])

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator, temperature: float = 1.0) -> Tensor:
        """n texts (n, L), int64, on G's device. Logits are divided by `temperature` (> 0): below 1, the likely gets
        likelier. Raises InputError for a temperature that is not a finite number above 0."""
        require_number("temperature", temperature, 1e-6)
        return self.write(torch.rand(n, self.length, generator=rng, device=rng.device), temperature)

    @torch.no_grad()
    def write(self, uniforms: Tensor, temperature: float = 1.0) -> Tensor:
        """The texts (n, L) that the uniforms (n, L) in [0, 1) stand for."""
        uniforms, table = uniforms.to(self.output.weight.device), self.table()
        state, token = self.start(len(uniforms)), torch.zeros_like(uniforms[:, 0], dtype=torch.int64)
        tokens = []
        for u in uniforms.unbind(1):
            state = self.read(token, state, table)
            token = self.draw(state, u, temperature)
            tokens.append(token)
        return torch.stack(tokens, 1)


def inverse_cdf(logits: Tensor, uniforms: Tensor) -> Tensor:
    """For each row of logits (n, V), the first index whose cumulative probability exceeds the row's uniform: (n,)."""
    upto = logits.softmax(1).cumsum(1)
    index = torch.searchsorted(upto, uniforms[:, None] * upto[:, -1:], right=True)
    return index[:, 0].clamp_(max=logits.shape[1] - 1)


class Highway(nn.Module):
    """x -> t * relu(W x) + (1 - t) * x with the gate t = sigmoid(W' x) (Srivastava et al. 2015)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.both = nn.Linear(features, 2 * features)
        for part in self.both.weight.chunk(2):
            nn.init.xavier_uniform_(part)
        nn.init.zeros_(self.both.bias)

    def forward(self, x: Tensor) -> Tensor:
        new, gate = self.both(x).chunk(2, 1)
        return torch.lerp(x, new.relu(), gate.sigmoid())


class _Classifier(nn.Module):
    """Tokens (N, L) -> logits (N,). A subclass gives the features (N, F).

    The output layer scores both classes, fake and real, as the paper's code does: its weight decay and Adam's steps
    would mean something else with one.
    """

    def __init__(self, vocabulary: int, embedding: int, features: int, keep: float) -> None:
        super().__init__()
        self.num_classes = 0
        self.embedding = nn.Embedding(vocabulary, embedding)
        nn.init.uniform_(self.embedding.weight, -1, 1)
        self.dropout = nn.Dropout(1 - keep)
        self.output = nn.Linear(features, 2)
        _truncated(self.output)

    def forward(self, tokens: Tensor) -> Tensor:
        fake, real = self.output(self.dropout(self.features(self.embedding(checked(tokens))))).unbind(1)
        return real - fake

    def features(self, x: Tensor) -> Tensor:
        raise NotImplementedError


class ConvDiscriminator(_Classifier):
    """Tokens (N, L) -> logits (N,): filters of many widths, the largest answer of each, a highway layer (Kim 2014).

    Args:
        vocabulary: V.
        length: L; filters wider than that are left out.
        embedding: dimensions of a token's vector.
        width: multiplies the paper's numbers of filters; each width keeps at least one.
        keep: share of the features that dropout keeps.
    """

    def __init__(
        self, vocabulary: int, length: int, embedding: int = 64, width: float = 1.0, keep: float = 0.75
    ) -> None:
        counts = {w: max(1, round(width * count)) for w, count in FILTERS.items() if w <= length}
        super().__init__(vocabulary, embedding, sum(counts.values()), keep)
        self.filters = nn.ModuleList(nn.Linear(w * embedding, count) for w, count in counts.items())
        self.filters.apply(_truncated)
        self.highway = Highway(sum(counts.values()))

    def features(self, x: Tensor) -> Tensor:
        embedding = x.shape[2]
        # A window of w tokens is one run of w vectors in memory: the convolution is a product with all such runs.
        x, answers = x.flatten(1), []
        for filters in self.filters:
            windows = x.unfold(1, filters.in_features, embedding)  # type: ignore[arg-type]
            answers.append(filters(windows).amax(1))
        return self.highway(torch.cat(answers, 1).relu())


class RecurrentDiscriminator(_Classifier):
    """Tokens (N, L) -> logits (N,): an LSTM reads the text; its last state is judged.

    Args: as of :class:`ConvDiscriminator`; `hidden` is the LSTM's number of cells.
    """

    def __init__(self, vocabulary: int, embedding: int = 64, hidden: int = 128, keep: float = 0.75) -> None:
        super().__init__(vocabulary, embedding, hidden, keep)
        self.lstm = nn.LSTM(embedding, hidden, batch_first=True)

    def features(self, x: Tensor) -> Tensor:
        return self.lstm(x)[0][:, -1]


def checked(tokens: Tensor) -> Tensor:
    """`tokens` if they are int64 (N, L), else InputError. Values are not looked at: that would wait for a GPU."""
    good = tokens.dtype == torch.int64 and tokens.dim() == 2
    require(good, "tokens", f"{tokens.dtype} {tuple(tokens.shape)}", "int64 tokens (N, L)")
    return tokens


@torch.no_grad()
def _truncated(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, 0.0, 0.1, -0.2, 0.2)
        nn.init.constant_(module.bias, 0.1)


def build(
    sample_shape: tuple[int, ...],
    *,
    num_classes: int = 0,
    vocabulary: int = 0,
    embedding: int = 32,
    hidden: int = 32,
    std: float = 0.1,
    discriminator: str = "cnn",
    d_embedding: int = 64,
    d_width: float = 1.0,
    keep: float = 0.75,
) -> dict[str, nn.Module]:
    """Both networks for texts of `sample_shape` (L,).

    Args:
        sample_shape: (L,) with L from 2 to 1000.
        num_classes: 0; SeqGAN has no classes.
        vocabulary: V, 2-100,000; the trainer fills it in from the data.
        embedding, hidden, std: the generator's, see there (1-4096; std in 0-10).
        discriminator: "cnn" as in the paper, or "rnn".
        d_embedding: dimensions of a token's vector in the discriminator (1-4096).
        d_width: multiplies the numbers of its filters, or the 128 cells of "rnn" (0.01-10).
        keep: share of the features that its dropout keeps (0.1-1).
    """
    require(len(sample_shape) == 1 and 2 <= sample_shape[0] <= 1000, "sample_shape", tuple(sample_shape), "text: (L,)")
    require(num_classes == 0, "num_classes", num_classes, "0: SeqGAN has no classes; set conditional to false")
    require_integer("vocabulary", vocabulary, 2, 100_000)
    sizes: dict[str, Any] = {"embedding": embedding, "hidden": hidden, "d_embedding": d_embedding}
    for name, value in sizes.items():
        require_integer(name, value, 1, 4096)
    require_number("std", std, 0, 10)
    require_number("d_width", d_width, 0.01, 10)
    require_number("keep", keep, 0.1, 1)
    length = sample_shape[0]
    if discriminator == "cnn":
        reader: nn.Module = ConvDiscriminator(vocabulary, length, d_embedding, d_width, keep)
    elif discriminator == "rnn":
        reader = RecurrentDiscriminator(vocabulary, d_embedding, max(1, round(128 * d_width)), keep)
    else:
        raise unknown("discriminator", discriminator, DISCRIMINATORS)
    return {"generator": Generator(vocabulary, length, embedding, hidden, std), "discriminator": reader}
