"""Plain backdrops: one colour, a little brighter in the middle, as in a photographer's studio.

Law: a plain backdrop has no hour and no weather; its layout is a pure function of (colour, seed, size).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import numpy as np

from dataset_builder.scenes.paint.canvas import Array, mix, rgb, smoothstep
from dataset_builder.scenes.paint.layout import Layout, Painter

PLAIN_COLOURS: Final[Mapping[str, Array]] = MappingProxyType(
    {
        "red": rgb(206, 64, 60),
        "orange": rgb(244, 150, 70),
        "yellow": rgb(244, 206, 84),
        "green": rgb(90, 170, 96),
        "blue": rgb(70, 120, 200),
        "purple": rgb(146, 100, 190),
        "pink": rgb(244, 164, 190),
        "grey": rgb(164, 168, 174),
        "white": rgb(244, 244, 242),
    }
)


def plain(colour: str, seed: int, size: int) -> Layout:
    """A sweep of coloured paper: wall and floor without an edge."""
    p = Painter(f"plain {colour}", seed, size)
    random = p.random("sweep")
    bend = random.uniform(0.62, 0.76)
    spot = np.hypot(p.xx - random.uniform(0.4, 0.6), p.yy - 0.42)
    paper = PLAIN_COLOURS[colour] * (1.06 - 0.28 * spot)[..., None]
    paper = mix(paper, paper * 0.90, smoothstep(bend - 0.05, bend + 0.08, p.yy)[..., None])
    paper = paper + (p.noise("fine", "paper") * (1.5 / 255))[..., None]
    p.lay(np.ones((size, size), np.float32), np.asarray(paper, np.float32), depth=0.0)
    return p.finish(horizon=bend, ground=(bend + 0.08, 0.95), haze=0.0)
