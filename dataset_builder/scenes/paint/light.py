"""One light per scene: where it stands, its colour, and what it does to objects and to the ground below them.

The light is a directional source plus an ambient term (Lambert's model, J. H. Lambert, Photometria, 1760),
chosen from the scene's seed (place), the time of day (height, colour) and the weather (how much is
diffused).

Law: objects, land and cast shadows of one scene use one ``Light``; its direction points at the sun or moon
that the sky shows, and its horizontal place depends on the seed alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot
from typing import Final

import numpy as np
from PIL import Image, ImageFilter

from dataset_builder.scenes.paint.canvas import Array, Colour, desaturate

FACING: Final = 0.85  # share of the light's colour that level ground and a sprite's front receive


@dataclass(frozen=True, kw_only=True, slots=True)
class Light:
    """The light of a scene.

    Attributes:
        direction: unit vector in the picture plane from the scene towards the light (x right, y down).
        elevation: height above the horizon in radians.
        colour: directional light per channel.
        ambient: diffuse light per channel.
        shadow: strength of cast shadows in [0, 1].
        saturation: colour left over in this light (eyes see little colour at night).
    """

    direction: tuple[float, float]
    elevation: float
    colour: Colour
    ambient: Colour
    shadow: float
    saturation: float = 1.0

    def __post_init__(self) -> None:
        if abs(hypot(*self.direction) - 1) > 1e-3:
            raise ValueError(
                f"direction must be a unit vector, got {self.direction}; divide it by its length"
            )
        if not 0 <= self.shadow <= 1:
            raise ValueError(f"shadow must lie in [0, 1], got {self.shadow}")

    @property
    def level(self) -> Array:
        """The light on level ground: ``ambient + FACING * colour`` as ``(3,)``."""
        return np.array(self.ambient, np.float32) + FACING * np.array(self.colour, np.float32)


STUDIO: Final = Light(
    direction=(-0.6, -0.8),
    elevation=0.9,
    colour=(0.47, 0.47, 0.47),
    ambient=(0.60, 0.60, 0.60),
    shadow=0.34,
)


def _relief(alpha: Array, direction: tuple[float, float]) -> Array:
    """Return how far each pixel of a cut-out faces the light, in [-1, 1], taking it for a rounded body."""
    height, width = alpha.shape
    picture = Image.fromarray((alpha * 255).astype(np.uint8))
    radius = max(height, width) * 0.10
    padded = Image.new("L", (width + 2 * int(radius) + 2, height + 2 * int(radius) + 2))
    inset = int(radius) + 1
    padded.paste(picture, (inset, inset))
    soft = np.asarray(padded.filter(ImageFilter.GaussianBlur(radius)), np.float32) / 255
    down, right = np.gradient(soft)
    slope = -(right * direction[0] + down * direction[1]) * (radius * 2.2)
    bulge = slope[inset : inset + height, inset : inset + width]
    across = np.linspace(-1, 1, width, dtype=np.float32)[None, :] * direction[0]
    along = np.linspace(-1, 1, height, dtype=np.float32)[:, None] * direction[1]
    return np.asarray(np.clip(0.75 * bulge + 0.30 * (across + along), -1, 1), np.float32)


def shade(rgba: Array, light: Light) -> Array:
    """Light a cut-out ``(h, w, 4)`` in [0, 1]: ``rgb * (ambient + colour * (FACING + 0.5 * relief))``.

    Objects get a little more light than the land at night, as photographers give it, so that they stay
    readable.
    """
    colour = np.array(light.colour, np.float32)
    ambient = np.array(light.ambient, np.float32)
    level = float(light.level.mean())
    gain = 1.0 if level > 0.6 else 1.0 + 0.55 * (0.6 - level)
    relief = _relief(rgba[..., 3], light.direction)[..., None]
    # some of the shaping survives in diffuse light: the sky is brighter than the ground
    lit = ambient * (1 + 0.10 * relief) + colour * (FACING + 0.5 * relief)
    out = np.empty_like(rgba, np.float32)
    out[..., :3] = np.clip(desaturate(rgba[..., :3], light.saturation) * lit * gain, 0, 1)
    out[..., 3] = rgba[..., 3]
    return out


def cast_shadow(canvas: Array, alpha_mask: Array, foot_y: float, light: Light) -> Array:
    """Darken the ground where an object keeps the light off.

    Args:
        canvas: ``(H, W, 3)`` picture so far.
        alpha_mask: ``(H, W)`` coverage of the object that will be put on it.
        foot_y: where it stands, as a fraction of the height.
        light: the scene's light.

    A point at height h above the foot falls ``h * slant`` to the side away from the light and ``h *
    squash`` towards the viewer: the light stands behind the scene, in the sky that the picture shows. A
    soft contact shadow is added.
    """
    size = canvas.shape[0]
    foot = foot_y * size
    mask = Image.fromarray((np.clip(alpha_mask, 0, 1) * 255).astype(np.uint8))
    length = min(1.0, 0.5 / max(np.tan(light.elevation), 0.25))
    slant = -light.direction[0] * length * 1.1
    squash = 0.07 + 0.16 * length
    start = foot - 0.012 * size  # feet have some thickness: the shadow begins under them
    # output (x, y) comes from height h = (y - start) / squash above the foot, moved aside by slant * h
    cast = mask.transform(
        mask.size,
        Image.Transform.AFFINE,
        (1.0, -slant / squash, slant * start / squash, 0.0, -1.0 / squash, foot + start / squash),
        Image.Resampling.BILINEAR,
    )
    # the lowest tenth of the picture above the foot, pressed flat around it
    contact = mask.transform(
        mask.size,
        Image.Transform.AFFINE,
        (1.0, 0.0, 0.0, 0.0, 5.0, foot - 0.045 * size - 5.0 * foot),
        Image.Resampling.BILINEAR,
    )
    contact_soft = np.asarray(contact.filter(ImageFilter.GaussianBlur(size * 0.011)), np.float32)
    cast_soft = np.asarray(cast.filter(ImageFilter.GaussianBlur(size * 0.009)), np.float32)
    depth = np.maximum(cast_soft * light.shadow, contact_soft * (0.42 + 0.3 * light.shadow))
    depth *= 1 / 255
    # shadows keep the ambient light, so they lean towards its colour
    ambient = np.array(light.ambient, np.float32)
    tint = 1 - 0.25 * ambient / max(float(ambient.max()), 1e-3)
    return np.asarray(canvas * (1 - depth[..., None] * tint), np.float32)
