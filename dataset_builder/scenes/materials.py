"""Make a drawing out of gold, wood, ice, ...: its silhouette becomes a relief, lit as the material.

The relief is the sum of blurred silhouettes (a rounded body) and of the drawing's own luminance (its
details), after the bump maps of J. Blinn, "Simulation of Wrinkled Surfaces" (1978). Shiny materials reflect
a small procedural studio (bright sky, dark horizon, a window), matte ones get Lambert's light; a ramp of
three colours turns light into colour.

Law: the silhouette never changes: alpha is the drawing's alpha times the material's opacity.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from PIL import Image, ImageFilter

from .canvas import Array, mix, noise, rgb, smoothstep
from .errors import InvalidScene
from .recolour import LUMA
from .sprites import Pixels

Texture = Literal["none", "grain", "rough", "veins", "frost"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Material:
    """How a material looks.

    Attributes:
        dark, middle, light: Colours (8-bit) of shade, body and highlight.
        gloss: Share of mirrored studio in the light, 0 (clay) to 1 (chrome).
        detail: How much of the drawing's own light and dark is kept.
        opacity: Alpha of the material.
    """

    dark: tuple[int, int, int]
    middle: tuple[int, int, int]
    light: tuple[int, int, int]
    gloss: float
    detail: float
    texture: Texture = "none"
    opacity: float = 1.0


MATERIALS: Mapping[str, Material] = MappingProxyType(
    {
        "gold": Material(
            dark=(92, 48, 2), middle=(230, 168, 30), light=(255, 247, 190), gloss=0.9, detail=0.42
        ),
        "silver": Material(
            dark=(42, 46, 56), middle=(164, 170, 182), light=(255, 255, 255), gloss=0.95, detail=0.4
        ),
        "bronze": Material(
            dark=(44, 24, 14), middle=(140, 86, 46), light=(240, 190, 136), gloss=0.7, detail=0.45
        ),
        "copper": Material(
            dark=(88, 28, 12), middle=(208, 102, 62), light=(255, 216, 184), gloss=0.8, detail=0.4
        ),
        "wood": Material(
            dark=(84, 48, 22),
            middle=(166, 108, 60),
            light=(216, 164, 108),
            gloss=0.1,
            detail=0.8,
            texture="grain",
        ),
        "stone": Material(
            dark=(56, 56, 60),
            middle=(132, 132, 134),
            light=(204, 204, 206),
            gloss=0.0,
            detail=0.65,
            texture="rough",
        ),
        "ice": Material(
            dark=(78, 148, 208),
            middle=(164, 214, 242),
            light=(246, 254, 255),
            gloss=0.6,
            detail=0.5,
            texture="frost",
            opacity=0.82,
        ),
        "chocolate": Material(
            dark=(44, 22, 12), middle=(98, 56, 34), light=(190, 136, 104), gloss=0.35, detail=0.75
        ),
        "clay": Material(
            dark=(98, 44, 28), middle=(190, 104, 72), light=(236, 168, 132), gloss=0.0, detail=0.65
        ),
        "jade": Material(
            dark=(6, 56, 36), middle=(64, 152, 104), light=(218, 246, 228), gloss=0.45, detail=0.5
        ),
        "marble": Material(
            dark=(140, 138, 140),
            middle=(226, 224, 220),
            light=(255, 255, 253),
            gloss=0.2,
            detail=0.5,
            texture="veins",
        ),
        "ruby": Material(
            dark=(48, 0, 8), middle=(176, 14, 40), light=(255, 165, 176), gloss=0.7, detail=0.42
        ),
        "glass": Material(
            dark=(58, 112, 134),
            middle=(172, 212, 222),
            light=(255, 255, 255),
            gloss=0.95,
            detail=0.6,
            opacity=0.78,
        ),
    }
)

_SCALES = ((3.0, 1.0), (7.0, 2.0), (15.0, 4.0), (26.0, 5.0))  # blur radius at a 160 px drawing, and weight


def _normals(alpha: Array, luminance: Array) -> tuple[Array, Array, Array]:
    """Return the surface normal of the relief per pixel: right, down, towards the viewer."""
    height, width = alpha.shape
    scale = max(height, width) / 160
    silhouette = Image.fromarray((alpha * 255).astype(np.uint8))
    details = Image.fromarray((np.clip(luminance, 0, 1) * 255).astype(np.uint8))
    fine = details.filter(ImageFilter.GaussianBlur(1.2 * scale))
    relief = np.asarray(fine, np.float32) * np.float32(7 * scale / 255)
    for radius, weight in _SCALES:
        soft = silhouette.filter(ImageFilter.BoxBlur(radius * scale * 1.2))
        relief = relief + np.asarray(soft, np.float32) * np.float32(weight * radius * scale * 0.22 / 255)
    down, right = np.gradient(relief)
    length = np.sqrt(down * down + right * right + 1)
    return -right / length, -down / length, 1 / length


def _studio(right: Array, down: Array, front: Array) -> Array:
    """Return what a studio mirrors to the viewer: bright above, dark at the horizon, one window."""
    reflected_right, reflected_down = 2 * front * right, 2 * front * down
    sky = smoothstep(0.05, -0.75, reflected_down)
    floor = 0.45 * smoothstep(0.1, 0.85, reflected_down)
    away = np.hypot(reflected_right + np.float32(0.45), reflected_down + np.float32(0.5))
    window = smoothstep(0.38, 0.2, away)
    return np.asarray(np.clip(0.12 + 0.75 * sky + floor + 0.6 * window, 0, 1), np.float32)


def _tile(kind: str, random: np.random.Generator, shape: tuple[int, int]) -> Array:
    side = 64
    while side < max(shape):
        side *= 2
    return noise(kind, random, side)[: shape[0], : shape[1]]


def _textured(colour: Array, texture: Texture, random: np.random.Generator) -> Array:
    height, width = colour.shape[:2]
    if texture == "grain":
        grain = _tile("grain", random, (height, width))
        rows = np.linspace(0, 44 * height / max(height, width), height, dtype=np.float32)[:, None]
        return np.asarray(
            colour * (1 + 0.16 * np.sin(grain * 0.7 + rows) + 0.02 * grain)[..., None], np.float32
        )
    if texture == "rough":
        return np.asarray(colour * (1 + 0.09 * _tile("fine", random, (height, width)))[..., None], np.float32)
    if texture == "veins":
        veins = np.exp(-((np.sin(_tile("mid", random, (height, width)) * 2.3) / 0.16) ** 2))
        return mix(colour, rgb(120, 122, 134), (veins * 0.55)[..., None])
    if texture == "frost":
        return colour + np.float32(0.025) * _tile("mid", random, (height, width))[..., None]
    return colour


def make_of(pixels: Pixels, material: str, random: np.random.Generator) -> Pixels:
    """Return the drawing made out of a material.

    Args:
        pixels: ``(h, w, 4)`` in [0, 1].
        material: A name in `MATERIALS`.
        random: Source of the texture.

    Raises:
        InvalidScene: There is no such material.
    """
    if material not in MATERIALS:
        raise InvalidScene(f"material '{material}' is not known; the materials are {', '.join(MATERIALS)}.")
    look = MATERIALS[material]
    alpha = pixels[..., 3]
    luminance = pixels[..., :3] @ LUMA
    right, down, front = _normals(alpha, luminance)
    lambert = np.clip(-0.42 * right - 0.62 * down + 0.66 * front, 0, 1)
    gloss = np.float32(look.gloss)
    light = gloss * 0.72 * _studio(right, down, front) + (1 - gloss * 0.6) * lambert * 0.85 + 0.03
    light = np.clip(light * (0.62 + 0.38 * front) + gloss * smoothstep(0.94, 1.0, lambert) * 0.35, 0, 1)[
        ..., None
    ]
    dark, middle, bright = rgb(*look.dark), rgb(*look.middle), rgb(*look.light)
    colour = np.where(light < 0.5, mix(dark, middle, light * 2), mix(middle, bright, light * 2 - 1))
    colour = _textured(np.asarray(colour, np.float32), look.texture, random)
    colour = colour * (1 - look.detail * 0.62 + look.detail * 0.95 * luminance)[..., None]
    return np.dstack([np.clip(colour, 0, 1), alpha * np.float32(look.opacity)]).astype(np.float32)
