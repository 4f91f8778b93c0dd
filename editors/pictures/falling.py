"""Rain and snow that a small model painted over a picture, drawn anew at the size of the photograph.

On 64 pixels a drop's streak is a pixel wide and five long, a flake a spot of two or three; enlarged they are
smears, and what makes an edit even takes them for errors. So they are looked for in what the edit added that
is fine and that the picture below does not explain: bright on dark, and everywhere alike. Rain is all of one
direction, snow of none.

Reference: Josef Bigün, Gösta Granlund, "Optimal Orientation Detection of Linear Symmetry" (1987), for the
direction of a texture and how clear it is.

Law: something falls or nothing does; where nothing does, nothing here changes a picture.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from editors.pictures.images import LUMINANCE
from editors.pictures.local_means import Pixels, mean_around

Plane = NDArray[np.float64]
_SOFT = 2
"""Half a window's side, in pixels: what three means in a row leave is not fine."""
_FAINTEST, _EVEN, _RAIN_SKEW, _CLEAR, _STEEPEST = 0.018, 0.55, 0.5, 0.4, 20.0
"""Of rain, at least: deviation, of values in [0, 1]; the calmest quarter of the picture beside its mean;
skewness; coherence of the direction. And at most: degrees from upright. Of 250 edits of 23 kinds that
pocket's third version made all of rain reach them, 0.53 in coherence; of the others what is as upright has up
to 0.25."""
_SNOW, _SNOW_EVEN, _SNOW_SKEW, _ON_OUTLINES = (0.035, 0.105), 0.65, 1.0, 0.2
"""Of snow: deviation, and what else it has at least; at most, how far its places are told by outlines of the
picture before. Lines of neon lie on them, 0.28 to 0.40, flakes do not, up to 0.14; stars are uneven, and
flakes that nobody can see, before a bright picture, are not looked for."""
_BLOCKS = 4
_MARGIN = 16
"""A picture's border is left out by this share of its side: styles have their own there."""
_PEAK = 1.2
"""Deviations that a streak or a flake is brighter than what is around it."""
_WIDTH, _RADIUS = 0.4, 0.45
"""Of a streak, and of the largest flake, in the model's pixels: less than what it can paint."""
_OPAQUE = 0.75
_FAINT = 0.35
"""Of the strongest, the strength of the faintest."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Falling:
    """Streaks of rain, or flakes of snow.

    Attributes:
        fine: What they add to the brightness of the small picture, (h, w).
        angle: Of streaks, in degrees from upright, clockwise.
        length: Of streaks, in pixels of the small picture; 0 for flakes.
        places: Their middles and strengths, (n, 3): x and y in pixels of the small picture, and up to 1.
        light: Their colour, (3,).
    """

    fine: Plane
    angle: float
    length: float
    places: Plane
    light: Pixels

    @classmethod
    def seen(cls, before: Pixels, after: Pixels) -> "Falling | None":
        """Find what falls since an edit, or None.

        Args:
            before: (h, w, 3) in [0, 1].
            after: (h, w, 3) in [0, 1].
        """
        old, new = (_fine(picture @ LUMINANCE) for picture in (before, after))
        fine = new - old * (np.sum(old * new) / max(float(np.sum(old * old)), 1e-9))
        edge = max(_SOFT, min(fine.shape) // _MARGIN)
        inner = fine[edge:-edge, edge:-edge]
        deviation = float(inner.std())
        if deviation < _FAINTEST:
            return None
        skew, even = float(np.mean(inner**3)) / deviation**3, _evenness(inner)
        angle, clear = _direction(inner)
        rains = clear >= _CLEAR and abs(angle) <= _STEEPEST and skew >= _RAIN_SKEW and even >= _EVEN
        snows = _SNOW[0] <= deviation <= _SNOW[1] and skew >= _SNOW_SKEW and even >= _SNOW_EVEN
        outlines = np.hypot(*np.gradient(before @ LUMINANCE))[edge:-edge, edge:-edge]
        if rains:
            length = _length(inner, angle)
            places = _streaks(fine, angle, length, _PEAK * deviation)
        elif snows and _alike(np.clip(inner, 0, None), outlines) <= _ON_OUTLINES:
            angle = length = 0.0
            places = _peaks(fine, 1, _PEAK * deviation)
        else:
            return None
        if not len(places):
            return None
        at = places[:, :2].round().astype(np.int64)
        # they are finer than a pixel: half way, of flakes further, between what is seen there and white
        white = 0.5 if rains else 0.8
        light = white + (1 - white) * after[at[:, 1], at[:, 0]].mean(0)
        return cls(fine=fine, angle=angle, length=length, places=places, light=light)

    def taken_from(self, after: Pixels) -> Pixels:
        """Return the small picture, (h, w, 3), without them."""
        return np.asarray(after - self.fine[..., None], np.float32)

    def drawn(self, size: tuple[int, int]) -> Image.Image:
        """Return how much of a picture of (width, height) they cover, as a picture of mode L."""
        across, down = size[0] / self.fine.shape[1], size[1] / self.fine.shape[0]
        scale = math.sqrt(across * down)
        layer = Image.new("L", size)
        pen = ImageDraw.Draw(layer)
        lean = math.radians(self.angle)
        right, up = math.sin(lean) * self.length / 2, math.cos(lean) * self.length / 2
        for x, y, strength in self.places[np.argsort(self.places[:, 2], kind="stable")]:
            cover = round(255 * _OPAQUE * strength)
            if self.length:
                ends = [((x + 0.5 + k * right) * across, (y + 0.5 - k * up) * down) for k in (-1, 1)]
                pen.line(ends, fill=cover, width=max(1, round(_WIDTH * scale)))
            else:
                pen.circle(((x + 0.5) * across, (y + 0.5) * down), _RADIUS * strength * scale, fill=cover)
        return layer.filter(ImageFilter.GaussianBlur(max(0.5, (0.05 if self.length else 0.1) * scale)))


def _fine(brightness: NDArray[np.float32]) -> Plane:
    """Return what is smaller than a few pixels of (h, w)."""
    soft: Plane = brightness.astype(np.float64)
    for _ in range(3):
        soft = mean_around(soft, _SOFT)
    return brightness - soft


def _evenness(fine: Plane) -> float:
    """Return how much of it the calmer quarter of the picture has, beside the mean."""
    rows = np.array_split(fine, _BLOCKS)
    blocks = [block.std() for row in rows for block in np.array_split(row, _BLOCKS, axis=1)]
    return float(np.quantile(blocks, 0.25)) / float(np.mean(blocks))


def _alike(first: Plane, second: Plane) -> float:
    """Return the correlation of two planes; 0 where one of them is flat."""
    if not (first.std() and second.std()):
        return 0.0
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


def _direction(fine: Plane) -> tuple[float, float]:
    """Return the direction of a texture, in degrees from upright, clockwise, and its coherence, up to 1."""
    # over two pixels: three pixels' difference hardly sees a streak of one
    right = (fine[1:, 1:] - fine[1:, :-1] + fine[:-1, 1:] - fine[:-1, :-1]) / 2
    down = (fine[1:, 1:] - fine[:-1, 1:] + fine[1:, :-1] - fine[:-1, :-1]) / 2
    xx, xy, yy = (float(np.mean(one)) for one in (right * right, right * down, down * down))
    # along the streaks nothing changes: they are upright to the steepest gradient
    angle = math.degrees(0.5 * math.atan2(2 * xy, xx - yy))
    return angle, math.hypot(xx - yy, 2 * xy) / max(xx + yy, 1e-12)


def _shifted(fine: Plane, angle: float, steps: int) -> Plane:
    """Move (h, w) so many pixels down along the streaks; what comes in is what went out."""
    across = round(-math.tan(math.radians(angle)) * steps)
    return np.roll(fine, (steps, across), axis=(0, 1))


def _length(fine: Plane, angle: float) -> float:
    """Return how far a texture is like itself along the streaks, in pixels."""
    total = float(np.sum(fine * fine))
    length = 1.0
    for steps in range(1, min(fine.shape) // 4):
        alike = float(np.sum(fine * _shifted(fine, angle, steps))) / total
        if alike < 0.1:
            break
        length += 2 * alike
    return length


def _streaks(fine: Plane, angle: float, length: float, least: float) -> Plane:
    """Return the middles of streaks, with their strengths: (n, 3)."""
    reach = max(1, round(length / 2))
    along = np.mean([_shifted(fine, angle, steps) for steps in range(-reach, reach + 1)], axis=0)
    return _peaks(along, reach, least / 2)


def _peaks(plane: Plane, reach: int, least: float) -> Plane:
    """Return what is brighter than a value and than all beside it, to a fraction of a pixel: (n, 3).

    Args:
        plane: (h, w).
        reach: Rows above and below that are beside; of columns it is one.
        least: The value.
    """
    padded = np.pad(plane, ((reach, reach), (1, 1)), constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2 * reach + 1, 3))
    y, x = np.nonzero((plane >= windows.max((2, 3))) & (plane > least))
    if not len(y):
        return np.zeros((0, 3))
    value = plane[y, x]
    brightest = float(np.quantile(value, 0.8))
    close = np.pad(plane, 1, mode="edge")
    right = _vertex(close[y + 1, x], value, close[y + 1, x + 2])
    down = _vertex(close[y, x + 1], value, close[y + 2, x + 1])
    middle = (np.clip(x + right, 0, plane.shape[1] - 1), np.clip(y + down, 0, plane.shape[0] - 1))
    return np.stack([*middle, np.clip(value / brightest, _FAINT, 1)], axis=1)


def _vertex(left: Plane, middle: Plane, right: Plane) -> Plane:
    """Return where the parabola through three values has its top, from -0.5 to 0.5."""
    bend = left - 2 * middle + right
    return np.clip(np.divide(left - right, 2 * bend, out=np.zeros_like(bend), where=bend < 0), -0.5, 0.5)
