"""Rules that fields of several jobs share.

Law: a message names the field, its value, what is allowed and the remedy.
"""

from __future__ import annotations

from typing import Final

from dataset_builder.errors import InvalidJob
from editors.requests.rules import SEED

MAX_JOBS: Final = 256
MAX_SEED: Final = SEED[1]


def check_whole(field: str, value: object, low: int, high: int) -> None:
    """Refuse anything but a whole number in a range."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise InvalidJob(f"{field} is {value!r}, but must be a whole number from {low} to {high}; change it.")


def check_share(field: str, value: object) -> None:
    """Refuse anything but a number from 0 to 1."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
        raise InvalidJob(f"{field} is {value!r}, but must be a number from 0 to 1; change it.")
