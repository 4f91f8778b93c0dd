"""Words above the columns of a grid of pictures."""

from collections.abc import Sequence
from html import escape

from ui.components.elements import asset

STYLE = asset("heads.css")
"""A column may be as narrow as two lines of text: they are written upwards."""


def heads(columns: Sequence[str]) -> str:
    """Return what stands above the columns, as HTML; nothing where there are no words."""
    words = "".join(f"<span>{escape(column)}</span>" for column in columns)
    return f'<div class="heads">{words}</div>' if columns else ""
