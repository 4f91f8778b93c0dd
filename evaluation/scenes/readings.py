"""Claims of captions and edits about pictures, and whether a judge's reading bears them out.

Law: pure functions of scenes and readings. A claim is made only about what can be seen: a colour only where
the caption names one and the style keeps it, an hour only where the place shows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from dataset_builder.scenes import Scene, SceneEdit
from evaluation.judge import HEADS, Reading, truth, visible

Claim: TypeAlias = tuple[str, str]
"""(head, noun): what is claimed about; the noun is "" for what the whole picture has. ("noun", "") claims
that there are no other nouns than the named ones."""
Claims: TypeAlias = dict[Claim, Any]

_PLACE_HEADS: Final = ("background", "time_of_day", "weather", "style")
_LOOKS: Final = ("count", "colour", "material")


def claims_of(scene: Scene) -> Claims:
    """Return all that a scene's caption claims, and that can be seen in its picture."""
    true, seen = truth(scene), visible(scene)
    claims: Claims = {(head, ""): getattr(true, head) for head in _PLACE_HEADS if head in seen}
    claims["noun", ""] = frozenset(true.things)
    for noun, thing in true.things.items():
        claims["noun", noun] = True
        for head in _LOOKS:
            value = getattr(thing, head)
            if head in seen and not (head == "colour" and not value):
                claims[head, noun] = value
    return claims


def holds(reading: Reading, claim: Claim, value: Any) -> bool:
    """Say whether a reading bears a claim out."""
    head, noun = claim
    if head == "noun":
        return set(reading.things) <= value if not noun else (noun in reading.things) == value
    if not noun:
        return bool(getattr(reading, head) == value)
    return noun in reading.things and bool(getattr(reading.things[noun], head) == value)


def all_hold(reading: Reading, claims: Mapping[Claim, Any]) -> bool:
    """Say whether a reading bears every claim out."""
    return all(holds(reading, claim, value) for claim, value in claims.items())


def agreement(claims: Mapping[Claim, Any], reading: Reading) -> dict[str, float | None]:
    """Return, by head, 1 where the reading bears out all that is claimed of it, else 0; None without claim.

    Args:
        claims: What the caption claims.
        reading: What the judge saw.
    """
    agreed: dict[str, float | None] = {}
    for head in HEADS:
        found = {claim: value for claim, value in claims.items() if claim[0] == head}
        agreed[head] = float(all_hold(reading, found)) if found else None
    return agreed


@dataclass(frozen=True, kw_only=True, slots=True)
class EditClaims:
    """Claims of an exact edit about the edited picture.

    Attributes:
        target: What must have changed: new nouns there, old ones gone, the new colour, hour, place, ...
        rest: All else that the edited caption claims.
        before: What the original's caption claims about what will change.
        renamed: New noun to the old one whose place it takes, in a swap.
    """

    target: Claims
    rest: Claims
    before: Claims
    renamed: Mapping[str, str]

    @classmethod
    def of(cls, edit: SceneEdit) -> EditClaims:
        """Read an edit."""
        before, after = claims_of(edit.original), claims_of(edit.edited)
        old, new = before["noun", ""], after["noun", ""]
        gone, come = sorted(old - new), sorted(new - old)
        # What a new noun looks like is no target: a swapped thing keeps the colour that the old one had.
        target = {
            claim: value
            for claim, value in after.items()
            if before.get(claim) != value
            and (claim[0] == "noun" or claim[1] not in come)
            and claim != ("noun", "")
        }
        target |= {("noun", noun): False for noun in gone}
        rest = {claim: value for claim, value in after.items() if claim not in target}
        rest["noun", ""] = new | old  # that an old noun is gone is the target's claim
        changed = {claim: before[claim] for claim in target if claim in before}
        changed |= {("noun", noun): True for head, noun in target if noun in old}
        renamed = {come[0]: gone[0]} if len(come) == len(gone) == 1 else {}
        return cls(target=target, rest=rest, before=changed, renamed=renamed)

    def reached(self, reading: Reading) -> bool:
        """Say whether the picture shows what the edit asked for."""
        return all_hold(reading, self.target)

    def kept(self, reading: Reading) -> bool:
        """Say whether all else is as the edited caption says."""
        return all_hold(reading, self.rest)

    def drawn_right(self, source: Reading) -> bool:
        """Say whether the source shows what is to be changed."""
        return all_hold(source, self.before)

    def kept_of(self, source: Reading) -> Claims:
        """Return the rest as the source shows it, whether its caption says so or not.

        A base model draws its captions imperfectly; an edit of its picture must keep what it drew.
        """
        kept: Claims = {}
        for claim in self.rest:
            head, noun = claim
            thing = source.things.get(self.renamed.get(noun, noun))
            if claim == ("noun", ""):
                kept[claim] = frozenset(source.things) | {
                    name for head, name in self.target if head == "noun"
                }
            elif not noun:
                kept[claim] = getattr(source, head)
            elif head == "noun":
                kept[claim] = noun in source.things
            elif thing is not None:
                kept[claim] = getattr(thing, head)
        return kept
