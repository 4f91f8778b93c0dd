"""The form of the Prompts tab: two prompts, a photo, settings, the board; and the request in it."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from editors import PromptEdit
from editors.pictures.images import read_picture
from ui.components.board import BoardState, board
from ui.components.dial import Dial
from ui.components.form import (
    PROMPT_LABELS,
    SLIDERS,
    plain,
    verdict,
)
from ui.components.photo import Photo

EXAMPLES = (
    ("a red elephant in the desert", "a blue elephant in the desert"),
    ("a cat in a meadow", "a dog in a meadow"),
    ("a house on a beach", "a house on a beach at night"),
)
PHOTO = list(PROMPT_LABELS).index("original_image")
"""Its place among the inputs."""
VALID = {"original_prompt": "a cat", "edited_prompt": "a dog"}
"""Stands in for the prompts while another field is checked alone."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PromptForm:
    """The components that ask for the fields of `PROMPT_LABELS`, and the board."""

    original_prompt: Any
    edited_prompt: Any
    original_image: Any
    guidance_scale: Any
    only: Any
    num_inference_steps: Any
    seed: Any
    board: Any

    @property
    def prompts(self) -> list[Any]:
        """The two prompts."""
        return [self.original_prompt, self.edited_prompt]

    @property
    def inputs(self) -> list[Any]:
        """The components, the board last."""
        return [*(getattr(self, name) for name in PROMPT_LABELS), self.board]


def check(*values: Any) -> list[dict[str, Any]]:
    """Judge each input alone, by `PromptEdit`; the board and the states pass."""
    named = zip(PROMPT_LABELS, values, strict=False)
    verdicts = [verdict(PromptEdit, VALID, name, plain(name, value)) for name, value in named]
    return [*verdicts, *(gr.validate(True, "") for _ in values[len(verdicts) :])]


def request_of(values: tuple[Any, ...]) -> PromptEdit:
    """Build the request.

    Raises:
        InvalidEdit: A field is wrong, or the photo cannot be read.
    """
    asked = {name: plain(name, value) for name, value in zip(PROMPT_LABELS, values, strict=False)}
    asked |= BoardState.read(values[len(PROMPT_LABELS)]).fields
    PromptEdit(**asked)  # before a photo is read: refusing is cheap, reading is not
    if asked["original_image"] is not None:
        asked["original_image"] = read_picture("original_image", asked["original_image"])
    return PromptEdit(**asked)


def lay_out_prompts() -> tuple[PromptForm, Any, Any, Any, Any]:
    """Lay out the left column; return the form, Draw, Stop, the button for another picture, the examples."""
    prompts = [
        gr.Textbox(label=PROMPT_LABELS[name], placeholder=words, lines=1, max_lines=1, elem_classes="asks")
        for name, words in zip(VALID, EXAMPLES[0], strict=True)
    ]
    examples = gr.Dataset(
        label="For example",
        components=prompts,
        samples=[list(one) for one in EXAMPLES],
        type="values",
        layout="table",
        headers=["Picture", "Edit"],
    )
    with gr.Row():
        go = gr.Button("Draw", variant="primary", min_width=100)
        stop = gr.Button("Stop", elem_classes="does-stop", variant="stop", interactive=False, min_width=100)
    another = gr.Button("Another picture", size="sm")
    words = board(
        BoardState(cross_replace_steps=(0, 0.8), self_replace_steps=(0, 0.4), steps=50)  # until it is known
    )
    guidance = Dial(*SLIDERS["guidance_scale"], value=7.5, step=0.1, label=PROMPT_LABELS["guidance_scale"])
    only = Dial(
        *SLIDERS["only"],
        value=0,
        step=0.05,
        label=PROMPT_LABELS["only"],
        info="0: everything may change. Towards 1: less.",
    )
    with gr.Accordion(PROMPT_LABELS["original_image"], open=False):
        gr.Markdown("The first prompt then says what the photo shows.")
        photo = Photo(
            label=PROMPT_LABELS["original_image"],
            type="filepath",
            image_mode=None,
            sources=["upload", "clipboard"],
            height=240,
        )
    with gr.Accordion("Fine-tune", open=False):
        steps = Dial(
            *SLIDERS["num_inference_steps"], value=50, step=1, label=PROMPT_LABELS["num_inference_steps"]
        )
        seed = gr.Textbox(
            lines=1,
            max_lines=1,
            label=PROMPT_LABELS["seed"],
            placeholder="drawn at random",
            info="Stays from one drawing to the next, so that only what you change changes.",
        )
    form = PromptForm(
        original_prompt=prompts[0],
        edited_prompt=prompts[1],
        original_image=photo,
        guidance_scale=guidance,
        only=only,
        num_inference_steps=steps,
        seed=seed,
        board=words,
    )
    return form, go, stop, another, examples
