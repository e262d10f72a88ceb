import copy
import math

import pytest
import torch

from gan_tutorial.algorithms.seqgan import SeqGAN, SeqGANSettings, bleu, rollouts
from gan_tutorial.data.oracle import Oracle, oracle
from gan_tutorial.errors import InputError
from gan_tutorial.models import mlp, seqgan
from gan_tutorial.training import Recipe, Trainer

V, L = 7, 5
QUICK = {"mle_steps": 3, "d_pretraining": 2, "d_rounds": 1, "d_samples": 20, "d_epochs": 1, "rollouts": 2}
EVERY = torch.cartesian_prod(*[torch.arange(3)] * 3)  # all texts of three tokens over three tokens


def algorithm(seed=0, vocabulary=V, length=L, std=0.5, **settings):
    torch.manual_seed(seed)
    options = {"embedding": 4, "hidden": 6, "d_width": 0.02, "d_embedding": 4, "std": std}
    nets = seqgan.build((length,), vocabulary=vocabulary, **options)
    return SeqGAN(nets, SeqGANSettings(**{**QUICK, **settings}), seed=seed)


def texts(batch=8, seed=0):
    return oracle("train", vocabulary=V, length=L, samples=60).stream(batch, seed=seed)


def gradient(loss, network):
    wanted = [p for p in network.parameters() if p.requires_grad]
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, wanted)])


def verdicts(tokens):
    """A fixed judge of texts (N, 3) over three tokens."""
    values = torch.rand(27, generator=torch.Generator().manual_seed(4))
    return values.to(tokens.device)[(tokens * torch.tensor([9, 3, 1])).sum(1)]


def exact_rewards(generator, tokens):
    """Expected verdict after each token of `tokens` (N, 3), over all ways to go on: (N, 3)."""
    p = generator.log_prob(EVERY).sum(1).exp().detach()
    rewards = []
    for t in range(1, 4):
        begins = (tokens[:, None, :t] == EVERY[None, :, :t]).all(2) * p
        rewards.append((begins * verdicts(EVERY)).sum(1) / begins.sum(1))
    return torch.stack(rewards, 1)


# -- the policy gradient, exactly --------------------------------------------------------------------------------------
@pytest.mark.parametrize("seed", range(3))
def test_reinforce_has_the_exact_gradient_as_its_mean(seed):
    a = algorithm(seed, 3, 3, loss_reduction="sum")
    G = a.generator
    p = G.log_prob(EVERY).sum(1).exp()
    exact = gradient(-(p * verdicts(EVERY)).sum(), G)
    # The mean over texts: each text's term, weighted by how often it is written.
    weighted = exact_rewards(G, EVERY) * p.detach()[:, None]
    torch.testing.assert_close(gradient(a.policy_loss(EVERY, weighted), G), exact, atol=1e-6, rtol=1e-4)
    # The verdict on the whole text, for every token, has the same mean.
    whole = (verdicts(EVERY) * p.detach())[:, None].expand(-1, 3)
    torch.testing.assert_close(gradient(a.policy_loss(EVERY, whole), G), exact, atol=1e-6, rtol=1e-4)


def test_rollouts_estimate_the_exact_rewards_without_bias():
    a = algorithm(0, 3, 3, std=1.0, rollouts=1000)
    tokens = EVERY[:9]
    rewards = a.rewards(tokens, torch.Generator().manual_seed(0), verdicts)
    # A verdict is between 0 and 1: its mean over 1,000 spreads by at most 0.016.
    torch.testing.assert_close(rewards, exact_rewards(a.generator, tokens), atol=0.06, rtol=0)
    assert torch.equal(rewards[:, -1], verdicts(tokens))


def test_sampled_gradients_scatter_around_the_exact_one():
    a = algorithm(1, 3, 3, std=1.0, rollouts=4, loss_reduction="mean")
    G, rng = a.generator, torch.Generator().manual_seed(0)
    exact = gradient(-(G.log_prob(EVERY).sum(1).exp() * verdicts(EVERY)).sum(), G)
    parts = []
    for _ in range(40):
        tokens = G.sample(200, rng)
        parts.append(gradient(a.policy_loss(tokens, a.rewards(tokens, rng, verdicts)), G))
    each = torch.stack(parts)
    moving = each.std(0) > 1e-9
    errors = ((each.mean(0) - exact) / (each.std(0) / math.sqrt(40)))[moving]
    # In standard errors: about t-distributed with 39 degrees of freedom, and far from independent.
    assert errors.square().mean().sqrt() < 2
    assert errors.abs().max() < 5
    assert ((exact / (each.std(0) / math.sqrt(40)))[moving]).square().mean().sqrt() > 3  # it could have failed


def test_a_mean_baseline_keeps_the_gradient_and_lowers_its_spread():
    a = algorithm(1, 3, 3, std=1.0, loss_reduction="mean")
    G, rng = a.generator, torch.Generator().manual_seed(0)
    found = {}
    for baseline in ("none", "mean"):
        a.configure(baseline=baseline)
        rng.manual_seed(0)
        drawn = [G.sample(200, rng) for _ in range(40)]
        each = torch.stack([gradient(a.policy_loss(x, exact_rewards(G, x)), G) for x in drawn])
        found[baseline] = each.mean(0), each.std(0).norm()
    (plain, wide), (mean, narrow) = found["none"], found["mean"]
    assert narrow < 0.8 * wide
    assert (plain - mean).norm() < 4 * wide / math.sqrt(40)
    assert torch.nn.functional.cosine_similarity(plain, mean, dim=0) > 0.9


@pytest.mark.parametrize("baseline", ["none", "mean"])
def test_under_a_fixed_judge_the_expected_reward_rises(baseline):
    a = algorithm(2, 3, 3, rollouts=4, lr_pg=0.02, baseline=baseline)

    def expected():
        with torch.no_grad():
            return (a.generator.log_prob(EVERY).sum(1).exp() * verdicts(EVERY)).sum().item()

    before = expected()
    for _ in range(100):
        a.rollout.load_state_dict(a.generator.state_dict())
        a.step_generator(64, verdicts)
    assert expected() > before + 0.15  # three seeds gave 0.25 to 0.47 (the best text alone: 0.99)


def test_sum_and_mean_differ_by_the_number_of_texts():
    a = algorithm()
    tokens, rewards = a.generator.sample(6, a.rng), torch.rand(6, L)
    total = a.policy_loss(tokens, rewards)
    a.configure(loss_reduction="mean")
    torch.testing.assert_close(a.policy_loss(tokens, rewards), total / 6)


# -- rewards -----------------------------------------------------------------------------------------------------------
def test_rollouts_complete_with_the_delayed_copy_and_keep_no_graph():
    a = algorithm()
    tokens = a.generator.sample(3, a.rng)
    before = a.rewards(tokens, torch.Generator().manual_seed(0))
    with torch.no_grad():
        a.generator.output.weight.add_(torch.randn_like(a.generator.output.weight))
    assert torch.equal(before, a.rewards(tokens, torch.Generator().manual_seed(0)))
    a.rollout.load_state_dict(a.generator.state_dict())
    assert not torch.equal(before, a.rewards(tokens, torch.Generator().manual_seed(0)))
    assert not before.requires_grad
    assert before.shape == (3, L)


def test_rewards_are_ds_probabilities_without_dropout():
    a = algorithm()
    tokens = a.generator.sample(300, a.rng)
    a.discriminator.train()
    judged = a.judge(tokens)
    assert a.discriminator.training
    assert torch.equal(judged, a.judge(tokens))
    torch.testing.assert_close(judged, a.discriminator.eval()(tokens).sigmoid())
    torch.testing.assert_close(a.rewards(tokens, a.rng)[:, -1], judged)


def test_no_prefix_is_read_twice():
    a, read = algorithm(), []
    tokens = a.generator.sample(3, a.rng)
    plain = a.generator.read
    a.generator.read = lambda last, state, table: read.append(len(last)) or plain(last, state, table)
    rollouts(a.generator, tokens, torch.rand(L - 1, 4, 3, L))
    assert read == [3, 3, 3 + 12, 3 + 24, 3 + 36]  # the given texts, and R copies for each beginning so far


def test_bleu_counts_what_the_definition_counts():
    references = torch.tensor([[1, 2, 3, 4, 5], [1, 1, 6, 6, 2]])
    judge = bleu(references, 7, 2)
    # Unigrams: 1 1 3 0 5 -> 1, 1, 3 and 5 occur (1 twice in one reference). Bigrams: 11 occurs; 13, 30, 05 do not.
    assert judge(torch.tensor([[1, 1, 3, 0, 5]])).item() == pytest.approx(math.sqrt(4 / 5 * 2 / 5))
    # 1 comes three times, but twice in a reference; 3 3 never comes.
    assert judge(torch.tensor([[1, 1, 1, 3, 3]])).item() == pytest.approx(math.sqrt(3 / 5 * 2 / 5))
    torch.testing.assert_close(judge(references), torch.ones(2))
    assert judge(torch.zeros(1, 5, dtype=torch.int64)).item() == 0


def test_bleu_rewards_what_the_data_has():
    data = oracle("all", vocabulary=V, length=L, samples=60)
    judge = bleu(data.data[:60], V, 3)
    noise = torch.randint(0, V, (60, L), generator=torch.Generator().manual_seed(0))
    assert judge(data.data[60:]).mean() > judge(noise).mean() + 0.02


# -- phases ------------------------------------------------------------------------------------------------------------
def test_the_phases_follow_each_other_and_change_what_they_should():
    a, draw = algorithm(), texts().__next__
    for step in range(8):
        before = {role: [p.clone() for p in net.parameters()] for role, net in a.networks.items()}
        metrics = a.step(draw)
        changed = {
            role: any(not torch.equal(p, q) for p, q in zip(before[role], net.parameters(), strict=True))
            for role, net in a.networks.items()
        }
        phase = "mle" if step < 3 else "d" if step < 5 else "adversarial"
        assert changed == {"generator": phase != "d", "discriminator": phase != "mle"}
        names = {"mle": {"nll"}, "d": {"d_loss", "real_logit", "fake_logit"}}
        assert set(metrics) == names.get(phase, {*names["d"], "reward", "g_loss"})
        assert all(value.dim() == 0 and not value.requires_grad for value in metrics.values())
    assert a.seen["real"].shape == a.seen["fake"].shape == (4,)


@pytest.mark.parametrize(("samples", "epochs"), [(20, 1), (20, 3), (24, 2)])
def test_a_set_of_fakes_is_read_as_often_as_asked(samples, epochs):
    a = algorithm(d_samples=samples, d_epochs=epochs)
    drawn, stream = [], texts()

    def draw():
        drawn.append(next(stream))
        return drawn[-1]

    a.teach_discriminator(draw)
    steps = a.optimizers["discriminator"].state[next(a.discriminator.parameters())]["step"]
    assert steps == epochs * (samples // 4)  # 8 in a batch, half of them real
    assert len(drawn) == 3


def test_adam_begins_anew_with_the_policy_gradient():
    a, draw = algorithm(d_pretraining=0, g_steps=2), texts().__next__
    for _ in range(3):
        a.step(draw)
    weight = a.generator.output.weight
    assert a.optimizers["generator"].state[weight]["step"] == 3
    a.step(draw)
    assert a.optimizers["generator"].state[weight]["step"] == 2


@pytest.mark.parametrize("rate", [0.0, 0.8])
def test_the_copy_follows_with_the_delay_that_was_asked(rate):
    a, draw = algorithm(mle_steps=0, d_pretraining=0, rollout_rate=rate), texts().__next__
    before = copy.deepcopy(a.generator.state_dict())
    a.step(draw)
    for name, now in a.generator.state_dict().items():
        torch.testing.assert_close(a.rollout.state_dict()[name], rate * before[name] + (1 - rate) * now)


def test_the_gradient_is_clipped():
    a = algorithm(clip=1e-3)
    a.imitate(next(texts()).x)
    norms = [p.grad.norm() for p in a.generator.parameters() if p.grad is not None]
    assert torch.stack(norms).norm().item() == pytest.approx(1e-3, rel=1e-3)


def test_bleu_needs_no_discriminator():
    a, draw = algorithm(reward="bleu"), texts().__next__
    before = copy.deepcopy(a.discriminator.state_dict())
    for _ in range(3):
        a.step(draw)
    metrics = a.step(draw)
    assert set(metrics) == {"reward", "g_loss"}
    assert 0 < metrics["reward"] < 1
    assert all(torch.equal(before[name], now) for name, now in a.discriminator.state_dict().items())


def test_scheduled_sampling_replaces_the_share_it_says():
    a, tokens = algorithm(vocabulary=50), torch.full((400, L), 49)
    assert torch.equal(a.mixed(tokens, 1.0), tokens)
    kept = (a.mixed(tokens, 0.3) == tokens).float().mean().item()
    assert kept == pytest.approx(0.3 + 0.7 / 50, abs=0.04)
    # Without any true token it is what G writes by the same uniforms.
    a.rng.manual_seed(0)
    free = a.mixed(tokens, 0.0)
    a.rng.manual_seed(0)
    assert torch.equal(free, a.generator.write(torch.rand(2, *tokens.shape, generator=a.rng)[1]))


def test_scheduled_sampling_starts_as_maximum_likelihood_and_leaves_it():
    nlls = {}
    for pretraining in ("mle", "scheduled"):
        a, draw = algorithm(pretraining=pretraining, mle_steps=4), texts().__next__
        nlls[pretraining] = [a.step(draw)["nll"].item() for _ in range(4)]
    assert nlls["mle"][0] == nlls["scheduled"][0]
    assert nlls["mle"][3] != nlls["scheduled"][3]


def test_maximum_likelihood_brings_texts_nearer_to_the_oracle():
    a, draw, o = algorithm(std=0.1, mle_steps=150), texts(20).__next__, Oracle(V, L, 0)

    def grade():
        return o.nll(a.generator.sample(1000, torch.Generator().manual_seed(0))).item()

    before = grade()
    for _ in range(150):
        a.step(draw)
    assert grade() < before - 0.5


# -- state and wrong input ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("stop", [2, 3, 4, 6])
def test_a_resumed_run_is_the_same_bit_for_bit(stop):
    def run(a, stream, steps):
        values = []
        for _ in range(steps):
            torch.manual_seed(a.steps)  # the trainer keeps the state of dropout's randomness
            values.append({name: value.item() for name, value in a.step(stream.__next__).items()})
        return values

    a, stream = algorithm(), texts()
    run(a, stream, stop)
    state = copy.deepcopy(
        (a.state_dict(), [n.state_dict() for n in a.networks.values()], [o.state_dict() for o in a.optimizers.values()])
    )
    position = stream.state_dict()
    expected = run(a, stream, 4)

    b, stream = algorithm(seed=9), texts()
    stream.load_state_dict(position)
    for network, saved in zip(b.networks.values(), state[1], strict=True):
        network.load_state_dict(saved)
    for optimizer, saved in zip(b.optimizers.values(), state[2], strict=True):
        optimizer.load_state_dict(saved)
    b.load_state_dict(state[0])
    assert run(b, stream, 4) == expected
    for net, other in zip(a.networks.values(), b.networks.values(), strict=True):
        assert all(torch.equal(p, q) for p, q in zip(net.parameters(), other.parameters(), strict=True))


def test_samples_are_texts_of_the_seed():
    a = algorithm()
    one, two = (a.sample(a.networks, 5, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one, two)
    assert one.shape == (5, L)
    assert one.dtype == torch.int64


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mle_steps", -1),
        ("pretraining", "ml"),
        ("true_share", 1.5),
        ("lr_pg", -0.1),
        ("lr_g", float("nan")),
        ("clip", 0),
        ("d_samples", 1),
        ("d_epochs", 0),
        ("rollouts", 0),
        ("rollout_rate", 1.0),
        ("reward", "blue"),
        ("bleu_order", 6),
        ("baseline", "median"),
        ("loss_reduction", "max"),
    ],
)
def test_wrong_settings_are_one_line_and_change_nothing(name, value):
    with pytest.raises(InputError, match=rf"^{name}: [^\n]*$"):
        SeqGANSettings(**{name: value})
    a = algorithm()
    before = a.settings
    with pytest.raises(InputError, match=rf"^{name}: [^\n]*$"):
        a.configure(**{name: value})
    assert a.settings is before


def test_an_unknown_setting_is_one_line():
    with pytest.raises(InputError, match=r"^setting: 'rollout' is not known; did you mean 'rollouts'\? [^\n]*$"):
        algorithm().configure(rollout=3)


def test_what_it_can_not_train_is_one_line():
    nets = algorithm().networks
    with pytest.raises(InputError, match=r"^processes: 2 [^\n]* one process$"):
        SeqGAN(nets, world=2)
    with pytest.raises(InputError, match=r"^generator: 'Generator' [^\n]* 'seqgan' has$"):
        SeqGAN(mlp.build((2,)))
    with pytest.raises(InputError, match=r"^bleu_order: 5 [^\n]*$"):
        bleu(torch.zeros(1, 20, dtype=torch.int64), 100_000, 5)


# -- under the trainer -------------------------------------------------------------------------------------------------
def run_of(**changes):
    options = {"d_width": 0.02, "d_embedding": 4, "embedding": 4, "hidden": 6}
    return Recipe(
        "oracle-test",
        "a short run",
        "oracle",
        "seqgan",
        data_options={"vocabulary": V, "length": L, "samples": 60},
        model_options=options,
        algorithm="seqgan",
        settings=SeqGANSettings(**{**QUICK, **changes}),
        batch_size=8,
        steps=8,
        checkpoint_every=1,
        log_every=1,
    )


@pytest.mark.parametrize("stop", [2, 4, 6])
def test_the_trainer_resumes_bit_for_bit_in_every_phase(stop, tmp_path):
    whole = Trainer(run_of(), device="cpu")
    expected = list(whole.run())
    for _ in Trainer(run_of(), device="cpu", out=tmp_path).run(stop):
        pass
    resumed = Trainer(run_of(), device="cpu", out=tmp_path, resume=True)
    assert list(resumed.run()) == expected[stop:]
    for role, net in resumed.networks.items():
        assert all(torch.equal(p, q) for p, q in zip(net.parameters(), whole.networks[role].parameters(), strict=True))
    assert torch.equal(resumed.sample(5, seed=1), whole.sample(5, seed=1))


def test_the_trainer_goes_back_to_an_earlier_phase():
    trainer = Trainer(run_of(), device="cpu")
    list(trainer.run(2))
    early = trainer.snapshot()
    first = list(trainer.run(5))
    trainer.restore(early)
    assert list(trainer.run(5)) == first
