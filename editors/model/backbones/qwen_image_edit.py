"""Qwen-Image-Edit: a transformer of tokens, and a language model that sees the picture.

References: Chenfei Wu et al., "Qwen-Image Technical Report" (2025, arXiv 2508.02324), as diffusers'
QwenImageEditPipeline and QwenImageEditPlusPipeline (2509, 2511) carry it out; for guidance by picture and
text, Brooks et al., "InstructPix2Pix" (2023, arXiv 2211.09800), Eq. 3.

Laws: at its defaults an edit is that of the pipeline whose language model is told where pictures lie, to
rounding. Where there is no picture its tokens are left out, and the language model sees none either. Guided
predictions keep the length of e(I,T) at each token.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from PIL import Image
from torch import Tensor

from editors.guidance import Guidance, TokenNorm
from editors.model.backbones.qwen_processor import told_where_pictures_lie
from editors.model.backbones.tokens import SeeingTokenModel, TokenNetwork
from editors.model.conditioning import Conditioning, Shown
from editors.model.devices import device_of
from editors.model.network import Network
from editors.requests.settings import Settings

_PICTURE: Final = "<|vision_start|><|image_pad|><|vision_end|>"
"""Where the picture stands in the template of the first kind."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class QwenImageEdit(SeeingTokenModel):
    """A Qwen-Image-Edit model of the first kind: one picture, which its language model sees as a whole."""

    patch = 2
    max_tokens = 1024
    no_words = " "  # as the model's authors give it

    @property
    def network(self) -> Network:
        """The network, behind its border."""
        return TokenNetwork(module=self.unet, told=_told, patch=self.patch)

    @property
    def latent_channels(self) -> int:
        """C, the channels of a latent."""
        config = self.vae.config
        return int(config.get("z_dim") or config.latent_channels)

    @property
    def size_unit(self) -> int:
        """Pixels that sides are best multiples of: two tokens', as the pipeline chooses them."""
        return 2 * self.size_step

    def guidance(self, settings: Settings) -> Guidance:
        """Return how predictions are combined."""
        return TokenNorm(super(QwenImageEdit, self).guidance(settings), self.patch)

    def _read(self, prompt: str, shown: Shown) -> Conditioning:
        pipe, images = self._reader(shown)
        with told_where_pictures_lie(self.text_encoder):
            states, mask = pipe.encode_prompt(prompt=prompt, image=images, device=self.device)
        mask = torch.ones(states.shape[:2], device=states.device) if mask is None else mask
        return Conditioning(states=states.to(self.dtype), mask=mask)

    def _reader(self, shown: Shown) -> tuple[Any, list[Image.Image] | None]:
        """Return what reads an instruction about pictures, and the pictures that it is shown."""
        if shown:
            return self.pipeline, list(shown)
        bare = copy.copy(self.pipeline)  # its template has a picture whatever it is shown
        bare.prompt_template_encode = bare.prompt_template_encode.replace(_PICTURE, "")
        return bare, None

    @torch.no_grad()
    def picture_latents(self, pixels: Tensor) -> Tensor:
        """Encode pictures, (B, 3, H, W) in [-1, 1], to their likeliest latents, unscaled, (B, C, h, w)."""
        frames = pixels.to(device_of(self.vae), self.vae.dtype)[:, :, None]  # of a film of one
        latents: Tensor = self.vae.encode(frames).latent_dist.mode()[:, :, 0]
        return latents

    @torch.no_grad()
    def decode_unscaled(self, latents: Tensor) -> Tensor:
        """Decode latents as the autoencoder gives them, (B, C, h, w), to float32 (B, 3, H, W) in [0, 1]."""
        decoded: Tensor = self.vae.decode(latents.to(self.vae.dtype)[:, :, None], return_dict=False)[0]
        return (decoded[:, :, 0].float() / 2 + 0.5).clamp(0, 1)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class QwenImageEditPlus(QwenImageEdit):
    """One of the kind that takes several pictures, 2509 and 2511; its language model sees small ones."""

    def _reader(self, shown: Shown) -> tuple[Any, list[Image.Image] | None]:
        return self.pipeline, [self._small(picture) for picture in shown] or None

    def _small(self, picture: Image.Image) -> Image.Image:
        """Return a picture at the size that the language model is shown."""
        from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit_plus as plus

        width, height = plus.calculate_dimensions(plus.CONDITION_IMAGE_SIZE, picture.width / picture.height)
        small: Image.Image = self.pipeline.image_processor.resize(picture, height, width)
        return small


def _told(given: Sequence[Tensor], conditioning: Conditioning) -> dict[str, Any]:
    """Say how large noise and picture are, (frames, rows, columns) each, and which words are there."""
    shapes = [(1, *one.shape[-2:]) for one in given]
    mask = conditioning.mask
    return {
        "img_shapes": [shapes] * len(conditioning),
        "encoder_hidden_states_mask": None if mask is None or mask.all() else mask,
    }
