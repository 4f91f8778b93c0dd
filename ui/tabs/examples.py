"""Something to click for who comes without a picture: the shipped drawing, and what pocket made of it."""

from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from ui.components.history_panel import Panel, Update
from ui.components.screen import QUIET

INSTRUCTIONS = ("make it night", "make it sunset", "an old sepia photograph")
"""What was asked for the panels of the shipped picture, after the first, which is the drawing itself."""


SHOWN_ALONE = "picture => ({__type__: 'update', visible: picture === null})"
"""In the browser: what moves up when they leave must not move a round trip later, below a finger."""


def lay_out_examples(folder: Path) -> tuple[Any, Path]:
    """Lay out the examples; return their gallery, and the file of the drawing they start from.

    Args:
        folder: Where the panels are written.
    """
    with as_file(files("editors") / "pocket" / "example.jpg") as path, Image.open(path) as sheet:
        side = sheet.height
        stride = (sheet.width - side) // len(INSTRUCTIONS)  # a side and the gap between panels
        panels = [
            sheet.crop((index * stride, 0, index * stride + side, side))
            for index in range(len(INSTRUCTIONS) + 1)
        ]
    names = [folder / f"example-{index}.png" for index in range(len(panels))]
    for panel, name in zip(panels, names, strict=True):
        panel.save(name)
    gallery = gr.Gallery(
        value=list(zip(names[1:], INSTRUCTIONS, strict=True)),
        label="Examples to try",
        show_label=False,
        elem_id="examples",
        format="png",
        columns=len(INSTRUCTIONS),
        fit_columns=False,
        height=164,
        object_fit="contain",
        allow_preview=False,
        buttons=[],
        interactive=False,
    )
    return gallery, names[0]


def wire_examples(gallery: Any, drawing: Path, panel: Panel) -> None:
    """Connect a click on an example; they leave when a picture is there, and come back when it goes."""

    def choose(event: gr.SelectData, *values: Any) -> Update:
        chosen = {"original_image": str(drawing), "edit_prompt": INSTRUCTIONS[int(event.index)]}
        return {
            **panel.fill(panel.now(values), chosen),
            panel.screen.status: "Press Edit, or change the words first.",
        }

    gallery.select(choose, panel.inputs, panel.outputs, **QUIET)
    photo = panel.form.original_image
    photo.change(None, photo, gallery, js=SHOWN_ALONE)
