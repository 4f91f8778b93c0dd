"""Checks of single fields: numbers, choices, switches. One dialect for requests, jobs, trainings and scenes.

Law: a valid value passes, any other is one sentence that names the field, the value and what is allowed, and
so the remedy; the error carries its field. NaN, infinities, booleans and numbers in strings never pass for
numbers, and nothing is corrected silently.
"""

import math
import operator
from collections.abc import Callable, Collection
from dataclasses import dataclass
from numbers import Real
from typing import Any


@dataclass(frozen=True, slots=True)
class Checks:
    """Checks that raise the error of their caller.

    Attributes:
        error: Makes it, of a field and what is wrong with it.
    """

    error: Callable[[str, str], Exception]

    def require(self, name: str, value: object, valid: bool, allowed: str) -> None:
        """Require what was found to be valid; `allowed` says in words what is."""
        if not valid:
            raise self.error(name, f"{shown(value)} is not allowed; give {allowed}.")

    def number(self, name: str, value: object, low: float, high: float, *, above: bool = False) -> None:
        """Require a finite number from low (or above it) to high."""
        real = isinstance(value, Real) and not isinstance(value, bool)
        # Written so that NaN, for which every comparison is false, fails.
        inside = real and (low < value if above else low <= value) and value <= high  # type: ignore[operator]
        span = f"above {low:g} and at most {high:g}" if above else f"from {low:g} to {high:g}"
        self.require(name, value, bool(inside), f"a number {span}")

    def share(self, name: str, value: object) -> None:
        """Require a number from 0 to 1."""
        self.number(name, value, 0, 1)

    def whole_number(self, name: str, value: object, low: int, high: int | None = None) -> None:
        """Require a whole number from low to high, or without a limit; 2.5, True and "20" are none."""
        try:
            whole = operator.index(value)  # type: ignore[arg-type]
        except TypeError:
            whole = None
        inside = whole is not None and low <= whole and (high is None or whole <= high)
        span = f"from {low}" if high is None else f"from {low} to {high}"
        self.require(name, value, inside and not isinstance(value, bool), f"a whole number {span}")

    def switch(self, name: str, value: object) -> None:
        """Require yes or no."""
        self.require(name, value, isinstance(value, bool), "True or False")

    def choice(self, name: str, value: object, allowed: Collection[str]) -> None:
        """Require one of a few words."""
        if not isinstance(value, str) or value not in allowed:
            raise self.error(name, f"{shown(value)} is not allowed; choose from {', '.join(allowed)}.")

    def choices(self, name: str, value: object, allowed: Collection[str]) -> None:
        """Require some of a few words, at least one."""
        given = value if isinstance(value, list | tuple) else ()
        if not given or any(one not in allowed for one in given):
            raise self.error(name, f"{shown(value)} is not allowed; choose some of {', '.join(allowed)}.")


def shown(value: Any) -> str:
    """Write a value so that it fits in a sentence."""
    if isinstance(value, float) and not math.isfinite(value):
        return {math.inf: "infinity", -math.inf: "minus infinity"}.get(value, "NaN (not a number)")
    text = (
        repr(value)
        if isinstance(value, str | int | float | tuple | list | type(None))
        else type(value).__name__
    )
    return shortened(text)


def shortened(text: str) -> str:
    """Cut a text so that it fits in a sentence."""
    return text if len(text) <= 60 else f"{text[:57]}…"
