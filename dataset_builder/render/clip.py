"""Scores of pictures against words and each other: the filter of InstructPix2Pix's dataset, and its curve.

References: Tim Brooks, Aleksander Holynski, Alexei Efros, "InstructPix2Pix" (2023, arXiv:2211.09800), §3.1.2
and figure 8; the direction after Rinon Gal et al., "StyleGAN-NADA" (2021, arXiv:2108.00946), eq. 2; Alec
Radford et al., "Learning Transferable Visual Models From Natural Language Supervision" (2021,
arXiv:2103.00020).

Law: features have unit length and scores are cosines; pictures go in as 8-bit levels, so that no range is
mistaken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dataset_builder.errors import InvalidJob, ScorerMissing
from dataset_builder.records import ClipScores
from dataset_builder.render.scorer_model import ScorerModel, sentence_embeddings
from dataset_builder.render.scores import TABLE, Features
from dataset_builder.render.tower_files import read_network, save_network
from editors.errors import told_as
from editors.files import user_path
from editors.model.loading.checkpoints import load_text_encoder
from editors.pictures.batches import reduced, to_tensor

POCKET: Final = "pocket"
SHIPPED: Final = Path(__file__).parents[1] / "weights" / "scorer"
CARD_FILE: Final = "scorer.json"
_BATCH: Final = 64


class Towers(Protocol):
    """The two towers of a scorer, which lead into one space."""

    def images(self, pictures: NDArray[np.uint8]) -> Tensor:
        """Return (B, D) of pictures (B, H, W, 3)."""

    def texts(self, texts: Sequence[str]) -> Tensor:
        """Return (B, D) of texts."""


class Scorer:
    """Pictures and words as unit vectors of one space.

    Args:
        towers: The model behind it.
        name: What it was loaded as.
    """

    def __init__(self, towers: Towers, name: str) -> None:
        self.towers, self.name = towers, name

    @classmethod
    def from_pretrained(cls, name_or_path: Path | str = POCKET, *, device: str | None = None) -> Scorer:
        """Load a scorer.

        Args:
            name_or_path: "pocket", the folder of a trained scorer, or folder or Hub id of a CLIP checkpoint.
            device: Where to compute; None takes the CPU for pocket's, the best there is for CLIP.

        Raises:
            ScorerMissing: There is none of that name, or it cannot be read.
        """
        folder = SHIPPED if name_or_path == POCKET else user_path(name_or_path)
        if name_or_path == POCKET or (folder / CARD_FILE).exists():
            from editors.model.devices import choose_device

            return cls(PocketTowers.load(folder, str(choose_device(device or "cpu"))), str(name_or_path))
        return cls(ClipTowers.load(str(name_or_path), device), str(name_or_path))

    @torch.inference_mode()
    def image_features(self, pictures: NDArray[np.uint8]) -> Tensor:
        """Return the features of pictures (B, H, W, 3) uint8: float32 (B, D) on the CPU, unit length.

        Raises:
            InvalidJob: The pictures are not 8-bit RGB, or of a size that the model does not take.
        """
        if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[-1] != 3:
            raise InvalidJob(
                f"pictures are {pictures.shape} {pictures.dtype}, but must be (B, H, W, 3) uint8; convert "
                "them."
            )
        blocks = [self.towers.images(pictures[n : n + _BATCH]) for n in range(0, len(pictures), _BATCH)]
        return F.normalize(torch.cat(blocks).float().cpu(), dim=-1)

    @torch.inference_mode()
    def text_features(self, texts: Sequence[str]) -> Tensor:
        """Return the features of texts: float32 (B, D) on the CPU, unit length."""
        blocks = [self.towers.texts(texts[n : n + _BATCH]) for n in range(0, len(texts), _BATCH)]
        return F.normalize(torch.cat(blocks).float().cpu(), dim=-1)


def clip_scores(
    scorer: Scorer,
    original_images: NDArray[np.uint8],
    edited_images: NDArray[np.uint8],
    original_prompts: Sequence[str],
    edited_prompts: Sequence[str],
) -> list[ClipScores]:
    """Score edit pairs.

    Args:
        scorer: What looks at them.
        original_images: (B, H, W, 3) uint8.
        edited_images: (B, H, W, 3) uint8.
        original_prompts: B captions.
        edited_prompts: B captions.

    Returns:
        B scores.
    """
    of = Features(
        original_image=scorer.image_features(original_images),
        edited_image=scorer.image_features(edited_images),
        original_text=scorer.text_features(original_prompts),
        edited_text=scorer.text_features(edited_prompts),
    )
    columns = {row.name: row.measure(of).tolist() for row in TABLE}
    return [
        ClipScores(**{name: values[place] for name, values in columns.items()})
        for place in range(len(original_prompts))
    ]


class PocketTowers:
    """The towers that `wordbrush train text-image` trains.

    Args:
        model: The network.
        card: What its folder's `scorer.json` says: size, text encoder, and how it came about.
        device: Where to compute.
    """

    def __init__(self, model: ScorerModel, card: Mapping[str, Any], device: str = "cpu") -> None:
        self.model, self.card = model.eval().requires_grad_(False).to(device), card
        self.device, self.size = device, card["size"]
        self._sentences: tuple[Any, Any] | None = None

    @classmethod
    def load(cls, folder: Path, device: str) -> PocketTowers:
        """Read a folder that `save` wrote.

        Raises:
            ScorerMissing: There is none, or it is damaged.
        """

        def tell(reason: str) -> ScorerMissing:
            return ScorerMissing(
                f"{folder} holds no scorer that can be read ({reason}); name the folder of a trained one."
            )

        with told_as(tell):
            model, card = read_network(folder, CARD_FILE, lambda card, network: ScorerModel(**network))
            return cls(model, card, device)

    def save(self, folder: Path) -> None:
        """Write the towers, their weights rounded to float16."""
        save_network(folder, CARD_FILE, self.model, self.card)

    def images(self, pictures: NDArray[np.uint8]) -> Tensor:
        """Return (B, 384) of pictures (B, H, W, 3) of the scorer's side, or of a multiple of it."""
        seen = reduced(pictures, self.size)
        if seen is None:
            raise InvalidJob(
                f"pictures are {pictures.shape[1:3]}, but this scorer sees ({self.size}, {self.size}) and "
                "multiples of that side; draw them so."
            )
        return self.model.image_features(to_tensor(seen).to(self.device))

    def texts(self, texts: Sequence[str]) -> Tensor:
        """Return (B, 384) of texts."""
        if self._sentences is None:
            self._sentences = load_text_encoder(self.card["text_encoder"])
        return self.model.text_features(sentence_embeddings(*self._sentences, texts).to(self.device))


class ClipTowers:
    """A CLIP checkpoint of transformers.

    Args:
        model: CLIPModel.
        tokenizer: Its tokenizer.
        image_processor: What resizes and normalises pictures for it.
    """

    def __init__(self, model: Any, tokenizer: Any, image_processor: Any) -> None:
        self.model, self.tokenizer, self.image_processor = model, tokenizer, image_processor

    @classmethod
    def load(cls, name: str, device: str | None) -> ClipTowers:
        """Load a checkpoint from a folder or the Hub.

        Raises:
            ScorerMissing: It cannot be found or read.
        """
        from transformers import CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

        from editors.model.devices import choose_device

        def tell(reason: str) -> ScorerMissing:
            return ScorerMissing(
                f"scorer '{name}' cannot be read ({reason}); give 'pocket', or folder or Hub id of a CLIP "
                "model."
            )

        target = choose_device(device)
        with told_as(tell):
            model = CLIPModel.from_pretrained(name, use_safetensors=True)
            tokenizer = CLIPTokenizer.from_pretrained(name)
            processor = CLIPImageProcessorPil.from_pretrained(name)
        return cls(model.eval().requires_grad_(False).to(target), tokenizer, processor)

    def images(self, pictures: NDArray[np.uint8]) -> Tensor:
        """Return (B, D) of pictures (B, H, W, 3)."""
        pixels = self.image_processor(list(pictures), input_data_format="channels_last", return_tensors="pt")
        features: Tensor = self.model.get_image_features(
            pixel_values=pixels["pixel_values"].to(self.model.device)
        ).pooler_output
        return features

    def texts(self, texts: Sequence[str]) -> Tensor:
        """Return (B, D) of texts; what is over the window is left out, as CLIP was trained."""
        words = self.tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt")
        features: Tensor = self.model.get_text_features(
            input_ids=words["input_ids"].to(self.model.device),
            attention_mask=words["attention_mask"].to(self.model.device),
        ).pooler_output
        return features
