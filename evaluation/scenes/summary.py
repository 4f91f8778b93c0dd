"""Summaries of the rows of held-out scenes, section by section.

Law: a report is a pure function of its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from evaluation.benchmark import Row
from evaluation.figures import Interval, mean_over_kinds
from evaluation.scenes import instruction_edits as instruct
from evaluation.scenes import prompt_edits as prompts
from evaluation.summary import MEAN, REFINEMENT, BenchmarkReport, Line, by_kind

DRAWN_RIGHT: Final = ", sources drawn right"
DIFFERENCE: Final = "paraphrased − as trained"
# As alike as only one in twenty pairs of pictures of the same words is.
CHANCE_PERCENTILE: Final = 95.0


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
    sections: tuple[BenchmarkReport, ...]

    def section(self, name: str) -> BenchmarkReport | None:
        """Return a section by its name."""
        return next((section for section in self.sections if section.name == name), None)


def lines_of(section: str, rows: Sequence[Row]) -> tuple[Line, ...]:
    """Return the means of a section's rows."""
    if section == "p2p":
        return _prompt_lines(rows)
    if section == "edit":
        return (*_with_mean(rows, {MEAN: _every}), *_differences(rows))
    return by_kind(rows)


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
        lines += by_kind(own)
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
    return (*_with_mean([*edits, *right], {REFINEMENT: _refined}), *by_kind(weighed))


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
