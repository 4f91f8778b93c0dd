"""Let an edit take part in a network's attention, in the call and not on the model.

Reference: Hertz et al., "Prompt-to-Prompt Image Editing with Cross Attention Control" (2022, arXiv
2208.01626).

The processor is installed once on every attention site. An edit travels in `cross_attention_kwargs` as
`{"control": control, "step": index}`, so two edits on one UNet cannot meet, and nothing has to be undone.

Law: without a control the output is, bit for bit, that of diffusers' `AttnProcessor2_0`.

Transformers that attend to words and picture in one: `joint_attention`.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from diffusers.models.attention_processor import (
    Attention,
    AttnProcessor,
    AttnProcessor2_0,
    SlicedAttnProcessor,
    XFormersAttnProcessor,
)
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from editors.errors import IncompatibleModel

_ORDER = {"down_blocks": 0, "mid_block": 1, "up_blocks": 2}
"""How a UNet passes its blocks."""
# The processors that compute plain softmax attention; ours computes the same, so it may take their place.
_PLAIN_PROCESSORS = (AttnProcessor, AttnProcessor2_0, SlicedAttnProcessor, XFormersAttnProcessor)


@dataclass(frozen=True, kw_only=True, slots=True)
class AttentionSite:
    """The place of an attention layer in the network.

    Attributes:
        name: The module's path, such as `down_blocks.1.attentions.0.transformer_blocks.0.attn2`.
        is_cross: Whether it attends to the prompt's tokens.
        level: How many times the latents were halved before it: 0 is the latents' own resolution.
        is_joint: Whether it attends to the prompt's tokens and to the picture, under one softmax.
        depth: Share of the network's attention layers that come before it, from 0.
    """

    name: str
    is_cross: bool
    level: int
    is_joint: bool = False
    depth: float = 0.0

    @property
    def is_self(self) -> bool:
        """Whether it attends to the picture itself."""
        return self.is_joint or not self.is_cross

    def is_within(self, depths: tuple[float, float]) -> bool:
        """Return whether it lies between two depths, the second of which is left out."""
        return depths[0] <= self.depth < depths[1]

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Return the rows and columns of this site's queries for latents of `height` x `width`."""
        return math.ceil(height / 2**self.level), math.ceil(width / 2**self.level)


class JointTokens(NamedTuple):
    """Where the tokens of words and picture stand among queries, keys and values of joint attention."""

    words: slice
    picture: slice


class AttentionControl(Protocol):
    """Anything that stands in for `scaled_dot_product_attention` during one edit."""

    def attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None,
        *,
        site: AttentionSite,
        step: int,
        joint: JointTokens | None = None,
    ) -> Tensor:
        """Return what every row attends to.

        Args:
            query: `(B, heads, P, D)`.
            key: `(B, heads, K, D)`.
            value: `(B, heads, K, D)`.
            mask: Added to the logits, `(B, heads, 1 or P, K)`, or None.
            site: Where this attention stands.
            step: The index of the denoising step.
            joint: At sites of joint attention where the tokens stand, of queries as of keys; else None.

        Returns:
            `(B, heads, P, D)`.
        """
        ...


class ControlledAttnProcessor(AttnProcessor2_0):
    """diffusers' scaled-dot-product processor, with a control in place of its one central call."""

    def __init__(self, site: AttentionSite) -> None:
        super().__init__()
        self.site = site

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
        control: AttentionControl | None = None,
        step: int = 0,
    ) -> Tensor:
        """Attend; `control` and `step` are what the edit put into `cross_attention_kwargs`.

        Args:
            attn: The attention module, whose projections are used.
            hidden_states: The picture's tokens, `(B, P, C)`.
            encoder_hidden_states: The prompt's tokens, `(B, K, C_text)`; None for self-attention.
            attention_mask: Added to the logits, or None.
            temb: The time embedding, which only spatial norms read.
            control: The edit's part in this attention; None attends as diffusers does.
            step: The index of the denoising step.

        Returns:
            The picture's tokens, `(B, P, C)`.
        """
        if control is None:
            return super().__call__(attn, hidden_states, encoder_hidden_states, attention_mask, temb)
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        if encoder_hidden_states is not None and attn.norm_cross:
            context = attn.norm_encoder_hidden_states(context)
        mask = attention_mask
        if mask is not None:
            mask = attn.prepare_attention_mask(mask, context.shape[1], context.shape[0])
            mask = mask.view(context.shape[0], attn.heads, -1, mask.shape[-1])

        query = split_heads(attn.to_q(hidden_states), attn.heads)  # (B, heads, P, D)
        key = split_heads(attn.to_k(context), attn.heads)  # (B, heads, K, D)
        value = split_heads(attn.to_v(context), attn.heads)  # (B, heads, K, D)
        query = query if attn.norm_q is None else attn.norm_q(query)
        key = key if attn.norm_k is None else attn.norm_k(key)

        attended = control.attend(query, key, value, mask, site=self.site, step=step)
        merged = attended.transpose(1, 2).flatten(2).to(query.dtype)  # (B, P, C)
        projected = attn.to_out[1](attn.to_out[0](merged))
        residual = hidden_states if attn.residual_connection else 0
        return (projected + residual) / attn.rescale_output_factor


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    """Return softmax(Q Kᵀ / √D + mask) V, `(B, heads, P, D)`, without ever building the map."""
    return scaled_dot_product_attention(query, key, value, attn_mask=mask)


def install(unet: torch.nn.Module) -> tuple[AttentionSite, ...]:
    """Give every attention of a UNet the controlled processor, once; a second call changes nothing.

    Args:
        unet: A `UNet2DConditionModel`, or anything with the same blocks.

    Returns:
        All attention sites, in the order in which they are passed.

    Raises:
        IncompatibleModel: An attention is not plain softmax attention over tokens, such as an IP-adapter's.
    """
    processors: dict[str, ControlledAttnProcessor] = {}
    found = [(name, module) for name, module in unet.named_modules() if isinstance(module, Attention)]
    found.sort(key=lambda one: _ORDER.get(one[0].partition(".")[0], 0))
    for number, (name, module) in enumerate(found):
        present: object = module.processor
        if isinstance(present, ControlledAttnProcessor):
            processors[name] = present
            continue
        if not isinstance(present, _PLAIN_PROCESSORS) or module.group_norm or module.spatial_norm:
            raise IncompatibleModel(
                f"The UNet attends with {type(present).__name__} at {name}, which prompt edits cannot "
                "steer; use a plain model of Stable Diffusion, without IP-adapters."
            )
        site = AttentionSite(
            name=name,
            is_cross=module.is_cross_attention,
            level=_level(unet, name),
            depth=number / len(found),
        )
        processors[name] = ControlledAttnProcessor(site)
    if not processors:
        raise IncompatibleModel("The UNet has no attention to steer; use a model of Stable Diffusion.")
    for name, processor in processors.items():
        unet.get_submodule(name).set_processor(processor)  # type: ignore[operator]
    return tuple(processor.site for processor in processors.values())


def split_heads(tokens: Tensor, heads: int) -> Tensor:
    """Return tokens, (B, T, heads · D), by heads, (B, heads, T, D)."""
    return tokens.unflatten(2, (heads, -1)).transpose(1, 2)


def _level(unet: torch.nn.Module, name: str) -> int:
    """Return how many halvings come before a site: one after every down block, undone by the up blocks."""
    deepest = len(unet.down_blocks) - 1  # type: ignore[arg-type]
    place, *rest = name.split(".")
    if place == "down_blocks":
        return int(rest[0])
    return deepest - int(rest[0]) if place == "up_blocks" else deepest
