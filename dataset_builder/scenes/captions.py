"""Captions of scenes, which are exact, and the phrases that captions and edit prompts share.

Law: a caption names exactly what can be seen. A style without colour takes the colour words out; a time or
weather that the background cannot show is not named; plain day and clear weather go without saying.
"""

from __future__ import annotations

import re

from dataset_builder.scenes.scene import Scene, SceneObject
from dataset_builder.scenes.seeds import generator
from dataset_builder.scenes.vocabulary import (
    ACCESSORIES,
    BACKGROUNDS,
    HOURS,
    STYLES,
    WEATHERS,
    noun,
    with_article,
)

COUNTS = ("no", "one", "two", "three")
_PREFIXES = ("a picture of", "an illustration of")
_PREPOSITION = re.compile(r"^(on|in front of|inside|in|by|at|above|over)\s+")


def object_phrase(item: SceneObject, count: int = 1, *, colours: bool = True) -> str:
    """Name an object, or several alike: "a red cat wearing a top hat", "two cups made of gold"."""
    entry = noun(item.noun)
    adjectives = [item.size_word] if item.size_word else []
    if colours and item.colour:
        adjectives.append(item.colour)
    words = " ".join([*adjectives, entry.plural if count > 1 else entry.name])
    phrase = f"{COUNTS[count]} {words}" if count > 1 else with_article(words)
    if item.material and colours:
        phrase += f" made of {item.material}"
    dress = [f"a {item.shirt} shirt" if colours else "a shirt"] if item.shirt else []
    dress += [ACCESSORIES[worn.name].phrase_in(worn.colour if colours else None) for worn in item.worn]
    return f"{phrase} wearing {' and '.join(dress)}" if dress else phrase


def groups(scene: Scene) -> list[tuple[SceneObject, int]]:
    """Return the scene's objects, those alike counted together, in the order they are named."""
    found: list[tuple[SceneObject, int]] = []
    for item in scene.objects:
        for place, (other, count) in enumerate(found):
            if item.same_kind(other):
                found[place] = (other, count + 1)
                break
        else:
            found.append((item, 1))
    return found


def _relation(first: SceneObject, second: SceneObject) -> str:
    """Say how two objects stand to each other in the picture."""
    if second.x - first.x > 0.22:
        return "to the left of"
    if first.x - second.x > 0.22:
        return "to the right of"
    return "in front of" if first.y > second.y else "behind"


def _subject(scene: Scene) -> str:
    style = STYLES[scene.style] if scene.style else None
    named = [
        (item, object_phrase(item, count, colours=not (style and style.colourless)))
        for item, count in groups(scene)
    ]
    if len(named) == 2 and len(scene.objects) == 2:
        return f"{named[0][1]} {_relation(named[0][0], named[1][0])} {named[1][1]}"
    phrases = [phrase for _, phrase in named]
    return phrases[0] if len(phrases) == 1 else f"{', '.join(phrases[:-1])} and {phrases[-1]}"


def place_phrase(background: str) -> str:
    """Name a background as a thing: "on a beach" becomes "a beach"."""
    place = BACKGROUNDS[background]
    return place.bare or _PREPOSITION.sub("", place.phrase)


def circumstance(scene: Scene) -> str:
    """Say time and weather, where the background shows them and they are worth a word."""
    place = BACKGROUNDS[scene.background]
    words = [HOURS[scene.time_of_day].words if len(place.times) > 1 else ""]
    words.append(WEATHERS[scene.weather].words if len(place.weathers) > 1 else "")
    return " ".join(word for word in words if word)


def caption(scene: Scene) -> str:
    """Return the exact caption of a scene; scenes with one seed share the form of their captions."""
    place = BACKGROUNDS[scene.background]
    said = f"{_subject(scene)} {place.phrase}" if scene.objects else place_phrase(scene.background)
    rest = circumstance(scene)
    if rest:
        said = f"{said} {rest}"
    if scene.style:
        return f"{STYLES[scene.style].phrase} of {said}"
    if not scene.objects:
        return f"{'a photo of' if place.kind == 'photo' else 'a picture of'} {said}"
    form = int(generator(scene.seed, "caption").integers(10))
    return f"{_PREFIXES[form]} {said}" if form < len(_PREFIXES) else said
