"""Masks between the grid of latents and pixels: made larger, smaller, and soft on their inside."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import adaptive_max_pool2d, avg_pool2d


def enlarge(mask: Tensor, size: Sequence[int]) -> Tensor:
    """Repeat cells until a mask `(h, w)` has `size` (H, W): each pixel takes the cell its corner lies in."""
    rows, columns = (
        torch.div(torch.arange(long, device=mask.device) * short, long, rounding_mode="floor")
        for long, short in zip(size, mask.shape, strict=True)
    )
    return mask[rows][:, columns]


def shrink(painted: NDArray[np.uint8], size: Sequence[int]) -> Tensor:
    """Return which cells of a grid of `size` a painted mask touches, `(H, W)` -> `(h, w)` of bool."""
    return adaptive_max_pool2d(torch.from_numpy(painted.astype(np.float32))[None], tuple(size))[0] > 0


def feathered(mask: Tensor, *, width: int) -> NDArray[np.uint8]:
    """Soften a mask `(H, W)` of bool on its inside, over `width` pixels: 0 outside it, 255 deep in it."""
    window = width | 1  # odd, so that it has a centre
    soft = _sums(mask, window) / _sums(torch.ones_like(mask), window)
    return (torch.where(mask, soft, torch.zeros_like(soft)) * 255).round().to(torch.uint8).numpy()


def _sums(mask: Tensor, window: int) -> Tensor:
    """Return how much of a mask `(H, W)` lies in the window around each place, exactly."""
    sums = mask[None].float()
    # Rows, then columns: over both at once the seam of a photograph of 12 megapixels takes 20 s.
    for sides in ((window, 1), (1, window)):
        around = (sides[0] // 2, sides[1] // 2)
        sums = avg_pool2d(sums, sides, stride=1, padding=around, divisor_override=1)
    return sums[0]
