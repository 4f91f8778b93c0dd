"""Where and when a scene is, and in which style: backgrounds, times of day, weathers, styles.

Law: every row can be painted: the tests hold that each background, weather and style has its painter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

from dataset_builder.scenes.vocabulary.tables import rows, table

Rgb = tuple[int, int, int]
Triple = tuple[float, float, float]
Kind = Literal["land", "water", "air", "room", "space", "plain", "photo"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Hour:
    """A time of day; its facts are explained in `hours.toml`."""

    name: str
    words: str
    weight: float
    ambient: Triple
    colour: Triple
    height: tuple[float, float]
    elevation: float
    shadow: float
    saturation: float
    sky: tuple[tuple[float, int, int, int], ...]
    clouds: Rgb
    tint: Triple
    lamps: float
    sun_size: float = 1.0
    core: Rgb | None = None
    glow: Rgb | None = None

    @property
    def is_night(self) -> bool:
        """Whether moon and stars stand in the sky."""
        return self.core is None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Weather:
    """A weather; its facts are explained in `weathers.toml`."""

    name: str
    words: str
    weight: float
    brightness: float
    diffused: float
    tint: Triple
    saturation: float
    cover: tuple[float, float]
    haze: tuple[float, float]
    times: tuple[str, ...] = ()
    overcast: tuple[Rgb, Rgb] | None = None
    night_sky: float = 1.0
    billow: bool = False
    faint_sun: bool = False
    in_sky: str = ""
    in_front: str = ""
    density: int = 0
    on_ground: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Photograph:
    """The panorama that a place is a view into; its facts are explained in `backgrounds.toml`."""

    file: str
    openings: Literal["sky", "windows", "lamps"] = "sky"
    yaw: tuple[float, float] = (0.0, 360.0)
    neutral: float = 0.6
    own_sky: bool = False
    windows: bool = False
    depth: float = 0.7
    mirror: float = 0.0
    sky_level: float = 0.22

    @property
    def indoor(self) -> bool:
        """Whether the place has a roof."""
        return self.openings != "sky"


@dataclass(frozen=True, kw_only=True, slots=True)
class Background:
    """A place that scenes can have; its facts are explained in `backgrounds.toml`."""

    name: str
    phrase: str
    kind: Kind
    times: tuple[str, ...]
    weathers: tuple[str, ...]
    bare: str = ""
    photo: Photograph | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Style:
    """A whole-picture style; its facts are explained in `styles.toml`."""

    name: str
    phrase: str
    colourless: bool = False
    coarse: bool = False


def _backgrounds() -> Mapping[str, Background]:
    every: dict[str, Any] = {"times": TIMES_OF_DAY, "weathers": WEATHER_NAMES}
    found = {}
    for name, row in table("backgrounds").items():
        photo = Photograph(**row["photo"]) if "photo" in row else None
        found[name] = Background(name=name, **{**every, **row, "photo": photo})
    return MappingProxyType(found)


HOURS: Final[Mapping[str, Hour]] = rows(Hour, table("hours"))
TIMES_OF_DAY: Final = tuple(HOURS)
WEATHERS: Final[Mapping[str, Weather]] = rows(Weather, table("weathers"))
WEATHER_NAMES: Final = tuple(WEATHERS)
BACKGROUNDS: Final[Mapping[str, Background]] = _backgrounds()
STYLES: Final[Mapping[str, Style]] = rows(Style, table("styles"))


def possible(time_of_day: str, weather: str) -> bool:
    """Say whether a weather can be seen at a time of day: there is no rainbow at night."""
    times = WEATHERS[weather].times
    return not times or time_of_day in times
