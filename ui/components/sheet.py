"""Pairs of pictures as cards, each with its whole words; a click chooses one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from PIL import Image

from ui.components.compare import data_url
from ui.components.elements import MAKE

TEMPLATE = """<div class="sheet"></div>"""
STYLE = """
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(200px, 1fr)); gap: 10px; }
.sheet button { display: flex; flex-direction: column; padding: 0; overflow: hidden; text-align: left;
  cursor: pointer; border: 1px solid var(--border-color-primary); border-radius: var(--radius-lg);
  background: var(--background-fill-primary); color: var(--body-text-color); }
.sheet button[aria-pressed=true] { outline: 2px solid var(--color-accent); }
.sheet button:focus-visible { outline: 3px solid var(--color-accent); }
.sheet .two { display: grid; grid-template-columns: 1fr 1fr; gap: 2px; width: 100%; }
.sheet img { width: 100%; margin: 0; }
.sheet .words { padding: 5px 8px 0; font-size: 14px; overflow-wrap: anywhere; }
.sheet .note { padding: 0 8px 5px; font-size: 12px; color: var(--body-text-color-subdued); }
.sheet .left-out img { opacity: 0.65; }
"""
SCRIPT = """
const build = () => {
  const cards = (props.value ?? []).map((card, index) => {
    const sides = [['Before', card.before], ['After', card.after]];
    const pictures = sides.map(([alt, src]) => make('img', {src, alt}));
    const button = make('button', {class: card.faint ? 'left-out' : '', 'aria-pressed': false},
      make('span', {class: 'two'}, ...pictures),
      make('span', {class: 'words'}, card.words), make('span', {class: 'note'}, card.note));
    button.onclick = () => {
      element.querySelectorAll('button').forEach(one => one.setAttribute('aria-pressed', one === button));
      trigger('select', {index});
    };
    return button;
  });
  element.querySelector('.sheet').replaceChildren(...cards);
};
watch('value', build);
build();
"""


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
