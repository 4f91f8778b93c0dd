"""The password guard: all of the page is behind it, guesses are slow, and results are their owner's.

gradio asks for the password at most of its addresses, answers guesses as fast as they come, and gives a file
to every account that knows its place. Law: without an account nothing is answered but the login page and its
looks; a guess costs more the more there were; and a file is given to the accounts alone that brought it, or
were shown it first.
"""

import json
import logging
import os
import time
from asyncio import Lock, sleep
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hmac import compare_digest
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

FREE_TRIES = 3
FIRST_WAIT = 0.5
LONGEST_WAIT = 60.0
"""Seconds before a guess is looked at: after a few free ones doubled each time."""
FORGOTTEN = 900.0
"""Seconds after which a machine's guesses count no more."""
MOST_REMEMBERED = 4096
MOST_WAITING = 20
MOST_OWNED = 100_000
_API = "/gradio_api"
_OPEN = (
    "/login",
    "/logout",
    "/health",
    "/theme.css",
    f"{_API}/theme.css",
    "/favicon.ico",
    "/manifest.json",
    "/robots.txt",
)
_OPEN_BELOW = (
    "/v1/images/results/",
    "/assets/",
    "/static/",
    "/svelte/",
    "/pwa_icon",
    "/login/",
    "/custom_component/",
)
_FILES = (f"{_API}/file=", f"{_API}/file/")
_STARTS = f"{_API}/startup-events"
_PROGRAMS = "/v1/"
_log = logging.getLogger(__name__)
TOO_MANY = "Too many tries; wait a minute."
WRONG = "The password is wrong or missing; send it as `Authorization: Bearer PASSWORD`, or NAME:PASSWORD."


def is_password(accounts: Sequence[tuple[str, str]], token: str) -> bool:
    """Say whether a token is an account's password, or NAME:PASSWORD; all are compared, in equal time."""
    given = token.encode()
    right = [
        compare_digest(given, known.encode())
        for name, password in accounts
        for known in (password, f"{name}:{password}")
    ]
    return any(right)


@dataclass(slots=True)
class Guesses:
    """Guesses from one machine."""

    number: int = 0
    waiting: int = 0
    last: float = 0.0
    turn: Lock = field(default_factory=Lock)


class Guard:
    """Lets accounts through to an application.

    Args:
        app: The page.
        who: Returns the account that a request's cookies stand for; None for nobody.
        knows: Says whether a program's bearer token is the password of an account.
        folders: Where pictures lie: what is given out of them is somebody's.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        who: Callable[[Mapping[str, str]], str | None],
        knows: Callable[[str], bool],
        folders: tuple[Path, ...],
    ) -> None:
        self._app, self._who, self._knows = app, who, knows
        self._folders = tuple(Path(os.path.realpath(folder)) for folder in folders)
        self._guesses: OrderedDict[str, Guesses] = OrderedDict()
        self._owners: OrderedDict[str, set[str]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"].removeprefix(scope.get("root_path", "").rstrip("/"))
        if path.rstrip("/") == "/login" and scope["method"] == "POST":
            await self._log_in(scope, receive, send)
            return
        account = self._who(Request(scope).cookies)
        if account is None and path.startswith(_PROGRAMS) and not _is_open(path):
            await self._let_program_in(scope, receive, send)
            return
        if account is None:
            if _is_open(path) or (path.rstrip("/") == _STARTS and _is_from_here(scope)):
                await self._app(scope, receive, send)
            else:
                await JSONResponse({"detail": "Not authenticated"}, 401)(scope, receive, send)
            return
        if path.startswith(_FILES) and not self._may_see(account, unquote(path)):
            await JSONResponse({"detail": "Not found"}, 404)(scope, receive, send)
            return
        if path.rstrip("/") == f"{_API}/upload":
            send = self._noting(account, send)
        await self._app(scope, receive, send)

    async def _log_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Look at a guess when its turn has come."""
        status = 0

        async def noted(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        async def look() -> bool:
            await self._app(scope, receive, noted)
            return status < 400

        if await self._guessed(scope, look) is None:
            await JSONResponse({"detail": TOO_MANY}, 429)(scope, receive, send)

    async def _let_program_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a program through that brings a password as its bearer token."""
        kind, _, token = Headers(scope=scope).get("authorization", "").partition(" ")

        async def look() -> bool:
            return kind.lower() == "bearer" and self._knows(token.strip())

        is_right = await self._guessed(scope, look)
        if is_right:
            await self._app(scope, receive, send)
            return
        sentence = TOO_MANY if is_right is None else WRONG
        error = {
            "message": sentence,
            "type": "invalid_request_error",
            "param": None,
            "code": "invalid_api_key",
        }
        await JSONResponse({"error": error}, 429 if is_right is None else 401)(scope, receive, send)

    async def _guessed(self, scope: Scope, look: Callable[[], Awaitable[bool]]) -> bool | None:
        """Look at a guess when its turn has come; return whether it is right, None where too many wait."""
        machine = (scope.get("client") or ("?",))[0]
        guesses = self._guesses.setdefault(machine, Guesses())
        self._guesses.move_to_end(machine)
        while len(self._guesses) > MOST_REMEMBERED:
            self._guesses.popitem(last=False)
        if guesses.waiting >= MOST_WAITING:
            return None
        guesses.waiting += 1
        try:
            async with guesses.turn:  # those that come at once wait for each other
                if time.monotonic() - guesses.last > FORGOTTEN:
                    guesses.number = 0
                if (over := guesses.number - FREE_TRIES) >= 0:
                    await sleep(min(FIRST_WAIT * 2 ** min(over, 30), LONGEST_WAIT))
                is_right = await look()
                guesses.last = time.monotonic()
                guesses.number = 0 if is_right else guesses.number + 1
                if not is_right:
                    _log.warning("a wrong password came from %s, %d in a row", machine, guesses.number)
                return is_right
        finally:
            guesses.waiting -= 1

    def _may_see(self, account: str, path: str) -> bool:
        """Say whether a file is given to an account; who is shown it first owns it."""
        given = next(path[len(begin) :] for begin in _FILES if path.startswith(begin))
        place = self._place(given)
        return place is None or account in self._owners_of(place, account)

    def _owners_of(self, place: str, first: str) -> set[str]:
        owners = self._owners.setdefault(place, {first})
        self._owners.move_to_end(place)
        while len(self._owners) > MOST_OWNED:
            self._owners.popitem(last=False)
        return owners

    def _place(self, path: str) -> str | None:
        """Return the folder that stands for whose a file is; None where it is nobody's."""
        real = Path(os.path.realpath(path))
        for folder in self._folders:
            if real.is_relative_to(folder) and real.parent != folder and real != folder:
                return str(folder / real.relative_to(folder).parts[0])
        return None

    def _noting(self, account: str, send: Send) -> Send:
        """Note whose an upload is, off the places that the page answers."""
        content = bytearray()

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.body":
                content.extend(message.get("body", b""))
                if not message.get("more_body"):
                    for place in filter(None, map(self._place, _strings(bytes(content)))):
                        self._owners_of(place, account).add(account)
            await send(message)

        return noted


def _is_open(path: str) -> bool:
    return path.rstrip("/") in ("", *_OPEN) or path.startswith(_OPEN_BELOW)


def _is_from_here(scope: Scope) -> bool:
    """Say whether a request comes from this process's own machine, as the page's own start does."""
    return (scope.get("client") or ("",))[0] in ("127.0.0.1", "::1", (scope.get("server") or ("",))[0])


def _strings(content: bytes) -> list[str]:
    try:
        found: Any = json.loads(content)
    except ValueError:
        return []
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []
