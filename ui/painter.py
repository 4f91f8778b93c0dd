"""Paint where a picture may change: white strokes over a copy of it.

gradio's image editor gives the strokes as a layer of their own, transparent where nothing was painted. White
paint on nothing is a mask as `editors.images.read_mask` understands it, so the layer's file goes to the
editor as it is. They can be read only once (gradio drops a painter's pictures when it has handed them over,
and a validator is handed them too), so they are read into a state before the edit is asked for.
"""

from collections.abc import Mapping
from typing import Any

import gradio as gr

from editors.images import read_picture

BRUSH = "#ffffff"


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
    """Return the painter's value for a picture: the picture, and the strokes of a mask on it."""
    if photo is None:
        return None
    return {"background": photo, "layers": [mask] if mask else [], "composite": None}


def painted(value: Mapping[str, Any] | None) -> str | None:
    """Return the mask's file, or None where nothing was painted: then everything may change.

    Raises:
        InvalidEdit: The strokes cannot be read.
    """
    layers = (value or {}).get("layers") or []
    if not layers or layers[0] is None:
        return None
    alpha = read_picture("mask", layers[0]).alpha
    return None if alpha is None or not alpha.getbbox() else str(layers[0])
