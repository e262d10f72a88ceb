"""The GAN update rule: D learns to tell real from fake, G to make D wrong (Goodfellow et al. 2014, algorithm 1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from gan_tutorial import losses, penalties
from gan_tutorial.algorithms import unrolled
from gan_tutorial.algorithms.consistency import SHIFT, disagreement, shifted
from gan_tutorial.algorithms.dynamics import AT_ONCE, DYNAMICS, Optimism, Place
from gan_tutorial.augment import Augmentation
from gan_tutorial.data import Batch
from gan_tutorial.errors import InputError, require, require_integer, require_number, unknown

Metrics = dict[str, Tensor]
OPTIMIZERS = ("adam", "sgd")
# What a recipe may add to the plain rule, all off by default: the settings that say so and how.
REMEDIES = (
    *("dynamics", "unroll", "consistency_real", "consistency_fake", "consistency_flip", "consistency_noise"),
    *("instance_noise", "instance_noise_steps", "top_k", "top_k_steps"),
)


@dataclass(frozen=True)
class GANSettings:
    """What may change between two steps of a run. Changing any of it keeps Adam's state.

    Attributes:
        loss: a name in :data:`gan_tutorial.losses.LOSSES`.
        optimizer: "adam" (Kingma and Ba 2015) or "sgd", plain gradient descent without momentum, for both networks.
            Adam's moments rest while SGD steps, and are as it left them when Adam comes back.
        lr_g: G's learning rate (step size of either optimizer, >= 0).
        lr_d: D's learning rate (step size of either optimizer, >= 0).
        beta1: Adam's decay of the mean gradient, in [0, 1); SGD has none.
        beta2: Adam's decay of the mean squared gradient, in [0, 1); SGD has none.
        n_critic: D updates in a step, each on a new batch (0-100).
        g_steps: G updates in a step, each on new noise (0-100).
        gradient_penalty: weight of the WGAN-GP penalty (>= 0; the paper's is 10).
        zero_gradient_penalty: weight of the zero-centred penalty between real and fake (>= 0).
        r1: weight gamma of the R1 penalty on real samples (>= 0).
        r2: weight gamma of the R2 penalty on fake samples (>= 0).
        penalty_every: D updates between two penalties (1-1000); the weight is multiplied by it (lazy regularisation,
            Karras et al. 2020, appendix B).
        dynamics: "alternating": D moves, then G. "simultaneous": both move by gradients taken at the same weights.
            "extragradient": they do so, look at the gradients there, go back, and move by those; a step takes two
            batches, and Adam's moments take in both gradients (Gidel et al. 2019, algorithms 2 and 4). "optimistic":
            as "alternating", but by twice the optimizer's move, minus its last one (Daskalakis et al. 2018, algorithm
            1). A network that is updated alone by hand is updated by turns.
        unroll: D's updates that G looks ahead and through which its gradient passes (Metz et al. 2017; 0-20), on the
            samples of its own update. The points where penalties are measured count as fixed; consistency is left out.
        consistency_real: weight of (D(x) - D(T(x)))^2 on real samples (CR-GAN, Zhang et al. 2020; >= 0; the paper's is
            10). T moves an image by up to an eighth of its side each way, and may do more:
        consistency_fake: weight of the same on fake samples (bCR-GAN, Zhao et al. 2021; >= 0).
        consistency_flip: whether T mirrors half of the images too. D then finds a mirrored image as real as the other:
            G may draw mirrored digits.
        consistency_noise: standard deviation of the noise that T adds, in the data's units (>= 0); samples that are no
            images need it.
        instance_noise: standard deviation of the noise on every sample that D sees, in the data's units (>= 0;
            Sønderby et al. 2017).
        instance_noise_steps: updates of D in which that noise falls linearly to 0; 0 keeps it as it is.
        top_k: share of a batch's fakes that G learns from, those with the highest logits (Sinha et al. 2020), from
            0.001 to 1; with several processes, of each one's share of the batch.
        top_k_steps: updates of D in which the share falls from 1 to `top_k`, by the same factor each; 0 begins there.
    """

    loss: str = "non-saturating"
    optimizer: str = "adam"
    lr_g: float = 2e-4
    lr_d: float = 2e-4
    beta1: float = 0.5
    beta2: float = 0.999
    n_critic: int = 1
    g_steps: int = 1
    gradient_penalty: float = 0.0
    zero_gradient_penalty: float = 0.0
    r1: float = 0.0
    r2: float = 0.0
    penalty_every: int = 1
    dynamics: str = "alternating"
    unroll: int = 0
    consistency_real: float = 0.0
    consistency_fake: float = 0.0
    consistency_flip: bool = True
    consistency_noise: float = 0.0
    instance_noise: float = 0.0
    instance_noise_steps: int = 0
    top_k: float = 1.0
    top_k_steps: int = 0

    def __post_init__(self) -> None:
        losses.get(self.loss)
        if self.optimizer not in OPTIMIZERS:
            raise unknown("optimizer", self.optimizer, OPTIMIZERS)
        if self.dynamics not in DYNAMICS:
            raise unknown("dynamics", self.dynamics, DYNAMICS)
        weights = ("gradient_penalty", "zero_gradient_penalty", "r1", "r2", "consistency_real", "consistency_fake")
        for name in ("lr_g", "lr_d", *weights, "consistency_noise", "instance_noise"):
            require_number(name, getattr(self, name), 0)
        for name in ("beta1", "beta2"):
            require_number(name, getattr(self, name), 0, 1, open_high=True)
        for name in ("n_critic", "g_steps"):
            require_integer(name, getattr(self, name), 0, 100)
        require_integer("penalty_every", self.penalty_every, 1, 1000)
        require(self.n_critic + self.g_steps > 0, "n_critic", self.n_critic, "n_critic or g_steps above 0")
        if self.dynamics in AT_ONCE:
            for name in ("n_critic", "g_steps"):
                require(getattr(self, name) == 1, name, getattr(self, name), f"1, since dynamics is {self.dynamics!r}")
        require_integer("unroll", self.unroll, 0, 20)
        fits = not self.unroll or self.dynamics in ("alternating", "simultaneous")
        require(fits, "unroll", self.unroll, f"0, since dynamics is {self.dynamics!r}")
        require_number("top_k", self.top_k, 1e-3, 1)
        for name in ("instance_noise_steps", "top_k_steps"):
            require_integer(name, getattr(self, name), 0)
        require(isinstance(self.consistency_flip, bool), "consistency_flip", self.consistency_flip, "true or false")


class GAN:
    """A generator, a discriminator, their optimisers, and one step of their game.

    Args:
        networks: {"generator": G, "discriminator": D}, on the device they train on. G maps noise (N, z_dim) to samples
            and has a `z_dim`; D maps samples to logits (N,) or (N, 1). If G has a `num_classes` above 0, both take
            labels as a second argument, and the batches have to have them: fakes get those of the batch. A D with a
            `pack` above 1 gives one logit for so many samples: see :mod:`gan_tutorial.models.packing`.
        settings: see :class:`GANSettings`; :meth:`configure` changes it later.
        noise: "normal" for N(0, 1), "uniform" for U(-1, 1), per latent dimension.
        seed: seeds the latents and the penalties' mixing points.
        rank, world: this process and how many there are. Every process draws the noise of the whole batch and uses its
            share, so that the number of processes does not change the mathematics.
        autocast: makes the context that forward passes run in (mixed precision).
        gather: a tensor of this process (n, ...) -> those of all processes, (world x n, ...).
        augment: changes every sample that D sees, real or fake; a penalty's gradient goes through it.

    Attributes:
        optimizers: each network's Adam by role, whichever optimizer is set: what a checkpoint keeps.
        sgd: each network's plain gradient descent by role. It has no state.
        seen: D's logits in the last update, detached: "real" and "fake", (N,) each, of what D learned from, before it
            learned; an update of G replaces "fake" (and "real", if the loss is paired). Empty until the first update,
            and after :meth:`load_state_dict`.
    """

    Settings = GANSettings
    averaged = ("generator",)  # the networks whose moving average is worth sampling from
    counters: tuple[str, ...] = ("discriminator_steps",)  # what counts updates, and so tells when something is due
    sampling: Mapping[str, Any] = {}  # what G is told, beside latents and labels, when samples are wanted

    def __init__(
        self,
        networks: dict[str, nn.Module],
        settings: GANSettings | None = None,
        *,
        noise: str = "normal",
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
        autocast: Callable[[], AbstractContextManager[Any]] = nullcontext,
        gather: Callable[[Tensor], Tensor] = lambda x: x,
        augment: Augmentation | None = None,
    ) -> None:
        require(noise in ("normal", "uniform"), "noise", noise, "'normal' or 'uniform'")
        self.networks, self.noise, self.rank, self.world, self.autocast = networks, noise, rank, world, autocast
        self.generator, self.discriminator = networks["generator"], networks["discriminator"]
        self.z_dim: int = networks["generator"].z_dim  # type: ignore[assignment]
        self.num_classes: int = getattr(networks["generator"], "num_classes", 0)
        self.augment, self.gather = augment, gather
        self.pack: int = getattr(self.discriminator, "pack", 1)
        self.device = next(self.generator.parameters()).device
        self.rng = torch.Generator(self.device).manual_seed(seed)
        self.discriminator_steps = 0
        self._trained = [p for p in self.discriminator.parameters() if p.requires_grad]
        # Where no layer mixes the samples of a batch, one pass of D over real and fake together costs less than two.
        mixes = any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in self.discriminator.modules())
        self.joint = not (mixes or getattr(self.discriminator, "mixes_samples", False))
        fused = self.device.type in ("cpu", "cuda")
        self.optimizers = {
            role: torch.optim.Adam(network.parameters(), fused=fused) for role, network in networks.items()
        }
        self.sgd = {role: torch.optim.SGD(network.parameters(), fused=fused) for role, network in networks.items()}
        self.seen: dict[str, Tensor] = {}
        self.optimism = Optimism()
        self._held = False  # whether an update takes gradients only
        self._ahead: dict[str, Tensor] | None = None  # D's weights and buffers while G looks ahead
        self.settings = settings or self.Settings()
        self.configure()

    def configure(self, **changes: Any) -> None:
        """Change settings between two steps. Adam's moments stay; a wrong name or value changes nothing and raises."""
        for name in changes:
            if name not in vars(self.settings):
                raise unknown("setting", name, vars(self.settings))
        s = replace(self.settings, **changes)
        alone = not s.unroll or self.world == 1  # what D will be depends on the gradients of all processes
        require(alone, "unroll", s.unroll, f"0, since there are {self.world} processes")
        self.settings = s
        self.loss = losses.get(s.loss)
        if s.dynamics != "optimistic":
            self.optimism.moves.clear()
        for role, lr in (("generator", s.lr_g), ("discriminator", s.lr_d)):
            for group in self.optimizers[role].param_groups:
                group.update(lr=float(lr), betas=(s.beta1, s.beta2))
            for group in self.sgd[role].param_groups:
                group.update(lr=float(lr))

    # -- the step ----------------------------------------------------------------------------------------------------
    def step(self, draw: Callable[[], Batch]) -> Metrics:
        """`n_critic` updates of D, then `g_steps` of G; `draw()` gives the next batch of real samples.

        Returns the last value of each metric as 0-dim tensors on the device: `d_loss` and `g_loss` (without penalties),
        `real_logit` and `fake_logit` (D's means), `penalty` (weighted) in a step that applied one to D, `g_penalty` in
        one that applied one to G, `consistency` (weighted) where D has to be consistent, and `augment_p` where ADA
        chooses it.
        """
        if self.settings.dynamics in AT_ONCE:
            return self._step_at_once(draw)
        metrics: Metrics = {}
        batch = fake = None
        for remaining in reversed(range(self.settings.n_critic)):
            batch = draw()
            # The fakes that D saw last serve G's first update too: one forward pass of G less.
            grad = remaining == 0 and self.settings.g_steps > 0
            fake = self.generate(len(batch.x), grad, self._labels(batch))
            metrics |= self.step_discriminator(batch, fake)
        for _ in range(self.settings.g_steps):
            batch = batch or draw()
            metrics |= self.step_generator(batch, fake)
            fake = None
        return metrics

    def _step_at_once(self, draw: Callable[[], Batch]) -> Metrics:
        """One step of both networks by gradients that were taken at the same weights."""
        metrics = self._gradients(draw())
        if self.settings.dynamics == "extragradient":
            counted = {name: getattr(self, name) for name in self.counters}
            start = Place(p for network in self.networks.values() for p in network.parameters())
            self._move("discriminator")
            self._move("generator")
            for name, value in counted.items():  # both looks belong to one step
                setattr(self, name, value - 1)
            metrics = self._gradients(draw())
            start.go_back()
        self._move("discriminator")
        self._move("generator")
        return metrics

    def _gradients(self, batch: Batch) -> Metrics:
        """Leaves each network's gradient in its parameters, and moves nothing."""
        self._held = True
        try:
            fake = self.generate(len(batch.x), True, self._labels(batch))
            return self.step_discriminator(batch, fake) | self.step_generator(batch, fake)
        finally:
            self._held = False

    def step_discriminator(self, batch: Batch, fake: Tensor | None = None) -> Metrics:
        """One update of D on a real batch and as many fakes (drawn here unless given)."""
        labels = self._labels(batch)
        fake = self.generate(len(batch.x), labels=labels) if fake is None else fake.detach()
        with self.autocast():
            real_logits, fake_logits = self.judge(batch.x, fake, labels)
        self.seen = {"real": real_logits.detach(), "fake": fake_logits.detach()}
        loss = self.loss.discriminator(real_logits, fake_logits)
        metrics = {"d_loss": loss, "real_logit": real_logits.mean(), "fake_logit": fake_logits.mean()}
        if self.discriminator_steps % self.settings.penalty_every == 0:
            penalty = self.penalty(batch.x, fake, labels)
            if penalty is not None:
                metrics["penalty"] = penalty
                loss = loss + penalty
        if self.settings.consistency_real or self.settings.consistency_fake:
            metrics["consistency"] = self.consistency(batch.x, fake, real_logits, fake_logits, labels)
            loss = loss + metrics["consistency"]
        self._update("discriminator", loss)
        self.discriminator_steps += 1
        if self.augment is not None:
            self.augment.observe(self.gather(real_logits.detach()), len(batch.x) * self.world)
            if self.augment.kind == "ada":
                metrics["augment_p"] = self.augment.p
        return {name: value.detach() for name, value in metrics.items()}

    def step_generator(self, batch: Batch, fake: Tensor | None = None) -> Metrics:
        """One update of G on fakes with a graph (drawn here unless given); a paired loss compares them with `batch`."""
        labels = self._labels(batch)
        fake = self.generate(len(batch.x), True, labels) if fake is None else fake
        # G needs the gradient through D, not the gradient of D's weights: a third of D's backward pass is saved.
        for parameter in self._trained:
            parameter.requires_grad = False
        try:
            with self.autocast():
                if self.settings.unroll:
                    self._look_ahead(batch.x, fake, labels)
                fake_logits = self._logits(self._noised(fake), labels)
                real_logits = self._logits(self._noised(batch.x), labels) if self.loss.paired else fake_logits[:0]
            seen = {"real": real_logits, "fake": fake_logits} if self.loss.paired else {"fake": fake_logits}
            self.seen = self.seen | {of: logits.detach() for of, logits in seen.items()}
            if self.settings.top_k < 1:
                fake_logits, best = fake_logits.topk(self._best(len(fake_logits)))
                real_logits = real_logits[best] if self.loss.paired else real_logits
            loss = self.loss.generator(real_logits, fake_logits)
            metrics = {"g_loss": loss}
            penalty = self.generator_penalty(labels)
            if penalty is not None:
                metrics["g_penalty"] = penalty
                loss = loss + penalty
            self._update("generator", loss)
        finally:
            self._ahead = None
            for parameter in self._trained:
                parameter.requires_grad = True
        return {name: value.detach() for name, value in metrics.items()}

    def penalty(self, real: Tensor, fake: Tensor, labels: Tensor | None = None) -> Tensor | None:
        """The weighted sum of the penalties on D that are switched on, or None."""
        s, terms = self.settings, []

        def logits(x: Tensor) -> Tensor:
            return self._logits(self._noised(x if self.pack == 1 else x.flatten(0, 1)), labels)

        if self.pack > 1:  # to D, a pack is one sample
            real, fake = self._packs(real), self._packs(fake)
        with self.autocast():
            if s.gradient_penalty:
                terms.append(s.gradient_penalty * penalties.gradient_penalty(logits, real, fake, self._mix(real)))
            if s.zero_gradient_penalty:
                term = penalties.zero_gradient_penalty(logits, real, fake, self._mix(real))
                terms.append(s.zero_gradient_penalty * term)
            if s.r1:
                terms.append(s.r1 * penalties.r1(logits, real))
            if s.r2:
                terms.append(s.r2 * penalties.r2(logits, fake))
        return sum(terms, torch.zeros((), device=self.device)) * s.penalty_every if terms else None

    def consistency(
        self, real: Tensor, fake: Tensor, real_logits: Tensor, fake_logits: Tensor, labels: Tensor | None = None
    ) -> Tensor:
        """How much D's logits change when its samples change a little, squared and weighted (Zhang et al. 2020)."""
        s, terms = self.settings, []
        given = ((s.consistency_real, real, real_logits), (s.consistency_fake, fake, fake_logits))
        with self.autocast():
            for weight, x, logits in given:
                if weight:
                    moved = self._logits(self._noised(self._changed(x)), labels)
                    terms.append(weight * disagreement(logits, moved))
        return sum(terms, torch.zeros((), device=self.device))

    def _changed(self, x: Tensor) -> Tensor:
        """T(x): what D should not care about."""
        s, n, image = self.settings, len(x) * self.world, x.dim() == 4
        wanted = "a number above 0, since the samples are no images"
        require(image or s.consistency_noise > 0, "consistency_noise", s.consistency_noise, wanted)
        if image:
            most = [side // SHIFT for side in x.shape[2:]]
            rows, columns = (
                self._mine(torch.randint(-far, far + 1, (n,), generator=self.rng, device=self.device)) for far in most
            )
            flip = self._mine(torch.rand(n, generator=self.rng, device=self.device)) < 0.5
            x = shifted(x, rows, columns, flip if s.consistency_flip else None)
        return x + s.consistency_noise * self._noise_like(x) if s.consistency_noise else x

    def generator_penalty(self, labels: Tensor | None) -> Tensor | None:
        """What an update of G adds to its loss, weighted, or None. Here nothing; other update rules have their own."""
        return None

    def _update(self, role: str, loss: Tensor) -> None:
        self._optimizer(role).zero_grad(set_to_none=True)
        loss.backward()
        if not self._held:
            self._move(role)

    def _optimizer(self, role: str) -> torch.optim.Optimizer:
        return (self.optimizers if self.settings.optimizer == "adam" else self.sgd)[role]

    def _move(self, role: str) -> None:
        if self.settings.dynamics == "optimistic":
            self.optimism.step(self._optimizer(role))
        else:
            self._optimizer(role).step()

    def _look_ahead(self, real: Tensor, fake: Tensor, labels: Tensor | None) -> None:
        """From here on, logits are those of the D that `unroll` more updates on these samples would make of it."""
        s, states = self.settings, self.optimizers["discriminator"].state
        trained = {id(p) for p in self._trained}
        own = {name: p for name, p in self.discriminator.named_parameters() if id(p) in trained}
        buffers = {name: buffer.clone() for name, buffer in self.discriminator.named_buffers()}
        rule: unrolled.Rule = unrolled.Descent(s.lr_d)
        if s.optimizer == "adam":
            rule = unrolled.Adam(s.lr_d, s.beta1, s.beta2, {name: states.get(p, {}) for name, p in own.items()})

        def loss(weights: dict[str, Tensor], number: int) -> Tensor:
            self._ahead = buffers | weights
            value = self.loss.discriminator(*self.judge(real, fake, labels))
            due = (self.discriminator_steps + number) % s.penalty_every == 0
            penalty = self.penalty(real, fake, labels) if due else None
            return value if penalty is None else value + penalty

        start = {name: p.detach().requires_grad_() for name, p in own.items()}
        self._ahead = buffers | unrolled.look_ahead(start, loss, rule, s.unroll)

    def _best(self, n: int) -> int:
        """How many of n fakes G learns from."""
        s = self.settings
        progress = min(1.0, self.discriminator_steps / s.top_k_steps) if s.top_k_steps else 1.0
        return max(1, round(n * s.top_k**progress))

    # -- samples and logits ------------------------------------------------------------------------------------------
    def latents(self, n: int, rng: torch.Generator) -> Tensor:
        """n latents (n, z_dim) from the recipe's distribution, on the device of `rng`."""
        shape = (n, self.z_dim)
        if self.noise == "normal":
            return torch.randn(shape, generator=rng, device=rng.device)
        return torch.rand(shape, generator=rng, device=rng.device) * 2 - 1

    def sample(
        self,
        networks: dict[str, nn.Module],
        n: int,
        rng: torch.Generator,
        z: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> Tensor:
        """n samples (n, *sample_shape) of networks["generator"] in float32, from `z` (n, z_dim) or latents of `rng`;
        where there are classes, of `labels` or of each class in turn."""
        z = self.latents(n, rng) if z is None else z
        given = [z.to(self.device)]
        if self.num_classes:
            labels = torch.arange(n) % self.num_classes if labels is None else labels
            given.append(labels.to(self.device))
        return networks["generator"](*given, **self.sampling).float()

    def generate(self, n: int, grad: bool = False, labels: Tensor | None = None) -> Tensor:
        """n fakes in float32, of `labels` where there are classes, with a graph back to G's weights if `grad`."""
        with torch.set_grad_enabled(grad), self.autocast():
            return self._fakes(n, labels).float()

    def _fakes(self, n: int, labels: Tensor | None) -> Tensor:
        z = self._mine(self.latents(n * self.world, self.rng))
        return self.generator(z, labels) if self.num_classes else self.generator(z)

    def judge(self, real: Tensor, fake: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """D's logits of real and fake samples, both of `labels` where there are classes, (N,) each, in float32."""
        if real.shape != fake.shape:
            raise InputError(
                f"generator: its samples have shape {tuple(fake.shape)}, the data's batch {tuple(real.shape)}; "
                "both must be equal"
            )
        self._check_pack(len(real))
        real, fake = self._noised(real), self._noised(fake)
        if not self.joint:
            return self._logits(real, labels), self._logits(fake, labels)
        both = None if labels is None else torch.cat([labels, labels])
        real_logits, fake_logits = self._logits(torch.cat([real, fake]), both).chunk(2)
        return real_logits, fake_logits

    def _logits(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        self._check_pack(len(x))
        x = x if self.augment is None else self.augment(x)
        given = (x, labels) if self.num_classes else (x,)
        if self._ahead is None:
            logits = self.discriminator(*given)
        else:
            logits = functional_call(self.discriminator, self._ahead, given)
        if logits.numel() * self.pack != len(x):
            raise InputError(
                f"discriminator: it gave logits of shape {tuple(logits.shape)} for {len(x)} samples; "
                f"expected ({len(x) // self.pack},)"
            )
        return logits.view(-1).float()

    def _noised(self, x: Tensor) -> Tensor:
        """x with the instance noise of the moment."""
        s = self.settings
        if not s.instance_noise:
            return x
        left = max(0.0, 1 - self.discriminator_steps / s.instance_noise_steps) if s.instance_noise_steps else 1.0
        return x + s.instance_noise * left * self._noise_like(x) if left else x

    def _noise_like(self, x: Tensor) -> Tensor:
        return self._mine(torch.randn(len(x) * self.world, *x.shape[1:], generator=self.rng, device=self.device))

    def _packs(self, x: Tensor) -> Tensor:
        """(N, ...) -> (N / pack, pack, ...)"""
        return x.unflatten(0, (-1, self.pack))

    def _check_pack(self, n: int) -> None:
        if n % self.pack:
            raise InputError(
                f"batch_size: {n} samples can't be packed by {self.pack}; choose a multiple of it (in each process)"
            )

    def _labels(self, batch: Batch) -> Tensor | None:
        require(not self.num_classes or batch.labels is not None, "labels", None, "a batch with labels: G has classes")
        return batch.labels if self.num_classes else None

    def _mix(self, x: Tensor) -> Tensor:
        return self._mine(torch.rand(len(x) * self.world, generator=self.rng, device=self.device))

    def _mine(self, x: Tensor) -> Tensor:
        """This process's share of the rows that every process drew alike."""
        return x.chunk(self.world)[self.rank]

    # -- state -------------------------------------------------------------------------------------------------------
    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint needs beside networks and optimisers."""
        augment = {} if self.augment is None else self.augment.state_dict()
        own = {"rng": self.rng.get_state(), "discriminator_steps": self.discriminator_steps}
        moves = {
            f"move.{role}.{number}": self.optimism.moves[p]
            for role, network in self.networks.items()
            for number, p in enumerate(network.parameters())
            if p in self.optimism.moves
        }
        return own | moves | {f"augment.{key}": value for key, value in augment.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rng.set_state(state["rng"].cpu())
        self.discriminator_steps = int(state["discriminator_steps"])
        if self.augment is not None:
            prefix = "augment."
            self.augment.load_state_dict({k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)})
        self.seen = {}
        self.optimism.moves = {
            p: torch.empty_like(p).copy_(state[name])
            for role, network in self.networks.items()
            for number, p in enumerate(network.parameters())
            if (name := f"move.{role}.{number}") in state
        }
