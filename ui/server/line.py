"""The line in front of the accelerator: how many edits come before one's own.

gradio tells a waiting browser its place, but shows it only over a component that it greys out; so the page
asks its queue.
"""

from collections.abc import Collection
from itertools import chain

import gradio as gr


def ahead(page: gr.Blocks, edit_thread: str, session: str | None) -> int | None:
    """Return how many edits are to be done before a session's own, the running one included.

    Args:
        page: The page whose queue it is.
        edit_thread: Its events' `concurrency_id`.
        session: The `session_hash` of who asks.

    Returns:
        A number from 0 on; None where the session does not wait.
    """
    line = page._queue.event_queue_per_concurrency_id.get(edit_thread)
    waiting = [] if line is None else [event.session_hash for event in tuple(line.queue)]
    if line is None or session not in waiting:
        return None
    return line.current_concurrency + waiting.index(session)


def in_hand(page: gr.Blocks, session: str | None, listeners: Collection[int]) -> list[str]:
    """Return the ids of a session's edits that wait or run.

    Args:
        page: The page whose queue it is.
        session: The `session_hash` of who asks.
        listeners: The `id` of each listener that edits.
    """
    line = page._queue.event_queue_per_concurrency_id.values()
    waiting = chain.from_iterable(tuple(one.queue) for one in line)
    running = chain.from_iterable(filter(None, tuple(page._queue.active_jobs)))
    events = (one for one in chain(waiting, running) if one.session_hash == session)
    return [one._id for one in events if one.fn._id in listeners]


def words(number: int) -> str:
    """Say it."""
    if number == 0:
        return "In line: yours is next ..."
    return f"In line: {number} {'edit' if number == 1 else 'edits'} before yours ..."
