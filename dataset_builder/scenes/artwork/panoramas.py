"""CC0 panoramas of real places, decoded once and kept in the user's cache.

The artwork set `panoramas` (npm package @pmndrs/assets) holds spherical pictures of 512 x 256 high-dynamic-
range pixels, as OpenEXR (F. Kainz et al., Technical Introduction to OpenEXR, 2003) in base64. Decoding
separates each into what the weather never changes (surfaces) and what it does (the sky), so that the place
can be painted at any hour. The tone curve is K. Narkowicz's fit of ACES (2015).

Law: a decoded panorama is a pure function of the package's bytes; the cache only saves time.
"""

from __future__ import annotations

import base64
import importlib
import math
import re
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray
from PIL import Image

from dataset_builder.scenes.artwork.store import artwork_file
from dataset_builder.scenes.errors import MissingArtwork
from dataset_builder.scenes.paint.canvas import Array, smoothstep
from editors.files import cache_folder, replacing
from editors.pictures.images import LUMINANCE

_DECODER: Final = "5"  # changes whenever decoding does, so that old caches are not read
_EMBEDDED: Final = re.compile(r"base64,([A-Za-z0-9+/=]+)")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Panorama:
    """A place all around, ``(256, 512)`` in longitude and latitude.

    Attributes:
        planes: ``(H, W, 7)``: colours of land and walls in neutral light (sRGB in [0, 1]); 1 where the sky
            shows (outdoors) or where a window or lamp shines (indoors); colours of the photographed sky.
        sun: longitude of the brightest spot, as a fraction of the width.
    """

    planes: Array
    sun: float


def decode(path: Path) -> Array:
    """Read the linear picture ``(H, W, 3)`` out of one file of the package.

    Raises:
        MissingArtwork: the file holds no picture, or the OpenEXR reader is not installed.
    """
    try:
        reader = importlib.import_module("OpenEXR")  # heavy, and needed once for each panorama
    except ModuleNotFoundError:
        raise MissingArtwork(
            "panoramas are OpenEXR files and the package OpenEXR is not installed; "
            "run `pip install 'wordbrush[scenes]'`."
        ) from None
    match = _EMBEDDED.search(path.read_text(encoding="ascii", errors="replace"))
    if match is None:
        raise MissingArtwork(
            f"{path.name} holds no panorama; fetch it again with `wordbrush data artwork panoramas`."
        )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "panorama.exr"  # the reader takes paths only
        file.write_bytes(base64.b64decode(match.group(1)))
        channels = reader.File(str(file)).channels()
        pixels = np.asarray(channels["RGB"].pixels, np.float32)[..., :3].copy()
    return _mended(np.clip(np.nan_to_num(pixels, nan=0.0, posinf=200.0, neginf=0.0), 0, 200))


def _mended(linear: Array) -> Array:
    """Fill the black rings that compression leaves around lamps with the light of their surroundings."""
    peaks = scipy.ndimage.maximum_filter(linear.max(-1), 7)
    closed = scipy.ndimage.grey_closing(linear, size=(5, 5, 1))
    beside_lamp = peaks > 6 * float(np.median(linear.max(-1)))
    return np.where(beside_lamp[..., None], np.maximum(closed, linear), linear).astype(np.float32)


def _toned(linear: Array) -> Array:
    """Map linear light to sRGB by the ACES curve; strong lights become white, never dark."""
    x = np.clip(linear, 0, 60)
    curve = (x * (2.51 * x + 0.03)) / (x * (2.43 * x + 0.59) + 0.14)
    return np.asarray(np.clip(curve, 0, 1) ** (1 / 2.2), np.float32)


def _neutral(linear: Array, part: NDArray[np.bool_], strength: float) -> Array:
    """Divide out a share of the colour cast of the light on a part of the picture (grey-world assumption)."""
    mean = np.array([np.median(linear[..., channel][part]) for channel in range(3)])
    gain = (mean.mean() / np.maximum(mean, 1e-4)) ** strength
    return np.asarray(linear * gain, np.float32)


def _sky_mask(linear: Array, level: float) -> Array:
    """Find the sky outdoors: above the horizon, and about as bright as the brightest parts of its row."""
    height = linear.shape[0]
    grey = scipy.ndimage.median_filter(linear @ LUMINANCE, 3)
    rows = np.percentile(grey[: height // 2], 60, axis=1)
    rows = scipy.ndimage.gaussian_filter1d(np.maximum.accumulate(rows * 0.6), 4) / 0.6
    share = grey[: height // 2] / np.maximum(np.minimum(rows, np.percentile(rows, 60))[:, None], 1e-4)
    bright = smoothstep(level, 1.9 * level, share.astype(np.float32))
    labels, _ = scipy.ndimage.label(bright > 0.5)
    sizes = np.bincount(labels.ravel())
    large = (sizes >= 12)[labels] & (labels > 0)
    mask = np.zeros(linear.shape[:2], np.float32)
    mask[: height // 2] = np.where(scipy.ndimage.binary_dilation(large), bright, 0)
    return mask


def _shining(linear: Array) -> Array:
    """Find windows and lamps indoors: much brighter than the room."""
    grey = (linear @ LUMINANCE).astype(np.float32)
    room = float(np.median(grey))
    shining = smoothstep(5.0, 9.0, grey / max(room, 1e-4))
    shining[int(grey.shape[0] * 0.58) :] = 0  # bright spots on the floor are reflections
    return shining


def separate(
    linear: Array, *, indoor: bool, neutral: float, whole_sky: bool = False, sky_level: float = 0.22
) -> Panorama:
    """Split a linear panorama into surfaces and sky, each well exposed.

    Args:
        linear: ``(H, W, 3)`` linear light.
        indoor: whether bright parts are windows and lamps instead of the sky.
        neutral: how much of the light's colour cast is taken out, in [0, 1].
        whole_sky: whether everything above the horizon is sky.
        sky_level: brightness beside the sky's own from which on a pixel above the horizon is sky.
    """
    height = linear.shape[0]
    if whole_sky:
        rows = (np.arange(height, dtype=np.float32)[:, None] + 0.5) / height
        opening = np.repeat(smoothstep(0.502, 0.498, rows), linear.shape[1], 1)
    else:
        opening = _shining(linear) if indoor else _sky_mask(linear, sky_level)
    land = opening < 0.3
    lower = land.copy()
    lower[: int(height * 0.45)] = False
    lower[int(height * 0.85) :] = False
    balanced = _neutral(linear, lower, neutral)
    grey = balanced @ LUMINANCE
    # objects above the horizon stand against the light: expose land for all of it, not for the ground alone
    exposure = 0.23 / max(float(np.percentile(grey[land], 55)), 1e-4)
    surface = _toned(balanced * exposure)
    above = opening > 0.7
    sky = surface
    if not indoor and above.any():
        sky = _toned(linear * (0.40 / max(float(np.median((linear @ LUMINANCE)[above])), 1e-4)))
    brightness = scipy.ndimage.gaussian_filter(linear @ LUMINANCE, 3, mode=("nearest", "wrap"))
    sun = float(np.unravel_index(int(brightness.argmax()), brightness.shape)[1]) / linear.shape[1]
    return Panorama(planes=np.concatenate([surface, opening[..., None], sky], -1), sun=sun)


def _bytes(plane: Array) -> NDArray[np.uint8]:
    return (np.clip(plane, 0, 1) * 255 + 0.5).astype(np.uint8)


@lru_cache(maxsize=24)
def panorama(
    name: str, *, indoor: bool, neutral: float, whole_sky: bool = False, sky_level: float = 0.22
) -> Panorama:
    """Return one panorama, from the cache where it was decoded before.

    Raises:
        MissingArtwork: the artwork set `panoramas` is not on this machine.
    """
    source = artwork_file("panoramas", f"{name}.exr.js")
    settings = f"{_DECODER}-{int(indoor)}-{neutral:g}-{int(whole_sky)}-{sky_level:g}"
    stored = cache_folder() / "panoramas" / f"{name}-{settings}.npz"
    if stored.is_file():
        with np.load(stored, allow_pickle=False) as data:
            levels, light = data["planes"], data["sun"]
    else:
        linear = decode(source)
        found = separate(linear, indoor=indoor, neutral=neutral, whole_sky=whole_sky, sky_level=sky_level)
        levels, light = _bytes(found.planes), np.float32(found.sun)
        with suppress(OSError):  # a home that is closed to us, or full: then it is decoded again next time
            stored.parent.mkdir(parents=True, exist_ok=True)
            with replacing(stored) as file:
                np.savez_compressed(file, planes=levels, sun=light)
    planes, sun = levels.astype(np.float32) / 255.0, float(light)
    planes.setflags(write=False)
    return Panorama(planes=planes, sun=sun)


@dataclass(frozen=True, kw_only=True, slots=True)
class Camera:
    """Where a perspective crop looks: yaw and pitch in radians, horizontal field of view in radians."""

    yaw: float
    pitch: float
    field_of_view: float

    @property
    def horizon(self) -> float:
        """The y of the horizon as a fraction of the picture."""
        return float(0.5 + math.tan(self.pitch) / (2 * math.tan(self.field_of_view / 2)))

    def rays(self, size: int) -> tuple[Array, Array]:
        """Return longitude and latitude in radians of every pixel, each ``(size, size)``."""
        steps = (2 * (np.arange(size, dtype=np.float32) + 0.5) / size - 1).astype(np.float32)
        extent = steps * math.tan(self.field_of_view / 2)
        x, y = extent[None, :], extent[:, None]
        down = y * math.cos(self.pitch) - math.sin(self.pitch)
        forward = y * math.sin(self.pitch) + math.cos(self.pitch)
        longitude = np.arctan2(x, forward) + self.yaw
        latitude = np.arctan2(-down, np.hypot(x, forward))
        return np.asarray(longitude, np.float32), np.asarray(latitude, np.float32)


_SHARP: Final = (64, 128)  # a crop holds no more detail than so many pixels; what is larger is interpolated


def crop(planes: Array, camera: Camera, size: int) -> Array:
    """Look at a spherical picture ``(H, W, C)`` through a camera; returns ``(size, size, C)``."""
    height, width, channels = planes.shape
    side = min(size, max(_SHARP[0], min(size // 2, _SHARP[1])))
    longitude, latitude = camera.rays(side)
    u = (longitude / (2 * np.pi)) % 1 * width - 0.5
    v = np.clip((0.5 - latitude / np.pi) * height - 0.5, 0, height - 1.001)
    left, top = np.floor(u).astype(np.int64), v.astype(np.int64)
    a, b = (u - left)[..., None], (v - top)[..., None]
    flat = planes.reshape(-1, channels)
    upper, lower = top * width, (top + 1) * width
    first, second = left % width, (left + 1) % width
    above = flat[upper + first] * (1 - a) + flat[upper + second] * a
    out = above * (1 - b) + (flat[lower + first] * (1 - a) + flat[lower + second] * a) * b
    if side == size:
        return np.asarray(out, np.float32)
    layers = [
        np.asarray(Image.fromarray(out[..., c]).resize((size, size), Image.Resampling.BICUBIC))
        for c in range(channels)
    ]
    return np.clip(np.stack(layers, -1), 0, 1).astype(np.float32)
