"""Edits as a trainer wants them: the hard ones often, and some that ask for what is already so.

Law: a planned edit is a function of its seed, world and split. Its kind is drawn first, whatever scenes
allow, so that the shares of kinds are those of `SHARES`, whatever the world.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from dataset_builder.scenes.edits import EditKind, SceneEdit, make_edit
from dataset_builder.scenes.sampler import sample_scene
from dataset_builder.scenes.scene import World
from dataset_builder.scenes.seeds import choose, generator
from dataset_builder.scenes.splits import Split

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
FULFILLED: Final = 0.05
"""Share of edits whose picture already is what the instruction asks for: then nothing changes."""
_SCENES: Final = 400


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
    kind = choose(random, tuple(SHARES), tuple(SHARES.values()))
    nothing_new = random.random() < FULFILLED and kind != "add_object"  # another cat may be added to a cat
    for _ in range(_SCENES):
        scene = sample_scene(int(random.integers(2**63)), world=world, split=split)
        edit = make_edit(scene, kind, seed, world=world, paraphrase=paraphrase)
        if edit is not None:
            return fulfilled(edit) if nothing_new else edit
    return None


def fulfilled(edit: SceneEdit) -> SceneEdit:
    """Return the edit asked of the picture that it leads to: who does as told changes nothing."""
    return replace(edit, original=edit.edited)


def changes_nothing(edit: SceneEdit) -> bool:
    """Say whether an edit's picture is already what it asks for."""
    return edit.original == edit.edited
