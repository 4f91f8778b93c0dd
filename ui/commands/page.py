"""`wordbrush ui`: load a model, serve the page."""

from threading import Event
from typing import Annotated

import typer

LOCAL = ("127.0.0.1", "localhost", "::1")


def ui(
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port to listen on.")] = 7860,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = LOCAL[0],
    model: Annotated[
        str, typer.Option("--model", help="pocket, a folder, a single file, or a Hub id.")
    ] = "pocket",
) -> None:
    """Open the page: upload a picture, say what to change, press Enter."""
    from editors import InstructPix2PixEditor  # torch and gradio: not for --help

    from ..app import build_app, serve

    if host not in LOCAL:
        typer.echo(f"The page will be open to everyone who can reach {host}; it has no password.", err=True)
    typer.echo(f"Loading {model} ...", err=True)
    page = build_app(InstructPix2PixEditor.from_pretrained(model), model=model)
    try:
        typer.echo(f"Wordbrush is at {serve(page, host=host, port=port)} (Ctrl-C ends it)", err=True)
        Event().wait()
    finally:
        page.close(verbose=False)
