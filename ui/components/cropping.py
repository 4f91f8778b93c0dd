"""The panel that crops the picture, to what may change, to a shape, or to both, or extends it.

Law: it is a step, which can be undone; the picture that came is never changed.
"""

import tempfile
from dataclasses import dataclass
from math import ceil, floor
from pathlib import Path
from typing import Any

import gradio as gr

from editors import EditorError
from editors.pictures.framing import Box, framed
from editors.pictures.images import read_picture
from editors.requests.recipe import save_picture
from ui.components.form import refusal
from ui.components.history_panel import Panel, Update
from ui.components.screen import QUIET

AS_IT_IS = "as it is"
SHAPES = {
    AS_IT_IS: None,
    **{
        f"{wide}:{high}": wide / high
        for wide, high in ((1, 1), (4, 3), (3, 2), (16, 9), (3, 4), (2, 3), (9, 16))
    },
}
"""Words for shapes, as width by height."""


@dataclass(frozen=True, slots=True, eq=False)
class Cropping:
    """Components.

    Attributes:
        shape: The shape that is asked for.
        crop: Button.
        caption: What the extended picture shows.
        extend: Button.
    """

    shape: Any
    crop: Any
    caption: Any
    extend: Any


def lay_out_cropping(*, extends: bool) -> Cropping:
    """Lay out the panel, closed.

    Args:
        extends: Whether there is something that can extend a picture.
    """
    with gr.Accordion("Crop or extend" if extends else "Crop", open=False):
        shape = gr.Dropdown(
            list(SHAPES),
            value=AS_IT_IS,
            label="Shape",
            info="Cropped around what is selected or painted; else as much as there is room for.",
        )
        crop = gr.Button("Crop the picture", size="sm", elem_id="crop")
        caption = gr.Textbox(
            label="What the extended picture shows",
            placeholder="may stay empty",
            lines=1,
            max_lines=1,
            visible=extends,
            elem_id="caption",
        )
        extend = gr.Button("Extend the picture", size="sm", elem_id="extend", visible=extends)
    return Cropping(shape, crop, caption, extend)


def wire_cropping(panel: Panel, cropping: Cropping, root: Path) -> None:
    """Connect the button that crops.

    Args:
        panel: Fills the form.
        cropping: The components.
        root: Folder below which sessions keep what they make.
    """
    status, states = panel.screen.status, panel.screen.history

    def crop(*values: Any) -> Update:
        now, wanted = panel.now(values), SHAPES.get(values[-1])
        photo, mask = now.form["original_image"], now.form["mask"]
        if photo is None:
            return {status: "There is no picture yet to be cropped."}
        if mask is None and wanted is None:
            return {status: "Select or paint what is to stay, or choose a shape."}
        try:
            picture = read_picture("original_image", photo).with_alpha()
            keep = None if mask is None else _bright(mask, picture.size)
            cropped = picture.crop(framed(picture.size, keep=keep, shape=wanted))
            read_picture("original_image", cropped)  # refused here, not when it is edited
            history = now.history.opened(root)
            place = Path(tempfile.mkdtemp(dir=history.folder)) / "cropped.png"
            save_picture(cropped, place)
        except EditorError as error:
            return {status: refusal(error)}
        return {
            **panel.screen.cleared(history),  # an earlier result beside it would pass for its own
            **panel.fill(now, {"original_image": str(place)}),
            states: history,
            status: f"Cropped to {cropped.width} × {cropped.height}. Undo brings the picture back.",
        }

    read = cropping.crop.click(**panel.masking.reading())
    beside = [one for one in panel.screen.outputs if one not in panel.outputs]
    read.then(crop, [*panel.inputs, cropping.shape], [*panel.outputs, *beside], **QUIET)


def _bright(mask: Any, size: tuple[int, int]) -> Box | None:
    """Return the box around what may change, in pixels of the picture; None where that is nothing."""
    box = mask.getbbox()
    if box is None:
        return None
    right, down = (whole / side for whole, side in zip(size, mask.size, strict=True))
    left, top, far, low = box
    return floor(left * right), floor(top * down), ceil(far * right), ceil(low * down)
