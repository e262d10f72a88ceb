"""Frames on the wire: every value comes back as it was, up to the resolution that is promised."""

import io
import json
import math
import struct

import numpy as np
import pytest
import torch
from PIL import Image

from gan_tutorial.live.frame import LAYERS, View
from gan_tutorial.live.packing import as_buffers, as_text, from_buffers, pack, pack_live, points, sheet
from gan_tutorial.live.session import Session
from gan_tutorial.training import recipe

RING = recipe("ring-mlp", batch_size=32, model__g_width=16, model__d_width=16)
DIGITS = recipe("dcgan-digits8", batch_size=16, model__g_width=8, model__d_width=8)


def shown(made, **view):
    session = Session(made)
    session.view = View(**view)
    return session.run(5)


def floats(packed):
    return np.frombuffer(packed, "<f4")


def test_points_are_int16_little_endian_with_a_mark_for_nan():
    xy = np.array([[0, 1], [-1, 4], [9, -9], [math.nan, 0.5], [math.inf, -math.inf]])
    packed = points(xy, 1.0)
    assert packed == struct.pack("<10h", 0, 8192, -8192, 32767, 32767, -32767, -32768, 4096, 32767, -32767)


def test_a_live_frame_of_points():
    frame = shown(RING, layers=LAYERS)
    values = pack_live(frame)
    back = np.frombuffer(values["fake"], "<i2").reshape(-1, 2) / 8192 * frame.extent
    assert np.abs(back - frame.fake).max() <= frame.extent / 8192
    heat = np.frombuffer(values["heat"], "u1").reshape(50, 50) / 254
    assert np.abs(heat - frame.heat).max() <= 0.5 / 254 + 1e-6
    assert values["manifold_shape"] == [21, 21]
    assert len(values["manifold"]) == 21 * 21 * 2 * 2
    assert np.array_equal(floats(values["arrows"]), frame.arrows.flatten())
    assert np.array_equal(floats(values["real_logits"]), frame.logits[0])
    assert np.array_equal(floats(values["fake_logits"]), frame.logits[1])
    assert np.array_equal(floats(values["objective"]["slope"]), frame.objective[2])
    assert values["series"].keys() == frame.series.keys()
    assert np.array_equal(floats(values["series"]["d_loss"]).reshape(-1, 2), frame.d_curve.astype("f4"))
    assert values["metrics"]["kl"] == frame.metrics["kl"]
    assert (values["d_loss"], values["modes"]) == (frame.d_loss, frame.modes)
    assert values["walk"] is values["neighbours"] is values["classes"] is None


def test_a_live_frame_of_images():
    frame = shown(DIGITS, walk=0.5, sample=3)
    values = pack_live(frame)
    assert {k: v for k, v in values["fake"].items() if k != "png"} == {"n": 36, "columns": 6, "width": 8, "height": 8}
    picture = np.asarray(Image.open(io.BytesIO(values["fake"]["png"])))
    assert np.array_equal(picture[8:16, 16:24], frame.fake[8, :, :, 0])
    assert values["walk"]["n"] == 1
    assert values["neighbours"]["sample"] == 3
    assert values["neighbours"]["sheet"]["n"] == len(values["neighbours"]["distances"]) == 6
    assert values["classes"]["real"] == pytest.approx(frame.classes[0].tolist())
    assert values["heat"] is values["manifold"] is values["manifold_shape"] is values["arrows"] is None


@pytest.mark.parametrize(("n", "shape"), [(1, (3, 5, 1)), (6, (8, 8, 3)), (7, (4, 4, 3)), (13, (2, 2, 1))])
def test_a_sheet_has_each_image_in_its_place(n, shape):
    images = np.random.default_rng(0).integers(0, 256, (n, *shape), np.uint8)
    packed = sheet(images)
    assert (packed["n"], packed["columns"], packed["height"], packed["width"]) == (n, min(n, 6), *shape[:2])
    picture = np.asarray(Image.open(io.BytesIO(packed["png"]))).reshape(-1, min(n, 6) * shape[1], shape[2])
    for i, image in enumerate(images):
        top, left = i // 6 * shape[0], i % 6 * shape[1]
        assert np.array_equal(picture[top : top + shape[0], left : left + shape[1]], image)


@pytest.mark.parametrize("made", [RING, DIGITS], ids=lambda made: made.name)
def test_messages_are_plain_json_and_bytes_and_come_back(made):
    values, buffers = pack_live(shown(made, layers=LAYERS, walk=0.5, sample=3)), []
    content = as_buffers(values, buffers)
    text = json.dumps(content, allow_nan=False)
    assert buffers
    assert all(type(buffer) is bytes for buffer in buffers)
    back = from_buffers(json.loads(text), buffers)
    assert back["series"] == values["series"]
    assert back["fake"] == values["fake"]
    assert from_buffers(json.loads(text), [memoryview(b) for b in buffers]) == back
    json.dumps(as_text(pack(shown(made))), allow_nan=False)


def test_what_is_not_finite_becomes_null():
    session = Session(RING)
    session.view = View(LAYERS)
    with torch.no_grad():
        for net in session.trainer.networks.values():
            next(net.parameters()).fill_(math.nan)
    frame, buffers = session.frame(), []
    content = as_buffers(pack_live(frame), buffers)
    assert content["d_loss"] is None
    json.dumps(content, allow_nan=False)
    assert set(np.frombuffer(pack_live(frame)["heat"], "u1")) == {255}
    assert set(np.frombuffer(pack_live(frame)["fake"], "<i2")) == {-32768}
    assert as_buffers({"a": [math.nan, math.inf, 1.5, True, 2]}, []) == {"a": [None, None, 1.5, True, 2]}


def test_buffers_are_numbered_as_they_come():
    buffers = [b"already here"]
    assert as_buffers({"a": b"x", "b": [memoryview(b"y"), 1]}, buffers) == {"a": {"buffer": 1}, "b": [{"buffer": 2}, 1]}
    assert buffers == [b"already here", b"x", b"y"]
    assert from_buffers({"a": {"buffer": 1}, "b": [{"buffer": 2}, 1]}, buffers) == {"a": b"x", "b": [b"y", 1]}
