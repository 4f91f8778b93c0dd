"""Edit pairs are exact: only what the instruction names differs, and the mask holds every pixel that does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dataset_builder.scenes import (
    EDIT_KINDS,
    WORLDS,
    InvalidScene,
    Scene,
    SceneEdit,
    all_edits,
    caption,
    contact_sheet,
    render_edit,
    render_scene,
    sample_edit,
    sample_scene,
    worlds,
)
from dataset_builder.scenes.instructions import PHRASINGS
from dataset_builder.scenes.paint import styles
from dataset_builder.scenes.worlds import world_version

WORLD = WORLDS["offline"]
SIZE = 48


def edits(count: int, start: int = 0) -> list[SceneEdit]:
    scenes = [sample_scene(start + index, world=WORLD, split="train") for index in range(count)]
    return [edit for index, scene in enumerate(scenes) for edit in all_edits(scene, index)]


EDITS = edits(10)


def differs(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.asarray((first != second).any(-1))


def test_a_picture_is_a_function_of_its_scene() -> None:
    for seed in range(6):
        scene = sample_scene(seed, world=WORLD, split="train")
        first = render_scene(scene, SIZE)
        render_scene(sample_scene(seed + 100, world=WORLD, split="train"), SIZE)
        again = render_scene(Scene.from_json(scene.to_json()), SIZE)
        assert first.image.tobytes() == again.image.tobytes()
        assert first.image.shape == (SIZE, SIZE, 3) and first.image.dtype == np.uint8
        assert len(first.object_masks) == len(scene.objects)


@pytest.mark.parametrize("size", [64, 128, 256])
def test_scenes_are_drawn_at_every_size(size: int) -> None:
    scene = sample_scene(3, world=WORLD, split="train")
    drawn = render_scene(scene, size)
    assert drawn.image.shape == (size, size, 3)
    small = np.asarray(render_scene(scene, 64).image, np.float64).mean((0, 1))
    assert np.abs(drawn.image.mean((0, 1)) - small).max() < 12  # the same picture, only finer


@pytest.mark.parametrize("size", [0, 31, 513])
def test_sizes_out_of_range_are_refused(size: int) -> None:
    with pytest.raises(InvalidScene, match="a whole number from 32 to 512"):
        render_scene(sample_scene(0, world=WORLD, split="train"), size)


def test_every_kind_of_edit_is_made_and_changes_something() -> None:
    assert {edit.kind for edit in edits(150)} == set(EDIT_KINDS)
    for edit in EDITS:
        assert edit.original != edit.edited and edit.original.seed == edit.edited.seed
        pair = render_edit(edit, SIZE)
        changed = differs(pair.original_image, pair.edited_image)
        assert not (changed & ~pair.mask).any()
        assert pair.original_image.tobytes() == render_scene(edit.original, SIZE).image.tobytes()


def test_colour_material_and_dress_change_no_pixel_outside_the_silhouette() -> None:
    compared = 0
    for edit in edits(60):
        if (
            edit.kind not in ("colour", "material", "add_accessory", "remove_accessory")
            or edit.original.style
        ):
            continue
        before, after = render_scene(edit.original, SIZE), render_scene(edit.edited, SIZE)
        silhouettes = np.zeros((SIZE, SIZE), bool)
        for mask in (*before.object_masks, *after.object_masks):
            silhouettes |= mask
        outside = differs(before.image, after.image) & ~silhouettes
        if edit.kind in ("colour", "material"):
            assert not outside.any(), edit.edit_prompt
            assert all((a == b).all() for a, b in zip(before.object_masks, after.object_masks, strict=True))
        else:  # a hat has a shadow too
            assert outside.mean() < 0.05
        compared += 1
    assert compared > 40


def test_a_style_is_applied_to_the_very_source() -> None:
    for edit in EDITS:
        if edit.kind == "style":
            source = render_scene(edit.original, SIZE).image
            assert edit.edited.style is not None
            target = styles.apply(edit.edited.style, source, seed=edit.original.seed)
            assert (render_edit(edit, SIZE).edited_image == target).all()
            assert (render_scene(edit.edited, SIZE).image == target).all()


def test_hour_and_weather_move_nothing() -> None:
    for edit in EDITS:
        if edit.kind in ("time_of_day", "weather", "style"):
            before, after = render_scene(edit.original, SIZE), render_scene(edit.edited, SIZE)
            assert all((a == b).all() for a, b in zip(before.object_masks, after.object_masks, strict=True))


def test_instructions_are_filled_in_and_fit_the_captions() -> None:
    for edit in edits(80, start=1000):
        assert edit.edit_prompt and "{" not in edit.edit_prompt and "  " not in edit.edit_prompt
        assert edit.edit_prompt == edit.edit_prompt.strip()
        assert caption(edit.original) != caption(edit.edited)


def test_held_out_phrasings_are_kept_apart() -> None:
    for ways in PHRASINGS.values():
        assert not set(ways.train) & set(ways.held_out)
        assert len(ways.train) >= 4 and ways.held_out
    scene = sample_scene(5, world=WORLD, split="train")
    for index in range(20):
        usual, other = sample_edit(scene, index), sample_edit(scene, index, paraphrase=True)
        assert usual is not None and other is not None
        assert other.paraphrase and not usual.paraphrase
        assert usual.edited == other.edited and usual.edit_prompt != other.edit_prompt


def test_a_judge_of_scenes_does_not_depend_on_how_edits_are_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    of_scenes, of_pairs = (world_version("offline", pairs=pairs) for pairs in (False, True))
    monkeypatch.setattr(worlds, "EDITS_VERSION", 99)
    assert world_version("offline", pairs=False) == of_scenes
    assert world_version("offline", pairs=True) != of_pairs
    monkeypatch.setattr(worlds, "WORLD_VERSION", 99)
    assert world_version("offline", pairs=False) != of_scenes


def test_a_world_that_changes_alone_leaves_the_others_their_version(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {name: world_version(name, pairs=False) for name in WORLDS}
    revised = {**WORLDS, "tiny": replace(WORLDS["tiny"], revision=WORLDS["tiny"].revision + 1)}
    monkeypatch.setattr(worlds, "WORLDS", revised)
    after = {name: world_version(name, pairs=False) for name in WORLDS}
    assert {name for name in WORLDS if before[name] != after[name]} == {"tiny"}


def test_the_same_seed_makes_the_same_edit() -> None:
    scene = sample_scene(11, world=WORLD, split="train")
    assert sample_edit(scene, 4) == sample_edit(scene, 4)
    assert len({sample_edit(scene, index) for index in range(12)}) > 6


def test_a_contact_sheet_shows_the_pictures_as_they_are() -> None:
    pictures = [np.full((8, 8, 3), shade, np.uint8) for shade in (10, 200, 90)]
    page = np.asarray(contact_sheet(pictures, ["one", "two words", ""], columns=2, enlarge=3))
    assert (page[4 : 4 + 24, 4 : 4 + 24] == 10).all()
    with pytest.raises(ValueError, match="one caption for each"):
        contact_sheet(pictures, ["one"])
