"""A picture with part of it in shade: what must stay, or where words do not act."""

from typing import Any

import gradio as gr
from PIL import Image, ImageEnhance

SHADE = 0.3
"""Brightness of what lies in it."""
OVERLAY_SIDE = 320


def overlay(label: str, name: str) -> Any:
    """Lay out a small picture for what is `shaded`; hidden at first."""
    return gr.Image(
        label=label, format="png", interactive=False, buttons=[], height=180, visible=False, elem_id=name
    )


def small(picture: Image.Image) -> Image.Image:
    """Return a copy as small as an overlay is shown."""
    copy = picture.convert("RGB")
    copy.thumbnail((OVERLAY_SIDE, OVERLAY_SIDE))
    return copy


def shaded(picture: Image.Image, mask: Image.Image) -> Image.Image:
    """Return a picture with all in shade where a mask is black."""
    seen = picture.convert("RGB")
    return Image.composite(seen, ImageEnhance.Brightness(seen).enhance(SHADE), mask.resize(seen.size))
