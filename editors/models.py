"""A diffusion model as the editors see it: words and pictures to numbers, a UNet between, and back.

Reference: Robin Rombach, Andreas Blattmann, Dominik Lorenz, Patrick Esser, Björn Ommer, "High-Resolution
Image Synthesis with Latent Diffusion Models" (2022, arXiv 2112.10752).

Law: nothing of an edit is ever kept here: the parts are only called, and schedulers, which hold state, are
copied for every edit. Nothing assumes 4 latent channels, a CLIP text encoder or a size.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from .checkpoints import PARTS, SCHEDULERS, Parts, load_text_encoder, read
from .devices import choose_device, choose_dtype
from .errors import IncompatibleModel, InvalidEdit
from .images import to_image

__all__ = ["SCHEDULERS", "DiffusionModel", "Kind", "from_pipeline", "load", "load_text_encoder"]

Kind = Literal["base", "edit"]
"""A "base" model makes pictures from words; an "edit" model is told a picture too, in twice the channels."""

_PREVIEW_SIDE = {"cpu": 16, "mps": 32, "cuda": 64}
"""Latents of this side squared decode in a fraction of a step; larger ones are averaged down for a
preview."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class DiffusionModel:
    """The parts of a latent diffusion model in Stable Diffusion's layout.

    Attributes:
        tokenizer: Any tokenizer of transformers.
        text_encoder: Called as `text_encoder(ids, attention_mask=…)[0]`, (B, T, D).
        vae: An AutoencoderKL of any number of latent channels, C.
        unet: A UNet2DConditionModel: C channels in (base), or 2·C (edit).
        scheduler: The scheduler to copy for each edit.
        name: For people: what was asked for.
        recommended: Scales that suit it, by their name in a request, where it has any.
    """

    tokenizer: Any
    text_encoder: Any
    vae: Any
    unet: Any
    scheduler: Any
    name: str
    recommended: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Require parts that fit each other.

        Raises:
            IncompatibleModel: The sentence says which do not.
        """
        config = self.unet.config
        c = self.latent_channels
        if config.in_channels not in (c, 2 * c) or config.out_channels != c:
            raise IncompatibleModel(
                f"{self.name}: the UNet takes {config.in_channels} channels and gives {config.out_channels}, "
                f"which fits no model of {c} latent channels; allowed are {c} or {2 * c} in and {c} out."
            )
        width = getattr(self.text_encoder.config, "hidden_size", None)
        if getattr(config, "addition_embed_type", None) or config.cross_attention_dim != width:
            raise IncompatibleModel(
                f"{self.name}: the UNet reads text {config.cross_attention_dim} wide, the text encoder "
                f"writes {width}; give a model in the layout of Stable Diffusion 1.x or 2.x."
            )
        if not hasattr(self.scheduler, "init_noise_sigma"):
            raise IncompatibleModel(
                f"{self.name}: {type(self.scheduler).__name__} is no scheduler of a noise-predicting model; "
                f"choose from {', '.join(SCHEDULERS)}."
            )

    @property
    def kind(self) -> Kind:
        """Whether the UNet takes a picture beside the noise."""
        return "base" if self.unet.config.in_channels == self.latent_channels else "edit"

    @property
    def device(self) -> torch.device:
        """Where the UNet is."""
        return next(self.unet.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """What the UNet computes in; latents stay float32 between its calls."""
        return next(self.unet.parameters()).dtype

    @property
    def latent_channels(self) -> int:
        """C, the channels of a latent."""
        return int(self.vae.config.latent_channels)

    @property
    def vae_scale_factor(self) -> int:
        """Pixels of a picture's side per latent."""
        return int(2 ** (len(self.vae.config.block_out_channels) - 1))

    @property
    def size_unit(self) -> int:
        """Pixels that sides are best multiples of: then every level of the UNet halves without remainder."""
        return self.vae_scale_factor * int(2 ** (len(self.unet.config.block_out_channels) - 1))

    @property
    def native_size(self) -> int:
        """Side in pixels of the square pictures the model was made for; 512 where its files do not say."""
        side = self.unet.config.sample_size
        if isinstance(side, list | tuple):
            side = max(side)
        return int(side) * self.vae_scale_factor if side else 512

    @property
    def window(self) -> int:
        """Tokens the text encoder reads, its own marks among them."""
        position = getattr(self.text_encoder.config, "max_position_embeddings", None)
        return int(min(self.tokenizer.model_max_length, position or self.tokenizer.model_max_length))

    def new_scheduler(self) -> Any:
        """Return a fresh copy of the scheduler, for one edit."""
        return type(self.scheduler).from_config(self.scheduler.config)

    def with_scheduler(self, name: str) -> Self:
        """Return this model, sharing its weights, with another scheduler of `SCHEDULERS`.

        Raises:
            InvalidEdit: There is none of that name.
        """
        import diffusers

        if name not in SCHEDULERS:
            raise InvalidEdit(f"scheduler: {name!r} is not allowed; choose from {', '.join(SCHEDULERS)}.")
        scheduler = getattr(diffusers, SCHEDULERS[name]).from_config(self.scheduler.config)
        return replace(self, scheduler=scheduler)

    def cut_off(self, prompt: str) -> str:
        """Return the end of a prompt that the text encoder would not read; empty where all fits."""
        ids = self.tokenizer(prompt, truncation=False, verbose=False).input_ids
        if len(ids) <= self.window:
            return ""
        marks_at_end = 1  # both families close with one mark, which stays inside the window
        return str(self.tokenizer.decode(ids[self.window - marks_at_end : -marks_at_end])).strip()

    def require_readable(self, field: str, prompt: str) -> None:
        """Require that a prompt fits the text encoder's window.

        Raises:
            InvalidEdit: It does not; the sentence quotes what would be lost.
        """
        lost = self.cut_off(prompt)
        if lost:
            raise InvalidEdit(
                f"{field}: is too long, this model reads {self.window - 2} tokens and would not see "
                f"“{lost}”; shorten it."
            )

    @torch.no_grad()
    def encode_prompt(self, prompts: list[str]) -> Tensor:
        """Turn prompts into the states the UNet reads; what is over the window is left out, see `cut_off`.

        Returns:
            (B, T, D), T being the window.
        """
        tokens = self.tokenizer(
            prompts, padding="max_length", max_length=self.window, truncation=True, return_tensors="pt"
        )
        device = next(self.text_encoder.parameters()).device
        masked = getattr(self.text_encoder.config, "use_attention_mask", False)
        mask = tokens.attention_mask.to(device) if masked else None
        states: Tensor = self.text_encoder(tokens.input_ids.to(device), attention_mask=mask)[0]
        return states.to(self.device, self.dtype)

    @torch.no_grad()
    def encode_image(self, pixels: Tensor) -> Any:
        """Encode pictures, (B, 3, H, W) in [-1, 1], to the VAE's posterior, whose latents are unscaled."""
        return self.vae.encode(pixels.to(self.device, self.vae.dtype)).latent_dist

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Decode the UNet's latents, (B, C, h, w), to pictures, float32 (B, 3, H, W) in [0, 1]."""
        return self.decode_unscaled(latents / self.vae.config.scaling_factor)

    @torch.no_grad()
    def decode_unscaled(self, latents: Tensor) -> Tensor:
        """Decode latents as the posterior gives them, (B, C, h, w), to float32 (B, 3, H, W) in [0, 1]."""
        decoded: Tensor = self.vae.decode(latents.to(self.vae.dtype), return_dict=False)[0]
        return (decoded.float() / 2 + 0.5).clamp(0, 1)

    def preview(self, latents: Tensor) -> Image.Image:
        """Draw the first of some latents, (B, C, h, w), small enough to be fast."""
        h, w = latents.shape[-2:]
        excess = (h * w) ** 0.5 / _PREVIEW_SIDE.get(self.device.type, 16)
        if excess > 1:
            latents = F.interpolate(
                latents, (max(1, round(h / excess)), max(1, round(w / excess))), mode="area"
            )
        return to_image(self.decode(latents[:1])[0].permute(1, 2, 0).nan_to_num(0).cpu().numpy())


def load(
    name_or_path: str,
    *,
    kind: Kind,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
) -> DiffusionModel:
    """Load a model.

    Args:
        name_or_path: "pocket", a folder in diffusers' layout, a .safetensors file, or a Hub id.
        kind: What it is for; a model of the other kind is an error.
        device: None takes CUDA, else Apple's GPU, else the CPU.
        dtype: Of every part. None computes the UNet in bfloat16 on CUDA, float16 on Apple's GPU and float32
            on the CPU, and leaves text encoder and VAE, whose rounding would be seen, in float32.

    Raises:
        IncompatibleModel: There is no such model, it cannot be loaded safely, or it is of the other kind.
        InvalidEdit: The device or dtype is not to be had.
    """
    target = choose_device(device)
    parts = read(str(name_or_path), kind)
    model = _assembled(parts, str(name_or_path))
    require_kind(model, kind)
    for module in (model.unet, model.vae, model.text_encoder):
        module.to(
            target, choose_dtype(target, dtype) if module is model.unet else dtype or torch.float32
        ).eval()
    return model


def from_pipeline(pipe: Any) -> DiffusionModel:
    """Take the parts of a diffusers pipeline; they are shared, not copied, and left as they are.

    Raises:
        IncompatibleModel: It lacks a part, or its parts are none of Stable Diffusion's layout.
    """
    name = getattr(getattr(pipe, "config", None), "_name_or_path", None) or type(pipe).__name__
    missing = [part for part in PARTS if getattr(pipe, part, None) is None]
    if missing:
        raise IncompatibleModel(
            f"{name}: has no {missing[0]}; give a Stable Diffusion 1.x or 2.x pipeline of diffusers."
        )
    return _assembled(Parts(*(getattr(pipe, part) for part in PARTS)), str(name))


def require_kind(model: DiffusionModel, kind: Kind) -> None:
    """Require a model of one kind.

    Raises:
        IncompatibleModel: It is of the other; the sentence says what to do with it.
    """
    if model.kind == kind:
        return
    c, had = model.latent_channels, model.unet.config.in_channels
    if kind == "edit":
        raise IncompatibleModel(
            f"{model.name}: its UNet takes {had} channels, one that follows instructions {2 * c}; give an "
            "InstructPix2Pix model, train one with `wordbrush train instruct-pix2pix`, or use this one for "
            "prompt edits."
        )
    raise IncompatibleModel(
        f"{model.name}: its UNet takes {had} channels, one that draws from prompts takes {c}; give a "
        "text-to-image model, or use this one for instruction edits."
    )


def _assembled(parts: Parts, name: str) -> DiffusionModel:
    return DiffusionModel(**parts._asdict(), name=name)
