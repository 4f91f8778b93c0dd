"""What the two diffusion models' training has in common: noising, the target, sampling for the grid.

References: Jonathan Ho, Ajay Jain, Pieter Abbeel, "Denoising Diffusion Probabilistic Models" (2020, arXiv
2006.11239); Tim Salimans, Jonathan Ho, "Progressive Distillation for Fast Sampling of Diffusion Models"
(2022, arXiv 2202.00512) for v-prediction.
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from diffusers import DDIMScheduler, DDPMScheduler
from torch import Tensor

from editors.diffusion import Predict, denoise
from editors.diffusion import noise as shared_noise
from editors.models import DiffusionModel


def noise_schedule(prediction_type: str) -> dict[str, Any]:
    """Return Stable Diffusion's schedule, which every scheduler of its family knows.

    A velocity model is trained up to pure noise (Shanchuan Lin et al., "Common Diffusion Noise Schedules
    and Sample Steps are Flawed", 2023, arXiv 2305.08891), or no picture could become much darker or lighter
    than the average one. A noise model cannot be: at pure noise its target says nothing of the picture.
    """
    return {
        "num_train_timesteps": 1000,
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "rescale_betas_zero_snr": prediction_type == "v_prediction",
    }


def sampling_scheduler(prediction_type: str) -> Any:
    """Return the exported scheduler: trailing spacing starts where training's noise ends."""
    return DDIMScheduler(
        **noise_schedule(prediction_type),
        prediction_type=prediction_type,
        clip_sample=False,
        set_alpha_to_one=True,
        timestep_spacing="trailing",
        steps_offset=1,  # unused by this spacing; pipelines warn about any other value
    )


def training_scheduler(prediction_type: str) -> Any:
    """Return the scheduler that adds noise in training."""
    return DDPMScheduler(
        **noise_schedule(prediction_type), prediction_type=prediction_type, clip_sample=False
    )


def diffusion_loss(
    scheduler: Any, predicted: Tensor, clean: Tensor, noise: Tensor, timesteps: Tensor
) -> Tensor:
    """Return the mean squared error of the noise or velocity prediction.

    Args:
        scheduler: The training scheduler; its prediction type picks the target.
        predicted: By the UNet, (B, C, h, w).
        clean: Latents, (B, C, h, w).
        noise: Added noise, (B, C, h, w).
        timesteps: (B,).
    """
    velocity = scheduler.config.prediction_type == "v_prediction"
    target = scheduler.get_velocity(clean, noise, timesteps) if velocity else noise
    return F.mse_loss(predicted.float(), target)


def denoise_grid(
    model: DiffusionModel, predict: Predict, count: int, shape: tuple[int, ...], steps: int = 20
) -> Tensor:
    """Sample pictures for a grid, always from the same noise.

    Args:
        model: With the UNet in training.
        predict: The guided prediction; see `editors.diffusion.Predict`.
        count: Pictures.
        shape: (C, h, w) of a latent.
        steps: Of the sampler.

    Returns:
        (count, 3, H, W) in [0, 1].
    """
    channels, height, width = shape
    latents, _ = shared_noise(range(count), (channels, height, width), model.device)
    for step in denoise(predict, scheduler=model.new_scheduler(), latents=latents, num_inference_steps=steps):
        latents = step.latents
    return model.decode(latents)
