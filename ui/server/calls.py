"""Requests of programs, looked at before they wait in line: what is wrong with one is said at once.

gradio answers a field that it does not know, or misses, with "Internal Server Error", and a value that is
wrong only after the edits before it. Law: whatever a program sends, it is answered with a status from 400 on
and a sentence that names the field and the fields there are, or its edit waits in line.
"""

import json
import re
from asyncio import get_running_loop
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from editors.errors import first_line

MAX_BYTES = 2**20
"""Of a request: pictures are uploaded before, and go by their place."""
_ASKING = re.compile(r".*/gradio_api/(?P<way>call/v2|call|queue/join)(?:/(?P<name>[^/]+))?/?")
Judge = Callable[[Mapping[str, Any]], str | None]
"""Says what is wrong with the fields of a request; None where nothing is."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Offer:
    """An endpoint for programs.

    Attributes:
        name: What it is called.
        number: What gradio calls it.
        fields: Its fields, in order.
        check: Judges them, at once.
        prepare: Returns what makes ready what an edit needs besides, or None where that is there. It may take
            its time, for no other edit waits for it, and says why it could not.
    """

    name: str
    number: int
    fields: tuple[str, ...]
    check: Judge
    prepare: Callable[[Mapping[str, Any]], Callable[[], str | None] | None]


class Calls:
    """Lets requests of programs through that an endpoint can take."""

    def __init__(self, app: ASGIApp, *, offer: Offer) -> None:
        self._app, self._offer = app, offer
        self._preparing = ThreadPoolExecutor(1, "models")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        asked = _ASKING.fullmatch(scope.get("path", "")) if scope["type"] == "http" else None
        if asked is None or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        body = bytearray()
        async for part in Request(scope, receive).stream():
            body += part
            if len(body) > MAX_BYTES:
                too_large = _refusal(413, "The request is over 1 MB: upload the picture first, at /upload.")
                await too_large(scope, receive, send)
                return
        if (wrong := await self._problem(asked["way"], asked["name"], bytes(body))) is not None:
            await _refusal(*wrong)(scope, receive, send)
            return
        parts = iter([{"type": "http.request", "body": bytes(body), "more_body": False}])
        began = False

        async def replayed() -> Message:
            return next(parts, None) or await receive()

        async def noted(message: Message) -> None:
            nonlocal began
            began = began or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, replayed, noted)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            if began:
                raise
            refused = _refusal(400, f"The request does not fit the page ({first_line(error)}).")
            await refused(scope, receive, send)

    async def _problem(self, way: str, name: str | None, body: bytes) -> tuple[int, str] | None:
        """Return the status and the sentence for a request that cannot be taken."""
        is_join = way == "queue/join"
        if not is_join and name != self._offer.name:
            return 404, f"There is no endpoint {name!r}; there is /{self._offer.name}, with {self._listed}."
        try:
            fields = json.loads(body)
        except (ValueError, RecursionError):
            return 422, f"The request holds no JSON; send an object with {self._listed}."
        if not isinstance(fields, dict):
            return 422, f"The request is no JSON object; send one with {self._listed}."
        if is_join and fields.get("fn_index") != self._offer.number:  # a listener of the page itself
            return None
        if way != "call/v2":
            data = fields.get("data")
            if not isinstance(data, list) or len(data) != len(self._offer.fields):
                return 422, (
                    f"data: is no list of {len(self._offer.fields)} values; give those of {self._listed} in "
                    "this order, null for what the model decides, or an object of them to "
                    f"/call/v2/{self._offer.name}."
                )
            fields = dict(zip(self._offer.fields, data, strict=True))
        unknown = next((field for field in fields if field not in self._offer.fields), None)
        if unknown is not None:
            return 422, f"{unknown}: is no field of /{self._offer.name}; the fields are {self._listed}."
        said = None if is_join else self._offer.check(fields)  # gradio's own client is told in its turn
        if said is None and (prepare := self._offer.prepare(fields)) is not None:
            said = await get_running_loop().run_in_executor(self._preparing, prepare)
        return None if said is None or is_join else (422, f"{said} (The fields are {self._listed}.)")

    @property
    def _listed(self) -> str:
        return ", ".join(self._offer.fields)


def _refusal(status: int, detail: str) -> JSONResponse:
    return JSONResponse({"detail": detail}, status)
