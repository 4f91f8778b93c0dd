"""The steps of models that predict a velocity from noise to picture, as the sampling loop takes them.

References: Yaron Lipman, Ricky Chen, Heli Ben-Hamu, Maximilian Nickel, Matt Le, "Flow Matching for Generative
Modeling" (2022, arXiv 2210.02747); for noise levels that depend on the size, Patrick Esser et al., "Scaling
Rectified Flow Transformers for High-Resolution Image Synthesis" (2024, arXiv 2403.03206), §5.3.2.

Law: the noise levels are those of the pipelines of diffusers, and so are the steps between them.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

_SHIFT = {
    "base_image_seq_len": 256,
    "max_image_seq_len": 4096,
    "base_shift": 0.5,
    "max_shift": 1.16,
}
"""What schedules say of themselves, and what DreamLite's pipelines take where they do not."""


@dataclass(slots=True)
class FlowSteps:
    """A FlowMatchEulerDiscreteScheduler, fresh, for latents of one size.

    Attributes:
        scheduler: Of diffusers.
        num_tokens: Places of a picture, as its schedule counts them.
    """

    scheduler: Any
    num_tokens: int
    init_noise_sigma: float = 1.0

    @property
    def config(self) -> Any:
        """The scheduler's configuration."""
        return self.scheduler.config

    @property
    def timesteps(self) -> Tensor:
        """σ of each step, times the number of training steps."""
        timesteps: Tensor = self.scheduler.timesteps
        return timesteps

    def set_timesteps(self, num_inference_steps: int, device: Any = None) -> None:
        """Choose the steps: σ from 1 to 1/N, shifted towards the noise the more, the larger the picture."""
        sigmas = np.linspace(1.0, 1 / num_inference_steps, num_inference_steps)
        shift = {"mu": self._mu()} if self.config.use_dynamic_shifting else {}
        self.scheduler.set_timesteps(sigmas=sigmas, device=device, **shift)

    def scale_model_input(self, latents: Tensor, timestep: Tensor) -> Tensor:
        """Return the latents as they are."""
        return latents

    def step(self, output: Tensor, timestep: Tensor, latents: Tensor) -> Any:
        """Take one step: x' = x + (σ' − σ)·v."""
        return self.scheduler.step(output, timestep, latents)

    def _mu(self) -> float:
        few, many, low, high = (float(self.config.get(name, usual)) for name, usual in _SHIFT.items())
        return low + (self.num_tokens - few) * (high - low) / (many - few)
