"""Pairs of pictures as cards, each with its whole words; a click chooses one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from PIL import Image

from ui.components.compare import data_url
from ui.components.elements import MAKE, asset

TEMPLATE = """<div class="sheet"></div>"""
STYLE = asset("sheet.css")
SCRIPT = asset("sheet.js")


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """A pair on the sheet.

    Attributes:
        before: The original.
        after: Its edit.
        words: What was asked.
        note: Smaller, below.
        faint: Whether its pictures are shown fainter than others.
    """

    before: Image.Image
    after: Image.Image
    words: str
    note: str = ""
    faint: bool = False


def sheet(name: str) -> Any:
    """Lay out an empty sheet; its `select` event, with an `index`, comes when a person clicks a card.

    Args:
        name: What it is found by.
    """
    return gr.HTML(
        value=[], html_template=TEMPLATE, css_template=STYLE, js_on_load=MAKE + SCRIPT, elem_id=name
    )


def laid_out(cards: Sequence[Card]) -> list[dict[str, Any]]:
    """Return cards as a sheet takes them."""
    return [
        {
            "before": data_url(card.before),
            "after": data_url(card.after),
            "words": card.words,
            "note": card.note,
            "faint": card.faint,
        }
        for card in cards
    ]
