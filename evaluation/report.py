"""Reports for people: a table for the terminal, a page of Markdown, and grids of labelled pictures.

Law: nothing is computed here but layout.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from dataset_builder.shards.shards import png_bytes
from dataset_builder.shards.storage import write_atomically, write_json
from evaluation.figures import Interval
from evaluation.summary import ALL, BenchmarkReport, Line

if TYPE_CHECKING:
    from rich.table import Table

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
    dense: bool = False
    """Whether the terminal shows it without lines between columns: many narrow ones then fit."""

    def rich(self) -> Table:
        """Return the table for the terminal."""
        from rich.box import HEAVY_HEAD, SIMPLE_HEAD
        from rich.table import Table

        drawn = Table(
            title=self.title,
            title_justify="left",
            box=SIMPLE_HEAD if self.dense else HEAVY_HEAD,
            padding=(0, 0 if self.dense else 1),
            pad_edge=not self.dense,
        )
        drawn.add_column(self.first, no_wrap=self.dense)
        for heading in self.headings:
            drawn.add_column(heading, justify="right", no_wrap=self.dense)
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """How a figure is written.

    Attributes:
        heading: Its name in tables.
        scale: What it is multiplied by.
        digits: After the point.
        unit: Behind the mean.
    """

    heading: str
    scale: float = 1.0
    digits: int = 2
    unit: str = ""

    def cell(self, value: Interval | None, *, spread: bool = True, signed: bool = False) -> str:
        """Write a mean, with its interval if asked for; "–" where there is none."""
        if value is None:
            return "–"
        plus = "+" if signed else ""
        mean, low, high = (
            f"{self.scale * number:{plus}.{self.digits}f}" for number in (value.mean, value.low, value.high)
        )
        return f"{mean}{self.unit} [{low}, {high}]" if spread else f"{mean}{self.unit}"


def share(heading: str) -> Figure:
    """Return how a share is written: in per cent."""
    return Figure(heading=heading, scale=100, digits=0, unit=" %")


def decibels(heading: str) -> Figure:
    """Return how decibels are written."""
    return Figure(heading=heading, digits=1)


def similarity(heading: str) -> Figure:
    """Return how a cosine or an SSIM is written."""
    return Figure(heading=heading, digits=3)


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """A column of a table by kind: a figure of a method, and whether it comes with its interval."""

    method: str
    name: str
    figure: Figure
    spread: bool = True


def table_by_kind(
    report: BenchmarkReport,
    columns: Sequence[Column],
    *,
    title: str,
    first: str,
    counted: str,
    dense: bool = False,
) -> Grid:
    """Return a table with a row for all pictures and one for each kind.

    Args:
        report: What was measured.
        columns: At least one; pictures of the first one's method are counted.
        title: Of the table.
        first: Heading of the kinds.
        counted: Heading of the number of pictures.
        dense: As in `Grid`.
    """
    rows = []
    for kind in (ALL, *report.kinds()):
        line = report.line(columns[0].method, kind)
        cells = (
            column.figure.cell(report.mean(column.method, column.name, kind), spread=column.spread)
            for column in columns
        )
        rows.append((kind, str(line.num if line else 0), *cells))
    headings = (counted, *(column.figure.heading for column in columns))
    return Grid(title=title, first=first, headings=headings, rows=tuple(rows), dense=dense)


def table_of_lines(
    title: str,
    first: str,
    lines: Mapping[str, Line | None],
    figures: Mapping[str, Figure],
    *,
    counted: str | None = None,
    signed: Collection[str] = (),
) -> Grid:
    """Return a table with a row a line and a column a figure.

    Args:
        title: Of the table.
        first: Heading of the names.
        lines: By the name of the row.
        figures: By name.
        counted: Heading of the number of pictures; None leaves it out.
        signed: Names of rows whose figures are differences.
    """
    rows = []
    for name, line in lines.items():
        count = () if counted is None else (str(line.num if line else 0),)
        cells = (
            figure.cell(line.figures.get(key) if line else None, signed=name in signed)
            for key, figure in figures.items()
        )
        rows.append((name, *count, *cells))
    headings = (*(() if counted is None else (counted,)), *(figure.heading for figure in figures.values()))
    return Grid(title=title, first=first, headings=headings, rows=tuple(rows))


def table_of_figures(
    title: str, lines: Mapping[str, Line | None], figures: Mapping[str, Figure], *, spread: bool = True
) -> Grid:
    """Return a table with a row a figure and a column a line, and how many pictures each has."""
    there = {name: line for name, line in lines.items() if line is not None}
    headings = tuple(f"{name} ({line.num})" for name, line in there.items())
    rows = tuple(
        (figure.heading, *(figure.cell(line.figures.get(key), spread=spread) for line in there.values()))
        for key, figure in figures.items()
    )
    return Grid(title=title, first="figure", headings=headings, rows=rows)


def settings_line(settings: Mapping[str, Any], run: str) -> str:
    """Write the settings of a measurement; hashes are cut short."""
    named = ", ".join(
        f"{name} {str(value)[:12] if len(str(value)) == 64 else value}" for name, value in settings.items()
    )
    return f"Settings: {named}. Run {run[:12]}."


def publish(out: Path, report: Any, page: Sequence[str], pictures: Mapping[str, NDArray[np.uint8]]) -> None:
    """Write a report in its three forms: `report.json`, `report.md`, and pictures by name.

    Args:
        out: Where to.
        report: A dataclass.
        page: Paragraphs of Markdown.
        pictures: (H, W, 3) each.
    """
    for name, picture in pictures.items():
        write_atomically(out / f"{name}.png", png_bytes(picture))
    write_atomically(out / "report.md", "\n\n".join((*page, "")).encode())
    write_json(out / "report.json", asdict(report))


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
