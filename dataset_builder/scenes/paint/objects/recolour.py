"""Give a drawing another colour: its dominant hue is moved, and its light and shade are kept.

The dominant hue is the peak of the hue histogram weighted by saturation and brightness. Pixels near that hue
take the new colour at their own luminance; eyes, tyres and windows, whose hue is another, stay. A drawing
without hues (a grey elephant) is tinted in all its middle and bright tones.

Law: alpha never changes, and the result depends on the drawing and the colour alone.
"""

from __future__ import annotations

import colorsys
from functools import lru_cache

import numpy as np
from PIL import Image

from dataset_builder.scenes.paint.objects.sprites import Pixels, rgba_pixels
from dataset_builder.scenes.vocabulary import COLOURS, Colour

LUMA = np.array([0.3, 0.59, 0.11], np.float32)


def hue_saturation_value(pixels: Pixels) -> tuple[Pixels, Pixels, Pixels]:
    """Return hue in [0, 256), saturation and value in [0, 1] of ``(h, w, 3+)`` pixels."""
    rgb = Image.fromarray((np.clip(pixels[..., :3], 0, 1) * 255 + 0.5).astype(np.uint8))
    hsv = np.asarray(rgb.convert("HSV"), np.float32)
    return hsv[..., 0], hsv[..., 1] / 255.0, hsv[..., 2] / 255.0


def smoothstep(low: float, high: float, values: Pixels) -> Pixels:
    """Return the cubic step from 0 at `low` to 1 at `high`; `low` may be the greater one."""
    t = np.clip((values - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def _body_mask(pixels: Pixels) -> Pixels:
    """Weigh each pixel by how much it belongs to the drawing's own colour: ``(h, w)`` in [0, 1]."""
    hue, saturation, value = hue_saturation_value(pixels)
    inside = pixels[..., 3] > 0.5
    weight = saturation * value * inside
    if float(weight.sum()) < 0.10 * float(inside.sum()):
        return smoothstep(0.22, 0.5, value)
    histogram = np.bincount(hue.astype(np.int64).ravel(), weight.ravel(), 256)
    # a circular window of 29 bins: neighbouring hues of one shaded surface count together
    window = np.convolve(np.concatenate([histogram[-14:], histogram, histogram[:14]]), np.ones(29), "valid")
    distance = np.abs((hue - float(window.argmax()) + 128) % 256 - 128)
    return np.asarray(smoothstep(36, 22, distance) * smoothstep(0.10, 0.28, saturation), np.float32)


def ramp(colour: Colour, luminance: Pixels, middle: float) -> Pixels:
    """Paint luminances ``(h, w)`` in a colour: `middle` becomes the colour itself, the others follow."""
    if colour.hue is None:
        contrast = 0.45 if colour.name == "white" else 0.6
        grey = np.clip(colour.luminance + (luminance - middle) * contrast, 0, 1)
        return np.repeat(grey[..., None], 3, -1)
    tone = np.clip(colour.luminance + (luminance - middle) * 0.85, 0.04, 1)
    pure = np.array(colorsys.hsv_to_rgb(colour.hue / 360, colour.saturation, 1.0), np.float32)
    level = float(pure @ LUMA)
    darker = pure * (tone / level)[..., None]
    lighter = 1 - (1 - pure) * ((1 - tone) / (1 - level + 1e-3))[..., None]
    return np.asarray(np.where((tone < level)[..., None], darker, lighter), np.float32)


def recolour(pixels: Pixels, colour: str) -> Pixels:
    """Return the drawing in another colour.

    Args:
        pixels: ``(h, w, 4)`` in [0, 1].
        colour: A name in `COLOURS`.
    """
    mask = _body_mask(pixels)
    luminance = pixels[..., :3] @ LUMA
    chosen = (mask > 0.5) & (pixels[..., 3] > 0.5)
    middle = float(np.median(luminance[chosen])) if chosen.any() else 0.5
    painted = ramp(COLOURS[colour], luminance, middle)
    result = pixels.copy()
    result[..., :3] += (np.clip(painted, 0, 1) - pixels[..., :3]) * mask[..., None]
    return result


@lru_cache(maxsize=1024)
def _dominant(data: bytes, width: int, height: int) -> tuple[float, float, float]:
    pixels = rgba_pixels(Image.frombytes("RGBA", (width, height), data)).reshape(-1, 4)
    colours = pixels[pixels[:, 3] > 0.8][:, :3]
    if colours.size == 0:
        return (0.5, 0.5, 0.5)
    bins = np.minimum((colours * 10.6).astype(np.int64), 10) @ np.array([121, 11, 1])
    counts = np.bincount(bins, minlength=1331).astype(np.float64)
    names = np.arange(1331)
    light = (names // 121 * 0.3 + names // 11 % 11 * 0.59 + names % 11 * 0.11) / 10
    # outlines and the whites of eyes are rarely the colour of the fur
    counts *= np.where((light < 0.15) | (light > 0.93), 0.35, 1.0)
    red, green, blue = colours[bins == int(counts.argmax())].mean(0)
    return (float(red), float(green), float(blue))


def dominant_colour(image: Image.Image) -> tuple[float, float, float]:
    """Return the most common opaque colour of an RGBA picture, in [0, 1]."""
    small = image.resize((min(64, image.width), min(64, image.height)), Image.Resampling.BOX)
    return _dominant(small.tobytes(), small.width, small.height)
