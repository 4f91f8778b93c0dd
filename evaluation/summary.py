"""Summaries of rows: means with their intervals, by method and kind.

Law: a report is a pure function of its rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from evaluation.benchmark import Benchmark, Row, run_of
from evaluation.figures import Interval, interval

ALL: Final = "all"
MEAN: Final = "mean over kinds"
REFINEMENT: Final = "refinement, mean over kinds"
_OVER_KINDS: Final = (ALL, MEAN, REFINEMENT)
ItemT = TypeVar("ItemT")


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """Means over the pictures of one method and kind.

    Attributes:
        method: What made the pictures.
        kind: Their kind, or what the means are over.
        num: Number of pictures.
        figures: Name to mean; None where no picture has the figure.
        failed: Reason to the number of cases without a picture.
    """

    method: str
    kind: str
    num: int
    figures: Mapping[str, Interval | None]
    failed: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchmarkReport:
    """Figures of a benchmark.

    Attributes:
        name: Of the benchmark.
        model: Name of the model that is measured.
        run: Hash of all that its rows depend on.
        settings: The same in full.
        lines: The means.
    """

    name: str
    model: str
    run: str
    settings: Mapping[str, Any]
    lines: tuple[Line, ...]

    @classmethod
    def of(cls, benchmark: Benchmark[Any], model: str, lines: Iterable[Line]) -> BenchmarkReport:
        """Return the report of a benchmark that was measured."""
        return cls(
            name=benchmark.name,
            model=model,
            run=run_of(benchmark),
            settings=benchmark.settings,
            lines=tuple(lines),
        )

    def line(self, method: str, kind: str = ALL) -> Line | None:
        """Return the line of a method and kind."""
        return next((line for line in self.lines if (line.method, line.kind) == (method, kind)), None)

    def mean(self, method: str, figure: str, kind: str = ALL) -> Interval | None:
        """Return a figure of a method and kind, None where there is none."""
        line = self.line(method, kind)
        return line.figures.get(figure) if line else None

    def methods(self) -> tuple[str, ...]:
        """Return the methods, in order."""
        return tuple(dict.fromkeys(line.method for line in self.lines))

    def kinds(self) -> tuple[str, ...]:
        """Return the kinds, in order, without the means over them."""
        found = dict.fromkeys(line.kind for line in self.lines)
        return tuple(kind for kind in found if kind not in _OVER_KINDS)


def lines_of(rows: Sequence[Row]) -> tuple[Line, ...]:
    """Return for every method the means over all its rows, then those of each kind, by the alphabet."""
    lines: list[Line] = []
    for method in dict.fromkeys(row.method for row in rows):
        own = sorted((row for row in rows if row.method == method), key=lambda row: row.kind)
        failed = dict(Counter(row.failed for row in own if row.failed is not None))
        made = [row for row in own if row.failed is None]
        lines.append(Line(method=method, kind=ALL, num=len(made), figures=means(made), failed=failed))
        lines += by_kind(made)
    return tuple(lines)


def by_kind(rows: Sequence[Row]) -> tuple[Line, ...]:
    """Return a line for every method and kind, in the order in which they come."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.method, row.kind), []).append(row)
    return tuple(
        Line(method=method, kind=kind, num=len(group), figures=means(group))
        for (method, kind), group in groups.items()
    )


def means(rows: Sequence[Row]) -> dict[str, Interval | None]:
    """Return the mean of each figure over the rows that have it."""
    found: dict[str, Interval | None] = {}
    for name in rows[0].figures if rows else ():
        values = [value for row in rows if (value := row.figures[name]) is not None]
        found[name] = interval(values) if values else None
    return found


def first_of_each(items: Iterable[ItemT], kind: Callable[[ItemT], str], num: int) -> list[ItemT]:
    """Return the first items of each kind, in their order: not picked by how good they look."""
    seen = Counter[str]()
    chosen = []
    for item in items:
        seen[kind(item)] += 1
        if seen[kind(item)] <= num:
            chosen.append(item)
    return chosen
