"""An editor without a model: every step takes its time, and the edited picture is the original's negative."""

import time
from collections.abc import Generator

import torch
from PIL import Image, ImageOps

from editors import EditResult, InstructionEdit, Step
from editors.edits import STANDARD_SCALES


class NegativeEditor:
    """Turns pictures into their negatives, slowly, and keeps count of the steps it took."""

    recommended = STANDARD_SCALES
    instructions: tuple[str, ...] = ("make it night", "turn it into its negative")

    def __init__(self, *, seconds_a_step: float = 0.0):
        self.seconds_a_step = seconds_a_step
        self.steps_taken = 0
        self.closed_early = 0
        self.edits: list[InstructionEdit] = []

    def edit(self, edit: InstructionEdit) -> EditResult:
        stream = self.stream(edit)
        while True:
            try:
                next(stream)
            except StopIteration as end:
                return end.value

    def stream(self, edit: InstructionEdit) -> Generator[Step, None, EditResult]:
        self.edits.append(edit)
        original = edit.original_image
        assert isinstance(original, Image.Image)  # the page decodes before it asks
        edited = ImageOps.invert(original.convert("RGB"))
        finished = False
        try:
            for index in range(edit.num_inference_steps):
                time.sleep(self.seconds_a_step)
                self.steps_taken += 1
                latents = torch.zeros(1, 4, 8, 8)
                yield Step(
                    index=index,
                    num_steps=edit.num_inference_steps,
                    timestep=0,
                    latents=latents,
                    clean=latents,
                    render=lambda clean: edited.resize((64, 64)),
                )
            finished = True
        finally:
            self.closed_early += not finished
        seed = 7 if edit.seed is None else edit.seed
        return EditResult(
            edited_image=edited,
            original_image=original,
            edit=edit.settled(seed, self.recommended),
            seed=seed,
            num_unet_rows=3 * edit.num_inference_steps,
            seconds=self.seconds_a_step * edit.num_inference_steps,
            model="negative",
            scheduler="none",
        )
