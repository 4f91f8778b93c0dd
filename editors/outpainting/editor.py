"""Extend a picture: a model that draws from words draws what may lie around it.

Laws: the picture itself stays as it is, pixel for pixel; the result of many is that of the one, to rounding;
the model needs no training for it.
"""

import time
from collections.abc import Collection, Generator, Hashable, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any, Self

import numpy as np
import torch

from editors.ddim import levels
from editors.diffusion import noise
from editors.editor import DiffusionEditor
from editors.errors import InvalidEdit
from editors.guidance import Plain
from editors.model.conditioning import Conditioning
from editors.model.loading.load import from_pipeline, load
from editors.model.loading.needs import Needs
from editors.model.network import GuidedNetwork, Rows
from editors.model.photo import Photo, encode
from editors.model.residence import MemoryUse
from editors.outpainting.canvas import Canvas
from editors.outpainting.repaint import repaint
from editors.pictures.images import MAX_ASPECT, MAX_PIXELS, read_picture
from editors.requests.edits import SIDES, OutpaintEdit
from editors.requests.lora import Lora
from editors.requests.results import EditResult, Step
from editors.requests.settings import ResolvedEdit, Settings
from editors.running import failures_explained, require_finite


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Job:
    """A request that has been read: its seed is drawn, its picture is decoded."""

    edit: OutpaintEdit
    seed: int
    settings: Settings
    canvas: Canvas
    photo: Photo

    @property
    def batch_key(self) -> tuple[Hashable, ...]:
        """Key of jobs that may share a batch of the network."""
        asked = self.settings
        how = (asked.num_inference_steps, asked.guidance_scale, self.edit.num_resamples)
        return (self.photo.size, *how, self.edit.prompt == "")

    @property
    def source(self) -> Hashable:
        """The picture, of which nothing is drawn that others could share."""
        return self.photo.digest


class RePaintEditor(DiffusionEditor[OutpaintEdit, _Job]):
    """Draws what lies around pictures, with a model that draws from words alone.

    It samples by DDIM, whatever the model's files name: RePaint goes back and forth between noise levels.
    """

    kind = "base"
    batch_size = 4

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str = "pocket",
        *,
        device: str | torch.device | None = None,
        dtype: torch.dtype | str | None = None,
        loras: Sequence[Lora | str | PathLike[str]] = (),
        memory: MemoryUse = "auto",
        needs: Needs | None = None,
    ) -> Self:
        """Load an editor.

        Args:
            name_or_path: "pocket", a folder in diffusers' layout, a .safetensors file, or a Hub id.
            device: None takes CUDA, else Apple's GPU, else the CPU.
            dtype: Of the whole model; None chooses by device, "auto" measures, see `load`.
            loras: Laid over it: files, as `FILE` or `FILE=SCALE`, or `Lora`s; see `Lora`.
            memory: "auto", "full", "offload" or "int8"; see `load`.
            needs: As `needs_of` told them, so that the Hub is not asked again.

        Raises:
            IncompatibleModel: There is no such model, or none that draws from prompts.
            InvalidEdit: The device or dtype is not to be had, or a scale is out of range.
        """
        placed: dict[str, Any] = {"device": device, "dtype": dtype, "memory": memory, "needs": needs}
        return cls(load(name_or_path, kind=cls.kind, loras=loras, **placed))

    @classmethod
    def from_pipeline(cls, pipe: Any) -> Self:
        """Draw with the parts of a diffusers pipeline, as they are.

        Raises:
            IncompatibleModel: Its parts are none of a text-to-image model.
        """
        return cls(from_pipeline(pipe))

    def _read(self, resolved: ResolvedEdit[OutpaintEdit]) -> _Job:
        edit, model = resolved.edit, self.model
        if edit.prompt:
            model.require_readable("prompt", edit.prompt)
        model.by_ddim().num_calls(resolved.settings.num_inference_steps)
        picture = read_picture("original_image", edit.original_image)
        canvas = Canvas(picture, edit.margins)
        _require_room(canvas)
        photo = Photo.read(canvas.mirrored, model, resolution=edit.resolution)
        width, height = (side // model.vae_scale_factor for side in photo.size)
        if not canvas.known((height, width)).any():
            raise InvalidEdit(
                "",
                "At this size the model sees nothing of the picture to go by: add less, or raise resolution.",
            )
        return _Job(edit=edit, seed=resolved.seed, settings=resolved.settings, canvas=canvas, photo=photo)

    @torch.no_grad()
    def _run(
        self, jobs: Sequence[_Job], *, keep: Collection[Hashable]
    ) -> Generator[Step, None, list[EditResult]]:
        began = time.perf_counter()
        model, settings, edit = self.model, jobs[0].settings, jobs[0].edit
        with failures_explained():
            picture = model.scaled(encode([job.photo for job in jobs], model))
            _, channels, height, width = picture.shape
            known = torch.from_numpy(np.stack([job.canvas.known((height, width)) for job in jobs]))[:, None]
            start, generators = noise([job.seed for job in jobs], (channels, height, width), model.device)
            predict = self._guided(jobs)
            steps = repaint(
                predict,
                levels=levels(model.by_ddim().new_scheduler((height, width)), settings.num_inference_steps),
                noise=start,
                picture=picture,
                known=known.to(picture.device),
                num_resamples=edit.num_resamples,
                generators=generators,
            )
            latents = start
            for step in steps:
                latents = step.latents
                yield replace(step, render=model.preview)
            drawn = model.decode(latents)
            require_finite(latents, drawn)
            pixels = drawn.permute(0, 2, 3, 1).float().cpu().numpy()
            pictures = [
                job.canvas.joined(job.photo.pixels, one) for job, one in zip(jobs, pixels, strict=True)
            ]
        return [
            EditResult(
                edited_image=image,
                original_image=job.canvas.picture.with_alpha(),
                edit=job.edit,
                seed=job.seed,
                num_unet_rows=predict.num_rows // len(jobs),
                seconds=time.perf_counter() - began,
                model=model.name,
                dtype=model.dtype_name,
                scheduler="DDIMScheduler",
                notes=(*model.notes, *job.canvas.picture.notes, *model.remarks_on(job.edit.prompt)),
            )
            for job, image in zip(jobs, pictures, strict=True)
        ]

    def _guided(self, jobs: Sequence[_Job]) -> GuidedNetwork:
        """Put the prompts before the network; of an empty one there is nothing to be guided by."""
        width, height = jobs[0].photo.size
        prompts = [job.edit.prompt for job in jobs]
        empty: Conditioning = self.model.unconditional(size=(height, width)).expand(len(jobs))
        if not prompts[0]:
            return GuidedNetwork(self.model.network, Plain(0), {"unconditional": Rows(conditioning=empty)})
        told = self.model.condition(prompts, size=(height, width))
        rows_of = {"unconditional": Rows(conditioning=empty), "conditional": Rows(conditioning=told)}
        return GuidedNetwork(self.model.network, Plain(float(jobs[0].settings.guidance_scale)), rows_of)


def _require_room(canvas: Canvas) -> None:
    """Require margins that leave the model something to go by, and a size that a picture may have.

    Raises:
        InvalidEdit: They do not.
    """
    width, height = canvas.picture.size
    for name, margin in zip(SIDES, canvas.margins, strict=True):
        side = width if name in ("left", "right") else height
        if margin > side:
            raise InvalidEdit(
                name, f"{margin} is not allowed, 0 to {side} are: the picture's own side; extend it twice."
            )
    wide, high = canvas.size
    if wide * high > MAX_PIXELS or max(wide, high) > MAX_ASPECT * min(wide, high):
        raise InvalidEdit(
            "",
            f"The extended picture would have {wide}×{high} pixels; allowed are {MAX_PIXELS / 1e6:.0f} "
            f"million, and sides up to {MAX_ASPECT} to 1: add less.",
        )
