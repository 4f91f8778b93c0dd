"""Skies: four times of day under seven weathers, with sun or moon, stars, clouds, lightning and rainbow.

Law: the place of the sun, the clouds and the stars depend on the seed alone; time of day and weather only
choose colours and what is visible. Everything painted here stands behind the land and the objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from .canvas import (
    Array,
    blur,
    column,
    disc,
    generator,
    grid,
    inside,
    mix,
    noise,
    rgb,
    smoothstep,
)
from .light import sun_place

Stops = tuple[tuple[float, Array], ...]

_CLEAR: Final[Mapping[str, Stops]] = MappingProxyType(
    {
        "day": ((0.0, rgb(60, 136, 224)), (0.6, rgb(146, 200, 244)), (1.0, rgb(214, 236, 250))),
        "sunset": (
            (0.0, rgb(66, 58, 126)),
            (0.4, rgb(190, 88, 112)),
            (0.75, rgb(252, 146, 80)),
            (1.0, rgb(255, 214, 128)),
        ),
        "dawn": ((0.0, rgb(122, 150, 216)), (0.55, rgb(228, 186, 208)), (1.0, rgb(255, 226, 198))),
        "night": ((0.0, rgb(5, 8, 28)), (0.7, rgb(16, 26, 66)), (1.0, rgb(34, 48, 92))),
    }
)
_OVERCAST: Final[Mapping[str, tuple[Array, Array]]] = MappingProxyType(
    {
        "cloudy": (rgb(138, 156, 176), rgb(204, 212, 218)),
        "rain": (rgb(98, 108, 122), rgb(160, 168, 176)),
        "snow": (rgb(172, 182, 196), rgb(220, 224, 230)),
        "fog": (rgb(196, 203, 208), rgb(214, 219, 222)),
        "thunderstorm": (rgb(38, 42, 58), rgb(98, 104, 120)),
    }
)
# how an overcast sky is tinted by the hour, and how clouds look
_HOUR_TINT: Final[Mapping[str, Array]] = MappingProxyType(
    {
        "day": np.array([1.0, 1.0, 1.0], np.float32),
        "sunset": np.array([1.06, 0.80, 0.70], np.float32),
        "dawn": np.array([0.98, 0.88, 0.94], np.float32),
        "night": np.array([0.14, 0.17, 0.30], np.float32),
    }
)
_CLOUDS: Final[Mapping[str, Array]] = MappingProxyType(
    {
        "day": rgb(255, 255, 255),
        "sunset": rgb(255, 172, 146),
        "dawn": rgb(255, 232, 232),
        "night": rgb(44, 52, 84),
    }
)
# weather: (noise level where clouds begin, opacity)
_COVER: Final[Mapping[str, tuple[float, float]]] = MappingProxyType(
    {
        "clear": (1.0, 0.85),
        "rainbow": (0.3, 0.8),
        "cloudy": (-1.3, 0.95),
        "rain": (-0.9, 0.7),
        "snow": (-0.7, 0.5),
        "fog": (0.0, 0.15),
        "thunderstorm": (-0.8, 0.8),
    }
)
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


def _tint(time_of_day: str, weather: str) -> Array:
    """Return the hour's tint of an overcast sky; fog and snow scatter more of the little light of night."""
    tint = _HOUR_TINT[time_of_day]
    if time_of_day == "night" and weather in ("fog", "snow"):
        return tint * np.float32(1.5 if weather == "fog" else 1.25)
    return tint


def possible(time_of_day: str, weather: str) -> bool:
    """Say whether a weather can be seen at a time of day: there is no rainbow at night."""
    return not (weather == "rainbow" and time_of_day == "night")


def horizon_colour(time_of_day: str, weather: str) -> Array:
    """Return the colour of the sky at the horizon, which distant land and fog take."""
    if weather in _OVERCAST:
        return np.asarray(np.clip(_OVERCAST[weather][1] * _tint(time_of_day, weather), 0, 1), np.float32)
    return _CLEAR[time_of_day][-1][1]


def paint(
    seed: int, *, time_of_day: str, weather: str, size: int, horizon: float, rows: int | None = None
) -> Array:
    """Paint sky, ``(rows, size, 3)``: the upper rows of a picture, all of it if not said.

    Below the horizon the sky's colour goes on.
    """
    yy = grid(size)[0][:rows]
    height = np.clip(yy / np.float32(max(horizon, 0.05)), 0, 1)  # 0 at the top, 1 at the horizon
    overcast = weather in _OVERCAST
    if overcast:
        top, bottom = (colour * _tint(time_of_day, weather) for colour in _OVERCAST[weather])
        stops: Stops = ((0.0, top), (1.0, bottom))
    else:
        stops = _CLEAR[time_of_day]
    image = np.repeat(column(stops, height), size, 1)
    if not overcast:
        if time_of_day == "night":
            image = _stars(image, seed, horizon)
        image = _sun_or_moon(image, seed, time_of_day, horizon, faint=weather == "rainbow")
    image = _clouds(image, seed, time_of_day, weather, height)
    if weather == "rainbow" and possible(time_of_day, weather):
        image = _rainbow(image, seed, horizon)
    if weather == "thunderstorm":
        image = _lightning(image, seed, horizon)
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


def _sun_or_moon(image: Array, seed: int, time_of_day: str, horizon: float, *, faint: bool) -> Array:
    """Draw the sun with its glow, or the moon, half of the time as a crescent."""
    random = generator(seed, "sky/sun")
    size = image.shape[1]
    x, height = sun_place(seed, time_of_day)
    y = horizon * (1 - height)
    radius = random.uniform(0.045, 0.065) * {"sunset": 1.45, "night": 1.15}.get(time_of_day, 1.0)
    yy, xx = grid(size)
    distance = np.hypot(xx - np.float32(x), yy[: image.shape[0]] - np.float32(y))
    if time_of_day == "night":
        image = image + np.exp(-distance / np.float32(radius * 2.2))[..., None] * rgb(46, 54, 80)
        moon = inside(distance - np.float32(radius), size)
        if random.random() < 0.5:
            moon = moon * (1 - disc(x + radius * 0.6, y - radius * 0.2, radius, size)[: image.shape[0]])
        return mix(image, rgb(246, 243, 220), moon[..., None])
    glow = {"day": rgb(90, 80, 44), "sunset": rgb(100, 66, 12), "dawn": rgb(60, 44, 30)}[time_of_day]
    core = {"day": rgb(255, 248, 208), "sunset": rgb(255, 238, 168), "dawn": rgb(255, 246, 224)}[time_of_day]
    image = image + np.exp(-distance / np.float32(radius * 2.6))[..., None] * glow
    return mix(
        image,
        core,
        inside(distance - np.float32(radius), size)[..., None] * np.float32(0.6 if faint else 1.0),
    )


def _clouds(image: Array, seed: int, time_of_day: str, weather: str, height: Array) -> Array:
    """Lay clouds with lit tops and darker bellies over the sky; they thin out towards the horizon."""
    size = image.shape[1]
    field = noise("cloud", generator(seed, "sky/clouds"), size)[: image.shape[0]]
    start, opacity = _COVER[weather]
    if time_of_day == "night" and weather == "clear":
        opacity *= 0.35  # let the stars be seen
    amount = smoothstep(start, start + 1.4, field + 0.3 * (1 - height)) * np.float32(opacity)
    shift = max(1, size // 40)
    belly = np.empty_like(field)
    belly[shift:] = field[:-shift]
    belly[:shift] = field[:shift]
    shading = np.clip((belly - field) * np.float32(0.12 * 40 / size * shift), -0.11, 0.05)
    if weather in _OVERCAST:
        top, bottom = _OVERCAST[weather]
        tint = _tint(time_of_day, weather)
        cloud = (0.35 * top + 0.65 * bottom) * tint
        if weather == "cloudy":
            cloud = cloud * np.float32(1.03)
            shading = shading * np.float32(1.3) + np.clip(field, -1.5, 1.5) * np.float32(0.035)
        scale = float(tint.mean())
    else:
        cloud, scale = _CLOUDS[time_of_day], 1.0 if time_of_day != "night" else 0.3
    return mix(image, cloud + (shading * np.float32(scale))[..., None], amount[..., None])


def _rainbow(image: Array, seed: int, horizon: float) -> Array:
    """Arch six colours over the horizon, opposite to the sun's side."""
    size = image.shape[1]
    yy, xx = grid(size)
    yy = yy[: image.shape[0]]
    random = generator(seed, "sky/rainbow")
    centre = 0.5 + (0.1 if sun_place(seed, "day")[0] < 0.5 else -0.1)
    outer = horizon * random.uniform(0.82, 0.92)
    distance = np.hypot((xx - np.float32(centre)) * np.float32(0.95), yy - np.float32(horizon + 0.02))
    width = 0.021
    for index, colour in enumerate(_RAINBOW):
        band = np.exp(-(((distance - np.float32(outer - width * index)) / np.float32(width * 0.62)) ** 2))
        image = mix(image, colour, (band * np.float32(0.62))[..., None])
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
    bolt = np.asarray(layer, np.float32) / np.float32(255)
    return bolt, blur(bolt, 0.035)


def _lightning(image: Array, seed: int, horizon: float) -> Array:
    """Strike once: a white bolt in a violet glow."""
    bolt, glow = (mask[: image.shape[0]] for mask in _bolt(seed, image.shape[1], horizon))
    image = image + (glow * np.float32(1.6))[..., None] * rgb(150, 150, 215)
    return mix(image, rgb(255, 255, 244), bolt[..., None])
