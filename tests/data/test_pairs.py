"""Two domains of pictures: what they hold, how batches are drawn from both, and what is refused."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from gan_tutorial.data import Dataset, describe, load, names
from gan_tutorial.data.pairs import FONTS, Pairs, divided, outlines
from gan_tutorial.errors import InputError

BUILT_IN = ["pairs:digits", "pairs:glasses", "pairs:edges"]


def numbered(n: int, start: int = 0, channels: int = 1, size: int = 4) -> Dataset:
    """`n` pictures of one brightness each, which is their label."""
    values = torch.arange(start, start + n)
    pixels = values.to(torch.uint8)[:, None, None, None].expand(n, channels, size, size).contiguous()
    return Dataset.from_tensor(pixels, values, name=f"from-{start}")


def drawn(stream, batches):
    found = [next(stream) for _ in range(batches)]
    return [torch.cat([getattr(b, side) for b in found]).tolist() for side in ("labels", "y_labels")]


def save(path: Path, colour, mode: str = "RGB", size=(10, 10)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.new(mode, size, colour).save(path)
    return path


def fill(folder: Path, count: int, mode: str = "RGB", start: int = 0) -> Path:
    """`count` pictures, the k-th of brightness start + k."""
    for k in range(count):
        value = start + k
        save(folder / f"{k:03}.png", value if mode == "L" else (value, value, value), mode)
    return folder


def brightness(x: torch.Tensor) -> list[int]:
    return ((x.mean((1, 2, 3)) + 1) * 127.5).round().int().tolist()


# -- batches -----------------------------------------------------------------------------------------------------------
def test_unpaired_sides_are_drawn_independently_each_picture_once_an_epoch():
    pairs = Pairs("mine", numbered(12), numbered(20, 100))
    assert len(pairs) == 12
    a, b = drawn(pairs.stream(4, seed=1), 15)  # five epochs of A, three of B
    for start in range(0, 60, 12):
        assert sorted(a[start : start + 12]) == list(range(12))
    for start in range(0, 60, 20):
        assert sorted(b[start : start + 20]) == list(range(100, 120))
    assert [n - 100 for n in b[:12]] != a[:12]
    same = Pairs("mine", numbered(12), numbered(12))
    a, b = drawn(same.stream(4, seed=1), 3)
    assert a != b  # of one length, and still independent


def test_paired_pictures_stay_together():
    pairs = Pairs("mine", numbered(12), numbered(12, 100), paired=True)
    stream = pairs.stream(4, seed=1)
    a, b = drawn(stream, 9)
    assert [n - 100 for n in b] == a
    assert a[:12] != a[12:24] != list(range(12))
    x, y = pairs[[3, -1]].x, pairs[[3, -1]].y
    assert (brightness(x), brightness(y)) == ([3, 11], [103, 111])
    sources = pairs.sources(30, seed=2)
    assert torch.equal(sources.y_labels - 100, sources.labels)


@pytest.mark.parametrize("paired", [True, False])
def test_a_stream_goes_on_where_it_was(paired):
    pairs = Pairs("mine", numbered(12), numbered(12, 100), paired=paired)
    stream, twin = pairs.stream(4, seed=3), pairs.stream(4, seed=3)
    drawn(stream, 5)
    state = stream.state_dict()
    assert all(isinstance(value, int) for value in state.values())
    twin.load_state_dict(state)
    assert drawn(stream, 7) == drawn(twin, 7)
    other = pairs.stream(4, seed=4)
    assert drawn(other, 12) != drawn(pairs.stream(4, seed=3), 12)


def test_the_processes_shares_make_up_the_whole_batch():
    pairs = Pairs("mine", numbered(12), numbered(20, 100))
    whole, parts = pairs.stream(4, seed=5), [pairs.stream(4, seed=5, rank=rank, world=2) for rank in range(2)]
    for _ in range(6):
        expected, found = next(whole), [next(part) for part in parts]
        for side in ("x", "labels", "y", "y_labels"):
            assert torch.equal(torch.cat([getattr(b, side) for b in found]), getattr(expected, side))


def test_sources_are_repeatable_and_come_again_where_there_are_few():
    pairs = Pairs("mine", numbered(3), numbered(5, 100))
    batch = pairs.sources(7, seed=1)
    assert sorted(batch.labels[:3].tolist()) == [0, 1, 2]
    assert batch.labels[3:6].tolist() == batch.labels[:3].tolist()
    assert torch.equal(pairs.sources(7, seed=1).x, batch.x)
    back = pairs.sources(7, seed=1, direction="ba")
    assert torch.equal(back.x, batch.y)
    assert torch.equal(back.y_labels, batch.labels)
    assert sorted(pairs.sources(5, direction="ba").labels.tolist()) == [100, 101, 102, 103, 104]


def test_the_face_of_pairs():
    pairs = Pairs("mine", numbered(3), numbered(5, 100), domains=("dark", "light"))
    assert (pairs.sample_shape, pairs.num_classes, pairs.is_image, pairs.is_text, pairs.is_sound) == (
        (1, 4, 4),
        3,
        True,
        False,
        False,
    )
    assert repr(pairs) == "<Pairs mine (all): 3 and 5 x (1, 4, 4)>"
    there = pairs.to("cpu")
    assert (there.domains, there.paired, len(there.b)) == (("dark", "light"), False, 5)
    with pytest.raises(IndexError, match="index"):
        pairs[3]


# -- what there is -----------------------------------------------------------------------------------------------------
def test_they_are_known_by_name():
    assert {*BUILT_IN, "pairs:folder:A:B"} <= {name for name in names() if describe(name).kind == "pairs"}
    assert describe("pairs:folder:here:there").name == "pairs:folder:A:B"
    with pytest.raises(InputError, match=r"data: 'pairs:edge' is not known; did you mean 'pairs:edges'") as error:
        load("pairs:edge")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", BUILT_IN)
def test_descriptions_are_true_and_splits_share_nothing(name):
    told, whole = describe(name), load(name, "all")
    assert (told.samples, told.shape, told.classes) == (
        len(whole.a) + len(whole.b),
        whole.sample_shape,
        whole.num_classes,
    )
    train, test = load(name), load(name, "test")
    for side in "ab":
        parts = [getattr(split, side) for split in (train, test, whole)]
        assert len(parts[0]) + len(parts[1]) == len(parts[2])
        assert 0.15 < len(parts[1]) / len(parts[2]) < 0.21
        assert all(part.split == split for part, split in zip(parts, ("train", "test", "all"), strict=True))
    again = load(name)
    assert torch.equal(again.a.data, train.a.data)
    assert torch.equal(again.b.data, train.b.data)
    batch = next(train.stream(8))
    assert batch.x.shape == batch.y.shape == (8, *told.shape)
    assert batch.x.min() >= -1
    assert batch.y.max() <= 1
    assert batch.x.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("size", [16, 32])
def test_digits_are_written_and_printed(size):
    pairs = load("pairs:digits", size=size)
    assert not pairs.paired
    assert pairs.domains == ("handwritten", "printed")
    assert pairs.a.labels.bincount().tolist() == pairs.b.labels.bincount().tolist() == [400] * 10
    assert set(pairs.b.attributes["font"].tolist()) == set(range(len(FONTS)))
    for side in (pairs.a, pairs.b):
        ink = (side.data > 127).float().flatten(1).mean(1)
        assert 0.02 < ink.median() < 0.25  # white on black, and mostly black
        if size == 16:
            continue
        border = torch.cat([side.data[:, 0, (0, -1)].flatten(1), side.data[:, 0, :, (0, -1)].flatten(1)], 1)
        assert border.max() == 0  # so nothing is cut off


def test_printed_digits_look_like_their_labels():
    """Whatever the font and the place: the nearest of 300 others is of the same digit, nearly always."""
    data = load("pairs:digits", size=16).b
    x = data[:1300].x.flatten(1)
    nearest = torch.cdist(x[300:], x[:300]).argmin(1)
    right = (data.labels[:300][nearest] == data.labels[300:1300]).float().mean()
    assert right > 0.85  # 0.94 was measured; a tenth would be chance


def test_glasses_are_all_that_parts_the_sides():
    pairs = load("pairs:glasses")
    none = pairs.a.attribute_names["glasses"].index("none")
    assert (pairs.a.attributes["glasses"] == none).all()
    assert (pairs.b.attributes["glasses"] != none).all()
    both = load("avatars", label="hat")
    assert len(pairs.a) + len(pairs.b) == len(both)
    for name in ("mood", "hair_length"):  # the rest is alike
        shares = [side.attributes[name].float().mean() for side in (pairs.a, pairs.b)]
        assert abs(shares[0] - shares[1]) < 0.05


def test_outlines_lie_where_colours_change():
    pixels = torch.zeros(1, 3, 4, 4, dtype=torch.uint8)
    pixels[:, 1, 1:3, 2:] = 9
    wanted = [[0, 0, 1, 1], [0, 1, 0, 0], [0, 1, 1, 1], [0, 0, 0, 0]]
    assert torch.equal(outlines(pixels), torch.tensor(wanted, dtype=torch.uint8).mul(255).expand(1, 3, 4, 4))
    pairs = load("pairs:edges", "test")
    assert pairs.paired
    assert torch.equal(pairs.a.data, outlines(pairs.b.data))
    assert torch.equal(pairs.a.labels, pairs.b.labels)
    assert 0.1 < (pairs.a.data > 0).float().mean() < 0.4


@pytest.mark.parametrize(("name", "size"), [("pairs:digits", 28), ("pairs:glasses", 8), ("pairs:edges", "big")])
def test_sizes_that_there_are_not(name, size):
    with pytest.raises(InputError, match=f"size: {size!r} is not allowed; expected") as error:
        load(name, size=size)
    assert "\n" not in str(error.value)


# -- folders -----------------------------------------------------------------------------------------------------------
def test_two_folders_of_unequal_size(tmp_path):
    a, b = fill(tmp_path / "a", 7), fill(tmp_path / "b", 12, start=100)
    pairs = load(f"pairs:folder:{a}:{b}", "all", size=16)
    assert (len(pairs.a), len(pairs.b), pairs.sample_shape, pairs.paired) == (7, 12, (3, 16, 16), False)
    batch = next(pairs.stream(6))
    assert set(brightness(batch.x)) <= set(range(7))
    assert set(brightness(batch.y)) <= set(range(100, 112))
    assert str(tmp_path) not in pairs.name


def test_partners_have_one_name_and_one_split(tmp_path):
    a, b = fill(tmp_path / "a", 40), tmp_path / "b"
    for k in range(40):
        save(b / f"{k:03}.jpg", (100 + k,) * 3)
    parts = [load(f"pairs:folder:{a}:{b}", split, size=8, paired=True) for split in ("train", "test", "all")]
    assert len(parts[0]) + len(parts[1]) == len(parts[2]) == 40
    assert len(parts[1]) > 0
    for part in parts:
        batch = part[:]
        shift = np.subtract(brightness(batch.y), brightness(batch.x))
        assert np.abs(shift - 100).max() <= 2  # JPEG
    assert not set(brightness(parts[0][:].x)) & set(brightness(parts[1][:].x))


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3)])
def test_channels_are_those_of_the_pictures(tmp_path, mode, channels):
    a, b = fill(tmp_path / "a", 3, mode), fill(tmp_path / "b", 3, mode)
    assert load(f"pairs:folder:{a}:{b}", "all", size=8).sample_shape == (channels, 8, 8)


def test_mixed_channels_are_refused_until_someone_says_which(tmp_path):
    a, b = fill(tmp_path / "a", 3, "L"), fill(tmp_path / "b", 3)
    with pytest.raises(InputError, match=r"channels: '.*a/000.png' is grey and '.*b/000.png' in colour; .*") as error:
        load(f"pairs:folder:{a}:{b}", "all", size=8)
    assert "\n" not in str(error.value)
    for channels in (1, 3):
        assert load(f"pairs:folder:{a}:{b}", "all", size=8, channels=channels).sample_shape == (channels, 8, 8)


def test_a_path_with_a_colon(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fill(Path("C:/a"), 2)
    fill(Path("D:/b"), 3)
    assert divided("C:/a:D:/b") == ("C:/a", "D:/b")
    assert len(load("pairs:folder:C:/a:D:/b", "all", size=8).b) == 3
    for paths, ways in (("C:/a:D:/c", "0 of these"), ("C:/x:y", "0 of these")):
        with pytest.raises(InputError, match=f"pairs: '{paths}' can be divided at . colons, and {ways}") as error:
            divided(paths)
        assert "\n" not in str(error.value)


def test_a_broken_picture_is_named_or_left_out(tmp_path):
    a, b = fill(tmp_path / "a", 3), fill(tmp_path / "b", 3)
    (b / "bad.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"can't read the picture '.*bad.png'.*skip_unreadable=True") as error:
        load(f"pairs:folder:{a}:{b}", "all", size=8)
    assert "\n" not in str(error.value)
    with pytest.warns(UserWarning, match="left out 1 of 4 pictures"):
        assert len(load(f"pairs:folder:{a}:{b}", "all", size=8, skip_unreadable=True).b) == 3


def wrong_folders(tmp_path, case):
    a, b = fill(tmp_path / "a", 3), fill(tmp_path / "b", 3)
    if case == "unequal":
        save(b / "extra.png", (0, 0, 0))
    elif case == "names":
        (b / "002.png").rename(b / "other.png")
    elif case == "empty":
        for file in b.iterdir():
            file.unlink()
    elif case == "missing":
        b = tmp_path / "nowhere"
    return f"pairs:folder:{a}:{b}"


@pytest.mark.parametrize(
    ("case", "options", "message"),
    [
        ("unequal", {"paired": True}, r"paired: '.*a' has 3 pictures and '.*b' has 4; give each picture its partner"),
        ("names", {"paired": True}, r"paired: '002.png' in '.*a' stands beside 'other.png' in '.*b'; give partners"),
        ("empty", {}, r"folder: '.*b' holds no pictures"),
        ("missing", {}, r"folder: '.*nowhere' does not exist"),
        ("fine", {"channels": 2}, "channels: 2 is not allowed"),
        ("fine", {"paired": "yes"}, "paired: 'yes' is not allowed"),
        ("fine", {"paired": True, "skip_unreadable": True}, "skip_unreadable: True is not allowed; expected False"),
        ("fine", {"workers": 2}, "the option 'workers' is not known"),
    ],
)
def test_folders_that_can_not_be_used_are_one_clear_line(tmp_path, case, options, message):
    with pytest.raises(InputError, match=message) as error:
        load(wrong_folders(tmp_path, case), "all", **options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["pairs:folder:", "pairs:folder:a", "pairs:folder::b", "pairs:folder:a:"])
def test_two_folders_are_needed(name):
    with pytest.raises(InputError, match=r"pairs: '.*' is not allowed; expected two folders with a colon") as error:
        load(name)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("a", "b", "options", "message"),
    [
        (numbered(3), numbered(4, 9), {"paired": True}, "paired: A has 3 pictures and B has 4; give each"),
        (numbered(3), numbered(3, 9, channels=3), {}, r"channels: A is grey and B is colour; make both alike"),
        (
            numbered(3),
            numbered(3, 9, size=8),
            {},
            r"size: \(8, 8\) is not allowed; expected that of the other, \(4, 4\)",
        ),
        (
            numbered(3),
            Dataset.from_tensor(torch.zeros(3, 2)),
            {},
            "data: 'mine' is not allowed; expected a data set of",
        ),
    ],
)
def test_sides_that_do_not_fit(a, b, options, message):
    with pytest.raises(InputError, match=message) as error:
        Pairs("mine", a, b, **options)
    assert "\n" not in str(error.value)


def test_a_batch_larger_than_a_side_names_it():
    with pytest.raises(InputError, match="batch_size: 5 is not allowed; expected at most the 3 samples of from-0"):
        Pairs("mine", numbered(3), numbered(9, 100)).stream(5)
