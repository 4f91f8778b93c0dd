"""A small convolutional tower: what the judge and the scorer look at pictures with.

Residual blocks (Kaiming He et al., "Identity Mappings in Deep Residual Networks", 2016, arXiv:1603.05027)
with group normalisation (Yuxin Wu, Kaiming He, "Group Normalization", 2018, arXiv:1803.08494), so that no
picture's features depend on the others in its batch.

Law: a picture's features are the same in any batch.
"""

from __future__ import annotations

import itertools
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_GROUP: Final = 16
_GRID: Final = 4


class Tower(nn.Module):
    """Pictures to a feature map, and a summary of every scale.

    Args:
        widths: Channels at 1/2, 1/4, 1/8, ... of the picture's side; multiples of 16.
        blocks: Residual blocks at each of these.
    """

    def __init__(self, widths: tuple[int, ...], blocks: tuple[int, ...]) -> None:
        super().__init__()
        self.steps = nn.ModuleList(
            nn.Conv2d(before, after, 3, stride=2, padding=1)
            for before, after in itertools.pairwise((3, *widths))
        )
        self.stages = nn.ModuleList(
            nn.Sequential(*(_Block(width) for _ in range(count)))
            for width, count in zip(widths, blocks, strict=True)
        )
        self.norms = nn.ModuleList(_norm(width) for width in widths)
        self.factor = 2 ** len(widths)
        self.width, self.summary_width = widths[-1], sum(widths)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Look at pictures.

        Args:
            pixels: (B, 3, H, W) in [-1, 1], sides that are multiples of `factor`.

        Returns:
            The feature map, (B, width, H/factor, W/factor), and the mean features of all scales,
            (B, summary_width).
        """
        # Convolutions of few channels run twice as fast on a CPU with the channels last.
        features = pixels.contiguous(memory_format=torch.channels_last)
        means = []
        for step, stage, norm in zip(self.steps, self.stages, self.norms, strict=True):
            features = F.silu(norm(stage(step(features))))
            means.append(features.mean((2, 3)))
        return features, torch.cat(means, dim=1)


class Pool(nn.Module):
    """A feature map as one vector: how much there is of each thing, its strongest sign, and a coarse layout.

    Args:
        width: Channels of the feature map.
        mixed: Channels of the mean and of the maximum.
        cell: Channels of a cell of the layout, which has 4 × 4.
    """

    def __init__(self, width: int, *, mixed: int = 256, cell: int = 32) -> None:
        super().__init__()
        self.mix, self.cell = nn.Conv2d(width, mixed, 1), nn.Conv2d(width, cell, 1)
        self.pooled_width = 2 * mixed + cell * _GRID**2

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, pooled_width) of a feature map (B, C, h, w)."""
        mixed = F.silu(self.mix(features))
        layout = F.adaptive_avg_pool2d(self.cell(features), _GRID).flatten(1)
        return torch.cat([mixed.mean((2, 3)), mixed.amax((2, 3)), layout], dim=1)


class _Block(nn.Module):
    """x + conv(silu(norm(conv(silu(norm(x)))))), the identity at first."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = _norm(width), _norm(width)
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)

    def forward(self, features: Tensor) -> Tensor:
        inner = self.conv1(F.silu(self.norm1(features)))
        inner = self.conv2(F.silu(self.norm2(inner)))
        return features + inner


def _norm(width: int) -> nn.GroupNorm:
    return nn.GroupNorm(width // _GROUP, width)
