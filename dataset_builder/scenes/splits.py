"""The held-out split: attribute combinations and drawings that a hash sets aside for testing.

Set aside are some (noun, background), (noun, colour), (noun, material), (noun, accessory), (noun, style),
(background, time, weather) combinations, and some drawings of nouns. A scene with any of them is held out.

Law: the split is a pure function of the words of a scene and the artwork of its world: no seed, order or run
changes it. The first drawing of a noun in a world is never set aside, so that each noun can be learnt.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal

from dataset_builder.scenes.scene import Scene, World
from dataset_builder.scenes.vocabulary import noun
from dataset_builder.scenes.worlds import world_of

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
def depiction_held_out(name: str, depiction: str, drawing_sets: tuple[str, ...]) -> bool:
    """Say whether a drawing of a noun is held out.

    Args:
        name: The noun.
        depiction: One of its drawings.
        drawing_sets: Those of the world; the noun's first drawing in them never is held out, nor is its first
            head.
    """
    first_of_part = next(
        (
            known
            for known in noun(name).depictions(drawing_sets)
            if known.endswith(":head") == depiction.endswith(":head")
        ),
        None,
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


def split_of(scene: Scene, world: World | None = None) -> Split:
    """Return the split a scene belongs to.

    Args:
        scene: The scene.
        world: Where it comes from; None means the world that the scene names.

    Raises:
        InvalidScene: The scene's world is not a named one, and none is given.
    """
    sets = world_of(scene, world).drawing_sets
    if any(_set_aside(*words) for words in combinations(scene)):
        return "held_out"
    if any(depiction_held_out(item.noun, item.depiction, sets) for item in scene.objects):
        return "held_out"
    return "train"
