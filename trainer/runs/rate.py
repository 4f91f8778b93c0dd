"""The learning rate, as a function of the step alone: a run that goes on needs to remember nothing of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainer.config import TrainConfig


def learning_rate(config: TrainConfig, step: int) -> float:
    """Return the rate of a step (from 0): a linear rise, then the schedule's fall to 0 at `config.steps`.

    A constant rate falls in the last `lr_decay_steps` alone (Shengding Hu et al., "MiniCPM", 2024, arXiv
    2404.06395, who call it warm-up, stable, decay): until then a run need not know how long it will be.
    """
    if step < config.lr_warmup_steps:
        return config.learning_rate * (step + 1) / config.lr_warmup_steps
    rest = max(1, config.steps - config.lr_warmup_steps)
    progress = (step - config.lr_warmup_steps) / rest
    constant = min(1.0, (config.steps - step) / max(1, config.lr_decay_steps))
    falls = {"constant": constant, "linear": 1 - progress, "cosine": (1 + math.cos(math.pi * progress)) / 2}
    return config.learning_rate * falls[config.lr_schedule]
