"""The check of uploads: files that a browser uploaded to this page, and nothing else of the machine.

gradio checks a file's place only where the request calls it a file (a key `meta`). A request for the picture
editor must do so, one for a plain picture can leave it out: so `photo.Photo` checks for itself.

Law: a path is judged by where it leads alone; the answer does not tell whether anything is there.
"""

import os
from pathlib import Path

import gradio as gr

NOT_UPLOADED = "This picture was not uploaded to this page: drop it here, or click to upload."


def uploaded(path: str | None, folder: str) -> str:
    """Return the path of a file that was uploaded, links followed.

    Args:
        path: As it came from the browser; None where it sent no path at all.
        folder: The page's upload folder.

    Raises:
        gr.Error: It leads out of the folder.
    """
    inside = Path(os.path.realpath(folder))
    place = inside if path is None or "\0" in path else Path(os.path.realpath(path))
    if place == inside or not place.is_relative_to(inside):
        raise gr.Error(NOT_UPLOADED, print_exception=False)
    return str(place)
