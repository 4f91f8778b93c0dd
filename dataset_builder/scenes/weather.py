"""What the weather puts between the viewer and the scene: rain, falling snow, veils of fog.

Law: ``apply`` is a pure function of (image, weather, time of day, seed); drops, flakes and banks of fog
depend on the seed alone, and weather without anything in front (clear, cloudy, rainbow) returns the picture
unchanged.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from .canvas import Array, generator, grid, mix, noise, rgb
from .sky import horizon_colour


def apply(image: Array, *, weather: str, time_of_day: str, seed: int) -> Array:
    """Put the weather in front of a finished scene ``(H, W, 3)`` in [0, 1]."""
    if weather == "rain":
        return _rain(image, time_of_day, seed, drops=115)
    if weather == "thunderstorm":
        return _rain(image, time_of_day, seed, drops=150)
    if weather == "snow":
        return _snowfall(image, time_of_day, seed)
    if weather == "fog":
        return _fog(image, time_of_day, seed)
    return image


def _brightness(time_of_day: str) -> float:
    """Return how much light drops and flakes catch."""
    return 0.62 if time_of_day == "night" else 1.0


def _rain(image: Array, time_of_day: str, seed: int, *, drops: int) -> Array:
    """Draw slanted streaks and take a little light away."""
    random = generator(seed, "weather/rain")
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
    soft = np.asarray(layer.filter(ImageFilter.GaussianBlur(size / 360)), np.float32) / np.float32(255)
    streaks = rgb(214, 226, 240) * np.float32(_brightness(time_of_day))
    return mix(image * np.float32(0.92), streaks, (soft * np.float32(0.72))[..., None])


def _snowfall(image: Array, time_of_day: str, seed: int) -> Array:
    """Draw flakes of three distances."""
    random = generator(seed, "weather/flakes")
    size = image.shape[0]
    layer = Image.new("L", (size, size))
    draw = ImageDraw.Draw(layer)
    count = 120
    x, y = random.random((2, count)) * size
    radius = (0.005 + 0.013 * random.random(count) ** 2) * size
    light = random.uniform(190, 255, count)
    for index in range(count):
        cx, cy, r = x[index], y[index], radius[index]
        draw.ellipse((cx - r, cy - r, cx + r, cy + r), fill=int(light[index]))
    soft = np.asarray(layer.filter(ImageFilter.GaussianBlur(size / 300)), np.float32) / np.float32(255)
    flakes = rgb(252, 253, 255) * np.float32(0.5 + 0.5 * _brightness(time_of_day))
    return mix(image, flakes, (soft * np.float32(0.95))[..., None])


def _fog(image: Array, time_of_day: str, seed: int) -> Array:
    """Draw a thin veil with slow banks, denser towards the upper part."""
    size = image.shape[0]
    yy, _ = grid(size)
    banks = noise("cloud", generator(seed, "weather/fog"), size)
    veil = np.clip(np.float32(0.26) - np.float32(0.13) * yy + np.float32(0.055) * banks, 0.08, 0.6)
    return mix(image, horizon_colour(time_of_day, "fog"), np.asarray(veil, np.float32)[..., None])
