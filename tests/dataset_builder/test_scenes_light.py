"""Laws of light: one direction per scene, shading towards it, shadows away from it."""

from __future__ import annotations

import numpy as np
import pytest

from dataset_builder.scenes.paint.atmosphere import Atmosphere
from dataset_builder.scenes.paint.light import Light, cast_shadow, shade
from dataset_builder.scenes.paint.places.register import paint
from dataset_builder.scenes.vocabulary import HOURS, TIMES_OF_DAY, WEATHER_NAMES, WEATHERS


def atmosphere(seed: int, time_of_day: str, weather_name: str) -> Atmosphere:
    return Atmosphere(HOURS[time_of_day], WEATHERS[weather_name], seed)


def light(dx: float) -> Light:
    return Light(
        direction=(dx, -float(np.sqrt(1 - dx * dx))),
        elevation=0.6,
        colour=(0.6, 0.5, 0.4),
        ambient=(0.4, 0.4, 0.5),
        shadow=0.5,
    )


def ball(size: int = 40) -> np.ndarray:
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    out = np.full((size, size, 4), 0.6, np.float32)
    out[..., 3] = x * x + y * y < 0.8
    return out


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("time_of_day", TIMES_OF_DAY)
def test_the_light_points_at_the_sun_the_sky_shows(seed, time_of_day):
    found = atmosphere(seed, time_of_day, "clear").light(horizon=0.5)
    x, height = atmosphere(seed, time_of_day, "clear").sun
    assert np.hypot(*found.direction) == pytest.approx(1)
    assert found.direction[0] * (x - 0.5) >= 0 and found.direction[1] < 0
    assert 0 < height < 1
    assert x == atmosphere(seed, "day", "clear").sun[0]  # the hour leaves its side


@pytest.mark.parametrize("seed", [4, 5, 6])
def test_the_brightest_sky_is_where_the_light_comes_from(seed):
    painted = paint("desert", atmosphere(seed, "day", "clear"), size=64)
    x, height = atmosphere(seed, "day", "clear").sun
    row, column = int(painted.horizon * (1 - height) * 64), int(x * 64)
    assert painted.image[row, column].min() > 0.75


@pytest.mark.parametrize("weather", WEATHER_NAMES)
def test_night_is_bluer_and_darker_than_day_in_every_weather(weather):
    day, night = (atmosphere(1, t, weather).light(horizon=0.5).level for t in ("day", "night"))
    assert night.mean() < 0.65 * day.mean()
    assert night[2] / night[0] > day[2] / day[0]


def test_overcast_light_casts_weaker_shadows():
    clear, cloudy = (atmosphere(1, "day", w).light(horizon=0.5) for w in ("clear", "cloudy"))
    assert cloudy.shadow < 0.5 * clear.shadow


@pytest.mark.parametrize("dx", [-0.8, 0.8])
def test_the_side_that_faces_the_light_is_brighter(dx):
    lit = shade(ball(), light(dx))
    left, right = lit[12:28, 5:14, :3].mean(), lit[12:28, 26:35, :3].mean()
    assert (right - left) * dx > 0.02
    assert np.array_equal(lit[..., 3], ball()[..., 3])
    assert lit.min() >= 0 and lit.max() <= 1


@pytest.mark.parametrize("dx", [-0.8, 0.8])
def test_shadows_fall_away_from_the_light_and_only_darken_the_ground(dx):
    canvas = np.full((64, 64, 3), 0.7, np.float32)
    alpha = np.zeros((64, 64), np.float32)
    alpha[20:44, 26:38] = 1
    after = cast_shadow(canvas, alpha, 44 / 64, light(dx))
    taken = (canvas - after).mean(-1)
    assert taken.min() >= -1e-6
    assert taken[:36].max() < 1e-3  # nothing above the feet but a soft edge
    columns = np.arange(64)[None, :]
    middle = (taken * columns).sum() / taken.sum()
    assert (middle - 31.5) * dx < 0
    assert np.array_equal(canvas, np.full((64, 64, 3), 0.7, np.float32))  # the canvas itself is left alone


def test_without_an_object_there_is_no_shadow():
    canvas = np.full((32, 32, 3), 0.5, np.float32)
    assert np.array_equal(cast_shadow(canvas, np.zeros((32, 32), np.float32), 0.8, light(0.5)), canvas)


def test_a_light_says_what_is_wrong_with_it():
    with pytest.raises(ValueError, match="direction must be a unit vector"):
        Light(direction=(1.0, 1.0), elevation=0.5, colour=(1, 1, 1), ambient=(0, 0, 0), shadow=0.5)
    with pytest.raises(ValueError, match=r"shadow must lie in \[0, 1\]"):
        Light(direction=(0.0, -1.0), elevation=0.5, colour=(1, 1, 1), ambient=(0, 0, 0), shadow=2.0)
