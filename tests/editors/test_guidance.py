import itertools

import pytest
import torch

from editors.guidance import branches, cfg, dual

DRAWN = torch.randn(3, 2, 4, 5, 5, generator=torch.Generator().manual_seed(0))
PREDICTIONS = (DRAWN[0], DRAWN[1], DRAWN[2])
SCALES = [0, 0.5, 0.9, 1, 1.5, 7.5]


@pytest.mark.parametrize("scale", SCALES)
def test_dual_with_equal_scales_is_cfg(scale):
    uncond, image, full = PREDICTIONS
    torch.testing.assert_close(dual(uncond, image, full, scale, scale), cfg(uncond, full, scale))


def test_dual_of_ones_is_the_fully_conditioned_prediction():
    torch.testing.assert_close(dual(*PREDICTIONS, 1, 1), PREDICTIONS[2])


@pytest.mark.parametrize(("image_scale", "text_scale"), [*itertools.product(SCALES, SCALES)])
def test_dual_is_the_papers_formula(image_scale, text_scale):
    uncond, image, full = PREDICTIONS
    expected = (1 - image_scale) * uncond + (image_scale - text_scale) * image + text_scale * full
    torch.testing.assert_close(dual(*PREDICTIONS, image_scale, text_scale), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("image_scale", "text_scale"), [*itertools.product(SCALES, SCALES)])
def test_a_branch_of_zero_coefficient_may_be_left_out(image_scale, text_scale):
    needed = branches(image_scale, text_scale)
    uncond, image, full = (one if need else None for one, need in zip(PREDICTIONS, needed, strict=True))
    all_three = dual(*PREDICTIONS, image_scale, text_scale)
    torch.testing.assert_close(
        dual(uncond, image, full, image_scale, text_scale), all_three, atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize(
    ("image_scale", "text_scale", "count"),
    [(1.5, 7.5, 3), (0, 7.5, 3), (1, 7.5, 2), (3, 3, 2), (1.5, 0, 2), (1, 1, 1), (0, 0, 1), (1, 0, 1)],
)
def test_only_branches_with_a_coefficient_are_needed(image_scale, text_scale, count):
    assert sum(branches(image_scale, text_scale)) == count


def test_cfg_at_zero_and_one_needs_one_prediction():
    uncond, _, full = PREDICTIONS
    assert torch.equal(cfg(None, full, 1), full)
    assert torch.equal(cfg(uncond, None, 0), uncond)
