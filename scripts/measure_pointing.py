#!/usr/bin/env python
"""How well a thing is selected by pointing at it: overlap with the exact masks of held-out scenes.

    scripts/measure_pointing.py --num 100        # under a minute

Each scene's first thing is pointed at near its middle. Told is intersection over union with the thing's own
mask, the mean with its 95 % interval: of the model that draws, of the one that edits, and of two ways that
know no pictures, each at the setting that suits all scenes best: a disc around the place, and the colours
like the place's that hang together with it (flood fill).
"""

import argparse
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.segmentation import flood

from dataset_builder.scenes import WORLDS, render_scene, sample_scene
from editors import InstructPix2PixEditor, PromptToPromptEditor
from evaluation.figures import interval

FIRST_SEED = 50_000
RADII = (15, 25, 35, 45)
"""Of discs, in hundredths of the side."""
TOLERANCES = (20, 40, 60, 90, 120)
"""Levels by which a colour may differ in flood fill."""
Mask = NDArray[np.bool_]


class Case(NamedTuple):
    """A scene, the mask of a thing in it, and the place that is pointed at, (x, y)."""

    picture: NDArray[np.uint8]
    truth: Mask
    place: tuple[int, int]


def cases(world: str, num: int, size: int) -> Iterator[Case]:
    """Draw scenes whose first thing is neither a speck nor all there is."""
    draw = np.random.default_rng(0)
    seed, found = FIRST_SEED, 0
    while found < num:
        scene = render_scene(sample_scene(seed, world=WORLDS[world], split="held_out"), size)
        seed += 1
        if not scene.object_masks or not 0.01 < scene.object_masks[0].mean() < 0.6:
            continue
        found += 1
        rows, columns = np.nonzero(scene.object_masks[0])
        distance = (rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2
        at = draw.choice(np.argsort(distance)[: max(1, len(distance) // 4)])
        yield Case(scene.image, scene.object_masks[0], (int(columns[at]), int(rows[at])))


def overlap(one: Mask, other: Mask) -> float:
    """Return intersection over union."""
    return float((one & other).sum() / (one | other).sum())


def disc(case: Case, radius: float) -> Mask:
    """Return the pixels within a radius, in pixels, of the place."""
    rows, columns = np.mgrid[: case.truth.shape[0], : case.truth.shape[1]]
    x, y = case.place
    inside: Mask = (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
    return inside


def alike(case: Case, tolerance: int) -> Mask:
    """Return the pixels like the place that hang together with it."""
    x, y = case.place
    near = np.abs(case.picture.astype(int) - case.picture[y, x]).max(-1) <= tolerance
    found: Mask = flood(near, (y, x))
    return found


def main() -> None:
    """Measure, and print a row for each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--num", type=int, default=100)
    parser.add_argument("--world", default="pocket", choices=sorted(WORLDS))
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--model", default="pocket")
    options = parser.parse_args()
    asked = list(cases(options.world, options.num, options.size))
    rows: dict[str, list[float]] = {}
    for name, kind in (
        ("model that draws", PromptToPromptEditor),
        ("model that edits", InstructPix2PixEditor),
    ):
        editor = kind.from_pretrained(options.model)
        rows[name] = [
            overlap(editor.things(Image.fromarray(one.picture)).at(*one.place) > 0, one.truth)
            for one in asked
        ]
    discs = [[overlap(disc(one, r * options.size / 100), one.truth) for one in asked] for r in RADII]
    floods = [[overlap(alike(one, tolerance), one.truth) for one in asked] for tolerance in TOLERANCES]
    rows |= {"best disc": max(discs, key=np.mean), "best flood fill": max(floods, key=np.mean)}
    for name, values in rows.items():
        found = interval(values)
        print(f"{name:18} {found.mean:.2f} [{found.low:.2f}, {found.high:.2f}]")


if __name__ == "__main__":
    main()
