"""Edit a picture by editing the prompt that made it.

References: Hertz et al., "Prompt-to-Prompt Image Editing with Cross Attention Control" (2022, arXiv
2208.01626), Alg. 1; for the recipe `instruct_pix2pix`, Brooks et al., "InstructPix2Pix: Learning to Follow
Image Editing Instructions" (2023, arXiv 2211.09800), §3.1.2.

Each picture costs two network rows a step, unconditional and conditional, or one where the other has no
weight; edits of one original share its rows.

Laws: the original's picture does not depend on the edit; the same prompt twice gives the same picture, bit
for bit; without windows each picture is the plain one of its prompt; nothing of an edit is left on the model.
"""

import time
from collections.abc import Collection, Generator, Hashable, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from editors.editor import DiffusionEditor
from editors.errors import InvalidEdit
from editors.files import user_path
from editors.model.diffusion_model import DiffusionModel
from editors.model.loading.load import from_pipeline, load
from editors.model.loading.needs import Needs
from editors.model.residence import MemoryUse
from editors.pictures.batches import to_array
from editors.pictures.images import composite, to_image
from editors.prompt_to_prompt.memory import Memory
from editors.prompt_to_prompt.plan import Plan
from editors.prompt_to_prompt.side_by_side import Job, SideBySide
from editors.requests.edits import PromptEdit
from editors.requests.lora import Lora
from editors.requests.results import EditResult, Step
from editors.requests.settings import ResolvedEdit
from editors.running import failures_explained, require_finite

CACHE_BYTES = 2 * 2**30
"""Enough for two originals of Stable Diffusion 1.5 in half precision at 50 steps."""


class PromptToPromptEditor(DiffusionEditor[PromptEdit, Plan]):
    """Draws a picture, or takes a photo, and draws its edit from two prompts.

    What an edit has in common with an earlier one, its original above all, is kept and not computed again;
    the result is the same, bit for bit.

    Row 0 of a step's latents is the original, row 1 the edited picture. A photo that is inverted first comes
    with the steps of that before, which count for themselves.

    Of many edits those of one original share its rows, those that differ in a window alone share theirs until
    they part, and originals share calls. Shared rows are told with the first edit that they were spent on, so
    that `num_unet_rows` of all results are what was spent.

    Attributes:
        memory: What is kept for further edits: `memory.nbytes` of at most `memory.budget` bytes.
    """

    kind = "base"
    batch_size = 8

    def __init__(
        self,
        model: DiffusionModel,
        *,
        cache_bytes: int = CACHE_BYTES,
        trajectories: str | Path | None = None,
    ) -> None:
        """Take a model and give its network the processors that edits need, which change nothing else.

        Args:
            model: One that draws from words alone.
            cache_bytes: How much may be kept for further edits; what is over is computed again. 0 keeps
                nothing.
            trajectories: A folder to keep inverted photos in from one run to the next; None keeps them in
                memory alone.

        Raises:
            IncompatibleModel: It needs a picture beside the words, or its attention cannot be steered.
            InvalidEdit: `cache_bytes` is no number of bytes.
        """
        super().__init__(model)
        if cache_bytes < 0:
            raise InvalidEdit("cache_bytes", f"{cache_bytes} is not allowed; give a whole number from 0.")
        model.attention_sites()
        self.memory = Memory(model, cache_bytes, None if trajectories is None else user_path(trajectories))

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str = "pocket",
        *,
        device: str | torch.device | None = None,
        dtype: torch.dtype | str | None = None,
        scheduler: str | None = None,
        loras: Sequence[Lora | str | PathLike[str]] = (),
        memory: MemoryUse = "auto",
        needs: Needs | None = None,
        for_photos: bool = False,
        cache_bytes: int = CACHE_BYTES,
        trajectories: str | Path | None = None,
    ) -> Self:
        """Load an editor.

        Args:
            name_or_path: "pocket", a folder in diffusers' layout, a .safetensors file, or a Hub id.
            device: None takes CUDA, else Apple's GPU, else the CPU.
            dtype: Of the whole model; None chooses by device, "auto" measures, see `load`.
            scheduler: Another than the model's own: ddim, pndm, dpm++2m, euler or euler-a.
            loras: Laid over it: files, as `FILE` or `FILE=SCALE`, or `Lora`s; see `Lora`.
            memory: "auto", "full", "offload" or "int8"; see `load`.
            needs: As `needs_of` told them, so that the Hub is not asked again.
            for_photos: Whether photos are to be edited: then, where no scheduler is named, it samples by
                steps that can be retraced, DDIM's or a flow's own, whatever the model's files name.
            cache_bytes: How much may be kept for further edits; 0 keeps nothing.
            trajectories: A folder to keep inverted photos in from one run to the next.

        Raises:
            IncompatibleModel: There is no such model, or none that draws from prompts.
            InvalidEdit: The device, dtype or scheduler is not to be had, or a scale is out of range.
        """
        model = load(
            name_or_path,
            kind=cls.kind,
            device=device,
            dtype=dtype,
            scheduler=scheduler,
            loras=loras,
            memory=memory,
            needs=needs,
        )
        if for_photos and scheduler is None:
            model = model.by_ddim()
        return cls(model, cache_bytes=cache_bytes, trajectories=trajectories)

    @classmethod
    def from_pipeline(
        cls, pipe: Any, *, cache_bytes: int = CACHE_BYTES, trajectories: str | Path | None = None
    ) -> Self:
        """Edit with the parts of a diffusers pipeline; its own pictures stay what they were, bit for bit.

        Args:
            pipe: The pipeline.
            cache_bytes: How much may be kept for further edits; 0 keeps nothing.
            trajectories: A folder to keep inverted photos in from one run to the next.

        Raises:
            IncompatibleModel: Its parts are none of a text-to-image model.
        """
        return cls(from_pipeline(pipe), cache_bytes=cache_bytes, trajectories=trajectories)

    def _read(self, resolved: ResolvedEdit[PromptEdit]) -> Plan:
        return Plan.of(resolved, self.model)

    @torch.no_grad()
    def _run(
        self, jobs: Sequence[Plan], *, keep: Collection[Hashable]
    ) -> Generator[Step, None, list[EditResult]]:
        began = time.perf_counter()
        with failures_explained():
            # Whoever lent us the network may have given it other processors since.
            sites = self.model.attention_sites()
            recalled = self.memory.now()
            paths = yield from recalled.trajectories(jobs)
            drawn = [
                recalled.job(plan, path, keep=plan.source in keep)
                for plan, path in zip(jobs, paths, strict=True)
            ]
            batch = SideBySide(self.model, sites, drawn)
            num_originals = len(set(batch.of))
            for step in batch.steps():
                latents = step.latents
                yield replace(step, render=lambda clean: self.model.preview(clean[num_originals:]))
            kept = {of: job.source.picture for job, of in zip(drawn, batch.of, strict=True) if job.source}
            pictures = [
                kept[place] if place in kept else self._picture(row) for place, row in enumerate(latents)
            ]
            recalled.keep(drawn, batch, pictures[:num_originals])
            return [
                self._result(
                    job,
                    original=pictures[of],
                    edited=pictures[num_originals + place],
                    batch=batch,
                    place=place,
                    inverted=recalled.spent.pop(job.plan.inversion, 0) if job.plan.photo else 0,
                    seconds=time.perf_counter() - began,
                )
                for place, (job, of) in enumerate(zip(drawn, batch.of, strict=True))
            ]

    def _result(
        self,
        job: Job,
        *,
        original: NDArray[np.float32],
        edited: NDArray[np.float32],
        batch: SideBySide,
        place: int,
        inverted: int,
        seconds: float,
    ) -> EditResult:
        plan, of, seen = job.plan, batch.of[place], batch.edits.heat_maps[place]
        photo = plan.photo
        if photo is None:
            before, after = to_image(original), to_image(edited)
        else:
            before = photo.picture.with_alpha()
            after = photo.brought_back(edited, plan.edit.full_size, before=lambda: original)
        share = batch.edits.blends[place].share((before.height, before.width))
        if plan.changes_nothing:
            after = before.copy()
        elif share is not None:
            after = composite(before, after, share)
        is_first = batch.of.index(of) == place
        return EditResult(
            edited_image=after,
            original_image=before,
            edit=plan.edit,
            seed=plan.seed,
            num_unet_rows=inverted + batch.edits.num_rows[place] + is_first * batch.originals.num_rows(of),
            seconds=seconds,
            model=self.model.name,
            dtype=self.model.dtype_name,
            scheduler=type(self.model.scheduler).__name__,
            reconstruction_psnr=self._psnr(job, original, batch.originals.redrawn(of)),
            heat_maps=None if seen is None else seen.by_word(),
            notes=(
                *self.model.notes,
                *(() if photo is None else photo.picture.notes),
                *self.model.remarks_on(plan.edit.original_prompt, plan.edit.edited_prompt),
            ),
        )

    def _psnr(self, job: Job, original: NDArray[np.float32], redrawn: Tensor | None) -> float | None:
        photo, path = job.plan.photo, job.trajectory
        if photo is None or path is None or path.is_noted:
            return None  # any prompt redraws it
        return photo.psnr(original if redrawn is None else self._picture(redrawn))

    def _picture(self, latents: Tensor) -> NDArray[np.float32]:
        """Decode one picture's latents, (C, h, w), to (H, W, 3) in [0, 1]."""
        # By itself, so that its company changes no bit.
        (pixels,) = self.model.decode(latents[None])
        require_finite(latents, pixels)
        return to_array(pixels)
