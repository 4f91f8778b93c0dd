"""The judge and the scorer learn from their tasks what their laws allow, and export what loads."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dataset_builder.build_scenes import SceneJob, build_scenes
from dataset_builder.render.clip import Scorer
from dataset_builder.shards.storage import write_json
from evaluation.judge import Judge
from evaluation.judge_model import HIDDEN
from tests.trainer import toy
from trainer.config import JudgeConfig, TextImageConfig
from trainer.data import draws
from trainer.errors import InvalidConfig, UnusableData
from trainer.loop import train
from trainer.tasks import judge, text_image

NETWORK: dict[str, Any] = {"widths": (16, 16), "blocks": (0, 1), "hidden": 8}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    list(build_scenes(SceneJob(out=folder, world="offline", num=8, size=64, jobs=1)))
    return folder


def judge_config(data: Path, out: Path, **fields: Any) -> JudgeConfig:
    return JudgeConfig(**{**toy.COMMON, "data": data, "out": out, "steps": 3, **NETWORK, **fields})


def scorer_config(data: Path, out: Path, **fields: Any) -> TextImageConfig:
    return TextImageConfig(**{**toy.COMMON, "data": data, "out": out, "steps": 2, **NETWORK, **fields})


def test_a_trained_judge_loads_and_reads(data: Path, tmp_path: Path) -> None:
    for _ in train(judge_config(data, tmp_path)):
        pass
    loaded = Judge.from_pretrained(tmp_path / "model")
    readings = loaded.read(np.zeros((2, 64, 64, 3), np.uint8))
    assert len(readings) == 2 and readings[0] == readings[1]
    assert loaded.world == "offline" and str(data) not in (tmp_path / "model" / "judge.json").read_text()


def test_a_judge_remembers_all_the_scenes_it_learnt_from(data: Path, tmp_path: Path) -> None:
    more = tmp_path / "more"
    list(build_scenes(SceneJob(out=more, world="offline", num=3, size=64, seed=5, split="held_out", jobs=1)))
    task = judge.make_task(judge_config(data, tmp_path / "run", more_data=more))
    assert task.num_samples == 11 and len(task.labels["count"]) == 11
    assert task.trained_on == [{"seed": 0, "split": "train"}, {"seed": 5, "split": "held_out"}]
    task.export(tmp_path / "model", {"config": task.config.to_dict()})
    assert Judge.from_pretrained(tmp_path / "model").card["trained_on"] == task.trained_on
    assert str(more) not in (tmp_path / "model" / "judge.json").read_text()


def test_a_judge_learns_nothing_from_what_is_hidden(data: Path, tmp_path: Path) -> None:
    task = judge.make_task(judge_config(data, tmp_path))
    for rows in task.labels.values():
        rows[:] = HIDDEN
    task.labels["background"][:] = 0
    task.loss(task.model, task.batch(np.arange(4), range(4))).backward()
    heads = task.model.place_heads
    assert heads["background"].weight.grad.abs().sum() > 0
    assert heads["style"].weight.grad.abs().sum() == 0
    assert all(head.weight.grad.abs().sum() == 0 for head in task.model.thing_heads.values())


def test_unspoilt_pictures_are_the_pictures_or_their_mirror_images() -> None:
    pixels = torch.rand(8, 3, 16, 16)
    seen = judge.augment(pixels, draws.Rows(0, range(8)), 0.0)
    mirrored = [torch.equal(one, own.flip(-1)) for one, own in zip(seen, pixels, strict=True)]
    same = [torch.equal(one, own) for one, own in zip(seen, pixels, strict=True)]
    assert all(a != b for a, b in zip(mirrored, same, strict=True)) and any(same) and any(mirrored)


def test_spoiling_depends_on_the_position_alone() -> None:
    pixels = torch.rand(4, 3, 16, 16)
    whole = judge.augment(pixels, draws.Rows(0, range(4)), 1.0)
    part = judge.augment(pixels[2:], draws.Rows(0, range(2, 4)), 1.0)
    assert torch.allclose(whole[2:], part, atol=1e-6)
    assert not torch.allclose(whole, pixels, atol=1e-2)


def test_scenes_of_another_version_are_refused(data: Path, tmp_path: Path) -> None:
    list(build_scenes(SceneJob(out=tmp_path / "old", world="offline", num=1, size=64, jobs=1)))
    index = tmp_path / "old" / "dataset.json"
    content = json.loads(index.read_text())
    content["config"]["world_version"] = "99"
    write_json(index, content)
    with pytest.raises(UnusableData, match="another version of the world"):
        judge.make_task(judge_config(tmp_path / "old", tmp_path / "run"))


def test_pictures_without_scenes_are_refused(chain: Path, tmp_path: Path) -> None:
    with pytest.raises(UnusableData, match="holds no scenes"):
        judge.make_task(judge_config(chain / "scenes", tmp_path / "run"))


@pytest.mark.parametrize("world", [["pocket"], {}, None, 7])
def test_a_world_that_is_none_is_refused(data: Path, tmp_path: Path, world: object) -> None:
    shutil.copytree(data, tmp_path / "scenes")
    index = tmp_path / "scenes" / "dataset.json"
    content = json.loads(index.read_text())
    content["config"]["world"] = world
    write_json(index, content)
    with pytest.raises(UnusableData, match="holds no scenes"):
        judge.make_task(judge_config(tmp_path / "scenes", tmp_path / "run"))


def test_a_trained_scorer_loads_and_scores(data: Path, tmp_path: Path) -> None:
    for _ in train(scorer_config(data, tmp_path)):
        pass
    scorer = Scorer.from_pretrained(tmp_path / "model")
    assert scorer.image_features(np.zeros((1, 64, 64, 3), np.uint8)).norm().item() == pytest.approx(
        1, abs=1e-5
    )
    assert str(data) not in (tmp_path / "model" / "scorer.json").read_text()


def test_noise_keeps_the_variance_and_only_touches_its_share(data: Path, tmp_path: Path) -> None:
    pixels = torch.randn(64, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    rows = range(64)
    config = scorer_config(data, tmp_path, noised_prob=0.5, min_signal=0.3)
    seen = text_image.noised(pixels, draws.Rows(0, rows), config)
    touched = (seen != pixels).flatten(1).any(1)
    assert 16 < touched.sum() < 48
    assert seen[touched].std().item() == pytest.approx(1, abs=0.02)
    kept = (seen * pixels).flatten(1).mean(1)[touched]  # √ᾱ
    assert (kept**2 > 0.25).all() and kept.min() < 0.7


@pytest.mark.parametrize(
    ("fields", "named"),
    [({"widths": (20, 20)}, "widths"), ({"blocks": (1,)}, "blocks"), ({"hidden": 0}, "hidden")],
)
def test_networks_that_cannot_be_built_are_refused(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidConfig, match=named):
        JudgeConfig(data=Path("a"), out=Path("b"), **fields)
