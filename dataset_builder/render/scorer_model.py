"""The pocket scorer's towers: the CLIP of the small world.

Reference: Alec Radford et al., "Learning Transferable Visual Models From Natural Language Supervision" (2021,
arXiv:2103.00020). The text tower is a frozen sentence encoder (mean of its token states: Nils Reimers, Iryna
Gurevych, "Sentence-BERT", 2019, arXiv:1908.10084) under one learned linear map.

Law: features have unit length; equal captions are never told apart (`contrastive_loss`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dataset_builder.render.tower import Pool, Tower

TEXT_WIDTH: Final = 384
_MAX_SCALE: Final = 100.0


class ScorerModel(nn.Module):
    """An image tower, a linear map over sentence embeddings, and the learned temperature.

    Args:
        widths: Channels of the tower's scales.
        blocks: Residual blocks at each of these.
        hidden: Channels that the feature map is pooled over.
    """

    def __init__(self, *, widths: tuple[int, ...], blocks: tuple[int, ...], hidden: int) -> None:
        super().__init__()
        self.tower = Tower(widths, blocks)
        self.pool = Pool(self.tower.width, mixed=hidden)
        self.image = nn.Linear(self.tower.summary_width + self.pool.pooled_width, TEXT_WIDTH)
        self.text = nn.Linear(TEXT_WIDTH, TEXT_WIDTH, bias=False)
        nn.init.eye_(self.text.weight)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def image_features(self, pixels: Tensor) -> Tensor:
        """Return (B, 384), unit length, of pictures (B, 3, H, W) in [-1, 1]."""
        features, summary = self.tower(pixels)
        pooled = torch.cat([summary, self.pool(features)], dim=1)
        return F.normalize(self.image(pooled).float(), dim=-1)

    def text_features(self, embeddings: Tensor) -> Tensor:
        """Return (B, 384), unit length, of sentence embeddings (B, 384)."""
        return F.normalize(self.text(embeddings).float(), dim=-1)

    def forward(self, pixels: Tensor, embeddings: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the features of pictures and of their captions, and the scale of their cosines."""
        # CLIP, §2.5: the scale stays below 100, or training becomes unstable.
        scale = self.log_scale.exp().clamp(max=_MAX_SCALE)
        return self.image_features(pixels), self.text_features(embeddings), scale


def contrastive_loss(images: Tensor, texts: Tensor, scale: Tensor, captions: Tensor) -> Tensor:
    """Return the symmetric cross-entropy of matching pictures and captions (Radford et al., 2021, fig. 3).

    A caption that occurs twice fits both pictures, so neither is the other's negative.

    Args:
        images: (B, D), unit length.
        texts: (B, D), unit length.
        scale: Of the cosines, the inverse temperature.
        captions: (B,) numbers of the captions; equal numbers are equal captions.
    """
    logits = scale * images @ texts.T  # (B, B)
    twins = (captions[:, None] == captions[None]) & ~torch.eye(
        len(captions), dtype=torch.bool, device=logits.device
    )
    logits = logits.masked_fill(twins, float("-inf"))
    own = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


@torch.no_grad()
def sentence_embeddings(tokenizer: Any, encoder: Any, texts: Sequence[str]) -> Tensor:
    """Return the mean token state of each text, unit length, (B, 384); what is over the window is lost."""
    words = tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt").to(encoder.device)
    mask = words.attention_mask[..., None].float()  # (B, T, 1)
    states = encoder(words.input_ids, attention_mask=words.attention_mask)[0].float()  # (B, T, 384)
    return F.normalize((states * mask).sum(1) / mask.sum(1), dim=-1)
