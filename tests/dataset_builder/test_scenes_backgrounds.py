"""Laws of painted places: pure, within range, and one layout for every hour and weather."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dataset_builder.scenes import backgrounds, sky, weather
from dataset_builder.scenes.artwork import has_artwork
from dataset_builder.scenes.backgrounds import BACKGROUNDS, paint
from dataset_builder.scenes.layout import Layout

SIZE = 32
DRAWN = sorted(name for name, place in BACKGROUNDS.items() if place.kind != "photo")
PHOTOS = sorted(name for name, place in BACKGROUNDS.items() if place.kind == "photo")
needs_panoramas = pytest.mark.skipif(
    not has_artwork("panoramas"), reason="`wordbrush data artwork panoramas` was not run"
)
EVERY = [*DRAWN, *(pytest.param(name, marks=needs_panoramas) for name in PHOTOS)]


def test_there_are_enough_places_with_phrases_of_their_own():
    assert len(BACKGROUNDS) >= 30
    assert len({place.phrase for place in BACKGROUNDS.values()}) == len(BACKGROUNDS)
    assert all(name == place.name for name, place in BACKGROUNDS.items())


@pytest.mark.parametrize("name", EVERY)
def test_every_place_paints_at_every_hour_and_weather_it_allows(name):
    place = BACKGROUNDS[name]
    for time_of_day in place.times:
        for wet in place.weathers:
            if not sky.possible(time_of_day, wet):
                continue
            painted = paint(name, seed=3, time_of_day=time_of_day, weather=wet, size=SIZE)
            image = weather.apply(painted.image, weather=wet, time_of_day=time_of_day, seed=3)
            assert image.shape == (SIZE, SIZE, 3) and image.dtype == np.float32
            assert np.isfinite(image).all() and image.min() >= 0 and image.max() <= 1
            assert 0 < painted.ground[0] <= painted.ground[1] <= 1


@pytest.mark.parametrize("name", EVERY)
def test_painting_is_pure_and_leaves_its_caches_alone(name):
    place = BACKGROUNDS[name]
    now: dict[str, Any] = {"time_of_day": place.times[-1], "weather": place.weathers[-1], "size": SIZE}
    first = paint(name, seed=11, **now).image.copy()
    paint(name, seed=12, **now).image[:] = 0  # a caller may draw on the picture it was given
    backgrounds._layout.cache_clear()
    paint(name, seed=11, **now).image[:] = 0
    assert np.array_equal(paint(name, seed=11, **now).image, first)


@pytest.mark.parametrize("name", EVERY)
def test_another_seed_is_another_place(name):
    place = BACKGROUNDS[name]
    now: dict[str, Any] = {"time_of_day": place.times[0], "weather": "clear", "size": SIZE}
    assert not np.array_equal(paint(name, seed=1, **now).image, paint(name, seed=2, **now).image)


@pytest.mark.parametrize("name", EVERY)
def test_hour_and_weather_move_nothing(name):
    place = BACKGROUNDS[name]
    painted = [
        paint(name, seed=5, time_of_day=time, weather=wet, size=SIZE)
        for time in place.times
        for wet in place.weathers
    ]
    assert len({(one.horizon, one.ground, one.water) for one in painted}) == 1


@pytest.mark.parametrize("name", ["mountains", "city", "lake", "farm"])
def test_edges_stay_where_they_are_from_day_to_night(name):
    """On land, night is day in another light: the two pictures rise and fall together."""
    layout = BACKGROUNDS[name].layout(5, 64)
    lit = {
        time: paint(name, seed=5, time_of_day=time, weather="clear", size=64).image
        for time in ("day", "night")
    }
    land = (layout.cover == 1) & (layout.lamps < 0.01) & (layout.water == 0)
    land[: int(layout.horizon * 64)] = False
    day, night = (np.log(lit[time].mean(-1)[land] + 0.02) for time in ("day", "night"))
    assert np.corrcoef(day, night)[0, 1] > 0.8


@pytest.mark.parametrize("name", [n for n in DRAWN if "night" in BACKGROUNDS[n].times])
def test_night_is_dark(name):
    day, night = (
        paint(name, seed=8, time_of_day=time, weather="clear", size=SIZE).image.mean()
        for time in ("day", "night")
    )
    assert night < 0.62 * day


@pytest.mark.parametrize("name", ["beach", "meadow", "city", "forest"])
def test_fog_takes_contrast(name):
    clear, fog = (
        weather.apply(
            paint(name, seed=8, time_of_day="day", weather=wet, size=64).image,
            weather=wet,
            time_of_day="day",
            seed=8,
        )
        for wet in ("clear", "fog")
    )
    assert fog.std() < 0.8 * clear.std()


def test_lamps_are_lit_at_night_only():
    layout = BACKGROUNDS["city"].layout(2, 64)
    windows = layout.lamps > 0.9
    assert windows.any()
    day, night = (
        paint("city", seed=2, time_of_day=time, weather="clear", size=64).image[windows].mean()
        for time in ("day", "night")
    )
    assert night > 0.6 > day


def test_layouts_cannot_be_written_to():
    layout = BACKGROUNDS["meadow"].layout(0, SIZE)
    with pytest.raises(ValueError, match="read-only"):
        layout.albedo[0, 0] = 0


def test_a_layout_says_what_is_wrong_with_it():
    plane = np.zeros((4, 4), np.float32)
    with pytest.raises(ValueError, match="ground must be a range"):
        Layout(
            albedo=np.zeros((4, 4, 3), np.float32),
            cover=plane,
            depth=plane,
            flat=plane,
            relief=plane,
            water=plane,
            lamps=plane,
            horizon=0.5,
            ground=(0.9, 0.4),
        )


@pytest.mark.parametrize(
    ("field", "asked"),
    [
        ("background", {"name": "the void"}),
        ("time_of_day", {"time_of_day": "noon"}),
        ("weather", {"weather": "hail"}),
    ],
)
def test_wrong_words_are_named(field, asked):
    wanted = {"name": "beach", "seed": 0, "time_of_day": "day", "weather": "clear", "size": SIZE, **asked}
    with pytest.raises(ValueError, match=field):
        paint(wanted.pop("name"), **wanted)
