"""The protocol of tasks, of which the training loop knows no more: the model, its data and its loss.

Law: what a task gives for a step depends on the seed and the step alone, never on what was asked before.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainer.config import (
    AutoencoderConfig,
    InstructPix2PixConfig,
    JudgeConfig,
    TextImageConfig,
    TextToImageConfig,
    TrainConfig,
)
from trainer.tasks.grids import Sheet


class Task(Protocol):
    """A model, its data and its loss."""

    model: nn.Module
    num_samples: int
    fingerprint: dict[str, str]
    """Hashes of the data and of all frozen models: what a run must not change between its sessions."""

    def to(self, device: torch.device) -> None:
        """Move the frozen models and what else `loss` needs."""

    def batch(self, indices: NDArray[np.int64], positions: range) -> Any:
        """Take some samples out of the data, on the CPU: called ahead of the step, in another thread."""

    def loss(self, model: nn.Module, batch: Any) -> Tensor:
        """Return the mean loss over what `batch` took; `model` is `self.model`, wrapped for training."""

    def sample_grid(self) -> Sheet:
        """Draw pictures that show what the model can do by now; the same ones each time."""

    def export(self, folder: Path, card: dict[str, Any]) -> None:
        """Write the model as others load it, with a card."""


class HeldOut(Protocol):
    """Samples that a model is not trained on."""

    def measure(self) -> dict[str, float]:
        """Return figures by name, of the model as it is; the same ones each time."""


@runtime_checkable
class Validated(Protocol):
    """A task that can be measured on what it is not trained on, where there is something."""

    @property
    def held_out(self) -> HeldOut | None:
        """What to measure on."""


@runtime_checkable
class Grouped(Protocol):
    """A task whose samples differ in size: those of one group should share a forward pass."""

    groups: NDArray[np.int64]


def make_task(config: TrainConfig) -> Task:
    """Make the task of a configuration; each is imported where it is asked for, with its models."""
    match config:
        case AutoencoderConfig():
            from trainer.tasks import autoencoder

            return autoencoder.make_task(config)
        case TextToImageConfig():
            from trainer.tasks import text_to_image

            return text_to_image.make_task(config)
        case InstructPix2PixConfig():
            from trainer.tasks import instruct_pix2pix

            return instruct_pix2pix.make_task(config)
        case JudgeConfig():
            from trainer.tasks import judge

            return judge.make_task(config)
        case TextImageConfig():
            from trainer.tasks import text_image

            return text_image.make_task(config)
    raise TypeError(f"{type(config).__name__} describes no task")
