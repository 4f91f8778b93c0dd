"""What is kept follows from the scores alone, is copied byte for byte, and everything is counted once."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import pytest

from dataset_builder.errors import ConfigChanged, InvalidJob, UnreadableDataset
from dataset_builder.records import ClipScores
from dataset_builder.render.filter_pairs import FilterJob, filter_pairs
from dataset_builder.render.filters import (
    PRESETS,
    SHIPPED,
    ThresholdChoice,
    Thresholds,
    outcomes,
    quantile_thresholds,
    read_thresholds,
    reject_reason,
)
from dataset_builder.render.render import render_pairs
from dataset_builder.render.scores import SCORES
from dataset_builder.shards.dataset import read_dataset
from dataset_builder.shards.shards import ShardReport
from dataset_builder.shards.tars import read_parts
from evaluation.stats import pair_stats, stats_plot
from tests.dataset_builder.render_toys import open_toys, toy_job

PASS_ALL = PRESETS["none"]


def scores(**changes: float) -> ClipScores:
    values = {"image_image": 0.8, "original_image_text": 0.25, "edited_image_text": 0.25, "direction": 0.25}
    return ClipScores(**{**values, **changes})


def test_thresholds_are_inclusive_and_the_first_that_fails_is_the_reason() -> None:
    code = PRESETS["code"]
    least = ClipScores(**asdict(code))
    assert reject_reason(least, code) is None
    for name in asdict(code):
        assert reject_reason(replace(least, **{name: getattr(code, name) - 1e-6}), code) == name


def test_the_paper_asks_more_of_the_pictures_than_its_code() -> None:
    between = scores(image_image=0.72)
    assert reject_reason(between, PRESETS["code"]) is None
    assert reject_reason(between, PRESETS["paper"]) == "image_image"


def test_the_best_by_direction_are_kept_and_every_pair_has_one_outcome() -> None:
    pairs = [scores(direction=d) for d in (0.3, 0.1, 0.5, 0.3, 0.4)]
    assert outcomes(pairs, PRESETS["code"], keep=3) == ["kept", "direction", "kept", "surplus", "kept"]


def test_the_share_of_exact_pairs_that_fail_a_threshold_is_the_asked_one() -> None:
    exact = [scores(direction=n / 100, image_image=1 - n / 1000) for n in range(100)]
    found = quantile_thresholds(exact, 0.1)
    for name in ("direction", "image_image"):
        assert sum(getattr(one, name) < getattr(found, name) for one in exact) == 10


@pytest.mark.parametrize("kind", [ClipScores, Thresholds, ThresholdChoice])
def test_every_score_of_the_table_has_its_field_and_no_field_is_without_a_row(kind: type) -> None:
    assert {field.name for field in fields(kind)} - {"preset"} == set(SCORES)


@pytest.mark.parametrize("value", [2, float("nan"), "high"])
def test_a_threshold_is_a_cosine(value: Any) -> None:
    with pytest.raises(InvalidJob, match="give a number from -1 to 1"):
        Thresholds(image_image=value, original_image_text=0, edited_image_text=0, direction=0)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 scored pairs of 6 triplets."""
    job = toy_job(tmp_path_factory.mktemp("rendered"))
    list(render_pairs(job, open_tools=open_toys))
    return job.out


def run(rendered: Path, out: Path, **changes: Any) -> list[ShardReport]:
    fields: dict[str, Any] = {"preset": "none", "samples_per_shard": 5, "jobs": 1}
    return list(filter_pairs(FilterJob(rendered=rendered, out=out, **{**fields, **changes})))


def parts_of(folder: Path) -> dict[str, dict[str, bytes]]:
    return {key: parts for path in sorted(folder.glob("*.tar")) for key, parts in read_parts(path)}


def test_kept_pairs_are_the_rendered_ones_byte_for_byte(rendered: Path, tmp_path: Path) -> None:
    reports = run(rendered, tmp_path, keep=2)
    everything = parts_of(rendered)
    kept = parts_of(tmp_path)
    assert len(kept) == 12 and [report.count for report in reports] == [5, 5, 2]
    assert all(everything[key] == parts for key, parts in kept.items())


def test_everything_that_was_asked_for_is_counted_once(rendered: Path, tmp_path: Path) -> None:
    directions = sorted(one["scores"]["direction"] for one in read_dataset(rendered).samples(("scores",)))
    run(rendered, tmp_path, keep=2, direction=directions[8])
    funnel = json.loads((tmp_path / "funnel.json").read_text())
    assert funnel["asked"] == funnel["kept"] + sum(funnel["rejects"].values()) == 24
    assert funnel["rejects"]["direction"] == 8
    lines = [json.loads(line) for line in (tmp_path / "decisions.jsonl").read_text().splitlines()]
    assert [line["key"] for line in lines] == list(parts_of(rendered))
    assert Counter(line["outcome"] for line in lines)["kept"] == funnel["kept"] == len(parts_of(tmp_path))


def test_thresholds_are_changed_without_rendering_and_never_in_the_same_folder(
    rendered: Path, tmp_path: Path
) -> None:
    run(rendered, tmp_path / "a")
    before = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    with pytest.raises(ConfigChanged, match="keep was 4, is 1"):
        run(rendered, tmp_path / "a", keep=1)
    assert {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()} == before
    assert sum(report.count for report in run(rendered, tmp_path / "b", keep=1)) == 6


def test_a_lost_paper_is_written_again(rendered: Path, tmp_path: Path) -> None:
    run(rendered, tmp_path)
    before = (tmp_path / "decisions.jsonl").read_bytes()
    (tmp_path / "decisions.jsonl").unlink()
    assert not any(report.drawn for report in run(rendered, tmp_path))
    assert (tmp_path / "decisions.jsonl").read_bytes() == before


def test_nothing_that_passes_is_one_sentence_with_the_reasons(rendered: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidJob, match=r"none of 24 pairs passes \(image_image 24\)"):
        run(rendered, tmp_path / "out", image_image=1.0)
    assert not (tmp_path / "out").exists()


def test_pairs_without_scores_are_all_taken_unless_scores_are_asked_for(tmp_path: Path) -> None:
    job = toy_job(tmp_path, scorer="none", sources=1, triplets_per_shard=6)
    list(render_pairs(job, open_tools=open_toys))
    with pytest.raises(UnreadableDataset, match=r'without scores .*; .*the preset "none"'):
        run(job.out, tmp_path / "asked", direction=0.1)
    run(job.out, tmp_path / "out", keep=1)
    found = pair_stats(tmp_path / "out")
    assert found.funnel["kept"] == found.funnel["triplets_kept"] > 0 and found.rendered == {}
    with pytest.raises(UnreadableDataset, match="there are no scores to draw"):
        stats_plot(tmp_path / "out")


def test_calibrating_with_another_scorer_is_refused(rendered: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidJob, match="scored by toy/scorer"):
        run(rendered, tmp_path / "out", calibrate_on=rendered, scorer="other/scorer")


def test_thresholds_of_a_file_are_read_back_and_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    found = Thresholds(image_image=0.5, original_image_text=0.1, edited_image_text=0.2, direction=0.3)
    (tmp_path / "thresholds.json").write_text(json.dumps({**asdict(found), "quantile": 0.05}))
    assert read_thresholds(tmp_path / "thresholds.json") == found
    with pytest.raises(InvalidJob, match="wordbrush data calibrate"):
        read_thresholds(tmp_path / "nowhere.json")


def test_stats_add_up_to_the_funnel_and_are_drawn(rendered: Path, tmp_path: Path) -> None:
    run(rendered, tmp_path, keep=2)
    found = pair_stats(tmp_path)
    assert found.funnel["asked"] == found.funnel["kept"] + sum(found.rejects.values()) == 24
    assert found.kinds == {"swap": (24, 12)}
    assert sum(row[1] for row in found.by_p) == 24
    assert found.kept["direction"].num == 12 and found.rendered["direction"].num == 24
    assert found.kept["direction"].middle >= found.rendered["direction"].middle
    assert stats_plot(tmp_path).shape[2] == 3
    with pytest.raises(UnreadableDataset, match="wordbrush data filter"):
        pair_stats(rendered)


def test_presets_follow_the_scorer_and_named_thresholds_stand_above_them() -> None:
    choice = ThresholdChoice(direction=0.5)
    assert choice.thresholds(by_pocket=False) == replace(PRESETS["code"], direction=0.5)
    if SHIPPED.is_file():
        assert choice.thresholds(by_pocket=True) == replace(read_thresholds(SHIPPED), direction=0.5)
    else:
        with pytest.raises(InvalidJob, match="wordbrush data calibrate"):
            choice.thresholds(by_pocket=True)
    with pytest.raises(InvalidJob, match="preset: 'mine' is not allowed"):
        ThresholdChoice(preset="mine")


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        pytest.param(9999 * "[", id="deep"),
        '{"key": "a"}',
        '{"key": "a", "outcome": "kept", "scores": {}}',
    ],
)
def test_damaged_decisions_are_one_sentence(rendered: Path, tmp_path: Path, line: str) -> None:
    run(rendered, tmp_path)
    with (tmp_path / "decisions.jsonl").open("a") as lines:
        lines.write(f"{line}\n")
    for read in (pair_stats, stats_plot):
        with pytest.raises(UnreadableDataset, match="holds no filtered pairs"):
            read(tmp_path)
