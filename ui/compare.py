"""The comparison of the page: gradio's slider, with previews that are told and not kept.

gradio writes every picture that it is handed into a folder, where it stays for a day: of a preview that is
looked at for a fifth of a second, nothing should stay. As `photo.Photo`, the class has a module of its own.
"""

import base64
from io import BytesIO
from typing import Any

import gradio as gr
from PIL import Image


class Compare(gr.ImageSlider):
    """Shows two pictures, one over the other: those in memory travel in the message itself."""

    is_template = True  # shown by gradio's own front end

    def postprocess(self, value: Any) -> Any:
        """Return what the browser is told; files are left to gradio."""
        from ui.compare import data_url  # here, since the stub is a copy of the class alone

        if value is None or not all(isinstance(one, Image.Image) for one in value):
            return super().postprocess(value)
        return [{"path": None, "url": data_url(one)} for one in value]


def data_url(picture: Image.Image) -> str:
    """Return a picture as an address that holds it, small rather than exact."""
    buffer = BytesIO()
    picture.save(buffer, "WEBP", quality=80)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
