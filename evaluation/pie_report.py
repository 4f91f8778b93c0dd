"""Scores on PIE-Bench, what they add up to, and the report for people.

Law: a report is a pure function of its scores; a figure that was not measured is said to be so, with the
reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from evaluation.figures import Interval, interval
from evaluation.pie_metrics import (
    CLIP_EDITED,
    CLIP_WHOLE,
    LPIPS,
    METRICS,
    MSE,
    PSNR,
    SSIM,
    STRUCTURE,
)
from evaluation.scores import ALL_KINDS, KindFigures

if TYPE_CHECKING:
    from rich.table import Table

_COLUMNS: Final = {
    STRUCTURE: ("structure distance ×10³ ↓", 1e3),
    PSNR: ("background PSNR, dB ↑", 1.0),
    LPIPS: ("LPIPS ×10³ ↓", 1e3),
    MSE: ("MSE ×10⁴ ↓", 1e4),
    SSIM: ("SSIM ×10² ↑", 1e2),
    CLIP_WHOLE: ("CLIP whole ↑", 1.0),
    CLIP_EDITED: ("CLIP edited ↑", 1.0),
}
_LEGEND: Final = """\
*Background*: the picture with everything that may change painted black, against the source; PSNR is 68 dB at
most. *Unchanged*: the source itself. *Autoencoder*: the source once through the model's autoencoder, the
floor of every edit on it. A mask, or keeping the source's pixels, makes any background figure perfect: read
them beside CLIP. Brackets: 95 % bootstrap intervals.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class PieScore:
    """The figures of one entry and row.

    Attributes:
        key: Name of the entry.
        row: What made the picture.
        editing_type: Kind of the edit.
        figures: Name -> figure, None where it was not measured; empty where the edit failed.
        failed: Why there is no picture, or None.
    """

    key: str
    row: str
    editing_type: str
    figures: Mapping[str, float | None]
    failed: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PieRow:
    """Figures of one row.

    Attributes:
        row: What made the pictures.
        model: Name of its model; empty for the unchanged picture.
        num: Number of pictures.
        failed: Reason -> number of entries that have no picture.
        kinds: Means over all edits, then over each kind; None where nothing was measured.
    """

    row: str
    model: str
    num: int
    failed: Mapping[str, int]
    kinds: tuple[KindFigures, ...]


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
    rows: tuple[PieRow, ...]


def row_of(row: str, model: str, scores: Sequence[PieScore]) -> PieRow:
    """Sum up the scores of one row among all, over all edits and over each kind."""
    own = [score for score in scores if score.row == row]
    measured = [score for score in own if score.failed is None]
    groups = {ALL_KINDS: measured}
    for kind in sorted({score.editing_type for score in measured}):
        groups[kind] = [score for score in measured if score.editing_type == kind]
    return PieRow(
        row=row,
        model=model,
        num=len(measured),
        failed=dict(Counter(score.failed for score in own if score.failed is not None)),
        kinds=tuple(
            KindFigures(
                kind=kind,
                num=len(group),
                figures={name: _mean([score.figures[name] for score in group]) for name in METRICS},
            )
            for kind, group in groups.items()
        ),
    )


def table(report: PieReport) -> Table:
    """Return the report as a table for the terminal; `notes` says the rest."""
    from rich.table import Table

    drawn = Table(title="PIE-Bench, means over all kinds of edits")
    drawn.add_column("figure", no_wrap=True)
    for row in report.rows:
        drawn.add_column(row.row, justify="right", overflow="fold")
    drawn.add_row("pictures", *(str(row.num) for row in report.rows), end_section=True)
    for name, (heading, scale) in _COLUMNS.items():
        means = (row.kinds[0].figures[name] for row in report.rows)
        drawn.add_row(heading, *("–" if mean is None else f"{mean.mean * scale:.2f}" for mean in means))
    return drawn


def notes(report: PieReport) -> list[str]:
    """Say what measured each figure, which were not measured and why, and what could not be edited."""
    by = [f"{name}: {model}" for name, model in report.models.items()]
    lines = [f"Measured by {'; '.join(sorted(by))}."]
    lines += [f"{name}: not measured: {reason}" for name, reason in sorted(report.missing.items())]
    for row in report.rows:
        lines += [f"{row.row}: {num} not edited: {reason}" for reason, num in row.failed.items()]
    return lines


def markdown(report: PieReport) -> str:
    """Return the report as a page of Markdown that shows `grid.png` beside it."""
    settings = ", ".join(f"{name} {value}" for name, value in report.settings.items())
    models = "; ".join(f"{row.row}: {row.model}" for row in report.rows if row.model)
    head = [
        f"| row | pictures | {' | '.join(heading for heading, _ in _COLUMNS.values())} |",
        f"|---|---:|{'---:|' * len(_COLUMNS)}",
    ]
    lines = ["# PIE-Bench", "", f"{models}. Settings: {settings}. Data {report.data_hash[:12]}.", "", _LEGEND]
    lines += [*(f"- {note}" for note in notes(report)), ""]
    for kind in dict.fromkeys(kind.kind for row in report.rows for kind in row.kinds):
        rows = [
            _cells(row.row, figures) for row in report.rows for figures in row.kinds if figures.kind == kind
        ]
        lines += [f"## {kind}", "", *head, *(f"| {' | '.join(cells)} |" for cells in rows), ""]
    return "\n".join([*lines, "![source and every row](grid.png)", ""])


def _cells(row: str, kind: KindFigures) -> list[str]:
    """Return a row of a table."""
    cells = (_cell(kind.figures[name], scale) for name, (_, scale) in _COLUMNS.items())
    return [row, str(kind.num), *cells]


def _cell(value: Interval | None, scale: float) -> str:
    """Return a mean with its interval, in the unit that is usual for it."""
    if value is None:
        return "–"
    return f"{value.mean * scale:.2f} [{value.low * scale:.2f}, {value.high * scale:.2f}]"


def _mean(values: Sequence[float | None]) -> Interval | None:
    """Return the mean of the values that are there, or None where none is."""
    present = [value for value in values if value is not None]
    return interval(present) if present else None
