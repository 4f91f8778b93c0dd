"""Edit a picture by editing the prompt that made it.

References: Hertz et al., "Prompt-to-Prompt Image Editing with Cross Attention Control" (2022, arXiv
2208.01626), Alg. 1; for the recipe `instruct_pix2pix`, Brooks et al., "InstructPix2Pix: Learning to Follow
Image Editing Instructions" (2023, arXiv 2211.09800), §3.1.2.

Both pictures are drawn side by side, from one noise, in one batch [u_o, u_e, c_o, c_e] of unconditional and
conditional rows of the original and the edited prompt: 4 UNet rows a step, 2 where one half has no weight.

Laws: the original's picture does not depend on the edit; the same prompt twice gives the same picture, bit
    for bit;
without windows each picture is the plain one of its prompt; nothing of an edit is left on the model.
"""

import secrets
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .alignment import (
    TokenizedPrompt,
    can_replace,
    equalizer,
    indicator,
    refinement_mapper,
    replacement_mapper,
)
from .attention import AttentionSite, install
from .blend import Blend, WordMaps
from .controls import (
    CrossControl,
    EditControl,
    InjectSelf,
    Refine,
    Replace,
    Reweight,
    RowControl,
    compose,
    schedule,
    window_alphas,
    window_steps,
)
from .diffusion import denoise, noise
from .edits import STANDARD_SCALES, EditResult, PromptEdit, Step
from .errors import InvalidEdit
from .guidance import cfg
from .images import composite, read_mask, to_image
from .models import DiffusionModel, from_pipeline, load, require_kind
from .running import drained, failures_explained, require_finite


class PromptToPromptEditor:
    """Draws a picture and its edit from two prompts.

    An editor keeps nothing of an edit: several may run at once, be left half-way, or fail, and the next is
    none the wiser.
    """

    def __init__(self, model: DiffusionModel) -> None:
        """Take a model and give its UNet the processors that edits need, which change nothing else.

        Args:
            model: One that draws from words alone.

        Raises:
            IncompatibleModel: It needs a picture beside the words, or its attention cannot be steered.
        """
        require_kind(model, "base")
        install(model.unet)
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
            IncompatibleModel: There is no such model, or none that draws from prompts.
            InvalidEdit: The device, dtype or scheduler is not to be had.
        """
        model = load(name_or_path, kind="base", device=device, dtype=dtype)
        return cls(model if scheduler is None else model.with_scheduler(scheduler))

    @classmethod
    def from_pipeline(cls, pipe: Any) -> Self:
        """Edit with the parts of a diffusers pipeline; its own pictures stay what they were, bit for bit.

        Raises:
            IncompatibleModel: Its parts are none of a text-to-image model.
        """
        return cls(from_pipeline(pipe))

    @property
    def recommended(self) -> Mapping[str, float]:
        """The scales that a request takes where it names none."""
        return {**STANDARD_SCALES, **self.model.recommended}

    def edit(self, edit: PromptEdit) -> EditResult:
        """Draw both pictures.

        Raises:
            InvalidEdit: The size, mask or number of steps cannot be used with this model.
            AlignmentError: A named word is not in its prompt, or a prompt is too long for this model.
            EditFailed: Memory ran out, or the model gave numbers that are no picture.
        """
        return drained(self.stream(edit))

    @torch.no_grad()
    def stream(self, edit: PromptEdit) -> Generator[Step, None, EditResult]:
        """Draw both pictures step by step; to cancel, close the generator.

        Yields:
            Each step after it was taken; row 0 of its latents is the original, row 1 the edited picture.

        Returns:
            The result.

        Raises:
            InvalidEdit: The size, mask or number of steps cannot be used with this model.
            AlignmentError: A named word is not in its prompt, or a prompt is too long for this model.
            EditFailed: Memory ran out, or the model gave numbers that are no picture.
        """
        began = time.perf_counter()
        model = self.model
        seed = secrets.randbelow(2**32) if edit.seed is None else int(edit.seed)
        edit = edit.settled(seed, model.recommended)
        # Whoever lent us the UNet may have given it other processors since.
        plan = _Plan.of(edit, model, install(model.unet))
        with failures_explained():
            predict = _Prediction(model, edit, plan)
            start, generators = noise([seed, seed], (model.latent_channels, *plan.size), model.device)
            steps = denoise(
                predict,
                scheduler=model.new_scheduler(),
                latents=start,
                num_inference_steps=edit.num_inference_steps,
                generators=generators,
                after_step=plan.blend.after_step,
            )
            latents = start
            for step in steps:
                latents = step.latents
                yield replace(step, render=lambda clean: model.preview(clean[1:]))
            pictures = model.decode(latents)
        require_finite(latents, pictures)
        original, edited = (to_image(picture.permute(1, 2, 0).cpu().numpy()) for picture in pictures)
        share = plan.blend.share((original.height, original.width))
        return EditResult(
            edited_image=edited if share is None else composite(original, edited, share),
            original_image=original,
            edit=edit,
            seed=seed,
            num_unet_rows=predict.num_rows,
            seconds=time.perf_counter() - began,
            model=model.name,
            scheduler=type(model.scheduler).__name__,
        )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Plan:
    """A request read against a model: what the attention does, where the edit may reach, and at what size."""

    size: tuple[int, int]  # (h, w) of the latents
    halves: tuple[str, ...]  # the halves of the batch that have a weight, of two rows each
    control: EditControl
    blend: Blend

    @classmethod
    def of(cls, edit: PromptEdit, model: DiffusionModel, sites: tuple[AttentionSite, ...]) -> Self:
        """Read a request."""
        original, edited = (
            TokenizedPrompt.of(getattr(edit, name), model.tokenizer, num_tokens=model.window, field=name)
            for name in ("original_prompt", "edited_prompt")
        )
        num_calls = _num_calls(edit, model)
        size = _latent_size(edit, model)
        halves = (
            *(["unconditional"] if edit.guidance_scale != 1 else []),
            *(["conditional"] if edit.guidance_scale != 0 else []),
        )
        cross = _cross(edit, original, edited)
        alphas = window_alphas(edit.cross_replace_steps, edited, num_calls)
        mixes = schedule(compose(cross, edited.num_tokens), alphas, device=model.device, dtype=model.dtype)
        paper = edit.recipe == "paper"
        inject = InjectSelf(
            steps=window_steps(edit.self_replace_steps, num_calls), finest_level=1 if paper else 0
        )
        rows = tuple(
            RowControl(original=2 * n, edited=2 * n + 1, cross=mixes if paper else (), inject=inject)
            for n, half in enumerate(halves)
            if half == "conditional" or not paper
        )
        words = _word_maps(edit, original, edited, sites, halves, size)
        painted = _painted(edit, model, size)
        if (original.ids == edited.ids and set(edit.word_weights.values()) <= {1}) or halves == (
            "unconditional",
        ):
            # Nothing is edited. The rows would differ by rounding at most, and equal prompts make equal bits.
            painted = np.zeros([side * model.vae_scale_factor for side in size], np.uint8)
        local = edit.local_blend
        return cls(
            size=size,
            halves=halves,
            control=EditControl(rows=rows, observer=words),
            blend=Blend(
                word_maps=words,
                threshold=local.threshold if local else 1,
                start=window_steps((local.start, 1), num_calls).start if local else 0,
                painted=painted,
            ),
        )


class _Prediction:
    """The UNet under guidance, for one edit; counts the rows it evaluates."""

    def __init__(self, model: DiffusionModel, edit: PromptEdit, plan: _Plan) -> None:
        self.unet, self.dtype = model.unet, model.dtype
        assert edit.guidance_scale is not None  # settled by `stream`
        self.plan, self.guidance_scale = plan, float(edit.guidance_scale)
        self.num_rows = 0
        prompts = {
            "unconditional": ("", ""),
            "conditional": (edit.original_prompt, edit.edited_prompt),
        }
        # Each by itself: in a batch, the company a prompt keeps may change its last bits.
        states = [model.encode_prompt([prompt]) for half in plan.halves for prompt in prompts[half]]
        self.text = torch.cat(states)  # (R, T, D)

    def __call__(self, latents: Tensor, timestep: Tensor, index: int) -> Tensor:
        """Predict for scaled latents, (2, C, h, w), of the original and the edited row."""
        rows = torch.cat([latents] * len(self.plan.halves)).to(self.dtype)
        self.num_rows += len(rows)
        output = self.unet(
            rows,
            timestep,
            encoder_hidden_states=self.text,
            cross_attention_kwargs={"control": self.plan.control, "step": index},
            return_dict=False,
        )[0]
        parts = dict(zip(self.plan.halves, output.float().chunk(len(self.plan.halves)), strict=True))
        return cfg(parts.get("unconditional"), parts.get("conditional"), self.guidance_scale)


def _cross(edit: PromptEdit, original: TokenizedPrompt, edited: TokenizedPrompt) -> list[CrossControl]:
    """Choose the operations on cross-attention maps."""
    factors = equalizer(edited, edit.word_weights)
    if edit.operation == "replace" or (edit.operation == "auto" and can_replace(original, edited)):
        return [Replace(replacement_mapper(original, edited)), Reweight(factors)]
    return [Refine(refinement_mapper(original, edited)), Reweight(factors)]


def _word_maps(
    edit: PromptEdit,
    original: TokenizedPrompt,
    edited: TokenizedPrompt,
    sites: tuple[AttentionSite, ...],
    halves: tuple[str, ...],
    size: tuple[int, int],
) -> WordMaps | None:
    """Ask to be told where the words of a local blend are looked at, in the conditional rows."""
    local = edit.local_blend
    if local is None:
        return None
    named = torch.stack(
        (
            indicator(original, local.original, field="local_blend.original"),
            indicator(edited, local.edited, field="local_blend.edited"),
        )
    )
    none = torch.zeros_like(named)
    tokens = torch.cat([named if half == "conditional" else none for half in halves])
    return WordMaps(sites, tokens, size=size)


def _num_calls(edit: PromptEdit, model: DiffusionModel) -> int:
    """Count the scheduler's UNet calls for the asked steps: a few schedulers make more than one a step."""
    most = model.scheduler.config.num_train_timesteps
    if edit.num_inference_steps > most:
        raise InvalidEdit(
            f"num_inference_steps: {edit.num_inference_steps} is not allowed; this model has 1 to {most}."
        )
    scheduler = model.new_scheduler()
    scheduler.set_timesteps(edit.num_inference_steps)
    return len(scheduler.timesteps)


def _latent_size(edit: PromptEdit, model: DiffusionModel) -> tuple[int, int]:
    """Return (h, w) of the latents for the asked size, or the model's own."""
    factor = model.vae_scale_factor
    sides = []
    for name, side in (("height", edit.height), ("width", edit.width)):
        side = side or model.native_size
        if side % factor:
            below = side - side % factor
            raise InvalidEdit(
                f"{name}: {side} is not allowed, this model draws multiples of {factor}; "
                f"give {below or factor} or {below + factor}."
            )
        sides.append(side // factor)
    return sides[0], sides[1]


def _painted(edit: PromptEdit, model: DiffusionModel, size: tuple[int, int]) -> NDArray[np.uint8] | None:
    """Read the user's mask, (H, W), if there is one."""
    if edit.mask is None:
        return None
    height, width = (side * model.vae_scale_factor for side in size)
    return read_mask("mask", edit.mask, (width, height))
