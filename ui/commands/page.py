"""`wordbrush ui`: load a model, serve the page."""

import os
import re
import socket
from pathlib import Path
from signal import SIGTERM, signal
from threading import Event
from typing import Annotated

import typer

from editors.files import user_path
from ui.errors import InvalidOption, UnusablePlace
from ui.proxies import without_proxies

LOCAL = ("127.0.0.1", "localhost", "::1")
"""Addresses that only this machine can reach."""


def ui(
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port to listen on.")] = 7860,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = LOCAL[0],
    model: Annotated[
        str, typer.Option("--model", help="pocket, a folder, a single file, or a Hub id.")
    ] = "pocket",
    auth: Annotated[
        str | None,
        typer.Option("--auth", help="NAME:PASSWORD that visitors must give.", envvar="WORDBRUSH_AUTH"),
    ] = None,
    auth_file: Annotated[
        Path | None,
        typer.Option("--auth-file", help="File whose first line is NAME:PASSWORD; no process list shows it."),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host",
            metavar="<name>",
            help="Name that the page answers to besides --host and this machine's own; may be given again.",
        ),
    ] = None,
    root_path: Annotated[
        str,
        typer.Option(
            "--root-path", help="Path under which a web server in front shows the page, such as /wordbrush."
        ),
    ] = "",
) -> None:
    """Open the page: upload a picture, say what to change, press Enter."""
    visitors, root_path = credentials(auth, auth_file), _root_path(root_path)
    names = [_host_name(name) for name in allow_host or []]
    if host not in LOCAL and visitors is None:
        raise UnusablePlace(
            f"--host: {host} lets others in; say who may with --auth NAME:PASSWORD, --auth-file or "
            f"WORDBRUSH_AUTH, or keep to {LOCAL[0]}."
        )
    require_free(host, port)
    from editors import InstructPix2PixEditor  # torch and gradio: not for --help

    with without_proxies():
        from ui.app import build_app, serve

    typer.echo(f"Loading {model} ...", err=True)
    page = build_app(InstructPix2PixEditor.from_pretrained(model), model=model)
    try:
        address = serve(page, host=host, port=port, auth=visitors, root_path=root_path, allow_hosts=names)
        typer.echo(f"Wordbrush is at {address} (Ctrl-C ends it)", err=True)
        # A server is told to end by SIGTERM: then, too, nobody's pictures stay behind.
        over = Event()
        signal(SIGTERM, lambda *_: over.set())
        over.wait()
    finally:
        page.close(verbose=False)


def _root_path(given: str) -> str:
    """Return a path as web servers mean it: it begins with a slash and ends without one.

    Raises:
        InvalidOption: It is no path.
    """
    path = given.rstrip("/")
    if path and not re.fullmatch(r"(/[\w.~-]+)+", path):
        raise InvalidOption(f"--root-path: {given!r} is no path of a web server; write it like /wordbrush.")
    return path


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


def _host_name(given: str) -> str:
    """Return a name as browsers send it.

    Raises:
        InvalidOption: It is an address of the web, or no name.
    """
    if not re.fullmatch(r"[\w.-]+|\[?[0-9a-fA-F:]+\]?", given):
        raise InvalidOption(f"--allow-host: {given!r} is no name of a host; write it like edit.example.org.")
    return given


def credentials(auth: str | None, file: Path | None = None) -> tuple[str, str] | None:
    """Split NAME:PASSWORD, given or in a file.

    Raises:
        InvalidOption: One of the two is missing, or the file cannot be read.
    """
    option = "--auth"
    if file is not None:
        if auth is not None:
            raise InvalidOption("--auth-file: --auth or WORDBRUSH_AUTH is given too; give one of them.")
        option = "--auth-file"
        try:
            auth = (user_path(file).read_text(encoding="utf-8").splitlines() or [""])[0].strip()
        except (OSError, UnicodeError):
            raise InvalidOption(f"--auth-file: {str(file)!r} cannot be read; check the path.") from None
    if auth is None:
        return None
    name, _, password = auth.partition(":")
    if not name or not password:
        raise InvalidOption(f"{option}: is not of the form NAME:PASSWORD; give both, with a colon between.")
    return name, password
