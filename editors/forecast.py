"""Forecast what a network would say, in place of asking it at every step.

References: step-level forecasting as in "Spectrum" (2026, arXiv 2603.01623) and in stable-diffusion.cpp
(`src/runtime/spectrum.hpp`), whose schedule and straight part are taken; its fit of Chebyshev polynomials is
left out: with so few steps its ridge pulls everything towards zero.

What is forecast is the clean picture that each prediction speaks of, x̂₀, which moves slowly; the model's
output itself does not. It is done for each condition by itself, before guidance.

Laws: a window of 1 changes nothing, bit for bit; the first steps and the last are always computed.
"""

import math
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from editors.ddim import clean_at, is_flow
from editors.errors import InvalidEdit

WARM_UP = 4
"""Steps that are computed before any is forecast: until then the picture is being laid out."""
STOP = 0.9
"""Fraction of the steps from which on all are computed: they draw what is seen sharply."""
_SLOPE = 0.5
"""Of the way that x̂₀ went between the last two computed steps, how much a forecast goes on."""


def computed_steps(num_calls: int, window: int) -> tuple[bool, ...]:
    """Return for each network call of an edit whether it is computed.

    Args:
        num_calls: Of the edit.
        window: Of the calls between the first and the last, every window-th is.
    """
    last = min(num_calls - 1, math.ceil(STOP * num_calls))  # from here on
    return tuple(
        index < WARM_UP or index >= last or (index - WARM_UP + 1) % window == 0 for index in range(num_calls)
    )


@dataclass
class Forecast:
    """The course of one batch's predictions.

    Attributes:
        scheduler: Says what the model's output means, and how noisy its input is.
        computed: For each network call whether it is computed.
    """

    scheduler: Any
    computed: tuple[bool, ...]
    _seen: list[Tensor] = field(default_factory=list, repr=False)

    def see(self, output: Tensor, latents: Tensor, timestep: Tensor) -> None:
        """Take what was computed: the network's output, (rows, C, h, w), and what it was asked about."""
        a, b = clean_at(self.scheduler, timestep)
        self._seen = [*self._seen[-1:], a * latents + b * output]

    def output(self, latents: Tensor, timestep: Tensor) -> Tensor:
        """Return the output whose x̂₀ goes on from those that were seen: x̂₀ + (x̂₀ − x̂₀')/2."""
        before, last = self._seen
        a, b = clean_at(self.scheduler, timestep)
        return (last + _SLOPE * (last - before) - a * latents) / b


def require_forecastable(scheduler: Any) -> None:
    """Require a scheduler that says how noisy its steps are.

    Raises:
        InvalidEdit: It does not.
    """
    if getattr(scheduler, "alphas_cumprod", None) is None and not is_flow(scheduler):
        raise InvalidEdit(
            "forecast",
            f"{type(scheduler).__name__} does not say how noisy its steps are, so none can be forecast; "
            'give 1, or load the model with scheduler="ddim".',
        )
