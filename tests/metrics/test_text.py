import math
import random

import pytest
import torch
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

from gan_tutorial.errors import InputError
from gan_tutorial.metrics.text import bleu, distinct, nearest_texts, novelty, self_bleu, valid


def some_texts(rng, count, letters, longest):
    return ["".join(rng.choices("abcdefghij"[:letters], k=rng.randint(1, longest))) for _ in range(count)]


def by_nltk(sample, references, n):
    smoothing = SmoothingFunction().method1
    return sentence_bleu([[*r] for r in references], [*sample], (1 / n,) * n, smoothing_function=smoothing)


@pytest.mark.filterwarnings("ignore:.*counts of.*")
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_bleu_and_self_bleu_are_those_of_nltk(n, seed):
    rng = random.Random(seed)
    samples, references = (some_texts(rng, 12, 2 + seed, 9) for _ in range(2))
    expected = [by_nltk(sample, references, n) for sample in samples]
    assert bleu(samples, references, n) == pytest.approx(sum(expected) / 12, abs=1e-12)
    expected = [by_nltk(samples[i], samples[:i] + samples[i + 1 :], n) for i in range(12)]
    assert self_bleu(samples, n) == pytest.approx(sum(expected) / 12, abs=1e-12)


def test_bleu_by_hand():
    """Papineni's own example: of "the" seven times, two are found in the reference that has the most."""
    references = [["the", "cat", "is", "on", "the", "mat"], ["there", "is", "a", "cat", "on", "the", "mat"]]
    assert bleu([["the"] * 7], references, 1) == pytest.approx(2 / 7)
    # a and b are known, ab and ba are (ab twice, but a reference has it once); no third order: 0.1 of 2
    assert bleu(["abab"], ["xabx", "xbax"], 2) == pytest.approx(math.sqrt(2 / 4 * 2 / 3))
    assert bleu(["abab"], ["xabx", "xbax"], 3) == pytest.approx((2 / 4 * 2 / 3 * 0.1 / 2) ** (1 / 3))
    assert bleu(["abcde", "zzzzz"], ["abcde", "vwxyz"], 5) == pytest.approx((1 + (1 / 5 * 0.1**4 / 24) ** 0.2) / 2)


@pytest.mark.parametrize(
    ("sample", "references", "penalty"),
    [
        ("aaa", ["aaaaaa"], math.exp(1 - 6 / 3)),
        ("aaa", ["aaaaaa", "aaa"], 1),
        ("aaaa", ["aaaaaa", "aa"], 1),  # equally near: the shorter one counts
        ("aaaa", ["aaaaa", "aa"], math.exp(1 - 5 / 4)),
        ("aaaa", ["aaa"], 3 / 4),  # no penalty for a long sample, but an a that is not in the reference
    ],
)
def test_brevity_penalty(sample, references, penalty):
    assert bleu([sample], references, 1) == pytest.approx(penalty)


def test_self_bleu_by_hand():
    assert self_bleu(["abcd"] * 3, 4) == 1
    assert self_bleu(["abcd", "efgh", "ijkl"], 2) == 0
    # aab finds a once and b in the second; the second finds all of it in the first but c; the third nothing
    assert self_bleu(["aab", "abc", "xyz"], 1) == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)
    # alone in its length, a text is compared with the next one: a of 4, its rest of 2
    assert self_bleu(["aaaa", "aa", "aa"], 1) == pytest.approx((2 / 4 + 1 + 1) / 3)
    assert self_bleu(["a", "aa", "aaa"], 1) == pytest.approx((math.exp(1 - 2) + 1 + 2 / 3) / 3)


def test_tokens_and_strings_agree():
    rng = random.Random(0)
    samples, references = some_texts(rng, 20, 5, 8), some_texts(rng, 30, 5, 8)
    vocabulary = {letter: token for token, letter in enumerate("abcde", 1)}

    def tokens(texts, width):
        return torch.tensor([[vocabulary[x] for x in text] + [0] * (width - len(text)) for text in texts])

    for n in (2, 5):
        assert bleu(tokens(samples, 8), tokens(references, 11), n) == bleu(samples, references, n)
        assert self_bleu(tokens(samples, 9), n) == self_bleu(samples, n)
        assert distinct(tokens(samples, 9), n) == distinct(samples, n)
    assert novelty(tokens(samples, 9), tokens(references, 8)) == novelty(samples, references)
    assert bleu([[*text] for text in samples], references, 3) == bleu(samples, references, 3)
    for given, wanted in zip(
        nearest_texts(tokens(samples, 9), tokens(references, 8), 3), nearest_texts(samples, references, 3), strict=True
    ):
        assert torch.equal(given, wanted)


def test_large_tokens_do_not_overflow():
    samples = torch.randint(1, 6, (50, 12)) * 2**60
    assert bleu(samples, samples.flip(0), 5) == 1
    assert distinct(samples, 5) == distinct(samples // 2**60, 5)


def test_a_text_without_tokens():
    assert bleu(["", "ab"], ["ab", ""], 2) == 0.5
    assert bleu([""], [""], 2) == 0
    assert self_bleu(["", "", "ab"], 2) == 0
    assert distinct(["", ""], 2) == 0
    assert novelty(["", "a"], ["", "b"]) == 0.5


def test_distinct_by_hand():
    assert distinct(["abab", "ab"], 1) == 2 / 6
    assert distinct(["abab", "ab"], 2) == 2 / 6
    assert distinct(["abab", "ab"], 3) == 2 / 6
    assert distinct(["abab", "ab"], 4) == 1 / 6
    assert distinct(["abab", "ab"], 5) == 0
    assert distinct(torch.tensor([[1, 2, 0], [2, 0, 0]]), 2) == 1 / 3  # the blanks are no tokens


def test_novelty_counts_whole_texts():
    training = torch.tensor([[1, 2, 0], [3, 0, 0]])
    assert novelty(torch.tensor([[1, 2], [3, 0], [2, 1], [1, 0]]), training) == 0.5
    assert novelty(["ab", "b"], ["ab", "a"]) == 0.5


def test_valid():
    tokens = torch.tensor([[1, 2, 3], [1, 2, 0], [1, 0, 2], [0, 1, 2], [0, 0, 0]])
    assert valid(tokens) == 2 / 5
    assert valid(tokens, 3) == 1 / 5
    assert valid(tokens, 2) == 1 / 5
    assert valid(["abc", "", "ab"]) == 2 / 3
    assert valid(["abc", "", "ab"], 3) == 1 / 3
    assert valid([["a", "", "b"], ["a", "b", ""]]) == 1 / 2


def test_nearest_texts_by_hand():
    training = ["kitten", "", "sitting", "mitten", "sit"]
    indices, distances = nearest_texts(["sitten", ""], training, 3)
    assert indices.tolist() == [[0, 3, 2], [1, 4, 0]]
    assert distances.tolist() == [[1, 1, 2], [0, 3, 6]]
    assert nearest_texts(["kitten"], ["sitting"])[1].item() == 3
    assert nearest_texts(["sitting"], ["kitten"])[1].item() == 3
    assert nearest_texts(["abcd"], ["bcda"])[1].item() == 2  # moved along, not four changes


TOKENS = torch.ones(3, 4, dtype=torch.int64)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bleu(TOKENS, TOKENS, 0), "n: 0 is not allowed; expected an integer >= 1 and <= 5"),
        (lambda: bleu(TOKENS, TOKENS, 6), "n: 6 is not allowed"),
        (lambda: self_bleu(TOKENS, 2.0), "n: 2.0 is not allowed"),
        (lambda: distinct(TOKENS, 0), "n: 0 is not allowed"),
        (lambda: bleu(TOKENS[:0], TOKENS, 2), r"samples: \(0, 4\) is not allowed; expected at least one text"),
        (lambda: bleu(TOKENS, TOKENS[:0], 2), r"references: \(0, 4\) is not allowed"),
        (lambda: bleu(["a"], [], 2), "references: 'no text' is not allowed"),
        (lambda: novelty(TOKENS, TOKENS.int()), r"training: 'torch.int32 \(3, 4\)' is not allowed; expected torch.int"),
        (lambda: valid(TOKENS.float()), "samples: 'torch.float32"),
        (lambda: valid(TOKENS[0]), r"samples: 'torch.int64 \(4,\)'"),
        (lambda: valid(-TOKENS), "samples: 'a token -1' is not allowed; expected tokens of 0 and above"),
        (lambda: valid(TOKENS, 0), "length: 0 is not allowed"),
        (lambda: self_bleu(TOKENS[:1], 2), "samples: 'a single one' is not allowed; expected two or more"),
        (lambda: self_bleu(["one"], 2), "samples: 'a single one' is not allowed"),
        (lambda: bleu(TOKENS, ["a"], 2), "samples, references: 'one a tensor, the other not' is not allowed"),
        (lambda: bleu("abc", ["a"], 2), "samples: 'str' is not allowed; expected a tensor of tokens, or a sequence"),
        (lambda: valid([1, 2]), "samples: 'a text of type int' is not allowed"),
        (lambda: valid([[1, 2]]), "samples: 'a token of type int' is not allowed"),
        (lambda: nearest_texts(TOKENS, TOKENS, 4), "k: 4 is not allowed; expected an integer >= 1 and <= 3"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message) as error:
        call()
    assert "\n" not in str(error.value)
