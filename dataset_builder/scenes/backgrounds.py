"""The register of backgrounds, and ``paint``: a place, an hour and a weather become a picture with its light.

Law: same name, seed and size ⇒ same layout at every hour and in every weather; ``paint`` is pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from types import MappingProxyType
from typing import Final, Literal

from . import backgrounds_built as built
from . import backgrounds_heights as heights
from . import backgrounds_nature as nature
from . import backgrounds_water as water
from .backgrounds_photo import PHOTOS, photo_layout
from .backgrounds_plain import PLAIN_COLOURS, plain
from .canvas import Array
from .layout import Layout, Range, illuminate
from .light import STUDIO, TIMES_OF_DAY, WEATHERS, Light, scene_light

Kind = Literal["land", "water", "air", "room", "space", "plain", "photo"]
LayoutPainter = Callable[[int, int], Layout]


@dataclass(frozen=True, kw_only=True, slots=True)
class Background:
    """A place that scenes can have.

    Attributes:
        name: its key.
        phrase: how a caption says it ("on a beach").
        kind: what stands there and how.
        times: times of day it can be painted at.
        weathers: weathers it can be painted in.
        sprites: nouns whose artwork it needs (none of the registered places needs any).
        artwork: artwork sets it needs (the photographed places need `panoramas`).
        layout: paints its layout from (seed, size).
    """

    name: str
    phrase: str
    kind: Kind
    times: tuple[str, ...]
    weathers: tuple[str, ...]
    layout: LayoutPainter
    sprites: tuple[str, ...] = ()
    artwork: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not set(self.times) <= set(TIMES_OF_DAY) or not self.times:
            raise ValueError(f"times of {self.name} must be some of {TIMES_OF_DAY}, got {self.times}")
        if not set(self.weathers) <= set(WEATHERS) or not self.weathers:
            raise ValueError(f"weathers of {self.name} must be some of {WEATHERS}, got {self.weathers}")


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


_ALL = WEATHERS
_NO_SNOW = tuple(weather for weather in WEATHERS if weather != "snow")
_AIR = ("clear", "cloudy", "thunderstorm", "rainbow")


def _place(
    name: str,
    phrase: str,
    layout: LayoutPainter,
    *,
    kind: Kind = "land",
    times: tuple[str, ...] = TIMES_OF_DAY,
    weathers: tuple[str, ...] = _ALL,
) -> Background:
    """Describe one background."""
    return Background(name=name, phrase=phrase, kind=kind, times=times, weathers=weathers, layout=layout)


_DAY, _CLEAR = ("day",), ("clear",)
_PLACES: Final = (
    _place("beach", "on a beach", water.beach, weathers=_NO_SNOW),
    _place("snow", "in the snow", nature.snow),
    _place("desert", "in the desert", nature.desert, weathers=_NO_SNOW),
    _place("meadow", "in a meadow", nature.meadow),
    _place("mountains", "in front of mountains", nature.mountains),
    _place("forest", "in a forest", nature.forest),
    _place("autumn forest", "in an autumn forest", nature.autumn_forest),
    _place("lake", "by a lake", water.lake),
    _place("farm", "on a farm", nature.farm),
    _place("garden", "in a garden", nature.garden),
    _place("island", "on an island", water.island, weathers=_NO_SNOW),
    _place("canyon", "in a canyon", nature.canyon),
    _place("sea", "on the sea", water.sea, kind="water"),
    _place("clouds", "above the clouds", heights.clouds, kind="air", weathers=("clear",)),
    _place("space", "in outer space", heights.space, kind="space", times=_DAY, weathers=_CLEAR),
    _place("moon", "on the moon", heights.moon, kind="land", times=_DAY, weathers=_CLEAR),
    _place(
        "underwater", "under water", water.underwater, kind="water", times=("day", "night"), weathers=_CLEAR
    ),
    _place("city", "in a city street", built.city),
    _place("road", "on a country road", built.road),
    _place("living room", "in a living room", built.living_room, kind="room", weathers=_CLEAR),
    _place("kitchen", "in a kitchen", built.kitchen, kind="room", weathers=_CLEAR),
    _place("stage", "on a stage", built.stage, kind="room", times=_DAY, weathers=_CLEAR),
    *(
        _place(
            f"plain {colour}",
            f"on a plain {colour} background",
            partial(plain, colour),
            kind="plain",
            times=_DAY,
            weathers=_CLEAR,
        )
        for colour in PLAIN_COLOURS
    ),
)
_PHOTOS: Final = tuple(
    Background(
        name=photo.name,
        phrase=photo.phrase,
        kind="photo",
        times=TIMES_OF_DAY,
        weathers=_CLEAR if photo.indoor else _ALL,
        layout=partial(photo_layout, photo),
        artwork=("panoramas",),
    )
    for photo in PHOTOS
)
BACKGROUNDS: Final[Mapping[str, Background]] = MappingProxyType(
    {place.name: place for place in (*_PLACES, *_PHOTOS)}
)


@lru_cache(maxsize=12)
def _layout(name: str, seed: int, size: int) -> Layout:
    """Return the layout of a place; an edit of hour or weather finds it in the cache."""
    return BACKGROUNDS[name].layout(seed, size)


def paint(name: str, *, seed: int, time_of_day: str, weather: str, size: int) -> Backdrop:
    """Paint a background at exactly ``size`` pixels (callers that supersample ask for twice the size).

    Raises:
        ValueError: the background, the time of day or the weather is not one that can be painted.
    """
    background = BACKGROUNDS.get(name)
    if background is None:
        raise ValueError(f"background must be one of {', '.join(BACKGROUNDS)}, got {name!r}")
    if time_of_day not in background.times:
        raise ValueError(f"time_of_day of {name} must be one of {background.times}, got {time_of_day!r}")
    if weather not in background.weathers:
        raise ValueError(f"weather of {name} must be one of {background.weathers}, got {weather!r}")
    layout = _layout(name, seed, size)
    if background.kind in ("plain", "space") or (background.times == _DAY and background.weathers == _CLEAR):
        light = STUDIO
    else:
        light = scene_light(
            seed, time_of_day=time_of_day, weather=weather, horizon=layout.horizon, indoor=layout.indoor
        )
    return Backdrop(
        image=illuminate(layout, light, seed=seed, time_of_day=time_of_day, weather=weather),
        horizon=layout.horizon,
        ground=layout.ground,
        light=light,
        water=layout.float_range,
    )
