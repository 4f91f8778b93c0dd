"""Local blend: a thing that is looked at somewhere is found there, at any size, aspect and position."""

import numpy as np
import pytest
import torch

from editors.model.attention import AttentionSite
from editors.pictures.masks import enlarge, feathered, shrink
from editors.prompt_to_prompt.blend import Blend, WordMaps

SITES = [
    AttentionSite(name=f"{level}.{n}.{is_cross}", is_cross=is_cross, level=level)
    for level in range(4)
    for n in range(2)
    for is_cross in (True, False)
]
TOKENS = 12


def planted(maps, blob, *, rows=(2, 3), token=5, times=3):
    """Attend to the token strongly inside `blob`, in latents, and weakly elsewhere, as a UNet would."""
    for site in SITES:
        if not maps.wants(site):
            continue
        weights = torch.full((4, *maps.maps().shape[1:]), 0.1)
        top, left, bottom, right = (round(edge / 2**site.level) for edge in blob)
        for row in rows:
            weights[row, top:bottom, left:right] = 1.0
        key = torch.zeros(4, 2, TOKENS, 8)
        seen = maps.indicator(key)[:, :, token : token + 1]  # (B, heads, 1, 1)
        for _ in range(times):
            maps.add(weights.flatten(1)[:, None, :, None] * seen, site)


def shared(blend, size):
    share = blend.share(size)
    assert share is not None
    return share


def words(size, *, rows=(2, 3), token=5):
    tokens = torch.zeros(4, TOKENS)
    tokens[list(rows), token] = 1
    return WordMaps(SITES, tokens, size=size)


@pytest.mark.parametrize(
    "size", [(64, 64), (64, 96), (96, 64), (96, 96), (32, 32), (128, 128), (61, 83), (16, 24)]
)
@pytest.mark.parametrize("row", [2, 3])
def test_a_planted_blob_is_found_in_its_place(size, row):
    """Latents of 512², 512×768, 768×512, 768², 256², 1024², odd sides, and a small model's."""
    h, w = size
    blob = (h // 2, w // 8, 3 * h // 4, w // 2)
    maps = words(size, rows=(row,))
    planted(maps, blob, rows=(row,))
    mask = maps.mask(0.3)
    assert mask.shape == size and mask.dtype == torch.bool
    cell = 2**maps.level
    margin = 2 * cell  # a neighbour on every side, and where the blob's edge cuts a cell
    assert mask[blob[0] : blob[2], blob[1] : blob[3]].all()
    assert mask[: blob[0] - margin].sum() == mask[blob[2] + margin :].sum() == 0
    assert mask[:, blob[3] + margin :].sum() == 0


@pytest.mark.parametrize(
    ("size", "level"), [((64, 64), 2), ((32, 32), 2), ((16, 24), 1), ((8, 8), 0), ((128, 64), 2)]
)
def test_maps_are_read_where_they_still_tell_places_apart(size, level):
    assert words(size).level == level
    coarse = [site for site in SITES if site.level == 3 or not site.is_cross]
    assert WordMaps(coarse, torch.zeros(4, TOKENS), size=size).level == 3


def test_without_words_nothing_is_found():
    maps = words((64, 64), rows=())
    planted(maps, (0, 0, 64, 64))
    assert not maps.mask(0.3).any()


def test_the_words_of_both_prompts_count_each_by_its_own_strongest_place():
    left, right, both = words((64, 64), rows=(2,)), words((64, 64), rows=(3,)), words((64, 64))
    planted(left, (0, 0, 64, 16), rows=(2,))
    planted(right, (0, 48, 64, 64), rows=(3,))
    key = torch.zeros(4, 2, TOKENS, 8)
    rows = torch.full((4, 16, 16), 0.1)
    rows[2, :, :4] = 1.0
    rows[3] = 0.01
    rows[3, :, 12:] = 0.1
    site = next(each for each in SITES if both.wants(each))
    both.add(rows.flatten(1)[:, None, :, None] * both.indicator(key)[:, :, 5:6], site)
    assert torch.equal(both.mask(0.3), left.mask(0.3) | right.mask(0.3))
    assert not both.mask(0.3).all()


def test_a_threshold_of_one_keeps_the_strongest_place():
    maps = words((64, 64))
    planted(maps, (0, 0, 16, 16))
    assert maps.mask(1.0).any() and not maps.mask(1.0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_outside_the_mask_the_latents_are_the_originals_and_inside_untouched(dtype):
    maps = words((64, 96))
    planted(maps, (16, 16, 32, 48))
    blend = Blend(word_maps=maps, threshold=0.3, start=2)
    latents = torch.randn(2, 16, 64, 96).to(dtype)
    for early in (0, 1):
        assert blend.after_step(latents, early) is latents
    assert blend.share((512, 768)) is None
    original, edited = blend.after_step(latents, 2)
    mask = maps.mask(0.3)
    assert torch.equal(original, latents[0])
    assert torch.equal(edited[:, mask], latents[1][:, mask])
    assert torch.equal(edited[:, ~mask], latents[0][:, ~mask])
    share = shared(blend, (512, 768))
    assert share.shape == (512, 768) and share.max() == 255
    assert (share[~enlarge(mask, (512, 768)).numpy()] == 0).all()


def test_a_painted_mask_obeys_the_same_contract():
    latents = torch.randn(2, 4, 8, 12)
    black, white = np.zeros((64, 96), np.uint8), np.full((64, 96), 255, np.uint8)
    nothing, everything = Blend(painted=black), Blend(painted=white)
    assert torch.equal(nothing.after_step(latents, 0)[1], latents[0])
    assert torch.equal(everything.after_step(latents, 0), latents)
    assert not shared(nothing, (64, 96)).any() and (shared(everything, (64, 96)) == 255).all()
    dot = black.copy()
    dot[20, 30] = 255
    assert shrink(dot, (8, 12)).nonzero().tolist() == [[2, 3]]


def test_words_and_a_painted_mask_must_agree():
    maps = words((64, 64))
    planted(maps, (0, 0, 64, 32))
    painted = np.zeros((512, 512), np.uint8)
    painted[:256] = 255
    blend = Blend(word_maps=maps, painted=painted)
    latents = torch.randn(2, 4, 64, 64)
    edited = blend.after_step(latents, 0)[1]
    assert torch.equal(edited[:, 32:], latents[0][:, 32:])
    share = shared(blend, (512, 512))
    assert not share[256:].any() and not share[:, 320:].any() and (share[:200, :200] == 255).all()


def test_a_seam_is_soft_inside_and_sharp_at_the_picture_s_border():
    mask = torch.zeros(40, 40, dtype=torch.bool)
    mask[:, :20] = True
    share = feathered(mask, width=8)
    assert (share[:, 20:] == 0).all() and (share[:, :15] == 255).all()
    assert (np.diff(share[20, 15:20].astype(int)) < 0).all()
    assert (feathered(torch.ones(9, 9, dtype=torch.bool), width=8) == 255).all()
