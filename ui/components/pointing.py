"""Select a thing by pointing at it: a click on a small copy of the picture adds it to what may change.

Law: a click on what is selected takes the thing there away again; what was painted by hand stays.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from editors import EditorError
from ui.components.form import refusal
from ui.components.masking import Masking
from ui.components.painter import surface
from ui.components.screen import QUIET
from ui.server.edit_thread import DEVICE_QUEUE, EditThread
from ui.server.loaded_by_name import LoadedByName

if TYPE_CHECKING:
    from editors.model.things import Things  # torch: not before a page can be seen

Update = dict[Any, Any]
MOST_LOOKED_AT = 4
"""Pictures of which is kept how a network tells their things apart."""


@dataclass(frozen=True, slots=True, eq=False)
class Pointing:
    """Finds the thing at a place of a picture.

    Attributes:
        look: Looks at the picture in a file.
        edit_thread: Where that is done.
    """

    look: "LoadedByName[Things]"
    edit_thread: EditThread

    @classmethod
    def by(cls, look: "Callable[[str], Things]", edit_thread: EditThread) -> "Pointing":
        """Return what finds things as something sees them; a few pictures that were looked at are kept."""
        return cls(LoadedByName(look, room=MOST_LOOKED_AT), edit_thread)

    def at(self, photo: str, place: tuple[float, float], reach: float) -> NDArray[np.uint8]:
        """Return the thing at a place, which is told in shares of the picture's sides.

        Raises:
            EditorError: The picture cannot be read, or looked at.
        """
        things = self.edit_thread.run(self.look, photo)
        width, height = things.size
        return self.edit_thread.run(things.at, place[0] * (width - 1), place[1] * (height - 1), reach=reach)


def wire_pointing(masking: Masking, pointing: Pointing, photo: Any, status: Any) -> None:
    """Connect clicks on the copy of the picture."""

    def point(
        path: str | None,
        selected: Image.Image | None,
        strokes: Image.Image | None,
        feather: float,
        invert: bool,
        reach: float,
        event: gr.SelectData,
    ) -> Iterator[Update]:
        background = (surface(path) or {}).get("background")
        if path is None or background is None:
            return
        # A click on the very edge may be told as the pixel behind the last.
        pixel = tuple(min(int(at), side - 1) for at, side in zip(event.index, background.size, strict=True))
        yield {status: "Looking at the picture ..."}
        try:
            place = tuple((at + 0.5) / side for at, side in zip(pixel, background.size, strict=True))
            found = Image.fromarray(pointing.at(path, place, reach)).resize(background.size)
        except EditorError as error:
            yield {status: refusal(error)}
            return
        things = _with(selected, found, pixel)
        is_in = things is not None and things.getpixel(pixel)
        yield {
            masking.selected: things,
            **masking.chosen(background, strokes, things, feather, invert),
            status: "Selected: what is bright may change." if is_in else "No longer selected.",
        }

    masking.pointer.select(
        point,
        [photo, masking.selected, masking.strokes, masking.feather, masking.invert, masking.reach],
        [masking.mask, *masking.outputs, status],
        trigger_mode="once",
        **{**QUIET, "queue": True, **DEVICE_QUEUE},
    )


def _with(selected: Image.Image | None, found: Image.Image, place: tuple[int, int]) -> Image.Image | None:
    """Return what is selected with a thing, or without it where the place was in it; None for nothing."""
    if selected is None:
        return found
    if not selected.getpixel(place):
        return ImageChops.lighter(selected, found)
    left = ImageChops.subtract(selected, found)
    return left if left.getbbox() else None
