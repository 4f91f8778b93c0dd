"""Words above the columns of a grid of pictures."""

from collections.abc import Sequence
from html import escape

STYLE = """
.heads { display: grid; grid-auto-flow: column; grid-auto-columns: 1fr; align-items: end; }
.heads span { justify-self: center; writing-mode: vertical-rl; transform: rotate(180deg); max-height: 180px;
  font-size: 12px; line-height: 1.25; overflow-wrap: anywhere; }
"""
"""A column may be as narrow as two lines of text: they are written upwards."""


def heads(columns: Sequence[str]) -> str:
    """Return what stands above the columns, as HTML; nothing where there are no words."""
    words = "".join(f"<span>{escape(column)}</span>" for column in columns)
    return f'<div class="heads">{words}</div>' if columns else ""
