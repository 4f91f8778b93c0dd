"""Edits by difficulty: the shares are those stated, and now and then nothing is what should change."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from dataset_builder import records
from dataset_builder.build_scenes import SceneJob, build_scenes
from dataset_builder.errors import InvalidJob
from dataset_builder.scenes import (
    WORLDS,
    Scene,
    changes_nothing,
    fulfilled,
    planned_edit,
    render_edit,
    shares,
    split_of,
)
from dataset_builder.scenes.difficulty import FULFILLED, OF_PHOTOGRAPHS, PHOTOGRAPHS, SHARES
from dataset_builder.scenes.edits import EDIT_KINDS
from dataset_builder.scenes.splits import Split
from dataset_builder.scenes.vocabulary import BACKGROUNDS
from dataset_builder.shards.dataset import read_dataset

WORLD = WORLDS["pocket-photos"]
NUM = 1200


def is_photograph(scene: Scene) -> bool:
    return not scene.objects and BACKGROUNDS[scene.background].kind == "photo"


@pytest.mark.parametrize(("name", "photographs"), [("pocket-photos", PHOTOGRAPHS), ("offline", 0.0)])
def test_the_shares_are_those_stated_whatever_scenes_allow(name: str, photographs: float) -> None:
    edits = [planned_edit(seed, world=WORLDS[name], split="train") for seed in range(NUM)]
    drawn = [edit for edit in edits if edit is not None]
    kinds = Counter(edit.kind for edit in drawn)
    assert SHARES.keys() == set(EDIT_KINDS) and kinds.total() == NUM
    for kind in SHARES:
        share = (1 - photographs) * SHARES[kind] / sum(SHARES.values())
        share += photographs * OF_PHOTOGRAPHS.get(kind, 0) / sum(OF_PHOTOGRAPHS.values())
        assert abs(kinds[kind] - NUM * share) < 4 * np.sqrt(NUM * share), kind
    unchanged = sum(changes_nothing(edit) for edit in drawn)
    assert abs(unchanged - NUM * FULFILLED) < 4 * np.sqrt(NUM * FULFILLED)
    as_they_are = sum(is_photograph(edit.original) and edit.kind in OF_PHOTOGRAPHS for edit in drawn)
    assert as_they_are >= NUM * photographs - 4 * np.sqrt(NUM * photographs)


@pytest.mark.parametrize("split", ["train", "held_out"])
def test_a_planned_edit_is_a_function_of_its_seed_and_stays_in_its_split(split: Split) -> None:
    for seed in range(40):
        edit = planned_edit(seed, world=WORLD, split=split)
        assert edit is not None and edit == planned_edit(seed, world=WORLD, split=split)
        assert split_of(edit.original) == split or changes_nothing(edit)
        assert split == "held_out" or split_of(edit.edited) == "train"


def test_what_is_fulfilled_asks_the_same_and_changes_no_pixel() -> None:
    edits = [planned_edit(seed, world=WORLDS["offline"], split="train") for seed in range(30)]
    edit = next(edit for edit in edits if edit is not None and not changes_nothing(edit))
    done = fulfilled(edit)
    assert done.edit_prompt == edit.edit_prompt and done.edited == edit.edited and changes_nothing(done)
    drawn = render_edit(done, 48)
    assert (drawn.original_image == drawn.edited_image).all()


def test_a_job_by_difficulty_keeps_pairs_that_change_nothing_and_does_not_depend_on_its_jobs(
    tmp_path: Path,
) -> None:
    jobs = [
        SceneJob(
            out=tmp_path / f"{number}",
            world="offline",
            num=24,
            pairs=True,
            kinds="difficult",
            jobs=number,
            samples_per_shard=10,
        )
        for number in (1, 2)
    ]
    for job in jobs:
        list(build_scenes(job))
    columns = (records.EDIT_PROMPT, records.ORIGINAL_SCENE, records.EDITED_SCENE)
    first, second = ([*read_dataset(job.out).samples(columns)] for job in jobs)
    assert first == second and len(first) == 24
    same = [one for one in first if one[records.ORIGINAL_SCENE] == one[records.EDITED_SCENE]]
    assert same and all(Scene.from_json(one[records.EDITED_SCENE]) for one in same)


def test_kinds_are_named_and_belong_to_pairs(tmp_path: Path) -> None:
    with pytest.raises(InvalidJob, match="choose from allowed, difficult"):
        SceneJob(out=tmp_path, pairs=True, kinds="hard")  # type: ignore[arg-type]
    with pytest.raises(InvalidJob, match="set pairs"):
        SceneJob(out=tmp_path, kinds="difficult")


def test_a_job_that_does_not_choose_has_the_configuration_it_always_had(tmp_path: Path) -> None:
    assert "kinds" not in SceneJob(out=tmp_path, pairs=True).config()
    config = SceneJob(out=tmp_path, pairs=True, kinds="difficult").config()
    assert config["kinds"] == "difficult" and config["shares"] == shares()
