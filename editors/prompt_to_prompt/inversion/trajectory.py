"""A picture's way from noise, and the scheduler that goes it again."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from editors.ddim import Level, levels
from editors.requests.edits import Inversion


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Trajectory:
    """A picture's way from noise, as a method found it.

    Attributes:
        method: Which method.
        latents: From the noise to the picture, float32 (N + 1, C, h, w).
        unconditional: What stands in for the empty prompt's states, one for all steps or one each, (1 or N,
            T, D), or None.
        pooled: What stands in for the empty prompt as one vector, (1, P), for models that are told one.
        residuals: What the step at each level adds to its mean, float32 (N, C, h, w), or None.
        num_unet_rows: What it cost.
    """

    method: Inversion
    latents: Tensor
    unconditional: Tensor | None = None
    pooled: Tensor | None = None
    residuals: Tensor | None = None
    num_unet_rows: int = 0

    @property
    def is_noted(self) -> bool:
        """Whether residuals lead along it, under any prompt; else the prompt itself does, more or less."""
        return self.residuals is not None

    @property
    def nbytes(self) -> int:
        """Bytes of the tensors."""
        tensors = (self.latents, self.unconditional, self.pooled, self.residuals)
        return sum(tensor.nbytes for tensor in tensors if tensor is not None)


class ResidualSteps:
    """A scheduler that adds what was noted of a noised picture: x' = a·x + b·o + residual."""

    init_noise_sigma = 1.0

    def __init__(self, scheduler: Any, residuals: Sequence[Tensor], *, stochastic: bool) -> None:
        """Take a scheduler, per row of the batch its residuals, (N, C, h, w), and the kind of steps."""
        self.config, self._scheduler, self._stochastic = scheduler.config, scheduler, stochastic
        self._residuals = torch.stack(list(residuals), dim=1)  # (N, B, C, h, w)
        self.timesteps: Tensor = torch.empty(0)
        self._levels: dict[float, tuple[int, Level]] = {}

    def set_timesteps(self, num_inference_steps: int, device: Any = None) -> None:
        """Choose the steps."""
        found = levels(self._scheduler, num_inference_steps, stochastic=self._stochastic)
        self.timesteps = self._scheduler.timesteps.to(device)
        self._levels = {float(level.timestep): (index, level) for index, level in enumerate(found)}

    def scale_model_input(self, latents: Tensor, timestep: Tensor) -> Tensor:
        """Return the latents as they are."""
        return latents

    def step(self, output: Tensor, timestep: Tensor, latents: Tensor) -> SimpleNamespace:
        """Take one step of all rows."""
        index, level = self._levels[float(timestep)]
        stepped = level.a * latents + level.b * output + self._residuals[index]
        return SimpleNamespace(prev_sample=stepped)

    @property
    def alphas_cumprod(self) -> Tensor:
        """ᾱ of every training timestep."""
        alphas: Tensor = self._scheduler.alphas_cumprod
        return alphas
