"""The nouns of the dataset: what an edit triplet and an edit pair are, and how their columns are called.

Names follow the published dataset of InstructPix2Pix: Learning to Follow Image Editing Instructions
(Brooks, Holynski, Efros, 2023, arXiv:2211.09800). Standard library only, so that anything may import it.

Law: a record is a frozen value; what goes to JSON comes back equal.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Final

from dataset_builder.errors import InvalidJob

ORIGINAL_PROMPT: Final = "original_prompt"
EDIT_PROMPT: Final = "edit_prompt"
EDITED_PROMPT: Final = "edited_prompt"
ORIGINAL_IMAGE: Final = "original_image"
EDITED_IMAGE: Final = "edited_image"
MASK: Final = "mask"
KIND: Final = "kind"
ORIGINAL_SCENE: Final = "original_scene"
EDITED_SCENE: Final = "edited_scene"
IMAGE: Final = "image"
CAPTION: Final = "caption"
SCENE: Final = "scene"
SPLIT: Final = "split"
TRIPLET: Final = "triplet"
SEED: Final = "seed"
SCORES: Final = "scores"
RECIPE: Final = "recipe"
GUIDANCE_SCALE: Final = "guidance_scale"
NUM_INFERENCE_STEPS: Final = "num_inference_steps"
CROSS_REPLACE_STEPS: Final = "cross_replace_steps"
SELF_REPLACE_STEPS: Final = "self_replace_steps"

PAIR_COLUMNS: Final = (
    ORIGINAL_PROMPT,
    EDIT_PROMPT,
    EDITED_PROMPT,
    ORIGINAL_IMAGE,
    EDITED_IMAGE,
    MASK,
    KIND,
    ORIGINAL_SCENE,
    EDITED_SCENE,
    SPLIT,
)
# What pairs that Prompt-to-Prompt drew have besides: how they were drawn, and what a scorer thinks of them.
DRAWN_COLUMNS: Final = (
    TRIPLET,
    SEED,
    RECIPE,
    GUIDANCE_SCALE,
    NUM_INFERENCE_STEPS,
    CROSS_REPLACE_STEPS,
    SELF_REPLACE_STEPS,
    SCORES,
)
SCENE_COLUMNS: Final = (IMAGE, CAPTION, SCENE, SPLIT)


@dataclass(frozen=True, kw_only=True, slots=True)
class EditTriplet:
    """A caption, an instruction, and the caption after it.

    Attributes:
        original_prompt: Caption of the picture before the edit.
        edit_prompt: The instruction.
        edited_prompt: Caption of the picture after the edit.
    """

    original_prompt: str
    edit_prompt: str
    edited_prompt: str

    def __post_init__(self) -> None:
        for field in (ORIGINAL_PROMPT, EDIT_PROMPT, EDITED_PROMPT):
            value = getattr(self, field)
            if not isinstance(value, str) or not value.strip():
                raise InvalidJob(f"{field} is {value!r}, but must be text of at least one letter; write one.")

    def to_json(self) -> str:
        """Return the triplet as one JSON object."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> EditTriplet:
        """Return the triplet that `to_json` wrote."""
        return cls(**json.loads(text))


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipScores:
    """The scores of a pair against its words and itself, cosines in [-1, 1].

    Attributes:
        image_image: Original picture against edited picture.
        original_image_text: Original picture against its caption.
        edited_image_text: Edited picture against its caption.
        direction: Change of the pictures against change of the captions (StyleGAN-NADA, Gal et al., 2021,
            arXiv:2108.00946).
    """

    image_image: float
    original_image_text: float
    edited_image_text: float
    direction: float

    def __post_init__(self) -> None:
        for field, value in asdict(self).items():
            # A hair of rounding above one is what float cosines give; anything else is no cosine.
            if not math.isfinite(value) or abs(value) > 1.001:
                raise InvalidJob(f"{field} is {value!r}, but a cosine lies in -1 to 1; compute it again.")


@dataclass(frozen=True, kw_only=True, slots=True)
class EditPair:
    """A triplet with its two pictures by reference: the sample `key` of a shard and what was drawn there.

    Attributes:
        key: Name of the sample in its dataset.
        triplet: The words of the edit.
        kind: Kind of the edit ("colour", "swap", ...), or "" where it is not known.
        seed: Seed that both pictures were drawn from.
        scores: Scores that filters read, once they are computed.
    """

    key: str
    triplet: EditTriplet
    kind: str = ""
    seed: int = 0
    scores: ClipScores | None = None

    def to_json(self) -> str:
        """Return the pair as one JSON object."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> EditPair:
        """Return the pair that `to_json` wrote."""
        fields = json.loads(text)
        scores = fields.pop("scores")
        triplet = EditTriplet(**fields.pop("triplet"))
        return cls(triplet=triplet, scores=None if scores is None else ClipScores(**scores), **fields)
