"""`wordbrush ui`: load a model, serve the page."""

import re
from threading import Event
from typing import Annotated

import typer

from ui.errors import InvalidOption, UnusablePlace
from ui.proxies import without_proxies

LOCAL = ("127.0.0.1", "localhost", "::1")


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
    root_path: Annotated[
        str,
        typer.Option(
            "--root-path", help="Path under which a web server in front shows the page, such as /wordbrush."
        ),
    ] = "",
) -> None:
    """Open the page: upload a picture, say what to change, press Enter."""
    visitors, root_path = credentials(auth), _root_path(root_path)
    if host not in LOCAL and visitors is None:
        raise UnusablePlace(
            f"--host: {host} lets others in; say who may with --auth NAME:PASSWORD, or keep to {LOCAL[0]}."
        )
    from editors import InstructPix2PixEditor  # torch and gradio: not for --help

    with without_proxies():
        from ui.app import build_app, serve

    typer.echo(f"Loading {model} ...", err=True)
    page = build_app(InstructPix2PixEditor.from_pretrained(model), model=model)
    try:
        address = serve(page, host=host, port=port, auth=visitors, root_path=root_path)
        typer.echo(f"Wordbrush is at {address} (Ctrl-C ends it)", err=True)
        Event().wait()
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


def credentials(auth: str | None) -> tuple[str, str] | None:
    """Split NAME:PASSWORD.

    Raises:
        InvalidOption: One of the two is missing.
    """
    if auth is None:
        return None
    name, _, password = auth.partition(":")
    if not name or not password:
        raise InvalidOption("--auth: is not of the form NAME:PASSWORD; give both, with a colon between.")
    return name, password
