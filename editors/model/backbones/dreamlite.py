"""DreamLite: a small UNet that sees the picture beside the noise, and a language model that sees it, too.

Reference: "DreamLite: A Lightweight On-Device Unified Model for Image Generation and Editing" (2026, arXiv
2603.28713), as diffusers' DreamLitePipeline and DreamLiteMobilePipeline carry it out.

Law: at its defaults an edit is that of the pipeline, to rounding: its prompt is told in the pipeline's words,
picture and noise lie side by side, and where there is no picture the network is shown zeros. As there, the
language model sees the picture even then.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from PIL import Image
from torch import Tensor

from editors.errors import IncompatibleModel
from editors.model.backbones.pipeline_model import PipelineModel
from editors.model.conditioning import Conditioning, Shown
from editors.model.devices import device_of
from editors.model.network import Network

_TOLD: Final = (
    "[Edit]: A diptych with two side-by-side images of the same scene. "
    "Compared to the right side, the left one has {}"
)
"""How its network was taught to be told an edit; the pipeline says it so (diffusers, Apache-2.0)."""


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
class DreamLite(PipelineModel):
    """A DreamLite model, with guidance or without (mobile)."""

    lora_parts = ("unet",)
    patch = 2
    max_shift = 1.16

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

    @property
    def network(self) -> Network:
        """The network, behind its border."""
        return Network(self.unet, SideBySide())

    @torch.no_grad()
    def condition(
        self, prompts: list[str], *, size: tuple[int, int], pictures: Sequence[Shown] = ()
    ) -> Conditioning:
        """Tell what to change of each picture; see `DiffusionModel.condition`."""
        return self._told([_TOLD.format(prompt) for prompt in prompts], size, pictures)

    @torch.no_grad()
    def unconditional(self, *, size: tuple[int, int], pictures: Sequence[Shown] = ()) -> Conditioning:
        """Tell nothing of each picture; see `DiffusionModel.unconditional`."""
        return self._told([""] * len(pictures), size, pictures)

    def _told(self, prompts: Sequence[str], size: tuple[int, int], pictures: Sequence[Shown]) -> Conditioning:
        height, width = size
        sizes = torch.tensor([[width, height]], dtype=torch.float32, device=self.device)
        # By itself each: the company that a prompt keeps changes its last bits.
        rows = [self._row(prompt, picture) for prompt, (picture,) in zip(prompts, pictures, strict=True)]
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
        latents: Tensor = self.vae.encode(pixels.to(device_of(self.vae), self.vae.dtype)).latents
        return latents

    def _latent_statistics(self, latents: Tensor) -> tuple[Tensor | float, Tensor | float]:
        return getattr(self.vae.config, "shift_factor", 0) or 0, 1
