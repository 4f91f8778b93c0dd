"""Between a picture's own size and the size a model works at, without losing the picture's detail.

A model of 64 or 512 pixels cannot redraw a photograph of 4000. So the photograph is shown to it small, and
only the *change* is brought up: as a local linear map of colours, fitted where the small picture before and
after are seen side by side, and applied to the fine detail that only the photograph has. Where the edit keeps
structure (night, snow, another colour) the detail stays and takes the new light; where it replaces structure
(a dog for a cat) the old detail fades, and what is left is what the model drew, enlarged. A small model
paints unevenly, and enlarged that shows as blotches; so where one map of colours, smooth over a good part of
the picture, explains what it painted, that map is taken in place of its pixels. And where an edit is of the
whole picture (a pencil sketch, night) and one `PictureRule` explains it, the photograph follows that rule.
Rain and snow are too fine for a small picture; they are taken out of it, and drawn anew (`Falling`).

References: Jiawen Chen, Andrew Adams, Neal Wadhwa, Samuel W. Hasinoff, "Bilateral Guided Upsampling" (2016),
and Kaiming He, Jian Sun, Xiaoou Tang, "Guided Image Filtering" (2010), for the locally linear model; Paul
Holland, Roy Welsch, "Robust Regression Using Iteratively Reweighted Least-Squares" (1977), with Cauchy's
weights, for a fit that leaves out what was painted new; David Donoho, "De-Noising by Soft-Thresholding"
(1995), for taking back what is small.

Law: an edit that changed nothing gives the photograph back exactly; brought down again, the result is the
edit, but for its unevenness.
"""

import math
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from editors.pictures.falling import Falling
from editors.pictures.local_means import Pixels, enlarged, mean_around, radius_of, smoothstep
from editors.pictures.picture_rule import PictureRule

_STRIP = 256
"""Rows worked on at a time, so that 40 million pixels need no gigabytes."""
_FITS = 0.75
"""Least area, in native², that a model works well at.

Pocket, of 128 pixels, comes nearer to the exact target in 69 % of edits of 64 pixels done at 64, and in 81 %
of the same done at 128.
"""
_ENLARGED = 2.0
"""Pixels of the photograph's side to one of the model's, from which on what falls is drawn anew."""
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
_LOCAL, _WHOLE = 0.1, 0.22
"""Share, of the strongest change, that an edit's median one has: under the first it is of something in the
picture, over the second of the picture."""
_LEFT_FROM_AFAR = (0.18, 0.28)
"""What a rule may leave from afar, and what is too much: then there is something new in the picture."""
_LEFT, _LEFT_SIDE = (0.6, 0.8), 64
"""From nearby, for a model of that many pixels a side; less for larger ones, by the root of their side:
what is left is a small model's error, and a large one's brushwork."""
_EVEN_FLAT = 1e-3
"""As `_FLAT`, for the large windows of `smooth_map`."""
_OUTLIER = 0.05
"""Error, of values in [0, 1], at which a pixel counts half in `smooth_map`."""
_ROUNDS = 4
"""Times that `smooth_map` is fitted, each time with less weight on what it did not explain."""
_MOST_UNEVEN, _UNEVEN_WIDTH = 0.1, 6.4
"""Unevenness, of values in [0, 1], that is taken for the model's own: at most 0.1, and 6.4 / the side.

The patches that a model errs by are a few pixels wide, whatever its size: on 64 pixels they are blotches, on
512 they are texture.
"""


def working_size(size: tuple[int, int], *, native: int, unit: int, step: int) -> tuple[int, int]:
    """Choose the size a model works at for a picture.

    A picture that fits already (sides multiples of `step`, area from `_FITS` of native² up to native²) is
    taken as it is. Any other is brought to about native² pixels, smaller ones too: of the sizes with sides in
    multiples of `unit`, the one that best keeps aspect and area.

    Args:
        size: (width, height) of the picture.
        native: Side of the square the model was made for, pixels.
        unit: Sides are chosen as multiples of it: what VAE and network halve without remainder.
        step: The VAE's factor alone: sides of a picture that is taken as it is are multiples of it.

    Returns:
        (width, height) to work at.
    """
    width, height = size
    if width % step == 0 and height % step == 0 and _FITS * native**2 <= width * height <= native**2:
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

    result = s · rule(photo) + (1 − s) · (↑after + ↑A · (photo − ↑before)), with s and the rule of
    `rule_of_all`, ↑ bicubic enlargement, after as `without_drift` leaves it, and both it and A, the local map
    of colours, as `evened` does. Where it rains or snows after the edit, that is done without, and
    what falls is drawn in front of the result.

    Args:
        photo: The picture at full size, RGB.
        before: What the model takes the small picture for, unedited: (h, w, 3) in [0, 1].
        after: The edited small picture, (h, w, 3) in [0, 1].

    Returns:
        The edited picture at the photograph's size, RGB.
    """
    width, height = photo.size
    falling = None
    if width * height >= _ENLARGED**2 * before.shape[0] * before.shape[1]:
        falling = Falling.seen(before, after)
    if falling is not None:
        after, covered = falling.taken_from(after), falling.drawn(photo.size)
    rule, share = rule_of_all(before, after)
    painters = []
    if share < 1:
        painters.append((1 - share, _by_maps(photo, before, after)))
    if rule is not None and share > 0:
        painters.append((share, rule.followed_by(photo, (before.shape[1], before.shape[0]))))
    result = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, _STRIP):
        bottom = min(top + _STRIP, height)
        colours = np.sum([weight * paint(top, bottom) for weight, paint in painters], axis=0)
        if falling is not None:
            cover = np.asarray(covered.crop((0, top, width, bottom)), np.float32)[..., None] / 255
            colours += cover * (falling.light - colours)
        result[top:bottom] = (colours * 255).round().clip(0, 255)
    return Image.fromarray(result)


def _by_maps(photo: Image.Image, before: Pixels, after: Pixels) -> Callable[[int, int], Pixels]:
    """Return what paints rows of a photograph by local maps of colours, as `PictureRule.followed_by` does."""
    h, w = before.shape[:2]
    after, maps = evened(before, without_drift(before, after))
    rows = enlarged(np.dstack([before, after, maps.reshape(h, w, 9)]), photo.size)

    def paint(top: int, bottom: int) -> Pixels:
        big = rows(top, bottom)
        sharp = np.asarray(photo.crop((0, top, photo.width, bottom)))
        detail = [sharp[..., k] * np.float32(1 / 255) - big[k] for k in range(3)]
        return np.dstack(
            [big[3 + i] + sum(big[6 + 3 * i + k] * detail[k] for k in range(3)) for i in range(3)]
        )

    return paint


def rule_of_all(before: Pixels, after: Pixels) -> tuple[PictureRule | None, float]:
    """Return the rule of an edit, and how far the photograph follows it: 0 not at all, 1 in everything.

    It does for edits of the whole picture (`_WHOLE`) whose rule leaves little unexplained; for others
    (`_LOCAL`) none is looked for.

    Args:
        before: (h, w, 3) in [0, 1].
        after: (h, w, 3) in [0, 1].
    """
    peak, median = _peak_and_median(_strength(before, after))
    whole = _between(median / peak, _LOCAL, _WHOLE) if peak else 0.0
    if whole == 0:
        return None, 0.0
    rule = PictureRule.fit(before, after)
    smaller = min(1.0, math.sqrt(_LEFT_SIDE / math.sqrt(before.shape[0] * before.shape[1])))
    doubts = (
        _between(rule.left_from_afar, *_LEFT_FROM_AFAR),
        _between(rule.left / smaller, *_LEFT),
    )
    return rule, whole * math.prod(1 - doubt for doubt in doubts)


def _between(value: float, low: float, high: float) -> float:
    """Rise smoothly from 0 at `low` to 1 at `high`."""
    return float(smoothstep(np.asarray((value - low) / (high - low))))


def _strength(before: Pixels, after: Pixels) -> NDArray[np.float64]:
    """Return how strong the change is around every pixel, (h, w)."""
    return np.asarray(np.sqrt(np.square(mean_around(after - before, radius_of(before))).mean(axis=2)))


def _peak_and_median(strength: NDArray[np.float64]) -> tuple[float, float]:
    """Return the strongest change, but for 2 %, and the median one."""
    peak, median = np.percentile(strength, [98, 50])
    return float(peak), float(median)


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
    strength = _strength(before, after)
    peak, median = _peak_and_median(strength)
    if peak == 0:
        return after
    locality = np.clip(1 - median / (_EVERYWHERE * peak), 0, 1)
    threshold = min(_DRIFT, _DRIFT_BESIDE_PEAK * peak) * locality
    if threshold == 0:
        return after
    smooth = smoothstep((strength - threshold / 3) / (threshold * 2 / 3))
    return np.asarray(before + smooth[..., None] * change, dtype=np.float32)


def evened(before: Pixels, after: Pixels) -> tuple[Pixels, Pixels]:
    """Take the smooth map of colours where it explains the change, and the model's own pixels where not.

    With q = A·before + b of `smooth_map`: q + s·(after − q), where s rises smoothly from 0 to 1 as the local
    mean of |after − q| goes from the model's unevenness to twice that. Its unevenness is twice what three
    quarters of the picture stay under. Faint things that are meant (rain, falling snow) pay for it.

    Args:
        before: (h, w, 3) in [0, 1].
        after: (h, w, 3) in [0, 1].

    Returns:
        The evened picture after, (h, w, 3), and the map of colours at every pixel, (h, w, 3, 3): A itself
        where s = 0, and `local_map` where s = 1.
    """
    gains, offsets = smooth_map(before, after)
    mapped = _applied(gains, before) + offsets
    error = np.sqrt(mean_around(np.square(after - mapped).mean(axis=2), radius_of(before)))
    most = min(_MOST_UNEVEN, _UNEVEN_WIDTH / math.sqrt(error.size))
    unevenness = min(most, 2 * float(np.quantile(error, 0.75)))
    if unevenness == 0:
        return after, local_map(before, after)
    new = smoothstep(error / unevenness - 1)[..., None]  # (h, w, 1)
    result = np.asarray(mapped + new * (after - mapped), dtype=np.float32)
    maps = gains + new[..., None] * (local_map(before, result) - gains)
    return result, np.asarray(maps, dtype=np.float32)


def smooth_map(before: Pixels, after: Pixels) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit the affine map of colours that most pixels in a large window follow from `before` to `after`.

    The map of `local_map` with its offset, over windows of a quarter of the side, averaged over the windows
    that a pixel lies in (He et al., eq. 8–10). A pixel's weight is 1 / (1 + (error / `_OUTLIER`)²), so what
    was painted new has little say in what became of the rest.

    Args:
        before: (h, w, 3) in [0, 1].
        after: (h, w, 3) in [0, 1].

    Returns:
        A, (h, w, 3, 3), and b, (h, w, 3), of A·before + b.
    """
    radius = max(3, round(math.sqrt(before.shape[0] * before.shape[1]) / 8))
    weight = np.ones(before.shape[:2])
    for _ in range(_ROUNDS):
        mass = mean_around(weight, radius)
        gains, mean_before, mean_after = _fit(before, after, radius, _EVEN_FLAT, weight)[:3]
        offsets = mean_after - _applied(gains, mean_before)
        around = mean_around(mass, radius)  # each window has a say by the weight it rests on
        gains = mean_around(gains * mass[..., None, None], radius) / around[..., None, None]
        offsets = mean_around(offsets * mass[..., None], radius) / around[..., None]
        error = np.square(after - _applied(gains, before) - offsets).mean(axis=2)
        weight = 1 / (1 + error / _OUTLIER**2)
    return gains, offsets


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
    radius = radius_of(before)
    gains, _, mean_after, between = _fit(before, after, radius, _FLAT, np.ones(before.shape[:2]))
    gains = np.clip(gains, -_MAX_GAIN, _MAX_GAIN)
    # Structure that the map does not explain is new: the old detail has no place there. One verdict for all
    # channels, else detail would turn coloured.
    spread = mean_around(after**2, radius) - mean_after**2
    explained = np.einsum("hwij,hwij->hwi", gains, between)
    unexplained = np.clip(spread - explained, 0, None).sum(axis=2) / (spread.sum(axis=2) + _FLAT)
    kept = np.clip(1 - unexplained, 0, 1) ** 2
    return np.asarray(gains * kept[..., None, None], dtype=np.float32)


def _fit(
    before: Pixels, after: Pixels, radius: int, flat: float, weight: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Fit A of `local_map` in every window, pixels by weight (h, w), and λ by `flat`.

    Returns:
        A, the mean before, the mean after, and cov(after, before).
    """
    mass = mean_around(weight, radius)

    def mean(values: NDArray[Any]) -> NDArray[np.float64]:
        rank = (1,) * (values.ndim - 2)
        return mean_around(values * weight.reshape(*weight.shape, *rank), radius) / mass.reshape(
            *mass.shape, *rank
        )

    mean_before, mean_after = mean(before), mean(after)
    within = mean(before[..., :, None] * before[..., None, :])
    within -= mean_before[..., :, None] * mean_before[..., None, :]  # (h, w, 3, 3)
    between = mean(after[..., :, None] * before[..., None, :])
    between -= mean_after[..., :, None] * mean_before[..., None, :]  # (h, w, 3 after, 3 before)
    ratio = np.clip((mean_after + _DARK) / (mean_before + _DARK), 0, _MAX_GAIN)
    prior = ratio[..., None] * np.eye(3)
    solved = np.linalg.solve(within + flat * np.eye(3), _transposed(between + flat * prior))
    return _transposed(solved), mean_before, mean_after, between


def _applied(maps: NDArray[Any], colours: NDArray[Any]) -> NDArray[Any]:
    """Apply one matrix a pixel, (h, w, 3, 3), to its colour, (h, w, 3)."""
    return np.einsum("hwij,hwj->hwi", maps, colours)


def _transposed(matrices: NDArray[Any]) -> NDArray[Any]:
    return np.swapaxes(matrices, -1, -2)
