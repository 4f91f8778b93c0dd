"""Laws of weather in front of a scene, and of the sky behind it."""

from __future__ import annotations

import numpy as np
import pytest

from dataset_builder.scenes import sky, weather
from dataset_builder.scenes.light import TIMES_OF_DAY, WEATHERS

GREY = np.full((64, 64, 3), 0.4, np.float32)


@pytest.mark.parametrize("kind", WEATHERS)
@pytest.mark.parametrize("time_of_day", TIMES_OF_DAY)
def test_weather_is_pure_and_within_range(kind, time_of_day):
    once, again = (weather.apply(GREY, weather=kind, time_of_day=time_of_day, seed=2) for _ in range(2))
    assert np.array_equal(once, again)
    assert np.isfinite(once).all() and once.min() >= 0 and once.max() <= 1
    assert np.array_equal(GREY, np.full((64, 64, 3), 0.4, np.float32))


@pytest.mark.parametrize("kind", ["clear", "cloudy", "rainbow"])
def test_weather_with_nothing_in_front_changes_nothing(kind):
    assert np.array_equal(weather.apply(GREY, weather=kind, time_of_day="day", seed=2), GREY)


@pytest.mark.parametrize("kind", ["rain", "snow"])
def test_drops_and_flakes_fall_in_the_same_places_by_day_and_night(kind):
    day, night = (weather.apply(GREY, weather=kind, time_of_day=t, seed=9).mean(-1) for t in ("day", "night"))
    assert np.corrcoef(day.ravel(), night.ravel())[0, 1] > 0.95


@pytest.mark.parametrize("kind", WEATHERS)
@pytest.mark.parametrize("time_of_day", TIMES_OF_DAY)
def test_skies_are_pure_and_within_range(kind, time_of_day):
    asked = {"time_of_day": time_of_day, "weather": kind, "size": 48, "horizon": 0.55}
    once = sky.paint(3, **asked)
    assert np.array_equal(once, sky.paint(3, **asked))
    assert once.shape == (48, 48, 3) and np.isfinite(once).all() and once.min() >= 0 and once.max() <= 1


@pytest.mark.parametrize("kind", WEATHERS)
def test_the_upper_rows_of_a_sky_are_the_sky(kind):
    asked = {"time_of_day": "day", "weather": kind, "size": 48, "horizon": 0.55}
    assert np.allclose(sky.paint(3, **asked, rows=30), sky.paint(3, **asked)[:30], atol=1e-6)


def test_clouds_stay_in_place_when_the_hour_changes():
    pictures = [
        sky.paint(3, time_of_day=t, weather="cloudy", size=48, horizon=0.9).mean(-1)
        for t in ("day", "sunset", "night")
    ]
    rows = [picture - picture.mean(1, keepdims=True) for picture in pictures]
    assert np.corrcoef(rows[0].ravel(), rows[1].ravel())[0, 1] > 0.9
    assert np.corrcoef(rows[0].ravel(), rows[2].ravel())[0, 1] > 0.9


def test_there_is_no_rainbow_at_night():
    assert not sky.possible("night", "rainbow")
    assert all(sky.possible(t, w) for t in TIMES_OF_DAY for w in WEATHERS if (t, w) != ("night", "rainbow"))
