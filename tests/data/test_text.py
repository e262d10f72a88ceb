"""Texts: the packed poems and words, how poems rhyme, and a text file of one's own."""

import importlib.util
import re
from collections import Counter
from pathlib import Path

import pytest
import torch

import gan_tutorial.data
from gan_tutorial.data import text
from gan_tutorial.errors import InputError

FOLDER = Path(gan_tutorial.data.__file__).parent
spec = importlib.util.spec_from_file_location("text_sources", Path(__file__).parents[2] / "tools" / "text_sources.py")
assert spec
assert spec.loader
text_sources = importlib.util.module_from_spec(spec)
spec.loader.exec_module(text_sources)


def lines_of(poem: str) -> list[str]:
    return [poem[start : start + 5] for start in range(0, 20, 5)]


@pytest.fixture(scope="module")
def poems() -> list[str]:
    everything = text.poems("all")
    return everything.decode(everything.data)


def test_packed_texts_are_small():
    assert (FOLDER / "poems.npz").stat().st_size < 300_000
    assert (FOLDER / "words.npz").stat().st_size < 120_000


@pytest.mark.parametrize("load", [text.poems, text.words])
def test_texts_survive_a_round_trip(load):
    dataset = load("all")
    texts = dataset.decode(dataset.data)
    assert dataset.data.dtype == torch.int64
    assert len(set(texts)) == len(texts) == len(dataset)
    assert torch.equal(dataset.encode(texts), dataset.data)
    assert dataset.vocabulary[0] == ""
    assert (dataset.split, dataset.num_classes) == ("all", 0)


@pytest.mark.parametrize(("load", "train", "test"), [(text.poems, 9_517, 1_057), (text.words, 53_753, 5_972)])
def test_splits_are_fixed_and_disjoint(load, train, test):
    parts = [load(split) for split in ("train", "test")]
    assert [len(part) for part in parts] == [train, test]
    assert torch.equal(parts[0].data, load("train").data)
    first, second = (set(part.decode(part.data)) for part in parts)
    everything = load("all")
    assert not first & second
    assert first | second == set(everything.decode(everything.data))


def test_poems_are_four_full_lines(poems):
    dataset = text.poems("all")
    assert dataset.data.shape == (10_574, 20)
    assert dataset.data.min() > 0  # no blanks
    assert len(dataset.vocabulary) == 2_998
    assert {len(poem) for poem in poems} == {20}
    assert all("\u4e00" <= character <= "\u9fff" for character in dataset.vocabulary[1:])
    counts = torch.bincount(dataset.data.flatten())[1:]
    assert (counts.diff() <= 0).all()  # the most frequent first
    assert counts.min() >= 1
    assert "床前看月光疑是地上霜舉頭望山月低頭思故鄉" in poems  # Li Bai's, which most readers of Chinese know by heart


def test_no_line_of_a_test_poem_was_seen_in_training():
    seen, unseen = (
        {line for poem in part.decode(part.data) for line in lines_of(poem)}
        for part in map(text.poems, ("train", "test"))
    )
    assert not seen & unseen


def test_no_poem_is_another_in_disguise():
    train, test = text.poems("train").data, text.poems("test").data
    same = max(int((train == row).sum(1).max()) for row in test)
    assert same < 15


def test_every_character_has_a_reading(poems):
    readings = text.readings()
    assert tuple(readings) == text.poems("all").vocabulary[1:]
    assert [readings[character] for character in "春眠不覺曉"] == ["chūn", "mián", "bù", "jué", "xiǎo"]
    readings.clear()
    assert text.readings()


@pytest.mark.parametrize(
    ("reading", "rhyme"),
    [
        ("chūn", "en"),
        ("xīn", "en"),
        ("yún", "en"),
        ("yuè", "ie"),
        ("yè", "ie"),
        ("gē", "o"),
        ("duō", "o"),
        ("lǜ", "i"),
        ("qù", "i"),
        ("shī", "i"),
        ("ér", "i"),
        ("lù", "u"),
        ("yān", "an"),
        ("yuán", "an"),
        ("guī", "ei"),
        ("liú", "ou"),
        ("qióng", "eng"),
        ("wēng", "eng"),
        ("jiā", "a"),
        ("yáng", "ang"),
        ("xiāo", "ao"),
        ("lái", "ai"),
    ],
)
def test_rhyme_of_a_syllable(reading, rhyme):
    assert text._rhyme(reading) == rhyme


def test_poems_rhyme_and_shuffled_ones_do_not(poems):
    assert text.rhymes("白日依山盡黃河入海流欲窮千里目更上一層樓")
    assert not text.rhymes("白日依山盡黃河入海流欲窮千里目更上一層山")
    assert not text.rhymes("白日依山盡")
    assert sum(map(text.rhymes, poems)) / len(poems) == pytest.approx(0.82, abs=0.005)  # as the docstring says
    order = torch.randperm(len(poems), generator=torch.Generator().manual_seed(0)).tolist()
    shuffled = [poem[:19] + poems[k][19] for poem, k in zip(poems, order, strict=True)]
    assert sum(map(text.rhymes, shuffled)) / len(poems) == pytest.approx(
        0.105, abs=0.012
    )  # 5 sigma of such a share: 0.015


def test_words_are_plain():
    dataset = text.words("all")
    words = dataset.decode(dataset.data)
    assert dataset.data.shape == (59_725, 12)
    assert "".join(dataset.vocabulary) == "abcdefghijklmnopqrstuvwxyz"
    assert words == sorted(words)
    assert all(re.fullmatch("[a-z]{3,12}", word) for word in words)
    assert {"adversarial", "generator", "cat", "walked"} <= set(words)
    assert not {"fuck", "fucking", "nigger", "london", "paris", "slaved", "drugged"} & set(words)
    share = Counter(map(len, words))
    test = text.words("test")
    counted = Counter(map(len, test.decode(test.data)))
    assert all(abs(counted[n] - share[n] / 10) <= 1 for n in share)


@pytest.mark.parametrize(
    ("dataset", "texts", "message"),
    [
        (text.poems, ["國破山河在" * 5], "is 25 long; shorten it to 20"),
        (text.poems, ["國破山河x"], "'x' in '國破山河x' is not among the 2997 known to poems"),
        (text.words, ["generatorships"], "is 14 long; shorten it to 12"),
        (text.words, ["cat", "Cat"], "'C' in 'Cat' is not among the 26 known to words"),
    ],
)
def test_encode_refuses_in_one_line(dataset, texts, message):
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        dataset("test").encode(texts)
    assert "\n" not in str(caught.value)


def test_rhymes_refuses_what_has_no_reading():
    with pytest.raises(
        InputError, match="poem: the reading of 'x' is not known; use the characters of the data 'poems'"
    ):
        text.rhymes("白日依山盡黃河入海流欲窮千里目更上一層x")


def written(folder: Path, content: str | bytes) -> str:
    path = folder / "mine.txt"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def test_lines_of_a_file(tmp_path):
    dataset = text.lines(written(tmp_path, "\ufeffabba\r\n\n  ba \r\nç日\nabba"), "all")
    assert (dataset.name, dataset.sample_shape, dataset.joiner) == ("text:mine.txt", (4,), "")
    assert dataset.vocabulary == ("", "a", "b", "ç", "日")
    assert dataset.data.tolist() == [[1, 2, 2, 1], [2, 1, 0, 0], [3, 4, 0, 0], [1, 2, 2, 1]]
    assert dataset.decode(dataset.data) == ["abba", "ba", "ç日", "abba"]


def test_words_of_a_file(tmp_path):
    dataset = text.lines(written(tmp_path, "the  cat sat\nthe dog\ta cat\n"), "all", unit="words", length=6)
    assert (dataset.sample_shape, dataset.joiner) == ((6,), " ")
    assert dataset.vocabulary == ("", "the", "cat", "sat", "dog", "a")
    texts = dataset.decode(dataset.data)
    assert texts == ["the cat sat", "the dog a cat"]
    assert torch.equal(dataset.encode(texts), dataset.data)


def test_rare_tokens_cost_their_lines(tmp_path):
    path = written(tmp_path, "aab\nab\nabc\nbbbbbx\nba\n")
    dataset = text.lines(path, "all", vocabulary=2)
    assert dataset.decode(dataset.data) == ["aab", "ab", "ba"]
    assert (dataset.sample_shape, len(dataset.vocabulary)) == ((3,), 3)
    assert text.lines(path, "all", vocabulary=2, length=3).sample_shape == (
        3,
    )  # the longer line is dropped, not refused


def test_splits_of_a_file_keep_repetitions_together(tmp_path):
    path = written(tmp_path, "".join(f"line {k % 50}\n" for k in range(170)))
    train, test, everything = (text.lines(path, split) for split in ("train", "test", "all"))
    first, second = (set(part.decode(part.data)) for part in (train, test))
    assert (len(first), len(second)) == (45, 5)
    assert not first & second
    assert len(train) + len(test) == len(everything) == 170
    assert train.vocabulary == test.vocabulary == everything.vocabulary
    assert train.sample_shape == test.sample_shape == (7,)
    assert torch.equal(train.data, text.lines(path, "train").data)


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("", {}, "mine.txt' is empty; give it one sample a line"),
        ("\ufeff \n\n", {}, "mine.txt' is empty; give it one sample a line"),
        ("only\n", {}, "mine.txt' has 1 different line; two are needed: give it one sample a line"),
        ("same\nsame\n", {}, "mine.txt' has 1 different line; two are needed: give it one sample a line"),
        (b"caf\xe9\nbar\n", {}, "mine.txt' is not UTF-8 (byte 3); save it as UTF-8"),
        ("ab\nba\n".encode("utf-16"), {}, "mine.txt' is not UTF-8 (byte 0); save it as UTF-8"),
        ("ab\n\nabcd\n", {"length": 3}, "line 3 of '"),
        (
            "ab\n\nabcd\n",
            {"length": 3},
            "mine.txt' has 4 characters, the length is 3; raise length to 4, or break the line",
        ),
        ("a b\nc a b\n", {"length": 2, "unit": "words"}, "has 3 words, the length is 2; raise length to 3"),
        (
            "ab\nac\nad\n",
            {"vocabulary": 1},
            "0 have none but the 1 most frequent characters, that is, 0 different lines",
        ),
        (
            "ab\nac\nad\n",
            {"vocabulary": 2},
            "1 different line; two are needed: raise vocabulary (the file has 4 different",
        ),
        ("ab\nba\n", {"unit": "word"}, "unit: 'word' is not known; did you mean 'words'?"),
        ("ab\nba\n", {"length": 0}, "length: 0 is not allowed; expected an integer >= 1"),
        ("ab\nba\n", {"vocabulary": 0}, "vocabulary: 0 is not allowed; expected an integer >= 1"),
    ],
)
def test_lines_refuses_in_one_line(tmp_path, content, options, message):
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        text.lines(written(tmp_path, content), "all", **options)
    assert "\n" not in str(caught.value)


def test_lines_refuses_what_is_no_file(tmp_path):
    for path, message in [
        (str(tmp_path / "none.txt"), "none.txt'; give the path of a text file"),
        (str(tmp_path), "is a folder; give a text file"),
        ("", "text: '' is not allowed; expected a path, as in 'text:names.txt'"),
        (str(tmp_path / ("x" * 300)), "can't be read (File name too long); give another file"),
    ]:
        with pytest.raises(InputError, match=re.escape(message)) as caught:
            text.lines(path, "all")
        assert "\n" not in str(caught.value)


def test_lines_refuses_an_empty_split(tmp_path):
    path = written(tmp_path, "ab\nba\n")
    assert len(text.lines(path, "train")) == 2
    with pytest.raises(InputError, match="none of the 2 different lines is in the split 'test'; use 'all'"):
        text.lines(path, "test")


def test_lines_refuses_what_does_not_fit_into_memory(tmp_path, monkeypatch):
    path = written(tmp_path, "a\n" * 50 + "b" * 100)
    monkeypatch.setattr(text, "LARGEST", 1000)
    with pytest.raises(
        InputError,
        match=re.escape("would be 51 lines x 100 characters, above 1000; break its long lines, such as line 51"),
    ):
        text.lines(path, "all")
    monkeypatch.setattr(text, "LARGEST", 100)
    with pytest.raises(InputError, match=re.escape("at most 100 bytes (it has 200); split the file")):
        text.lines(path, "all")


def test_lines_refuses_an_unseen_token(tmp_path):
    dataset = text.lines(written(tmp_path, "the cat\na dog\n"), "all", unit="words")
    with pytest.raises(InputError, match=r"'mouse' in 'the mouse' is not among the 4 known to text:mine\.txt"):
        dataset.encode(["the mouse"])


def test_relatives_share_a_line_or_a_relative():
    poems = ["a" * 5 + "b" * 15, "c" * 20, "d" * 5 + "e" * 15, "c" * 5 + "e" * 15, "f" * 20]
    assert text_sources.related(poems) == [0, 1, 1, 1, 4]
    assert text_sources.tested([0, 1, 1, 1, *range(4, 40)]).sum() == 4
    assert not text_sources.tested([0] * 40).any()  # they can't be divided


def test_doubles_go():
    one, other, near = "abcdefghijklmnopqrst", "abcdefghijklmn------", "abcdefghijklmno-----"
    assert text_sources.without_doubles([one, near, other]) == [one, other]


@pytest.mark.parametrize(
    ("word", "expected"), [("drug", True), ("drugged", True), ("slaving", True), ("drum", False), ("assume", False)]
)
def test_rude_words_and_what_comes_of_them(word, expected):
    assert text_sources.is_rude(word, {"ass", "drug", "slave"}) == expected
