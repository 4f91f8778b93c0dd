"""A decoded picture, as all that follows sees it: upright RGB, its opacity kept beside it.

Law: it carries nothing else of its file: no EXIF, no location, no profile. Importing this module imports no
decoder; `editors.pictures.images` reads pictures.
"""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

_WHITE = (255, 255, 255)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Picture:
    """A decoded picture.

    Attributes:
        image: Upright, 8-bit RGB, sRGB; its colours do not depend on `alpha`.
        alpha: Opacity, 8-bit L, of the same size; None for an opaque picture.
        num_frames: Of the file, 2 where only the first can be read; more than one is an animation or a
            document, of which this is the first.
    """

    image: Image.Image
    alpha: Image.Image | None = None
    num_frames: int = 1

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.image.size

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks on the file for people, a sentence each."""
        if self.num_frames == 1:
            return ()
        return ("Of the frames or pages of the file, the first is edited; the others are left out.",)

    def with_alpha(self) -> Image.Image:
        """Return the picture as RGB, or as RGBA where it is not opaque."""
        picture = self.image.copy()
        if self.alpha is not None:
            picture.putalpha(self.alpha)
        return picture

    def on_white(self) -> Image.Image:
        """Return what an eye sees on white paper, RGB: this is what a model is shown."""
        if self.alpha is None:
            return self.image
        paper = Image.new("RGB", self.size, _WHITE)
        paper.paste(self.image, mask=self.alpha)
        return paper
