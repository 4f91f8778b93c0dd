"""A place without its weather: what stands where, and how light of any hour and weather falls on it.

A ``Layout`` holds what never changes when the hour or the weather does (surfaces, distances, water,
windows), and ``illuminate`` turns it into a picture. Distant land fades into the horizon's colour by the
Beer-Lambert law (H. Koschmieder, Theorie der horizontalen Sichtweite, 1924).

Law: a layout is a pure function of (background, seed, size). Two pictures that differ in time of day or
weather share one layout, so edges, horizon and ground are identical by construction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Final

import numpy as np

from dataset_builder.scenes.paint import sky
from dataset_builder.scenes.paint.atmosphere import Atmosphere
from dataset_builder.scenes.paint.canvas import Array, blur, desaturate, grid, mix, noise, rgb, smoothstep
from dataset_builder.scenes.paint.light import FACING, Light
from dataset_builder.scenes.seeds import generator

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


def illuminate(layout: Layout, light: Light, atmosphere: Atmosphere) -> Array:
    """Paint a layout in a light: ``(H, W, 3)`` in [0, 1]."""
    size = layout.albedo.shape[0]
    on_ground = ON_GROUND.get(atmosphere.weather.on_ground)
    surface = on_ground.surface(layout, atmosphere.seed) if on_ground else layout.albedo
    image = _lit(surface, layout.relief, light)
    if not layout.indoor:
        image = _veiled(image, layout, atmosphere)
    seen = np.flatnonzero((layout.cover < 1).any(axis=1))
    if seen.size:
        rows = int(seen[-1]) + 1
        if layout.sky is not None and atmosphere.is_plain:
            heavens = layout.sky[:rows]
        else:
            reach = 1.0 if layout.indoor else layout.horizon
            heavens = sky.paint(atmosphere, size=size, horizon=reach, rows=rows)
        image[:rows] = mix(heavens, image[:rows], layout.cover[:rows, :, None])
    if layout.water.any():
        image = _mirrored(image, layout, atmosphere.seed)
    if on_ground and on_ground.shine:
        shine = layout.flat * on_ground.shine * layout.cover
        image = mix(image, atmosphere.horizon_colour, shine[..., None])
    lamps = atmosphere.hour.lamps
    if lamps > 0 and layout.lamps.any():
        image = _lamplit(image, layout.lamps, lamps)
    return np.asarray(np.clip(image, 0, 1), np.float32)


def _snowed_in(layout: Layout, seed: int) -> Array:
    """Return the surface colours under fallen snow."""
    patches = noise("mid", generator(seed, "weather/snow cover"), layout.albedo.shape[0])
    fallen = np.clip(layout.flat * (0.98 + 0.12 * patches), 0, 0.94)
    return mix(layout.albedo, rgb(240, 244, 250), fallen[..., None])


def _soaked(layout: Layout, seed: int) -> Array:
    """Return the surface colours after rain."""
    return np.asarray(layout.albedo * (1 - 0.25 * layout.flat)[..., None], np.float32)


@dataclass(frozen=True, kw_only=True, slots=True)
class OnGround:
    """What a weather does to level ground.

    Attributes:
        surface: Returns the surface colours, from (layout, seed).
        shine: How much of the sky's colour the ground mirrors.
    """

    surface: Callable[[Layout, int], Array]
    shine: float = 0.0


ON_GROUND: Final[Mapping[str, OnGround]] = MappingProxyType(
    {"snow": OnGround(surface=_snowed_in), "wet": OnGround(surface=_soaked, shine=0.22)}
)


def _lit(surface: Array, relief: Array, light: Light) -> Array:
    """Multiply surfaces by the light; slopes that face it are brighter."""
    if not relief.any():
        return np.asarray(desaturate(surface, light.saturation) * light.level, np.float32)
    side = 0.75 * light.direction[0] / max(0.35, abs(light.direction[0]) + 0.2)
    facing = FACING + relief * side
    lit = np.array(light.ambient, np.float32) + facing[..., None] * np.array(light.colour, np.float32)
    return np.asarray(desaturate(surface, light.saturation) * lit, np.float32)


def _veiled(image: Array, layout: Layout, atmosphere: Atmosphere) -> Array:
    """Let distant land fade into the colour of the horizon."""
    density, near = atmosphere.weather.haze
    far = layout.depth * layout.depth
    clear_air = 1 - layout.haze * far
    veil = 1 - clear_air * np.exp(-density * layout.depth) * (1 - near)
    return mix(image, atmosphere.horizon_colour, veil[..., None])


def _mirrored(image: Array, layout: Layout, seed: int) -> Array:
    """Add to water the mirror image of what stands above the horizon, shaken by small waves."""
    size = image.shape[0]
    start = round(layout.horizon * size)
    rows = min(start, size - start)
    if rows <= 0:
        return image
    waves = noise("wave", generator(seed, "water"), size)[start : start + rows]
    columns = np.arange(size)[None, :] + (waves * (size / 90)).astype(np.int64)
    above = start - 1 - np.arange(rows)[:, None]
    mirror = image[above, np.clip(columns, 0, size - 1)]
    out = image.copy()
    band = out[start : start + rows]
    fade = np.linspace(1.0, 0.3, rows, dtype=np.float32)[:, None] ** 1.5
    out[start : start + rows] = mix(band, mirror, (layout.water[start : start + rows] * fade)[..., None])
    return out


def _lamplit(image: Array, lamps: Array, level: float) -> Array:
    """Switch lamps on: warm windows with a glow around them."""
    glow = blur(lamps, 0.03) * (0.55 * level)
    image = image + glow[..., None] * rgb(255, 176, 84)
    return mix(image, rgb(255, 216, 128), (lamps * (level * 0.95))[..., None])


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
        return np.asarray((self.noise(kind, layer) * near * (amount / 255))[..., None], np.float32)

    def distance(self, horizon: float) -> Array:
        """Return the depth of level ground, ``(H, 1)``: 1 at the horizon, 0 at the lower edge."""
        near = np.clip((self.yy - horizon) / (1 - horizon), 0, 1)
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
    return np.clip(np.gradient(line) * size * 0.9, -1, 1)[None, :].astype(np.float32)


def crumpled(line: Array, rough: Array) -> Array:
    """Return the relief ``(H, W)`` of rock under a skyline: its slopes, shifted by ``rough`` noise."""
    size = line.shape[0]
    columns = np.arange(size)[None, :] + (rough * (size * 0.04)).astype(np.int64)
    return np.asarray(slope(line)[0][np.clip(columns, 0, size - 1)], np.float32)


def fade_below(line: Array, reach: float, size: int) -> Array:
    """Return a mask that is 1 on a line and fades out ``reach`` below it."""
    yy, _ = grid(size)
    return smoothstep(reach, 0.0, yy - line[None, :])
