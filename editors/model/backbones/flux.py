"""FLUX.1: a transformer that reads noise and words as one sequence of tokens, and draws.

References: Black Forest Labs, "FLUX.1" (2024, https://bfl.ai/blog), as diffusers' FluxPipeline carries it
out; for attention to words and picture in one, Patrick Esser et al., "Scaling Rectified Flow Transformers for
High-Resolution Image Synthesis" (2024, arXiv 2403.03206), §4.

Laws: a drawn picture is that of the pipeline, to rounding. Where there are no words both prompts are empty.
The guidance that it was taught to be told is the same with words and without.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Self

import torch
from torch import Tensor

from editors.model.attention import AttentionControl
from editors.model.backbones.joint_model import JointModel
from editors.model.backbones.pipeline_model import NOTHING
from editors.model.backbones.tokens import TokenNetwork, places, require_tokens
from editors.model.conditioning import Conditioning
from editors.model.network import Network
from editors.model.text import TextReader
from editors.model.tokens import Prompt, TokenizedPrompt
from editors.requests.settings import Recommended

_MAX_TOKENS: Final = 512
"""Of a prompt; the pipeline leaves out what is over."""
_TOLD_GUIDANCE: Final = 3.5
_FEW_STEPS: Final = 4
"""Of a model that is told no guidance: it was taught to do without (schnell)."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FluxNetwork(TokenNetwork):
    """FLUX's transformer, in whose attention a control can take part."""

    def _steered(self, control: AttentionControl, step: int, conditioning: Conditioning) -> dict[str, Any]:
        words = conditioning.states.shape[1]
        return {"joint_attention_kwargs": {"control": control, "step": step, "num_words": words}}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Flux(JointModel):
    """A FLUX.1 model, which is told its guidance, and knows true guidance besides."""

    patch = 2
    lora_parts = ("transformer", "text_encoder")

    @classmethod
    def of(cls, pipeline: Any, *, kind: str, name: str, recommends: Recommended = NOTHING) -> Self:
        """Take a pipeline of diffusers as it is; see `PipelineModel.of`."""
        if not pipeline.transformer.config.guidance_embeds:
            recommends = {
                **recommends,
                "base": {"num_inference_steps": _FEW_STEPS, **recommends.get("base", {})},
            }
        return super(Flux, cls).of(pipeline, kind=kind, name=name, recommends=recommends)

    def tokenize(self, field: str, prompt: str) -> Prompt:
        """Return a prompt as the network reads it: the second encoder's states, of the first one vector."""
        reader = self.pipeline.tokenizer_2
        return TokenizedPrompt.of(prompt, reader, num_tokens=_MAX_TOKENS, field=field)

    @property
    def text(self) -> TextReader:
        """Both tokenizers and text encoders."""
        pipe = self.pipeline
        return TextReader(
            tokenizers=(pipe.tokenizer, pipe.tokenizer_2),
            text_encoders=(pipe.text_encoder, pipe.text_encoder_2),
        )

    @property
    def network(self) -> Network:
        """The network, behind its border."""
        guidance = _TOLD_GUIDANCE if self.unet.config.guidance_embeds else None
        return FluxNetwork(module=self.unet, told=partial(_told, guidance), patch=self.patch)

    def require_readable(self, field: str, prompt: str) -> None:
        """Require that a prompt fits the pipeline's window.

        Raises:
            InvalidEdit: It does not.
        """
        require_tokens(field, len(self.pipeline.tokenizer_2(prompt).input_ids), _MAX_TOKENS)

    def _read(self, prompt: str) -> tuple[Tensor, Tensor]:
        states, pooled, _ = self.pipeline.encode_prompt(
            prompt=prompt, prompt_2=None, device=self.device, max_sequence_length=_MAX_TOKENS
        )
        return states, pooled


def _told(guidance: float | None, given: Sequence[Tensor], conditioning: Conditioning) -> dict[str, Any]:
    """Say where the tokens lie: a picture's where the noise's do, but for the first axis."""
    rows, words = conditioning.states.shape[:2]
    lie = torch.cat([places(one, first) for first, one in enumerate(given)])
    return {
        "img_ids": lie.to(torch.float32),
        "txt_ids": lie.new_zeros((words, 3), dtype=torch.float32),
        "pooled_projections": conditioning.pooled,
        "guidance": None if guidance is None else torch.full((rows,), guidance, device=lie.device),
    }
