"""The network under guidance, for some pictures side by side.

Reference: Jonathan Ho, Tim Salimans, "Classifier-Free Diffusion Guidance" (2022, arXiv 2207.12598).

Law: rows that nobody asks for are not evaluated, and every row that is, is counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from editors.guidance import Plain
from editors.model.attention import AttentionControl
from editors.model.conditioning import Conditioning
from editors.model.diffusion_model import DiffusionModel
from editors.prompt_to_prompt.inversion.trajectory import Trajectory


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PromptConditioning:
    """Prompts of one picture, as the network reads them.

    Attributes:
        words: Its prompt, one row.
        empty: The empty prompt, one row.
        unconditional: What stands in for the empty prompt's states, one for all calls or one each, (1 or N,
            T, D), or None.
        pooled: What stands in for it as one vector, (1, P), or None.
    """

    words: Conditioning
    empty: Conditioning
    unconditional: Tensor | None = None
    pooled: Tensor | None = None

    @classmethod
    def on(cls, words: Conditioning, empty: Conditioning, trajectory: Trajectory | None) -> Self:
        """Return what is told of a picture that is drawn from a prompt, or on a photo's way from noise."""
        if trajectory is None:
            return cls(words=words, empty=empty)
        fitted, pooled = trajectory.unconditional, trajectory.pooled
        return cls(words=words, empty=empty, unconditional=fitted, pooled=pooled)


class Guided:
    """The network for some pictures of one size and guidance scale.

    Attributes:
        halves: The halves of a batch, unconditional and conditional, that have a weight.
        num_rows: Network rows evaluated so far, per picture.
    """

    def __init__(
        self,
        model: DiffusionModel,
        conditioning: Sequence[PromptConditioning],
        *,
        halves: tuple[str, ...],
        guidance_scale: float,
    ) -> None:
        """Take what the pictures are of.

        Args:
            model: The model.
            conditioning: What it is given for each picture.
            halves: As in the attribute.
            guidance_scale: Of all pictures.
        """
        self.halves, self.num_rows = halves, [0] * len(conditioning)
        self._network, self._guidance, self._conditioning = model.network, Plain(guidance_scale), conditioning

    def __call__(
        self,
        latents: Tensor,
        timestep: Tensor,
        index: int,
        *,
        pictures: Sequence[int],
        control: AttentionControl,
        halves: tuple[str, ...] | None = None,
    ) -> Tensor:
        """Predict.

        Args:
            latents: As the scheduler scales them, (B, C, h, w), of `pictures`.
            timestep: Of the call.
            index: Of the call.
            pictures: Which of the pictures these are.
            control: Takes part in attention; its rows are the pictures once per half.
            halves: Evaluate these alone, and give the last of them, unguided.

        Returns:
            (B, C, h, w).
        """
        asked = halves or self.halves
        conditioning = Conditioning.cat(
            [self._row(half, picture, index) for half in asked for picture in pictures]
        )
        for picture in pictures:
            self.num_rows[picture] += len(asked)
        rows = torch.cat([latents] * len(asked))
        output = self._network.predict(rows, timestep, conditioning, control=control, step=index)
        parts = dict(zip(asked, output.chunk(len(asked)), strict=True))
        return self._guidance.combine(parts) if halves is None else parts[halves[-1]]

    def _row(self, half: str, picture: int, index: int) -> Conditioning:
        conditioning = self._conditioning[picture]
        if half == "conditional":
            return conditioning.words
        row = conditioning.empty
        if conditioning.unconditional is None:
            return row
        place = min(index, len(conditioning.unconditional) - 1)
        states = conditioning.unconditional[place : place + 1].to(row.states)
        pooled = row.pooled if conditioning.pooled is None else conditioning.pooled.to(row.states)
        return replace(row, states=states, pooled=pooled)
