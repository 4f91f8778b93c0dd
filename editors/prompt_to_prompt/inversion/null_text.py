"""Null-text inversion: the empty prompt is fitted, step by step, until guided steps stay on the path.

Reference: Ron Mokady, Amir Hertz, Kfir Aberman, Yael Pritch, Daniel Cohen-Or, "Null-text Inversion for
Editing Real Images using Guided Diffusion Models" (2022, arXiv 2211.09794), Alg. 1.
"""

from collections.abc import Callable, Generator, Hashable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import torch
from torch import Tensor

from editors.ddim import Level, levels
from editors.guidance import cfg
from editors.prompt_to_prompt.inversion.inverter import Inverter
from editors.prompt_to_prompt.inversion.trajectory import Trajectory
from editors.requests.results import Step

_INNER_STEPS = 10
_LEARNING_RATE = 1e-2
_CLOSE_ENOUGH, _CLOSE_ENOUGH_MORE = 1e-5, 2e-5
"""Loss at which null-text optimisation stops early, and what is added per step, of 50, as in its authors'
code."""


@dataclass(frozen=True, slots=True)
class NullText:
    """See `methods.Method`."""

    is_held: bool = False
    is_stochastic: bool = False

    def key(self, guidance_scale: float, seed: int) -> tuple[Hashable, ...]:
        """Return the scale that the empty prompt is fitted to."""
        return (guidance_scale,)

    def steps(self, inverter: Inverter) -> Generator[Step, None, Trajectory]:
        """Retrace DDIM's steps, then fit; without guidance there is nothing to fit."""
        path = yield from inverter.retrace(2 * inverter.num_steps)
        fitted = None
        if inverter.scale not in (0, 1):
            fitted = yield from _fitted(inverter, path)
        return Trajectory(
            method="null_text", latents=path, unconditional=fitted, num_unet_rows=inverter.num_rows
        )


def _fitted(inverter: Inverter, path: Tensor) -> Generator[Step, None, Tensor]:
    """Fit the empty prompt, step by step, so that guided steps stay on the path (Alg. 1 of the paper)."""
    states = inverter.empty.states.float()
    latents, fitted = path[:1], []
    for index, level in enumerate(levels(inverter.scheduler(), inverter.num_steps)):
        worded, aim = inverter.evaluate(latents, level, inverter.words), path[index + 1 : index + 2]
        goal = _CLOSE_ENOUGH + _CLOSE_ENOUGH_MORE * index * 50 / inverter.num_steps
        rate = _LEARNING_RATE * (1 - index / (2 * inverter.num_steps))

        guided = partial(_guided, inverter, latents, level, worded)
        states = _adam(partial(_distance, guided, aim), states, rate, goal)
        latents = guided(states)
        fitted.append(states[0])
        yield inverter.step(inverter.num_steps + index, 2 * inverter.num_steps, level, latents)
    return torch.stack(fitted).to(inverter.empty.states.dtype)


def _guided(inverter: Inverter, latents: Tensor, level: Level, worded: Tensor, states: Tensor) -> Tensor:
    """Take a guided step with these states for the empty prompt."""
    conditioning = replace(inverter.empty, states=states.to(inverter.empty.states.dtype))
    return level.a * latents + level.b * cfg(
        inverter.evaluate(latents, level, conditioning), worded, inverter.scale
    )


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


METHOD: Final = NullText()
