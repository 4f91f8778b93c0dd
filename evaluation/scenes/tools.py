"""The models under evaluation, and the judge and the scorer that measure them.

Law: each is loaded when it is first asked for, so that a part of an evaluation needs no more than it uses; a
judge that learnt another world, or another version of it, measures nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal, Protocol, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dataset_builder.render.clip import Scorer
from editors import InstructPix2PixEditor, PromptToPromptEditor
from evaluation.judge import Judge, Reading
from evaluation.sampling import model_hash, weights_hash
from evaluation.scenes.job import ScenesJob

Tool: TypeAlias = Literal["base", "edit", "judge", "scorer"]


class Reader(Protocol):
    """A reader of pictures, such as the judge."""

    world: str
    world_hash: str

    def read(self, pictures: NDArray[np.uint8]) -> list[Reading]:
        """Say what pictures, (B, H, W, 3), show."""


class Toolbox(Protocol):
    """The tools of an evaluation, each by its name."""

    @property
    def base(self) -> PromptToPromptEditor:
        """The base model, as what edits its pictures."""

    @property
    def edit(self) -> InstructPix2PixEditor:
        """The model that follows instructions."""

    @property
    def judge(self) -> Reader:
        """What reads the pictures."""

    @property
    def scorer(self) -> Scorer:
        """What scores them against words."""

    def hash_of(self, tool: Tool) -> str:
        """Return the hash of all that a tool's answers depend on."""


class ScenesTools:
    """The tools that a job names."""

    def __init__(self, job: ScenesJob) -> None:
        self._job = job
        self._hashes: dict[Tool, str] = {}

    @cached_property
    def base(self) -> PromptToPromptEditor:
        """The base model.

        Raises:
            IncompatibleModel: There is none.
        """
        job = self._job
        name = job.model if job.base is None else job.base
        return PromptToPromptEditor.from_pretrained(name, device=job.device, scheduler=job.scheduler)

    @cached_property
    def edit(self) -> InstructPix2PixEditor:
        """The model that follows instructions.

        Raises:
            IncompatibleModel: There is none.
        """
        job = self._job
        return InstructPix2PixEditor.from_pretrained(job.model, device=job.device, scheduler=job.scheduler)

    @cached_property
    def judge(self) -> Judge:
        """The judge.

        Raises:
            JudgeMissing: There is none.
            ChangedWorld: It learnt another world, or another version of it.
        """
        return Judge.from_pretrained(self._job.judge)

    @cached_property
    def scorer(self) -> Scorer:
        """The scorer."""
        return Scorer.from_pretrained(self._job.scorer, device=self._job.device)

    def hash_of(self, tool: Tool) -> str:
        """Return the hash of a tool's weights."""
        if tool not in self._hashes:
            self._hashes[tool] = {
                "base": lambda: model_hash(self.base.model),
                "edit": lambda: model_hash(self.edit.model),
                "judge": lambda: weights_hash(dict(self.judge.card), self.judge.model),
                "scorer": lambda: weights_hash(self.scorer.name, cast(Any, self.scorer.towers).model),
            }[tool]()
        return self._hashes[tool]


def pil(picture: NDArray[np.uint8]) -> Image.Image:
    """Turn (H, W, 3) into what an editor takes."""
    return Image.fromarray(picture)


def stacked(pictures: Sequence[Image.Image]) -> NDArray[np.uint8]:
    """Turn what editors return into (B, H, W, 3)."""
    return np.stack([np.asarray(picture.convert("RGB")) for picture in pictures])
