"""Laws of styles: pure functions of the 8-bit picture and the seed, at any size and shape."""

from __future__ import annotations

import numpy as np
import pytest

from dataset_builder.scenes.paint import styles
from dataset_builder.scenes.paint.atmosphere import Atmosphere
from dataset_builder.scenes.paint.places.register import paint
from dataset_builder.scenes.vocabulary import HOURS, STYLES, WEATHERS


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return (paint("farm", Atmosphere(HOURS["sunset"], WEATHERS["clear"], 1), size=64).image * 255).astype(
        np.uint8
    )


def test_every_style_has_its_filter_and_a_phrase_of_its_own():
    assert set(styles.FILTERS) == set(STYLES)
    assert len({style.phrase for style in STYLES.values()}) == len(STYLES)


@pytest.mark.parametrize("name", STYLES)
def test_a_style_is_a_pure_function_of_picture_and_seed(name, picture):
    before = picture.copy()
    once, again = (styles.apply(name, picture, seed=4) for _ in range(2))
    assert np.array_equal(once, again) and np.array_equal(picture, before)
    assert once.dtype == np.uint8 and once.shape == picture.shape
    assert not np.array_equal(once, picture)


@pytest.mark.parametrize("name", STYLES)
@pytest.mark.parametrize("shape", [(32, 32), (40, 90), (128, 65)])
def test_a_style_takes_any_shape(name, shape):
    flat = np.full((*shape, 3), (200, 120, 60), np.uint8)
    assert styles.apply(name, flat, seed=0).shape == (*shape, 3)
    for extreme in (0, 255):
        assert styles.apply(name, np.full((*shape, 3), extreme, np.uint8), seed=0).shape == (*shape, 3)


@pytest.mark.parametrize(
    "name", [name for name, style in STYLES.items() if style.colourless and name != "neon"]
)
def test_colourless_styles_do_not_tell_colours_apart(name, picture):
    grey = picture @ np.array([0.299, 0.587, 0.114])
    as_grey = np.repeat((grey + 0.5).astype(np.uint8)[..., None], 3, axis=-1)
    difference = np.abs(styles.apply(name, picture, seed=0).astype(int) - styles.apply(name, as_grey, seed=0))
    assert difference.mean() < 3


def test_wrong_words_and_pictures_are_named(picture):
    with pytest.raises(ValueError, match="style must be one of"):
        styles.apply("cubism", picture, seed=0)
    with pytest.raises(ValueError, match=r"image must be \(H, W, 3\) uint8"):
        styles.apply("oil", picture.astype(np.float32), seed=0)
