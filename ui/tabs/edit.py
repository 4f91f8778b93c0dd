"""The tab that edits a photo by an instruction: drop a picture, say what to change, press Enter.

Law: everything that takes the accelerator waits in one queue (`DEVICE_QUEUE`); what only looks at earlier
results does not wait for it.
"""

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr

from editors.requests.results import InstructionEditor
from editors.requests.rules import NUM_SEEDS
from editors.requests.settings import Settings
from ui.components.cropping import Cropping, lay_out_cropping, wire_cropping
from ui.components.dial import Dial
from ui.components.form import LABELS, MOST_PICTURES, SLIDERS, Form, check, picture_problem, with_picture
from ui.components.history_panel import Panel, wire_nudges, wire_panel, wire_steps
from ui.components.masking import Masking, lay_out_masking
from ui.components.photo import Photo
from ui.components.pointing import Pointing, wire_pointing
from ui.components.reload import wire_reload
from ui.components.rewriting import Rewrite, lay_out_rewriting, wire_rewriting
from ui.components.screen import QUIET, Screen, lay_out_screen
from ui.components.switch import MOST_CHIPS, Switch, further_of, lora_choice
from ui.components.trail import Trail
from ui.server.edit_thread import EditThread
from ui.server.loaded_by_name import LoadedByName
from ui.server.models import Models
from ui.tabs.edits import Edits
from ui.tabs.examples import lay_out_examples, wire_examples
from ui.tabs.extending import Extenders, Extensions
from ui.tabs.extending import check as check_extension
from ui.tabs.grid import Grid, lay_out_grid, wire_choice
from ui.tabs.runs import Runs, Update

PHOTO_HEIGHT = 260
"""Pixels: with it the button below stands on a screen of 768."""
FOCUSED = "() => document.querySelector('#instruction :is(textarea, input)')?.focus({preventScroll: true})"
ACTIONS = ("Use as input", "Reuse settings", "All at once")
BEGIN = "Drop a picture, say what should change, press Enter."


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Buttons:
    """The buttons of the left column, and the panel of the mask."""

    go: Any
    stop: Any
    weaker: Any
    stronger: Any
    vary: Any
    roll: Any
    undo: Any
    redo: Any
    masking: Masking
    cropping: Cropping

    @property
    def nudges(self) -> tuple[Any, Any]:
        """The buttons that go a notch back and forth in strength."""
        return self.weaker, self.stronger


def edit_tab(
    page: gr.Blocks,
    models: Models,
    choice: Any,
    words: Any,
    edit_thread: EditThread,
    root: Path,
    rewrite: Rewrite | None = None,
    pointing: Pointing | None = None,
    extenders: Extenders | None = None,
) -> tuple[Panel, Switch]:
    """Lay out the tab inside the page and wire it.

    Args:
        page: The `gr.Blocks` that is being laid out.
        models: What can edit.
        choice: Where a person says which of them does.
        words: Where that is answered.
        edit_thread: Where edits are computed.
        root: Folder below which sessions keep their results.
        rewrite: Says a wish in the model's words; None leaves its button out.
        pointing: Finds the thing at a place of the picture; None leaves that out.
        extenders: Give what extends the picture; None leaves that out.

    Returns:
        What fills the form from elsewhere, and what changes the model from elsewhere.
    """
    held = gr.State(None)
    with gr.Row(equal_height=False):
        with gr.Column(min_width=300):
            offers = {"points": pointing is not None, "extends": extenders is not None}
            form, buttons, chips, further, examples, drawing = _form(models(models.first), root, **offers)
            rewriting = lay_out_rewriting(rewrite)
            lora, scale = lora_choice(models)
            grid = lay_out_grid(has_scales=models(models.first).has_scales)
        with gr.Column(min_width=300):
            screen = lay_out_screen(buttons.stop, BEGIN, actions=ACTIONS, name="edit")
    problems = LoadedByName(picture_problem, room=MOST_PICTURES)
    panel = _panel(form, screen, buttons, held, problems)
    buttons.roll.click(lambda: str(secrets.randbelow(NUM_SEEDS)), None, form.seed, **QUIET)
    wire_examples(examples, drawing, panel)
    wire_cropping(panel, buttons.cropping, root)
    parts = {"choice": choice, "chips": chips, "words": words, "lora": lora, "scale": scale}
    strengths = (form.guidance_scale, form.image_guidance_scale, *buttons.nudges, grid.button)
    switch = Switch(
        further=further, strengths=strengths, models=models, model=gr.State(models.first), form=form, **parts
    )
    switch.wire()
    wire_rewriting(rewriting, rewrite, panel, models, switch.model)
    wire_reload(page, panel, switch, root)
    judged = with_picture(check, 0, problems)
    runs = Runs(page=page, editors=models, edit_thread=edit_thread, root=root, screen=screen, check=judged)
    shared = {"cells": grid.cells, "show_cells": grid.showing, "model": switch.model}
    extended = [] if extenders is None else [_wire_extending(extenders, runs, panel, buttons, problems)]
    _wire_edits(Edits(runs=runs, held=held, panel=panel, **shared), buttons, grid, extended)
    if pointing is not None:
        wire_pointing(panel.masking, pointing, form.original_image, screen.status)
    return panel, switch


def _panel(form: Form, screen: Screen, buttons: Buttons, held: Any, problems: LoadedByName[Any]) -> Panel:
    """Make what remembers where one was of the form, the screen and the buttons, and wire it."""
    panel = Panel(
        form=form,
        screen=screen,
        masking=buttons.masking,
        held=held,
        trail=gr.State(Trail()),
        before=gr.State(None),
        undo=buttons.undo,
        redo=buttons.redo,
        problem=problems,
    )
    use, reuse, at_once = screen.actions
    wire_panel(panel, use=use, reuse=reuse, at_once=at_once)
    return panel


def _wire_extending(
    extenders: Extenders, runs: Runs[Any], panel: Panel, buttons: Buttons, problem: LoadedByName[Any]
) -> Any:
    """Connect the button that extends the picture; return the event that carries it out."""
    extending = replace(runs, editors=extenders, check=with_picture(check_extension, 0, problem))
    return Extensions(extending, panel, extenders.model).wire(buttons.cropping)


def _wire_edits(edits: Edits, buttons: Buttons, grid: Grid, others: list[Any]) -> None:
    """Connect all that asks for an edit: Edit and Enter, Weaker and Stronger, variations, the grid.

    Args:
        edits: The handlers.
        buttons: Of the left column.
        grid: The guidance grid.
        others: Events that make a picture besides: Stop ends them too.
    """
    panel, runs = edits.panel, edits.runs
    form = panel.form

    def wire(
        handler: Callable[..., Iterator[Update]], ready: Any, *more: Any, name: str | None = None
    ) -> Any:
        return runs.wire(
            handler,
            ready,
            inputs=form.inputs,
            states=edits.states,
            outputs=[panel.held, panel.before, *more],
            name=name,
        )

    nudged = wire_nudges(panel, weaker=buttons.weaker, stronger=buttons.stronger)
    panel.masking.wire()
    strokes = panel.masking.reading()
    asked = gr.on([buttons.go.click, form.edit_prompt.submit], **strokes)
    running = [
        wire(edits.one, asked, name="page_edit"),
        *(wire(edits.again, event.success(**strokes)) for event in nudged),
        wire(edits.variations, buttons.vary.click(**strokes), name="page_variations"),
        wire(edits.grid, grid.button.click(**strokes), *grid.outputs, name="page_grid"),
    ]
    is_idle = runs.idle([*running, *others])
    wire_choice(grid, panel, is_idle)

    def hold(request: gr.Request, *values: Any) -> Update:
        return edits.hold(*values) if is_idle(request) else panel.screen.unchanged

    held = form.only.input(
        hold, [*form.inputs, *edits.states], edits.holding, trigger_mode="always_last", **QUIET
    )
    small = (buttons.weaker, buttons.stronger, buttons.vary, buttons.cropping.extend)
    asking = (buttons.go, *small, grid.button)
    wire_steps(panel, [*running, held])
    runs.wire_ends([*(one.click for one in asking), form.edit_prompt.submit], [*running, *others])


def _form(
    editor: InstructionEditor, root: Path, *, points: bool, extends: bool
) -> tuple[Form, Buttons, Any, Any, Any, Path]:
    """Lay out the left column: what an edit needs is seen on a laptop without scrolling.

    Returns:
        The form, the buttons, the chips, what holds further pictures, the examples and the drawing that they
        start from.
    """
    photo = Photo(
        label=LABELS["original_image"],
        type="filepath",
        image_mode=None,
        sources=["upload", "clipboard", "webcam"],
        height=PHOTO_HEIGHT,
    )
    further, references = _further_pictures(editor)
    masking, cropping = lay_out_masking(points=points), lay_out_cropping(extends=extends)
    instruction = gr.Textbox(
        label=LABELS["edit_prompt"],
        placeholder="make it sunset",
        lines=1,
        max_lines=1,
        elem_id="instruction",
    )
    with gr.Row():
        go = gr.Button("Edit", variant="primary", min_width=120)
        stop = gr.Button(
            "Stop", elem_id="stop", elem_classes="does-stop", variant="stop", interactive=False, min_width=120
        )
    chips = _chips(instruction, editor.instructions)
    examples, drawing = lay_out_examples(root)
    strengths = _strengths(editor)
    small = _small_buttons(has_scales=editor.has_scales)
    steps, seed, roll = _fine_tune(editor.recommended)
    tuned = {"num_inference_steps": steps, "seed": seed, "mask": masking.mask, **strengths}
    form = Form(original_image=photo, edit_prompt=instruction, references=references, **tuned)
    buttons = Buttons(go=go, stop=stop, roll=roll, masking=masking, cropping=cropping, **small)
    return form, buttons, chips, further, examples, drawing


def _strengths(editor: InstructionEditor) -> dict[str, Any]:
    """Lay out the dials that set how strong an edit is and how far it reaches, by their fields."""
    dials = {
        name: Dial(
            *SLIDERS[name],
            value=getattr(editor.recommended, name),
            step=step,
            label=LABELS[name],
            info=info,
            interactive=editor.has_scales,
        )
        for name, step, info in (
            ("guidance_scale", 0.1, "Raise it if too little changes."),
            ("image_guidance_scale", 0.05, "Raise it if too much changes."),
        )
    }
    only = Dial(
        *SLIDERS["only"],
        value=0,
        step=0.05,
        label=LABELS["only"],
        info="0: everything may change. Towards 1: less, and the result beside it follows at once.",
        elem_id="only",
    )
    return {**dials, "only": only}


def _further_pictures(editor: InstructionEditor) -> tuple[Any, Any]:
    """Lay out where pictures are chosen that the instruction is about besides the one that is edited."""
    with further_of(editor.max_references) as further:
        return further, gr.Gallery(
            label="“The hat of picture 2”: they count from 2",
            type="filepath",
            file_types=["image"],
            interactive=True,
            columns=3,
            height=180,
            object_fit="contain",
            elem_id="references",
        )


def _small_buttons(*, has_scales: bool) -> dict[str, Any]:
    """Lay out the buttons that go on from an edit, by their names in `Buttons`."""
    with gr.Row():
        return {
            **{
                name: gr.Button(
                    name.title(),
                    elem_classes=f"does-{name}",
                    size="sm",
                    interactive=has_scales,
                    min_width=90,
                )
                for name in ("weaker", "stronger")
            },
            "vary": gr.Button("Four variations", elem_classes="does-vary", size="sm", min_width=120),
            **{
                name: gr.Button(
                    name.title(),
                    elem_id=name,
                    elem_classes=f"does-{name}",
                    size="sm",
                    interactive=False,
                    min_width=70,
                )
                for name in ("undo", "redo")
            },
        }


def _fine_tune(recommended: Settings) -> tuple[Any, Any, Any]:
    """Lay out the number of steps, the seed, and the button that draws one."""
    with gr.Accordion("Fine-tune", open=False):
        steps = Dial(
            *SLIDERS["num_inference_steps"],
            value=recommended.num_inference_steps,
            step=1,
            label=LABELS["num_inference_steps"],
            info="More takes longer; beyond 50 it seldom helps.",
        )
        # No gr.Number, which says 0 of its own accord as soon as this is opened.
        seed = gr.Textbox(
            lines=1,
            max_lines=1,
            label=LABELS["seed"],
            placeholder="drawn at random",
            info="The same seed and settings give the same picture.",
        )
        return steps, seed, gr.Button("🎲 Roll a seed", size="sm")


def _chips(instruction: Any, instructions: Sequence[str]) -> Any:
    """Lay out what the model says it is good at: a click writes it into the field, where Enter sends it."""
    chips = gr.Dataset(
        label="This model is good at",
        components=[instruction],
        samples=[[text] for text in instructions],
        type="values",
        samples_per_page=MOST_CHIPS,
        visible=bool(instructions),
        elem_id="chips",
    )
    chips.click(lambda chosen: chosen[0], chips, instruction, **QUIET).then(None, js=FOCUSED)
    return chips
