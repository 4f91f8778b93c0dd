"""An evaluation by the judge: perfect pictures score perfectly, a cut goes on, bad input is one sentence."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from dataset_builder import scenes
from dataset_builder.errors import ChangedWorld, ConfigChanged, InvalidJob, JudgeMissing
from dataset_builder.render.clip import Scorer
from dataset_builder.shards.dataset import read_dataset
from editors import EditResult, IncompatibleModel, InstructPix2PixEditor, InvalidEdit, PromptToPromptEditor
from editors.model.loading.load import from_pipeline
from evaluation.benchmark import Measured
from evaluation.judge import Reading, Thing, truth, world_hash
from evaluation.scenes import instruction_edits as instruct
from evaluation.scenes import prompt_edits as prompts
from evaluation.scenes.base import BASE, COMPOSED
from evaluation.scenes.job import ScenesJob, StepsJob
from evaluation.scenes.readings import EditClaims, agreement, all_hold, claims_of
from evaluation.scenes.report import grids
from evaluation.scenes.run import ScenesStep, evaluate_scenes
from evaluation.scenes.steps import Setting, StepsReport, fewest_steps
from evaluation.scenes.summary import DIFFERENCE, ScenesReport
from evaluation.scenes.tools import ScenesTools
from evaluation.summary import ALL, MEAN
from tests import tiny

WORLD = "offline"
NOTHING = Reading(background="", time_of_day="", weather="", style=None, things={})


class KnowingJudge:
    """Knows every composed picture of some datasets by heart, and sees nothing in any other."""

    def __init__(self, out: Path) -> None:
        self.world, self.world_hash = WORLD, world_hash(WORLD)
        self.out, self.num_read = out, 0

    def _known(self) -> dict[str, Reading]:
        known = {}
        for sample in read_dataset(self.out / "captions").samples():
            known[digest(sample["image"])] = truth(scenes.Scene.from_json(sample["scene"]))
        for sample in read_dataset(self.out / "sources").samples():
            known[digest(sample["original_image"])] = truth(scenes.Scene.from_json(sample["scene"]))
            for edit in sample["edits"]:
                edited = scenes.Scene.from_json(edit["edited_scene"])
                known[digest(sample[edit["kind"]])] = truth(edited)
        return known

    def read(self, pictures: np.ndarray) -> list[Reading]:
        self.num_read += len(pictures)
        known = self._known()
        return [known.get(digest(picture), NOTHING) for picture in pictures]


class HashTowers:
    """Random features, but equal ones for equal pictures and texts."""

    def images(self, pictures: np.ndarray) -> torch.Tensor:
        return torch.stack([vector(picture.tobytes()) for picture in pictures])

    def texts(self, texts: Sequence[str]) -> torch.Tensor:
        return torch.stack([vector(text.encode()) for text in texts])


class Toys:
    """Toy models; `stop_after` plays a kill after some batches of edits."""

    def __init__(self, out: Path, models: dict[str, Any], stop_after: int = 1000) -> None:
        self.base = CountingBase(models["base"], stop_after)
        self.edit = CountingEdit(models["edit"], stop_after)
        self.judge = KnowingJudge(out)
        self.scorer = Scorer(HashTowers(), "hash")

    def hash_of(self, tool: str) -> str:
        return f"hash of {tool}"

    @property
    def num_edits(self) -> int:
        return self.base.num_edits + self.edit.num_edits


class _Counting:
    num_edits = 0
    num_calls = 0
    stop_after = 1000

    def _count(self, edits: Sequence[Any]) -> None:
        if self.num_calls == self.stop_after:
            raise KeyboardInterrupt
        self.num_calls += 1
        self.num_edits += len(edits)


class CountingBase(_Counting, PromptToPromptEditor):
    def __init__(self, model: Any, stop_after: int) -> None:
        super().__init__(model)
        self.stop_after = stop_after

    def edit_many(self, edits: Sequence[Any], *, batch_size: int | None = None) -> list[EditResult]:
        self._count(edits)
        return super().edit_many(edits, batch_size=batch_size)


class CountingEdit(_Counting, InstructPix2PixEditor):
    def __init__(self, model: Any, stop_after: int) -> None:
        super().__init__(model)
        self.stop_after = stop_after

    def edit_many(self, edits: Sequence[Any], *, batch_size: int | None = None) -> list[EditResult]:
        self._count(edits)
        return super().edit_many(edits, batch_size=batch_size)


def digest(picture: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(picture).tobytes()).hexdigest()


def vector(content: bytes) -> torch.Tensor:
    seed = int.from_bytes(hashlib.sha256(content).digest()[:4], "big")
    return torch.randn(16, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    return {
        kind: from_pipeline(tiny.pipeline(kind=kind, text="clip", sample_size=16))
        for kind in ("base", "edit")
    }


def job(out: Path, **fields: Any) -> ScenesJob:
    settings = {"num": 5, "num_sources": 2, "num_curve": 2, "batch_size": 4}
    settings |= {"num_inference_steps": 1, "jobs": 1}
    return ScenesJob(**{"out": out, "world": WORLD, **settings, **fields})


def report_of(steps: Sequence[ScenesStep]) -> ScenesReport:
    report = steps[-1]
    assert isinstance(report, ScenesReport)
    return report


def share(report: ScenesReport, section: str, method: str, kind: str, figure: str) -> float:
    found = report.section(section)
    assert found is not None
    line = found.line(method, kind)
    assert line is not None
    value = line.figures[figure]
    assert value is not None
    return value.mean


def an_edit(kind: scenes.edits.EditKind, start: int = 0) -> scenes.SceneEdit:
    for seed in range(start, start + 500):
        scene = scenes.sample_scene(seed, world=scenes.WORLDS["tiny"], split="held_out")
        edit = scenes.make_edit(scene, kind, seed)
        if edit is not None and EditClaims.of(edit).target:
            return edit
    raise AssertionError(f"no scene allows {kind}")


def test_a_caption_is_borne_out_by_its_own_scene_and_by_no_other_place() -> None:
    edit = an_edit("background")
    claims = claims_of(edit.original)
    assert all_hold(truth(edit.original), claims)
    agreed = agreement(claims, truth(edit.edited))
    assert agreed["background"] == 0
    assert set(agreed.values()) <= {0.0, 1.0, None} and agreed["noun"] == 1


def test_another_noun_in_the_picture_is_no_agreement() -> None:
    edit = an_edit("add_object")
    assert agreement(claims_of(edit.original), truth(edit.edited))["noun"] == 0


def test_colours_are_claimed_only_where_they_are_named() -> None:
    edit = an_edit("colour")
    (noun,) = {noun for head, noun in EditClaims.of(edit).target if head == "colour"}
    assert ("colour", noun) in claims_of(edit.edited)
    plain = replace(edit.original, objects=tuple(replace(o, colour=None) for o in edit.original.objects))
    assert not any(head == "colour" for head, _ in claims_of(plain))


@pytest.mark.parametrize("kind", [kind for kind in scenes.EDIT_KINDS if "accessory" not in kind])
def test_an_exact_target_is_reached_and_kept_and_doing_nothing_only_keeps(kind: Any) -> None:
    for start in (0, 1000, 2000):
        edit = an_edit(kind, start)
        claims = EditClaims.of(edit)
        before, after = truth(edit.original), truth(edit.edited)
        assert claims.reached(after) and claims.kept(after)
        assert not claims.reached(before)
        assert claims.drawn_right(before)
        kept = claims.kept_of(before)
        unnamed = {
            claim for claim in kept if claim[0] == "colour"
        }  # a truth names no colour that no word does
        assert all_hold(after, {claim: value for claim, value in kept.items() if claim not in unnamed})


def test_a_swap_keeps_the_look_of_what_it_replaces() -> None:
    edit = an_edit("swap")
    claims = EditClaims.of(edit)
    ((new, old),) = claims.renamed.items()
    source = replace(truth(edit.original), things={old: Thing(count=2, colour="red", material="stone")})
    kept = claims.kept_of(source)
    assert kept["count", new] == 2 and kept["material", new] == "stone"
    assert ("noun", old) not in kept and ("noun", new) not in kept


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, models: dict[str, Any]) -> tuple[Path, ScenesReport]:
    """An evaluation that nothing cut, and its folder."""
    out = tmp_path_factory.mktemp("whole")
    return out, report_of(list(evaluate_scenes(job(out), Toys(out, models))))


def test_perfect_pictures_score_perfectly_and_doing_nothing_reaches_nothing(
    whole: tuple[Path, ScenesReport],
) -> None:
    _, report = whole
    assert share(report, "base", COMPOSED, ALL, "everything") == 1
    assert share(report, "base", BASE, ALL, "everything") == 0
    assert share(report, "edit", instruct.UNCHANGED, MEAN, "target") == 0
    assert share(report, "edit", instruct.MODEL, MEAN, "both") == 0
    assert share(report, "edit", DIFFERENCE, MEAN, "target") == 0


def test_edits_are_measured_as_they_are_held_to_where_they_act_in_the_same_run(
    tmp_path: Path, models: dict[str, Any]
) -> None:
    only = {"only": ("edit",), "baselines": False, "paraphrase": False, "num_sources": 1}
    plain, both = (_reading_sources(Toys(tmp_path, models)) for _ in range(2))
    list(evaluate_scenes(job(tmp_path, **only), plain))
    report = report_of(list(evaluate_scenes(job(tmp_path, held_to=0.5, **only), both)))
    section = report.section("edit")
    assert section is not None and section.methods() == (instruct.MODEL, instruct.HELD)
    assert both.num_edits == plain.num_edits  # nothing is drawn for it
    kept = [section.mean(method, "outside", MEAN) for method in section.methods()]
    assert kept[0] is not None and kept[1] is not None and kept[1].mean >= kept[0].mean


def test_the_report_has_every_part_and_its_pictures(whole: tuple[Path, ScenesReport]) -> None:
    out, report = whole
    section, curve = report.section("p2p"), report.section("curve")
    assert section is not None and {prompts.P2P, prompts.REGENERATED} <= set(section.methods())
    assert section.line(prompts.HEAVIER, prompts.REWEIGHT) is not None
    assert curve is not None and len(curve.lines) == 7 + 4 + 1  # the toy recommends the paper's 7.5
    written = json.loads((out / "report.json").read_text())
    assert [part["name"] for part in written["sections"]] == ["base", "p2p", "edit", "curve"]
    shown = re.findall(r"!\[.*\]\((.*)\)", (out / "report.md").read_text())
    assert len(shown) == 8 and all((out / file).stat().st_size > 0 for file in shown)
    for grid in (grid for section in report.sections for grid in grids(section)):
        assert all(len(row) == len(grid.headings) + 1 for row in grid.rows)


def test_a_cut_evaluation_goes_on_and_writes_the_same_report(
    tmp_path: Path, models: dict[str, Any], whole: tuple[Path, ScenesReport]
) -> None:
    out, _ = whole
    for data in ("captions", "sources"):  # data of the same seeds: drawing it is not what is tested
        shutil.copytree(out / data, tmp_path / data)
    with pytest.raises(KeyboardInterrupt):
        list(evaluate_scenes(job(tmp_path), Toys(tmp_path, models, stop_after=2)))
    scores = tmp_path / "scores.jsonl"
    scores.write_bytes(scores.read_bytes() + b'{"run": "half a li')
    steps = list(evaluate_scenes(job(tmp_path), Toys(tmp_path, models)))
    assert {step.fresh for step in steps if isinstance(step, Measured)} == {True, False}
    for path in out.iterdir():
        if path.is_file():
            assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name
    batches = [(line["run"], line["batch"]) for line in map(json.loads, scores.read_text().splitlines())]
    assert len(batches) == len(set(batches))  # nothing was measured twice


def test_a_finished_evaluation_run_again_measures_nothing(
    models: dict[str, Any], whole: tuple[Path, ScenesReport]
) -> None:
    out, report = whole
    again = Toys(out, models)
    steps = list(evaluate_scenes(job(out), again))
    assert again.num_edits == 0 and again.judge.num_read == 0
    assert not any(step.fresh for step in steps if isinstance(step, Measured))
    assert report_of(steps) == report


def test_other_settings_are_measured_anew(tmp_path: Path, models: dict[str, Any]) -> None:
    only = {"only": ("edit",), "baselines": False}
    first, second = (Toys(tmp_path, models) for _ in range(2))
    steps = list(evaluate_scenes(job(tmp_path, num_sources=1, **only), _reading_sources(first)))
    list(evaluate_scenes(job(tmp_path, num_sources=1, guidance_scale=3.0, **only), _reading_sources(second)))
    assert first.num_edits == second.num_edits > 0
    assert [type(step) for step in steps].count(ScenesReport) == 1


def _reading_sources(toys: Toys) -> Toys:
    """Where no captions were drawn, the judge knows none."""
    toys.judge._known = dict  # type: ignore[method-assign]
    return toys


def test_a_part_needs_only_its_own_models(tmp_path: Path, models: dict[str, Any]) -> None:
    class BaseOnly(Toys):
        @property
        def edit(self) -> Any:
            raise AssertionError("the base alone is measured")

        @edit.setter
        def edit(self, value: Any) -> None:
            pass

    toys = BaseOnly(tmp_path, models)
    report = report_of(list(evaluate_scenes(job(tmp_path, only=("base",)), _reading_sources(toys))))
    assert [section.name for section in report.sections] == ["base"]


def test_an_evaluation_without_weights_says_which(tmp_path: Path) -> None:
    nowhere = job(tmp_path / "out", model=str(tmp_path / "nowhere"), only=("base",))
    with pytest.raises(IncompatibleModel, match="no such folder"):
        list(evaluate_scenes(nowhere))
    with pytest.raises(JudgeMissing, match="holds no judge"):
        ScenesTools(job(tmp_path / "out", judge=tmp_path)).judge  # noqa: B018
    assert not (tmp_path / "out").exists()


def test_a_judge_of_another_world_measures_nothing(tmp_path: Path, models: dict[str, Any]) -> None:
    toys = Toys(tmp_path, models)
    toys.judge.world_hash = "0" * 64
    with pytest.raises(ChangedWorld, match="drawn as of"):
        list(evaluate_scenes(job(tmp_path), toys))
    toys.judge.world = "small"
    with pytest.raises(InvalidJob, match="judge reads 'small'"):
        list(evaluate_scenes(job(tmp_path), toys))
    assert toys.num_edits == 0


def test_results_of_another_version_of_the_world_are_not_mixed(
    tmp_path: Path, models: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    only = {"only": ("edit",), "baselines": False, "num_sources": 1}
    list(evaluate_scenes(job(tmp_path, **only), _reading_sources(Toys(tmp_path, models))))
    monkeypatch.setattr("dataset_builder.scenes.worlds.WORLD_VERSION", 99)
    toys = _reading_sources(Toys(tmp_path, models))
    with pytest.raises(ConfigChanged, match="world_version was"):
        list(evaluate_scenes(job(tmp_path, **only), toys))


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"only": ("everything",)}, InvalidJob),
        ({"only": ()}, InvalidJob),
        ({"num": 0}, InvalidJob),
        ({"batch_size": 2.5}, InvalidJob),
        ({"world": "nowhere"}, InvalidJob),
        ({"guidance_scale": float("nan")}, InvalidEdit),
        ({"self_replace_steps": 2.0}, InvalidEdit),
        ({"num_inference_steps": 0}, InvalidEdit),
    ],
)
def test_a_wrong_job_is_refused_before_anything_is_drawn(
    tmp_path: Path, fields: dict[str, Any], error: Any
) -> None:
    with pytest.raises(error):
        job(tmp_path / "out", **fields)
    assert not (tmp_path / "out").exists()


def test_words_of_weight_are_those_that_the_edit_added() -> None:
    edit = an_edit("colour")
    added = prompts.added_words(_held_out(edit))
    (colour,) = {value for (head, _), value in EditClaims.of(edit).target.items() if head == "colour"}
    assert added == (colour,)


def _held_out(edit: scenes.SceneEdit) -> Any:
    from evaluation.scenes.data import HeldOutEdit

    black = np.array(Image.new("RGB", (8, 8)))
    return HeldOutEdit(
        edit=edit,
        paraphrase="",
        original_prompt=scenes.caption(edit.original),
        edited_prompt=scenes.caption(edit.edited),
        target=black,
        mask=np.zeros((8, 8), bool),
    )


class OrderlyJudge(KnowingJudge):
    """Reads captions' pictures in their order: rightly with enough steps, else not at all."""

    def __init__(self, out: Path, steps: int, enough: int) -> None:
        super().__init__(out)
        self.right = steps >= enough

    def read(self, pictures: np.ndarray) -> list[Reading]:
        samples = list(read_dataset(self.out / "captions").samples(("scene",)))
        told = [truth(scenes.Scene.from_json(sample["scene"])) for sample in samples]
        first, self.num_read = self.num_read, self.num_read + len(pictures)
        return told[first : self.num_read] if self.right else [NOTHING] * len(pictures)


def test_the_fewest_good_steps_are_found(tmp_path: Path, models: dict[str, Any]) -> None:
    settings = StepsJob(
        out=tmp_path,
        world=WORLD,
        only=("base",),
        steps=(1, 3, 2),
        schedulers=("ddim", "euler"),
        num=4,
        jobs=1,
    )

    def tools(at: ScenesJob) -> Toys:
        base = models["base"].with_scheduler(at.scheduler)
        toys = Toys(tmp_path, {**models, "base": base})
        assert at.num_inference_steps is not None
        toys.judge = OrderlyJudge(tmp_path, at.num_inference_steps, enough=2)
        toys.hash_of = lambda tool: f"{tool} {at.scheduler}"  # type: ignore[method-assign]
        return toys

    report = list(fewest_steps(settings, tools))[-1]
    assert isinstance(report, StepsReport)
    assert [(s.scheduler, s.steps, s.good) for s in report.settings] == [
        ("ddim", 3, True),
        ("euler", 3, True),
        ("ddim", 2, True),
        ("euler", 2, True),
        ("ddim", 1, False),
        ("euler", 1, False),
    ]
    assert report.fewest == report.settings[2]
    assert "ddim, 2 steps" in (tmp_path / "steps.md").read_text()


def test_forecasts_are_compared_by_what_they_compute(tmp_path: Path) -> None:
    job = StepsJob(out=tmp_path, steps=(12,), schedulers=("ddim",), forecasts=(4, 1))
    assert job.settings() == [("ddim", 12, 1), ("ddim", 12, 4)]
    assert [job.at(*one).forecast for one in job.settings()] == [1, 4]
    settings = [
        Setting(scheduler="ddim", steps=12, forecast=window, figures={}, good=True) for window in (1, 4)
    ]
    assert [(one.note, one.computed) for one in settings] == [
        ("ddim, 12 steps", 12),
        ("ddim, 12 steps, forecast 4", 6),
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"steps": (20,)},
        {"forecasts": ()},
        {"forecasts": (1, 5)},
        {"steps": (0, 4)},
        {"schedulers": ("fast",)},
        {"only": ("curve",)},
        {"tolerance": -1},
    ],
)
def test_a_wrong_comparison_of_steps_is_refused(tmp_path: Path, fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidJob):
        StepsJob(**{"out": tmp_path, **fields})
