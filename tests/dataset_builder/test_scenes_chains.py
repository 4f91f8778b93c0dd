"""Edits in a row: each begins where the last has ended, and an opposite leads back to the very scene."""

from itertools import pairwise

import pytest

from dataset_builder.scenes import WORLDS, make_edit, sample_scene
from dataset_builder.scenes.chains import FINAL, opposite_of, sample_chain

WORLD = WORLDS["pocket-photos"]
SCENES = [sample_scene(seed, world=WORLD, split="held_out") for seed in range(40)]


@pytest.mark.parametrize("seed", range(0, 40, 8))
def test_a_chain_goes_from_scene_to_scene(seed):
    chain = sample_chain(SCENES[seed], 10, seed, world=WORLD)
    assert len(chain) == 10
    assert [edit.original for edit in chain] == [SCENES[seed], *(edit.edited for edit in chain[:-1])]
    assert all(one.kind != other.kind for one, other in pairwise(chain))
    assert not FINAL & {edit.kind for edit in chain}


def test_a_shorter_chain_is_the_beginning_of_a_longer_one_and_seeds_differ():
    longer = sample_chain(SCENES[3], 6, 1, world=WORLD)
    assert sample_chain(SCENES[3], 4, 1, world=WORLD) == longer[:4]
    assert sample_chain(SCENES[3], 6, 2, world=WORLD) != longer


def test_an_opposite_leads_back_to_the_very_scene():
    found = set()
    for seed, scene in enumerate(SCENES):
        for edit in sample_chain(scene, 2, seed, world=WORLD):
            back = opposite_of(edit, world=WORLD)
            if back is not None:
                assert (back.original, back.edited) == (edit.edited, edit.original)
                found.add((edit.kind, back.kind))
    assert ("add_object", "remove_object") in found and ("weather", "weather") in found


def test_what_no_words_ask_back_has_no_opposite():
    edit = next(edit for scene in SCENES if (edit := make_edit(scene, "style", 0, world=WORLD)))
    assert opposite_of(edit, world=WORLD) is None
