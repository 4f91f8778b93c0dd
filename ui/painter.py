"""Paint where a picture may change: white strokes over a copy of it.

gradio's image editor gives the strokes as a layer of their own, transparent where nothing was painted. White
paint on nothing is a mask as `editors.images.read_mask` understands it, so the layer's file goes to the
editor as it is. They can be read only once (gradio drops a painter's pictures when it has handed them over,
and a validator is handed them too), so they are read into a state before the edit is asked for.
"""

from collections.abc import Mapping
from typing import Any

import gradio as gr
from PIL import Image

from editors import InvalidEdit
from editors.images import Picture, read_picture

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
        type="filepath",
        format="png",
        sources=[],
        transforms=(),
        layers=gr.LayerOptions(disabled=True),
        brush=gr.Brush(colors=[BRUSH], color_mode="fixed"),
        buttons=["fullscreen"],
        height=420,
    )


def surface(photo: str | None, mask: str | None = None) -> Any:
    """Return the painter's value for a picture: the picture, and the strokes of a mask on it, both small."""
    if photo is None:
        return None
    try:
        background = _small(read_picture("original_image", photo))
        layers = [] if mask is None else [_small(read_picture("mask", mask))]
    except InvalidEdit:  # whoever edits it is told why
        return None
    return {"background": background, "layers": layers, "composite": None}


def painted(photo: str | None, value: Mapping[str, Any] | None) -> str | None:
    """Return the mask's file, or None where nothing was painted: then everything may change.

    Args:
        photo: The picture, whose size the mask is brought to.
        value: What the painter holds.

    Raises:
        InvalidEdit: The strokes cannot be read.
    """
    layers = (value or {}).get("layers") or []
    if not layers or layers[0] is None:
        return None
    strokes = read_picture("mask", layers[0])
    if strokes.alpha is None or not strokes.alpha.getbbox():
        return None
    if (size := _size(photo)) and size != strokes.size:
        # Over gradio's own file: that it deletes in time.
        strokes.with_alpha().resize(size, Image.Resampling.BILINEAR).save(layers[0], "PNG")
    return str(layers[0])


def _small(picture: Picture) -> Image.Image:
    held = picture.with_alpha()
    held.thumbnail((SIDE, SIDE))
    return held


def _size(photo: str | None) -> tuple[int, int] | None:
    """Return a picture's size, upright; None where there is no picture that can be edited."""
    try:
        return None if photo is None else read_picture("original_image", photo).size
    except InvalidEdit:
        return None
