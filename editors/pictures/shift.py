"""Whether an edited picture lies beside where the photo lay, by whole pixels, and moving it back.

Reference: Charles Kuglin, David Hines, "The Phase Correlation Image Alignment Method" (1975, IEEE Conference
on Cybernetics and Society).

Editors that redraw all of a picture may move it by a few pixels; a change that is transferred to the photo
would then carry a seam along every edge. `scripts/measure_shift.py` measures how often a shift is found, and
how often one where there is none.

Laws: what was not moved is not moved back. A picture that was, is told exactly or not at all, but for a pixel
that its edit may have moved itself.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Shift = tuple[int, int]
"""(rows down, columns to the right)."""

_FARTHEST: Final = 1 / 50
"""Of the longer side: what lies further away was moved by the words."""
_NEAREST: Final = 2
"""Pixels: brushes of painted styles move edges by one."""
_CLEAR: Final = 20.0
"""Deviations that a peak must rise over all else: between unrelated photos one rises 14 at most."""
_OVER_UNMOVED: Final = 1.2
"""Times that it must rise over that of no shift."""
_LUMINANCE: Final = np.array([0.299, 0.587, 0.114], np.float32)
_FINEST: Final = 0.15
"""Cycles a pixel from which on detail counts little: autoencoders draw it anew."""


def shift_between(before: NDArray[np.float32], after: NDArray[np.float32]) -> Shift:
    """Return how far a picture was moved; (0, 0) where it was not, or where nobody can say.

    Args:
        before: `(H, W, 3)` in [0, 1].
        after: Likewise, of its size.
    """
    height, width = before.shape[:2]
    farthest = int(_FARTHEST * max(height, width))
    if farthest < _NEAREST:
        return 0, 0
    peaks = _phase_correlation(before, after)
    near = np.r_[0 : farthest + 1, -farthest:0]
    found = peaks[np.ix_(near % height, near % width)]
    row, column = np.unravel_index(found.argmax(), found.shape)
    down, right = int(near[row]), int(near[column])
    highest = float(found.max())
    is_clear = highest >= max(_CLEAR * float(peaks.std()), _OVER_UNMOVED * float(found[0, 0]))
    return (down, right) if is_clear and max(abs(down), abs(right)) >= _NEAREST else (0, 0)


def moved_back(after: NDArray[np.float32], shift: Shift, before: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a picture where it was before it was moved; what it does not show any more is taken from before.

    Args:
        after: `(H, W, 3)`.
        shift: As `shift_between` found it.
        before: Likewise, of its size.
    """
    if shift == (0, 0):
        return after
    result = before.copy()
    (to_rows, from_rows), (to_columns, from_columns) = (
        (slice(max(0, -by), size - max(0, by)), slice(max(0, by), size - max(0, -by)))
        for by, size in zip(shift, after.shape[:2], strict=True)
    )
    result[to_rows, to_columns] = after[from_rows, from_columns]
    return result


def told_of(shift: Shift) -> tuple[str, ...]:
    """Return what people are told of a shift that was undone: a sentence, or nothing."""
    (down, right), parts = shift, []
    if down:
        parts.append(f"{abs(down)} {'down' if down > 0 else 'up'}")
    if right:
        parts.append(f"{abs(right)} to the {'right' if right > 0 else 'left'}")
    if not parts:
        return ()
    first, *more = parts
    number, _, where = first.partition(" ")
    said = " and ".join([f"{number} pixels {where}", *more])
    return (f"The model moved the picture by {said}, which was undone.",)


def _phase_correlation(before: NDArray[np.float32], after: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how well a picture fits another at each shift, `(H, W)`: F⁻¹(B·A* / |B·A*|), smoothed."""
    height, width = before.shape[:2]
    window = np.hanning(height)[:, None] * np.hanning(width)  # the borders are no content
    seen = ((one @ _LUMINANCE) for one in (before, after))
    a, b = (np.fft.rfft2((one - one.mean()) * window) for one in seen)
    cross = b * a.conj()
    squared = np.fft.fftfreq(height)[:, None] ** 2 + np.fft.rfftfreq(width) ** 2
    weights = np.exp(-squared / (2 * _FINEST**2)) / np.maximum(np.abs(cross), np.finfo(np.float32).tiny)
    found: NDArray[np.float32] = np.fft.irfft2(cross * weights, s=(height, width)).astype(np.float32)
    return found
