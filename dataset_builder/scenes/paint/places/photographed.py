"""Photographed places: perspective views into the CC0 panoramas, relit like every other place.

Law: the view is a pure function of (place, seed, size); hour and weather relight it and move nothing.
"""

from __future__ import annotations

from math import pi, radians
from typing import Final

import numpy as np

from dataset_builder.scenes.artwork.panoramas import Camera, Panorama, crop, panorama
from dataset_builder.scenes.paint.canvas import Array, grid, smoothstep
from dataset_builder.scenes.paint.layout import Layout
from dataset_builder.scenes.seeds import generator
from dataset_builder.scenes.vocabulary import Photograph

_SUN_MARGIN: Final = radians(62)  # the photographed sun stays out of the picture: the scene has its own


def _camera(name: str, photo: Photograph, found: Panorama, seed: int) -> Camera:
    """Choose a view that does not show the photographed sun."""
    random = generator(seed, f"background/{name}/camera")
    low, high = photo.yaw
    yaw = radians(random.uniform(low, high))
    if photo.own_sky:
        # map a full turn onto the part of it that keeps its distance from the sun
        sun = found.sun * 2 * pi
        yaw = sun + _SUN_MARGIN + (yaw % (2 * pi)) * (2 * pi - 2 * _SUN_MARGIN) / (2 * pi)
    return Camera(
        yaw=yaw, pitch=radians(random.uniform(-13, -5)), field_of_view=radians(random.uniform(66, 92))
    )


def _window_lights(name: str, camera: Camera, cover: Array, surface: Array, seed: int, size: int) -> Array:
    """Return lit windows: random cells of a grid on the walls above the horizon."""
    longitude, latitude = camera.rays(size)
    pitch = radians(3.0)
    column, row = longitude / pitch, latitude / (pitch * 1.1)
    random = generator(seed, f"background/{name}/windows")
    lit = random.random((64, 128)) < 0.42
    on = lit[np.floor(row).astype(np.int64) % 64, np.floor(column).astype(np.int64) % 128]
    pane = (np.abs(column % 1 - 0.5) < 0.28) & (np.abs(row % 1 - 0.5) < 0.30)
    wall = smoothstep(0.6, 1.0, cover) * smoothstep(radians(0.5), radians(3.0), latitude)
    return np.asarray(on * pane * wall * (surface.mean(-1) < 0.85), np.float32)


def photo_layout(name: str, photo: Photograph, seed: int, size: int) -> Layout:
    """Look into a panorama and describe what is seen as a layout.

    Raises:
        MissingArtwork: the artwork set `panoramas` is not on this machine.
    """
    found = panorama(
        photo.file,
        indoor=photo.indoor,
        neutral=photo.neutral,
        whole_sky=photo.mirror > 0,
        sky_level=photo.sky_level,
    )
    camera = _camera(name, photo, found, seed)
    seen = crop(found.planes, camera, size)
    surface, opening = np.ascontiguousarray(seen[..., :3]), np.ascontiguousarray(seen[..., 3])
    horizon = camera.horizon
    yy, _ = grid(size)
    toward = np.clip((yy - horizon) / (1 - horizon), 0, 1)
    depth = np.repeat(photo.depth * (1 - toward) ** 2.2, size, 1)
    level = np.repeat(smoothstep(horizon + 0.01, horizon + 0.12, yy), size, 1)
    nothing = np.zeros((size, size), np.float32)
    sealed = photo.openings == "lamps"
    lamps = opening * 0.9 if sealed else nothing
    if photo.windows:
        lamps = _window_lights(name, camera, 1 - opening, surface, seed, size)
    return Layout(
        albedo=surface,
        cover=np.ones((size, size), np.float32) if sealed else np.asarray(1 - opening, np.float32),
        depth=depth,
        flat=nothing if photo.mirror else np.asarray(level * 0.85 * (1 - opening), np.float32),
        relief=np.zeros((size, size), np.float32),
        water=np.asarray(level * photo.mirror, np.float32),
        lamps=lamps,
        horizon=horizon,
        ground=(min(horizon + 0.26, 0.86), 0.95),
        haze=0.0 if photo.indoor else 0.15,
        indoor=photo.indoor,
        sky=np.ascontiguousarray(seen[..., 4:7]) if photo.own_sky else None,
    )
