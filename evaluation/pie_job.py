"""The job of measuring on PIE-Bench.

Reference: Xuan Ju, Ailing Zeng, Yuxuan Bian, Shaoteng Liu, Qiang Xu, "Direct Inversion: Boosting
Diffusion-based Editing with 3 Lines of Code" (2023, arXiv 2310.01506), §5: the windows, the weight of the
blended word and the operation are its own for Prompt-to-Prompt.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import Image

from dataset_builder.shards.checks import CHECKS
from editors import InstructionEdit, LocalBlend, PromptEdit
from editors.files import user_path
from editors.requests.edits import Inversion
from editors.requests.rules import NUM_SEEDS
from evaluation.pie_bench import PieCase

NUM_CASES: Final = 700
NONE: Final = "none"
CROSS, SELF, WEIGHT = 0.4, 0.6, 2.0
"""As the benchmark's authors ran Prompt-to-Prompt: the two windows, and the factor on the blended word."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PieJob:
    """Editors to measure on PIE-Bench.

    Attributes:
        data: Folder in PIE-Bench's layout: mapping_file.json beside annotation_images/.
        out: Folder for scores, pictures and report; made if missing. Run again with the same folder to go on.
        prompt_model: Name or path of the model of prompt edits; "none" leaves them out.
        instruction_model: Name or path of the model of instruction edits; "none" leaves them out.
        num: Number of entries, from the first on.
        dino: Folder or Hub id of the ViT that tells structure.
        clip: Folder or Hub id of the CLIP that tells what can be seen, or "pocket".
        inversion: As in `PromptEdit`.
        num_inference_steps: Of prompt edits; None takes what the model recommends, as instruction edits do.
        seed: Of the edits: entry n is edited with seed + n.
        device: Where to compute; None takes the best there is.
    """

    data: Path
    out: Path = Path("eval-pie")
    prompt_model: str = "pocket"
    instruction_model: str = "pocket"
    num: int = NUM_CASES
    dino: str = "facebook/dino-vitb8"
    clip: str = "openai/clip-vit-large-patch14"
    inversion: Inversion = "direct"
    num_inference_steps: int | None = None
    seed: int = 0
    device: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "data", user_path(self.data))
        object.__setattr__(self, "out", user_path(self.out))
        CHECKS.whole_number("num", self.num, 1, 1_000_000)
        # The rules of an edit live in its request: building one checks what this job will ask for.
        case = PieCase(
            key="",
            image_path="",
            original_prompt="a",
            edited_prompt="b",
            edit_prompt="c",
            editing_type="",
            blended_words=(),
            runs=(),
        )
        self.prompt_edit(case, Image.new("RGB", (16, 16)), 0)

    def prompt_edit(self, case: PieCase, picture: Image.Image, number: int) -> PromptEdit:
        """Return the prompt edit of entry `number`."""
        words = case.blended_words
        return PromptEdit(
            original_prompt=case.original_prompt,
            edited_prompt=case.edited_prompt,
            original_image=picture,
            inversion=self.inversion,
            operation="refine",
            cross_replace_steps=CROSS,
            self_replace_steps=SELF,
            local_blend=LocalBlend(original=(words[0],), edited=(words[1],)) if words else None,
            word_weights={words[1]: WEIGHT} if words else {},
            num_inference_steps=self.num_inference_steps,
            seed=(self.seed + number) % NUM_SEEDS,
        )

    def instruction_edit(self, case: PieCase, picture: Image.Image, number: int) -> InstructionEdit:
        """Return the instruction edit of entry `number`."""
        seed = (self.seed + number) % NUM_SEEDS
        return InstructionEdit(original_image=picture, edit_prompt=case.edit_prompt, seed=seed)
