"""What the weather puts between the viewer and the scene: rain, falling snow, veils of fog.

Law: ``apply`` is a pure function of (image, atmosphere); drops, flakes and banks of fog
depend on the seed alone, and weather without anything in front (clear, cloudy, rainbow) returns the picture
unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from dataset_builder.scenes.paint.atmosphere import Atmosphere
from dataset_builder.scenes.paint.canvas import Array, grid, mix, noise, rgb
from dataset_builder.scenes.seeds import generator


def apply(image: Array, atmosphere: Atmosphere) -> Array:
    """Put the weather in front of a finished scene ``(H, W, 3)`` in [0, 1]."""
    front = atmosphere.weather.in_front
    return IN_FRONT[front](image, atmosphere) if front else image


def _brightness(atmosphere: Atmosphere) -> float:
    """Return how much light drops and flakes catch."""
    return 0.62 if atmosphere.hour.is_night else 1.0


def _rain(image: Array, atmosphere: Atmosphere) -> Array:
    """Draw slanted streaks and take a little light away."""
    random, drops = generator(atmosphere.seed, "weather/rain"), atmosphere.weather.density
    size = image.shape[0]
    layer = Image.new("L", (size, size))
    draw = ImageDraw.Draw(layer)
    slant = random.uniform(0.15, 0.35) * (1 if random.random() < 0.5 else -1)
    x, y = (random.random((2, drops)) * 1.2 - 0.1) * size
    length = random.uniform(0.06, 0.13, drops) * size
    light = random.uniform(110, 215, drops)
    width = max(1, round(size / 84))
    for index in range(drops):
        end = (x[index] - length[index] * slant, y[index] + length[index])
        draw.line((x[index], y[index], *end), fill=int(light[index]), width=width)
    soft = np.asarray(layer.filter(ImageFilter.GaussianBlur(size / 360)), np.float32) / 255.0
    streaks = rgb(214, 226, 240) * _brightness(atmosphere)
    return mix(image * 0.92, streaks, (soft * 0.72)[..., None])


def _snowfall(image: Array, atmosphere: Atmosphere) -> Array:
    """Draw flakes of three distances."""
    random = generator(atmosphere.seed, "weather/flakes")
    size = image.shape[0]
    layer = Image.new("L", (size, size))
    draw = ImageDraw.Draw(layer)
    count = atmosphere.weather.density
    x, y = random.random((2, count)) * size
    radius = (0.005 + 0.013 * random.random(count) ** 2) * size
    light = random.uniform(190, 255, count)
    for index in range(count):
        cx, cy, r = x[index], y[index], radius[index]
        draw.ellipse((cx - r, cy - r, cx + r, cy + r), fill=int(light[index]))
    soft = np.asarray(layer.filter(ImageFilter.GaussianBlur(size / 300)), np.float32) / 255.0
    flakes = rgb(252, 253, 255) * (0.5 + 0.5 * _brightness(atmosphere))
    return mix(image, flakes, (soft * 0.95)[..., None])


def _fog(image: Array, atmosphere: Atmosphere) -> Array:
    """Draw a thin veil with slow banks, denser towards the upper part."""
    size = image.shape[0]
    yy, _ = grid(size)
    banks = noise("cloud", generator(atmosphere.seed, "weather/fog"), size)
    veil = np.clip(0.26 - 0.13 * yy + 0.055 * banks, 0.08, 0.6)
    return mix(image, atmosphere.horizon_colour, np.asarray(veil, np.float32)[..., None])


IN_FRONT: Final[Mapping[str, Callable[[Array, Atmosphere], Array]]] = MappingProxyType(
    {"rain": _rain, "snowfall": _snowfall, "fog": _fog}
)
"""What a weather can put between the viewer and the scene."""
