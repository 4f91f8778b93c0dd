"""Edit a picture by editing the prompt that made it.

References: Hertz et al., "Prompt-to-Prompt Image Editing with Cross Attention Control" (2022, arXiv
2208.01626), Alg. 1; for the recipe `instruct_pix2pix`, Brooks et al., "InstructPix2Pix: Learning to Follow
Image Editing Instructions" (2023, arXiv 2211.09800), §3.1.2.

Each picture costs two UNet rows a step, unconditional and conditional, or one where the other has no weight;
edits of one original share its rows.

Laws: the original's picture does not depend on the edit; the same prompt twice gives the same picture, bit
for bit; without windows each picture is the plain one of its prompt; nothing of an edit is left on the model.
"""

import secrets
import time
from collections import defaultdict
from collections.abc import Collection, Generator, Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .attention import install
from .edits import STANDARD_SCALES, STANDARD_WINDOWS, EditResult, PromptEdit, Step
from .errors import InvalidEdit
from .files import user_path
from .images import composite, to_image
from .memory import Memory
from .models import DiffusionModel, from_pipeline, load, require_kind
from .photo import Photo
from .plan import Plan
from .running import drained, failures_explained, require_finite
from .side_by_side import SideBySide

CACHE_BYTES = 2 * 2**30
"""Enough for two originals of Stable Diffusion 1.5 in half precision at 50 steps."""


class PromptToPromptEditor:
    """Draws a picture, or takes a photo, and draws its edit from two prompts.

    Several edits may run at once, be left half-way, or fail, and the next is none the wiser. What an edit
    has in common with an earlier one, its original above all, is kept and not computed again; the result is
    the same, bit for bit.

    Attributes:
        model: The model.
        memory: What is kept for further edits: `memory.nbytes` of at most `memory.budget` bytes.
    """

    def __init__(
        self,
        model: DiffusionModel,
        *,
        cache_bytes: int = CACHE_BYTES,
        trajectories: str | Path | None = None,
    ) -> None:
        """Take a model and give its UNet the processors that edits need, which change nothing else.

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
        require_kind(model, "base")
        if cache_bytes < 0:
            raise InvalidEdit(f"cache_bytes: {cache_bytes} is not allowed; give a whole number from 0.")
        install(model.unet)
        self.model = model
        self.memory = Memory(model, cache_bytes, None if trajectories is None else user_path(trajectories))

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str = "pocket",
        *,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        scheduler: str | None = None,
        cache_bytes: int = CACHE_BYTES,
        trajectories: str | Path | None = None,
    ) -> Self:
        """Load an editor.

        Args:
            name_or_path: "pocket", a folder in diffusers' layout, a .safetensors file, or a Hub id.
            device: None takes CUDA, else Apple's GPU, else the CPU.
            dtype: Of the whole model; None chooses by device, see `models.load`.
            scheduler: Another than the model's own: ddim, pndm, dpm++2m, euler or euler-a.
            cache_bytes: How much may be kept for further edits; 0 keeps nothing.
            trajectories: A folder to keep inverted photos in from one run to the next.

        Raises:
            IncompatibleModel: There is no such model, or none that draws from prompts.
            InvalidEdit: The device, dtype or scheduler is not to be had.
        """
        model = load(name_or_path, kind="base", device=device, dtype=dtype)
        chosen = model if scheduler is None else model.with_scheduler(scheduler)
        return cls(chosen, cache_bytes=cache_bytes, trajectories=trajectories)

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

    @property
    def recommended(self) -> Mapping[str, float]:
        """The scales and windows that a request takes where it names none."""
        return {**STANDARD_SCALES, **STANDARD_WINDOWS, **self.model.recommended}

    def edit(self, edit: PromptEdit) -> EditResult:
        """Draw both pictures.

        Raises:
            InvalidEdit: The size, mask or number of steps cannot be used with this model.
            AlignmentError: A named word is not in its prompt, or a prompt is too long for this model.
            EditFailed: Memory ran out, or the model gave numbers that are no picture.
        """
        return drained(self.stream(edit))

    def stream(self, edit: PromptEdit) -> Generator[Step, None, EditResult]:
        """Draw both pictures step by step; to cancel, close the generator.

        Yields:
            Each step after it was taken; row 0 of its latents is the original, row 1 the edited picture. A
            photo that is inverted first comes with the steps of that before, which count for themselves.

        Returns:
            The result.

        Raises:
            InvalidEdit: The photo, size, mask or number of steps cannot be used with this model.
            AlignmentError: A named word is not in its prompt, or a prompt is too long for this model.
            EditFailed: Memory ran out, or the model gave numbers that are no picture.
        """
        with failures_explained():
            plan = self._read(edit)
        (result,) = yield from self._run([plan], keep={plan.source})
        return result

    def edit_many(self, edits: Sequence[PromptEdit], *, batch_size: int = 8) -> list[EditResult]:
        """Draw several pairs; edits of one original share its rows, and originals share UNet calls.

        Each result is that of `edit`, to rounding. Edits of one original that differ in a window alone share
        their rows until they part. Shared rows are told with the first edit that they were spent on, so that
        `num_unet_rows` of all results are what was spent.

        Args:
            edits: Any number of requests.
            batch_size: How many edits go through the UNet together, at most; as many originals at most go
                before them.

        Raises:
            InvalidEdit: A request cannot be carried out; none is then begun.
            AlignmentError: A named word is not in its prompt, or a prompt is too long for this model.
            EditFailed: Memory ran out, or the model gave numbers that are no picture.
        """
        if batch_size < 1:
            raise InvalidEdit(f"batch_size: {batch_size} is not allowed; give a whole number from 1.")
        with failures_explained():
            plans = [self._read(edit) for edit in edits]
        results: dict[int, EditResult] = {}
        for batch, keep in _batches(plans, batch_size):
            done = drained(self._run([plans[place] for place in batch], keep=keep))
            results.update(zip(batch, done, strict=True))
        return [results[place] for place in range(len(plans))]

    def _read(self, edit: PromptEdit) -> Plan:
        seed = secrets.randbelow(2**32) if edit.seed is None else int(edit.seed)
        return Plan.of(edit.settled(seed, self.model.recommended), seed, self.model)

    @torch.no_grad()
    def _run(
        self, plans: Sequence[Plan], *, keep: Collection[tuple[Hashable, ...]]
    ) -> Generator[Step, None, list[EditResult]]:
        """Draw edits of one company together.

        Args:
            plans: The edits.
            keep: The sources that are worth keeping.

        Yields:
            Each step; of an inversion first, where there is one; then with the originals' latents before the
            edits'.

        Returns:
            One result per plan.
        """
        began = time.perf_counter()
        with failures_explained():
            # Whoever lent us the UNet may have given it other processors since.
            sites = install(self.model.unet)
            recalled = self.memory.now()
            paths = yield from recalled.trajectories(plans)
            jobs = [
                recalled.job(plan, path, keep=plan.source in keep)
                for plan, path in zip(plans, paths, strict=True)
            ]
            batch = SideBySide(self.model, sites, jobs)
            num_originals = len(set(batch.of))
            for step in batch.steps():
                latents = step.latents
                yield replace(step, render=lambda clean: self.model.preview(clean[num_originals:]))
            kept = {of: job.source.picture for job, of in zip(jobs, batch.of, strict=True) if job.source}
            pictures = [
                kept[place] if place in kept else self._picture(row) for place, row in enumerate(latents)
            ]
            recalled.keep(jobs, batch, pictures[:num_originals])
            return [
                self._result(
                    job.plan,
                    original=pictures[of],
                    edited=pictures[num_originals + place],
                    batch=batch,
                    place=place,
                    inverted=recalled.spent.pop(job.plan.inversion, 0) if job.plan.photo else 0,
                    seconds=time.perf_counter() - began,
                )
                for place, (job, of) in enumerate(zip(jobs, batch.of, strict=True))
            ]

    def _result(
        self,
        plan: Plan,
        *,
        original: NDArray[np.float32],
        edited: NDArray[np.float32],
        batch: SideBySide,
        place: int,
        inverted: int,
        seconds: float,
    ) -> EditResult:
        photo, of, seen = plan.photo, batch.of[place], batch.edits.heat_maps[place]
        before = to_image(original) if photo is None else photo.picture.with_alpha()
        after = (
            to_image(edited) if photo is None else photo.brought_back(original, edited, plan.edit.full_size)
        )
        share = batch.edits.blends[place].share((before.height, before.width))
        is_first = batch.of.index(of) == place
        return EditResult(
            edited_image=after if share is None else composite(before, after, share),
            original_image=before,
            edit=plan.edit,
            seed=plan.seed,
            num_unet_rows=inverted + batch.edits.num_rows[place] + is_first * batch.originals.num_rows(of),
            seconds=seconds,
            model=self.model.name,
            scheduler=type(self.model.scheduler).__name__,
            reconstruction_psnr=None if photo is None else self._psnr(photo, original, batch, of),
            heat_maps=None if seen is None else seen.by_word(),
            notes=(
                *(() if photo is None else photo.picture.notes),
                *self.model.text.notes_on(f"{plan.edit.original_prompt} {plan.edit.edited_prompt}"),
            ),
        )

    def _psnr(self, photo: Photo, original: NDArray[np.float32], batch: SideBySide, of: int) -> float | None:
        redrawn = batch.originals.redrawn(of)
        return photo.psnr(original if redrawn is None else self._picture(redrawn))

    def _picture(self, latents: Tensor) -> NDArray[np.float32]:
        """Decode one picture's latents, (C, h, w), to (H, W, 3) in [0, 1]."""
        # By itself, so that its company changes no bit.
        (pixels,) = self.model.decode(latents[None])
        require_finite(latents, pixels)
        return pixels.permute(1, 2, 0).cpu().numpy()


def _batches(plans: Sequence[Plan], batch_size: int) -> Iterator[tuple[list[int], set[tuple[Hashable, ...]]]]:
    """Choose which edits go through the UNet together, by their places, and which originals are kept after.

    Worth keeping is what another batch will take, and the one original that all is about.
    """
    companies: dict[Hashable, dict[tuple[Hashable, ...], list[int]]] = defaultdict(dict)
    for place, plan in enumerate(plans):
        companies[plan.company].setdefault(plan.source, []).append(place)
    alone = len({plan.source for plan in plans}) == 1
    for sources in companies.values():
        places = [place for own in sources.values() for place in own]  # edits of a source together
        batches = [places[start : start + batch_size] for start in range(0, len(places), batch_size)]
        keep = {
            source
            for source, own in sources.items()
            if alone or sum(not set(own).isdisjoint(batch) for batch in batches) > 1
        }
        for batch in batches:
            yield batch, keep
