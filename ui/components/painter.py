"""Paint where a picture may change: white strokes over a copy of it.

gradio's image editor gives the strokes as a layer of their own, transparent where nothing was painted: where
there is paint, the picture may change. They can be read only once (gradio drops a painter's pictures when it
has handed them over, and a validator is handed them too), so they are read into a state before the edit is
asked for; `form.request_of` brings them to the picture's size.
"""

from collections.abc import Mapping
from typing import Any

import gradio as gr
from PIL import Image

from editors import InvalidEdit
from editors.pictures.images import read_picture
from editors.requests.edits import PictureSource

BRUSH = "#ffffff"
SIDE = 768
"""Pixels of the longer side of what is painted on.

gradio asks a painter for its pictures at every step of every edit, and each time the browser compresses and
uploads all of them: at a photo's own size that takes minutes.
"""


def painter(label: str) -> Any:
    """Lay out the painting surface."""
    return gr.ImageEditor(
        label=label,
        type="pil",
        format="png",
        sources=[],
        transforms=(),
        layers=gr.LayerOptions(disabled=True),
        brush=gr.Brush(colors=[BRUSH], color_mode="fixed"),
        buttons=["fullscreen"],
        height=420,
    )


def surface(photo: str | None, mask: PictureSource | None = None) -> Any:
    """Return the painter's value for a picture: the picture, and the strokes of a mask on it, both small."""
    if photo is None:
        return None
    try:
        background = read_picture("original_image", photo).with_alpha()
        background.thumbnail((SIDE, SIDE))
        strokes = None
        if mask is not None:
            found = read_picture("mask", mask)
            strokes = (found.alpha or found.image.convert("L")).resize(background.size)
    except InvalidEdit:  # whoever edits it is told why
        return None
    return painting(background, strokes)


def painting(background: Image.Image, strokes: Image.Image | None) -> dict[str, Any]:
    """Return the painter's value for a picture, and white paint as thick as `strokes` of its size say."""
    layers = []
    if strokes is not None:
        white = Image.new("RGBA", background.size, BRUSH)
        white.putalpha(strokes)
        layers.append(white)
    return {"background": background, "layers": layers, "composite": None}


def painted(value: Mapping[str, Any] | None) -> Image.Image | None:
    """Return the mask at the painter's size; None where nothing was painted: then everything may change."""
    layers = (value or {}).get("layers") or []
    if not layers or layers[0] is None:
        return None
    alpha: Image.Image = layers[0].getchannel("A")
    return alpha if alpha.getbbox() else None
