"""Edit a picture by an instruction.

Reference: Tim Brooks, Aleksander Holynski, Alexei A. Efros, "InstructPix2Pix: Learning to Follow Image
Editing Instructions" (2023, arXiv 2211.09800), §3.2 and Eq. 3.

Law: on the same weights, seed and scheduler the result is that of diffusers'
StableDiffusionInstructPix2PixPipeline wherever that follows the paper, and the paper's formula everywhere
else: any scales from 0, and no prediction is computed whose coefficient is zero.
"""

import time
from collections.abc import Collection, Generator, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from os import PathLike
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from editors.diffusion import denoise, noise
from editors.editor import DiffusionEditor
from editors.errors import InvalidEdit
from editors.forecast import Forecast, computed_steps, require_forecastable
from editors.model.conditioning import Conditioning, Shown
from editors.model.diffusion_model import DiffusionModel
from editors.model.loading.load import from_pipeline, load
from editors.model.loading.needs import Needs
from editors.model.network import GuidedNetwork, Rows
from editors.model.photo import Photo
from editors.model.photo_memory import PhotoMemory
from editors.model.residence import MemoryUse
from editors.model.suggest import Suggestions
from editors.pictures.batches import to_array
from editors.pictures.images import composite, read_mask
from editors.pictures.shift import Shift, moved_back, shift_between, told_of
from editors.relevance import Reach, Relevance, Watched
from editors.requests import taught
from editors.requests.edits import InstructionEdit
from editors.requests.lora import Lora
from editors.requests.results import EditResult, Step
from editors.requests.settings import ResolvedEdit, Settings
from editors.running import failures_explained, require_finite


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Job:
    """A request that has been read: its seed is drawn, its pictures are decoded."""

    edit: InstructionEdit
    seed: int
    settings: Settings
    photo: Photo
    references: tuple[Photo, ...]
    mask: NDArray[np.uint8] | None

    @property
    def batch_key(self) -> tuple[Hashable, ...]:
        """Key of jobs that may share a batch of the network."""
        asked = self.settings
        scales = (asked.guidance_scale, asked.image_guidance_scale)
        sizes = tuple(photo.size for photo in self.shown)
        return (sizes, asked.num_inference_steps, *scales, asked.forecast)

    @property
    def shown(self) -> tuple[Photo, ...]:
        """All pictures that the model is shown, the one that is edited first."""
        return (self.photo, *self.references)

    @property
    def source(self) -> Hashable:
        """The photo, of which nothing is drawn that edits could share."""
        return self.photo.digest


class InstructPix2PixEditor(DiffusionEditor[InstructionEdit, _Job]):
    """Follows instructions on pictures, with a model whose network is told a picture: 2·C channels."""

    kind = "edit"
    batch_size = 4

    def __init__(self, model: DiffusionModel) -> None:
        """Take a model.

        Raises:
            IncompatibleModel: It is of another kind.
        """
        super().__init__(model)
        self._suggestions = Suggestions(model.text, model.phrases)
        self._photos = PhotoMemory(model)

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

        Raises:
            IncompatibleModel: There is no such model, or none that follows instructions.
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
        return cls(model)

    @classmethod
    def from_pipeline(cls, pipe: Any) -> Self:
        """Edit with the parts of a diffusers pipeline, as they are.

        Raises:
            IncompatibleModel: Its parts are none of an InstructPix2Pix model.
        """
        return cls(from_pipeline(pipe))

    @property
    def instructions(self) -> tuple[str, ...]:
        """Instructions that the model says it is good at; empty where it says nothing."""
        return self.model.instructions

    @property
    def has_scales(self) -> bool:
        """Whether the model can be told to follow words and picture more or less."""
        return self.model.has_scales

    @property
    def max_references(self) -> int:
        """Pictures that the model takes besides the one that is edited."""
        return self.model.max_references

    @property
    def phrases(self) -> tuple[str, ...]:
        """Instructions that the model was taught, to be suggested; empty where it says nothing."""
        return self.model.phrases

    def _read(self, resolved: ResolvedEdit[InstructionEdit]) -> _Job:
        edit, model = resolved.edit, self.model
        model.require_readable("edit_prompt", edit.edit_prompt)
        model.num_calls(resolved.settings.num_inference_steps)
        model.require_scales(resolved.settings)
        if resolved.settings.forecast > 1:
            require_forecastable(model.scheduler)
        photo = Photo.read(edit.original_image, model, resolution=edit.resolution)
        references = self._references(edit)
        return _Job(
            edit=edit,
            seed=resolved.seed,
            settings=resolved.settings,
            photo=photo,
            references=references,
            mask=None if edit.mask is None else read_mask("mask", edit.mask, photo.picture.size),
        )

    def _references(self, edit: InstructionEdit) -> tuple[Photo, ...]:
        """Read the further pictures of a request.

        Raises:
            InvalidEdit: The model takes none, or not as many, or one is no picture.
        """
        given, most = edit.references or (), self.model.max_references
        if len(given) > most:
            takes = f"takes {most} besides the picture" if most else "takes the picture alone"
            raise InvalidEdit("references", f"{len(given)} are too many; this model {takes}; leave some out.")
        return tuple(
            Photo.read(one, self.model, resolution=edit.resolution, field="references") for one in given
        )

    @torch.no_grad()
    def _run(
        self, jobs: Sequence[_Job], *, keep: Collection[Hashable]
    ) -> Generator[Step, None, list[EditResult]]:
        began = time.perf_counter()
        model, settings = self.model, jobs[0].settings
        with failures_explained():
            image_latents = self._photos.latents([job.photo for job in jobs])
            relevance = Relevance() if any(job.edit.only is not None for job in jobs) else None
            prompts = [job.edit.edit_prompt for job in jobs]
            predict = guided(
                model,
                prompts,
                image_latents,
                settings,
                relevance,
                self._forecast(settings),
                pictures=[[photo.seen for photo in job.shown] for job in jobs],
                references=[
                    self._photos.latents(place)
                    for place in zip(*(job.references for job in jobs), strict=True)
                ],
            )
            start, generators = noise(
                [job.seed for job in jobs], (model.latent_channels, *image_latents.shape[-2:]), model.device
            )
            steps = denoise(
                predict,
                scheduler=model.new_scheduler((image_latents.shape[-2], image_latents.shape[-1])),
                latents=start,
                num_inference_steps=settings.num_inference_steps,
                generators=generators,
            )
            latents = start
            for step in steps:
                latents = step.latents
                yield replace(step, render=model.preview)
            edited = model.decode(latents)
            require_finite(latents, edited)
            maps = [None] * len(jobs) if relevance is None else relevance.maps()
            finished = [self._finish(*row) for row in zip(jobs, edited, image_latents, maps, strict=True)]
        return [
            EditResult(
                edited_image=image,
                original_image=job.photo.picture.with_alpha(),
                reach=reach,
                edit=job.edit,
                seed=job.seed,
                num_unet_rows=predict.num_rows // len(jobs),
                seconds=time.perf_counter() - began,
                model=model.name,
                dtype=model.dtype_name,
                scheduler=type(model.scheduler).__name__,
                notes=(*told_of(shift), *self._notes(job, image, reach)),
            )
            for job, (image, reach, shift) in zip(jobs, finished, strict=True)
        ]

    def _forecast(self, settings: Settings) -> Forecast | None:
        """Return what stands in for the network at some steps of a batch, if there are any."""
        if settings.forecast == 1:
            return None
        num_calls = self.model.num_calls(settings.num_inference_steps)
        return Forecast(self.model.scheduler, computed_steps(num_calls, settings.forecast))

    def _notes(self, job: _Job, edited: Image.Image, reach: Reach | None) -> tuple[str, ...]:
        """Return what people should know of an edit."""
        model, prompt, before = self.model, job.edit.edit_prompt, job.photo.picture.with_alpha()
        doubts = (
            *(model.text.notes_on(prompt) or taught.notes_on(prompt, model.taught)),
            *taught.notes_on_change(before, edited, job.mask, has_scales=model.has_scales),
        )
        near = self._suggestions.nearest(prompt) if doubts else None
        if near is not None:
            doubts = (*doubts, f"Did you mean “{near}”?")
        can = f"This model is good at: {', '.join(self.instructions)}."
        told = (
            *model.notes,
            *job.photo.picture.notes,
            *doubts,
            *((can,) if doubts and self.instructions else ()),
        )
        return told if reach is None or job.edit.only is None else (*told, *reach.notes(job.edit.only))

    def _finish(
        self, job: _Job, edited: Tensor, image_latents: Tensor, relevance: NDArray[np.float32] | None
    ) -> tuple[Image.Image, Reach | None, Shift]:
        """Bring what was drawn, (3, h, w) in [0, 1], to the upload's place, size, alpha, mask and region."""

        def before() -> NDArray[np.float32]:
            # What the VAE itself loses is no part of the edit: the change is measured from its round trip.
            return self._photos.redrawn(job.photo, image_latents)

        drawn, seen = to_array(edited), job.photo.pixels
        shift = shift_between(seen, drawn) if self.model.may_shift else (0, 0)
        drawn = moved_back(drawn, shift, seen)
        result = job.photo.brought_back(drawn, job.edit.full_size, before=before)
        original, only = job.photo.picture.with_alpha(), job.edit.only
        if only is not None and relevance is not None:
            reach = Reach(relevance=relevance, original=original, everywhere=result, mask=job.mask)
            return reach.at(only), reach, shift
        return result if job.mask is None else composite(original, result, job.mask), None, shift


def guided(
    model: DiffusionModel,
    prompts: list[str],
    image_latents: Tensor,
    settings: Settings,
    relevance: Relevance | None = None,
    forecast: Forecast | None = None,
    *,
    pictures: Sequence[Shown] = (),
    references: Sequence[Tensor] = (),
) -> GuidedNetwork:
    """Put instructions and pictures before the network: e(I,T), e(I,∅) and e(∅,∅) of Eq. 3.

    Args:
        model: An edit model.
        prompts: The instructions, one per picture.
        image_latents: Of the pictures, unscaled, (B, C, h, w).
        settings: With both scales.
        relevance: Sees what the instructions change, or None.
        forecast: Stands in for the network at some steps, or None.
        pictures: What the instructions are about, for text encoders that see it.
        references: Latents of further pictures, unscaled, (B, C, h, w) each.
    """
    height, width = (side * model.vae_scale_factor for side in image_latents.shape[-2:])
    guidance = model.guidance(settings)
    if relevance is not None:
        guidance = Watched(guidance, relevance.see)

    @cache
    def empty(*, seen: bool) -> Conditioning:
        shown = pictures if seen else ()
        return model.unconditional(size=(height, width), pictures=shown).expand(len(prompts))

    # What has no weight is not read either: with some models that takes billions of weights.
    beside, *others = (model.beside(latents) for latents in (image_latents, *references))
    told: dict[str, Any] = {"picture": beside, "references": tuple(others)}
    rows_of = {}
    if "full" in guidance.conditions:
        words = model.condition(prompts, size=(height, width), pictures=pictures)
        rows_of["full"] = Rows(conditioning=words, **told)
    if "image" in guidance.conditions:
        rows_of["image"] = Rows(conditioning=empty(seen=True), **told)
    if "uncond" in guidance.conditions:
        nothing = empty(seen=model.nothing_sees_picture)
        rows_of["uncond"] = Rows(conditioning=nothing, picture=model.no_picture(image_latents))
    return GuidedNetwork(model.network, guidance, rows_of, forecast)
