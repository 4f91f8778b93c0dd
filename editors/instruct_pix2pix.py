"""Edit a picture by an instruction.

Reference: Tim Brooks, Aleksander Holynski, Alexei A. Efros, "InstructPix2Pix: Learning to Follow Image
Editing Instructions" (2023, arXiv 2211.09800), §3.2 and Eq. 3.

Law: on the same weights, seed and scheduler the result is that of diffusers'
StableDiffusionInstructPix2PixPipeline wherever that follows the paper, and the paper's formula everywhere
else: any scales from 0, and no prediction is computed whose coefficient is zero.
"""

import secrets
import time
from collections import defaultdict
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from .conditioning import Conditioning
from .diffusion import denoise, noise
from .edits import STANDARD_SCALES, EditResult, InstructionEdit, Step
from .errors import InvalidEdit
from .full_size import transfer_change, working_size
from .guidance import branches, dual
from .images import Picture, composite, read_mask, read_picture, to_image, to_pixels
from .models import DiffusionModel, from_pipeline, load, require_kind
from .running import drained, failures_explained, require_finite


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Job:
    """A request that has been read: its seed is drawn, its pictures are decoded."""

    edit: InstructionEdit
    seed: int
    picture: Picture
    mask: NDArray[np.uint8] | None
    size: tuple[int, int]
    pixels: Tensor  # (1, 3, H, W) in [-1, 1], at the size the model works at

    @property
    def company(self) -> tuple[object, ...]:
        """What rows of one batch must have in common."""
        edit = self.edit
        return (self.size, edit.num_inference_steps, edit.guidance_scale, edit.image_guidance_scale)


class InstructPix2PixEditor:
    """Follows instructions on pictures.

    An editor keeps nothing of an edit: several may run at once, be left half-way, or fail, and the next is
    none the wiser.
    """

    def __init__(self, model: DiffusionModel) -> None:
        """Take a model.

        Args:
            model: One whose UNet is told a picture: 2·C channels.

        Raises:
            IncompatibleModel: It makes pictures from words alone.
        """
        require_kind(model, "edit")
        self.model = model

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str = "pocket",
        *,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        scheduler: str | None = None,
    ) -> Self:
        """Load an editor.

        Args:
            name_or_path: "pocket", a folder in diffusers' layout, a .safetensors file, or a Hub id.
            device: None takes CUDA, else Apple's GPU, else the CPU.
            dtype: Of the whole model; None chooses by device, see `models.load`.
            scheduler: Another than the model's own: ddim, pndm, dpm++2m, euler or euler-a.

        Raises:
            IncompatibleModel: There is no such model, or none that follows instructions.
            InvalidEdit: The device, dtype or scheduler is not to be had.
        """
        model = load(name_or_path, kind="edit", device=device, dtype=dtype)
        return cls(model if scheduler is None else model.with_scheduler(scheduler))

    @classmethod
    def from_pipeline(cls, pipe: Any) -> Self:
        """Edit with the parts of a diffusers pipeline, as they are.

        Raises:
            IncompatibleModel: Its parts are none of an InstructPix2Pix model.
        """
        return cls(from_pipeline(pipe))

    @property
    def recommended(self) -> Mapping[str, float]:
        """The scales that a request takes where it names none."""
        return {**STANDARD_SCALES, **self.model.recommended}

    @property
    def instructions(self) -> tuple[str, ...]:
        """What the model says it is good at, as one would ask for it; empty where it says nothing."""
        return self.model.instructions

    def edit(self, edit: InstructionEdit) -> EditResult:
        """Carry out an edit.

        Raises:
            InvalidEdit: The picture or mask cannot be used, or the instruction is too long for this model.
            EditFailed: Memory ran out, or the model gave numbers that are no picture.
        """
        return drained(self.stream(edit))

    def stream(self, edit: InstructionEdit) -> Generator[Step, None, EditResult]:
        """Carry out an edit step by step; to cancel, close the generator.

        Yields:
            Each step after it was taken.

        Returns:
            The result.

        Raises:
            InvalidEdit: The picture or mask cannot be used, or the instruction is too long for this model.
            EditFailed: Memory ran out, or the model gave numbers that are no picture.
        """
        with failures_explained():
            job = self._read(edit)
        (result,) = yield from self._run([job])
        return result

    def edit_many(self, edits: Sequence[InstructionEdit], *, batch_size: int = 4) -> list[EditResult]:
        """Carry out several edits, those of one working size, step count and scales together.

        Each result is that of `edit`, to rounding.

        Args:
            edits: Any number of requests.
            batch_size: How many pictures go through the UNet together, at most.

        Raises:
            InvalidEdit: A request cannot be carried out; none is then begun.
            EditFailed: Memory ran out, or the model gave numbers that are no picture.
        """
        if batch_size < 1:
            raise InvalidEdit(f"batch_size: {batch_size} is not allowed; give a whole number from 1.")
        with failures_explained():
            jobs = [self._read(edit) for edit in edits]
        companies: dict[tuple[object, ...], list[int]] = defaultdict(list)
        for place, job in enumerate(jobs):
            companies[job.company].append(place)
        results: dict[int, EditResult] = {}
        for places in companies.values():
            for start in range(0, len(places), batch_size):
                batch = places[start : start + batch_size]
                results.update(zip(batch, drained(self._run([jobs[k] for k in batch])), strict=True))
        return [results[place] for place in range(len(jobs))]

    def _read(self, edit: InstructionEdit) -> _Job:
        model = self.model
        model.require_readable("edit_prompt", edit.edit_prompt)
        model.num_calls(edit.num_inference_steps)
        picture = read_picture("original_image", edit.original_image)
        native, step = edit.resolution or model.native_size, model.vae_scale_factor
        size = working_size(picture.size, native=native, unit=model.size_unit, step=step)
        seen = picture.on_white()
        small = seen if seen.size == size else seen.resize(size, Image.Resampling.LANCZOS)
        seed = secrets.randbelow(2**32) if edit.seed is None else int(edit.seed)
        return _Job(
            edit=edit.settled(seed, model.recommended),
            seed=seed,
            picture=picture,
            mask=None if edit.mask is None else read_mask("mask", edit.mask, picture.size),
            size=size,
            pixels=torch.from_numpy(to_pixels(small)).permute(2, 0, 1)[None] * 2 - 1,
        )

    @torch.no_grad()
    def _run(self, jobs: Sequence[_Job]) -> Generator[Step, None, list[EditResult]]:
        """Edit pictures of one company together.

        Yields:
            Each step, all rows at once.

        Returns:
            One result per job.
        """
        began = time.perf_counter()
        model, edit = self.model, jobs[0].edit
        with failures_explained():
            # Pictures keep their channels last, as diffusers leaves them: then even the rounding is the same.
            pixels = torch.cat([job.pixels for job in jobs]).contiguous(memory_format=torch.channels_last)
            image_latents = model.encode_image(pixels).mode().float()
            predict = _Prediction(model, [job.edit.edit_prompt for job in jobs], image_latents, edit)
            start, generators = noise(
                [job.seed for job in jobs], (model.latent_channels, *image_latents.shape[-2:]), model.device
            )
            steps = denoise(
                predict,
                scheduler=model.new_scheduler(),
                latents=start,
                num_inference_steps=edit.num_inference_steps,
                generators=generators,
            )
            latents = start
            for step in steps:
                latents = step.latents
                yield replace(step, render=model.preview)
            edited = model.decode(latents)
            require_finite(latents, edited)
            finished = [self._finish(*row) for row in zip(jobs, edited, image_latents, strict=True)]
        return [
            EditResult(
                edited_image=image,
                original_image=job.picture.with_alpha(),
                edit=job.edit,
                seed=job.seed,
                num_unet_rows=predict.num_rows // len(jobs),
                seconds=time.perf_counter() - began,
                model=model.name,
                scheduler=type(model.scheduler).__name__,
                notes=(*job.picture.notes, *model.text.notes_on(job.edit.edit_prompt)),
            )
            for job, image in zip(jobs, finished, strict=True)
        ]

    def _finish(self, job: _Job, edited: Tensor, image_latents: Tensor) -> Image.Image:
        """Bring what the model drew, (3, h, w) in [0, 1], to the upload's size, alpha and mask."""
        picture, after = job.picture, _as_pixels(edited)
        if job.size == picture.size:
            seen = to_image(after)
        elif job.edit.full_size == "resize":
            seen = to_image(after).resize(picture.size, Image.Resampling.BICUBIC)
        else:
            # What the VAE itself loses is no part of the edit: the change is measured from its round trip.
            before = _as_pixels(self.model.decode_unscaled(image_latents[None])[0])
            seen = transfer_change(picture.on_white(), before, after)
        result = picture.from_white(seen)
        return result if job.mask is None else composite(picture.with_alpha(), result, job.mask)


class _Prediction:
    """The UNet under dual guidance, for one run; counts the rows it evaluates."""

    def __init__(
        self, model: DiffusionModel, prompts: list[str], image_latents: Tensor, edit: InstructionEdit
    ) -> None:
        self.unet, self.dtype = model.unet, model.dtype
        assert edit.image_guidance_scale is not None and edit.guidance_scale is not None  # settled by `_read`
        self.scales = (float(edit.image_guidance_scale), float(edit.guidance_scale))
        self.needed = branches(*self.scales)
        self.num_rows = 0
        height, width = (side * model.vae_scale_factor for side in image_latents.shape[-2:])
        words = model.condition(prompts, size=(height, width)) if self.needed.full else None
        empty = model.unconditional(size=(height, width)).expand(len(prompts))
        nothing = torch.zeros_like(image_latents)
        # Models are told unscaled latents of the picture (all but one), and zeros for none.
        told = model.scaled(image_latents) if model.is_cosxl_edit else image_latents
        rows = [
            *([(words, told)] if words is not None else []),
            *([(empty, told)] if self.needed.image else []),
            *([(empty, nothing)] if self.needed.uncond else []),
        ]
        self.text = Conditioning.cat([text for text, _ in rows]).unet_kwargs()  # of R·B rows
        self.images = torch.cat([images for _, images in rows])  # (R·B, C, h, w)

    def __call__(self, latents: Tensor, timestep: Tensor, index: int) -> Tensor:
        """Predict for scaled latents, (B, C, h, w): R·B rows in one call, R the branches that count."""
        num_branches = sum(self.needed)
        told = torch.cat([torch.cat([latents] * num_branches), self.images], dim=1)  # (R·B, 2·C, h, w)
        self.num_rows += len(told)
        output = self.unet(told.to(self.dtype), timestep, **self.text, return_dict=False)[0]
        parts = iter(output.float().chunk(num_branches))
        full = next(parts) if self.needed.full else None
        image = next(parts) if self.needed.image else None
        uncond = next(parts) if self.needed.uncond else None
        return dual(uncond, image, full, *self.scales)


def _as_pixels(image: Tensor) -> NDArray[np.float32]:
    """Turn (3, h, w) into (h, w, 3) on the CPU."""
    return image.permute(1, 2, 0).float().cpu().numpy()
