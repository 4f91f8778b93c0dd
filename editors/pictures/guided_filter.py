"""A filter that lets a map follow the edges of a picture.

Reference: Kaiming He, Jian Sun, Xiaoou Tang, "Guided Image Filtering" (IEEE TPAMI 35(6), 2013), §3.3: the
map is a linear function of the picture's colours within every window, and each place takes its windows' mean.

Law: a map that is one value stays so, whatever the picture.
"""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d


def guided_filter(guide: Tensor, values: Tensor, *, radius: int, eps: float) -> Tensor:
    """Filter a map along the edges of a picture.

    Args:
        guide: The picture, float32 (3, H, W) in [0, 1].
        values: The map, float32 (H, W).
        radius: Of the windows, in pixels.
        eps: What differences of colour, squared, count as none.

    Returns:
        The map, (H, W).
    """
    mean = _means(guide, radius)  # (3, H, W)
    centre = _means(values[None], radius)
    covariance = _means(guide * values, radius) - mean * centre
    products = (guide[:, None] * guide[None]).flatten(0, 1)
    spread = _means(products, radius).unflatten(0, (3, 3)) - mean[:, None] * mean[None]  # (3, 3, H, W)
    matrices = spread.permute(2, 3, 0, 1) + eps * torch.eye(3, device=guide.device)
    slope = torch.linalg.solve(matrices, covariance.permute(1, 2, 0)).permute(2, 0, 1)  # Eq. 19
    offset = centre - (slope * mean).sum(0, keepdim=True)  # Eq. 20
    return ((_means(slope, radius) * guide).sum(0) + _means(offset, radius)[0]).to(values.dtype)  # Eq. 21


def _means(maps: Tensor, radius: int) -> Tensor:
    """Return the mean over each pixel's window, (C, H, W), as much of it as lies in the picture."""
    # Rows, then columns: a window of both at once takes fifty times as long.
    for window, padding in (((2 * radius + 1, 1), (radius, 0)), ((1, 2 * radius + 1), (0, radius))):
        maps = avg_pool2d(maps[None], window, 1, padding, count_include_pad=False)[0]
    return maps
