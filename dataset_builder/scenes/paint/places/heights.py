"""Places far up: above the clouds, in space, on the moon; as layouts in neutral light.

Law: a painter of a place is a pure function of (seed, size); it knows neither hour nor weather.
"""

from __future__ import annotations

import numpy as np

from dataset_builder.scenes.paint.canvas import below, choose_colour, disc, rgb, smoothstep, wavy
from dataset_builder.scenes.paint.layout import Layout, Painter, fade_below, slope


def clouds(seed: int, size: int) -> Layout:
    """High in the air over a floor of clouds."""
    p = Painter("clouds", seed, size)
    for index, (level, depth) in enumerate(((0.72, 0.75), (0.82, 0.45), (0.93, 0.2))):
        random = p.random(f"bank {index}")
        line = level - np.abs(np.sin(p.xx[0] * random.uniform(5, 9) + random.uniform(0, 6.3))) * 0.05
        line = line - np.abs(np.sin(p.xx[0] * random.uniform(13, 22) + random.uniform(0, 6.3))) * 0.03
        line = np.asarray(line, np.float32)
        puff = p.noise("soft", f"bank {index}/puffs") * 0.035
        white = rgb(250, 251, 254) - (np.clip((p.yy - line[None, :]) / 0.3, 0, 1) * 0.14 - puff)[..., None]
        soft = smoothstep(-0.012, 0.02, p.yy - line[None, :])
        p.lay(soft, white, depth=depth, relief=slope(line) * fade_below(line, 0.1, size) * 0.4)
    return p.finish(horizon=0.72, ground=(0.5, 0.9))


def _starfield(painter: Painter) -> None:
    """Lay black space with two nebulae and stars over the whole picture."""
    random = painter.random("nebula")
    pairs = (
        (rgb(70, 30, 110), rgb(20, 60, 140)),
        (rgb(120, 30, 80), rgb(40, 30, 110)),
        (rgb(10, 80, 110), rgb(40, 30, 90)),
        (rgb(110, 60, 30), rgb(60, 20, 80)),
    )
    first, second = pairs[int(random.integers(4))]
    clouds_one = np.clip(painter.noise("soft", "nebula 0"), 0, 3)[..., None] * first * 0.42
    clouds_two = np.clip(painter.noise("soft", "nebula 1"), 0, 3)[..., None] * second * 0.42
    image = np.asarray(rgb(6, 7, 20) + clouds_one + clouds_two, np.float32)
    size = painter.size
    for _ in range(90):
        row, col = random.integers(0, size - 2, 2)
        value = random.random() ** 3 * 0.85 + 0.15
        reach = max(1, size // 128) + int(value > 0.6)
        spot = image[row : row + reach, col : col + reach]
        np.maximum(spot, value, out=spot)
    painter.lay(np.ones((size, size), np.float32), image, depth=0.0)


def _planet(painter: Painter) -> None:
    """Hang a banded planet, lit from the upper left, into the sky."""
    random = painter.random("planet")
    size = painter.size
    x, y, radius = random.uniform(0.1, 0.9), random.uniform(0.1, 0.35), random.uniform(0.08, 0.15)
    colour = choose_colour(random, ((224, 152, 90), (110, 172, 224), (206, 90, 80), (150, 204, 152)))
    lit = np.clip(0.3 - 0.7 * ((painter.xx - x) + (painter.yy - y)) / radius, 0.08, 1)
    bands = (painter.noise("wave", "planet/bands") * (14 / 255))[..., None]
    painter.lay(
        disc(x, y, radius, size), np.asarray((colour + bands) * lit[..., None], np.float32), depth=0.0
    )
    if random.random() < 0.4:
        around = np.hypot(painter.xx - x, (painter.yy - y) * 4 + (painter.xx - x))
        ring = np.exp(-(((around - (radius * 1.6)) / (radius * 0.16)) ** 2)) * 0.7
        behind = disc(x, y, radius, size) * (painter.yy + (painter.xx - x) * 0.25 < y)
        painter.lay(np.asarray(ring * (1 - behind), np.float32), rgb(230, 214, 180), depth=0.0)


def space(seed: int, size: int) -> Layout:
    """Outer space with a planet."""
    p = Painter("space", seed, size)
    _starfield(p)
    _planet(p)
    return p.finish(horizon=0.6, ground=(0.45, 0.85), haze=0.0)


def moon(seed: int, size: int) -> Layout:
    """Grey, cratered ground under the stars."""
    p = Painter("moon", seed, size)
    _starfield(p)
    _planet(p)
    random = p.random("ground")
    horizon = random.uniform(0.56, 0.66)
    line = wavy(random, horizon, 0.03, 2, 4, size)
    ground = rgb(166, 166, 172) + (p.noise("mid", "dust") * (12 / 255))[..., None]
    ground = ground + p.grain("fine", "grit", 12, horizon)
    for _ in range(int(random.integers(4, 9))):
        y, x = random.uniform(horizon + 0.05, 1), random.uniform(0, 1)
        radius = (y - horizon) * random.uniform(0.14, 0.36) + 0.015
        away = np.hypot((p.xx - x) / radius, (p.yy - y) / (radius * 0.38))
        rim = np.exp(-(((away - 1.05) / 0.14) ** 2)) * 0.12
        ground = ground - (smoothstep(1.0, 0.8, away) * 0.20 - rim)[..., None]
    p.lay(below(line, size), ground, depth=0.0, flat=0.3)
    return p.finish(horizon=horizon, ground=(horizon + 0.16, 0.95), haze=0.0)
