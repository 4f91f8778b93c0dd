"""Augmentation of pairs: one view (zoom, crop, flip) for both pictures, and sizes that squash nothing.

References: Brooks et al. (2023, arXiv 2211.09800), App. A.2: pictures are resized a little larger than
needed, cropped at random and flipped; NovelAI's aspect ratio bucketing (2022), for other shapes than square.

Law: the two pictures of a pair are always seen through the same view; a view is a function of the run's seed
and of numbers that say which it is, so a cache of views and a fresh look give the same pixels. A picture is
never stretched: it is resized to cover its size and what stands out is cropped.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MAX_ZOOM: Final = 1.125
"""The paper resizes to 256 to 288 pixels before it crops 256."""
Size = tuple[int, int]
"""Height and width in pixels."""
_SIDES: Final = re.compile(
    r"\b(left|right|leftmost|rightmost|(left|right)[ -]?(hand|side|ward|wards)"
    r"|(anti|counter)?-?clockwise|east|west)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class View:
    """How a pair is looked at.

    Attributes:
        zoom: From 1: how much larger than needed the picture is made before it is cropped.
        across: Place of the crop, 0 (left) to 1 (right).
        down: Place of the crop, 0 (top) to 1 (bottom).
        flipped: Whether it is mirrored, last of all.
    """

    zoom: float = 1.0
    across: float = 0.5
    down: float = 0.5
    flipped: bool = False


def view(seed: int, sample: int, crop: int, *, flipped: bool) -> View:
    """Return a view of a sample: crop 0 is the middle, each other one is drawn from (seed, sample, crop).

    Args:
        seed: Of the run.
        sample: Its number in the dataset.
        crop: Which of the sample's crops.
        flipped: Whether mirrored.
    """
    if crop == 0:
        return View(flipped=flipped)
    draw = random.Random(f"{seed}/view/{sample}/{crop}")  # a text seeds by its hash: equal everywhere
    return View(1 + (MAX_ZOOM - 1) * draw.random(), draw.random(), draw.random(), flipped)


def look(picture: Image.Image, size: Size, view: View) -> NDArray[np.uint8]:
    """Return what a view shows of a picture.

    Args:
        picture: RGB, of any size.
        size: Height and width of the result.
        view: Zoom, crop and flip.

    Returns:
        uint8 (H, W, 3).
    """
    height, width = size
    scale = max(height / picture.height, width / picture.width) * view.zoom
    tall, wide = max(height, round(picture.height * scale)), max(width, round(picture.width * scale))
    if (wide, tall) != picture.size:
        picture = picture.resize((wide, tall), Image.Resampling.LANCZOS)
    left, top = round((wide - width) * view.across), round((tall - height) * view.down)
    picture = picture.crop((left, top, left + width, top + height))
    if view.flipped:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return np.asarray(picture, np.uint8)


def bucket_sizes(resolution: int, step: int, max_aspect: float) -> tuple[Size, ...]:
    """Return the sizes that pictures are brought to: all of about one area, from upright to wide.

    Args:
        resolution: Side of the square one.
        step: All sides are multiples of it; `resolution` too.
        max_aspect: Longest side over shortest, from 1, which leaves the square alone.
    """
    area, sizes = resolution**2, {(resolution, resolution)}
    for short in range(step, resolution, step):
        long = area // short // step * step
        if long / short <= max_aspect:
            sizes |= {(short, long), (long, short)}
    return tuple(sorted(sizes))


def nearest_bucket(height: int, width: int, sizes: Sequence[Size]) -> Size:
    """Return the size whose aspect is nearest, by ratio."""
    aspect = math.log(width / height)
    return min(sizes, key=lambda size: (abs(math.log(size[1] / size[0]) - aspect), size))


def names_a_side(text: str) -> bool:
    """Say whether an instruction speaks of left or right: its pair must not be mirrored."""
    return _SIDES.search(text) is not None
