"""SeqGAN's update rule: the discriminator's verdict on whole texts becomes a reward of every token (Yu et al. 2017).

A token is a choice, and no gradient passes through a choice. So G is trained as a policy: REINFORCE (Williams 1992)
makes tokens likelier that were followed by a high reward. What a token is worth is found out by trying: from every
position on, G's delayed copy completes the text several times, and D judges the completed texts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_tutorial.algorithms.replay import Replay
from gan_tutorial.augment import Augmentation
from gan_tutorial.data import Batch
from gan_tutorial.errors import require, require_integer, require_number, unknown
from gan_tutorial.models.seqgan import Generator

Metrics = dict[str, Tensor]
Judge = Callable[[Tensor], Tensor]  # texts (N, L) -> rewards (N,)
PRETRAINING = ("mle", "scheduled")
REWARDS = ("discriminator", "bleu")
BASELINES = ("none", "mean")
REDUCTIONS = ("sum", "mean")
# Texts that D judges at once: what fits a core's cache, or keeps a GPU busy.
_AT_ONCE = {"cpu": 256, "cuda": 4096}


@dataclass(frozen=True)
class SeqGANSettings:
    """What may change between two steps of a run. Defaults are the paper's code's, for its oracle.

    Attributes:
        mle_steps: updates by maximum likelihood that come first, one batch each (>= 0).
        pretraining: "mle" feeds G the true text; "scheduled" replaces more and more of its tokens by G's own guesses
            (scheduled sampling, Bengio et al. 2015).
        true_share: with "scheduled", the share of true tokens that is left at the last update, in [0, 1]; it falls
            linearly from 1.
        lr_g: G's learning rate in maximum likelihood (Adam, >= 0).
        lr_pg: G's learning rate in policy gradient (a new Adam, >= 0).
        lr_d: D's learning rate (Adam, >= 0).
        clip: the largest norm of G's gradient (> 0).
        l2: weight of half the squared norm of D's output layer, weights and biases (>= 0).
        d_pretraining: sets of fakes that D learns from before the adversarial rounds, one a step (>= 0).
        d_rounds: sets of fakes that D learns from in an adversarial round (0-100).
        d_samples: fakes in such a set, and as many real texts (>= 2).
        d_epochs: how often D reads such a set (1-100).
        g_steps: G's updates in an adversarial round (0-100).
        rollouts: texts that complete each beginning of a text (1-1000); none is drawn for the whole text.
        rollout_rate: how much of the delayed copy of G stays when a round ends, in [0, 1); 0 is G itself.
        reward: "discriminator": D's probability that the text is real. "bleu": its BLEU against `d_samples` real texts
            (the paper's baseline PG-BLEU); no D is trained.
        bleu_order: the longest n-grams that BLEU looks at (1-5).
        baseline: "none" as in the paper; "mean" subtracts the batch's mean reward at each position, which leaves the
            direction of G's mean gradient as it is and makes it less noisy.
        loss_reduction: over the batch: "sum" as in the paper's code, or "mean". Over a text's tokens it is the sum.
    """

    mle_steps: int = 18_720
    pretraining: str = "mle"
    true_share: float = 0.0
    lr_g: float = 0.01
    lr_pg: float = 0.01
    lr_d: float = 1e-4
    clip: float = 5.0
    l2: float = 0.2
    d_pretraining: int = 50
    d_rounds: int = 5
    d_samples: int = 9984
    d_epochs: int = 3
    g_steps: int = 1
    rollouts: int = 16
    rollout_rate: float = 0.8
    reward: str = "discriminator"
    bleu_order: int = 3
    baseline: str = "none"
    loss_reduction: str = "sum"

    def __post_init__(self) -> None:
        for name, known in (
            ("pretraining", PRETRAINING),
            ("reward", REWARDS),
            ("baseline", BASELINES),
            ("loss_reduction", REDUCTIONS),
        ):
            if getattr(self, name) not in known:
                raise unknown(name, getattr(self, name), known)
        for name in ("lr_g", "lr_pg", "lr_d", "l2"):
            require_number(name, getattr(self, name), 0)
        require_number("clip", self.clip, 1e-9)
        require_number("true_share", self.true_share, 0, 1)
        require_number("rollout_rate", self.rollout_rate, 0, 1, open_high=True)
        for name in ("mle_steps", "d_pretraining"):
            require_integer(name, getattr(self, name), 0)
        for name in ("d_rounds", "g_steps"):
            require_integer(name, getattr(self, name), 0, 100)
        require_integer("d_samples", self.d_samples, 2)
        require_integer("d_epochs", self.d_epochs, 1, 100)
        require_integer("rollouts", self.rollouts, 1, 1000)
        require_integer("bleu_order", self.bleu_order, 1, 5)


class SeqGAN:
    """A generator of text, a discriminator, their optimisers, and one step of what they do.

    The first `mle_steps` steps train G by maximum likelihood, the next `d_pretraining` train D, and each one after that
    is an adversarial round.

    Args:
        networks: {"generator": G, "discriminator": D} as :mod:`gan_tutorial.models.seqgan` builds them, on the device
            they train on.
        settings: see :class:`SeqGANSettings`; :meth:`configure` changes it later.
        noise: not used; G's randomness is in the choice of tokens.
        seed: seeds that choice.
        rank, world: 0 and 1; the rule runs in one process.
        autocast: makes the context that D's forward passes run in (mixed precision).
        gather: not used.
        augment: None; there is no augmentation of text.

    Attributes:
        optimizers: each network's Adam by role.
        rollout: the delayed copy of G that completes texts.
        steps: how many steps were made; it tells the phase.
        seen: D's logits in its last update, detached: "real" and "fake", (N,) each.

    Raises InputError for networks without `log_prob`, for several processes and for an augmentation.
    """

    Settings = SeqGANSettings
    averaged: tuple[str, ...] = ()
    sampling: Mapping[str, Any] = {}
    sgd: Mapping[str, torch.optim.Optimizer] = {}
    z_dim = 0
    num_classes = 0

    def __init__(
        self,
        networks: dict[str, nn.Module],
        settings: SeqGANSettings | None = None,
        *,
        noise: str = "normal",
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
        autocast: Callable[[], AbstractContextManager[Any]] = nullcontext,
        gather: Callable[[Tensor], Tensor] = lambda x: x,
        augment: Augmentation | None = None,
    ) -> None:
        generator = networks["generator"]
        what = "a generator of text, as the model 'seqgan' has"
        require(hasattr(generator, "log_prob"), "generator", type(generator).__name__, what)
        require(world == 1, "processes", world, "1: SeqGAN trains in one process")
        require(augment is None, "augment", getattr(augment, "kind", None), "'none': there is no augmentation of text")
        self.networks, self.autocast = networks, autocast
        self.generator: Any = generator
        self.discriminator: Any = networks["discriminator"]
        self.device = next(generator.parameters()).device
        self.rng = torch.Generator(self.device).manual_seed(seed)
        self.steps, self.playing = 0, False
        fused, cuda = self.device.type in ("cpu", "cuda"), self.device.type == "cuda"
        self.optimizers = {
            role: torch.optim.Adam(network.parameters(), fused=fused, capturable=cuda)
            for role, network in networks.items()
        }
        self._record_anew()
        self.rollout: Any = deepcopy(generator).requires_grad_(False)
        self.seen: dict[str, Tensor] = {}
        self.settings = settings or self.Settings()

    def configure(self, **changes: Any) -> None:
        """Change settings between two steps. Adam's moments stay; a wrong name or value changes nothing and raises."""
        for name in changes:
            if name not in vars(self.settings):
                raise unknown("setting", name, vars(self.settings))
        self.settings = replace(self.settings, **changes)
        self._record_anew()

    def _record_anew(self) -> None:
        """Forget the recorded updates: they know the settings and the optimisers' moments that were."""
        self._imitating, self._discerning = Replay(self._imitate), Replay(self._discern)

    # -- the step ----------------------------------------------------------------------------------------------------
    def step(self, draw: Callable[[], Batch]) -> Metrics:
        """One update of the phase that the run is in; `draw()` gives the next batch of real texts.

        Returns 0-dim tensors on the device: while G learns from the data `nll` (of a token, in nats); while D learns
        `d_loss` (without the weight decay), `real_logit` and `fake_logit`; in an adversarial round these and `reward`
        (mean over positions) and `g_loss`.
        """
        s, step = self.settings, self.steps
        self.steps += 1
        if step < s.mle_steps:
            return self.imitate(draw().x, step)
        if not self.playing:
            self._begin()
        if s.reward == "discriminator" and step < s.mle_steps + s.d_pretraining:
            return self.teach_discriminator(draw)
        return self.play(draw)

    def _begin(self) -> None:
        """From here on, G learns from rewards: with a new Adam, and with its copy made anew."""
        self.playing = True
        self.optimizers["generator"].state.clear()
        self.rollout.load_state_dict(self.generator.state_dict())

    def imitate(self, tokens: Tensor, step: int = 0) -> Metrics:
        """One update of G that makes the real `tokens` (N, L) likelier."""
        read = tokens
        if self.settings.pretraining == "scheduled":
            share = 1 - (1 - self.settings.true_share) * step / max(1, self.settings.mle_steps - 1)
            read = self.mixed(tokens, share)
        return {"nll": self._imitating(read, tokens)["nll"].clone()}

    def _imitate(self, read: Tensor, tokens: Tensor) -> Metrics:
        """The update itself; nothing in it waits for the device."""
        logits = self.generator(read)
        nll = F.cross_entropy(logits.flatten(0, 1), tokens.flatten())
        self._update("generator", nll, self.settings.lr_g)
        return {"nll": nll.detach()}

    @torch.no_grad()
    def mixed(self, tokens: Tensor, share: float) -> Tensor:
        """`tokens` (N, L) where each token stays with probability `share` and is else what G, having read the mixed
        beginning, would write there."""
        u = torch.rand(2, *tokens.shape, generator=self.rng, device=self.device)
        state, table = self.generator.start(len(tokens)), self.generator.table()
        token, read = torch.zeros_like(tokens[:, 0]), []
        for true, stays, of_token in zip(tokens.unbind(1), (u[0] < share).unbind(1), u[1].unbind(1), strict=True):
            state = self.generator.read(token, state, table)
            token = torch.where(stays, true, self.generator.draw(state, of_token))
            read.append(token)
        return torch.stack(read, 1)

    def teach_discriminator(self, draw: Callable[[], Batch]) -> Metrics:
        """D learns from `d_samples` new fakes and as many real texts, `d_epochs` times; the metrics of its last update.

        Half of each of its batches is real; a batch has as many texts as one of `draw()`.
        """
        real, batch = self._texts(draw)
        fake = self._write(len(real))
        half = max(1, min(batch // 2, len(real)))
        outputs: Metrics = {}
        for _ in range(self.settings.d_epochs):
            orders = [torch.randperm(len(real), generator=self.rng, device=self.device) for _ in range(2)]
            for these, those in zip(*(order[: len(real) // half * half].split(half) for order in orders), strict=True):
                outputs = self._discerning(real[these], fake[those])
        return self._told(outputs)

    def step_discriminator(self, real: Tensor, fake: Tensor) -> Metrics:
        """One update of D on real and fake texts (N, L) each."""
        return self._told(self._discern(real, fake))

    def _discern(self, real: Tensor, fake: Tensor) -> Metrics:
        """The update itself; nothing in it waits for the device."""
        real_logits, fake_logits = self._logits(torch.cat([real, fake])).chunk(2)
        loss = (F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()) / 2
        decay = sum(p.square().sum() for p in self.discriminator.output.parameters()) / 2
        self._update("discriminator", loss + self.settings.l2 * decay, self.settings.lr_d)
        return {"d_loss": loss.detach(), "real": real_logits.detach(), "fake": fake_logits.detach()}

    def _told(self, outputs: Metrics) -> Metrics:
        """The metrics of an update of D; its logits are kept in `seen`."""
        self.seen = {kind: outputs[kind].clone() for kind in ("real", "fake")}
        means = {f"{kind}_logit": logits.mean() for kind, logits in self.seen.items()}
        return {"d_loss": outputs["d_loss"].clone(), **means}

    def play(self, draw: Callable[[], Batch]) -> Metrics:
        """An adversarial round: `g_steps` updates of G, then `d_rounds` sets of fakes for D."""
        s = self.settings
        metrics: Metrics = {}
        judge = self.judge if s.reward == "discriminator" else self._bleu(draw)
        for _ in range(s.g_steps):
            metrics |= self.step_generator(len(draw().x), judge)
        if s.reward == "discriminator":
            for _ in range(s.d_rounds):
                metrics |= self.teach_discriminator(draw)
        for slow, now in zip(self.rollout.parameters(), self.generator.parameters(), strict=True):
            slow.lerp_(now, 1 - s.rollout_rate)
        return metrics

    def step_generator(self, n: int, judge: Judge | None = None) -> Metrics:
        """One update of G by policy gradient, on n texts that it writes; `judge` (default: D) rewards them."""
        tokens = self._write(n)
        rewards = self.rewards(tokens, self.rng, judge)
        loss = self.policy_loss(tokens, rewards)
        self._update("generator", loss, self.settings.lr_pg)
        return {"reward": rewards.mean(), "g_loss": loss.detach()}

    def policy_loss(self, tokens: Tensor, rewards: Tensor) -> Tensor:
        """The loss whose gradient is REINFORCE's: -sum over tokens of log p times reward (the paper's equation 8).

        tokens, rewards: (N, L). Summed over tokens; summed or averaged over texts, see `loss_reduction`.
        """
        if self.settings.baseline == "mean":
            rewards = rewards - rewards.mean(0)
        of_texts = -(self.generator.log_prob(tokens) * rewards).sum(1)
        return of_texts.sum() if self.settings.loss_reduction == "sum" else of_texts.mean()

    # -- rewards -----------------------------------------------------------------------------------------------------
    @torch.no_grad()
    def rewards(self, tokens: Tensor, rng: torch.Generator, judge: Judge | None = None) -> Tensor:
        """What each token of `tokens` (N, L) is worth: (N, L), in the judge's units (D's are probabilities).

        Of token t < L it is the mean verdict on `rollouts` texts that begin with the first t tokens and that the
        delayed copy of G completes; of the last one, the verdict on the text itself (the paper's equation 4).
        """
        judge = judge or self.judge
        n, length = tokens.shape
        shape = (length - 1, self.settings.rollouts, n, length)
        uniforms = torch.rand(shape, generator=rng, device=rng.device).to(self.device)
        texts = rollouts(self.rollout, tokens, uniforms)
        verdicts = judge(torch.cat([texts.view(-1, length), tokens]))
        completed = verdicts[:-n].view(shape[:3]).mean(1)
        return torch.cat([completed, verdicts[-n:][None]]).T

    @torch.no_grad()
    def judge(self, tokens: Tensor) -> Tensor:
        """D's probability that each of `tokens` (N, L) is real: (N,), without dropout."""
        training = self.discriminator.training
        self.discriminator.eval()
        try:
            chunks = tokens.split(_AT_ONCE.get(self.device.type, 4096))
            return torch.cat([self._logits(part).sigmoid() for part in chunks])
        finally:
            self.discriminator.train(training)

    def _logits(self, tokens: Tensor) -> Tensor:
        with self.autocast():
            return self.discriminator(tokens).float()

    def _write(self, n: int) -> Tensor:
        """n texts of G, in chunks that fit memory."""
        parts = range(0, n, 1024)
        return torch.cat([self.generator.sample(min(1024, n - done), self.rng) for done in parts])

    def _bleu(self, draw: Callable[[], Batch]) -> Judge:
        return bleu(self._texts(draw)[0], self.generator.vocabulary, self.settings.bleu_order)

    def _texts(self, draw: Callable[[], Batch]) -> tuple[Tensor, int]:
        """`d_samples` real texts, and how many a batch has."""
        batches = [draw().x]
        while len(batches) * len(batches[0]) < self.settings.d_samples:
            batches.append(draw().x)
        return torch.cat(batches)[: self.settings.d_samples], len(batches[0])

    def _update(self, role: str, loss: Tensor, lr: float) -> None:
        optimizer = self.optimizers[role]
        optimizer.param_groups[0]["lr"] = float(lr)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if role == "generator":
            nn.utils.clip_grad_norm_(self.generator.parameters(), self.settings.clip)
        optimizer.step()

    # -- samples and state -------------------------------------------------------------------------------------------
    def sample(
        self,
        networks: dict[str, nn.Module],
        n: int,
        rng: torch.Generator,
        z: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> Tensor:
        """n texts (n, L), int64, of networks["generator"]. There are no latents and no labels."""
        return networks["generator"].sample(n, rng, **self.sampling)  # type: ignore[operator]

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint needs beside networks and optimisers."""
        own = {"rng": self.rng.get_state(), "steps": self.steps, "playing": self.playing}
        return own | {f"rollout.{name}": value for name, value in self.rollout.state_dict().items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._record_anew()
        self.rng.set_state(state["rng"].cpu())
        self.steps, self.playing = int(state["steps"]), bool(state["playing"])
        prefix = "rollout."
        self.rollout.load_state_dict({k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)})
        self.seen = {}


@torch.no_grad()
def rollouts(generator: Generator, tokens: Tensor, uniforms: Tensor) -> Tensor:
    """Completes every proper beginning of `tokens` (N, L) R times: texts (L - 1, R, N, L).

    Text [t, r, n] begins with the first t + 1 tokens of text n; where it goes on at position i, `generator` chooses by
    `uniforms[t, r, n, i]`; uniforms (L - 1, R, N, L) in [0, 1), those of given tokens are not used.

    All is one batch that grows. In front stand the given texts; when one more of their tokens was read, R copies of
    their state join at the end. So each beginning is read once, not once a rollout.
    """
    _, copies, n, length = uniforms.shape
    texts = tokens.expand(length - 1, copies, n, length).clone()
    table, state, last = generator.table(), generator.start(n), torch.zeros_like(tokens[:, 0])
    for i in range(length):
        h, c = generator.read(last, state, table)
        if i:
            h, c = (torch.cat([x, x[:n].repeat(copies, 1)]) for x in (h, c))
            drawn = generator.draw((h[n:], c[n:]), uniforms[:i, :, :, i].flatten())
            texts[:i, :, :, i] = drawn.view(i, copies, n)
        last, state = torch.cat([tokens[:, i], texts[:i, :, :, i].flatten()]), (h, c)
    return texts


def bleu(references: Tensor, vocabulary: int, order: int) -> Judge:
    """The judge that gives texts (N, L) their BLEU against the references (M, L), in [0, 1] (Papineni et al. 2002).

    The geometric mean, over n = 1 ... `order`, of the share of a text's n-grams that occur in a reference; an n-gram
    that comes k times counts as often as it comes in one reference. From n = 2 on, one n-gram is added to both sides of
    the share, so that none is 0 (Lin and Och 2004). All texts have L tokens, blanks among them, so none is too short.
    Raises InputError where n-grams can't be numbered in 63 bits.
    """
    length = references.shape[1]
    order = min(order, length)
    require(vocabulary**order * length < 2**63, "bleu_order", order, f"a smaller one for {vocabulary} tokens")
    tables = [_grams(references, n, vocabulary).unique() for n in range(1, order + 1)]

    def judge(texts: Tensor) -> Tensor:
        logs = []
        for n, table in enumerate(tables, 1):
            grams, more = _grams(texts, n, vocabulary), int(n > 1)
            found = table[torch.searchsorted(table, grams).clamp_(max=len(table) - 1)] == grams
            logs.append(((found.sum(1) + more) / (grams.shape[1] + more)).log())
        return torch.stack(logs).mean(0).exp()

    return judge


def _grams(texts: Tensor, n: int, vocabulary: int) -> Tensor:
    """A number (N, L - n + 1) for each n-gram of texts (N, L) and for how often it came in that text before."""
    powers = vocabulary ** torch.arange(n, device=texts.device)
    grams = (texts.unfold(1, n, 1) * powers).sum(2)
    before = (grams[:, :, None] == grams[:, None, :]).tril(-1).sum(2)
    return grams * texts.shape[1] + before
