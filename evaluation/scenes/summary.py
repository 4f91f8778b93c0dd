"""Summaries of rows: means with their intervals, by section, method and kind.

Law: a report is a pure function of its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from evaluation.figures import Interval, interval, mean_over_kinds
from evaluation.scenes import instruction_edits as instruct
from evaluation.scenes import prompt_edits as prompts
from evaluation.scenes.rows import Row

MEAN: Final = "mean over kinds"
REFINEMENT: Final = "refinement, mean over kinds"
DRAWN_RIGHT: Final = ", sources drawn right"
DIFFERENCE: Final = "paraphrased − as trained"
# As alike as only one in twenty pairs of pictures of the same words is.
CHANCE_PERCENTILE: Final = 95.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """Means over the pictures of one method and kind, by name of the figure; None where no picture has it."""

    method: str
    kind: str
    num: int
    figures: Mapping[str, Interval | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class SectionReport:
    """Figures of a section.

    Attributes:
        name: Of the section.
        run: Hash of all that its rows depend on.
        settings: The same in full.
        lines: The means.
    """

    name: str
    run: str
    settings: Mapping[str, Any]
    lines: tuple[Line, ...]

    def line(self, method: str, kind: str) -> Line | None:
        """Return the line of a method and kind."""
        return next((line for line in self.lines if (line.method, line.kind) == (method, kind)), None)

    def methods(self) -> tuple[str, ...]:
        """Return the methods, in order."""
        return tuple(dict.fromkeys(line.method for line in self.lines))

    def kinds(self) -> tuple[str, ...]:
        """Return the kinds, in order, without the means over them."""
        found = dict.fromkeys(line.kind for line in self.lines)
        return tuple(kind for kind in found if kind not in (MEAN, REFINEMENT))


@dataclass(frozen=True, kw_only=True, slots=True)
class ScenesReport:
    """A report of an evaluation on held-out scenes.

    Attributes:
        model: Name of the edit model.
        base: Name of the base model.
        world: World of the scenes, and its hash.
        world_hash: Of the world's words and painters.
        left_out: Edits that sources do not have, counted by "kind: reason".
        sections: What each part found.
    """

    model: str
    base: str
    world: str
    world_hash: str
    left_out: Mapping[str, int]
    sections: tuple[SectionReport, ...]

    def section(self, name: str) -> SectionReport | None:
        """Return a section by its name."""
        return next((section for section in self.sections if section.name == name), None)


def lines_of(section: str, rows: Sequence[Row]) -> tuple[Line, ...]:
    """Return the means of a section's rows."""
    if section == "p2p":
        return _prompt_lines(rows)
    if section == "edit":
        return (*_with_mean(rows, {MEAN: _every}), *_differences(rows))
    return _plain(rows)


def _plain(rows: Sequence[Row]) -> tuple[Line, ...]:
    """Return a line for every method and kind, in the order in which they come."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.method, row.kind), []).append(row)
    return tuple(
        Line(method=method, kind=kind, num=len(group), figures=_means(group))
        for (method, kind), group in groups.items()
    )


def _means(rows: Sequence[Row]) -> dict[str, Interval | None]:
    """Return the mean of each figure over the rows that have it."""
    means: dict[str, Interval | None] = {}
    for name in rows[0].figures:
        values = [value for row in rows if (value := row.figures[name]) is not None]
        means[name] = interval(values) if values else None
    return means


def _every(kind: str) -> bool:
    return True


def _refined(kind: str) -> bool:
    return kind != prompts.SWAP


def _with_mean(rows: Sequence[Row], means: Mapping[str, Callable[[str], bool]]) -> tuple[Line, ...]:
    """Return for every method the unweighted means over some kinds, then the kinds by the alphabet."""
    lines: list[Line] = []
    for method in dict.fromkeys(row.method for row in rows):
        own = sorted((row for row in rows if row.method == method), key=lambda row: (row.kind, row.key))
        for name, belongs in means.items():
            some = [row for row in own if belongs(row.kind)]
            if some:
                figures = {figure: _mean_over_kinds(some, figure) for figure in some[0].figures}
                lines.append(Line(method=method, kind=name, num=len(some), figures=figures))
        lines += _plain(own)
    return tuple(lines)


def _mean_over_kinds(rows: Sequence[Row], figure: str) -> Interval | None:
    """Return the mean over kinds of one figure; rows of a source are resampled together."""
    table: dict[str, dict[str, float]] = {}
    for row in rows:
        value = row.figures[figure]
        if value is not None:
            table.setdefault(row.key, {})[row.kind] = value
    return mean_over_kinds(table) if table else None


def _differences(rows: Sequence[Row]) -> tuple[Line, ...]:
    """Return how much better or worse paraphrased instructions do, pair by pair."""
    trained = {(row.key, row.kind): row for row in rows if row.method == instruct.MODEL}
    differences = []
    for row in rows:
        if row.method != instruct.PARAPHRASED:
            continue
        other = trained[row.key, row.kind].figures
        figures = {
            name: None if value is None or (old := other[name]) is None else value - old
            for name, value in row.figures.items()
        }
        differences.append(replace(row, method=DIFFERENCE, figures=figures))
    return _with_mean(differences, {MEAN: _every})


def _prompt_lines(rows: Sequence[Row]) -> tuple[Line, ...]:
    """Return the means of prompt edits, of all sources and of those drawn right; then of words weighed."""
    edits = _judged_for_layout([row for row in rows if row.section == "p2p"])
    right = [
        replace(row, method=f"{row.method}{DRAWN_RIGHT}")
        for row in edits
        if row.figures.get("source_right") == 1
    ]
    weighed = [replace(row, kind=prompts.REWEIGHT) for row in rows if row.section == prompts.REWEIGHT]
    return (*_with_mean([*edits, *right], {REFINEMENT: _refined}), *_plain(weighed))


def _judged_for_layout(rows: Sequence[Row]) -> list[Row]:
    """Say of each picture whether its layout is the source's: more alike than pictures are by chance.

    The threshold of a kind is the 95th percentile of the SSIM between two pictures of the same words from
    different noise, outside the same masks.
    """
    thresholds = _chance_likeness(rows)
    judged = []
    for row in rows:
        figures, likeness = dict(row.figures), row.figures["ssim"]
        if row.kind in thresholds and likeness is not None:
            layout = likeness > thresholds[row.kind]
            target, background = figures.get("target"), figures.get("background")
            figures["layout"] = float(layout)
            figures["in_place"] = None if target is None else float(bool(target and background and layout))
        judged.append(replace(row, figures=figures))
    return judged


def _chance_likeness(rows: Sequence[Row]) -> dict[str, float]:
    """Return by kind the SSIM that one in twenty pictures of the same words, but other noise, is above."""
    likenesses: dict[str, list[float]] = {}
    for row in rows:
        likeness = row.figures["ssim"]
        if row.method == prompts.CHANCE and likeness is not None:
            likenesses.setdefault(row.kind, []).append(likeness)
    return {kind: float(np.percentile(values, CHANCE_PERCENTILE)) for kind, values in likenesses.items()}
