"""Scores of edits and of pictures, and the reports they add up to: plain values, no computing.

Law: a report is a pure function of its scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from evaluation.figures import Interval, interval

ALL_KINDS: Final = "all"


@dataclass(frozen=True, kw_only=True, slots=True)
class PairScore:
    """Figures of one pair, all in dB against the exact target unless said otherwise.

    Attributes:
        key: Name of the pair in its dataset.
        kind: Kind of the edit.
        edit_prompt: The instruction.
        edited: The editor's picture.
        unchanged: The source.
        ceiling: The target through the autoencoder.
        edited_inside: The editor's picture, inside the mask: what should change.
        unchanged_inside: The source, inside the mask.
        ceiling_inside: The target through the autoencoder, inside the mask.
        rest: The editor's picture against the source, outside the mask: what should be kept. None where the
            mask is the whole picture.
        rest_ceiling: The autoencoder's picture against the source, outside the mask.
        seconds: Time of the edit.
    """

    key: str
    kind: str
    edit_prompt: str
    edited: float
    unchanged: float
    ceiling: float
    edited_inside: float
    unchanged_inside: float
    ceiling_inside: float
    rest: float | None
    rest_ceiling: float | None
    seconds: float

    def figures(self) -> dict[str, float | None]:
        """Return what a report takes the mean of: shares as 0 or 1, and the dB."""
        return {
            "nearer": float(self.edited > self.unchanged),
            "nearer_ceiling": float(self.ceiling > self.unchanged),
            "nearer_inside": float(self.edited_inside > self.unchanged_inside),
            "nearer_inside_ceiling": float(self.ceiling_inside > self.unchanged_inside),
            "psnr": self.edited,
            "psnr_unchanged": self.unchanged,
            "psnr_ceiling": self.ceiling,
            "rest": self.rest,
            "rest_ceiling": self.rest_ceiling,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class KindFigures:
    """Means over all pairs of a kind, by the name of the figure; None where no pair has it."""

    kind: str
    num: int
    figures: Mapping[str, Interval | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class EvalReport:
    """A report of an evaluation.

    Attributes:
        model: Name of the model.
        run: Hash of model, data and settings.
        model_hash: Hash of the weights and the scheduler's configuration.
        data_hash: Hash of the pairs.
        settings: The scales, steps and seed.
        seconds_per_edit: Mean time of an edit.
        kinds: Figures over all pairs, then of each kind.
    """

    model: str
    run: str
    model_hash: str
    data_hash: str
    settings: Mapping[str, Any]
    seconds_per_edit: float
    kinds: tuple[KindFigures, ...]


def summarise(scores: Sequence[PairScore]) -> tuple[KindFigures, ...]:
    """Return the means over all pairs, then over the pairs of each kind, in the order of the alphabet."""
    groups = {ALL_KINDS: scores}
    for kind in sorted({score.kind for score in scores}):
        groups[kind] = [score for score in scores if score.kind == kind]
    summary = []
    for kind, group in groups.items():
        columns = [score.figures() for score in group]
        means = {name: _mean([column[name] for column in columns]) for name in columns[0]}
        summary.append(KindFigures(kind=kind, num=len(group), figures=means))
    return tuple(summary)


def _mean(values: Sequence[float | None]) -> Interval | None:
    """Return the mean of the values that are there, or None where none is."""
    present = [value for value in values if value is not None]
    return interval(present) if present else None
