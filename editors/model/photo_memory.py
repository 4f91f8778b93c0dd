"""What the autoencoder makes of a photo, computed once for all edits of it.

Law: what is remembered is, bit for bit, what would be computed again: a photo goes through the autoencoder
alone, for what else is in a batch may change the last bits of a result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from editors.model.diffusion_model import DiffusionModel
from editors.model.photo import Photo, encode
from editors.pictures.batches import to_array

REMEMBERED: Final = 4
"""Photos, as many as go through the network together: about four megabytes each at 512 pixels."""


@dataclass
class _Seen:
    """One photo: its unscaled latents, (C, h, w), and how it is redrawn, (H, W, 3), once somebody asked."""

    latents: Tensor
    redrawn: NDArray[np.float32] | None = None


class PhotoMemory:
    """The photos that a model was last shown."""

    def __init__(self, model: DiffusionModel) -> None:
        """Remember nothing yet."""
        self._model = model
        self._seen: dict[str, _Seen] = {}

    def latents(self, photos: Sequence[Photo]) -> Tensor:
        """Return the latents of photos of one size, as the posterior gives them, float32 (B, C, h, w)."""
        return torch.stack([self._of(photo).latents for photo in photos])

    def redrawn(self, photo: Photo, latents: Tensor) -> NDArray[np.float32]:
        """Return a photo as the autoencoder redraws it, float32 (H, W, 3) in [0, 1], not to be written to.

        Args:
            photo: The photo.
            latents: Its own, (C, h, w): where many were seen since, it may be forgotten.
        """
        seen = self._seen.get(photo.digest) or _Seen(latents)
        if seen.redrawn is None:
            seen.redrawn = to_array(self._model.decode_unscaled(latents[None])[0])
            seen.redrawn.flags.writeable = False
        return seen.redrawn

    def _of(self, photo: Photo) -> _Seen:
        seen = self._seen.get(photo.digest)
        if seen is None:
            seen = _Seen(encode([photo], self._model)[0])
        others = [(digest, one) for digest, one in self._seen.items() if digest != photo.digest]
        # A new dictionary each time: edits that run side by side may come here together.
        self._seen = dict([*others[1 - REMEMBERED :], (photo.digest, seen)])
        return seen
