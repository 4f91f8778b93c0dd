"""An editor without a model: every step takes its time, and the edited picture is the original's negative."""

import time
from collections.abc import Generator
from dataclasses import replace
from threading import Event, current_thread

import numpy as np
import torch
from PIL import Image, ImageOps

from editors import EditFailed, EditResult, IncompatibleModel, InstructionEdit, Step
from editors.pictures.images import read_picture
from editors.relevance import Reach
from editors.requests.settings import STANDARD, resolve

ON_THE_LEFT = np.repeat(np.array([[1, 1, 1, 0.2, 0.2, 0.2, 0.2, 0.2]], np.float32), 8, axis=0)
"""Where its words act."""


class NegativeEditor:
    """Turns pictures into their negatives, slowly, and keeps count of the steps it took.

    While it is `held`, an edit stays at its third step, whatever the time: it can be stopped, and may fail.
    """

    recommended = STANDARD["edit"]
    instructions: tuple[str, ...] = ("make it night", "turn it into its negative")
    phrases: tuple[str, ...] = ("make it night", "add snow")
    max_references = 0
    has_scales = True

    def __init__(self, *, seconds_a_step: float = 0.0):
        self.running = 0
        self.reset(seconds_a_step=seconds_a_step)

    def reset(self, *, seconds_a_step: float = 0.0) -> None:
        """Forget all that was asked and told; no edit may be running."""
        self.seconds_a_step = seconds_a_step
        self.steps_taken = 0
        self.closed_early = 0
        self.fails = False
        self.held = False
        self.edits: list[InstructionEdit] = []
        self.threads: set[str] = set()
        """The names of those that its steps were computed in."""

    def edit(self, edit: InstructionEdit) -> EditResult:
        stream = self.stream(edit)
        while True:
            try:
                next(stream)
            except StopIteration as end:
                return end.value

    def stream(self, edit: InstructionEdit) -> Generator[Step, None, EditResult]:
        self.edits.append(edit)
        original = read_picture("original_image", edit.original_image).with_alpha()
        resolved = resolve(edit if edit.seed is not None else replace(edit, seed=7), self)
        num_steps = resolved.settings.num_inference_steps
        edited = ImageOps.invert(original.convert("RGB"))
        finished = False
        self.running += 1
        try:
            for index in range(num_steps):
                time.sleep(self.seconds_a_step)
                self._require_memory()
                self.threads.add(current_thread().name)
                self.steps_taken += 1
                latents = torch.zeros(1, 4, 8, 8)
                step = Step(
                    index=index,
                    num_steps=num_steps,
                    timestep=0,
                    latents=latents,
                    clean=latents,
                    render=lambda clean: self._previewed(edited),
                )
                yield step
                while self.held and index == 2:
                    time.sleep(0.05)
                    self._require_memory()
                    yield step
            finished = True
        finally:
            self.closed_early += not finished
            self.running -= 1
        reach = None
        if edit.only is not None:
            reach = Reach(relevance=ON_THE_LEFT, original=original.convert("RGB"), everywhere=edited)
            edited = reach.at(edit.only)
        return EditResult(
            edited_image=edited,
            original_image=original,
            edit=resolved.edit,
            reach=reach,
            seed=resolved.seed,
            num_unet_rows=3 * num_steps,
            seconds=self.seconds_a_step * num_steps,
            model="negative",
            scheduler="none",
        )

    def _previewed(self, edited: Image.Image) -> Image.Image:
        self.threads.add(current_thread().name)
        return edited.resize((64, 64))

    def _require_memory(self) -> None:
        if self.fails:
            raise EditFailed("The device ran out of memory; choose a smaller picture.")


class NegativeOpener:
    """Opens models, notes which, and waits where it is told to."""

    def __init__(self):
        self.opened: list[str] = []
        self.go_on = Event()
        self.go_on.set()

    def needs(self, name):
        return f"Licence of {name.rpartition('/')[2]}." if "licensed" in name else ""

    def checkpoint(self, run, step):
        return self.model(f"{run}@{step}")

    def model(self, name, loras=()):
        self.opened.append(" + ".join([name, *(lora.label for lora in loras)]))
        self.go_on.wait(60)
        if "broken" in name:
            raise IncompatibleModel(f"{name}: lacks its unet; give a whole model.")
        editor = NegativeEditor()
        editor.instructions = (f"as {name.rpartition('/')[2]} does it",)
        editor.recommended = replace(STANDARD["edit"], guidance_scale=3.5)
        return editor
