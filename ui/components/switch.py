"""Change the model that edits: it is loaded first, and edits go on with the one before until it is there."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from editors import EditorError
from editors.requests.results import InstructionEditor
from ui.components.dial import Dial
from ui.components.form import Form, refusal
from ui.components.literal import literal
from ui.components.screen import QUIET
from ui.server.lora_names import taken_apart, with_lora
from ui.server.models import Models

DEVICE_QUEUE = {"concurrency_id": "models", "concurrency_limit": 1}
"""Loading waits for no edit, and no edit for it."""
SETTINGS = ("num_inference_steps", "guidance_scale", "image_guidance_scale")
MOST_CHIPS = 24
NO_LORA = ""
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
        lora: Where a LoRA is chosen that is laid over it, or none.
        scale: How strongly.
        further: Where further pictures are chosen, for models that take some.
        strengths: What sets how strong an edit is, for models that can be told so.
    """

    models: Models
    choice: Any
    model: Any
    form: Form
    chips: Any
    words: Any
    lora: Any
    scale: Any
    further: Any
    strengths: tuple[Any, ...]

    @property
    def outputs(self) -> list[Any]:
        """All that another model changes."""
        settings = (getattr(self.form, name) for name in SETTINGS)
        return [
            self.choice,
            self.model,
            self.lora,
            self.chips,
            self.further,
            self.form.references,
            *dict.fromkeys([*self.strengths, *settings]),
        ]

    def lay(self, lora: str | None, scale: float, model: str) -> Iterator[Update]:
        """Lay a LoRA over the model that edits, in the place of what lies over it."""
        yield from self.change(with_lora(model, lora, scale), model)

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
            if told := self.models.needs(name):
                yield {self.words: f"Loading {literal(name)} ... {literal(told)}"}
            editor = self.models(name)
        except EditorError as error:
            yield {
                self.words: refusal(error, f"{literal(model)} stays."),
                **self._chosen(model),
            }
            return
        settings = self.taken if taken_apart(name)[0] != taken_apart(model)[0] else self.restored
        yield {**settings(name, editor), **there}

    def taken(self, name: str, editor: InstructionEditor) -> Update:
        """Return the updates for another model: what it recommends, and what it is good at."""
        filled = self.form.filled({one: getattr(editor.recommended, one) for one in SETTINGS})
        restored = self.restored(name, editor)
        both = {part: {**restored[part], **filled[part]} for part in filled if part in restored}
        return {**restored, **filled, **both}

    def restored(self, name: str, editor: InstructionEditor) -> Update:
        """Return the updates for another model where the form keeps its values."""
        return {
            self.model: name,
            **self._chosen(name),
            self.chips: chips_of(editor.instructions),
            self.further: further_of(editor.max_references),
            # What cannot be seen must not be in the way of an edit.
            **({} if editor.max_references else {self.form.references: None}),
            **{part: gr.update(interactive=editor.has_scales) for part in self.strengths},
        }

    def _chosen(self, name: str) -> Update:
        """Return the updates that show which model edits, and what lies over it."""
        names, (base, over) = self.models.names(), taken_apart(name)
        shown = name if name in names or len(over) != 1 else base
        lora = over[0].rpartition("=")[0] if shown != name else None
        return {
            self.choice: gr.Dropdown(choices=names if shown in names else [*names, shown], value=shown),
            self.lora: gr.Dropdown(choices=self._loras(), value=lora or NO_LORA),
        }

    def _loras(self) -> list[tuple[str, str]]:
        return [("none", NO_LORA), *((name, name) for name in self.models.loras())]

    def _shown(self, references: Any, name: str) -> Any:
        """Show where further pictures are chosen, for a model that takes none as long as some are there."""
        return further_of(self.models(name).max_references, given=bool(references))

    def wire(self) -> None:
        """Connect the choice."""
        self.form.references.change(self._shown, [self.form.references, self.model], self.further, **QUIET)
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
        self.lora.focus(lambda: gr.Dropdown(choices=self._loras()), None, self.lora, **QUIET)
        gr.on(
            [self.lora.input, self.scale.release],
            self.lay,
            [self.lora, self.scale, self.model],
            [*self.outputs, self.words],
            show_progress="hidden",
            trigger_mode="multiple",
            api_visibility="private",
            **DEVICE_QUEUE,
        )


def lora_choice(models: Models) -> tuple[Any, Any]:
    """Lay out where a LoRA is chosen and how strongly it is laid over, hidden where there is none."""
    names = list(models.loras())
    with gr.Accordion("LoRA", open=False, visible=bool(names)):
        lora = gr.Dropdown(
            [("none", NO_LORA), *((name, name) for name in names)],
            value=NO_LORA,
            label="Laid over the model",
            info="Files of the folder of models. Loading it takes as long as the model.",
            elem_id="lora",
        )
        scale = Dial(0, 2, value=1, step=0.05, label="How strongly", elem_id="lora-scale")
    return lora, scale


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


def further_of(max_references: int, *, given: bool = False) -> Any:
    """Return what holds further pictures, for a model that takes so many, where some are given or not."""
    label = (
        f"Further pictures, up to {max_references}" if max_references else "Further pictures, one too many"
    )
    return gr.Accordion(label=label, open=given, visible=given or max_references > 0)


def chips_of(instructions: tuple[str, ...]) -> Any:
    """Return the chips for what a model says it is good at."""
    return gr.Dataset(samples=[[text] for text in instructions], visible=bool(instructions))
