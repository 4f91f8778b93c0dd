"""The two pictures of a pair, from anybody's folder: read, looked at, decoded.

Law: whoever trains on pairs and whoever measures with them takes the same ones; every other is a reason.
"""

from __future__ import annotations

import io
from typing import Final

from PIL import Image

from dataset_builder.pairs.sources import NO_PICTURE, PairRef, Skipped
from editors.errors import EditorError, told_as
from editors.pictures.images import read_picture

UNREADABLE: Final = "picture unreadable"
OTHER_SHAPE: Final = "pictures of different shape"
SHAPE_TOLERANCE: Final = 0.02
"""Rounding to whole pixels, and no more, may tell the aspects of the two pictures apart."""


class UnreadablePicture(EditorError):
    """The bytes are no picture."""


def contents_of(row: PairRef | Skipped) -> tuple[bytes, bytes] | str:
    """Return the bytes of a row's pictures, original and edited, or why there are none."""
    if isinstance(row, Skipped):
        return row.reason
    try:
        return row.original.read(), row.edited.read()
    except OSError:
        return NO_PICTURE


def shape_of(contents: tuple[bytes, bytes] | str) -> tuple[int, int] | str:
    """Return height and width of a pair's original, or why the pair cannot be used."""
    if isinstance(contents, str):
        return contents
    try:
        original, edited = map(decode, contents)
    except EditorError:
        return UNREADABLE
    aspect = original.width * edited.height / (original.height * edited.width)
    return (original.height, original.width) if abs(aspect - 1) <= SHAPE_TOLERANCE else OTHER_SHAPE


def decode(content: bytes) -> Image.Image:
    """Decode a picture file of any kind: upright, RGB, transparent parts on white.

    Raises:
        EditorError: It is no picture, or a damaged one.
    """

    def tell(reason: str) -> UnreadablePicture:
        return UnreadablePicture(f"picture: it cannot be read ({reason}); save it again.")

    with told_as(tell):
        picture = Image.open(io.BytesIO(content))
    return read_picture("picture", picture).on_white()
