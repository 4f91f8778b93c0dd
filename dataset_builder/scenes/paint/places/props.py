"""Things that belong to a place and are drawn here: trees, palms, cacti, bushes, houses, plants, lamps.

Each prop is a small cut-out in neutral light, drawn once per (kind, variant, height) at four times its size
and kept in a small cache.

Law: a prop is a pure function of its name, variant and height in pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from dataset_builder.scenes.paint.canvas import Array
from dataset_builder.scenes.paint.layout import Painter
from dataset_builder.scenes.seeds import generator

VARIANTS: Final = 6  # different drawings of each kind
_UNIT: Final = 4  # supersampling of a prop
_STEP: Final = 1.12  # ratio of neighbouring heights

Fill = tuple[int, int, int]
Brush = Callable[[ImageDraw.ImageDraw, float, float, np.random.Generator], None]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Prop:
    """A cut-out: colour ``(h, w, 3)``, coverage, relief and lamps ``(h, w)``."""

    colour: Array
    alpha: Array
    relief: Array
    lamps: Array


def _shadeable(fill: Fill, amount: float) -> Fill:
    """Return a lighter (> 1) or darker (< 1) colour."""
    red, green, blue = (int(min(255, channel * amount)) for channel in fill)
    return red, green, blue


def _pine(draw: ImageDraw.ImageDraw, w: float, h: float, random: np.random.Generator) -> None:
    """Three to five skirts of needles on a short trunk."""
    green = [(38, 92, 62), (48, 104, 58), (30, 80, 66)][int(random.integers(3))]
    draw.rectangle((w * 0.44, h * 0.82, w * 0.56, h), fill=(92, 62, 42))
    skirts = int(random.integers(3, 6))
    for index in reversed(range(skirts)):
        top = h * 0.86 * index / (skirts + 0.6)
        bottom = h * 0.90 * (index + 1.7) / (skirts + 0.7)
        reach = w * (0.16 + 0.34 * (index + 1) / skirts)
        points = [(w / 2, top), (w / 2 + reach, bottom), (w / 2, bottom - h * 0.03), (w / 2 - reach, bottom)]
        draw.polygon(points, fill=_shadeable(green, 1.16 - 0.10 * (index % 2) - 0.06 * index))


def _tree(draw: ImageDraw.ImageDraw, w: float, h: float, random: np.random.Generator) -> None:
    """A trunk under a crown of overlapping balls."""
    green = [(74, 138, 58), (92, 152, 62), (58, 124, 66), (112, 150, 58)][int(random.integers(4))]
    draw.polygon([(w * 0.44, h * 0.5), (w * 0.56, h * 0.5), (w * 0.59, h), (w * 0.41, h)], fill=(106, 74, 50))
    for index in range(11):
        angle, reach = random.uniform(0, 6.3), random.uniform(0, 0.24)
        x, y = w * (0.5 + reach * np.cos(angle)), h * (0.34 + 0.9 * reach * np.sin(angle))
        radius = w * random.uniform(0.18, 0.25)
        fill = _shadeable(green, 0.84 + 0.04 * index - 0.12 * np.sin(angle))
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)


def _autumn(draw: ImageDraw.ImageDraw, w: float, h: float, random: np.random.Generator) -> None:
    """A tree in autumn colours."""
    leaf = [(206, 96, 36), (226, 150, 44), (184, 62, 40), (216, 176, 60)][int(random.integers(4))]
    draw.polygon([(w * 0.45, h * 0.5), (w * 0.55, h * 0.5), (w * 0.58, h), (w * 0.42, h)], fill=(86, 60, 46))
    for index in range(11):
        angle, reach = random.uniform(0, 6.3), random.uniform(0, 0.25)
        x, y = w * (0.5 + reach * np.cos(angle)), h * (0.36 + 0.9 * reach * np.sin(angle))
        radius = w * random.uniform(0.16, 0.24)
        fill = _shadeable(leaf, 0.84 + 0.04 * index - 0.12 * np.sin(angle))
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)


def _palm(draw: ImageDraw.ImageDraw, w: float, h: float, random: np.random.Generator) -> None:
    """A bent trunk with a star of leaves."""
    lean = random.uniform(-0.16, 0.16)
    top = (w * (0.5 + lean), h * 0.26)
    trunk = [(w * (0.5 + lean * (1 - t) ** 2), h * (0.26 + 0.74 * t)) for t in np.linspace(0, 1, 8)]
    draw.line(trunk, fill=(142, 106, 70), width=max(1, int(w * 0.07)), joint="curve")
    for index in range(7):
        angle = np.pi * (1.0 + index / 6.0) + random.uniform(-0.15, 0.15)
        reach = w * random.uniform(0.36, 0.46)
        tip = (top[0] + reach * np.cos(angle), top[1] + reach * np.sin(angle) * 0.55 + h * 0.10)
        middle = (top[0] + reach * 0.5 * np.cos(angle), top[1] + reach * 0.5 * np.sin(angle) - h * 0.05)
        fill = _shadeable((56, 140, 66), 0.85 + 0.07 * (index % 4))
        draw.line([top, middle, tip], fill=fill, width=max(1, int(w * 0.07)), joint="curve")


def _cactus(draw: ImageDraw.ImageDraw, w: float, h: float, random: np.random.Generator) -> None:
    """A column with one or two arms."""
    green = (72, 140, 78)
    radius = w * 0.13
    draw.rounded_rectangle((w / 2 - radius, 0, w / 2 + radius, h * 1.1), radius, fill=green)
    for side in (-1, 1):
        if side > 0 and random.random() < 0.3:
            continue
        low, high, arm = random.uniform(0.45, 0.65), random.uniform(0.15, 0.35), radius * 0.75
        x = w / 2 + side * w * 0.34
        draw.rounded_rectangle((x - arm, h * high, x + arm, h * low + arm), arm, fill=_shadeable(green, 0.94))
        draw.rectangle(
            (min(x, w / 2), h * low - arm, max(x, w / 2), h * low + arm), fill=_shadeable(green, 0.94)
        )
    draw.rounded_rectangle(
        (w / 2 - radius * 0.2, h * 0.04, w / 2 + radius * 0.1, h), radius, fill=(104, 168, 100)
    )


def _bush(draw: ImageDraw.ImageDraw, w: float, h: float, random: np.random.Generator) -> None:
    """A low heap of leaves, sometimes in flower."""
    green = [(70, 134, 64), (88, 146, 60), (56, 116, 62)][int(random.integers(3))]
    for index in range(9):
        x, y = w * random.uniform(0.2, 0.8), h * random.uniform(0.45, 0.85)
        radius = w * random.uniform(0.14, 0.24)
        draw.ellipse(
            (x - radius, y - radius, x + radius, y + radius), fill=_shadeable(green, 0.85 + 0.04 * index)
        )
    if random.random() < 0.5:
        bloom = [(240, 110, 140), (250, 236, 240), (250, 210, 80)][int(random.integers(3))]
        for _ in range(12):
            x, y, radius = w * random.uniform(0.12, 0.88), h * random.uniform(0.32, 0.9), w * 0.045
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=bloom)


def _house(draw: ImageDraw.ImageDraw, w: float, h: float, random: np.random.Generator) -> None:
    """A wall, a gable roof, a door and two windows (their places: ``_house_lamps``)."""
    wall = [(236, 224, 200), (206, 92, 76), (222, 190, 140), (200, 214, 220)][int(random.integers(4))]
    roof = [(150, 66, 54), (96, 80, 78), (120, 84, 60)][int(random.integers(3))]
    draw.rectangle((w * 0.14, h * 0.42, w * 0.86, h), fill=wall)
    draw.polygon([(w * 0.04, h * 0.46), (w * 0.5, h * 0.06), (w * 0.96, h * 0.46)], fill=roof)
    draw.rectangle((w * 0.43, h * 0.66, w * 0.57, h), fill=(112, 74, 52))
    for box in _house_lamps(w, h):
        draw.rectangle(box, fill=(84, 106, 130))


def _house_lamps(w: float, h: float) -> tuple[tuple[float, float, float, float], ...]:
    """Return the windows of the house."""
    return (w * 0.21, h * 0.56, w * 0.36, h * 0.74), (w * 0.64, h * 0.56, w * 0.79, h * 0.74)


def _plant(draw: ImageDraw.ImageDraw, w: float, h: float, random: np.random.Generator) -> None:
    """A pot with long leaves."""
    pot = [(190, 102, 70), (226, 220, 210), (96, 120, 150)][int(random.integers(3))]
    for index in range(9):
        angle = np.pi * (1.08 + 0.84 * index / 8)
        tip = (w * (0.5 + 0.44 * np.cos(angle)), h * (0.62 + 0.58 * np.sin(angle)))
        fill = _shadeable((62, 132, 74), 0.82 + 0.09 * (index % 4))
        draw.line([(w / 2, h * 0.68), tip], fill=fill, width=max(1, int(w * 0.11)))
    draw.polygon([(w * 0.28, h * 0.64), (w * 0.72, h * 0.64), (w * 0.64, h), (w * 0.36, h)], fill=pot)
    draw.rectangle((w * 0.25, h * 0.62, w * 0.75, h * 0.70), fill=_shadeable(pot, 1.08))


def _street_lamp(draw: ImageDraw.ImageDraw, w: float, h: float, random: np.random.Generator) -> None:
    """A mast with a lantern (its place: ``_street_lamp_lamps``)."""
    draw.rectangle((w * 0.46, h * 0.14, w * 0.54, h), fill=(62, 66, 74))
    draw.rectangle((w * 0.36, h * 0.96, w * 0.64, h), fill=(62, 66, 74))
    draw.ellipse(_street_lamp_lamps(w, h)[0], fill=(226, 222, 206))


def _street_lamp_lamps(w: float, h: float) -> tuple[tuple[float, float, float, float], ...]:
    """Return the lantern."""
    return ((w * 0.22, 0.0, w * 0.78, h * 0.17),)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Kind:
    """How to draw a kind of prop: width over height, brush, lamps, roundness, and how snow settles."""

    width: float
    brush: Brush
    lamps: Callable[[float, float], tuple[tuple[float, float, float, float], ...]] | None = None
    round: float = 1.0
    snow: float = 0.55


_KINDS: Final[Mapping[str, _Kind]] = MappingProxyType(
    {
        "pine": _Kind(width=0.62, brush=_pine),
        "tree": _Kind(width=0.80, brush=_tree, snow=0.4),
        "autumn tree": _Kind(width=0.80, brush=_autumn, snow=0.4),
        "palm": _Kind(width=0.95, brush=_palm, snow=0.3),
        "cactus": _Kind(width=0.85, brush=_cactus, snow=0.3),
        "bush": _Kind(width=1.40, brush=_bush),
        "house": _Kind(width=1.15, brush=_house, lamps=_house_lamps, round=0.5, snow=0.8),
        "plant": _Kind(width=0.75, brush=_plant, snow=0.0),
        "street lamp": _Kind(width=0.28, brush=_street_lamp, lamps=_street_lamp_lamps, snow=0.1),
    }
)


@lru_cache(maxsize=1024)
def _prop(kind: str, variant: int, height: int) -> Prop:
    """Draw one prop ``height`` pixels tall (cached, read-only)."""
    spec = _KINDS[kind]
    width = max(3, round(height * spec.width))
    w, h = float(width * _UNIT), float(height * _UNIT)
    layer = Image.new("RGB", (int(w), int(h)), (0, 0, 0))
    coverage = Image.new("RGB", (int(w), int(h)), (0, 0, 0))
    spec.brush(ImageDraw.Draw(layer), w, h, generator(variant, f"prop/{kind}"))
    coverage = (
        layer.point(lambda value: 255 if value else 0).convert("L").point(lambda value: 255 if value else 0)
    )
    lamps = Image.new("L", (int(w), int(h)), 0)
    for lamp in spec.lamps(w, h) if spec.lamps else ():
        ImageDraw.Draw(lamps).rectangle(lamp, fill=255)
    small = (width, height)
    weight = np.asarray(coverage.resize(small, Image.Resampling.BOX), np.float32) / 255.0
    colour = np.asarray(layer.resize(small, Image.Resampling.BOX), np.float32) / 255.0
    colour = colour / np.maximum(weight, (1 / 64))[..., None]
    soft = np.asarray(coverage.filter(ImageFilter.GaussianBlur(w * 0.12)).resize(small), np.float32) / 255.0
    relief = -np.gradient(soft, axis=1) * (width * 0.32 * spec.round)
    lamp_mask = np.asarray(lamps.resize(small, Image.Resampling.BOX), np.float32) / 255.0
    arrays = [np.clip(part, low, 1).astype(np.float32) for part, low in ((colour, 0), (relief, -1))]
    for part in (*arrays, weight, lamp_mask):
        part.setflags(write=False)
    return Prop(colour=arrays[0], alpha=weight, relief=arrays[1], lamps=lamp_mask)


def stand(
    painter: Painter,
    kind: str,
    random: np.random.Generator,
    *,
    x: float,
    foot: float,
    height: float,
    depth: float,
) -> None:
    """Stand a random variant of a prop in a place; ``height`` is a fraction of the picture."""
    # heights go up in steps, so that few drawings serve all
    pixels = round(_STEP ** round(np.log(max(height * painter.size, 4.0)) / np.log(_STEP)))
    prop = _prop(kind, int(random.integers(VARIANTS)), pixels)
    down = np.linspace(1.0, 0.25, pixels, dtype=np.float32)[:, None]
    painter.stamp(
        prop.colour,
        prop.alpha,
        x=x,
        foot=foot,
        depth=depth,
        flat=np.broadcast_to(down * _KINDS[kind].snow, prop.alpha.shape),
        relief=prop.relief,
        lamps=prop.lamps,
    )
