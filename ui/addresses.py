"""Where a page is listened for, by which names it goes, and when it ends: what all served pages share.

Law: what can be refused is refused before anything heavy is loaded; importing this imports no gradio.
"""

import os
import re
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from signal import SIGTERM, signal
from threading import Event
from typing import Annotated

import typer

from ui.errors import InvalidOption, UnusablePlace

LOCAL = ("127.0.0.1", "localhost", "::1")
"""Names and addresses of this machine that only itself can reach."""

AllowHost = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-host",
        metavar="<name>",
        help="Name that the page answers to besides --host and this machine's own; may be given again.",
    ),
]


def host_names(given: Iterable[str] | None) -> list[str]:
    """Return names as browsers send them.

    Raises:
        InvalidOption: One is an address of the web, or no name.
    """
    names = list(given or ())
    for name in names:
        if not re.fullmatch(r"[\w.-]+|\[?[0-9a-fA-F:]+\]?", name):
            raise InvalidOption(
                f"--allow-host: {name!r} is no name of a host; write it like edit.example.org."
            )
    return names


def require_free(host: str, port: int) -> None:
    """Require a place that can be listened on, before anything takes its time.

    Raises:
        UnusablePlace: Something listens there, or the address is none of this machine.
    """
    try:
        kind, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(kind, socket.SOCK_STREAM) as probe:
            if os.name == "posix":  # on other systems it would share the port
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise UnusablePlace(
            f"--port: {host}:{port} cannot be listened on ({error.strerror or error}); stop what runs "
            "there, or choose another port or --host."
        ) from None


class _Over(BaseException):
    """The server was told to end."""


@contextmanager
def until_told_to_end() -> Iterator[None]:
    """Carry out a block, then wait; SIGTERM, by which servers are told, ends both: no pictures stay behind.

    Ctrl-C does so too, and is passed on.
    """

    def end(*_: object) -> None:
        raise _Over

    signal(SIGTERM, end)
    try:
        yield
        Event().wait()
    except _Over:
        pass
