"""Laws of the drawing primitives: seeded streams, periodic noise, exact masks."""

from __future__ import annotations

import numpy as np
import pytest

from dataset_builder.scenes.paint.canvas import (
    NOISE,
    below,
    blur,
    box,
    desaturate,
    disc,
    halve,
    mix,
    noise,
    ridge,
    smoothstep,
)
from dataset_builder.scenes.seeds import generator


def test_streams_depend_on_seed_and_layer_alone():
    first = generator(7, "sky").random(4)
    assert np.array_equal(first, generator(7, "sky").random(4))
    assert not np.array_equal(first, generator(7, "land").random(4))
    assert not np.array_equal(first, generator(8, "sky").random(4))


@pytest.mark.parametrize("kind", NOISE)
def test_noise_is_pure_finite_and_of_unit_scale(kind):
    crops = np.stack([noise(kind, generator(seed, "n"), 32) for seed in range(16)])
    assert np.array_equal(crops[3], noise(kind, generator(3, "n"), 32))
    assert np.isfinite(crops).all() and crops.dtype == np.float32
    assert 0.4 < crops.std() < 1.6 and abs(crops.mean()) < 0.8


def test_the_same_seed_looks_alike_at_every_size():
    small = noise("soft", generator(1, "n"), 32)
    large = noise("soft", generator(1, "n"), 64)
    assert np.corrcoef(small.ravel(), halve(large).ravel())[0, 1] > 0.95


def test_masks_cover_what_they_say():
    assert disc(0.5, 0.5, 0.25, 200).mean() == pytest.approx(np.pi / 16, rel=0.01)
    assert box(0.25, 0.25, 0.75, 0.5, 100).mean() == pytest.approx(0.125, rel=0.01)
    assert below(np.full(64, 0.25, np.float32), 64).mean() == pytest.approx(0.75, abs=0.01)
    assert smoothstep(0.0, 1.0, np.array([-1, 0.5, 2], np.float32)) == pytest.approx([0, 0.5, 1])
    assert smoothstep(1.0, 0.0, np.array([-1, 0.5, 2], np.float32)) == pytest.approx([1, 0.5, 0])


def test_a_ridge_spans_its_height():
    line = ridge(generator(0, "r"), 0.6, 0.2, 1.0, 128)
    assert line.max() == pytest.approx(0.6, abs=1e-3) and line.min() == pytest.approx(0.4, abs=1e-3)


def test_filters_keep_the_mean():
    random = generator(0, "image")
    image = random.random((16, 16, 3)).astype(np.float32)
    assert halve(image).shape == (8, 8, 3)
    assert halve(image).mean() == pytest.approx(image.mean(), rel=1e-5)
    assert blur(disc(0.5, 0.5, 0.2, 64), 0.02).mean() == pytest.approx(
        disc(0.5, 0.5, 0.2, 64).mean(), rel=0.02
    )
    assert np.ptp(desaturate(image, 0.0), axis=-1).max() < 1e-5
    assert np.array_equal(mix(image, image * 0, 0.0), image)
