"""A toy model and a toy scorer for rendering, and a file of triplets; worker processes find them by name."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataset_builder.records import ClipScores
from dataset_builder.render.plan import RenderJob
from dataset_builder.render.tools import RenderTools
from editors import PromptToPromptEditor
from tests import tiny

ANIMALS = ("cat", "dog", "bird")
PLACES = ("snow", "park", "forest", "city")


def write_triplets(path: Path, num: int = 6) -> Path:
    """Write triplets of words that the toy tokenizer knows."""
    lines = []
    for number in range(num):
        place = PLACES[number % len(PLACES)]
        animal, other = ANIMALS[number % 3], ANIMALS[(number + 1) % 3]
        line = {
            "original_prompt": f"a {animal} in the {place}",
            "edit_prompt": f"make it a {other}",
            "edited_prompt": f"a {other} in the {place}",
            "kind": "swap",
        }
        lines.append(json.dumps(line))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def toy_score(
    originals: Sequence[NDArray[np.uint8]],
    edited: Sequence[NDArray[np.uint8]],
    original_prompts: Sequence[str],
    edited_prompts: Sequence[str],
) -> list[ClipScores]:
    """Score by pixels and letters: no meaning, but spread out and always the same."""
    scores = []
    for before, after, words, changed in zip(
        originals, edited, original_prompts, edited_prompts, strict=True
    ):
        apart = float(np.abs(before.astype(float) - after.astype(float)).mean()) / 255
        scores.append(
            ClipScores(
                image_image=1 - apart,
                original_image_text=float(before.mean()) / 255 * (0.5 + len(words) % 5 / 10),
                edited_image_text=float(after.mean()) / 255 * (0.5 + len(changed) % 5 / 10),
                direction=(after.astype(float).sum() % 97) / 97,
            )
        )
    return scores


@cache
def _editor() -> Any:
    return PromptToPromptEditor.from_pipeline(tiny.pipeline(kind="base"), cache_bytes=0)


def open_toys(job: RenderJob) -> RenderTools:
    """Give a process the toy model and the toy scorer."""
    return RenderTools(_editor(), None if job.scorer == "none" else toy_score)


def toy_job(folder: Path, name: str = "rendered", **changes: Any) -> RenderJob:
    """Make a small job on the triplets of a folder."""
    path = folder / "triplets.jsonl"
    if not path.exists():
        write_triplets(path)
    fields: dict[str, Any] = {
        "triplets": path,
        "out": folder / name,
        "model": "toy/model",
        "scorer": "toy/scorer",
        "sources": 2,
        "samples_per_source": 2,
        "num_inference_steps": 2,
        "triplets_per_shard": 2,
        "preset": "none",
        "jobs": 1,
    }
    return RenderJob(**{**fields, **changes})
