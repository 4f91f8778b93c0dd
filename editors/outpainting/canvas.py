"""The canvas: a picture with room around it, and how what was drawn there is joined to it.

Law: the picture stays as it is, pixel for pixel; beside it what was drawn takes over its colours, and keeps
its own further away.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from editors.pictures.framing import Margins
from editors.pictures.local_means import Pixels, enlarged, mean_around, smoothstep
from editors.requests.picture import Picture

_REACH = 8
"""Part of the longer side over which what was drawn takes over the picture's colours."""
_DETAIL = 12
"""Part of the picture's longer side from which its own detail, mirrored, has faded out."""
_STRIP = 256
"""Rows worked on at a time."""


@dataclass(frozen=True)
class Canvas:
    """A picture and the room around it.

    Attributes:
        picture: The picture.
        margins: The room.
    """

    picture: Picture
    margins: Margins

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of all, in pixels."""
        left, top, right, bottom = self.margins
        return self.picture.size[0] + left + right, self.picture.size[1] + top + bottom

    @cached_property
    def mirrored(self) -> Image.Image:
        """All of it, RGB: the picture as seen on white, mirrored in the room around it."""
        left, top, right, bottom = self.margins
        around = ((top, bottom), (left, right), (0, 0))
        return Image.fromarray(np.pad(np.asarray(self.picture.on_white()), around, mode="symmetric"))

    def known(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Return which cells of a grid of a shape (h, w) over all of it lie in the picture as a whole."""
        (width, height), (left, top, right, bottom) = self.size, self.margins
        rows = _inside(shape[0], height, top, height - bottom)
        columns = _inside(shape[1], width, left, width - right)
        return rows[:, None] & columns[None, :]

    def joined(self, seen: Pixels, drawn: Pixels) -> Image.Image:
        """Put the picture into what was drawn.

        Args:
            seen: All of it as the model was shown it, (h, w, 3) in [0, 1].
            drawn: What the model made of it, likewise.

        Returns:
            All of it at its size, RGB, or RGBA where the picture is not opaque.
        """
        width, height = self.size
        known = self.known((drawn.shape[0], drawn.shape[1]))
        rows = enlarged(np.dstack([drawn + carried_over(seen - drawn, known), seen]), self.size)
        pixels = np.empty((height, width, 3), np.uint8)
        for start in range(0, height, _STRIP):
            end = min(start + _STRIP, height)
            planes = np.dstack(rows(start, end))
            sharp = np.asarray(self.mirrored.crop((0, start, width, end)), np.float32) / 255
            detail = self._nearness(start, end)[..., None] * (sharp - planes[..., 3:])
            pixels[start:end] = ((planes[..., :3] + detail) * 255).round().clip(0, 255)
        whole, picture = Image.fromarray(pixels), self.picture.with_alpha()
        if picture.mode != whole.mode:
            whole.putalpha(255)
        whole.paste(picture, self.margins[:2])
        return whole

    def _nearness(self, start: int, end: int) -> Pixels:
        """Return how near pixels of rows are to the picture, from 1 at it to 0 at `_DETAIL` of its side."""
        (width, height), (left, top, right, bottom) = self.size, self.margins
        x, y = np.arange(width), np.arange(start, end)
        across = np.maximum(0, np.maximum(left - x, x - (width - right - 1)))
        down = np.maximum(0, np.maximum(top - y, y - (height - bottom - 1)))
        distance = np.hypot(down[:, None], across[None, :])
        return smoothstep(1 - distance * _DETAIL / max(self.picture.size)).astype(np.float32)


def carried_over(difference: Pixels, known: NDArray[np.bool_]) -> Pixels:
    """Carry a difference of colours from where it is known over the seam, ever fainter.

    A coarse stand-in for the membrane of Patrick Pérez, Michel Gangnet, Andrew Blake, "Poisson Image Editing"
    (2003): means over windows around the seam, from wide ones, which reach far, to narrow ones, each of what
    those before left over.

    Args:
        difference: Picture less drawing, (h, w, 3).
        known: Where it is known, (h, w).

    Returns:
        What to add to the drawing, (h, w, 3): the difference itself where it is known.
    """
    carried = np.zeros_like(difference, np.float64)
    radius = max(1, max(known.shape) // _REACH)
    while True:
        weight = mean_around(known, radius)[..., None]
        left = mean_around((difference - carried) * known[..., None], radius)
        # A window at the seam is half known; where less of it is, the seam is further away.
        carried += left / np.maximum(weight, 1e-9) * np.minimum(1, 2 * weight)
        if radius == 1:
            break
        radius //= 2
    return np.where(known[..., None], difference, carried).astype(np.float32)


def _inside(num: int, length: int, start: int, end: int) -> NDArray[np.bool_]:
    """Return which of `num` equal parts of a length lie as a whole between start and end."""
    edges = np.arange(num + 1) * length  # in `num`-ths of a pixel
    inside: NDArray[np.bool_] = (edges[:-1] >= start * num) & (edges[1:] <= end * num)
    return inside
