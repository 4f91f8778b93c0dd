"""Figures about pictures: how far one is from another, and how sure a mean is.

References: Zhou Wang, Alan Bovik, Hamid Sheikh, Eero Simoncelli, "Image Quality Assessment: From Error
Visibility to Structural Similarity" (2004) for SSIM; for the intervals Bradley Efron, "Bootstrap Methods:
Another Look at the Jackknife" (1979), and for those of grouped samples A. C. Davison, D. V. Hinkley,
"Bootstrap Methods and their Application" (1997), §3.8.
Law: pure functions of arrays; the same numbers in give the same numbers out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

# Equal pictures have no finite PSNR; a tenth of a grey level everywhere has 68 dB: equal to any eye.
MAX_PSNR: Final = 68.0
_RESAMPLES: Final = 2000
# SSIM as published: a Gaussian window of 11 pixels, and the constants K1 = 0.01, K2 = 0.03 of 8-bit pictures.
_WINDOW: Final = np.exp(-(np.arange(-5.0, 6.0) ** 2) / (2 * 1.5**2))
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_LUMA: Final = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """A mean and its 95 % bootstrap interval.

    Attributes:
        mean: The mean of the sample.
        low: The mean of the population is above this in 97.5 of 100 resamples.
        high: And below this in as many.
        num: Size of the sample.
    """

    mean: float
    low: float
    high: float
    num: int


def psnr(picture: NDArray[Any], target: NDArray[Any], where: NDArray[np.bool_] | None = None) -> float:
    """Return how near a picture is to a target: 10·log10(255² / mean squared error), in dB, at most 68.

    Args:
        picture: (..., H, W, 3) uint8.
        target: (..., H, W, 3) uint8.
        where: (..., H, W), the pixels to compare, at least one; None compares all.
    """
    difference = picture.astype(np.float64) - target.astype(np.float64)
    error = float(np.mean((difference if where is None else difference[where]) ** 2))
    return MAX_PSNR if error == 0 else min(MAX_PSNR, 10 * float(np.log10(255**2 / error)))


def interval(values: Sequence[float]) -> Interval:
    """Return the mean of some numbers, at least one, with its 95 % bootstrap interval."""
    sample = np.asarray(values, dtype=np.float64)  # (N,)
    random = np.random.default_rng(0)  # A fixed seed: a report computed twice says the same.
    picks = random.integers(0, len(sample), (_RESAMPLES, len(sample)))
    low, high = np.percentile(sample[picks].mean(axis=1), [2.5, 97.5])
    return Interval(mean=float(sample.mean()), low=float(low), high=float(high), num=len(sample))


def mean_over_kinds(values: Mapping[str, Mapping[str, float]]) -> Interval:
    """Return the unweighted mean of the means of several kinds, with its 95 % bootstrap interval.

    What belongs together is resampled together: pictures made from one source are no independent ones.

    Args:
        values: Source -> {kind: value}, at least one value in all.
    """
    kinds = sorted({kind for row in values.values() for kind in row})
    table = np.array([[row.get(kind, np.nan) for kind in kinds] for row in values.values()])  # (N, K)
    present = ~np.isnan(table)
    filled = np.where(present, table, 0)
    random = np.random.default_rng(0)
    picks = random.integers(0, len(table), (_RESAMPLES, len(table)))
    # How often each source is in each resample: sums are then two matrix products.
    times = np.stack([np.bincount(row, minlength=len(table)) for row in picks]).astype(np.float64)  # (R, N)
    sums, counts = times @ filled, times @ present.astype(np.float64)  # (R, K)
    with np.errstate(invalid="ignore"):
        means = np.nanmean(sums / counts, axis=1)  # a kind that a resample missed is left out of its mean
    low, high = np.percentile(means, [2.5, 97.5])
    mean = float(np.mean(filled.sum(0) / present.sum(0)))
    return Interval(mean=mean, low=float(low), high=float(high), num=int(present.sum()))


def ssim(picture: NDArray[Any], target: NDArray[Any], where: NDArray[np.bool_] | None = None) -> float:
    """Return the structural similarity of two pictures' luminance, at most 1.

    Args:
        picture: (H, W, 3) uint8, at least 11 pixels on a side.
        target: (H, W, 3) uint8.
        where: (H, W), the window centres to average over, at least one; None takes all. Centres nearer to the
            border than half a window see the picture mirrored there.
    """
    x, y = picture.astype(np.float64) @ _LUMA, target.astype(np.float64) @ _LUMA  # (H, W)
    mean_x, mean_y = _blurred(x), _blurred(y)
    variance_x, variance_y = _blurred(x * x) - mean_x**2, _blurred(y * y) - mean_y**2
    covariance = _blurred(x * y) - mean_x * mean_y
    similar = ((2 * mean_x * mean_y + _C1) * (2 * covariance + _C2)) / (
        (mean_x**2 + mean_y**2 + _C1) * (variance_x + variance_y + _C2)
    )
    return float(np.mean(similar if where is None else similar[where]))


def _blurred(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average (H, W) under the Gaussian window."""
    window = _WINDOW / _WINDOW.sum()
    for axis in (0, 1):
        padding = [(5, 5) if side == axis else (0, 0) for side in (0, 1)]
        padded = np.pad(values, padding, mode="symmetric")
        values = np.lib.stride_tricks.sliding_window_view(padded, 11, axis=axis) @ window
    return values
