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
    soft = avg_pool2d(mask[None].float(), window, stride=1, padding=window // 2, count_include_pad=False)[0]
    return (torch.where(mask, soft, torch.zeros_like(soft)) * 255).round().to(torch.uint8).numpy()
