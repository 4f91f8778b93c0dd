"""Changes that edits make to scenes: one function a kind, each the smallest change that its words name.

Law: a change leaves the seed and every field it does not name as they were; where a scene has nothing of the
kind to change, the answer is None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from dataset_builder.scenes.captions import groups, object_phrase, place_phrase
from dataset_builder.scenes.sampler import home_weight, is_airborne
from dataset_builder.scenes.scene import MAX_OBJECTS, Scene, SceneObject, World, Worn
from dataset_builder.scenes.seeds import choose
from dataset_builder.scenes.splits import depiction_held_out, split_of
from dataset_builder.scenes.vocabulary import ACCESSORIES, BACKGROUNDS, STYLES, Noun, noun, possible


@dataclass(frozen=True, slots=True)
class Change:
    """What an edit leads to, which phrasings ask for it, and the words that fill them."""

    edited: Scene
    ask: str
    words: Mapping[str, str]


ChangeMaker = Callable[[Scene, World, np.random.Generator], Change | None]


def _replace_group(scene: Scene, item: SceneObject, change: Callable[[SceneObject], SceneObject]) -> Scene:
    """Change an object and all that are counted with it."""
    return replace(scene, objects=tuple(change(o) if o.same_kind(item) else o for o in scene.objects))


def _picked(scene: Scene, random: np.random.Generator) -> tuple[SceneObject, dict[str, str]] | None:
    """Draw the object that is edited, and the words for it."""
    found = groups(scene)
    if not found:
        return None
    item, count = choose(random, found)
    entry = noun(item.noun)
    return item, {
        "noun": entry.plural if count > 1 else entry.name,
        "it": "them" if count > 1 else "it",
        "its": "their" if count > 1 else "its",
        "count": str(count),
    }


def _colourless(scene: Scene) -> bool:
    return scene.style is not None and STYLES[scene.style].colourless


def colour_change(scene: Scene, world: World, random: np.random.Generator) -> Change | None:
    """Give an object, and all like it, another colour."""
    picked = _picked(scene, random)
    if picked is None or _colourless(scene) or picked[0].material or noun(picked[0].noun).own_colour:
        return None
    item, words = picked
    choices = [name for name in world.colours if name != item.colour]
    if not choices:
        return None
    colour = choose(random, choices)
    edited = _replace_group(scene, item, lambda o: replace(o, colour=colour))
    return Change(edited, "colour", {**words, "colour": colour})


def material_change(scene: Scene, world: World, random: np.random.Generator) -> Change | None:
    """Make an object out of something; its colour goes."""
    picked = _picked(scene, random)
    if picked is None or _colourless(scene) or picked[0].worn or picked[0].shirt:
        return None
    item, words = picked
    choices = [name for name in world.materials if name != item.material]
    if not choices:
        return None
    material = choose(random, choices)
    edited = _replace_group(scene, item, lambda o: replace(o, material=material, colour=None))
    return Change(edited, "material", {**words, "material": material})


def _depiction_for(entry: Noun, item: SceneObject, world: World, train: bool) -> str | None:
    """Choose the drawing of another noun: the same set and form where there is one."""
    head = item.is_character
    names = [name for name in world.depictions(entry) if name.endswith(":head") == head]
    if train:
        names = [name for name in names if not depiction_held_out(entry.name, name, world.drawing_sets)]
    return item.depiction if item.depiction in names else (names[0] if names else None)


def swap_change(scene: Scene, world: World, random: np.random.Generator) -> Change | None:
    """Put another noun in the place of one, with the colour and the clothes it had."""
    picked = _picked(scene, random)
    if picked is None:
        return None
    item, words = picked
    here, train = noun(item.noun), split_of(scene, world) == "train"
    place = BACKGROUNDS[scene.background]
    present = {o.noun for o in scene.objects}
    others = []
    for name in world.nouns:
        entry = noun(name)
        # something that stands where the old one stood, and can carry what the old one had
        alike = entry.kind == here.kind or (item.is_character and entry.head_code)
        fits = not (item.colour and entry.own_colour)
        if name not in present and alike and fits and is_airborne(entry, place) == item.airborne:
            depiction = _depiction_for(entry, item, world, train)
            if depiction is not None:
                others.append((name, depiction))
    if not others:
        return None
    name, depiction = choose(random, others)
    edited = _replace_group(scene, item, lambda o: replace(o, noun=name, depiction=depiction))
    count = int(words["count"])
    new = object_phrase(SceneObject(noun=name, depiction=depiction, x=0.5, y=0.5, size=0.5), count)
    return Change(edited, "swap", {**words, "new": new})


def background_change(scene: Scene, world: World, random: np.random.Generator) -> Change | None:
    """Move everything to another place that has the same hour and weather."""
    old = BACKGROUNDS[scene.background]
    choices, weights = [], []
    for name in world.backgrounds:
        place = BACKGROUNDS[name]
        # the light stays as it is: only the place changes
        same_light = scene.time_of_day in place.times and scene.weather in place.weathers
        same_stand = all(
            is_airborne(noun(o.noun), place) == is_airborne(noun(o.noun), old) for o in scene.objects
        )
        if (
            name == scene.background
            or not same_light
            or not same_stand
            or (not scene.objects and place.kind == "plain")
        ):
            continue
        choices.append(place)
        weights.append(min([home_weight(noun(o.noun), place) for o in scene.objects], default=1.0))
    if not choices:
        return None
    place = choose(random, choices, weights)
    edited = replace(scene, background=place.name)
    many = len(scene.objects) > 1
    words = {"where": place.phrase, "place": place_phrase(place.name)}
    words |= {"it": "them" if many else "it", "they": "they" if many else "it"}
    if place.kind == "plain":
        return Change(edited, "background plain", {**words, "tint": place.name.removeprefix("plain ")})
    return Change(edited, "background" if scene.objects else "background of nothing", words)


def style_change(scene: Scene, world: World, random: np.random.Generator) -> Change | None:
    """Paint a plain picture in a style."""
    # a styled picture cannot be given back what its style took away
    if scene.style is not None:
        return None
    if world.framing.clear_styles and scene.weather != "clear":
        return None
    choices = [
        n
        for n in world.styles
        if not (STYLES[n].coarse and scene.weather in ("rain", "snow", "thunderstorm"))
    ]
    if not choices:
        return None
    style = choose(random, choices)
    return Change(replace(scene, style=style), "style", {"style": STYLES[style].phrase})


def time_of_day_change(scene: Scene, world: World, random: np.random.Generator) -> Change | None:
    """Change the hour; a style without colours hides it."""
    if _colourless(scene):
        return None
    times = BACKGROUNDS[scene.background].times
    choices = [
        name
        for name in times
        if name != scene.time_of_day and name in world.times_of_day and possible(name, scene.weather)
    ]
    if not choices:
        return None
    weights = {"night": 2.0, "sunset": 1.4}
    time_of_day = choose(random, choices, [weights.get(name, 1.0) for name in choices])
    return Change(replace(scene, time_of_day=time_of_day), f"time_of_day/{time_of_day}", {})


def weather_change(scene: Scene, world: World, random: np.random.Generator) -> Change | None:
    """Change the weather."""
    weathers = BACKGROUNDS[scene.background].weathers
    coarse = scene.style is not None and (STYLES[scene.style].coarse or world.framing.clear_styles)
    choices = [
        name
        for name in weathers
        if name != scene.weather and name in world.weathers and possible(scene.time_of_day, name)
    ]
    if not choices or coarse:
        return None
    weather = choose(random, choices)
    night = " night" if weather == "clear" and scene.time_of_day == "night" else ""
    return Change(replace(scene, weather=weather), f"weather/{weather}{night}", {})


def add_accessory_change(scene: Scene, world: World, random: np.random.Generator) -> Change | None:
    """Let a character that wears nothing wear something."""
    bare = [
        pair for pair in groups(scene) if pair[0].is_character and not pair[0].material and not pair[0].worn
    ]
    if not bare or not world.accessories:
        return None
    item, count = choose(random, bare)
    accessory = ACCESSORIES[choose(random, world.accessories)]
    tinted = accessory.colours and not _colourless(scene) and random.random() < 0.35
    worn = Worn(name=accessory.name, colour=choose(random, accessory.colours) if tinted else None)
    edited = _replace_group(scene, item, lambda o: replace(o, worn=(worn,)))
    entry = noun(item.noun)
    words = {"noun": entry.plural if count > 1 else entry.name, "it": "them" if count > 1 else "it"}
    return Change(edited, "add_accessory", {**words, "thing": accessory.phrase_in(worn.colour)})


def remove_accessory_change(scene: Scene, world: World, random: np.random.Generator) -> Change | None:
    """Take off what a character wears."""
    dressed = [item for item, _ in groups(scene) if item.worn]
    if not dressed:
        return None
    item = choose(random, dressed)
    worn = choose(random, item.worn)
    edited = _replace_group(scene, item, lambda o: replace(o, worn=tuple(w for w in o.worn if w != worn)))
    return Change(edited, "remove_accessory", {"bare": ACCESSORIES[worn.name].phrase.removeprefix("a ")})


def add_object_change(scene: Scene, world: World, random: np.random.Generator) -> Change | None:
    """Add a thing where there is room: anywhere in an empty scene, else beside what stands to one side."""
    place, train = BACKGROUNDS[scene.background], split_of(scene, world) == "train"
    if len(scene.objects) >= min(2, world.max_objects, MAX_OBJECTS) or (
        place.kind == "plain" and not scene.objects
    ):
        return None
    if scene.objects and (scene.objects[0].size > 0.62 or scene.objects[0].size_word):
        return None
    nouns = [noun(name) for name in world.nouns if name not in {o.noun for o in scene.objects}]
    entry = choose(random, nouns, [home_weight(candidate, place) for candidate in nouns])
    names = [
        name
        for name in world.depictions(entry)
        if not (train and depiction_held_out(entry.name, name, world.drawing_sets))
    ]
    airborne = is_airborne(entry, place)
    if not names:
        return None
    left, right = world.framing.x
    x, size, y = float(random.uniform(max(left, 0.35), min(right, 0.65))), 0.52, 0.9
    if scene.objects:
        x, size, y = (0.80 if scene.objects[0].x < 0.5 else 0.20), 0.36, 0.86
    added = SceneObject(
        noun=entry.name,
        depiction=choose(random, names),
        x=x,
        y=0.46 + size / 2 if airborne else y,
        size=size,
        airborne=airborne,
    )
    edited = replace(scene, objects=(*scene.objects, added))
    return Change(edited, "add_object", {"thing": object_phrase(added)})


def remove_object_change(scene: Scene, world: World, random: np.random.Generator) -> Change | None:
    """Take an object, and all like it, away."""
    picked = _picked(scene, random)
    if picked is None or (BACKGROUNDS[scene.background].kind == "plain" and len(groups(scene)) == 1):
        return None
    item, words = picked
    left = tuple(o for o in scene.objects if not o.same_kind(item))
    return Change(replace(scene, objects=left), "remove_object", words)
