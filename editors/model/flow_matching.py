"""The steps of models that predict a velocity from noise to picture, as the sampling loop takes them.

References: Yaron Lipman, Ricky Chen, Heli Ben-Hamu, Maximilian Nickel, Matt Le, "Flow Matching for Generative
Modeling" (2022, arXiv 2210.02747); for noise levels that depend on the size, Patrick Esser et al., "Scaling
Rectified Flow Transformers for High-Resolution Image Synthesis" (2024, arXiv 2403.03206), §5.3.2.

Law: the noise levels are those of the pipelines of diffusers, and so are the steps between them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

Shift = Callable[[int], float]
"""Number of steps -> μ: how far the noise levels are shifted towards the noise."""


@dataclass(slots=True)
class FlowSteps:
    """A FlowMatchEulerDiscreteScheduler, fresh, for latents of one size.

    Attributes:
        scheduler: Of diffusers.
        shift: For latents of this size.
        has_own_levels: Whether the scheduler spreads its noise levels itself, down to its own lowest.
    """

    scheduler: Any
    shift: Shift
    init_noise_sigma: float = 1.0
    has_own_levels: bool = False

    @property
    def config(self) -> Any:
        """The scheduler's configuration."""
        return self.scheduler.config

    @property
    def timesteps(self) -> Tensor:
        """σ of each step, times the number of training steps."""
        timesteps: Tensor = self.scheduler.timesteps
        return timesteps

    @property
    def sigmas(self) -> Tensor:
        """σ before each step, and after the last, 0."""
        sigmas: Tensor = self.scheduler.sigmas
        return sigmas

    def set_timesteps(self, num_inference_steps: int, device: Any = None) -> None:
        """Choose the steps: σ from 1 to 1/N, shifted towards the noise the more, the larger the picture."""
        told: dict[str, Any] = {"num_inference_steps": num_inference_steps}
        if not self.has_own_levels:
            told = {"sigmas": np.linspace(1.0, 1 / num_inference_steps, num_inference_steps)}
        if self.config.use_dynamic_shifting:
            told["mu"] = self.shift(num_inference_steps)
        self.scheduler.set_timesteps(device=device, **told)

    @property
    def order(self) -> int:
        """Network calls a step."""
        return int(self.scheduler.order)

    def set_begin_index(self, begin_index: int) -> None:
        """Say which step will be the first that is taken."""
        self.scheduler.set_begin_index(begin_index)

    def add_noise(self, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """Return latents, (B, C, h, w), noised to the level of a step: (1 − σ)·x₀ + σ·n."""
        noised: Tensor = self.scheduler.scale_noise(latents, timesteps, noise)
        return noised

    def scale_model_input(self, latents: Tensor, timestep: Tensor) -> Tensor:
        """Return the latents as they are."""
        return latents

    def step(self, output: Tensor, timestep: Tensor, latents: Tensor) -> Any:
        """Take one step: x' = x + (σ' − σ)·v."""
        return self.scheduler.step(output, timestep, latents)


def linear_shift(num_tokens: int, config: Mapping[str, Any], *, max_shift: float) -> Shift:
    """Return a shift that grows with the picture alone.

    Args:
        num_tokens: Places of the picture, as the schedule counts them.
        config: Of the scheduler, which may name its own range.
        max_shift: Of pictures of 4096 places, where it names none.
    """
    few, many = config.get("base_image_seq_len", 256), config.get("max_image_seq_len", 4096)
    low, high = config.get("base_shift", 0.5), config.get("max_shift", max_shift)
    slope = (high - low) / (many - few)
    mu = float(num_tokens * slope + (low - slope * few))
    return lambda num_steps: mu


def empirical_shift(num_tokens: int) -> Shift:
    """Return FLUX.2's shift, which Black Forest Labs fitted to pictures and numbers of steps.

    Args:
        num_tokens: Places of the picture, as the schedule counts them.
    """
    from diffusers.pipelines.flux2.pipeline_flux2_klein import compute_empirical_mu

    return lambda num_steps: float(compute_empirical_mu(image_seq_len=num_tokens, num_steps=num_steps))
