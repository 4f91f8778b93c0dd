"""Figures about pictures: how far one is from another, and how sure a mean is.

Reference for the intervals: Bradley Efron, "Bootstrap Methods: Another Look at the Jackknife" (1979).
Law: pure functions of arrays; the same numbers in give the same numbers out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

# Equal pictures have no finite PSNR; a tenth of a grey level everywhere has 68 dB: equal to any eye.
MAX_PSNR: Final = 68.0
_RESAMPLES: Final = 2000


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
