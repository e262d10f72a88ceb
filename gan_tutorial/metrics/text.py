"""Are generated texts like real ones, and unlike each other and the training set? BLEU, self-BLEU, distinct-n, novelty.

A set of texts is either a tensor of tokens, int64 (N, L), in which 0 is the blank that fills what comes after a text's
end, or a sequence of texts, each a sequence of strings: a string stands for its characters, `line.split()` gives words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from gan_tutorial.errors import require, require_integer

Texts: TypeAlias = Tensor | Sequence[Sequence[str]]

LONGEST = 5  # n-grams that the literature reports
SMOOTHING = 0.1  # matches that an order without any is taken to have


def bleu(samples: Texts, references: Texts, n: int) -> float:
    """Mean BLEU-n of the samples, each against all of the references; from 0 to 1, higher for more familiar n-grams.

    BLEU-n (Papineni et al. 2002, section 2.3) is the geometric mean of the precisions of 1- to n-grams, equally
    weighted, times the brevity penalty. A precision is clipped: an n-gram counts as often as the one reference holds it
    that holds it most. The brevity penalty compares a sample with the reference nearest in length, the shorter of two.

    As in the literature on GANs for text (Yu et al. 2017; TexyGen, Zhu et al. 2018), the score is each sample's own,
    and an order without a match counts as 0.1 matches (method 1 of Chen and Cherry 2014, as in NLTK). A sample without
    a known token, or without any, has 0. The number of references matters: more of them, higher scores.

    Args:
        samples, references: two sets of texts of one kind.
        n: the longest n-grams, 1 to 5.

    Raises InputError for an `n` out of range, an empty set, and what is not a set of texts.
    """
    require_integer("n", n, 1, LONGEST)
    mine, theirs = _sets(samples=samples, references=references)
    size = len(mine.lengths)

    def known(row: Tensor, gram: Tensor, count: Tensor, kinds: int) -> tuple[Tensor, Tensor]:
        ours = row < size
        most = count.new_zeros(kinds).scatter_reduce_(0, gram[~ours], count[~ours], "amax")
        return row[ours], torch.minimum(count[ours], most[gram[ours]])

    nearest = _nearest_lengths(mine.lengths, theirs.lengths)
    return _mean_bleu(_Set(*(torch.cat(pair) for pair in zip(mine, theirs, strict=True))), nearest, known, n)


def self_bleu(samples: Texts, n: int) -> float:
    """Mean BLEU-n of each sample against all the others (Zhu et al. 2018); from 0 to 1, 1 if they are all the same.

    Lower means more diverse. It depends on the number of samples, so compare equal numbers, and with real texts.
    Conventions and errors are those of :func:`bleu`; a single sample has no others and is an error too.
    """
    require_integer("n", n, 1, LONGEST)
    (mine,) = _sets(samples=samples)
    require(len(mine.lengths) > 1, "samples", "a single one", "two or more, to compare each with the others")

    def known(row: Tensor, gram: Tensor, count: Tensor, kinds: int) -> tuple[Tensor, Tensor]:
        # The most that any other sample holds: the top count, or the second if this sample alone has the top.
        top = count.new_zeros(kinds).scatter_reduce_(0, gram, count, "amax")
        leads = count == top[gram]
        leaders = count.new_zeros(kinds).scatter_add_(0, gram, leads.long())
        second = count.new_zeros(kinds).scatter_reduce_(0, gram[~leads], count[~leads], "amax")
        most = torch.where(leads & (leaders[gram] == 1), second[gram], top[gram])
        return row, torch.minimum(count, most)

    return _mean_bleu(mine, _nearest_lengths(mine.lengths), known, n)


def distinct(samples: Texts, n: int) -> float:
    """Different n-grams in all samples together, over the number of tokens (Li et al. 2016), in [0, 1].

    It falls as samples are added, so compare equal numbers. `n` is 1 to 5; raises InputError as :func:`bleu` does.
    """
    require_integer("n", n, 1, LONGEST)
    (mine,) = _sets(samples=samples)
    *_, (_, gram) = _ngrams(mine, n)
    return len(gram.unique()) / max(1, int(mine.lengths.sum()))


def novelty(samples: Texts, training: Texts) -> float:
    """The share of samples that are not in the training set, token for token, in [0, 1].

    Of poems' lines: `novelty(poems.view(-1, 5), training.view(-1, 5))`. Raises InputError as :func:`bleu` does.
    """
    mine, known = (_rows(texts) for texts in _sets(samples=samples, training=training))
    there = set(known)
    return sum(row not in there for row in mine) / len(mine)


def valid(samples: Texts, length: int | None = None) -> float:
    """The share of samples, in [0, 1], that are not empty and have no blank before their last token.

    With `length`, they also have to have just so many tokens: 20 for a quatrain of five characters a line. In a text
    given as strings, "" is the blank. Raises InputError for a `length` below 1, and as :func:`bleu` does.
    """
    if length is not None:
        require_integer("length", length, 1)
    (mine,) = _sets(samples=samples)
    whole = (mine.tokens != 0).sum(1) == mine.lengths
    right = mine.lengths > 0 if length is None else mine.lengths == length
    return (whole & right).double().mean().item()


def nearest_texts(queries: Texts, training: Texts, k: int = 1) -> tuple[Tensor, Tensor]:
    """The `k` training texts nearest to each query by edit distance (Levenshtein): tokens to add, drop or exchange.

    Meant for a few queries: one takes a few hundredths of a second against 10,000 texts of 20 tokens.

    Returns:
        indices into `training`, int64 (Q, k), nearest first, and of equals the first first; distances, int64 (Q, k).

    Raises InputError for a `k` below 1 or above the number of training texts, and as :func:`bleu` does.
    """
    mine, known = _sets(queries=queries, training=training)
    require_integer("k", k, 1, len(known.lengths))
    found = []
    for query, length in zip(mine.tokens, mine.lengths.tolist(), strict=True):
        distances = _edits(query[:length], known)
        order = distances.sort(stable=True)
        found.append(torch.stack([order.indices[:k], order.values[:k]]))
    indices, distances = torch.stack(found, 1)
    return indices, distances


class _Set(NamedTuple):
    """tokens: int64 (N, L), 0 for blanks; lengths: int64 (N,), tokens up to the last that is no blank."""

    tokens: Tensor
    lengths: Tensor


def _sets(**given: Texts) -> list[_Set]:
    """The sets of texts as tokens of one vocabulary and one width, on the CPU."""
    tensors = [isinstance(texts, Tensor) for texts in given.values()]
    kinds = "one a tensor, the other not"
    require(len(set(tensors)) == 1, ", ".join(given), kinds, "both tensors of tokens, or both sequences of texts")
    tokens = []
    vocabulary = {"": 0}
    for name, texts in given.items():
        tokens.append(_given_tokens(name, texts) if isinstance(texts, Tensor) else _encoded(name, texts, vocabulary))
    width = max(rows.shape[1] for rows in tokens)
    sets = []
    for rows in tokens:
        rows = torch.nn.functional.pad(rows, (0, width - rows.shape[1]))
        lengths = ((rows != 0) * torch.arange(1, width + 1)).amax(1)
        sets.append(_Set(rows, lengths))
    return sets


def _given_tokens(name: str, tokens: Tensor) -> Tensor:
    shape = tuple(tokens.shape)
    require(tokens.dtype == torch.int64 and len(shape) == 2, name, f"{tokens.dtype} {shape}", "torch.int64 (N, L)")
    require(tokens.numel() > 0, name, shape, "at least one text, and no empty dimension")
    low = int(tokens.min())
    require(low >= 0, name, f"a token {low}", "tokens of 0 and above")
    return tokens.detach().cpu()


def _encoded(name: str, texts: Sequence[Sequence[str]], vocabulary: dict[str, int]) -> Tensor:
    allowed = "a tensor of tokens, or a sequence of texts, each a string or a sequence of strings"
    require(isinstance(texts, Sequence) and not isinstance(texts, str), name, type(texts).__name__, allowed)
    require(len(texts) > 0, name, "no text", "at least one text")
    bad = next((text for text in texts if not isinstance(text, Sequence)), None)
    require(bad is None, name, f"a text of type {type(bad).__name__}", allowed)
    bad = next((word for text in texts for word in text if not isinstance(word, str)), None)
    require(bad is None, name, f"a token of type {type(bad).__name__}", allowed)
    tokens = torch.zeros(len(texts), max(1, *map(len, texts)), dtype=torch.int64)
    for row, text in zip(tokens, texts, strict=True):
        row[: len(text)] = torch.tensor([vocabulary.setdefault(word, len(vocabulary)) for word in text]).long()
    return tokens


def _rows(texts: _Set) -> list[tuple[int, ...]]:
    return [tuple(row[:n]) for row, n in zip(texts.tokens.tolist(), texts.lengths.tolist(), strict=True)]


def _ngrams(texts: _Set, n: int) -> Iterator[tuple[Tensor, Tensor]]:
    """For the orders 1 to n: of each n-gram in the texts, the row that holds it and its number, int64 (M,) both. Equal
    n-grams have equal numbers, from 0 without gaps."""
    words, ids = texts.tokens.unique(return_inverse=True)
    grams = ids
    for order in range(1, n + 1):
        if order > 1:  # an n-gram is an (n-1)-gram and one token more; renumbered, so that no number overflows
            grams = (grams[:, :-1] * len(words) + ids[:, order - 1 :]).unique(return_inverse=True)[1]
        inside = torch.arange(grams.shape[1]) <= (texts.lengths - order)[:, None]
        yield inside.nonzero()[:, 0], grams[inside]


def _mean_bleu(
    texts: _Set,
    nearest: Tensor,
    known: Callable[[Tensor, Tensor, Tensor, int], tuple[Tensor, Tensor]],
    n: int,
) -> float:
    """Mean BLEU-n of the first len(nearest) texts, where `nearest` (N,) are the lengths to compare with.

    `known` is told how often which row holds which n-gram, and how many kinds there are; it answers with rows and
    clipped counts.
    """
    size = len(nearest)
    lengths = texts.lengths[:size].double()
    logs = torch.zeros(size, dtype=torch.float64)
    some = torch.ones(size, dtype=torch.bool)
    for order, (row, gram) in enumerate(_ngrams(texts, n), 1):
        kinds = int(gram.max()) + 1 if len(gram) else 0
        pairs, count = (row * kinds + gram).unique(return_counts=True)
        rows, clipped = known(pairs // max(kinds, 1), pairs % max(kinds, 1), count, kinds)
        matches = torch.bincount(rows, clipped.double(), minlength=size)
        if order == 1:
            some = matches > 0
        matches = torch.where(matches > 0, matches, SMOOTHING)
        logs += torch.log(matches / (lengths - order + 1).clamp(min=1)) / n
    brevity = (1 - nearest / lengths).clamp(max=0)
    return torch.where(some, torch.exp(logs + brevity), 0.0).mean().item()


def _nearest_lengths(lengths: Tensor, others: Tensor | None = None) -> Tensor:
    """For each of `lengths` (N,) the nearest one of `others`, the shorter of two; without `others`: of the rest."""
    there, count = (lengths if others is None else others).unique(return_counts=True)
    gaps = (lengths[:, None] - there).abs()
    if others is None:  # a length that only this text has is not there for it
        gaps[(gaps == 0) & (count == 1)] = int(there.max()) + 1
    # Equal gaps: the lengths ascend, and the first minimum is the shorter one.
    return there[(gaps * len(there) + torch.arange(len(there))).argmin(1)].double()


def _edits(query: Tensor, texts: _Set) -> Tensor:
    """Edit distances int64 (N,) from `query` (Q,) to each of the texts, all columns of the table at once."""
    width = texts.tokens.shape[1]
    columns = texts.tokens.int().T.contiguous()  # small integers: several times as fast
    above = torch.arange(width + 1, dtype=torch.int32)[:, None].expand(-1, len(texts.tokens))
    for i, token in enumerate(query.tolist(), 1):
        row = [torch.full_like(above[0], i)]
        for j, column in enumerate(columns):
            changed = above[j] + (column != token)
            row.append(torch.minimum(torch.minimum(above[j + 1], row[j]) + 1, changed))
        above = torch.stack(row)
    return above.gather(0, texts.lengths[None])[0].long()
