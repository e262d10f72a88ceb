"""Data sets that are downloaded at their first use, checked against a SHA-256, and kept in a cache folder.

The folder is pooch's for "gan-tutorial", or what GAN_TUTORIAL_CACHE says. A download that breaks off is continued.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import numpy as np

from gan_tutorial.data.dataset import Dataset
from gan_tutorial.data.digits import DIGITS, bordered, labelled_images
from gan_tutorial.errors import InputError

CHUNK = 8192  # bytes; less than one is lost when a connection breaks
CIFAR_RECORD = 1 + 3 * 32 * 32  # a label, then the red, green and blue planes
CIFAR_MEMBER = "cifar-10-batches-bin/{}.bin"
CIFAR_PARTS = {"train": [f"data_batch_{k}" for k in range(1, 6)], "test": ["test_batch"]}
CIFAR_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FASHION_NAMES = (
    "T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip


class Source(NamedTuple):
    """Where files come from: mirrors to try in turn (what the file name is put behind), and file name -> SHA-256."""

    mirrors: tuple[str, ...]
    files: dict[str, str]
    instead: str  # the embedded data set to name when there is no network


SOURCES = {
    "mnist-full": Source(
        ("https://storage.googleapis.com/cvdf-datasets/mnist/", "https://ossci-datasets.s3.amazonaws.com/mnist/"),
        {
            "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        },
        "mnist",
    ),
    "fashion-mnist": Source(
        (
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        ),
        {
            "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        },
        "mnist",
    ),
    "cifar10": Source(
        ("https://www.cs.toronto.edu/~kriz/",),
        {"cifar-10-binary.tar.gz": "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"},
        "avatars",
    ),
}


def mnist_full(split: str, *, size: int = 28) -> Dataset:
    """All of MNIST (LeCun, Cortes and Burges): 60,000 to train, 10,000 to test, 1 x 28 x 28 (`size=32`: a border)."""
    return _from_idx("mnist-full", split, size, DIGITS)


def fashion_mnist(split: str, *, size: int = 28) -> Dataset:
    """Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017; MIT): 60,000 to train, 10,000 to test, 1 x 28 x 28
    (`size=32`: a border)."""
    return _from_idx("fashion-mnist", split, size, FASHION_NAMES)


def cifar10(split: str) -> Dataset:
    """CIFAR-10 (Krizhevsky, 2009), the binary version: 50,000 to train, 10,000 to test, 3 x 32 x 32."""
    wanted = CIFAR_PARTS["train"] + CIFAR_PARTS["test"] if split == "all" else CIFAR_PARTS[split]
    records = read_cifar(fetch("cifar10", "cifar-10-binary.tar.gz"), wanted)
    images = records[:, 1:].reshape(-1, 3, 32, 32)
    return labelled_images("cifar10", split, images, records[:, 0], CIFAR_NAMES, np.arange(len(records)))


def _from_idx(name: str, split: str, size: int, label_names: tuple[str, ...]) -> Dataset:
    parts = {"train": ["train"], "test": ["t10k"], "all": ["train", "t10k"]}[split]
    images = np.concatenate([read_idx(fetch(name, f"{part}-images-idx3-ubyte.gz"), 3) for part in parts])
    labels = np.concatenate([read_idx(fetch(name, f"{part}-labels-idx1-ubyte.gz"), 1) for part in parts])
    if len(images) != len(labels):
        raise InputError(f"{name}: {len(images)} images but {len(labels)} labels")
    return labelled_images(name, split, bordered(images, size), labels, label_names, np.arange(len(images)))


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """The uint8 array in an IDX file, gzipped. Raises InputError for a file that is truncated, longer, or not IDX.

    The format: two zero bytes, a type (8: uint8), the number of dimensions, each size as a big-endian uint32, the data.
    """
    try:
        with gzip.open(path) as file:
            magic = file.read(4)
            if magic != bytes([0, 0, 8, dimensions]):
                raise InputError(f"{path.name}: not an IDX file of bytes in {dimensions} dimensions, starts {magic!r}")
            header = file.read(4 * dimensions)
            if len(header) < 4 * dimensions:
                raise InputError(f"{path.name}: truncated in its header")
            shape = tuple(int(n) for n in np.frombuffer(header, dtype=">u4"))
            size = math.prod(shape)
            data = file.read(min(size, 2**31) + 1)  # one more than there should be
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path.name}: truncated, or not a gzip file ({error})") from error
    if len(data) != size:
        found = f"only {len(data)}" if len(data) < size else "more"
        raise InputError(f"{path.name}: its header says {shape}, {size} bytes, but there are {found}")
    return np.frombuffer(data, dtype=np.uint8).reshape(shape).copy()


def read_cifar(path: Path, parts: list[str]) -> np.ndarray:
    """The records, uint8 (N, 3073), of the named parts of CIFAR-10's binary archive. Nothing is unpacked to the disk.

    Raises InputError for an archive that is truncated or lacks a part.
    """
    wanted = [CIFAR_MEMBER.format(part) for part in parts]
    found: dict[str, np.ndarray] = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                if member.name in wanted and member.isreg():
                    if member.size % CIFAR_RECORD or not 0 < member.size <= 10_000 * CIFAR_RECORD:
                        raise InputError(f"{path.name}: {member.name} has {member.size} bytes, not 3073 a picture")
                    file = archive.extractfile(member)
                    assert file is not None  # a regular member
                    found[member.name] = np.frombuffer(file.read(), dtype=np.uint8).reshape(-1, CIFAR_RECORD)
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path.name}: truncated, or not a tar.gz archive ({error})") from error
    missing = [name for name in wanted if name not in found]
    if missing:
        raise InputError(f"{path.name}: lacks {', '.join(missing)}")
    return np.concatenate([found[name] for name in wanted])


def cache_folder() -> Path:
    """Where downloads are kept: GAN_TUTORIAL_CACHE, or the user's cache folder."""
    import pooch

    return Path(os.environ.get("GAN_TUTORIAL_CACHE") or pooch.os_cache("gan-tutorial")).expanduser()


def fetch(name: str, file: str) -> Path:
    """The path of `file` of the data set `name`, downloaded and checked if need be. InputError if it can't be."""
    source = SOURCES[name]
    urls = [mirror + file for mirror in source.mirrors]
    return retrieve(name, urls, file, source.files[file], f"or use {source.instead!r}, which needs no network")


def retrieve(name: str, urls: Sequence[str], file: str, sha256: str, instead: str) -> Path:
    """The path of `file` in the cache's folder `name`, downloaded from the first of `urls` that has it with this
    SHA-256, unless it is there. Raises InputError if it can't be; `instead` ends that line."""
    import pooch
    import requests

    pooch.get_logger().setLevel("WARNING")
    folder = cache_folder() / name
    problem = ""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder / f"{file}.lock"):
            for url in urls:
                get = Continued(folder / f"{file}.part", sha256)
                try:
                    return Path(pooch.retrieve(url, f"sha256:{sha256}", fname=file, path=folder, downloader=get))
                except (requests.RequestException, Corrupt) as error:
                    problem = f"{urlsplit(url).hostname}: {_short(error)}"
    except OSError as error:
        raise InputError(
            f"{name}: can't write to the cache folder {str(folder)!r} ({error.strerror or error}); "
            "set GAN_TUTORIAL_CACHE to one that can be written"
        ) from error
    raise InputError(
        f"{name}: {file} can't be downloaded ({problem}); try again later, what has arrived is kept, {instead}"
    )


class Corrupt(Exception):
    """What arrived is not the file that was asked for."""


class Continued:
    """A downloader for pooch that keeps what has arrived in `part` and asks only for the rest."""

    def __init__(self, part: Path, sha256: str) -> None:
        self.part, self.sha256 = part, sha256

    def __call__(self, url: str, output_file: str, pooch: object) -> None:
        """Raises requests.RequestException if the network fails, Corrupt if the checksum differs."""
        pieced = self._arrive(url)
        if not self._is_right() and pieced:  # the file may have changed between the pieces: once more, whole
            self.part.unlink()
            self._arrive(url)
        if not self._is_right():
            self.part.unlink()
            raise Corrupt("it sent another file, the SHA-256 differs")
        os.replace(self.part, output_file)

    def _arrive(self, url: str) -> bool:
        """Asks until all has arrived, as long as each answer brings something; whether it came in pieces."""
        import requests

        pieced = False
        while True:
            before = self._size()
            try:
                return self._ask(url) or pieced
            except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError):
                if self._size() <= before:
                    raise
                pieced = True

    def _ask(self, url: str) -> bool:
        """One request; whether it continued what had arrived before."""
        import requests
        from tqdm import tqdm

        have = self._size()
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        with requests.get(url, headers=headers, stream=True, timeout=(10, 30)) as answer:
            start = f"bytes {have}-"
            goes_on = answer.status_code == 206 and answer.headers.get("Content-Range", "").startswith(start)
            if answer.status_code == 416 or (answer.status_code == 206 and not goes_on):  # what is here does not fit
                self.part.unlink(missing_ok=True)
                if not have:
                    raise requests.ConnectionError("a range was sent that was not asked for")
                return self._ask(url)
            answer.raise_for_status()
            have = have if goes_on else 0
            total = have + int(answer.headers.get("Content-Length", 0))
            bar = tqdm(desc=self.part.stem, total=total, initial=have, unit="B", unit_scale=True, disable=total < 1e6)
            with open(self.part, "ab" if goes_on else "wb") as file, bar:
                for chunk in answer.iter_content(CHUNK):
                    file.write(chunk)
                    bar.update(len(chunk))
        return goes_on

    def _size(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _is_right(self) -> bool:
        with open(self.part, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == self.sha256


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Makes other processes wait, since those of one training run all ask at once (not where there is no fcntl)."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with open(lock, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _short(error: Exception) -> str:
    response = getattr(error, "response", None)
    if response is not None:
        return f"HTTP {response.status_code}"
    return str(error) if isinstance(error, Corrupt) else f"no connection, {type(error).__name__}"
