"""Whole-picture styles: a finished picture becomes a sketch, a painting, a mosaic.

Law: a style is a pure function of (picture, seed): it looks at pixels alone, so the styled scene is exactly
the style of the plain scene. Strokes and cells scale with the picture, so a style looks alike at every
size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from math import pi, sqrt
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from dataset_builder.scenes.paint.canvas import Array, mix, noise, rgb, smoothstep
from dataset_builder.scenes.seeds import generator
from editors.pictures.images import LUMINANCE
from editors.pictures.local_means import kuwahara

Picture = NDArray[np.uint8]
Filter = Callable[[Array, int], Array]  # (image (H, W, 3) in [0, 1], seed) -> image
_REFERENCE: Final = 128  # strokes are given in pixels of a picture of this height


def apply(name: str, image: Picture, *, seed: int) -> Picture:
    """Return the picture ``(H, W, 3)`` uint8 in a style.

    Raises:
        ValueError: there is no such style, or the picture is not 8-bit RGB.
    """
    style = FILTERS.get(name)
    if style is None:
        raise ValueError(f"style must be one of {', '.join(FILTERS)}, got {name!r}")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"image must be (H, W, 3) uint8, got {image.shape} {image.dtype}; convert it to RGB")
    out = style(image.astype(np.float32) / 255.0, seed)
    return (np.clip(out, 0, 1) * 255 + 0.5).astype(np.uint8)


# ---- tools ---------------------------------------------------------------------------------------


def _scale(image: Array) -> float:
    """Return the picture's height beside the reference; never so small that strokes vanish."""
    return max(image.shape[0] / _REFERENCE, 0.45)


def _texture(kind: str, layer: str, seed: int, image: Array) -> Array:
    """Return noise ``(H, W)`` for a picture of any shape."""
    height, width = image.shape[:2]
    return noise(kind, generator(seed, f"style/{layer}"), max(height, width))[:height, :width]


def _pil(image: Array) -> Image.Image:
    return Image.fromarray((np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8))


def _array(picture: Image.Image) -> Array:
    return np.asarray(picture, np.float32) / 255.0


def _soft(image: Array, sigma: float) -> Array:
    """Blur a picture or a grey plane; ``sigma`` in reference pixels."""
    return _array(_pil(image).filter(ImageFilter.GaussianBlur(sigma * _scale(image))))


def _grey(image: Array) -> Array:
    return np.asarray(image @ LUMINANCE, np.float32)


def _edges(image: Array, sigma: float) -> Array:
    """Return the gradient's length of the blurred luminance, in 8-bit steps per reference pixel."""
    down, right = np.gradient(_soft(_grey(image), sigma))
    return np.asarray(np.hypot(down, right) * 255 * min(_scale(image), 1.0) ** 0.6, np.float32)


def _kuwahara(image: Array, radius: float) -> Array:
    """Smooth within regions and keep edges; ``radius`` in reference pixels."""
    return kuwahara(image, max(1, round(radius * _scale(image))))


def _saturated(image: Array, amount: float) -> Array:
    grey = _grey(image)[..., None]
    return np.asarray(grey + (image - grey) * amount, np.float32)


def _tiles(image: Array, across: int) -> Image.Image:
    """Return the picture averaged to ``across`` columns (and as many rows as its shape asks for)."""
    height, width = image.shape[:2]
    return _pil(image).resize((across, max(1, round(across * height / width))), Image.Resampling.BOX)


def _palette(picture: Image.Image, colours: int) -> Image.Image:
    return picture.quantize(colours, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).convert("RGB")


# ---- the styles ----------------------------------------------------------------------------------


def _pixel_art(image: Array, seed: int) -> Array:
    """32 cells across in 20 colours."""
    height, width = image.shape[:2]
    cells = _palette(_tiles(image, 32), 20)
    return _array(cells.resize((width, height), Image.Resampling.NEAREST))


def _watercolour(image: Array, seed: int) -> Array:
    """Wobbling, pale washes with darker rims on grained paper with an unpainted margin."""
    height, width = image.shape[:2]
    sway = [_texture("mid", f"wobble {axis}", seed, image) * (1.5 * _scale(image)) for axis in range(2)]
    rows = np.clip(np.arange(height)[:, None] + np.round(sway[0]).astype(np.int64), 0, height - 1)
    columns = np.clip(np.arange(width)[None, :] + np.round(sway[1]).astype(np.int64), 0, width - 1)
    wash = _kuwahara(image[rows, columns], 3)
    rims = np.clip(_edges(wash, 1.0) * (1.5 / 255.0), 0, 0.17)
    out = 1 - (1 - _saturated(wash, 1.1)) * 0.76
    paper = _texture("soft", "pigment", seed, image) * 0.026
    paper = paper + _texture("fine", "paper", seed, image) * 0.013
    out = out - rims[..., None] + paper[..., None]
    yy = (np.arange(height, dtype=np.float32)[:, None] + 0.5) / height
    xx = (np.arange(width, dtype=np.float32)[None, :] + 0.5) / width
    margin = np.minimum(np.minimum(xx, 1 - xx), np.minimum(yy, 1 - yy))
    painted = smoothstep(0.004, 0.05, margin + _texture("mid", "margin", seed, image) * 0.012)
    return mix(rgb(252, 250, 244), np.asarray(out, np.float32), painted[..., None])


def _oil(image: Array, seed: int) -> Array:
    """Thick strokes: flat patches with a relief lit from the upper left."""
    flat = mix(_kuwahara(image, 3), image, 0.18)
    height_field = _grey(flat) + _texture("mid", "strokes", seed, image) * 0.024
    down, right = np.gradient(height_field)
    relief = np.clip((down + right) * (-1.1 * _scale(image) ** 0.5), -0.10, 0.10)
    return _saturated(mix(0.5 * np.ones_like(flat), flat, 1.10), 1.12) + relief[..., None]


def _sketch(image: Array, seed: int) -> Array:
    """Graphite on paper: colour dodge for the lines, hatching in the dark parts."""
    grey = _grey(image)
    blurred = _soft(1 - grey, 3.2)
    dodge = np.clip(grey / np.maximum(1.004 - blurred, 1 / 255.0), 0, 1)
    height, width = grey.shape
    rows, columns = np.arange(height)[:, None], np.arange(width)[None, :]
    hatch = np.sin((rows + columns) * (2 * pi / (3.2 * max(_scale(image), 0.9)))) * 0.5
    dark = np.clip((0.58 - grey) / 0.58, 0, 1)
    tone = dodge * 0.55 + grey * 0.25 + 0.22
    tone = tone - dark * 0.17 * (1 + hatch) - _edges(image, 0.7) * (2.1 / 255.0)
    tone = np.clip(tone, 0, 1) * 0.92 + 0.06
    tone = tone + _texture("fine", "paper", seed, image) * 0.008
    return np.asarray(tone[..., None] * np.array([0.99, 0.985, 0.96], np.float32), np.float32)


@lru_cache(maxsize=8)
def _mosaic_cells(height: int, width: int, seed: int) -> tuple[NDArray[np.int64], Array, int]:
    """Return for each pixel its stone, and how far it is from the joint (in reference pixels)."""
    random = generator(seed, "style/mosaic")
    across = max(4, min(26, width // 5))  # joints need stones of at least five pixels
    down = max(1, round(across * height / width))
    grid_y, grid_x = np.mgrid[0:down, 0:across]
    points = (
        np.stack([grid_y, grid_x], -1).reshape(-1, 2) + 0.5 + random.uniform(-0.3, 0.3, (across * down, 2))
    )
    points *= width / across
    rows, columns = np.mgrid[0:height, 0:width]
    # the two nearest stones lie among the 5 x 5 cells around a pixel
    home_row = np.clip((rows * across / width).astype(np.int64), 0, down - 1)
    home_column = np.clip((columns * across / width).astype(np.int64), 0, across - 1)
    first = np.full((height, width), np.inf)
    second = np.full((height, width), np.inf)
    stone = np.zeros((height, width), np.int64)
    for step_row in range(-2, 3):
        for step_column in range(-2, 3):
            row, column = home_row + step_row, home_column + step_column
            valid = (row >= 0) & (row < down) & (column >= 0) & (column < across)
            index = np.clip(row, 0, down - 1) * across + np.clip(column, 0, across - 1)
            away = np.hypot(rows + 0.5 - points[index, 0], columns + 0.5 - points[index, 1])
            away = np.where(valid, away, np.inf)
            nearer = away < first
            second = np.where(nearer, first, np.minimum(second, away))
            stone = np.where(nearer, index, stone)
            first = np.minimum(first, away)
    joint = ((second - first) * _REFERENCE / height).astype(np.float32)
    return stone, joint, across * down


def _mosaic(image: Array, seed: int) -> Array:
    """Small stones of one colour each, with dark joints."""
    height, width = image.shape[:2]
    stone, joint, count = _mosaic_cells(height, width, 0)
    flat = stone.ravel()
    area = np.maximum(np.bincount(flat, minlength=count), 1)
    colours = [np.bincount(flat, image[..., channel].ravel(), count) / area for channel in range(3)]
    stones = np.stack(colours, -1) + generator(seed, "style/stones").normal(0, 0.02, (count, 1))
    body = _saturated((0.5 + (stones[stone] - 0.5) * 1.12).astype(np.float32), 1.1)
    return mix(rgb(64, 60, 58), body, smoothstep(0.1, 1.1, joint)[..., None])


def _comic(image: Array, seed: int) -> Array:
    """Few flat colours, black outlines and dots in the shadows."""
    flat = _saturated(np.round(_kuwahara(image, 2) * 5) / 5.0, 1.35)
    height, width = image.shape[:2]
    rows, columns = np.arange(height)[:, None], np.arange(width)[None, :]
    pitch = max(4.0 * _scale(image), 3.0)
    dots = np.cos((rows + columns) * (2 * pi / (pitch * sqrt(2)))) * np.cos(
        (columns - rows) * (2 * pi / (pitch * sqrt(2)))
    )
    shadow = np.clip((0.59 - _grey(image)) / 0.59, 0, 1)
    out = flat * (1 - 0.32 * ((dots > 0.35) & (shadow > 0.1)))[..., None]
    return np.asarray(out * (1 - smoothstep(9, 20, _edges(image, 1.0)))[..., None], np.float32)


def _sepia(image: Array, seed: int) -> Array:
    """An old brown print, darker in its corners."""
    height, width = image.shape[:2]
    yy = (np.arange(height, dtype=np.float32)[:, None] + 0.5) / height - 0.5
    xx = (np.arange(width, dtype=np.float32)[None, :] + 0.5) / width - 0.5
    tone = (_grey(image) * 0.98 + 0.07) * (1 - 0.7 * (xx**2 + yy**2))
    tone = tone + _texture("fine", "print", seed, image) * 0.009
    return np.asarray(tone[..., None] * np.array([1.06, 0.88, 0.64], np.float32), np.float32)


def _neon(image: Array, seed: int) -> Array:
    """Glowing outlines in pure colours on black."""
    strength = np.clip(_edges(image, 0.8) / 24, 0, 1)
    soft = np.asarray(_pil(_soft(image, 1.5)).convert("HSV"), np.float32)
    soft[..., 1] = np.clip(soft[..., 1] * 1.6 + 90, 0, 255)
    soft[..., 2] = 255
    pure = _array(Image.fromarray(soft.astype(np.uint8), "HSV").convert("RGB"))
    lines = np.asarray(pure * strength[..., None], np.float32)
    return np.asarray(image * 0.08 + lines * 0.95 + _soft(lines, 3.0), np.float32)


def _cross_stitch(image: Array, seed: int) -> Array:
    """At most 32 stitches across, of at least four pixels, in 28 yarns, each a little cross."""
    height, width = image.shape[:2]
    stitches = _palette(_tiles(image, max(4, min(32, width // 4))), 28)
    yarn = _array(stitches.resize((width, height), Image.Resampling.NEAREST))
    across, down = stitches.size
    u = (np.arange(width, dtype=np.float32)[None, :] + 0.5) * across / width % 1
    v = (np.arange(height, dtype=np.float32)[:, None] + 0.5) * down / height % 1
    cross = np.minimum(np.abs(u - v), np.abs(u + v - 1))
    return np.asarray(yarn * np.where(cross < 0.18, 1.08, 0.76)[..., None], np.float32)


def _blueprint(image: Array, seed: int) -> Array:
    """White lines on blue paper with a grid."""
    height, width = image.shape[:2]
    pitch = max(8, round(height / 8))
    lines = (np.arange(height)[:, None] % pitch == 0) | (np.arange(width)[None, :] % pitch == 0)
    drawn = np.clip(_edges(image, 0.7) * (5 / 255.0), 0, 0.75)
    out = rgb(26, 70, 140) + (lines * 0.085)[..., None] * np.array([0.8, 0.9, 1.0], np.float32)
    return np.asarray(out + drawn[..., None] * np.array([1.1, 1.0, 0.55], np.float32), np.float32)


def _black_and_white(image: Array, seed: int) -> Array:
    """Grey values with more contrast and fine grain."""
    tone = (_grey(image) - 0.5) * 1.15 + 0.495
    tone = tone + _texture("fine", "film", seed, image) * 0.005
    return np.repeat(tone[..., None], 3, axis=2)


FILTERS: Final[Mapping[str, Filter]] = MappingProxyType(
    {
        "pixel art": _pixel_art,
        "watercolour": _watercolour,
        "oil": _oil,
        "pencil sketch": _sketch,
        "mosaic": _mosaic,
        "comic": _comic,
        "sepia": _sepia,
        "neon": _neon,
        "cross-stitch": _cross_stitch,
        "blueprint": _blueprint,
        "black and white": _black_and_white,
    }
)
"""Style -> its filter."""
