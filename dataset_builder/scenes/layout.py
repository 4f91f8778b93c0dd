"""A place without its weather: what stands where, and how light of any hour and weather falls on it.

A ``Layout`` holds what never changes when the hour or the weather does (surfaces, distances, water,
windows), and ``illuminate`` turns it into a picture. Distant land fades into the horizon's colour by the
Beer-Lambert law (H. Koschmieder, Theorie der horizontalen Sichtweite, 1924).

Law: a layout is a pure function of (background, seed, size). Two pictures that differ in time of day or
weather share one layout, so edges, horizon and ground are identical by construction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Final

import numpy as np

from . import sky
from .canvas import (
    Array,
    blur,
    desaturate,
    generator,
    grid,
    mix,
    noise,
    rgb,
    smoothstep,
)
from .light import FACING, Light

Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Layout:
    """A place, in neutral light.

    Attributes:
        albedo: ``(H, W, 3)`` surface colours.
        cover: ``(H, W)`` 1 where there is land or a wall, 0 where the sky shows.
        depth: ``(H, W)`` distance, 0 at the viewer, 1 at the horizon.
        flat: ``(H, W)`` how much a surface faces up: snow stays there, rain makes it shine.
        relief: ``(H, W)`` slope in [-1, 1]: positive faces right.
        water: ``(H, W)`` share of mirror.
        lamps: ``(H, W)`` windows and lamps that are lit after dark.
        horizon: y of the horizon.
        ground: range of y where feet can stand.
        float_range: range of y where boats can float, if there is water.
        haze: how much clear air veils the distance.
        indoor: lit by lamps; its sky is only seen through windows.
        sky: ``(H, W, 3)`` the sky of a clear day, where the place brings its own.
    """

    albedo: Array
    cover: Array
    depth: Array
    flat: Array
    relief: Array
    water: Array
    lamps: Array
    horizon: float
    ground: Range
    float_range: Range | None = None
    haze: float = 0.35
    indoor: bool = False
    sky: Array | None = None

    def __post_init__(self) -> None:
        low, high = self.ground
        if not 0 <= low <= high <= 1:
            raise ValueError(f"ground must be a range within [0, 1], got {self.ground}")
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                value.setflags(write=False)  # layouts are cached and shared


# how dense the air is: distance at which land is lost, and the share of it even nearby
_AIR: Final[Mapping[str, tuple[float, float]]] = MappingProxyType(
    {
        "clear": (0.0, 0.0),
        "rainbow": (0.1, 0.0),
        "cloudy": (0.15, 0.0),
        "rain": (0.8, 0.02),
        "snow": (0.7, 0.02),
        "fog": (2.1, 0.10),
        "thunderstorm": (0.5, 0.0),
    }
)
_LAMPS_ON: Final[Mapping[str, float]] = MappingProxyType(
    {"day": 0.0, "sunset": 0.6, "dawn": 0.3, "night": 1.0}
)


def illuminate(layout: Layout, light: Light, *, seed: int, time_of_day: str, weather: str) -> Array:
    """Paint a layout in a light: ``(H, W, 3)`` in [0, 1]."""
    size = layout.albedo.shape[0]
    surface = _weathered(layout, seed, weather)
    image = _lit(surface, layout.relief, light)
    if not layout.indoor:
        image = _veiled(image, layout, time_of_day, weather)
    seen = np.flatnonzero((layout.cover < 1).any(axis=1))
    if seen.size:
        rows = int(seen[-1]) + 1
        if layout.sky is not None and (time_of_day, weather) == ("day", "clear"):
            heavens = layout.sky[:rows]
        else:
            reach = 1.0 if layout.indoor else layout.horizon
            heavens = sky.paint(
                seed, time_of_day=time_of_day, weather=weather, size=size, horizon=reach, rows=rows
            )
        image[:rows] = mix(heavens, image[:rows], layout.cover[:rows, :, None])
    if layout.water.any():
        image = _mirrored(image, layout, seed)
    if weather in ("rain", "thunderstorm"):
        image = _wet(image, layout, time_of_day, weather)
    if _LAMPS_ON[time_of_day] > 0 and layout.lamps.any():
        image = _lamplit(image, layout.lamps, _LAMPS_ON[time_of_day])
    return np.asarray(np.clip(image, 0, 1), np.float32)


def _weathered(layout: Layout, seed: int, weather: str) -> Array:
    """Return the surface colours after snowfall or rain."""
    if weather == "snow":
        patches = noise("mid", generator(seed, "weather/snow cover"), layout.albedo.shape[0])
        settled = np.clip(layout.flat * (np.float32(0.98) + np.float32(0.12) * patches), 0, 0.94)
        return mix(layout.albedo, rgb(240, 244, 250), settled[..., None])
    if weather in ("rain", "thunderstorm"):
        return np.asarray(layout.albedo * (1 - np.float32(0.25) * layout.flat)[..., None], np.float32)
    return layout.albedo


def _lit(surface: Array, relief: Array, light: Light) -> Array:
    """Multiply surfaces by the light; slopes that face it are brighter."""
    if not relief.any():
        return np.asarray(desaturate(surface, light.saturation) * light.level, np.float32)
    side = np.float32(0.75 * light.direction[0] / max(0.35, abs(light.direction[0]) + 0.2))
    facing = np.float32(FACING) + relief * side
    lit = np.array(light.ambient, np.float32) + facing[..., None] * np.array(light.colour, np.float32)
    return np.asarray(desaturate(surface, light.saturation) * lit, np.float32)


def _veiled(image: Array, layout: Layout, time_of_day: str, weather: str) -> Array:
    """Let distant land fade into the colour of the horizon."""
    density, near = _AIR[weather]
    far = layout.depth * layout.depth
    clear_air = 1 - np.float32(layout.haze) * far
    veil = 1 - clear_air * np.exp(-np.float32(density) * layout.depth) * np.float32(1 - near)
    return mix(image, sky.horizon_colour(time_of_day, weather), veil[..., None])


def _mirrored(image: Array, layout: Layout, seed: int) -> Array:
    """Add to water the mirror image of what stands above the horizon, shaken by small waves."""
    size = image.shape[0]
    start = round(layout.horizon * size)
    rows = min(start, size - start)
    if rows <= 0:
        return image
    waves = noise("wave", generator(seed, "water"), size)[start : start + rows]
    columns = np.arange(size)[None, :] + (waves * np.float32(size / 90)).astype(np.int64)
    above = start - 1 - np.arange(rows)[:, None]
    mirror = image[above, np.clip(columns, 0, size - 1)]
    out = image.copy()
    band = out[start : start + rows]
    fade = np.linspace(1.0, 0.3, rows, dtype=np.float32)[:, None] ** 1.5
    out[start : start + rows] = mix(band, mirror, (layout.water[start : start + rows] * fade)[..., None])
    return out


def _wet(image: Array, layout: Layout, time_of_day: str, weather: str) -> Array:
    """Make level ground shine with the colour of the sky."""
    shine = layout.flat * np.float32(0.22) * layout.cover
    return mix(image, sky.horizon_colour(time_of_day, weather), shine[..., None])


def _lamplit(image: Array, lamps: Array, level: float) -> Array:
    """Switch lamps on: warm windows with a glow around them."""
    glow = blur(lamps, 0.03) * np.float32(0.55 * level)
    image = image + glow[..., None] * rgb(255, 176, 84)
    return mix(image, rgb(255, 216, 128), (lamps * np.float32(level * 0.95))[..., None])


class Painter:
    """Builds one layout by laying surfaces over each other, far ones first.

    Every surface is drawn with a stream of its own, ``random(layer)``, so that changing one surface's code
    moves no other. ``finish`` hands the layout over.
    """

    def __init__(self, name: str, seed: int, size: int) -> None:
        self.name, self.seed, self.size = name, seed, size
        self.yy, self.xx = grid(size)
        # red, green, blue (multiplied by the cover, as layers over nothing are), then cover, depth, flat,
        # relief, water, lamps: one blend serves all
        self._planes = np.zeros((size, size, 9), np.float32)
        self._planes[..., 4] = 1.0

    def random(self, layer: str) -> np.random.Generator:
        """Return the stream of one layer of this place."""
        return generator(self.seed, f"background/{self.name}/{layer}")

    def noise(self, kind: str, layer: str) -> Array:
        """Return noise of a kind, ``(H, W)``, from the layer's stream."""
        return noise(kind, self.random(layer), self.size)

    def grain(self, kind: str, layer: str, amount: float, horizon: float) -> Array:
        """Return noise that grows towards the viewer, ``(H, W, 1)``; ``amount`` in 8-bit steps."""
        near = 0.35 + 0.65 * np.clip((self.yy - horizon) / (1 - horizon), 0, 1)
        return np.asarray((self.noise(kind, layer) * near * np.float32(amount / 255))[..., None], np.float32)

    def distance(self, horizon: float) -> Array:
        """Return the depth of level ground, ``(H, 1)``: 1 at the horizon, 0 at the lower edge."""
        near = np.clip((self.yy - np.float32(horizon)) / np.float32(1 - horizon), 0, 1)
        return np.asarray((1 - near) ** 2.2, np.float32)

    def lay(
        self,
        mask: Array,
        colour: Array,
        *,
        depth: Array | float,
        flat: Array | float = 0.0,
        relief: Array | float = 0.0,
        water: Array | float = 0.0,
        lamps: Array | float = 0.0,
        cover: float = 1.0,
    ) -> None:
        """Lay a surface of ``colour`` (broadcast to the picture) where ``mask (H, W)`` is 1."""
        touched = np.asarray(mask.any(axis=1))
        if not touched.any():
            return
        top = int(touched.argmax())
        bottom = self.size - int(touched[::-1].argmax())
        wanted = np.empty((bottom - top, self.size, 9), np.float32)
        wanted[..., :3] = np.broadcast_to(colour, (self.size, self.size, 3))[top:bottom]
        for index, value in enumerate((cover, depth, flat, relief, water, lamps), start=3):
            wanted[..., index] = (
                value if isinstance(value, float) else np.broadcast_to(value, mask.shape)[top:bottom]
            )
        view = self._planes[top:bottom]
        # land usually fills the rows below its edge: those are copied, only the edge is blended
        opaque = mask[top:bottom].min(axis=1) >= 1
        edge = 0 if opaque.all() else bottom - top - int(np.argmin(opaque[::-1]))
        view[edge:] = wanted[edge:]
        rest = wanted[:edge]
        rest -= view[:edge]
        rest *= mask[top : top + edge, :, None]
        view[:edge] += rest

    def stamp(
        self,
        colour: Array,
        alpha: Array,
        *,
        x: float,
        foot: float,
        depth: float,
        flat: Array | float = 0.3,
        relief: Array | float = 0.0,
        lamps: Array | float = 0.0,
    ) -> None:
        """Stand a small cut-out ``(h, w)`` with its foot at (x, foot) in fractions of the picture."""
        height, width = alpha.shape
        left, top = round(x * self.size - width / 2), round(foot * self.size) - height
        rows = slice(max(top, 0), min(top + height, self.size))
        columns = slice(max(left, 0), min(left + width, self.size))
        if rows.stop <= rows.start or columns.stop <= columns.start:
            return
        own = (slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left))
        wanted = np.empty((height, width, 9), np.float32)
        wanted[..., :3] = colour
        for index, value in enumerate((1.0, depth, flat, relief, 0.0, lamps), start=3):
            wanted[..., index] = value
        view = self._planes[rows, columns]
        view += (wanted[own] - view) * alpha[own][..., None]

    def finish(
        self,
        *,
        horizon: float,
        ground: Range,
        float_range: Range | None = None,
        haze: float = 0.35,
        indoor: bool = False,
        sky: Array | None = None,
    ) -> Layout:
        """Return the finished layout."""

        def plane(index: int) -> Array:
            return np.ascontiguousarray(self._planes[..., index])

        return Layout(
            albedo=np.clip(self._planes[..., :3] / np.maximum(self._planes[..., 3:4], 1 / 64), 0, 1),
            cover=plane(3),
            depth=plane(4),
            flat=plane(5),
            relief=np.clip(plane(6), -1, 1),
            water=plane(7),
            lamps=plane(8),
            horizon=float(horizon),
            ground=(float(ground[0]), float(ground[1])),
            float_range=float_range,
            haze=haze,
            indoor=indoor,
            sky=sky,
        )


def slope(line: Array) -> Array:
    """Return the relief of land under a skyline ``(W,)``: a rising line faces left."""
    size = line.shape[0]
    return np.clip(np.gradient(line) * size * np.float32(0.9), -1, 1)[None, :].astype(np.float32)


def crumpled(line: Array, rough: Array) -> Array:
    """Return the relief ``(H, W)`` of rock under a skyline: its slopes, shifted by ``rough`` noise."""
    size = line.shape[0]
    columns = np.arange(size)[None, :] + (rough * np.float32(size * 0.04)).astype(np.int64)
    return np.asarray(slope(line)[0][np.clip(columns, 0, size - 1)], np.float32)


def fade_below(line: Array, reach: float, size: int) -> Array:
    """Return a mask that is 1 on a line and fades out ``reach`` below it."""
    yy, _ = grid(size)
    return smoothstep(reach, 0.0, yy - line[None, :])
