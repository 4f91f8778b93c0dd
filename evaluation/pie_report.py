"""The report of PIE-Bench for people.

Law: a figure that was not measured is said to be so, with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from evaluation.pie_metrics import (
    CLIP_EDITED,
    CLIP_WHOLE,
    LPIPS,
    MSE,
    PSNR,
    SSIM,
    STRUCTURE,
)
from evaluation.report import Figure, Grid, table_of_figures, table_of_lines
from evaluation.summary import ALL, BenchmarkReport

_FIGURES: Final = {
    STRUCTURE: Figure(heading="structure distance ×10³ ↓", scale=1e3),
    PSNR: Figure(heading="background PSNR, dB ↑"),
    LPIPS: Figure(heading="LPIPS ×10³ ↓", scale=1e3),
    MSE: Figure(heading="MSE ×10⁴ ↓", scale=1e4),
    SSIM: Figure(heading="SSIM ×10² ↑", scale=1e2),
    CLIP_WHOLE: Figure(heading="CLIP whole ↑"),
    CLIP_EDITED: Figure(heading="CLIP edited ↑"),
}
_LEGEND: Final = """\
*Background*: the picture with everything that may change painted black, against the source; PSNR is 68 dB at
most. *Unchanged*: the source itself. *Autoencoder*: the source once through the model's autoencoder, the
floor of every edit on it. A mask, or keeping the source's pixels, makes any background figure perfect: read
them beside CLIP. Brackets: 95 % bootstrap intervals."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PieReport:
    """A report: figures, and the data and models they are of.

    Attributes:
        data_hash: Of the mapping file's entries.
        settings: Of the edits.
        models: Figure -> the model or library that measured it.
        missing: Figure -> why it was not measured.
        rows: The editors, the unchanged picture, and the autoencoders.
    """

    data_hash: str
    settings: Mapping[str, Any]
    models: Mapping[str, str]
    missing: Mapping[str, str]
    rows: tuple[BenchmarkReport, ...]


def tables(report: PieReport) -> tuple[Grid, ...]:
    """Return the report for the terminal; `notes` says the rest."""
    lines = {row.name: row.line(row.name) for row in report.rows}
    title = "PIE-Bench, means over all kinds of edits"
    return (table_of_figures(title, lines, _FIGURES, spread=False),)


def notes(report: PieReport) -> list[str]:
    """Say what measured each figure, which were not measured and why, and what could not be edited."""
    by = [f"{name}: {model}" for name, model in report.models.items()]
    lines = [f"Measured by {'; '.join(sorted(by))}."]
    lines += [f"{name}: not measured: {reason}" for name, reason in sorted(report.missing.items())]
    for row in report.rows:
        failed = line.failed if (line := row.line(row.name)) else {}
        lines += [f"{row.name}: {num} not edited: {reason}" for reason, num in failed.items()]
    return lines


def page(report: PieReport) -> list[str]:
    """Return the paragraphs of the report in Markdown, which shows `grid.png` beside it."""
    settings = ", ".join(f"{name} {value}" for name, value in report.settings.items())
    models = "; ".join(f"{row.name}: {row.model}" for row in report.rows if row.model)
    kinds = dict.fromkeys(kind for row in report.rows for kind in (ALL, *row.kinds()))
    by_kind = [
        table_of_lines(
            kind,
            "row",
            {row.name: line for row in report.rows if (line := row.line(row.name, kind))},
            _FIGURES,
            counted="pictures",
        ).markdown()
        for kind in kinds
    ]
    return [
        "# PIE-Bench",
        f"{models}. Settings: {settings}. Data {report.data_hash[:12]}.",
        _LEGEND,
        "\n".join(f"- {note}" for note in notes(report)),
        *by_kind,
        "![source and every row](grid.png)",
    ]
