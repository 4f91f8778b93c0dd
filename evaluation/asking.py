"""What measurements of an instruction editor ask of it: the same settings for every sample.

Law: nothing heavy is imported, so that a command can say what it takes before torch is loaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from PIL import Image

from editors import InstructionEdit
from editors.requests.rules import NUM_SEEDS
from editors.requests.settings import Recommending, resolve

_SETTINGS: Final = ("guidance_scale", "image_guidance_scale", "num_inference_steps", "seed")


@dataclass(frozen=True, kw_only=True, slots=True)
class Asking:
    """An editor to measure, and what its edits are asked with; None takes what the model recommends.

    Attributes:
        out: Folder for scores, pictures and report; made if missing. Run again with the same folder to go on.
        model: Name or path of the editor's model.
        seed: Of the edits: sample n is edited with seed + n.
        guidance_scale: As in `InstructionEdit`.
        image_guidance_scale: As in `InstructionEdit`.
        num_inference_steps: As in `InstructionEdit`.
        forecast: As in `InstructionEdit`.
        device: Where to compute; None takes the best there is.
    """

    out: Path
    model: str = "pocket"
    seed: int = 0
    guidance_scale: float | None = None
    image_guidance_scale: float | None = None
    num_inference_steps: int | None = None
    forecast: int | None = None
    device: str | None = None


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
