"""The sampling loop as a generator, and the noise it starts from.

References: Jonathan Ho, Ajay Jain, Pieter Abbeel, "Denoising Diffusion Probabilistic Models" (2020, arXiv
2006.11239); Jiaming Song, Chenlin Meng, Stefano Ermon, "Denoising Diffusion Implicit Models" (2020, arXiv
2010.02502); Tim Salimans, Jonathan Ho, "Progressive Distillation for Fast Sampling of Diffusion Models"
(2022, arXiv 2202.00512) for v-prediction.

Law: a step is data. Whoever wants to show, count or stop iterates; only `after_step` may change the latents.
The loop is that of diffusers' pipelines, so the same weights, noise and scheduler give the same picture.
"""

import inspect
from collections.abc import Callable, Generator, Sequence
from typing import Any

import torch
from torch import Tensor

from editors.ddim import clean_at
from editors.requests.results import Step

Predict = Callable[[Tensor, Tensor, int], Tensor]
"""(latents as the scheduler scales them (B, C, h, w), timestep, index) -> guided model output (B, C, h,
w)."""

AfterStep = Callable[[Tensor, int], Tensor]
"""(latents after the step (B, C, h, w), index) -> the latents to go on with."""


@torch.no_grad()
def denoise(
    predict: Predict,
    *,
    scheduler: Any,
    latents: Tensor,
    num_inference_steps: int,
    generators: Sequence[torch.Generator] | None = None,
    after_step: AfterStep | None = None,
) -> Generator[Step, None, Tensor]:
    """Turn noise into pictures' latents, one yielded step at a time.

    Args:
        predict: The model with its guidance; see `Predict`.
        scheduler: Any of diffusers' schedulers for noise, v or sample prediction, fresh: it keeps state.
        latents: Noise of unit variance, (B, C, h, w); it is scaled here to the scheduler's first noise level.
        num_inference_steps: How many steps to take.
        generators: One per row, on the CPU, for schedulers that draw noise on the way. Generators of equal
            seed give rows equal noise.
        after_step: Changes the latents after each step; see `AfterStep`.

    Yields:
        Each step after it was taken.

    Returns:
        The final latents, (B, C, h, w).
    """
    scheduler.set_timesteps(num_inference_steps, device=latents.device)
    latents = latents * scheduler.init_noise_sigma
    accepted = inspect.signature(scheduler.step).parameters
    options = {"generator": list(generators)} if generators is not None and "generator" in accepted else {}
    timesteps = scheduler.timesteps
    for index, timestep in enumerate(timesteps):
        output = predict(scheduler.scale_model_input(latents, timestep), timestep, index)
        stepped = scheduler.step(output, timestep, latents, **options)
        clean = clean_estimate(scheduler, stepped, output, timestep, latents)
        latents = stepped.prev_sample
        if after_step is not None:
            latents = after_step(latents, index)
        yield Step(
            index=index, num_steps=len(timesteps), timestep=int(timestep), latents=latents, clean=clean
        )
    return latents


def noise(
    seeds: Sequence[int], shape: tuple[int, int, int], device: torch.device
) -> tuple[Tensor, list[torch.Generator]]:
    """Draw one row of noise per seed, the same on every device.

    Args:
        seeds: One per row; equal seeds give equal rows.
        shape: (C, h, w) of a row.
        device: Where the noise is needed; it is drawn on the CPU.

    Returns:
        Noise of unit variance, float32 (B, C, h, w), and the generators, which go on where the noise ended.
    """
    generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
    rows = [torch.randn((1, *shape), generator=generator) for generator in generators]
    return torch.cat(rows).to(device), generators


def clean_estimate(scheduler: Any, stepped: Any, output: Tensor, timestep: Tensor, latents: Tensor) -> Tensor:
    """Say which clean latents a model output speaks of, for previews.

    Schedulers that compute them on the way are believed; for the others (PNDM, DPM-Solver++) the latents at t
    are x = √ᾱ·x₀ + √(1−ᾱ)·ε, solved for x₀ according to what the model predicts.

    Args:
        scheduler: The scheduler of the step.
        stepped: What its `step` returned.
        output: The guided model output, (B, C, h, w).
        timestep: Of the step.
        latents: Before the step, (B, C, h, w).

    Returns:
        The estimate of the clean latents, (B, C, h, w).
    """
    known: Tensor | None = getattr(stepped, "pred_original_sample", None)
    if known is not None:
        return known
    a, b = clean_at(scheduler, timestep)
    return a * latents + b * output
