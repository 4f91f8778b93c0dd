"""The judge's network: what is in a picture, said in the closed vocabulary of one world.

A tower sees the picture. A heat map a noun says where that noun is; its strongest and summed heat say how
many there are (multiple-instance learning: Pedro Pinheiro, Ronan Collobert, "From Image-Level to Pixel-Level
Labeling with Convolutional Networks", 2015, arXiv:1411.6228), and what the tower sees there, in which colour
and of what material.

Law: hidden labels (-1) give no gradient.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dataset_builder.render.tower import Pool, Tower
from dataset_builder.scenes import World

HIDDEN: Final = -1
PLACE_HEADS: Final = ("background", "time_of_day", "weather", "style")
THING_HEADS: Final = ("count", "colour", "material")
_STRENGTHS: Final = 3
_ABSENT: Final = -3.0
"""Heat at first: most nouns are absent from most pictures."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Vocabulary:
    """The words that a judge can say, each head's in the order of its classes.

    Attributes:
        style: None, the plain picture, comes first.
        material: None, a thing's own, comes first.
        count: 0 up to the most objects a scene holds.
    """

    noun: tuple[str, ...]
    background: tuple[str, ...]
    time_of_day: tuple[str, ...]
    weather: tuple[str, ...]
    style: tuple[str | None, ...]
    count: tuple[int, ...]
    colour: tuple[str, ...]
    material: tuple[str | None, ...]

    @classmethod
    def of(cls, world: World) -> Vocabulary:
        """Return the words of a world."""
        return cls(
            noun=world.nouns,
            background=world.backgrounds,
            time_of_day=world.times_of_day,
            weather=world.weathers,
            style=(None, *world.styles),
            count=tuple(range(world.max_objects + 1)),
            colour=world.colours,
            material=(None, *world.materials),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {head: list(words) for head, words in asdict(self).items()}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Vocabulary:
        """Return what `to_dict` wrote."""
        return cls(**{head: tuple(words) for head, words in fields.items()})


class JudgeModel(nn.Module):
    """Pictures to logits of every head.

    Args:
        vocabulary: The classes of the heads.
        widths: Channels of the tower's scales.
        blocks: Residual blocks at each of these.
        hidden: Width of the layers between tower and heads.
    """

    def __init__(
        self, vocabulary: Vocabulary, *, widths: tuple[int, ...], blocks: tuple[int, ...], hidden: int
    ) -> None:
        super().__init__()
        sizes = {head: len(getattr(vocabulary, head)) for head in (*PLACE_HEADS, *THING_HEADS)}
        self.tower = Tower(widths, blocks)
        self.pool = Pool(self.tower.width, mixed=hidden)
        self.place = nn.Sequential(
            nn.Linear(self.tower.summary_width + self.pool.pooled_width, hidden), nn.SiLU()
        )
        self.place_heads = nn.ModuleDict({head: nn.Linear(hidden, sizes[head]) for head in PLACE_HEADS})
        self.look = _Heat(len(vocabulary.noun), self.tower.width, hidden)
        self.thing = nn.Sequential(nn.Linear(hidden + _STRENGTHS, hidden), nn.SiLU())
        self.thing_heads = nn.ModuleDict({head: nn.Linear(hidden, sizes[head]) for head in THING_HEADS})
        # What the whole picture says of a noun is learnt much sooner than where it is.
        self.presence = nn.Sequential(
            nn.Linear(self.tower.summary_width + self.pool.pooled_width, hidden),
            nn.SiLU(),
            nn.Linear(hidden, len(vocabulary.noun)),
        )
        self.evidence = nn.Linear(_STRENGTHS, sizes["count"], bias=False)
        with torch.no_grad():  # at first the strongest heat of a noun is the logit of its being there
            self.evidence.weight.zero_()
            self.evidence.weight[1:, 0] = 1

    def forward(self, pixels: Tensor) -> dict[str, Tensor]:
        """Look at pictures.

        Args:
            pixels: (B, 3, H, W) in [-1, 1].

        Returns:
            Logits by head: of the place (B, classes), of things (B, nouns, classes).
        """
        features, summary = self.tower(pixels)
        whole = torch.cat([summary, self.pool(features)], dim=1)
        place = self.place(whole)
        seen, strength = self.look(features)
        things = self.thing(torch.cat([seen, strength], dim=-1))
        logits = {head: layer(place) for head, layer in self.place_heads.items()}
        logits |= {head: layer(things) for head, layer in self.thing_heads.items()}
        there = F.pad(self.presence(whole)[:, :, None], (1, logits["count"].shape[-1] - 2), mode="constant")
        there = there.cumsum(-1)  # nothing for none, the same for every number from one
        return logits | {"count": logits["count"] + self.evidence(strength) + there}


class _Heat(nn.Module):
    """Where each noun is in a feature map, how strongly, and what is seen there."""

    def __init__(self, nouns: int, width: int, hidden: int) -> None:
        super().__init__()
        self.mix, self.heat = nn.Conv2d(width, hidden, 1), nn.Conv2d(hidden, nouns, 1)
        self.value = nn.Conv2d(width, hidden, 1)
        nn.init.constant_(self.heat.get_parameter("bias"), _ABSENT)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return (B, nouns, hidden) and (B, nouns, 3) of a feature map (B, C, h, w)."""
        heat = self.heat(F.silu(self.mix(features))).flatten(2)  # (B, nouns, h·w)
        value = self.value(features).flatten(2)  # (B, hidden, h·w)
        seen = heat.softmax(-1) @ value.transpose(1, 2)
        return seen, torch.stack([heat.amax(-1), heat.logsumexp(-1), heat.sigmoid().sum(-1)], dim=-1)


def judge_loss(logits: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Tensor:
    """Return the sum of the heads' cross-entropies, each a mean over the labels that can be seen.

    Args:
        logits: By head, (B, classes) or (B, nouns, classes).
        targets: By head, class indices (B,) or (B, nouns); -1 where hidden.
    """
    losses = []
    for head, target in targets.items():
        rows = logits[head].float().flatten(0, -2)  # (rows, classes)
        labels = target.flatten()
        # Most nouns are absent from most pictures; counted per picture, their head weighs like the others.
        seen = (labels != HIDDEN).sum() if head != "count" else torch.tensor(len(target))
        summed = F.cross_entropy(rows, labels, ignore_index=HIDDEN, reduction="sum")
        losses.append(summed / seen.clamp(min=1))
    return torch.stack(losses).sum()
