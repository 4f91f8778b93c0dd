"""Skies: four times of day under seven weathers, with sun or moon, stars, clouds, lightning and rainbow.

Law: the place of the sun, the clouds and the stars depend on the seed alone; time of day and weather only
choose colours and what is visible. Everything painted here stands behind the land and the objects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from dataset_builder.scenes.paint.atmosphere import Atmosphere
from dataset_builder.scenes.paint.canvas import (
    Array,
    blur,
    column,
    disc,
    grid,
    inside,
    mix,
    noise,
    rgb,
    smoothstep,
)
from dataset_builder.scenes.seeds import generator

Stops = tuple[tuple[float, Array], ...]

_RAINBOW: Final = tuple(
    rgb(*colour)
    for colour in (
        (226, 52, 52),
        (246, 146, 46),
        (250, 228, 70),
        (80, 196, 88),
        (66, 126, 230),
        (140, 76, 200),
    )
)


def paint(atmosphere: Atmosphere, *, size: int, horizon: float, rows: int | None = None) -> Array:
    """Paint sky, ``(rows, size, 3)``: the upper rows of a picture, all of it if not said.

    Below the horizon the sky's colour goes on.
    """
    hour, weather = atmosphere.hour, atmosphere.weather
    yy = grid(size)[0][:rows]
    height = np.clip(yy / max(horizon, 0.05), 0, 1)  # 0 at the top, 1 at the horizon
    overcast = atmosphere.overcast
    if overcast is None:
        stops: Stops = tuple((place, rgb(*colour)) for place, *colour in hour.sky)
    else:
        top, bottom = (colour * atmosphere.tint for colour in overcast)
        stops = ((0.0, top), (1.0, bottom))
    image = np.repeat(column(stops, height), size, 1)
    if overcast is None:
        if hour.is_night:
            image = _stars(image, atmosphere.seed, horizon)
        image = _sun_or_moon(image, atmosphere, horizon)
    image = _clouds(image, atmosphere, height)
    if weather.in_sky:
        image = IN_SKY[weather.in_sky](image, atmosphere, horizon)
    return np.asarray(np.clip(image, 0, 1), np.float32)


def _stars(image: Array, seed: int, horizon: float) -> Array:
    """Sprinkle stars; the brighter ones are two pixels wide, so that they survive the box filter."""
    random = generator(seed, "sky/stars")
    size = image.shape[1]
    count = int(random.integers(45, 90))
    rows = (random.random(count) ** 1.3 * horizon * 0.95 * size).astype(int)
    columns = (random.random(count) * (size - 2)).astype(int)
    brightness = (random.random(count) ** 2 * 0.75 + 0.22).astype(np.float32)
    wide = max(1, size // 160)
    for row, col, value in zip(rows, columns, brightness, strict=True):
        reach = wide if value < 0.6 else wide + 1
        spot = image[row : row + reach, col : col + reach]
        np.maximum(spot, value, out=spot)
    return image


def _sun_or_moon(image: Array, atmosphere: Atmosphere, horizon: float) -> Array:
    """Draw the sun with its glow, or the moon, half of the time as a crescent."""
    hour, random = atmosphere.hour, generator(atmosphere.seed, "sky/sun")
    size = image.shape[1]
    x, height = atmosphere.sun
    y = horizon * (1 - height)
    radius = random.uniform(0.045, 0.065) * hour.sun_size
    yy, xx = grid(size)
    distance = np.hypot(xx - x, yy[: image.shape[0]] - y)
    if hour.core is None or hour.glow is None:
        image = image + np.exp(-distance / (radius * 2.2))[..., None] * rgb(46, 54, 80)
        moon = inside(distance - radius, size)
        if random.random() < 0.5:
            moon = moon * (1 - disc(x + radius * 0.6, y - radius * 0.2, radius, size)[: image.shape[0]])
        return mix(image, rgb(246, 243, 220), moon[..., None])
    image = image + np.exp(-distance / (radius * 2.6))[..., None] * rgb(*hour.glow)
    return mix(
        image,
        rgb(*hour.core),
        inside(distance - radius, size)[..., None] * (0.6 if atmosphere.weather.faint_sun else 1.0),
    )


def _clouds(image: Array, atmosphere: Atmosphere, height: Array) -> Array:
    """Lay clouds with lit tops and darker bellies over the sky; they thin out towards the horizon."""
    hour, weather = atmosphere.hour, atmosphere.weather
    size = image.shape[1]
    field = noise("cloud", generator(atmosphere.seed, "sky/clouds"), size)[: image.shape[0]]
    start, opacity = weather.cover
    if hour.is_night and weather.name == "clear":
        opacity *= 0.35  # let the stars be seen
    amount = smoothstep(start, start + 1.4, field + 0.3 * (1 - height)) * opacity
    shift = max(1, size // 40)
    belly = np.empty_like(field)
    belly[shift:] = field[:-shift]
    belly[:shift] = field[:shift]
    shading = np.clip((belly - field) * (0.12 * 40 / size * shift), -0.11, 0.05)
    if atmosphere.overcast is None:
        cloud, scale = rgb(*hour.clouds), 0.3 if hour.is_night else 1.0
    else:
        top, bottom = atmosphere.overcast
        tint = atmosphere.tint
        cloud = (0.35 * top + 0.65 * bottom) * tint
        if weather.billow:
            cloud = cloud * 1.03
            shading = shading * 1.3 + np.clip(field, -1.5, 1.5) * 0.035
        scale = float(tint.mean())
    return mix(image, cloud + (shading * scale)[..., None], amount[..., None])


def _rainbow(image: Array, atmosphere: Atmosphere, horizon: float) -> Array:
    """Arch six colours over the horizon, opposite to the sun's side."""
    size = image.shape[1]
    yy, xx = grid(size)
    yy = yy[: image.shape[0]]
    random = generator(atmosphere.seed, "sky/rainbow")
    centre = 0.5 + (0.1 if atmosphere.sun[0] < 0.5 else -0.1)
    outer = horizon * random.uniform(0.82, 0.92)
    distance = np.hypot((xx - centre) * 0.95, yy - (horizon + 0.02))
    width = 0.021
    for index, colour in enumerate(_RAINBOW):
        band = np.exp(-(((distance - (outer - width * index)) / (width * 0.62)) ** 2))
        image = mix(image, colour, (band * 0.62)[..., None])
    return image


@lru_cache(maxsize=8)
def _bolt(seed: int, size: int, horizon: float) -> tuple[Array, Array]:
    """Return the mask of a branching bolt and its glow."""
    random = generator(seed, "sky/lightning")
    layer = Image.new("L", (size, size))
    draw = ImageDraw.Draw(layer)
    x, y = random.uniform(0.15, 0.85), 0.0
    points = [(x * size, y * size)]
    while y < horizon:
        x += random.uniform(-0.075, 0.075)
        y += random.uniform(0.05, 0.09)
        points.append((x * size, y * size))
        if random.random() < 0.3:
            branch = (x + random.uniform(-0.14, 0.14), y + random.uniform(0.06, 0.14))
            draw.line([points[-1], (branch[0] * size, branch[1] * size)], fill=200, width=max(1, size // 90))
    draw.line(points, fill=255, width=max(2, size // 46))
    bolt = np.asarray(layer, np.float32) / 255.0
    return bolt, blur(bolt, 0.035)


def _lightning(image: Array, atmosphere: Atmosphere, horizon: float) -> Array:
    """Strike once: a white bolt in a violet glow."""
    bolt, glow = (mask[: image.shape[0]] for mask in _bolt(atmosphere.seed, image.shape[1], horizon))
    image = image + (glow * 1.6)[..., None] * rgb(150, 150, 215)
    return mix(image, rgb(255, 255, 244), bolt[..., None])


IN_SKY: Final[Mapping[str, Callable[[Array, Atmosphere, float], Array]]] = MappingProxyType(
    {"rainbow": _rainbow, "lightning": _lightning}
)
"""What a weather can show in the sky: (image, atmosphere, horizon) -> image."""
