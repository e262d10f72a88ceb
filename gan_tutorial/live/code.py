"""Show as code: a run written down as a plain PyTorch script, or in the package's own words. Both repeat it."""

from __future__ import annotations

import keyword
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from itertools import pairwise
from textwrap import indent
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from gan_tutorial import data, losses, models
from gan_tutorial.algorithms import GANSettings
from gan_tutorial.algorithms.gan import REMEDIES
from gan_tutorial.errors import InputError, require, require_integer, unknown
from gan_tutorial.training import Recipe, recipes
from gan_tutorial.training import recipe as recipe_named

POINTS, IMAGES = 500, 64  # how many samples a script ends with
EMBEDDED = 500  # so many points of a user's own are written into a script
_WIDTH = 120  # characters in a line

Kind = Literal["set", "step_discriminator", "step_generator"]


@dataclass(frozen=True)
class Event:
    """Something done to a run between two of its steps.

    Attributes:
        step: how many steps the run had taken by then (>= 0).
        kind: "set": the `changes` hold from the next step on. Else: the next step was this one update alone.
        changes: settings by name, as :meth:`gan_tutorial.training.Trainer.configure` takes them.
    """

    step: int
    kind: Kind = "set"
    changes: Mapping[str, Any] = field(default_factory=dict)


def as_script(
    recipe: Recipe,
    *,
    seed: int,
    steps: int | None = None,
    events: Iterable[Event] = (),
    dataset: Any = None,
    sample_shape: tuple[int, ...] | None = None,
    threads: int = 1,
) -> str:
    """The run as a PyTorch script that shows all it did and nothing else.

    Losses, penalties and updates are written out, and so are fully connected networks; the data and other networks come
    from the package. On one machine's CPU the numbers are the Trainer's, bit for bit. The script prints the last
    losses, `d_loss` and `g_loss`, and leaves `samples`: what `Trainer.sample` gives for 500 points or 64 images.

    Args:
        recipe: what was trained, with the settings that the run began with.
        seed: of the run.
        steps: how many it took, those by hand included (>= 1; default: the recipe's, for a run that has yet to begin).
        events: what was done to it. Those after the last step have had no effect and are left out.
        dataset: what it trained on instead of the recipe's data.
        sample_shape: of the recipe's data. Without it they are loaded here.
        threads: CPU threads of the run; another number may change the last digits.

    Raises :class:`~gan_tutorial.errors.InputError` for what the script can't repeat: an algorithm other than "gan" or
    settings other than its own, classes, augmentation, bf16, compiled networks, a model that draws noise when it is
    sampled ("stylegan2"), more than 500 points or any pictures of one's own outside a folder.
    """
    for name, plain in _PLAIN.items():
        require(getattr(recipe, name) == plain, name, getattr(recipe, name), f"{plain!r} for a script; see as_recipe")
    require(recipe.model != "stylegan2", "model", recipe.model, "a model without noise for a script; see as_recipe")
    settings = type(recipe.settings)
    require(settings is GANSettings, "settings", settings.__name__, "GANSettings for a script; see as_recipe")
    require_integer("seed", seed, 0, 2**63 - 1)
    require_integer("threads", threads, 1)
    run = _Run(recipe, steps, events)
    for name in REMEDIES:
        default = getattr(GANSettings(), name)
        for value in run.values(name):
            require(value == default, name, value, f"{default!r} for a script; see as_recipe")
    written = ("z_dim", "g_width", "g_depth", "d_width", "d_depth")
    for name, default in models.options(recipe.model).items():
        value = recipe.model_options.get(name, default)
        fits = value == default or (name in written if recipe.model == "mlp" else name != "pack")
        require(fits, f"model.{name}", value, f"{default!r} for a script; see as_recipe")
    if dataset is not None:
        sample_shape = dataset.sample_shape
    elif sample_shape is None:
        sample_shape = data.load(recipe.data, **recipe.data_options).sample_shape
    return _Script(run, seed, _data(recipe, dataset), tuple(sample_shape), threads).text()


def as_recipe(
    recipe: Recipe,
    *,
    seed: int,
    steps: int | None = None,
    events: Iterable[Event] = (),
    dataset: Any = None,
    device: str = "cpu",
    threads: int = 1,
) -> str:
    """The run in the package's own words: a Trainer and what was done to it, ending with `samples`.

    Arguments and errors as in :func:`as_script`, but any recipe can be written; `device` is where it trained.
    """
    require_integer("seed", seed, 0, 2**63 - 1)
    require_integer("threads", threads, 1)
    run = _Run(recipe, steps, events)
    made = _recipe(run.recipe, "made = ")
    own = ["dataset=dataset"] if dataset is not None else []
    lines = [f"torch.set_num_threads({threads})", *([_data(recipe, dataset)] if own else []), made]
    lines.append(_wrapped("trainer = Trainer(", ["made", f"seed={seed}", f"device={_literal(device)}", *own], ")"))
    taken = 0
    for step in sorted({*run.changes, *run.by_hand, run.steps}):
        if step > taken:
            lines.append(f"for _ in trainer.run({step - taken}):\n    pass")
        if step in run.changes:
            lines.append(_wrapped("trainer.configure(", _keywords(run.changes[step]), ")"))
        if step in run.by_hand:
            lines.append(f"trainer.{run.by_hand[step]}()")
        taken = step + (step in run.by_hand)
    lines.append(f"samples = trainer.sample({IMAGES if _is_image(recipe, dataset) else POINTS})")
    settings = type(recipe.settings).__name__
    names = "Recipe, Trainer" if made.startswith("made = Recipe(") else "Trainer, recipe"
    imports = [
        "import torch",
        "",
        *(["from gan_tutorial import data"] if own else []),
        *([f"from gan_tutorial.algorithms import {settings}"] if f"{settings}(" in made else []),
        f"from gan_tutorial.training import {names}",
    ]
    return "\n".join([*imports, "", *lines]) + "\n"


# -- the run, in order -------------------------------------------------------------------------------------------------
_ALONE = {"step_discriminator": (1, 0), "step_generator": (0, 1)}  # updates of D and of G in such a step


class _Run:
    """A run's steps in order: `recipe`, with the settings of the first step; `changes`, {step: settings that differ
    from then on}; and `by_hand`, {step: its kind}."""

    def __init__(self, recipe: Recipe, steps: int | None, events: Iterable[Event]) -> None:
        self.steps = recipe.steps if steps is None else steps
        require_integer("steps", self.steps, 1)
        states, now = {0: recipe.settings}, recipe.settings
        self.by_hand: dict[int, str] = {}
        for event in sorted(events, key=lambda event: event.step):
            require_integer("step", event.step, 0)
            if event.kind not in get_args(Kind):
                raise unknown("kind", event.kind, get_args(Kind))
            for name in event.changes:
                if name not in vars(now):
                    raise unknown("setting", name, vars(now))
            if event.step < self.steps and event.kind != "set":
                self.by_hand[event.step] = event.kind
            elif event.step < self.steps:
                now = states[event.step] = replace(now, **event.changes)
        self.recipe = replace(recipe, settings=states[0])
        values = [_values(state) for state in states.values()]
        changed = [
            {name: value for name, value in after.items() if value != before[name]}
            for before, after in pairwise(values)
        ]
        self.changes = {step: new for step, new in zip(list(states)[1:], changed, strict=True) if new}

    def values(self, name: str) -> list[Any]:
        """Every value that a setting had, in order of appearance."""
        later = [new[name] for new in self.changes.values() if name in new]
        return list(dict.fromkeys([_values(self.recipe.settings)[name], *later]))

    def updates(self) -> set[tuple[int, int]]:
        """How many updates of D and of G a step had, over all steps."""
        now, found = _values(self.recipe.settings), set()
        for step in range(self.steps):
            now |= self.changes.get(step, {})
            found.add(_ALONE[self.by_hand[step]] if step in self.by_hand else (now["n_critic"], now["g_steps"]))
        return found


def _values(settings: Any) -> dict[str, Any]:
    """Settings by name; what is a real number is a float."""
    defaults = {f.name: f.default for f in fields(settings)}
    return {k: float(v) if isinstance(defaults[k], float) else v for k, v in vars(settings).items()}


# -- the script --------------------------------------------------------------------------------------------------------
# What gan_tutorial.losses computes, for D and for G; `real` and `fake` are D's logits.
_LOSSES = {
    "minimax": ("softplus(-real).mean() + softplus(fake).mean()", "-softplus(fake).mean()"),
    "non-saturating": ("softplus(-real).mean() + softplus(fake).mean()", "softplus(-fake).mean()"),
    "least-squares": ("0.5 * ((real - 1).square().mean() + fake.square().mean())", "0.5 * (fake - 1).square().mean()"),
    "wasserstein": ("fake.mean() - real.mean()", "-fake.mean()"),
    "hinge": ("relu(1 - real).mean() + relu(1 + fake).mean()", "-fake.mean()"),
    "relativistic": ("softplus(fake - real).mean()", "softplus(real - fake).mean()"),
}
# What gan_tutorial.penalties computes, in the order in which the algorithm adds them.
_BETWEEN = "between = torch.lerp(real, fake, torch.rand({mix}, generator=rng))\n"
_PENALTIES = {
    "gradient_penalty": _BETWEEN
    + "norms = (squared_gradient_norms(between) + 1e-12).sqrt()\n"
    + "penalty += {weight} * (norms - 1).square().mean()\n",
    "zero_gradient_penalty": _BETWEEN + "penalty += {weight} * squared_gradient_norms(between).mean()\n",
    "r1": "penalty += {weight} / 2 * squared_gradient_norms(real).mean()\n",
    "r2": "penalty += {weight} / 2 * squared_gradient_norms(fake).mean()\n",
}
_NORMS = '''
def squared_gradient_norms(x):
    """|grad_x D(x)|^2 of every sample."""
    x = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(discriminator(x).sum(), x, create_graph=True)
    return gradient.flatten(1).square().sum(1)
'''
_OPTIMIZERS = {"adam": "Adam", "sgd": "SGD"}  # as torch.optim calls them
# What a recipe has to have for a script.
_PLAIN = {"algorithm": "gan", "conditional": False, "augment": "none", "precision": "fp32", "compile": False}
_QUIET = ("mlp", "dcgan")  # models whose layers draw no random numbers while they train


class _Script:
    """A script of a run; a method writes a part of it, and leaves out what the run did not use."""

    def __init__(self, run: _Run, seed: int, dataset: str, shape: tuple[int, ...], threads: int) -> None:
        self.run, self.seed, self.dataset, self.shape, self.threads = run, seed, dataset, shape, threads
        self.recipe, self.model = run.recipe, run.recipe.model
        self.options = {**models.options(self.model), **self.recipe.model_options}
        self.losses = run.values("loss")
        self.penalties = [name for name in _PENALTIES if any(run.values(name))]
        self.changing = [name for name in vars(self.recipe.settings) if len(run.values(name)) > 1]
        self.d_updates, self.g_updates = map(set, zip(*run.updates(), strict=True))
        self.trains_d, self.trains_g = self.d_updates != {0}, self.g_updates != {0}
        trained = {"generator": self.trains_g, "discriminator": self.trains_d}
        self.trained = [role for role, trains in trained.items() if trains]
        self.penalised = bool(self.penalties) and self.trains_d
        self.paired = [name for name in self.losses if losses.get(name).paired]
        self.g_sees = "real, fake" if self.paired else "fake"  # whose logits G's loss takes

    def text(self) -> str:
        """The whole script."""
        norms = _NORMS if self.penalised else ""
        parts = (
            self.set_up(),
            self.networks(),
            self.optimizers(),
            self.several_losses(),
            norms,
            self.loop(),
            self.end(),
        )
        body = "\n\n".join(part for part in parts if part)
        functions = ", ".join(name for name in ("relu", "softplus") if f"{name}(" in body)
        imports = [
            *(["import copy", ""] if "copy.deepcopy" in body else []),
            "import numpy as np",
            "import torch",
            *(["from torch import nn"] if "nn.Sequential" in body else []),
            *([f"from torch.nn.functional import {functions}"] if functions else []),
            "",
            "from gan_tutorial import data" + (", models" if "models.build" in body else ""),
        ]
        title = '"""A generative adversarial network in plain PyTorch: a run of the lab, number for number."""'
        return "\n".join([title, "", *imports, "", body, ""])

    def now(self, name: str) -> str:
        """A setting: its value, or where the script keeps the value of the moment."""
        return f'settings["{name}"]' if name in self.changing else _literal(self.run.values(name)[0])

    def latents(self, n: str, rng: str) -> str:
        shape = f"({n}, z_dim, generator={rng})"
        return f"torch.randn{shape}" if self.recipe.noise == "normal" else f"torch.rand{shape} * 2 - 1"

    def set_up(self) -> str:
        layers = "_" if self.model in _QUIET else "of_layers"
        numbers = (self.seed, self.run.steps, self.recipe.batch_size, self.options["z_dim"])
        return f"""\
seed, steps, batch_size, z_dim = {", ".join(map(str, numbers))}
torch.set_num_threads({self.threads})  # as in the lab; another number may change the last digits

# Independent seeds from one: for the first weights, for G's noise, for the order of the data.
of_weights, of_noise, of_data, {layers} = (int(s) for s in np.random.SeedSequence(seed).generate_state(4))

{self.dataset}
batches = dataset.stream(batch_size, seed=of_data)
rng = torch.Generator().manual_seed(of_noise)"""

    def networks(self) -> str:
        text = '# G turns noise into samples; D turns samples into logits, positive for "real".\n'
        text += "torch.manual_seed(of_weights)\n"
        if self.model == "mlp":
            points, pixels = len(self.shape) == 1, str(math.prod(self.shape))
            g = _layers(["z_dim", *[str(self.options["g_width"])] * self.options["g_depth"], pixels])
            d = _layers([pixels, *[str(self.options["d_width"])] * self.options["d_depth"], "1"])
            g, d = (g, d) if points else ([*g, f"nn.Unflatten(1, {self.shape})"], ["nn.Flatten()", *d])
            text += _wrapped("generator = nn.Sequential(", g, ")\n")
            return text + _wrapped("discriminator = nn.Sequential(", [*d, "nn.Flatten(0)"], ")")
        to = ".to(memory_format=torch.channels_last)" if len(self.shape) == 3 else ""
        arguments = [_literal(self.model), "dataset.sample_shape", *_keywords(self.recipe.model_options)]
        text += _wrapped("networks = models.build(", arguments, ")\n")
        return text + "\n".join(f'{role} = networks["{role}"]{to}' for role in ("generator", "discriminator"))

    def optimizers(self) -> str:
        text = ""
        if self.changing:
            first = [f'"{name}": {_literal(self.run.values(name)[0])}' for name in self.changing]
            then = [
                _wrapped(f"{step}: {{", [f'"{name}": {_literal(v)}' for name, v in new.items()], "}", 5)
                for step, new in self.run.changes.items()
            ]
            text += "# The settings that were changed on the way, and before which steps.\n"
            text += _wrapped("settings = {", first, "}\n") + _wrapped("changes = {", then, "}\n")
        if self.run.by_hand:
            alone = [f"{step}: {_ALONE[kind]}" for step, kind in self.run.by_hand.items()]
            text += "# Steps that were done by hand: their updates of D and of G.\n"
            text += _wrapped("by_hand = {", alone, "}\n")
        text += "\n" if text else ""
        for role in self.trained:
            for kind, (variable, settings) in self.optimizers_of(role).items():
                arguments = [f"{role}.parameters()", *settings, "fused=True"]
                text += _wrapped(f"{variable} = torch.optim.{_OPTIMIZERS[kind]}(", arguments, ")\n")
            text += self.choice(role)
        if self.recipe.ema:
            text += "average = copy.deepcopy(generator).eval().requires_grad_(False)  # of G's weights over the steps\n"
        if self.penalised and self.now("penalty_every") != "1" and self.d_updates != {1}:
            text += "d_updates = 0\n"
        return text.rstrip("\n")

    def optimizers_of(self, role: str) -> dict[str, tuple[str, list[str]]]:
        """A network's optimisers: {kind: (variable, its arguments that are settings)}."""
        rate, betas = f"lr={self.now(f'lr_{role[0]}')}", f"betas=({self.now('beta1')}, {self.now('beta2')})"
        arguments = {"adam": [rate, betas], "sgd": [rate]}
        used, several = self.run.values("optimizer"), "optimizer" in self.changing
        return {k: (f"{role[0]}_{k if several else 'optimizer'}", arguments[k]) for k in _OPTIMIZERS if k in used}

    def choice(self, role: str) -> str:
        """Takes the optimiser that the settings name, where the run had both."""
        if "optimizer" not in self.changing:
            return ""
        return f'{role[0]}_optimizer = {role[0]}_adam if settings["optimizer"] == "adam" else {role[0]}_sgd\n'

    def several_losses(self) -> str:
        """Tables of the losses, where the run had more than one."""
        if len(self.losses) == 1:
            return ""
        text = "# What D and G minimise, as functions of D's logits."
        tables = (("d_losses", "real, fake", self.trains_d), ("g_losses", self.g_sees, self.trains_g))
        for network, (table, logits, trains) in enumerate(tables):
            functions = [f'"{name}": lambda {logits}: {_LOSSES[name][network]}' for name in self.losses]
            text += _wrapped(f"\n{table} = {{", functions, "}") if trains else ""
        return text

    def loss(self, network: int) -> str:
        if len(self.losses) > 1:
            formula = f'{"dg"[network]}_losses[settings["loss"]]({("real, fake", self.g_sees)[network]})'
        else:
            formula = _LOSSES[self.losses[0]][network]
        return re.sub(r"\b(real|fake)\b", r"\1_logits", formula)

    def loop(self) -> str:
        draw = f"real = next(batches).x\nfake = generator({self.latents('batch_size', 'rng')})\n"
        moves = "# 1. Draw real samples.\n" + draw.replace("fake =", "\n# 2. G makes as many fakes from noise.\nfake =")
        d_count, g_count = self.now("n_critic"), self.now("g_steps")
        text = self.between_steps()
        if self.run.by_hand:
            text += f"n_critic, g_steps = by_hand.get(step, ({d_count}, {g_count}))\n"
            d_count, g_count = "n_critic", "g_steps"
        text += "\n" if text else ""
        if self.trains_d:
            d_step = moves + "\n" + self.d_step()
            several = f"for _ in range({d_count}):\n" if max(self.d_updates) > 1 else f"if {d_count}:\n"
            text += (d_step if self.d_updates == {1} else several + indent(d_step, "    ")) + "\n"
        if self.trains_g:
            if not self.trains_d:
                text += moves + "\n"
            elif 0 in self.d_updates:
                text += f"if {d_count} == 0:\n" + indent(draw, "    ") + "\n"
            text += self.g_step(g_count)
        if self.recipe.ema:
            text += "\n" + self.move_average()
        layers = "" if self.model in _QUIET else "torch.manual_seed(of_layers)\n"
        counter = "step" if re.search(r"(?<!\.)\bstep\b", text) else "_"
        return layers + f"for {counter} in range(steps):\n" + indent(text.rstrip("\n"), "    ")

    def between_steps(self) -> str:
        """Takes up the settings that change before a step."""
        if not self.changing:
            return ""
        text = "if step in changes:\n    settings |= changes[step]\n"
        for role in self.trained:
            for variable, arguments in self.optimizers_of(role).values():
                moved = [argument for argument in arguments if "settings" in argument]
                text += f"    {variable}.param_groups[0].update({', '.join(moved)})\n" if moved else ""
            text += indent(self.choice(role), "    ")
        return text

    def d_step(self) -> str:
        both = "discriminator(torch.cat([real, fake.detach()])).chunk(2)"
        apart = "discriminator(real), discriminator(fake.detach())"
        text = "# 3. D learns to tell them apart.\n"
        text += f"real_logits, fake_logits = {both if self.is_joint() else apart}\n"
        text += f"d_loss = {self.loss(0)}\n"
        to_minimise = "d_loss"
        if self.penalised:
            every = self.now("penalty_every")
            terms = "".join(map(self.penalty, self.penalties))
            always = every == "1" and all(self.run.values(self.penalties[0]))
            text += terms.replace("+=", "=", 1) if always else "penalty = 0.0\n"
            if every != "1":
                counted = "step" if self.d_updates == {1} else "d_updates"
                text += f"if {counted} % {every} == 0:  # less often, and as much stronger\n" + indent(terms, "    ")
                text += "d_updates += 1\n" if counted == "d_updates" else ""
            elif not always:
                text += terms
            to_minimise = "(d_loss + penalty)" if every == "1" else f"(d_loss + {every} * penalty)"
        return text + f"d_optimizer.zero_grad()\n{to_minimise}.backward()\nd_optimizer.step()\n"

    def penalty(self, name: str) -> str:
        mix = ", ".join(["batch_size", *"1" * len(self.shape)])
        term = _PENALTIES[name].format(weight=self.now(name), mix=mix)
        return term if all(self.run.values(name)) else f"if {self.now(name)}:\n" + indent(term, "    ")

    def g_step(self, count: str) -> str:
        text = "# 4. G learns to make D wrong.\nfake_logits = discriminator(fake)\n"
        if self.paired == self.losses:
            text += "real_logits = discriminator(real)\n"
        elif self.paired:
            text += f'real_logits = discriminator(real) if settings["loss"] in {_literal(self.paired)} else None\n'
        text += f"g_loss = {self.loss(1)}\ng_optimizer.zero_grad()\ng_loss.backward()\ng_optimizer.step()\n"
        if self.g_updates == {1}:
            return text
        if max(self.g_updates) == 1:
            return f"if {count}:\n" + indent(text, "    ")
        again = f"if update > 0:\n    fake = generator({self.latents('batch_size', 'rng')})\n"
        return f"for update in range({count}):\n" + indent(again + text, "    ")

    def move_average(self) -> str:
        text = f"""\
# The average follows G's weights, at first more quickly.
decay = min({_literal(float(self.recipe.ema))}, (step + 2) / (step + 11))
with torch.no_grad():
    for mine, weight in zip(average.parameters(), generator.parameters(), strict=True):
        mine.lerp_(weight, 1 - decay)
"""
        if self.model == "mlp":
            return text
        return text + (
            "    for mine, buffer in zip(average.buffers(), generator.buffers(), strict=True):\n"
            "        mine.copy_(buffer)\n"
        )

    def end(self) -> str:
        n = IMAGES if len(self.shape) == 3 else POINTS
        z = self.latents(str(n), "torch.Generator().manual_seed(0)")
        evaluated = "generator.eval()\n" if self.model != "mlp" and not self.recipe.ema else ""
        trained = [f"{name} {{{name}:.6f}}" for name in ("d_loss", "g_loss") if getattr(self, f"trains_{name[0]}")]
        return f"""\
{evaluated}with torch.no_grad():
    samples = {"average" if self.recipe.ema else "generator"}({z})
print(f"step {{steps}}: {", ".join(trained)}")"""

    def is_joint(self) -> bool:
        """Whether D may see real and fake samples in one pass, as gan_tutorial.algorithms.gan decides it."""
        with torch.random.fork_rng(devices=[]), torch.device("meta"):
            discriminator = models.build(self.model, self.shape, **self.recipe.model_options)["discriminator"]
        mixes = any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in discriminator.modules())
        return not (mixes or getattr(discriminator, "mixes_samples", False))


# -- Python, written safely --------------------------------------------------------------------------------------------
def _literal(value: Any) -> str:
    """A plain value as Python source, whatever a string holds. Raises InputError for what is not plain."""
    if isinstance(value, str):
        text = str.__repr__(value)
        return text if '"' in text or "\\'" in text else f'"{text[1:-1]}"'
    if value is None or isinstance(value, bool):
        return repr(value)
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float) and math.isfinite(value):
        return float.__repr__(value)
    if isinstance(value, (list, tuple)):
        items = ", ".join(map(_literal, value)) + ("," if isinstance(value, tuple) and len(value) == 1 else "")
        return f"[{items}]" if isinstance(value, list) else f"({items})"
    raise InputError(f"code: a {type(value).__name__} can't be written down; expected text, numbers, lists or None")


def _keywords(values: Mapping[str, Any]) -> list[str]:
    for name in values:
        require(name.isidentifier() and not keyword.iskeyword(name), "option", name, "a name")
    return [f"{name}={_literal(value)}" for name, value in values.items()]


def _wrapped(start: str, items: list[str], end: str, margin: int = 0) -> str:
    """Items between brackets, broken into lines as ruff does it, with `margin` characters to the line's left."""
    joined = ", ".join(items)
    room = _WIDTH - margin
    if "\n" not in joined and len((start + joined + end).rstrip("\n")) <= room:
        return start + joined + end
    if "\n" not in joined and len(joined) + 4 <= room and end.startswith(")"):
        return f"{start}\n    {joined}\n{end}"
    return f"{start}\n" + indent("".join(f"{item},\n" for item in items), "    ") + end


def _layers(sizes: list[str]) -> list[str]:
    """Fully connected layers of these sizes, ReLU between them."""
    linear = [f"nn.Linear({wide}, {narrow})" for wide, narrow in pairwise(sizes)]
    return [layer for one in linear for layer in (one, "nn.ReLU()")][:-1]


def _data(recipe: Recipe, dataset: Any) -> str:
    """`dataset = ...`: the recipe's data by name, or a user's own points one by one."""
    if dataset is None:
        return _wrapped("dataset = data.load(", [_literal(recipe.data), *_keywords(recipe.data_options)], ")")
    points, jitter = _own_points(dataset)
    if points is None or len(points) > EMBEDDED:
        raise InputError(
            f"data: {dataset.name!r} can't be written into a script; expected the recipe's own data, or at most "
            f"{EMBEDDED} points (your pictures: save them in a folder and train on 'folder:PATH')"
        )
    pairs = [f"[{x!s}, {y!s}]" for x, y in points.cpu().numpy()]  # as short as float32 can be told exactly
    each = (_WIDTH - 4) // (max(map(len, pairs)) + 2)
    rows = [", ".join(pairs[i : i + each]) + ",\n" for i in range(0, len(pairs), each)]
    made = "data.Dataset.from_tensor(torch.tensor(points))"
    if jitter is not None:
        made = f"data.from_points(points, jitter={_literal(jitter)})"
    return "# fmt: off\npoints = [\n" + indent("".join(rows), "    ") + f"]\n# fmt: on\ndataset = {made}"


def _own_points(dataset: Any) -> tuple[Tensor | None, float | None]:
    """The points (N, 2) that a data set consists of, or None; and the jitter, if it is a density of a drawing."""
    if isinstance(dataset, data.Density):
        return dataset.drawing or (None, None)
    if tuple(dataset.sample_shape) == (2,):
        return dataset.data, None
    return None, None


def _is_image(recipe: Recipe, dataset: Any) -> bool:
    return data.describe(recipe.data).kind == "images" if dataset is None else bool(dataset.is_image)


def _recipe(r: Recipe, start: str = "") -> str:
    """A recipe as source, after `start`: what differs from the one of its name, or all of it."""
    base = recipes().get(r.name)
    if base is not None:
        own, its = _flat(r), _flat(base)
        changes = {name: value for name, value in own.items() if name not in its or value != its[name]}
        try:
            if recipe_named(r.name, **changes) == r:
                return _wrapped(f"{start}recipe(", [_literal(r.name), *_keywords(changes)], ")")
        except InputError:
            pass  # such as text that reads like a number: changes by name would take it for one
    return _wrapped(f"{start}Recipe(", _given(r), ")")


def _flat(r: Recipe) -> dict[str, Any]:
    """A recipe's values under the names that `recipe(...)` takes."""
    flat = {f.name: getattr(r, f.name) for f in fields(r) if not f.name.endswith(("_options", "settings"))}
    flat |= _values(r.settings)
    flat |= {f"data__{name}": value for name, value in r.data_options.items()}
    return flat | {f"model__{name}": value for name, value in r.model_options.items()}


def _given(holder: Any) -> list[str]:
    """The fields of a dataclass that differ from their defaults, as keyword arguments."""
    arguments = []
    for f in fields(holder):
        value = getattr(holder, f.name)
        default = f.default_factory() if f.default_factory is not MISSING else f.default
        if default is not MISSING and value == default:
            continue
        if isinstance(value, Mapping):
            written = "{" + ", ".join(f"{_literal(k)}: {_literal(v)}" for k, v in value.items()) + "}"
        elif hasattr(value, "__dataclass_fields__"):
            written = _wrapped(f"{type(value).__name__}(", _given(value), ")", margin=len(f"    {f.name}=,"))
        else:
            written = _literal(value)
        arguments.append(f"{f.name}={written}")
    return arguments
