"""One rule for the whole picture: found in the small one, followed by the large one."""

import numpy as np
import pytest
from PIL import Image

from editors.pictures.detail_transfer import rule_of_all, transfer_change
from editors.pictures.images import LUMINANCE, to_pixels
from editors.pictures.local_means import kuwahara, mean_around
from editors.pictures.picture_rule import PictureRule
from evaluation.figures import psnr
from tests import tiny
from tests.editors.test_detail_transfer import blotched, drifted, small, textured

SIZE = (48, 64)


def followed(rule, photo):
    """Return what becomes of a photograph, (H, W, 3) uint8."""
    painted = rule.followed_by(photo, SIZE)(0, photo.height)
    return (painted * 255).round().clip(0, 255).astype(np.uint8)


def sepia(picture):
    """A brown print, darker in its corners."""
    h, w = picture.shape[:2]
    y, x = np.meshgrid(np.linspace(-1, 1, h), np.linspace(-1, 1, w), indexing="ij")
    tone = (picture @ LUMINANCE) * (1 - 0.2 * (x**2 + y**2)) + 0.05
    return (tone[..., None] * np.array([1.06, 0.88, 0.64])).clip(0, 1).astype(np.float32)


def night(picture):
    gains = np.array([[0.3, 0.05, 0.0], [0.0, 0.35, 0.05], [0.05, 0.1, 0.5]], np.float32)
    return (picture @ gains.T).astype(np.float32)


@pytest.mark.parametrize("size", [(300, 400), (61, 83), (48, 64), (30, 40), (700, 520)])
def test_the_rule_of_no_change_changes_nothing(size):
    photo = textured(size)
    before = small(photo) * 0.9 + 0.03  # as if the VAE had lost something
    rule = PictureRule.fit(before, before)
    assert not rule.weights.any() and not rule.offset.any() and rule.left == rule.left_from_afar == 0
    assert np.array_equal(followed(rule, photo), np.asarray(photo))
    assert rule_of_all(before, before) == (None, 0)


@pytest.mark.parametrize("wanted", [sepia, night])
def test_a_rule_is_found_in_the_small_picture_and_followed_by_the_large_one(wanted):
    photo = textured((300, 400))
    before = small(photo)
    rule, share = rule_of_all(before, wanted(before))
    assert rule is not None and share == 1
    assert rule.left < 0.01 and rule.left_from_afar < 0.01
    target = (wanted(to_pixels(photo)) * 255).round().astype(np.uint8)
    assert psnr(followed(rule, photo), target) > 35
    painted = np.asarray(transfer_change(photo, before, wanted(before))).astype(int)
    assert np.abs(painted - followed(rule, photo)).max() <= 1  # by strips


def smudged(after):
    """Paint as a small model errs: patches all over, and a moon."""
    after = blotched(after, 0.02)
    after[8:13, 30:35] = 0.6
    return after


@pytest.mark.parametrize("wanted", [sepia, night])
def test_what_was_painted_by_accident_has_no_say(wanted):
    photo = textured((300, 400))
    before = small(photo)
    rule, share = rule_of_all(before, smudged(wanted(before)))
    target = (wanted(to_pixels(photo)) * 255).round().astype(np.uint8)
    assert rule is not None
    pasted = Image.fromarray((smudged(wanted(before)) * 255).astype(np.uint8)).resize(photo.size)
    assert share == 1 and psnr(followed(rule, photo), target) > psnr(np.asarray(pasted), target) + 3


def test_lines_are_drawn_as_fine_as_the_photograph_has_them():
    """A drawing is bright where a place is as bright as what is around it; in the photograph that is fine."""
    stripes = np.zeros((400, 300, 3), np.uint8) + 200
    stripes[:, 40::40] = stripes[:, 41::40] = 40  # two pixels wide: a third of one of the small picture
    photo = Image.fromarray(stripes)
    before = small(photo)
    around = np.asarray(Image.fromarray(stripes).resize((12, 16)).resize(SIZE), np.float32) / 255
    after = (before @ LUMINANCE / (around @ LUMINANCE)).clip(0, 1)[..., None].repeat(3, 2).astype(np.float32)
    drawn = followed(PictureRule.fit(before, after), photo)[200].mean(1)
    pasted = np.asarray(Image.fromarray((after * 255).astype(np.uint8)).resize(photo.size))[200].mean(1)
    assert np.abs(np.diff(drawn)).max() > 3 * np.abs(np.diff(pasted)).max()


def test_strips_leave_no_seams():
    photo = textured((300, 400))
    before = small(photo)
    paint = PictureRule.fit(before, sepia(before)).followed_by(photo, SIZE)
    whole, parts = paint(0, 400), np.concatenate([paint(0, 130), paint(130, 131), paint(131, 400)])
    assert np.abs(whole - parts).max() < 0.5 / 255


def test_a_thing_in_the_picture_and_a_new_picture_are_no_rule():
    before = small(textured((300, 400)))
    tiles = np.random.default_rng(9).random((16, 12, 3)).astype(np.float32)
    for after in (drifted(before), tiles.repeat(4, 0).repeat(4, 1), small(tiny.photo((300, 400), seed=9))):
        assert rule_of_all(before, after)[1] == 0


def test_brushwork_of_a_large_model_is_no_error():
    """The same unevenness: what a model of 64 pixels errs by is what one of 512 has painted."""
    shares = []
    for scale in (1, 8):
        before = small(textured((600, 800)), (48 * scale, 64 * scale))
        strokes = np.random.default_rng(2).normal(0, 0.14, before.shape).astype(np.float32)
        shares.append(rule_of_all(before, (night(before) * 1.5 + strokes).clip(0, 1))[1])
    assert shares[0] == 1 and shares[1] == 0


def test_what_flattens_regions_keeps_their_edges_at_full_size():
    random = np.random.default_rng(5)
    few = random.integers(0, 256, (9, 12, 3), dtype=np.uint8)
    photo = Image.fromarray(few.repeat(64, 0).repeat(64, 1))  # (768, 576): regions with sharp edges
    grain = random.normal(0, 25, (576, 768, 1))
    photo = Image.fromarray((np.asarray(photo) + grain).clip(0, 255).astype(np.uint8))
    before = small(photo, (64, 48))
    painted = kuwahara(before, 2)
    rule = PictureRule.fit(before, painted)
    result = rule.followed_by(photo, (64, 48))(0, 576)
    wanted = kuwahara(to_pixels(photo), 18)
    enlarged = Image.fromarray((painted * 255).round().astype(np.uint8)).resize(
        photo.size, Image.Resampling.BICUBIC
    )

    def error(picture):
        return float(np.square(picture - wanted).mean())

    assert error(result) < 0.5 * error(to_pixels(enlarged))
    assert error(result) < 0.5 * error(to_pixels(photo))


@pytest.mark.parametrize("side", [64, 128])
def test_softness_is_no_brushwork(side):
    """Flattened regions have sharp borders, which a night that a model only drew softly must not get."""
    before = small(textured((600, 800)), (side * 3 // 4, side))
    soft = mean_around(night(before), 1).astype(np.float32)
    assert np.abs(PictureRule.fit(before, soft).weights[7:10]).max() < 1e-3
    painted = kuwahara(before, side // 32)
    assert np.trace(PictureRule.fit(before, painted).weights[7:10]) / 3 > 0.1


@pytest.mark.parametrize("side", [64, 128, 256])
def test_surroundings_are_as_large_a_part_of_the_picture_for_every_model(side):
    """A sketch of one photograph is one rule, however large the picture that the model sees."""
    before = small(textured((1200, 1600)), (side * 3 // 4, side))
    around = before @ LUMINANCE
    for _ in range(3):
        around = mean_around(around, round(np.sqrt(before.shape[0] * before.shape[1]) / 64))
    strokes = (0.9 * (before @ LUMINANCE) / np.maximum(around, 0.05)).clip(0, 1)
    drawing = strokes[..., None].repeat(3, 2).astype(np.float32)
    assert PictureRule.fit(before, drawing).left < 1e-3
