"""Laws: a plan leaves nothing behind; a card says what was skipped, and a command that can be typed again."""

import dataclasses
import json

from tests.trainer import toy
from tests.trainer.test_loop import finish
from trainer.plan import plan


def test_a_plan_counts_rows_and_leaves_nothing(chain, tmp_path):
    data = toy.shaped(tmp_path / "data")
    with (data / "metadata.jsonl").open("a") as file:
        file.write("\n{}")
    config = toy.edit_config(chain, data=data, out=tmp_path / "run", steps=18, crops=2)
    before = sorted(tmp_path.rglob("*"))
    told = plan(config)
    assert sorted(tmp_path.rglob("*")) == before
    assert (told.rows, told.skipped, told.steps, told.epochs) == (9, {"picture missing": 1}, 18, 8.0)
    assert told.trained_weights > 0 and told.memory_gb > 0 and told.hours > 0 and told.cache_gb > 0
    json.dumps(dataclasses.asdict(told))


def test_the_card_says_what_was_skipped_and_how_to_train_again(chain, tmp_path):
    data = toy.shaped(tmp_path / "data")
    with (data / "metadata.jsonl").open("a") as file:
        file.write("\n{}")
    run = finish(toy.edit_config(chain, data=data, out=tmp_path / "run", steps=2))
    card = (run / "model" / "README.md").read_text()
    assert "1 picture missing" in card
    assert "--steps 2" in card and "--flip-prob 0.5" in card
    assert str(tmp_path) not in card and str(chain) not in card
    told = json.loads((run / "model" / "training.json").read_text())["data"]
    assert told["pairs"] == 9 and len(told["sizes"]) == 3
