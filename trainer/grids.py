"""Sheets of pictures, for people to look at."""

from __future__ import annotations

import numpy as np
from PIL import Image
from torch import Tensor


def sheet(rows: list[Tensor]) -> Image.Image:
    """Lay out pictures, one row of a sheet per element.

    Args:
        rows: Each (B, 3, H, W) in [0, 1], all of one size.
    """
    lines = [
        np.concatenate(list(row.clamp(0, 1).permute(0, 2, 3, 1).float().cpu().numpy()), axis=1)
        for row in rows
    ]
    return Image.fromarray((np.concatenate(lines) * 255).round().astype(np.uint8))
