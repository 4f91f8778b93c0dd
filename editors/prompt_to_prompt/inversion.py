"""Find the noise that a model would have drawn a given picture from, so that the picture can be edited.

References:
    `ddim`: Jiaming Song, Chenlin Meng, Stefano Ermon, "Denoising Diffusion Implicit Models" (2020, arXiv
        2010.02502), §4.3.
    `null_text`: Ron Mokady, Amir Hertz, Kfir Aberman, Yael Pritch, Daniel Cohen-Or, "Null-text Inversion for
        Editing Real Images using Guided Diffusion Models" (2022, arXiv 2211.09794).
    `negative_prompt`: Daiki Miyake, Akihiro Iohara, Yu Saito, Toshiyuki Tanaka, "Negative-prompt Inversion"
        (2023, arXiv 2305.16807).
    `direct`: Xuan Ju, Ailing Zeng, Yuxuan Bian, Shaoteng Liu, Qiang Xu, "Direct Inversion" (2023, arXiv
        2310.01506): the original's row is held on the inverted path, the edit's row goes free.
    `edit_friendly`: Inbar Huberman-Spiegelglas, Vladimir Kulikov, Tomer Michaeli, "An Edit Friendly DDPM
        Noise Space" (2023, arXiv 2304.06140).

A step of DDIM is x' = a·x + b·o for whatever the model's output o means (noise, v or the clean latents), so
one pair (a, b) per step serves all of them, zero-terminal-SNR schedules too; inverted, x = (x' − b·o) / a
with o taken at x'.

Laws: every method ends at the picture's latents; the model's weights and their gradients are never touched.
"""

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from editors.diffusion import noise
from editors.errors import InvalidEdit
from editors.guidance import cfg
from editors.model.conditioning import Conditioning
from editors.model.diffusion_model import DiffusionModel
from editors.requests.edits import Inversion, Step

HELD: tuple[Inversion, ...] = ("direct", "edit_friendly")
"""Methods that keep the original on the path they found; with the others it is drawn again from its noise."""

_INNER_STEPS = 10
_LEARNING_RATE = 1e-2
_CLOSE_ENOUGH, _CLOSE_ENOUGH_MORE = 1e-5, 2e-5
"""Loss at which null-text optimisation stops early, and what is added per step, of 50, as in its authors'
code."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Trajectory:
    """A picture's way from noise, as a method found it.

    Attributes:
        method: Which method.
        latents: From the noise to the picture, float32 (N + 1, C, h, w).
        unconditional: What stands in for the empty prompt's states, one for all steps or one each, (1 or N,
            T, D), or None.
        pooled: What stands in for the empty prompt as one vector, (1, P), for models that are told one.
        residuals: What the stochastic step at each level adds to its mean, float32 (N, C, h, w), or None.
        num_unet_rows: What it cost.
    """

    method: Inversion
    latents: Tensor
    unconditional: Tensor | None = None
    pooled: Tensor | None = None
    residuals: Tensor | None = None
    num_unet_rows: int = 0

    @property
    def is_held(self) -> bool:
        """Whether the original stays on the recorded path, rather than being drawn again."""
        return self.method in HELD

    @property
    def nbytes(self) -> int:
        """Bytes of the tensors."""
        tensors = (self.latents, self.unconditional, self.pooled, self.residuals)
        return sum(tensor.nbytes for tensor in tensors if tensor is not None)


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


class Inverter:
    """Inverts one picture; counts the network rows it evaluates."""

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
            model: The model, whose scheduler is DDIM's.
            latents: Of the picture, float32 (C, h, w).
            prompt: What can be seen on it.
            num_inference_steps: N, that of the edit.
            guidance_scale: That of the edit: null-text and edit-friendly inversion fit themselves to it.
            seed: Of the noise that edit-friendly inversion draws.
        """
        self.num_rows = 0
        self._model, self._start, self._n, self._seed = model, latents, num_inference_steps, seed
        self._scale = guidance_scale
        size = (latents.shape[1] * model.vae_scale_factor, latents.shape[2] * model.vae_scale_factor)
        self._words, self._empty = model.condition([prompt], size=size), model.unconditional(size=size)

    def steps(self, method: Inversion) -> Generator[Step, None, Trajectory]:
        """Invert.

        Yields:
            Each level that was reached; to cancel, close the generator.

        Returns:
            The trajectory.
        """
        if method == "edit_friendly":
            return (yield from self._edit_friendly())
        path = yield from self._ddim(2 * self._n if method == "null_text" else self._n)
        unconditional, pooled = None, None
        if method == "negative_prompt":
            unconditional, pooled = self._words.states, self._words.pooled
        elif method == "null_text" and self._scale not in (0, 1):
            unconditional = yield from self._null_text(path)
        return Trajectory(
            method=method,
            latents=path,
            unconditional=unconditional,
            pooled=pooled,
            num_unet_rows=self.num_rows,
        )

    def _ddim(self, num_steps: int) -> Generator[Step, None, Tensor]:
        """Retrace DDIM's steps under the prompt, without guidance, which keeps the error small."""
        latents, path = self._start[None], [self._start]
        for index, level in enumerate(reversed(levels(self._model.new_scheduler(), self._n))):
            output = self._evaluate(latents, level, self._words)
            latents = (latents - level.b * output) / level.a
            path.append(latents[0])
            yield self._step(index, num_steps, level, latents)
        return torch.stack(path[::-1])

    def _null_text(self, path: Tensor) -> Generator[Step, None, Tensor]:
        """Fit the empty prompt, step by step, so that guided steps stay on the path (Alg. 1 of the paper)."""
        states = self._empty.states.float()
        latents, fitted = path[:1], []
        for index, level in enumerate(levels(self._model.new_scheduler(), self._n)):
            worded, aim = self._evaluate(latents, level, self._words), path[index + 1 : index + 2]
            goal = _CLOSE_ENOUGH + _CLOSE_ENOUGH_MORE * index * 50 / self._n
            rate = _LEARNING_RATE * (1 - index / (2 * self._n))

            guided = partial(self._guided, latents, level, worded)
            states = _adam(partial(_distance, guided, aim), states, rate, goal)
            latents = guided(states)
            fitted.append(states[0])
            yield self._step(self._n + index, 2 * self._n, level, latents)
        return torch.stack(fitted).to(self._empty.states.dtype)

    def _edit_friendly(self) -> Generator[Step, None, Trajectory]:
        """Noise the picture to every level by itself, and note what each step adds to its mean (Eq. 6)."""
        scheduler = self._model.new_scheduler()
        found = levels(scheduler, self._n, stochastic=True)
        drawn, _ = noise(
            [self._seed], (self._n * self._start.shape[0], *self._start.shape[1:]), self._start.device
        )
        path = []
        for level, own in zip(found, drawn.view(self._n, *self._start.shape), strict=True):
            alpha = float(scheduler.alphas_cumprod[int(level.timestep)])
            path.append(math.sqrt(alpha) * self._start + math.sqrt(1 - alpha) * own)
        latents = torch.stack([*path, self._start])
        residuals = []
        for index, level in enumerate(found):
            now = latents[index : index + 1]
            output = self._both(now, level)
            residuals.append(latents[index + 1] - (level.a * now + level.b * output)[0])
            yield self._step(index, self._n, level, now)
        return Trajectory(
            method="edit_friendly",
            latents=latents,
            residuals=torch.stack(residuals),
            num_unet_rows=self.num_rows,
        )

    def _guided(self, latents: Tensor, level: Level, worded: Tensor, states: Tensor) -> Tensor:
        """Take a guided step with these states for the empty prompt."""
        told = replace(self._empty, states=states.to(self._empty.states.dtype))
        return level.a * latents + level.b * cfg(self._evaluate(latents, level, told), worded, self._scale)

    def _both(self, latents: Tensor, level: Level) -> Tensor:
        """Predict under guidance, in one call as the edit will: then even the rounding is the same."""
        rows = [*([self._empty] if self._scale != 1 else []), *([self._words] if self._scale != 0 else [])]
        output = self._evaluate(torch.cat([latents] * len(rows)), level, Conditioning.cat(rows))
        empty = output[:1] if self._scale != 1 else None
        return cfg(empty, output[-1:] if self._scale != 0 else None, self._scale)

    def _evaluate(self, latents: Tensor, level: Level, told: Conditioning) -> Tensor:
        self.num_rows += len(latents)
        return self._model.network.predict(latents, level.timestep.to(latents.device), told)

    def _step(self, index: int, num_steps: int, level: Level, latents: Tensor) -> Step:
        return Step(
            index=index,
            num_steps=num_steps,
            timestep=int(level.timestep),
            latents=latents,
            clean=self._start[None],
        )


class ResidualSteps:
    """A scheduler that adds what edit-friendly inversion noted: x' = a·x + b·o + residual."""

    init_noise_sigma = 1.0

    def __init__(self, scheduler: Any, residuals: Sequence[Tensor]) -> None:
        """Take a DDIM scheduler, and per row of the batch its residuals, (N, C, h, w)."""
        self.config, self._scheduler = scheduler.config, scheduler
        self._residuals = torch.stack(list(residuals), dim=1)  # (N, B, C, h, w)
        self.timesteps: Tensor = torch.empty(0)
        self._levels: dict[int, tuple[int, Level]] = {}

    def set_timesteps(self, num_inference_steps: int, device: Any = None) -> None:
        """Choose the steps."""
        found = levels(self._scheduler, num_inference_steps, stochastic=True)
        self.timesteps = self._scheduler.timesteps.to(device)
        self._levels = {int(level.timestep): (index, level) for index, level in enumerate(found)}

    def scale_model_input(self, latents: Tensor, timestep: Tensor) -> Tensor:
        """Return the latents as they are."""
        return latents

    def step(self, output: Tensor, timestep: Tensor, latents: Tensor) -> SimpleNamespace:
        """Take one step of all rows."""
        index, level = self._levels[int(timestep)]
        stepped = level.a * latents + level.b * output + self._residuals[index]
        return SimpleNamespace(prev_sample=stepped)

    @property
    def alphas_cumprod(self) -> Tensor:
        """ᾱ of every training timestep."""
        alphas: Tensor = self._scheduler.alphas_cumprod
        return alphas


def _distance(step: Callable[[Tensor], Tensor], aim: Tensor, states: Tensor) -> Tensor:
    return (step(states) - aim).square().mean()


def _adam(loss: Callable[[Tensor], Tensor], start: Tensor, rate: float, goal: float) -> Tensor:
    """Minimise by Adam from a fresh state until the loss is under the goal, in a few steps at most."""
    at, first, second = start, torch.zeros_like(start), torch.zeros_like(start)
    for step in range(1, _INNER_STEPS + 1):
        with torch.enable_grad():
            free = at.detach().requires_grad_()
            value = loss(free)
            (slope,) = torch.autograd.grad(value, free)
        first = 0.9 * first + 0.1 * slope
        second = 0.999 * second + 0.001 * slope.square()
        spread = (second / (1 - 0.999**step)).sqrt() + 1e-8
        at = at - rate * first / (1 - 0.9**step) / spread
        if value.item() < goal:
            break
    return at
