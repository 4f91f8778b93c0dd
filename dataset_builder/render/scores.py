"""The scores of a drawn pair: how each is measured, what it must reach, and how it is spoken of.

References: InstructPix2Pix (Brooks, Holynski, Efros, 2023, arXiv:2211.09800), section 3.1.2, and for the
direction StyleGAN-NADA (Gal et al., 2021, arXiv:2108.00946).

Law: a score is one row here, and one field of `ClipScores` and of `ThresholdChoice`; all that measures,
filters, sorts or shows pairs reads the table. No torch is imported: rows only say what is done with features.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor


class Features(NamedTuple):
    """Features of pairs and of their captions, each (B, D) of unit length."""

    original_image: Tensor
    edited_image: Tensor
    original_text: Tensor
    edited_text: Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """A score.

    Attributes:
        name: Of its column, its threshold, and the pairs that fail by it.
        measure: Its values, (B,), from features.
        says: What it says of a pair: "how alike the two pictures are".
        failed: What is wrong with a pair that falls short.
        least: Preset to the least that a pair must score; presets without it let everything pass.
    """

    name: str
    measure: Callable[[Features], Tensor]
    says: str
    failed: str
    least: Mapping[str, float]


def cosines(first: Tensor, second: Tensor) -> Tensor:
    """Return the cosines of features, (B,), from two (B, D) of unit length."""
    return (first * second).sum(-1)


def directions(image_changes: Tensor, text_changes: Tensor) -> Tensor:
    """Return the cosines of two changes, (B,): of pictures and of words, each (B, D).

    Gal et al. (2021), eq. 2: ΔI·ΔT / (‖ΔI‖·‖ΔT‖). What does not change has no direction, and scores 0.
    """
    lengths = image_changes.norm(dim=-1) * text_changes.norm(dim=-1)
    return ((image_changes * text_changes).sum(-1) / lengths).where(lengths > 0, 0.0)


TABLE: Final = (
    Score(
        name="image_image",
        measure=lambda of: cosines(of.original_image, of.edited_image),
        says="how alike the two pictures are",
        failed="the two pictures differ too much",
        least={"code": 0.7, "paper": 0.75},
    ),
    Score(
        name="original_image_text",
        measure=lambda of: cosines(of.original_image, of.original_text),
        says="how well the original fits its caption",
        failed="the original is not what its caption says",
        least={"code": 0.2, "paper": 0.2},
    ),
    Score(
        name="edited_image_text",
        measure=lambda of: cosines(of.edited_image, of.edited_text),
        says="how well the edited picture fits its caption",
        failed="the edited picture is not what its caption says",
        least={"code": 0.2, "paper": 0.2},
    ),
    Score(
        name="direction",
        measure=lambda of: directions(of.edited_image - of.original_image, of.edited_text - of.original_text),
        says="how much it changed as told",
        failed="it did not change as told",
        least={"code": 0.2, "paper": 0.2},
    ),
)
"""All scores, in the order in which a pair is asked; of the presets "code" is generate_img_dataset.py of the
authors, and "paper" the appendix of the paper, both for CLIP ViT-L/14."""
SCORES: Final = tuple(row.name for row in TABLE)
