"""The button that says a wish in the model's words: what comes back stands in the field, to be changed.

Law: nothing is edited by it, and it is a step that can be undone.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gradio as gr

from dataset_builder.errors import DatasetError
from ui.components.history_panel import Panel, Update
from ui.components.literal import literal
from ui.server.models import Models

Rewrite = Callable[[str, Sequence[str]], str]
"""(wish, instructions that the model was taught) -> an instruction; raises a `DatasetError`."""


def lay_out_rewriting(rewrite: Rewrite | None) -> Any:
    """Lay out the button, hidden where nothing rewrites."""
    return gr.Button("Say it in the model's words", size="sm", elem_id="rewrite", visible=rewrite is not None)


def wire_rewriting(button: Any, rewrite: Rewrite | None, panel: Panel, models: Models, model: Any) -> None:
    """Connect the button.

    Args:
        button: From `lay_out_rewriting`.
        rewrite: What rewrites, or None.
        panel: Fills the form.
        models: Say what they were taught.
        model: State: the name of the one that edits.
    """
    if rewrite is None:
        return
    status, say = panel.screen.status, rewrite

    def rewritten(*values: Any) -> Iterator[Update]:
        now, name = panel.now(values), values[-1]
        wish = str(now.form["edit_prompt"] or "").strip()
        if not wish:
            yield {status: "Say first what should change, in your own words."}
            return
        yield {status: "Asking for the model's words ..."}
        try:
            said = say(wish, models(name).phrases)
        except DatasetError as error:
            yield {status: f"**Not rewritten.** {literal(str(error))}"}
            return
        filled = panel.fill(now, {"edit_prompt": said, "mask": now.form["mask"]})
        kept = {one: update for one, update in filled.items() if one not in panel.masking.outputs}
        words = "Read it, change it if need be, then press Enter."
        yield {**kept, status: f"“{literal(wish)}” became “{literal(said)}”. {words}"}

    button.click(
        rewritten,
        [*panel.inputs, model],
        panel.outputs,
        concurrency_limit=4,
        show_progress="hidden",
        api_visibility="private",
    )
