"""Finite data sets that live in memory, and the endless streams of batches that training draws from them.

A small data set is one uint8 tensor on the training device. A batch is an index_select and a scaling there: no worker
processes, no copies, and no host-device synchronisation within an epoch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
import torch
from torch import Tensor

from gan_tutorial.errors import InputError, require, require_integer

SPLITS = ("train", "test", "all")
State: TypeAlias = dict[str, int | Tensor]
Index: TypeAlias = int | slice | Tensor | Sequence[int]


class Batch(NamedTuple):
    """x: float32, images (N, C, H, W) in [-1, 1], sounds (N, 1, L) or vectors (N, D); or int64, tokens (N, L). labels:
    int64 (N,), None if unlabelled. Of two domains, see :mod:`gan_tutorial.data.pairs`: x and labels are of the first;
    y and y_labels, of the same kind, of the second."""

    x: Tensor
    labels: Tensor | None
    y: Tensor | None = None
    y_labels: Tensor | None = None


class Stream(Protocol):
    """An endless iterator of batches. All that a checkpoint needs is in `state_dict`: loading it continues bitwise."""

    def __iter__(self) -> Stream: ...
    def __next__(self) -> Batch: ...
    def state_dict(self) -> State: ...
    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


class Dataset:
    """A finite data set in memory.

    `data` is uint8 (N, C, H, W), channels last in memory, for images, int64 (N, L) for text, and float32 (N, D) or
    (N, C, L) for the rest. `labels` is int64 (N,) with values below `len(label_names)`, or None. `attributes` holds
    further label columns of the same kind, and `attribute_names` what their values mean. Indexing scales: see
    `__getitem__`.

    Text has a `vocabulary`: what each token stands for. Token 0 is the blank, "", which fills what comes after a
    text's end; `joiner` stands between two tokens. Sound has a `sample_rate` in Hz.

    Raises InputError for a wrong dtype, shape or range, for NaN or infinity, and for labels that do not fit.
    """

    def __init__(
        self,
        name: str,
        data: Tensor,
        labels: Tensor | None = None,
        *,
        split: str = "all",
        label_names: Sequence[str] = (),
        attributes: Mapping[str, Tensor] | None = None,
        attribute_names: Mapping[str, Sequence[str]] | None = None,
        vocabulary: Sequence[str] = (),
        joiner: str = "",
        sample_rate: int | None = None,
    ) -> None:
        self.name, self.split = name, split
        self.vocabulary, self.joiner, self.sample_rate = tuple(vocabulary), joiner, sample_rate
        self._tokens = {word: token for token, word in enumerate(self.vocabulary)}
        self.data = _checked_text(data, self.vocabulary) if vocabulary else _checked(data)
        if sample_rate is not None:
            require_integer("sample_rate", sample_rate, 1)
            require(data.dim() == 3, "x", tuple(data.shape), "signals (N, 1, L), since there is a sample_rate")
        self.attributes = dict(attributes or {})
        self.attribute_names = {key: tuple(names) for key, names in (attribute_names or {}).items()}
        named = self.attributes.keys() == self.attribute_names.keys()
        require(named, "attribute_names", list(self.attribute_names), f"the attributes' keys, {list(self.attributes)}")
        for key, column in self.attributes.items():
            _check_labels(f"attributes[{key!r}]", column, len(data), len(self.attribute_names[key]))
        self.labels, self.label_names = labels, tuple(label_names)
        if labels is not None:
            _check_labels("labels", labels, len(data), len(self.label_names))
        require(labels is not None or not label_names, "label_names", label_names, "none where there are no labels")

    @classmethod
    def from_tensor(
        cls, x: Tensor, labels: Tensor | None = None, name: str = "mine", label_names: Sequence[str] | None = None
    ) -> Dataset:
        """Your own data. `x` is one of

        - uint8 images (N, C, H, W) in 0..255,
        - float images (N, C, H, W) in [-1, 1], which are kept with 8 bits,
        - float vectors (N, D) or signals (N, C, L), any finite values, kept as float32.

        `labels` are integers (N,), 0 <= label < K; `label_names` has K names and is "0", "1", ... unless given.
        """
        require(isinstance(x, Tensor), "x", type(x).__name__, "a torch.Tensor (torch.from_numpy converts an array)")
        x = x.detach()
        if x.is_floating_point() and x.dim() == 4:
            low, high = (float(v) for v in torch.aminmax(x.float())) if x.numel() else (0.0, 0.0)
            inside = low >= -1 and high <= 1  # false for NaN
            scaled = inside and not low >= 0 < high  # all in 0..1: nearly surely the other convention
            require(scaled, "x", f"range {low:.4g} to {high:.4g}", "float images in [-1, 1]; scale 0..1 by 2 * x - 1")
            x = x.float().add(1).mul(127.5).round().to(torch.uint8)
        elif x.is_floating_point():
            x = x.float()
        if labels is not None:
            labels = torch.as_tensor(labels).detach()
            whole = not (labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool)
            require(whole, "labels", labels.dtype, "integers")
            labels = labels.to(torch.int64)
            if label_names is None:
                top = int(labels.max()) if labels.numel() else 0
                require(top < 100_000, "labels", f"up to {top}", "values from 0 to K - 1, or label_names")
                label_names = [str(k) for k in range(top + 1)]
        return cls(name, x, labels, label_names=label_names or ())

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """The shape of one sample: (C, H, W), (D,), (C, L), or (L,) of tokens."""
        return tuple(self.data.shape[1:])

    @property
    def num_classes(self) -> int:
        """The number of label values, 0 if unlabelled."""
        return len(self.label_names)

    @property
    def is_image(self) -> bool:
        return len(self.sample_shape) == 3

    @property
    def is_text(self) -> bool:
        return bool(self.vocabulary)

    @property
    def is_sound(self) -> bool:
        return self.sample_rate is not None

    def decode(self, tokens: Tensor) -> list[str]:
        """The texts of tokens (n, L) of this vocabulary, without the blanks at their ends."""
        require(self.is_text, "data", self.name, "a data set of texts")
        return decoded(tokens, self.vocabulary, self.joiner)

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Tokens int64 (n, L) of `texts`, filled with blanks. Raises InputError for a text that is too long, and for
        what the vocabulary does not hold."""
        require(self.is_text, "data", self.name, "a data set of texts")
        (length,) = self.sample_shape
        tokens = np.zeros((len(texts), length), np.int64)
        for row, text in zip(tokens, texts, strict=True):
            words = text.split(self.joiner) if self.joiner else [*text]
            if len(words) > length:
                raise InputError(f"text: {text!r} is {len(words)} long; shorten it to {length}")
            unseen = next((word for word in words if word not in self._tokens), None)
            if unseen is not None:
                known = len(self.vocabulary) - 1
                raise InputError(f"text: {unseen!r} in {text!r} is not among the {known} known to {self.name}")
            row[: len(words)] = [self._tokens[word] for word in words]
        return torch.from_numpy(tokens)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: Index) -> Batch:
        """The batch at `index`: a slice, a list or a LongTensor; an int gives a batch of one. IndexError if outside."""
        where = positions(index, len(self)).to(self.data.device)
        return Batch(_take(self.data, where), labels_at(self.labels, where))

    def __repr__(self) -> str:
        classes = f", {self.num_classes} classes" if self.num_classes else ""
        return f"<{type(self).__name__} {self.name} ({self.split}): {len(self)} x {self.sample_shape}{classes}>"

    def to(self, device: torch.device | str) -> Dataset:
        """The same data set with its tensors on `device`; those that are there already are shared, not copied."""
        return Dataset(
            self.name,
            self.data.to(device),
            None if self.labels is None else self.labels.to(device),
            split=self.split,
            label_names=self.label_names,
            attributes={key: column.to(device) for key, column in self.attributes.items()},
            attribute_names=self.attribute_names,
            vocabulary=self.vocabulary,
            joiner=self.joiner,
            sample_rate=self.sample_rate,
        )

    def sample(self, n: int, generator: torch.Generator | None = None) -> Batch:
        """`n` distinct samples, uniformly drawn. Raises InputError if there are fewer."""
        require_integer("n", n, 1)
        require(n <= len(self), "n", n, f"at most the {len(self)} samples of {self.name}")
        device = generator.device if generator is not None else "cpu"
        return self[torch.randperm(len(self), generator=generator, device=device)[:n]]

    def stream(
        self, batch_size: int, *, seed: int = 0, device: torch.device | str = "cpu", rank: int = 0, world: int = 1
    ) -> Stream:
        """Endless batches on `device`, each epoch in a new random order that depends on (seed, epoch) only.

        `batch_size` is that of all `world` processes together; this one, `rank`, gets its contiguous share. An
        epoch's incomplete last batch is dropped. Raises InputError if `batch_size` exceeds the number of samples or
        is not a multiple of `world`.
        """
        order = Shuffle(self.name, len(self), batch_size, seed=seed, device=device, rank=rank, world=world)
        return MemoryStream(self, order)


class Shuffle:
    """Which samples come when: a fresh permutation of `range(length)` an epoch, cut into batches.

    Kept apart from the streams because the one in memory and the one from files must agree on it.
    """

    def __init__(
        self, name: str, length: int, batch_size: int, *, seed: int, device: torch.device | str, rank: int, world: int
    ) -> None:
        check_share(batch_size, seed, rank, world)
        require(batch_size <= length, "batch_size", batch_size, f"at most the {length} samples of {name}")
        self.length, self.batch_size, self.seed = length, batch_size, seed
        self.device, self.rank, self.world = torch.device(device), rank, world
        self._epoch, self._permutation = -1, torch.empty(0)

    def at(self, position: int) -> tuple[Tensor, int]:
        """The indices (batch_size / world,) that this process takes when `position` samples were drawn by all, and
        the position after them."""
        batch = -(-position // self.batch_size)  # rounded up: the position may come from another batch size
        epoch, within = divmod(batch, self.length // self.batch_size)
        if epoch != self._epoch:
            entropy = int(np.random.SeedSequence([self.seed, epoch]).generate_state(1)[0])
            order = torch.randperm(self.length, generator=torch.Generator().manual_seed(entropy))
            self._epoch, self._permutation = epoch, order.to(self.device)
        share = self.batch_size // self.world
        mine = self._permutation[within * self.batch_size + self.rank * share :][:share]
        return mine, (batch + 1) * self.batch_size


class MemoryStream:
    """Batches of a data set that lies on the training device. The state is one integer."""

    def __init__(self, dataset: Dataset, order: Shuffle) -> None:
        self._dataset, self._order = dataset.to(order.device), order
        self.position = 0  # samples drawn so far, by all processes

    def __iter__(self) -> MemoryStream:
        return self

    def __next__(self) -> Batch:
        where, self.position = self._order.at(self.position)
        return Batch(_take(self._dataset.data, where), labels_at(self._dataset.labels, where))

    def state_dict(self) -> State:
        return {"position": self.position}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.position = position_of(state)


def scale(raw: Tensor) -> Tensor:
    """uint8 0..255 -> float32 [-1, 1], exactly -1 at 0 and 1 at 255, with x(255 - v) == -x(v) bit for bit."""
    return raw.to(torch.float32).sub_(127.5).mul_(1 / 127.5)


def stratified(labels: np.ndarray, every: int, split: str) -> np.ndarray:
    """The indices of `split` in ascending order; the test split takes one in `every` of each label (+- 1), always the
    same ones."""
    test = np.sort(np.argsort(labels, kind="stable")[every - 1 :: every])
    everything = np.arange(len(labels))
    return {"test": test, "all": everything, "train": np.setdiff1d(everything, test)}[split]


def check_share(batch_size: int, seed: int, rank: int, world: int) -> None:
    """What every stream asks of its arguments. Raises InputError."""
    require_integer("batch_size", batch_size, 1)
    require_integer("seed", seed, 0, 2**63 - 1)
    require_integer("world", world, 1)
    require_integer("rank", rank, 0, world - 1)
    require(batch_size % world == 0, "batch_size", batch_size, f"a multiple of the {world} processes")


def position_of(state: Mapping[str, Any]) -> int:
    """The one integer in the state of a finite data set's stream. Raises InputError if it is not there."""
    require("position" in state, "state", sorted(state), "the key 'position', as a finite data set's stream saves it")
    require_integer("position", state["position"], 0)
    return state["position"]


def _checked(data: Tensor) -> Tensor:
    """`data` as it is kept: images channels last. Raises InputError for what can't be a data set."""
    shape = tuple(data.shape)
    if data.dtype == torch.uint8:
        require(data.dim() == 4, "x", f"uint8 {shape}", "images (N, C, H, W); grey ones (N, H, W) need x.unsqueeze(1)")
        swapped = shape[1] > 4 and shape[3] in (1, 3, 4)
        require(not swapped, "x", shape, "channels first, (N, C, H, W); x.permute(0, 3, 1, 2) brings them there")
    else:
        require(data.dtype == torch.float32, "x", data.dtype, "uint8 images or floating-point values")
        require(data.dim() in (2, 3), "x", f"float32 {shape}", "vectors (N, D) or signals (N, C, L)")
    require(data.numel() > 0, "x", shape, "at least one sample, and no empty dimension")
    if data.dtype != torch.uint8:
        bad = int((~torch.isfinite(data)).sum())
        require(bad == 0, "x", f"{bad} values that are NaN or infinite", "finite values only")
        return data.contiguous()
    return data.contiguous(memory_format=torch.channels_last)


def _checked_text(tokens: Tensor, vocabulary: tuple[str, ...]) -> Tensor:
    """`tokens` as they are kept. Raises InputError for what can't be texts of `vocabulary`."""
    require(vocabulary[0] == "", "vocabulary", vocabulary[0], 'the blank, "", first')
    require(len(set(vocabulary)) == len(vocabulary), "vocabulary", f"{len(vocabulary)} tokens", "each token once")
    shape = tuple(tokens.shape)
    require(tokens.dtype == torch.int64 and len(shape) == 2, "tokens", f"{tokens.dtype} {shape}", "torch.int64 (N, L)")
    require(tokens.numel() > 0, "tokens", shape, "at least one text, and no empty dimension")
    low, high = (int(v) for v in torch.aminmax(tokens))
    inside = low >= 0 and high < len(vocabulary)
    require(inside, "tokens", f"{low} to {high}", f"values from 0 to {len(vocabulary) - 1}")
    return tokens.contiguous()


def decoded(tokens: Tensor, vocabulary: Sequence[str], joiner: str = "") -> list[str]:
    """The texts of tokens (n, L), without the blanks at their ends."""
    texts = []
    for row in tokens.tolist():
        while row and row[-1] == 0:
            row.pop()
        texts.append(joiner.join(vocabulary[token] for token in row))
    return texts


def _check_labels(what: str, labels: Tensor, length: int, classes: int) -> None:
    shape = tuple(labels.shape)
    require(labels.dtype == torch.int64, what, labels.dtype, "torch.int64")
    require(shape == (length,), what, f"shape {shape}", f"one label a sample, shape ({length},)")
    low, high = (int(v) for v in torch.aminmax(labels))
    require(low >= 0 and high < classes, what, f"{low} to {high}", f"values from 0 to {classes - 1} ({classes} names)")


def positions(index: Index, length: int) -> Tensor:
    """`index` as int64 (n,) without negative entries. Raises IndexError for what is outside."""
    if isinstance(index, slice):
        return torch.from_numpy(np.arange(length)[index].copy())
    where = torch.as_tensor(index)
    if where.is_floating_point() and where.numel():
        raise IndexError(f"index: expected integers, got {where.dtype}")
    where = where.nonzero().flatten() if where.dtype == torch.bool else where.reshape(-1).to(torch.int64)
    if where.numel() and not (-length <= int(where.min()) and int(where.max()) < length):
        raise IndexError(f"index: {int(where.min())} to {int(where.max())} is outside a data set of {length} samples")
    return where.remainder(length)


def _take(data: Tensor, where: Tensor) -> Tensor:
    if data.dtype != torch.uint8:
        return data.index_select(0, where)
    rows = data.permute(0, 2, 3, 1).index_select(0, where)  # (n, H, W, C), contiguous: a view of channels-last images
    return scale(rows).permute(0, 3, 1, 2)


def labels_at(labels: Tensor | None, where: Tensor) -> Tensor | None:
    return None if labels is None else labels.index_select(0, where)
