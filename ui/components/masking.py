"""The panel where one says what may change, and what tells of it while it is closed.

Law: a mask that is active can be seen: its panel says so, and the picture is shown with all that must stay in
shade. What is painted is read when an edit is asked for, and when the panel is closed: it takes a while, as
the browser sends the painter's pictures. What is selected by pointing is known here already; both hold.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr
from PIL import Image, ImageChops, ImageFilter

from editors.requests import rules
from editors.requests.edits import PictureSource
from editors.requests.settings import REACH
from ui.components.dial import Dial
from ui.components.form import LABELS
from ui.components.painter import painted, painter, painting, surface
from ui.components.screen import QUIET
from ui.components.shade import overlay, shaded, small

LABEL = LABELS["mask"]
ACTIVE = f"{LABEL}: a mask is active"
MOST_FEATHER = 10
"""Percent of the longer side."""
Update = dict[Any, Any]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Masking:
    """Components.

    Attributes:
        panel: What can be closed.
        pointer: A small copy of the picture, where a click selects a thing.
        reach: How far from the click the thing is looked for.
        painter: The painting surface.
        feather: How soft the edge is, in percent of the longer side.
        invert: Whether what is painted must stay, and the rest may change.
        clear: Button.
        overlay: The picture with what must stay in shade, while a mask is active.
        strokes: State: what is painted, as it was read last.
        selected: State: the things that were pointed at.
        mask: State: what may change, at the painter's size; None where everything may.
    """

    panel: Any
    pointer: Any
    reach: Any
    painter: Any
    feather: Any
    invert: Any
    clear: Any
    overlay: Any
    strokes: Any
    selected: Any
    mask: Any

    @property
    def outputs(self) -> list[Any]:
        """All that another picture, or another mask, changes."""
        seen = [self.painter, self.panel, self.pointer, self.overlay, self.invert, self.feather]
        return [*seen, self.strokes, self.selected]

    def filled(self, photo: str | None, mask: PictureSource | None = None) -> Update:
        """Return the updates that show a picture, and the strokes of a mask on it."""
        value = surface(photo, mask)
        strokes, background = painted(value), (value or {}).get("background")
        # A mask that is brought back is inverted and soft already.
        return {
            self.painter: value,
            self.invert: False,
            self.feather: 0,
            self.strokes: strokes,
            self.selected: None,
            **self._told(background, strokes),
        }

    def read(
        self, value: Mapping[str, Any] | None, feather: float, invert: bool, selected: Image.Image | None
    ) -> Update:
        """Return the updates for what is painted."""
        return self.chosen((value or {}).get("background"), painted(value), selected, feather, invert)

    def chosen(
        self,
        background: Image.Image | None,
        strokes: Image.Image | None,
        selected: Image.Image | None,
        feather: float,
        invert: bool,
    ) -> Update:
        """Return the updates for what is painted and what is selected."""
        both = [one for one in (strokes, selected) if one is not None]
        mask = ImageChops.lighter(both[0], both[-1]) if both else None
        if mask is not None and invert:
            mask = ImageChops.invert(mask)
        mask = softened(mask, feather)
        return {self.mask: mask, self.strokes: strokes, **self._told(background, mask)}

    def cleared(self, value: Mapping[str, Any] | None) -> Update:
        """Take all strokes away, and what is selected."""
        background = (value or {}).get("background")
        shown = None if background is None else painting(background, None)
        return {
            self.painter: shown,
            self.mask: None,
            self.invert: False,
            self.strokes: None,
            self.selected: None,
            **self._told(background, None),
        }

    def _told(self, background: Image.Image | None, mask: Image.Image | None) -> Update:
        if mask is None or background is None:
            return {
                self.panel: gr.Accordion(label=LABEL),
                self.pointer: background,
                self.overlay: gr.Image(value=None, visible=False),
            }
        return {
            self.panel: gr.Accordion(label=ACTIVE),
            self.pointer: shaded(background, mask),
            self.overlay: gr.Image(value=shaded(small(background), mask), visible=True),
        }

    def reading(self) -> dict[str, Any]:
        """Return the event that reads the strokes: once, and before an edit is checked."""
        return {
            "fn": self.read,
            "inputs": [self.painter, self.feather, self.invert, self.selected],
            "outputs": [self.mask, self.strokes, self.panel, self.pointer, self.overlay],
            "trigger_mode": "once",
            **QUIET,
        }

    def wire(self) -> None:
        """Connect the buttons, the feather, and closing the panel."""
        self.clear.click(self.cleared, self.painter, [self.mask, *self.outputs], **QUIET)
        gr.on([self.panel.collapse, self.invert.input, self.feather.release], **self.reading())


def lay_out_masking(*, points: bool) -> Masking:
    """Lay out the panel, closed.

    Args:
        points: Whether things can be selected by pointing at them.
    """
    with gr.Accordion(LABEL, open=False) as panel:
        pointer = gr.Image(
            label="Click a thing to select it",
            format="webp",
            interactive=False,
            buttons=[],
            height=260,
            visible=points,
            elem_id="pointer",
        )
        reach = Dial(
            *rules.REACH,
            value=REACH,
            step=0.05,
            label="How far it may reach",
            info="Of the longer side, from where you click.",
            visible=points,
        )
        surface = painter("White: may change")
        with gr.Row():
            invert = gr.Checkbox(label="Invert: what is painted must stay", min_width=200)
            clear = gr.Button("Clear", size="sm", min_width=90)
        feather = Dial(
            0, MOST_FEATHER, value=0, step=0.5, label="Soft edge", info="In percent of the longer side."
        )
    bright = overlay("Only the bright part may change", "mask-overlay")
    return Masking(
        panel=panel,
        pointer=pointer,
        reach=reach,
        painter=surface,
        feather=feather,
        invert=invert,
        clear=clear,
        overlay=bright,
        strokes=gr.State(None),
        selected=gr.State(None),
        mask=gr.State(None),
    )


def softened(mask: Image.Image | None, feather: float) -> Image.Image | None:
    """Return a mask with a soft edge: 0 keeps it, else the blur's radius in percent of the longer side."""
    if mask is None or not isinstance(feather, int | float) or not 0 < feather <= MOST_FEATHER:
        return mask
    return mask.filter(ImageFilter.GaussianBlur(max(mask.size) * feather / 200))
