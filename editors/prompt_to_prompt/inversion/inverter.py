"""The tool of every inversion: one picture, its prompt, and the network that is asked about both."""

from collections.abc import Generator
from typing import Any

import torch
from torch import Tensor

from editors.ddim import Level, levels
from editors.guidance import Plain
from editors.model.conditioning import Conditioning
from editors.model.diffusion_model import DiffusionModel
from editors.requests.results import Step


class Inverter:
    """One picture to invert; counts the network rows that are evaluated.

    Attributes:
        model: The model, whose scheduler is DDIM's or a flow's.
        start: Latents of the picture, float32 (C, h, w).
        num_steps: N, that of the edit.
        scale: The edit's guidance scale.
        seed: Of what a method draws.
        words: What the network is told of the prompt, one row.
        empty: And of the empty one.
        num_rows: Rows evaluated so far.
    """

    def __init__(
        self,
        model: DiffusionModel,
        latents: Tensor,
        prompt: str,
        *,
        num_inference_steps: int,
        guidance_scale: float,
        seed: int,
    ) -> None:
        """Prepare.

        Args:
            model: The model, whose scheduler is DDIM's or a flow's.
            latents: Of the picture, float32 (C, h, w).
            prompt: What can be seen on it.
            num_inference_steps: N, that of the edit.
            guidance_scale: That of the edit: some methods fit themselves to it.
            seed: Of the noise that a method draws.
        """
        self.num_rows = 0
        self.model, self.start, self.num_steps, self.seed = model, latents, num_inference_steps, seed
        self.scale = guidance_scale
        size = (latents.shape[1] * model.vae_scale_factor, latents.shape[2] * model.vae_scale_factor)
        self.words, self.empty = model.condition([prompt], size=size), model.unconditional(size=size)

    def scheduler(self) -> Any:
        """Return a fresh scheduler for latents of this size."""
        return self.model.new_scheduler((self.start.shape[1], self.start.shape[2]))

    def retrace(self, num_steps: int | None = None) -> Generator[Step, None, Tensor]:
        """Retrace DDIM's steps under the prompt, without guidance, which keeps the error small.

        Args:
            num_steps: How many steps to tell of, where others follow; None: these.

        Returns:
            From the noise to the picture, (N + 1, C, h, w).
        """
        latents, path = self.start[None], [self.start]
        for index, level in enumerate(reversed(levels(self.scheduler(), self.num_steps))):
            output = self.evaluate(latents, level, self.words)
            latents = (latents - level.b * output) / level.a
            path.append(latents[0])
            yield self.step(index, num_steps or self.num_steps, level, latents)
        return torch.stack(path[::-1])

    def guided(self, latents: Tensor, level: Level) -> Tensor:
        """Predict under guidance, in one call as the edit will: then even the rounding is the same."""
        guidance = Plain(self.scale)
        conditioning = {"unconditional": self.empty, "conditional": self.words}
        rows = Conditioning.cat([conditioning[name] for name in guidance.conditions])
        output = self.evaluate(torch.cat([latents] * len(rows)), level, rows)
        return guidance.combine(dict(zip(guidance.conditions, output.chunk(len(rows)), strict=True)))

    def evaluate(self, latents: Tensor, level: Level, conditioning: Conditioning) -> Tensor:
        """Ask the network about latents, (B, C, h, w), at a level."""
        self.num_rows += len(latents)
        return self.model.network.predict(latents, level.timestep.to(latents.device), conditioning)

    def step(self, index: int, num_steps: int, level: Level, latents: Tensor) -> Step:
        """Return a level that was reached, to be told."""
        return Step(
            index=index,
            num_steps=num_steps,
            timestep=int(level.timestep),
            latents=latents,
            clean=self.start[None],
        )
