"""Slow motion: one true training step, told part by part.

The trainer takes the step as always; hooks only listen. So the networks afterwards are bit for bit those of any other
way to take it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from gan_tutorial.live.frame import Frame
from gan_tutorial.training import Trainer

ORDER = ("sample", "generate", "judge", "loss", "gradient", "update")


@dataclass(frozen=True)
class Part:
    """A part of one update of a network.

    Attributes:
        name: one of :data:`ORDER`.
        network: whose update it is, "discriminator" or "generator".
        update: which one of that network's in this step, from 1 on.
        numbers: what it came to, by name.
        latents, fake, real: the batch, where the part is about it: (N, z_dim) and (N, *sample_shape).
        frame: what there is to see right after an update.
    """

    name: str
    network: str
    update: int
    numbers: dict[str, float] = field(default_factory=dict)
    latents: Tensor | None = None
    fake: Tensor | None = None
    real: Tensor | None = None
    frame: Frame | None = None


def tell(trainer: Trainer, look: Callable[[], Frame]) -> tuple[dict[str, Any], list[Part]]:
    """Take one step with `trainer`; the step's metrics, and its parts in order. `look` makes a frame of it."""
    listener = _Listener(trainer, look)
    with ExitStack() as hooks:
        for role, network in trainer.networks.items():
            hooks.callback(network.register_forward_hook(listener.passed(role)).remove)
        for register, method in (
            (register_optimizer_step_pre_hook, listener.before),
            (register_optimizer_step_post_hook, listener.after),
        ):
            hooks.callback(register(method).remove)
        metrics = next(trainer.run(1))
    return metrics, listener.parts


class _Listener:
    def __init__(self, trainer: Trainer, look: Callable[[], Frame]) -> None:
        self.trainer, self.look = trainer, look
        self.parts: list[Part] = []
        self.updates = dict.fromkeys(trainer.networks, 0)
        self.roles = {id(o.param_groups[0]["params"][0]): role for role, o in trainer.algorithm.optimizers.items()}
        self.latents: Tensor | None = None
        self.fake: Tensor | None = None
        self.judged: list[tuple[Tensor, Tensor]] = []  # what D saw since the last update, and its logits
        self.looking = False

    def passed(self, role: str) -> Callable[..., None]:
        def hook(network: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            if self.looking:
                return
            if role == "generator":
                self.latents, self.fake = inputs[0].detach(), output.detach()
            else:
                self.judged.append((inputs[0].detach(), output.detach().view(-1).float()))

        return hook

    def before(self, optimizer: Any, *_: Any) -> None:
        role = self.roles.get(id(optimizer.param_groups[0]["params"][0]))
        if role is None or self.looking:
            return
        self.weights = [p.detach().clone() for p in self.trainer.networks[role].parameters()]
        self.updates[role] += 1
        gradients = [p.grad for p in self.trainer.networks[role].parameters() if p.grad is not None]
        real, real_logits, fake_logits = self._batch(role)
        assert self.fake is not None
        assert self.latents is not None
        loss = self.trainer.algorithm.loss
        numbers: dict[str, dict[str, float]] = {
            "sample": {"n": len(self.latents), "dims": self.latents.shape[1]},
            "generate": {"n": len(self.fake)},
            "judge": {"fake_logit": float(fake_logits.mean()), "fake_right": float((fake_logits < 0).float().mean())},
            "gradient": {
                "norm": float(torch.stack([g.float().norm() for g in gradients]).norm()) if gradients else 0.0
            },
        }
        if real_logits is not None:
            right = float((real_logits > 0).float().mean())
            numbers["judge"] |= {"real_logit": float(real_logits.mean()), "real_right": right}
        against = fake_logits[:0] if real_logits is None else real_logits
        formula = loss.discriminator if role == "discriminator" else loss.generator
        numbers["loss"] = {"loss": float(formula(against, fake_logits))}
        for name in ORDER[:-1]:
            part = Part(name, role, self.updates[role], numbers[name])
            if name == "sample":
                part = replace(part, latents=self.latents)
            elif name in ("generate", "judge"):
                part = replace(part, latents=self.latents, fake=self.fake, real=real)
            self.parts.append(part)

    def after(self, optimizer: Any, *_: Any) -> None:
        role = self.roles.get(id(optimizer.param_groups[0]["params"][0]))
        if role is None or self.looking:
            return
        moves = [
            (p.detach() - w).norm() for p, w in zip(self.trainer.networks[role].parameters(), self.weights, strict=True)
        ]
        settings = self.trainer.settings
        numbers = {
            "lr": float(settings.lr_d if role == "discriminator" else settings.lr_g),
            "change": float(torch.stack(moves).norm()),
        }
        self.looking = True
        try:
            frame = self.look()
        finally:
            self.looking = False
        self.parts.append(Part("update", role, self.updates[role], numbers, frame=frame))
        self.judged = []

    def _batch(self, role: str) -> tuple[Tensor | None, Tensor | None, Tensor]:
        """The real samples, and D's logits of real and of fake ones. Further passes, of penalties, are left out."""
        if role == "generator":
            fake_logits = self.judged[0][1]
            paired = self.judged[1] if len(self.judged) > 1 else (None, None)
            return *paired, fake_logits
        if self.trainer.algorithm.joint:
            (both, logits) = self.judged[0]
            real, (real_logits, fake_logits) = both.chunk(2)[0], logits.chunk(2)
            return real, real_logits, fake_logits
        (real, real_logits), (_, fake_logits) = self.judged[:2]
        return real, real_logits, fake_logits
