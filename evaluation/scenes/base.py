"""Section (a): does the base draw what held-out captions say? The judge reads, head by head.

Beside the base stand two ceilings: the composed pictures themselves (what the judge gets right of the truth)
and the same through the autoencoder (what any base on it could reach).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np

from evaluation.benchmark import PictureFolder, Row
from evaluation.sampling import draw, round_trip
from evaluation.scenes.data import Source
from evaluation.scenes.job import ScenesJob
from evaluation.scenes.readings import agreement, all_hold, claims_of
from evaluation.scenes.tools import Toolbox
from evaluation.summary import ALL

BASE: Final = "base"
CEILING: Final = "composed, through the autoencoder"
COMPOSED: Final = "composed"
NUM_SHOWN: Final = 24


class BaseSection:
    """Held-out captions, drawn and read."""

    name = "base"

    def __init__(self, job: ScenesJob, tools: Toolbox, scenes: Sequence[Source], data_hash: str) -> None:
        self.job, self.tools, self.scenes = job, tools, scenes
        self.how = job.sampling(tools.base)
        self.num_batches = -(-len(scenes) // job.batch_size)
        self.settings: dict[str, Any] = {
            "base": tools.hash_of("base"),
            "judge": tools.hash_of("judge"),
            "data": data_hash,
            "guidance_scale": self.how.guidance_scale,
            "num_inference_steps": self.how.num_inference_steps,
            "seed": job.seed,
            "baselines": job.baselines,
            "batch_size": job.batch_size,
        }

    @staticmethod
    def load(tools: Toolbox) -> None:
        """Load what is measured, and what measures it."""
        _ = tools.base, tools.judge

    def batches(self) -> Iterable[Sequence[Source]]:
        """Return the captions, some at a time."""
        size = self.job.batch_size
        return (self.scenes[start : start + size] for start in range(0, len(self.scenes), size))

    def measure(self, scenes: Sequence[Source], folder: PictureFolder) -> list[Row]:
        """Draw and read one batch of captions."""
        job, model = self.job, self.tools.base.model
        captions = [scene.caption for scene in scenes]
        drawn = draw(model, captions, [job.seed_of(scene.number) for scene in scenes], self.how)
        pictures = {BASE: drawn}
        if job.baselines:
            composed = np.stack([scene.picture for scene in scenes])
            pictures |= {CEILING: round_trip(model, composed), COMPOSED: composed}
        for scene, picture in zip(scenes, drawn, strict=True):
            if scene.number < NUM_SHOWN:
                folder.keep(f"base-{scene.key}", (scene.picture, picture))
        rows = []
        for method, made in pictures.items():
            for scene, reading in zip(scenes, self.tools.judge.read(made), strict=True):
                claims = claims_of(scene.scene)
                figures = {**agreement(claims, reading), "everything": float(all_hold(reading, claims))}
                rows.append(Row(section=self.name, method=method, kind=ALL, key=scene.key, figures=figures))
        return rows
