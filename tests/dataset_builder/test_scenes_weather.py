"""Laws of weather in front of a scene, and of the sky behind it."""

from __future__ import annotations

import numpy as np
import pytest

from dataset_builder.scenes.paint import layout, sky, weather
from dataset_builder.scenes.paint.atmosphere import Atmosphere
from dataset_builder.scenes.vocabulary import HOURS, TIMES_OF_DAY, WEATHER_NAMES, WEATHERS, possible

GREY = np.full((64, 64, 3), 0.4, np.float32)


def atmosphere(seed: int, time_of_day: str, weather_name: str) -> Atmosphere:
    return Atmosphere(HOURS[time_of_day], WEATHERS[weather_name], seed)


@pytest.mark.parametrize("kind", WEATHER_NAMES)
@pytest.mark.parametrize("time_of_day", TIMES_OF_DAY)
def test_weather_is_pure_and_within_range(kind, time_of_day):
    once, again = (weather.apply(GREY, atmosphere(2, time_of_day, kind)) for _ in range(2))
    assert np.array_equal(once, again)
    assert np.isfinite(once).all() and once.min() >= 0 and once.max() <= 1
    assert np.array_equal(GREY, np.full((64, 64, 3), 0.4, np.float32))


@pytest.mark.parametrize("kind", ["clear", "cloudy", "rainbow"])
def test_weather_with_nothing_in_front_changes_nothing(kind):
    assert np.array_equal(weather.apply(GREY, atmosphere(2, "day", kind)), GREY)


@pytest.mark.parametrize("kind", ["rain", "snow"])
def test_drops_and_flakes_fall_in_the_same_places_by_day_and_night(kind):
    day, night = (weather.apply(GREY, atmosphere(9, t, kind)).mean(-1) for t in ("day", "night"))
    assert np.corrcoef(day.ravel(), night.ravel())[0, 1] > 0.95


@pytest.mark.parametrize("kind", WEATHER_NAMES)
@pytest.mark.parametrize("time_of_day", TIMES_OF_DAY)
def test_skies_are_pure_and_within_range(kind, time_of_day):
    once, again = (sky.paint(atmosphere(3, time_of_day, kind), size=48, horizon=0.55) for _ in range(2))
    assert np.array_equal(once, again)
    assert once.shape == (48, 48, 3) and np.isfinite(once).all() and once.min() >= 0 and once.max() <= 1


@pytest.mark.parametrize("kind", WEATHER_NAMES)
def test_the_upper_rows_of_a_sky_are_the_sky(kind):
    whole, upper = (
        sky.paint(atmosphere(3, "day", kind), size=48, horizon=0.55, rows=rows) for rows in (None, 30)
    )
    assert np.allclose(upper, whole[:30], atol=1e-6)


def test_clouds_stay_in_place_when_the_hour_changes():
    pictures = [
        sky.paint(atmosphere(3, t, "cloudy"), size=48, horizon=0.9).mean(-1)
        for t in ("day", "sunset", "night")
    ]
    rows = [picture - picture.mean(1, keepdims=True) for picture in pictures]
    assert np.corrcoef(rows[0].ravel(), rows[1].ravel())[0, 1] > 0.9
    assert np.corrcoef(rows[0].ravel(), rows[2].ravel())[0, 1] > 0.9


def test_there_is_no_rainbow_at_night():
    assert not possible("night", "rainbow")
    assert all(possible(t, w) for t in TIMES_OF_DAY for w in WEATHER_NAMES if (t, w) != ("night", "rainbow"))


def test_every_painter_that_a_weather_names_is_there():
    named = [(one.in_sky, one.in_front, one.on_ground) for one in WEATHERS.values()]
    for painters, known in zip(
        zip(*named, strict=True), (sky.IN_SKY, weather.IN_FRONT, layout.ON_GROUND), strict=True
    ):
        assert set(painters) - {""} == set(known)
