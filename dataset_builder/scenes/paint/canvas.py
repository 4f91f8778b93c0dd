"""Pure drawing primitives of the scene world: gradients, noise, masks and blending.

Pictures are float32 arrays ``(H, W, 3)`` in [0, 1], sRGB; masks are ``(H, W)`` in [0, 1]. Coordinates are
fractions of the picture (x to the right, y down), so the same seed gives the same picture at any size.

Law: every function is pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from dataset_builder.scenes.seeds import generator
from editors.pictures.images import LUMINANCE

Array = NDArray[np.float32]
Colour = tuple[float, float, float]


def rgb(red: float, green: float, blue: float) -> Array:
    """Return the colour of three 8-bit values as a ``(3,)`` array in [0, 1]."""
    return np.array([red, green, blue], np.float32) / 255.0


def choose_colour(random: np.random.Generator, colours: Sequence[tuple[float, float, float]]) -> Array:
    """Draw one of several 8-bit colours."""
    return rgb(*colours[int(random.integers(len(colours)))])


@lru_cache(maxsize=16)
def grid(size: int) -> tuple[Array, Array]:
    """Return the pixel-centre coordinates ``yy (H, 1)`` and ``xx (1, W)``, which broadcast to a picture."""
    line = ((np.arange(size, dtype=np.float32) + 0.5) / size).astype(np.float32)
    line.setflags(write=False)
    return line[:, None], line[None, :]


def mix(first: Array, second: Array, amount: Array | float) -> Array:
    """Blend linearly: ``first`` at 0, ``second`` at 1."""
    step = np.asarray((second - first) * amount, np.float32)
    if step.shape == np.broadcast_shapes(step.shape, np.shape(first)):
        step += first
        return step
    return np.asarray(first + step, np.float32)


def smoothstep(low: float, high: float, values: Array) -> Array:
    """Return the cubic step 3t² - 2t³ from 0 at ``low`` to 1 at ``high`` (``low`` may be the larger one)."""
    t = np.clip((values - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def column(stops: Sequence[tuple[float, Array]], positions: Array) -> Array:
    """Interpolate colours along ``positions (H, 1)``; returns ``(H, 1, 3)``."""
    where = [stop for stop, _ in stops]
    flat = positions.ravel()
    channels = [np.interp(flat, where, [float(colour[i]) for _, colour in stops]) for i in range(3)]
    return np.stack(channels, -1).astype(np.float32)[:, None, :]


# ---- noise ---------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class NoiseKind:
    """Gaussian noise with amplitude spectrum ``|(stretch_x * u, stretch_y * v)|**-slope``, in variants."""

    slope: float
    stretch_x: float = 1.0
    stretch_y: float = 1.0
    variants: int = 3


NOISE: Final[Mapping[str, NoiseKind]] = MappingProxyType(
    {
        "soft": NoiseKind(slope=1.9),
        "mid": NoiseKind(slope=1.3),
        "fine": NoiseKind(slope=0.6),
        "wave": NoiseKind(slope=1.1, stretch_x=2.2, stretch_y=0.25),
        "cloud": NoiseKind(slope=1.75, stretch_x=1.6, stretch_y=0.8, variants=4),
        "grain": NoiseKind(slope=1.0, stretch_x=3.0, stretch_y=0.2, variants=2),
        "tall": NoiseKind(slope=0.9, stretch_x=0.5, stretch_y=2.4, variants=2),
    }
)
_MASTER: Final = 1024  # side of a noise master; a picture shows half of it, so crops differ


@lru_cache(maxsize=128)
def _noise_tile(kind: str, variant: int, size: int) -> Array:
    """Return one cached noise tile of twice the picture's side, mean 0 and deviation 1 (read-only)."""
    spec = NOISE[kind]
    random = generator(variant, f"noise/{kind}")
    u = np.fft.rfftfreq(_MASTER).astype(np.float32)[None, :] * spec.stretch_x
    v = np.fft.fftfreq(_MASTER).astype(np.float32)[:, None] * spec.stretch_y
    radius = np.hypot(u, v)
    radius[0, 0] = 1
    shape = radius.shape
    waves = random.standard_normal(shape, np.float32) + 1j * random.standard_normal(shape, np.float32)
    master = np.asarray(scipy.fft.irfft2(waves / radius**spec.slope, s=(_MASTER, _MASTER)), np.float32)
    side = 2 * size
    tile = np.asarray(Image.fromarray(master).resize((side, side), Image.Resampling.BOX), np.float32)
    tile = np.ascontiguousarray((tile - tile.mean()) / tile.std(), np.float32)
    tile.setflags(write=False)
    return tile


def noise(kind: str, random: np.random.Generator, size: int) -> Array:
    """Return ``(size, size)`` noise of a kind, about mean 0 and deviation 1: a crop of a cached tile."""
    variant = int(random.integers(NOISE[kind].variants))
    top, left = (int(value * size) for value in random.random(2))
    tile = _noise_tile(kind, variant, size)[top : top + size, left : left + size]
    return tile[:, ::-1] if random.random() < 0.5 else tile


def ridge(random: np.random.Generator, base: float, height: float, roughness: float, size: int) -> Array:
    """Return a fractal skyline ``(W,)`` from ``base`` up to ``base - height``; more roughness is smoother."""
    x = np.linspace(0, 1, size)
    line = np.zeros(size)
    for octave in range(6):
        knots = 3 * 2**octave + 1
        line += np.interp(x, np.linspace(0, 1, knots), random.uniform(-1, 1, knots)) * 0.5 ** (
            octave * roughness
        )
    return (base - height * (line - line.min()) / (np.ptp(line) + 1e-6)).astype(np.float32)


def wavy(
    random: np.random.Generator, base: float, height: float, low: float, high: float, size: int
) -> Array:
    """Return a sine-shaped line ``(W,)`` around ``base`` with a random angular frequency in [low, high]."""
    x = grid(size)[1][0]
    return np.asarray(
        base - height * np.sin(x * random.uniform(low, high) + random.uniform(0, 6.3)), np.float32
    )


# ---- masks and filters ---------------------------------------------------------------------------


def below(line: Array, size: int) -> Array:
    """Return the soft mask ``(H, W)`` of what lies below a line ``(W,)``; its edge is one pixel wide."""
    yy, _ = grid(size)
    return np.clip((yy - line[None, :]) * size + 0.5, 0, 1)


def inside(distance: Array, size: int) -> Array:
    """Return the soft mask of a signed distance (negative inside, in fractions of the picture)."""
    return np.clip(0.5 - distance * size, 0, 1)


def disc(x: float, y: float, radius: float, size: int) -> Array:
    """Return the soft mask of a disc."""
    yy, xx = grid(size)
    return inside(np.hypot(xx - x, yy - y) - radius, size)


def box(left: float, top: float, right: float, bottom: float, size: int) -> Array:
    """Return the soft mask of a rectangle."""
    yy, xx = grid(size)
    horizontal = np.minimum(xx - left, right - xx) * size
    vertical = np.minimum(yy - top, bottom - yy) * size
    half = 0.5
    return np.clip(horizontal + half, 0, 1) * np.clip(vertical + half, 0, 1)


def blur(mask: Array, sigma: float) -> Array:
    """Blur a mask ``(H, W)`` in [0, 1]; ``sigma`` in fractions of the height. Exact to 1/255."""
    picture = Image.fromarray((np.clip(mask, 0, 1) * 255 + 0.5).astype(np.uint8))
    blurred = picture.filter(ImageFilter.GaussianBlur(sigma * mask.shape[0]))
    return np.asarray(blurred, np.float32) / 255.0


def halve(image: Array) -> Array:
    """Average 2x2 blocks of ``(2h, 2w, ...)``: the box filter behind the supersampling."""
    return np.asarray(
        (image[::2, ::2] + image[1::2, ::2] + image[::2, 1::2] + image[1::2, 1::2]) * 0.25, np.float32
    )


def desaturate(image: Array, saturation: float) -> Array:
    """Scale the distance of every colour from its grey; 1 keeps the picture."""
    if saturation == 1.0:
        return image
    out = np.asarray(image * saturation, np.float32)
    out += ((image @ LUMINANCE) * (1 - saturation))[..., None]
    return out
