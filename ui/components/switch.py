"""Change the model that edits: it is loaded first, and edits go on with the one before until it is there."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from editors import EditorError
from editors.requests.results import InstructionEditor
from ui.components.form import Form, refusal
from ui.components.literal import literal
from ui.components.screen import QUIET
from ui.server.models import Models

DEVICE_QUEUE = {"concurrency_id": "models", "concurrency_limit": 1}
"""Loading waits for no edit, and no edit for it."""
SETTINGS = ("num_inference_steps", "guidance_scale", "image_guidance_scale")
MOST_CHIPS = 24
Update = dict[Any, Any]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Switch:
    """Components and states, and what they do.

    Attributes:
        models: Those there are.
        choice: Where one is chosen.
        model: State: the name of the one that edits.
        form: Takes what a model recommends.
        chips: What a model says it is good at.
        words: One line of its own: an edit that goes on meanwhile writes to its status.
    """

    models: Models
    choice: Any
    model: Any
    form: Form
    chips: Any
    words: Any

    @property
    def outputs(self) -> list[Any]:
        """All that another model changes."""
        return [self.choice, self.model, self.chips, *(getattr(self.form, name) for name in SETTINGS)]

    def change(self, name: str, model: str) -> Iterator[Update]:
        """Load a model, then edit with it; where it cannot be, the one before stays."""
        there = {self.words: f"{literal(name)} edits from now on."}
        if (
            name == model
        ):  # gradio's list often tells one choice twice: the second answer says what the first did
            yield there
            return
        yield {self.words: f"Loading {literal(name)} ..."}
        try:
            editor = self.models(name)
        except EditorError as error:
            yield {
                self.words: refusal(error, f"{literal(model)} stays."),
                self.choice: gr.Dropdown(value=model),
            }
            return
        yield {**self.taken(name, editor), **there}

    def taken(self, name: str, editor: InstructionEditor) -> Update:
        """Return the updates for another model: what it recommends, and what it is good at."""
        recommended = {one: getattr(editor.recommended, one) for one in SETTINGS}
        return {**self.restored(name, editor), **self.form.filled(recommended)}

    def restored(self, name: str, editor: InstructionEditor) -> Update:
        """Return the updates for another model where the form keeps its values."""
        names = self.models.names()
        return {
            self.model: name,
            self.choice: gr.Dropdown(choices=names if name in names else [*names, name], value=name),
            self.chips: chips_of(editor.instructions),
        }

    def wire(self) -> None:
        """Connect the choice."""
        self.choice.focus(lambda: gr.Dropdown(choices=self.models.names()), None, self.choice, **QUIET)
        self.choice.input(
            self.change,
            [self.choice, self.model],
            [*self.outputs, self.words],
            show_progress="hidden",
            trigger_mode="multiple",  # one after the other: the last one chosen is the one that edits
            api_visibility="private",
            **DEVICE_QUEUE,
        )


def model_choice(models: Models) -> tuple[Any, Any]:
    """Lay out where a model is chosen, hidden where there is but one, and where that is answered."""
    names = models.names()
    choice = gr.Dropdown(
        names,
        value=models.first,
        label="Model",
        info="One of the list, or a Hub id." if models.hub else None,
        allow_custom_value=models.hub,
        visible=models.can_change,
        elem_id="model",
        min_width=220,
    )
    words = gr.Markdown(
        elem_id="model-words", elem_classes="spoken", latex_delimiters=[], visible=models.can_change
    )
    return choice, words


def chips_of(instructions: tuple[str, ...]) -> Any:
    """Return the chips for what a model says it is good at."""
    return gr.Dataset(samples=[[text] for text in instructions], visible=bool(instructions))
