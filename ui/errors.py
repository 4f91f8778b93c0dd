"""Errors of the command line and the page themselves; all others come, with their sentence, from below."""


class UiError(Exception):
    """Base of what command line and page report on their own; its text is one sentence for the user."""


class InvalidOption(UiError):
    """An argument or option cannot be understood: the sentence shows how it is written."""


class NothingMade(UiError):
    """A command came to its end and made nothing: the sentence says why, and what to change."""


class PartlyDone(UiError):
    """A command came to its end, and a part of what it was asked for failed: the sentence says how much."""


class UnusablePlace(UiError):
    """A file cannot be written where it should go, or an address cannot be listened on."""
