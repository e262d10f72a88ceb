"""Two sets of pictures, A and B, between which a network translates: digits, avatars, or two folders of your own.

Paired: picture i of A belongs to picture i of B (an edge map and its avatar). Unpaired: nothing tells which picture of
B a picture of A should become, and the two sets need not have the same size (handwriting and print).
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gan_tutorial.data.avatars import avatars
from gan_tutorial.data.dataset import Batch, Dataset, Index, State, Stream, positions, stratified
from gan_tutorial.data.digits import DIGITS, mnist
from gan_tutorial.data.folder import SUFFIXES, images, is_test, listed
from gan_tutorial.errors import InputError, require

# Of the fonts that every matplotlib since 3.8 has, those with digits of the usual form.
FONTS = (
    *(f"DejaVuSans{style}.ttf" for style in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"DejaVuSansMono{style}.ttf" for style in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"DejaVuSerif{style}.ttf" for style in ("", "-Bold", "-Italic", "-BoldItalic")),
    *(f"STIXGeneral{style}.ttf" for style in ("", "Bol", "Italic", "BolIta")),
    *(f"cm{style}10.ttf" for style in ("r", "b", "ss", "tt")),
)
PRINTED = 5000  # digits, as many as mnist has written ones
FINE = 4  # a digit is drawn so many times larger, and then averaged down: it may move by a quarter of a pixel


class Pairs(Dataset):
    """Pictures of two domains of one shape. A batch's `x` and `labels` are of A, its `y` and `y_labels` of B.

    As a data set it is A: `data`, `labels` and `sample_shape` are A's; the parts `a` and `b` are data sets themselves,
    with labels and attributes for whoever judges a translation. Row i of a batch belongs together where the pairs are
    `paired`. Where they are not, a stream draws both sides independently, each in its own order and each of its
    pictures once an epoch of its own.

    Its length, and what an index reaches, is that of the smaller side; a stream and :meth:`sources` reach all.

    Args:
        name: what it is called.
        a, b: data sets of pictures of one shape (C, H, W).
        paired: whether picture i of A belongs to picture i of B.
        domains: what A and B are, one word each.

    Raises InputError for two shapes, for what is no picture, and for paired sides of different lengths.
    """

    def __init__(
        self, name: str, a: Dataset, b: Dataset, *, paired: bool = False, domains: tuple[str, str] = ("A", "B")
    ) -> None:
        for side in (a, b):
            require(side.is_image, "data", side.name, "a data set of pictures")
        kinds = {1: "grey", 3: "colour"}
        if a.sample_shape[0] != b.sample_shape[0]:
            (of_a, of_b) = (kinds.get(side.sample_shape[0], f"{side.sample_shape[0]} channels") for side in (a, b))
            raise InputError(
                f"channels: {domains[0]} is {of_a} and {domains[1]} is {of_b}; "
                "make both alike: channels=1 (grey) or channels=3 (colour)"
            )
        require(
            a.sample_shape == b.sample_shape, "size", b.sample_shape[1:], f"that of the other, {a.sample_shape[1:]}"
        )
        if paired and len(a) != len(b):
            raise InputError(
                f"paired: {domains[0]} has {len(a)} pictures and {domains[1]} has {len(b)}; "
                "give each picture its partner, or use paired=False"
            )
        super().__init__(
            name,
            a.data,
            a.labels,
            split=a.split,
            label_names=a.label_names,
            attributes=a.attributes,
            attribute_names=a.attribute_names,
        )
        self.a, self.b, self.paired, self.domains = a, b, paired, domains

    def __len__(self) -> int:
        return min(len(self.a), len(self.b))

    def __getitem__(self, index: Index) -> Batch:
        """Pictures of both sides at `index`, see :class:`Dataset`. IndexError if outside."""
        where = positions(index, len(self))
        return _joined(self.a[where], self.b[where])

    def __repr__(self) -> str:
        sizes = f"{len(self.a)} {'with' if self.paired else 'and'} {len(self.b)}"
        return f"<{type(self).__name__} {self.name} ({self.split}): {sizes} x {self.sample_shape}>"

    def to(self, device: torch.device | str) -> Pairs:
        a, b = self.a.to(device), self.b.to(device)
        return Pairs(self.name, a, b, paired=self.paired, domains=self.domains)

    def sources(self, n: int, seed: int = 0, direction: str = "ab") -> Batch:
        """n pictures to translate, as a batch: `x` is to become like `y`, which is its partner where there are pairs,
        else a stranger. The same for one seed; where there are fewer than n, they come again."""
        rng = torch.Generator().manual_seed(seed)
        a, b = self.a, self.b
        at_a = torch.randperm(len(a), generator=rng)
        at_b = at_a if self.paired else torch.randperm(len(b), generator=rng)
        turn = torch.arange(n)
        first, second = a[at_a[turn % len(a)]], b[at_b[turn % len(b)]]
        return _joined(first, second) if direction == "ab" else _joined(second, first)

    def sheet(
        self, translate: Callable[[Tensor, str], Tensor], directions: Sequence[str] = ("ab", "ba"), seed: int = 0
    ) -> Tensor:
        """42 pictures in six rows of seven, which is how :func:`gan_tutorial.plots.image_grid` lays them out.

        With two directions: pictures of A, their translations, and these translated back; then the same from B. With
        one: pictures of A, their translations, and the true partners; then the same with others. `translate` takes
        pictures and a direction.
        """
        rows: list[Tensor] = []
        for number, direction in enumerate(("ab", directions[-1])):
            batch = self.sources(7 * (number + 1), seed, direction)
            x, y = batch.x[-7:], batch.y[-7:]  # type: ignore[index]
            made = translate(x, direction)
            back = direction[::-1]
            rows += [x.to(made), made, translate(made, back) if back in directions else y.to(made)]
        return torch.cat(rows)

    def stream(
        self, batch_size: int, *, seed: int = 0, device: torch.device | str = "cpu", rank: int = 0, world: int = 1
    ) -> Stream:
        """Endless batches of `batch_size` pictures of each side, see :meth:`Dataset.stream`."""
        # One order for both sides, if they have one seed and one length.
        seeds = (seed, seed) if self.paired else np.random.SeedSequence([seed, 1]).generate_state(2).tolist()
        a, b = (
            side.stream(batch_size, seed=s, device=device, rank=rank, world=world)
            for side, s in zip((self.a, self.b), seeds, strict=True)
        )
        return PairStream(a, b)


class PairStream:
    """Batches of two streams, side by side. The state is that of both."""

    def __init__(self, a: Stream, b: Stream) -> None:
        self._sides = {"a": a, "b": b}

    def __iter__(self) -> PairStream:
        return self

    def __next__(self) -> Batch:
        return _joined(next(self._sides["a"]), next(self._sides["b"]))

    def state_dict(self) -> State:
        return {
            f"{name}.{key}": value for name, side in self._sides.items() for key, value in side.state_dict().items()
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for name, side in self._sides.items():
            start = f"{name}."
            side.load_state_dict({k.removeprefix(start): v for k, v in state.items() if k.startswith(start)})


def _joined(a: Batch, b: Batch) -> Batch:
    return Batch(a.x, a.labels, b.x, b.labels)


# -- what there is -----------------------------------------------------------------------------------------------------
def digits(split: str, *, size: int = 32) -> Pairs:
    """A: 5,000 digits written by hand, `mnist`. B: 5,000 printed ones, drawn from the fonts that come with matplotlib.
    Unpaired; 1 x 32 x 32, white on black; one in five is in "test". Both have labels "0" to "9".

    `size=16` halves both. B's attribute "font" tells which of the 20 fonts a digit is of. A printed digit is 17 to 21
    pixels high and lies up to 2 pixels off the middle. What is drawn depends on the version of FreeType, slightly.
    """
    require(size in (16, 32), "size", size, "16 or 32")
    written = mnist(split, size=32)
    pixels, labels, fonts = _printed()
    chosen = torch.from_numpy(stratified(labels.numpy(), 5, split))
    printed = Dataset(
        "printed",
        _halved(pixels[chosen], 32 // size),
        labels[chosen],
        split=split,
        label_names=DIGITS,
        attributes={"font": fonts[chosen]},
        attribute_names={"font": [Path(font).stem for font in FONTS]},
    )
    halved = _halved(written.data, 32 // size)
    written = Dataset("handwritten", halved, written.labels, split=split, label_names=DIGITS)
    return Pairs("pairs:digits", written, printed, domains=("handwritten", "printed"))


@functools.cache
def _printed() -> tuple[Tensor, Tensor, Tensor]:
    """Pixels uint8 (N, 1, 32, 32), digits (N,) and fonts (N,): each digit as often, fonts and places at random."""
    import matplotlib
    from PIL import Image, ImageFont

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    rng, side = np.random.default_rng(0), 32 * FINE
    labels, fonts = rng.permutation(PRINTED) % 10, rng.integers(0, len(FONTS), PRINTED)
    heights = rng.integers(17 * FINE, 21 * FINE + 1, PRINTED)
    moves = rng.integers(-2 * FINE, 2 * FINE + 1, (PRINTED, 2))
    pixels = np.zeros((PRINTED, 32, 32), np.uint8)

    @functools.cache
    def glyph(font: int, digit: int, height: int) -> Image.Image:
        """The digit, cut out, white on black; `height` is that of the font's zero."""
        file = str(folder / FONTS[font])
        top, bottom = ImageFont.truetype(file, 1000, layout_engine=ImageFont.Layout.BASIC).getbbox("0")[1::2]
        face = ImageFont.truetype(file, height * 1000 / (bottom - top), layout_engine=ImageFont.Layout.BASIC)
        mask = face.getmask(DIGITS[digit], mode="L")
        drawn = Image.frombytes("L", mask.size, bytes(mask))
        return drawn.crop(drawn.getbbox())

    for row, label, font, height, move in zip(pixels, labels, fonts, heights, moves, strict=True):
        drawn = glyph(int(font), int(label), int(height))
        canvas = Image.new("L", (side, side))
        left, top = ((side - length) // 2 + int(m) for length, m in zip(drawn.size, move, strict=True))
        canvas.paste(drawn, (left, top))
        row[:] = np.asarray(canvas.reduce(FINE))
    return torch.from_numpy(pixels[:, None]), torch.from_numpy(labels), torch.from_numpy(fonts)


def _halved(pixels: Tensor, by: int) -> Tensor:
    """uint8 (N, C, H, W), each square of `by` x `by` pixels averaged into one."""
    return torch.nn.functional.avg_pool2d(pixels.float(), by).round().to(torch.uint8) if by > 1 else pixels


def glasses(split: str, *, size: int = 16) -> Pairs:
    """A: the `avatars` without glasses. B: those that wear some. Unpaired; 3 x 16 x 16; 6,501 and 3,499 to train. No
    face is in both. `size` 32 or 64 repeats each pixel. Labels: whether there is a hat."""
    whole = avatars(split, label="hat", size=size)
    wears = whole.attributes["glasses"] != whole.attribute_names["glasses"].index("none")
    a, b = (
        _part(whole, name, where.nonzero()[:, 0]) for name, where in (("without glasses", ~wears), ("glasses", wears))
    )
    return Pairs("pairs:glasses", a, b, domains=("without", "with"))


def edges(split: str, *, size: int = 32) -> Pairs:
    """A: the outlines of the `avatars`, white on black. B: the avatars themselves. Paired; 3 x 32 x 32, so that each of
    an avatar's own pixels is 2 x 2 here; 10,000 to train.

    A pixel is white if the one on its right or the one below has another colour. `size` 16 or 64: other sizes of it.
    """
    whole = avatars(split, size=size)
    drawn = Dataset(
        "edges",
        outlines(whole.data),
        whole.labels,
        split=split,
        label_names=whole.label_names,
        attributes=whole.attributes,
        attribute_names=whole.attribute_names,
    )
    return Pairs("pairs:edges", drawn, whole, paired=True, domains=("edges", "avatars"))


def outlines(pixels: Tensor) -> Tensor:
    """uint8 (N, 3, H, W) -> the same type and shape: 255 where the pixel on the right or below has another colour."""
    found = torch.zeros_like(pixels[:, :1], dtype=torch.bool)
    found[:, :, :-1] |= (pixels[:, :, 1:] != pixels[:, :, :-1]).any(1, keepdim=True)
    found[:, :, :, :-1] |= (pixels[:, :, :, 1:] != pixels[:, :, :, :-1]).any(1, keepdim=True)
    return (found * 255).to(torch.uint8).expand_as(pixels).contiguous()


def folders(
    paths: str,
    split: str,
    *,
    size: int = 64,
    channels: int | None = None,
    paired: bool = False,
    skip_unreadable: bool = False,
) -> Pairs:
    """The pictures in two folders, `paths` being "A:B", in memory; how they are read, fitted and split: see
    :func:`gan_tutorial.data.folder.images`. A path may itself hold a colon, as on Windows: the one division is taken
    that leaves two folders.

    channels: 3 or 1; default: what the pictures are, all in colour or all grey.
    paired: whether a picture belongs to the one of the same path below the other folder, whatever the ending. Its place
        in the splits is then that of A's file.
    skip_unreadable: leave out what can't be decoded; not with pairs, which would lose their partners.

    Raises InputError for a missing or empty folder, a picture that can't be read, grey pictures among coloured ones,
    and pictures without a partner.
    """
    require(isinstance(paired, bool), "paired", paired, "True or False")
    require(not (paired and skip_unreadable), "skip_unreadable", True, "False, since pictures have partners")
    roots = divided(paths)
    if channels is None:
        channels = _channels(roots)
    read: dict[str, Any] = {"size": size, "channels": channels, "skip_unreadable": skip_unreadable, "in_memory": True}
    a, b = (images(root, "all" if paired else split, **read) for root in roots)
    if paired:
        files = _partners(roots)
        chosen = [i for i, file in enumerate(files) if split == "all" or is_test(file) == (split == "test")]
        if not chosen:
            raise InputError(f"folder: none of the {len(files)} pairs is in the split {split!r}; use 'all'")
        a, b = (_part(side, side.name, torch.tensor(chosen), split) for side in (a, b))
    return Pairs(f"pairs:{a.name}:{b.name.partition(':')[2]}", a, b, paired=paired)


def divided(paths: str) -> tuple[str, str]:
    """The two folders of "A:B". Raises InputError where there are not two, or where the colon is unclear."""
    cuts = [i for i, letter in enumerate(paths) if letter == ":"]
    ways = [(paths[:i], paths[i + 1 :]) for i in cuts]
    ways = [(a, b) for a, b in ways if a and b]
    require(bool(ways), "pairs", paths, "two folders with a colon between, as in 'pairs:folder:photos:paintings'")
    if len(ways) == 1:
        return ways[0]
    there = [way for way in ways if all(Path(path).expanduser().is_dir() for path in way)]
    if len(there) != 1:
        raise InputError(
            f"pairs: {paths!r} can be divided at {len(ways)} colons, and {len(there)} of these ways give two folders; "
            "give relative paths without colons"
        )
    return there[0]


def _channels(roots: tuple[str, str]) -> int:
    """3 if every picture in the folders has colour, 1 if none has."""
    import PIL.Image

    seen: dict[int, str] = {}
    for root in map(Path, roots):
        for file in listed("folder", root.expanduser(), SUFFIXES, "pictures"):
            try:
                with PIL.Image.open(root.expanduser() / file, formats=sorted(set(SUFFIXES.values()))) as picture:
                    grey = picture.mode.startswith(("1", "L", "I", "F"))
            except Exception:  # whoever decodes it will say why it can't be read
                continue
            seen.setdefault(1 if grey else 3, str(root / file))
    if len(seen) == 2:
        raise InputError(
            f"channels: {seen[1]!r} is grey and {seen[3]!r} in colour; "
            "say what all are to be: channels=1 (grey) or channels=3 (colour)"
        )
    return next(iter(seen), 3)


def _partners(roots: tuple[str, str]) -> list[str]:
    """A's files in order, if B's are the same but for their endings. Raises InputError for one without a partner."""
    sides = [listed("folder", Path(root).expanduser(), SUFFIXES, "pictures") for root in roots]
    if len(sides[0]) != len(sides[1]):
        raise InputError(
            f"paired: {roots[0]!r} has {len(sides[0])} pictures and {roots[1]!r} has {len(sides[1])}; "
            "give each picture its partner, or use paired=False"
        )
    for a, b in itertools.zip_longest(*sides):
        if Path(a).with_suffix("") != Path(b).with_suffix(""):
            raise InputError(
                f"paired: {a!r} in {roots[0]!r} stands beside {b!r} in {roots[1]!r}; "
                "give partners the same name, or use paired=False"
            )
    return sides[0]


def _part(whole: Dataset, name: str, where: Tensor, split: str | None = None) -> Dataset:
    """The samples at `where`, with all that is known of them."""
    return Dataset(
        name,
        whole.data[where],
        None if whole.labels is None else whole.labels[where],
        split=split or whole.split,
        label_names=whole.label_names,
        attributes={key: column[where] for key, column in whole.attributes.items()},
        attribute_names=whole.attribute_names,
    )
