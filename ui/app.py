"""The page: one screen per tab, local by default, one edit at a time per device.

Law: nothing leaves the machine (no share link, no analytics, no outside font), and nothing goes round the
queue (`api_open=False`): whoever calls waits in line and is checked like a person at the page.
"""

import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # gradio reads it while it is imported

import gradio as gr

from editors import InstructionEdit
from editors.edits import Editor

from .edit_tab import edit_tab
from .errors import UnusablePlace

MAX_WAITING = 20
"""Edits that may wait in line; more are turned away with a message."""
MAX_UPLOAD = "200mb"
"""A 16-bit PNG of 40 megapixels, the largest picture the decoder takes, still fits."""
HOUR = 3600
DAY = 24 * HOUR


def build_app(editor: Editor[InstructionEdit], *, model: str) -> gr.Blocks:
    """Build the page around an editor; `serve` puts it on the network.

    Args:
        editor: Whatever carries out the edits.
        model: Its name, shown to the user.
    """
    with gr.Blocks(title="Wordbrush", analytics_enabled=False, delete_cache=(HOUR, DAY)) as page:
        gr.Markdown(
            f"# Wordbrush\nEdit a picture by saying what to change. Model: **{model}**, on this machine."
        )
        edit_tab(editor)
    page.queue(max_size=MAX_WAITING, default_concurrency_limit=1, api_open=False)
    return page


def serve(page: gr.Blocks, *, host: str, port: int | None) -> str:
    """Start serving the page in the background and return its address; `page.close()` ends it.

    Args:
        page: From `build_app`.
        host: Address to listen on.
        port: Port to listen on; None takes the first free one from 7860 on.

    Raises:
        UnusablePlace: The address or port cannot be listened on.
    """
    try:
        _, url, _ = page.launch(
            server_name=host,
            server_port=port,
            share=False,
            prevent_thread_lock=True,
            quiet=True,
            run_history=False,
            footer_links=[],
            ssr_mode=False,
            max_file_size=MAX_UPLOAD,
            theme=gr.themes.Soft(font=["system-ui", "sans-serif"], font_mono=["monospace"]),
        )
    except OSError as error:
        raise UnusablePlace(
            f"--port: {host}:{port} cannot be listened on; stop what runs there, or choose another port."
        ) from error
    return str(url)
