"""Rain and snow that a small model painted are found by their looks, and fall sharp on the photograph."""

import math

import numpy as np
import pytest
from PIL import Image

from editors.pictures.detail_transfer import transfer_change
from editors.pictures.falling import Falling
from editors.pictures.images import to_pixels
from tests.editors.test_detail_transfer import blotched, drifted, small, textured


def rained_on(picture, *, angle=0.0, num=70, strength=0.16, seed=0):
    """Return a grey, rainy picture as a model of few pixels paints one: smears in one direction."""
    random = np.random.default_rng(seed)
    h, w = picture.shape[:2]
    y, x = np.mgrid[:h, :w].astype(float)
    lean = math.radians(angle)
    result = 0.35 + 0.4 * picture
    for middle_x, middle_y in random.uniform(0, (w, h), (num, 2)):
        dx, dy = x - middle_x, y - middle_y
        across = dx * math.cos(lean) + dy * math.sin(lean)
        along = -dx * math.sin(lean) + dy * math.cos(lean)
        smear = np.exp(-((across / 0.8) ** 2) - (along / 2.6) ** 4)
        result += strength * random.uniform(0.7, 1.2) * smear[..., None]
    return result.clip(0, 1).astype(np.float32)


def night(picture):
    return (picture * np.array([0.25, 0.3, 0.45])).astype(np.float32)


def smooth(size, seed):
    """A photograph without much structure of its own."""
    random = np.random.default_rng(seed)
    few = Image.fromarray(random.integers(60, 200, (5, 7, 3), dtype=np.uint8))
    return few.resize(size, Image.Resampling.BICUBIC)


@pytest.mark.parametrize("angle", [-15, 0, 8])
@pytest.mark.parametrize("photo", [smooth((512, 384), 1), textured((480, 480))])
def test_rain_is_found_with_its_direction(angle, photo):
    before = small(photo)
    rain = Falling.seen(before, rained_on(before, angle=angle))
    assert rain is not None
    assert abs(rain.angle - angle) < 6
    assert 3 < rain.length < 9 and 35 < len(rain.places) < 140


@pytest.mark.parametrize(
    "edit",
    [night, lambda p: p, lambda p: 1 - p, lambda p: p * 0.4 + 0.6, lambda p: blotched(p, 0.1), drifted],
    ids=range(6),
)
@pytest.mark.parametrize("photo", [smooth((512, 384), 1), textured((480, 480))])
def test_no_other_edit_is_taken_for_rain(edit, photo):
    before = small(photo)
    assert Falling.seen(before, np.asarray(edit(before), np.float32)) is None


def snowed_on(picture, *, num=110, strength=0.3, seed=0):
    """Return a picture with the spots that a model of few pixels paints for flakes."""
    random = np.random.default_rng(seed)
    h, w = picture.shape[:2]
    y, x = np.mgrid[:h, :w].astype(float)
    result = 0.7 * picture
    for middle_x, middle_y in random.uniform(0, (w, h), (num, 2)):
        spot = np.exp(-(((x - middle_x) ** 2 + (y - middle_y) ** 2) / 1.0))
        result = result + strength * random.uniform(0.6, 1.2) * spot[..., None]
    return result.clip(0, 1).astype(np.float32)


def test_snow_is_found_before_dark_and_its_flakes_lie_where_the_model_put_them():
    before = small(night_photo := Image.fromarray((np.asarray(smooth((512, 384), 4)) * 0.4).astype(np.uint8)))
    after = snowed_on(before, num=60)
    snow = Falling.seen(before, after)
    assert snow is not None and snow.length == 0
    result = to_pixels(transfer_change(night_photo, before, after))
    brought_down = small(Image.fromarray((result * 255).round().astype(np.uint8)))
    spots = (after - 0.7 * before).mean(2)
    found = (brought_down - 0.7 * before).mean(2)
    assert np.corrcoef(spots.ravel(), found.ravel())[0, 1] > 0.6


def test_neither_noise_nor_level_lines_fall():
    before = small(smooth((512, 384), 2))
    noise = before + np.random.default_rng(0).normal(0, 0.05, before.shape)
    level = rained_on(before.transpose(1, 0, 2)).transpose(1, 0, 2)
    found = [Falling.seen(before, np.clip(after, 0, 1).astype(np.float32)) for after in (noise, level)]
    assert found[0] is None
    assert found[1] is None or found[1].length == 0  # never streaks that fly level


def test_rain_falls_sharp_in_front_of_what_the_edit_makes_of_the_photograph():
    photo = smooth((1024, 768), 3)
    before = small(photo)
    after = rained_on(before, angle=5)
    rain = Falling.seen(before, after)
    assert rain is not None
    result = to_pixels(transfer_change(photo, before, after))
    cover = np.asarray(rain.drawn(photo.size), np.float32)[..., None] / 255
    dry = 0.35 + 0.4 * to_pixels(photo)
    between = cover[..., 0] < 0.01
    assert 0.4 < between.mean() < 0.97
    # smears leave the light of the rain behind them, as haze: a little brighter, and even
    off = (result - dry)[between]
    assert abs(off.mean()) < 0.06 and off.std() < 0.04
    streak = cover[..., 0] > 0.6
    assert (result[streak].mean() - dry[streak].mean()) > 0.08
    edges = np.abs(np.diff(result.mean(2), axis=1))
    enlarged = Image.fromarray((after * 255).astype(np.uint8)).resize(photo.size, Image.Resampling.BICUBIC)
    assert np.quantile(edges, 0.99) > 3 * np.quantile(
        np.abs(np.diff(to_pixels(enlarged).mean(2), axis=1)), 0.99
    )


def test_only_what_is_enlarged_has_its_rain_drawn_anew(monkeypatch):
    asked = []
    monkeypatch.setattr(Falling, "seen", staticmethod(lambda before, after: asked.append(before.shape)))
    before = small(smooth((512, 384), 1))
    photo = Image.fromarray((before * 255).round().astype(np.uint8))
    transfer_change(photo, before, rained_on(before))
    assert not asked
    transfer_change(photo.resize((2 * photo.width, 2 * photo.height)), before, rained_on(before))
    assert asked == [before.shape]


@pytest.mark.filterwarnings("error")
def test_snow_before_a_wall_of_one_colour_is_found_without_a_word():
    before = np.full((64, 48, 3), 0.2, np.float32)
    snow = Falling.seen(before, snowed_on(before))
    assert snow is not None and snow.length == 0
