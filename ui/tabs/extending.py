"""Extend the picture to a shape: what may lie around it is drawn by the model of the Prompts tab.

Law: it is a step, which can be undone, and stopped while it is under way; the picture itself stays in the
middle of what is drawn, pixel for pixel.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from editors import InvalidEdit, OutpaintEdit
from editors.pictures.framing import widened
from editors.pictures.images import read_picture
from editors.requests.edits import SIDES
from ui.components.cropping import SHAPES, Cropping
from ui.components.form import NO_PICTURE, VALID, verdict
from ui.components.history import History
from ui.components.history_panel import Now, Panel
from ui.components.screen import QUIET
from ui.server.loaded_by_name import LoadedByName
from ui.tabs.runs import Ending, Runs, Update

if TYPE_CHECKING:
    from editors import PromptToPromptEditor, RePaintEditor  # torch: not before a page can be seen

NO_SHAPE = "Choose the shape that it is to have."


@dataclass(frozen=True, slots=True, eq=False)
class Extenders:
    """Gives what extends pictures, by the names of models that draw.

    Attributes:
        drawing: Gives what draws with them.
        model: The one that is asked.
    """

    drawing: "LoadedByName[PromptToPromptEditor]"
    model: str

    def __call__(self, name: str) -> "RePaintEditor":
        """Return an editor on a model; load it if need be."""
        from editors import RePaintEditor

        return RePaintEditor(self.drawing(name).model)

    def is_ready(self, name: str) -> bool:
        """Say whether the model is loaded."""
        return self.drawing.is_ready(name)


@dataclass(frozen=True, slots=True, eq=False)
class Extensions:
    """The button that extends.

    Attributes:
        runs: How it is run.
        panel: Remembers where one was, and fills the form.
        model: Name of the model that draws.
    """

    runs: Runs[OutpaintEdit]
    panel: Panel
    model: str

    def extend(self, *values: Any) -> Iterator[Update]:
        """Extend the picture of the form.

        Args:
            values: Of the picture, of the shape, of the caption, and the panel's.
        """
        photo, shape, caption, *others = values
        now = self.panel.now(tuple(others))

        def begun(history: History) -> Ending:
            request = _request(photo, SHAPES[shape], caption)
            return (yield from self._extended(request, now, history))

        yield from self.runs.guarded(begun, now.history, now.shown)

    def _extended(self, request: OutpaintEdit, now: Now, history: History) -> Ending:
        result = yield from self.runs.watched(self.model, request)
        entry = yield from self.runs.kept(result, history)
        history = history.with_entry(entry)
        yield {
            **self.panel.fill(now, {"original_image": str(entry.edited)}),
            **self.panel.screen.with_new(history),
        }
        width, height = result.edited_image.size
        return f"This is now the picture: {width} × {height}. Undo brings the other one back.", result

    def wire(self, cropping: Cropping) -> Any:
        """Connect the button; return the event that carries it out."""
        panel = self.panel
        beside = [one for one in panel.outputs if one not in self.runs.screen.outputs]
        return self.runs.wire(
            self.extend,
            cropping.extend.click(lambda: None, **QUIET),
            inputs=[panel.form.original_image, cropping.shape, cropping.caption],
            states=panel.inputs,
            outputs=beside,
            name="page_extend",
        )


def check(*values: Any) -> list[dict[str, Any]]:
    """Judge the picture, the shape and the caption; what follows them passes."""
    photo, shape, caption, *others = values
    return [
        gr.validate(photo is not None, NO_PICTURE),
        gr.validate(SHAPES.get(shape) is not None, NO_SHAPE),
        verdict(OutpaintEdit, {**_PICTURE, "left": 1}, "prompt", caption),
        *(gr.validate(True, "") for _ in others),
    ]


_PICTURE = {"original_image": VALID["original_image"]}


def _request(photo: str, shape: float | None, caption: str) -> OutpaintEdit:
    """Return the request for a picture in a file.

    Raises:
        InvalidEdit: The picture cannot be read, has the shape already, or the caption is too long.
    """
    picture = read_picture("original_image", photo)
    margins = widened(picture.size, shape) if shape else (0, 0, 0, 0)
    if not any(margins):
        raise InvalidEdit("", "The picture has that shape already; choose another one.")
    return OutpaintEdit(
        original_image=picture, prompt=caption.strip(), **dict(zip(SIDES, margins, strict=True))
    )
