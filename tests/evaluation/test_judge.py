"""A judge says what scenes say, is never asked what cannot be seen, and reads no other world than its own."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dataset_builder import scenes
from dataset_builder.build_scenes import SceneJob, build_scenes
from dataset_builder.errors import ChangedWorld, InvalidJob, JudgeMissing, UnreadableDataset
from dataset_builder.scenes import Scene, SceneObject
from evaluation.jobs import JudgeJob
from evaluation.judge import HEADS, Judge, Thing, labels, stack_labels, truth, visible, world_hash
from evaluation.judge_figures import JudgeReport, Marks, evaluate_judge, mark, summarise
from evaluation.judge_model import HIDDEN, JudgeModel, Vocabulary, judge_loss
from tests import tiny

WORLD = "offline"
VOCABULARY = Vocabulary.of(scenes.WORLDS[WORLD])
NETWORK: dict[str, Any] = {"widths": (16, 16), "blocks": (0, 1), "hidden": 8}


def car(**fields: Any) -> SceneObject:
    return SceneObject(noun="car", depiction="twemoji", x=0.5, y=0.9, size=0.4, **fields)


def scene(*objects: SceneObject, **fields: Any) -> Scene:
    return Scene(**{"seed": 1, "world": WORLD, "background": "beach", **fields}, objects=objects)


def judge(**card: Any) -> Judge:
    with tiny.seeded(0):
        model = JudgeModel(VOCABULARY, **NETWORK)
    network = {name: list(value) if isinstance(value, tuple) else value for name, value in NETWORK.items()}
    facts = {"world": WORLD, "world_hash": world_hash(WORLD), "size": 64, "network": network}
    return Judge(model, {**facts, "vocabulary": VOCABULARY.to_dict(), **card})


def drawn(num: int) -> list[Scene]:
    return [scenes.sample_scene(seed, world=scenes.WORLDS[WORLD], split="train") for seed in range(num)]


def test_truth_is_what_the_scene_says() -> None:
    told = truth(scene(car(colour="red"), car(colour="red"), time_of_day="night", weather="rain"))
    assert told.things == {"car": Thing(count=2, colour="red", material=None)}
    assert (told.background, told.time_of_day, told.weather, told.style) == ("beach", "night", "rain", None)


def test_a_noun_in_two_looks_has_no_truth() -> None:
    with pytest.raises(InvalidJob, match="noun 'car' in 2 looks"):
        truth(scene(car(colour="red"), car(material="gold")))


def test_a_style_without_colours_hides_colour_material_and_hour() -> None:
    plain = scene(car(colour="red"))
    assert visible(plain) == frozenset(HEADS)
    assert frozenset(HEADS) - visible(replace(plain, style="sepia")) == {"colour", "material", "time_of_day"}
    assert visible(replace(plain, style="oil")) == frozenset(HEADS)


def test_a_place_with_one_hour_and_no_weather_shows_neither() -> None:
    assert frozenset(HEADS) - visible(scene(background="space")) == {"time_of_day", "weather"}
    assert frozenset(HEADS) - visible(scene(background="kitchen")) == {"weather"}


def test_labels_name_the_truth_and_hide_the_rest() -> None:
    row = labels(scene(car(colour="red"), style="sepia"), VOCABULARY)
    place = VOCABULARY.noun.index("car")
    assert row["count"][place] == 1 and row["count"].sum() == 1
    assert (row["colour"] == HIDDEN).all() and (row["material"] == HIDDEN).all()
    assert row["time_of_day"] == HIDDEN
    row = labels(scene(car(colour="red")), VOCABULARY)
    assert VOCABULARY.colour[row["colour"][place]] == "red"
    assert VOCABULARY.material[row["material"][place]] is None
    assert (np.delete(row["colour"], place) == HIDDEN).all()


def test_hidden_labels_give_no_gradient() -> None:
    told = [scene(car(colour="red"), style="sepia", background="space"), scene(car())]
    targets = stack_labels([labels(one, VOCABULARY) for one in told])
    logits = {
        head: torch.randn(*rows.shape, len(getattr(VOCABULARY, head)), requires_grad=True)
        for head, rows in targets.items()
    }
    judge_loss(logits, targets).backward()
    for head, rows in targets.items():
        gradient = logits[head].grad
        assert gradient is not None
        assert (gradient[rows == HIDDEN] == 0).all()
        assert (gradient[rows != HIDDEN].abs().sum(-1) > 0).all()


def test_a_scene_with_nothing_to_see_costs_a_finite_loss() -> None:
    told = [scene(style="sepia", background="space")]
    targets = stack_labels([labels(one, VOCABULARY) for one in told])
    logits = {
        head: torch.zeros(*rows.shape, len(getattr(VOCABULARY, head))) for head, rows in targets.items()
    }
    assert judge_loss(logits, targets).isfinite()


def test_a_picture_is_read_alike_in_any_batch() -> None:
    pictures = np.stack([np.array(tiny.photo((64, 64), seed=seed)) for seed in range(5)])
    with torch.inference_mode():
        reader = judge()
        assert reader.read(pictures) == [reader.read(pictures[n : n + 1])[0] for n in range(5)]


def test_larger_pictures_are_read_as_their_means() -> None:
    small = np.stack([np.array(tiny.photo((64, 64), seed=seed)) for seed in range(3)]).clip(20, 235)
    large = small.repeat(2, 1).repeat(2, 2)
    large[:, ::2, ::2] += 20
    large[:, 1::2, 1::2] -= 20
    reader = judge()
    assert reader.read(large) == reader.read(small)


def test_a_saved_judge_reads_the_same(tmp_path: Path) -> None:
    pictures = np.stack([np.array(tiny.photo((64, 64), seed=seed)) for seed in range(3)])
    before = judge()
    before.save(tmp_path)
    after = Judge.from_pretrained(tmp_path)
    for name, weight in before.model.state_dict().items():
        assert torch.equal(weight.half().float(), after.model.state_dict()[name])
    assert [one.background for one in after.read(pictures)] == [
        one.background for one in before.read(pictures)
    ]


def test_a_judge_of_a_changed_world_is_refused(tmp_path: Path) -> None:
    judge(world_hash="0" * 64).save(tmp_path)
    with pytest.raises(ChangedWorld, match="another version of world 'offline'"):
        Judge.from_pretrained(tmp_path)


@pytest.mark.parametrize("damage", ["nothing there", "weights cut", "card cut", "other network"])
def test_a_damaged_judge_is_one_sentence(tmp_path: Path, damage: str) -> None:
    if damage != "nothing there":
        judge().save(tmp_path)
        weights, card = tmp_path / "model.safetensors", tmp_path / "judge.json"
        if damage == "weights cut":
            weights.write_bytes(weights.read_bytes()[:1000])
        elif damage == "card cut":
            card.write_text(card.read_text()[:200])
        else:
            facts = json.loads(card.read_text())
            facts["network"]["hidden"] = 16
            card.write_text(json.dumps(facts))
    with pytest.raises(JudgeMissing, match="holds no judge that can be read") as caught:
        Judge.from_pretrained(tmp_path)
    assert "\n" not in str(caught.value)


def test_pictures_of_another_size_are_refused() -> None:
    for height, width in ((32, 32), (96, 96), (128, 64)):
        with pytest.raises(InvalidJob, match=r"this judge reads \(64, 64, 3\)"):
            judge().read(np.zeros((1, height, width, 3), np.uint8))


def test_a_perfect_reading_is_all_right_and_each_mistake_is_counted_once() -> None:
    told = drawn(40)
    perfect = [mark(str(n), one, truth(one)) for n, one in enumerate(told)]
    report = summarise(judge(), "data", perfect)
    assert {head: share.mean for head, share in report.heads.items()} == dict.fromkeys(report.heads, 1.0)
    assert all(not pairs for pairs in report.confusions.values())
    shown = {head: sum(head in visible(one) for one in told) for head in HEADS}
    assert report.hidden == {head: 40 - num for head, num in shown.items()}

    red = scene(car(colour="red"))
    blue = mark("0", red, truth(scene(car(colour="blue"), background="snow")))
    assert blue.mistakes == (("background", "beach", "snow"), ("colour", "red", "blue"))
    missed = mark("0", red, truth(scene()))
    assert missed.mistakes == (("noun", "car", "nothing"),) and missed.right["colour"] == ()


class Perfect(Judge):
    """Knows the truth of the scenes it is shown in order."""

    def __init__(self, told: list[Scene]) -> None:
        self.told, self.world, self.world_hash, self.size = told, WORLD, world_hash(WORLD), 64
        self.card = {"trained_on": [{"seed": 7, "split": "train"}]}

    def read(self, pictures: np.ndarray) -> list[Any]:
        return [truth(self.told.pop(0)) for _ in pictures]


def test_an_evaluation_draws_held_out_scenes_and_writes_its_report(tmp_path: Path) -> None:
    job = JudgeJob(out=tmp_path, num=6, jobs=1)
    scene_job = SceneJob(out=tmp_path / "scenes", world=WORLD, num=6, size=64, split="held_out", jobs=1)
    list(build_scenes(scene_job))
    told = [Scene.from_json(sample["scene"]) for sample in scenes_of(tmp_path / "scenes")]
    *marks, report = evaluate_judge(job, Perfect(told))
    assert isinstance(report, JudgeReport) and report.num == 6
    assert sum(isinstance(one, Marks) for one in marks) == 6
    assert report.heads["noun"].mean == 1.0
    assert json.loads((tmp_path / "judge.json").read_text())["data_hash"] == report.data_hash


def scenes_of(folder: Path) -> Any:
    from dataset_builder.shards.dataset import read_dataset

    return read_dataset(folder).samples()


def test_scenes_that_a_judge_was_trained_on_do_not_measure_it(tmp_path: Path) -> None:
    list(build_scenes(SceneJob(out=tmp_path / "d", world=WORLD, num=1, seed=7, jobs=1)))
    with pytest.raises(UnreadableDataset, match="the judge was trained on"):
        list(evaluate_judge(JudgeJob(out=tmp_path, data=tmp_path / "d"), Perfect([])))


def test_scenes_of_another_world_are_refused(tmp_path: Path) -> None:
    list(build_scenes(SceneJob(out=tmp_path / "d", world=WORLD, num=1, jobs=1)))
    stranger = Perfect([])
    stranger.world = "tiny"
    with pytest.raises(UnreadableDataset, match="holds no scenes of world 'tiny'"):
        list(evaluate_judge(JudgeJob(out=tmp_path, data=tmp_path / "d"), stranger))
