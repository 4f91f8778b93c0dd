"""FLUX.1 Kontext: a transformer that reads noise and picture as one sequence of tokens, beside words.

References: Black Forest Labs, "FLUX.1 Kontext: Flow Matching for In-Context Image Generation and Editing in
Latent Space" (2025, arXiv 2506.15742), as diffusers' FluxKontextPipeline carries it out; for guidance by
picture and text, Brooks et al., "InstructPix2Pix" (2023, arXiv 2211.09800), Eq. 3.

Laws: at its defaults an edit is that of the pipeline, to rounding. Where there is no picture its tokens are
left out; where there are no words both prompts are empty. The guidance that it was taught to be told is the
same in all three predictions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar, Final

import torch
from PIL import Image
from torch import Tensor

from editors.errors import IncompatibleModel, InvalidEdit
from editors.model.backbones.pipeline_model import PipelineModel
from editors.model.backbones.tokens import TokenNetwork, places
from editors.model.conditioning import Conditioning
from editors.model.flow_matching import FlowSteps, linear_shift
from editors.model.network import Network
from editors.model.text import TextReader

_MAX_TOKENS: Final = 512
"""Of a prompt; the pipeline leaves out what is over."""
_PATCH: Final = 2
"""Latents to a side of a token."""
_TOLD_GUIDANCE: Final = 3.5
_MAX_SHIFT: Final = 1.15


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FluxKontext(PipelineModel):
    """A FLUX.1 Kontext model, which is told its guidance, and knows true guidance besides."""

    scales: ClassVar[Mapping[str, float]] = MappingProxyType(
        {"guidance_scale": 1.0, "image_guidance_scale": 1.0, "num_inference_steps": 28}
    )

    def __post_init__(self) -> None:
        """Require parts that fit each other.

        Raises:
            IncompatibleModel: The sentence says which do not.
        """
        c, taken = self.latent_channels, self.unet.config.in_channels
        if taken != c * _PATCH**2:
            raise IncompatibleModel(
                f"{self.name}: the transformer takes tokens of {taken} channels, its autoencoder gives "
                f"{c * _PATCH**2}; give a folder that save_pretrained() of a FluxKontextPipeline wrote."
            )

    @staticmethod
    def does_without_guidance(pipeline: Any) -> bool:
        """It does not: scales of 1 are its defaults, and others are allowed."""
        return False

    @property
    def text(self) -> TextReader:
        """Both tokenizers and text encoders."""
        pipe = self.pipeline
        return TextReader(
            tokenizers=(pipe.tokenizer, pipe.tokenizer_2),
            text_encoders=(pipe.text_encoder, pipe.text_encoder_2),
        )

    @property
    def modules(self) -> tuple[torch.nn.Module, ...]:
        """All that holds weights."""
        return (self.unet, self.vae, *self.text.text_encoders)

    @property
    def network(self) -> Network:
        """The network, behind its border."""
        guidance = _TOLD_GUIDANCE if self.unet.config.guidance_embeds else None
        return TokenNetwork(module=self.unet, told=partial(_told, guidance), patch=_PATCH)

    @property
    def vae_scale_factor(self) -> int:
        """Pixels of a picture's side per latent."""
        return int(self.pipeline.vae_scale_factor)

    @property
    def size_unit(self) -> int:
        """Pixels that sides are best multiples of: a token's."""
        return self.vae_scale_factor * _PATCH

    @property
    def size_step(self) -> int:
        """Pixels that sides must be multiples of: a token's."""
        return self.size_unit

    @property
    def native_size(self) -> int:
        """Side in pixels of the square pictures the model was made for."""
        return int(self.pipeline.default_sample_size * self.pipeline.vae_scale_factor)

    @property
    def width(self) -> int:
        """Channels inside the network."""
        return int(self.unet.config.num_attention_heads * self.unet.config.attention_head_dim)

    def new_scheduler(self, size: tuple[int, int] | None = None) -> FlowSteps:
        """Return a fresh copy of the scheduler, for latents of a size, (h, w)."""
        side = self.native_size // self.vae_scale_factor
        h, w = size or (side, side)
        shift = linear_shift(h * w // _PATCH**2, self.scheduler.config, max_shift=_MAX_SHIFT)
        return FlowSteps(type(self.scheduler).from_config(self.scheduler.config), shift)

    def require_readable(self, field: str, prompt: str) -> None:
        """Require that a prompt fits the pipeline's window.

        Raises:
            InvalidEdit: It does not.
        """
        own = len(self.pipeline.tokenizer_2(prompt).input_ids)
        if own > _MAX_TOKENS:
            raise InvalidEdit(
                field, f"is too long: {own} tokens, and this model reads {_MAX_TOKENS}; shorten it."
            )

    @torch.no_grad()
    def condition(
        self, prompts: list[str], *, size: tuple[int, int], pictures: Sequence[Image.Image] = ()
    ) -> Conditioning:
        """Turn prompts into states; the text encoders see neither size nor pictures."""
        # By itself each: the company that a prompt keeps changes its last bits.
        read = [
            self.pipeline.encode_prompt(
                prompt=one, prompt_2=None, device=self.device, max_sequence_length=_MAX_TOKENS
            )
            for one in prompts
        ]
        return Conditioning(
            states=torch.cat([states for states, _, _ in read]).to(self.dtype),
            pooled=torch.cat([pooled for _, pooled, _ in read]).to(self.dtype),
        )

    def unconditional(self, *, size: tuple[int, int], pictures: Sequence[Image.Image] = ()) -> Conditioning:
        """Return the states of the empty prompt, one row."""
        return self.condition([""], size=size)

    def no_picture(self, image_latents: Tensor) -> None:
        """Return what stands in for a picture where there is none: nothing does."""

    def beside(self, image_latents: Tensor) -> Tensor:
        """Return a picture's unscaled latents, (B, C, h, w), as the network is told them."""
        return self.scaled(image_latents)

    def _latent_statistics(self, latents: Tensor) -> tuple[Tensor | float, Tensor | float]:
        return self.vae.config.shift_factor, 1


def _told(guidance: float | None, given: Sequence[Tensor], conditioning: Conditioning) -> dict[str, Any]:
    """Say where the tokens lie: the picture's where the noise's do, but for the first axis."""
    rows, words = conditioning.states.shape[:2]
    lie = torch.cat([places(one, first) for first, one in enumerate(given)])
    return {
        "img_ids": lie.to(torch.float32),
        "txt_ids": lie.new_zeros((words, 3), dtype=torch.float32),
        "pooled_projections": conditioning.pooled,
        "guidance": None if guidance is None else torch.full((rows,), guidance, device=lie.device),
    }
