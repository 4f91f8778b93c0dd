"""The conditioning of a network: states of the prompt, and what larger models read besides.

Reference: Dustin Podell, Zion English, Kyle Lacey, Andreas Blattmann, Tim Dockhorn, Jonas Müller, Joe Penna,
Robin Rombach, "SDXL: Improving Latent Diffusion Models for High-Resolution Image Synthesis" (2023, arXiv
2307.01952), §2.2, for the pooled states and the sizes.

Law: rows stay together. Whoever picks, repeats or joins rows does so to all that belongs to them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Conditioning:
    """One row per prompt.

    Attributes:
        states: The prompts' token states, (B, T, D).
        pooled: The prompts as one vector each, (B, P); None for models that take none.
        time_ids: What the model is told of sizes, (B, 6), in pixels: original height and width, top and left
            of the crop, target height and width; None for models that take none.
    """

    states: Tensor
    pooled: Tensor | None = None
    time_ids: Tensor | None = None

    def __len__(self) -> int:
        return len(self.states)

    @property
    def nbytes(self) -> int:
        """Bytes of the tensors."""
        return sum(part.nbytes for part in (self.states, self.pooled, self.time_ids) if part is not None)

    @classmethod
    def cat(cls, parts: Sequence[Self]) -> Self:
        """Join rows of one model, in order."""
        first = parts[0]
        return cls(
            states=torch.cat([part.states for part in parts]),
            pooled=None if first.pooled is None else torch.cat([_there(part.pooled) for part in parts]),
            time_ids=None if first.time_ids is None else torch.cat([_there(part.time_ids) for part in parts]),
        )

    def rows(self, indices: Sequence[int]) -> Self:
        """Return these rows, in this order; one may come more than once."""
        chosen = list(indices)
        return type(self)(
            states=self.states[chosen],
            pooled=None if self.pooled is None else self.pooled[chosen],
            time_ids=None if self.time_ids is None else self.time_ids[chosen],
        )

    def expand(self, num_rows: int) -> Self:
        """Return a single row, repeated without copying it."""
        return type(self)(
            states=self.states.expand(num_rows, -1, -1),
            pooled=None if self.pooled is None else self.pooled.expand(num_rows, -1),
            time_ids=None if self.time_ids is None else self.time_ids.expand(num_rows, -1),
        )

    def unet_kwargs(self) -> dict[str, Any]:
        """Return the arguments of a UNet2DConditionModel that say all this."""
        if self.pooled is None or self.time_ids is None:
            return {"encoder_hidden_states": self.states}
        added = {"text_embeds": self.pooled, "time_ids": self.time_ids}
        return {"encoder_hidden_states": self.states, "added_cond_kwargs": added}


def _there(tensor: Tensor | None) -> Tensor:
    assert tensor is not None  # rows of one model have all or none
    return tensor
