import math

import pytest
import torch
from torch.nn import functional as F

from gan_tutorial.errors import InputError
from gan_tutorial.models import seqgan

V, L = 11, 6


def generator(std=1.0, **options):
    torch.manual_seed(3)
    return seqgan.Generator(V, L, **{"embedding": 5, "hidden": 7, "std": std, **options})


def every_text(vocabulary, length):
    return torch.cartesian_prod(*[torch.arange(vocabulary)] * length).view(-1, length)


def test_shapes_and_what_the_trainer_asks_for():
    nets = seqgan.build((L,), vocabulary=V, embedding=4, hidden=4, d_width=0.02, d_embedding=4)
    G, D = nets["generator"], nets["discriminator"]
    assert (G.vocabulary, G.length, G.sample_shape, G.z_dim, G.num_classes) == (V, L, (L,), 0, 0)
    tokens = G.sample(9, torch.Generator().manual_seed(0))
    assert tokens.shape == (9, L)
    assert tokens.dtype == torch.int64
    assert tokens.min() >= 0
    assert tokens.max() < V
    assert G(tokens).shape == (9, L, V)
    assert G.log_prob(tokens).shape == (9, L)
    assert G.log_prob(tokens).dtype == torch.float32
    assert D(tokens).shape == (9,)


def test_the_papers_sizes():
    nets = seqgan.build((20,), vocabulary=5000)
    D = nets["discriminator"]
    assert [f.in_features // 64 for f in D.filters] == [*range(1, 11), 15, 20]
    assert [f.out_features for f in D.filters] == [100, 200, 200, 200, 200, 100, 100, 100, 100, 100, 160, 160]
    assert D.output.in_features == 1720
    # Embedding, four gates with one bias each, output.
    trained = sum(p.numel() for p in nets["generator"].parameters() if p.requires_grad)
    assert trained == 5000 * 32 + 4 * 32 * (32 + 32 + 1) + 5000 * 33
    assert nets["generator"].output.weight.std().item() == pytest.approx(0.1, rel=0.02)


def test_the_probabilities_of_all_texts_sum_to_one():
    torch.manual_seed(0)
    G = seqgan.Generator(3, 4, std=1.0)
    assert G.log_prob(every_text(3, 4)).sum(1).exp().sum().item() == pytest.approx(1, abs=1e-5)


def test_a_token_depends_on_those_before_it_and_on_no_other():
    G, tokens = generator(), torch.randint(0, V, (4, L), generator=torch.Generator().manual_seed(0))
    changed = tokens.clone()
    changed[:, 3] = (tokens[:, 3] + 1) % V
    before, after = G(tokens), G(changed)
    torch.testing.assert_close(before[:, :4], after[:, :4])
    assert (before[:, 4:] - after[:, 4:]).abs().amax((1, 2)).min() > 1e-3


def test_reading_token_by_token_gives_the_logits_of_teacher_forcing():
    G, tokens = generator(), torch.randint(0, V, (4, L), generator=torch.Generator().manual_seed(0))
    state, last, logits = G.start(4), torch.zeros(4, dtype=torch.int64), []
    for i in range(L):
        state = G.read(last, state)
        logits.append(G.output(state[0]))
        last = tokens[:, i]
    torch.testing.assert_close(torch.stack(logits, 1), G(tokens))


@pytest.mark.parametrize("vocabulary", [2, 3, 10, 27, 200])
def test_inverse_cdf_is_the_textbook_one(vocabulary):
    rng = torch.Generator().manual_seed(vocabulary)
    logits = 2 * torch.randn(500, vocabulary, generator=rng, dtype=torch.float64)
    u = torch.rand(500, generator=rng, dtype=torch.float64)
    plain = (logits.softmax(1).cumsum(1) <= u[:, None]).sum(1)
    assert torch.equal(seqgan.inverse_cdf(logits, u), plain)


def test_inverse_cdf_at_its_ends():
    logits = torch.tensor([[-1e9, 0.0, 0.0, -1e9, -1e9]]).repeat(3, 1)
    almost_one = math.nextafter(1, 0)
    u = torch.tensor([0.0, 0.5, almost_one]).clamp(max=1 - 2**-24)
    assert seqgan.inverse_cdf(logits, u).tolist() == [1, 2, 2]  # never one of probability 0
    for vocabulary in (2, 5, 5000):
        last = seqgan.inverse_cdf(torch.zeros(1, vocabulary), torch.tensor([1 - 2**-24]))
        assert last.item() == vocabulary - 1


def test_texts_come_as_often_as_their_probability_says():
    torch.manual_seed(1)
    G = seqgan.Generator(3, 3, std=1.0)
    n = 40_000
    number = (G.sample(n, torch.Generator().manual_seed(0)) * torch.tensor([9, 3, 1])).sum(1)
    counts = torch.bincount(number, minlength=27).double()
    p = G.log_prob(every_text(3, 3)).sum(1).exp().double()
    # Chi-square with 26 degrees of freedom: its 99.9 % point is 54.
    assert ((counts - n * p).square() / (n * p)).sum().item() < 54


def test_equal_uniforms_give_equal_texts_alone_and_in_a_batch():
    G, u = generator().double(), torch.rand(30, L, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    together = G.write(u)
    assert torch.equal(together, torch.cat([G.write(row[None]) for row in u]))
    assert len(together.unique(dim=0)) > 20


def test_a_batch_drawn_in_parts_is_the_batch(monkeypatch):
    G, u = generator().double(), torch.rand(30, L, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    whole = G.write(u)
    monkeypatch.setitem(seqgan._AT_ONCE, "cpu", 4 * V)
    assert torch.equal(G.write(u), whole)


def test_temperature_sharpens_and_flattens():
    G = generator()

    def nll(temperature):
        return -G.log_prob(G.sample(400, torch.Generator().manual_seed(0), temperature)).mean().item()

    cold, plain, hot = nll(0.3), nll(1.0), nll(3.0)
    assert cold < plain - 0.2
    assert plain < hot - 0.2
    coldest = G.sample(5, torch.Generator().manual_seed(0), 1e-6)
    assert len(coldest.unique(dim=0)) == 1
    assert torch.equal(coldest[:, 0], G(coldest)[:, 0].argmax(1))


@pytest.mark.parametrize("temperature", [0, -1, float("nan"), "warm"])
def test_a_temperature_that_can_not_be_is_one_line(temperature):
    with pytest.raises(InputError, match=r"^temperature: .* a finite number >= [^\n]*$"):
        generator().sample(1, torch.Generator(), temperature)


def test_the_filters_are_convolutions():
    torch.manual_seed(0)
    D = seqgan.ConvDiscriminator(V, L, embedding=5, width=0.05).eval()
    tokens = torch.randint(0, V, (4, L))
    x = D.embedding(tokens)
    answers = []
    for filters in D.filters:
        weight = filters.weight.view(filters.out_features, -1, 5).transpose(1, 2)
        answers.append(F.conv1d(x.transpose(1, 2), weight, filters.bias).amax(2))
    pooled = torch.cat(answers, 1).relu()
    new, gate = D.highway.both(pooled).chunk(2, 1)
    features = gate.sigmoid() * new.relu() + (1 - gate.sigmoid()) * pooled
    torch.testing.assert_close(D.features(x), features)
    both = features @ D.output.weight.T + D.output.bias
    torch.testing.assert_close(D(tokens).sigmoid(), both.softmax(1)[:, 1])


def test_filters_wider_than_the_text_are_left_out():
    widths = {length: len(seqgan.ConvDiscriminator(V, length, 4, 0.01).filters) for length in (2, 10, 14, 15, 20, 30)}
    assert widths == {2: 2, 10: 10, 14: 10, 15: 11, 20: 12, 30: 12}


@pytest.mark.parametrize("kind", seqgan.DISCRIMINATORS)
def test_every_discriminator_learns_and_drops_features_in_training_only(kind):
    torch.manual_seed(0)
    D = seqgan.build((L,), vocabulary=V, discriminator=kind, d_width=0.05, d_embedding=8)["discriminator"]
    tokens = torch.randint(0, V, (64, L))
    real = (tokens[:, 2] < 5).float()
    assert not torch.equal(D(tokens), D(tokens))
    optimizer = torch.optim.Adam(D.parameters(), lr=0.02)
    for _ in range(60):
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(D(tokens), real).backward()
        optimizer.step()
    D.eval()
    assert torch.equal(D(tokens), D(tokens))
    assert ((D(tokens) > 0) == (real > 0)).float().mean() > 0.9


@pytest.mark.parametrize("net", [generator(), seqgan.ConvDiscriminator(V, L, 4, 0.01)])
@pytest.mark.parametrize("tokens", [torch.zeros(2, L), torch.zeros(L, dtype=torch.int64)])
def test_what_is_no_text_is_one_line(net, tokens):
    with pytest.raises(InputError, match=r"^tokens: [^\n]* expected int64 tokens \(N, L\)$"):
        net(tokens)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sample_shape": (1, 8, 8)}, "sample_shape"),
        ({"sample_shape": (1,)}, "sample_shape"),
        ({"num_classes": 3}, "num_classes"),
        ({"vocabulary": 0}, "vocabulary"),
        ({"hidden": 0}, "hidden"),
        ({"embedding": 2.5}, "embedding"),
        ({"std": -1}, "std"),
        ({"d_width": 0}, "d_width"),
        ({"keep": 0}, "keep"),
        ({"discriminator": "cmm"}, "discriminator"),
    ],
)
def test_wrong_options_are_one_line(changes, message):
    with pytest.raises(InputError, match=rf"^{message}: [^\n]*$"):
        seqgan.build(**{"sample_shape": (L,), "vocabulary": V, **changes})
