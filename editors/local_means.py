"""Means over square windows of a picture, and a smooth step."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

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


def smoothstep(share: NDArray[Any]) -> NDArray[Any]:
    """Rise smoothly from 0 at 0 to 1 at 1."""
    share = np.clip(share, 0, 1)
    return share * share * (3 - 2 * share)
