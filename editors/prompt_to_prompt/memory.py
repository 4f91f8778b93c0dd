"""The memory of the prompt editor: prompts read, photos inverted, originals, and edits to go on from.

Law: what is remembered is what was computed, so nothing that is drawn depends on it. An edit sees what there
was when it began; memory is bounded, and what does not fit is computed again.
"""

from collections.abc import Generator, Hashable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from editors.model.conditioning import Conditioning
from editors.model.diffusion_model import DiffusionModel
from editors.model.photo import encode
from editors.prompt_to_prompt.cache import Cache
from editors.prompt_to_prompt.guided import PromptConditioning
from editors.prompt_to_prompt.inversion.inverter import Inverter
from editors.prompt_to_prompt.inversion.methods import METHODS
from editors.prompt_to_prompt.inversion.trajectory import Trajectory
from editors.prompt_to_prompt.plan import Plan
from editors.prompt_to_prompt.records import EditRecords, SourceRecord, weights_sign
from editors.prompt_to_prompt.side_by_side import Job, SideBySide
from editors.prompt_to_prompt.trajectory_files import TrajectoryFiles
from editors.requests.results import Step


class Memory:
    """The memory of one editor; any number of edits may use it at once."""

    def __init__(self, model: DiffusionModel, budget: int, folder: Path | None) -> None:
        """Begin with nothing.

        Args:
            model: The model.
            budget: Bytes that may be kept.
            folder: Where to keep trajectories on disk too, or None.
        """
        self._model = model
        self._cache = Cache(budget)
        self._trajectory_files = None if folder is None else TrajectoryFiles(folder, model)

    @property
    def budget(self) -> int:
        """Bytes that may be kept."""
        return self._cache.budget

    @property
    def nbytes(self) -> int:
        """Bytes kept now."""
        return self._cache.nbytes

    def clear(self) -> None:
        """Forget everything that is not on disk."""
        self._cache.clear()

    def now(self) -> "Recalled":
        """Return the memory for the model as it is now: changed weights share nothing with before."""
        model = self._model
        weights = weights_sign(*model.modules)
        stamp = (weights, type(model.scheduler).__name__, str(dict(model.scheduler.config)))
        return Recalled(model, self._cache, self._trajectory_files, stamp)


@dataclass(frozen=True, slots=True, eq=False)
class Recalled:
    """The memory during one run.

    Attributes:
        spent: Network rows that inversions cost in this run.
    """

    _model: DiffusionModel
    _cache: Cache
    _trajectory_files: TrajectoryFiles | None
    _stamp: Hashable
    spent: dict[Hashable, int] = field(default_factory=dict)
    _read: dict[Hashable, Conditioning] = field(default_factory=dict)

    def trajectories(self, plans: Sequence[Plan]) -> Generator[Step, None, list[Trajectory | None]]:
        """Find the trajectories of photos, in memory, on disk, or by inverting them.

        Yields:
            Each step of an inversion.

        Returns:
            One per plan; None for originals that are drawn.
        """
        found: dict[Hashable, Trajectory] = {}
        for plan in plans:
            if plan.photo is not None and plan.inversion not in found:
                found[plan.inversion] = yield from self._trajectory(plan)
        return [None if plan.photo is None else found[plan.inversion] for plan in plans]

    def job(self, plan: Plan, trajectory: Trajectory | None, *, keep: bool) -> Job:
        """Gather what is known of an edit already.

        Args:
            plan: The edit.
            trajectory: Of its photo, or None.
            keep: Whether its original, and its prompts, are worth keeping.
        """
        earlier = self._cache.get(EditRecords, (self._stamp, plan.lineage)) if keep else None
        record, agreed = earlier.best(plan.signs()) if earlier is not None else (None, 0)
        empty = self._conditioning(None, plan, keep=keep)
        original, edited = (
            PromptConditioning.on(self._conditioning(prompt, plan, keep=keep), empty, trajectory)
            for prompt in (plan.edit.original_prompt, plan.edit.edited_prompt)
        )
        return Job(
            plan=plan,
            original=original,
            edited=edited,
            trajectory=trajectory,
            source=self._cache.get(SourceRecord, (self._stamp, plan.source)),
            earlier=record,
            agreed=agreed,
            keep=keep and self._cache.budget > 0,
            room=self._cache.budget,
        )

    def keep(self, jobs: Sequence[Job], batch: SideBySide, originals: Sequence[NDArray[np.float32]]) -> None:
        """Keep what was drawn, for further edits; `originals` are the pictures, (H, W, 3) in [0, 1]."""
        sources, edits = batch.originals.records(originals), batch.edits.records()
        for job, of, record in zip(jobs, batch.of, edits, strict=True):
            if job.keep:
                self._cache.put((self._stamp, job.plan.source), sources[of])
                key = (self._stamp, job.plan.lineage)
                others = self._cache.get(EditRecords, key) or EditRecords()
                self._cache.put(key, others.with_latest(record))

    def _conditioning(self, prompt: str | None, plan: Plan, *, keep: bool) -> Conditioning:
        """Read a prompt, or None for the empty one, unless it is known, (1, T, D)."""
        factor = self._model.vae_scale_factor
        size = plan.size[0] * factor, plan.size[1] * factor
        key = (self._stamp, prompt, size)
        known = self._read.get(key) or self._cache.get(Conditioning, key)
        if known is None:
            # By itself: in a batch, the company a prompt keeps may change its last bits.
            known = (
                self._model.unconditional(size=size)
                if prompt is None
                else self._model.condition([prompt], size=size)
            )
        self._read[key] = known
        if keep:
            self._cache.put(key, known)
        return known

    def _trajectory(self, plan: Plan) -> Generator[Step, None, Trajectory]:
        key = (self._stamp, plan.inversion)
        known = self._cache.get(Trajectory, key)
        if known is None and self._trajectory_files is not None:
            known = self._trajectory_files.find(plan.inversion)
        if known is None:
            known = yield from self._invert(plan)
            self.spent[plan.inversion] = known.num_unet_rows
            if self._trajectory_files is not None:
                self._trajectory_files.store(plan.inversion, known)
        self._cache.put(key, known)
        return known

    def _invert(self, plan: Plan) -> Generator[Step, None, Trajectory]:
        edit = plan.edit
        assert plan.photo is not None  # who has none, inverts nothing
        inverter = Inverter(
            self._model,
            self._model.scaled(encode([plan.photo], self._model))[0],
            edit.original_prompt,
            num_inference_steps=plan.settings.num_inference_steps,
            guidance_scale=float(plan.settings.guidance_scale),
            seed=plan.seed,
        )
        steps = METHODS[edit.inversion].steps(inverter)
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                trajectory: Trajectory = end.value
                return trajectory
            yield replace(step, render=self._model.preview)
