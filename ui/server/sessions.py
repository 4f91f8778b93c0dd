"""Sessions that are over: the newest few are kept for a reload, the others are forgotten whole.

gradio keeps what each has made for an hour, and a record of it for good: with many visitors memory and disk
would only grow.
"""

import gradio as gr
from gradio.state_holder import StateHolder

MAX_OVER = 32
"""Sessions that a reload may still find."""
MAX_SESSIONS = 1000
"""Sessions altogether: a program that never says that it is leaving has one for every call."""


def forget_over(states: StateHolder, *, but: int = MAX_OVER) -> None:
    """Delete all that is known of sessions that are over, and the files that they made, but for the newest.

    Args:
        states: The page's sessions, in the order of their last use.
        but: How many of them stay.
    """
    over = [name for name, state in list(states.session_data.items()) if state.is_closed]
    for name in over[: max(0, len(over) - but)]:
        states.delete_state(name)  # each value's own end: a history deletes its files
        with states.lock:
            states.session_data.pop(name, None)
            states.time_last_used.pop(name, None)


def wire_sessions(page: gr.Blocks) -> None:
    """Do so whenever somebody leaves the page that is being laid out."""

    async def left(request: gr.Request) -> None:  # on the server's loop: gradio walks through them there
        states = page.app.state_holder
        states[str(request.session_hash)].is_closed = True  # also one that gradio makes to tell us
        forget_over(states)

    page.unload(left)
