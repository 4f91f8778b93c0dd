"""The comparison of the page: two pictures, one over the other or beside it, and a divider between them.

gradio's own slider has no alternative texts and no keys, and copies each picture that it shows into a folder,
where it stays for a day. Here what is in memory travels in the message itself, and files are shown from where
they are (`gr.set_static_paths`). The class has a module of its own, as `photo.Photo`.
"""

import base64
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr
from PIL import Image

from ui.components.elements import asset

TEMPLATE = asset("compare.html")
STYLE = asset("compare.css")
SCRIPT = asset("compare.js")


class Compare(gr.HTML):
    """Shows two pictures: (before, after), then words for who cannot see, then what the two are called.

    They lie one over the other, or side by side: as one likes, and always where their shapes differ. Pictures
    are files below a static path, or in memory.
    """

    is_template = True  # shown by gradio's own front end

    def __init__(self, **more: Any) -> None:
        from ui.components.compare import SCRIPT, STYLE, TEMPLATE

        more = {"html_template": TEMPLATE, "css_template": STYLE, "js_on_load": SCRIPT, **more}
        super().__init__(**more)

    def postprocess(self, value: Any) -> Any:
        """Return what the browser is told: two addresses, and words."""
        from ui.components.compare import told

        return None if value is None else told(*value)


def told(
    before: Path | Image.Image,
    after: Path | Image.Image,
    words: str = "",
    names: tuple[str, str] = ("Before", "After"),
) -> Mapping[str, Any]:
    """Return a pair as `SCRIPT` takes it."""
    return {"before": _address(before), "after": _address(after), "words": words, "names": names}


def _address(picture: Path | Image.Image) -> str:
    """Return where a browser finds a picture, seen from the page."""
    return data_url(picture) if isinstance(picture, Image.Image) else f"gradio_api/file={quote(str(picture))}"


def data_url(picture: Image.Image) -> str:
    """Return a picture as an address that holds it, small rather than exact."""
    buffer = BytesIO()
    picture.save(buffer, "WEBP", quality=80)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
