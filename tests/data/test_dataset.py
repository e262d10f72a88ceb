"""Data sets in memory: what they accept, how they scale, and the streams' promises."""

import re

import numpy as np
import pytest
import torch

from gan_tutorial.data import Dataset, load
from gan_tutorial.data.dataset import scale, stratified
from gan_tutorial.errors import InputError


def numbered(n: int = 23, channels: int = 3) -> Dataset:
    """`n` distinct images whose label is their number."""
    pixels = torch.arange(n * channels * 4 * 4).reshape(n, channels, 4, 4).remainder(251).to(torch.uint8)
    pixels[:, 0, 0, 0] = torch.arange(n, dtype=torch.uint8)
    return Dataset.from_tensor(pixels, torch.arange(n))


def drawn(stream, batches: int) -> list[int]:
    return [int(label) for _ in range(batches) for label in next(stream).labels]


def test_scaling_is_exact_and_symmetric():
    values = torch.arange(256).to(torch.uint8)
    x = scale(values)
    assert x.dtype == torch.float32
    assert x[0] == -1
    assert x[255] == 1
    assert torch.equal(x, -x.flip(0))
    assert torch.allclose(x.double(), values.double() * 2 / 255 - 1, rtol=0, atol=1e-7)


def test_float_images_survive_the_eight_bits():
    x = scale(torch.arange(256).to(torch.uint8)).reshape(4, 1, 8, 8)
    assert torch.equal(Dataset.from_tensor(x)[:].x, x)


@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_channels_last(channels):
    dataset = numbered(channels=channels)
    assert dataset.data.is_contiguous(memory_format=torch.channels_last)
    for x in (dataset[:4].x, next(dataset.stream(4)).x):
        assert x.is_contiguous(memory_format=torch.channels_last)
        assert x.shape == (4, channels, 4, 4)


def test_indexing():
    dataset = numbered(6)
    plain = dataset.data.float() / 127.5 - 1
    for index, expected in [
        (2, [2]),
        (-1, [5]),
        (slice(1, 4), [1, 2, 3]),
        (slice(None, None, -2), [5, 3, 1]),
        ([4, -6, 4], [4, 0, 4]),
        (torch.tensor([3, 1]), [3, 1]),
        (np.array([0, 5]), [0, 5]),
        (torch.tensor([True, False, False, True, False, False]), [0, 3]),
        ([], []),
    ]:
        batch = dataset[index]
        assert batch.labels.tolist() == expected
        assert torch.allclose(batch.x, plain[expected], rtol=0, atol=1e-6)
    for index in (6, -7, [0, 6], torch.tensor([-7]), [0.5]):
        with pytest.raises(IndexError, match="index"):
            dataset[index]
    assert [int(batch.labels) for batch in dataset] == list(range(6))  # so that a for loop ends


def test_face_of_a_data_set():
    images, vectors = numbered(5), Dataset.from_tensor(torch.randn(7, 2), name="points")
    assert (images.sample_shape, images.num_classes, images.is_image, len(images)) == ((3, 4, 4), 5, True, 5)
    assert (vectors.sample_shape, vectors.num_classes, vectors.is_image, len(vectors)) == ((2,), 0, False, 7)
    assert next(vectors.stream(3)).labels is None
    assert images.label_names == ("0", "1", "2", "3", "4")
    assert "points" in repr(vectors)
    copy = images.to("cpu")
    assert copy is not images
    assert torch.equal(copy.data, images.data)


def test_samples_are_distinct_and_seeded():
    dataset = numbered(20)
    batch = dataset.sample(20, torch.Generator().manual_seed(3))
    assert sorted(batch.labels.tolist()) == list(range(20))
    again = dataset.sample(20, torch.Generator().manual_seed(3))
    other = dataset.sample(20, torch.Generator().manual_seed(4))
    assert torch.equal(batch.x, again.x)
    assert not torch.equal(batch.labels, other.labels)
    with pytest.raises(InputError, match="n: 21 is not allowed; expected at most the 20 samples"):
        dataset.sample(21)


def test_an_epoch_shows_every_sample_once_and_the_next_another_order():
    stream = numbered(24).stream(6, seed=1)
    first, second = drawn(stream, 4), drawn(stream, 4)
    assert sorted(first) == sorted(second) == list(range(24))
    assert first != second
    assert first != drawn(numbered(24).stream(6, seed=2), 4)
    assert first == drawn(numbered(24).stream(6, seed=1), 4)


def test_the_incomplete_last_batch_is_dropped():
    stream = numbered(23).stream(6)
    epochs = [drawn(stream, 3) for _ in range(40)]
    assert all(len(set(epoch)) == 18 for epoch in epochs)
    assert set().union(*epochs) == set(range(23))  # over the epochs none is left out


@pytest.mark.parametrize("world", [2, 3])
def test_the_processes_shares_make_up_the_whole_batch(world):
    dataset = numbered(23)
    whole = dataset.stream(6, seed=5)
    shares = [dataset.stream(6, seed=5, rank=rank, world=world) for rank in range(world)]
    for _ in range(10):  # more than two epochs
        expected, parts = next(whole), [next(share) for share in shares]
        assert torch.equal(torch.cat([part.x for part in parts]), expected.x)
        assert torch.equal(torch.cat([part.labels for part in parts]), expected.labels)


@pytest.mark.parametrize("before", [0, 2, 3, 7])
def test_a_loaded_state_continues_bitwise(before):
    dataset = numbered(23)
    stream = dataset.stream(6, seed=5)
    for _ in range(before):
        next(stream)
    state = stream.state_dict()
    assert state == {"position": 6 * before}
    expected = [next(stream) for _ in range(6)]
    resumed = dataset.stream(6, seed=5)
    next(resumed)
    resumed.load_state_dict(state)
    for batch in expected:
        found = next(resumed)
        assert torch.equal(found.x, batch.x)
        assert torch.equal(found.labels, batch.labels)


def test_a_state_can_be_loaded_with_another_number_of_processes_and_another_batch_size():
    dataset = numbered(23)
    stream = dataset.stream(6, seed=5)
    drawn(stream, 2)
    expected = next(dataset_stream_at(dataset, stream.state_dict(), 6)).labels
    shares = [dataset_stream_at(dataset, stream.state_dict(), 6, rank=rank, world=2) for rank in (0, 1)]
    assert torch.equal(torch.cat([next(share).labels for share in shares]), expected)
    other = dataset_stream_at(dataset, stream.state_dict(), 10)  # 12 drawn: the next whole batch opens an epoch
    assert len(set(drawn(other, 2))) == 20
    assert other.state_dict() == {"position": 40}


def dataset_stream_at(dataset, state, batch_size, **share):
    stream = dataset.stream(batch_size, seed=5, **share)
    stream.load_state_dict(state)
    return stream


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 24}, "batch_size: 24 is not allowed; expected at most the 23 samples of mine"),
        ({"batch_size": 7, "world": 2}, "batch_size: 7 is not allowed; expected a multiple of the 2 processes"),
        ({"batch_size": 0}, "batch_size: 0 is not allowed"),
        ({"batch_size": 4, "rank": 2, "world": 2}, "rank: 2 is not allowed"),
        ({"batch_size": 4, "seed": -1}, "seed: -1 is not allowed"),
    ],
)
def test_streams_refuse(arguments, message):
    with pytest.raises(InputError, match=re.escape(message)):
        numbered(23).stream(**arguments)


@pytest.mark.parametrize("state", [{}, {"position": -6}, {"position": "6"}, {"generator": torch.zeros(3)}])
def test_streams_refuse_a_foreign_state(state):
    with pytest.raises(InputError, match="position"):
        numbered().stream(4).load_state_dict(state)


def test_the_order_does_not_depend_on_the_global_generator():
    torch.manual_seed(0)
    first = drawn(numbered().stream(4), 5)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    assert drawn(numbered().stream(4), 5) == first
    assert torch.equal(torch.get_rng_state(), before)


IMAGES = torch.zeros(4, 3, 8, 8, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("x", "labels", "message"),
    [
        (np.zeros((4, 2)), None, "x: 'ndarray' is not allowed; expected a torch.Tensor"),
        (torch.zeros(4, 2, dtype=torch.int64), None, "x: torch.int64 is not allowed"),
        (torch.zeros(4, 8, 8, dtype=torch.uint8), None, "need x.unsqueeze(1)"),
        (torch.zeros(4, 8, 8, 3, dtype=torch.uint8), None, "x.permute(0, 3, 1, 2)"),
        (torch.full((4, 1, 8, 8), 1.5), None, "expected float images in [-1, 1]"),
        (torch.linspace(0, 1, 64).reshape(1, 1, 8, 8), None, "scale 0..1 by 2 * x - 1"),
        (torch.full((4, 1, 8, 8), torch.nan), None, "range nan to nan"),
        (torch.tensor([[0.0, torch.nan], [torch.inf, 0.0]]), None, "2 values that are NaN or infinite"),
        (torch.tensor([[0.0, 1e300]], dtype=torch.float64), None, "1 values that are NaN or infinite"),
        (torch.zeros(4), None, "vectors (N, D) or signals (N, C, L)"),
        (torch.zeros(0, 2), None, "at least one sample"),
        (IMAGES, torch.zeros(3, dtype=torch.int64), "labels: 'shape (3,)' is not allowed; expected one label a sample"),
        (IMAGES, torch.tensor([0, 1, -1, 2]), "labels: '-1 to 2' is not allowed"),
        (IMAGES, torch.zeros(4), "labels: torch.float32 is not allowed; expected integers"),
        (IMAGES, torch.tensor([0, 1, 2, 10**9]), "labels: 'up to 1000000000' is not allowed"),
    ],
)
def test_wrong_data_is_refused_in_one_line(x, labels, message):
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        Dataset.from_tensor(x, labels)
    assert "\n" not in str(caught.value)


def test_label_names_must_fit():
    labels = torch.tensor([0, 1, 2, 1])
    assert Dataset.from_tensor(IMAGES, labels, label_names=["a", "b", "c"]).label_names == ("a", "b", "c")
    with pytest.raises(InputError, match="values from 0 to 1"):
        Dataset.from_tensor(IMAGES, labels, label_names=["a", "b"])
    with pytest.raises(InputError, match="label_names"):
        Dataset.from_tensor(IMAGES, label_names=["a", "b"])
    with pytest.raises(InputError, match=re.escape("attributes['hue']")):
        Dataset("mine", IMAGES, attributes={"hue": labels}, attribute_names={"hue": ["a", "b"]})
    with pytest.raises(InputError, match="attribute_names"):
        Dataset("mine", IMAGES, attributes={"hue": labels})


def test_stratified_splits():
    labels = np.random.default_rng(0).integers(0, 7, 1000)
    train, test = stratified(labels, 5, "train"), stratified(labels, 5, "test")
    assert len(test) == 200
    assert np.array_equal(np.sort(np.concatenate([train, test])), stratified(labels, 5, "all"))
    share = np.bincount(labels[test]) - np.bincount(labels) / 5
    assert np.abs(share).max() <= 1


def test_a_stream_on_a_gpu_equals_the_one_on_the_cpu_and_never_waits_within_an_epoch():
    if not torch.cuda.is_available():
        pytest.skip("needs a GPU")
    dataset = load("mnist", split="test")
    host, device = dataset.stream(100, seed=1), dataset.stream(100, seed=1, device="cuda")
    next(host), next(device)  # puts the epoch's order there
    torch.cuda.set_sync_debug_mode("error")
    try:
        batches = [next(device) for _ in range(9)]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for batch in batches:
        expected = next(host)
        assert torch.equal(batch.x.cpu(), expected.x)
        assert torch.equal(batch.labels.cpu(), expected.labels)


# -- text and sound ----------------------------------------------------------------------------------------------------
LETTERS = ("", "a", "b", "c")


def texts(**changes) -> Dataset:
    return Dataset("texts", torch.tensor([[1, 2, 3], [3, 0, 0], [2, 2, 0]]), **{"vocabulary": LETTERS} | changes)


def test_texts_and_back():
    dataset = texts()
    assert dataset.is_text
    assert not dataset.is_sound
    assert dataset.sample_shape == (3,)
    assert dataset.decode(dataset.data) == ["abc", "c", "bb"]
    assert torch.equal(dataset.encode(["abc", "c", "bb"]), dataset.data)
    batch = next(dataset.stream(3))
    assert batch.x.dtype == torch.int64
    assert sorted(dataset.decode(batch.x)) == ["abc", "bb", "c"]


def test_words_are_joined_by_spaces():
    dataset = texts(joiner=" ")
    assert dataset.decode(dataset.data) == ["a b c", "c", "b b"]
    assert torch.equal(dataset.encode(["a b c", "c", "b b"]), dataset.data)


def test_a_copy_on_a_device_keeps_what_tokens_mean_and_the_sample_rate():
    assert texts(joiner=" ").to("cpu").decode(torch.tensor([[1, 2, 0]])) == ["a b"]
    assert Dataset("sounds", torch.zeros(2, 1, 8), sample_rate=16000).to("cpu").sample_rate == 16000


def test_sounds_have_a_sample_rate():
    dataset = Dataset("sounds", torch.zeros(2, 1, 8), sample_rate=16000)
    assert dataset.is_sound
    assert not dataset.is_text
    assert not dataset.is_image


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: texts(vocabulary=("a", "b", "c", "d")), "vocabulary: 'a' is not allowed; expected the blank"),
        (lambda: texts(vocabulary=("", "a", "b", "b")), "vocabulary: '4 tokens' is not allowed; expected each token"),
        (lambda: texts(vocabulary=("", "a", "b")), "tokens: '0 to 3' is not allowed; expected values from 0 to 2"),
        (lambda: Dataset("x", torch.zeros(2, 3), vocabulary=LETTERS), "tokens: 'torch.float32 (2, 3)' is not allowed"),
        (lambda: Dataset("x", torch.zeros(0, 3).long(), vocabulary=LETTERS), "tokens: (0, 3) is not allowed"),
        (lambda: texts().encode(["abca"]), "text: 'abca' is 4 long; shorten it to 3"),
        (lambda: texts().encode(["ax"]), "text: 'x' in 'ax' is not among the 3 known to texts"),
        (
            lambda: numbered().decode(torch.zeros(1, 3).long()),
            "data: 'mine' is not allowed; expected a data set of text",
        ),
        (lambda: Dataset("x", torch.zeros(2, 8), sample_rate=16000), "x: (2, 8) is not allowed; expected signals"),
        (lambda: Dataset("x", torch.zeros(2, 1, 8), sample_rate=0), "sample_rate: 0 is not allowed"),
    ],
)
def test_wrong_texts_and_sounds(make, message):
    with pytest.raises(InputError) as error:
        make()
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)
