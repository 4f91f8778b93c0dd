"""Reports for people: a table for the terminal, a page of Markdown, and grids of labelled pictures.

Law: nothing is computed here but layout.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from evaluation.figures import Interval
from evaluation.scores import EvalReport, KindFigures

if TYPE_CHECKING:
    from rich.table import Table

_SHARES: Final = ("nearer", "nearer_ceiling", "nearer_inside", "nearer_inside_ceiling")
_COLUMNS: Final = {
    "nearer": "nearer than the source",
    "nearer_ceiling": "same, ceiling",
    "nearer_inside": "nearer inside the mask",
    "psnr": "PSNR to target, dB",
    "psnr_unchanged": "same, unchanged",
    "psnr_ceiling": "same, ceiling",
    "rest": "rest kept, dB",
    "rest_ceiling": "same, ceiling",
}
_SHORT: Final = {
    "nearer": "nearer",
    "nearer_ceiling": "ceil.",
    "nearer_inside": "inside",
    "psnr": "PSNR",
    "psnr_unchanged": "unch.",
    "psnr_ceiling": "ceil.",
    "rest": "rest",
    "rest_ceiling": "ceil.",
}
_LEGEND: Final = """\
*Source* and *target*: the two pictures of a pair. *Nearer*: share of pairs where what the model made is
nearer to the target than the source was (mean squared error). *Unchanged*: the source itself, what doing
nothing earns. *Ceiling*: the target once through the model's own autoencoder. *Rest kept*: what the model
made against the source outside the mask of the edit, for edits that have such a rest. PSNR is the mean over
pictures, 68 dB for equal ones. Brackets: 95 % bootstrap intervals.
"""
_MARGIN: Final = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class GridRow:
    """One row of a grid: its label, of one line or more, and its pictures, (H, W, 3) uint8 of one size."""

    label: str
    pictures: tuple[NDArray[Any], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """A table in words: its title, the name of its first column, headings, and rows of as many cells."""

    title: str
    first: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def rich(self) -> Table:
        """Return the table for the terminal."""
        from rich.table import Table

        drawn = Table(title=self.title, title_justify="left")
        drawn.add_column(self.first)
        for heading in self.headings:
            drawn.add_column(heading, justify="right")
        for row in self.rows:
            drawn.add_row(*row)
        return drawn

    def markdown(self) -> str:
        """Return the table in Markdown."""
        lines = [
            f"**{self.title}**",
            "",
            f"| {self.first} | {' | '.join(self.headings)} |",
            f"|---|{'---:|' * len(self.headings)}",
            *(f"| {' | '.join(row)} |" for row in self.rows),
        ]
        return "\n".join(lines)


def table(report: EvalReport) -> Table:
    """Return the report as a table for the terminal, of 80 columns: intervals of the first figure alone."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    title = f"{report.model}, {report.kinds[0].num} pairs, {report.seconds_per_edit:.2f} s an edit"
    caption = "nearer: to the target than the source, %; inside: of the mask; report.md has every interval"
    drawn = Table(title=title, caption=caption, box=SIMPLE_HEAD, padding=(0, 0), pad_edge=False)
    drawn.add_column("edit", no_wrap=True)
    for heading in ("pairs", *_SHORT.values()):
        drawn.add_column(heading, justify="right", no_wrap=True)
    for kind in report.kinds:
        cells = (_short(name, kind.figures[name]) for name in _SHORT)
        drawn.add_row(kind.kind, str(kind.num), *cells, end_section=kind is report.kinds[0])
    return drawn


def _short(name: str, value: Interval | None) -> str:
    """Return a mean, of the first figure with its interval; shares in per cent, the rest in dB."""
    if value is None:
        return "–"
    if name not in _SHARES:
        return f"{value.mean:.1f}"
    spread = f" [{100 * value.low:.0f},{100 * value.high:.0f}]" if name == "nearer" else ""
    return f"{100 * value.mean:.0f}{spread}"


def markdown(report: EvalReport) -> str:
    """Return the report as a page of Markdown that shows `grid.png` beside it."""
    settings = ", ".join(f"{name} {value}" for name, value in report.settings.items())
    lines = [
        f"# Figures of {report.model} on {report.kinds[0].num} pairs",
        "",
        f"Settings: {settings}. {report.seconds_per_edit:.2f} s an edit.",
        f"Model {report.model_hash[:12]}, data {report.data_hash[:12]}, run {report.run[:12]}.",
        "",
        _LEGEND,
        f"| edit | pairs | {' | '.join(_COLUMNS.values())} |",
        f"|---|---:|{'---:|' * len(_COLUMNS)}",
        *(f"| {' | '.join(_cells(kind))} |" for kind in report.kinds),
        "",
        "The first pairs of each kind, as they came:",
        "",
        "![source, edited, target](grid.png)",
        "",
    ]
    return "\n".join(lines)


def _cells(kind: KindFigures) -> list[str]:
    """Return a row of the table."""
    return [kind.kind, str(kind.num), *(_cell(name, kind.figures[name]) for name in _COLUMNS)]


def _cell(name: str, value: Interval | None) -> str:
    """Return a mean with its interval: shares in per cent, the rest in dB."""
    if value is None:
        return "–"
    if name in _SHARES:
        return f"{value.mean:.0%} [{value.low:.0%}, {value.high:.0%}]"
    return f"{value.mean:.1f} [{value.low:.1f}, {value.high:.1f}]"


def draw_grid(headings: Sequence[str], rows: Sequence[GridRow], *, side: int = 128) -> NDArray[np.uint8]:
    """Lay pictures out in labelled rows.

    Args:
        headings: One word or two above each column.
        rows: The rows, each with as many pictures as there are headings.
        side: Height of a picture in the grid, in pixels; small pictures are enlarged without smoothing.

    Returns:
        The grid, (H, W, 3) uint8.
    """
    font = ImageFont.load_default(size=14)
    lines = [line for row in rows for line in row.label.split("\n")]
    label_width = max((int(font.getlength(line)) for line in lines), default=0) + 2 * _MARGIN
    step = side + _MARGIN
    column_width = max(step, *(int(font.getlength(heading)) + 2 * _MARGIN for heading in headings))
    width = label_width + column_width * len(headings)
    sheet = Image.new("RGB", (width, 24 + step * len(rows)), "white")
    pen = ImageDraw.Draw(sheet)
    for column, heading in enumerate(headings):
        pen.text((label_width + column * column_width, 4), heading, fill="black", font=font)
    for line, row in enumerate(rows):
        top = 24 + line * step
        pen.text((_MARGIN, top + side // 2), row.label, fill="black", font=font, anchor="lm")
        for column, pixels in enumerate(row.pictures):
            picture = Image.fromarray(pixels)
            size = (max(1, round(side * picture.width / picture.height)), side)
            filter_ = Image.Resampling.NEAREST if picture.height <= side else Image.Resampling.LANCZOS
            sheet.paste(picture.resize(size, filter_), (label_width + column * column_width, top))
    return np.array(sheet)
