"""Undo and redo: where a person was, and the way back and forth between those places.

Law: redo after undo leads back to where one was, words that were not yet asked for included. What is taken
back stays in the history: a new step forgets the way forth, not the pictures.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

MOST_STEPS = 50
"""Steps that can be taken back; the oldest is forgotten when another comes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """A place where a person was.

    Attributes:
        form: What stood in the form, by the fields' names.
        result: Number of the result that was shown; None where none was.
        mark: Tells it from all others, where it was marked.
    """

    mark: str = ""
    form: Mapping[str, Any]
    result: int | None

    def marked(self) -> "Moment":
        """Return it with a mark of its own."""
        return replace(self, mark=uuid4().hex)


@dataclass(frozen=True, kw_only=True, slots=True)
class Trail:
    """The steps of a session.

    Attributes:
        past: Where one was before each step that was taken, the newest last.
        ahead: Where one was before each step that was taken back, the newest last.
    """

    past: tuple[Moment, ...] = ()
    ahead: tuple[Moment, ...] = ()

    def stepped(self, before: Moment) -> "Trail":
        """Return the trail after a step from somewhere."""
        return Trail(past=(*self.past, before)[-MOST_STEPS:])

    def back(self, now: Moment) -> tuple["Trail", Moment] | None:
        """Return the trail after the newest step is taken back, and where that leads; None without one."""
        if not self.past:
            return None
        return Trail(past=self.past[:-1], ahead=(*self.ahead, now)), self.past[-1]

    def forth(self, now: Moment) -> tuple["Trail", Moment] | None:
        """Return the trail after a step that was taken back is taken again, and where that leads, or None."""
        if not self.ahead:
            return None
        return Trail(past=(*self.past, now), ahead=self.ahead[:-1]), self.ahead[-1]
