import base64
import copy
import io
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gan_tutorial.errors import InputError
from gan_tutorial.live import replay
from gan_tutorial.live.packing import as_text, pack, sheet
from gan_tutorial.live.session import Session
from gan_tutorial.live.words import CATALOGUE, words
from gan_tutorial.training import recipe

RING = recipe("ring-mlp").with_changes({"model.g_width": 16, "model.d_width": 16, "batch_size": 32})
DIGITS = recipe("dcgan-digits8").with_changes({"model.g_width": 8, "model.d_width": 8, "batch_size": 16})


def branched():
    """Points, settings changed on the way, and the run stands in its past."""
    session = Session(RING)
    session.run(120)
    session.configure(lr_d=3e-3, loss="wasserstein")
    session.run(60)
    session.go(2)
    return session


def images():
    session = Session(DIGITS)
    for _ in range(3):
        session.run(2)
    return session


def content(path, name="run"):
    page = path.read_text(encoding="utf-8")
    (text,) = re.findall(rf'<script type="application/json" id="{name}">(.*?)</script>', page, re.S)
    return json.loads(text)


def array(packed, dtype):
    return np.frombuffer(base64.b64decode(packed), dtype)


def points(packed, extent):
    return array(packed, "<i2").reshape(-1, 2) / 8192 * extent


def tiles(sheet):
    kind, data = sheet["url"].removeprefix("data:image/").split(";base64,")
    picture = Image.open(io.BytesIO(base64.b64decode(data)))
    assert picture.format.lower() == kind
    pixels, (w, h) = np.asarray(picture), (sheet["width"], sheet["height"])
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    at = [(i // sheet["columns"] * h, i % sheet["columns"] * w) for i in range(sheet["n"])]
    return np.stack([pixels[top : top + h, left : left + w] for top, left in at])


def everything(session):
    """All that a session is, to compare."""
    trainer, history = session.trainer, session.history
    snapshot = trainer.snapshot()
    return {
        "tensors": {name: t.numpy().tobytes() for name, t in snapshot.tensors.items()},
        "plain": copy.deepcopy(snapshot.plain),
        "state": (session.state, session.message, session.step_s, session._speed, trainer.step, history.position),
        "history": [(m.step, {k: t.numpy().tobytes() for k, t in m.snapshot.tensors.items()}) for m in history],
        "curves": {name: (c.last, list(c._points), list(c._open), c._each) for name, c in session._curves.items()},
        "unread": (len(session._unread), len(trainer._unwatched)),
        "random": torch.get_rng_state().numpy().tobytes(),
        "threads": torch.get_num_threads(),
    }


@pytest.mark.parametrize("make", [branched, images])
def test_the_session_is_afterwards_as_it_was(make, tmp_path):
    session, other = make(), make()
    before = everything(session)
    replay.export(session, tmp_path / "run.html")
    assert everything(session) == before
    assert everything(session)["tensors"] == everything(other)["tensors"]
    session.run(5)
    other.run(5)
    after = everything(session), everything(other)
    for name in ("tensors", "plain", "history", "curves"):
        assert after[0][name] == after[1][name], name


def test_a_playing_session_goes_on_and_a_failed_one_stays_failed(tmp_path):
    session = Session(RING)
    session.run(5)
    session.play()
    replay.export(session, tmp_path / "playing.html")
    assert session.state == "playing"
    assert session.tick(0).step == 6
    session.pause()
    session.configure(lr_g=1e30, lr_d=1e30)
    with pytest.raises(ArithmeticError):
        session.run(50)
    message = session.message
    replay.export(session, tmp_path / "failed.html")
    assert (session.state, session.message) == ("failed", message)
    assert content(tmp_path / "failed.html")["moments"][0]["step"] == 0


def test_moments_decode_to_the_frames_of_the_session(tmp_path):
    session = branched()
    run = content(replay.export(session, tmp_path / "run.html"))
    assert [m["step"] for m in run["moments"]] == session.history.steps
    for i, moment in enumerate(run["moments"]):
        frame = session.go(i)
        resolution = frame.extent / 8192 / 2
        assert np.abs(points(run["real"], run["extent"]) - frame.real).max() <= resolution * 1.001
        assert np.abs(points(moment["fake"], run["extent"]) - frame.fake).max() <= resolution * 1.001
        assert np.abs(array(moment["heat"], "u1").reshape(50, 50) / 254 - frame.heat).max() <= 0.5 / 254 + 1e-6
        assert {**run["start"], **moment["changed"]} == frame.settings
        assert moment["changed"] == ({"lr_d": 3e-3, "loss": "wasserstein"} if frame.step > 120 else {})
        assert moment["modes"] == list(frame.modes)
        assert moment["probability"] == frame.probability
        assert moment["d_loss"] == (None if frame.step == 0 else frame.d_loss)
    for name in ("d_curve", "g_curve"):
        assert np.array_equal(array(run[name], "<f4").reshape(-1, 2), getattr(frame, name).astype("f4"))


def test_images_come_back_exactly_where_they_fit(tmp_path):
    session = images()
    run = content(replay.export(session, tmp_path / "run.html"))
    assert np.array_equal(tiles(run["real"]), session.frame().real)
    for i, moment in enumerate(run["moments"]):
        assert np.array_equal(tiles(moment["fake"]), session.go(i).fake)
        assert moment["modes"] is None
        assert "heat" not in moment


def test_values_that_are_none_and_points_far_away():
    frame = Session(RING).frame()
    frame.fake[:3] = [[np.nan, 1], [1e9, -np.inf], [frame.extent, -frame.extent]]
    frame.heat[0, :3] = [np.nan, 2, -1]
    packed = as_text(pack(frame))
    assert array(packed["fake"], "<i2")[:6].tolist() == [-32768, round(8192 / frame.extent), 32767, -32767, 8192, -8192]
    assert array(packed["heat"], "u1")[:3].tolist() == [255, 254, 0]
    assert packed["d_loss"] is None
    json.dumps(packed, allow_nan=False)


def test_a_long_run_is_thinned_by_age_and_stays_small(tmp_path):
    session = Session(RING)
    for _ in range(300):
        session.step()
    path = replay.export(session, tmp_path / "run.html")
    steps = [m["step"] for m in content(path)["moments"]]
    assert len(steps) == 80
    assert (steps[0], steps[-3:]) == (0, [298, 299, 300])
    gaps, ages = np.diff(steps), 300 - np.array(steps[:-1])
    assert (gaps <= np.maximum(1, 0.3 * ages)).all()
    assert path.stat().st_size < 1_000_000


def test_images_lose_quality_before_moments(tmp_path, monkeypatch):
    session, path = images(), tmp_path / "run.html"
    for kind in ("png", "webp", "webp"):
        run = content(replay.export(session, path, overwrite=True))
        assert [m["fake"]["url"][11:].split(";")[0] for m in run["moments"]] == [kind] * 4
        size = path.stat().st_size
        assert size < replay.LIMIT
        monkeypatch.setattr(replay, "LIMIT", size)
    error = np.abs(tiles(run["moments"][-1]["fake"])[..., :1].astype(int) - session.frame().fake)
    assert error.mean() < 12
    monkeypatch.setattr(replay, "LIMIT", 1000)
    with pytest.raises(InputError, match=r"^path: the run does not fit into 1,000 bytes, even with 8 moments; .*$"):
        replay.export(session, tmp_path / "small.html")
    assert not (tmp_path / "small.html").exists()


def test_large_images_are_shrunk_and_fit():
    noise = np.random.default_rng(0).integers(0, 256, (36, 128, 64, 3), np.uint8)
    assert replay._shrink(noise).shape == (36, 96, 48, 3)
    assert replay._shrink(noise[:, :32, :32, :1]).shape == (36, 32, 32, 1)
    exact, small = (len(as_text(sheet(noise[:, :32, :32], quality))["url"]) for quality in (0, 55))
    assert small < exact / 4


def test_the_page_asks_nobody_for_anything(tmp_path):
    page = replay.export(branched(), tmp_path / "run.html").read_text(encoding="utf-8")
    assert "http:" not in page
    assert "https:" not in page
    addresses = re.findall(r"""(?:src|href|action|poster)\s*=\s*["']?([^"'\s>]+)""", page)
    assert addresses
    assert all(address.startswith(("data:", "#")) or "images.url" in address for address in addresses), addresses
    for way in (
        "@import",
        "url(",
        "fetch(",
        "XMLHttpRequest",
        "WebSocket",
        "sendBeacon",
        "import(",
        "\nimport ",
        "eval(",
    ):
        assert way not in page, way
    assert "default-src 'none'" in page
    assert "\nexport " not in page


def test_whatever_it_is_called_it_is_text(tmp_path, monkeypatch):
    evil = "</script><script>alert(1)</script>&amp;\"'<!--{title}"
    texts = {"settings": evil, "was": evil, "lang": '"><i>', "names": {"lr_d": evil}}
    monkeypatch.setitem(CATALOGUE, "evil", {**words("en"), **texts})
    path = replay.export(Session(RING), tmp_path / "run.html", title=evil, language="evil")
    page = path.read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert "<i>" not in page
    assert page.count("<script") == page.count("</script>") == 3
    assert "<title>&lt;/script&gt;" in page
    assert content(path, "words")["was"] == evil


def test_another_edition_swaps_every_text(tmp_path, monkeypatch):
    plain = {name: f"[{name}]" for name, text in words("en").items() if isinstance(text, str)}
    names = {name: f"[{name}]" for name in vars(RING.settings)}
    monkeypatch.setitem(CATALOGUE, "xx", {**words("en"), **plain, "names": names, "lang": "zh"})
    path = replay.export(Session(RING), tmp_path / "run.html", language="xx")
    page = path.read_text(encoding="utf-8")
    body = re.sub(r"<script.*?</script>|<style>.*?</style>", "", page, flags=re.S)
    for text in (*words("en")["names"].values(), *(v for v in words("en").values() if isinstance(v, str))):
        assert f">{text}<" not in body
        assert f'aria-label="{text}"' not in body
    assert '<html lang="zh">' in page
    assert "[play]" in page


def test_nothing_is_overwritten_unasked(tmp_path):
    session, path = Session(RING), tmp_path / "run.html"
    path.write_text("mine")
    with pytest.raises(
        InputError, match=r"^path: .*run.html' exists already; choose another name or pass overwrite=True$"
    ):
        replay.export(session, path)
    assert path.read_text() == "mine"
    assert replay.export(session, path, overwrite=True) == path
    assert path.read_text().startswith("<!DOCTYPE html>")
    assert [p.name for p in tmp_path.iterdir()] == ["run.html"]


def test_a_path_that_cannot_be(tmp_path, monkeypatch):
    session = Session(RING)
    for path in (tmp_path / "none" / "run.html", tmp_path):
        with pytest.raises(InputError, match=r"^path: [^\n]*$"):
            replay.export(session, path, overwrite=True)
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(InputError, match=r"^path: .* can't be written \(No space left on device\)$"):
        replay.export(session, tmp_path / "run.html")
    assert not list(tmp_path.iterdir())


def test_a_run_that_has_not_begun(tmp_path):
    run = content(replay.export(Session(RING), str(tmp_path / "run.html")))
    assert [m["step"] for m in run["moments"]] == [0]
    assert run["d_curve"] == ""


def test_the_drawing_code_under_node():
    node = shutil.which("node")
    if node is None:
        message = "no node here: the front end's drawing code was not tested; install Node 20 or newer"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip("NODE TESTS DID NOT RUN: " + message)
    done = subprocess.run([node, "--test", Path(__file__).with_name("front.test.mjs")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(re.search(r"^(?:#|ℹ) pass (\d+)", done.stdout, re.M).group(1)) >= 10
