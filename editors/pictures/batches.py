"""Batches of pictures as tensors, and back."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def to_tensor(pictures: NDArray[np.uint8]) -> Tensor:
    """Turn pictures, (B, H, W, 3), into what autoencoders read, float32 (B, 3, H, W) in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def to_uint8(pixels: Tensor) -> NDArray[np.uint8]:
    """Turn what autoencoders write, (B, 3, H, W) in [0, 1], into pictures, (B, H, W, 3)."""
    levels = (pixels.clamp(0, 1) * 255).round().to(torch.uint8)
    pictures: NDArray[np.uint8] = levels.permute(0, 2, 3, 1).cpu().numpy()
    return pictures
