"""Edits as a trainer wants them: the hard ones often, and some that ask for what is already so.

Law: a planned edit is a function of its seed, world and split. Its kind is drawn first, whatever scenes
allow, so that the shares of kinds are those stated here, whatever the world.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from dataset_builder.scenes.edits import EditKind, SceneEdit, make_edit
from dataset_builder.scenes.sampler import sample_scene
from dataset_builder.scenes.scene import Scene, World
from dataset_builder.scenes.seeds import choose, generator
from dataset_builder.scenes.splits import Split
from dataset_builder.scenes.vocabulary import BACKGROUNDS

SHARES: Final[Mapping[EditKind, float]] = MappingProxyType(
    {
        "add_object": 4,
        "add_accessory": 4,
        "swap": 4,
        "colour": 4,
        "background": 3,
        "remove_accessory": 2,
        "material": 2,
        "time_of_day": 1.5,
        "weather": 1.5,
        "style": 1,
        "remove_object": 1,
    }
)
"""How often each kind is drawn: what a small model got right less often comes more."""
PHOTOGRAPHS: Final = 0.2
"""Share of edits of a photograph as it is, with nothing drawn into it, where the world has photographs: what
most people bring. Without a share of its own it comes in one edit of thirty, and is unlearnt."""
OF_PHOTOGRAPHS: Final[Mapping[EditKind, float]] = MappingProxyType(
    {"style": 5, "time_of_day": 3, "weather": 3}
)
"""How often each kind is drawn of those: each of five styles, three hours and three weathers alike."""
FULFILLED: Final = 0.05
"""Share of edits whose picture already is what the instruction asks for: then nothing changes."""
_SCENES: Final = 400


def shares() -> dict[str, Any]:
    """Return all that planned edits depend on besides their seed, world and split, as JSON holds it."""
    return {
        "kinds": dict(SHARES),
        "photographs": PHOTOGRAPHS,
        "of_photographs": dict(OF_PHOTOGRAPHS),
        "fulfilled": FULFILLED,
    }


def planned_edit(seed: int, *, world: World, split: Split, paraphrase: bool = False) -> SceneEdit | None:
    """Draw a kind, a scene that allows it, and the edit.

    Args:
        seed: Of all draws.
        world: Where the scene comes from.
        split: Of the scene.
        paraphrase: Ask in a way that is never trained on.

    Returns:
        The edit, or None where none of 400 scenes allows one of that kind.

    Raises:
        InvalidScene: The world holds no scene of that split.
    """
    random = generator(seed, "difficulty")
    has_photographs = any(BACKGROUNDS[name].photo for name in world.backgrounds)
    of_photograph = has_photographs and random.random() < PHOTOGRAPHS
    kinds = OF_PHOTOGRAPHS if of_photograph else SHARES
    kind = choose(random, tuple(kinds), tuple(kinds.values()))
    nothing_new = random.random() < FULFILLED and kind != "add_object"  # another cat may be added to a cat
    for _ in range(_SCENES):
        scene = sample_scene(int(random.integers(2**63)), world=world, split=split)
        if of_photograph and not _is_photograph(scene):
            continue
        edit = make_edit(scene, kind, seed, world=world, paraphrase=paraphrase)
        if edit is not None:
            return fulfilled(edit) if nothing_new else edit
    return None


def _is_photograph(scene: Scene) -> bool:
    return not scene.objects and BACKGROUNDS[scene.background].photo is not None


def fulfilled(edit: SceneEdit) -> SceneEdit:
    """Return the edit asked of the picture that it leads to: who does as told changes nothing."""
    return replace(edit, original=edit.edited)


def changes_nothing(edit: SceneEdit) -> bool:
    """Say whether an edit's picture is already what it asks for."""
    return edit.original == edit.edited
