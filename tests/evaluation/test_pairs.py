"""An evaluation measures what it says, goes on where it stopped, and knows doing nothing and its ceiling."""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dataset_builder.build_scenes import SceneJob, build_scenes
from dataset_builder.errors import UnreadableDataset
from dataset_builder.pairs.files import FileBytes
from dataset_builder.pairs.sources import PairRef, Source
from dataset_builder.shards.build import build_shards
from dataset_builder.shards.dataset import read_dataset
from dataset_builder.shards.shards import Sample, png_bytes
from editors import EditResult, InstructionEdit, InstructPix2PixEditor, InvalidEdit
from editors.model.loading.load import from_pipeline
from evaluation.benchmark import Measured, Row
from evaluation.jobs import EvalJob
from evaluation.pair_samples import pair_samples
from evaluation.pairs import CEILING, EDITED, UNCHANGED, EvalStep, evaluate_pairs, tables
from evaluation.parts import (
    AutoencoderReport,
    DrawnCaption,
    PartsJob,
    PictureScore,
    draw_captions,
    evaluate_autoencoder,
)
from evaluation.sampling import model_hash, round_trip
from evaluation.summary import BenchmarkReport, Line, lines_of
from tests import tiny
from trainer.data.pairs import read_pairs

KINDS = ("colour", "style")


@dataclass(frozen=True)
class ToyPair:
    """Squares that turn white; in pairs of kind "style" the whole picture does."""

    def __call__(self, number: int) -> Sample:
        source = np.array(tiny.photo((32, 32), seed=number))
        mask = np.zeros((32, 32), bool)
        mask[8:24, 8:24] = True
        kind = KINDS[number % 2]
        mask |= kind == "style"
        target = np.where(mask[..., None], 255, source).astype(np.uint8)
        words = {"kind": kind, "edit_prompt": "make it red", "original_prompt": "a", "edited_prompt": "b"}
        parts = {
            "original_image.png": png_bytes(source),
            "edited_image.png": png_bytes(target),
            "mask.png": png_bytes(mask),
            "json": json.dumps(words).encode(),
        }
        return Sample(key=f"{number:08d}", parts=parts)


class CountingEditor(InstructPix2PixEditor):
    """The real editor, counting; `stop_after` plays a kill."""

    def __init__(self, model: Any, stop_after: int = 1000) -> None:
        super().__init__(model)
        self.num_edits = 0
        self.stop_after = stop_after

    def edit(self, edit: InstructionEdit) -> EditResult:
        if self.num_edits == self.stop_after:
            raise KeyboardInterrupt
        self.num_edits += 1
        return super().edit(edit)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    list(build_shards(folder, config={"kind": "pairs"}, draw=ToyPair(), num=6, samples_per_shard=3, jobs=1))
    return folder


@pytest.fixture(scope="module")
def model() -> Any:
    return from_pipeline(tiny.pipeline(kind="edit", text="bert"))


def job(data: Path, out: Path, **fields: Any) -> EvalJob:
    return EvalJob(data=data, out=out, num=6, num_inference_steps=2, **fields)


def report_of(steps: list[EvalStep]) -> BenchmarkReport:
    report = steps[-1]
    assert isinstance(report, BenchmarkReport)
    return report


def rows_of(steps: list[EvalStep], method: str) -> list[Row]:
    measured = [row for step in steps if isinstance(step, Measured) for row in step.rows]
    return [row for row in measured if row.method == method]


def untimed(report: BenchmarkReport) -> list[Line]:
    """The lines of a report but for how long edits took."""
    return [
        replace(line, figures={name: value for name, value in line.figures.items() if name != "seconds"})
        for line in report.lines
    ]


def test_every_pair_is_scored_and_reported(data: Path, tmp_path: Path, model: Any) -> None:
    steps = list(evaluate_pairs(job(data, tmp_path), CountingEditor(model)))
    rows = rows_of(steps, EDITED)
    assert len(rows) == 6
    assert report_of(steps).kinds() == KINDS and report_of(steps).methods() == (EDITED, UNCHANGED, CEILING)
    for row in rows:
        assert (row.figures["rest"] is None) == (row.kind == "style")
    written = json.loads((tmp_path / "report.json").read_text())
    assert written["settings"]["data"] == read_dataset(data).data_hash
    assert "| colour | 3 |" in (tmp_path / "report.md").read_text()
    assert (tmp_path / "grid.png").stat().st_size > 0


def test_the_baselines_are_the_source_and_the_round_trip(data: Path, tmp_path: Path, model: Any) -> None:
    steps = list(evaluate_pairs(job(data, tmp_path), CountingEditor(model)))
    sample = next(read_dataset(data).samples())
    target = sample["edited_image"].astype(float)

    def decibels(picture: np.ndarray) -> float:
        return float(10 * np.log10(255**2 / ((picture - target) ** 2).mean()))

    unchanged, ceiling = (rows_of(steps, method)[0].figures["psnr"] for method in (UNCHANGED, CEILING))
    assert unchanged == pytest.approx(decibels(sample["original_image"].astype(float)))
    through = round_trip(model, sample["edited_image"][None])[0].astype(float)
    assert ceiling == pytest.approx(decibels(through))


def test_an_interrupted_evaluation_goes_on_and_says_the_same(data: Path, tmp_path: Path, model: Any) -> None:
    whole = report_of(list(evaluate_pairs(job(data, tmp_path / "whole"), CountingEditor(model))))
    with pytest.raises(KeyboardInterrupt):
        list(evaluate_pairs(job(data, tmp_path / "cut"), CountingEditor(model, stop_after=4)))
    scores = tmp_path / "cut" / "scores.jsonl"
    scores.write_bytes(scores.read_bytes() + b'{"run": "half a li')
    again = CountingEditor(model)
    resumed = report_of(list(evaluate_pairs(job(data, tmp_path / "cut"), again)))
    assert again.num_edits == 2
    assert untimed(resumed) == untimed(whole) and resumed.run == whole.run
    third = CountingEditor(model)
    list(evaluate_pairs(job(data, tmp_path / "cut"), third))
    assert third.num_edits == 0


def test_other_settings_or_weights_are_measured_anew(data: Path, tmp_path: Path, model: Any) -> None:
    list(evaluate_pairs(job(data, tmp_path), CountingEditor(model)))
    stronger = CountingEditor(model)
    list(evaluate_pairs(job(data, tmp_path, guidance_scale=3.0), stronger))
    assert stronger.num_edits == 6
    other = from_pipeline(tiny.pipeline(kind="edit", text="bert", seed=1))
    assert model_hash(other) != model_hash(model)
    assert model_hash(from_pipeline(tiny.pipeline(kind="edit", text="bert"))) == model_hash(model)


def test_a_job_with_wrong_scales_is_refused_before_anything_is_drawn(data: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidEdit, match="guidance_scale"):
        job(data, tmp_path / "out", guidance_scale=float("nan"))
    assert not (tmp_path / "out").exists()


def test_a_folder_of_scenes_is_no_folder_of_pairs(tmp_path: Path, model: Any) -> None:
    scenes = SceneJob(out=tmp_path / "scenes", world="offline", num=2, jobs=1)
    list(build_scenes(scenes))
    with pytest.raises(UnreadableDataset, match="no pairs"):
        list(evaluate_pairs(job(tmp_path / "scenes", tmp_path / "out"), CountingEditor(model)))


def test_the_parts_are_measured_on_held_out_scenes(tmp_path: Path) -> None:
    base = from_pipeline(tiny.pipeline(kind="base", text="bert"))
    parts = PartsJob(out=tmp_path, world="offline", num=3, size=64, num_inference_steps=2)
    steps = list(evaluate_autoencoder(parts, base))
    report = steps[-1]
    assert isinstance(report, AutoencoderReport)
    scores = [step.psnr for step in steps if isinstance(step, PictureScore)]
    assert report.psnr.mean == pytest.approx(np.mean(scores)) and report.psnr.num == len(scores)
    drawn = [step for step in draw_captions(parts, base) if isinstance(step, DrawnCaption)]
    assert len(drawn) == len(scores) and drawn[0].picture.shape == (64, 64, 3)
    again = [step for step in draw_captions(parts, base) if isinstance(step, DrawnCaption)]
    assert all((one.picture == two.picture).all() for one, two in zip(drawn, again, strict=True))
    assert {"autoencoder.json", "autoencoder.png", "captions.png"} <= {p.name for p in tmp_path.iterdir()}


@pytest.mark.parametrize(("latents", "side"), [(16, 64), (4, 64), (32, 128), (33, 128)])
def test_a_model_is_measured_at_its_own_size_where_nobody_names_one(
    tmp_path: Path, latents: int, side: int
) -> None:
    """Or at the next smaller one that the world is drawn at."""
    base = from_pipeline(tiny.pipeline(kind="base", text="bert", sample_size=latents))
    job = PartsJob(out=tmp_path, world="offline", num=1, num_inference_steps=1)
    [drawn] = [step for step in draw_captions(job, base) if isinstance(step, DrawnCaption)]
    assert drawn.picture.shape == (side, side, 3)


def test_the_terminal_table_is_whole_in_80_columns() -> None:
    """A figure that is cut says less than none."""
    from rich.console import Console

    rows = [
        Row(
            section="pairs",
            method=method,
            kind="remove_accessory",
            key=str(number),
            figures={
                "nearer": float(number % 2),
                "nearer_inside": 0.0,
                "psnr": 60.0 + 10 * (number % 2) if method == EDITED else 68.0,
                "rest": 68.0,
                "seconds": 0.1,
            },
        )
        for method in (EDITED, UNCHANGED, CEILING)
        for number in range(2000)
    ]
    report = BenchmarkReport(name="pairs", model="pocket", run="", settings={}, lines=lines_of(rows))
    console = Console(width=80, record=True, file=io.StringIO())
    for grid in tables(report):
        console.print(grid.rich())
    text = console.export_text()
    assert "…" not in text and text.count("remove_accessory") == 1
    assert re.search(r"2000 +50 \[48, 52\] +50 +0 +65\.0( +68\.0){4}", text)
    assert all(len(line) <= 80 for line in text.splitlines())


def test_folders_that_are_trained_on_are_measured_too(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    lines = []
    for number, size in enumerate([(64, 64), (50, 41), (64, 64)]):
        for name, seed in (("a", 2 * number), ("b", 2 * number + 1)):
            tiny.photo(size, seed).save(data / f"{number}{name}.png")
        line = {"input_image": f"{number}a.png", "edited_image": f"{number}b.png"}
        lines.append(json.dumps({**line, "edit_prompt": f"make it number {number}"}))
    (data / "0b.png").unlink()
    (data / "metadata.jsonl").write_text("\n".join(lines))
    job = EvalJob(out=tmp_path / "out", data=data, num=5, num_inference_steps=1)
    *scores, report = evaluate_pairs(job)
    rows = rows_of([*scores, report], EDITED)
    assert [row.key for row in rows] == ["00000000", "00000001"]
    assert all(row.figures["rest"] is None for row in rows)
    asked = [sample["edit_prompt"] for sample in pair_samples(data, 5).samples()]
    assert asked == ["make it number 1", "make it number 2"]
    *again, second = evaluate_pairs(job)
    assert rows_of([*again, second], EDITED) == rows and second == report


def test_the_pairs_measured_are_those_that_are_trained_on(tmp_path, caplog):
    rows = {
        "whole": (tiny.photo((64, 64), 0), tiny.photo((64, 64), 1)),
        "larger": (tiny.photo((64, 64), 2), tiny.photo((128, 128), 3)),
        "of another shape": (tiny.photo((64, 64), 4), tiny.photo((64, 20), 5)),
        "damaged": (tiny.photo((64, 64), 6), None),
    }
    lines = []
    for name, pictures in rows.items():
        for side, picture in zip("ab", pictures, strict=True):
            file = tmp_path / f"{name}-{side}.png"
            file.write_bytes(b"no picture") if picture is None else picture.save(file)
        files = {"input_image": f"{name}-a.png", "edited_image": f"{name}-b.png"}
        lines.append(json.dumps({**files, "edit_prompt": name}))
    (tmp_path / "metadata.jsonl").write_text("\n".join(lines))
    found = pair_samples(tmp_path, 9)
    samples = list(found.samples())
    trained_on = read_pairs(tmp_path)
    assert [sample["edit_prompt"] for sample in samples] == [ref.instructions[0] for ref in trained_on.refs]
    assert all(sample["edited_image"].shape == sample["original_image"].shape for sample in samples)
    assert sum(trained_on.skipped.values()) == 2 and "passed over 2 rows" in caplog.text
    for name in ("whole", "larger"):
        (tmp_path / f"{name}-a.png").unlink()
    with pytest.raises(UnreadableDataset, match=r"no usable pair .*2 picture missing"):
        pair_samples(tmp_path, 9)


def test_no_more_rows_are_read_than_are_measured(tmp_path, monkeypatch):
    passed = []

    def rows():
        for number in range(100):
            passed.append(number)
            content = png_bytes(np.full((64, 64, 3), number, np.uint8))
            (tmp_path / f"{number}.png").write_bytes(content)
            picture = FileBytes(tmp_path / f"{number}.png")
            yield PairRef(str(number), picture, picture, ("again",))

    monkeypatch.setattr("evaluation.pair_samples.open_pairs", lambda folder: Source("rows", rows))
    assert len(list(pair_samples(tmp_path, 3).samples())) == 3
    assert passed == [0, 1, 2]
