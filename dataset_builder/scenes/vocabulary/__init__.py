"""The words of the pocket world and what they stand for, as tables: one row a word, with all its facts.

Law: reading a word needs neither artwork nor a painter.
"""

from dataset_builder.scenes.vocabulary.surroundings import (
    BACKGROUNDS,
    HOURS,
    STYLES,
    TIMES_OF_DAY,
    WEATHER_NAMES,
    WEATHERS,
    Background,
    Hour,
    Photograph,
    Style,
    Weather,
    possible,
)
from dataset_builder.scenes.vocabulary.things import (
    ACCESSORIES,
    COLOURS,
    MATERIALS,
    NOUNS,
    SHIRT_COLOURS,
    Accessory,
    Colour,
    Material,
    Noun,
    noun,
    with_article,
)

__all__ = [
    "ACCESSORIES",
    "BACKGROUNDS",
    "COLOURS",
    "HOURS",
    "MATERIALS",
    "NOUNS",
    "SHIRT_COLOURS",
    "STYLES",
    "TIMES_OF_DAY",
    "WEATHERS",
    "WEATHER_NAMES",
    "Accessory",
    "Background",
    "Colour",
    "Hour",
    "Material",
    "Noun",
    "Photograph",
    "Style",
    "Weather",
    "noun",
    "possible",
    "with_article",
]
