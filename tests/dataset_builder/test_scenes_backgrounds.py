"""Laws of painted places: pure, within range, and one layout for every hour and weather."""

from __future__ import annotations

import numpy as np
import pytest

from dataset_builder.scenes.artwork.store import has_artwork
from dataset_builder.scenes.paint import weather
from dataset_builder.scenes.paint.atmosphere import Atmosphere
from dataset_builder.scenes.paint.layout import Layout
from dataset_builder.scenes.paint.places import register
from dataset_builder.scenes.paint.places.register import LAYOUTS, paint
from dataset_builder.scenes.vocabulary import BACKGROUNDS, HOURS, WEATHERS, possible

SIZE = 32
DRAWN = sorted(name for name, place in BACKGROUNDS.items() if place.kind != "photo")
PHOTOS = sorted(name for name, place in BACKGROUNDS.items() if place.kind == "photo")
needs_panoramas = pytest.mark.skipif(
    not has_artwork("panoramas"), reason="`wordbrush data artwork panoramas` was not run"
)
EVERY = [*DRAWN, *(pytest.param(name, marks=needs_panoramas) for name in PHOTOS)]


def atmosphere(seed: int, time_of_day: str, weather_name: str) -> Atmosphere:
    return Atmosphere(HOURS[time_of_day], WEATHERS[weather_name], seed)


def test_every_place_has_a_phrase_of_its_own():
    assert len({place.phrase for place in BACKGROUNDS.values()}) == len(BACKGROUNDS)


@pytest.mark.parametrize("name", EVERY)
def test_every_place_paints_at_every_hour_and_weather_it_allows(name):
    place = BACKGROUNDS[name]
    for time_of_day in place.times:
        for wet in place.weathers:
            if not possible(time_of_day, wet):
                continue
            painted = paint(name, atmosphere(3, time_of_day, wet), size=SIZE)
            image = weather.apply(painted.image, atmosphere(3, time_of_day, wet))
            assert image.shape == (SIZE, SIZE, 3) and image.dtype == np.float32
            assert np.isfinite(image).all() and image.min() >= 0 and image.max() <= 1
            assert 0 < painted.ground[0] <= painted.ground[1] <= 1


@pytest.mark.parametrize("name", EVERY)
def test_painting_is_pure_and_leaves_its_caches_alone(name):
    place = BACKGROUNDS[name]
    here, elsewhere = (atmosphere(seed, place.times[-1], place.weathers[-1]) for seed in (11, 12))
    first = paint(name, here, size=SIZE).image.copy()
    paint(name, elsewhere, size=SIZE).image[:] = 0  # a caller may draw on the picture it was given
    register._layout.cache_clear()
    paint(name, here, size=SIZE).image[:] = 0
    assert np.array_equal(paint(name, here, size=SIZE).image, first)


@pytest.mark.parametrize("name", EVERY)
def test_another_seed_is_another_place(name):
    first = BACKGROUNDS[name].times[0]
    one, other = (paint(name, atmosphere(seed, first, "clear"), size=SIZE).image for seed in (1, 2))
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("name", EVERY)
def test_hour_and_weather_move_nothing(name):
    place = BACKGROUNDS[name]
    painted = [
        paint(name, atmosphere(5, time, wet), size=SIZE) for time in place.times for wet in place.weathers
    ]
    assert len({(one.horizon, one.ground, one.water) for one in painted}) == 1


@pytest.mark.parametrize("name", ["mountains", "city", "lake", "farm"])
def test_edges_stay_where_they_are_from_day_to_night(name):
    """On land, night is day in another light: the two pictures rise and fall together."""
    layout = LAYOUTS[name](5, 64)
    lit = {time: paint(name, atmosphere(5, time, "clear"), size=64).image for time in ("day", "night")}
    land = (layout.cover == 1) & (layout.lamps < 0.01) & (layout.water == 0)
    land[: int(layout.horizon * 64)] = False
    day, night = (np.log(lit[time].mean(-1)[land] + 0.02) for time in ("day", "night"))
    assert np.corrcoef(day, night)[0, 1] > 0.8


@pytest.mark.parametrize("name", [n for n in DRAWN if "night" in BACKGROUNDS[n].times])
def test_night_is_dark(name):
    day, night = (
        paint(name, atmosphere(8, time, "clear"), size=SIZE).image.mean() for time in ("day", "night")
    )
    assert night < 0.62 * day


@pytest.mark.parametrize("name", ["beach", "meadow", "city", "forest"])
def test_fog_takes_contrast(name):
    clear, fog = (
        weather.apply(paint(name, atmosphere(8, "day", wet), size=64).image, atmosphere(8, "day", wet))
        for wet in ("clear", "fog")
    )
    assert fog.std() < 0.8 * clear.std()


def test_lamps_are_lit_at_night_only():
    layout = LAYOUTS["city"](2, 64)
    windows = layout.lamps > 0.9
    assert windows.any()
    day, night = (
        paint("city", atmosphere(2, time, "clear"), size=64).image[windows].mean()
        for time in ("day", "night")
    )
    assert night > 0.6 > day


def test_layouts_cannot_be_written_to():
    layout = LAYOUTS["meadow"](0, SIZE)
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
        ("background", ("the void", "day", "clear")),
        ("time_of_day", ("space", "night", "clear")),
        ("weather", ("beach", "day", "snow")),
    ],
)
def test_what_cannot_be_painted_is_named(field, asked):
    name, time_of_day, wet = asked
    with pytest.raises(ValueError, match=field):
        paint(name, atmosphere(0, time_of_day, wet), size=SIZE)


def test_every_background_has_its_painter():
    assert set(LAYOUTS) == set(BACKGROUNDS)
