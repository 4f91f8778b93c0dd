"""What can go wrong at the doors themselves; all else is the business, and the sentence, of those below."""


class DoorError(Exception):
    """Base of what the doors report on their own; its text is one sentence for the user."""


class InvalidOption(DoorError):
    """An argument or option cannot be understood: the sentence shows how it is written."""


class NothingMade(DoorError):
    """A command came to its end and made nothing: the sentence says why, and what to change."""


class UnusablePlace(DoorError):
    """A file cannot be written where it should go, or an address cannot be listened on."""
