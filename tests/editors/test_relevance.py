"""Only this: the region follows where the instruction acts, and what lies outside stays byte for byte."""

import numpy as np
import pytest
import torch
from PIL import Image

from editors import InstructionEdit, InstructPix2PixEditor
from editors.errors import InvalidEdit
from editors.guidance import Dual
from editors.model.loading.load import from_pipeline
from editors.relevance import WHOLE, Reach, Relevance, Watched, region
from editors.requests.recipe import read_recipe, save_png
from editors.requests.rules import reference
from tests import tiny

SIZE = (80, 64)


@pytest.fixture(scope="module")
def editor():
    return InstructPix2PixEditor(from_pipeline(tiny.pipeline()))


def edit(**fields):
    asked = {"original_image": tiny.photo(SIZE), "edit_prompt": "make it red", "seed": 3}
    return InstructionEdit(**{**asked, "num_inference_steps": 4, **fields})


def planted(where, rows=8, columns=10):
    """Relevance of an instruction that acts in one block of cells alone."""
    relevance = Relevance()
    for _ in range(4):
        image = torch.randn(1, 4, rows, columns, generator=torch.manual_seed(0))
        full = image.clone()
        full[:, :, where[0], where[1]] += 1
        relevance.see(full, image)
    return relevance.maps()[0]


@pytest.mark.parametrize("scales", [(2.0, 7.5), (1.0, 2.0), (0.0, 1.5), (3.0, 0.0), (2.0, 2.0), (1.0, 1.0)])
def test_watching_changes_no_prediction_and_always_sees_both(scales):
    seen = []
    guidance = Dual(*scales)
    watched = Watched(guidance, lambda full, image: seen.append((full, image)))
    rows = {name: torch.randn(2, 4, 8, 8) for name in ("full", "image", "uncond")}
    told = {name: rows[name] for name in watched.conditions}
    own = {name: rows[name] for name in guidance.conditions}
    assert torch.equal(watched.combine(told), guidance.combine(own))
    assert seen[0][0] is rows["full"] and seen[0][1] is rows["image"]


@pytest.mark.parametrize("full_size", ["change", "resize"])
def test_with_only_0_everything_may_change_and_the_edit_is_what_it_was(editor, full_size):
    plain, asked = (editor.edit(edit(only=only, full_size=full_size)) for only in (None, 0.0))
    assert plain.edited_image.tobytes() == asked.edited_image.tobytes()
    assert plain.num_unet_rows == asked.num_unet_rows  # both predictions are evaluated anyway
    assert plain.reach is None and asked.reach is not None and asked.notes == plain.notes


def test_a_smaller_region_lies_in_every_larger_one_and_the_rest_is_the_original(editor):
    found = editor.edit(edit(only=0.5))
    original = np.asarray(found.original_image)
    before = np.full(SIZE[::-1], 255, np.uint8)
    for only in (0.0, 0.3, 0.5, 0.8, 1.0):
        share = found.reach.share(only)
        assert (share <= before).all()
        outside = share == 0
        assert np.array_equal(np.asarray(found.reach.at(only))[outside], original[outside])
        before = share
    assert before.min() == 0 and before.max() == 255
    assert found.edited_image.tobytes() == found.reach.at(0.5).tobytes()


def test_the_region_is_where_the_instruction_acts():
    share = region(planted((slice(2, 5), slice(3, 6))), 0.5, (100, 80))  # cells of 10 pixels
    assert share[20:50, 30:60].min() > 200 and share.shape == (80, 100)
    assert share[:5].max() == 0 and share[70:].max() == 0 and share[:, 80:].max() == 0


def test_a_mask_and_a_region_both_hold():
    mask = np.zeros((80, 100), np.uint8)
    mask[:, :45] = 255
    relevance = planted((slice(2, 5), slice(3, 6)))
    colours = [Image.new("RGB", (100, 80), colour) for colour in ("black", "white")]
    made = np.asarray(
        Reach(relevance=relevance, original=colours[0], everywhere=colours[1], mask=mask).at(0.5)
    )
    assert made[25:45, 32:44].min() > 200
    assert made[:, 45:].max() == 0 and made[70:].max() == 0


def test_a_painted_mask_is_kept_to_in_an_edit(editor):
    mask = np.zeros(SIZE[::-1], np.uint8)
    mask[:, :40] = 255
    found = editor.edit(edit(only=0.2, mask=Image.fromarray(mask)))
    assert np.array_equal(np.asarray(found.edited_image)[:, 40:], np.asarray(found.original_image)[:, 40:])


def test_edits_of_one_batch_are_held_each_to_its_own(editor):
    asked = [edit(only=None), edit(only=0.6), edit(only=0.0)]
    together = editor.edit_many(asked, batch_size=3)
    assert [one.reach is None for one in together] == [True, False, False]
    first, last = (np.asarray(together[place].edited_image).astype(int) for place in (0, 2))
    assert np.abs(first - last).max() <= 1  # rows of one batch may be rounded differently
    assert together[1].edited_image.tobytes() == together[1].reach.at(0.6).tobytes()


def test_an_instruction_about_the_whole_picture_is_told_where_a_region_is_asked_for(editor, monkeypatch):
    for middle, told in ((0.9, True), (0.1, False)):
        flat = np.full((8, 10), middle, np.float32)
        flat[0] = 1
        monkeypatch.setattr(Relevance, "maps", lambda self, flat=flat: flat[None])
        assert (WHOLE in editor.edit(edit(only=0.5)).notes) is told
        assert WHOLE not in editor.edit(edit(only=0.0)).notes


def test_an_alpha_channel_comes_out_as_it_went_in(editor):
    photo = tiny.photo(SIZE).convert("RGBA")
    photo.putalpha(Image.linear_gradient("L").resize(SIZE))
    found = editor.edit(edit(original_image=photo, only=0.5))
    assert found.edited_image.mode == "RGBA"
    assert found.edited_image.getchannel("A").tobytes() == photo.getchannel("A").tobytes()


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), "0.5", True])
def test_only_is_a_number_from_0_to_1(value):
    with pytest.raises(InvalidEdit, match=r"^only: .* give a number from 0 to 1\.$"):
        edit(only=value)


def test_a_recipe_says_it_and_makes_the_picture_again(editor, tmp_path):
    photo = tiny.photo(SIZE)
    made = editor.edit(edit(original_image=photo, only=0.4))
    save_png(made, tmp_path / "made.png")
    text = read_recipe(tmp_path / "made.png").edit
    asked = InstructionEdit.from_json(text, pictures={reference(photo): photo})
    assert asked.only == 0.4
    assert editor.edit(asked).edited_image.tobytes() == made.edited_image.tobytes()
