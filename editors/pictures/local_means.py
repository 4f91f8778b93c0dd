"""Means over square windows of a picture, also such as keep edges; enlargement by rows; a smooth step."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from editors.pictures.images import LUMINANCE

Pixels = NDArray[np.float32]


def radius_of(picture: Pixels) -> int:
    """Return half the side of the windows in which a picture, (h, w, 3), is looked at."""
    return max(2, round(math.sqrt(picture.shape[0] * picture.shape[1]) / 24))


def mean_around(values: NDArray[Any], radius: int) -> NDArray[np.float64]:
    """Average over a square window, (h, w, ...), mirrored at the border."""
    mean = values.astype(np.float64)
    for axis in (0, 1):
        pad = [(radius + 1, radius) if k == axis else (0, 0) for k in range(mean.ndim)]
        # A window wider than the picture mirrors more than once, which "symmetric" does.
        sums = np.cumsum(np.pad(mean, pad, mode="symmetric"), axis=axis)
        length, span = values.shape[axis], 2 * radius + 1
        upper = np.take(sums, range(span, span + length), axis=axis)
        mean = (upper - np.take(sums, range(length), axis=axis)) / span
    return mean


def kuwahara(picture: Pixels, radius: int) -> Pixels:
    """Smooth within regions and keep edges: each pixel takes the mean of its calmest quadrant.

    Reference: Makoto Kuwahara et al., "Processing of RI-angiocardiographic images" (1976).

    Args:
        picture: (h, w, 3) in [0, 1].
        radius: Of the quadrants, whose sides are one longer, in pixels.
    """
    side = radius + 1
    height, width = picture.shape[:2]
    padded = np.pad(picture, ((radius, radius), (radius, radius), (0, 0)), "edge").astype(np.float64)

    def window_mean(plane: NDArray[np.float64]) -> NDArray[np.float64]:
        total = np.pad(plane.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
        sums = total[side:, side:] - total[:-side, side:] - total[side:, :-side] + total[:-side, :-side]
        return np.asarray(sums / (side * side))

    grey = padded @ LUMINANCE.astype(np.float64)
    variance = window_mean(grey * grey) - window_mean(grey) ** 2
    means = np.stack([window_mean(padded[..., channel]) for channel in range(3)], -1)
    best = means[:height, :width]
    calmest = variance[:height, :width]
    for row, column in ((0, radius), (radius, 0), (radius, radius)):
        candidate = variance[row : row + height, column : column + width]
        better = candidate < calmest
        best = np.where(better[..., None], means[row : row + height, column : column + width], best)
        calmest = np.where(better, candidate, calmest)
    return best.astype(np.float32)


def enlarged(values: Pixels, size: tuple[int, int]) -> Callable[[int, int], list[Pixels]]:
    """Return what gives rows of planes enlarged, bicubically: large pictures are never held whole.

    Args:
        values: Planes, (h, w, C).
        size: (width, height) to enlarge to.

    Returns:
        Takes the first row and the one after the last; gives C planes, (rows, width).
    """
    planes = [Image.fromarray(np.ascontiguousarray(plane)) for plane in np.moveaxis(values, 2, 0)]
    h, w = values.shape[:2]
    width, height = size

    def rows(top: int, bottom: int) -> list[Pixels]:
        box = (0, top * h / height, w, bottom * h / height)
        to = (width, bottom - top)
        return [np.asarray(plane.resize(to, Image.Resampling.BICUBIC, box=box)) for plane in planes]

    return rows


def smoothstep(share: NDArray[Any]) -> NDArray[Any]:
    """Rise smoothly from 0 at 0 to 1 at 1."""
    share = np.clip(share, 0, 1)
    return share * share * (3 - 2 * share)
