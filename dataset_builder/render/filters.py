"""Filters of drawn pairs: thresholds on four scores, a named reason for each loss, top-k of a prompt.

Reference: InstructPix2Pix (Brooks, Holynski, Efros, 2023, arXiv:2211.09800), section 3.1.2: CLIP similarity
of the pictures, of each picture with its caption, and directional similarity (StyleGAN-NADA, Gal et al.,
2021, arXiv:2108.00946); of what passes, the best by direction are kept.

Law: pure functions of the scores. Thresholds are inclusive, and every pair has one outcome: counts add up.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from dataset_builder.errors import InvalidJob
from dataset_builder.records import ClipScores
from dataset_builder.render.scores import SCORES, TABLE
from dataset_builder.shards.checks import CHECKS

KEPT: Final = "kept"
# Reasons for pairs that are left out although they pass.
SURPLUS: Final = "surplus"


@dataclass(frozen=True, kw_only=True, slots=True)
class Thresholds(ClipScores):
    """The least that a pair must score, a threshold for each score; -1 lets everything pass."""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            CHECKS.number(name, value, -1, 1)


AUTO: Final = "auto"
POCKET: Final = "pocket"
# Pocket's scorer has a scale of its own, which `wordbrush data calibrate` found on exact pairs.
SHIPPED: Final = Path(__file__).parents[1] / "weights" / "scorer" / "thresholds.json"
PRESETS: Final[Mapping[str, Thresholds]] = MappingProxyType(
    {
        preset: Thresholds(**{row.name: row.least.get(preset, -1) for row in TABLE})
        for preset in ("code", "paper", "none")
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ThresholdChoice:
    """Thresholds as a person chooses them: a preset, and what to change about it.

    Attributes:
        preset: Thresholds of the authors' "code" or of the "paper", both for CLIP ViT-L/14; of "pocket", for
            its own scorer; or "none". "auto" is "pocket" for pairs that pocket's scorer scored, else "code".
        image_image: Least similarity of the two pictures, in place of the preset's.
        original_image_text: Least similarity of original picture and caption, in place of the preset's.
        edited_image_text: Least similarity of edited picture and caption, in place of the preset's.
        direction: Least directional similarity, in place of the preset's.
    """

    preset: str = AUTO
    image_image: float | None = None
    original_image_text: float | None = None
    edited_image_text: float | None = None
    direction: float | None = None

    def __post_init__(self) -> None:
        CHECKS.choice("preset", self.preset, (AUTO, *PRESETS, POCKET))
        self.changed(PRESETS["none"])

    def thresholds(self, *, by_pocket: bool) -> Thresholds:
        """Return the chosen thresholds.

        Args:
            by_pocket: Whether the scores are those of pocket's own scorer.

        Raises:
            InvalidJob: Pocket's scorer comes without thresholds.
        """
        name = (POCKET if by_pocket else "code") if self.preset == AUTO else self.preset
        return self.changed(read_thresholds(SHIPPED) if name == POCKET else PRESETS[name])

    def changed(self, start: Thresholds) -> Thresholds:
        """Return thresholds with those in place that are named themselves."""
        named = {name: getattr(self, name) for name in SCORES if getattr(self, name) is not None}
        return replace(start, **named)


def reject_reason(scores: ClipScores, thresholds: Thresholds) -> str | None:
    """Return the first score that is under its threshold, or None where the pair passes."""
    for name in SCORES:
        if getattr(scores, name) < getattr(thresholds, name):
            return name
    return None


def outcomes(pairs: Sequence[ClipScores], thresholds: Thresholds, *, keep: int) -> list[str]:
    """Decide over all pairs of one prompt.

    Args:
        pairs: Scores of the pairs, in the order in which they were drawn.
        thresholds: What each must reach.
        keep: Most pairs to keep; the best by direction, of equals the first drawn.

    Returns:
        For each pair "kept", "surplus" (it passes, but others are better), or the score that it fails by.
    """
    found = [reject_reason(scores, thresholds) or SURPLUS for scores in pairs]
    passing = [place for place, outcome in enumerate(found) if outcome == SURPLUS]
    for place in sorted(passing, key=lambda place: (-pairs[place].direction, place))[:keep]:
        found[place] = KEPT
    return found


def read_thresholds(path: Path) -> Thresholds:
    """Read thresholds that `wordbrush data calibrate` wrote.

    Raises:
        InvalidJob: There are none.
    """
    try:
        found = json.loads(path.read_bytes())
        return Thresholds(**{name: found[name] for name in SCORES})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidJob(
            f"preset: {path} holds no thresholds ({error}); write them with `wordbrush data calibrate`."
        ) from error


def quantile_thresholds(pairs: Sequence[ClipScores], share: float) -> Thresholds:
    """Return thresholds that a given share of known good pairs fails, score by score.

    Every scorer has a scale of its own. Exact pairs show what good pairs score on it: what falls below almost
    all of them is no good pair.

    Args:
        pairs: Scores of pairs that are good by construction.
        share: Of them that may fail each threshold, 0 to 1 (1 excluded).

    Raises:
        InvalidJob: There is no pair, or the share is out of range.
    """
    if not pairs:
        raise InvalidJob("calibrate_on: the dataset holds no pair; name one of exact pairs.")
    if not 0 <= share < 1:
        raise InvalidJob(f"quantile is {share!r}, but must be at least 0 and below 1; change it.")
    place = int(share * len(pairs))
    # Rounded down in the fourth place: what is printed is what is used.
    least = {name: sorted(getattr(pair, name) for pair in pairs)[place] for name in SCORES}
    return Thresholds(**{name: max(-1.0, math.floor(value * 1e4) / 1e4) for name, value in least.items()})
