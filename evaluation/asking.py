"""What measurements of an instruction editor ask of it: the same settings for every sample.

Law: nothing heavy is imported, so that a command can say what it takes before torch is loaded.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

from PIL import Image

from editors import InstructionEdit
from editors.requests.rules import NUM_SEEDS
from editors.requests.settings import Recommending, resolve

_SETTINGS: Final = ("guidance_scale", "image_guidance_scale", "num_inference_steps", "seed")


class Asking(Protocol):
    """Settings of the edits that are measured; None takes what the model recommends."""

    @property
    def seed(self) -> int:
        """Of the edits: sample n is edited with seed + n."""

    @property
    def guidance_scale(self) -> float | None:
        """As in `InstructionEdit`."""

    @property
    def image_guidance_scale(self) -> float | None:
        """As in `InstructionEdit`."""

    @property
    def num_inference_steps(self) -> int | None:
        """As in `InstructionEdit`."""

    @property
    def forecast(self) -> int | None:
        """As in `InstructionEdit`."""


def request(job: Asking, picture: Image.Image, edit_prompt: str, number: int) -> InstructionEdit:
    """Return the edit of sample `number`."""
    return InstructionEdit(
        original_image=picture,
        edit_prompt=edit_prompt,
        guidance_scale=job.guidance_scale,
        image_guidance_scale=job.image_guidance_scale,
        num_inference_steps=job.num_inference_steps,
        forecast=job.forecast,
        seed=(job.seed + number) % NUM_SEEDS,
    )


def require_askable(job: Asking) -> None:
    """Check what a job will ask for: the rules of an edit live in its request.

    Raises:
        InvalidEdit: A setting is out of range.
    """
    _nothing(job)


def settings_of(job: Asking, editor: Recommending) -> dict[str, Any]:
    """Return the scales, steps and seed that a job's edits have with an editor."""
    resolved = resolve(_nothing(job), editor).edit
    settings = {name: getattr(resolved, name) for name in _SETTINGS}
    return settings if resolved.forecast == 1 else {**settings, "forecast": resolved.forecast}


def _nothing(job: Asking) -> InstructionEdit:
    return request(job, Image.new("RGB", (16, 16)), "check", 0)
