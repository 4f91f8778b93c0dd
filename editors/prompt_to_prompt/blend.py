"""Keep an edit to a part of the picture: where some words are looked at, or where the user painted.

Reference: Hertz et al., "Prompt-to-Prompt Image Editing with Cross Attention Control" (2022, arXiv
2208.01626), "Local Editing".

Laws: it works at any size and aspect; outside the mask the latents are the original's after every blended
step, and the edited picture is the original's pixel for pixel.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import max_pool2d

from editors.model.attention import AttentionSite
from editors.pictures.masks import enlarge, feathered, shrink

_LEVEL = 2  # maps of a quarter of the latents' side: 16x16 of 64x64 in the paper
_FEWEST_CELLS = 8  # on the shorter side; below that a map no longer tells where a thing is


class WordMaps:
    """An observer that sums over an edit's steps where given tokens are looked at.

    It learns the tokens' share of the edited maps by attending to an indicator of them, so no map is ever
    built.

    Attributes:
        level: The resolution it reads, in halvings of the latents.
    """

    def __init__(self, sites: Sequence[AttentionSite], tokens: Tensor, *, size: tuple[int, int]) -> None:
        """Choose what to read.

        Args:
            sites: All attention sites of the network.
            tokens: 1 at each row's tokens of interest, `(B, K)`, one row per row of the network's batch.
            size: The latents' height and width.
        """
        levels = {site.level for site in sites if site.is_cross}
        level = next((n for n in range(_LEVEL, 0, -1) if min(size) / 2**n >= _FEWEST_CELLS), 0)
        # A model without cross-attention there is read at its nearest resolution, the finer of two.
        self.level = min(levels, key=lambda n: (abs(n - level), n))
        self._tokens = tokens
        self._size = size
        self._grid = AttentionSite(name="", is_cross=True, level=self.level).grid(*size)
        self._sum = torch.zeros(len(tokens), self._grid[0] * self._grid[1])

    def wants(self, site: AttentionSite) -> bool:
        """Return whether this site is of interest."""
        return site.is_cross and site.level == self.level

    def indicator(self, key: Tensor) -> Tensor:
        """Return 1 at each row's tokens of interest, as values `(B, heads, K, 1)` beside these keys."""
        return self._tokens.to(key)[:, None, :, None].expand(-1, key.shape[1], -1, -1)

    def add(self, attended: Tensor, site: AttentionSite) -> None:
        """Take how much attention the tokens of interest got at one site, `(B, heads, P, 1)`."""
        self._sum = self._sum.to(attended.device) + attended.float().mean(1).squeeze(-1)

    def state(self) -> tuple[Tensor, ...]:
        """Return the sums so far, which never change under whoever holds them."""
        return (self._sum,)

    def restore(self, state: tuple[Tensor, ...]) -> None:
        """Go on from earlier sums."""
        (self._sum,) = state

    def maps(self) -> Tensor:
        """Return the summed maps, `(B, rows, columns)`, at the resolution that is read."""
        return self._sum.unflatten(1, self._grid)

    def mask(self, threshold: float) -> Tensor:
        """Return where any row's words are looked at, `(h, w)` of bool, of the latents' size.

        A place counts from `threshold` of the row's strongest place on, its neighbours with it.
        """
        grown = max_pool2d(self.maps()[:, None], kernel_size=3, stride=1, padding=1)[:, 0]
        peak = grown.amax((1, 2), keepdim=True)  # zero for rows without words
        found = ((grown >= threshold * peak) & (peak > 0)).any(0)
        cell = 2**self.level
        return enlarge(found, [side * cell for side in self._grid])[: self._size[0], : self._size[1]]


class Blend:
    """Give the edited latents back to the original outside a mask, after every step from `start` on.

    Attributes:
        latent_mask: The mask used last, `(h, w)` of bool; None before the first blended step.
    """

    def __init__(
        self,
        *,
        word_maps: WordMaps | None = None,
        threshold: float = 0.3,
        start: int = 0,
        painted: NDArray[np.uint8] | None = None,
    ) -> None:
        """Set up for one edit.

        Args:
            word_maps: Where words are looked at, or None.
            threshold: Share of the strongest attention from which a place counts.
            start: The first step after which the words' mask is used.
            painted: The user's mask in pixels of the original, `(H, W)` from 0, must stay, to 255, may
                change, or None; with words as well, both must agree.
        """
        self.latent_mask: Tensor | None = None
        self._word_maps = word_maps
        self._threshold = threshold
        self._start = start
        self._painted = painted
        self._touched: Tensor | None = None  # which latents the painted mask touches

    def after_step(self, latents: Tensor, index: int) -> Tensor:
        """Blend `(2, C, h, w)` of the original and the edited row."""
        mask = None
        if self._painted is not None:
            if self._touched is None:
                self._touched = shrink(self._painted, latents.shape[-2:]).to(latents.device)
            mask = self._touched
        if self._word_maps is not None and index >= self._start:
            found = self._word_maps.mask(self._threshold).to(latents.device)
            mask = found if mask is None else mask & found
        if mask is None:
            return latents
        self.latent_mask = mask
        original, edited = latents
        return torch.stack((original, torch.where(mask, edited, original)))

    def share(self, size: tuple[int, int]) -> NDArray[np.uint8] | None:
        """Say how much of each pixel may be the edited picture's, with a soft seam inside the words' mask.

        The decoder looks a little around each latent, so equal latents alone do not make equal pixels: the
        edited picture is laid over the original through this.

        Args:
            size: (height, width) of the pictures, in pixels.

        Returns:
            `(H, W)` from 0, the original's, to 255, the edited; None where everything may change.
        """
        if self.latent_mask is None:
            return None
        cell = math.ceil(size[0] / self.latent_mask.shape[0])
        share = feathered(enlarge(self.latent_mask.cpu(), size), width=cell)
        if self._painted is None:
            return share
        # The user's own edges are kept as they were painted.
        return self._painted if self._word_maps is None else np.minimum(share, self._painted)
