"""The panel where one paints what may change, and what tells of it while it is closed.

Law: a mask that is active can be seen: its panel says so, and the picture is shown with all that must stay in
shade. What is painted is read when an edit is asked for, and when the panel is closed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr
from PIL import Image, ImageChops, ImageEnhance, ImageFilter

from editors.requests.edits import PictureSource
from ui.components.dial import Dial
from ui.components.form import LABELS
from ui.components.painter import painted, painter, surface
from ui.components.screen import QUIET

LABEL = LABELS["mask"]
ACTIVE = f"{LABEL}: a mask is active"
SHADE = 0.3
"""Brightness of what must stay, in the overlay."""
MOST_FEATHER = 10
"""Percent of the longer side."""
OVERLAY_SIDE = 320
Update = dict[Any, Any]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Masking:
    """Components.

    Attributes:
        panel: What can be closed.
        painter: The painting surface.
        feather: How soft the edge is, in percent of the longer side.
        invert: Whether what is painted must stay, and the rest may change.
        clear: Button.
        overlay: The picture with what must stay in shade, while a mask is active.
        mask: State: the strokes as they were read, at the painter's size.
    """

    panel: Any
    painter: Any
    feather: Any
    invert: Any
    clear: Any
    overlay: Any
    mask: Any

    @property
    def outputs(self) -> list[Any]:
        """All that another picture, or another mask, changes."""
        return [self.painter, self.panel, self.overlay, self.invert, self.feather]

    def filled(self, photo: str | None, mask: PictureSource | None = None) -> Update:
        """Return the updates that show a picture, and the strokes of a mask on it."""
        value = surface(photo, mask)
        # A mask that is brought back is inverted and soft already.
        return {self.painter: value, self.invert: False, self.feather: 0, **self._told(value, painted(value))}

    def read(self, value: Mapping[str, Any] | None, feather: float, invert: bool) -> Update:
        """Return the updates for what is painted."""
        mask = painted(value)
        if mask is not None and invert:
            mask = ImageChops.invert(mask)
        mask = softened(mask, feather)
        return {self.mask: mask, **self._told(value, mask)}

    def cleared(self, value: Mapping[str, Any] | None) -> Update:
        """Take all strokes away."""
        background = (value or {}).get("background")
        shown = None if background is None else {"background": background, "layers": [], "composite": None}
        return {self.painter: shown, self.mask: None, self.invert: False, **self._told(None, None)}

    def _told(self, value: Mapping[str, Any] | None, mask: Image.Image | None) -> Update:
        background = (value or {}).get("background")
        if mask is None or background is None:
            return {self.panel: gr.Accordion(label=LABEL), self.overlay: gr.Image(value=None, visible=False)}
        return {
            self.panel: gr.Accordion(label=ACTIVE),
            self.overlay: gr.Image(value=shaded(background, mask), visible=True),
        }

    def reading(self) -> dict[str, Any]:
        """Return the event that reads the strokes: once, and before an edit is checked."""
        return {
            "fn": self.read,
            "inputs": [self.painter, self.feather, self.invert],
            "outputs": [self.mask, self.panel, self.overlay],
            "trigger_mode": "once",
            **QUIET,
        }

    def wire(self) -> None:
        """Connect the buttons, the feather, and closing the panel."""
        self.clear.click(self.cleared, self.painter, [self.mask, *self.outputs], **QUIET)
        gr.on([self.panel.collapse, self.invert.input, self.feather.release], **self.reading())


def lay_out_masking() -> Masking:
    """Lay out the panel, closed."""
    with gr.Accordion(LABEL, open=False) as panel:
        surface = painter("White: may change")
        with gr.Row():
            invert = gr.Checkbox(label="Invert: what is painted must stay", min_width=200)
            clear = gr.Button("Clear", size="sm", min_width=90)
        feather = Dial(
            0, MOST_FEATHER, value=0, step=0.5, label="Soft edge", info="In percent of the longer side."
        )
    overlay = gr.Image(
        label="Only the bright part may change",
        format="png",
        interactive=False,
        buttons=[],
        height=180,
        visible=False,
        elem_id="mask-overlay",
    )
    return Masking(
        panel=panel,
        painter=surface,
        feather=feather,
        invert=invert,
        clear=clear,
        overlay=overlay,
        mask=gr.State(None),
    )


def softened(mask: Image.Image | None, feather: float) -> Image.Image | None:
    """Return a mask with a soft edge: 0 keeps it, else the blur's radius in percent of the longer side."""
    if mask is None or not isinstance(feather, int | float) or not 0 < feather <= MOST_FEATHER:
        return mask
    return mask.filter(ImageFilter.GaussianBlur(max(mask.size) * feather / 200))


def shaded(picture: Image.Image, mask: Image.Image) -> Image.Image:
    """Return a small copy of a picture with what must stay in shade."""
    small = picture.convert("RGB")
    small.thumbnail((OVERLAY_SIDE, OVERLAY_SIDE))
    return Image.composite(small, ImageEnhance.Brightness(small).enhance(SHADE), mask.resize(small.size))
