"""Measure an instruction editor on photographs, at their own size and where the exact result is known.

An edit is compared with its exact target, and so are, in the same run, the photograph as it was (what doing
nothing earns) and the target at the size that the model works at, enlarged again (what the best small picture
would be without the photograph's own detail).

Law: a photograph once measured is not measured again for the same model, data and settings, whatever
interrupted the run; a report is a pure function of its scores.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dataset_builder import records
from dataset_builder.shards.dataset import DatasetInfo, read_dataset
from dataset_builder.shards.shards import ShardReport
from dataset_builder.shards.storage import locked, remove_leftovers, require_own
from editors import InstructPix2PixEditor
from editors.model.photo import Photo
from evaluation.benchmark import Measured, Row, measured
from evaluation.edit_runs import EDITED, ExactEdits, Sample, first_pictures
from evaluation.figures import psnr, ssim
from evaluation.jobs import PhotosJob
from evaluation.report import (
    Column,
    Grid,
    GridRow,
    decibels,
    draw_grid,
    publish,
    settings_line,
    share,
    similarity,
    table_by_kind,
)
from evaluation.summary import BenchmarkReport, lines_of

UNDONE: Final = "undone"
SMALL: Final = "small"
SHOWN: Final = 2
"""Rows of the grid for each thing that is asked for."""
_CELL: Final = 192
_COLUMNS: Final = (
    Column(method=EDITED, name="nearer", figure=share("nearer")),
    Column(method=EDITED, name="psnr", figure=decibels("PSNR, dB")),
    Column(method=UNDONE, name="psnr", figure=decibels("undone"), spread=False),
    Column(method=SMALL, name="psnr", figure=decibels("small"), spread=False),
    Column(method=EDITED, name="ssim", figure=similarity("SSIM")),
    Column(method=UNDONE, name="ssim", figure=similarity("undone"), spread=False),
    Column(method=SMALL, name="ssim", figure=similarity("small"), spread=False),
)
_LEGEND: Final = """\
*Nearer*: share of edits that are nearer to the exact target than the photograph as it was (mean squared
error). *PSNR* and *SSIM*: to the exact target, at full size. *Undone*: of the photograph as it was. *Small*:
of the target at the size that the model works at, enlarged again: the best there is without the photograph's
own detail. Brackets: 95 % bootstrap intervals."""


PhotosStep: TypeAlias = ShardReport | Measured | BenchmarkReport


def evaluate_photos(job: PhotosJob, editor: InstructPix2PixEditor | None = None) -> Iterator[PhotosStep]:
    """Edit photographs and compare with their exact targets.

    Writes `scores.jsonl`, `pictures/`, `report.json`, `report.md` and `grid.png` into `job.out`. Close the
    generator to stop; run it again to go on. `tables` draws the report for a terminal.

    Args:
        job: What to measure.
        editor: The editor, where one is at hand; else `job.model` is loaded.

    Yields:
        The shards of the photographs; then each photograph as it is measured; and last the report.

    Raises:
        DatasetError: The photographs cannot be drawn or read, or the results not be written.
        EditorError: The model cannot be loaded, or an edit failed.
    """
    pairs = job.pairs()
    yield from pairs.build()
    info = read_dataset(pairs.out)
    editor = editor or InstructPix2PixEditor.from_pretrained(job.model, device=job.device)
    benchmark = PhotosBenchmark(job, editor, info.samples, info.data_hash, job.num)
    require_own(job.out, "grid.png", "report.md", "report.json")
    with locked(job.out):
        remove_leftovers(job.out)
        rows = yield from measured(benchmark, job.out)
        report = BenchmarkReport.of(benchmark, job.model, lines_of(rows))
        _publish(job, info, report, rows)
    yield report


class PhotosBenchmark(ExactEdits):
    """Photographs at full size, beside themselves and their targets at the size that the model works at."""

    name = "photos"

    def beside(self, sample: Sample) -> dict[str, NDArray[np.uint8]]:
        """Return the photograph as it was, and the target made small and large again."""
        photo = sample[records.ORIGINAL_IMAGE]
        size = Photo.read(Image.fromarray(photo), self.editor.model).size
        return {UNDONE: photo, SMALL: _enlarged(sample[records.EDITED_IMAGE], size)}

    def figures(self, sample: Sample, picture: NDArray[np.uint8]) -> dict[str, float | None]:
        """Return how near a picture is to the target."""
        target = sample[records.EDITED_IMAGE]
        near = psnr(picture, target)
        nearer = float(near > psnr(sample[records.ORIGINAL_IMAGE], target))
        return {"nearer": nearer, "psnr": near, "ssim": ssim(picture, target)}


def _enlarged(target: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the target made as small as (width, height) and large again."""
    picture = Image.fromarray(target)
    small = picture.resize(size, Image.Resampling.LANCZOS)
    return np.asarray(small.resize(picture.size, Image.Resampling.BICUBIC))


def tables(report: BenchmarkReport) -> tuple[Grid, ...]:
    """Return the report for a terminal: the intervals take more room than it has."""
    columns = [replace(column, spread=False) for column in _COLUMNS]
    return (table_by_kind(report, columns, title=_title(report), first="asked for", counted="num"),)


def _title(report: BenchmarkReport) -> str:
    line, seconds = report.line(EDITED), report.mean(EDITED, "seconds")
    assert line is not None and seconds is not None
    return f"{line.num} photographs, {report.model}, {seconds.mean:.1f} s an edit"


def _publish(job: PhotosJob, info: DatasetInfo, report: BenchmarkReport, rows: Sequence[Row]) -> None:
    """Write the report in its three forms; the pictures are the first of each target, as they came."""
    firsts = first_pictures(job.out, report.run, info.samples(), rows, SHOWN)
    drawn = [GridRow(label=sample[records.EDIT_PROMPT], pictures=pictures) for sample, pictures in firsts]
    page = (
        table_by_kind(report, _COLUMNS, title=_title(report), first="asked for", counted="num").markdown(),
        settings_line(report.settings, report.run),
        _LEGEND,
        "![](grid.png)",
    )
    grid = draw_grid(("photograph", "edited", "exact target"), drawn, side=_CELL)
    publish(job.out, report, page, {"grid": grid})
