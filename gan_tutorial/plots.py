"""The figures that the command line, the notebooks and the live lab share; matplotlib without pyplot, so no state."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gan_tutorial.errors import require, require_integer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's palette: told apart by colour-blind readers too.
REAL, FAKE, GENERATOR, DISCRIMINATOR = "#000000", "#D55E00", "#D55E00", "#0072B2"


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


def samples_png(samples: Tensor, dataset: Any) -> bytes:
    """PNG of samples beside nothing but themselves (images) or over real points (2-D data)."""
    if dataset.is_image:
        return png(image_grid(samples))
    rng = torch.Generator().manual_seed(0)
    return png(scatter(dataset.sample(len(samples), rng).x, samples, dataset.extent))


def png(picture: Image.Image | Figure) -> bytes:
    """A picture or figure as the bytes of a PNG file."""
    buffer = io.BytesIO()
    if isinstance(picture, Image.Image):
        picture.save(buffer, "PNG", optimize=True)
    else:
        picture.savefig(buffer, format="png", dpi=100)
    return buffer.getvalue()
