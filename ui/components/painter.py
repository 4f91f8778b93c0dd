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
from editors.pictures.images import Picture, read_picture
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
        layers = [] if mask is None else [_strokes(read_picture("mask", mask), background.size)]
    except InvalidEdit:  # whoever edits it is told why
        return None
    return {"background": background, "layers": layers, "composite": None}


def painted(value: Mapping[str, Any] | None) -> Image.Image | None:
    """Return the mask at the painter's size; None where nothing was painted: then everything may change."""
    layers = (value or {}).get("layers") or []
    if not layers or layers[0] is None:
        return None
    alpha: Image.Image = layers[0].getchannel("A")
    return alpha if alpha.getbbox() else None


def _strokes(mask: Picture, size: tuple[int, int]) -> Image.Image:
    """Return the white paint, transparent elsewhere, that a mask stands for."""
    white = Image.new("RGBA", size, BRUSH)
    white.putalpha((mask.alpha or mask.image.convert("L")).resize(size))
    return white
