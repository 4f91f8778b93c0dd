"""The judge, trained on composed scenes alone: their words are exactly what their pictures show.

Mirrored pictures say the same, for a judge is never asked for left and right; blur and noise make it read
pictures that came through an autoencoder.

Law: a judge is trained on one world as it is drawn now; labels that cannot be seen teach nothing
(`evaluation.judge.visible`).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from dataset_builder import records, scenes
from dataset_builder.errors import DatasetError
from dataset_builder.scenes import Scene
from dataset_builder.scenes.worlds import world_version
from dataset_builder.shards.dataset import read_dataset
from editors.pictures.batches import to_pixels, to_tensor
from evaluation.judge import Judge, labels, stack_labels, world_hash
from evaluation.judge_model import JudgeModel, Vocabulary, judge_loss
from trainer.config import JudgeConfig
from trainer.data.draws import Rows
from trainer.data.examples import read_examples
from trainer.errors import UnusableData
from trainer.tasks.grids import Sheet, sheet
from trainer.tasks.pictured import Pictured

MAX_NOISE = 0.15
"""Highest standard deviation of the noise on spoilt pictures, whose range is [-1, 1]."""


def make_task(config: JudgeConfig) -> JudgeTask:
    """Read the scenes and build the network.

    Raises:
        UnusableData: The data are no scenes of one world as it is drawn now.
    """
    return JudgeTask(config)


class Labelled(NamedTuple):
    """Scenes of a step: the pictures, and what each head should read in them, (B,) each."""

    pictured: Pictured
    targets: Mapping[str, Tensor]


class JudgeTask:
    """See `trainer.tasks.task.Task`."""

    def __init__(self, config: JudgeConfig) -> None:
        self.config = config
        folders = [folder for folder in (config.data, config.more_data) if folder is not None]
        drawn = [_scene_config(folder) for folder in folders]
        self.world = _one("world", drawn)
        self.size = _one("size", drawn)
        self.trained_on = [{"seed": facts["seed"], "split": facts["split"]} for facts in drawn]
        self.vocabulary = Vocabulary.of(scenes.WORLDS[self.world])
        parts = [
            read_examples(folder, pictures=(records.IMAGE,), texts=(records.SCENE,)) for folder in folders
        ]
        self.pictures = np.concatenate([part.pictures[records.IMAGE] for part in parts])
        facts = (Scene.from_json(text) for part in parts for text in part.texts[records.SCENE])
        self.labels = stack_labels([labels(scene, self.vocabulary) for scene in facts])
        self.num_samples = len(self.pictures)
        hashes = {name: part.data_hash for name, part in zip(("data", "more_data"), parts, strict=False)}
        self.fingerprint = {**hashes, "world": world_hash(self.world)}
        torch.manual_seed(config.seed)
        names = ("widths", "blocks", "hidden")
        self.network: dict[str, Any] = {name: getattr(config, name) for name in names}
        self.model: Any = JudgeModel(self.vocabulary, **self.network)
        self.device = torch.device("cpu")

    def to(self, device: torch.device) -> None:
        """Remember where the pictures go."""
        self.device = device

    def batch(self, indices: NDArray[np.int64], positions: range) -> Labelled:
        """Take pictures and what they show out of the data."""
        rows = Rows(self.config.seed, positions, self.device)
        targets = {head: labels[indices] for head, labels in self.labels.items()}
        return Labelled(Pictured(rows, torch.from_numpy(self.pictures[indices])), targets)

    def loss(self, model: nn.Module, batch: Labelled) -> Tensor:
        """Read pictures, some mirrored, blurred or noised."""
        rows, pictures = batch.pictured
        pixels = augment(to_pixels(pictures.to(self.device)), rows, self.config.spoilt_prob)
        targets = {head: labels.to(self.device) for head, labels in batch.targets.items()}
        return judge_loss(model(pixels), targets)

    def sample_grid(self) -> Sheet:
        """Draw pictures as the judge sees them in training."""
        pixels = to_tensor(self.pictures[:32])
        seen = augment(pixels, Rows(self.config.seed, range(len(pixels))), self.config.spoilt_prob)
        return sheet([(row / 2 + 0.5).clamp(0, 1) for row in seen.split(8) if len(row) == min(8, len(seen))])

    def export(self, folder: Path, card: dict[str, Any]) -> None:
        """Write the folder that `Judge.from_pretrained` loads."""
        facts = {
            "world": self.world,
            "world_hash": self.fingerprint["world"],
            "size": self.size,
            "trained_on": self.trained_on,
            "vocabulary": self.vocabulary.to_dict(),
            "network": self.network,
            "training": without_places(card),
        }
        Judge(copy.deepcopy(self.model).cpu(), facts).save(folder)


def augment(pixels: Tensor, rows: Rows, spoilt_prob: float) -> Tensor:
    """Mirror half of the pictures, blur some, put noise on some.

    Args:
        pixels: (B, 3, H, W) in [-1, 1].
        rows: The numbers of each picture.
        spoilt_prob: Share of the blurred, and of the noised.

    Returns:
        (B, 3, H, W); noise leaves [-1, 1].
    """
    mirrored = rows.uniform("mirrored") < 0.5
    pixels = torch.where(mirrored[:, None, None, None], pixels.flip(-1), pixels)
    share = torch.where(rows.uniform("blurred") < spoilt_prob, rows.uniform("softness"), 0)  # (B,)
    pixels = pixels + share[:, None, None, None] * (_soft(pixels) - pixels)
    deviation = torch.where(rows.uniform("noised") < spoilt_prob, rows.uniform("strength") * MAX_NOISE, 0)
    return pixels + deviation[:, None, None, None] * rows.normal("noise", tuple(pixels.shape[1:]))


def _soft(pixels: Tensor) -> Tensor:
    """Blur with the binomial kernel of five, (1, 4, 6, 4, 1) / 16 on both axes: a deviation of one pixel."""
    kernel = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], device=pixels.device) / 16
    weight = torch.outer(kernel, kernel).expand(3, 1, 5, 5)
    return F.conv2d(F.pad(pixels, (2, 2, 2, 2), mode="replicate"), weight, groups=3)


def without_places(card: dict[str, Any]) -> dict[str, Any]:
    """Leave out of a run's card where things lay: that says nothing to anybody else."""
    places = ("data", "more_data", "out")
    config = {name: value for name, value in card["config"].items() if name not in places}
    return {**card, "config": config}


def _scene_config(folder: Path) -> Mapping[str, Any]:
    """Return what a dataset of scenes was drawn from, if it is drawn the same way now."""
    try:
        config = read_dataset(folder).config
    except DatasetError as error:
        raise UnusableData(f"data: {error}") from error
    if config.get("kind") != "scenes" or str(config.get("world")) not in scenes.WORLDS:
        raise UnusableData(f"data: {folder} holds no scenes; draw some with `wordbrush data scenes`.")
    if config.get("world_version") != world_version(config["world"], pairs=False):
        raise UnusableData(
            f"data: {folder} was drawn by another version of the world; draw it again with "
            "`wordbrush data scenes`."
        )
    return config


def _one(field: str, drawn: list[Mapping[str, Any]]) -> Any:
    """Return the value that all datasets share."""
    values = {facts[field] for facts in drawn}
    if len(values) > 1:
        raise UnusableData(f"more_data: it has another {field} than data; draw both alike.")
    return values.pop()
