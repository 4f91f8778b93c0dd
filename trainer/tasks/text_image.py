"""The scorer: an image tower that meets the frozen sentence encoder, the CLIP of a small world.

Reference: Alec Radford et al., "Learning Transferable Visual Models From Natural Language Supervision" (2021,
arXiv:2103.00020).

Some pictures are noised as a diffusion process noises them, x_t = √ᾱ·x + √(1 − ᾱ)·ε with ᾱ drawn uniformly;
the tower is not told how strongly, for the picture itself shows that, and so one call scores clean and noised
ones.

Law: pictures are never mirrored, because captions say left and right; equal captions are not negatives.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dataset_builder import records
from dataset_builder.render.clip import PocketTowers
from dataset_builder.render.scorer_model import TEXT_WIDTH, ScorerModel, contrastive_loss, sentence_embeddings
from dataset_builder.shards.storage import hash_json
from editors.model.loading.checkpoints import TEXT_ENCODER, load_text_encoder
from editors.pictures.batches import to_pixels, to_tensor
from trainer.config import TextImageConfig
from trainer.data.draws import Rows
from trainer.data.examples import read_examples, state_hash
from trainer.data.tables import Half, Table, cached, half
from trainer.tasks.grids import Sheet, sheet
from trainer.tasks.judge import without_places
from trainer.tasks.pictured import Pictured


def make_task(config: TextImageConfig) -> TextImageTask:
    """Read the captioned pictures, encode the captions once, and build the towers.

    Raises:
        UnusableData: The folder holds no captioned pictures.
    """
    return TextImageTask(config)


class Matched(NamedTuple):
    """Captioned pictures of a step: which captions, and their embeddings; see `Table.pick`."""

    pictured: Pictured
    captions: Tensor
    embeddings: Tensor


class TextImageTask:
    """See `trainer.tasks.task.Task`."""

    def __init__(self, config: TextImageConfig) -> None:
        self.config = config
        examples = read_examples(config.data, pictures=(records.IMAGE,), texts=(records.CAPTION,))
        self.pictures = examples.pictures[records.IMAGE]
        tokenizer, encoder = load_text_encoder()
        distinct = sorted(set(examples.texts[records.CAPTION]))
        place = {text: row for row, text in enumerate(distinct)}
        self.captions = np.array([place[text] for text in examples.texts[records.CAPTION]])  # (N,)
        text_hash = state_hash(encoder)

        def compute() -> Iterator[Half]:
            for start in range(0, len(distinct), 64):
                yield half(sentence_embeddings(tokenizer, encoder, distinct[start : start + 64]))

        key = {"what": "sentence embeddings", "texts": hash_json(distinct), "model": text_hash}
        self.embeddings = Table(cached(config.out / "cache", key, (len(distinct), TEXT_WIDTH), compute))
        self.num_samples = len(examples)
        self.fingerprint = {"data": examples.data_hash, "text_encoder": text_hash}
        torch.manual_seed(config.seed)
        names = ("widths", "blocks", "hidden")
        self.network: dict[str, Any] = {name: getattr(config, name) for name in names}
        self.model: Any = ScorerModel(**self.network)
        self.device = torch.device("cpu")

    def to(self, device: torch.device) -> None:
        """Remember where the pictures go, and bring the embeddings there where they fit."""
        self.device = device
        self.embeddings.to(device)

    def batch(self, indices: NDArray[np.int64], positions: range) -> Matched:
        """Take pictures and their captions out of the data."""
        rows, captions = Rows(self.config.seed, positions, self.device), self.captions[indices]
        pictured = Pictured(rows, torch.from_numpy(self.pictures[indices]))
        return Matched(pictured, torch.from_numpy(captions), self.embeddings.pick(captions))

    def loss(self, model: nn.Module, batch: Matched) -> Tensor:
        """Match pictures, some noised, with their captions."""
        rows, pictures = batch.pictured
        pixels = noised(to_pixels(pictures.to(self.device)), rows, self.config)
        images, texts, scale = model(pixels, self.embeddings.read(batch.embeddings))
        return contrastive_loss(images, texts, scale, batch.captions.to(self.device))

    def sample_grid(self) -> Sheet:
        """Draw pictures as the tower sees them in training."""
        pixels = to_tensor(self.pictures[: 8 * min(4, max(1, len(self.pictures) // 8))])
        seen = noised(pixels, Rows(self.config.seed, range(len(pixels))), self.config)
        return sheet([(row / 2 + 0.5).clamp(0, 1) for row in seen.split(8)])

    def export(self, folder: Path, card: dict[str, Any]) -> None:
        """Write the folder that `Scorer.from_pretrained` loads."""
        facts = {
            "size": self.pictures.shape[1],
            "text_encoder": TEXT_ENCODER,
            "network": self.network,
            "training": without_places(card),
        }
        PocketTowers(copy.deepcopy(self.model).cpu(), facts).save(folder)


def noised(pixels: Tensor, rows: Rows, config: TextImageConfig) -> Tensor:
    """Noise some pictures: √ᾱ·x + √(1 − ᾱ)·ε, ᾱ uniform from `config.min_signal` to 1.

    Args:
        pixels: (B, 3, H, W) in [-1, 1].
        rows: The numbers of each picture.
        config: Says how many and how strongly.
    """
    chosen, draw = rows.uniform("noised") < config.noised_prob, rows.uniform("signal")
    signal = torch.where(chosen, config.min_signal + (1 - config.min_signal) * draw, 1)[:, None, None, None]
    noise = rows.normal("noise", tuple(pixels.shape[1:]))
    return signal.sqrt() * pixels + (1 - signal).sqrt() * noise
