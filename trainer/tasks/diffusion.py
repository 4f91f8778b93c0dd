"""The base of both diffusion tasks: noising, the target, sampling for the grid.

References: Jonathan Ho, Ajay Jain, Pieter Abbeel, "Denoising Diffusion Probabilistic Models" (2020, arXiv
2006.11239); Tim Salimans, Jonathan Ho, "Progressive Distillation for Fast Sampling of Diffusion Models"
(2022, arXiv 2202.00512) for v-prediction; Tianhong Li, Kaiming He, "Back to Basics: Let Denoising Generative
Models Denoise" (2025, arXiv 2511.13720) for predicting the clean sample; Tiankai Hang et al., "Efficient
Diffusion Training via Min-SNR Weighting Strategy" (2023, arXiv 2303.09556) for the bound on its weight.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from diffusers import DDIMScheduler, DDPMScheduler
from torch import Tensor, nn

from editors.diffusion import Predict, denoise
from editors.diffusion import noise as shared_noise
from editors.model.conditioning import Conditioning
from editors.model.diffusion_model import DiffusionModel
from trainer.data.draws import Rows
from trainer.runs.arithmetic import attention_processor

MAX_SAMPLE_WEIGHT = 20.0
"""Bounds 1/σ²: where hardly any noise is left, telling the last of it apart is not worth the whole step."""


def noise_schedule(prediction_type: str) -> dict[str, Any]:
    """Return Stable Diffusion's schedule, which every scheduler of its family knows.

    A velocity model is trained up to pure noise (Shanchuan Lin et al., "Common Diffusion Noise Schedules
    and Sample Steps are Flawed", 2023, arXiv 2305.08891), or no picture could become much darker or lighter
    than the average one; so is a sample model. A noise model cannot be: at pure noise its target says nothing
    of the picture.
    """
    return {
        "num_train_timesteps": 1000,
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "rescale_betas_zero_snr": prediction_type != "epsilon",
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
    scheduler: Any,
    predicted: Tensor,
    clean: Tensor,
    noise: Tensor,
    timesteps: Tensor,
    *,
    min_snr_gamma: float | None = None,
) -> Tensor:
    """Return the mean squared error of the noise, velocity or sample prediction.

    Velocity and sample tell the same error: ‖v̂ − v‖² = ‖x̂ − x‖² / σ². What differs is what the network has to
    carry through: a small one can say what a picture is, but not every grain of the noise on it.

    Args:
        scheduler: The training scheduler; its prediction type picks the target.
        predicted: By the network, (B, C, h, w).
        clean: Latents, (B, C, h, w).
        noise: Added noise, (B, C, h, w).
        timesteps: (B,).
        min_snr_gamma: γ of min-SNR weighting: errors of the clean picture weigh min(SNR, γ).
    """
    kind = scheduler.config.prediction_type
    if min_snr_gamma is not None:
        target = {"sample": clean, "epsilon": noise}.get(kind)
        if target is None:
            target = scheduler.get_velocity(clean, noise, timesteps)
        weight = min_snr_weight(scheduler.alphas_cumprod.to(clean.device)[timesteps], kind, min_snr_gamma)
        return (weight[:, None, None, None] * (predicted.float() - target).square()).mean()
    if kind == "sample":
        variance = 1 - scheduler.alphas_cumprod.to(clean.device)[timesteps]  # σ², (B,)
        weight = (1 / variance).clamp(max=MAX_SAMPLE_WEIGHT)
        return (weight[:, None, None, None] * (predicted.float() - clean).square()).mean()
    target = scheduler.get_velocity(clean, noise, timesteps) if kind == "v_prediction" else noise
    return F.mse_loss(predicted.float(), target)


def min_snr_weight(alphas_cumprod: Tensor, prediction_type: str, gamma: float) -> Tensor:
    """Return the weight of each row's squared error, Hang et al. (2023), §3.4.

    With SNR = ᾱ/(1 − ᾱ), an error e of the clean sample is an error √SNR·e of the noise and √(SNR + 1)·e of
    the velocity, so min(SNR, γ) is divided by 1, by SNR or by SNR + 1.

    Args:
        alphas_cumprod: ᾱ at each row's timestep, (B,).
        prediction_type: What the squared error is of.
        gamma: The bound γ.
    """
    snr = alphas_cumprod / (1 - alphas_cumprod)
    bounded = snr.clamp(max=gamma)
    return {"sample": bounded, "epsilon": bounded / snr, "v_prediction": bounded / (snr + 1)}[prediction_type]


class Draw(NamedTuple):
    """Random numbers of a batch: timesteps (B,), noise and the posterior's share (B, C, h, w)."""

    timesteps: Tensor
    noise: Tensor
    posterior: Tensor


class DiffusionTask(ABC):
    """A task that trains a latent diffusion model, whatever its conditions; see `tasks.task.Task`.

    Attributes:
        whole: The model; its network is in training, its other parts are frozen.
        model: The network's module.
        scheduler: Adds the noise.
        device: Where it trains.
    """

    model: Any

    def __init__(self, whole: DiffusionModel) -> None:
        self.whole, self.model = whole, whole.network.module
        self.scheduler = training_scheduler(whole.scheduler.config.prediction_type)
        self.device = torch.device("cpu")

    @property
    @abstractmethod
    def most_places(self) -> int:
        """The largest number of places, h·w, of a latent in training."""

    def to(self, device: torch.device) -> None:
        """Move the frozen models."""
        self.device = device
        self.whole.vae.to(device)
        self.whole.text_encoder.to(device)
        self.model.set_attn_processor(attention_processor(device, self.most_places))

    def draw(self, rows: Rows, shape: tuple[int, ...]) -> Draw:
        """Draw what noises latents of a shape, (C, h, w)."""
        timesteps = rows.timesteps(self.scheduler.config.num_train_timesteps)
        return Draw(timesteps, rows.normal("noise", shape), rows.normal("posterior", shape))

    def denoising_loss(
        self,
        model: nn.Module,
        drawn: Draw,
        latents: tuple[Tensor, Tensor],
        text: Tensor,
        *,
        picture: Tensor | None = None,
        min_snr_gamma: float | None = None,
    ) -> Tensor:
        """Noise samples of the posterior, let the model predict, and return the loss.

        Args:
            model: The network, as it is wrapped for training.
            drawn: What `draw` gave.
            latents: Mean and deviation of the posterior, unscaled, (B, C, h, w) each.
            text: States of the prompts, (B, T, D).
            picture: What stands beside the noised latents, (B, C, h, w), for an edit model; all are on
                the device of training.
            min_snr_gamma: As in `diffusion_loss`.
        """
        mean, std = latents
        clean, noise, timesteps = (
            self.whole.scaled(mean + std * drawn.posterior),
            drawn.noise,
            drawn.timesteps,
        )
        predicted = replace(self.whole.network, module=model).predict(
            self.scheduler.add_noise(clean, noise, timesteps),
            timesteps,
            Conditioning(states=text),
            picture=picture,
        )
        return diffusion_loss(self.scheduler, predicted, clean, noise, timesteps, min_snr_gamma=min_snr_gamma)


def denoise_grid(
    model: DiffusionModel, predict: Predict, count: int, shape: tuple[int, ...], steps: int = 20
) -> Tensor:
    """Sample pictures for a grid, always from the same noise.

    Args:
        model: With the network in training.
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
