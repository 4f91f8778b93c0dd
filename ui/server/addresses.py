"""Addresses of served pages: where each listens, by which names it goes, and when it ends.

Law: what can be refused is refused before anything heavy is loaded; importing this imports no gradio.
"""

import os
import re
import socket
from collections.abc import Callable, Iterable
from queue import SimpleQueue
from signal import SIGTERM, signal
from threading import Thread
from typing import Annotated

import typer

from editors.files import reason_of
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
            f"--port: {host}:{port} cannot be listened on ({reason_of(error)}); stop what runs "
            "there, or choose another port or --host."
        ) from None


def until_told_to_end(work: Callable[[], None] = lambda: None) -> None:
    """Work, and wait: for SIGTERM, by which servers are told to end, or for Ctrl-C, which is passed on.

    Neither has to wait for the work, which is done beside: what a signal's handler raises can fall into a
    place where Python drops it, such as a weak reference's end, of which there are many while a model loads.

    Args:
        work: Done in a thread of its own, which ends with the program.

    Raises:
        Exception: What the work raised.
    """
    told: SimpleQueue[Exception | None] = SimpleQueue()  # alone of its kind, a handler may fill it

    def carry_out() -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - passed on to who waits
            told.put(error)

    signal(SIGTERM, lambda *_: told.put(None))
    Thread(target=carry_out, daemon=True).start()
    if (failure := told.get()) is not None:
        raise failure
