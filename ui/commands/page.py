"""`wordbrush ui`: load a model, serve the page."""

from threading import Event
from typing import Annotated

import typer

from ..errors import InvalidOption, UnusablePlace

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
) -> None:
    """Open the page: upload a picture, say what to change, press Enter."""
    visitors = credentials(auth)
    if host not in LOCAL and visitors is None:
        raise UnusablePlace(
            f"--host: {host} lets others in; say who may with --auth NAME:PASSWORD, or keep to {LOCAL[0]}."
        )
    from editors import InstructPix2PixEditor  # torch and gradio: not for --help

    from ..app import build_app, serve

    typer.echo(f"Loading {model} ...", err=True)
    page = build_app(InstructPix2PixEditor.from_pretrained(model), model=model)
    try:
        typer.echo(
            f"Wordbrush is at {serve(page, host=host, port=port, auth=visitors)} (Ctrl-C ends it)", err=True
        )
        Event().wait()
    finally:
        page.close(verbose=False)


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
