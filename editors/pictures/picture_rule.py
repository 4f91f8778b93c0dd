"""An edit of the whole picture as one rule for all its pixels, which a photograph of any size can follow.

What a small model paints is uneven: smudges, patches, a moon. What it *means* by "a pencil sketch" or "make
it night" is mostly one rule: what becomes of a pixel of this colour, in a region of that colour, so much
brighter than what is around it, on an edge or not, here or there in the picture. The rule is fitted where the
small picture before and after are seen side by side, and followed by the photograph at full size, with the
detail that only it has.

References: Paul Holland, Roy Welsch, "Robust Regression Using Iteratively Reweighted Least-Squares" (1977),
with Cauchy's weights: what was painted by accident has no say. Arthur Hoerl, Robert Kennard, "Ridge
Regression" (1970), towards no change.

Law: the rule of an edit that changed nothing changes nothing.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from editors.pictures.images import LUMINANCE
from editors.pictures.local_means import Pixels, enlarged, kuwahara, mean_around, radius_of, smoothstep

_FINEST = 5
"""Most pixels to one of the model's in which the photograph's surroundings are looked at; odd."""
_AROUND = 1 / 64
"""Half the window, of the small picture's side, whose mean, three times, is what is around a pixel."""
_DARKEST = 0.03
"""Brightness of the surroundings that contrast is not measured below."""
_CURVED, _COLOUR, _FLAT, _SMOOTH = slice(0, 4), slice(4, 7), slice(7, 10), slice(10, 13)
"""The features of a pixel, by where they come from: `_curved`, its colour, `kuwahara` and `_surroundings`."""
_BRUSH = 1 / 32
"""Radius, of the picture's side, within which a region is flattened as a painter does it."""
_PAINTED = 0.06
"""Weight of flattened regions from which on they are meant. A painter puts them in place of what was there;
where a model is only soft, the fit takes some away, and their borders would be seen."""
_FLATTENED = 1024
"""Pixels of the side, about, at which the photograph is flattened at most."""
_RIDGE = np.repeat([2e-2, 2e-3, 0.0], [4, 9, 1])
"""Penalty of each feature, and of a constant: the curved ones would fit anything."""
_UNPAINTED = np.repeat([2e-2, 2e-3, 1e9, 2e-3, 0.0], [4, 3, 3, 3, 1])
"""The same, without flattened regions."""
_OUTLIER = 0.05
"""Error, of values in [0, 1], at which a pixel counts half."""
_ROUNDS = 6
_MARGIN = 0.08
"""Of the shorter side: a watercolour's paper shows there."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PictureRule:
    """The rule by which an edit changes every pixel: features · weights + offset.

    Attributes:
        weights: (13, 3).
        offset: (3,).
        left: Share that it leaves unexplained; see `_left`.
        left_from_afar: The same, of means over windows, away from the border, where a style has its margin.
    """

    weights: Pixels
    offset: Pixels
    left: float
    left_from_afar: float

    @classmethod
    def fit(cls, before: Pixels, after: Pixels) -> "PictureRule":
        """Fit the rule that most pixels follow.

        Args:
            before: (h, w, 3) in [0, 1].
            after: (h, w, 3) in [0, 1].
        """
        around = _surroundings(before, 1)
        curved = _curved(before, around[..., :3] @ LUMINANCE, around[..., 5])
        smooth = around[..., 3:]
        flat = kuwahara(before, _share(_BRUSH, before.shape[:2], least=2))
        features = np.dstack([*curved, before, flat, smooth]).reshape(-1, len(_RIDGE) - 1)
        change = (after - before).reshape(-1, 3).astype(np.float64)
        mean, spread = features.mean(0, np.float64), features.std(0, dtype=np.float64) + 1e-6
        x = np.concatenate([(features - mean) / spread, np.ones((len(features), 1))], axis=1)
        solved = _solved(x, change, _RIDGE)
        painted = np.trace(solved[_FLAT] / spread[_FLAT, None]) / 3
        meant = float(smoothstep(painted / _PAINTED))
        if meant < 1:
            solved = meant * solved + (1 - meant) * _solved(x, change, _UNPAINTED)
        weights = solved[:-1] / spread[:, None]
        left = [one.reshape(after.shape) for one in (change - x @ solved, change)] + [after]
        edge = max(1, round(_MARGIN * min(after.shape[:2])))
        far = [mean_around(one, radius_of(after))[edge:-edge, edge:-edge] for one in left]
        return cls(
            weights=weights.astype(np.float32),
            offset=(solved[-1] - mean @ weights).astype(np.float32),
            left=_left(*left),
            left_from_afar=_left(*far),
        )

    def followed_by(self, photo: Image.Image, size: tuple[int, int]) -> Callable[[int, int], Pixels]:
        """Return what paints rows of a photograph as the rule makes them.

        Args:
            photo: The picture at full size, RGB.
            size: (width, height) of the pictures that the rule was fitted on.

        Returns:
            Takes the first row and the one after the last; gives (rows, width, 3), not clipped.
        """
        width, height = photo.size
        scale = math.sqrt(width * height / (size[0] * size[1]))
        finer = min(_FINEST, max(1, 2 * math.floor((scale - 1) / 2) + 1))
        seen = photo.resize((finer * size[0], finer * size[1]), Image.Resampling.BOX)
        around = _surroundings(_from_bytes(seen), finer)
        # What is smooth is added up before it is enlarged; of the surroundings themselves only the brightness
        # and the distance from the middle are wanted in full.
        added = around[..., 3:] @ self.weights[_SMOOTH] + self.offset
        smooth = enlarged(np.dstack([added, around[..., :3] @ LUMINANCE, around[..., 5]]), photo.size)
        flat = enlarged(_flattened(photo, size, scale) @ self.weights[_FLAT], photo.size)

        def paint(top: int, bottom: int) -> Pixels:
            big = smooth(top, bottom)
            sharp = _from_bytes(photo.crop((0, top, width, bottom)))
            result = sharp + np.dstack(big[:3]) + np.dstack(flat(top, bottom)) + sharp @ self.weights[_COLOUR]
            for feature, weights in zip(_curved(sharp, big[3], big[4]), self.weights[_CURVED], strict=True):
                result += feature[..., None] * weights
            return result

        return paint


def _solved(x: NDArray[np.float64], change: NDArray[np.float64], ridge: NDArray[np.float64]) -> NDArray[Any]:
    """Return the weights that most rows of features, (n, 14), take to their change with, (14, 3)."""
    weight = np.ones(len(x))
    for _ in range(_ROUNDS):
        weighted = x * weight[:, None]
        solved = np.linalg.solve(weighted.T @ x + len(x) * np.diag(ridge), weighted.T @ change)
        error = np.square(change - x @ solved).mean(1)
        weight = 1 / (1 + error / _OUTLIER**2)
    return solved


def _share(share: float, size: tuple[float, float], *, least: int) -> int:
    """Return a share of the side of a picture of (width, height), in whole pixels."""
    return max(least, round(share * math.sqrt(size[0] * size[1])))


def _left(rest: NDArray[Any], change: NDArray[Any], after: NDArray[Any]) -> float:
    """Return what a rule leaves, in squares: the geometric mean of its shares in the change and the picture.

    What takes all of the old away explains much of a change, and nothing of the new.

    Args:
        rest: The change that is left, (h, w, 3).
        change: The whole change, (h, w, 3).
        after: The picture after, (h, w, 3).
    """
    spreads = np.square(change).mean() * after.var(axis=(0, 1), dtype=np.float64).mean()
    return float(np.square(rest).mean() / math.sqrt(spreads)) if spreads else 0.0


def _flattened(photo: Image.Image, size: tuple[int, int], scale: float) -> Pixels:
    """Return a photograph with its regions flattened, not larger than `_FLATTENED`.

    Args:
        photo: At full size.
        size: (width, height) at which the model sees it.
        scale: Pixels of its side to one of the model's.
    """
    finer = max(1, min(math.floor(scale), math.floor(_FLATTENED / math.sqrt(size[0] * size[1]))))
    seen = photo.resize((finer * size[0], finer * size[1]), Image.Resampling.BOX)
    # a little less than the brush in proportion: what is fine keeps more of its form
    brush = _share(_BRUSH, size, least=2)
    return kuwahara(_from_bytes(seen), max(brush, round(0.75 * brush * finer)))


def _from_bytes(picture: Image.Image) -> Pixels:
    return np.asarray(picture, np.float32) * np.float32(1 / 255)


def _curved(picture: Pixels, brightness: Pixels, distance: Pixels) -> list[NDArray[np.float32]]:
    """Return contrast to the surroundings, dark part, light part, brightness away from the middle.

    Args:
        picture: (h, w, 3) in [0, 1].
        brightness: Of the surroundings, (h, w).
        distance: From the middle, squared, (h, w).
    """
    y = picture @ LUMINANCE
    contrast = np.clip(y / np.maximum(brightness, _DARKEST), 0, 2)
    return [contrast, np.clip(0.5 - y, 0, 1), np.clip(y - 0.7, 0, 1), distance * y]


def _surroundings(picture: Pixels, finer: int) -> Pixels:
    """Return what is smooth: the colour around (3), edges, height, squared distance from the middle.

    Args:
        picture: (h, w, 3) in [0, 1].
        finer: Its pixels to one of the model's, in each direction; odd.

    Returns:
        (h, w, 6), height and distance from -1 to 1 and from 0 to 2.
    """
    h, w = picture.shape[:2]
    window = 2 * _share(_AROUND, (w / finer, h / finer), least=1) + 1  # odd, and of the model's pixels
    around: NDArray[np.float64] = picture.astype(np.float64)
    for _ in range(3):  # three means in a row are nearly Gaussian
        around = mean_around(around, (window * finer - 1) // 2)
    edges = np.hypot(*np.gradient(picture @ LUMINANCE))
    y, x = np.meshgrid(np.linspace(-1, 1, h), np.linspace(-1, 1, w), indexing="ij")
    return np.dstack([around, edges, y, x**2 + y**2]).astype(np.float32)
