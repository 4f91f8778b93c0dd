"""LongCat-Image-Edit: a transformer of tokens, and a language model that sees the picture.

References: Meituan LongCat Team, "LongCat-Image Technical Report" (2025, arXiv 2512.07584), as diffusers'
LongCatImageEditPipeline carries it out; for guidance by picture and text, Brooks et al., "InstructPix2Pix"
(2023, arXiv 2211.09800), Eq. 3.

Laws: at its defaults an edit is that of the pipeline whose language model is told where pictures lie, to
rounding. Where there is no picture its tokens are left out, and the language model sees none either.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor

from editors.model.backbones.qwen_processor import told_where_pictures_lie
from editors.model.backbones.tokens import SeeingTokenModel, TokenNetwork, places
from editors.model.conditioning import Conditioning, Shown
from editors.model.network import Network

_BEFORE_PICTURE: Final = "<|vision_start|>"
"""Where the template's system message ends and its picture begins."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LongCatImageEdit(SeeingTokenModel):
    """A LongCat-Image-Edit model; no file of the Turbo, which takes 8 steps and a scale of 1, tells it."""

    patch = 2
    max_tokens = 512

    @property
    def network(self) -> Network:
        """The network, behind its border."""
        return TokenNetwork(module=self.unet, told=_told, patch=self.patch)

    def _read(self, prompt: str, shown: Shown) -> Conditioning:
        if not shown:
            return Conditioning(states=self._nothing().to(self.dtype))
        (picture,) = shown
        # The language model is shown half of the picture's sides.
        small = self.pipeline.image_processor.resize(picture, picture.height // 2, picture.width // 2)
        with told_where_pictures_lie(self.text_encoder):
            states, _ = self.pipeline.encode_prompt(prompt=[prompt], image=small)
        return Conditioning(states=states.to(self.dtype))

    def _nothing(self) -> Tensor:
        """Read the template without picture and words, (1, T, D), which the pipeline never does."""
        pipe, read = self.pipeline, self.tokenizer
        before = pipe.prompt_template_encode_prefix.partition(_BEFORE_PICTURE)[0]
        begin, end = (
            read(part, add_special_tokens=False)["input_ids"]
            for part in (before, pipe.prompt_template_encode_suffix)
        )
        words = [read.pad_token_id] * self.max_tokens
        ids = torch.tensor([[*begin, *words, *end]], device=self.device)
        mask = torch.ones_like(ids)
        mask[:, len(begin) : -len(end)] = 0
        # Where words are filled up they have no place of their own, as beside a picture.
        lie = ((mask.cumsum(1) - 1) * mask).expand(3, 1, -1)
        told = self.text_encoder(
            input_ids=ids, attention_mask=mask, position_ids=lie, output_hidden_states=True
        )
        states: Tensor = told.hidden_states[-1][:, len(begin) : -len(end)]
        return states

    def _latent_statistics(self, latents: Tensor) -> tuple[Tensor | float, Tensor | float]:
        return self.vae.config.shift_factor, 1


def _told(given: Sequence[Tensor], conditioning: Conditioning) -> dict[str, Any]:
    """Say where tokens lie: words on a diagonal, noise and picture behind it, each on its own layer."""
    words = conditioning.states.shape[1]
    lie = torch.cat([places(one, layer) for layer, one in enumerate(given, start=1)])
    lie = lie + lie.new_tensor([0, words, words])
    spoken = torch.arange(words, device=lie.device)
    return {
        "img_ids": lie.to(torch.float32),
        "txt_ids": torch.stack([torch.zeros_like(spoken), spoken, spoken], dim=1).to(torch.float32),
    }
