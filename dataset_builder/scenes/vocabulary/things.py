"""What stands in a scene and how it can look: nouns, colours, materials, accessories.

Law: everything a caption can name is a row of a table, so a scene is checked word by word before it is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from dataset_builder.scenes.errors import InvalidScene
from dataset_builder.scenes.vocabulary.tables import rows, table

NounClass = Literal[
    "animal", "character", "flyer", "vessel", "fish", "vehicle", "food", "thing", "plant", "building"
]
Anchor = Literal["head", "eyes", "ears", "neck", "throat"]
Texture = Literal["none", "grain", "rough", "veins", "frost"]
Cloth = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Noun:
    """A thing that can stand in a scene; its facts are explained in `nouns.toml`."""

    name: str
    kind: NounClass
    plural: str
    code: str = ""
    slug: str = ""
    head_code: str = ""
    head_slug: str = ""
    article: bool = True
    size: float = 1.0
    own_colour: bool = False
    lettered: bool = False
    eyes: float = 0.47
    hat: float = 0.24
    missing: tuple[str, ...] = ()
    unusable: tuple[str, ...] = ()

    def depictions(self, sets: tuple[str, ...]) -> tuple[str, ...]:
        """Name this noun's drawings in some sets: `noto` is the whole thing, `noto:head` head and body."""
        whole = [name for name in sets if self.code]
        heads = [f"{name}:head" for name in sets if self.head_code]
        return tuple(name for name in whole + heads if name not in self.missing + self.unusable)


@dataclass(frozen=True, kw_only=True, slots=True)
class Accessory:
    """Something a character can wear; its facts are explained in `accessories.toml`."""

    name: str
    phrase: str
    place: Anchor
    width: float
    code: str = ""
    slug: str = ""
    colours: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()

    def phrase_in(self, colour: str | None) -> str:
        """Name the accessory in a colour: "a red cap", "yellow glasses"."""
        if colour is None:
            return self.phrase
        bare = self.phrase.removeprefix("a ")
        return f"{colour} {bare}" if bare == self.phrase else with_article(f"{colour} {bare}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Colour:
    """A colour word: hue in degrees (None for black, white, grey), saturation, and middle luminance."""

    name: str
    saturation: float
    luminance: float
    hue: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Material:
    """How a material looks; its facts are explained in `materials.toml`."""

    name: str
    dark: Cloth
    middle: Cloth
    light: Cloth
    gloss: float
    detail: float
    texture: Texture = "none"
    opacity: float = 1.0


def _nouns() -> Mapping[str, Noun]:
    return MappingProxyType(
        {
            name: Noun(name=name, kind=kind, **row)  # type: ignore[arg-type]  # the table's word
            for kind, group in table("nouns").items()
            for name, row in group.items()
        }
    )


NOUNS: Mapping[str, Noun] = _nouns()
ACCESSORIES: Mapping[str, Accessory] = rows(Accessory, table("accessories"))
COLOURS: Mapping[str, Colour] = rows(Colour, table("colours")["colour"])
SHIRT_COLOURS: Mapping[str, Cloth] = MappingProxyType(table("colours")["cloth"])
MATERIALS: Mapping[str, Material] = rows(Material, table("materials"))

_NO_ARTICLE = frozenset(name for name, entry in NOUNS.items() if not entry.article)


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
