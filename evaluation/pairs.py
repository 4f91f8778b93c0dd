"""Measure an instruction editor on exact pairs that it never trained on.

For every held-out pair the exact target is known, and so is the mask of what may change. Three pictures get
the same figures: the editor's, the source unchanged (what doing nothing earns), and the exact target once
through the editor's autoencoder (the ceiling: no editor on this autoencoder can do much better).

Law: a pair once measured is not measured again for the same model, data and settings, whatever interrupted
the run; a report says the same for the same scores.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dataset_builder import records
from dataset_builder.build_scenes import build_scenes
from dataset_builder.errors import UnreadableDataset
from dataset_builder.shards.shards import ShardReport
from dataset_builder.shards.storage import locked, remove_leftovers, require_own
from editors import InstructPix2PixEditor
from evaluation.benchmark import Measured, Row, measured
from evaluation.edit_runs import EDITED, ExactEdits, Sample, first_pictures
from evaluation.figures import psnr
from evaluation.jobs import EvalJob
from evaluation.pair_samples import PairSamples, pair_samples
from evaluation.report import (
    Column,
    Grid,
    GridRow,
    decibels,
    draw_grid,
    publish,
    settings_line,
    share,
    table_by_kind,
)
from evaluation.sampling import through_autoencoder
from evaluation.sizes import sized
from evaluation.summary import BenchmarkReport, lines_of

GRID_ROWS_PER_KIND: Final = 2
UNCHANGED: Final = "unchanged"
CEILING: Final = "ceiling"
_COLUMNS: Final = (
    Column(method=EDITED, name="nearer", figure=share("nearer than the source")),
    Column(method=CEILING, name="nearer", figure=share("same, ceiling")),
    Column(method=EDITED, name="nearer_inside", figure=share("nearer inside the mask")),
    Column(method=EDITED, name="psnr", figure=decibels("PSNR to target, dB")),
    Column(method=UNCHANGED, name="psnr", figure=decibels("same, unchanged")),
    Column(method=CEILING, name="psnr", figure=decibels("same, ceiling")),
    Column(method=EDITED, name="rest", figure=decibels("rest kept, dB")),
    Column(method=CEILING, name="rest", figure=decibels("same, ceiling")),
)
_LEGEND: Final = """\
*Source* and *target*: the two pictures of a pair. *Nearer*: share of pairs where what the model made is
nearer to the target than the source was (mean squared error). *Unchanged*: the source itself, what doing
nothing earns. *Ceiling*: the target once through the model's own autoencoder. *Rest kept*: what the model
made against the source outside the mask of the edit, for edits that have such a rest. PSNR is the mean over
pictures, 68 dB for equal ones. Brackets: 95 % bootstrap intervals."""


EvalStep: TypeAlias = ShardReport | Measured | BenchmarkReport


def evaluate_pairs(job: EvalJob, editor: InstructPix2PixEditor | None = None) -> Iterator[EvalStep]:
    """Edit held-out pairs and compare with their exact targets.

    Writes `scores.jsonl`, `pictures/`, `report.json`, `report.md` and `grid.png` into `job.out`. Close the
    generator to stop; run it again to go on. `tables` draws the report for a terminal.

    Args:
        job: What to measure.
        editor: The editor, where one is at hand (a model in training); else `job.model` is loaded.

    Yields:
        The shards of the pairs, where they are drawn here; then each pair as it is measured; and last the
        report.

    Raises:
        DatasetError: The pairs cannot be drawn or read, or the results not be written.
        EditorError: The model cannot be loaded, or an edit failed.
    """
    editor = editor or InstructPix2PixEditor.from_pretrained(job.model, device=job.device)
    job = sized(job, editor.model)
    if job.data is None:
        yield from build_scenes(job.scene_job())
    info = pair_samples(job.data or job.scene_job().out, job.num)
    benchmark = PairsBenchmark(job, editor, info.samples, info.data_hash, job.num)
    require_own(job.out, "grid.png", "report.md", "report.json")
    with locked(job.out):
        remove_leftovers(job.out)
        rows = yield from measured(benchmark, job.out)
        if not rows:
            raise UnreadableDataset(f"{info.folder} holds not a single pair; draw more of them.")
        report = BenchmarkReport.of(benchmark, job.model, lines_of(rows))
        _publish(job, info, report, rows)
    yield report


class PairsBenchmark(ExactEdits):
    """Pairs, beside their sources unchanged and their targets once through the autoencoder."""

    name = "pairs"

    def beside(self, sample: Sample) -> dict[str, NDArray[np.uint8]]:
        """Return the source and the ceiling."""
        ceiling = through_autoencoder(self.editor.model, sample[records.EDITED_IMAGE])
        return {UNCHANGED: sample[records.ORIGINAL_IMAGE], CEILING: ceiling}

    def figures(self, sample: Sample, picture: NDArray[np.uint8]) -> dict[str, float | None]:
        """Compare with the target, whole and inside the mask, and with the source outside it."""
        source, target = sample[records.ORIGINAL_IMAGE], sample[records.EDITED_IMAGE]
        inside = sample[records.MASK] > 127  # (H, W)
        whole, within = psnr(picture, target), psnr(picture, target, inside)
        return {
            "nearer": float(whole > psnr(source, target)),
            "nearer_inside": float(within > psnr(source, target, inside)),
            "psnr": whole,
            "psnr_inside": within,
            "rest": None if inside.all() else psnr(picture, source, ~inside),
        }


def tables(report: BenchmarkReport) -> tuple[Grid, ...]:
    """Return the report for a terminal of 80 columns: the interval of the first figure alone."""
    short = {
        "nearer": ("nearer", "ceil."),
        "nearer_inside": ("inside",),
        "psnr": ("PSNR", "unch.", "ceil."),
        "rest": ("rest", "ceil."),
    }
    names = iter([heading for headings in short.values() for heading in headings])
    columns = [
        replace(one, figure=replace(one.figure, heading=next(names), unit=""), spread=one is _COLUMNS[0])
        for one in _COLUMNS
    ]
    return (table_by_kind(report, columns, title=_title(report), first="edit", counted="pairs", dense=True),)


NOTE: Final = "nearer: to the target than the source, %; inside: of the mask; report.md has every interval"
"""What stands below the report in a terminal."""


def _title(report: BenchmarkReport) -> str:
    line, seconds = report.line(EDITED), report.mean(EDITED, "seconds")
    assert line is not None and seconds is not None
    return f"{report.model}, {line.num} pairs, {seconds.mean:.2f} s an edit"


def _publish(job: EvalJob, info: PairSamples, report: BenchmarkReport, rows: Sequence[Row]) -> None:
    """Write the report in its three forms; the pictures are the first of each kind."""
    firsts = first_pictures(job.out, report.run, info.samples(), rows, GRID_ROWS_PER_KIND)
    drawn = [
        GridRow(label=f"{sample[records.KIND]}: {sample[records.EDIT_PROMPT]}", pictures=pictures)
        for sample, pictures in firsts
    ]
    drawn.sort(key=lambda row: row.label)
    page = (
        f"# Figures of {report.model} on held-out pairs",
        table_by_kind(report, _COLUMNS, title=_title(report), first="edit", counted="pairs").markdown(),
        settings_line(report.settings, report.run),
        _LEGEND,
        "The first pairs of each kind, as they came:",
        "![source, edited, target](grid.png)",
    )
    publish(job.out, report, page, {"grid": draw_grid(("source", "edited", "exact target"), drawn)})
