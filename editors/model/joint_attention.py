"""Let an edit take part in the attention of diffusion transformers, where words and picture attend in one.

Reference: Patrick Esser et al., "Scaling Rectified Flow Transformers for High-Resolution Image Synthesis"
(2024, arXiv 2403.03206), §4: every block attends once, over the tokens of words and picture together.

As in `attention`, a processor is installed once, and an edit travels in the call, in
`joint_attention_kwargs`.

Laws: without a control the output is, bit for bit, that of diffusers' `JointAttnProcessor2_0` (Stable
Diffusion 3) and `FluxAttnProcessor`; a control is asked with rotary positions in queries and keys.
"""

import math
from typing import Any

import torch
from diffusers.models.attention_processor import Attention, JointAttnProcessor2_0
from diffusers.models.embeddings import apply_rotary_emb
from diffusers.models.transformers.transformer_flux import FluxAttention, FluxAttnProcessor
from torch import Tensor

from editors.errors import IncompatibleModel
from editors.model.attention import AttentionControl, AttentionSite, JointTokens, split_heads


class ControlledJointAttnProcessor(JointAttnProcessor2_0):
    """Stable Diffusion 3's processor, with a control in place of its one central call."""

    def __init__(self, site: AttentionSite) -> None:
        super().__init__()
        self.site = site

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        control: AttentionControl | None = None,
        step: int = 0,
    ) -> Any:
        """Attend; `control` and `step` are what the edit put into `joint_attention_kwargs`.

        Args:
            attn: The attention module, whose projections are used.
            hidden_states: The picture's tokens, (B, P, C).
            encoder_hidden_states: The words' tokens, (B, K, C); None where the picture attends to itself.
            attention_mask: None: these models take none.
            control: The edit's part in this attention; None attends as diffusers does.
            step: The index of the denoising step.

        Returns:
            The picture's tokens, and where there are any, the words'.
        """
        if control is None:
            return super().__call__(attn, hidden_states, encoder_hidden_states, attention_mask)
        heads = attn.heads
        query, key, value = (
            split_heads(project(hidden_states), heads) for project in (attn.to_q, attn.to_k, attn.to_v)
        )
        query = query if attn.norm_q is None else attn.norm_q(query)
        key = key if attn.norm_k is None else attn.norm_k(key)
        tokens = None
        if encoder_hidden_states is not None:
            q, k, v = (
                split_heads(project(encoder_hidden_states), heads)
                for project in (attn.add_q_proj, attn.add_k_proj, attn.add_v_proj)
            )
            q = q if attn.norm_added_q is None else attn.norm_added_q(q)
            k = k if attn.norm_added_k is None else attn.norm_added_k(k)
            query, key, value = (torch.cat(pair, dim=2) for pair in ((query, q), (key, k), (value, v)))
            places = hidden_states.shape[1]
            tokens = JointTokens(words=slice(places, None), picture=slice(0, places))
        attended = control.attend(query, key, value, None, site=self.site, step=step, joint=tokens)
        merged = attended.transpose(1, 2).flatten(2).to(query.dtype)  # (B, P + K, C)
        if tokens is None:
            return attn.to_out[1](attn.to_out[0](merged))
        words = merged[:, tokens.words]
        words = words if attn.context_pre_only else attn.to_add_out(words)
        return attn.to_out[1](attn.to_out[0](merged[:, tokens.picture])), words


class ControlledFluxAttnProcessor(FluxAttnProcessor):
    """FLUX's processor, with a control in place of its one central call; the words' tokens come first."""

    def __init__(self, site: AttentionSite) -> None:
        super().__init__()
        self.site = site

    def __call__(
        self,
        attn: FluxAttention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        image_rotary_emb: Any = None,
        control: AttentionControl | None = None,
        step: int = 0,
        num_words: int = 0,
    ) -> Any:
        """Attend; `control`, `step` and `num_words` are what came in `joint_attention_kwargs`.

        Args:
            attn: The attention module, whose projections are used.
            hidden_states: The picture's tokens, (B, P, C); in blocks of a single stream the words' before
                them.
            encoder_hidden_states: The words' tokens, (B, K, C); None in blocks of a single stream.
            attention_mask: None: these models take none.
            image_rotary_emb: Where all tokens lie.
            control: The edit's part in this attention; None attends as diffusers does.
            step: The index of the denoising step.
            num_words: K.

        Returns:
            The picture's tokens and the words'; of a single stream both in one.
        """
        if control is None:
            return super().__call__(
                attn, hidden_states, encoder_hidden_states, attention_mask, image_rotary_emb
            )
        query, key, value = (
            project(hidden_states).unflatten(-1, (-1, attn.head_dim))
            for project in (attn.to_q, attn.to_k, attn.to_v)
        )
        query, key = attn.norm_q(query), attn.norm_k(key)
        if encoder_hidden_states is not None:
            q, k, v = (
                project(encoder_hidden_states).unflatten(-1, (-1, attn.head_dim))
                for project in (attn.add_q_proj, attn.add_k_proj, attn.add_v_proj)
            )
            q, k = attn.norm_added_q(q), attn.norm_added_k(k)
            query, key, value = (torch.cat(pair, dim=1) for pair in ((q, query), (k, key), (v, value)))
        query, key = (apply_rotary_emb(one, image_rotary_emb, sequence_dim=1) for one in (query, key))
        query, key, value = (one.transpose(1, 2) for one in (query, key, value))  # (B, heads, T, D)
        tokens = JointTokens(words=slice(0, num_words), picture=slice(num_words, None))
        attended = control.attend(query, key, value, None, site=self.site, step=step, joint=tokens)
        merged = attended.transpose(1, 2).flatten(2).to(query.dtype)
        if encoder_hidden_states is None:
            return merged
        picture = attn.to_out[1](attn.to_out[0](merged[:, tokens.picture].contiguous()))
        return picture, attn.to_add_out(merged[:, tokens.words].contiguous())


_STEERED: dict[type, Any] = {
    JointAttnProcessor2_0: ControlledJointAttnProcessor,
    FluxAttnProcessor: ControlledFluxAttnProcessor,
}
"""Processor of diffusers -> ours, which computes the same."""


def install(transformer: torch.nn.Module, *, patch: int) -> tuple[AttentionSite, ...]:
    """Give every attention of a transformer the controlled processor, once; a second call changes nothing.

    Args:
        transformer: An SD3Transformer2DModel or FluxTransformer2DModel.
        patch: Latents to a side of a token.

    Returns:
        All attention sites, in the order in which they are passed.

    Raises:
        IncompatibleModel: An attention is of another kind, such as an IP-adapter's, or fused.
    """
    processors: dict[str, Any] = {}
    found = [
        (name, module)
        for name, module in transformer.named_modules()
        if isinstance(module, Attention | FluxAttention)
    ]
    for number, (name, module) in enumerate(found):
        present: object = module.processor
        if isinstance(present, tuple(_STEERED.values())):
            processors[name] = present
            continue
        if type(present) not in _STEERED or module.fused_projections:
            raise IncompatibleModel(
                f"The transformer attends with {type(present).__name__} at {name}, which prompt edits cannot "
                "steer; use a plain model, without IP-adapters and fused projections."
            )
        is_joint = isinstance(module, FluxAttention) or module.added_kv_proj_dim is not None
        site = AttentionSite(
            name=name,
            is_cross=is_joint,
            is_joint=is_joint,
            level=int(math.log2(patch)),
            depth=number / len(found),
        )
        processors[name] = _STEERED[type(present)](site)
    for name, processor in processors.items():
        transformer.get_submodule(name).set_processor(processor)  # type: ignore[operator]
    return tuple(processor.site for processor in processors.values())
