"""Draw a scene: backdrop, objects in one light with their shadows, weather in front, style over everything.

Everything is painted at twice the size and box-filtered once. Each layer draws from its own generator,
seeded by (scene seed, layer), so an edit of one field changes only its layer.

Law: a picture is a pure function of (scene, size); two scenes that differ in one object's colour, material or
clothes differ in no pixel outside that object's silhouettes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from dataset_builder.scenes.paint import styles, weather
from dataset_builder.scenes.paint.atmosphere import Atmosphere
from dataset_builder.scenes.paint.canvas import halve
from dataset_builder.scenes.paint.light import cast_shadow, shade
from dataset_builder.scenes.paint.objects.characters import CENTRE, FIGURE_HEIGHT, HEIGHT, WIDTH, figure
from dataset_builder.scenes.paint.objects.materials import make_of
from dataset_builder.scenes.paint.objects.recolour import recolour
from dataset_builder.scenes.paint.objects.sprites import (
    Pixels,
    master_size_for,
    noun_master,
    rgba_image,
    rgba_pixels,
    scaled,
)
from dataset_builder.scenes.paint.places.register import Backdrop, paint
from dataset_builder.scenes.scene import CHECKS, Scene, SceneObject
from dataset_builder.scenes.seeds import generator
from dataset_builder.scenes.vocabulary import BACKGROUNDS, noun

Mask = npt.NDArray[np.bool_]
_SIZES = (32, 512)
_DRY = ("room", "plain", "space")  # places where no weather comes between viewer and scene


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RenderedScene:
    """A drawn scene.

    Attributes:
        image: uint8 ``(H, W, 3)``.
        object_masks: One bool ``(H, W)`` for each object of the scene, in its order: the pixels it can be
            seen in.
    """

    image: npt.NDArray[np.uint8]
    object_masks: tuple[Mask, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Cutout:
    """An object ready to be laid on the canvas: its pixels, silhouette, and upper left corner there."""

    pixels: Pixels
    silhouette: Pixels
    left: int
    top: int
    foot: float


def _drawn(item: SceneObject, side: int, random: np.random.Generator) -> tuple[Pixels, Pixels, float]:
    """Draw an object by itself: pixels, silhouette ``(h, w)``, and how many rows lie below its feet."""
    entry = noun(item.noun)
    if item.is_character:
        height = max(8, round(item.size * side * HEIGHT / FIGURE_HEIGHT))
        pixels = figure(
            entry, item.depiction, pixels_high=height, colour=item.colour, shirt=item.shirt, worn=item.worn
        )
        below = 3.0 * height / HEIGHT
    else:
        wanted = item.size * side
        master = noun_master(entry, item.depiction, master_size_for(wanted))
        pixels = rgba_pixels(scaled(master, wanted / max(master.size)))
        if item.colour:
            pixels = recolour(pixels, item.colour)
        below = 0.0
    silhouette = pixels[..., 3]
    if item.material:
        pixels = make_of(pixels, item.material, random)
    if item.flip:
        pixels, silhouette = pixels[:, ::-1], silhouette[:, ::-1]
    return pixels, silhouette, below


def _turned(pixels: Pixels, silhouette: Pixels, degrees: float) -> tuple[Pixels, Pixels]:
    """Rotate an object about its middle, on a canvas that grows with it."""
    solid = pixels.copy()
    solid[..., 3] = silhouette
    outline = rgba_image(solid).rotate(degrees, Image.Resampling.BICUBIC, expand=True)
    turned = rgba_image(pixels).rotate(degrees, Image.Resampling.BICUBIC, expand=True)
    return rgba_pixels(turned), rgba_pixels(outline)[..., 3]


def foot_of(item: SceneObject, backdrop: Backdrop) -> float:
    """Return the y of an object's feet: where it was put, moved to where the place lets it stand or float."""
    if item.airborne:
        return item.y
    low, high = backdrop.ground
    if backdrop.water is not None and noun(item.noun).kind == "vessel":
        low, high = backdrop.water
    return min(max(item.y, low), max(high, low))


def _cutout(item: SceneObject, backdrop: Backdrop, side: int, random: np.random.Generator) -> _Cutout:
    pixels, silhouette, below = _drawn(item, side, random)
    foot = foot_of(item, backdrop)
    bottom = foot * side + below
    if item.turn:
        height = pixels.shape[0]
        pixels, silhouette = _turned(pixels, silhouette, item.turn)
        bottom += (pixels.shape[0] - height) / 2
    middle = CENTRE / WIDTH if item.is_character else 0.5
    left = round(item.x * side - pixels.shape[1] * (1 - middle if item.flip else middle))
    return _Cutout(
        shade(np.ascontiguousarray(pixels), backdrop.light),
        silhouette,
        left,
        round(bottom) - pixels.shape[0],
        foot,
    )


def _window(cut: _Cutout, side: int) -> tuple[tuple[slice, slice], tuple[slice, slice]] | None:
    """Return where a cut-out meets the canvas: rows and columns of the canvas, and of the cut-out."""
    height, width = cut.silhouette.shape
    top, bottom = max(cut.top, 0), min(cut.top + height, side)
    left, right = max(cut.left, 0), min(cut.left + width, side)
    if top >= bottom or left >= right:
        return None
    inner = (slice(top - cut.top, bottom - cut.top), slice(left - cut.left, right - cut.left))
    return (slice(top, bottom), slice(left, right)), inner


def _lay(
    canvas: Pixels, cut: _Cutout, item: SceneObject, backdrop: Backdrop
) -> tuple[Pixels, Pixels, Pixels]:
    """Lay one object and its shadow on the canvas; returns canvas, silhouette and opacity ``(H, W)``."""
    side = canvas.shape[0]
    outline, opacity = np.zeros((side, side), np.float32), np.zeros((side, side), np.float32)
    window = _window(cut, side)
    if window is None:
        return canvas, outline, opacity
    outer, inner = window
    outline[outer] = cut.silhouette[inner]
    opacity[outer] = cut.pixels[inner][..., 3]
    if not item.airborne:
        canvas = cast_shadow(canvas, outline, cut.foot, backdrop.light)
    alpha = opacity[outer][..., None]
    canvas[outer] += (cut.pixels[inner][..., :3] - canvas[outer]) * alpha
    return canvas, outline, opacity


def _visible(outlines: list[Pixels], opacities: list[Pixels]) -> list[Mask]:
    """Return, back to front, the output pixels that each object touches and nothing opaque hides."""
    masks = []
    for index, outline in enumerate(outlines):
        seen = outline > 0
        for opacity in opacities[index + 1 :]:
            seen &= opacity < 1
        masks.append(np.asarray(seen[::2, ::2] | seen[1::2, ::2] | seen[::2, 1::2] | seen[1::2, 1::2]))
    return masks


@lru_cache(maxsize=4)
def _backdrop(name: str, atmosphere: Atmosphere, side: int) -> Backdrop:
    """Paint a place once for all the scenes of one edit that share it; callers must not write to it."""
    return paint(name, atmosphere, size=side)


def render_scene(scene: Scene, size: int = 128) -> RenderedScene:
    """Draw a scene at a size.

    Args:
        scene: What to draw.
        size: Side of the square picture in pixels, from 32 to 512.

    Raises:
        InvalidScene: The size is out of range.
        MissingArtwork: An artwork set that the scene needs is not on this machine.
    """
    CHECKS.whole_number("size", size, *_SIZES)
    side = 2 * size
    atmosphere = Atmosphere.of(scene)
    backdrop = _backdrop(scene.background, atmosphere, side)
    canvas = np.array(backdrop.image, np.float32)  # a copy: the backdrop is shared
    order = sorted(range(len(scene.objects)), key=lambda index: foot_of(scene.objects[index], backdrop))
    outlines, opacities = [], []
    for index in order:
        item = scene.objects[index]
        cut = _cutout(item, backdrop, side, generator(scene.seed, f"material/{index}"))
        canvas, outline, opacity = _lay(canvas, cut, item, backdrop)
        outlines.append(outline)
        opacities.append(opacity)
    if BACKGROUNDS[scene.background].kind not in _DRY:
        canvas = weather.apply(canvas, atmosphere)
    image = (np.clip(halve(canvas), 0, 1) * 255 + 0.5).astype(np.uint8)
    if scene.style:
        image = styles.apply(scene.style, image, seed=scene.seed)
    masks = dict(zip(order, _visible(outlines, opacities), strict=True))
    return RenderedScene(image=image, object_masks=tuple(masks[index] for index in range(len(order))))
