"""UNets of diffusers: a new one, and one that is widened so that it can be told a picture.

Reference: Tim Brooks, Aleksander Holynski, Alexei A. Efros, "InstructPix2Pix: Learning to Follow Image
Editing Instructions" (2023, arXiv 2211.09800), §3.2: the weights that act on the new channels start at
zero.

Law: the widened UNet gives the base's output bit for bit, whatever stands in the new channels; the bias is
the base's.
"""

from collections.abc import Sequence
from typing import Any

import torch
from diffusers import UNet2DConditionModel

FOLDER = "unet"
"""Where pipelines of diffusers keep it."""


def new_unet(
    *,
    sample_size: int,
    channels: int,
    text_width: int,
    block_out_channels: Sequence[int],
    layers_per_block: int,
    attention_head_dim: int,
) -> Any:
    """Return a UNet with random weights and with attention at every resolution, for small latents.

    Args:
        sample_size: Side of the latents it is made for.
        channels: C, of the latents.
        text_width: Of the states that a prompt becomes.
        block_out_channels: Channels at each resolution.
        layers_per_block: Layers at each.
        attention_head_dim: As diffusers names it, the number of heads.
    """
    levels = len(block_out_channels)
    return UNet2DConditionModel(
        sample_size=sample_size,
        in_channels=channels,
        out_channels=channels,
        down_block_types=("CrossAttnDownBlock2D",) * levels,
        up_block_types=("CrossAttnUpBlock2D",) * levels,
        block_out_channels=block_out_channels,
        layers_per_block=layers_per_block,
        attention_head_dim=attention_head_dim,
        cross_attention_dim=text_width,
    )


@torch.no_grad()
def widen(base: Any) -> Any:
    """Return a copy of a UNet with twice the input channels, the new ones ignored.

    Args:
        base: A UNet2DConditionModel of C input channels.
    """
    channels = base.config.in_channels
    widened = UNet2DConditionModel.from_config({**base.config, "in_channels": 2 * channels})
    weights = base.state_dict()
    kernel = weights["conv_in.weight"]
    weights["conv_in.weight"] = torch.cat([kernel, torch.zeros_like(kernel)], dim=1)
    widened.load_state_dict(weights)
    return widened.to(kernel.device, kernel.dtype)
