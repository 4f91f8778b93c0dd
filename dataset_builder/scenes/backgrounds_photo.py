"""Photographed places: perspective views into the CC0 panoramas, relit like every other place.

Law: the view is a pure function of (place, seed, size); hour and weather relight it and move nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi, radians
from typing import Final, Literal

import numpy as np

from .canvas import Array, generator, grid, smoothstep
from .layout import Layout
from .panoramas import Camera, Panorama, crop, panorama


@dataclass(frozen=True, kw_only=True, slots=True)
class Photo:
    """One panorama as a place.

    Attributes:
        name: key of the background.
        phrase: how a caption says it.
        file: name in the package.
        openings: what its brightest parts are: the sky, windows on the sky, or lamps.
        yaw: degrees between which the camera may look; a full turn where every side is good.
        neutral: how much of the light's colour cast is taken out.
        own_sky: whether the photographed sky is shown on a clear day.
        windows: whether its houses have windows that are lit after dark.
        depth: distance of what stands above the horizon, in [0, 1].
        mirror: how much its ground is water that mirrors the sky; nothing stands above the horizon then.
        sky_level: brightness beside the sky's own from which on a pixel above the horizon is sky.
    """

    name: str
    phrase: str
    file: str
    openings: Literal["sky", "windows", "lamps"] = "sky"
    yaw: tuple[float, float] = (0.0, 360.0)
    neutral: float = 0.6
    own_sky: bool = False
    windows: bool = False
    depth: float = 0.7
    mirror: float = 0.0
    sky_level: float = 0.22

    @property
    def indoor(self) -> bool:
        """Whether the place has a roof."""
        return self.openings != "sky"


PHOTOS: Final = (
    Photo(name="park", phrase="in a park", file="park", neutral=0.2, own_sky=True),
    Photo(name="woods", phrase="in the woods", file="forest", neutral=0.5, depth=0.45),
    Photo(name="city square", phrase="on a city square", file="city", windows=True),
    Photo(name="rocky ground", phrase="on rocky ground", file="dawn", neutral=0.8),
    Photo(name="savanna", phrase="on the savanna", file="night", neutral=0.45),
    Photo(name="field", phrase="in a field", file="sunrise", neutral=0.3, own_sky=True),
    Photo(
        name="old town square",
        phrase="on an old town square",
        file="sunset",
        windows=True,
        sky_level=0.5,
        neutral=0.7,
        yaw=(-20, 170),
    ),
    Photo(name="harbour", phrase="by the harbour", file="venice", neutral=0.8, windows=True, yaw=(195, 310)),
    Photo(name="still water", phrase="over still water", file="sky", neutral=0.1, own_sky=True, mirror=0.75),
    Photo(name="empty room", phrase="in an empty room", file="apartment", openings="windows", neutral=0.35),
    Photo(name="lobby", phrase="in a lobby", file="lobby", openings="lamps", neutral=0.35),
    Photo(name="warehouse", phrase="in a warehouse", file="warehouse", openings="lamps", neutral=0.4),
    Photo(name="ballroom", phrase="in a ballroom", file="hall", openings="lamps", neutral=0.4),
    Photo(name="laboratory", phrase="in a laboratory", file="lab", openings="lamps", neutral=0.2),
    Photo(name="workshop", phrase="in a workshop", file="workshop", openings="lamps", neutral=0.3),
    Photo(name="shopping mall", phrase="in a shopping mall", file="esplanade", openings="lamps", neutral=0.4),
)
_SUN_MARGIN: Final = radians(62)  # the photographed sun stays out of the picture: the scene has its own


def _camera(photo: Photo, found: Panorama, seed: int) -> Camera:
    """Choose a view that does not show the photographed sun."""
    random = generator(seed, f"background/{photo.name}/camera")
    low, high = photo.yaw
    yaw = radians(random.uniform(low, high))
    if photo.own_sky:
        # map a full turn onto the part of it that keeps its distance from the sun
        sun = found.sun * 2 * pi
        yaw = sun + _SUN_MARGIN + (yaw % (2 * pi)) * (2 * pi - 2 * _SUN_MARGIN) / (2 * pi)
    return Camera(
        yaw=yaw, pitch=radians(random.uniform(-13, -5)), field_of_view=radians(random.uniform(66, 92))
    )


def _window_lights(photo: Photo, camera: Camera, cover: Array, surface: Array, seed: int, size: int) -> Array:
    """Return lit windows: random cells of a grid on the walls above the horizon."""
    longitude, latitude = camera.rays(size)
    pitch = np.float32(radians(3.0))
    column, row = longitude / pitch, latitude / (pitch * np.float32(1.1))
    random = generator(seed, f"background/{photo.name}/windows")
    lit = random.random((64, 128)) < 0.42
    on = lit[np.floor(row).astype(np.int64) % 64, np.floor(column).astype(np.int64) % 128]
    pane = (np.abs(column % 1 - 0.5) < 0.28) & (np.abs(row % 1 - 0.5) < 0.30)
    wall = smoothstep(0.6, 1.0, cover) * smoothstep(radians(0.5), radians(3.0), latitude)
    return np.asarray(on * pane * wall * (surface.mean(-1) < 0.85), np.float32)


def photo_layout(photo: Photo, seed: int, size: int) -> Layout:
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
    camera = _camera(photo, found, seed)
    seen = crop(found.planes, camera, size)
    surface, opening = np.ascontiguousarray(seen[..., :3]), np.ascontiguousarray(seen[..., 3])
    horizon = camera.horizon
    yy, _ = grid(size)
    toward = np.clip((yy - np.float32(horizon)) / np.float32(1 - horizon), 0, 1)
    depth = np.repeat(np.float32(photo.depth) * (1 - toward) ** np.float32(2.2), size, 1)
    level = np.repeat(smoothstep(horizon + 0.01, horizon + 0.12, yy), size, 1)
    nothing = np.zeros((size, size), np.float32)
    sealed = photo.openings == "lamps"
    lamps = opening * np.float32(0.9) if sealed else nothing
    if photo.windows:
        lamps = _window_lights(photo, camera, 1 - opening, surface, seed, size)
    return Layout(
        albedo=surface,
        cover=np.ones((size, size), np.float32) if sealed else np.asarray(1 - opening, np.float32),
        depth=depth,
        flat=nothing if photo.mirror else np.asarray(level * np.float32(0.85) * (1 - opening), np.float32),
        relief=np.zeros((size, size), np.float32),
        water=np.asarray(level * np.float32(photo.mirror), np.float32),
        lamps=lamps,
        horizon=horizon,
        ground=(min(horizon + 0.26, 0.86), 0.95),
        haze=0.0 if photo.indoor else 0.15,
        indoor=photo.indoor,
        sky=np.ascontiguousarray(seen[..., 4:7]) if photo.own_sky else None,
    )
