"""Draw scenes from a world: what goes together, where it stands, and which split it belongs to.

Law: `sample_scene` is pure; a scene it returns for `train` contains no held-out combination and no held-out
drawing, and one for `held_out` contains at least one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dataset_builder.scenes.errors import InvalidScene
from dataset_builder.scenes.scene import Scene, SceneObject, World, Worn
from dataset_builder.scenes.seeds import choose, generator
from dataset_builder.scenes.splits import Split, split_of
from dataset_builder.scenes.vocabulary import (
    ACCESSORIES,
    BACKGROUNDS,
    HOURS,
    SHIRT_COLOURS,
    STYLES,
    WEATHERS,
    Background,
    Noun,
    noun,
    possible,
)

_ATTEMPTS = 500
# Where things of a class are at home: multiplies the weight of a background of that name, or of that kind.
_AFFINITY: dict[str, dict[str, float]] = {
    "animal": {"underwater": 0.2, "water": 0.05, "air": 0.05, "space": 0.5},
    "character": {"underwater": 0.3, "water": 0.05, "air": 0.05},
    "flyer": {"room": 0.3, "underwater": 0.1, "water": 1.0, "air": 3.0, "space": 1.5},
    "vessel": {
        "sea": 10,
        "water": 3,
        "beach": 3,
        "lake": 4,
        "island": 4,
        "land": 0.05,
        "photo": 0.1,
        "room": 0.05,
    },
    "fish": {"underwater": 12.0, "water": 2.0, "land": 0.1, "photo": 0.15, "room": 0.1, "air": 0.3},
    "vehicle": {"room": 0.15, "underwater": 0.15, "water": 0.05, "air": 0.05, "city": 2.5, "road": 3.0},
    "food": {"kitchen": 3.0, "underwater": 0.2, "water": 0.1, "air": 0.1},
    "thing": {"living room": 1.5, "stage": 2.0, "underwater": 0.3, "water": 0.1, "air": 0.1},
    "plant": {"underwater": 0.2, "water": 0.05, "air": 0.05, "garden": 2.0},
    "building": {"room": 0.05, "underwater": 0.2, "water": 0.05, "air": 0.05, "island": 1.5},
}
_OPEN_WATER = frozenset({"sea", "still water"})
_FLIPPABLE = frozenset({"animal", "flyer", "vessel", "fish", "vehicle"})


def home_weight(entry: Noun, place: Background) -> float:
    """Say how well a noun goes with a background; 1 is ordinary."""
    affinity = _AFFINITY[entry.kind]
    kind = "water" if place.name in _OPEN_WATER else place.kind
    base = affinity.get(place.name, affinity.get(kind, 1.0))
    return base * {"plain": 0.35, "photo": 0.6, "space": 0.5}.get(place.kind, 1.0)


def has_ground(place: Background) -> bool:
    """Say whether things stand on something in such a place."""
    return place.kind not in ("space", "air") and place.name != "underwater"


def is_airborne(entry: Noun, place: Background) -> bool:
    """Say whether a thing hangs free in such a place: it flies, or swims under water, or is in space."""
    if not has_ground(place):
        return entry.kind not in ("plant", "building") or place.kind != "water"
    return entry.kind == "flyer"


def sample_scene(seed: int, *, world: World, split: Split) -> Scene:
    """Draw a scene.

    Args:
        seed: Any number from 0 to 2^63 - 1; the same seed gives the same scene.
        world: What it may contain.
        split: `train` or `held_out`.

    Raises:
        InvalidScene: The world holds no scene of that split, or the split has another name.
    """
    if split not in ("train", "held_out"):
        raise InvalidScene(f"split is '{split}', but must be 'train' or 'held_out'.")
    for attempt in range(_ATTEMPTS):
        random = generator(seed, f"scene/{split}/{attempt}")
        scene = _Draft(seed, world, random).scene()
        if split_of(scene, world) == split:
            return scene
    raise InvalidScene(
        f"world '{world.name}' gave no scene of split '{split}' in {_ATTEMPTS} tries; give it more words."
    )


@dataclass(frozen=True, slots=True)
class _Draft:
    """One draw of a scene: the choices in the order in which they depend on each other."""

    seed: int
    world: World
    random: np.random.Generator

    def scene(self) -> Scene:
        first = self._noun()
        place = self._place(first)
        time_of_day, weather = self._circumstance(place)
        style = (
            choose(self.random, self.world.styles)
            if self.world.styles and self.random.random() < 0.17
            else None
        )
        if style and (STYLES[style].coarse or self.world.framing.clear_styles):
            weather = "clear"
        objects = self._objects(first, place, coloured=not (style and STYLES[style].colourless))
        return Scene(
            seed=self.seed,
            world=self.world.name,
            background=place.name,
            time_of_day=time_of_day,
            weather=weather,
            style=style,
            objects=objects,
        )

    def _noun(self, *, but: str = "", like: tuple[str, ...] = ()) -> Noun:
        """Draw a noun, all alike: what is drawn seldom is learnt late."""
        nouns = [noun(name) for name in self.world.nouns if name != but]
        return choose(self.random, [entry for entry in nouns if not like or entry.kind in like])

    def _place(self, entry: Noun) -> Background:
        places = [BACKGROUNDS[name] for name in self.world.backgrounds]
        return choose(self.random, places, [home_weight(entry, place) for place in places])

    def _circumstance(self, place: Background) -> tuple[str, str]:
        times = [name for name in place.times if name in self.world.times_of_day]
        weathers = [name for name in place.weathers if name in self.world.weathers]
        time_of_day = choose(self.random, times, [HOURS[name].weight for name in times])
        weathers = [name for name in weathers if possible(time_of_day, name)]
        return time_of_day, choose(self.random, weathers, [WEATHERS[name].weight for name in weathers])

    def _depiction(self, entry: Noun) -> str:
        names = self.world.depictions(entry)
        # where there are both, half the drawings are whole animals and half characters
        heads = [name for name in names if name.endswith(":head")]
        whole = [name for name in names if not name.endswith(":head")]
        return choose(self.random, heads if heads and (not whole or self.random.random() < 0.5) else whole)

    def _objects(self, first: Noun, place: Background, *, coloured: bool) -> tuple[SceneObject, ...]:
        if place.kind != "plain" and self.random.random() < (0.30 if place.kind == "photo" else 0.05):
            return ()
        item = self._object(first, place, coloured=coloured)
        pick = self.random.random()
        if pick < 0.09 and self.world.max_objects >= 2:
            return self._alike(item, place)
        if pick < 0.27 and self.world.max_objects >= 2:
            return self._pair(item, place, coloured=coloured)
        if pick < 0.31 and self.world.max_objects >= 3:
            return self._three(item, place, coloured=coloured)
        return (self._sized_word(item, first),)

    def _object(self, entry: Noun, place: Background, *, coloured: bool) -> SceneObject:
        random, framing = self.random, self.world.framing
        airborne = is_airborne(entry, place)
        smallest, largest = framing.size
        size = float(random.uniform(smallest, largest)) * entry.size
        depiction = self._depiction(entry)
        # nearer things stand lower and look larger
        nearness = (size / entry.size - smallest) / (largest - smallest)
        y = 0.80 + 0.10 * nearness + float(random.uniform(0, 0.06))
        turn = 0.0
        if airborne:
            y = min(0.95, size + float(random.uniform(0.06, max(0.08, 0.84 - size))))
            turn = float(random.uniform(-framing.turn, framing.turn))
        item = SceneObject(
            noun=entry.name,
            depiction=depiction,
            x=float(random.uniform(*framing.x)),
            y=min(y, 0.96),
            size=size,
            flip=bool(random.random() < 0.5)
            and framing.mirrored
            and entry.kind in _FLIPPABLE
            and not entry.lettered,
            airborne=airborne,
            turn=turn,
        )
        return self._dressed(item, entry, coloured)

    def _dressed(self, item: SceneObject, entry: Noun, coloured: bool) -> SceneObject:
        """Give an object a colour, a material, or clothes."""
        random, world = self.random, self.world
        pick = random.random()
        if (
            coloured
            and world.colours
            and not entry.own_colour
            and pick < (0.20 if item.is_character else 0.34)
        ):
            item = replace(item, colour=choose(random, world.colours))
        elif coloured and world.materials and 0.34 <= pick < 0.47:
            return replace(item, material=choose(random, world.materials))
        if not item.is_character:
            return item
        if random.random() < 0.4 and coloured:
            item = replace(item, shirt=choose(random, tuple(SHIRT_COLOURS)))
        if random.random() < 0.5 and world.accessories:
            accessory = ACCESSORIES[choose(random, world.accessories)]
            tinted = coloured and accessory.colours and random.random() < 0.35
            worn = Worn(name=accessory.name, colour=choose(random, accessory.colours) if tinted else None)
            item = replace(item, worn=(worn,))
        return item

    def _sized_word(self, item: SceneObject, entry: Noun) -> SceneObject:
        """Sometimes say the size: tiny or giant."""
        if not self.world.framing.size_words:
            return item
        pick = self.random.random()
        if pick < 0.04:
            return replace(item, size_word="tiny", size=0.28, y=max(item.y, 0.5))
        if pick < 0.09:
            return replace(item, size_word="giant", size=0.84, y=0.95, x=0.4 + 0.2 * item.x)
        return item

    def _alike(self, item: SceneObject, place: Background) -> tuple[SceneObject, ...]:
        """Put two or three of the same side by side, at slightly different depths."""
        count = int(self.random.integers(2, self.world.max_objects + 1))
        size = {2: 0.42, 3: 0.32}[count]
        slots = {2: (0.27, 0.73), 3: (0.18, 0.5, 0.82)}[count]
        base = item.y if item.airborne else 0.86
        items = []
        for x in slots:
            y = base + float(self.random.uniform(-0.06, 0.06))
            items.append(replace(item, x=x, y=min(max(y, size + 0.02), 0.95), size=size))
        return tuple(items)

    def _second(self, item: SceneObject, place: Background, size: float, *, coloured: bool) -> SceneObject:
        entry = self._noun(
            but=item.noun, like=("animal", "character", "vehicle", "food", "thing", "plant", "flyer")
        )
        other = self._object(entry, place, coloured=coloured and self.random.random() < 0.6)
        return replace(other, size=size, y=max(other.y, size + 0.02))

    def _pair(self, item: SceneObject, place: Background, *, coloured: bool) -> tuple[SceneObject, ...]:
        """Put another thing beside, before or behind the first one."""
        other = self._second(item, place, 0.42, coloured=coloured)
        if self.random.random() < 0.72:
            left, right = float(self.random.uniform(0.24, 0.32)), float(self.random.uniform(0.68, 0.76))
            here, there = (left, right) if self.random.random() < 0.5 else (right, left)
            return (
                replace(item, x=here, size=0.44, y=max(item.y, 0.46)),
                replace(other, x=there),
            )
        # one behind the other: the far one stands higher and is partly hidden
        near, far = float(self.random.uniform(0.42, 0.50)), float(self.random.uniform(0.52, 0.60))
        if self.random.random() < 0.5:
            near, far = 1 - near, 1 - far
        hang = not has_ground(place)
        return (
            replace(item, x=near, size=0.40, y=0.94, airborne=hang, turn=0.0),
            replace(other, x=far, size=0.54, y=0.80, airborne=hang, turn=0.0),
        )

    def _three(self, item: SceneObject, place: Background, *, coloured: bool) -> tuple[SceneObject, ...]:
        """Put three different things in a row, the middle one a little back."""
        second = self._second(item, place, 0.34, coloured=coloured)
        third = self._second(item, place, 0.34, coloured=coloured)
        while third.noun == second.noun:
            third = self._second(item, place, 0.34, coloured=coloured)
        return (
            replace(item, x=0.2, size=0.34, y=max(item.y, 0.36)),
            replace(second, x=0.5, y=max(min(second.y, 0.84), 0.36)),
            replace(third, x=0.8),
        )
