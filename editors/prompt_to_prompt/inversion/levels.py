"""The steps of DDIM as pairs of numbers, which can be taken both ways.

Reference: Jiaming Song, Chenlin Meng, Stefano Ermon, "Denoising Diffusion Implicit Models" (2020, arXiv
2010.02502), Eq. 12.
"""

import math
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from editors.errors import InvalidEdit


@dataclass(frozen=True, slots=True)
class Level:
    """One step of DDIM, x' = a·x + b·o: from the noise level of its timestep to the next."""

    timestep: Tensor
    a: float
    b: float


def levels(scheduler: Any, num_inference_steps: int, *, stochastic: bool = False) -> list[Level]:
    """Return the steps that a DDIM scheduler takes.

    x' = √ᾱ'·x₀ + s·ε, where x₀ and ε follow from x and the output, s² = 1 − ᾱ' (DDIM, Eq. 12 with σ = 0).

    Args:
        scheduler: A `DDIMScheduler`.
        num_inference_steps: How many steps.
        stochastic: Leave room for the noise of DDPM: s² = 1 − ᾱ' − σ² with σ² = (1−ᾱ')/(1−ᾱ)·(1−ᾱ/ᾱ').
    """
    scheduler.set_timesteps(num_inference_steps)
    stride = scheduler.config.num_train_timesteps // num_inference_steps
    found = []
    for timestep in scheduler.timesteps:
        after = int(timestep) - stride
        alpha = float(scheduler.alphas_cumprod[int(timestep)])
        next_alpha = float(scheduler.alphas_cumprod[after] if after >= 0 else scheduler.final_alpha_cumprod)
        variance = (1 - next_alpha) / (1 - alpha) * (1 - alpha / next_alpha) if stochastic else 0.0
        direction = math.sqrt(max(0.0, 1 - next_alpha - variance))
        a, b = _coefficients(scheduler.config.prediction_type, alpha, next_alpha, direction)
        found.append(Level(timestep, a, b))
    return found


def _coefficients(prediction_type: str, alpha: float, next_alpha: float, s: float) -> tuple[float, float]:
    signal, spread, aim = math.sqrt(alpha), math.sqrt(1 - alpha), math.sqrt(next_alpha)
    if prediction_type == "v_prediction":  # x₀ = √ᾱ·x − √(1−ᾱ)·v, ε = √ᾱ·v + √(1−ᾱ)·x
        return aim * signal + s * spread, s * signal - aim * spread
    if prediction_type == "sample":  # x₀ = o, ε = (x − √ᾱ·o) / √(1−ᾱ)
        return s / spread, aim - s * signal / spread
    return aim / signal, s - aim * spread / signal  # x₀ = (x − √(1−ᾱ)·ε) / √ᾱ


def require_invertible(scheduler: Any, method: str) -> None:
    """Require a scheduler whose steps can be retraced.

    Raises:
        InvalidEdit: It is not DDIM's, or it clips what it estimates.
    """
    kind = type(scheduler).__name__
    if kind != "DDIMScheduler":
        raise InvalidEdit(
            "inversion",
            f"{method!r} retraces DDIM's steps and this model samples with {kind}; "
            'load it with scheduler="ddim".',
        )
    if scheduler.config.clip_sample or scheduler.config.thresholding:
        raise InvalidEdit(
            "inversion",
            f"{method!r} cannot retrace steps that clip their estimate; set clip_sample and "
            "thresholding of the model's scheduler to false.",
        )
