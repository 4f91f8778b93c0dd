"""Between a picture's own size and the size a model works at, without losing the picture's detail.

A model of 64 or 512 pixels cannot redraw a photograph of 4000. So the photograph is shown to it small, and
only the *change* is brought up: as a local linear map of colours, fitted where the small picture before and
after are seen side by side, and applied to the fine detail that only the photograph has. Where the edit keeps
structure (night, snow, another colour) the detail stays and takes the new light; where it replaces structure
(a dog for a cat) the old detail fades, and what is left is what the model drew, enlarged.

References: Jiawen Chen, Andrew Adams, Neal Wadhwa, Samuel W. Hasinoff, "Bilateral Guided Upsampling" (2016),
and Kaiming He, Jian Sun, Xiaoou Tang, "Guided Image Filtering" (2010), for the locally linear model; David
Donoho, "De-Noising by Soft-Thresholding" (1995), for taking back what is small.

Law: an edit that changed nothing gives the photograph back exactly; brought down again, the result is the
edit.
"""

import math
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.float32]

_STRIP = 256
"""Rows worked on at a time, so that 40 million pixels need no gigabytes."""
_FLAT = 0.02**2
"""Variance, of values in [0, 1], under which a place has too little structure to tell what became of it."""
_DARK = 0.05
"""Brightness that keeps the ratio of two dark places finite."""
_MAX_GAIN = 1.5
_DRIFT = 0.12
"""Change, of values in [0, 1], that is never taken for drift."""
_DRIFT_BESIDE_PEAK = 0.5
"""Nor is what has this share of the edit's strongest change."""
_EVERYWHERE = 0.7
"""An edit whose median change has this share of its strongest one is of the whole picture."""


def working_size(size: tuple[int, int], *, native: int, unit: int, step: int) -> tuple[int, int]:
    """Choose the size a model works at for a picture.

    A picture that fits already (sides multiples of `step`, area from a quarter of native² up to native²) is
    taken as it is. Any other is brought to about native² pixels: of the sizes with sides in multiples of
    `unit`, the one that best keeps aspect and area.

    Args:
        size: (width, height) of the picture.
        native: Side of the square the model was made for, pixels.
        unit: Sides are chosen as multiples of it: what the VAE and the UNet's levels halve without remainder.
        step: The VAE's factor alone: sides of a picture that is taken as it is are multiples of it.

    Returns:
        (width, height) to work at.
    """
    width, height = size
    if width % step == 0 and height % step == 0 and native**2 / 4 <= width * height <= native**2:
        return size
    aspect = width / height
    ideal = (native * math.sqrt(aspect), native / math.sqrt(aspect))
    widths, heights = (
        [max(unit, unit * (math.floor(side / unit) + extra)) for extra in (-1, 0, 1, 2)] for side in ideal
    )

    def misfit(candidate: tuple[int, int]) -> float:
        w, h = candidate
        return 2 * abs(math.log(w / h / aspect)) + 0.5 * abs(math.log(w * h / native**2))

    return min(product(widths, heights), key=misfit)


def transfer_change(photo: Image.Image, before: Pixels, after: Pixels) -> Image.Image:
    """Carry a change that was made at a small size over to the full one.

    result = ↑after + ↑A · (photo − ↑before), with ↑ bicubic enlargement, A the local colour map of
    `local_map`, and after as `without_drift` leaves it.

    Args:
        photo: The picture at full size, RGB.
        before: What the model takes the small picture for, unedited: (h, w, 3) in [0, 1].
        after: The edited small picture, (h, w, 3) in [0, 1].

    Returns:
        The edited picture at the photograph's size, RGB.
    """
    h, w = before.shape[:2]
    after = without_drift(before, after)
    planes = [*before.transpose(2, 0, 1), *after.transpose(2, 0, 1)]
    planes += [*local_map(before, after).reshape(h, w, 9).transpose(2, 0, 1)]
    small = [Image.fromarray(np.ascontiguousarray(plane)) for plane in planes]
    width, height = photo.size
    result = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, _STRIP):
        bottom = min(top + _STRIP, height)
        box = (0, top * h / height, w, bottom * h / height)
        size = (width, bottom - top)
        big = [np.asarray(plane.resize(size, Image.Resampling.BICUBIC, box=box)) for plane in small]
        sharp = np.asarray(photo.crop((0, top, width, bottom)))
        detail = [sharp[..., k] * np.float32(1 / 255) - big[k] for k in range(3)]
        for i in range(3):
            colour = big[3 + i] + sum(big[6 + 3 * i + k] * detail[k] for k in range(3))
            result[top:bottom, :, i] = (colour * 255).round().clip(0, 255)
    return Image.fromarray(result)


def without_drift(before: Pixels, after: Pixels) -> Pixels:
    """Take back what is small beside the edit itself: a model redraws a little even where nothing was asked.

    The change d becomes s·d, with s rising smoothly from 0 to 1 between a third of t and t of its local mean.
    t follows the strongest change, and is 0 for edits of the whole picture: their faint places are meant.

    Args:
        before: (h, w, 3) in [0, 1].
        after: (h, w, 3) in [0, 1].

    Returns:
        (h, w, 3) in [0, 1].
    """
    change = after - before
    strength = np.sqrt(np.square(_mean(change, _radius(before))).mean(axis=2))  # (h, w)
    peak, median = np.percentile(strength, [98, 50])
    if peak == 0:
        return after
    locality = np.clip(1 - median / (_EVERYWHERE * peak), 0, 1)
    threshold = min(_DRIFT, _DRIFT_BESIDE_PEAK * peak) * locality
    if threshold == 0:
        return after
    share = np.clip((strength - threshold / 3) / (threshold * 2 / 3), 0, 1)
    smooth = share * share * (3 - 2 * share)
    return np.asarray(before + smooth[..., None] * change, dtype=np.float32)


def local_map(before: Pixels, after: Pixels) -> Pixels:
    """Fit, around every pixel, the linear map of colours that takes `before` to `after`.

    A = (cov(after, before) + λP) (cov(before) + λI)⁻¹ over a window. In flat places, which tell nothing, A
    tends to P, the ratio of brightness per channel: light dims detail as it dims everything. Without a change
    A = I.

    Args:
        before: (h, w, 3) in [0, 1].
        after: (h, w, 3) in [0, 1].

    Returns:
        One matrix per pixel, (h, w, 3, 3), from colours before to colours after.
    """
    radius = _radius(before)
    mean_before, mean_after = _mean(before, radius), _mean(after, radius)
    within = _mean(before[..., :, None] * before[..., None, :], radius)
    within -= mean_before[..., :, None] * mean_before[..., None, :]  # (h, w, 3, 3)
    between = _mean(after[..., :, None] * before[..., None, :], radius)
    between -= mean_after[..., :, None] * mean_before[..., None, :]  # (h, w, 3 after, 3 before)
    ratio = np.clip((mean_after + _DARK) / (mean_before + _DARK), 0, _MAX_GAIN)
    prior = ratio[..., None] * np.eye(3)
    solved = np.linalg.solve(within + _FLAT * np.eye(3), _transposed(between + _FLAT * prior))
    gains = np.clip(_transposed(solved), -_MAX_GAIN, _MAX_GAIN)
    # Structure that the map does not explain is new: the old detail has no place there. One verdict for all
    # channels, else detail would turn coloured.
    spread = _mean(after**2, radius) - mean_after**2
    explained = np.einsum("hwij,hwij->hwi", gains, between)
    unexplained = np.clip(spread - explained, 0, None).sum(axis=2) / (spread.sum(axis=2) + _FLAT)
    kept = np.clip(1 - unexplained, 0, 1) ** 2
    return np.asarray(gains * kept[..., None, None], dtype=np.float32)


def _radius(picture: Pixels) -> int:
    """Return half the side of the windows in which a picture, (h, w, 3), is looked at."""
    return max(2, round(math.sqrt(picture.shape[0] * picture.shape[1]) / 24))


def _mean(values: Pixels, radius: int) -> NDArray[np.float64]:
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


def _transposed(matrices: NDArray[Any]) -> NDArray[Any]:
    return np.swapaxes(matrices, -1, -2)
