"""The words of the pocket world and what they stand for: nouns, colours, materials, accessories, shirts.

Law: everything a caption can name is an entry here (or a background, style, time or weather of the painting
modules), so that a scene can be checked word by word before it is drawn.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from .errors import InvalidScene
from .nouns import BLACKLIST, MISSING, NOUN_TABLE

NounClass = Literal[
    "animal", "character", "flyer", "vessel", "fish", "vehicle", "food", "thing", "plant", "building"
]
Place = Literal["head", "eyes", "ears", "neck", "throat"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Noun:
    """A thing that can stand in a scene.

    Attributes:
        kind: Class of the noun; it decides where the thing may stand.
        code: Unicode code point(s) of the drawing of the whole thing; empty for a noun that has only a head.
        head_code: The same for the drawing of the head alone; empty where there is none.
        size: Size beside other nouns, 1 being the middle; small differences only, since things must be seen.
        without: Depictions that do not exist or are not used.
        colourable: Whether "a red ..." makes sense and can be seen.
    """

    name: str
    kind: NounClass
    plural: str
    code: str = ""
    slug: str = ""
    head_code: str = ""
    head_slug: str = ""
    size: float = 1.0
    without: frozenset[str] = frozenset()
    colourable: bool = True

    def depictions(self, sets: tuple[str, ...]) -> tuple[str, ...]:
        """Name this noun's drawings in some sets: `noto` is the whole thing, `noto:head` head and body."""
        whole = [name for name in sets if self.code]
        heads = [f"{name}:head" for name in sets if self.head_code]
        return tuple(name for name in whole + heads if name not in self.without)


@dataclass(frozen=True, kw_only=True, slots=True)
class Accessory:
    """Something a character can wear.

    Attributes:
        phrase: How a caption names it ("a top hat").
        place: Where it is anchored on the character.
        width: Width as a fraction of the head's width.
        colours: Colours it may take; empty where the drawing's own colour is part of what it is.
        sets: Artwork sets whose drawing is usable, best first; empty for one that is drawn by us.
    """

    name: str
    phrase: str
    place: Place
    width: float
    code: str = ""
    slug: str = ""
    colours: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()

    def phrase_in(self, colour: str | None) -> str:
        """Name the accessory in a colour: "a red cap", "yellow glasses"."""
        if colour is None:
            return self.phrase
        return (
            f"{with_article(f'{colour} {self.phrase[2:]}')}"
            if self.phrase.startswith("a ")
            else (f"{colour} {self.phrase}")
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Colour:
    """A colour word: hue in degrees (None for black, white, grey), saturation, and middle luminance."""

    name: str
    hue: float | None
    saturation: float
    luminance: float


def _colours() -> dict[str, Colour]:
    table: dict[str, tuple[float | None, float, float]] = {
        "red": (0, 0.84, 0.40),
        "orange": (27, 0.92, 0.62),
        "yellow": (51, 0.92, 0.80),
        "green": (125, 0.70, 0.48),
        "teal": (178, 0.72, 0.52),
        "blue": (216, 0.80, 0.42),
        "purple": (274, 0.64, 0.40),
        "pink": (332, 0.55, 0.72),
        "brown": (24, 0.62, 0.32),
        "black": (None, 0.0, 0.12),
        "white": (None, 0.0, 0.92),
        "grey": (None, 0.0, 0.50),
    }
    return {name: Colour(name=name, hue=h, saturation=s, luminance=v) for name, (h, s, v) in table.items()}


COLOURS: Mapping[str, Colour] = MappingProxyType(_colours())

SHIRT_COLOURS: Mapping[str, tuple[int, int, int]] = MappingProxyType(
    {
        "red": (206, 52, 50),
        "blue": (58, 104, 204),
        "green": (70, 160, 80),
        "yellow": (242, 200, 60),
        "purple": (136, 84, 186),
        "orange": (240, 136, 50),
        "pink": (240, 140, 176),
        "white": (238, 238, 236),
        "black": (52, 52, 58),
    }
)

_BRIGHT = ("red", "blue", "green", "yellow", "purple", "pink", "orange")
_ALL_SETS = ("fluent-emoji-3d", "noto", "twemoji", "fluent-emoji-flat", "noto-v1", "emojione")
ACCESSORIES: Mapping[str, Accessory] = MappingProxyType(
    {
        entry.name: entry
        for entry in (
            Accessory(
                name="top hat",
                phrase="a top hat",
                place="head",
                width=0.74,
                code="1f3a9",
                slug="top-hat",
                colours=_BRIGHT,
                sets=_ALL_SETS,
            ),
            Accessory(
                name="crown",
                phrase="a crown",
                place="head",
                width=0.66,
                code="1f451",
                slug="crown",
                sets=_ALL_SETS,
            ),
            Accessory(
                name="cap",
                phrase="a cap",
                place="head",
                width=0.84,
                code="1f9e2",
                slug="billed-cap",
                colours=_BRIGHT,
                sets=("fluent-emoji-3d", "noto", "twemoji", "fluent-emoji-flat"),
            ),
            Accessory(
                name="graduation cap",
                phrase="a graduation cap",
                place="head",
                width=0.82,
                code="1f393",
                slug="graduation-cap",
                sets=_ALL_SETS,
            ),
            Accessory(
                name="straw hat",
                phrase="a straw hat",
                place="head",
                width=0.9,
                code="1f452",
                slug="woman-s-hat",
                sets=("fluent-emoji-3d", "noto", "twemoji", "fluent-emoji-flat"),
            ),
            Accessory(
                name="helmet",
                phrase="a helmet",
                place="head",
                width=0.78,
                code="26d1",
                slug="rescue-worker-s-helmet",
                sets=("fluent-emoji-3d", "noto", "twemoji", "fluent-emoji-flat"),
            ),
            Accessory(name="glasses", phrase="glasses", place="eyes", width=0.9),
            Accessory(name="sunglasses", phrase="sunglasses", place="eyes", width=0.92),
            Accessory(name="headphones", phrase="headphones", place="ears", width=1.12),
            Accessory(name="bow tie", phrase="a bow tie", place="throat", width=0.5, colours=_BRIGHT),
            Accessory(name="scarf", phrase="a scarf", place="neck", width=0.7, colours=_BRIGHT),
        )
    }
)

_KINDS = ("animal", "character", "flyer", "vessel", "fish", "vehicle", "food", "thing", "plant", "building")
_IRREGULAR = {
    "sheep": "sheep",
    "mouse": "mice",
    "deer": "deer",
    "fish": "fish",
    "tropical fish": "tropical fish",
    "jellyfish": "jellyfish",
    "wolf": "wolves",
    "cup of coffee": "cups of coffee",
    "loaf of bread": "loaves of bread",
    "cherries": "pairs of cherries",
    "scissors": "pairs of scissors",
    "maple leaf": "maple leaves",
    "corn": "ears of corn",
    "broccoli": "heads of broccoli",
    "cheese": "pieces of cheese",
}
_NO_ARTICLE = frozenset({"cherries", "scissors", "corn", "broccoli", "cheese"})
# What has its colour in its name or on its face; a recoloured one would be another thing.
_OWN_COLOUR = frozenset(
    (
        *("zebra", "panda", "pizza", "hamburger", "taxi", "ambulance", "broccoli"),
        *("jack-o-lantern", "snowman", "globe", "rooster", "peacock", "fire engine", "police car"),
        *("birthday cake", "christmas tree", "hot dog", "soccer ball", "ice cream"),
    )
)
_SIZES = {"elephant": 1.12, "giraffe": 1.12, "castle": 1.14, "house": 1.12, "church": 1.12, "whale": 1.12}
_SIZES |= {
    "bee": 0.86,
    "ladybird": 0.86,
    "mouse": 0.88,
    "strawberry": 0.88,
    "key": 0.9,
    "tree": 1.14,
    "chick": 0.88,
}
_LINE = re.compile(
    r"(?P<name>[a-z -]+) = (?P<code>[0-9a-f-]+) (?P<slug>[a-z-]+)"
    r"(; head (?P<hcode>[0-9a-f-]+) (?P<hslug>[a-z-]+))?"
)


def plural_of(name: str) -> str:
    """Return the plural of a noun, as a caption with a count needs it."""
    if name in _IRREGULAR:
        return _IRREGULAR[name]
    if name.endswith(("s", "x", "ch", "sh")):
        return f"{name}es"
    if name.endswith("y") and name[-2] not in "aeiou":
        return f"{name[:-1]}ies"
    return f"{name}s"


def _nouns() -> dict[str, Noun]:
    nouns: dict[str, Noun] = {}
    missing: dict[str, frozenset[str]] = {}
    for depiction, names in MISSING.items():
        for name in names.split(", "):
            missing[name] = missing.get(name, frozenset()) | {depiction}
    kind: NounClass = "animal"
    for line in NOUN_TABLE.strip().splitlines():
        header = line.strip("[]")
        if line.startswith("[") and header in _KINDS:
            kind = header  # type: ignore[assignment]
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise InvalidScene(f"the noun table cannot be read at '{line}'.")
        name, only_head = match["name"], kind == "character"
        nouns[name] = Noun(
            name=name,
            kind=kind,
            plural=plural_of(name),
            code="" if only_head else match["code"],
            slug="" if only_head else match["slug"],
            head_code=match["code"] if only_head else match["hcode"] or "",
            head_slug=match["slug"] if only_head else match["hslug"] or "",
            size=_SIZES.get(name, 1.0),
            without=frozenset(BLACKLIST.get(name, "").split()) | missing.get(name, frozenset()),
            colourable=name not in _OWN_COLOUR,
        )
    return nouns


NOUNS: Mapping[str, Noun] = MappingProxyType(_nouns())


def with_article(phrase: str) -> str:
    """Put "a" or "an" before a phrase, or nothing before one that takes none."""
    if phrase.split()[-1] in _NO_ARTICLE or phrase in _NO_ARTICLE:
        return phrase
    # "a unicorn", "a UFO": the ear decides, and of our words only these begin with a spoken consonant.
    spoken_vowel = phrase[0] in "aeiou" and not phrase.startswith(("uni", "eu", "use"))
    return f"an {phrase}" if spoken_vowel else f"a {phrase}"


def noun(name: str) -> Noun:
    """Return the noun of that name.

    Raises:
        InvalidScene: There is no such noun.
    """
    try:
        return NOUNS[name]
    except KeyError:
        raise InvalidScene(
            f"noun '{name}' is not in the vocabulary; see dataset_builder.scenes.NOUNS."
        ) from None
