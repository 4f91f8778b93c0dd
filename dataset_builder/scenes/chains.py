"""Exact edits in a row, and the edit that takes one back.

Law: each edit of a chain begins where the one before has ended; an edit and its opposite lead back to the
very scene.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from types import MappingProxyType

from dataset_builder.scenes.edits import EDIT_KINDS, EditKind, SceneEdit, make_edit
from dataset_builder.scenes.scene import Scene, World
from dataset_builder.scenes.seeds import generator

FINAL: frozenset[EditKind] = frozenset({"style"})
"""Kinds that no chain has: a painted picture is not asked for its colours, nor painted back."""
_OPPOSITES: Mapping[EditKind, EditKind] = MappingProxyType(
    {
        "add_accessory": "remove_accessory",
        "remove_accessory": "add_accessory",
        "add_object": "remove_object",
        "remove_object": "add_object",
    }
)
"""Of all other kinds the opposite is of the same kind."""
_TRIES = 200


def sample_chain(
    scene: Scene, length: int, seed: int, *, world: World | None = None
) -> tuple[SceneEdit, ...]:
    """Make edits in a row, no two of one kind after each other.

    Args:
        scene: Where the first begins.
        length: How many are wanted.
        seed: Decides which.
        world: Where new things come from; None means the world that the scene names.

    Returns:
        The edits; fewer where nothing is left to edit.
    """
    chain: list[SceneEdit] = []
    for edit in _walk(scene, seed, world):
        chain.append(edit)
        if len(chain) == length:
            break
    return tuple(chain)


def _walk(scene: Scene, seed: int, world: World | None) -> Iterator[SceneEdit]:
    """Go from scene to scene, until nothing is left to edit."""
    last: EditKind | None = None
    for place in count():
        kinds = [kind for kind in EDIT_KINDS if kind not in FINAL and kind != last]
        generator(scene.seed, f"chain/{seed}/{place}").shuffle(kinds)
        made = (make_edit(scene, kind, seed + place, world=world) for kind in kinds)
        edit = next((edit for edit in made if edit is not None), None)
        if edit is None:
            return
        yield edit
        scene, last = edit.edited, edit.kind


def opposite_of(edit: SceneEdit, *, world: World | None = None) -> SceneEdit | None:
    """Return an edit that leads back to where one began; None where no words are found that ask for it."""
    kind = _OPPOSITES.get(edit.kind, edit.kind)
    made = (make_edit(edit.edited, kind, seed, world=world) for seed in range(_TRIES))
    return next((back for back in made if back is not None and back.edited == edit.original), None)
