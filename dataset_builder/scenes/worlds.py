"""The worlds scenes are drawn from: everything, those that CPU cores can learn, what needs no download.

Law: every name in a world is in the vocabulary; `World` checks it when this module is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from dataset_builder.scenes.errors import InvalidScene
from dataset_builder.scenes.scene import DRAWING_SETS, Framing, Scene, World
from dataset_builder.scenes.vocabulary import (
    ACCESSORIES,
    BACKGROUNDS,
    COLOURS,
    MATERIALS,
    NOUNS,
    STYLES,
    TIMES_OF_DAY,
    WEATHER_NAMES,
)

_PHOTOS = tuple(name for name, place in BACKGROUNDS.items() if place.kind == "photo")
_SMALL_NOUNS = (
    *("cat", "dog", "elephant", "cow", "pig", "horse", "penguin", "owl", "duck", "turtle", "dinosaur"),
    *("bear", "panda", "fox", "lion", "frog", "robot"),
    *("butterfly", "airplane", "balloon", "rocket", "parrot"),
    *("sailboat", "dolphin", "tropical fish"),
    *("car", "bus", "truck", "train", "tractor", "bicycle"),
    *("apple", "banana", "pizza", "hamburger", "birthday cake", "strawberry"),
    *("guitar", "umbrella", "chair", "gift", "teddy bear", "soccer ball"),
    *("tree", "cactus", "sunflower", "mushroom"),
    *("house", "castle", "tent"),
)
_SMALL_PLACES = (
    *("beach", "snow", "desert", "meadow", "mountains", "forest", "lake", "farm"),
    *("city", "living room", "sea", "underwater", "space"),
    *("plain white", "plain blue", "plain red", "plain yellow", "plain green"),
)

# One drawing each, unlike each other in outline, with colours that can be changed and seen at 64 pixels.
_TINY_NOUNS = (
    *("cat", "dog", "pig", "turtle", "dinosaur"),
    *("butterfly", "balloon"),
    *("car", "tractor"),
    *("apple", "banana"),
    *("tree", "mushroom"),
    "house",
)
_TINY_PLACES = (
    *("beach", "snow", "desert", "meadow", "forest", "city", "living room", "space", "plain white"),
    *("woods", "city square", "old town square", "harbour"),
)

# What pocket knows: things that stand out at 64 pixels, one drawing each and all by one hand.
_POCKET_NOUNS = (
    *("cat", "dog", "elephant", "penguin", "fox", "robot"),
    *("car", "bus", "airplane", "balloon", "sailboat"),
    *("apple", "tree", "house", "sunflower", "castle"),
)
_POCKET_PLACES = ("beach", "snow", "desert", "meadow", "forest", "city", "lake", "living room")
_POCKET_COLOURS = ("red", "yellow", "green", "blue", "purple", "pink")

WORLD_VERSION = 1
"""Of words and pictures: raise it whenever a scene comes out otherwise, so that two versions never mix. Where
that is so in one world alone, raise that world's `revision` instead, and what learnt the others stays."""
EDITS_VERSION = 1
"""Of what edits do and how they are asked for, which a scene by itself has no part of."""

WORLDS: Mapping[str, World] = MappingProxyType(
    {
        "full": World(
            name="full",
            nouns=tuple(NOUNS),
            backgrounds=tuple(BACKGROUNDS),
            colours=tuple(COLOURS),
            materials=tuple(MATERIALS),
            accessories=tuple(ACCESSORIES),
            styles=tuple(STYLES),
            times_of_day=TIMES_OF_DAY,
            weathers=WEATHER_NAMES,
            artwork_sets=(*DRAWING_SETS, "panoramas"),
            max_objects=3,
            sizes=(128, 256),
        ),
        "small": World(
            name="small",
            nouns=_SMALL_NOUNS,
            backgrounds=(*_SMALL_PLACES, *_PHOTOS),
            colours=("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white"),
            materials=("gold", "silver", "stone", "wood", "ice"),
            accessories=("top hat", "crown", "sunglasses", "scarf"),
            styles=("pencil sketch", "sepia", "black and white", "watercolour", "oil", "neon"),
            times_of_day=TIMES_OF_DAY,
            weathers=("clear", "cloudy", "rain", "snow", "fog"),
            artwork_sets=("twemoji", "noto", "fluent-emoji-flat", "panoramas"),
            max_objects=3,
            sizes=(64, 128),
        ),
        # The base is trained on `pocket`, the edit model on `pocket-photos`, which has what photographs have.
        "pocket": World(
            name="pocket",
            nouns=_POCKET_NOUNS,
            backgrounds=_POCKET_PLACES,
            colours=_POCKET_COLOURS,
            materials=("gold", "ice"),
            accessories=("top hat", "crown", "sunglasses"),
            styles=("pencil sketch", "sepia", "neon"),
            times_of_day=("day", "sunset", "night"),
            weathers=("clear", "rain", "snow", "fog"),
            artwork_sets=("fluent-emoji-3d",),
            max_objects=1,
            sizes=(64, 128),
            # A small model learns what a thing is before where it may stand: one drawing, in the middle.
            framing=Framing(
                x=(0.44, 0.56),
                size=(0.54, 0.68),
                turn=5.0,
                mirrored=False,
                size_words=False,
                one_drawing=True,
                clear_styles=True,
            ),
            revision=1,
        ),
        "pocket-photos": World(
            name="pocket-photos",
            nouns=_POCKET_NOUNS,
            backgrounds=(*_POCKET_PLACES, *_PHOTOS),
            colours=_POCKET_COLOURS,
            materials=("gold", "ice"),
            accessories=("top hat", "crown", "sunglasses"),
            styles=("pencil sketch", "sepia", "neon", "black and white", "watercolour", "oil"),
            times_of_day=("dawn", "day", "sunset", "night"),
            weathers=("clear", "cloudy", "rain", "snow", "fog"),
            artwork_sets=("fluent-emoji-3d", "panoramas"),
            max_objects=1,
            sizes=(64, 128),
        ),
        # So small that two CPU cores learn to draw and edit it in an hour or two.
        "tiny": World(
            name="tiny",
            nouns=_TINY_NOUNS,
            backgrounds=_TINY_PLACES,
            colours=("red", "yellow", "green", "blue", "purple", "black", "white"),
            materials=("gold", "stone", "ice"),
            accessories=(),
            styles=("pencil sketch", "sepia", "black and white", "watercolour", "neon"),
            times_of_day=("day", "sunset", "night"),
            weathers=("clear", "rain", "snow", "fog"),
            artwork_sets=("twemoji", "panoramas"),
            max_objects=2,
            sizes=(64, 128),
        ),
        # Needs nothing but the Python packages of the [scenes] extra: tests and first steps use it.
        "offline": World(
            name="offline",
            nouns=tuple(name for name, entry in NOUNS.items() if entry.depictions(("twemoji",))),
            backgrounds=tuple(name for name in BACKGROUNDS if name not in _PHOTOS),
            colours=tuple(COLOURS),
            materials=tuple(MATERIALS),
            accessories=tuple(ACCESSORIES),
            styles=tuple(STYLES),
            times_of_day=TIMES_OF_DAY,
            weathers=WEATHER_NAMES,
            artwork_sets=("twemoji",),
            max_objects=3,
            sizes=(64, 128, 256),
        ),
    }
)


def world_version(name: str, *, pairs: bool) -> str:
    """Return the version of what is drawn in a world: of scenes by themselves, or with what edits do to them.

    Its first number only ever rises, by one for each change of all worlds or of this one.
    """
    version = WORLD_VERSION + WORLDS[name].revision
    return f"{version}.{EDITS_VERSION}" if pairs else f"{version}"


def world_of(scene: Scene, world: World | None = None) -> World:
    """Return a scene's world: the one given, or the one that it names.

    Raises:
        InvalidScene: It names none of `WORLDS`, and none is given.
    """
    if world is not None:
        return world
    if scene.world not in WORLDS:
        raise InvalidScene(f"world '{scene.world}' is not one of {', '.join(WORLDS)}; give the World itself.")
    return WORLDS[scene.world]
