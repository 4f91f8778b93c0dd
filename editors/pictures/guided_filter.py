"""A filter that lets a map follow the edges of a picture.

Reference: Kaiming He, Jian Sun, Xiaoou Tang, "Guided Image Filtering" (IEEE TPAMI 35(6), 2013), §3.3: the
map is a linear function of the picture's colours within every window, and each place takes its windows' mean.

Law: a map that is one value stays so, whatever the picture.
"""

import numpy as np
from numpy.typing import NDArray

from editors.pictures.local_means import Pixels, mean_around


def guided_filter(guide: Pixels, values: Pixels, *, radius: int, eps: float) -> NDArray[np.float64]:
    """Filter a map along the edges of a picture.

    Args:
        guide: The picture, (H, W, 3) in [0, 1].
        values: The map, (H, W).
        radius: Of the windows, in pixels.
        eps: What differences of colour, squared, count as none.

    Returns:
        The map, (H, W).
    """
    mean, centre = mean_around(guide, radius), mean_around(values, radius)
    covariance = mean_around(guide * values[..., None], radius) - mean * centre[..., None]
    spread = (
        mean_around(guide[..., None] * guide[..., None, :], radius) - mean[..., None] * mean[..., None, :]
    )
    slope = np.linalg.solve(spread + eps * np.eye(3), covariance[..., None])[..., 0]  # Eq. 19
    offset = centre - (slope * mean).sum(-1)  # Eq. 20
    filtered: NDArray[np.float64] = (mean_around(slope, radius) * guide).sum(-1) + mean_around(offset, radius)
    return filtered  # Eq. 21
