"""Turns in the page's line for work that comes by other doors than gradio's.

Law: such work waits in the one line with everybody's edits, one at a time, is turned away where the line is
full, and ends within a step when nobody waits for it any more.
"""

import asyncio
import secrets
from asyncio import AbstractEventLoop, Future
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event
from typing import Any, TypeVar

import gradio as gr
from gradio.data_classes import PredictBodyInternal
from gradio.route_utils import API_PREFIX
from starlette.requests import Request

from ui.server.edit_thread import DEVICE_QUEUE

T = TypeVar("T")
Work = Callable[[Event], Any]
"""Done when its turn has come, in a thread; told by the event when nobody waits for it any more."""
LOOK = 0.5
"""Seconds between two looks whether somebody still waits."""
FORGOTTEN = 60.0
"""Seconds after which gradio's own notes of a turn are thrown away."""


class LineFull(Exception):
    """So many wait that no further one may."""


class Left(Exception):
    """Who asked for it has gone."""


@dataclass(slots=True, eq=False)
class _Ticket:
    """Work that waits: gradio's queue knows it by a secret."""

    work: Work
    loop: AbstractEventLoop
    done: Future[Any]
    gone: Event = field(default_factory=Event)

    def carry_out(self) -> None:
        """Do the work, and tell who waits for it."""
        try:
            outcome, error = self.work(self.gone), None
        except BaseException as raised:  # noqa: BLE001 - told to who waits for it
            outcome, error = None, raised
        self.loop.call_soon_threadsafe(self._tell, outcome, error)

    def _tell(self, outcome: Any, error: BaseException | None) -> None:
        if self.done.done():
            return
        if error is None:
            self.done.set_result(outcome)
        else:
            self.done.set_exception(error)


class Turns:
    """Gives turns in the line of the page that is being laid out."""

    def __init__(self, page: gr.Blocks) -> None:
        """Make a place in the line; call it inside the page."""
        self._page, self._waiting = page, dict[str, _Ticket]()

        def turn(ticket: str) -> None:
            """Do what waits under a secret."""
            waiting = self._waiting.pop(ticket, None)
            if waiting is None:
                raise gr.Error("Nothing waits under this name.", print_exception=False)
            waiting.carry_out()

        self._listener = gr.api(turn, api_name="turn", api_visibility="private", **DEVICE_QUEUE)["id"]

    async def take(self, request: Request, work: Callable[[Event], T]) -> T:
        """Wait for a turn, do some work, and return what it returns; what it raises is passed on.

        Args:
            request: Who asks; when the connection is closed, the work ends within a step.
            work: What to do.

        Raises:
            LineFull: So many wait already.
            Left: Who asked for it has gone.
        """
        queue, secret = self._page._queue, secrets.token_urlsafe(24)
        if queue.server_app is None:
            queue.set_server_app(self._page.app)
        loop = asyncio.get_running_loop()
        ticket = self._waiting[secret] = _Ticket(work=work, loop=loop, done=loop.create_future())
        asked = _as_join(request)
        body = PredictBodyInternal(
            fn_index=self._listener,
            data=[secret],
            session_hash=secret,
            request=asked,
        )
        try:
            taken, said, why = await queue.push(body=body, request=asked, username=None)
            if not taken:
                raise LineFull(str(said)) if why == "queue_full" else RuntimeError(str(said))
            while not (await asyncio.wait([ticket.done], timeout=LOOK))[0]:
                if await request.is_disconnected():
                    raise Left
            outcome: T = ticket.done.result()
            return outcome
        finally:
            ticket.gone.set()
            if self._waiting.pop(secret, None) is not None:  # its turn never came
                await queue.clean_events(session_hash=secret)
            loop.call_later(FORGOTTEN, self._forget, secret)

    def _forget(self, session: str) -> None:
        for notes in (
            self._page._queue.pending_messages_per_session,
            self._page._queue.pending_event_ids_session,
        ):
            notes.pop(session, None)


def _as_join(request: Request) -> Request:
    """Return a request as gradio's own way into its line would have it: it reads addresses off that."""
    root = request.scope.get("root_path", "").rstrip("/")
    return Request({**request.scope, "path": f"{root}{API_PREFIX}/queue/join", "query_string": b""})
