"""Measurements of a diffusion model in training, on samples that it does not see.

Law: the same samples, timesteps and noise each time, so that two figures differ by the model alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dataset_builder import records
from dataset_builder.errors import DatasetError, InvalidJob
from dataset_builder.scenes import Scene
from dataset_builder.shards.dataset import read_dataset
from evaluation.judge import Judge, require_world
from evaluation.sampling import Sampling, draw
from evaluation.scenes.readings import agreement, claims_of
from trainer.data.draws import Rows
from trainer.tasks.diffusion import diffusion_loss

MAX_SAMPLES: Final = 512
MAX_DRAWN: Final = 200
TIMESTEPS: Final = 10
BATCH: Final = 32
STEPS: Final = 20
_SEED: Final = 0
_log = logging.getLogger(__name__)


def batches(num: int) -> Iterator[NDArray[np.int64]]:
    """Yield the places of so many samples, 32 at a time."""
    for start in range(0, num, BATCH):
        yield np.arange(start, min(start + BATCH, num))


def fixed_loss(
    scheduler: Any,
    samples: Sequence[NDArray[np.int64]],
    clean: Callable[[NDArray[np.int64]], Tensor],
    predict: Callable[[NDArray[np.int64], Tensor, Tensor], Tensor],
) -> float:
    """Return the mean loss over samples, each at ten timesteps spread evenly and with its own fixed noise.

    Args:
        scheduler: The training scheduler.
        samples: Batches of places, of one size each.
        clean: Places to latents, (B, C, h, w).
        predict: Places, noised latents and timesteps, (B,), to what the network predicts.
    """
    last = scheduler.config.num_train_timesteps
    timesteps = [round((k + 0.5) * last / TIMESTEPS) for k in range(TIMESTEPS)]
    total = torch.zeros(())
    for places in samples:
        latents = clean(places)
        for timestep in timesteps:
            positions = [int(place) * last + timestep for place in places]
            noise = Rows(_SEED, positions, latents.device).normal("noise", tuple(latents.shape[1:]))
            chosen = torch.full((len(places),), timestep, device=latents.device)
            predicted = predict(places, scheduler.add_noise(latents, noise, chosen), chosen)
            loss = diffusion_loss(scheduler, predicted, latents, noise, chosen)
            total += loss.cpu() * len(places) / TIMESTEPS
    return float(total / sum(map(len, samples)))


class Captions:
    """Held-out captions of a world that the shipped judge reads.

    Args:
        scenes: What the captions tell.
        captions: As many.
        judge: Of their world, or of one that holds all of it.
    """

    def __init__(self, scenes: Sequence[Scene], captions: Sequence[str], judge: Judge) -> None:
        self.scenes, self.captions, self.judge = scenes, captions, judge

    @classmethod
    def of(cls, folder: Path) -> Captions | None:
        """Return the captions of a dataset of scenes; None, with a line in the log, if no judge reads it."""
        try:
            info = read_dataset(folder)
            if info.config.get("kind") != "scenes":
                raise InvalidJob("it holds no drawn scenes")
            judge = Judge.from_pretrained()
            require_world(judge, info.config["world"])
        except DatasetError as error:
            _log.warning("validation_data: no judge reads %s (%s); only the loss is measured.", folder, error)
            return None
        columns = (records.CAPTION, records.SCENE)
        samples = [sample for sample, _ in zip(info.samples(columns), range(MAX_DRAWN), strict=False)]
        chosen = [Scene.from_json(sample[records.SCENE]) for sample in samples]
        return cls(chosen, [sample[records.CAPTION] for sample in samples], judge)

    def agreements(self, model: Any, guidance_scale: float) -> dict[str, float]:
        """Draw all captions with a base model and return, by head, how often the judge sees what they say."""
        size = self.judge.size * max(1, model.native_size // self.judge.size)
        how = Sampling(size=size, guidance_scale=guidance_scale, num_inference_steps=STEPS)
        found: dict[str, list[float]] = {}
        for places in batches(len(self.captions)):
            drawn = draw(model, [self.captions[k] for k in places], [int(k) for k in places], how)
            for place, reading in zip(places, self.judge.read(drawn), strict=True):
                for head, agreed in agreement(claims_of(self.scenes[place]), reading).items():
                    if agreed is not None:
                        found.setdefault(head, []).append(agreed)
        return {f"judge agrees: {head}": float(np.mean(values)) for head, values in found.items()}
