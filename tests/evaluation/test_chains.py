"""Edits in a row are measured beside their baselines, and go on where they were cut."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from dataset_builder.errors import InvalidJob
from editors import EditResult, InstructionEdit, InstructPix2PixEditor
from editors.model.loading.load import from_pipeline
from editors.requests.words import together
from evaluation.benchmark import Measured, PictureFolder, Row
from evaluation.chains import (
    AT_ONCE,
    CEILING,
    EXACT,
    IN_A_ROW,
    SINGLE,
    UNCHANGED,
    UNDONE,
    ChainsJob,
    evaluate_chains,
)
from evaluation.figures import MAX_PSNR, psnr
from evaluation.summary import BenchmarkReport
from tests import tiny


class Idle(InstructPix2PixEditor):
    """Gives every picture back as it was, and notes what it was asked."""

    def __init__(self, *, stop_after: int = 10_000) -> None:
        super().__init__(from_pipeline(tiny.pipeline(kind="edit")))
        self.asked: list[str] = []
        self.stop_after = stop_after

    def edit(self, edit: InstructionEdit) -> EditResult:
        if len(self.asked) == self.stop_after:
            raise KeyboardInterrupt
        self.asked.append(edit.edit_prompt)
        picture = edit.original_image
        assert isinstance(picture, Image.Image)
        return EditResult(
            edited_image=picture, original_image=picture, edit=edit, seed=0, num_unet_rows=0, seconds=0.0
        )


def run(job: ChainsJob, editor: InstructPix2PixEditor) -> tuple[list[Row], BenchmarkReport]:
    """All rows of a measurement, and its report."""
    *steps, report = evaluate_chains(job, editor)
    assert isinstance(report, BenchmarkReport)
    return [row for step in steps if isinstance(step, Measured) for row in step.rows], report


def of(rows: list[Row], method: str, key: str) -> list[float | None]:
    """PSNR after each edit of a chain."""
    return [row.figures["psnr"] for row in rows if (row.method, row.key) == (method, key)]


@pytest.fixture
def job(tmp_path: Path) -> ChainsJob:
    return ChainsJob(out=tmp_path / "out", num=2, length=3, world="pocket", size=64)


def test_who_does_nothing_earns_what_the_first_picture_earns(job: ChainsJob) -> None:
    rows, report = run(job, Idle())
    kept = PictureFolder(job.out, report.run)
    for key in ("0000", "0001"):
        exact = kept.squares(key + EXACT)
        assert all((picture == exact[0]).all() for picture in kept.squares(key))
        assert of(rows, IN_A_ROW, key) == of(rows, UNCHANGED, key)
        assert of(rows, SINGLE, key) == [psnr(*two) for two in pairwise(exact)]
        assert set(of(rows, UNDONE, key)) == {MAX_PSNR}
    assert {row.figures["gain"] for row in rows if row.method == AT_ONCE} == {0.0}
    assert all(0 < (row.figures["psnr"] or 0) < MAX_PSNR for row in rows if row.method == CEILING)
    page = (job.out / "report.md").read_text()
    assert "in a row" in page and (job.out / "grid.png").is_file()


def test_all_at_once_is_what_the_row_was_asked_for(job: ChainsJob) -> None:
    editor = Idle()
    run(job, editor)
    first, second, alone, both = editor.asked[:4]  # the first is single by itself
    assert alone == second
    assert both == together([first, second])


def test_a_measurement_that_was_cut_goes_on_and_says_the_same(job: ChainsJob, tmp_path: Path) -> None:
    whole, report = run(job, Idle())
    other = ChainsJob(out=tmp_path / "other", num=2, length=3, world="pocket", size=64)
    with pytest.raises(KeyboardInterrupt):
        run(other, Idle(stop_after=len(whole) // 2 + 3))
    again = Idle()
    rows, same = run(other, again)
    assert rows == whole and same == report
    idle = Idle()
    assert run(other, idle)[0] == whole and idle.asked == []


@pytest.mark.parametrize(("field", "value"), [("num", 0), ("length", 0), ("length", 51), ("world", "mars")])
def test_a_job_that_cannot_be_is_refused(tmp_path: Path, field: str, value: object) -> None:
    with pytest.raises(InvalidJob, match=field):
        ChainsJob(out=tmp_path, **{field: value})  # type: ignore[arg-type]
