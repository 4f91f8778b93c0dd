"""Laws of panoramas: cameras see the right directions, surfaces and sky are told apart."""

from __future__ import annotations

import numpy as np
import pytest

from dataset_builder.scenes.artwork.panoramas import Camera, crop, decode, panorama, separate
from dataset_builder.scenes.errors import MissingArtwork


def sphere() -> np.ndarray:
    """A bright sky with a brighter sun over dark ground, and a tower against the sky."""
    linear = np.full((64, 128, 3), 0.1, np.float32)
    linear[:32] = (1.0, 1.1, 1.4)
    linear[16:32, 40:60] = 0.12
    linear[10:13, 100:103] = 60.0
    return linear


def test_the_sky_is_found_and_the_tower_is_not_sky():
    found = separate(sphere(), indoor=False, neutral=0.5)
    opening = found.planes[..., 3]
    assert opening[5, 5] > 0.9 and opening[24, 50] < 0.1 and opening[50].max() == 0
    assert found.sun == pytest.approx(101 / 128, abs=0.03)
    assert np.isfinite(found.planes).all() and found.planes.min() >= 0 and found.planes.max() <= 1


def test_a_neutral_picture_has_no_cast():
    warm = sphere()
    warm[32:] *= np.array([1.5, 1.0, 0.6], np.float32)
    ground = separate(warm, indoor=False, neutral=1.0).planes[40:50, :, :3].mean((0, 1))
    assert np.ptp(ground) < 0.02


def test_a_camera_sees_the_horizon_where_it_says():
    camera = Camera(yaw=0.4, pitch=-0.2, field_of_view=1.4)
    _, latitude = camera.rays(200)
    column = latitude[:, 100]
    row = int(np.argmin(np.abs(column)))
    assert row / 200 == pytest.approx(camera.horizon, abs=0.02)
    assert column[0] > 0 > column[-1]


def test_turning_round_comes_back():
    planes = np.random.default_rng(0).random((64, 128, 7)).astype(np.float32)
    first = crop(planes, Camera(yaw=0.3, pitch=-0.1, field_of_view=1.3), 48)
    again = crop(planes, Camera(yaw=0.3 + 2 * np.pi, pitch=-0.1, field_of_view=1.3), 48)
    assert first.shape == (48, 48, 7) and np.allclose(first, again, atol=2e-3)


def test_a_crop_of_one_colour_is_that_colour_at_every_size():
    planes = np.full((64, 128, 7), 0.3, np.float32)
    for size in (32, 128, 200):
        assert np.allclose(crop(planes, Camera(yaw=1.0, pitch=0.0, field_of_view=1.2), size), 0.3, atol=1e-5)


def test_a_missing_set_names_its_command(monkeypatch, tmp_path):
    monkeypatch.setenv("WORDBRUSH_CACHE", str(tmp_path))
    with pytest.raises(MissingArtwork, match="wordbrush data artwork panoramas"):
        panorama("nowhere", indoor=False, neutral=0.0)


def test_a_file_without_a_panorama_is_named(tmp_path):
    pytest.importorskip("OpenEXR")
    broken = tmp_path / "broken.exr.js"
    broken.write_text("export default 'nothing'")
    with pytest.raises(MissingArtwork, match=r"broken\.exr\.js holds no panorama"):
        decode(broken)
