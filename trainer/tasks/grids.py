"""Sheets of pictures, for people to look at: what a run draws as it goes on."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

if TYPE_CHECKING:
    from torch import Tensor

COLUMNS: Final = "columns"
"""The text of a PNG file that says what stands above its columns, as JSON."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sheet:
    """Pictures in rows and columns.

    Attributes:
        picture: All of them as one.
        columns: What each column was asked for, from the left; empty where they have nothing in common.
    """

    picture: Image.Image
    columns: tuple[str, ...] = ()

    def to_png(self) -> bytes:
        """Encode it, its words included; equal for equal sheets."""
        words = PngInfo()
        if self.columns:
            words.add_itxt(COLUMNS, json.dumps(self.columns))
        buffer = io.BytesIO()
        self.picture.save(buffer, format="PNG", compress_level=3, pnginfo=words)
        return buffer.getvalue()


def columns_of(picture: Image.Image) -> tuple[str, ...]:
    """Return what stands above the columns of a sheet that was read from its file; nothing if untold."""
    try:
        columns = json.loads(picture.info.get(COLUMNS, "[]"))
    except (TypeError, ValueError):  # another program's text of that name
        return ()
    return (
        tuple(columns) if isinstance(columns, list) and all(isinstance(one, str) for one in columns) else ()
    )


def sheet(rows: list[Tensor], columns: Sequence[str] = ()) -> Sheet:
    """Lay out pictures, one row of a sheet per element.

    Args:
        rows: Each (B, 3, H, W) in [0, 1], all of one size.
        columns: What stands above the columns: B texts, or none.
    """
    lines = [
        np.concatenate(list(row.clamp(0, 1).permute(0, 2, 3, 1).float().cpu().numpy()), axis=1)
        for row in rows
    ]
    picture = Image.fromarray((np.concatenate(lines) * 255).round().astype(np.uint8))
    return Sheet(picture=picture, columns=tuple(columns))
