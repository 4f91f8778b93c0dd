"""Errors of edits that a person can act on: one clear sentence each.

    EditorError
    ├── InvalidEdit (ValueError)     a field of the request is wrong: field, value, allowed range, remedy
    │   └── AlignmentError           a word of the request is not in the prompt it should be in
    ├── IncompatibleModel            these weights, or this folder, cannot do what was asked
    └── EditFailed                   the edit began and could not be finished

Command line and page show these and nothing else: any other exception is a bug and keeps its
traceback.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self


class EditorError(Exception):
    """Any error that this package raises on purpose; its text is one sentence for the user."""


class OfField:
    """An error that may be of one field.

    Attributes:
        field: The field, as its user names it; "" where the error is of no single one.
    """

    field: str = ""

    @classmethod
    def of(cls, field: str, problem: str) -> Self:
        """Return the error of a field: what is wrong, what is allowed, the remedy."""
        error = cls(f"{field}: {problem}")  # type: ignore[call-arg]  # all who inherit this are exceptions
        error.field = field
        return error


class InvalidEdit(EditorError, ValueError):
    """A field of the request is wrong; the sentence names it, its value, what is allowed, and the remedy.

    Attributes:
        field: The field, as the request names it; "" where the request as a whole is none.
        problem: The sentence without the field: what is wrong, what is allowed, the remedy.
    """

    def __init__(self, field: str, problem: str) -> None:
        """Say what is wrong with a field."""
        super().__init__(field, problem)
        self.field, self.problem = field, problem

    def __str__(self) -> str:
        return f"{self.field}: {self.problem}" if self.field else self.problem


class AlignmentError(InvalidEdit):
    """A word to weight, window or blend is not in its prompt: the sentence names the words there are."""


class IncompatibleModel(EditorError):
    """The model cannot do what was asked, or is none; the sentence says what is missing, and the remedy."""


class EditFailed(EditorError):
    """The edit began and could not be finished: out of memory, or numbers that are no picture."""


@contextmanager
def told_as(tell: Callable[[str], Exception]) -> Iterator[None]:
    """Turn whatever a library raises on a file of somebody else's into an error of ours.

    No list of exceptions does that: libraries raise what their own libraries raise, and change it. Errors of
    ours pass, and so does it when the memory is used up, which is no fault of the file.

    Args:
        tell: Makes the error, of the first line of the library's.
    """
    try:
        yield
    except (EditorError, MemoryError):
        raise
    except Exception as error:
        raise tell(first_line(error)) from error


def first_line(error: BaseException) -> str:
    """Return the first line of an error, short enough for a sentence."""
    text = str(error).strip().splitlines() or [type(error).__name__]
    line = text[0].rstrip(".")
    if isinstance(error, KeyError):  # which says no more than the key
        line = f"{line} is missing"
    return line if len(line) <= 160 else f"{line[:157]}…"
