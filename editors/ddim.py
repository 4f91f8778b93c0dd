"""The steps of DDIM, and of flows, as pairs of numbers, which can be taken both ways.

References: Jiaming Song, Chenlin Meng, Stefano Ermon, "Denoising Diffusion Implicit Models" (2020, arXiv
2010.02502), Eq. 12; for flows, which go straight from noise to picture, Xingchao Liu, Chengyue Gong, Qiang
Liu, "Flow Straight and Fast" (2022, arXiv 2209.03003), Eq. 1.
"""

import math
from dataclasses import dataclass
from typing import Any

from torch import Tensor

_LEAST_ALPHA = 1e-4


@dataclass(frozen=True, slots=True)
class Level:
    """One step, x' = a·x + b·o: from the noise level of its timestep to the next, x = signal·x₀ + spread·ε.

    Attributes:
        timestep: What the network is told.
        a: Of the latents x.
        b: Of the network's output o.
        signal: Of the picture, before the step: √ᾱ; of flows 1 − σ.
        spread: Of the noise: √(1 − ᾱ); of flows σ.
        next_signal: Of the picture, after the step.
        next_spread: Of the noise.
        to_clean: (a, b) of the step that goes all the way to the picture.
    """

    timestep: Tensor
    a: float
    b: float
    signal: float
    spread: float
    next_signal: float
    next_spread: float
    to_clean: tuple[float, float]

    def clean(self, latents: Tensor, output: Tensor) -> Tensor:
        """Return the clean latents that the model's output speaks of, x₀ = a₀·x + b₀·o."""
        a, b = self.to_clean
        return a * latents + b * output


def levels(scheduler: Any, num_inference_steps: int, *, stochastic: bool = False) -> list[Level]:
    """Return the steps that a DDIM scheduler takes, or a flow.

    x' = √ᾱ'·x₀ + s·ε, where x₀ and ε follow from x and the output, s² = 1 − ᾱ' (DDIM, Eq. 12 with σ = 0); of
    flows x' = x + (σ' − σ)·v.

    Args:
        scheduler: A `DDIMScheduler`, or `FlowSteps`.
        num_inference_steps: How many steps.
        stochastic: Leave room for the noise of DDPM: s² = 1 − ᾱ' − σ² with σ² = (1−ᾱ')/(1−ᾱ)·(1−ᾱ/ᾱ').
    """
    scheduler.set_timesteps(num_inference_steps)
    if is_flow(scheduler):
        return _flow_levels(scheduler)
    stride = scheduler.config.num_train_timesteps // num_inference_steps
    found = []
    for timestep in scheduler.timesteps:
        after = int(timestep) - stride
        alpha = float(scheduler.alphas_cumprod[int(timestep)])
        next_alpha = float(scheduler.alphas_cumprod[after] if after >= 0 else scheduler.final_alpha_cumprod)
        variance = (1 - next_alpha) / (1 - alpha) * (1 - alpha / next_alpha) if stochastic else 0.0
        direction = math.sqrt(max(0.0, 1 - next_alpha - variance))
        a, b = _coefficients(scheduler.config.prediction_type, alpha, next_alpha, direction)
        to_clean = clean_coefficients(scheduler.config.prediction_type, alpha)
        before, behind = _mixture(alpha), _mixture(next_alpha)
        found.append(Level(timestep, a, b, *before, *behind, to_clean))
    return found


def _flow_levels(scheduler: Any) -> list[Level]:
    sigmas = [float(sigma) for sigma in scheduler.sigmas]
    return [
        Level(timestep, 1.0, after - sigma, 1 - sigma, sigma, 1 - after, after, (1.0, -sigma))
        for timestep, sigma, after in zip(scheduler.timesteps, sigmas[:-1], sigmas[1:], strict=True)
    ]


def _mixture(alpha: float) -> tuple[float, float]:
    """Return how much of picture and noise there is at ᾱ."""
    return math.sqrt(alpha), math.sqrt(1 - alpha)


def clean_coefficients(prediction_type: str, alpha: float) -> tuple[float, float]:
    """Return a and b of x₀ = a·x + b·o: the clean latents that a model's output o at noise level ᾱ speaks of.

    Args:
        prediction_type: What the output is: `epsilon`, `v_prediction` or `sample`.
        alpha: ᾱ; for `epsilon` above 0.
    """
    return _coefficients(prediction_type, alpha, 1.0, 0.0)


def is_flow(scheduler: Any) -> bool:
    """Say whether a scheduler goes straight from noise to picture, by velocities (flow matching)."""
    config = getattr(scheduler, "config", {})
    return not hasattr(scheduler, "alphas_cumprod") and "use_dynamic_shifting" in config


def clean_at(scheduler: Any, timestep: Tensor) -> tuple[float, float]:
    """Return a and b of x₀ = a·x + b·o at a timestep of any scheduler that says how noisy its steps are."""
    if is_flow(scheduler):  # x = (1−σ)·x₀ + σ·n, and o = n − x₀
        return 1.0, -float(timestep) / scheduler.config.num_train_timesteps
    # Schedules of zero terminal SNR end at 0, where x₀ cannot be told from noise.
    alpha = max(float(scheduler.alphas_cumprod[int(timestep)]), _LEAST_ALPHA)
    return clean_coefficients(scheduler.config.prediction_type, alpha)


def _coefficients(prediction_type: str, alpha: float, next_alpha: float, s: float) -> tuple[float, float]:
    signal, spread, aim = math.sqrt(alpha), math.sqrt(1 - alpha), math.sqrt(next_alpha)
    if prediction_type == "v_prediction":  # x₀ = √ᾱ·x − √(1−ᾱ)·v, ε = √ᾱ·v + √(1−ᾱ)·x
        return aim * signal + s * spread, s * signal - aim * spread
    if prediction_type == "sample":  # x₀ = o, ε = (x − √ᾱ·o) / √(1−ᾱ)
        return s / spread, aim - s * signal / spread
    return aim / signal, s - aim * spread / signal  # x₀ = (x − √(1−ᾱ)·ε) / √ᾱ
