"""The page to look through pairs with: one pair at a time, keep or reject with a key, sort by a score.

Law: the page knows no rule of its own; what is decided goes through `dataset_builder.pairs.browse`.
"""

import ui.server.before_gradio  # noqa: F401  # isort: skip

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from dataset_builder import records
from dataset_builder.pairs.browse import AS_WRITTEN, Catalogue
from dataset_builder.pairs.overlay import Verdict
from ui.components.pair_words import order_choices
from ui.components.shortcuts import BROWSING, minding

SHOWN = ("all", "open", "keep", "reject")
SIDE = 384
"""Pixels that small pictures are enlarged to, by a whole number."""


def build_browser(catalogue: Catalogue) -> gr.Blocks:
    """Build the page around a dataset; `app.serve` puts it on the network."""
    with gr.Blocks(title="Wordbrush: pairs", analytics_enabled=False) as page:
        gr.Markdown("# Pairs\nKeep (K), reject (R), take back (U), arrows to go on and back.")
        page.load(None, js=minding(BROWSING))
        with gr.Row():
            order = gr.Dropdown(order_choices(), value=AS_WRITTEN, label="Sort by")
            descending = gr.Checkbox(value=False, label="Highest first")
            shown = gr.Radio(list(SHOWN), value="all", label="Show")
        keys, place = gr.State([]), gr.State(0)
        status = gr.Markdown(elem_id="status")
        instruction = gr.Textbox(label="Instruction", interactive=False)
        with gr.Row():
            before, after = (
                gr.Image(label=label, format="png", interactive=False, buttons=["fullscreen"])
                for label in ("Before", "After")
            )
        with gr.Row():
            captions = [gr.Textbox(label=label, interactive=False) for label in ("Caption", "Edited caption")]
        facts = gr.JSON(label="How it was made, and its scores")
        with gr.Row():
            buttons = {
                name: gr.Button(text, elem_id=name, variant="primary" if name == "keep" else "secondary")
                for name, text in (
                    ("previous", "Previous"),
                    ("keep", "Keep"),
                    ("reject", "Reject"),
                    ("take-back", "Take back"),
                    ("next", "Next"),
                )
            }
        pair = [status, instruction, before, after, *captions, facts]
        choice = [order, descending, shown]

        def look(*chosen: Any) -> list[Any]:
            found = catalogue.ordered(order=chosen[0], descending=bool(chosen[1]), shown=chosen[2])
            return [found, 0, *_shown(catalogue, found, 0)]

        for one in choice:
            one.change(look, choice, [keys, place, *pair], api_visibility="private")
        page.load(look, choice, [keys, place, *pair], api_visibility="private")
        for name, step in (("previous", -1), ("next", 1)):
            buttons[name].click(
                _mover(catalogue, step), [keys, place], [place, *pair], api_visibility="private"
            )
        verdicts: dict[str, Verdict] = {"keep": "keep", "reject": "reject", "take-back": "open"}
        for name, verdict in verdicts.items():
            buttons[name].click(
                _mover(catalogue, 1, verdict), [keys, place], [place, *pair], api_visibility="private"
            )
    page.queue(max_size=20, default_concurrency_limit=1, api_open=False)
    return page


def _mover(catalogue: Catalogue, step: int, verdict: Verdict | None = None) -> Callable[..., list[Any]]:
    """Return what a button does: decide about the pair that is shown, if it does, and go on."""

    def move(keys: Sequence[str], place: int) -> list[Any]:
        if keys and verdict is not None:
            catalogue.decide(keys[place], verdict)
        place = max(0, min(place + step, len(keys) - 1))
        return [place, *_shown(catalogue, keys, place)]

    return move


def _shown(catalogue: Catalogue, keys: Sequence[str], place: int) -> list[Any]:
    """Return what the page shows of a pair: status, words, pictures, facts."""
    if not keys:
        return ["No pair is to be shown.", "", None, None, "", "", None]
    key = keys[place]
    known = dict(catalogue.entries[key].facts)
    words = [str(known.pop(name, "")) for name in (records.ORIGINAL_PROMPT, records.EDITED_PROMPT)]
    instruction = str(known.pop(records.EDIT_PROMPT, ""))
    before, after = (enlarged(picture) for picture in catalogue.pictures([key])[key])
    status = f"**{place + 1}** of {len(keys)}: `{key}`, {catalogue.verdict(key)}"
    return [status, instruction, before, after, *words, known]


def enlarged(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Enlarge a small picture by a whole number."""
    times = max(1, SIDE // max(picture.shape[:2]))
    return picture.repeat(times, axis=0).repeat(times, axis=1)
