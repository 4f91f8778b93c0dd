"""A scene as a value: what is in the picture, where, in which light; and the worlds scenes come from.

Law: `Scene.from_json(scene.to_json()) == scene`; a scene that exists is valid: every word in it is known and
every combination can be drawn. A picture is a pure function of its scene and size.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from dataset_builder.scenes.artwork.sets import ARTWORK_SETS
from dataset_builder.scenes.errors import InvalidScene
from dataset_builder.scenes.vocabulary import (
    ACCESSORIES,
    BACKGROUNDS,
    COLOURS,
    MATERIALS,
    SHIRT_COLOURS,
    STYLES,
    Noun,
    noun,
    possible,
)
from editors.checks import Checks, shown

DRAWING_SETS = tuple(name for name, entry in ARTWORK_SETS.items() if entry.form != "panorama")
MAX_OBJECTS = 3


CHECKS = Checks(InvalidScene.of)


@dataclass(frozen=True, kw_only=True, slots=True)
class Framing:
    """Where the thing of a scene stands, and how alike two pictures of one noun are.

    Attributes:
        x: From where to where its middle lies, as fractions of the picture's width.
        size: From what to what its longest side goes, as fractions of the picture, times the noun's own size.
        turn: By how many degrees a thing in the air leans at most.
        mirrored: Whether things look either way.
        size_words: Whether some are "tiny" or "giant".
        one_drawing: Whether a noun has one drawing: its head on a body, which can wear things, or else the
            first one.
        clear_styles: Whether what is painted in a style stands in clear weather.
    """

    x: tuple[float, float] = (0.31, 0.69)
    size: tuple[float, float] = (0.46, 0.66)
    turn: float = 12.0
    mirrored: bool = True
    size_words: bool = True
    one_drawing: bool = False
    clear_styles: bool = False

    def __post_init__(self) -> None:
        for field, (low, high) in (("x", self.x), ("size", self.size)):
            CHECKS.number(field, low, 0, high)
            CHECKS.number(field, high, low, 1)
        CHECKS.number("turn", self.turn, 0, 45)


@dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """What scenes may contain: a choice from the vocabulary, and the artwork it is drawn with.

    Attributes:
        artwork_sets: Sets whose drawings are used; panoramas are listed where a background needs them.
        sizes: Picture sides in pixels that the world is meant for.
        framing: How its things are placed and drawn.
        revision: How often this world alone has come to be drawn otherwise; see `worlds.world_version`.
    """

    name: str
    nouns: tuple[str, ...]
    backgrounds: tuple[str, ...]
    colours: tuple[str, ...]
    materials: tuple[str, ...]
    accessories: tuple[str, ...]
    styles: tuple[str, ...]
    times_of_day: tuple[str, ...]
    weathers: tuple[str, ...]
    artwork_sets: tuple[str, ...]
    max_objects: int
    sizes: tuple[int, ...]
    framing: Framing = Framing()
    revision: int = 0

    @property
    def drawing_sets(self) -> tuple[str, ...]:
        """The artwork sets that hold drawings of nouns."""
        return tuple(name for name in self.artwork_sets if name in DRAWING_SETS)

    def depictions(self, entry: Noun) -> tuple[str, ...]:
        """Return the drawings of a noun that this world has, in its sets' order."""
        names = entry.depictions(self.drawing_sets)
        if not self.framing.one_drawing:
            return names
        return tuple(sorted(names, key=lambda name: not name.endswith(":head"))[:1])

    def __post_init__(self) -> None:
        for name in self.nouns:
            if not self.depictions(noun(name)):
                raise InvalidScene(
                    f"noun '{name}' has no drawing in the artwork sets {', '.join(self.artwork_sets)}."
                )
        allowed: tuple[tuple[str, tuple[str, ...], Any], ...] = (
            ("background", self.backgrounds, BACKGROUNDS),
            ("colour", self.colours, COLOURS),
            ("material", self.materials, MATERIALS),
            ("accessory", self.accessories, ACCESSORIES),
            ("style", self.styles, STYLES),
            ("artwork set", self.artwork_sets, ARTWORK_SETS),
        )
        for field, values, known in allowed:
            for value in values:
                CHECKS.choice(field, value, known)
        CHECKS.number("max_objects", self.max_objects, 1, MAX_OBJECTS)
        if not self.nouns or not self.backgrounds:
            raise InvalidScene("a world needs at least one noun and one background.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Worn:
    """One accessory on a character, in a colour or in its own."""

    name: str
    colour: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SceneObject:
    """One thing in a scene.

    Attributes:
        depiction: Which drawing of the noun: an artwork set, or `<set>:head` for a character.
        x: Middle, as a fraction of the picture's width.
        y: Feet, as a fraction of the picture's height; a nearer thing stands lower. The painter moves it to
            where the background has ground.
        size: Longest side (of a character: height without hat) as a fraction of the picture.
        turn: Degrees of rotation, for what flies or floats.
        size_word: "tiny" or "giant" where the caption says so.
    """

    noun: str
    depiction: str
    x: float
    y: float
    size: float
    flip: bool = False
    airborne: bool = False
    turn: float = 0.0
    colour: str | None = None
    material: str | None = None
    size_word: str | None = None
    shirt: str | None = None
    worn: tuple[Worn, ...] = ()

    def __post_init__(self) -> None:
        entry = noun(self.noun)
        if self.depiction not in entry.depictions(DRAWING_SETS):
            raise InvalidScene(
                f"depiction '{self.depiction}' is not one of '{self.noun}'; "
                f"choose one of {', '.join(entry.depictions(DRAWING_SETS))}."
            )
        CHECKS.number("x", self.x, 0, 1)
        CHECKS.number("y", self.y, 0, 1)
        CHECKS.number("size", self.size, 0.05, 1)
        CHECKS.number("turn", self.turn, -45, 45)
        if self.colour is not None:
            CHECKS.choice("colour", self.colour, COLOURS)
        if self.material is not None:
            CHECKS.choice("material", self.material, MATERIALS)
        if self.shirt is not None:
            CHECKS.choice("shirt", self.shirt, SHIRT_COLOURS)
        if self.size_word is not None:
            CHECKS.choice("size_word", self.size_word, ("tiny", "giant"))
        self._check_dress()

    def _check_dress(self) -> None:
        if (self.worn or self.shirt) and not self.is_character:
            raise InvalidScene(
                f"only a character can wear things; '{self.noun}' is drawn whole ('{self.depiction}')."
            )
        if self.material and (self.colour or self.worn or self.shirt):
            raise InvalidScene(
                f"a {self.noun} made of {self.material} can have no colour, shirt or accessory."
            )
        for item in self.worn:
            CHECKS.choice("accessory", item.name, ACCESSORIES)
            if item.colour is not None and item.colour not in ACCESSORIES[item.name].colours:
                raise InvalidScene(f"a {item.name} cannot be {item.colour}; leave its colour out.")

    @property
    def is_character(self) -> bool:
        """Whether this is a head on a generated body."""
        return self.depiction.endswith(":head")

    @property
    def artwork(self) -> str:
        """The artwork set this object is drawn from."""
        return self.depiction.partition(":")[0]

    def same_kind(self, other: SceneObject) -> bool:
        """Say whether two objects are counted together ("three red cats"): alike but for their place."""
        moved = replace(self, x=other.x, y=other.y, size=other.size)
        return replace(moved, flip=other.flip, turn=other.turn, airborne=other.airborne) == other


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """A whole picture as words and numbers; `seed` decides every detail that no other field names."""

    seed: int
    world: str
    background: str
    time_of_day: str = "day"
    weather: str = "clear"
    style: str | None = None
    objects: tuple[SceneObject, ...] = ()

    def __post_init__(self) -> None:
        CHECKS.whole_number("seed", self.seed, 0, 2**63 - 1)
        CHECKS.choice("background", self.background, BACKGROUNDS)
        place = BACKGROUNDS[self.background]
        for field, allowed in (("time_of_day", place.times), ("weather", place.weathers)):
            if (value := getattr(self, field)) not in allowed:
                raise InvalidScene.of(
                    field,
                    f"{shown(value)} does not go with background '{self.background}'; "
                    f"choose from {', '.join(allowed)}.",
                )
        if not possible(self.time_of_day, self.weather):
            raise InvalidScene(
                f"weather '{self.weather}' cannot be seen at {self.time_of_day}; choose another of the two."
            )
        if self.style is not None:
            CHECKS.choice("style", self.style, STYLES)
        if len(self.objects) > MAX_OBJECTS:
            raise InvalidScene(f"a scene holds at most {MAX_OBJECTS} objects, not {len(self.objects)}.")

    @property
    def artwork_sets(self) -> tuple[str, ...]:
        """The artwork sets that drawing this scene needs."""
        needed = {item.artwork for item in self.objects}
        if BACKGROUNDS[self.background].kind == "photo":
            needed.add("panoramas")
        return tuple(sorted(needed))

    def to_json(self) -> str:
        """Return the scene as one line of JSON; fields at their default are left out."""
        record = asdict(self)
        record["objects"] = [_without_defaults(item) for item in self.objects]
        return json.dumps(record, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a scene that `to_json` wrote.

        Raises:
            InvalidScene: The text is no scene.
        """
        try:
            record = json.loads(text)
            items = record.pop("objects", [])
            return cls(**record, objects=tuple(_object_from(item) for item in items))
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            if isinstance(error, InvalidScene):
                raise
            raise InvalidScene(f"this is not a scene written by to_json ({error}).") from None


def _without_defaults(item: SceneObject) -> dict[str, Any]:
    record = asdict(item)
    kept = {
        key: value
        for key, value in record.items()
        if value not in (None, False, ()) and (key, value) != ("turn", 0.0)
    }
    if item.worn:
        kept["worn"] = [{key: value for key, value in asdict(worn).items() if value} for worn in item.worn]
    return kept


def _object_from(record: dict[str, Any]) -> SceneObject:
    worn = tuple(Worn(**item) for item in record.pop("worn", []))
    return SceneObject(**record, worn=worn)
