"""Helpers of measurements of an instruction editor: its requests, and what is kept between runs.

Law: a sample once measured is not measured again for the same run, whatever interrupted it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dataset_builder.shards.shards import png_bytes
from dataset_builder.shards.storage import append_line, make_folder, read_lines, write_atomically
from editors import InstructionEdit, InstructPix2PixEditor
from editors.requests.rules import NUM_SEEDS
from editors.requests.settings import resolve

SCORES_FILE: Final = "scores.jsonl"
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


class Scored(Protocol):
    """A score, a dataclass, of the sample that `key` names."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def key(self) -> str:
        """Name of the sample."""


ScoreT = TypeVar("ScoreT", bound=Scored)


def request(job: Asking, picture: Image.Image, edit_prompt: str, number: int) -> InstructionEdit:
    """Return the edit of sample `number`."""
    return InstructionEdit(
        original_image=picture,
        edit_prompt=edit_prompt,
        guidance_scale=job.guidance_scale,
        image_guidance_scale=job.image_guidance_scale,
        num_inference_steps=job.num_inference_steps,
        seed=(job.seed + number) % NUM_SEEDS,
    )


def require_askable(job: Asking) -> None:
    """Check what a job will ask for: the rules of an edit live in its request.

    Raises:
        InvalidEdit: A setting is out of range.
    """
    _nothing(job)


def settings_of(job: Asking, editor: InstructPix2PixEditor) -> dict[str, Any]:
    """Return the scales, steps and seed that a job's edits have with an editor."""
    resolved = resolve(_nothing(job), editor).edit
    return {name: getattr(resolved, name) for name in _SETTINGS}


def _nothing(job: Asking) -> InstructionEdit:
    return request(job, Image.new("RGB", (16, 16)), "check", 0)


def measured(
    out: Path,
    run: str,
    samples: Iterable[Mapping[str, Any]],
    score_type: Callable[..., ScoreT],
    score: Callable[[int, Mapping[str, Any]], ScoreT],
) -> Generator[ScoreT, None, list[ScoreT]]:
    """Yield the scores of earlier runs, and measure the samples that have none; return all.

    Args:
        out: Folder of the measurement.
        run: Hash of all that scores depend on.
        samples: In order; "__key__" names each.
        score_type: Of a score.
        score: Measures the sample of a number.
    """
    path = out / SCORES_FILE
    lines = [line for line in read_lines(path) if line.pop("run") == run]
    known = {line["key"]: score_type(**line) for line in lines}
    scores = []
    for number, sample in enumerate(samples):
        found = known.get(sample["__key__"])
        if found is None:
            found = score(number, sample)
            append_line(path, {"run": run, **asdict(found)})
        scores.append(found)
        yield found
    return scores


def keep_picture(out: Path, run: str, key: str, picture: NDArray[np.uint8]) -> None:
    """Keep what an edit made of a sample, (H, W, 3)."""
    place = _picture_path(out, run, key)
    make_folder(place.parent)
    write_atomically(place, png_bytes(picture))


def kept_picture(out: Path, run: str, key: str) -> NDArray[np.uint8]:
    """Return what `keep_picture` kept, (H, W, 3)."""
    with Image.open(_picture_path(out, run, key)) as picture:
        return np.array(picture.convert("RGB"))


def _picture_path(out: Path, run: str, key: str) -> Path:
    return out / "pictures" / run[:12] / f"{key}.png"
