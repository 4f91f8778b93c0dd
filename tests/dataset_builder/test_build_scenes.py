"""Scenes and pairs arrive in the dataset as they were drawn, and a job says what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dataset_builder import records, scenes
from dataset_builder.build_scenes import SceneJob, build_scenes
from dataset_builder.errors import InvalidJob
from dataset_builder.shards.dataset import read_dataset
from ui.cli import main

OFFLINE: dict[str, Any] = {"world": "offline", "num": 12, "size": 64, "samples_per_shard": 6, "jobs": 1}


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    list(build_scenes(SceneJob(out=folder, pairs=True, split="held_out", **OFFLINE)))
    return folder


def test_processes_draw_the_bytes_of_one(pairs: Path, tmp_path: Path) -> None:
    options = {**OFFLINE, "jobs": 2}
    list(build_scenes(SceneJob(out=tmp_path, pairs=True, split="held_out", **options)))
    assert content(tmp_path) == content(pairs)


def test_pairs_differ_inside_their_mask_only(pairs: Path) -> None:
    samples = list(read_dataset(pairs).samples())
    assert len(samples) >= 10
    for sample in samples:
        assert set(records.PAIR_COLUMNS) <= sample.keys()
        changed = (sample["original_image"] != sample["edited_image"]).any(axis=-1)
        assert changed.any() and not (changed & (sample["mask"] == 0)).any()
        assert sample["kind"] in scenes.EDIT_KINDS and sample["edit_prompt"]


def test_words_and_pictures_of_a_pair_are_those_of_its_scenes(pairs: Path) -> None:
    sample = next(read_dataset(pairs).samples())
    for side in ("original", "edited"):
        scene = scenes.Scene.from_json(sample[f"{side}_scene"])
        assert scenes.caption(scene) == sample[f"{side}_prompt"]
        assert np.array_equal(scenes.render_scene(scene, 64).image, sample[f"{side}_image"])
    assert scenes.split_of(scenes.Scene.from_json(sample["original_scene"])) == "held_out"


def test_scenes_carry_their_caption_and_split(tmp_path: Path) -> None:
    list(build_scenes(SceneJob(out=tmp_path, **OFFLINE)))
    info = read_dataset(tmp_path)
    for sample in info.samples():
        scene = scenes.Scene.from_json(sample["scene"])
        assert scenes.caption(scene) == sample["caption"]
        assert scenes.split_of(scene) == sample["split"] == "train"
        assert sample["image"].shape == (64, 64, 3)
    assert info.config["kind"] == "scenes"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("world", "huge"),
        ("num", 0),
        ("num", 2.5),
        ("num", True),
        ("size", 65),
        ("seed", -1),
        ("seed", 2**32),
        ("split", "test"),
        ("jobs", 0),
        ("samples_per_shard", 0),
        ("paraphrase", True),
    ],
)
def test_a_wrong_field_is_one_sentence_that_names_it(tmp_path: Path, field: str, value: object) -> None:
    with pytest.raises(InvalidJob, match=field) as caught:
        SceneJob(out=tmp_path, **{**OFFLINE, field: value})
    assert repr(value) in str(caught.value) and "\n" not in str(caught.value)


def test_the_command_answers_a_user_error_with_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "scenes", "--out", str(tmp_path), "--num", "0"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert not list(tmp_path.iterdir())
