"""Any folder of pictures, in memory where it fits, through worker processes where it does not."""

from __future__ import annotations

import copy
import hashlib
import os
import warnings
import weakref
from collections.abc import Generator, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from gan_tutorial.data.dataset import (
    Batch,
    Dataset,
    Index,
    Shuffle,
    State,
    Stream,
    labels_at,
    position_of,
    positions,
    scale,
)
from gan_tutorial.errors import InputError, require, require_integer

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".bmp": "BMP", ".gif": "GIF"}
IN_MEMORY = 2 * 1024**3  # bytes of decoded pictures that "auto" still keeps in memory


def images(
    path: str,
    split: str,
    *,
    size: int = 64,
    channels: int = 3,
    skip_unreadable: bool = False,
    in_memory: bool | Literal["auto"] = "auto",
    workers: int = 2,
) -> Dataset:
    """The png, jpg, webp, bmp and gif (first frame) files in the folder `path` and below, channels x size x size.

    The shorter side is resized to `size` (Lanczos, antialiased), then the centre is cut out. Transparency is put on
    white, EXIF orientation is applied. If the folder itself holds only sub-folders with pictures, two or more, their
    names are the labels. Hidden files, hidden folders and linked folders are left out.

    split: a file's place depends on nothing but its path below the folder: one in ten is in "test".
    skip_unreadable: leave out what can't be decoded, with one warning, instead of raising InputError.
    in_memory: "auto" is True up to 2 GiB of decoded pictures. False reads them while training, in `workers` processes,
    in the same order; a file that can't be read is then met only there, or by a pass over all with `skip_unreadable`.

    Raises InputError for a missing or empty folder, a split without a picture, a picture that can't be read.
    """
    require_integer("size", size, 1, 4096)
    require(channels in (1, 3), "channels", channels, "3 (colour) or 1 (grey)")
    require(in_memory == "auto" or isinstance(in_memory, bool), "in_memory", in_memory, "True, False or 'auto'")
    require_integer("workers", workers, 0, 64)
    require(bool(path), "folder", path, "a path, as in 'folder:photos'")
    root = Path(path).expanduser()
    files = listed("folder", root, SUFFIXES, "pictures")
    groups = sorted({file.split("/")[0] for file in files})
    label_names = tuple(groups) if len(groups) > 1 and all("/" in file for file in files) else ()
    chosen = [file for file in files if split == "all" or is_test(file) == (split == "test")]
    if not chosen:
        raise InputError(f"folder: none of the {len(files)} pictures in {path!r} is in the split {split!r}; use 'all'")
    pictures = Pictures(root, chosen, size, channels)
    resident = len(chosen) * size * size * channels <= IN_MEMORY if in_memory == "auto" else bool(in_memory)
    if resident or skip_unreadable:
        pixels, pictures = _decoded(pictures, resident, skip_unreadable)
    labels = torch.tensor([groups.index(file.split("/")[0]) for file in pictures.files]) if label_names else None
    name = f"folder:{root.resolve().name}"
    if resident:
        return Dataset(name, pixels.permute(0, 3, 1, 2), labels, split=split, label_names=label_names)
    return FileDataset(name, pictures, labels, split=split, label_names=label_names, workers=workers)


def _decoded(pictures: Pictures, keep: bool, skip_unreadable: bool) -> tuple[Tensor, Pictures]:
    """Decodes every picture once: the pixels (N, H, W, C), N = 0 unless `keep`, and the pictures that can be read."""
    rows = len(pictures) if keep else 0
    pixels = torch.empty((rows, pictures.size, pictures.size, pictures.channels), dtype=torch.uint8)
    readable: list[str] = []
    broken: list[str] = []
    with closing(_all_of(pictures)) as every:
        for file, found in zip(pictures.files, every, strict=True):
            if isinstance(found, str):
                if not skip_unreadable:
                    raise InputError(found)
                broken.append(file)
                continue
            if keep:
                pixels[len(readable)] = torch.from_numpy(found)
            readable.append(file)
    if broken:
        left_out = f"{len(broken)} of {len(pictures)} pictures that can't be read, the first is {broken[0]!r}"
        if not readable:
            raise InputError(f"folder: nothing but {left_out}")
        warnings.warn(f"folder: left out {left_out}", stacklevel=4)  # names the line that called load
    return pixels[: len(readable)], Pictures(pictures.root, readable, pictures.size, pictures.channels)


class FileDataset(Dataset):
    """A Dataset whose pictures stay on the disk: everything but `data` is there."""

    def __init__(
        self,
        name: str,
        pictures: Pictures,
        labels: Tensor | None,
        *,
        split: str,
        label_names: tuple[str, ...],
        workers: int,
    ) -> None:
        self.name, self.split, self.labels, self.label_names = name, split, labels, label_names
        self.attributes, self.attribute_names = {}, {}
        self._pictures, self._workers, self._device = pictures, workers, torch.device("cpu")

    def __getattr__(self, name: str) -> Any:
        if name == "data":
            raise AttributeError("a folder that is not in memory has no `data`; index, sample or stream it")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @property
    def sample_shape(self) -> tuple[int, ...]:
        return (self._pictures.channels, self._pictures.size, self._pictures.size)

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, index: Index) -> Batch:
        where = positions(index, len(self))
        found = self._pictures[where.tolist()]
        if isinstance(found, str):
            raise InputError(found)
        return Batch(_scaled(found.to(self._device)), labels_at(self.labels, where.to(self._device)))

    def to(self, device: torch.device | str) -> FileDataset:
        """The same data set, which puts its batches on `device`."""
        moved = copy.copy(self)
        moved._device = torch.device(device)
        moved.labels = None if self.labels is None else self.labels.to(device)
        return moved

    def stream(
        self, batch_size: int, *, seed: int = 0, device: torch.device | str = "cpu", rank: int = 0, world: int = 1
    ) -> Stream:
        """The very batches that the data set in memory would give (see Dataset.stream), read by worker processes.

        A file that can't be read raises InputError when its batch is due.
        """
        order = Shuffle(self.name, len(self), batch_size, seed=seed, device="cpu", rank=rank, world=world)
        labels = None if self.labels is None else self.labels.cpu()
        return FileStream(self._pictures, labels, order, self._workers, torch.device(device))


class FileStream:
    """Batches read ahead by worker processes. The state is one integer, that of the batches handed out."""

    def __init__(
        self, pictures: Pictures, labels: Tensor | None, order: Shuffle, workers: int, device: torch.device
    ) -> None:
        self._pictures, self._labels, self._order = pictures, labels, order
        self._workers, self._device = workers, device
        self._ahead: list[Iterator[Tensor | str]] = []  # the workers' results; empty or one
        weakref.finalize(self, self._ahead.clear)  # in a reference cycle, each worker would take 5 s to stop
        self.position = 0

    def __iter__(self) -> FileStream:
        return self

    def __next__(self) -> Batch:
        if not self._ahead:
            loader: DataLoader[Tensor | str] = DataLoader(
                self._pictures,  # type: ignore[arg-type]  # indexed by whole batches
                batch_size=None,
                sampler=_Plan(copy.copy(self._order), self.position),
                num_workers=self._workers,
                pin_memory=self._device.type == "cuda",
                generator=torch.Generator(),  # else it draws from the global one, and resuming would differ
            )
            self._ahead.append(iter(loader))
        where, after = self._order.at(self.position)
        raw = next(self._ahead[0])
        if isinstance(raw, str):
            self._ahead.clear()  # asked again, it tries the same batch again
            raise InputError(raw)
        self.position = after
        labels = None if self._labels is None else self._labels[where].to(self._device, non_blocking=True)
        return Batch(_scaled(raw.to(self._device, non_blocking=True)), labels)

    def state_dict(self) -> State:
        return {"position": self.position}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.position = position_of(state)
        self._ahead.clear()


class _Plan:
    """Every batch's indices from a position on, without end: the workers' sampler."""

    def __init__(self, order: Shuffle, position: int) -> None:
        self._order, self._position = order, position

    def __iter__(self) -> Iterator[list[int]]:
        position = self._position
        while True:
            where, position = self._order.at(position)
            yield where.tolist()


class Pictures:
    """Decodes the `files` below `root`. Indexed by a batch's indices: uint8 (n, size, size, channels), or the line that
    says which file can't be read (returned, not raised: it must leave a worker process as it is)."""

    def __init__(self, root: Path, files: list[str], size: int, channels: int) -> None:
        self.root, self.files, self.size, self.channels = root, files, size, channels

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, indices: list[int]) -> Tensor | str:
        pixels = np.empty((len(indices), self.size, self.size, self.channels), dtype=np.uint8)
        for row, index in enumerate(indices):
            found = self.read(self.files[index])
            if isinstance(found, str):
                return found
            pixels[row] = found
        return torch.from_numpy(pixels)

    def read(self, file: str) -> np.ndarray | str:
        """One picture, uint8 (size, size, channels), or why there is none."""
        import PIL.Image

        try:
            with PIL.Image.open(self.root / file, formats=sorted(set(SUFFIXES.values()))) as picture:
                picture.draft(None, (4 * self.size, 4 * self.size))  # large JPEGs: decode at a fraction of their size
                pixels = _fitted(_plain(picture), self.size, "L" if self.channels == 1 else "RGB")
                return np.array(pixels).reshape(self.size, self.size, self.channels)
        except Exception as error:  # a decoder may raise anything on a broken or hostile file
            reason = " ".join(str(error).split())
            return (
                f"folder: can't read the picture {str(self.root / file)!r} ({type(error).__name__}: {reason}); "
                "mend or remove it, or go on without it: skip_unreadable=True"
            )


def listed(parameter: str, root: Path, suffixes: Iterable[str], what: str) -> list[str]:
    """The files below `root` that end in one of `suffixes`, sorted, as paths with "/" relative to it; without hidden
    ones, and not from linked folders. Errors begin with `parameter` and call them `what`."""
    if not root.exists():
        raise InputError(f"{parameter}: {str(root)!r} does not exist")
    if not root.is_dir():
        raise InputError(f"{parameter}: {str(root)!r} is a file; give the folder that holds it")

    def fail(error: OSError) -> None:
        raise InputError(f"{parameter}: {error.filename!r} can't be listed ({error.strerror})")

    files = []
    for folder, below, names in os.walk(root, onerror=fail):
        below[:] = [name for name in below if not name.startswith((".", "__MACOSX"))]
        chosen = (name for name in names if not name.startswith(".") and Path(name).suffix.lower() in suffixes)
        files += [(Path(folder) / name).relative_to(root).as_posix() for name in chosen]
    if not files:
        raise InputError(f"{parameter}: {str(root)!r} holds no {what} ({', '.join(s[1:] for s in suffixes)})")
    return sorted(files)


def is_test(file: str) -> bool:
    """Whether the file at this path below its folder is in the test split: one in ten, by a hash of the path."""
    digest = hashlib.sha256(file.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") % 10 == 0


def _all_of(pictures: Pictures) -> Generator[np.ndarray | str]:
    """Every picture in order, decoded by threads (the decoders let others run)."""
    from tqdm import tqdm

    pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
    few = len(pictures) < 2000
    try:
        yield from tqdm(pool.map(pictures.read, pictures.files), "reading", len(pictures), unit="pictures", disable=few)
    finally:
        pool.shutdown(cancel_futures=True)


def _plain(picture: Image) -> Image:
    """Upright, 8 bits, without transparency; its mode may be any that converts to RGB or L."""
    import PIL.Image
    import PIL.ImageOps

    upright = PIL.ImageOps.exif_transpose(picture)
    if upright.mode.startswith("I"):  # 16 bits, grey
        return PIL.Image.fromarray(np.round(np.asarray(upright).clip(0, 65535) / 257).astype(np.uint8))
    if upright.has_transparency_data:
        colour = upright.convert("RGBA")
        return PIL.Image.alpha_composite(PIL.Image.new("RGBA", colour.size, "white"), colour)
    return upright


def _fitted(picture: Image, size: int, mode: str) -> Image:
    """The largest central square, resized to (size, size)."""
    import PIL.Image

    picture = picture.convert("RGB").convert(mode)  # by way of RGB: a palette or CMYK can't become grey directly
    side = min(picture.size)
    left, top = (picture.width - side) / 2, (picture.height - side) / 2
    box = (left, top, left + side, top + side)
    return picture.resize((size, size), PIL.Image.Resampling.LANCZOS, box=box, reducing_gap=3.0)


def _scaled(pixels: Tensor) -> Tensor:
    return scale(pixels).permute(0, 3, 1, 2)
