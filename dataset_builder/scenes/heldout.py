"""What is never trained on: attribute combinations and drawings that a hash sets aside for testing.

Set aside are some (noun, background), (noun, colour), (noun, material), (noun, accessory), (noun, style),
(background, time, weather) combinations, and some drawings of nouns. A scene with any of them is held out.

Law: the split is a pure function of the words of a scene: no seed, world, order or run changes it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal

from .scene import DRAWING_SETS, Scene
from .vocabulary import noun

Split = Literal["train", "held_out"]

# Share of each kind of combination that is held out, in thousandths.
_SHARES = {
    "background": 60,
    "colour": 80,
    "material": 80,
    "accessory": 80,
    "style": 60,
    "circumstance": 60,
    "depiction": 130,
}


@lru_cache(maxsize=65536)
def _set_aside(kind: str, *words: str) -> bool:
    digest = hashlib.blake2b("/".join(("held out", kind, *words)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % 1000 < _SHARES[kind]


@lru_cache(maxsize=8192)
def depiction_held_out(name: str, depiction: str) -> bool:
    """Say whether a drawing of a noun is held out; its first one never is, so that each can be learnt."""
    first_of_part = next(
        known
        for known in noun(name).depictions(DRAWING_SETS)
        if known.endswith(":head") == depiction.endswith(":head")
    )
    return depiction != first_of_part and _set_aside("depiction", name, depiction)


def combinations(scene: Scene) -> Iterator[tuple[str, ...]]:
    """Yield the combinations in a scene that the split looks at, as (kind, word, word, ...)."""
    if (scene.time_of_day, scene.weather) != ("day", "clear"):
        yield ("circumstance", scene.background, scene.time_of_day, scene.weather)
    for item in scene.objects:
        yield ("background", item.noun, scene.background)
        if item.colour:
            yield ("colour", item.noun, item.colour)
        if item.material:
            yield ("material", item.noun, item.material)
        if scene.style:
            yield ("style", item.noun, scene.style)
        for worn in item.worn:
            yield ("accessory", item.noun, worn.name)


def split_of(scene: Scene) -> Split:
    """Return the split a scene belongs to."""
    if any(_set_aside(*words) for words in combinations(scene)):
        return "held_out"
    if any(depiction_held_out(item.noun, item.depiction) for item in scene.objects):
        return "held_out"
    return "train"
