"""FLUX.1 Kontext: a transformer that reads noise and picture as one sequence of tokens, beside words.

References: Black Forest Labs, "FLUX.1 Kontext: Flow Matching for In-Context Image Generation and Editing in
Latent Space" (2025, arXiv 2506.15742), as diffusers' FluxKontextPipeline carries it out; for guidance by
picture and text, Brooks et al., "InstructPix2Pix" (2023, arXiv 2211.09800), Eq. 3.

Laws: at its defaults an edit is that of the pipeline, to rounding. Where there is no picture its tokens are
left out; where there are no words both prompts are empty. The guidance that it was taught to be told is the
same in all three predictions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor

from editors.model.backbones.tokens import TokenModel, TokenNetwork, places, require_tokens
from editors.model.conditioning import Conditioning, Shown
from editors.model.network import Network
from editors.model.text import TextReader

_MAX_TOKENS: Final = 512
"""Of a prompt; the pipeline leaves out what is over."""
_TOLD_GUIDANCE: Final = 3.5


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FluxKontext(TokenModel):
    """A FLUX.1 Kontext model, which is told its guidance, and knows true guidance besides."""

    patch = 2
    lora_parts = ("transformer", "text_encoder")

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
        return TokenNetwork(module=self.unet, told=partial(_told, guidance), patch=self.patch)

    def require_readable(self, field: str, prompt: str) -> None:
        """Require that a prompt fits the pipeline's window.

        Raises:
            InvalidEdit: It does not.
        """
        require_tokens(field, len(self.pipeline.tokenizer_2(prompt).input_ids), _MAX_TOKENS)

    @torch.no_grad()
    def condition(
        self, prompts: list[str], *, size: tuple[int, int], pictures: Sequence[Shown] = ()
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
