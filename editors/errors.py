"""What can go wrong with an edit, as errors that a person can act on: one clear sentence each.

    EditorError
    ├── InvalidEdit (ValueError)     a field of the request is wrong: field, value, allowed range, remedy
    │   └── AlignmentError           a word of the request is not in the prompt it should be in
    ├── IncompatibleModel            these weights, or this folder, cannot do what was asked
    └── EditFailed                   the edit began and could not be finished

The doors (command line, page) show these and nothing else: any other exception is a bug and keeps its
traceback.
"""


class EditorError(Exception):
    """Any error that this package raises on purpose; its text is one sentence for the user."""


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
