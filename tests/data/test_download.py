"""Downloads from a server on this machine: complete, broken off, changed, missing; and the readers of the files."""

import gzip
import hashlib
import io
import re
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from gan_tutorial.data import download, load
from gan_tutorial.errors import InputError


class Server(ThreadingHTTPServer):
    """Serves `files` (path -> bytes); the rest says how badly."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.ranges = True  # whether it understands Range
        self.break_after = 0  # bytes it sends before it breaks off, 0: all
        self.status = 200
        self.asked: list[tuple[str, str | None]] = []  # path and Range of every request

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self):
        wanted = self.headers.get("Range")
        self.server.asked.append((self.path, wanted))
        body = self.server.files.get(self.path)
        if self.server.status != 200 or body is None:
            self.send_error(self.server.status if body is not None else 404)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.server.ranges else 0
        if start and start >= len(body):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        rest = body[start:]
        self.wfile.write(rest[: self.server.break_after or None])
        self.close_connection = True

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


CONTENT = np.random.default_rng(0).integers(0, 256, 300_000, dtype=np.uint8).tobytes()


@pytest.fixture
def cache(tmp_path, monkeypatch, server):
    """One data set, "set", of one file, on the server; its folder in the cache."""
    monkeypatch.setenv("GAN_TUTORIAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server.files["/file.gz"] = CONTENT
    source = download.Source((server.url,), {"file.gz": hashlib.sha256(CONTENT).hexdigest()}, "mnist")
    monkeypatch.setitem(download.SOURCES, "set", source)
    folder = tmp_path / "cache" / "set"
    folder.mkdir(parents=True)
    return folder


def assert_fetched(cache) -> None:
    path = download.fetch("set", "file.gz")
    assert path == cache / "file.gz"
    assert path.read_bytes() == CONTENT
    assert sorted(file.name for file in cache.iterdir()) == ["file.gz", "file.gz.lock"]  # nothing is left over


def test_a_file_is_downloaded_once(cache, server):
    assert_fetched(cache)
    assert_fetched(cache)
    assert server.asked == [("/file.gz", None)]


def test_a_changed_file_in_the_cache_is_downloaded_again(cache, server):
    (cache / "file.gz").write_bytes(CONTENT[:-1])
    assert_fetched(cache)
    assert len(server.asked) == 1


def test_a_download_that_broke_off_earlier_is_continued(cache, server):
    (cache / "file.gz.part").write_bytes(CONTENT[:200_000])
    assert_fetched(cache)
    assert server.asked == [("/file.gz", "bytes=200000-")]


def test_a_server_that_breaks_off_is_asked_for_the_rest(cache, server):
    server.break_after = 131_072
    assert_fetched(cache)
    assert server.asked == [("/file.gz", None), ("/file.gz", "bytes=131072-"), ("/file.gz", "bytes=262144-")]


def test_a_server_without_ranges_starts_again(cache, server):
    server.ranges = False
    (cache / "file.gz.part").write_bytes(b"x" * 200_000)
    assert_fetched(cache)
    assert len(server.asked) == 1


def test_a_server_without_ranges_that_breaks_off_is_given_up(cache, server):
    server.ranges, server.break_after = False, 131_072
    with pytest.raises(InputError, match=r"file.gz can't be downloaded .* what has arrived is kept, or use 'mnist'"):
        download.fetch("set", "file.gz")
    assert (cache / "file.gz.part").read_bytes() == CONTENT[:131_072]
    assert len(server.asked) == 2
    server.ranges, server.break_after = True, 0
    assert_fetched(cache)


def test_pieces_that_do_not_fit_are_thrown_away_once(cache, server):
    (cache / "file.gz.part").write_bytes(b"x" * 200_000)
    assert_fetched(cache)
    assert server.asked == [("/file.gz", "bytes=200000-"), ("/file.gz", None)]


def test_a_partial_file_that_is_too_long(cache, server):
    (cache / "file.gz.part").write_bytes(CONTENT + b"x")
    assert_fetched(cache)
    assert server.asked == [("/file.gz", "bytes=300001-"), ("/file.gz", None)]


@pytest.mark.parametrize("part", [0, 100_000])
def test_another_file_is_refused_and_not_kept(cache, server, part):
    server.files["/file.gz"] = b"<html>Please log in to this network</html>" + CONTENT
    if part:
        (cache / "file.gz.part").write_bytes(CONTENT[:part])
    with pytest.raises(InputError, match=r"127\.0\.0\.1: it sent another file, the SHA-256 differs") as caught:
        download.fetch("set", "file.gz")
    assert "\n" not in str(caught.value)
    assert [file.name for file in cache.iterdir()] == ["file.gz.lock"]
    assert len(server.asked) == (2 if part else 1)


@pytest.mark.parametrize("status", [403, 500])
def test_an_error_of_the_server_is_told(cache, server, status):
    server.status = status
    with pytest.raises(InputError, match=f"HTTP {status}"):
        download.fetch("set", "file.gz")


def test_the_next_mirror_is_tried_and_continues(cache, server, monkeypatch):
    source = download.SOURCES["set"]
    monkeypatch.setitem(download.SOURCES, "set", source._replace(mirrors=(server.url + "gone/", server.url)))
    (cache / "file.gz.part").write_bytes(CONTENT[:1000])
    assert_fetched(cache)
    assert server.asked == [("/gone/file.gz", "bytes=1000-"), ("/file.gz", "bytes=1000-")]


@pytest.mark.parametrize(
    ("name", "instead"), [("mnist-full", "mnist"), ("fashion-mnist", "mnist"), ("cifar10", "avatars")]
)
def test_without_a_network_there_is_one_clear_line(name, instead, tmp_path, monkeypatch, server):
    monkeypatch.setenv("GAN_TUTORIAL_CACHE", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    nobody = ThreadingHTTPServer(("127.0.0.1", 0), Handler)  # a port where nobody listens any more
    nobody.server_close()
    address = f"http://127.0.0.1:{nobody.server_port}/"
    monkeypatch.setitem(download.SOURCES, name, download.SOURCES[name]._replace(mirrors=(address,)))
    with pytest.raises(
        InputError, match=rf"^{name}: .* no connection, .* or use '{instead}', which needs no network$"
    ) as e:
        load(name)
    assert "\n" not in str(e.value)
    assert load(instead).is_image


def test_a_cache_that_can_not_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("GAN_TUTORIAL_CACHE", str(tmp_path / "file"))
    with pytest.raises(InputError, match=r"can't write to the cache folder .* set GAN_TUTORIAL_CACHE"):
        load("cifar10")


def test_processes_that_ask_at_once_download_once(cache, server):
    server.break_after = 65_536
    found = []
    threads = [threading.Thread(target=lambda: found.append(download.fetch("set", "file.gz"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [cache / "file.gz"] * 4
    assert len(server.asked) == 5


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, dtype=">u4").tobytes() + array.tobytes()


def digits(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (n, 28, 28), dtype=np.uint8), generator.integers(0, 10, n, dtype=np.uint8)


@pytest.mark.parametrize("name", ["mnist-full", "fashion-mnist"])
def test_idx_sets(name, cache, server, monkeypatch):
    train, test = digits(40, 0), digits(20, 1)
    for part, (images, labels) in (("train", train), ("t10k", test)):
        server.files[f"/{part}-images-idx3-ubyte.gz"] = gzip.compress(idx(images))
        server.files[f"/{part}-labels-idx1-ubyte.gz"] = gzip.compress(idx(labels))
    sums = {path[1:]: hashlib.sha256(body).hexdigest() for path, body in server.files.items()}
    assert set(download.SOURCES[name].files) < set(sums)
    monkeypatch.setitem(download.SOURCES, name, download.Source((server.url,), sums, "mnist"))
    dataset = load(name)
    assert dataset.name == name
    assert np.array_equal(dataset.data[:, 0], train[0])
    assert np.array_equal(dataset.labels, train[1])
    assert dataset.num_classes == 10
    assert np.array_equal(load(name, split="test", size=32).data[:, 0, 2:-2, 2:-2], test[0])
    both = load(name, split="all")
    assert np.array_equal(both.labels, np.concatenate([train[1], test[1]]))
    monkeypatch.setattr(server, "files", {})  # from the cache now
    assert len(load(name, split="all")) == 60


def archive(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, body in members.items():
            information = tarfile.TarInfo(name)
            information.size = len(body)
            tar.addfile(information, io.BytesIO(body))
    return stream.getvalue()


def records(n: int, label: int) -> bytes:
    """`n` pictures of one label, red 10 * label, green 1, blue 2."""
    return (bytes([label]) + bytes([10 * label]) * 1024 + b"\1" * 1024 + b"\2" * 1024) * n


def cifar_members() -> dict[str, bytes]:
    members = {f"cifar-10-batches-bin/data_batch_{k}.bin": records(k, k) for k in range(1, 6)}
    return members | {"cifar-10-batches-bin/test_batch.bin": records(7, 9), "../evil.bin": b"x", "/etc/evil": b"x"}


def test_cifar10(cache, server, monkeypatch, tmp_path):
    body = server.files["/cifar-10-binary.tar.gz"] = archive(cifar_members())
    sums = {"cifar-10-binary.tar.gz": hashlib.sha256(body).hexdigest()}
    monkeypatch.setitem(download.SOURCES, "cifar10", download.Source((server.url,), sums, "avatars"))
    train, test = load("cifar10"), load("cifar10", split="test")
    assert train.labels.tolist() == [1] + [2] * 2 + [3] * 3 + [4] * 4 + [5] * 5
    assert train.data.shape == (15, 3, 32, 32)
    assert train.data[3].amin((1, 2)).tolist() == train.data[3].amax((1, 2)).tolist() == [30, 1, 2]
    assert test.labels.tolist() == [9] * 7
    assert test.label_names[9] == "truck"
    assert len(load("cifar10", split="all")) == 22
    assert not list(tmp_path.rglob("*evil*"))


def written(tmp_path, body: bytes):
    path = tmp_path / "file.gz"
    path.write_bytes(body)
    return path


GOOD = idx(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))


def test_idx_files_are_read(tmp_path):
    found = download.read_idx(written(tmp_path, gzip.compress(GOOD)), 3)
    assert np.array_equal(found, np.arange(24).reshape(2, 3, 4))
    assert found.flags.writeable


def by_message(value):
    """A test's name. Not the bytes: those of a compressed file tell the time, so every process has others."""
    return "" if isinstance(value, bytes) else value


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"not gzip", "truncated, or not a gzip file"),
        (gzip.compress(GOOD)[:-12], "truncated, or not a gzip file"),
        (gzip.compress(b""), "not an IDX file of bytes in 3 dimensions"),
        (gzip.compress(b"<html>"), "not an IDX file of bytes in 3 dimensions"),
        (gzip.compress(idx(np.zeros((2, 3), dtype=np.uint8))), "not an IDX file of bytes in 3 dimensions"),
        (gzip.compress(bytes([0, 0, 13, 3]) + GOOD[4:]), "not an IDX file of bytes in 3 dimensions"),
        (gzip.compress(GOOD[:10]), "truncated in its header"),
        (gzip.compress(GOOD[:-1]), "its header says (2, 3, 4), 24 bytes, but there are only 23"),
        (gzip.compress(GOOD + b"x"), "its header says (2, 3, 4), 24 bytes, but there are more"),
        (gzip.compress(GOOD[:4] + b"\xff" * 12 + GOOD[16:]), "but there are only 24"),
    ],
    ids=by_message,
)
def test_foreign_idx_files_are_refused_in_one_line(tmp_path, body, message):
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        download.read_idx(written(tmp_path, body), 3)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("file.gz: ")


def test_images_and_labels_must_be_as_many(cache, server, monkeypatch):
    images, labels = digits(5, 0)
    server.files["/train-images-idx3-ubyte.gz"] = gzip.compress(idx(images))
    server.files["/train-labels-idx1-ubyte.gz"] = gzip.compress(idx(labels[:4]))
    sums = {path[1:]: hashlib.sha256(body).hexdigest() for path, body in server.files.items()}
    monkeypatch.setitem(download.SOURCES, "mnist-full", download.Source((server.url,), sums, "mnist"))
    with pytest.raises(InputError, match="mnist-full: 5 images but 4 labels"):
        load("mnist-full")


def link(name: str) -> bytes:
    """An archive in which `name` is a link to a file of the machine."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        information = tarfile.TarInfo(name)
        information.type, information.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(information)
    return stream.getvalue()


TEST_BATCH = "cifar-10-batches-bin/test_batch.bin"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"not gzip", "truncated, or not a tar.gz archive"),
        (gzip.compress(b"x" * 2000), "truncated, or not a tar.gz archive"),
        (archive(cifar_members())[:-60], "truncated, or not a tar.gz archive"),
        (archive({"other": b"x"}), f"lacks {TEST_BATCH}"),
        (archive({"test_batch.bin": records(2, 1)}), f"lacks {TEST_BATCH}"),
        (link(TEST_BATCH), f"lacks {TEST_BATCH}"),
        (archive({TEST_BATCH: records(2, 1)[:-1]}), "has 6145 bytes, not 3073 a picture"),
        (archive({TEST_BATCH: b""}), "has 0 bytes, not 3073 a picture"),
    ],
    ids=by_message,
)
def test_foreign_archives_are_refused_in_one_line(tmp_path, body, message):
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        download.read_cifar(written(tmp_path, body), ["test_batch"])
    assert "\n" not in str(caught.value)


def test_the_pinned_sums_are_sha256():
    for source in download.SOURCES.values():
        assert all(re.fullmatch("[0-9a-f]{64}", known) for known in source.files.values())
        assert source.instead in ("mnist", "avatars")
    both = [set(download.SOURCES[name].files.values()) for name in ("mnist-full", "fashion-mnist")]
    assert len(both[0] | both[1]) == 8
