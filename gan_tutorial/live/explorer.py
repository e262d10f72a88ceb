"""The latent explorer: one generator, and everything that its latents can be made to do, under sliders."""

from __future__ import annotations

import base64
import io
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from PIL import Image
from torch import Tensor, nn

from gan_tutorial import plots, zoo
from gan_tutorial.errors import require, require_integer, require_number, unknown
from gan_tutorial.live import replay
from gan_tutorial.live.explorer_panel import SEEDS, ExplorerPanel
from gan_tutorial.live.lab import replace_earlier
from gan_tutorial.live.words import EXPLORER, words
from gan_tutorial.zoo import latents

DIRECTIONS = 15  # principal directions that can be moved along
REACH = 5.0  # standard deviations that a direction's slider goes to either side
UNTRUNCATED = 4.0  # threshold that changes no image
SAMPLES = {"w": 2000, "z": 500}  # that principal directions are found from; in z each is an image
PINS = 12  # at most
TILES = 9  # images of the grid
_REMEMBERED = 64  # images that needn't be made again


class Range(NamedTuple):
    """A setting that is a number; whole if its default is."""

    default: int | float
    low: int | float
    high: int | float
    step: int | float = 1


class Choice(NamedTuple):
    """A setting that is one of several values."""

    default: Any
    options: tuple[Any, ...]


class Pin(NamedTuple):
    """An image that was pinned: the settings by name, z (1, z_dim) or w (1, num_ws, w_dim), the classes' row (1, K) or
    None, and the image (1, C, S, S)."""

    values: dict[str, Any]
    latent: Tensor
    labels: Tensor | None
    image: Tensor


class Explorer:
    """Shows what a generator makes of a latent, and lets it be moved: `display(explorer)`, or `explorer.set(seed=3)`.

    Which settings there are depends on the generator. All have `seed`, `grid` (nine seeds at once), and `direction_1`,
    `direction_2`, ... along the principal directions, in standard deviations (see
    :func:`gan_tutorial.zoo.latents.principal_directions`; they are found when the first is moved). With classes:
    `label`, and `label_2` with a `mixture` from 0 to 1. A StyleGAN2: truncation `psi`; styles of `seed_2` from layer
    `crossover` on; `noise` "const", "none" or "random" with its `noise_seed`. All others: truncation by `threshold`;
    4 is none.

    Running a cell again closes what it made before. If an image can't be made, the last one stays and the error stands
    below it.

    Args:
        model: a generator of images, 1 or 3 channels, or the name of one in the zoo.
        directions: more sliders, by name: a vector (D,) in w where there is one, else in z; one unit of the slider adds
            it once. `attribute_direction(...).step` is such a vector.
        class_names: what the labels mean; default: the zoo's, or the numbers.
        language: of the words in the page: "en" or "zh".
        size: pixels of the picture's side in the page (16-2048); an image's pixels are enlarged by a whole number.

    Attributes:
        generator: the network. It is used in eval mode, and left in its own.
        pins: what was pinned, a list of :class:`Pin`.

    Raises :class:`~gan_tutorial.errors.InputError` for anything of the above that can't be.
    """

    def __init__(
        self,
        model: nn.Module | str,
        *,
        directions: Mapping[str, Tensor] | None = None,
        class_names: Sequence[str] = (),
        language: str = "en",
        size: int = 384,
    ) -> None:
        self.words = words(language, EXPLORER)
        require_integer("size", size, 16, 2048)
        known = isinstance(model, str)
        self.generator: Any = zoo.load(model) if isinstance(model, str) else model
        self.name = str(model) if known else type(model).__module__.rpartition(".")[2]
        shape = tuple(getattr(self.generator, "sample_shape", ()))
        images = isinstance(self.generator, nn.Module) and len(shape) == 3 and shape[0] in (1, 3)
        require(images, "model", type(self.generator).__name__, "a generator of images with 1 or 3 channels")
        self.size, self.closed, self.pins = size, False, list[Pin]()
        self._in_zoo, self.styles = known, latents.has_styles(self.generator)
        self._class_names = self._names_of_classes(class_names)
        self.own = self._checked_directions(directions or {})
        self.settings = self._all_settings()
        self._values = {name: setting.default for name, setting in self.settings.items()}
        self._found: latents.Directions | None = None
        self._images: OrderedDict[tuple[Any, ...], Tensor] = OrderedDict()
        self.lock = threading.RLock()
        self.panel = ExplorerPanel(self)
        replace_earlier(self)

    # -- what there is to set ----------------------------------------------------------------------------------------
    def _names_of_classes(self, given: Sequence[str]) -> tuple[str, ...]:
        n = int(getattr(self.generator, "num_classes", 0))
        if given:
            fits = len(given) == n and len(set(given)) == n and all(isinstance(name, str) for name in given)
            require(fits, "class_names", tuple(given), f"a different name for each of {n} classes")
            return tuple(given)
        if self._in_zoo:
            names = tuple(zoo.entry(self.name).class_names)
            if len(names) == n:
                return names
        return tuple(map(str, range(n)))

    def _checked_directions(self, directions: Mapping[str, Tensor]) -> dict[str, Tensor]:
        dim = self.generator.w_dim if self.styles else self.generator.z_dim
        for name, vector in directions.items():
            require(isinstance(name, str) and name.isidentifier(), "directions", name, "names as Python has them")
            fits = isinstance(vector, Tensor) and vector.shape == (dim,) and bool(torch.isfinite(vector).all())
            allowed = f"a vector of {dim} finite numbers, as `attribute_direction(...).step` is"
            require(fits, name, tuple(vector.shape) if isinstance(vector, Tensor) else vector, allowed)
        return {name: vector.detach().float().cpu() for name, vector in directions.items()}

    def _all_settings(self) -> dict[str, Range | Choice]:
        net, found = self.generator, dict[str, Range | Choice]()
        found["seed"] = Range(0, 0, SEEDS)
        if self._class_names:
            found["label"] = Choice(self._class_names[0], self._class_names)
            found["label_2"] = Choice(self._class_names[min(1, len(self._class_names) - 1)], self._class_names)
            found["mixture"] = Range(0.0, 0.0, 1.0, 0.05)
        if self.styles:
            found["psi"] = Range(1.0, 0.0, 1.0, 0.05)
            found["seed_2"] = Range(1, 0, SEEDS)
            found["crossover"] = Range(net.num_ws, 0, net.num_ws)
            found["noise"] = Choice("const", ("const", "none", "random"))
            found["noise_seed"] = Range(0, 0, SEEDS)
        else:
            found["threshold"] = Range(UNTRUNCATED, 0.1, UNTRUNCATED, 0.1)
        channels, side, _ = net.sample_shape
        most = net.w_dim if self.styles else min(net.z_dim, channels * min(side, 16) ** 2)
        self.principal = [f"direction_{i + 1}" for i in range(min(DIRECTIONS, most))]
        found |= {name: Range(0.0, -REACH, REACH, 0.1) for name in self.principal}
        for name in self.own:
            require(name not in found and name != "grid", "directions", name, "names that no other setting has")
            found[name] = Range(0.0, -REACH, REACH, 0.1)
        found["grid"] = Choice(False, (False, True))
        return found

    def _checked(self, name: str, value: Any) -> Any:
        if name not in self.settings:
            raise unknown("setting", name, self.settings)
        setting = self.settings[name]
        if isinstance(setting, Range):
            if isinstance(setting.default, int):
                require_integer(name, value, int(setting.low), setting.high)
            else:
                require_number(name, value, setting.low, setting.high)
            return value if isinstance(setting.default, int) else round(float(value), 6)
        if name in ("label", "label_2") and isinstance(value, int) and not isinstance(value, bool):
            require_integer(name, value, 0, len(setting.options) - 1)
            return setting.options[value]
        if name == "grid":
            require(isinstance(value, bool), name, value, "True or False")
        elif value not in setting.options:
            raise unknown(name, value, setting.options)
        return value

    def _moves(self, values: Mapping[str, Any]) -> dict[str, float]:
        """Which directions are moved along, and how far."""
        return {name: values[name] for name in (*self.principal, *self.own) if values[name]}

    def _relevant(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The settings that make a difference to one image."""
        idle = {"grid", *self.principal, *self.own}
        if not values.get("mixture"):
            idle |= {"label_2", "mixture"}
        if values.get("threshold") == UNTRUNCATED:
            idle.add("threshold")
        if self.styles:
            idle |= {"psi"} if values["psi"] == 1 else set()
            idle |= {"seed_2", "crossover"} if values["crossover"] == self.generator.num_ws else set()
            idle |= {"noise"} if values["noise"] == "const" else set()
            idle |= {"noise_seed"} if values["noise"] != "random" else set()
        return {name: value for name, value in values.items() if name not in idle} | self._moves(values)

    # -- latents and images ------------------------------------------------------------------------------------------
    @property
    def directions(self) -> latents.Directions:
        """The principal directions, found at their first use."""
        with self.lock:
            if self._found is None:
                self.panel.say(self.words["finding"])
                n = SAMPLES["w" if self.styles else "z"]
                self._found = latents.principal_directions(self.generator, n=n, k=len(self.principal))
            return self._found

    def _step(self, name: str) -> Tensor:
        vector = self.own[name] if name in self.own else self.directions.steps[self.principal.index(name)]
        return vector.to(next(self.generator.parameters()).device)

    def _row(self, values: Mapping[str, Any]) -> Tensor | None:
        """The classes' row (1, K), None without classes."""
        if not self._class_names:
            return None
        classes = torch.eye(len(self._class_names), device=next(self.generator.parameters()).device)
        a, b = (classes[[self._class_names.index(values[name])]] for name in ("label", "label_2"))
        return a.lerp(b, values["mixture"]) if values["mixture"] else a

    def _latent(self, values: Mapping[str, Any]) -> Tensor:
        net, row = self.generator, self._row(values)
        device, inputs = next(net.parameters()).device, () if row is None else (row,)

        def drawn(seed: int) -> Tensor:
            return torch.randn(1, net.z_dim, generator=torch.Generator().manual_seed(seed)).to(device)

        with self._quiet():
            latent = drawn(values["seed"])
            if self.styles:
                latent = net.mapping(latent, *inputs, psi=values["psi"])
                if values["crossover"] < net.num_ws:
                    fine = net.mapping(drawn(values["seed_2"]), *inputs, psi=values["psi"])
                    latent = latents.mix(net, latent, fine, values["crossover"])
            elif values["threshold"] < UNTRUNCATED:
                latent = latents.truncate(latent, values["threshold"])
            for name, amount in self._moves(values).items():
                latent = latent + amount * self._step(name)
        return latent

    def _generate(self, latent: Tensor, row: Tensor | None, noise: str = "const", noise_seed: int = 0) -> Tensor:
        """Images (N, C, S, S), on the CPU; torch's global generator is left as it is."""
        device = latent.device
        with self._quiet():
            if not self.styles:
                return self.generator(latent, *(() if row is None else (row,))).float().cpu()
            if noise != "random":
                return self.generator.synthesis(latent, noise=noise).float().cpu()
            with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
                torch.manual_seed(noise_seed)
                return self.generator.synthesis(latent, noise=noise).float().cpu()

    @contextmanager
    def _quiet(self) -> Iterator[None]:
        with torch.no_grad(), latents.evaluating(self.generator):
            yield

    def _image_of(self, values: Mapping[str, Any]) -> Tensor:
        key = tuple(self._relevant(values).items())
        if key not in self._images:
            noise = (values["noise"], values["noise_seed"]) if self.styles else ()
            self._images[key] = self._generate(self._latent(values), self._row(values), *noise)
            if len(self._images) > _REMEMBERED:
                self._images.popitem(last=False)
        self._images.move_to_end(key)
        return self._images[key]

    @property
    def values(self) -> dict[str, Any]:
        """All settings by name."""
        return dict(self._values)

    @property
    def latent(self) -> Tensor:
        """What the image is made of: z (1, z_dim), or w (1, num_ws, w_dim) of a StyleGAN2."""
        with self.lock:
            return self._latent(self._values)

    @property
    def w(self) -> Tensor:
        """w (1, num_ws, w_dim). Raises :class:`~gan_tutorial.errors.InputError` if the generator is no StyleGAN2."""
        require(self.styles, "w", None, "a StyleGAN2; this generator has z alone: explorer.latent")
        return self.latent

    @property
    def image(self) -> Tensor:
        """The image of the settings, float32 (1, C, S, S); in the grid the first."""
        with self.lock:
            return self._image_of(self._values).clone()

    @property
    def images(self) -> Tensor:
        """What is shown: one image, or the grid's nine, float32 (N, C, S, S)."""
        with self.lock:
            return torch.cat([self._image_of({**self._values, "seed": seed}) for seed in self.seeds])

    @property
    def seeds(self) -> range:
        """The seeds of the images that are shown."""
        seed = int(self._values["seed"])
        return range(seed, min(seed + TILES - 1, SEEDS) + 1 if self._values["grid"] else seed + 1)

    # -- what one does -----------------------------------------------------------------------------------------------
    def set(self, **values: Any) -> None:
        """Change settings by name, as the sliders do; classes by name or index.

        Raises :class:`~gan_tutorial.errors.InputError` if one of them can't be; then none is changed.
        """
        with self.lock:
            new = {name: self._checked(name, value) for name, value in values.items()}
            before = self.values
            self._values.update(new)
            try:
                self.panel.show()
            except BaseException:
                self._values = before
                raise

    def reset(self) -> None:
        """All settings as they were at the beginning. Pins stay, and so does the grid."""
        defaults = {name: setting.default for name, setting in self.settings.items()}
        self.set(**(defaults | {"grid": self._values["grid"]}))

    def pin(self) -> None:
        """Keep the image and its settings. Raises :class:`~gan_tutorial.errors.InputError` if 12 are kept already."""
        with self.lock:
            require(len(self.pins) < PINS, "pins", len(self.pins), f"at most {PINS} pinned images; remove one")
            values = {name: value for name, value in self._values.items() if name != "grid"}
            self.pins.append(Pin(values, self.latent, self._row(values), self.image))
            self.panel.show_pins()

    def unpin(self, i: int) -> None:
        """Put pinned image i (from 0) away. Raises :class:`~gan_tutorial.errors.InputError` if there is none."""
        with self.lock:
            self._pinned(i)
            del self.pins[i]
            self.panel.show_pins()

    def recall(self, i: int) -> None:
        """Bring the settings of pinned image i (from 0) back, one image at a time. Raises
        :class:`~gan_tutorial.errors.InputError` if there is none."""
        self.set(**self._pinned(i).values, grid=False)

    def _pinned(self, i: int) -> Pin:
        require(len(self.pins) > 0, "pins", 0, "a pinned image; explorer.pin() makes one")
        require_integer("i", i, 0, len(self.pins) - 1)
        return self.pins[i]

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the picture as it is shown to a PNG file; returns the path.

        Raises :class:`~gan_tutorial.errors.InputError` if there is a file already or it can't be written.
        """
        return replay.write(path, lambda: plots.png(self._enlarged()), overwrite=overwrite)

    def gif(self, path: str | Path, *, frames: int = 16, pause_ms: int = 60, overwrite: bool = False) -> Path:
        """Write an animation through the pinned images and back to the first to a GIF file; returns the path.

        w goes straight, z along great circles, classes from one to the other. The layers' noise stays constant, or away
        if no pinned image has any.

        Args:
            frames: from one pinned image to the next (1-240).
            pause_ms: milliseconds for which one shows (20-5000).

        Raises :class:`~gan_tutorial.errors.InputError` if fewer than two images are pinned, for a value out of range,
        and if there is a file already or it can't be written.
        """
        return replay.write(path, lambda: self.animation(frames, pause_ms), overwrite=overwrite)

    def animation(self, frames: int = 16, pause_ms: int = 60) -> bytes:
        """The content of the file that :meth:`gif` writes."""
        require_integer("frames", frames, 1, 240)
        require_integer("pause_ms", pause_ms, 20, 5000)
        pins = list(self.pins)
        require(len(pins) > 1, "pins", len(pins), "at least 2 pinned images to go through")
        noise = "none" if all(pin.values.get("noise") == "none" for pin in pins) else "const"
        pictures = []
        for a, b in zip(pins, [*pins[1:], pins[0]], strict=True):
            way = latents.interpolate(a.latent, b.latent, frames + 1, spherical=not self.styles)[:-1]
            row = None
            if a.labels is not None and b.labels is not None:
                row = latents.interpolate(a.labels, b.labels, frames + 1, spherical=False)[:-1]
            with self.lock:
                made = self._generate(way, row, noise)
            pictures += [plots.image_grid(image[None], scale=self.scale(256), gap=0) for image in made]
        pictures = [p.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE) for p in pictures]
        buffer = io.BytesIO()
        pictures[0].save(buffer, "GIF", save_all=True, append_images=pictures[1:], duration=pause_ms, loop=0)
        return buffer.getvalue()

    def code(self) -> str:
        """Lines of Python that make the image of the settings, as `image`."""
        values, net = self._values, self.generator
        said, moves = self._relevant(values), self._moves(values)
        principal = any(name in self.principal for name in moves)
        imports = ["from gan_tutorial import zoo"] * self._in_zoo
        if principal or "threshold" in said or "crossover" in said:
            imports.append("from gan_tutorial.zoo import latents")
        lines = ["import torch", *([""] if imports else []), *imports, ""]
        lines.append(
            f"G = zoo.load({self.name!r})" if self._in_zoo else "# G: the explorer's generator, after G.eval()"
        )
        if any(name in self.own for name in moves):
            lines.append("# directions: as they were given to the explorer")
        row = ""
        if self._class_names:
            row = ", labels"
            a, b = (self._class_names.index(values[name]) for name in ("label", "label_2"))
            blend = f".lerp(classes[[{b}]], {values['mixture']})" if "mixture" in said else ""
            told = f"{values['label']!r}" + (f" to {values['label_2']!r}" if blend else "")
            lines += [f"classes = torch.eye({len(self._class_names)})", f"labels = classes[[{a}]]{blend}  # {told}"]
        draw = f"torch.randn(1, {net.z_dim}, generator=torch.Generator().manual_seed({{}}))"
        latent = "w" if self.styles else "z"
        lines.append("z = " + draw.format(values["seed"]))
        if self.styles:
            psi = f", psi={values['psi']}" if "psi" in said else ""
            lines.append(f"w = G.mapping(z{row}{psi})")
            if "crossover" in said:
                lines.append(f"fine = G.mapping({draw.format(values['seed_2'])}{row}{psi})")
                lines.append(f"w = latents.mix(G, w, fine, {values['crossover']})")
        elif "threshold" in said:
            lines.append(f"z = latents.truncate(z, {values['threshold']})")
        if principal:
            found = self.directions
            options = f"n={SAMPLES[found.space]}, k={len(found.spreads)}"
            lines.append(f"found = latents.principal_directions(G, {options})")
        for name, amount in moves.items():
            step = f"directions[{name!r}]" if name in self.own else f"found.steps[{self.principal.index(name)}]"
            lines.append(f"{latent} = {latent} + {amount} * {step}")
        if values.get("noise") == "random":
            lines.append(f"torch.manual_seed({values['noise_seed']})")
        made = f'G.synthesis(w, noise="{values["noise"]}")' if self.styles else f"G(z{row})"
        return "\n".join([*lines, f"image = {made}"]) + "\n"

    def close(self) -> None:
        """Take the widgets out of the page; everything else goes on working."""
        self.closed = True
        self.panel.close()

    # -- what is shown -----------------------------------------------------------------------------------------------
    def scale(self, size: int) -> int:
        """How often an image's pixel is repeated so that the image is about `size` wide."""
        return max(1, size // max(self.generator.sample_shape[1:]))

    def picture(self) -> tuple[Image.Image, int]:
        """What is shown, and how much the page has to enlarge it: one image is small, and so is quickly sent."""
        images = self.images
        if len(images) == 1:
            return plots.image_grid(images, columns=1, scale=1, gap=0), self.scale(self.size)
        return plots.image_grid(images, columns=3, scale=self.scale(self.size // 3), gap=4), 1

    def told(self, text: str) -> str:
        """The text about what is shown: the words' "alt" or "caption"."""
        seeds, more = self.seeds, "_grid" if self._values["grid"] else ""
        return self.words[text + more].format(model=self.name, seed=seeds[0], last=seeds[-1])

    def _enlarged(self) -> Image.Image:
        picture, scale = self.picture()
        return picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)

    def __repr__(self) -> str:
        told = self._relevant(self._values) | ({"grid": True} if self._values["grid"] else {})
        return f"<Explorer {self.name} {', '.join(f'{name}={value}' for name, value in told.items())}>"

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Widgets for where there is a kernel, a PNG for where there is none, and a text that every run repeats."""
        picture = self._enlarged()
        png = base64.b64encode(plots.png(picture)).decode()
        bundle: dict[str, Any] = {"text/plain": repr(self), "image/png": png}
        if not self.closed:
            view = {"version_major": 2, "version_minor": 0, "model_id": self.panel.box.model_id}
            bundle["application/vnd.jupyter.widget-view+json"] = view
        return bundle, {"image/png": {"width": picture.width, "height": picture.height, "alt": self.told("alt")}}
