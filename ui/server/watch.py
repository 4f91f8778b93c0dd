"""Watch an edit: what to say and show after each step, and the result at the end.

Law: closing the watcher closes the edit, so that Stop, a closed tab or an error ends it within one step, or
within `WORDS_SECONDS` where steps are faster than that.
"""

import time
from collections.abc import Generator
from typing import NamedTuple

from PIL import Image

from editors import EditResult
from editors.pictures.images import read_picture
from editors.requests.edits import Edit, OutpaintEdit
from editors.requests.picture import Picture
from editors.requests.results import Editor, EditT

PREVIEW_SIDE = 512
"""Longest side, in pixels, of what is shown while an edit runs; the result is shown at the photo's size."""
PREVIEW_SECONDS = 0.3
"""Least time before a preview, after the start or another: often, they would cost more than the edit."""

WORDS_SECONDS = 0.25
"""Least time between two frames: for a browser beside the edit, each is as much work as a step of pocket."""


class Frame(NamedTuple):
    """What there is to see after a step: words, and now and then (before, after) pictures."""

    words: str
    pictures: tuple[Image.Image, Image.Image] | None


def watched(editor: Editor[EditT], request: EditT) -> Generator[Frame, None, EditResult]:
    """Carry out an edit.

    Args:
        editor: What carries it out.
        request: One whose picture, if it has one, is decoded.

    Yields:
        A frame per step that takes its time; where they are fast, not for each.

    Returns:
        The result.

    Raises:
        EditorError: As the editor does.
    """
    before = None
    # A preview of more than the picture has no place beside it.
    if isinstance(request.original_image, Picture) and not isinstance(request, OutpaintEdit):
        before = request.original_image.with_alpha()
        before.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    mask = _small_mask(request, before)
    stream = editor.stream(request)
    began = shown_at = time.monotonic()
    told_at = 0.0
    try:
        while True:
            try:
                step = next(stream)
            except StopIteration as end:
                result: EditResult = end.value
                return result
            now, done = time.monotonic(), step.index + 1
            last = done == step.num_steps
            if now - told_at < WORDS_SECONDS and not last:
                continue
            told_at, pictures = now, None
            if now - shown_at >= PREVIEW_SECONDS:
                pictures = _beside(before, step.preview(), mask)
                shown_at = time.monotonic()
            left = (now - began) / done * (step.num_steps - done)
            so_far = f"Step {done} of {step.num_steps}, "
            yield Frame(
                so_far + ("putting it into your picture ..." if last else f"{duration(left)} left"), pictures
            )
    finally:
        stream.close()


def _beside(
    before: Image.Image | None, preview: Image.Image, mask: Image.Image | None
) -> tuple[Image.Image, Image.Image]:
    """Return a preview beside its original, or beside itself where that is only being drawn."""
    if before is None:
        return preview, preview
    after = preview.convert(before.mode).resize(before.size, Image.Resampling.BICUBIC)
    return before, after if mask is None else Image.composite(after, before, mask)


def _small_mask(request: Edit, before: Image.Image | None) -> Image.Image | None:
    """Return the mask of a request at the size of its previews; None where everything may change."""
    if isinstance(request, OutpaintEdit) or request.mask is None or before is None:
        return None
    mask = read_picture("mask", request.mask)
    return (mask.alpha or mask.image.convert("L")).resize(before.size)


def duration(seconds: float) -> str:
    """Write a time as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
