"""Exact edits: a scene, what to change about it in words, and the scene that results.

Law: both scenes share the seed, and differ only in what `kind` names, so their pictures differ only in the
layers that it touches. An edit of a training scene leads to a training scene.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

from dataset_builder.scenes import changes
from dataset_builder.scenes.changes import ChangeMaker
from dataset_builder.scenes.errors import InvalidScene
from dataset_builder.scenes.instructions import PHRASINGS
from dataset_builder.scenes.scene import CHECKS, Scene, World
from dataset_builder.scenes.seeds import choose, generator
from dataset_builder.scenes.splits import split_of
from dataset_builder.scenes.worlds import world_of

EditKind = Literal[
    "colour",
    "material",
    "swap",
    "background",
    "style",
    "time_of_day",
    "weather",
    "add_accessory",
    "remove_accessory",
    "add_object",
    "remove_object",
]
EDIT_KINDS: tuple[EditKind, ...] = get_args(EditKind)
GLOBAL_KINDS: frozenset[EditKind] = frozenset({"background", "style", "time_of_day", "weather"})
# The fewer scenes allow a kind, the more it weighs: each becomes 4 to 12 % of all edits of `pocket-photos`.
_WEIGHTS: Mapping[str, float] = MappingProxyType(
    {
        "colour": 1.6,
        "material": 1.2,
        "swap": 1.6,
        "background": 0.8,
        "style": 1.0,
        "time_of_day": 0.9,
        "weather": 1.1,
        "add_accessory": 80.0,
        "remove_accessory": 60.0,
        "add_object": 2.6,
        "remove_object": 1.1,
    }
)
_TRIES = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class SceneEdit:
    """One exact edit.

    Attributes:
        edit_prompt: The instruction, as a person would type it.
        paraphrase: Whether the instruction is phrased in a way that is never trained on.
    """

    kind: EditKind
    edit_prompt: str
    original: Scene
    edited: Scene
    paraphrase: bool = False

    def __post_init__(self) -> None:
        CHECKS.choice("kind", self.kind, EDIT_KINDS)
        if self.original.seed != self.edited.seed:
            raise InvalidScene(
                "the two scenes of an edit must share one seed, or everything in them would differ."
            )

    @property
    def is_global(self) -> bool:
        """Whether the edit may change every pixel."""
        return self.kind in GLOBAL_KINDS


_MAKERS: Mapping[EditKind, ChangeMaker] = MappingProxyType(
    {
        "colour": changes.colour_change,
        "material": changes.material_change,
        "swap": changes.swap_change,
        "background": changes.background_change,
        "style": changes.style_change,
        "time_of_day": changes.time_of_day_change,
        "weather": changes.weather_change,
        "add_accessory": changes.add_accessory_change,
        "remove_accessory": changes.remove_accessory_change,
        "add_object": changes.add_object_change,
        "remove_object": changes.remove_object_change,
    }
)


def make_edit(
    scene: Scene, kind: EditKind, seed: int, *, world: World | None = None, paraphrase: bool = False
) -> SceneEdit | None:
    """Make one edit of a kind, or return None where the scene has nothing of that kind to edit.

    Args:
        scene: The scene to edit.
        kind: What about it.
        seed: Decides what it is changed to, and how it is said.
        world: Where new things come from; None means the world that the scene names.
        paraphrase: Ask in a way that is never trained on.

    Raises:
        InvalidScene: The scene's world is not a named one, and none is given.
    """
    home = world_of(scene, world)
    train = split_of(scene, home) == "train"
    for attempt in range(_TRIES):
        random = generator(scene.seed, f"edit/{kind}/{seed}/{attempt}")
        change = _MAKERS[kind](scene, home, random)
        if change is None or (train and split_of(change.edited, home) != "train"):
            continue
        ways = PHRASINGS[change.ask]
        prompt = choose(random, ways.held_out if paraphrase else ways.train).format_map(change.words)
        return SceneEdit(
            kind=kind, edit_prompt=prompt, original=scene, edited=change.edited, paraphrase=paraphrase
        )
    return None


def sample_edit(
    scene: Scene, seed: int, *, world: World | None = None, paraphrase: bool = False
) -> SceneEdit | None:
    """Make one edit of a scene; kinds are drawn by weight among those that the scene allows.

    Returns:
        The edit, or None where nothing in the scene can be edited.
    """
    random = generator(scene.seed, f"edit kind/{seed}")
    kinds = list(EDIT_KINDS)
    while kinds:
        kind = choose(random, kinds, [_WEIGHTS[name] for name in kinds])
        edit = make_edit(scene, kind, seed, world=world, paraphrase=paraphrase)
        if edit is not None:
            return edit
        kinds.remove(kind)
    return None


def all_edits(
    scene: Scene, seed: int, *, world: World | None = None, paraphrase: bool = False
) -> tuple[SceneEdit, ...]:
    """Make one edit of every kind that the scene allows."""
    made = (make_edit(scene, kind, seed, world=world, paraphrase=paraphrase) for kind in EDIT_KINDS)
    return tuple(edit for edit in made if edit is not None)
