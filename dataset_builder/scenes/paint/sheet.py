"""Lay pictures and their words out on one sheet, to be looked at.

Law: a sheet shows the pictures as they are, pixel for pixel times a whole number.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

_GAP, _LINE, _LINES = 4, 11, 3


def _wrapped(
    text: str, width: int, draw: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont | ImageFont.ImageFont
) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and draw.textlength(longer, font=font) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines[:_LINES]


def contact_sheet(
    pictures: Sequence[npt.NDArray[np.uint8]],
    captions: Sequence[str],
    *,
    columns: int = 10,
    enlarge: int = 1,
    lines: int = _LINES,
) -> Image.Image:
    """Lay pictures out in rows, each with its caption below.

    Args:
        pictures: uint8 ``(H, W, 3)``, all of one size.
        captions: One for each picture; long ones are cut after `lines` lines.
        columns: Pictures in a row.
        enlarge: Whole number of sheet pixels for a picture's pixel.
        lines: Lines of caption shown.

    Raises:
        ValueError: There are no pictures, or not one caption for each.
    """
    if not pictures or len(pictures) != len(captions):
        raise ValueError(
            f"need one caption for each picture, got {len(captions)} for {len(pictures)} pictures."
        )
    columns = max(1, min(columns, len(pictures)))
    height, width = (side * enlarge for side in pictures[0].shape[:2])
    cell_w, cell_h = width + _GAP, height + _GAP + _LINE * lines
    rows = -(-len(pictures) // columns)
    page = Image.new("RGB", (columns * cell_w + _GAP, rows * cell_h + _GAP), (255, 255, 255))
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(9)
    for index, (picture, words) in enumerate(zip(pictures, captions, strict=True)):
        x, y = _GAP + index % columns * cell_w, _GAP + index // columns * cell_h
        page.paste(Image.fromarray(picture).resize((width, height), Image.Resampling.NEAREST), (x, y))
        for number, line in enumerate(_wrapped(words, width, draw, font)[:lines]):
            draw.text((x, y + height + number * _LINE), line, fill=(0, 0, 0), font=font)
    return page
