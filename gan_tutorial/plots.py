"""The figures that the command line, the notebooks and the live lab share; matplotlib without pyplot, so no state."""

from __future__ import annotations

import io
import math
import wave
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gan_tutorial.errors import require, require_integer
from gan_tutorial.metrics.audio import FLOOR, log_mel

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's palette: told apart by colour-blind readers too.
REAL, FAKE, GENERATOR, DISCRIMINATOR = "#000000", "#D55E00", "#D55E00", "#0072B2"

SOUNDS = 64  # on one sheet; more would be too small to see
GAP = 0.1  # seconds of silence between two sounds in one file


def to_uint8(images: Tensor) -> np.ndarray:
    """Images (N, C, H, W) in [-1, 1], clipped -> uint8 (N, H, W, C)."""
    pixels = (images.detach().float().clamp(-1, 1) + 1) * 127.5
    return pixels.round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


def image_grid(images: Tensor, *, columns: int | None = None, scale: int | None = None, gap: int = 2) -> Image.Image:
    """A contact sheet of images (N, C, H, W) in [-1, 1], C = 1 or 3.

    Args:
        columns: images in a row; default: as square a sheet as possible.
        scale: side of a sample's pixel in pixels of the sheet (whole, so that pixels stay sharp); default: about 64 px
            for an image.
        gap: pixels between two images.
    """
    require(images.dim() == 4 and images.shape[1] in (1, 3), "images", tuple(images.shape), "(N, 1 or 3, H, W)")
    n, channels, height, width = images.shape
    columns = columns or math.ceil(math.sqrt(n))
    require_integer("columns", columns, 1)
    scale = scale or max(1, 64 // height)
    rows = math.ceil(n / columns)
    sheet = np.full(
        (rows * (height * scale + gap) + gap, columns * (width * scale + gap) + gap, channels), 128, np.uint8
    )
    for i, pixels in enumerate(to_uint8(images)):
        top, left = gap + i // columns * (height * scale + gap), gap + i % columns * (width * scale + gap)
        sheet[top : top + height * scale, left : left + width * scale] = pixels.repeat(scale, 0).repeat(scale, 1)
    return Image.fromarray(sheet[:, :, 0] if channels == 1 else sheet)


def scatter(real: Tensor, fake: Tensor, extent: float) -> Figure:
    """Real points (N, 2) in black and generated ones in orange on one pair of axes from -extent to extent."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 5), layout="constrained")
    axes: Any = figure.add_subplot()
    for points, colour in ((real, REAL), (fake, FAKE)):
        x, y = points.detach().cpu().numpy().T
        axes.scatter(x, y, s=6, c=colour, alpha=0.5, linewidths=0)
    axes.set(xlim=(-extent, extent), ylim=(-extent, extent), aspect="equal")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def spectrograms(x: Tensor, rate: int, *, columns: int | None = None) -> Figure:
    """Sounds (N, 1, L) in [-1, 1]: each as a waveform over its log-mel spectrogram, one scale for all.

    The waveform's axis reaches from -1 to 1; colours from -60 dB (dark) to 0; time runs to the right, in seconds.

    Args:
        rate: samples a second.
        columns: clips in a row; default: as square a sheet as possible, at most eight.
    """
    from matplotlib.figure import Figure

    x = x.detach().float().cpu()
    levels = log_mel(x, rate).numpy()  # raises InputError for other shapes
    n, _, length = x.shape
    columns = columns or min(8, math.ceil(math.sqrt(n)))
    require_integer("columns", columns, 1)
    rows = math.ceil(n / columns)
    figure = Figure(figsize=(1.6 * columns, 1.8 * rows), layout="constrained")
    axes: Any = figure.subplots(2 * rows, columns, squeeze=False, sharex=True, height_ratios=[2, 3] * rows)
    seconds = np.arange(length) / rate
    for k in range(rows * columns):
        above, below = axes[2 * (k // columns) : 2 * (k // columns) + 2, k % columns]
        for axis in (above, below):
            axis.set_axis_off()
        if k >= n:
            continue
        above.plot(seconds, x[k, 0].numpy(), color=REAL, linewidth=0.4)
        above.set(xlim=(0, length / rate), ylim=(-1, 1))
        extent = (0, length / rate, 0, 1)
        below.imshow(levels[k], origin="lower", aspect="auto", vmin=FLOOR, vmax=0, cmap="magma", extent=extent)
    return figure


def wav(x: Tensor, rate: int) -> bytes:
    """A WAV file, 16 bits, mono, of sounds (N, 1, L), one after the other with 0.1 s of silence in between, or of one,
    (1, L) or (L,). Values are clipped to [-1, 1]; NaN becomes silence.

    Raises InputError for another shape and for a rate outside 1,000 to 384,000.
    """
    require_integer("rate", rate, 1000, 384_000)
    shape = tuple(x.shape)
    fits = 1 <= len(shape) <= 3 and x.numel() > 0 and all(side == 1 for side in shape[-2:-1])
    require(fits, "x", shape, "sounds (N, 1, L), (1, L) or (L,), at least one sample")
    clips = torch.nan_to_num(x.detach().float().reshape(-1, shape[-1]), 0, 1, -1).clamp(-1, 1)
    if len(clips) > 1:
        clips = torch.nn.functional.pad(clips, [0, round(GAP * rate)])
    samples = (clips.flatten() * 32767).round().to(torch.int16).cpu().numpy().astype("<i2")
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return buffer.getvalue()


def sample_files(samples: Tensor, dataset: Any) -> dict[str, bytes]:
    """What a file of samples of `dataset`'s kind holds, by the ending of its name; the first is the usual one.

    Images: ".png", a contact sheet; points: ".png", over real ones; texts: ".txt", one a line; sounds: ".wav", one
    after the other, and ".png", waveforms and spectrograms of the first 64.
    """
    if dataset.is_text:
        return {".txt": "".join(f"{text}\n" for text in dataset.decode(samples)).encode()}
    if dataset.is_sound:
        rate = dataset.sample_rate
        return {".wav": wav(samples, rate), ".png": png(spectrograms(samples[:SOUNDS], rate))}
    if dataset.is_image:
        return {".png": png(image_grid(samples))}
    rng = torch.Generator().manual_seed(0)
    return {".png": png(scatter(dataset.sample(len(samples), rng).x, samples, dataset.extent))}


def png(picture: Image.Image | Figure) -> bytes:
    """A picture or figure as the bytes of a PNG file."""
    buffer = io.BytesIO()
    if isinstance(picture, Image.Image):
        picture.save(buffer, "PNG", optimize=True)
    else:
        picture.savefig(buffer, format="png", dpi=100)
    return buffer.getvalue()
