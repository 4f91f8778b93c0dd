"""The painters of the places, and ``paint``: a place in an atmosphere becomes a picture with its light.

Law: same place, seed and size ⇒ same layout at every hour and in every weather; ``paint`` is pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from types import MappingProxyType
from typing import Final

from dataset_builder.scenes.paint.atmosphere import Atmosphere
from dataset_builder.scenes.paint.canvas import Array
from dataset_builder.scenes.paint.layout import Layout, Range, illuminate
from dataset_builder.scenes.paint.light import STUDIO, Light
from dataset_builder.scenes.paint.places import built, heights, nature, water
from dataset_builder.scenes.paint.places.photographed import photo_layout
from dataset_builder.scenes.paint.places.plain import PLAIN_COLOURS, plain
from dataset_builder.scenes.vocabulary import BACKGROUNDS

LayoutPainter = Callable[[int, int], Layout]
"""(seed, size) -> layout."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Backdrop:
    """A painted place.

    Attributes:
        image: ``(H, W, 3)`` float32 in [0, 1], sRGB.
        horizon: y of the horizon as a fraction of the height.
        ground: range of y for the feet of objects.
        light: the scene's one light.
        water: range of y where things can float, or None.
    """

    image: Array
    horizon: float
    ground: Range
    light: Light
    water: Range | None = None


_DRAWN: Final[Mapping[str, LayoutPainter]] = MappingProxyType(
    {
        "beach": water.beach,
        "snow": nature.snow,
        "desert": nature.desert,
        "meadow": nature.meadow,
        "mountains": nature.mountains,
        "forest": nature.forest,
        "autumn forest": nature.autumn_forest,
        "lake": water.lake,
        "farm": nature.farm,
        "garden": nature.garden,
        "island": water.island,
        "canyon": nature.canyon,
        "sea": water.sea,
        "clouds": heights.clouds,
        "space": heights.space,
        "moon": heights.moon,
        "underwater": water.underwater,
        "city": built.city,
        "road": built.road,
        "living room": built.living_room,
        "kitchen": built.kitchen,
        "stage": built.stage,
    }
)
LAYOUTS: Final[Mapping[str, LayoutPainter]] = MappingProxyType(
    {
        **_DRAWN,
        **{f"plain {colour}": partial(plain, colour) for colour in PLAIN_COLOURS},
        **{
            place.name: partial(photo_layout, place.name, place.photo)
            for place in BACKGROUNDS.values()
            if place.photo is not None
        },
    }
)
"""Background -> the painter of its layout."""


@lru_cache(maxsize=12)
def _layout(name: str, seed: int, size: int) -> Layout:
    """Return the layout of a place; an edit of hour or weather finds it in the cache."""
    return LAYOUTS[name](seed, size)


def paint(name: str, atmosphere: Atmosphere, *, size: int) -> Backdrop:
    """Paint a background at exactly ``size`` pixels (callers that supersample ask for twice the size).

    Raises:
        ValueError: the background, the time of day or the weather is not one that can be painted.
    """
    place = BACKGROUNDS.get(name)
    if place is None:
        raise ValueError(f"background must be one of {', '.join(BACKGROUNDS)}, got {name!r}")
    for what, wanted, allowed in (
        ("time_of_day", atmosphere.hour.name, place.times),
        ("weather", atmosphere.weather.name, place.weathers),
    ):
        if wanted not in allowed:
            raise ValueError(f"{what} of {name} must be one of {allowed}, got {wanted!r}")
    layout = _layout(name, atmosphere.seed, size)
    if place.kind in ("plain", "space") or (len(place.times), len(place.weathers)) == (1, 1):
        light = STUDIO
    else:
        light = atmosphere.light(horizon=layout.horizon, indoor=layout.indoor)
    return Backdrop(
        image=illuminate(layout, light, atmosphere),
        horizon=layout.horizon,
        ground=layout.ground,
        light=light,
        water=layout.float_range,
    )
