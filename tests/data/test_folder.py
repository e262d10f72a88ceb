"""Folders of pictures: what is read, how it is fitted, what is refused, and streams from the disk."""

import gc
import multiprocessing
import re
import time
import warnings
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from gan_tutorial.data import load
from gan_tutorial.errors import InputError


def save(path: Path, pixels, mode: str | None = None, **options) -> Path:
    """`pixels` is an array, or one colour of a 12 x 10 picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.asarray(pixels, dtype=np.uint8)
    if array.ndim == 1:
        array = np.broadcast_to(array, (10, 12, len(array)))
    picture = PIL.Image.fromarray(array)
    (picture.convert(mode) if mode else picture).save(path, **options)
    return path


def fill(folder: Path, count: int, groups: tuple[str, ...] = ("",)) -> None:
    """`count` pictures a group, the k-th of brightness k."""
    for group in groups:
        for k in range(count):
            save(folder / group / f"{k:03}.png", [k, k, k])


def only(folder: Path, **options) -> torch.Tensor:
    """The one picture in `folder`, (channels, size, size)."""
    dataset = load(f"folder:{folder}", split="all", **{"size": 8, **options})
    assert len(dataset) == 1
    return dataset[0].x[0]


def colours(picture: torch.Tensor) -> list[int]:
    """The values of a picture of one colour, 0..255."""
    assert (picture.amax((1, 2)) - picture.amin((1, 2))).max() < 0.05
    return ((picture.mean((1, 2)) + 1) * 127.5).round().int().tolist()


@pytest.mark.parametrize("ending", ["png", "jpg", "JPEG", "webp", "bmp", "gif"])
def test_every_kind_of_file(tmp_path, ending):
    save(tmp_path / f"a.{ending}", [200, 100, 50])
    assert colours(only(tmp_path)) == pytest.approx([200, 100, 50], abs=3)
    grey = only(tmp_path, channels=1)
    assert grey.shape == (1, 8, 8)
    assert colours(grey) == pytest.approx([0.299 * 200 + 0.587 * 100 + 0.114 * 50], abs=3)


def test_transparency_is_put_on_white(tmp_path):
    save(tmp_path / "a.png", [200, 100, 0, 51])  # a fifth
    assert colours(only(tmp_path)) == [244, 224, 204]
    assert colours(only(tmp_path, channels=1)) == pytest.approx([227], abs=1)


def test_palettes_with_a_transparent_colour(tmp_path):
    picture = PIL.Image.new("P", (10, 10), 1)
    picture.putpalette([9, 9, 9, 30, 60, 90])
    picture.paste(0, (0, 0, 10, 10))
    picture.save(tmp_path / "clear.png", transparency=0)
    assert colours(only(tmp_path)) == [255, 255, 255]
    picture.paste(1, (0, 0, 10, 10))
    picture.save(tmp_path / "clear.png", transparency=0)
    assert colours(only(tmp_path)) == [30, 60, 90]


@pytest.mark.parametrize("mode", ["L", "LA", "1", "CMYK"])
def test_other_modes(tmp_path, mode):
    ending = "jpg" if mode == "CMYK" else "png"
    save(tmp_path / f"a.{ending}", [255, 255, 255], mode)
    save(tmp_path / f"b.{ending}", [0, 0, 0], mode)
    white, black = load(f"folder:{tmp_path}", split="all", size=8)[:].x
    assert colours(white) == pytest.approx([255] * 3, abs=2)
    assert colours(black) == pytest.approx([0] * 3, abs=2)


def test_sixteen_bits(tmp_path):
    array = np.full((10, 12), 257 * 200, dtype=np.uint16)
    PIL.Image.fromarray(array).save(tmp_path / "a.png")
    with PIL.Image.open(tmp_path / "a.png") as picture:
        assert picture.mode.startswith("I")
    assert colours(only(tmp_path)) == [200, 200, 200]


def test_exif_orientation(tmp_path):
    array = np.zeros((16, 16, 3), dtype=np.uint8)
    array[:8] = 255  # white above
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # turn a quarter clockwise to see it upright
    PIL.Image.fromarray(array).save(tmp_path / "a.png", exif=exif)
    picture = only(tmp_path, size=16)[0]
    assert (picture[:, 8:] > 0.9).all()
    assert (picture[:, :8] < -0.9).all()


def test_the_first_frame_of_an_animation(tmp_path):
    frames = [PIL.Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert colours(only(tmp_path)) == [255, 0, 0]


@pytest.mark.parametrize("shape", [(20, 60), (60, 20)])
def test_the_shorter_side_is_fitted_and_the_centre_is_cut_out(tmp_path, shape):
    array = np.zeros((*shape, 3), dtype=np.uint8)
    array[: shape[0] // 3 if shape[0] > 20 else None, : shape[1] // 3 if shape[1] > 20 else None] = 255  # one end
    save(tmp_path / "a.png", array)
    picture = only(tmp_path, size=20)
    assert (picture.clamp(-1, 1).mean() < -0.99).all()  # the end is cut off
    middle = np.zeros((*shape, 3), dtype=np.uint8)
    middle[(shape[0] - 20) // 2 : (shape[0] + 20) // 2, (shape[1] - 20) // 2 : (shape[1] + 20) // 2] = 255
    save(tmp_path / "a.png", middle)
    assert (only(tmp_path, size=20) == 1).all()  # and the middle is there, to the pixel


def test_large_pictures_are_averaged_not_sampled(tmp_path):
    checks = (np.indices((400, 400)).sum(0) % 2 * 255).astype(np.uint8)
    save(tmp_path / "a.png", np.stack([checks] * 3, -1))
    assert colours(only(tmp_path, size=16)) == pytest.approx([127] * 3, abs=2)


def test_a_jpeg_decoded_at_a_fraction_of_its_size_keeps_its_detail(tmp_path):
    generator = np.random.default_rng(0)
    layers = [
        PIL.Image.fromarray(generator.integers(0, 256, shape, dtype=np.uint8)).resize(
            (768, 512), PIL.Image.Resampling.BICUBIC
        )
        for shape in ((16, 24, 3), (128, 192, 3))
    ]
    large = PIL.Image.blend(*layers, 0.5)  # coarse and fine
    large.save(tmp_path / "a.png")
    for size in (16, 100):  # an eighth; all of it
        plain = only(tmp_path, size=size)
        large.save(tmp_path / "b.jpg", quality=98, subsampling=0)
        found = load(f"folder:{tmp_path}", split="all", size=size)[1].x[0]
        (tmp_path / "b.jpg").unlink()
        assert (found - plain).abs().mean() < 0.1 * plain.std()


def test_sub_folders_are_labels_only_if_all_pictures_are_in_them(tmp_path):
    fill(tmp_path, 3, ("cats/young", "cats", "dogs"))
    dataset = load(f"folder:{tmp_path}", split="all", size=8)
    assert dataset.label_names == ("cats", "dogs")
    assert torch.bincount(dataset.labels).tolist() == [6, 3]
    assert dataset.name == f"folder:{tmp_path.name}"
    save(tmp_path / "loose.png", [1, 2, 3])
    loose = load(f"folder:{tmp_path}", split="all", size=8)
    assert (len(loose), loose.labels, loose.num_classes) == (10, None, 0)


def test_one_sub_folder_is_no_label(tmp_path):
    fill(tmp_path, 2, ("images",))
    assert load(f"folder:{tmp_path}", split="all", size=8).labels is None


def test_hidden_and_other_files_are_left_out(tmp_path):
    save(tmp_path / "a.png", [1, 2, 3])
    for name in (".hidden.png", ".cache/b.png", "__MACOSX/c.png"):
        save(tmp_path / name, [0, 0, 0])
    (tmp_path / "notes.txt").write_text("no picture")
    assert colours(only(tmp_path)) == [1, 2, 3]


def test_splits_are_stable(tmp_path):
    fill(tmp_path, 200, ("a", "b"))
    train, test, everything = (load(f"folder:{tmp_path}", split=split, size=2) for split in ("train", "test", "all"))
    assert (train.num_classes, test.num_classes) == (2, 2)
    assert len(train) + len(test) == len(everything) == 400
    assert 20 < len(test) < 60  # a tenth, by hash

    def members(dataset):
        return set(zip(dataset.labels.tolist(), dataset.data[:, 0, 0, 0].tolist(), strict=True))

    assert members(train).isdisjoint(members(test))
    kept = members(test)
    fill(tmp_path, 1, ("c",))  # another file does not move the others
    assert kept <= members(load(f"folder:{tmp_path}", split="test", size=2))


@pytest.mark.parametrize("name", ["a", "b", "c", "d"])
def test_a_split_without_a_picture_is_refused(tmp_path, name):
    save(tmp_path / f"{name}.png", [1, 2, 3])
    lengths = []
    for split in ("train", "test"):
        try:
            lengths.append(len(load(f"folder:{tmp_path}", split=split, size=2)))
        except InputError as error:
            lengths.append(str(error))
    (message,) = (found for found in lengths if found != 1)  # one split has it
    assert re.search(r"none of the 1 pictures in .* is in the split '(train|test)'; use 'all'$", message)


def broken(path: Path, kind: str) -> None:
    """A file that can't be read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "text":
        path.write_text("this is not a picture")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "truncated":
        noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3))
        whole = save(path, noise).read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
    elif kind == "bomb":  # a header that promises 10 gigapixels
        import struct
        import zlib

        def chunk(tag, body):
            return struct.pack(">I", len(body)) + tag + body + struct.pack(">I", zlib.crc32(tag + body))

        header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"0")))
    else:
        raise AssertionError(kind)


KINDS = ("text", "empty", "truncated", "bomb")


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_an_unreadable_file_is_named(tmp_path, kind, in_memory):
    fill(tmp_path, 3)
    broken(tmp_path / "deep" / "bad.png", kind)
    with pytest.raises(InputError, match=r"can't read the picture '.*bad\.png' .*skip_unreadable=True$") as caught:
        load(f"folder:{tmp_path}", split="all", in_memory=in_memory)[:]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("in_memory", [True, False])
def test_unreadable_files_can_be_skipped_with_one_warning(tmp_path, in_memory):
    fill(tmp_path, 5, ("a", "b"))
    for kind in KINDS:
        broken(tmp_path / "a" / f"000{kind}.png", kind)
    with pytest.warns(UserWarning, match="left out 4 of 14 pictures .* first is 'a/000bomb.png'") as warned:
        dataset = load(f"folder:{tmp_path}", split="all", size=8, skip_unreadable=True, in_memory=in_memory)
    assert len(warned) == 1
    assert warned[0].filename == __file__  # it points at the caller's line
    assert len(dataset) == 10
    assert dataset.labels.tolist() == [0] * 5 + [1] * 5
    assert ((dataset[:].x[:, 0, 0, 0] + 1) * 127.5).round().tolist() == [0, 1, 2, 3, 4] * 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (tmp_path / "a" / "000bomb.png").rename(tmp_path / "bomb.txt")
        for kind in ("text", "empty", "truncated"):
            (tmp_path / "a" / f"000{kind}.png").unlink()
        load(f"folder:{tmp_path}", split="all", size=8, skip_unreadable=True, in_memory=in_memory)


def test_nothing_but_unreadable_files(tmp_path):
    broken(tmp_path / "bad.png", "text")
    with pytest.raises(InputError, match="nothing but 1 of 1 pictures that can't be read"):
        load(f"folder:{tmp_path}", split="all", skip_unreadable=True)


def test_wrong_folders(tmp_path):
    save(tmp_path / "a.png", [1, 2, 3])
    (tmp_path / "empty").mkdir()
    for path, message in [
        (tmp_path / "missing", "missing' does not exist"),
        (tmp_path / "a.png", "a.png' is a file; give the folder that holds it"),
        (tmp_path / "empty", "holds no pictures (png, jpg, jpeg, webp, bmp, gif)"),
    ]:
        with pytest.raises(InputError, match=re.escape(message)) as caught:
            load(f"folder:{path}")
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="a path, as in 'folder:photos'"):
        load("folder:")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("size", 0),
        ("size", 64.0),
        ("channels", 4),
        ("in_memory", "yes"),
        ("in_memory", 1),
        ("workers", -1),
    ],
)
def test_wrong_options_of_a_folder(tmp_path, option, value):
    save(tmp_path / "a.png", [1, 2, 3])
    with pytest.raises(InputError, match=f"^{option}: "):
        load(f"folder:{tmp_path}", **{option: value})


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """The same folder in memory and from the disk."""
    folder = tmp_path_factory.mktemp("pictures")
    fill(folder, 12, ("a", "b"))
    return [
        load(f"folder:{folder}", split="all", size=4, in_memory=in_memory, workers=2) for in_memory in (True, False)
    ]


def assert_same(first, second) -> None:
    assert torch.equal(first.x, second.x)
    assert torch.equal(first.labels, second.labels)
    assert first.x.stride() == second.x.stride()


def test_from_the_disk_has_the_same_face(pair):
    memory, disk = pair
    assert type(memory) is not type(disk)
    for key in ("name", "split", "sample_shape", "num_classes", "is_image", "label_names", "attributes"):
        assert getattr(memory, key) == getattr(disk, key)
    assert len(memory) == len(disk) == 24
    assert torch.equal(memory.labels, disk.labels)
    for index in (3, slice(2, 9), [5, -1]):
        assert_same(memory[index], disk.to("cpu")[index])
    assert_same(*(dataset.sample(7, torch.Generator().manual_seed(1)) for dataset in pair))
    with pytest.raises(AttributeError, match="not in memory"):
        _ = disk.data
    with pytest.raises(AttributeError, match="no attribute 'dat'"):
        _ = disk.dat


def test_streams_from_the_disk_give_the_same_batches_and_resume(pair):
    memory, disk = (dataset.stream(5, seed=3) for dataset in pair)
    before = torch.get_rng_state()
    for _ in range(6):  # into the second epoch
        assert_same(next(memory), next(disk))
    assert torch.equal(torch.get_rng_state(), before)
    state = disk.state_dict()
    assert state == memory.state_dict() == {"position": 30}  # not what the workers read ahead
    ahead = [next(memory) for _ in range(5)]
    resumed = pair[1].stream(5, seed=3)
    next(resumed)
    resumed.load_state_dict(state)
    for batch in ahead:
        assert_same(batch, next(resumed))


def test_workers_stop_at_once_even_in_a_reference_cycle(pair):
    def leave():
        stream = pair[1].stream(5)
        next(stream)
        cycle = [stream]
        cycle.append(cycle)

    before = set(multiprocessing.active_children())
    leave()
    assert len(set(multiprocessing.active_children()) - before) == 2
    start = time.monotonic()
    gc.collect()
    assert time.monotonic() - start < 4  # they would be killed after 5 s each
    assert set(multiprocessing.active_children()) <= before


def test_shares_from_the_disk(pair):
    whole = next(pair[0].stream(6, seed=1))
    parts = [next(pair[1].stream(6, seed=1, rank=rank, world=2)) for rank in (0, 1)]
    assert torch.equal(torch.cat([part.x for part in parts]), whole.x)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stream_names_the_file_it_can_not_read(tmp_path, workers):
    fill(tmp_path, 6)
    broken(tmp_path / "bad.png", "truncated")
    stream = load(f"folder:{tmp_path}", split="all", size=4, in_memory=False, workers=workers).stream(7)
    with pytest.raises(InputError, match=r"bad\.png") as caught:
        next(stream)
    assert "\n" not in str(caught.value)
    assert stream.state_dict() == {"position": 0}
    save(tmp_path / "bad.png", [9, 9, 9])  # mended, and asked again
    expected = next(load(f"folder:{tmp_path}", split="all", size=4).stream(7))
    assert torch.equal(next(stream).x, expected.x)


def test_large_folders_stay_on_the_disk(tmp_path, monkeypatch):
    fill(tmp_path, 3)
    monkeypatch.setattr("gan_tutorial.data.folder.IN_MEMORY", 3 * 8 * 8 * 3)
    assert load(f"folder:{tmp_path}", split="all", size=8).data.shape == (3, 3, 8, 8)
    assert not hasattr(load(f"folder:{tmp_path}", split="all", size=9), "data")
