"""Colour, material and dress change what they should and nothing else."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest

from dataset_builder.scenes.paint.objects.characters import CHIN, HEIGHT, figure
from dataset_builder.scenes.paint.objects.materials import make_of
from dataset_builder.scenes.paint.objects.recolour import recolour
from dataset_builder.scenes.paint.objects.sprites import Pixels, noun_master, rgba_pixels, scaled
from dataset_builder.scenes.scene import Worn
from dataset_builder.scenes.seeds import generator
from dataset_builder.scenes.vocabulary import ACCESSORIES, COLOURS, MATERIALS, NOUNS, with_article


def drawn(name: str, height: int) -> Pixels:
    master = noun_master(NOUNS[name], "twemoji", 160)
    return rgba_pixels(scaled(master, height / master.height))


@pytest.mark.parametrize("colour", COLOURS)
def test_a_recoloured_thing_has_the_colour(colour: str) -> None:
    car = drawn("car", 60)
    painted = recolour(car, colour)
    assert (painted[..., 3] == car[..., 3]).all()
    body = (np.abs(painted - car).sum(-1) > 0.15) & (car[..., 3] > 0.9)
    if colour == "red":  # it is red already
        body = car[..., 3] > 0.9
    assert body.mean() > 0.05
    red, green, blue = np.median(painted[body][:, :3], axis=0)
    hue, saturation, _ = colorsys.rgb_to_hsv(float(red), float(green), float(blue))
    wanted = COLOURS[colour].hue
    if wanted is None:
        assert saturation < 0.1
    else:
        assert abs((hue * 360 - wanted + 180) % 360 - 180) < 15


@pytest.mark.parametrize("material", MATERIALS)
def test_a_material_keeps_the_silhouette(material: str) -> None:
    cat = drawn("cat", 48)
    made = make_of(cat, material, generator(0, "test"))
    assert np.allclose(made[..., 3], cat[..., 3] * np.float32(MATERIALS[material].opacity), atol=1e-6)
    assert (made >= 0).all() and (made <= 1).all()
    assert np.abs(made[..., :3] - cat[..., :3]).mean() > 0.02


@pytest.mark.parametrize("accessory", ACCESSORIES)
def test_an_accessory_stays_in_its_place(accessory: str) -> None:
    bare = figure(NOUNS["bear"], "twemoji:head", pixels_high=118)
    dressed = figure(NOUNS["bear"], "twemoji:head", pixels_high=118, worn=(Worn(name=accessory),))
    assert dressed.shape == bare.shape
    rows = np.flatnonzero((dressed != bare).any((1, 2)))
    assert rows.size > 5
    chin = CHIN / HEIGHT * 118
    if ACCESSORIES[accessory].place in ("head", "eyes", "ears"):
        assert rows.max() <= chin
    else:
        assert rows.min() >= chin - 12


def test_a_shirt_leaves_the_head_alone() -> None:
    bare = figure(NOUNS["fox"], "twemoji:head", pixels_high=118)
    dressed = figure(NOUNS["fox"], "twemoji:head", pixels_high=118, shirt="blue")
    assert (bare[: int((CHIN - 20) / HEIGHT * 118)] == dressed[: int((CHIN - 20) / HEIGHT * 118)]).all()
    assert (bare != dressed).any()


@pytest.mark.parametrize(
    ("name", "plural"),
    [
        ("cat", "cats"),
        ("bus", "buses"),
        ("fox", "foxes"),
        ("cherries", "pairs of cherries"),
        ("monkey", "monkeys"),
        ("mouse", "mice"),
    ],
)
def test_plurals(name: str, plural: str) -> None:
    assert NOUNS[name].plural == plural


def test_articles() -> None:
    assert [with_article(word) for word in ("owl", "cat", "orange cat", "red scissors")] == [
        "an owl",
        "a cat",
        "an orange cat",
        "red scissors",
    ]
