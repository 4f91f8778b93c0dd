"""The atmosphere of a scene: an hour and a weather, and from them its light, its sky's colours, its haze.

Law: it is made once per scene and passed down; its sun stands where the seed alone says, and the light comes
from there.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot
from typing import Self

import numpy as np

from dataset_builder.scenes.paint.canvas import Array, rgb
from dataset_builder.scenes.paint.light import FACING, Light
from dataset_builder.scenes.scene import Scene
from dataset_builder.scenes.seeds import generator
from dataset_builder.scenes.vocabulary import HOURS, WEATHERS, Hour, Weather


@dataclass(frozen=True, slots=True)
class Atmosphere:
    """An hour and a weather over one scene, whose seed decides what they leave open."""

    hour: Hour
    weather: Weather
    seed: int

    @classmethod
    def of(cls, scene: Scene) -> Self:
        """Return a scene's atmosphere."""
        return cls(HOURS[scene.time_of_day], WEATHERS[scene.weather], scene.seed)

    @property
    def is_plain(self) -> bool:
        """Whether it is a clear day, which photographs show as it was."""
        return (self.hour.name, self.weather.name) == ("day", "clear")

    @property
    def sun(self) -> tuple[float, float]:
        """The place of the sun or moon: x as a fraction of the width, height as a fraction of the sky."""
        x, height = generator(self.seed, "sun").random(2)
        low, high = self.hour.height
        return 0.12 + 0.76 * float(x), low + (high - low) * float(height)

    @property
    def tint(self) -> Array:
        """The hour's tint of an overcast sky, ``(3,)``; some weathers scatter more of the night's light."""
        tint = np.array(self.hour.tint, np.float32)
        return tint * self.weather.night_sky if self.hour.is_night else tint

    @property
    def overcast(self) -> tuple[Array, Array] | None:
        """The colours of an overcast sky at the top and at the horizon, or None where it is clear."""
        if self.weather.overcast is None:
            return None
        top, bottom = self.weather.overcast
        return rgb(*top), rgb(*bottom)

    @property
    def horizon_colour(self) -> Array:
        """The colour of the sky at the horizon, ``(3,)``, which distant land and fog take."""
        if self.overcast is None:
            return rgb(*self.hour.sky[-1][1:])
        return np.asarray(np.clip(self.overcast[1] * self.tint, 0, 1), np.float32)

    def light(self, *, horizon: float, indoor: bool = False) -> Light:
        """Return the one light of a scene whose horizon stands at a fraction of the height."""
        hour, weather, night = self.hour, self.weather, self.hour.is_night
        x, height = self.sun
        # seen from the middle of the ground, in picture coordinates
        dx, dy = x - 0.5, horizon * (1 - height) - 0.5 * (1 + horizon)
        length = hypot(dx, dy)
        ambient = np.array(hour.ambient)
        colour = np.array(hour.colour)
        shadow, left_over = hour.shadow, hour.saturation * weather.saturation
        if indoor:
            # lamps: rooms keep most of their brightness, and turn dim and warm at night
            warm = np.array([0.42, 0.34, 0.28]) if night else ambient * 0.5 + 0.28
            ambient, colour = warm, colour * 0.35 + (0.12 if night else 0.30)
            shadow, left_over = 0.4, max(left_over, 0.85)
        level = ambient + FACING * colour
        grey = level.mean() * 0.45 + level * 0.55
        soft = level + (grey - level) * weather.diffused
        kept = colour * (1 - weather.diffused)
        # moonlight is dim already: weather takes less of it away
        scale = weather.brightness ** (0.4 if night else 1.0) * np.array(weather.tint)
        ambient, colour = (soft - FACING * kept) * scale, kept * scale
        return Light(
            direction=(dx / length, dy / length),
            elevation=hour.elevation,
            colour=(float(colour[0]), float(colour[1]), float(colour[2])),
            ambient=(float(ambient[0]), float(ambient[1]), float(ambient[2])),
            shadow=shadow * (1 - 0.8 * weather.diffused),
            saturation=left_over,
        )
