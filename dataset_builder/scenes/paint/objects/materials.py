"""Make a drawing out of gold, wood, ice, ...: its silhouette becomes a relief, lit as the material.

The relief is the sum of blurred silhouettes (a rounded body) and of the drawing's own luminance (its
details), after the bump maps of J. Blinn, "Simulation of Wrinkled Surfaces" (1978). Shiny materials reflect
a small procedural studio (bright sky, dark horizon, a window), matte ones get Lambert's light; a ramp of
three colours turns light into colour.

Law: the silhouette never changes: alpha is the drawing's alpha times the material's opacity.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from dataset_builder.scenes.paint.canvas import Array, mix, noise, rgb, smoothstep
from dataset_builder.scenes.paint.objects.recolour import LUMA
from dataset_builder.scenes.paint.objects.sprites import Pixels
from dataset_builder.scenes.scene import CHECKS
from dataset_builder.scenes.vocabulary import MATERIALS

_SCALES = ((3.0, 1.0), (7.0, 2.0), (15.0, 4.0), (26.0, 5.0))  # blur radius at a 160 px drawing, and weight


def _normals(alpha: Array, luminance: Array) -> tuple[Array, Array, Array]:
    """Return the surface normal of the relief per pixel: right, down, towards the viewer."""
    height, width = alpha.shape
    scale = max(height, width) / 160
    silhouette = Image.fromarray((alpha * 255).astype(np.uint8))
    details = Image.fromarray((np.clip(luminance, 0, 1) * 255).astype(np.uint8))
    fine = details.filter(ImageFilter.GaussianBlur(1.2 * scale))
    relief = np.asarray(fine, np.float32) * (7 * scale / 255)
    for radius, weight in _SCALES:
        soft = silhouette.filter(ImageFilter.BoxBlur(radius * scale * 1.2))
        relief = relief + np.asarray(soft, np.float32) * (weight * radius * scale * 0.22 / 255)
    down, right = np.gradient(relief)
    length = np.sqrt(down * down + right * right + 1)
    return -right / length, -down / length, 1 / length


def _studio(right: Array, down: Array, front: Array) -> Array:
    """Return what a studio mirrors to the viewer: bright above, dark at the horizon, one window."""
    reflected_right, reflected_down = 2 * front * right, 2 * front * down
    sky = smoothstep(0.05, -0.75, reflected_down)
    floor = 0.45 * smoothstep(0.1, 0.85, reflected_down)
    away = np.hypot(reflected_right + 0.45, reflected_down + 0.5)
    window = smoothstep(0.38, 0.2, away)
    return np.asarray(np.clip(0.12 + 0.75 * sky + floor + 0.6 * window, 0, 1), np.float32)


def _tile(kind: str, random: np.random.Generator, shape: tuple[int, int]) -> Array:
    side = 64
    while side < max(shape):
        side *= 2
    return noise(kind, random, side)[: shape[0], : shape[1]]


def _textured(colour: Array, texture: str, random: np.random.Generator) -> Array:
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
        return colour + 0.025 * _tile("mid", random, (height, width))[..., None]
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
    CHECKS.choice("material", material, MATERIALS)
    look = MATERIALS[material]
    alpha = pixels[..., 3]
    luminance = pixels[..., :3] @ LUMA
    right, down, front = _normals(alpha, luminance)
    lambert = np.clip(-0.42 * right - 0.62 * down + 0.66 * front, 0, 1)
    gloss = look.gloss
    light = gloss * 0.72 * _studio(right, down, front) + (1 - gloss * 0.6) * lambert * 0.85 + 0.03
    light = np.clip(light * (0.62 + 0.38 * front) + gloss * smoothstep(0.94, 1.0, lambert) * 0.35, 0, 1)[
        ..., None
    ]
    dark, middle, bright = rgb(*look.dark), rgb(*look.middle), rgb(*look.light)
    colour = np.where(light < 0.5, mix(dark, middle, light * 2), mix(middle, bright, light * 2 - 1))
    colour = _textured(np.asarray(colour, np.float32), look.texture, random)
    colour = colour * (1 - look.detail * 0.62 + look.detail * 0.95 * luminance)[..., None]
    return np.dstack([np.clip(colour, 0, 1), alpha * look.opacity]).astype(np.float32)
