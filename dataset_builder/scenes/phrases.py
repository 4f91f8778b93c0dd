"""Instructions that a world's edits are asked for with: what a model that learnt from it can be asked.

Law: each is one that some scene of the world is edited by, word for word.
"""

from __future__ import annotations

from collections.abc import Iterator

from dataset_builder.scenes.captions import object_phrase, place_phrase
from dataset_builder.scenes.instructions import PHRASINGS
from dataset_builder.scenes.scene import SceneObject, World
from dataset_builder.scenes.vocabulary import ACCESSORIES, BACKGROUNDS, STYLES, noun

_WAYS_OF_ALL = 4
"""Wordings of what is asked of the whole picture; what is asked of a thing has one for each."""


def phrases_of(world: World) -> tuple[str, ...]:
    """Return instructions of a world, one for each thing that can be asked for, in several words for most."""
    return tuple(dict.fromkeys([*_of_all(world), *_of_things(world), *_of_what_is_worn(world)]))


def _of_all(world: World) -> Iterator[str]:
    for time in world.times_of_day:
        yield from _worded(f"time_of_day/{time}", _WAYS_OF_ALL)
    for weather in world.weathers:
        yield from _worded(f"weather/{weather}", _WAYS_OF_ALL)
    for style in world.styles:
        yield from _worded("style", _WAYS_OF_ALL, style=STYLES[style].phrase)
    for place in world.backgrounds:
        words = {"it": "it", "they": "it", "where": BACKGROUNDS[place].phrase, "place": place_phrase(place)}
        yield from _worded("background", 2, **words)


def _of_things(world: World) -> Iterator[str]:
    for name in world.nouns:
        words = {"noun": name, "it": "it"}
        for colour in () if noun(name).own_colour else world.colours:
            yield from _worded("colour", 1, colour=colour, **words)
        for material in world.materials:
            yield from _worded("material", 1, material=material, **words)
        depiction = world.depictions(noun(name))[0]
        thing = object_phrase(SceneObject(noun=name, depiction=depiction, x=0.5, y=0.5, size=0.5), 1)
        yield from _worded("add_object", 1, thing=thing)
        yield from _worded("remove_object", 1, **words)


def _of_what_is_worn(world: World) -> Iterator[str]:
    for name in world.accessories:
        phrase = ACCESSORIES[name].phrase
        yield from _worded("add_accessory", 1, thing=ACCESSORIES[name].phrase_in(None))
        yield from _worded("remove_accessory", 1, bare=phrase.removeprefix("a "))


def _worded(ask: str, ways: int, **words: str) -> Iterator[str]:
    """Yield the first wordings of an edit that are trained on."""
    for template in PHRASINGS[ask].train[:ways]:
        yield template.format_map(words)
