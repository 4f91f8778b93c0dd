"""The conditioning of a network: states of the prompt, and what larger models read besides.

Reference: Dustin Podell, Zion English, Kyle Lacey, Andreas Blattmann, Tim Dockhorn, Jonas Müller, Joe Penna,
Robin Rombach, "SDXL: Improving Latent Diffusion Models for High-Resolution Image Synthesis" (2023, arXiv
2307.01952), §2.2, for the pooled states and the sizes.

Law: rows stay together. Whoever picks, repeats or joins rows does so to all that belongs to them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import pad

Shown = Sequence[Image.Image]
"""The pictures that a prompt is said of, the one that is edited first; none: it is said of nothing."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Conditioning:
    """One row per prompt.

    Attributes:
        states: The prompts' token states, (B, T, D).
        pooled: The prompts as one vector each, (B, P); None for models that take none.
        time_ids: What the model is told of sizes, (B, N), in pixels. Stable Diffusion XL: original height and
            width, top and left of the crop, target height and width; None for models that take none.
        mask: 1 at states that are there, (B, T), where prompts of one model differ in length; else None.
    """

    states: Tensor
    pooled: Tensor | None = None
    time_ids: Tensor | None = None
    mask: Tensor | None = None

    def __len__(self) -> int:
        return len(self.states)

    @property
    def nbytes(self) -> int:
        """Bytes of the tensors."""
        return sum(part.nbytes for part in self._parts().values())

    @classmethod
    def cat(cls, parts: Sequence[Self]) -> Self:
        """Join rows of one model, in order; shorter prompts are filled up with zeros, as the mask tells."""
        length = max(part.states.shape[1] for part in parts)
        rows = [part._filled(length)._parts() for part in parts]
        return cls(**{name: torch.cat([row[name] for row in rows]) for name in rows[0]})

    def rows(self, indices: Sequence[int]) -> Self:
        """Return these rows, in this order; one may come more than once."""
        chosen = list(indices)
        return type(self)(**{name: part[chosen] for name, part in self._parts().items()})

    def expand(self, num_rows: int) -> Self:
        """Return a single row, repeated without copying it."""
        return type(self)(
            **{name: part.expand(num_rows, *[-1] * (part.ndim - 1)) for name, part in self._parts().items()}
        )

    def unet_kwargs(self) -> dict[str, Any]:
        """Return the arguments of a UNet2DConditionModel that say all this."""
        added = {"text_embeds": self.pooled, "time_ids": self.time_ids}
        told: dict[str, Any] = {"encoder_hidden_states": self.states}
        if self.mask is not None:
            told["encoder_attention_mask"] = self.mask
        if self.time_ids is not None:
            told["added_cond_kwargs"] = {name: part for name, part in added.items() if part is not None}
        return told

    def _parts(self) -> dict[str, Tensor]:
        """Return the tensors that there are, by name; rows of one model have all or none."""
        parts = {"states": self.states, "pooled": self.pooled, "time_ids": self.time_ids, "mask": self.mask}
        return {name: part for name, part in parts.items() if part is not None}

    def _filled(self, length: int) -> Self:
        """Return prompts of a length, (B, length, D), of a model that is told which states are there."""
        more = length - self.states.shape[1]
        if more == 0 or self.mask is None:
            return self
        return replace(self, states=pad(self.states, (0, 0, 0, more)), mask=pad(self.mask, (0, more)))
