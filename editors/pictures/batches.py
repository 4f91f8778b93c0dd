"""Batches of pictures as tensors, and back."""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor


def to_tensor(pictures: NDArray[np.uint8]) -> Tensor:
    """Turn pictures, (B, H, W, 3), into what autoencoders read, float32 (B, 3, H, W) in [-1, 1]."""
    return to_pixels(torch.from_numpy(np.ascontiguousarray(pictures)))


def to_pixels(pictures: Tensor) -> Tensor:
    """Turn pictures on any device, uint8 (B, H, W, 3), into float32 (B, 3, H, W) in [-1, 1]."""
    return pictures.permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def averaged_down(latents: Tensor, side: int) -> Tensor:
    """Average latents, (B, C, h, w), down to about side² places, where they are more."""
    h, w = latents.shape[-2:]
    excess = (h * w) ** 0.5 / side
    if excess <= 1:
        return latents
    return F.interpolate(latents, (max(1, round(h / excess)), max(1, round(w / excess))), mode="area")


def to_array(image: Tensor) -> NDArray[np.float32]:
    """Turn a picture as a tensor on any device, (C, H, W), into an array, float32 (H, W, C)."""
    array: NDArray[np.float32] = image.permute(1, 2, 0).float().cpu().numpy()
    return array


def to_uint8(pixels: Tensor) -> NDArray[np.uint8]:
    """Turn what autoencoders write, (B, 3, H, W) in [0, 1], into pictures, (B, H, W, 3)."""
    levels = (pixels.clamp(0, 1) * 255).round().to(torch.uint8)
    pictures: NDArray[np.uint8] = levels.permute(0, 2, 3, 1).cpu().numpy()
    return pictures


def reduced(pictures: NDArray[np.uint8], side: int) -> NDArray[np.uint8] | None:
    """Average square pictures of a multiple of a side down to that side.

    Args:
        pictures: (B, H, W, 3).
        side: Of the square that is wanted.

    Returns:
        (B, side, side, 3); None where the pictures are of another size.
    """
    times = max(1, pictures.shape[1] // side)
    if pictures.shape[1:] != (times * side, times * side, 3):
        return None
    if times == 1:
        return pictures
    cells = pictures.reshape(-1, side, times, side, times, 3)
    return cells.mean((2, 4)).round().astype(np.uint8)
