"""CycleGAN's update rule: translating there and back has to give the picture again (Zhu et al. 2017).

Nothing says which picture of B a picture of A should become. D only asks that it look like one of B; that alone would
let G forget what it was given. The cycle makes it keep enough to find the way back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_tutorial import losses
from gan_tutorial.augment import Augmentation
from gan_tutorial.data import Batch
from gan_tutorial.errors import require, require_integer, require_number, unknown
from gan_tutorial.models.cyclegan import marked

Metrics = dict[str, Tensor]
Made = dict[str, Tensor]  # translations by the domain they are in, "a" or "b", (N, C, S, S)


@dataclass(frozen=True)
class TranslationSettings:
    """What may change between two steps of a run that translates. Changing any of it keeps Adam's state.

    Attributes:
        loss: a name in :data:`gan_tutorial.losses.LOSSES`, not a relativistic one.
        lr_g: G's learning rate (Adam, >= 0).
        lr_d: D's learning rate (Adam, >= 0).
        beta1: Adam's decay of the mean gradient, in [0, 1).
        beta2: Adam's decay of the mean squared gradient, in [0, 1).
        decay_from: steps after which both rates fall linearly (>= 0).
        decay_steps: steps in which they fall to 0; 0 keeps them as they are.
    """

    loss: str = "least-squares"
    lr_g: float = 2e-4
    lr_d: float = 2e-4
    beta1: float = 0.5
    beta2: float = 0.999
    decay_from: int = 0
    decay_steps: int = 0

    def __post_init__(self) -> None:
        require(not losses.get(self.loss).paired, "loss", self.loss, "one that looks at a sample's logit alone")
        for name in ("lr_g", "lr_d"):
            require_number(name, getattr(self, name), 0)
        for name in ("beta1", "beta2"):
            require_number(name, getattr(self, name), 0, 1, open_high=True)
        for name in ("decay_from", "decay_steps"):
            require_integer(name, getattr(self, name), 0)


@dataclass(frozen=True)
class CycleGANSettings(TranslationSettings):
    """What may change between two steps of a run, beside what :class:`TranslationSettings` has.

    Attributes:
        cycle: weight lambda of |back(there(x)) - x|, the mean over pixels, of each domain (>= 0). The paper's is 10;
            its least squares are twice ours, so 5 here balances as 10 does there.
        identity: weight of |there(y) - y|, y being of the domain that `there` leads to (>= 0): G is to leave alone what
            needs no change, colours above all. The paper's is 0 or half of `cycle`.
        pool: old translations of each domain that D is shown again, half of the time (0-10000; the paper's is 50).
    """

    cycle: float = 5.0
    identity: float = 2.5
    pool: int = 50

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("cycle", "identity"):
            require_number(name, getattr(self, name), 0)
        require_integer("pool", self.pool, 0, 10_000)


class Translation:
    """What the update rules for translating have in common: two networks, their Adams, their rates.

    Args:
        networks: {"generator": G, "discriminator": D} on the device they train on.
        settings: see the rule's `Settings`; :meth:`configure` changes it later.
        noise: not used; nothing is made of noise.
        seed: of the pool's draws.
        rank, world: 0 and 1; the rule runs in one process.
        autocast: makes the context that forward passes run in (mixed precision).
        gather: not used.
        augment: None; no augmentation is built in.

    Attributes:
        optimizers: each network's Adam by role.
        steps: how many times G was updated.
        seen: D's logits in its last update, detached: "real" and "fake", (M, 1, h, w) each; of both domains where there
            are two. Empty until the first update, and after :meth:`load_state_dict`.

    Raises InputError for networks that do not translate, for several processes and for an augmentation.
    """

    Settings: type[Any] = TranslationSettings
    averaged = ("generator",)
    sampling: Mapping[str, Any] = {}
    sgd: Mapping[str, torch.optim.Optimizer] = {}
    z_dim = 0
    num_classes = 0
    directions: tuple[str, ...] = ("ab",)  # what G has to be able to do
    paired = False  # whether it needs to know which pictures belong together

    def __init__(
        self,
        networks: dict[str, nn.Module],
        settings: Any = None,
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
        able = set(self.directions) <= set(getattr(generator, "directions", ()))
        require(able, "generator", type(generator).__name__, f"one that translates {' and '.join(self.directions)}")
        require(world == 1, "processes", world, "1: a translation trains in one process")
        require(augment is None, "augment", getattr(augment, "kind", None), "'none': translations know no augmentation")
        self.networks, self.autocast = networks, autocast
        self.generator, self.discriminator = generator, networks["discriminator"]
        self.device = next(generator.parameters()).device
        self.rng = torch.Generator(self.device).manual_seed(seed)
        self.steps = 0
        fused = self.device.type in ("cpu", "cuda")
        self.optimizers = {
            role: torch.optim.Adam(network.parameters(), fused=fused) for role, network in networks.items()
        }
        self._judging = [p for p in self.discriminator.parameters() if p.requires_grad]
        self.seen: dict[str, Tensor] = {}
        self.settings = settings or self.Settings()
        self.loss = losses.get(self.settings.loss)

    def configure(self, **changes: Any) -> None:
        """Change settings between two steps. Adam's moments stay; a wrong name or value changes nothing and raises."""
        for name in changes:
            if name not in vars(self.settings):
                raise unknown("setting", name, vars(self.settings))
        self.settings = replace(self.settings, **changes)
        self.loss = losses.get(self.settings.loss)

    def translate(self, networks: dict[str, nn.Module], x: Tensor, direction: str = "ab") -> Tensor:
        """Pictures (N, C, S, S) in [-1, 1] -> networks["generator"]'s translations of them, of the same shape, in
        float32. Raises InputError for a direction that it does not know."""
        return networks["generator"](x.to(self.device), direction).float()

    def rate(self) -> float:
        """What is left of the learning rates, from 1 down to 0."""
        s = self.settings
        return 1 - min(1.0, max(0, self.steps - s.decay_from) / s.decay_steps) if s.decay_steps else 1.0

    def _update(self, role: str, loss: Tensor) -> None:
        s, optimizer = self.settings, self.optimizers[role]
        lr = s.lr_g if role == "generator" else s.lr_d
        optimizer.param_groups[0].update(lr=float(lr) * self.rate(), betas=(float(s.beta1), float(s.beta2)))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    @contextmanager
    def _judged_only(self) -> Any:
        """Inside, gradients go through D and not to its weights: G's update needs no more."""
        for parameter in self._judging:
            parameter.requires_grad = False
        try:
            yield
        finally:
            for parameter in self._judging:
                parameter.requires_grad = True

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint needs beside networks and optimisers."""
        return {"rng": self.rng.get_state(), "steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rng.set_state(state["rng"].cpu())
        self.steps, self.seen = int(state["steps"]), {}


class Pool:
    """Translations of the past (Shrivastava et al. 2017, section 2.3), so that D does not forget them.

    It lies on the pictures' device, and what it does takes no look at them: the device is never waited for.
    """

    def __init__(self) -> None:
        self.kept: Tensor | None = None  # (M, C, S, S)

    def exchange(self, x: Tensor, size: int, rng: torch.Generator) -> Tensor:
        """x (N, C, S, S) for D to see. While fewer than `size` are kept, x itself, which is kept. Then each picture is,
        with probability 1/2, exchanged for one that is kept, no two for the same; at most `size` of them."""
        if not size:
            self.kept = None
            return x
        kept = x[:0] if self.kept is None else self.kept[:size]
        new = min(len(x), size - len(kept))  # the pool fills with these
        first, rest = x[:new], x[new:]
        if len(rest) and len(kept):
            n = min(len(rest), len(kept))
            swap = torch.rand(n, generator=rng, device=x.device) < 0.5
            where = torch.rand(len(kept), generator=rng, device=x.device).argsort()[:n]
            old, swap = kept[where], swap[:, None, None, None]
            kept = kept.index_copy(0, where, torch.where(swap, rest[:n], old))
            rest = torch.cat([torch.where(swap, old, rest[:n]), rest[n:]])
        self.kept = _laid_out(torch.cat([kept, first]))
        return _laid_out(torch.cat([first, rest]))

    def state_dict(self) -> dict[str, Tensor]:
        return {} if self.kept is None else {"kept": self.kept}

    def load_state_dict(self, state: Mapping[str, Tensor], device: torch.device) -> None:
        self.kept = _laid_out(state["kept"].to(device)) if "kept" in state else None


def _laid_out(x: Tensor) -> Tensor:
    """As batches lie in memory: what comes out of a checkpoint must be multiplied in the same order."""
    return x.contiguous(memory_format=torch.channels_last)


class CycleGAN(Translation):
    """Two generators, two discriminators, and one step of what they do.

    Where D was built for classes, it is told what each picture shows, and of a translation what its source shows: then
    it asks for a printed 4, not for any printed digit. There are still no pairs. G is told nothing.

    Networks as :mod:`gan_tutorial.models.cyclegan` has them: G(x, "ab") and G(x, "ba"), D(x, "a") and D(x, "b"). See
    :class:`Translation` for the arguments.
    """

    Settings = CycleGANSettings
    directions = ("ab", "ba")

    def __init__(
        self, networks: dict[str, nn.Module], settings: CycleGANSettings | None = None, **options: Any
    ) -> None:
        super().__init__(networks, settings, **options)
        self.pools = {"a": Pool(), "b": Pool()}

    def step(self, draw: Callable[[], Batch]) -> Metrics:
        """One update of both generators, then one of both discriminators, on the batch that `draw()` gives.

        Returns 0-dim tensors on the device: `g_loss` (all of it), `cycle` and `identity` (the mean distance of a pixel,
        in units of [-1, 1], without the weights; `identity` only where its weight is not 0), `d_loss`, `real_logit` and
        `fake_logit`, each the mean over both domains.
        """
        batch = draw()
        made, metrics = self._generator(batch)
        return metrics | self.step_discriminator(batch, made)

    def step_generator(self, batch: Batch) -> Metrics:
        """One update of both generators."""
        return self._generator(batch)[1]

    def _generator(self, batch: Batch) -> tuple[Made, Metrics]:
        s, (a, b) = self.settings, both(batch)
        with self._judged_only():
            with self.autocast():
                if s.identity:  # no layer mixes samples: one pass over both
                    fake_b, same_b = self.generator(torch.cat([a, b]), "ab").chunk(2)
                    fake_a, same_a = self.generator(torch.cat([b, a]), "ba").chunk(2)
                else:
                    fake_b, fake_a = self.generator(a, "ab"), self.generator(b, "ba")
                logits = [
                    self.discriminator(self._marked(fake_a, batch.y_labels), "a"),
                    self.discriminator(self._marked(fake_b, batch.labels), "b"),
                ]
                back_a, back_b = self.generator(fake_b, "ba"), self.generator(fake_a, "ab")
            adversarial = sum(self.loss.generator(of[:0].float(), of.float()) for of in logits)
            cycle = F.l1_loss(back_a.float(), a) + F.l1_loss(back_b.float(), b)
            loss = adversarial + s.cycle * cycle
            metrics = {"cycle": cycle / 2}
            if s.identity:
                identity = F.l1_loss(same_a.float(), a) + F.l1_loss(same_b.float(), b)
                loss = loss + s.identity * identity
                metrics["identity"] = identity / 2
            self._update("generator", loss)
        self.steps += 1
        made = {"a": fake_a.detach().float(), "b": fake_b.detach().float()}
        return made, {"g_loss": loss.detach()} | {name: value.detach() for name, value in metrics.items()}

    def step_discriminator(self, batch: Batch, made: Made | None = None) -> Metrics:
        """One update of both discriminators on the batch and on translations of it (made here unless given), some of
        which the pools exchange for older ones."""
        a, b = both(batch)
        if made is None:
            with torch.no_grad(), self.autocast():
                made = {"a": self.generator(b, "ba").float(), "b": self.generator(a, "ab").float()}
        real, fake, loss = [], [], torch.zeros((), device=self.device)
        for domain, x, own, source in (("a", a, batch.labels, batch.y_labels), ("b", b, batch.y_labels, batch.labels)):
            new = self._marked(made[domain], source)
            old = self.pools[domain].exchange(new, self.settings.pool, self.rng)
            with self.autocast():
                both_kinds = torch.cat([self._marked(x, own), old])
                of_real, of_fake = self.discriminator(both_kinds, domain).float().chunk(2)
            loss = loss + self.loss.discriminator(of_real, of_fake)
            real.append(of_real.detach())
            fake.append(of_fake.detach())
        self._update("discriminator", loss)
        self.seen = {"real": torch.cat(real), "fake": torch.cat(fake)}
        return {
            "d_loss": loss.detach() / 2,
            "real_logit": self.seen["real"].mean(),
            "fake_logit": self.seen["fake"].mean(),
        }

    def _marked(self, x: Tensor, labels: Tensor | None) -> Tensor:
        return marked(x, labels, self.discriminator.num_classes)  # type: ignore[arg-type]

    def state_dict(self) -> dict[str, Any]:
        pools = {f"pool.{name}.{key}": t for name, pool in self.pools.items() for key, t in pool.state_dict().items()}
        return super().state_dict() | pools

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        for name, pool in self.pools.items():
            start = f"pool.{name}."
            mine = {key.removeprefix(start): t for key, t in state.items() if key.startswith(start)}
            pool.load_state_dict(mine, self.device)


def both(batch: Batch) -> tuple[Tensor, Tensor]:
    """The pictures of A and of B, (N, C, S, S) each. Raises InputError for a batch of one domain."""
    require(batch.y is not None, "batch", "without y", "one of two domains, as 'pairs:digits' gives them")
    assert batch.y is not None
    return batch.x, batch.y
