"""A tab of several parts, of which one may fail: the others are shown, and a sentence says which failed.

What is shown comes from files that other programs wrote. Law: whatever stands in them, a tab never stays as
it was before without a word.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import update_wrapper
from typing import Any

import gradio as gr

from editors.errors import first_line
from ui.components.literal import literal

Update = dict[Any, Any]
_log = logging.getLogger(__name__)


class Parts:
    """Gathers the updates of a tab."""

    def __init__(self, otherwise: Update) -> None:
        """Take what is shown of the parts that fail."""
        self._updates, self._failed = dict(otherwise), list[str]()

    def show(self, updates: Update, *but: Any) -> None:
        """Show a part.

        Args:
            updates: Its updates.
            but: Components that stay as they are where the updates do not name them.
        """
        for component in but:
            if component not in updates:
                self._updates.pop(component, None)
        self._updates |= updates

    @contextmanager
    def tried(self, what: str) -> Iterator[None]:
        """Show a part, or say why it cannot be shown."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever foreign data make of our code
            _log.warning("%s cannot be shown", what, exc_info=True)
            self._failed.append(f"The {what} cannot be shown ({literal(first_line(error))}).")

    def with_words(self, status: Any) -> Update:
        """Return all updates, with what failed told behind what the status says."""
        return {**self._updates, status: " ".join([str(self._updates[status]), *self._failed])}


def told_at(status: Any, handler: Callable[..., Update]) -> Callable[..., Update]:
    """Return a handler that says at a status line what it could not do, whatever data it met.

    Args:
        status: The line, which is one of the handler's outputs.
        handler: Returns updates.
    """

    def told(*values: Any) -> Update:
        try:
            return handler(*values)
        except gr.Error:
            raise
        except Exception as error:  # noqa: BLE001 - whatever foreign data make of our code
            _log.warning("a part of the page cannot be shown", exc_info=True)
            return {status: f"This cannot be shown ({literal(first_line(error))})."}

    return update_wrapper(told, handler)  # gradio reads from its signature which event it wants to know of
