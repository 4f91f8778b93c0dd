import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from editors.model.loading.load import from_pipeline
from editors.model.photo import Photo
from editors.pictures.detail_transfer import (
    evened,
    local_map,
    smooth_map,
    transfer_change,
    without_drift,
    working_size,
)
from editors.pictures.images import read_picture, to_pixels
from editors.requests.recipe import save_picture
from evaluation.figures import psnr
from tests import tiny

SHORT, LONG = st.integers(16, 5000), st.floats(1, 8)


@given(SHORT, LONG, st.booleans(), st.sampled_from([(64, 16, 8), (512, 64, 8), (256, 32, 8)]))
def test_working_sizes_fit_the_model(short, ratio, upright, model):
    native, unit, step = model
    size = (short, math.floor(short * ratio)) if upright else (math.floor(short * ratio), short)
    width, height = working_size(size, native=native, unit=unit, step=step)
    assert width % step == height % step == 0 and width > 0 and height > 0
    assert native**2 / 2 <= width * height <= 2.5 * native**2
    if ratio <= 3:
        assert abs(math.log(width / height / (size[0] / size[1]))) < 0.3


@pytest.mark.parametrize("size", [(64, 64), (56, 56), (64, 48), (48, 64)])
def test_a_picture_that_fits_is_taken_as_it_is(size):
    assert working_size(size, native=64, unit=16, step=8) == size


@pytest.mark.parametrize(
    "size", [(4000, 3000), (128, 128), (61, 83), (32, 32), (40, 64), (16, 16), (2000, 250)]
)
def test_any_other_is_brought_to_about_the_native_area(size):
    width, height = working_size(size, native=64, unit=16, step=8)
    assert (width, height) != size and width % 16 == height % 16 == 0
    assert 0.5 < width * height / 64**2 < 1.7


def textured(size):
    rng = np.random.default_rng(1)
    grain = rng.normal(0, 12, (size[1], size[0], 1))
    return Image.fromarray((np.asarray(tiny.photo(size)) + grain).clip(0, 255).astype(np.uint8))


def small(photo, size=(48, 64)):
    return to_pixels(photo.resize(size, Image.Resampling.LANCZOS))


@pytest.mark.parametrize("size", [(61, 83), (200, 600), (30, 40), (700, 520)])
def test_no_change_gives_the_photograph_back_exactly(size):
    photo = textured(size)
    before = small(photo) * 0.9 + 0.03  # as if the VAE had lost something
    assert np.array_equal(np.asarray(transfer_change(photo, before, before)), np.asarray(photo))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "CMYK"])
def test_ten_edits_that_change_nothing_leave_every_pixel_as_it_was(mode, tmp_path):
    model = from_pipeline(tiny.pipeline(kind="edit"))
    first = read_picture("original_image", tiny.photo((61, 83)).convert(mode)).with_alpha()
    picture = first
    for number in range(10):
        place = tmp_path / f"{number}.png"
        save_picture(picture, place)
        photo = Photo.read(place, model)
        lossy = photo.pixels * 0.8 + 0.1  # whatever the autoencoder loses, it loses in both
        picture = photo.brought_back(lossy, "change", before=partial(np.copy, lossy))
    assert picture.mode == first.mode and picture.tobytes() == first.tobytes()


def test_darkening_keeps_the_detail_and_dims_it():
    photo = textured((300, 400))
    result = transfer_change(photo, small(photo), small(photo) * 0.4)
    expected = to_pixels(photo) * 0.4
    assert np.abs(to_pixels(result) - expected).mean() < 0.01


def enlarged(picture, size=(300, 400)):
    pixels = Image.fromarray((picture * 255).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    return np.asarray(pixels, np.float32) / 255


def own_detail(photo):
    """What only the photograph has, and a small picture of it does not."""
    return to_pixels(photo) - np.asarray(photo.resize((48, 64)).resize((300, 400)), np.float32) / 255


def test_detail_of_what_was_replaced_does_not_shine_through():
    photo = textured((300, 400))
    tiles = np.random.default_rng(9).integers(0, 256, (16, 12, 3)).astype(np.uint8)
    other = small(Image.fromarray(tiles).resize((300, 400), Image.Resampling.NEAREST))
    result = to_pixels(transfer_change(photo, small(photo), other))
    assert np.abs(result - enlarged(other)).mean() < 0.5 * np.abs(own_detail(photo)).mean()


def test_little_detail_is_left_where_one_smooth_picture_replaces_another():
    """As a share of the old detail, by least squares: evening what was painted is no shining through."""
    photo, other = textured((300, 400)), small(tiny.photo((300, 400), seed=9))
    left = to_pixels(transfer_change(photo, small(photo), other)) - enlarged(other)
    detail = own_detail(photo)
    assert np.sum(left * detail) < 0.15 * np.sum(detail**2)


def drifted(before, seed=0):
    """What a model makes of a picture that it was asked to change in one place."""
    rng = np.random.default_rng(seed)
    after = before + rng.normal(0, 0.03, before.shape).astype(np.float32)
    after[10:30, 10:30] = 1 - before[10:30, 10:30]
    return after.clip(0, 1)


def test_away_from_a_local_edit_the_photograph_keeps_its_detail():
    """Though the model redrew the rest, a little off everywhere."""
    photo = textured((300, 400))
    before = small(photo)
    result = transfer_change(photo, before, drifted(before))
    rest = np.zeros((400, 300), bool)
    rest[250:, :] = rest[:, 230:] = True  # the edited place ends at (188, 188)
    assert psnr(np.asarray(result), np.asarray(photo), rest) > 45
    plain = Image.fromarray((drifted(before) * 255).astype(np.uint8)).resize(photo.size)
    assert psnr(np.asarray(plain), np.asarray(photo), rest) < 30
    inside = np.asarray(result)[80:170, 80:170].astype(int)
    assert np.abs(inside - (255 - np.asarray(photo)[80:170, 80:170])).mean() < 25


def test_a_faint_change_of_the_whole_picture_is_no_drift():
    before = small(tiny.photo((300, 400))) * 0.8
    for after in (before + 0.03, before * 0.9, before[..., ::-1]):
        restored = without_drift(before, after)
        assert np.abs(restored - after).max() <= 0.25 * np.abs(after - before).max()
    assert np.array_equal(without_drift(before, before + np.float32(0.03)), before + np.float32(0.03))


def blotched(after, strength, seed=3):
    """Paint as a small model does: patches of 8 pixels a little too light, too dark, or off in colour."""
    rows, columns = after.shape[0] // 8, after.shape[1] // 8
    patches = np.random.default_rng(seed).normal(0, strength, (rows, columns, 3)).astype(np.float32)
    return (after + np.kron(patches, np.ones((8, 8, 1), np.float32))).clip(0, 1)


@pytest.mark.parametrize("gain", [np.full((3, 3), 0.3), np.diag([0.9, 0.6, 0.4]), np.diag([0.3, 0.4, 0.8])])
def test_blotches_of_a_small_model_do_not_reach_the_photograph(gain):
    photo = textured((300, 400))
    before = small(photo)
    wanted = (to_pixels(photo) @ gain.T.astype(np.float32)).clip(0, 1) * 255
    after = before @ gain.T.astype(np.float32)
    result = transfer_change(photo, before, blotched(after, 0.04))
    pasted = Image.fromarray((blotched(after, 0.04) * 255).astype(np.uint8)).resize(photo.size)
    quality = [psnr(np.asarray(picture), wanted.round().astype(np.uint8)) for picture in (result, pasted)]
    assert quality[0] > quality[1] + 3


def test_what_is_painted_evenly_is_left_as_it_is():
    before = small(tiny.photo((300, 400)))
    for after in (before, before * 0.4, 0.2 + 0.5 * before[..., ::-1]):
        assert np.abs(evened(before, after)[0] - after).max() < 0.03
    gains, offsets = smooth_map(before, before)
    assert np.allclose(gains, np.eye(3), atol=1e-6) and np.allclose(offsets, 0, atol=1e-6)


def test_what_is_painted_new_is_left_as_it_is_beside_blotches():
    before = small(textured((300, 400))) * 0.5
    after = blotched(before * 0.5, 0.03)
    after[20:40, 20:40] = (0.95, 0.2, 0.9)
    result, _ = evened(before, after)
    assert np.abs(result[23:37, 23:37] - after[23:37, 23:37]).mean() < 0.02
    rest = np.ones(after.shape[:2], bool)
    rest[14:46, 14:46] = False
    assert np.abs(result - before * 0.5)[rest].mean() < 0.75 * np.abs(after - before * 0.5)[rest].mean()


def test_strips_leave_no_seams():
    photo = Image.new("RGB", (40, 1000), (120, 90, 60))
    before = np.full((64, 16, 3), 0.4, np.float32)
    after = np.tile(np.linspace(0.2, 0.8, 64, dtype=np.float32)[:, None, None], (1, 16, 3))
    rows = np.asarray(transfer_change(photo, before, after)).astype(int).mean(axis=(1, 2))
    assert np.abs(np.diff(rows)).max() <= 1


def test_the_map_is_the_identity_where_nothing_changed():
    before = small(tiny.photo())
    assert np.allclose(local_map(before, before), np.eye(3), atol=1e-5)
