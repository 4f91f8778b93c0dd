"""The tab that edits a photo by an instruction: drop a picture, say what to change, press Enter.

Law: everything that takes the accelerator stands in one lane (`LANE`); what only looks at earlier results
does not wait for it.
"""

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from editors.edits import InstructionEditor
from editors.settings import Settings
from ui.api import LANE
from ui.compare import Compare
from ui.edits import MAX_SEED, Edits, Update
from ui.examples import lay_out_examples, wire_examples
from ui.form import LABELS, SLIDERS, Form, check
from ui.grid import lay_out_grid, wire_choice
from ui.history import History
from ui.history_panel import QUIET, Panel, wire_nudges, wire_panel
from ui.painter import painted, painter
from ui.photo import Photo
from ui.reload import wire_reload
from ui.screen import Screen

BEGIN = "Drop a picture, say what should change, press Enter."


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Buttons:
    """The buttons of the left column, and the painting surface."""

    go: Any
    stop: Any
    weaker: Any
    stronger: Any
    vary: Any
    roll: Any
    painter: Any


def edit_tab(page: gr.Blocks, editor: InstructionEditor, root: Path) -> None:
    """Lay out the tab inside the page and wire it.

    Args:
        page: The `gr.Blocks` that is being laid out.
        editor: What edits.
        root: Folder below which sessions keep their results.
    """
    held = gr.State(None)
    with gr.Row(equal_height=False):
        with gr.Column(min_width=300):
            examples, drawing = lay_out_examples(root)
            form, buttons = _form(editor.recommended, editor.instructions)
            grid = lay_out_grid()
        with gr.Column(min_width=300):
            screen, undo = _screen(buttons.stop)
    panel = Panel(form=form, screen=screen, painter=buttons.painter, held=held, past=gr.State(()), undo=undo)
    use, reuse = screen.actions[:2]
    wire_panel(panel, use=use, reuse=reuse)
    nudged = wire_nudges(panel, weaker=buttons.weaker, stronger=buttons.stronger)
    buttons.roll.click(lambda: str(secrets.randbelow(MAX_SEED)), None, form.seed, **QUIET)
    wire_choice(grid, panel)
    wire_examples(examples, drawing, panel)
    wire_reload(page, panel, root)
    edits = Edits(
        page=page,
        editor=editor,
        root=root,
        screen=screen,
        held=held,
        cells=grid.cells,
        show_cells=grid.showing,
    )
    screen.clock.tick(edits.tell_place, None, screen.status, **QUIET)
    asked = gr.on([buttons.go.click, form.edit_prompt.submit], **_strokes(panel))
    running = [
        _wire(edits.one, "edit", asked, edits, panel),
        *(_wire(edits.one, None, event.success(**_strokes(panel)), edits, panel) for event in nudged),
        _wire(edits.variations, "variations", buttons.vary.click(**_strokes(panel)), edits, panel),
        _wire(edits.grid, "grid", grid.button.click(**_strokes(panel)), edits, panel, grid.gallery),
    ]
    # Who asks again while an edit runs wants the new one.
    asking = (buttons.go, buttons.weaker, buttons.stronger, buttons.vary, grid.button)
    gr.on([*(one.click for one in asking), form.edit_prompt.submit], None, cancels=running)
    buttons.stop.click(
        lambda history, shown: screen.given_up("Stopped.", history, shown),
        inputs=[screen.history, screen.shown],
        outputs=[screen.status, screen.stop, screen.clock, screen.compare],
        cancels=running,
        queue=False,
        api_visibility="private",
    )


def _strokes(panel: Panel) -> dict[str, Any]:
    """Return the event that reads the strokes: once, and before the edit is checked."""
    return {
        "fn": painted,
        "inputs": panel.painter,
        "outputs": panel.form.mask,
        "trigger_mode": "once",
        **QUIET,
    }


def _wire(
    handler: Callable[..., Iterator[Update]],
    name: str | None,
    ready: Any,
    edits: Edits,
    panel: Panel,
    *more: Any,
) -> Any:
    """Connect an edit to the event after which it is checked and waits in line."""
    screen = edits.screen
    ending = [screen.status, screen.stop, screen.clock]
    line = ready.success(edits.line_up, panel.form.inputs, ending, **QUIET)
    edit = line.success(
        handler,
        inputs=[*panel.form.inputs, edits.screen.history, edits.held, edits.cells, edits.screen.shown],
        outputs=[*edits.screen.outputs, edits.held, *((edits.cells, *more) if more else ())],
        validator=check,
        api_name=name and f"page_{name}",  # programs have `api`
        api_visibility="private",
        show_progress="hidden",  # the status line says it; gradio would grey it out while one waits
        trigger_mode="multiple",
        **LANE,
    )
    edit.failure(edits.left_the_line, screen.status, ending, **QUIET)
    return edit


def _form(recommended: Settings, instructions: Sequence[str]) -> tuple[Form, Buttons]:
    """Lay out the left column."""
    photo = Photo(
        label=LABELS["original_image"],
        type="filepath",
        image_mode=None,
        sources=["upload", "clipboard", "webcam"],
        height=320,
    )
    with gr.Accordion(LABELS["mask"], open=False):
        surface = painter("White: may change")
    instruction = gr.Textbox(
        label=LABELS["edit_prompt"], placeholder="make it night", lines=1, max_lines=1, autofocus=True
    )
    with gr.Row():
        go = gr.Button("Edit", variant="primary", min_width=120)
        stop = gr.Button("Stop", variant="stop", interactive=False, min_width=120)
    _chips(instruction, instructions)
    sliders = {
        name: gr.Slider(
            *SLIDERS[name], value=getattr(recommended, name), step=step, label=LABELS[name], info=info
        )
        for name, step, info in (
            ("guidance_scale", 0.1, "Raise it if too little changes."),
            ("image_guidance_scale", 0.05, "Raise it if too much changes."),
        )
    }
    with gr.Row():
        weaker = gr.Button("Weaker", size="sm", min_width=90)
        stronger = gr.Button("Stronger", size="sm", min_width=90)
        vary = gr.Button("Four variations", size="sm", min_width=120)
    with gr.Accordion("Fine-tune", open=False):
        steps = gr.Slider(
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
        roll = gr.Button("🎲 Roll a seed", size="sm")
    form = Form(
        original_image=photo,
        edit_prompt=instruction,
        num_inference_steps=steps,
        seed=seed,
        mask=gr.State(None),
        **sliders,
    )
    return form, Buttons(
        go=go, stop=stop, weaker=weaker, stronger=stronger, vary=vary, roll=roll, painter=surface
    )


def _chips(instruction: Any, instructions: Sequence[str]) -> None:
    """Lay out what the model says it is good at: a click writes it into the field, to be sent or changed."""
    if not instructions:
        return
    chips = gr.Dataset(
        label="This model is good at",
        components=[instruction],
        samples=[[text] for text in instructions],
        type="values",
        samples_per_page=len(instructions),
        elem_id="chips",
    )
    chips.click(lambda chosen: chosen[0], chips, instruction, **QUIET)


def _screen(stop: Any) -> tuple[Screen, Any]:
    """Lay out the right column; return it and its Undo button."""
    compare = Compare(elem_id="compare")
    status = gr.Markdown(BEGIN, elem_id="status", latex_delimiters=[])
    versus = gr.Dropdown(label="Compare with", visible=False)
    with gr.Row():
        use = gr.Button("Use as input", size="sm", interactive=False, min_width=100)
        reuse = gr.Button("Reuse settings", size="sm", interactive=False, min_width=100)
        undo = gr.Button("Undo", elem_id="undo", size="sm", interactive=False, min_width=80)
        download = gr.DownloadButton("Download PNG", size="sm", interactive=False, min_width=100)
    strip = gr.Gallery(
        label="History",
        elem_id="history",
        format="png",
        columns=4,
        fit_columns=False,
        show_label=False,
        object_fit="contain",
        allow_preview=False,
        buttons=[],
        interactive=False,
        visible=False,
    )
    screen = Screen(
        compare=compare,
        status=status,
        download=download,
        stop=stop,
        clock=gr.Timer(1, active=False),
        strip=strip,
        versus=versus,
        actions=(use, reuse),
        history=gr.State(History(), delete_callback=History.discard),
        shown=gr.State(None),
    )
    return screen, undo
