"""DreamLite: a small UNet that sees the picture beside the noise, and a language model that sees it, too.

Reference: "DreamLite: A Lightweight On-Device Unified Model for Image Generation and Editing" (2026, arXiv
2603.28713), as diffusers' DreamLitePipeline and DreamLiteMobilePipeline carry it out.

Law: at its defaults an edit is that of the pipeline, to rounding: its prompt is told in the pipeline's words,
picture and noise lie side by side, and where there is no picture the network is shown zeros. As there, the
language model sees the picture even then.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import torch
from PIL import Image
from torch import Tensor

from editors.errors import IncompatibleModel, InvalidEdit
from editors.model.conditioning import Conditioning
from editors.model.diffusion_model import DiffusionModel
from editors.model.flow_matching import FlowSteps
from editors.model.network import Network
from editors.model.parts import DREAMLITE, DREAMLITE_MOBILE, DREAMLITE_PARTS
from editors.requests.settings import Kind, Settings

_TOLD: Final = (
    "[Edit]: A diptych with two side-by-side images of the same scene. "
    "Compared to the right side, the left one has {}"
)
_TOKEN: Final = 2  # latents to a side of what its schedule counts as one place


@dataclass(frozen=True, slots=True)
class SideBySide:
    """The picture to the right of the noise: one input, twice as wide."""

    def join(self, latents: Tensor, picture: Tensor) -> Tensor:
        """Return (B, C, h, 2·w)."""
        return torch.cat([latents, picture], dim=3)

    def prediction(self, output: Tensor, latents: Tensor) -> Tensor:
        """Return the left half of the output, (B, C, h, w)."""
        return output[..., : latents.shape[-1]]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class DreamLite(DiffusionModel):
    """A DreamLite model; its parts are those of its pipeline.

    Attributes:
        pipeline: A DreamLitePipeline or DreamLiteMobilePipeline: its own reader of prompts and pictures.
    """

    pipeline: Any

    def __post_init__(self) -> None:
        """Require parts that fit each other.

        Raises:
            IncompatibleModel: The sentence says which do not.
        """
        c, unet = self.latent_channels, self.unet.config
        if (unet.in_channels, unet.out_channels) != (c, c):
            raise IncompatibleModel(
                f"{self.name}: the UNet takes {unet.in_channels} channels and gives {unet.out_channels}, its "
                f"autoencoder has {c}; give a folder that save_pretrained() of a DreamLite pipeline wrote."
            )

    @classmethod
    def of(cls, pipeline: Any, *, name: str, **told: Any) -> Self:
        """Take a pipeline of diffusers as it is; `told` are further fields."""
        parts = {part: getattr(pipeline, part) for part in DREAMLITE_PARTS if part != "processor"}
        recommends = {"edit": dict(DREAMLITE[_kind(pipeline)])}
        return cls(pipeline=pipeline, name=name, recommends=recommends, **parts, **told)

    @property
    def is_distilled(self) -> bool:
        """Whether it does without guidance, and in a few steps."""
        return _kind(self.pipeline) == DREAMLITE_MOBILE

    @property
    def kind(self) -> Kind:
        """It edits."""
        return "edit"

    @property
    def network(self) -> Network:
        """The network, behind its border."""
        return Network(self.unet, SideBySide())

    @property
    def vae_scale_factor(self) -> int:
        """Pixels of a picture's side per latent."""
        return int(self.pipeline.vae_scale_factor)

    def new_scheduler(self, size: tuple[int, int] | None = None) -> FlowSteps:
        """Return a fresh copy of the scheduler, for latents of a size, (h, w)."""
        side = self.native_size // self.vae_scale_factor
        h, w = size or (side, side)
        scheduler = type(self.scheduler).from_config(self.scheduler.config)
        return FlowSteps(scheduler, num_tokens=h * w // _TOKEN**2)

    takes_loras = False
    is_trainable = False

    def with_scheduler(self, name: str) -> Self:
        """Refuse: a flow has steps of its own.

        Raises:
            InvalidEdit: Always.
        """
        raise InvalidEdit(
            "scheduler", f"{name!r} is not for {self.name}, which has steps of its own; leave it out."
        )

    def require_scales(self, settings: Settings) -> None:
        """Require scales that the model knows.

        Raises:
            InvalidEdit: It was taught to do without guidance, and they ask for it.
        """
        for field in ("guidance_scale", "image_guidance_scale") if self.is_distilled else ():
            if (scale := getattr(settings, field)) != 1:
                raise InvalidEdit(
                    field, f"{scale:g} is not allowed: {self.name} does without guidance; give 1 or none."
                )

    @torch.no_grad()
    def condition(
        self, prompts: list[str], *, size: tuple[int, int], pictures: Sequence[Image.Image] = ()
    ) -> Conditioning:
        """Tell what to change of each picture; see `DiffusionModel.condition`."""
        return self._told([_TOLD.format(prompt) for prompt in prompts], size, pictures)

    @torch.no_grad()
    def unconditional(self, *, size: tuple[int, int], pictures: Sequence[Image.Image] = ()) -> Conditioning:
        """Tell nothing of each picture; see `DiffusionModel.unconditional`."""
        return self._told([""] * len(pictures), size, pictures)

    def _told(
        self, prompts: Sequence[str], size: tuple[int, int], pictures: Sequence[Image.Image]
    ) -> Conditioning:
        height, width = size
        # By itself each: the company that a prompt keeps changes its last bits.
        rows = [self._row(prompt, picture) for prompt, picture in zip(prompts, pictures, strict=True)]
        sizes = torch.tensor([[width, height]], dtype=torch.float32, device=self.device)
        return Conditioning.cat(
            [Conditioning(states=states, mask=mask, time_ids=sizes) for states, mask in rows]
        )

    def _row(self, prompt: str, picture: Image.Image) -> tuple[Tensor, Tensor]:
        states, mask = self.pipeline.encode_prompt(
            mode="edit", prompts=[prompt], image=picture, device=self.device, dtype=self.dtype
        )
        return states, mask

    @torch.no_grad()
    def picture_latents(self, pixels: Tensor) -> Tensor:
        """Encode pictures, (B, 3, H, W) in [-1, 1], to latents, (B, C, h, w)."""
        latents: Tensor = self.vae.encode(pixels.to(self.device, self.vae.dtype)).latents
        return latents

    def _latent_statistics(self, latents: Tensor) -> tuple[Tensor | float, Tensor | float]:
        return getattr(self.vae.config, "shift_factor", 0) or 0, 1


def is_pipeline(pipe: Any) -> bool:
    """Say whether a pipeline is one of DreamLite's, or is derived from one."""
    return any(kind.__name__ in DREAMLITE for kind in type(pipe).__mro__)


def of_parts(pipeline: str, parts: Mapping[str, Any], *, name: str) -> DreamLite:
    """Put a model together from loaded parts; `pipeline` is one of `DREAMLITE`."""
    import diffusers

    return DreamLite.of(getattr(diffusers, pipeline)(**parts), name=name)


def _kind(pipeline: Any) -> str:
    return next(kind.__name__ for kind in type(pipeline).__mro__ if kind.__name__ in DREAMLITE)
